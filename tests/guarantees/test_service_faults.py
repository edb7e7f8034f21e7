"""What was acknowledged is there, once, whatever happens to the service while it is at work."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
import pytest
from sqlalchemy import func, select

from data import tables
from data.errors import ModelError
from data.store import Store
from models.registry import Registry
from service.training import FAILURES
from tests.support.live_service import LiveService, command, free_port, live_service, start
from tests.support.online_city import online_city
from tests.support.service_store import AS_OF, fill, small_store
from tests.support.write_load import WriteLoad

pytestmark = pytest.mark.slow

TIMES = 3
# Loaded by the interpreter as it starts: the clock of the process is off by what a file says.
_OTHER_CLOCK = """
import time
from pathlib import Path

_right = time.time
_offset = Path({path!r})


def _time():
    return _right() + float(_offset.read_text())


time.time = _time
"""


def _settings(**others: str) -> dict[str, str]:
    return {"HEED_AUTH": "required", "HEED_RATE_PER_MINUTE": "0", **others}


def _key(store: str) -> str:
    added = command("--store", store, "keys", "add", "--role", "admin", "--purpose", "load", "--json")
    assert added.returncode == 0, added.stderr
    return str(json.loads(added.stdout)["key"])


def _ready(service: LiveService) -> int:
    """The status of readiness; 0 where nobody answers."""
    try:
        return httpx.get(f"{service.url}/health/ready", timeout=30).status_code
    except httpx.TransportError:
        return 0


def _wait_until(said: Callable[[], bool], patience: float = 300.0) -> None:
    until = time.monotonic() + patience
    while not said():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.2)


def _holds(store: str, load: WriteLoad, before: tuple[int, int]) -> None:
    """Every acknowledged write is there once, the trail tells of each once, and the trail is whole."""
    assert load.unexpected == {}
    assert load.unanswered == []
    cases, told = _counted(store)
    assert cases - before[0] == len(load.acknowledged) == len(set(load.acknowledged))
    assert told - before[1] == len(load.acknowledged)
    trail = command("--store", store, "audit", "verify", "--json")
    assert trail.returncode == 0, trail.stdout + trail.stderr


def _counted(store: str) -> tuple[int, int]:
    """Openings of the day on which the load opens its cases, and entries of the trail that tell of an append."""
    event, entry = tables.event.c, tables.audit_entry.c
    openings = select(func.count()).select_from(tables.event).where(event.kind == "opened", event.at > AS_OF)
    appends = select(func.count()).select_from(tables.audit_entry).where(entry.action == "event.append")
    with Store.open(store) as opened, opened.reading() as connection:
        return int(connection.execute(openings).scalar_one()), int(connection.execute(appends).scalar_one())


@pytest.fixture
def store(tmp_path) -> str:
    """A small store with a scoring."""
    return str(small_store(tmp_path))


def test_the_service_is_killed(store, tmp_path):
    """Each time it comes back on the same port, and goes on where it was."""
    key, before, log, port = _key(store), _counted(store), tmp_path / "log", free_port()
    service = start(store, log, environment=_settings(), port=port)
    try:
        with WriteLoad(service.url, key) as load:
            for _ in range(TIMES):
                load.wait_for(5)
                service.kill()
                assert _ready(service) == 0
                service = start(store, log, environment=_settings(), port=port)
                _wait_until(lambda found=service: _ready(found) == 200)
            load.wait_for(5)
    finally:
        service.kill()
    assert load.troubled > 0
    _holds(store, load, before)


def test_the_disk_is_full(store, tmp_path):
    """Nothing is acknowledged while nothing can be written, readiness says so, and it goes on when there is room."""
    key, before = _key(store), _counted(store)
    with live_service(store, tmp_path / "log", environment=_settings()) as service:
        pid = service.process.pid
        with WriteLoad(service.url, key) as load:
            for _ in range(TIMES):
                load.wait_for(5)
                # As with a full disk, a file cannot grow; and the log of SQLite is such a file.
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
                _wait_until(lambda: _ready(service) == 503)
                held = len(load.acknowledged)
                time.sleep(2)
                assert len(load.acknowledged) <= held + 4  # one of each thread may have been on its way
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                _wait_until(lambda: _ready(service) == 200)
            load.wait_for(5)
    _holds(store, load, before)


def test_the_clock_is_set_back(store, tmp_path):
    """By a day, and forth again: what was sent before is still known, and no entry looks older than the one before."""
    key, before, clock = _key(store), _counted(store), tmp_path / "clock"
    clock.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(_OTHER_CLOCK.format(path=str(clock)), encoding="utf-8")
    with live_service(store, tmp_path / "log", environment=_settings(PYTHONPATH=str(tmp_path))) as service:
        with WriteLoad(service.url, key) as load:
            for offset in (-86_400, 0, -3_600):
                load.wait_for(5)
                replacement = tmp_path / "new"
                replacement.write_text(str(offset))
                replacement.replace(clock)
                load.wait_for(10)
        headers = {"authorization": f"Bearer {key}"}
        first = load.acknowledged[0]
        event = {"reference": first, "kind": "opened", "at": "2026-03-02T09:30:00+08:00", "office": "O-1"}
        body = {"source": "simulated", "events": [event]}
        again = httpx.post(
            f"{service.url}/v1/events", json=body, headers={**headers, "idempotency-key": first}, timeout=60
        )
        assert (again.status_code, again.headers.get("idempotency-replayed")) == (201, "true")
    _holds(store, load, before)
    with Store.open(store) as opened, opened.reading() as connection:
        moments = connection.execute(select(tables.audit_entry.c.at).order_by(tables.audit_entry.c.seq)).scalars().all()
    assert moments == sorted(moments)


class _Scoring:
    """Someone who has one case scored again and again; `wrong` are the answers that were not the expected one."""

    def __init__(self, service: LiveService, key: str, case: dict) -> None:
        self.wrong: list[str] = []
        self.asked = 0
        self._url, self._key, self._case = f"{service.url}/v1/risk", key, case
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=120, headers={"authorization": f"Bearer {self._key}"}) as client:
            expected = client.post(self._url, json={"cases": [self._case]}).text
            while not self._stop.is_set():
                answer = client.post(self._url, json={"cases": [self._case]})
                self.asked += 1
                if (answer.status_code, answer.text) != (200, expected):
                    self.wrong.append(f"{answer.status_code}: {answer.text[:200]}")


def _of_other_features(registry: Registry, version: str) -> str:
    """A version with sound hashes whose models learned from what this heed has no feature for."""
    stored = registry.load(version)
    lineage = stored.card["lineage"]
    learned = [*lineage["features"][1:], "feature_of_next_year"]
    card = {**stored.card, "lineage": {**lineage, "features": learned}}
    return registry.save(FAILURES, {**stored.files, "card.json": json.dumps(card).encode()})


def test_the_model_is_damaged_or_swapped(tmp_path):
    """What is put to use and cannot be used is refused: the one before it goes on to the bit, readiness warns, and
    passes again once a whole one is in use. No service starts on it.
    """
    city = online_city(tmp_path / "city")
    registry, (first, second), url = city.registry(), city.versions, f"{city.settings.store_url}"
    key, before, home = _key(url), _counted(url), city.settings.models_folder()
    other = _of_other_features(registry, second)
    spoiled = home / second / "late" / "model.json"
    in_use = home / "aliases.json"
    whole, before_swap = spoiled.read_text(), in_use.read_text()

    def model(service: LiveService) -> str:
        checks = httpx.get(f"{service.url}/health/ready", timeout=60).json()["checks"]
        return next((check["status"] for check in checks if check["name"] == "model"), "none")

    with live_service(url, tmp_path / "log", environment=_settings()) as service:
        _wait_until(lambda: _ready(service) == 200 and model(service) == "pass")
        case = next(iter(city.posted().values()))
        with WriteLoad(service.url, key, source="demo") as load, _Scoring(service, key, case) as scoring:
            for _ in range(TIMES):
                load.wait_for(2)
                # Damaged: the registry does not let it in.
                spoiled.write_text(_altered(whole))
                with pytest.raises(ModelError, match="damaged or changed"):
                    registry.promote(FAILURES, second)
                spoiled.write_text(whole)
                # Of other features, with hashes that are right: nor that.
                with pytest.raises(ModelError, match="feature_of_next_year"):
                    registry.promote(FAILURES, other)
                # Swapped behind its back, as by a backup of another machine: the service does not take it.
                in_use.write_text(before_swap.replace(first, other))
                _wait_until(lambda: model(service) == "warn")
                assert _ready(service) == 200
                in_use.write_text(before_swap)
                _wait_until(lambda: model(service) == "pass")
            # Damaged while it is in use: what was loaded goes on.
            used = home / first / "late" / "model.json"
            used.write_text(_altered(used.read_text()))
            _wait_until(lambda: model(service) == "warn")
            load.wait_for(2)
        assert scoring.asked > 20
        assert scoring.wrong == []
    _holds(url, load, before)
    refused = command("--store", url, "serve", "--port", str(free_port()), environment=_settings())
    assert refused.returncode != 0
    assert f"{first}/late/model.json" in refused.stderr


def _altered(text: str) -> str:
    """A model file with one digit more."""
    return text.replace('"n_train": ', '"n_train": 1', 1)


def _as_owner() -> dict[str, object]:
    """A server of PostgreSQL refuses to run as the superuser of the machine."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


@contextmanager
def _own_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """A server of its own, so that no other test loses its connections; its address, and what restarts it."""
    found = shutil.which("initdb") and sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL's own programs are not installed: no server to restart")
    # Not below the folder of the test: its owner may not look into that.
    programs, data, port = found[-1], Path(tempfile.mkdtemp(prefix="heed-pg-")), free_port()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")

    def run(*words: str) -> None:
        done = subprocess.run(
            [str(programs / words[0]), *words[1:]], check=False, capture_output=True, text=True, cwd="/", **_as_owner()
        )
        assert done.returncode == 0, done.stderr

    def control(*words: str) -> None:
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        run("pg_ctl", "-D", str(data), "-l", str(data / "server.log"), "-o", options, "-w", *words)

    run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres")
    control("start")
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", lambda: control("-m", "immediate", "restart")
    finally:
        control("-m", "immediate", "stop")
        shutil.rmtree(data)


def test_the_database_is_restarted(tmp_path):
    """As after a power cut: connections break in the middle of anything, and the service finds the new server."""
    with _own_server() as (url, restart):
        with Store.open(url, create=True) as opened:
            fill(opened, cases=40)
        key, before = _key(url), _counted(url)
        with live_service(url, tmp_path / "log", environment=_settings()) as service:
            with WriteLoad(service.url, key) as load:
                for _ in range(TIMES):
                    load.wait_for(5)
                    restart()
                    _wait_until(lambda: _ready(service) == 200)
                load.wait_for(5)
            assert load.troubled > 0
        _holds(url, load, before)
