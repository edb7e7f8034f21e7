"""From contributions in log-odds to reasons in percentage points that add up exactly.

A risk is p = g(s): a score s in log-odds, put through a calibration g that never falls. The score is a sum of exact
parts, s = s0 + φ1 + … + φk: the base, the office's own record, and the TreeSHAP value of every feature as LightGBM's
`pred_contrib` gives it. Going from the base to the case along the straight line s0 + t(s - s0), every feature moves
at the constant rate φi, and what it adds to the probability on the way is

    ∫ g'(s0 + t(s - s0)) φi dt  =  φi · (g(s) - g(s0)) / (s - s0).

No order of the features enters, the parts sum to g(s) - g(s0) exactly, and a part has the sign of its φ. This is the
path method of Aumann and Shapley on the one-dimensional link (Sundararajan, Taly and Yan, 2017, call it integrated
gradients).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Below this distance in log-odds, nothing moved: the quotient would be noise over noise.
_STILL = 1e-9


def percentage_points(contributions: Floats, base: Floats, link: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """Allocate calibrated probabilities to the parts of their scores.

    Parameters
    ----------
    contributions : (n, k) parts of the scores, in log-odds
    base : (n,) or scalar, score of the base, in log-odds
    link : never-falling function from scores to probabilities, elementwise on an array of shape (n,)

    Returns
    -------
    points : (n, k) in probability (multiply by 100 for percentage points)
    base_probability : (n,)
        `base_probability + points.sum(axis=1)` is the probability, to rounding. Where the parts cancel (the score is
        the base to within 1e-9) all points are 0.
    """
    total = contributions.sum(axis=1)
    start = np.broadcast_to(np.asarray(base, dtype=np.float64), total.shape)
    low, high = link(start), link(start + total)
    moved = np.abs(total) > _STILL
    slope = np.divide(high - low, total, out=np.zeros_like(total), where=moved)
    return contributions * slope[:, None], low


def apportion_points(points: Floats, total: int) -> NDArray[np.int64]:
    """Round parts so that the rounded parts still add up, by largest remainder.

    Parameters
    ----------
    points : (k,) parts, in units of the last digit shown
    total : the rounded total that they must sum to

    Examples
    --------
    >>> apportion_points(np.array([33.4, 33.3, 33.3]), 100).tolist()
    [34, 33, 33]
    """
    floor = np.floor(points).astype(np.int64)
    missing = int(total - floor.sum())
    remainder = points - floor
    # Ties go to the earlier part, so that the same case always shows the same figures.
    order = np.argsort(-remainder, kind="stable")
    if 0 <= missing <= len(points):
        floor[order[:missing]] += 1
        return floor
    raise ValueError(f"Expected parts that sum to {total} within rounding, but they miss it by {missing}.")
