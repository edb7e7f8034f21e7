"""Signs of life of a job while it runs, and what the job hears through them: stop, it is cancelled, it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from data.errors import StoreError
from service.jobs.lease import BEATS, Lease, LeaseLostError, Progress
from service.jobs.queue import Clock

Step = Callable[[str, int, int], None]

# How soon somebody who cancels is heard, and how often news of the progress is written at most.
_LOOK: Final = 1.0
_NEWS: Final = 2.0


class CancelAskedError(Exception):
    """Somebody asked to cancel the job."""


class StopAskedError(Exception):
    """The worker is to stop, and hands the job back."""


class Heartbeat:
    """Keeps a lease alive from a thread of its own, for as long as the `with` block lasts.

    Parameters
    ----------
    lease : Lease
    stopping : whether the worker is to stop
    watch : told of each step, as (step, done, total); for a terminal
    clock : see `service.jobs.queue.Clock`
    """

    def __init__(
        self, lease: Lease, *, stopping: Callable[[], bool], watch: Step | None = None, clock: Clock | None = None
    ) -> None:
        self._lease, self._stopping, self._watch, self._clock = lease, stopping, watch, clock or Clock()
        self._tick = min(_LOOK, lease.seconds / BEATS / 2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heed-heartbeat", daemon=True)
        self._progress: Progress | None = None
        self._asked = self._lost = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self, step: str, done: int, total: int) -> None:
        """What the job calls to say how far it is, from the thread that it runs in.

        Raises
        ------
        LeaseLostError, CancelAskedError, StopAskedError
            If it should not go on.
        """
        self._progress = (step, done, total)
        if self._watch is not None:
            self._watch(step, done, total)
        self.check()

    def check(self) -> None:
        """Raise as `progress` does."""
        if self._lost:
            raise LeaseLostError("Expected to hold the job still, and another worker has taken it, or it has ended.")
        if not self._lease.is_sure:
            # Paused, or the store was out of reach, for so long that another may have taken the job: look before going
            # on. It is no loss if the store cannot tell: nothing can be written either, then.
            self._asked = self._beat() or self._asked
        if self._asked:
            raise CancelAskedError
        if self._stopping():
            raise StopAskedError

    def _run(self) -> None:
        told, beaten = None, self._clock.monotonic()
        while not self._ended.wait(self._tick):
            progress, now = self._progress, self._clock.monotonic()
            since = now - beaten
            try:
                if since >= self._lease.seconds / BEATS or (progress != told and since >= _NEWS):
                    self._asked = self._lease.beat(progress, patience=self._tick) or self._asked
                    told, beaten = progress, now
                else:
                    self._asked = self._lease.look() or self._asked
            except LeaseLostError:
                self._lost = True
                return
            except (StoreError, SQLAlchemyError):
                # Busy, or away for a moment: the next tick tries again.
                continue

    def _beat(self) -> bool:
        try:
            return self._lease.beat(self._progress)
        except (StoreError, SQLAlchemyError):
            return False
