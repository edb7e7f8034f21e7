"""What cases that are still open say of the time that is to go.

All that is known of them is that their remaining time exceeds what has been waited. Left out, the quick ones would be
over-represented. Assumed throughout: among like cases, how long a case has been watched says nothing of how long it
will take. A calendar cut keeps that as long as the pace does not drift among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def masses(value: Floats, censored: Mask, weight: Floats | None = None) -> Floats:
    """The Kaplan–Meier jumps at each row, by redistribution to the right.

    Parameters
    ----------
    value : (n,)
    censored : (n,) bool; the true value is only known to exceed `value`
    weight : (n,) at least 0; None: all 1

    Returns
    -------
    (n,) summing to at most 1: 0 for censored rows. What is missing to 1 lies beyond the largest value.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958); Efron, B. (1967), The two sample problem with censored data.
    """
    w = np.ones(len(value)) if weight is None else weight
    # At a tie what happened comes first: who is censored at t outlived t.
    order = np.lexsort((censored, value))
    w, gone = w[order], censored[order]
    at_risk = np.cumsum(w[::-1])[::-1]
    hazard = np.divide(np.where(gone, 0.0, w), at_risk, out=np.zeros(len(w)), where=at_risk > 0)
    alive = np.concatenate([[1.0], np.cumprod(1 - hazard)[:-1]])
    found = np.empty(len(w))
    found[order] = alive * hazard
    return found


def quantiles(value: Floats, mass: Floats, levels: Floats) -> Floats:
    """The smallest values with at least so much mass at or below, (k,); the largest value where the mass ends."""
    order = np.argsort(value, kind="stable")
    reached = np.cumsum(mass[order])
    at = np.searchsorted(reached, levels * (1 - 1e-12), side="left")
    largest = len(value) - 1
    return np.asarray(value[order][np.minimum(at, largest)], dtype=np.float64)


def share_before(value: Floats, mass: Floats, asked: Floats) -> Floats:
    """The mass at or below each asked value, (m,)."""
    order = np.argsort(value, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(mass[order])])
    return np.asarray(reached[np.searchsorted(value[order], asked, side="right")], dtype=np.float64)
