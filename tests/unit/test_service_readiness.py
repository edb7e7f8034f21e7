"""Whether the service can do its work: each thing that can be wrong is found, told, and told without a secret."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from data.audit_log import Act, append
from data.store import Store
from models.registry import Registry
from service import readiness
from service.online.holder import Refused
from service.online.holder import Status as Loaded
from service.readiness import Check, Probe, passed, tried_commit
from tests.support.exports import fresh_schema
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import fill, small_store

NAMES = ["serving", "store", "audit", "scoring", "model", "disk", "clock"]


@pytest.fixture(autouse=True)
def always_look(monkeypatch):
    """No answer of a second ago, and time for a busy machine."""
    monkeypatch.setattr(readiness, "CACHED_SECONDS", 0.0)
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 60.0)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A store that was scored a moment ago."""
    path = tmp_path_factory.mktemp("scored") / "heed.db"
    with Store.open(str(path), create=True) as made:
        fill(made, cases=5, as_of=int(time.time()) - 60)
    return path


@pytest.fixture
def store(scored, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copy(scored, tmp_path / "heed.db"))


def _looked(store: Path | str, status: int) -> dict[str, dict[str, str]]:
    client = client_of(store)
    answer = client.get("/health/ready")
    client.close()
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    if status == 503:
        body = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (body["type"], body["status"]) == ("urn:heed:problem:not-ready", 503)
        assert answer.headers["retry-after"] == "5"
    assert str(Path(str(store)).parent) not in answer.text
    assert "heed.db" not in answer.text
    assert [check["name"] for check in answer.json()["checks"]] == NAMES
    return {check["name"]: check for check in answer.json()["checks"]}


def _bad(checks: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items() if check["status"] != "pass"}


def test_a_service_that_has_all_it_needs_is_ready(store):
    """All but a model, which these figures were made without."""
    assert _bad(_looked(store, 200)) == {"model": "warn"}


def test_the_same_holds_on_a_server(postgres_url):
    """PostgreSQL is asked whether the trail may be written to."""
    with fresh_schema(postgres_url) as url:
        with Store.open(url, create=True) as made:
            fill(made, cases=5, as_of=int(time.time()) - 60)
        assert _bad(_looked(url, 200)) == {"model": "warn"}


def test_without_a_store_it_is_not_ready_and_says_so_without_its_path(tmp_path):
    """Everything that stands on the store fails with it."""
    checks = _looked(tmp_path / "none.db", 503)
    assert _bad(checks) == dict.fromkeys(["store", "audit", "scoring", "disk", "clock"], "fail") | {"model": "warn"}
    assert checks["store"]["detail"] == "The store cannot be used"


def test_a_store_that_goes_away_is_noticed(store):
    """An open connection would go on reading a file that is deleted."""
    client = client_of(store)
    assert client.get("/health/ready").status_code == 200
    store.unlink()
    assert client.get("/health/ready").status_code == 503
    client.close()


def test_a_store_without_a_scoring_is_not_ready(tmp_path):
    """There is nothing to show yet."""
    Store.open(str(tmp_path / "heed.db"), create=True).close()
    checks = _looked(tmp_path / "heed.db", 503)
    assert _bad(checks) == {"scoring": "fail", "model": "warn"}
    assert "heed score" in checks["scoring"]["detail"]


def test_an_old_scoring_is_ready_with_a_warning(tmp_path):
    """Yesterday's order is better than none; someone should look why there is no newer one."""
    checks = _looked(small_store(tmp_path), 200)
    assert _bad(checks) == {"scoring": "warn", "model": "warn"}
    assert "36 hours" in checks["scoring"]["detail"]


def test_a_damaged_model_is_a_warning(store):
    """What was scored before is still shown; `heed serve` would not start with it."""
    registry = Registry(store.with_suffix(".models"))
    version = registry.save("failures", {"bundle.json": b"{}", "late/model.json": b"{}", "late/booster.txt": b"tree"})
    aliases = {"failures": {"champion": version}}
    (registry.folder / "aliases.json").write_text(json.dumps(aliases))
    (registry.folder / version / "late" / "booster.txt").write_bytes(b"tampered")
    checks = _looked(store, 200)
    assert checks["model"] == {"name": "model", "status": "warn", "detail": "The model cannot be used"}


def test_a_trail_that_cannot_be_written_is_not_ready(store, monkeypatch):
    """Without an entry no case is read."""
    monkeypatch.setattr(readiness.os, "access", lambda _path, _mode: False)
    assert _bad(_looked(store, 503)) == {"audit": "fail", "model": "warn"}


def test_a_writer_at_work_does_not_hold_it_up(store):
    """An import writes for minutes, and figures go on; that cases wait for it is told."""
    with Store.open(str(store)) as other, other.writing() as connection:
        append(connection, [Act("local", "admin", "import")])
        checks = _looked(store, 200)
        assert _bad(checks) == {"audit": "warn", "model": "warn"}
        assert "Another command has been writing" in checks["audit"]["detail"]
    assert _bad(_looked(store, 200)) == {"model": "warn"}


@pytest.mark.parametrize(
    ("free", "status", "bad"), [(2 << 30, 200, None), (500 << 20, 200, "warn"), (30 << 20, 503, "fail")]
)
def test_the_disk_of_the_store_is_looked_at(store, monkeypatch, free, status, bad):
    """A warning while there is time, a failure when the next entry may not fit."""
    monkeypatch.setattr(readiness, "free_bytes", lambda _folder: free)
    assert _bad(_looked(store, status)).get("disk") == bad


def test_a_clock_that_was_set_back_is_told(store):
    """Deadlines and leases are judged by it."""
    with Store.open(str(store)) as opened, opened.writing() as connection:
        append(connection, [Act("local", "admin", "case.read")], now=int(time.time()) + 600)
    checks = _looked(store, 200)
    assert _bad(checks) == {"clock": "warn", "model": "warn"}
    assert "clock of this machine" in checks["clock"]["detail"]


def test_details_speak_the_language_asked_for():
    """Whoever is woken by it should understand it."""
    answer = shared_client().get("/health/ready", accept_language="zh")
    assert [check["name"] for check in answer.json()["checks"]] == NAMES


def test_a_service_about_to_stop_is_not_ready_at_once(store):
    """Before anything is closed, and whatever was found a moment ago."""
    client = client_of(store)
    assert client.get("/health/ready").status_code == 200
    client.app.state.stopping.set()
    stopped = client.get("/health/ready")
    assert stopped.status_code == 503
    assert stopped.json()["checks"] == [
        {"name": "serving", "status": "fail", "detail": "The service is about to stop."}
    ]
    assert stopped.headers["connection"] == "close"
    live = client.get("/health/live")
    assert (live.status_code, live.headers["connection"]) == (200, "close")
    client.close()


# ---- the probe ----


def _asked(probe: Probe) -> list[Check]:
    return asyncio.run(probe.checks())


def test_what_does_not_answer_is_waited_for_only_so_long(monkeypatch):
    """By each who asks; and one thread looks, however many ask."""
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.02)
    release, looks = threading.Event(), []

    def hang() -> Check:
        looks.append(1)
        release.wait(10)
        return passed("store")

    probe = Probe([("store", hang)], threading.Event())

    async def many() -> list[list[Check]]:
        return await asyncio.gather(*(probe.checks() for _ in range(5)))

    assert [found[0].status for found in asyncio.run(many())] == ["fail"] * 5
    assert [check.detail for check in _asked(probe)] == ["The store has not answered for two seconds."]
    assert looks == [1]
    release.set()
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 5.0)
    assert [check.status for check in _asked(probe)] == ["pass", "pass"]


def test_an_answer_counts_for_a_second(monkeypatch):
    """Any number of load balancers cost one look."""
    monkeypatch.setattr(readiness, "CACHED_SECONDS", 60.0)
    looks = []

    def look() -> Check:
        looks.append(1)
        return passed("store")

    probe = Probe([("store", look)], threading.Event())
    assert _asked(probe) == _asked(probe)
    assert looks == [1]


def test_an_unforeseen_error_of_a_look_is_a_failed_check_without_its_message():
    """The message may name a host, a path, a password."""

    def fail() -> Check:
        raise RuntimeError("password=geheim")

    found = _asked(Probe([("store", fail)], threading.Event()))
    assert [(check.name, check.status) for check in found] == [("serving", "pass"), ("store", "fail")]
    assert "geheim" not in str(found)


def test_the_model_is_read_again_only_when_something_says_so(monkeypatch, tmp_path):
    """Checking the hashes means reading all of it."""
    counted = []

    class Counting:
        def aliases(self) -> dict[str, dict[str, str]]:
            return {"failures": {"champion": "a" if len(counted) < 2 else "b"}}

        def require_in_use(self) -> None:
            counted.append(1)

    loaded = Loaded("failures-1", 1, "failures-1", None)
    look = readiness._ModelLook(Counting(), lambda: loaded)
    assert [look.look().status for _ in range(3)] == ["pass"] * 3
    assert len(counted) == 1
    monkeypatch.setattr(readiness, "MODEL_SECONDS", 0.0)
    look.look()
    monkeypatch.setattr(readiness, "MODEL_SECONDS", 60.0)
    look.look()
    assert len(counted) == 3


def test_a_champion_that_could_not_be_loaded_is_a_warning():
    """Whole and allowed, and still of another catalogue: the one before it goes on."""

    class Whole:
        def aliases(self) -> dict[str, dict[str, str]]:
            return {"failures": {"champion": "failures-2"}}

        def require_in_use(self) -> None:
            return

    loaded = Loaded("failures-1", 1, "failures-2", Refused("failures-2", "index-1", "geheim"))
    found = readiness._ModelLook(Whole(), lambda: loaded).look()
    assert found.status == "warn"
    assert "could not be loaded" in found.detail
    assert "geheim" not in found.detail


def test_a_file_that_cannot_grow_is_found(tmp_path):
    """As on a full disk; and a file that another is writing to is no such file."""
    store = small_store(tmp_path)
    assert tried_commit(store) == "taken"
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert tried_commit(store) == "held"
    other.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
        assert tried_commit(store) == "refused"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert tried_commit(store) == "taken"
