"""A write with a key is done once: replayed, refused with another body, taken over, given back, forgotten."""

from __future__ import annotations

import hashlib
import json
import threading
import time

import pytest
from sqlalchemy import select

from data import tables
from data.errors import InputError
from data.store import Store
from service import idempotency
from service.idempotency import Written
from tests.support.exports import fresh_schema
from tests.support.small_service import Small

WAIT = 10


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stores(request, tmp_path_factory):
    """An empty store on each engine, and a way to empty it again."""
    if request.param == "sqlite":
        with Store.open(str(tmp_path_factory.mktemp("keys") / "heed.db"), create=True) as store:
            yield store
        return
    with (
        fresh_schema(request.getfixturevalue("postgres_url")) as url,
        Store.open(url, create=True) as store,
    ):
        yield store


@pytest.fixture
def small(stores):
    """The small service on an empty store."""
    with stores.writing() as connection:
        for table in (tables.audit_entry, tables.idempotent_request):
            connection.execute(table.delete())
    return Small(stores)


def test_the_same_key_and_request_are_answered_from_memory(small):
    """Status, headers and body are the same, and the effect happened once."""
    first, again = (small.post(idempotency_key="k") for _ in range(2))
    assert (first.status_code, first.json(), first.headers["location"]) == (201, {"number": 1}, "/things/1")
    assert (again.status_code, again.content, again.headers["location"]) == (201, first.content, "/things/1")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (small.calls, small.prepared, small.entries) == (1, 1, 1)


def test_without_a_key_every_call_counts(small):
    """Nothing is remembered."""
    assert [small.post().json()["number"] for _ in range(2)] == [1, 2]
    assert (small.entries, small.keys) == (2, 0)


def test_a_key_in_quotation_marks_is_the_same_key(small):
    """A structured string and a token name the same."""
    small.post(idempotency_key='"k-1"')
    assert small.post(idempotency_key="k-1").headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", '""', "a b", '"a', 'a"', '"a b"', "k" * 129, "a,b", "a;b"])
def test_a_key_that_is_none_is_refused(small, key):
    """With what was expected, and without an effect."""
    answer = small.post(idempotency_key=key)
    assert answer.status_code == 400
    assert "1 to 128 visible ASCII characters" in answer.json()["detail"]
    assert small.calls == 0


def test_a_route_may_ask_for_a_key(small):
    """Then a call without one is refused."""
    answer = small.post(path="/once")
    assert answer.status_code == 400
    assert "needs the header Idempotency-Key" in answer.json()["detail"]
    assert small.post(path="/once", idempotency_key="k").status_code == 201


@pytest.mark.parametrize(
    "other",
    [{"number": 2}, {"path": "/once"}, {"if_match": '"a"'}, {"path": "/things?lang=zh"}],
)
def test_another_request_with_the_key_is_refused(small, other):
    """Another body, address, query or state decided on is another request."""
    small.post(idempotency_key="k")
    answer = small.post(idempotency_key="k", **other)
    assert answer.status_code == 422
    assert "another request before" in answer.json()["detail"] or "之前" in answer.json()["detail"]
    assert small.entries == 1


def test_another_asker_has_keys_of_its_own(small):
    """Nobody is given another's answer."""
    small.post(idempotency_key="k")
    small.actor = "key:other"
    assert small.post(number=2, idempotency_key="k").json() == {"number": 2}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_kind_is_refused(small, kind):
    """415, and no effect."""
    answer = small.writer.ask("POST", "/things", content=b'{"number": 1}', content_type=kind)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]
    assert small.calls == 0


def test_what_failed_leaves_nothing_and_gives_the_key_back(small):
    """Neither the asker's mistake nor ours is remembered: the same key may be used for the next attempt."""

    def failing(error: Exception):
        def fail() -> None:
            raise error

        return fail

    for place in ("while_preparing", "in_effect"):
        for error, status in ((InputError("not like this"), 422), (RuntimeError("unforeseen"), 500)):
            setattr(small, place, failing(error))
            assert small.post(idempotency_key="k").status_code == status
            assert (small.entries, small.keys) == (0, 0)
        setattr(small, place, lambda: None)
    assert small.post(number=2, idempotency_key="k").status_code == 201


def test_a_write_that_fails_must_raise(small, monkeypatch):
    """An answer of 400 or more from an effect is a mistake of ours: it would be kept."""
    monkeypatch.setattr(Written, "of", classmethod(lambda cls, _body, **_more: cls(409, b"{}")))
    assert small.post(idempotency_key="k").status_code == 500
    assert (small.entries, small.keys) == (0, 0)


def test_a_second_call_meanwhile_is_told_to_come_back(small):
    """409 with Retry-After while the first is under way, whatever its body; and the stored answer after."""
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(WAIT)

    small.while_preparing = wait
    first: list = []
    thread = threading.Thread(target=lambda: first.append(small.post(idempotency_key="k")))
    thread.start()
    assert inside.wait(WAIT)
    second, other = small.post(idempotency_key="k"), small.post(number=2, idempotency_key="k")
    go_on.set()
    thread.join(WAIT)
    assert (first[0].status_code, second.status_code, other.status_code) == (201, 409, 422)
    assert 1 <= int(second.headers["retry-after"]) <= idempotency.LEASE_SECONDS
    assert second.json()["type"] == "urn:heed:problem:under-way"
    assert small.post(idempotency_key="k").headers["idempotency-replayed"] == "true"
    assert small.entries == 1


def test_who_lost_the_claim_stores_nothing(small):
    """A call that slept past its claim, while another took it over and ended, is refused inside its transaction."""

    def overtaken() -> None:
        small.while_preparing = lambda: None
        small.set(lease_until=int(time.time()) - 1)
        assert small.post(idempotency_key="k").status_code == 201

    small.while_preparing = overtaken
    late = small.post(idempotency_key="k")
    assert late.status_code == 409
    assert "took too long" in late.json()["detail"]
    assert (small.entries, small.keys) == (1, 1)
    assert small.post(idempotency_key="k").headers["idempotency-replayed"] == "true"


def test_a_claim_whose_process_died_is_taken_over(small):
    """When it has run out, and not before."""
    now = int(time.time())
    small.post(idempotency_key="k")
    with small.store.writing() as connection:
        connection.execute(tables.audit_entry.delete())
    small.set(status=None, headers=None, body=None, lease_until=now + idempotency.LEASE_SECONDS, attempt="dead")
    assert small.post(idempotency_key="k").status_code == 409
    assert small.entries == 0
    small.set(lease_until=now - 1)
    assert small.post(idempotency_key="k").status_code == 201
    assert small.entries == 1


def test_a_clock_set_back_blocks_no_key_for_long(small):
    """A claim that would hold longer than any does is of another time."""
    small.post(idempotency_key="k")
    small.set(status=None, headers=None, body=None, lease_until=int(time.time()) + 86_400, attempt="dead")
    assert small.post(idempotency_key="k").status_code == 201


def test_a_key_is_forgotten_after_its_time(small):
    """And may then name another request."""
    small.post(idempotency_key="k")
    hours = small.writer.app.state.settings.idempotency_hours
    small.set(started_at=int(time.time() - hours * 3600) + 60)
    assert small.post(idempotency_key="k").headers["idempotency-replayed"] == "true"
    small.set(started_at=int(time.time() - hours * 3600) - 1)
    answer = small.post(number=2, idempotency_key="k")
    assert (answer.status_code, small.entries, small.keys) == (201, 2, 1)


def test_keys_of_others_are_forgotten_too(small, monkeypatch):
    """Now and then, so that the table does not grow."""
    for key in "abc":
        small.post(idempotency_key=key)
    small.set(started_at=1)
    monkeypatch.setattr(idempotency.secrets, "randbelow", lambda _most: 1)
    small.post(idempotency_key="d")
    assert small.keys == 4
    monkeypatch.setattr(idempotency.secrets, "randbelow", lambda _most: 0)
    small.post(idempotency_key="e")
    assert small.keys == 2


def test_nothing_of_a_key_is_kept(small):
    """A program may make its keys of numbers of cases, which are to stand nowhere."""
    small.post(idempotency_key="2026-004211")
    assert small.post(idempotency_key="2026-004211").headers["idempotency-replayed"] == "true"
    with small.store.reading() as connection:
        row = connection.execute(tables.idempotent_request.select()).one()
    assert len(row.idempotency_key) == 64
    assert not any("2026-004211" in str(value) for value in row)


def test_what_was_asked_cannot_be_found_out_by_hashing(small):
    """The row of a key holds neither the body nor a hash that everybody can compute."""
    small.post(idempotency_key="k")
    with small.store.reading() as connection:
        row = connection.execute(select(tables.idempotent_request)).mappings().one()
    body = json.dumps({"number": 1}).encode()
    guesses = [hashlib.sha256(start + body).hexdigest() for start in (b"", b"POST/things", b"POST /things")]
    call = idempotency.hashlib.sha256(json.dumps(("POST", "/things", "", "")).encode())
    call.update(hashlib.sha256(body).digest())
    assert row["request_sha256"] not in (*guesses, call.hexdigest())
    assert (
        row["request_sha256"] == hashlib.blake2b(call.digest(), key=small.store.case_key(), digest_size=32).hexdigest()
    )


def test_a_store_that_is_being_written_to_says_so(small, monkeypatch):
    """503 with Retry-After and no path of the machine; the key stays free."""
    monkeypatch.setattr(idempotency, "PATIENCE_SECONDS", 0)
    with small.store.writing():
        answer = small.post(idempotency_key="k")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "heed.db" not in answer.text
    assert "postgresql" not in answer.text
    # All stores of one server of PostgreSQL share the lock: another test may just be writing.
    monkeypatch.setattr(idempotency, "PATIENCE_SECONDS", 60)
    assert small.post(idempotency_key="k").status_code == 201


def test_eight_calls_at_once_have_one_effect(small):
    """One is done; the others are told to come again, or given its answer."""
    answers = _at_once(8, lambda _n: small.post(idempotency_key="k"))
    done = [answer for answer in answers if answer.status_code == 201 and "idempotency-replayed" not in answer.headers]
    rest = [answer for answer in answers if answer not in done]
    assert len(done) == 1
    assert all(answer.status_code == 409 or answer.content == done[0].content for answer in rest)
    assert (small.entries, small.keys) == (1, 1)


def _at_once(number: int, ask) -> list:
    answers: list = [None] * number
    ready = threading.Barrier(number)

    def run(place: int) -> None:
        ready.wait(WAIT)
        answers[place] = ask(place)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
