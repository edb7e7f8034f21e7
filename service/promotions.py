"""Models put to use through the service: decided on what was read, checked, told in the audit trail.

The registry is a folder of files and the trail is in the database, so that no transaction holds both. The order makes
up for it:

1. an entry `begun` is committed to the trail, with what is to be replaced by what;
2. the registry changes, in one step of its own, if that is still what is in use, and notes the number of the entry;
3. an entry `done` or `refused` follows, which names the first.

So nothing changes that the trail does not tell beforehand. A `begun` without an end is of a process that died: the
history of the models (`heed models history`) says whether the change was made, by the number of the entry; and the
asker who repeats the call with the same key gets the end written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, func, select

from data import tables
from data.audit_log import Act, append
from data.boundary import refuse
from data.errors import HeedError, ModelError
from data.store import Store
from models.registry import CHAMPION, Registry
from models.registry.aliases import PREVIOUS, Aliases
from models.registry.names import model_name_of
from service.boundary import check
from service.gating import require_gates
from service.idempotency import writing
from service.identity import Identity
from service.language import marked
from service.model_payloads import Alias, ModelChange
from service.problems import ConflictError, PreconditionFailedError

_CHANGED: Final = marked("Another model has been put to use meanwhile. Read the list of models, and decide again.")
_REFUSED: Final = marked(
    "This version cannot be put to use here: it is damaged, not signed by a key that is trusted here, or made for "
    "other features, facts or libraries. `heed models show` says which."
)
_NO_EARLIER: Final = marked("There is no earlier model to go back to.")
_NUMBER: Final = re.compile(r"\(audit ([0-9]{1,18})\)$")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be put to use: `version` in place of `before` as `alias`; `action` is that of the audit trail."""

    action: str
    model: str
    version: str
    alias: Alias
    before: str | None
    reason: str | None
    override: str | None = None

    @classmethod
    def promotion(
        cls, aliases: Aliases, version: str, alias: Alias, reason: str | None, override: str | None = None
    ) -> Wish:
        """A version that is there, in place of what has the alias in `aliases`; `override` is why closed gates are gone
        over.
        """
        model = str(model_name_of(version))
        return cls("model.promote", model, version, alias, aliases.get(model, {}).get(alias), reason, override)

    @classmethod
    def rollback(cls, aliases: Aliases, model: str, reason: str | None) -> Wish:
        """The version before the champion of `aliases`.

        Raises
        ------
        ConflictError
            If there is none.
        """
        held = aliases.get(model, {})
        if PREVIOUS not in held:
            raise ConflictError(_NO_EARLIER)
        return cls("model.rollback", model, held[PREVIOUS], "champion", held.get(CHAMPION), reason)

    @property
    def change(self) -> ModelChange:
        """What is in use once it is done."""
        return ModelChange(model=self.model, version=self.version, alias=self.alias, before=self.before)


class Changing:
    """One change of what is in use: `begin` first, then `finish` in the transaction of the answer.

    Parameters
    ----------
    asked : names the call, the same when it is repeated; None: it cannot be
    """

    def __init__(self, store: Store, registry: Registry, identity: Identity, asked: str | None) -> None:
        self._store, self._registry, self._identity, self._asked = store, registry, identity, asked
        self._wish: Wish | None = None
        self._begun = 0
        self._is_made = False
        self._gone_over: list[str] = []

    def begin(self, decide: Callable[[], Wish]) -> None:
        """Tell the trail what is about to be done; unless this very call has been begun and made before.

        `decide` says what is to be done, and raises where it was decided on another state.
        """
        known = self._made_before()
        if known is not None:
            self._begun, self._wish, self._is_made = *known, True
            return
        self._wish = decide()
        self._ask_gates(self._wish)
        refuse(check())
        with writing(self._store) as connection:
            self._tell(connection, "begun", {"request": self._asked} if self._asked else {})
            self._begun = int(connection.execute(select(func.max(tables.audit_entry.c.seq))).scalar_one())

    def finish(self, connection: Connection) -> ModelChange:
        """Change the registry, and tell the trail in the transaction of `connection`.

        Raises
        ------
        PreconditionFailedError
            If something else is in use by now.
        BoundaryError, ModelError
            If the version is refused.
        """
        wish = self._wished()
        if not self._is_made:
            self._make(wish)
        self._tell(connection, "done", {"begun": self._begun})
        return self._wished().change

    def give_up(self) -> None:
        """Tell the trail that nothing was done, where that is so."""
        if self._begun and not self._is_made:
            with writing(self._store) as connection:
                self._tell(connection, "refused", {"begun": self._begun})

    def _ask_gates(self, wish: Wish) -> None:
        """A version takes the champion's place through its gates; the one before goes back without."""
        if wish.action == "model.promote" and wish.alias == CHAMPION:
            self._gone_over = require_gates(self._registry, wish.version, wish.before, wish.override, self._identity)

    def _wished(self) -> Wish:
        if self._wish is None:
            raise ValueError("Expected a change that was begun.")
        return self._wish

    def _make(self, wish: Wish) -> None:
        reason = " ".join(part for part in (wish.reason, f"(audit {self._begun})") if part)
        try:
            if wish.action == "model.rollback":
                restored = self._registry.rollback(wish.model, expected=wish.before, reason=reason)
                self._wish = replace(wish, version=restored)
            else:
                self._registry.promote(wish.model, wish.version, alias=wish.alias, expected=wish.before, reason=reason)
        except ModelError:
            if _in_use(self._registry, wish) != wish.before:
                raise PreconditionFailedError(_CHANGED) from None
            raise ModelError(_REFUSED) from None
        except OSError:
            raise ModelError(_REFUSED) from None
        self._is_made = True

    def _tell(self, connection: Connection, stage: str, more: dict[str, Any]) -> None:
        wish, asker = self._wished(), self._identity
        detail = {"stage": stage, "alias": wish.alias, "before": wish.before, "reason": wish.reason, **more}
        if self._gone_over:
            detail |= {"override": wish.override, "gates": self._gone_over}
        append(connection, [Act(asker.actor, asker.role.value, wish.action, wish.version, detail)])

    def _made_before(self) -> tuple[int, Wish] | None:
        """The entry and the wish of this very call, if a process died after it had changed the registry for it."""
        if self._asked is None:
            return None
        newest: dict[tuple[str, str | None], Any] = {}
        for entry in self._registry.history():
            if entry.action in ("promoted", "rolled_back"):
                newest[entry.model, entry.alias] = entry
        numbers = [int(found[1]) for entry in newest.values() if (found := _NUMBER.search(entry.reason))]
        row = tables.audit_entry.c
        query = select(row.seq, row.action, row.target, row.detail).where(
            row.seq.in_(numbers), row.actor == self._identity.actor
        )
        with self._store.reading() as connection:
            told = connection.execute(query).all()
        for seq, action, version, text in told:
            detail = json.loads(text)
            if detail.get("request") == self._asked:
                model = str(model_name_of(version))
                wish = Wish(action, model, version, detail["alias"], detail["before"], detail["reason"])
                return int(seq), wish
        return None


def _in_use(registry: Registry, wish: Wish) -> str | None:
    try:
        return registry.alias(wish.model, wish.alias)
    except HeedError:
        return wish.before
