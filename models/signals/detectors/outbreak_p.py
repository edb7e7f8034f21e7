"""OutbreakP: do the counts rise, in whatever shape, or stay at one level? (Frisén, Andersson, Schiöler 2009).

The counts so far are explained once by the best level that never falls, and once by their mean; the ratio of the two
likelihoods is the statistic. No baseline and no shape is assumed, which suits the one onset a record begins before;
every season in the record raises the statistic.

References
----------
Frisén, Andersson, Schiöler (2009), Biometrical Journal 51:983.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from models.signals.detectors.base import Bools, Detector, Floats, Judged, Weeks, flag, one_of, positive


@dataclass(eq=False)
class OutbreakP(Detector):
    """OutbreakP.

    Attributes
    ----------
    limit : the likelihood ratio above which there is an alarm
    ret : "value": `upper` is null; "cases": it is the smallest count that this week would need for an alarm
    largest_count : `ret` "cases" does not look above it
    compatible : as in R, the ratio is multiplied up from the oldest week on; over a long record it sinks below what a
        number can hold, and no rise is seen any more. `upper` is the ratio itself for `ret` "value". A missing week
        ends it.

    Notes
    -----
    All weeks of the table before the one judged take part. `score` is the ratio (inf above 1e308), `expected` the mean
    of the weeks so far. There is no p-value.
    """

    method: ClassVar[str] = "outbreak_p"
    r_defaults: ClassVar[dict[str, Any]] = {"limit": 100.0, "ret": "value", "largest_count": 100_000}

    limit: float = 100.0
    ret: str = "value"
    largest_count: int = 10_000
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        positive("limit", self.limit)
        one_of("ret", self.ret, ("value", "cases"))

    def _judge(self, weeks: Weeks) -> Judged:
        observed = weeks.judged
        expected, upper, score = weeks.nothing(), weeks.nothing(), weeks.nothing()
        alarm, why = weeks.nothing(), weeks.no_reason()
        for series in range(observed.shape[1]):
            rising = _Rising(self._told(weeks.counts[: weeks.start, series]), underflow=self.compatible)
            for row, now in enumerate(observed[:, series].tolist()):
                expected[row, series] = rising.mean_with(now)
                score[row, series] = rising.ratio(now)
                alarm[row, series] = float(rising.is_alarm(now, self.limit))
                if self.ret == "cases":
                    upper[row, series], why[row, series] = self._needed(rising)
                if self.compatible or not np.isnan(now):
                    rising.add(now)
        if self.ret == "value" and self.compatible:
            upper = score.copy()
        known = ~np.isnan(score)
        return Judged(
            observed=observed,
            expected=expected,
            lower=weeks.nothing(),
            upper=upper,
            p_value=weeks.nothing(),
            score=score,
            alarm=flag(alarm == 1.0, known),
            why=why,
        )

    def _told(self, past: Floats) -> Floats:
        return past if self.compatible else past[~np.isnan(past)]

    def _needed(self, rising: _Rising) -> tuple[float, str | None]:
        """Smallest count that would be an alarm; NaN and the reason where there is none."""
        if rising.is_alarm(0.0, self.limit):
            return np.nan, "alarm_at_any_count"
        low, high = 0, 1
        while not rising.is_alarm(float(high), self.limit):
            if high == self.largest_count:
                return np.nan, "limit_out_of_reach"
            low, high = high, min(2 * high, self.largest_count)
        while high - low > 1:
            middle = (low + high) // 2
            if rising.is_alarm(float(middle), self.limit):
                high = middle
            else:
                low = middle
        return float(high), None


class _Rising:
    """The level that never falls and fits the past best, as blocks of equal level; one more count can be put on top."""

    def __init__(self, past: Floats, *, underflow: bool) -> None:
        self.underflow = underflow
        self.past: list[float] = []
        self.levels: list[float] = []
        self.weights: list[int] = []
        self.total = 0.0
        for value in past.tolist():
            self.add(value)

    def add(self, value: float) -> None:
        """Put a count on top for good."""
        _push(self.levels, self.weights, value)
        self.past.append(value)
        self.total += value

    def mean_with(self, now: float) -> float:
        return (self.total + now) / (len(self.past) + 1)

    def ratio(self, now: float) -> float:
        """The likelihood ratio with this count as the newest."""
        if self.underflow:
            return self._multiplied(now)
        log = self._log_ratio(now)
        return float(np.exp(log)) if log < np.log(np.finfo(float).max) else (np.nan if np.isnan(log) else np.inf)

    def is_alarm(self, now: float, limit: float) -> bool:
        if self.underflow:
            return bool(self._multiplied(now) > limit)
        # Equal to the limit is no alarm; rounding must not decide that.
        return bool(self._log_ratio(now) > np.log(limit) + 1e-9)

    def _blocks(self, now: float) -> tuple[Floats, Floats]:
        levels, weights = self.levels.copy(), self.weights.copy()
        _push(levels, weights, now)
        return np.array(levels), np.array(weights, dtype=float)

    def _log_ratio(self, now: float) -> float:
        # Within a block the counts add up to weight x level, so blocks say everything.
        levels, weights = self._blocks(now)
        mean = self.mean_with(now)
        return float(special.xlogy(weights * levels, levels / mean).sum()) if mean > 0.0 else 0.0 * mean

    def _multiplied(self, now: float) -> float:
        levels, weights = self._blocks(now)
        mean, level = self.mean_with(now), np.repeat(levels, weights.astype(int))
        counts = np.array([*self.past, now])
        some: Bools = ~(counts == 0.0)
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            # From the oldest on, one by one: the order decides where the product sinks.
            return float(np.cumprod(np.append(1.0, (level[some] / mean) ** counts[some]))[-1])


def _push(levels: list[float], weights: list[int], value: float) -> None:
    """Add a value on top; blocks that would fall are merged into their mean."""
    levels.append(value)
    weights.append(1)
    while len(levels) > 1 and levels[-2] >= levels[-1]:
        weight = weights[-2] + weights[-1]
        levels[-2:] = [(levels[-2] * weights[-2] + levels[-1] * weights[-1]) / weight]
        weights[-2:] = [weight]
