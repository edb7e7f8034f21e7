"""Tails and limits of over-dispersed counts: negative binomial by mean and variance, Poisson where they agree."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.signals.tails import sizes, smallest_count, upper_tail

Floats = NDArray[np.float64]

# Parts of an average with less weight than this are left out.
_NO_WEIGHT: Final = 1e-5


def count_tail(observed: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y >= observed), exactly, for counts with this mean and variance; NaN where any of them is."""
    return upper_tail(*np.broadcast_arrays(observed, mean, variance))


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
    return smallest_count(probability, *np.broadcast_arrays(mean, variance))


def _size(mean: Floats, variance: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Size parameter of the negative binomial, and where it is one; elsewhere the size is a harmless 1."""
    size, overdispersed = sizes(mean, variance)
    return np.where(overdispersed, size, 1.0), overdispersed
