"""Syncs as the tests run them: a clock that stands still, no waiting, and stores with one key to compare by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import update

from data.sources.http import Limits
from data.sources.sync import Surroundings, sync_source
from data.sources.sync_report import SyncReport
from data.store import Store
from data.tables import secret

KEY = b"k" * 32
NOON = 1_710_504_000  # 2024-03-15 12:00 UTC
DAY = 86_400
QUICK = Limits(
    attempts=3, budget=30, first_wait=0.01, longest_wait=5, connect=5, read=10, answer=10, max_bytes=2_000_000
)
# For portals that keep silent or drip; too hasty for any other on a busy machine.
HASTY = replace(QUICK, attempts=2, read=0.25, answer=0.7)


@dataclass
class World:
    """The surroundings of a sync: what time it is, and how long was waited."""

    now: int = NOON
    waits: list[float] = field(default_factory=list)
    folder: Path | None = None
    limits: Limits = QUICK
    tick: Callable[[], int] | None = None

    def surroundings(self) -> Surroundings:
        return Surroundings(
            folder=self.folder, limits=self.limits, now=self.tick or (lambda: self.now), sleep=self.waits.append
        )

    def sync(self, store: Store, mapping: Any, **options: Any) -> SyncReport:
        return sync_source(store, mapping, surroundings=self.surroundings(), **options)


@cache
def _empty_store() -> bytes:
    """An empty store, made once: the migrations take longer than most syncs of these tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        with Store.open(str(path), create=True) as store, store.writing() as connection:
            connection.execute(update(secret).values(value=KEY))
        return path.read_bytes()


def open_keyed(path: Path) -> Store:
    """A new store whose case ids are those of every other store of the tests."""
    path.write_bytes(_empty_store())
    return Store.open(str(path))


def events_of(store: Store) -> pd.DataFrame:
    """All events, in an order that depends on nothing else."""
    events = store.read_events()
    return events.sort_values(["case_id", "known_at", "at", "kind"], ignore_index=True)


def told(store: Store) -> list[tuple[str, ...]]:
    """The events without their case, as short tuples: kind, at, known_at."""
    return [(str(e.kind), int(e.at), int(e.known_at)) for e in events_of(store).itertuples()]


def spooled(path: Path) -> list[str]:
    """The files that a sync left beside a store."""
    folder = path.with_suffix(".sync")
    return sorted(item.name for item in folder.iterdir() if item.suffix != ".lock") if folder.exists() else []
