"""How long is still to go, as a whole distribution for each row.

A distribution is held as quantiles ("knots") at a few fixed levels, on the scale

    z = log(1 + seconds / unit),

straight between them, straight from (level 0, zero seconds) to the first, and with an exponential tail in z beyond the
last (so a Pareto tail in seconds). Everything that is said of a case, median, interval, chance to be answered within
so many days, is read from this one curve, so no two answers can contradict each other.

A warp moves probability over a given moment and leaves the shape on either side as it is;
`models.remaining_time.coherence` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UsageError

Floats = NDArray[np.float64]

# Where the last knots coincide, the tail still has to fall: by a factor e of the odds per hundredth in z.
_SHORTEST_TAIL = 0.01


@dataclass(frozen=True)
class Warp:
    """An increasing map of probabilities that sends `before` to `after`, and keeps 0 and 1.

    Straight on either side of `before`, unless the sides have shapes of their own.

    Attributes
    ----------
    moment : (n,) seconds from the landmark at which the probability is prescribed; nan: nothing is, for this row
    before, after : (n,) P(remaining <= moment) without and with the warp, in (0, 1)
    in_time, late : (g,) of the levels 0, 1 / (g - 1), … 1 within a side, the places within it that they come from;
        from 0 to 1, non-decreasing; None: the levels themselves
    """

    moment: Floats
    before: Floats
    after: Floats
    in_time: Floats | None = None
    late: Floats | None = None

    def forward(self, probability: Floats) -> Floats:
        """From unwarped to warped probabilities, (n, k) to (n, k)."""
        pivot, target = self.before[:, None], self.after[:, None]
        below = target * _level_of(probability / pivot, self.in_time)
        above = target + (1 - target) * _level_of((probability - pivot) / (1 - pivot), self.late)
        return self._sides(probability, probability <= pivot, below, above, target)

    def backward(self, probability: Floats) -> Floats:
        """The inverse of `forward`."""
        pivot, target = self.before[:, None], self.after[:, None]
        below = pivot * _place_of(probability / target, self.in_time)
        above = pivot + (1 - pivot) * _place_of((probability - target) / (1 - target), self.late)
        return self._sides(probability, probability <= target, below, above, pivot)

    def _sides(self, u: Floats, is_below: NDArray[np.bool_], below: Floats, above: Floats, at: Floats) -> Floats:
        bent = np.where(is_below, np.minimum(below, at), np.maximum(above, at))
        return np.asarray(np.where(np.isnan(self.moment)[:, None], u, np.clip(bent, 0.0, 1.0)), dtype=np.float64)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Some of the rows."""
        return type(self)(self.moment[rows], self.before[rows], self.after[rows], self.in_time, self.late)


def _place_of(level: Floats, shape: Floats | None) -> Floats:
    inside = np.clip(level, 0.0, 1.0)
    if shape is None:
        return inside
    return np.asarray(np.interp(inside, np.linspace(0, 1, len(shape)), shape), dtype=np.float64)


def _level_of(place: Floats, shape: Floats | None) -> Floats:
    inside = np.clip(place, 0.0, 1.0)
    if shape is None:
        return inside
    # Where levels share a place, all of them lie at or below it.
    last = np.flatnonzero(np.append(np.diff(shape) > 0, True))
    return np.asarray(np.interp(inside, shape[last], np.linspace(0, 1, len(shape))[last]), dtype=np.float64)


@dataclass(frozen=True)
class Distribution:
    """The remaining times of n rows.

    Attributes
    ----------
    levels : (k,) increasing, inside (0, 1)
    knots : (n, k) quantiles at those levels on the scale z, at least 0, non-decreasing along a row
    unit : seconds
    warp : None: as learned
    """

    levels: Floats
    knots: Floats
    unit: float
    warp: Warp | None = None

    def __len__(self) -> int:
        return len(self.knots)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Some of the rows."""
        warp = None if self.warp is None else self.warp.take(rows)
        return type(self)(self.levels, self.knots[rows], self.unit, warp)

    def quantile(self, levels: ArrayLike) -> Floats:
        """Seconds that are not exceeded with the given probabilities.

        Parameters
        ----------
        levels : (m,) inside (0, 1), the same for all rows

        Returns
        -------
        (n, m) seconds, at least 0, non-decreasing in the level
        """
        asked = np.atleast_1d(np.asarray(levels, dtype=np.float64))
        if asked.ndim != 1 or not np.all((asked > 0) & (asked < 1)):
            raise UsageError("Expected levels between 0 and 1, both excluded, as one list, but got something else.")
        plain = np.broadcast_to(asked, (len(self), len(asked)))
        if self.warp is None:
            return self._seconds(self._z_at(plain))
        seconds = self._seconds(self._z_at(self.warp.backward(plain)))
        # Rounding may not carry a quantile over the moment at which the probability is prescribed.
        moment, after = self.warp.moment[:, None], self.warp.after[:, None]
        held = np.where(plain <= after, np.minimum(seconds, moment), np.maximum(seconds, np.nextafter(moment, np.inf)))
        return np.asarray(np.where(np.isnan(moment), seconds, held), dtype=np.float64)

    def median(self) -> Floats:
        """(n,) seconds."""
        return self.quantile([0.5])[:, 0]

    def interval(self, level: float = 0.8) -> tuple[Floats, Floats]:
        """The central interval: as likely to be missed on one side as on the other; each (n,) seconds."""
        ends = self.quantile([(1 - level) / 2, (1 + level) / 2])
        return ends[:, 0], ends[:, 1]

    def cdf(self, seconds: ArrayLike) -> Floats:
        """P(remaining <= seconds), (n,); `seconds` a number or (n,). 0 below zero seconds; nan stays nan."""
        asked = np.broadcast_to(np.asarray(seconds, dtype=np.float64), (len(self),))
        with np.errstate(invalid="ignore"):
            u = self._level_at(np.log1p(np.maximum(asked, 0.0) / self.unit))
            if self.warp is not None:
                u = self._held(asked, self.warp.forward(u[:, None])[:, 0], self.warp)
            u = np.where(asked < 0, 0.0, u)
        return np.asarray(np.where(np.isnan(asked), np.nan, u), dtype=np.float64)

    @staticmethod
    def _held(seconds: Floats, u: Floats, warp: Warp) -> Floats:
        """Probabilities on the right side of the one that is prescribed, however far out in a tail it lies."""
        after = warp.after
        sides = np.where(seconds < warp.moment, np.minimum(u, after), np.maximum(u, after))
        found = np.where(seconds == warp.moment, after, sides)
        return np.asarray(np.where(np.isnan(warp.moment), u, found), dtype=np.float64)

    def survival(self, seconds: ArrayLike) -> Floats:
        """P(remaining > seconds), (n,)."""
        return 1.0 - self.cdf(seconds)

    def _tail(self) -> Floats:
        """Growth in z beyond the last knot for each factor e by which the probability of more falls, (n,)."""
        if len(self.levels) < 2:
            return np.asarray(np.maximum(self.knots[:, -1] * 0.5, _SHORTEST_TAIL), dtype=np.float64)
        # From a knot well inside, where there is one: two neighbours far out say little of the tail.
        inner = int(np.searchsorted(self.levels, min(0.75, self.levels[-2])))
        fall = np.log((1 - self.levels[inner]) / (1 - self.levels[-1]))
        growth = (self.knots[:, -1] - self.knots[:, inner]) / fall
        return np.asarray(np.maximum(growth, _SHORTEST_TAIL), dtype=np.float64)

    def _z_at(self, u: Floats) -> Floats:
        """(n, m) levels of each row to (n, m) on the scale z."""
        levels = np.concatenate([[0.0], self.levels])
        knots = np.column_stack([np.zeros(len(self)), self.knots])
        at = np.clip(np.searchsorted(levels, u, side="left") - 1, 0, len(levels) - 2)
        low, high = np.take_along_axis(knots, at, axis=1), np.take_along_axis(knots, at + 1, axis=1)
        share = (u - levels[at]) / (levels[at + 1] - levels[at])
        inside = np.where(share >= 1, high, low + np.clip(share, 0.0, 1.0) * (high - low))
        with np.errstate(divide="ignore"):
            beyond = np.log((1 - self.levels[-1]) / (1 - u)) * self._tail()[:, None]
        tail = self.knots[:, -1:] + np.maximum(beyond, 0.0)
        return np.asarray(np.where(u > self.levels[-1], tail, inside), dtype=np.float64)

    def _level_at(self, z: Floats) -> Floats:
        """(n,) on the scale z to (n,) levels; the highest level where knots coincide."""
        levels = np.concatenate([[0.0], self.levels])
        knots = np.column_stack([np.zeros(len(self)), self.knots])
        at = np.clip((knots <= z[:, None]).sum(axis=1) - 1, 0, len(levels) - 2)[:, None]
        low, high = np.take_along_axis(knots, at, 1)[:, 0], np.take_along_axis(knots, at + 1, 1)[:, 0]
        gap = high - low
        share = np.divide(z - low, gap, out=np.ones_like(gap), where=gap > 0)
        inside = levels[at[:, 0]] + np.clip(share, 0.0, 1.0) * (levels[at[:, 0] + 1] - levels[at[:, 0]])
        beyond = 1 - (1 - self.levels[-1]) * np.exp(-np.maximum(z - self.knots[:, -1], 0.0) / self._tail())
        return np.asarray(np.where(z >= self.knots[:, -1], beyond, inside), dtype=np.float64)

    def _seconds(self, z: Floats) -> Floats:
        return np.asarray(np.expm1(np.minimum(z, 700.0)) * self.unit, dtype=np.float64)
