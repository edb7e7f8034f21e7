"""One answer to "will it make the deadline": the remaining time bends to the late risk.

The late risk says P(remaining > s) = p, where s is the time to the deadline. Of all distributions that say so, the one
nearest to what was learned (least Kullback–Leibler divergence) leaves the shape on either side of the deadline as it
is and moves probability from one side to the other: on the scale of levels a straight line up to the deadline and
another beyond it (`Warp`).

**No contradiction** then means, for every level u that can be asked for and every row with a deadline ahead:

1. P(remaining > s) = p;
2. the u-quantile lies beyond the deadline if and only if p > 1 - u;
3. so the central interval of a level lies before the deadline as a whole if and only if p <= (1 - level) / 2, beyond
   it as a whole if and only if p > (1 + level) / 2, and straddles it otherwise; the median is late if and only if
   p > 0.5.

A case whose deadline has passed, or that has none, is left as it is.

The warp may spoil coverage, as it spoils the moves. `DeadlineShape` repairs it without touching p: of calibration
cases that ended in time it learns where they lie between now and the deadline, of the others where they lie beyond,
and both shapes are made uniform again (conformal order statistics on either side). If p is calibrated, so is every
interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UsageError
from models.remaining_time.censoring import masses, quantiles
from models.remaining_time.distribution import Distribution, Warp

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A risk of exactly 0 or 1 would leave nothing on one side.
LEAST: Final = 1e-6
# A curve with less than this on one side has no shape left there to keep.
_FAINTEST: Final = 1e-12
# Levels at which a shape is held.
_GRID: Final = np.linspace(0.0, 1.0, 41)
# Cases at which what a side's cases show and what was learned before count alike.
_SHRINKAGE: Final = 20.0


def coherent(distribution: Distribution, seconds_to_due: ArrayLike, p_late: ArrayLike) -> Distribution:
    """The distribution nearest to this one that agrees with the late risk.

    Parameters
    ----------
    distribution : of n rows
    seconds_to_due : (n,) from the landmark to the deadline; nan: none; at or below 0: passed
    p_late : (n,) probability that the case is not answered by the deadline; held within 1e-6 of 0 and 1

    Raises
    ------
    UsageError
        When lengths differ, or a row with a deadline ahead has no risk in [0, 1].
    """
    due, p = np.asarray(seconds_to_due, dtype=np.float64), np.asarray(p_late, dtype=np.float64)
    if due.shape != (len(distribution),) or p.shape != due.shape:
        raise UsageError(f"Expected {len(distribution)} deadlines and risks, one for each row, but got other numbers.")
    ahead = due > 0
    if not np.all((p[ahead] >= 0) & (p[ahead] <= 1)):
        raise UsageError("Expected a late risk between 0 and 1 for each case whose deadline is ahead.")
    moment = np.where(ahead, due, np.nan)
    plain = replace(distribution, warp=None)
    before = np.where(ahead, np.clip(plain.cdf(np.where(ahead, due, 0.0)), _FAINTEST, 1 - _FAINTEST), 0.5)
    after = np.where(ahead, 1 - np.clip(p, LEAST, 1 - LEAST), 0.5)
    return replace(plain, warp=Warp(moment, before, after))


@dataclass(frozen=True)
class DeadlineShape:
    """What a coherent distribution has to be bent by, on either side of the deadline, so that it covers.

    Attributes
    ----------
    in_time, late : (41,) where the evenly spaced levels within a side come from: from 0 to 1, non-decreasing
    rows : calibration rows on each side
    """

    in_time: Floats
    late: Floats
    rows: tuple[int, int]

    @classmethod
    def fit(cls, distribution: Distribution, y: ArrayLike, censored: ArrayLike | None = None) -> Self:
        """From coherent distributions of rows that nothing was learned from, and what came of them.

        Parameters
        ----------
        distribution : of m rows, as `coherent` gave it
        y : (m,) seconds
        censored : (m,) bool; of these it is only known that y is exceeded. A row still open at its deadline counts as
            late; one still open before it counts as in time with the probability that it will be
        """
        warp = _warp_of(distribution)
        seconds = np.asarray(y, dtype=np.float64)
        open_still = np.zeros(len(seconds), dtype=bool) if censored is None else np.asarray(censored, dtype=bool)
        u = distribution.cdf(seconds)
        ahead = ~np.isnan(warp.moment)
        is_late = ahead & (seconds > warp.moment)
        in_time = ahead & ~is_late
        # A case still open before its deadline belongs to this side as far as it may yet make it.
        chance = np.divide(warp.after - u, 1 - u, out=np.ones_like(u), where=open_still & (u < 1))
        place = np.clip(u[in_time] / warp.after[in_time], 0.0, 1.0)
        before = _shape(place, open_still[in_time], np.clip(chance[in_time], 0.0, 1.0))
        share = (u[is_late] - warp.after[is_late]) / (1 - warp.after[is_late])
        after = _shape(np.clip(share, 0.0, 1.0), open_still[is_late], np.ones(int(is_late.sum())))
        return cls(before, after, (int(in_time.sum()), int(is_late.sum())))

    def apply(self, distribution: Distribution) -> Distribution:
        """The same risk, with sides that cover."""
        warp = _warp_of(distribution)
        return replace(distribution, warp=replace(warp, in_time=self.in_time, late=self.late))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"in_time": self.in_time.tolist(), "late": self.late.tolist(), "rows": list(self.rows)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(np.array(values["in_time"]), np.array(values["late"]), (values["rows"][0], values["rows"][1]))


def _warp_of(distribution: Distribution) -> Warp:
    if distribution.warp is None:
        raise UsageError("Expected a distribution that agrees with a late risk; make it by `coherent` first.")
    return distribution.warp


def _shape(place: Floats, censored: Mask, weight: Floats) -> Floats:
    """Quantiles of the places within a side, drawn towards the even ones by how few there are; (41,)."""
    m = float(weight.sum())
    if m <= 0:
        return _GRID
    mass = masses(place, censored, weight)
    # Outwards on both sides of the middle, as in split conformal prediction.
    wanted = np.where(_GRID > 0.5, np.ceil(_GRID * (m + 1) - 1e-9), np.floor(_GRID * (m + 1) + 1e-9)) / m
    found = quantiles(place, mass, np.clip(wanted, 0.0, 1.0))
    # Beyond what open cases let be seen, the levels keep their places.
    unseen = np.where(wanted > mass.sum() + 1e-9, np.maximum(found, _GRID), found)
    mixed = (m * np.where(wanted <= 0, 0.0, unseen) + _SHRINKAGE * _GRID) / (m + _SHRINKAGE)
    mixed[0], mixed[-1] = 0.0, 1.0
    return np.maximum.accumulate(mixed)
