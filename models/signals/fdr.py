"""False-discovery rate over many p-values: the step-up procedures of Benjamini, Hochberg and Yekutieli.

References
----------
Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57:289: valid for independent or positively dependent tests.
Benjamini and Yekutieli (2001), Annals of Statistics 29:1165: valid whatever the dependence, at the price of a factor of
about the logarithm of the number of tests.
Heyse (2011), in Bhattacharjee et al. (eds.), Recent Advances in Biostatistics, 57-82, and Doehler, Durand and Roquain
(2018), Electronic Journal of Statistics 12:1867: step-up procedures for discrete tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.attainable import NullSteps

Floats = NDArray[np.float64]
# How many false p-values up to t there are on average at most, as a function of t.
Burden = Callable[[Floats], Floats]

Procedure = Literal["bh", "by", "discrete"]

PROCEDURES: Final[tuple[Procedure, ...]] = ("bh", "by", "discrete")
# Those that need nothing but the p-values.
_PLAIN: Final = ("bh", "by")


def q_values(p_values: Floats, *, procedure: Literal["bh", "by"] = "bh") -> Floats:
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
    if procedure not in _PLAIN:
        raise UsageError(f"Expected a procedure out of {', '.join(_PLAIN)}.")
    return step_up(p_values, plain_burden(int((~np.isnan(p_values)).sum()), procedure))


def discrete_q_values(p_values: Floats, null: NullSteps) -> Floats:
    """The same for tests that can take only some p-values, by what they can take.

    Benjamini and Hochberg compare the number of p-values up to t with n t, the most that n null tests have on average.
    Tests of rare counts have far fewer. Here the average itself stands in its place (Heyse 2011): q at t is
    `null.up_to(t)` / number of p-values <= t, made monotone. With `null` all dense that is Benjamini and Hochberg's.

    It asks more of the p-values: each must be as rare as its own law says, not just no commoner than it claims. For
    independent tests the step-up exceeds its level in contrived cases only (Doehler, Durand and Roquain 2018); under
    dependence it rests on experiment, and with sums beside their parts none has shown it yet: the default is "bh".

    Parameters
    ----------
    p_values : (n,) in [0, 1]; NaN: not tested
    null : of the same family

    Returns
    -------
    (n,) q-values, at most 1; NaN where not tested.
    """
    return step_up(p_values, null.up_to)


def plain_burden(n: int, procedure: Literal["bh", "by"]) -> Burden:
    """T to n t, the most that n null tests have up to t on average; times the harmonic factor for "by"."""
    price = n * (1.0 if procedure == "bh" else float((1.0 / np.arange(1, max(n, 1) + 1)).sum()))

    def burden(t: Floats) -> Floats:
        return price * t

    return burden


def step_up(p_values: Floats, burden: Burden) -> Floats:
    """Q at t: `burden(t)` / number of p-values <= t, made monotone, at most 1; NaN where a p-value is."""
    tested = np.flatnonzero(~np.isnan(p_values))
    q = np.full(p_values.shape, np.nan)
    if len(tested) == 0:
        return q
    values, inverse, counts = np.unique(p_values[tested], return_inverse=True, return_counts=True)
    steps = burden(values) / np.cumsum(counts)
    q[tested] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)[inverse]
    return q
