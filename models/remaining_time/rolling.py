"""Remaining time while time goes on: refitted in blocks, and moved as outcomes come in.

Everything that is said of a landmark is made of what was known strictly before it. A case open at a refit is censored
at it: taking only those that had ended would take the quick ones.

Between refits `AdaptiveLevels` follows the coverage (adaptive conformal inference): after a miss the level that is
asked of the model goes up, after a hit it goes down, so that over time the share of misses tends to what was promised
whatever drifts. An outcome counts when it is known: a hit when the case ends; a miss above as soon as the case has
been open for longer than the interval said, without waiting for its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.remaining_time.distribution import Distribution
from models.remaining_time.estimator import RemainingTime

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]

# A level that is asked stays inside, where the curve has something to say.
_WIDEST: Final = 0.998
_NARROWEST: Final = 0.02


@dataclass(frozen=True)
class History:
    """Landmarks of cases, in any order.

    Attributes
    ----------
    X : (n, k), as for `RemainingTime`
    y : (n,) remaining seconds; of cases never seen to end, the seconds until they were last looked at
    at : (n,) int64 seconds in UTC of the landmarks
    known_at : (n,) int64 seconds in UTC from which y is known
    groups : (n,) case of each row
    censored : (n,) bool; y is only known to be exceeded
    """

    X: Any
    y: Floats
    at: Int64s
    known_at: Int64s
    groups: NDArray[Any]
    censored: Mask

    def before(self, moment: int) -> tuple[Any, dict[str, Any]]:
        """X and the arguments of `fit` as they could be had just before a moment."""
        rows = np.flatnonzero(self.at < moment)
        later = self.known_at[rows] >= moment
        told = {
            "y": np.where(later, np.minimum(moment - self.at[rows], self.y[rows]), self.y[rows]),
            "at": self.at[rows],
            "known_at": np.where(later, moment, self.known_at[rows]),
            "groups": self.groups[rows],
            "censored": self.censored[rows] | later,
        }
        return _rows_of(self.X, rows), told


def refit_moments(at: Int64s, blocks: int) -> Int64s:
    """Moments that part landmarks into blocks of about one size, the first being the first landmark."""
    if blocks < 1:
        raise UsageError("Expected at least one block of time, but fewer were asked for.")
    return np.unique(np.quantile(at, np.arange(blocks) / blocks, method="lower").astype(np.int64))


def rolling_distributions(
    make: Callable[[], RemainingTime], history: History, rows: Int64s, moments: Int64s
) -> list[tuple[Int64s, Distribution]]:
    """The distributions of some rows, each by the newest model that was fitted at or before its landmark.

    Parameters
    ----------
    make : gives an estimator that is not fitted
    rows : (m,) positions in the history whose landmark is at or after the first moment
    moments : increasing int64 seconds in UTC at which a model is fitted to what was known strictly before

    Returns
    -------
    positions and their distributions, block by block in order of time
    """
    if len(rows) and history.at[rows].min() < moments[0]:
        raise UsageError("Expected landmarks at or after the first moment of fitting, but some are earlier.")
    block = np.searchsorted(moments, history.at[rows], side="right") - 1
    found = []
    for number, moment in enumerate(moments.tolist()):
        asked = rows[block == number]
        if len(asked):
            X, told = history.before(moment)
            model = make().fit(X, told.pop("y"), **told)
            found.append((asked, model.distribution(_rows_of(history.X, asked))))
    return found


def _rows_of(X: Any, rows: Int64s) -> Any:
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


@dataclass(frozen=True)
class AdaptiveLevels:
    """Adaptive conformal inference on intervals, one level at a time.

    Parameters
    ----------
    level : to be covered in the long run
    step : how far one outcome moves the level that is asked

    References
    ----------
    Gibbs, I. and Candès, E. (2021). Adaptive conformal inference under distribution shift. NeurIPS.
    """

    level: float
    step: float = 0.005

    def intervals(
        self, distribution: Distribution, y: Floats, at: Int64s, known_at: Int64s, censored: Mask | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Lower and upper ends, and the level that was asked for each row, (n,) each.

        Rows in any order; each is answered by what was known strictly before its `at`. `y`, `known_at` and `censored`
        as in `History`: they are only looked at once known.
        """
        n = len(distribution)
        lower, upper, asked = np.empty(n), np.empty(n), np.empty(n)
        waiting = _Feedback()
        now = self.level
        for i in np.argsort(at, kind="stable").tolist():
            for missed in waiting.until(int(at[i])):
                now += self.step * (float(missed) - (1 - self.level))
            asked[i] = min(max(now, _NARROWEST), _WIDEST)
            ends = distribution.take(np.array([i])).interval(asked[i])
            lower[i], upper[i] = ends[0][0], ends[1][0]
            gone = censored is not None and bool(censored[i])
            waiting.add(int(at[i]), float(y[i]), int(known_at[i]), gone, float(lower[i]), float(upper[i]))
        return lower, upper, asked


class _Feedback:
    """Outcomes in the order in which they became known."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, bool]] = []
        self._count = 0

    def add(self, at: int, y: float, known_at: int, censored: bool, lower: float, upper: float) -> None:
        """Remember when it will be known whether this interval held; nothing, where it never is."""
        self._count += 1
        if y > upper:
            # Seen to be missed while the case is open, and never later than its end.
            seen = min(known_at, at + int(np.ceil(min(upper, 1e15))) + 1)
            heappush(self._queue, (seen, self._count, True))
        elif not censored:
            heappush(self._queue, (known_at, self._count, y < lower))

    def until(self, moment: int) -> list[bool]:
        """Whether each interval missed, of those known strictly before a moment; each is told once."""
        told = []
        while self._queue and self._queue[0][0] < moment:
            told.append(heappop(self._queue)[2])
        return told
