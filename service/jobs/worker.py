"""The worker: takes jobs up one after another, does them, and says what became of them.

Any number of workers may share a store. Each job is done by one of them at a time, and ended once
(`service.jobs.lease`); a worker that dies leaves it to the others (`service.jobs.claims`).

A worker that is told to stop lets its job go at the job's next word of progress, and hands it back: another worker
begins it anew, and no attempt is counted. Its log lines hold numbers and names of kinds, and no contents.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from data.errors import HeedError, StoreError
from data.store import Store
from service.jobs.claims import MAX_ATTEMPTS, Claims
from service.jobs.heartbeat import CancelAskedError, Heartbeat, Step, StopAskedError
from service.jobs.lease import BEATS, Lease, LeaseLostError
from service.jobs.queue import Clock
from service.jobs.schedule import ScheduleFile, Timetable
from service.jobs.work import Kind, Outcome, Work
from service.language import marked
from service.settings import Settings

logger = logging.getLogger("heed.worker")

# How often an idle worker looks for a job, and for something in the timetable.
_LOOK: Final = 1.0
# After the store could not be read.
_AWAY: Final = 5.0
_PLACES: Final = 8  # of the code, innermost first

# Of an absolute path, all but its last part; not of an address on the web.
_FOLDERS: Final = re.compile(r"(?<![\w:/])/(?:[^\s/:'\"]+/)+")
# The database or the disk was away, or busy: they come back.
_PASSING: Final = (StoreError, SQLAlchemyError, OSError)
_INSIDE: Final = {
    "type": "urn:heed:problem:internal",
    "title": marked("Something went wrong inside"),
    "detail": marked("The job could not be done. The log of the worker holds the place under the number of the job."),
}


class StopNowError(BaseException):
    """The worker was told to stop for the second time: it does not wait for the job to say how far it is."""


class Worker:
    """One worker on one store.

    Parameters
    ----------
    store : Store
    settings : for what kinds need, and `job_lease_seconds`
    kinds : what it can do, by name
    schedules : what it puts into the queue when; None: nothing
    watch : told of each step of a job; for a terminal
    clock : see `service.jobs.queue.Clock`
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        kinds: Mapping[str, Kind],
        *,
        schedules: ScheduleFile | None = None,
        watch: Step | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._settings, self._kinds, self._watch = store, settings, kinds, watch
        self._clock = clock or Clock()
        self._claims = Claims(
            store,
            seconds=settings.job_lease_seconds,
            alone=[name for name, kind in kinds.items() if kind.alone],
            kinds=tuple(kinds),
            clock=self._clock,
        )
        self._timetable = Timetable(store, schedules, clock=self._clock)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End as soon as the job at hand can be let go; may be called from a signal handler."""
        self._stop.set()

    def run(self, *, once: bool = False) -> int:
        """Work until `stop`; with `once`, until nothing is due.

        Returns
        -------
        int, how many jobs were taken up
        """
        taken = 0
        logger.info("worker started, %d schedules", len(self._timetable.schedules))
        try:
            while not self._stop.is_set():
                lease = self._next()
                if lease is not None:
                    taken += 1
                    self._work(lease)
                elif once and not self._claims.undecided:
                    break
                else:
                    self._stop.wait(min(_LOOK, self._settings.job_lease_seconds / BEATS))
        except StopNowError:
            pass
        logger.info("worker stopped, %d jobs taken up", taken)
        return taken

    def _next(self) -> Lease | None:
        try:
            self._timetable.enqueue_due()
            return self._claims.claim()
        except (StoreError, SQLAlchemyError) as error:
            logger.warning("the store could not be used (%s)", type(error).__name__)
            self._stop.wait(_AWAY)
            return None

    # ---- one job ----

    def _work(self, lease: Lease) -> None:
        started = time.monotonic()
        logger.info("job=%s kind=%s attempt=%d begun", lease.job.job_id, lease.job.kind, lease.job.attempts)
        told = self._attempted(lease)
        logger.info(
            "job=%s kind=%s attempt=%d %s after %.1f s",
            lease.job.job_id,
            lease.job.kind,
            lease.job.attempts,
            told,
            time.monotonic() - started,
        )

    def _attempted(self, lease: Lease) -> str:
        """Do it, and see that its row says what became of it; the same in a word for the log."""
        try:
            return self._ended(lease)
        except LeaseLostError:
            return "lost to another worker"
        except (StoreError, SQLAlchemyError) as error:
            # What became of it could not be written: the lease runs out, and somebody begins it again.
            return f"left as it is ({type(error).__name__})"

    def _ended(self, lease: Lease) -> str:
        try:
            with Heartbeat(lease, stopping=self._stop.is_set, watch=self._watch, clock=self._clock) as beating:
                outcome = self._outcome(lease, beating)
                lease.done(outcome.result, outcome.effect)
        except CancelAskedError:
            lease.cancelled()
            return "cancelled"
        except (StopAskedError, StopNowError, KeyboardInterrupt):
            lease.hand_back()
            self._stop.set()
            return "handed back"
        except LeaseLostError:
            raise
        except Exception as error:
            if isinstance(error, _PASSING) and lease.job.attempts < MAX_ATTEMPTS:
                lease.put_off()
                return f"put off ({type(error).__name__})"
            self._fail(lease, error)
            return "failed"
        return "done"

    def _fail(self, lease: Lease, error: Exception) -> None:
        lease.failed(_problem_of(error, self._store.engine.url.render_as_string(hide_password=True)))
        trace = traceback.extract_tb(error.__traceback__)[: -_PLACES - 1 : -1]
        places = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in trace)
        tell = logger.warning if isinstance(error, HeedError) else logger.error
        tell("job=%s %s at %s", lease.job.job_id, type(error).__name__, places)

    def _outcome(self, lease: Lease, beating: Heartbeat) -> Outcome:
        kind = self._kinds[lease.job.kind]
        arguments = kind.arguments.model_validate(dict(lease.job.arguments))
        if kind.pin is not None and not lease.job.pinned:
            lease.pin({"attempt": lease.job.attempts, **kind.pin(self._store, arguments, self._settings)})
        work = Work(self._store.fenced(lease.fence), lease.job, arguments, self._settings, beating.progress)
        beating.check()
        return kind.run(work)


def _problem_of(error: Exception, store: str) -> dict[str, str]:
    """What heed raises on purpose may be told, without the places of this machine and the address of its store; of
    anything else only that it happened.
    """
    if not isinstance(error, HeedError):
        return dict(_INSIDE)
    detail = _FOLDERS.sub("", str(error).replace(store, "the store"))
    name = type(error).__name__.removesuffix("Error")
    spaced = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
    return {"type": f"urn:heed:problem:{spaced}", "title": error.title, "detail": detail}
