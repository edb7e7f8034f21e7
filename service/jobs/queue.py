"""The queue of jobs, in the store: what is to be done, what is being done, what became of it.

A job goes from `queued` to `running`, and from there to `done`, `failed` or `cancelled`. Workers take jobs up and end
them (`service.jobs.lease`, `service.jobs.claims`); here is what everybody else may do: put one in, look, and cancel.
All of it happens on a connection of `Store.writing` or `Store.reading`, so that it can stand in one transaction with
something else.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from data import tables
from data.audit_log import Act, append

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = ("queued", "running", "done", "failed", "cancelled")
ENDED: Final[frozenset[str]] = frozenset({"done", "failed", "cancelled"})
# What a worker is to the audit trail, and what a person at a terminal is.
WORKER: Final = ("worker", "worker")
COMMAND: Final = ("command", "command")

# In the arguments of a job: what was fixed when it was first begun, so that every attempt asks the same.
_PINNED: Final = "pinned"


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of a process, so that tests can set them: `wall` seconds since 1970 in UTC, which somebody may set at
    any time, and `monotonic` seconds since whenever, which nobody can.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> int:
        """The wall clock in whole seconds."""
        return int(self.wall())


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as `data.tables.job` has it. Times are seconds since 1970 in UTC.

    Attributes
    ----------
    arguments : as they were given
    pinned : what the first attempt fixed; empty before it
    started_at : when it was first begun; None: not yet
    holder, lease_until : who is at it and until when that holds without a sign of life; None: nobody
    attempts : how often it was begun
    step, steps_done, steps_total : what it was doing at the last sign of life; a total of 0 or None is not known
    result : of a job that is done; problem : of one that failed
    """

    job_id: str
    kind: str
    arguments: Mapping[str, Any]
    pinned: Mapping[str, Any]
    state: State
    created_at: int
    created_by: str
    once_key: str | None
    not_before: int
    started_at: int | None
    finished_at: int | None
    lease_until: int | None
    holder: str | None
    attempts: int
    cancel_asked: bool
    step: str | None
    steps_done: int | None
    steps_total: int | None
    result: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: Row[Any]) -> Job:
        """A job from a row of its table."""
        values = dict(row._mapping)
        arguments = json.loads(values["arguments"])
        pinned = arguments.pop(_PINNED, {})
        told = {name: None if values[name] is None else json.loads(values[name]) for name in ("result", "problem")}
        asked = bool(values["cancel_asked"])
        return cls(**{**values, **told, "arguments": arguments, "pinned": pinned, "cancel_asked": asked})

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in ENDED


def stored_arguments(arguments: Mapping[str, Any], pinned: Mapping[str, Any]) -> str:
    """Arguments as the table keeps them."""
    whole = {**arguments, _PINNED: dict(pinned)} if pinned else dict(arguments)
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, sort_keys=True)


def enqueue(
    connection: Connection,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    by: tuple[str, str],
    now: int,
    not_before: int | None = None,
    once_key: str | None = None,
) -> tuple[Job, bool]:
    """Put a job in, and tell the audit trail.

    Parameters
    ----------
    connection : of `Store.writing`
    kind, arguments : already validated (`service.jobs.kinds.checked`)
    by : actor and role, as `data.audit_log.Act` has them
    now, not_before : seconds in UTC; without the second, it may begin at once
    once_key : there is only ever one job of a key; None: no such promise

    Returns
    -------
    The job, and whether it is new: where there is one of that key, it is that one, whatever became of it.
    """
    table = tables.job
    if once_key is not None:
        known = connection.execute(select(table).where(table.c.once_key == once_key)).first()
        if known is not None:
            return Job.of(known), False
    job_id = secrets.token_hex(8)
    connection.execute(
        insert(table).values(
            job_id=job_id,
            kind=kind,
            arguments=stored_arguments(arguments, {}),
            state="queued",
            created_at=now,
            created_by=by[0],
            once_key=once_key,
            not_before=now if not_before is None else not_before,
            attempts=0,
            cancel_asked=0,
        )
    )
    append(connection, [Act(*by, "job.add", job_id, {"kind": kind})])
    made = find(connection, job_id)
    assert made is not None  # noqa: S101  (it was put in just now)
    return made, True


def find(connection: Connection, job_id: str) -> Job | None:
    """The job of that id, or None."""
    # PostgreSQL refuses to look for a zero byte instead of finding nothing.
    if "\0" in job_id:
        return None
    row = connection.execute(select(tables.job).where(tables.job.c.job_id == job_id)).first()
    return None if row is None else Job.of(row)


def newest(
    connection: Connection,
    *,
    limit: int,
    state: str | None = None,
    kind: str | None = None,
    after: tuple[int, str] | None = None,
) -> list[Job]:
    """Jobs, the one put in last first.

    Parameters
    ----------
    limit : at most so many
    state, kind : only those; None: all
    after : `created_at` and `job_id` of a job; only those that come after it in this order
    """
    job = tables.job.c
    query = select(tables.job).order_by(job.created_at.desc(), job.job_id.desc()).limit(limit)
    if state is not None:
        query = query.where(job.state == state)
    if kind is not None:
        query = query.where(job.kind == kind)
    if after is not None:
        at, job_id = after
        query = query.where(or_(job.created_at < at, and_(job.created_at == at, job.job_id < job_id)))
    return [Job.of(row) for row in connection.execute(query)]


def cancel(connection: Connection, job_id: str, *, by: tuple[str, str], now: int) -> Job | None:
    """Cancel a job, and tell the audit trail. A queued one is cancelled at once; a running one is asked to stop, and
    does where it next tells how far it is. One that has ended stays as it is, and asking twice is asking once.

    Returns
    -------
    The job as it is then; None if there is none of that id.
    """
    job = find(connection, job_id)
    if job is None or job.ended or job.cancel_asked:
        return job
    ends = {"state": "cancelled", "finished_at": now} if job.state == "queued" else {}
    connection.execute(update(tables.job).where(tables.job.c.job_id == job_id).values(cancel_asked=1, **ends))
    append(connection, [Act(*by, "job.cancel", job_id, {"kind": job.kind, "state": job.state})])
    return find(connection, job_id)


def ids_like(connection: Connection, beginning: str) -> list[str]:
    """Ids of jobs that begin so, at most two of them: enough to tell that there are several."""
    job_id = tables.job.c.job_id
    query = select(job_id).where(job_id.startswith(beginning, autoescape=True)).order_by(job_id).limit(2)
    return [str(found) for found in connection.execute(query).scalars()]
