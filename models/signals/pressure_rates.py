"""How fast cases come and go at a unit: its newest 28 days, drawn towards its own longer past.

Few cases say little. A unit's rate of the newest four weeks therefore starts from its own year before: a gamma
distribution with the mean of that year, as firm as rates of four weeks have kept to their unit's year over all units
together (empirical Bayes; Robbins 1956, gamma-Poisson as in Clayton and Kaldor 1987). What the four weeks counted is
added to it, and quantiles of the sum are the interval. A unit without such a past stands on its four weeks alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WEEK: Final = 7 * 86_400
# Weeks in a window, and weeks kept: the newest window and thirteen before it.
WINDOW: Final = 4
N_WEEKS: Final = 56
# Windows of past below which a unit has none.
_LEAST_WINDOWS: Final = 2
# One over the firmness: rates of four weeks keep to their year to within 5 %, or stray by 70 %.
_FIRMEST: Final = 1.0 / 400.0
_LOOSEST: Final = 0.5
_START: Final = 0.05
# Jeffreys' half case, where nothing was counted.
_HALF: Final = 0.5
# One week's closings count up to what the other weeks expect, four standard deviations and three cases: a clean-up in
# bulk is no capacity. Counts are taken to vary half as much again as chance makes them.
_CAP_DEVIATIONS: Final = 4.0
_CAP_CASES: Final = 3.0
_CAP_DISPERSION: Final = 1.5


@dataclass(frozen=True, slots=True)
class Rate:
    """Cases a working day of every unit: a gamma distribution with this shape, and scale 1 / `rate`; (n_units,).

    NaN where nothing was ever counted.
    """

    shape: Floats
    rate: Floats

    def quantile(self, probability: float) -> Floats:
        """Quantile of the cases a day."""
        value: Floats = special.gammaincinv(self.shape, probability) / self.rate
        return value


@dataclass(frozen=True, slots=True)
class Flow:
    """Weekly counts of one kind of event, and what they say.

    Attributes
    ----------
    weekly : (n_units, 56), the newest week first
    days : (56,) working days of each week
    settled : (n_units, 56) whether the week belongs to the unit's record
    firmness : how firmly rates keep to their unit's year, in cases
    """

    weekly: Floats
    days: Floats
    settled: Bools
    firmness: float

    @classmethod
    def of(cls, weekly: Floats, days: Floats, settled: Bools) -> Flow:
        """With the firmness estimated over all units."""
        return cls(weekly, days, settled, _firmness(weekly, days, settled))

    def now(self) -> Rate:
        """The rate of the newest 28 days."""
        shape, rate = self._prior()
        counted, days = self.weekly[:, :WINDOW].sum(axis=1), float(self.days[:WINDOW].sum())
        nothing = (counted == 0.0) & (self._past()[0] == 0.0) | (days == 0.0)
        return Rate(np.where(nothing, np.nan, shape + counted), rate + days)

    def then(self, weeks_ago: Ints) -> Floats:
        """Mean of the rate of the 28 days before each moment so many weeks ago; (n_units, n_moments)."""
        shape, rate = self._prior()
        places = weeks_ago[:, None] + np.arange(WINDOW)
        counted, days = self.weekly[:, places].sum(axis=2), self.days[places].sum(axis=1)
        mean: Floats = (shape[:, None] + counted) / np.maximum(rate[:, None] + days, 1e-12)
        return mean

    def known_then(self, weeks_ago: Ints) -> Bools:
        """Whether those 28 days belong to the unit's record; (n_units, n_moments)."""
        return self.settled[:, weeks_ago + WINDOW - 1]

    def _past(self) -> tuple[Floats, Floats, Ints]:
        """Cases, working days and windows of each unit's past."""
        cases, days, used = _windows(self.weekly, self.days, self.settled)
        return (cases * used).sum(axis=1), (days * used).sum(axis=1), used.sum(axis=1)

    def _prior(self) -> tuple[Floats, Floats]:
        cases, days, windows = self._past()
        pooled = (windows >= _LEAST_WINDOWS) & (days > 0.0)
        mean = (cases + _HALF) / np.where(pooled, days, 1.0)
        # The year's mean is itself known from so many cases in so many windows only.
        loose = (1.0 + 1.0 / np.maximum(windows, 1)) / self.firmness + 1.0 / (cases + _HALF)
        return np.where(pooled, 1.0 / loose, _HALF), np.where(pooled, 1.0 / (loose * mean), 0.0)


def weekly_counts_of(codes: Ints, at: Ints, chosen: Bools, n_units: int, as_of: int) -> Floats:
    """Events per unit and week before `as_of`, the newest week first; (n_units, 56)."""
    week = (as_of - 1 - at) // WEEK
    inside = chosen & (at < as_of) & (week < N_WEEKS)
    cells = codes[inside] * N_WEEKS + week[inside]
    counts: Floats = np.bincount(cells, minlength=n_units * N_WEEKS).reshape(n_units, N_WEEKS).astype(float)
    return counts


def without_bulk(weekly: Floats, settled: Bools) -> Floats:
    """The same, each week cut off far above what the unit's other weeks make usual."""
    there = settled.copy()
    there[:, :WINDOW] = True
    total, weeks = (weekly * there).sum(axis=1)[:, None], there.sum(axis=1)[:, None]
    others = np.maximum(total - weekly * there, 0.0) / np.maximum(weeks - there, 1)
    most: Floats = others + _CAP_DEVIATIONS * np.sqrt(_CAP_DISPERSION * others) + _CAP_CASES
    return np.minimum(weekly, most)


def ratio_quantile(above: Rate, below: Rate, probability: float) -> Floats:
    """Quantile of the ratio of two rates that are independent of each other (an F distribution)."""
    scale = (above.shape / above.rate) / (below.shape / below.rate)
    value: Floats = scale * special.fdtri(2.0 * above.shape, 2.0 * below.shape, probability)
    return value


def _windows(weekly: Floats, days: Floats, settled: Bools) -> tuple[Floats, Floats, Bools]:
    """Past windows of four weeks: cases (n_units, 13), working days (13,), and which belong to the record."""
    past = slice(WINDOW, None)
    shape = (len(weekly), N_WEEKS // WINDOW - 1, WINDOW)
    cases = weekly[:, past].reshape(shape).sum(axis=2)
    worked = days[past].reshape(shape[1:]).sum(axis=1)
    used = settled[:, past].reshape(shape).all(axis=2) & (worked > 0.0)
    return cases, worked, used


def _firmness(weekly: Floats, days: Floats, settled: Bools) -> float:
    """By moments, over all units with some past: how far windows stray from their unit's mean beyond chance.

    Squared distances less their mean are regressed on the squared mean, each with the weight of its precision.
    """
    cases, worked, used = _windows(weekly, days, settled)
    used = used & (used.sum(axis=1) >= _LEAST_WINDOWS)[:, None]
    span = (worked * used).sum(axis=1)[:, None]
    mean = np.where(used, (cases * used).sum(axis=1)[:, None] / np.maximum(span, 1e-12) * worked, 0.0)
    use = used & (mean > 0.0)
    if not use.any():
        return 1.0 / _START
    mean, cases = mean[use], cases[use]
    # The mean was fitted to the same windows; that takes a share of each squared distance.
    square = (cases - mean) ** 2 / (1.0 - np.broadcast_to(worked / np.maximum(span, 1e-12), use.shape)[use])
    stray = _START
    for _ in range(4):
        # Of a thin count the squared distance says next to nothing: its variance is that of a Poisson count and more.
        weight = mean**2 / (mean + 2.0 * (mean + stray * mean**2) ** 2)
        stray = float(np.clip((weight * (square - mean)).sum() / (weight * mean**2).sum(), _FIRMEST, _LOOSEST))
    return 1.0 / stray
