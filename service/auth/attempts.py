"""How often one asker may be wrong at the sign-in page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

PER_MINUTE: Final = 10
_REMEMBERED: Final = 1_000


class Attempts:
    """Counts wrong sign-ins per address, in memory, as a bucket that fills again with time.

    A key cannot be guessed in any number of attempts; this keeps a program that tries from filling logs and taking
    threads. Of more addresses than it remembers, it forgets those it heard of longest ago.
    """

    def __init__(self, *, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = per_minute, clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again; 0: now."""
        with self._lock:
            left = self._now(address)
        return 0 if left >= 1 else int((1 - left) * 60 / self._limit) + 1

    def failed(self, address: str) -> None:
        """Note a wrong attempt."""
        with self._lock:
            left = self._now(address)
            self._left[address] = (left - 1, self._clock())
            self._left.move_to_end(address)
            while len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)

    def _now(self, address: str) -> float:
        left, at = self._left.get(address, (float(self._limit), 0.0))
        return min(float(self._limit), left + (self._clock() - at) * self._limit / 60)
