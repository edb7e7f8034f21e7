"""The delay law of a reporting triangle, by reverse-time hazards.

Of the reports known with a delay of at most d, the share known with a delay of exactly d is the reverse-time hazard of
d. Every row old enough to have shown delay d says something about it, so right truncation (long delays of new rows are
not seen yet) does no harm. The share known by delay d is the product of one minus the hazards beyond d; it is that of
the chain-ladder of insurance.

Kalbfleisch and Lawless (1989), JASA 84:360; Lawless (1994), Canadian Journal of Statistics 22:15; Mack (1993), ASTIN
Bulletin 23:213.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import NotEnoughDataError
from models.signals.nowcast.triangle import ReportingTriangle, without_negatives

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DelayLaw:
    """How reports become known with time, in periods since they happened.

    Attributes
    ----------
    cdf : (longest + 1,) share known with a delay of at most d; the last is 1.
    log_variance : (longest + 1,) variance of the logarithm of `cdf`, as its estimation leaves it (Greenwood's formula
        in reverse time); the last is 0.
    """

    cdf: Floats
    log_variance: Floats

    @property
    def pmf(self) -> Floats:
        """(longest + 1,) share known with a delay of exactly d; sums to 1."""
        return np.diff(self.cdf, prepend=0.0)


def delay_law(triangle: ReportingTriangle) -> DelayLaw:
    """Estimate the delay law from all rows of the triangle.

    Corrections downwards are taken off shorter delays first (`without_negatives`).

    Raises
    ------
    NotEnoughDataError
        If the triangle holds no report, or no row old enough to have shown the longest delay.
    """
    triangle = without_negatives(triangle)
    if triangle.reported.sum() <= 0.0:
        raise NotEnoughDataError("Expected at least one report known by now, to learn the reporting delay from.")
    if int(triangle.age.max()) < triangle.longest:
        raise NotEnoughDataError(
            f"Expected at least one row old enough to have shown the longest delay of {triangle.longest} periods; the "
            f"oldest is {int(triangle.age.max())} periods old. Give more past, or a shorter longest delay."
        )
    known = triangle.known
    up_to = np.cumsum(np.where(known, triangle.counts, 0.0), axis=1)
    at = np.where(known, triangle.counts, 0.0).sum(axis=0)
    base = np.where(known, up_to, 0.0).sum(axis=0)
    safe = np.where(base > 0.0, base, 1.0)
    hazard = np.where(base > 0.0, at / safe, 0.0)[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(hazard > 0.0, hazard / ((1.0 - hazard) * safe[1:]), 0.0)
    return DelayLaw(_backwards(np.cumprod, 1.0 - hazard, 1.0), _backwards(np.cumsum, step, 0.0))


def _backwards(accumulate: np.ufunc | object, values: Floats, last: float) -> Floats:
    """`accumulate` from the last value to the first, with `last` behind all of them."""
    return np.append(accumulate(values[::-1])[::-1], last)  # type: ignore[operator]
