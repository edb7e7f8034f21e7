"""Tails and quantiles of over-dispersed counts for very many series, evaluated where needed only.

Negative binomial by mean and variance, Poisson where they agree; `distribution` has what is made of these.

The quantile is looked for around an expansion by skewness and kurtosis (Cornish and Fisher 1938), which is seldom off
by more than one; every answer is checked by the exact tail on both its sides.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# A negative binomial with a variance this close above its mean is a Poisson to every digit that matters, while its
# size parameter, mean² / (variance - mean), runs out of floating point.
_NEARLY_POISSON: Final = 1e-9
_RUNAWAY: Final = 1e9
# A variance beyond this many times the mean is left to the search alone: the expansion no longer helps.
_WILD: Final = 1e6


def sizes(mean: Floats, variance: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Size parameter of the negative binomial, and where it is one; elsewhere infinite, a Poisson law is meant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = variance - mean
        spread = (excess > _NEARLY_POISSON * mean) & (mean > 0.0) & np.isfinite(variance)
        size = np.where(spread, mean**2 / np.where(spread, excess, 1.0), math.inf)
    return size, spread


def upper_tail(observed: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y >= observed), exactly, for counts with this mean and variance; NaN where any of them is. All of one shape."""
    shape = observed.shape
    observed, mean, variance = observed.ravel(), mean.ravel(), variance.ravel()
    tail = np.ones(len(observed))
    unknown = np.isnan(observed) | np.isnan(mean) | np.isnan(variance)
    tail[unknown] = np.nan
    some = (observed > 0.0) & ~unknown
    with np.errstate(divide="ignore", invalid="ignore"):
        size, spread = sizes(mean, variance)
        # Any case at all: by far the commonest question about thin series, and it has a closed form.
        any_ = some & (observed == 1.0)
        tail[any_] = _any_case(mean[any_], size[any_], spread[any_])
        rows = np.flatnonzero(some & ~spread & ~any_)
        tail[rows] = special.gammainc(observed[rows], mean[rows])
        rows = np.flatnonzero(some & spread & ~any_)
        # P(Y >= y) is a regularised incomplete beta function: no sum over the tail, no loss of digits far out.
        tail[rows] = special.betainc(observed[rows], size[rows], mean[rows] / (mean[rows] + size[rows]))
    return tail.reshape(shape)


def _any_case(mean: Floats, size: Floats, spread: NDArray[np.bool_]) -> Floats:
    """P(Y >= 1); no digits are lost where that is rare."""
    groups = np.where(spread, size * np.log1p(mean / size), mean)
    return np.asarray(-np.expm1(-groups))


def smallest_count(probability: float, mean: Floats, variance: Floats) -> Floats:
    """Smallest count y with P(Y <= y) >= probability (below 1); NaN where the mean is NaN or above 1e9. All of one
    shape.
    """
    shape = mean.shape
    mean, variance = mean.ravel(), variance.ravel()
    known = np.flatnonzero((mean < _RUNAWAY) & (variance < _RUNAWAY**2) & (mean >= 0.0))
    answer = np.full(len(mean), np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size, spread = sizes(mean[known], variance[known])
        answer[known] = _search(probability, mean[known], variance[known], size, spread)
    return answer.reshape(shape)


def _search(probability: float, mean: Floats, variance: Floats, size: Floats, spread: NDArray[np.bool_]) -> Floats:
    """Step out from the first guess, twice as far each time, until the answer is enclosed; then halve."""
    share = size / (mean + size)

    def reached(count: Floats, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        tail = np.empty(len(rows))
        thin = ~spread[rows]
        tail[thin] = special.gammaincc(count[thin] + 1.0, mean[rows[thin]])
        thick = rows[~thin]
        tail[~thin] = special.betainc(size[thick], count[~thin] + 1.0, share[thick])
        enough: NDArray[np.bool_] = tail >= probability
        return enough

    # The largest count that is too small, and the smallest that is large enough; NaN: not met yet.
    low, high = np.full(len(mean), -1.0), np.full(len(mean), np.nan)
    next_, step = _guess(probability, mean, variance), np.ones(len(mean))
    open_ = np.arange(len(mean))
    while len(open_):
        count = next_[open_]
        enough = reached(count, open_)
        low[open_] = np.where(enough, low[open_], count)
        # Not enclosed from below yet: the count below was never tried.
        high[open_] = np.where(enough, count, high[open_])
        open_ = open_[~(high[open_] - low[open_] == 1.0)]
        rising, enclosed = np.isnan(high[open_]), ~np.isnan(high[open_])
        tried = low[open_] >= 0.0
        middle = np.floor((low[open_] + high[open_]) / 2.0)
        down = np.where(tried, middle, np.maximum(high[open_] - step[open_], 0.0))
        next_[open_] = np.where(rising, low[open_] + step[open_], np.where(enclosed, down, 0.0))
        step[open_] *= 2.0
    return high


def _guess(probability: float, mean: Floats, variance: Floats) -> Floats:
    z = float(special.ndtri(probability))
    sd = np.sqrt(variance)
    factor = variance / mean
    skewness = (2.0 * factor - 1.0) / sd
    kurtosis = 6.0 * (factor - 1.0) / mean + 1.0 / variance
    bend = (z * z - 1.0) / 6.0 * skewness + (z**3 - 3.0 * z) / 24.0 * kurtosis
    bend -= (2.0 * z**3 - 5.0 * z) / 36.0 * skewness**2
    guess = np.ceil(mean + sd * (z + bend) - 0.5)
    # Where the tail is far from normal the expansion turns round; the mean is then as good a place to begin.
    sound = np.isfinite(guess) & (guess <= mean + (abs(z) + 4.0) * 2.0 * sd) & (factor < _WILD)
    return np.maximum(np.where(sound, guess, np.floor(mean)), 0.0)
