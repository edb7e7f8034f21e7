"""Taking jobs up: what is due, and what a worker left behind that died.

Whether a worker has died is told by watching, not by comparing clocks. The row of a running job bears a moment by the
wall clock, `lease_until`. A worker that sees this moment for the first time notes, by its own monotonic clock, when it
will have passed, and looks whether it has changed by then: the holder changes it with every sign of life. If the same
value is still there, the holder has been silent for as long as it was granted, and the job is taken. So

- a wall clock that leaps forward a day while somebody watches changes nothing, nor does one that leaps back;
- one that leapt before somebody began to watch makes a lease look long expired, or a day long: it is watched for half
  its length in the first case and for its whole length in the second. A length is part of the holder's name, as
  workers may have been started with different ones;
- clocks of several machines need not agree.

If a job is taken from a worker that is alive after all, because it could not reach the store, its work is in vain; its
lease lets it write nothing more (`service.jobs.lease`). Jobs that may begin at once are due whatever the clock says;
one that is to begin later begins when the wall clock says so.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, or_, select, update

from data import tables
from data.audit_log import Act, append
from data.store import Store
from service.jobs.lease import SURE, Lease
from service.jobs.queue import WORKER, Clock, Job, find
from service.language import marked

MAX_ATTEMPTS: Final = 3
GIVEN_UP: Final = {
    "type": "urn:heed:problem:job-given-up",
    "title": marked("The job was given up"),
    "detail": marked(
        "It was begun three times, and each time the worker stopped before its end, without saying why: it was killed, "
        "or ran out of memory, or the machine went down. Look into the log of the workers, then add the job again."
    ),
}
# For another writer. The next look is a second later anyway.
_PATIENCE: Final = 5.0
# After so long a wait, signs of life may have had to wait as well.
_LONG_WAIT: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Watch:
    """What was seen of a running job, and when, by the monotonic clock, it may be taken if it is the same then."""

    seen: tuple[str | None, int, int | None]
    until: float
    alive: bool  # it has changed while it was watched


class Claims:
    """One worker's way to jobs.

    Parameters
    ----------
    store : Store
    seconds : length of its leases
    alone : kinds of which one job runs at a time
    kinds : kinds that this worker can do; None: all
    clock : see `service.jobs.queue.Clock`
    """

    def __init__(
        self,
        store: Store,
        *,
        seconds: float,
        alone: Collection[str] = (),
        kinds: Collection[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._seconds, self._alone, self._kinds = store, seconds, frozenset(alone), kinds
        self._clock = clock or Clock()
        self._watched: dict[str, _Watch] = {}

    @property
    def undecided(self) -> bool:
        """Whether there are running jobs of which it cannot be told yet if their worker lives."""
        return not all(watch.alive for watch in self._watched.values())

    def claim(self) -> Lease | None:
        """Take the next job; None if there is none just now.

        Raises
        ------
        StoreError
            If the store cannot be read, or is busy.
        """
        with self._store.reading() as connection:
            self._watch(connection)
            if not self._abandoned(connection) and self._due(connection) is None:
                return None
        asked = self._clock.monotonic()
        with self._store.writing(patience=_PATIENCE) as connection:
            if self._clock.monotonic() - asked > _LONG_WAIT:
                self._watched.clear()
            while (job := self._next(connection)) is not None:
                if self._is_over(connection, job):
                    continue
                return Lease(self._store, self._taken(connection, job), self._seconds, self._clock)
        return None

    # ---- which ----

    def _next(self, connection: Connection) -> Job | None:
        self._watch(connection)
        return next(iter(self._abandoned(connection)), None) or self._due(connection)

    def _watch(self, connection: Connection) -> None:
        """Note what is new of the jobs that are running, and forget those that are not."""
        job, now = tables.job.c, self._clock.monotonic()
        rows = connection.execute(
            select(job.job_id, job.holder, job.attempts, job.lease_until).where(job.state == "running")
        ).fetchall()
        watched = {}
        for row in rows:
            seen = (row.holder, int(row.attempts), row.lease_until)
            known = self._watched.get(row.job_id)
            if known is None or known.seen != seen:
                length = _length(row.holder, self._seconds)
                left = (row.lease_until or 0) - self._clock.wall()
                known = _Watch(seen, now + min(max(left, length * SURE), length), alive=known is not None)
            watched[str(row.job_id)] = known
        self._watched = watched

    def _abandoned(self, connection: Connection) -> list[Job]:
        """Jobs whose holder has been silent for too long, oldest first."""
        now = self._clock.monotonic()
        silent = [job_id for job_id, watch in self._watched.items() if watch.until <= now]
        jobs = [job for job in (find(connection, job_id) for job_id in silent) if job is not None and self._can(job)]
        return sorted(jobs, key=lambda job: (job.created_at, job.job_id))

    def _due(self, connection: Connection) -> Job | None:
        job = tables.job.c
        query = (
            select(tables.job)
            .where(job.state == "queued", or_(job.not_before <= job.created_at, job.not_before <= self._clock.now()))
            .order_by(job.not_before, job.created_at, job.job_id)
            .limit(1)
        )
        if self._kinds is not None:
            query = query.where(job.kind.in_(self._kinds))
        if self._alone:
            running = select(job.kind).where(job.state == "running", job.kind.in_(self._alone))
            query = query.where(job.kind.not_in(connection.execute(running).scalars().all()))
        row = connection.execute(query).first()
        return None if row is None else Job.of(row)

    def _can(self, job: Job) -> bool:
        return self._kinds is None or job.kind in self._kinds

    # ---- taking ----

    def _is_over(self, connection: Connection, job: Job) -> bool:
        """End a job that nobody should begin again: one that was to be cancelled, or was begun too often."""
        if job.cancel_asked:
            ends = {"state": "cancelled"}
        elif job.attempts >= MAX_ATTEMPTS:
            ends = {"state": "failed", "problem": json.dumps(GIVEN_UP, sort_keys=True)}
        else:
            return False
        change = update(tables.job).where(tables.job.c.job_id == job.job_id)
        nothing = {"lease_until": None, "step": None, "steps_done": None, "steps_total": None}
        connection.execute(change.values(finished_at=self._clock.now(), **nothing, **ends))
        detail = {"kind": job.kind, "attempt": job.attempts}
        append(connection, [Act(*WORKER, f"job.{ends['state']}", job.job_id, detail)])
        return True

    def _taken(self, connection: Connection, job: Job) -> Job:
        """Write into the row that the job is ours."""
        now = self._clock.now()
        change = update(tables.job).where(tables.job.c.job_id == job.job_id)
        connection.execute(
            change.values(
                state="running",
                # Of one attempt and no other: what was handed back may be taken again by the same process.
                holder=f"{secrets.token_hex(8)}/{math.ceil(self._seconds)}s",
                attempts=job.attempts + 1,
                started_at=now if job.started_at is None else job.started_at,
                lease_until=int(now + self._seconds),
                step=None,
                steps_done=None,
                steps_total=None,
            )
        )
        taken = find(connection, job.job_id)
        assert taken is not None  # noqa: S101  (it was changed just now)
        return taken


def _length(holder: str | None, default: float) -> float:
    """How long a holder may be silent, in seconds, as its name says."""
    told = re.search(r"/(\d+)s$", holder or "")
    return float(told[1]) if told else default
