"""Killing a sync again and again, and seeing that nothing is lost, doubled or left behind."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from tests.support.portals import SOCRATA, TABLE, TOWN_COLUMNS, SocrataPortal, row
from tests.support.sync_runs import DAY, NOON, World, events_of, open_keyed, spooled

REPOSITORY = Path(__file__).parents[2]


def kill_until_done(folder: Path, kills: int, seed: int) -> int:
    """Kill syncs at random moments, then let one end; how many were killed before they ended.

    Raises AssertionError if the store is ever half changed, or at the end is not as after a sync that nobody killed.
    """
    chance = random.Random(seed)  # noqa: S311 — moments of kills, no secret
    rows = [row(n, changed=NOON - 9 * DAY + n, closed="2024-03-02T08:00:00" if n % 3 else None) for n in range(1, 61)]
    portal = SocrataPortal(rows=rows, columns=dict(TOWN_COLUMNS), before=lambda _number: time.sleep(0.01))
    with portal.serving():
        mapping = folder / "town.toml"
        mapping.write_text(TABLE.replace("URL", portal.url) + SOCRATA)
        with open_keyed(folder / "whole.db") as store:
            World().sync(store, mapping)
            expected = events_of(store)
        path = folder / "killed.db"
        open_keyed(path).close()
        killed = sum(_killed(path, mapping, chance.uniform(0.0, 0.9)) for _ in range(kills))
        with open_keyed_again(path) as store:
            found = events_of(store)
            assert len(found) in (0, len(expected)), "half of an import"
            World().sync(store, mapping)
            pd.testing.assert_frame_equal(events_of(store), expected)
            assert spooled(path) == []
    return killed


def open_keyed_again(path: Path):
    from data.store import Store

    return Store.open(str(path))


def _killed(path: Path, mapping: Path, seconds: float) -> bool:
    """Start a sync, kill it so long after it has opened the store; whether it had not ended by then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.killed_sync", str(path), str(mapping), str(NOON)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        return True
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
