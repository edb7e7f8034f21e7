"""Time windows: the stretches of weeks in which a cluster may have lasted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows over `n_times` steps: from step `start` up to, not including, step `stop`."""

    n_times: int
    start: Ints
    stop: Ints

    def __post_init__(self) -> None:
        """Refuse windows outside of the period."""
        inside = (self.start >= 0) & (self.start < self.stop) & (self.stop <= self.n_times)
        if not len(self.start) or not inside.all():
            raise UsageError(f"Expected one or more windows within the {self.n_times} steps, each of a step or more.")

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values by place and step (n_places, n_times, ...) summed over each window (n_places, n_windows, ...)."""
        found = np.empty((values.shape[0], len(self.start), *values.shape[2:]), dtype=values.dtype)
        before: dict[tuple[int, int], int] = {}
        for window, (start, stop) in enumerate(zip(self.start.tolist(), self.stop.tolist(), strict=True)):
            # A step more than a window before it: one addition each.
            if (start + 1, stop) in before:
                np.add(found[:, before[start + 1, stop]], values[:, start], out=found[:, window])
            else:
                found[:, window] = values[:, start:stop].sum(axis=1, dtype=values.dtype)
            before[start, stop] = window
        return found


def alive_windows(n_times: int, longest: int, shortest: int = 1) -> Windows:
    """Windows that last until now: the newest `shortest` to `longest` steps (a prospective scan)."""
    _check(n_times, longest, shortest)
    lengths = np.arange(shortest, longest + 1)
    return Windows(n_times, n_times - lengths, np.full(len(lengths), n_times))


def all_windows(n_times: int, longest: int, shortest: int = 1) -> Windows:
    """Windows of `shortest` to `longest` steps anywhere in the period (a retrospective scan)."""
    _check(n_times, longest, shortest)
    pairs = [
        (start, start + length) for length in range(shortest, longest + 1) for start in range(n_times - length, -1, -1)
    ]
    start, stop = np.array(pairs, dtype=np.int64).T
    return Windows(n_times, start, stop)


def whole_period(n_times: int) -> Windows:
    """The period as one window: for a scan over space alone."""
    return Windows(n_times, np.array([0]), np.array([n_times]))


def _check(n_times: int, longest: int, shortest: int) -> None:
    if not 1 <= shortest <= longest <= n_times:
        raise UsageError(
            f"Expected windows of 1 up to the {n_times} steps there are, the shortest not above the longest; "
            f"got {shortest} to {longest}."
        )
