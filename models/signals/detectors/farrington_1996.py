"""The method of Farrington et al. (1996): a regression on the same weeks of earlier years.

An over-dispersed Poisson level, or straight trend where it is significant, through the windows around the same week of
each earlier year; weeks with high residuals are weighted down once; the limit is that of counts to the power 2/3.

References
----------
Farrington, Andrews, Beale, Catchpole (1996), J. R. Statist. Soc. A 159:547.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from scipy import stats

from data.errors import NotEnoughDataError, UsageError
from models.signals.detectors.base import (
    Bools,
    Detector,
    Floats,
    Ints,
    Judged,
    Weeks,
    exceedance,
    flag,
    probability,
)
from models.signals.detectors.farrington_flexible import check_farrington, reasons
from models.signals.farrington import power_limit
from models.signals.glm import SeasonalCounts, outbreak_weights
from models.signals.reference_weeks import ReferenceWeeks, clock_of, earlier, reference_weeks

_SMALLEST_MEAN: Final = float(np.finfo(float).eps)
_TREND_YEARS: Final = 3
_TREND_LEVEL: Final = 0.05
_RESIDUAL_THRESHOLD: Final = 1.0


@dataclass(eq=False)
class Farrington1996(Detector):
    """Farrington 1996.

    Attributes
    ----------
    years_back, half_window : the same week of so many earlier years, and so many weeks around it
    reweight : weight weeks with an Anscombe residual above 1 down
    trend : a straight trend where it is significant (5 %), does not lead above what was ever seen, and there are three
        years or more
    power : counts to this power are taken for normal: 2/3, 1/2, or 1
    alpha : probability of a count above the limit while nothing has changed
    minimum_cases : (cases, weeks): an alarm needs so many cases in so many newest weeks
    population_offset : counts are per head of `population`
    compatible : as in R, the limit is that of a two-sided interval (alpha / 2); the trend's test knows no dispersion
        floor, so counts that vary less than Poisson get more trends; the limit is 0 where cases are too few; a mean
        never falls below 2e-16, whose limit is then all but 0; and a missing week among the newest is too few cases

    Notes
    -----
    Columns besides the common ones: `median` (the expected count), `quantile` (1 - `p_value`: where the count lies in
    the predictive distribution), `dispersion`, `trend` (1 kept, 0 dropped).
    """

    method: ClassVar[str] = "farrington_1996"
    r_columns: ClassVar[dict[str, str]] = {
        "alarm": "alarm",
        "upperbound": "upper",
        "quantile": "quantile",
        "median": "median",
    }
    r_defaults: ClassVar[dict[str, Any]] = {
        "years_back": 5,
        "half_window": 3,
        "reweight": True,
        "trend": True,
        "power": 2 / 3,
        "alpha": 0.05,
        "minimum_cases": (5, 4),
        "population_offset": False,
    }

    years_back: int = 5
    half_window: int = 3
    reweight: bool = True
    trend: bool = True
    power: float = 2 / 3
    alpha: float = 0.005
    minimum_cases: tuple[int, int] = (5, 4)
    population_offset: bool = False
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        probability("alpha", self.alpha)
        check_farrington(self.years_back, self.half_window, self.power, self.minimum_cases)

    def _judge(self, weeks: Weeks) -> Judged:
        if self.population_offset and weeks.population is None:
            raise UsageError("population_offset needs a population for every week and series.")
        judged = Judged.nothing(weeks, ("median", "quantile", "dispersion", "trend"))
        for row in range(len(weeks.judged)):
            try:
                chosen = self._reference(weeks, weeks.start + row)
            except NotEnoughDataError:
                judged.why[row] = "past_too_short"
            else:
                self._one(judged, row, weeks, chosen)
        return judged

    def _reference(self, weeks: Weeks, at: int) -> ReferenceWeeks:
        asked = partial(
            reference_weeks,
            years_back=self.years_back,
            half_window=self.half_window,
            seasons=1,
            weeks_left_out=self.half_window,
            period=weeks.period,
        )
        if not self.compatible:
            return asked(at, dates=weeks.dates)
        # R makes do with those of the weeks that there are: as if the record began earlier, without counts.
        before = self.years_back * (weeks.period + 1) + self.half_window
        dates = None if weeks.dates is None else earlier(weeks.dates, before)
        rows = asked(at + before, dates=dates).rows - before
        rows = rows[rows >= 0]
        if len(rows) == 0:
            raise NotEnoughDataError("No week of an earlier year is left to compare with; give more weeks.")
        return ReferenceWeeks(rows=rows, seasons=np.zeros(len(rows), dtype=np.int64))

    def _one(self, judged: Judged, row: int, weeks: Weeks, chosen: ReferenceWeeks) -> None:
        at = weeks.start + row
        model = self._model(weeks, at, chosen)
        observed, expected = weeks.counts[at], np.exp(model.log_mean)
        if self.compatible:
            expected = np.maximum(expected, _SMALLEST_MEAN)
        else:
            # A mean that ran to zero until the steps were stopped is not an estimate.
            expected = np.where(model.cases > 0.0, expected, np.nan)
        lower, upper, p_value = power_limit(
            observed,
            expected,
            model.dispersion,
            model.standard_error,
            power=self.power,
            alpha=self.alpha / 2.0 if self.compatible else self.alpha,
        )
        least, newest = self.minimum_cases
        recent = weeks.counts[max(at - newest + 1, 0) : at + 1]
        # R's sum over a missing week is missing, and so are limit and alarm.
        cut = np.isnan(recent).any(axis=0) & self.compatible
        enough: Bools = (recent.sum(axis=0) if self.compatible else np.nansum(recent, axis=0)) >= least
        fitted = ~np.isnan(upper)
        if self.compatible:
            upper = np.where(cut, np.nan, np.where(enough, upper, 0.0))
            fitted &= ~cut
        judged.expected[row], judged.lower[row], judged.upper[row] = expected, lower, upper
        judged.p_value[row], judged.score[row] = p_value, exceedance(observed, expected, upper)
        judged.alarm[row] = flag((observed > upper) & enough, fitted)
        judged.extra["median"][row], judged.extra["quantile"][row] = expected, 1.0 - p_value
        judged.extra["dispersion"][row], judged.extra["trend"][row] = model.dispersion, model.trend
        judged.why[row] = reasons(enough, model.cases, fitted, np.where(fitted, 0.0, np.nan))

    def _model(self, weeks: Weeks, at: int, chosen: ReferenceWeeks) -> _Model:
        counts = weeks.counts[chosen.rows].T
        present = ~np.isnan(counts)
        # R counts the time of this method in rows; months are not equally long.
        clock = clock_of(len(weeks.counts), None if self.compatible else weeks.dates)
        times, now = clock[chosen.rows] - clock[chosen.rows[0]], clock[at] - clock[chosen.rows[0]]
        offset: Floats | None = None
        offset_now = np.zeros(len(counts))
        if self.population_offset and weeks.population is not None:
            heads, heads_now = weeks.population[chosen.rows].T, weeks.population[at]
            # Where nobody lives, nothing can be counted per head.
            present &= heads > 0.0
            offset, offset_now = (
                np.log(np.where(present, heads, 1.0)),
                np.log(np.where(heads_now > 0.0, heads_now, np.nan)),
            )
        seasons: Ints = np.zeros(counts.shape[1], dtype=np.int64)
        model = SeasonalCounts(np.where(present, counts, 0.0), seasons, times, offset)
        past = _Past(model, present.astype(float), now, offset_now)
        if not self.trend or self.years_back < _TREND_YEARS:
            return self._fit(past, trend=False)
        straight = self._fit(past, trend=True)
        keep = (straight.slope_p < _TREND_LEVEL) & (np.exp(straight.log_mean) <= model.counts.max(axis=1))
        level = self._fit(past, trend=False)
        return straight.where(keep, level)

    def _fit(self, past: _Past, *, trend: bool) -> _Model:
        settle = not self.compatible
        fit = past.model.fit(past.present, trend=trend, settle=settle)
        if self.reweight:
            weights = outbreak_weights(past.model, fit, past.present, _RESIDUAL_THRESHOLD)
            fit = past.model.fit(weights, trend=trend, settle=settle, start=fit.slope)
        dispersion = np.maximum(fit.dispersion, 1.0)
        time_now = np.full(len(past.present), past.now)
        tested = fit.dispersion if self.compatible else dispersion
        t = np.abs(fit.slope) * np.sqrt(fit.slope_information / tested)
        return _Model(
            log_mean=fit.log_mean(time_now) + past.offset_now,
            standard_error=np.sqrt(fit.variance(time_now) * dispersion),
            dispersion=dispersion,
            trend=np.where(fit.converged, float(trend), np.nan),
            slope_p=2.0 * stats.t.sf(t, fit.residual_df),
            cases=past.model.counts.sum(axis=1),
        )


@dataclass(frozen=True, slots=True)
class _Past:
    """The reference weeks of all series."""

    model: SeasonalCounts
    present: Floats  # (n_series, n_points), 0 where missing
    now: float
    offset_now: Floats  # (n_series,)


@dataclass(frozen=True, slots=True)
class _Model:
    """One regression per series; all (n_series,)."""

    log_mean: Floats
    standard_error: Floats
    dispersion: Floats
    trend: Floats
    slope_p: Floats
    cases: Floats

    def where(self, keep: Bools, other: _Model) -> _Model:
        """The one model where `keep`, the other elsewhere."""
        return _Model(*(np.where(keep, getattr(self, name), getattr(other, name)) for name in _Model.__slots__))
