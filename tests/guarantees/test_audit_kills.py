"""A process that records reads is killed at random moments: what was told to be safe is there, the trail is whole."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from data.store import Store
from data.store_audit import EMPTY, verify
from tests.support.audit_trails import rows_of
from tests.support.exports import fresh_schema

REPOSITORY = Path(__file__).parents[2]
KILLS = 8


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_acknowledged_survives_a_kill(engine, tmp_path, request):
    """Again and again into the same store, whose newest hash is kept each time."""
    chance = random.Random(5)  # noqa: S311 — moments of kills, no secret
    with ExitStack() as stack:
        if engine == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        store = stack.enter_context(Store.open(url, create=True))
        head = EMPTY
        for _ in range(KILLS):
            told = _killed(url, chance.uniform(0.05, 1.0))
            found = verify(store, head)
            assert found.fault is None, found.fault
            new = {row["target"] for row in rows_of(store) if row["seq"] > head.seq}
            assert told, "it was killed before it had recorded anything"
            assert told <= new
            # Beyond what was told, at most what the four threads were waiting for.
            assert len(new - told) <= 4
            head = found.head


def _killed(url: str, seconds: float) -> set[str]:
    """Start recording, kill it so long after its first entry, and return all that it was told is safe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.audit_trails", url], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline()]
    # Read on meanwhile: a pipe that is full would stop it.
    reader = threading.Thread(target=lambda: told.extend(process.stdout or ()))
    reader.start()
    time.sleep(seconds)
    process.kill()
    process.wait()
    reader.join()
    process.stdout.close()
    # The last line may have been cut off.
    return {line.strip() for line in told if line.endswith("\n")}
