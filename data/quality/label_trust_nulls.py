"""What counts and shares look like when nothing is the matter: over-dispersed, and in families of many tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]


def count_tail(observed: Floats, mean: Floats, ratio: Floats) -> Floats:
    """P(Y >= observed) for a negative binomial of this mean and variance `ratio` · mean; Poisson where ratio is 1.

    All of shape (n,); `ratio` below 1 counts as 1. Exact: a regularised incomplete beta (or gamma) function.
    """
    over = ratio > 1.0 + 1e-9
    size = np.where(over, mean / np.where(over, ratio - 1.0, 1.0), 1.0)
    at = np.maximum(observed, 1e-300)
    safe = np.maximum(mean, 1e-300)
    poisson = special.gammainc(at, safe)
    tail = np.where(over, special.betainc(at, np.maximum(size, 1e-300), safe / (safe + size)), poisson)
    return np.where(observed <= 0, 1.0, np.where(mean <= 0, 0.0, tail))


def share_tail(part: Floats, whole: Floats, share: Floats | float, ratio: Floats | float) -> Floats:
    """P(share or more) when `part` of `whole` are binomial with variance inflated by `ratio` (>= 1), elementwise.

    The binomial of an effective number whole / ratio, continued between whole numbers by the incomplete beta function.
    """
    inflation = np.maximum(ratio, 1.0)
    k, n = part / inflation, whole / inflation
    share = np.broadcast_to(np.clip(share, 1e-12, 1 - 1e-12), np.shape(k))
    tail = special.betainc(np.maximum(k, 1e-300), np.maximum(n - k, 0.0) + 1.0, share)
    return np.asarray(np.where(k <= 0, 1.0, tail), dtype=np.float64)


def t_tail(statistic: Floats, freedom: Floats | float) -> Floats:
    """Upper tail of Student's t, elementwise."""
    return np.asarray(stats.t.sf(statistic, freedom), dtype=np.float64)


def zero_run(reports: float, weeks: float, run: float, ratio: float) -> float:
    """P(no report in `run` weeks) of a series that had `reports` in `weeks` weeks.

    The predictive distribution of a gamma-Poisson law, whose counts vary `ratio` times as much as Poisson counts:
    (weeks / (weeks + run)) ** (reports / ratio). The uncertainty of the usual rate is in it.
    """
    return float((weeks / (weeks + run)) ** (reports / max(ratio, 1.0)))


def q_values(p_values: Floats) -> Floats:
    """Benjamini and Hochberg's (1995) q-values; NaN: not tested, and not counted.

    Examples
    --------
    >>> q_values(np.array([0.01, 0.04, 0.03, 0.5])).round(3).tolist()
    [0.04, 0.053, 0.053, 0.5]
    """
    q = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    if len(tested) == 0:
        return q
    order = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[order] * len(tested) / np.arange(1, len(tested) + 1)
    q[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return q
