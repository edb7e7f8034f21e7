"""A bounded number of places for work that takes long: some that work, some that wait, and no more.

Who finds all places taken is told so at once, with when to come back: a queue without end only answers those who have
gone. Who goes away while he waits gives his place back; who goes away while his work is done, as soon as it looks up.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from service.language import marked
from service.problems import BusyError

T = TypeVar("T")
# Asked by work now and then: whether nobody waits for it any more.
Stopped = Callable[[], bool]

_LONGEST_WAIT: Final = 60
_NEWEST_SHARE: Final = 0.3
_BUSY: Final = marked("All places for scoring are taken. Come back when the header Retry-After says.")


class WorkPool:
    """Places to work in.

    Parameters
    ----------
    threads : how much is worked on at once
    queue : how many may wait
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._threads = threads
        self._places = threads + queue
        self._taken = 0
        self._seconds = 1.0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="heed-score")

    @property
    def taken(self) -> int:
        """Places that are taken, working or waiting."""
        return self._taken

    async def run(self, work: Callable[[Stopped], T]) -> T:
        """Have something done beside the event loop.

        Parameters
        ----------
        work : given a function that says whether to stop

        Raises
        ------
        BusyError
            If all places are taken, at once.
        """
        stop = threading.Event()
        future = self._submit(work, stop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            stop.set()
            future.cancel()
            raise

    def close(self) -> None:
        """Wait for what is being worked on; what waits is left."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[Stopped], T], stop: threading.Event) -> Future[T]:
        with self._lock:
            if self._taken >= self._places:
                raise BusyError(_BUSY, self._retry_after())
            self._taken += 1
        try:
            future = self._executor.submit(self._timed, work, stop)
        except RuntimeError:
            self._free(None)
            raise
        future.add_done_callback(self._free)
        return future

    def _timed(self, work: Callable[[Stopped], T], stop: threading.Event) -> T:
        started = time.perf_counter()
        try:
            return work(stop.is_set)
        finally:
            taken = time.perf_counter() - started
            self._seconds += _NEWEST_SHARE * (taken - self._seconds)

    def _free(self, _future: Future[T] | None) -> None:
        with self._lock:
            self._taken -= 1

    def _retry_after(self) -> int:
        """About when a place is free, in whole seconds."""
        return min(max(math.ceil(self._seconds * self._taken / self._threads / 2), 1), _LONGEST_WAIT)
