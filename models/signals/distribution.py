"""Tails and limits of over-dispersed counts: negative binomial by mean and variance, Poisson where they agree."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# A negative binomial with a variance this close above its mean is a Poisson to every digit that matters, while its
# size parameter, mean² / (variance - mean), runs out of floating point.
_NEARLY_POISSON: Final = 1e-9
_RUNAWAY: Final = 1e9
# Parts of an average with less weight than this are left out.
_NO_WEIGHT: Final = 1e-5


def count_tail(observed: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y >= observed), exactly, for counts with this mean and variance; NaN where any of them is."""
    size, overdispersed = _size(mean, variance)
    poisson = np.where(observed <= 0, 1.0, special.gammainc(np.maximum(observed, 1e-300), mean))
    # P(Y >= y) is a regularised incomplete beta function: no sum over the tail, no loss of digits far out.
    share = mean / (mean + size)
    negative_binomial = np.where(observed <= 0, 1.0, special.betainc(np.maximum(observed, 1e-300), size, share))
    tail: Floats = np.where(overdispersed, negative_binomial, poisson)
    return np.where(np.isnan(observed) | np.isnan(mean) | np.isnan(variance), np.nan, tail)


def count_lower_tail(observed: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y <= observed), exactly; NaN where an argument is NaN."""
    size, overdispersed = _size(mean, variance)
    poisson = special.gammaincc(observed + 1.0, mean)
    tail: Floats = np.where(overdispersed, special.betainc(size, observed + 1.0, size / (mean + size)), poisson)
    return np.where(np.isnan(observed) | np.isnan(mean) | np.isnan(variance), np.nan, tail)


def mixed_tail(observed: Floats, mean: Floats, variance: Floats, weight: Floats) -> Floats:
    """P(Y >= observed) for averages of such counts: `mean`, `variance`, `weight` (n_series, n_parts); (n_series,).

    Parts without weight are not looked at; NaN where `observed` is.
    """
    tail = np.where(np.isnan(observed), np.nan, (observed <= 0.0).astype(float))
    series, part = np.nonzero((weight > _NO_WEIGHT) & (observed > 0.0)[:, None])
    values = count_tail(observed[series], mean[series, part], variance[series, part]) * weight[series, part]
    tail += np.bincount(series, weights=values, minlength=len(tail))
    return np.minimum(tail, 1.0)


def mixed_lower_tail(observed: Floats, mean: Floats, variance: Floats, weight: Floats) -> Floats:
    """P(Y <= observed) for the same averages."""
    none = observed == 0.0
    tail = np.where(np.isnan(observed), np.nan, 0.0)
    # Nothing at all is by far the commonest count of a thin series, and has a closed form.
    size, overdispersed = _size(mean[none], variance[none])
    log_none = np.where(overdispersed, size * np.log(size / (mean[none] + size)), -mean[none])
    tail[none] = (weight[none] * np.exp(log_none)).sum(axis=1)
    series, part = np.nonzero((weight > _NO_WEIGHT) & (observed > 0.0)[:, None])
    values = count_lower_tail(observed[series], mean[series, part], variance[series, part]) * weight[series, part]
    tail += np.bincount(series, weights=values, minlength=len(tail))
    return np.minimum(tail, 1.0)


def count_quantile(probability: float, mean: Floats, variance: Floats) -> Floats:
    """Smallest count y with P(Y <= y) >= probability (below 1); NaN where the mean is NaN or above 1e9."""
    shape = np.broadcast_shapes(mean.shape, variance.shape)
    mean, variance = (np.broadcast_to(values, shape).ravel() for values in (mean, variance))
    bad = ~((mean < _RUNAWAY) & (variance < _RUNAWAY**2))
    mean = np.where(bad, 1.0, mean)
    variance = np.where(bad, 1.0, variance)
    # Bisection over all that are still open. SciPy's quantile takes hundreds of times as long, and its 1.17 ends the
    # whole process (a C++ domain error) on a mean that runs away.
    low = np.full(mean.shape, -1.0)
    high = np.ceil(mean + 1.5 * np.sqrt(variance))
    short = np.arange(mean.size)
    while len(short):
        short = short[count_lower_tail(high[short], mean[short], variance[short]) < probability]
        low[short], high[short] = high[short], 2.0 * high[short] + 2.0
    while len(open_ := np.flatnonzero(high - low > 1.0)):
        middle = np.floor((low[open_] + high[open_]) / 2.0)
        reached = count_lower_tail(middle, mean[open_], variance[open_]) >= probability
        high[open_] = np.where(reached, middle, high[open_])
        low[open_] = np.where(reached, low[open_], middle)
    return np.where(bad, np.nan, high).reshape(shape)


def _size(mean: Floats, variance: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Size parameter of the negative binomial, and where it is one; elsewhere the size is a harmless 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = variance - mean
        overdispersed = (excess > _NEARLY_POISSON * mean) & (mean > 0.0) & np.isfinite(variance)
        size = np.where(overdispersed, mean**2 / np.where(overdispersed, excess, 1.0), 1.0)
    return size, overdispersed
