"""A job in hand: what its worker may write, and for how long.

Who holds a job is written in its row: the holder, and the number of the attempt. Whatever the worker writes for the
job, it writes in transactions that look into the row first (`Lease.fence`). They are alone while they write, as every
change of who holds a job is (`Store.writing`); so a worker that was paused, or cut off, and whose job was given to
another, is refused before it can change anything, however late it wakes up. Time plays no part in that. It only
decides when a job is given to another (`service.jobs.claims`).

To stay the holder, a worker changes the row every now and then, and with everything that it writes. In the row stands
a moment by the wall clock; whether it has to look again before it goes on, the worker tells by its own monotonic clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, select, update

from data import tables
from data.audit_log import Act, append
from data.database import IMPORT_PATIENCE
from data.errors import HeedError
from data.store import Store
from service.jobs.queue import WORKER, Clock, Job, stored_arguments

Progress = tuple[str, int, int]
Effect = Callable[[Connection], Mapping[str, Any]]

# Signs of life in the length of a lease: some may be late before anybody thinks that the holder has died.
BEATS: Final = 4
# The share of a lease for which nobody takes the job after a sign of life, whatever any wall clock says.
SURE: Final = 0.5
# A job that could not go on, as the database was away, waits so many seconds for its next attempt, times attempts.
_PAUSE: Final = 30
_LONGEST_STEP: Final = 64


class LeaseLostError(HeedError):
    """The job is another worker's now, or has ended: nothing more may be written for it."""

    status = 409
    title = "Another worker has taken the job"


class Lease:
    """One attempt at one job, by one worker.

    Parameters
    ----------
    store : not fenced
    job : as it stands since it was claimed
    seconds : how long it may go without a sign of life
    clock : see `service.jobs.queue.Clock`
    """

    def __init__(self, store: Store, job: Job, seconds: float, clock: Clock) -> None:
        self.job, self.seconds = job, seconds
        self._store, self._clock = store, clock
        self._told = job.lease_until or 0
        self._sure_until = clock.monotonic() + seconds * SURE
        self._is_writing = False

    # ---- holding on ----

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken the job since the last sign of life, by the monotonic clock of this process; or
        because nobody else can write just now.
        """
        return self._is_writing or self._clock.monotonic() < self._sure_until

    @contextmanager
    def fence(self, connection: Connection) -> Iterator[None]:
        """Around a transaction that writes for the job: it is still ours, and it stays ours with the commit.

        Raises
        ------
        LeaseLostError
            If it is not; the transaction is undone.
        """
        self._require(connection)
        # However long it takes. Whoever gave a sign of life meanwhile would wait for his own transaction.
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False
        self._extend(connection)

    def beat(self, progress: Progress | None, *, patience: float | None = None) -> bool:
        """Give a sign of life, and tell how far the job is; whether somebody asked to cancel it.

        Raises
        ------
        LeaseLostError
            If the job is not ours any more.
        StoreError
            If the store is busy; the lease goes on running out.
        """
        with self._store.writing(patience=patience) as connection:
            asked = self._require(connection)
            step, done, total = (None, None, None) if progress is None else progress
            shown = None if step is None else step[:_LONGEST_STEP]
            self._extend(connection, step=shown, steps_done=done, steps_total=total)
        return asked

    def look(self) -> bool:
        """Whether somebody asked to cancel the job; like `beat`, but changes nothing."""
        with self._store.reading() as connection:
            return self._require(connection)

    def pin(self, values: Mapping[str, Any]) -> None:
        """Fix something for this attempt and all later ones."""
        pinned = {**self.job.pinned, **values}
        with self._store.writing() as connection:
            self._require(connection)
            self._extend(connection, arguments=stored_arguments(self.job.arguments, pinned))
        self.job = replace(self.job, pinned=pinned)

    # ---- letting go ----

    def done(self, result: Mapping[str, Any], effect: Effect | None = None) -> None:
        """End the job: its last effect, its result and the entry of the audit trail are stored together, or none.

        `effect` may write on the connection; what it returns is added to the result. What it raises undoes all.
        """
        with self._store.writing(patience=IMPORT_PATIENCE) as connection:
            self._require(connection)
            more = {} if effect is None else effect(connection)
            text = json.dumps({**result, **more}, ensure_ascii=False, allow_nan=False, sort_keys=True)
            self._end(connection, "done", result=text)

    def failed(self, problem: Mapping[str, Any]) -> None:
        """End the job with a problem, as RFC 9457 has it."""
        with self._store.writing(patience=IMPORT_PATIENCE) as connection:
            self._require(connection)
            self._end(connection, "failed", problem=json.dumps(dict(problem), ensure_ascii=False, sort_keys=True))

    def cancelled(self) -> None:
        """End the job because somebody asked to; what it wrote until then stays."""
        with self._store.writing(patience=IMPORT_PATIENCE) as connection:
            self._require(connection)
            self._end(connection, "cancelled")

    def hand_back(self) -> None:
        """Put the job back for another worker, as if this attempt had not been made."""
        self._put_back(attempts=self.job.attempts - 1)

    def put_off(self) -> None:
        """Put the job back for a later attempt."""
        self._put_back(not_before=self._clock.now() + _PAUSE * self.job.attempts)

    def _put_back(self, **values: Any) -> None:
        with self._store.writing(patience=IMPORT_PATIENCE) as connection:
            self._require(connection)
            self._set(connection, state="queued", holder=None, lease_until=None, **_NO_PROGRESS, **values)

    # ---- the row ----

    def _end(self, connection: Connection, state: str, **values: Any) -> None:
        self._set(connection, state=state, finished_at=self._clock.now(), lease_until=None, **_NO_PROGRESS, **values)
        detail = {"kind": self.job.kind, "attempt": self.job.attempts}
        append(connection, [Act(*WORKER, f"job.{state}", self.job.job_id, detail)])

    def _require(self, connection: Connection) -> bool:
        asked = connection.execute(select(tables.job.c.cancel_asked).where(self._mine())).scalar()
        if asked is None:
            raise LeaseLostError(
                "Expected to hold the job still, and another worker has taken it, or it has ended. Nothing more of "
                "this attempt was stored."
            )
        return bool(asked)

    def _extend(self, connection: Connection, **values: Any) -> None:
        # By the clock before the commit: what is believed here is never more than what is stored.
        began = self._clock.monotonic()
        until = int(self._clock.now() + self.seconds)
        # Whoever watches the row goes by its changing.
        self._told = until + 1 if until == self._told else until
        self._set(connection, lease_until=self._told, **values)
        self._sure_until = began + self.seconds * SURE

    def _set(self, connection: Connection, **values: Any) -> None:
        connection.execute(update(tables.job).where(self._mine()).values(**values))

    def _mine(self) -> ColumnElement[bool]:
        job = tables.job.c
        return and_(
            job.job_id == self.job.job_id,
            job.holder == self.job.holder,
            job.attempts == self.job.attempts,
            job.state == "running",
        )


_NO_PROGRESS: Final = {"step": None, "steps_done": None, "steps_total": None}
