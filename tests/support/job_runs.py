"""Kinds of job that leave a countable trace, clocks that can be set, and stores on both engines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, insert, select

from data import tables
from data.store import Store
from service.job_payloads import NoArguments
from service.jobs.queue import COMMAND, Clock, Job, enqueue, find
from service.jobs.work import Kind, Outcome, Work
from service.settings import Settings
from tests.support.exports import fresh_schema

PARTS = 4
# What jobs did: one row for each part of each effect. No key forbids that it is there twice.
effect = Table(
    "effect",
    MetaData(),
    Column("job_id", String(32)),
    Column("attempt", Integer),
    Column("part", Integer),
)


@dataclass
class SetClock:
    """A wall clock and a monotonic one that stand still until they are told to go."""

    wall: float = 1_700_000_000.0
    monotonic: float = 1_000.0

    def pass_(self, seconds: float) -> None:
        """Time passes, and both clocks show it."""
        self.wall += seconds
        self.monotonic += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


@contextmanager
def job_store(engine: str, folder: Any, postgres_url: Callable[[], str]) -> Iterator[tuple[str, Store]]:
    """The address of a new store and the store, with the table of effects."""
    if engine == "sqlite":
        url = str(folder / "heed.db")
        with opened(url) as store:
            yield url, store
        return
    with fresh_schema(postgres_url()) as url, opened(url) as store:
        yield url, store


@contextmanager
def opened(url: str) -> Iterator[Store]:
    with Store.open(url, create=True) as store:
        with store.writing() as connection:
            effect.create(connection, checkfirst=True)
        yield store


def emptied(store: Store) -> Store:
    """The store without jobs, effects and acts: for the next test, without making another."""
    with store.writing() as connection:
        for table in (tables.job, tables.audit_entry, effect):
            connection.execute(delete(table))
    return store


def added(store: Store, kind: str = "append", *, now: int = 1_700_000_000, **options: Any) -> Job:
    """A job put into the queue."""
    with store.writing() as connection:
        return enqueue(connection, kind, {}, by=COMMAND, now=now, **options)[0]


def found(store: Store, job_id: str) -> Job:
    with store.reading() as connection:
        job = find(connection, job_id)
    assert job is not None
    return job


def effects(store: Store) -> list[tuple[str, int]]:
    """(job, part) of all that was done, sorted."""
    with store.reading() as connection:
        rows = connection.execute(select(effect.c.job_id, effect.c.part)).fetchall()
    return sorted((str(job_id), int(part)) for job_id, part in rows)


def acts(store: Store, *actions: str) -> list[tuple[str, str]]:
    """(action, job) of the audit trail, in its order."""
    entry = tables.audit_entry.c
    with store.reading() as connection:
        rows = connection.execute(select(entry.action, entry.target).order_by(entry.seq)).fetchall()
    return [(row.action, row.target) for row in rows if not actions or row.action in actions]


def append_once(work: Work) -> Outcome:
    """Work for a while, then do something that would count twice if it were done twice, with the end of the job."""
    for part in range(PARTS):
        work.progress("append", part, PARTS)
        _pause()

    def last(connection: Connection) -> Mapping[str, Any]:
        _insert(connection, work, part=0)
        return {"attempt": work.job.attempts}

    return Outcome({"parts": 1}, last)


def replace_parts(work: Work) -> Outcome:
    """Write part after part, each in a transaction of its own and in place of what an earlier attempt wrote."""
    for part in range(PARTS):
        work.progress("replace", part, PARTS)
        with work.store.writing() as connection:
            mine = (effect.c.job_id == work.job.job_id) & (effect.c.part == part)
            connection.execute(delete(effect).where(mine))
            _insert(connection, work, part=part)
        _pause()
    return Outcome({"parts": PARTS, "attempt": work.job.attempts})


def _insert(connection: Connection, work: Work, *, part: int) -> None:
    connection.execute(insert(effect).values(job_id=work.job.job_id, attempt=work.job.attempts, part=part))


_SECONDS = [0.0]


def pause_for(seconds: float) -> None:
    """How long the kinds above rest between two steps, in this process."""
    _SECONDS[0] = seconds


def _pause() -> None:
    if _SECONDS[0]:
        time.sleep(_SECONDS[0])


KINDS: dict[str, Kind] = {
    "append": Kind(NoArguments, append_once),
    "replace": Kind(NoArguments, replace_parts),
}


def whole_effects(jobs: Mapping[str, str]) -> list[tuple[str, int]]:
    """What is to be found of jobs (id -> kind) that were each done exactly once."""
    parts = {"append": 1, "replace": PARTS}
    return sorted((job_id, part) for job_id, kind in jobs.items() for part in range(parts.get(kind, 0)))


def settings_of(url: str, **given: Any) -> Settings:
    return Settings(store_url=url, **given)
