"""Likelihood-ratio charts of counts: has the level been raised since some week, and when? (Höhle and Paul 2008).

Week after week the usual level, taken from a seasonal regression of the past, is compared with a raised one. GLR looks
for the week and the size of the change that explain the counts best; LR knows the size and adds up. Both begin again
after an alarm.

References
----------
Höhle, Paul (2008), Computational Statistics & Data Analysis 52:4357.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from data.errors import UsageError
from models.signals.detectors.base import (
    Bools,
    Detector,
    Floats,
    Ints,
    Judged,
    Weeks,
    flag,
    one_of,
    positive,
)
from models.signals.detectors.in_control import InControl, fit_in_control, seasonal_design
from models.signals.detectors.likelihood_ratio import Stretch, best_ratios, ratio_of, ratios_by_rs_search

# What R gives for a count out of reach; and a count beyond any that is.
_OUT_OF_REACH: Final = 1e99
_NO_END: Final = 2.0**50
_COUNTS_AT_ONCE: Final = 64


@dataclass(eq=False)
class Glr(Detector):
    """GLR and LR charts for Poisson and negative-binomial counts.

    Attributes
    ----------
    limit : the log likelihood ratio that is an alarm
    theta : size of the change, for the LR chart: the logarithm of the factor for "intercept", the share of last
        week's count for "epi"; None: the GLR chart, which finds the size
    change : "intercept": the level is multiplied; "epi": last week's count, times a factor, is added to it
    direction : "inc" looks for rises, "dec" for falls
    overdispersion : variance = mean + overdispersion x mean squared; 0: Poisson; None: estimated from the past
    mean : in-control mean of every series; None: from a regression of the history
    harmonics, trend : of that regression
    ret : "value": `upper` is null; "cases": it is the count that this week would need for an alarm: the smallest that
        is one for rises, the largest for falls
    least_weeks : weeks that a change must have lasted at least
    window : weeks that a change may have lasted at most; 0: as many as since the last alarm
    largest_count : `ret` "cases" does not look above it
    compatible : as in R, the search for the size of a change in negative-binomial counts is thrown out by rises to many
        times the level, which then go unseen, and takes an added change for a multiplied one; `upper` is the ratio
        itself for `ret` "value"; for `ret` "cases" it is 1e99 out of reach, and 0 for falls of Poisson counts; a change
        may have lasted a week more than `window`, and with it at least one more than `least_weeks`, which without a
        window is only how long the chart waits; "epi" knows no `theta`, and nothing of the week before the chart; and
        the dispersion of counts that vary less than Poisson is where its estimation was cut short

    Notes
    -----
    The chart begins with the first week judged. `score` is the log likelihood ratio, `expected` the in-control mean.
    The first week judged takes the last count before it for the week before. There is no p-value.
    """

    method: ClassVar[str] = "glr"
    r_columns: ClassVar[dict[str, str]] = {
        "alarm": "alarm",
        "upperbound": "upper",
        "mu0": "expected",
        "alphaNB": "overdispersion",
    }
    r_defaults: ClassVar[dict[str, Any]] = {
        "limit": 5.0,
        "theta": None,
        "change": "intercept",
        "direction": "inc",
        "overdispersion": None,
        "harmonics": 1,
        "trend": False,
        "ret": "value",
        "least_weeks": 1,
        "window": 0,
    }

    limit: float = 5.0
    theta: float | None = None
    change: str = "intercept"
    direction: str = "inc"
    overdispersion: float | None = None
    mean: float | None = None
    harmonics: int = 1
    trend: bool = False
    ret: str = "value"
    least_weeks: int = 1
    window: int = 0
    largest_count: int = 10_000
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        positive("limit", self.limit)
        one_of("change", self.change, ("intercept", "epi"))
        one_of("direction", self.direction, ("inc", "dec"))
        one_of("ret", self.ret, ("value", "cases"))
        if not self.compatible:
            self._check_sense()
        if self.overdispersion is not None and not self.overdispersion >= 0.0:
            raise UsageError("overdispersion must be 0 or more, or none to estimate it.")
        if self.harmonics < 0 or self.window < 0 or self.least_weeks < 1:
            raise UsageError("harmonics and window must not be negative, and least_weeks must be at least 1.")
        if self.mean is not None:
            positive("mean", self.mean)
            if self.overdispersion is None:
                raise UsageError("A given mean needs a given overdispersion; for Poisson counts it is 0.")

    def _check_sense(self) -> None:
        """Refuse what R takes without a word, and has a meaning of its own for."""
        if self.change == "epi" and self.direction == "dec":
            raise UsageError('change "epi" adds cases, so direction must be "inc".')
        if self.theta is not None and not (self.theta > 0.0 if self.direction == "inc" else self.theta < 0.0):
            raise UsageError("theta must be above 0 for rises and below 0 for falls.")
        if self.ret == "cases" and self.direction == "dec":
            raise UsageError('ret "cases" says how many cases make an alarm; it goes with direction "inc".')
        if 0 < self.window < self.least_weeks:
            raise UsageError("window must be 0 or at least least_weeks.")

    def _judge(self, weeks: Weeks) -> Judged:
        usual = self._in_control(weeks)
        mean = usual.mean[weeks.start :]
        observed = weeks.judged
        chart = _Chart(self, observed, mean, usual.overdispersion, self._before(weeks))
        score, upper = chart.run()
        lost = np.isnan(mean)
        score[lost], upper[lost] = np.nan, np.nan
        why = weeks.no_reason()
        why[lost] = "no_cases_in_past" if weeks.start > self.harmonics * 2 + 2 else "past_too_short"
        if self.ret == "cases":
            why[~lost & np.isnan(upper)] = "limit_out_of_reach"
        elif self.compatible:
            upper = score.copy()
        return Judged(
            observed=observed,
            expected=mean,
            lower=weeks.nothing(),
            upper=upper,
            p_value=weeks.nothing(),
            score=score,
            alarm=flag(score >= self.limit, ~lost),
            why=why,
            extra={"overdispersion": np.broadcast_to(usual.overdispersion, mean.shape)},
        )

    def _in_control(self, weeks: Weeks) -> InControl:
        if self.mean is not None:
            spread = np.full(weeks.counts.shape[1], self.overdispersion, dtype=float)
            return InControl(np.full(weeks.counts.shape, self.mean), spread, np.empty((0, 0)))
        design = seasonal_design(len(weeks.counts), self.harmonics, weeks.period, trend=self.trend)
        return fit_in_control(weeks.counts[: weeks.start], design, self.overdispersion, cut_short=self.compatible)

    def _before(self, weeks: Weeks) -> Floats:
        """The count of the week before each week to judge; 0 where there is none."""
        rows = np.arange(weeks.start, len(weeks.counts)) - 1
        known = rows >= (weeks.start if self.compatible else 0)
        before = np.where(known[:, None], weeks.counts[np.maximum(rows, 0)], 0.0)
        return np.where(np.isnan(before), 0.0, before)


class _Chart:
    """One run over the weeks to judge; `first` is the week each series' chart began in."""

    def __init__(self, asked: Glr, observed: Floats, mean: Floats, overdispersion: Floats, before: Floats) -> None:
        self.asked = asked
        seen = ~np.isnan(observed) & ~np.isnan(mean)
        self.counts = np.where(seen, observed, 0.0)
        self.level = np.where(seen, mean, 0.0)
        self.added = self.level if asked.change == "intercept" else np.where(seen, before, 0.0)
        self.spread = np.where(np.isnan(overdispersion), 0.0, overdispersion)
        self.first: Ints = np.zeros(mean.shape[1], dtype=np.int64)
        self.sums = np.zeros(mean.shape[1])

    def run(self) -> tuple[Floats, Floats]:
        score, upper = np.zeros_like(self.counts), np.full_like(self.counts, np.nan)
        known_size = self.asked.theta is not None and not (self.asked.compatible and self.asked.change == "epi")
        judge = self._lr if known_size else self._glr
        for row in range(len(self.counts)):
            score[row], upper[row] = judge(row)
            # After an alarm the chart begins again with the next week.
            alarm: Bools = score[row] >= self.asked.limit
            self.first = np.where(alarm, row + 1, self.first)
            self.sums = np.where(alarm, 0.0, self.sums)
        return score, upper

    def _lr(self, row: int) -> tuple[Floats, Floats]:
        theta = float(self.asked.theta or 0.0)
        x, level, added = self.counts[row], self.level[row], self.added[row]
        raised = level * np.exp(theta) if self.asked.change == "intercept" else level + theta * added
        at_none, at_one = (ratio_of(np.full_like(x, n), level, raised, self.spread) for n in (0.0, 1.0))
        upper = np.full_like(x, np.nan)
        if self.asked.ret == "cases":
            # The ratio is a straight line in the count.
            gain = at_one - at_none
            with np.errstate(divide="ignore", invalid="ignore"):
                upper = (self.asked.limit - self.sums - at_none) / gain
            upper = np.maximum(upper, 0.0) if self.asked.compatible else np.where(gain > 0.0, upper, np.nan)
        self.sums = np.maximum(self.sums + ratio_of(x, level, raised, self.spread), 0.0)
        return self.sums.copy(), upper

    def _glr(self, row: int) -> tuple[Floats, Floats]:
        score = self._best(row, self.counts[row])
        if self.asked.ret == "value":
            return score, np.full_like(score, np.nan)
        return score, self._needed(row)

    def _best(self, row: int, now: Floats, only: Ints | None = None) -> Floats:
        columns: slice | Ints = slice(None) if only is None else only
        oldest = int(self.first[columns].min())
        counts = np.vstack([self.counts[oldest:row, columns], now[None, :]])
        level = self.level[oldest : row + 1, columns]
        added = level if self.asked.change == "intercept" else self.added[oldest : row + 1, columns]
        stretch = Stretch(counts, level, added, self.spread[columns])
        # A chart that has just been begun again has its first week now.
        first = np.minimum(self.first[columns] - oldest, len(counts) - 1)
        direction = 1 if self.asked.direction == "inc" or self._added_to else -1
        lengths = self._lengths(len(counts))
        if lengths is None:
            return np.zeros(counts.shape[1])
        find = ratios_by_rs_search if self._by_search else best_ratios
        return find(stretch, first, direction=direction, shortest=lengths[0], longest=lengths[1])

    @property
    def _added_to(self) -> bool:
        return self.asked.change == "epi" and not self._by_search

    @property
    def _by_search(self) -> bool:
        return self.asked.compatible and bool((self.spread > 0.0).any())

    def _lengths(self, weeks: int) -> tuple[int, int] | None:
        """How many weeks a change may have lasted, at least and at most (0: any number); None: no number fits."""
        least, window = self.asked.least_weeks, self.asked.window
        if not self.asked.compatible:
            return least, window
        longest = window + 1 if window > 0 else 0
        if self._by_search:
            return least, longest
        if weeks < least:
            return None
        return (least + 1 if longest and not self._added_to else 1), longest

    def _needed(self, row: int) -> Floats:
        """Smallest whole count that would be an alarm; NaN above the largest count tried."""
        if self.asked.compatible:
            return self._needed_one_by_one(row) if self._by_search else self._needed_in_poisson(row)
        return self._needed_by_halves(row, float(self.asked.largest_count))

    def _needed_by_halves(self, row: int, largest: float) -> Floats:
        n_series = self.counts.shape[1]
        low, high = np.full(n_series, -1.0), np.full(n_series, largest)
        reached = self._best(row, high) >= self.asked.limit
        none = self._best(row, np.zeros(n_series)) >= self.asked.limit
        high = np.where(none, 0.0, high)
        while len(open_ := np.flatnonzero(reached & (high - low > 1.0))):
            middle = np.floor((low[open_] + high[open_]) / 2.0)
            enough = self._best(row, middle, open_) >= self.asked.limit
            high[open_] = np.where(enough, middle, high[open_])
            low[open_] = np.where(enough, low[open_], middle)
        return np.where(reached, high, np.nan)

    def _needed_in_poisson(self, row: int) -> Floats:
        """As in R: in closed form, so without an end; 0 for falls, and where no stretch is long enough."""
        if self.asked.direction == "dec":
            return np.zeros(self.counts.shape[1])
        needed = self._needed_by_halves(row, _NO_END)
        return np.where(np.isnan(needed), 0.0, needed)

    def _needed_one_by_one(self, row: int) -> Floats:
        """As in R, whose search may lose large rises: from the count itself down to the last alarm, or up to one.

        A large number where there is none; 0 where a count above the largest to be tried is an alarm.
        """
        largest = float(self.asked.largest_count)
        now = self.counts[row]
        alarm = self._best(row, now) >= self.asked.limit
        needed = np.where(alarm, 0.0, _OUT_OF_REACH)
        for one in np.flatnonzero(alarm & (now <= largest)):
            lower = np.arange(now[one])
            quiet = np.flatnonzero(~self._alarms(row, one, lower))
            needed[one] = lower[quiet[-1]] + 1.0 if len(quiet) else 0.0
        # From a count of zero its search finds nothing.
        for one in np.flatnonzero(~alarm & (now > 0.0)):
            for begin in np.arange(now[one] + 1.0, largest + 1.0, _COUNTS_AT_ONCE):
                higher = np.arange(begin, min(begin + _COUNTS_AT_ONCE, largest + 1.0))
                found = np.flatnonzero(self._alarms(row, one, higher))
                if len(found):
                    needed[one] = higher[found[0]]
                    break
        return needed

    def _alarms(self, row: int, series: np.intp, counts: Floats) -> Bools:
        """Which of these counts would be an alarm."""
        if len(counts) == 0:
            return np.zeros(0, dtype=bool)
        alarms: Bools = self._best(row, counts, np.full(len(counts), series)) >= self.asked.limit
        return alarms
