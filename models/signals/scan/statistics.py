"""Scan statistics: how much more (or less) a zone and window hold than expected.

Every statistic is a function of what was observed in the zone and window and of its baseline there. Above the baseline
it rises with the first and falls with the second; `search` rests on nothing else. It is 0 where the observed is not on
the side looked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Side = Literal["high", "low"]


class Statistic(ABC):
    """One statistic for one data set."""

    @abstractmethod
    def evidence(self, observed: Floats, baseline: Floats) -> Floats:
        """The statistic on both sides of the baseline, not negative."""

    def value(self, observed: Floats, baseline: Floats, side: Side = "high") -> Floats:
        """The statistic, 0 on the other side of the baseline."""
        beyond = observed > baseline if side == "high" else observed < baseline
        return np.where(beyond, self.evidence(observed, baseline), 0.0)

    def needed(self, baseline: Floats, targets: Floats, side: Side, most: int, unit: float = 1.0) -> Ints:
        """For each baseline and target the count that reaches it, on a grid of counts 0, `unit`, ... `most` x `unit`.

        Parameters
        ----------
        baseline : (n,)
        targets : (m,)
            Not negative; what is a rounding below counts as reached.

        Returns
        -------
        (n, m) steps of the grid: on the high side the smallest count above the baseline that reaches the target, `most`
        + 1 where none does; on the low side the largest below it, -1 where none does.
        """
        reach = (np.asarray(targets) * (1.0 - 1e-9))[None, :]
        beside = np.asarray(baseline)[:, None]
        low = np.zeros((beside.shape[0], reach.shape[1]), dtype=np.int64)
        high = np.full(low.shape, most + 1)
        for _ in range(most.bit_length() + 1):
            middle = (low + high) // 2
            observed = middle * unit
            beyond = observed > beside if side == "high" else observed < beside
            enough = beyond & (self.evidence(observed, np.broadcast_to(beside, observed.shape)) >= reach)
            # What is sought is where it changes: from too few to enough, or from few enough to too many.
            down = enough if side == "high" else ~enough
            # Where both ends have met, the middle is the end, perhaps one beyond the grid.
            high, low = (
                np.where(down, np.minimum(middle, high), high),
                np.where(down, low, np.minimum(middle + 1, high)),
            )
        return high if side == "high" else high - 1


@dataclass(frozen=True, slots=True)
class ConditionalPoisson(Statistic):
    """Log likelihood ratio of one rate inside and another outside, given `total` cases (Kulldorff 1997).

    c log(c/m) + (C - c) log((C - c)/(C - m)), where the baselines of all places and times sum to C.
    """

    total: float

    def evidence(self, observed: Floats, baseline: Floats) -> Floats:
        """See the class; a baseline of 0 with cases is infinitely surprising."""
        rest = np.maximum(self.total - observed, 0.0)
        left = np.maximum(self.total - baseline, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = _log_ratio(observed, baseline) + _log_ratio(rest, left)
        return np.maximum(found, 0.0)


@dataclass(frozen=True, slots=True)
class Bernoulli(Statistic):
    """Log likelihood ratio of one probability inside and another outside (Kulldorff & Nagarwalla 1995).

    Of `trials` (cases and controls, or inhabitants) `total` are cases; a zone's baseline is its trials x total/trials.
    """

    total: float
    trials: float

    def evidence(self, observed: Floats, baseline: Floats) -> Floats:
        """See the class."""
        inside = baseline * (self.trials / self.total)
        outside = self.trials - inside
        rest = self.total - observed
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (
                _log_ratio(observed, inside)
                + _log_ratio(np.maximum(inside - observed, 0.0), inside)
                + _log_ratio(rest, outside)
                + _log_ratio(np.maximum(outside - rest, 0.0), outside)
            )
            rate = self.total / self.trials
            null = self.total * np.log(rate) + (self.trials - self.total) * np.log1p(-rate)
        # More cases than trials cannot occur in data; while limits are sought it must not look like no evidence.
        return np.maximum(np.where(inside < observed * (1.0 - 1e-12), np.inf, found - null), 0.0)


@dataclass(frozen=True, slots=True)
class ExpectationPoisson(Statistic):
    """Log likelihood ratio of a raised rate in the zone alone, against known expectations (Neill et al. 2005).

    c log(c/b) + b - c. With counts and expectations that are both divided by the variance over mean of each cell it is
    the quasi-likelihood of over-dispersed counts.
    """

    def evidence(self, observed: Floats, baseline: Floats) -> Floats:
        """See the class."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.maximum(_log_ratio(observed, baseline) + baseline - observed, 0.0)


@dataclass(frozen=True, slots=True)
class Score(Statistic):
    """Standardised excess (a - b) / sqrt(b) of weighted counts over their weighted baseline (Tango et al. 2011).

    With weights 1 / (1 + mean/size) it is the efficient score for negative binomial counts of mean `mean` and variance
    mean (1 + mean/size): b is then the variance of a.
    """

    def evidence(self, observed: Floats, baseline: Floats) -> Floats:
        """See the class."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(baseline > 0.0, np.abs(observed - baseline) / np.sqrt(baseline), 0.0)


def _log_ratio(a: Floats, b: Floats) -> Floats:
    """The term a log(a/b), 0 where a is; a faster logarithm than `xlogy` has."""
    some = a > 0.0
    return np.where(some, a * np.log(np.where(some, a, 1.0) / np.where(some, b, 1.0)), 0.0)
