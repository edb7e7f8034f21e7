"""A service that is told to stop drops nothing that it took: with real processes, sockets and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from data.store import Store
from tests.support.service_store import small_store
from tests.support.slow_service import ANSWER

# Each starts processes that load the whole service.
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 60.0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.02)


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=PATIENCE).status_code
    except httpx.TransportError:
        return None


@contextmanager
def _process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    without = {name: value for name, value in os.environ.items() if not name.startswith("HEED_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env={**without, **environment}, stdout=stream, stderr=stream
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def _slow_service(folder: Path, *, drain: float) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    store = small_store(folder)
    command = ["-m", "tests.support.slow_service", str(store), str(port), str(folder), str(drain)]
    with _process(command, folder / "log") as process:
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _status(f"{url}/health/ready") == 200, "the service")
        yield process, url


class _Asker(threading.Thread):
    """Asks once, and keeps what came."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.answer: httpx.Response | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = httpx.get(self.url, timeout=PATIENCE)
        except httpx.HTTPError as error:
            self.answer = error


def _begun(folder: Path) -> int:
    return len(list(folder.glob("begun-*")))


def _log(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log").read_text("utf-8").splitlines()]


def test_what_was_begun_is_finished_and_nothing_new_is_taken(tmp_path):
    """Twelve requests in flight, on the loop and in threads; the end comes; each gets all of its answer."""
    with _slow_service(tmp_path, drain=0) as (process, url):
        askers = [_Asker(f"{url}/{kind}") for kind in ("slow", "busy") for _ in range(6)]
        _until(lambda: _begun(tmp_path) == 12, "the requests to begin")
        process.send_signal(signal.SIGTERM)
        _until(lambda: _status(f"{url}/health/live") is None, "the end of listening")
        assert process.poll() is None
        assert not (tmp_path / "closed").exists()
        (tmp_path / "go").touch()
        for asker in askers:
            asker.join(PATIENCE)
            assert isinstance(asker.answer, httpx.Response), asker.answer
            assert (asker.answer.status_code, asker.answer.text) == (200, ANSWER)
            assert asker.answer.headers["connection"] == "close"
        assert process.wait(PATIENCE) == 0
        assert (tmp_path / "closed").exists()
    requests = [line for line in _log(tmp_path) if line["event"] == "request" and line["route"] in ("/slow", "/busy")]
    assert [line["status"] for line in requests] == [200] * 12


def test_it_says_that_it_stops_before_it_does(tmp_path):
    """While it drains: not ready, alive, answering, closing each connection; and nobody who asks is dropped."""
    with _slow_service(tmp_path, drain=3) as (process, url), httpx.Client(base_url=url, timeout=PATIENCE) as kept:
        assert "connection" not in kept.get("/health/live").headers
        asked, stop = [], threading.Event()

        def poll() -> None:
            while not stop.is_set():
                asked.append(_status(f"{url}/v1/areas"))

        poller = threading.Thread(target=poll, daemon=True)
        poller.start()
        _until(lambda: len(asked) > 3, "some answers")
        process.send_signal(signal.SIGTERM)
        _until(lambda: _status(f"{url}/health/ready") == 503, "not being ready")
        before = len(asked)
        answer = kept.get("/health/live")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert answer.elapsed.total_seconds() < PATIENCE
        _until(lambda: len(asked) > before + 3, "answers while it drains")
        stop.set()
        poller.join(PATIENCE)
        assert set(asked) == {200}
        assert process.wait(PATIENCE) == 0


def test_a_second_signal_ends_the_draining(tmp_path):
    """Whoever is in a hurry says so."""
    with _slow_service(tmp_path, drain=600) as (process, url):
        process.send_signal(signal.SIGTERM)
        _until(lambda: _status(f"{url}/health/ready") == 503, "not being ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert (tmp_path / "closed").exists()


def test_ctrl_c_ends_it_at_once_and_well(tmp_path):
    """On a terminal nobody waits for load balancers."""
    with _slow_service(tmp_path, drain=600) as (process, _url):
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert (tmp_path / "closed").exists()


def test_a_head_that_does_not_come_is_given_up(tmp_path):
    """Half a request line keeps a connection for ten seconds; what is no request is told so, as a problem."""
    with _slow_service(tmp_path, drain=0) as (_process, url):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, PATIENCE) as half, socket.create_connection(address, PATIENCE) as silent:
            half.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127")
            assert _answer(address, b"\x16\x03\x01 nonsense\r\n\r\n") == 400
            # By the server where it comes in pieces, by the limits where it comes at once.
            large = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 40_000 + b"\r\nConnection: close\r\n\r\n"
            assert _answer(address, large) in (400, 431)
            assert _answer(address, b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") == 200
            half.settimeout(PATIENCE)
            silent.settimeout(PATIENCE)
            assert half.recv(100) == b""
            assert silent.recv(100) == b""


def _answer(address: tuple[str, int], sent: bytes) -> int:
    with socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(sent)
        got = b""
        while part := connection.recv(65_536):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    if b" 400 " in head.splitlines()[0]:
        assert b"application/problem+json" in head
        assert b"content-security-policy" in head.lower()
        problem = json.loads(body)
        assert (problem["type"], problem["status"]) == ("urn:heed:problem:bad-request", 400)
    return int(head.split()[1])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_command_serves_and_ends_well(tmp_path, log_format):
    """`heed serve` as a unit starts it: log lines in the format asked for, no address in them, exit code 0; and what
    was read of a case is in the audit trail.
    """
    port, store = _free_port(), small_store(tmp_path)
    command = ["-c", "from service.cli import main; main()", "--store", str(store), "serve", "--port", str(port)]
    with _process(command, tmp_path / "log", HEED_LOG_FORMAT=log_format) as process:
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _status(f"{url}/health/ready") == 200, "the service")
        case_id = httpx.get(f"{url}/v1/cases?limit=1", timeout=PATIENCE).json()["cases"][0]["id"]
        assert _status(f"{url}/v1/cases/{case_id}") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    text = (tmp_path / "log").read_text("utf-8")
    assert "/v1/cases/{case_id}" in text
    assert case_id not in text
    if log_format == "json":
        assert {"serving", "request"} <= {str(line["event"]) for line in _log(tmp_path)}
    with Store.open(str(store)) as opened, opened.reading() as connection:
        read = connection.exec_driver_sql("SELECT action, target FROM audit_entry").fetchall()
    assert ("case.read", case_id) in [tuple(row) for row in read]
