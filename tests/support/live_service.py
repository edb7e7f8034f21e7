"""The service as an office runs it: a process of its own, on a port of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_PATIENCE = 180.0  # a loaded machine takes long to import everything
_LOOK_AGAIN = 0.1
# As the installed command does, but from this interpreter.
_COMMAND = (sys.executable, "-c", "import sys; from service.cli import main; sys.exit(main())")


@dataclass
class LiveService:
    """A running service: where it answers, its process, and the file of its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and wait; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_PATIENCE)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of heed to its end; what it printed and its exit code."""
    return subprocess.run(
        [*_COMMAND, *words], env=_environment(environment), capture_output=True, text=True, timeout=600, check=False
    )


@contextmanager
def live_service(
    store: str, log: Path, *, environment: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[LiveService]:
    """Start `heed serve` on a store, wait until it answers, and stop it at the end.

    Parameters
    ----------
    store : address of the store
    log : where its output goes; added to, so that one file can hold several lives
    environment : settings (`HEED_…`) beside those of this process
    port : None: a free one
    """
    service = start(store, log, environment=environment, port=port)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.terminate()
            try:
                service.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                service.kill()


def start(
    store: str, log: Path, *, environment: Mapping[str, str] | None = None, port: int | None = None
) -> LiveService:
    """Start `heed serve`; returns once it lives."""
    chosen = free_port() if port is None else port
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*_COMMAND, "--store", store, "serve", "--port", str(chosen)],
            env=_environment(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = LiveService(f"http://127.0.0.1:{chosen}", process, log)
    _wait_until_it_lives(service)
    return service


def _wait_until_it_lives(service: LiveService) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if service.process.poll() is not None:
            break
        try:
            if httpx.get(f"{service.url}/health/live", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(_LOOK_AGAIN)
    service.process.kill()
    raise AssertionError(f"The service did not come up:\n{service.log.read_text(errors='replace')[-4_000:]}")


def _environment(given: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEED_")}
    return {**kept, **(given or {})}
