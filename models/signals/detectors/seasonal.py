"""Seasonal regression on the whole past, and the two newest weeks judged together; see Seasonal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from data.errors import UsageError
from models.signals.detectors.base import Detector, Floats, Judged, Weeks, flag, positive, probability
from models.signals.distribution import count_quantile
from models.signals.rise_evidence import Evidence, Expected, rise_evidence
from models.signals.seasonal_fit import MOST_WAVES, Fit, design_matrix, fit_seasonal

_EXTRA: Final = ("limit_now", "mid_p", "dispersion", "trend", "relative_error")
_DAYS_A_YEAR: Final = 365.2425
# Series worked on at a time: their arrays stay in the processor's cache.
_FITTED_AT_ONCE: Final = 256
_JUDGED_AT_ONCE: Final = 64


@dataclass(eq=False)
class Seasonal(Detector):
    """Level, trend and season from the whole past; evidence of the two newest weeks together.

    The regression is that of `models.signals.seasonal_fit`: a negative binomial with variance proportional to the
    mean, all weeks of the past used at once, trend and waves shrunken by evidence, past outbreaks left out. The
    evidence is that of `models.signals.rise_evidence`. An alarm is a mid-p at or below `alpha`: false alarms come at
    about that rate, for thin series too. `p_value` never claims more than it can: it is the whole probability of as
    much evidence or more, and so the one for a control over many series.

    Attributes
    ----------
    alpha : level of an alarm
    least_years : years of weeks with a count that a past needs
    weeks_left_out : newest weeks before the one judged that the regression does not see, at least
    refit_every : the past grows by so many weeks at a time, counted from the first row of the table
    minimum_cases : (cases, weeks): an alarm needs so many cases in so many newest weeks
    compatible : no other program has this method; the flag changes nothing

    Notes
    -----
    `lower` and `upper` are the predictive quantiles at `alpha` and 1 - `alpha` of the week by itself: what is usual,
    whatever came the week before. Alarms are not drawn there but at `limit_now`, the largest count that would be no
    alarm given the week before: in the second week of a rise it lies below `upper`, and can lie below `expected`; -1
    where any count would be one, null where the week has no count. `score` is -log10 of the mid-p. Further columns:
    `mid_p`, `dispersion` (variance over mean), `trend` (log scale, a year) and `relative_error` of the expected count.
    With dates, seasons follow the calendar; without, or with `period` given, they repeat every `period` rows.
    """

    method: ClassVar[str] = "seasonal"
    r_columns: ClassVar[dict[str, str]] = {"alarm": "alarm", "upperbound": "upper", "expected": "expected"}

    alpha: float = 0.005
    least_years: float = 2.0
    weeks_left_out: int = 6
    refit_every: int = 13
    minimum_cases: tuple[int, int] = (2, 2)
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        probability("alpha", self.alpha)
        positive("least_years", self.least_years)
        if self.weeks_left_out < 2 or self.refit_every < 1:
            raise UsageError(
                "weeks_left_out must be at least 2, the weeks judged together, and refit_every at least 1; they are "
                f"{self.weeks_left_out!r} and {self.refit_every!r}."
            )
        if len(self.minimum_cases) != 2 or self.minimum_cases[0] < 0 or self.minimum_cases[1] < 1:
            raise UsageError("minimum_cases is (cases, weeks), for example (2, 2): 2 cases in the newest 2 weeks.")

    def _judge(self, weeks: Weeks) -> Judged:
        judged = Judged.nothing(weeks, _EXTRA)
        years = self._years(weeks)
        waves = min(MOST_WAVES, max((weeks.period - 1) // 2, 0))
        ends = (np.arange(weeks.start, len(weeks.counts)) - self.weeks_left_out) // self.refit_every * self.refit_every
        judged.why[:] = "past_too_short"
        for end in np.unique(ends[ends > 1]):
            rows = weeks.start + np.flatnonzero(ends == end)
            known = (~np.isnan(weeks.counts[:end])).sum(axis=0)
            enough = np.flatnonzero(known >= self.least_years * weeks.period - 0.5)
            for series in np.array_split(enough, max(-(-len(enough) // _FITTED_AT_ONCE), 1)):
                if len(series):
                    fit = fit_seasonal(weeks.counts[:end, series], design_matrix(years[:end], years[end - 1], waves))
                    for row in rows:
                        design = design_matrix(years[row - 1 : row + 1], years[end - 1], waves)
                        self._keep(judged, weeks, int(row), series, fit, design)
        return judged

    def _years(self, weeks: Weeks) -> Floats:
        """Time of every row in years."""
        if weeks.dates is None or self.period is not None:
            return np.arange(len(weeks.counts)) / weeks.period
        years: Floats = (weeks.dates - weeks.dates[0]).astype(float) / _DAYS_A_YEAR
        return years

    def _keep(self, judged: Judged, weeks: Weeks, row: int, series: Any, fit: Fit, design: Floats) -> None:
        newest, before = weeks.counts[row, series], weeks.counts[row - 1, series]
        mean, error = fit.expect(design)
        parts = []
        for first in range(0, len(series), _JUDGED_AT_ONCE):
            k = slice(first, first + _JUDGED_AT_ONCE)
            expected = Expected(mean[1, k], error[1, k]), Expected(mean[0, k], error[0, k])
            parts.append(
                rise_evidence(newest[k], before[k], expected, fit.dispersion[k], fit.dispersion_sd[k], self.alpha)
            )
        p_value, mid_p, limit = (
            np.concatenate([getattr(one, name) for one in parts]) for name in Evidence.__dataclass_fields__
        )
        dispersion = np.maximum(fit.dispersion, 1.0)
        at = row - weeks.start, series
        judged.expected[at], judged.p_value[at] = mean[1] / fit.margin, p_value
        variance = dispersion * mean[1] + mean[1] ** 2 * error[1]
        judged.lower[at] = count_quantile(self.alpha, mean[1], variance)
        judged.upper[at] = count_quantile(1.0 - self.alpha, mean[1], variance)
        judged.score[at] = -np.log10(np.maximum(mid_p, 1e-300))
        cases, over = self.minimum_cases
        enough = np.nansum(weeks.counts[max(row + 1 - over, 0) : row + 1, series], axis=0) >= cases
        judged.alarm[at] = flag((mid_p <= self.alpha) & enough, ~np.isnan(newest))
        why = np.full(len(series), None, dtype=object)
        why[~enough] = "few_cases"
        judged.why[at] = why
        limit_now = np.where(np.isnan(newest), np.nan, limit)
        extra = (limit_now, mid_p, dispersion, fit.coefficients[:, 1], np.sqrt(error[1]))
        for name, values in zip(_EXTRA, extra, strict=True):
            judged.extra[name][at] = values
