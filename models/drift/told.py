"""What was told against what came: of matured risks, the mean that was told beside the share that the office failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

# Fewer cases say nothing.
FEWEST: Final = 50
LEVEL: Final = 0.95
_BINS: Final = 10
_DRAWS: Final = 400


@dataclass(frozen=True)
class Told:
    """What was told against what came.

    Attributes
    ----------
    cases : that the risks are of
    told : mean risk; None where there are too few cases
    came : share that was failed
    lower, upper : the Wilson interval of the share, of 95 percent, each case counting once. Cases are taken as not
        hanging together, so that it is somewhat narrow where all of a week did badly for one reason.
    gap : mean gap of risk and share in ten bins of equally many (as the calibration error)
    gap_by_chance : what 95 percent of such gaps stay under where risks mean what they say
    """

    cases: int
    told: float | None = None
    came: float | None = None
    lower: float | None = None
    upper: float | None = None
    gap: float | None = None
    gap_by_chance: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether what was told lies in the interval of what came; None where there are too few cases."""
        if self.told is None or self.lower is None or self.upper is None:
            return None
        return self.lower <= self.told <= self.upper


def told_against_came(told: Floats, came: Floats, cases: Int64s, *, seed: int = 1) -> Told:
    """Judge n matured risks.

    Parameters
    ----------
    told : (n,) risks
    came : (n,) 1 the office failed, 0 it did not
    cases : (n,) rows of one case have the same; each case counts once, with the mean of its rows
    seed : of the draws for the gap by chance
    """
    names, place = np.unique(cases, return_inverse=True)
    if len(names) < FEWEST:
        return Told(len(names))
    rows = np.bincount(place)
    said, seen = (np.bincount(place, weights=values) / rows for values in (told, came))
    lower, upper = wilson(float(seen.mean()), len(names))
    gap, limit = _gap(said, seen, seed)
    return Told(len(names), float(said.mean()), float(seen.mean()), lower, upper, gap, limit)


def wilson(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a share of n (Wilson 1927, Journal of the American Statistical Association 22:209).

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0.1, 100)]
    [0.0552, 0.1744]
    """
    z = float(norm.ppf((1 + level) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _gap(said: Floats, seen: Floats, seed: int) -> tuple[float, float]:
    """The gap, and its 95 percent quantile where every case fails with the risk that was told."""
    order = np.argsort(said, kind="stable")
    bins = np.minimum(np.arange(len(said)) * _BINS // len(said), _BINS - 1)
    said, seen = said[order], seen[order]

    def gap_of(values: Floats) -> float:
        return float(np.abs(np.bincount(bins, weights=values - said, minlength=_BINS)).sum() / len(said))

    rng = np.random.default_rng(seed)
    drawn = [gap_of((rng.random(len(said)) < said).astype(np.float64)) for _ in range(_DRAWS)]
    return gap_of(seen), float(np.quantile(drawn, LEVEL))
