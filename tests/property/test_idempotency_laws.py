"""Whatever is called in whatever order with whatever keys: each key has one effect, one answer, and one request."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from data import tables
from data.errors import InputError
from data.store import Store
from service.idempotency import kept_as
from tests.support.service_writes import acts
from tests.support.small_service import Small

KEYS = st.sampled_from(["a", "b"])
NUMBERS = st.integers(1, 2)
ACTORS = st.sampled_from(["key:1", "key:2"])


class Keys(RuleBasedStateMachine):
    """Calls of two askers with two keys and two requests, some of which fail, beside a table of what is due."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.store = Store.open(str(Path(self._folder.name) / "heed.db"), create=True)
        self.small = Small(self.store)
        self.answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.effects = 0

    @initialize()
    def start(self) -> None:
        """Nothing was called yet."""
        assert acts(self.store, "thing.add") == []

    @rule(actor=ACTORS, key=KEYS, number=NUMBERS)
    def call(self, actor: str, key: str, number: int) -> None:
        """Done, repeated, or refused."""
        self.small.actor = actor
        answer = self.small.post(number, idempotency_key=key)
        known = self.answers.get((actor, key))
        if known is None:
            assert answer.status_code == 201
            assert "idempotency-replayed" not in answer.headers
            self.answers[actor, key] = number, answer.content
            self.effects += 1
        elif known[0] == number:
            assert (answer.status_code, answer.content) == (201, known[1])
            assert answer.headers["idempotency-replayed"] == "true"
        else:
            assert answer.status_code == 422

    @rule(actor=ACTORS, key=KEYS, number=NUMBERS, late=st.booleans())
    def fail(self, actor: str, key: str, number: int, late: bool) -> None:
        """A call whose work fails leaves the key as it was: free, or with its answer."""

        def refuse() -> None:
            raise InputError("not like this")

        self.small.actor = actor
        place = "in_effect" if late else "while_preparing"
        setattr(self.small, place, refuse)
        answer = self.small.post(number, idempotency_key=key)
        setattr(self.small, place, lambda: None)
        known = self.answers.get((actor, key))
        expected = 422 if known is None or known[0] != number else 201
        assert answer.status_code == expected

    @rule(actor=ACTORS, number=NUMBERS)
    def without(self, actor: str, number: int) -> None:
        """A call without a key always counts."""
        self.small.actor = actor
        assert self.small.post(number).status_code == 201
        self.effects += 1

    @rule()
    def forget(self) -> None:
        """The time of all keys is over."""
        with self.store.writing() as connection:
            connection.execute(tables.idempotent_request.update().values(started_at=1))
        self.answers.clear()

    @rule(actor=ACTORS, key=KEYS)
    def die(self, actor: str, key: str) -> None:
        """A process died after it had claimed the key, and its claim ran out."""
        if (actor, key) not in self.answers:
            return
        row = tables.idempotent_request
        kept = kept_as(key, self.store.case_key())
        with self.store.writing() as connection:
            mine = (row.c.actor == actor) & (row.c.idempotency_key == kept)
            connection.execute(row.delete().where(mine))
            claim = {"request_sha256": "x" * 64, "started_at": 1, "lease_until": 0, "attempt": "dead"}
            connection.execute(row.insert().values(actor=actor, idempotency_key=kept, **claim))
        del self.answers[actor, key]

    @invariant()
    def each_effect_is_there_once(self) -> None:
        """No more and no fewer entries than calls that were done."""
        assert len(acts(self.store, "thing.add")) == self.effects

    def teardown(self) -> None:
        """Close the store."""
        self.store.close()
        self._folder.cleanup()


TestKeys = Keys.TestCase
TestKeys.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
