"""False-discovery rate over many p-values: the step-up procedures of Benjamini, Hochberg and Yekutieli.

References
----------
Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57:289: valid for independent or positively dependent tests.
Benjamini and Yekutieli (2001), Annals of Statistics 29:1165: valid whatever the dependence, at the price of a factor of
about the logarithm of the number of tests.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError

Floats = NDArray[np.float64]

Procedure = Literal["bh", "by"]

PROCEDURES: Final[tuple[Procedure, ...]] = ("bh", "by")


def q_values(p_values: Floats, *, procedure: Procedure = "bh") -> Floats:
    """Smallest false-discovery rate at which each test would be called a discovery.

    Parameters
    ----------
    p_values : (n,) in [0, 1]
        NaN: not tested. Such a test does not count among the n.
    procedure : "bh" or "by"

    Returns
    -------
    (n,) q-values, at most 1, in the order given; NaN where not tested. Calling discoveries all q <= level keeps the
    expected share of false ones among them at or below the level.

    Examples
    --------
    >>> q_values(np.array([0.01, 0.04, 0.03, 0.5])).round(3).tolist()
    [0.04, 0.053, 0.053, 0.5]
    """
    if procedure not in PROCEDURES:
        raise UsageError(f"Expected a procedure out of {', '.join(PROCEDURES)}.")
    q = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    n = len(tested)
    if n == 0:
        return q
    order = tested[np.argsort(p_values[tested], kind="stable")]
    ranks = np.arange(1, n + 1)
    price = 1.0 if procedure == "bh" else float((1.0 / ranks).sum())
    steps = p_values[order] * n * price / ranks
    q[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return q
