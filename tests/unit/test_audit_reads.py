"""Every read of cases is in the audit trail before its answer leaves, or there is no answer."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import Request

from data.audit_log import Act
from data.store import Store
from data.store_audit import verify
from service import reads as reads_module
from service.audit import LARGEST_BATCH, AuditWriter, record_case
from service.identity import SCOPES, Identity, Role
from service.problems import BusyError
from service.reads import Reads
from service.settings import Settings
from tests.support.audit_trails import READ, rows_of
from tests.support.exports import fresh_schema
from tests.support.service_client import Client, client_of
from tests.support.service_store import AS_OF, small_store


@pytest.fixture
def store_file(tmp_path) -> Path:
    """A store that a test may read cases of."""
    return small_store(tmp_path)


@pytest.fixture
def client(store_file):
    """The service on it."""
    opened = client_of(store_file)
    yield opened
    opened.close()


class Impatient(AuditWriter):
    """Waits for other writers no longer than a moment, and for its own thread as long as it takes: whoever asks would
    else be refused on a busy machine before the thread has tried.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, patience=0.05)

    def record(self, *acts: Act) -> None:
        self.submit(*acts).result(timeout=60)


@pytest.fixture
def impatient(store_file):
    """A service that waits for other writers no longer than a moment."""
    opened = client_of(store_file)
    opened.app.state.audit.close()
    opened.app.state.audit = Impatient(opened.app.state.settings)
    yield opened
    opened.close()


def _entries(path: Path) -> list[tuple[str, str | None, dict]]:
    with Store.open(str(path)) as store:
        assert verify(store).fault is None
        return [(row["action"], row["target"], json.loads(row["detail"])) for row in rows_of(store)]


def _case(client: Client) -> str:
    return client.app.state.reads.current().cases[0].case_id


def _case_routes(client: Client) -> list[str]:
    """Every address that gives cases, found by walking the app: one that is added later is among them."""
    found = []
    for included in client.app.routes:
        for route in getattr(getattr(included, "original_router", None), "routes", [included]):
            path = getattr(route, "path", "")
            asked_for = "GET" in (getattr(route, "methods", None) or ())
            if asked_for and ("{case_id}" in path or path.endswith("/cases")):
                found.append(path)
    assert len(found) >= 5
    return sorted(found)


def test_every_address_that_gives_cases_leaves_an_entry(client, store_file):
    """The API, the pages and the charts; one case by its id, a list by how many it gave."""
    case = _case(client)
    for route in _case_routes(client):
        before = len(_entries(store_file))
        assert client.get(route.replace("{case_id}", case), accept="text/html").status_code == 200, route
        new = _entries(store_file)[before:]
        assert len(new) == 1, route
        action, target, detail = new[0]
        assert (action, target) == (("case.read", case) if "{case_id}" in route else ("case.list", None)), route
        assert isinstance(detail["part"], str)


def test_an_entry_tells_who_what_and_how_much(client, store_file):
    """By codes: the asker, the filters, how many cases were given."""
    office = client.app.state.reads.current().cases[0].office
    listed = client.json(f"/v1/cases?limit=3&office={office}&order=due")
    ((action, target, detail),) = _entries(store_file)
    assert (action, target) == ("case.list", None)
    assert detail == {
        "part": "list",
        "cases": len(listed["cases"]),
        "as_of": AS_OF,
        "filters": {"office": office},
        "deadline": "all",
        "order": "due",
    }
    with Store.open(str(store_file)) as store:
        assert [(row["actor"], row["role"]) for row in rows_of(store)] == [("local", "admin")]


def test_what_somebody_typed_is_not_kept(client, store_file):
    """A filter that fits no case may be anything; that it was used is kept, and not what it said."""
    client.json("/v1/cases?category=Zhang%20San%20of%2012%20Main%20Street&band=high")
    ((_, _, detail),) = _entries(store_file)
    assert detail["cases"] == 0
    assert detail["filters"] == {"category": None, "band": None}


def test_an_unchanged_answer_is_a_read_as_well(client, store_file):
    """Who is told 304 has learnt that the case stands as it did."""
    address = f"/v1/cases/{_case(client)}"
    tag = client.get(address).headers["etag"]
    assert client.get(address, if_none_match=tag).status_code == 304
    assert [action for action, _, _ in _entries(store_file)] == ["case.read", "case.read"]


def test_what_gives_no_case_leaves_no_entry(client, store_file):
    """Areas, signals, health, a case that is not there, a filter that is none."""
    for address in ("/v1/areas", "/v1/signals", "/v1/offices", "/areas", "/health/live"):
        assert client.get(address, accept="text/html").status_code == 200, address
    assert client.get("/v1/cases/none").status_code == 404
    assert client.get("/v1/cases?limit=0").status_code == 422
    assert _entries(store_file) == []


def test_without_an_entry_there_is_no_answer(impatient, store_file):
    """Another writer holds the store: 503, to be tried again, and not a word of any case."""
    case = _case(impatient)
    with Store.open(str(store_file)) as other, other.writing():
        for route in _case_routes(impatient):
            answer = impatient.get(route.replace("{case_id}", case), accept="application/json")
            assert answer.status_code == 503, route
            assert answer.headers["retry-after"] == "1"
            assert "etag" not in answer.headers
            assert case not in answer.text
    assert _entries(store_file) == []
    assert impatient.get(f"/v1/cases/{case}").status_code == 200
    assert len(_entries(store_file)) == 1


def test_the_asker_is_the_one_who_was_identified(store_file):
    """By the code of the key and its role."""
    settings = Settings(store_url=str(store_file), auth="required")
    asker = Identity("key:3f2a", Role.HANDLER, frozenset({"O-1"}), SCOPES[Role.HANDLER])
    client = client_of(store_file)
    client.app.state.settings = settings
    record_case(Request({"type": "http", "app": client.app, "state": {"identity": asker}}), "c1", "case")
    client.close()
    with Store.open(str(store_file)) as store:
        assert [(row["actor"], row["role"], row["target"]) for row in rows_of(store)] == [("key:3f2a", "handler", "c1")]


def test_reading_cases_does_not_make_the_service_read_the_scoring_anew(client, store_file, monkeypatch):
    """The trail grows with every read; what is shown has not changed, in this process or another."""
    case = _case(client)
    beside = Reads(Settings(store_url=str(store_file), recheck_seconds=0))
    here, there = client.app.state.reads.current(), beside.current()
    monkeypatch.setattr(reads_module, "load", lambda *_given, **_named: pytest.fail("the scoring was read anew"))
    for _ in range(5):
        assert client.get(f"/v1/cases/{case}").status_code == 200
        assert client.app.state.reads.current() is here
        assert beside.current() is there
    beside.close()


def _held(store_file: Path, count: int) -> AuditWriter:
    """A writer to whom so many entries were handed while the store was held; all are safe on return."""
    writer = AuditWriter(Settings(store_url=str(store_file)), patience=30)
    with Store.open(str(store_file)) as other:
        with other.writing():
            futures = [writer.submit(Act("local", "admin", "case.read", str(number))) for number in range(count)]
        for future in futures:
            future.result(timeout=30)
    return writer


def test_entries_that_gather_are_committed_together(store_file):
    """In the order in which they came, and no more than so many at once."""
    writer = _held(store_file, 1_300)
    assert writer.written == 1_300
    # The first one may have set out alone.
    assert 1_300 // LARGEST_BATCH <= writer.commits <= 4
    assert [target for _, target, _ in _entries(store_file)] == [str(number) for number in range(1_300)]
    writer.close()


def test_threads_wait_each_for_its_own(store_file):
    """After `record` the entry is there, whoever looks."""
    writer = AuditWriter(Settings(store_url=str(store_file)))

    def read(number: int) -> bool:
        writer.record(Act("local", "admin", "case.read", str(number)))
        return str(number) in {target for _, target, _ in _entries(store_file)}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(40)))
    writer.close()


def test_a_coroutine_can_wait_too(store_file):
    """Without holding up the loop."""
    writer = AuditWriter(Settings(store_url=str(store_file)))

    async def read() -> None:
        await asyncio.gather(*(asyncio.wrap_future(writer.submit(READ)) for _ in range(20)))

    asyncio.run(read())
    assert len(_entries(store_file)) == 20
    writer.close()


def test_closing_writes_what_was_handed_over(store_file):
    """And refuses what comes later."""
    writer = AuditWriter(Settings(store_url=str(store_file)))
    futures = [writer.submit(READ) for _ in range(30)]
    writer.close()
    writer.close()
    assert all(future.exception() is None for future in futures)
    assert len(_entries(store_file)) == 30
    with pytest.raises(BusyError, match="Every read of cases is recorded"):
        writer.record(READ)
    assert not [thread for thread in threading.enumerate() if thread is writer._thread]


def test_a_service_that_ends_writes_what_was_read(store_file):
    """As its life ends the trail is closed, before the store."""
    client = client_of(store_file)

    async def live() -> None:
        async with client.app.router.lifespan_context(client.app):
            client.app.state.audit.submit(READ)

    asyncio.run(live())
    assert len(_entries(store_file)) == 1


def test_a_failure_is_told_to_those_who_wait_and_to_nobody_later(store_file, caplog):
    """The thread goes on, and the log says why, without what was read."""
    writer = Impatient(Settings(store_url=str(store_file)))
    with Store.open(str(store_file)) as other, other.writing(), pytest.raises(BusyError):
        writer.record(READ)
    assert "The audit trail could not be written" in caplog.text
    assert "c1" not in caplog.text
    writer.record(READ)
    assert len(_entries(store_file)) == 1
    writer.close()


def test_who_has_waited_too_long_is_refused_and_nothing_of_it_is_written(store_file, monkeypatch):
    """The thread is busy with what came before; what was given up meanwhile it does not take."""
    taken, go_on = threading.Event(), threading.Event()
    writer = AuditWriter(Settings(store_url=str(store_file)), patience=0.01)
    settle = writer._settle

    def held(batch):
        taken.set()
        assert go_on.wait(60)
        settle(batch)

    monkeypatch.setattr(writer, "_settle", held)
    first = writer.submit(READ)
    assert taken.wait(60)
    with pytest.raises(BusyError, match="Every read of cases is recorded"):
        writer.record(READ)
    go_on.set()
    first.result(60)
    writer.close()
    assert len(_entries(store_file)) == 1


def test_a_store_that_is_replaced_gets_the_entries(store_file, tmp_path):
    """Not the file that nobody sees any more."""
    writer = AuditWriter(Settings(store_url=str(store_file)))
    writer.record(READ)
    copy = tmp_path / "copy.db"
    with Store.open(str(store_file)) as store, store.writing():
        shutil.copy(store_file, copy)
    for path in tmp_path.glob("heed.db*"):
        path.unlink()
    copy.rename(store_file)
    before = len(_entries(store_file))
    writer.record(READ)
    assert len(_entries(store_file)) == before + 1
    writer.close()


def test_on_a_server_nobody_waits_for_an_import(postgres_url):
    """Only those who add to the trail wait for each other there."""
    with fresh_schema(postgres_url) as url, Store.open(url, create=True) as store:
        writer = AuditWriter(Settings(store_url=url), patience=5)
        with store.writing():
            writer.record(READ, READ)
            assert len(rows_of(store)) == 2
        writer.record(READ)
        assert verify(store).fault is None
        writer.close()
