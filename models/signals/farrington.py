"""Farrington flexible: what a long weekly past says about this week, for many series at once.

The method of Noufaily et al. (2013), an improvement of Farrington et al. (1996): an over-dispersed Poisson regression
on the same weeks of earlier years and on seasonal levels between them, with a straight trend where the data ask for
one, and past outbreaks weighted down.

Two modes. The *corrected* one is the default: standard errors use the regression's own dispersion, and the tail is
that of a negative binomial which carries the uncertainty of the mean. The *compatible* one follows the widely used R
package `surveillance` to the digit, its behaviours included, so that figures can be compared; see `FarringtonSettings`.

References
----------
Farrington, Andrews, Beale, Catchpole (1996), J. R. Statist. Soc. A 159:547.
Noufaily et al. (2013), Statistics in Medicine 32:1206.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy import special, stats

from data.errors import UsageError
from models.signals.glm import Bools, Floats, Ints, SeasonalCounts, outbreak_weights
from models.signals.glm_fit import SeasonalFit
from models.signals.reference_weeks import Dates, ReferenceWeeks, clock_of, reference_weeks
from models.signals.tails import smallest_count, upper_tail

Threshold = Literal["predictive", "nb_plugin", "muan", "delta"]


@dataclass(frozen=True, slots=True)
class FarringtonSettings:
    """How the past is cut and the limit is drawn.

    `threshold` says how the upper limit comes about: "predictive" (default; negative binomial whose variance adds that
    of the estimated mean), "nb_plugin" (the mean taken for certain), "muan" (the mean's own upper limit put in its
    place), "delta" (counts to the power `power`, taken for normal).

    `compatible` follows the R package where it differs; use it to compare, not to work:

    - standard error and trend's test use a dispersion from the prior weights in place of the working weights whenever
      past outbreaks are weighted down, which changes which trends are kept;
    - both, and the leverages, belong to the step before the last;
    - `score` of "nb_plugin" and "muan" measures the count and the limit from the logarithm of the mean;
    - limit and expectation are hidden where cases are too few, and a missing week among the newest counts as too few;
    - a season without a case has the limit that the regression gives a mean of almost nothing: any case is an alarm,
      or, with "muan", none ever is. The corrected mode asks what a season of as many weeks without a case leaves
      possible (Jeffreys' prior);
    - a numbered series may lack the very first week of the oldest window;
    - where the first reference week of a dated series is missing, the time of the week judged is counted from the first
      one present.
    """

    years_back: int = 5
    half_window: int = 3
    seasons: int = 10
    weeks_left_out: int = 26
    reweight: bool = True
    residual_threshold: float = 2.58
    trend: bool = True
    trend_level: float = 0.05
    population_offset: bool = False
    threshold: Threshold = "predictive"
    power: float = 2 / 3
    alpha: float = 0.005
    # At least so many cases in the current and the previous weeks together, or there is no alarm.
    minimum_cases: tuple[int, int] = (0, 4)
    compatible: bool = False


@dataclass(frozen=True, slots=True)
class FarringtonResult:
    """One number per series, all of shape (n_series,). NaN: the regression says nothing, or cases were too few."""

    observed: Floats
    expected: Floats
    lower: Floats  # the limit of the other side, at the same level
    upper: Floats
    p_value: Floats
    score: Floats
    alarm: Bools
    mean_used: Floats
    dispersion: Floats
    trend: Floats  # 1 kept, 0 dropped
    slope: Floats  # per week on the log scale; NaN without trend
    standard_error: Floats  # of the expected log mean
    cases_in_past: Floats  # in all reference weeks
    enough: Bools  # cases in the current and the previous weeks; see FarringtonSettings.minimum_cases


@dataclass(frozen=True, slots=True)
class _Model:
    """One regression per series, reduced to what a judgement needs; all (n_series,)."""

    log_mean: Floats  # of the week judged
    standard_error: Floats
    dispersion: Floats  # at least 1
    slope: Floats
    slope_p: Floats
    fitted: Bools  # the regression converged

    def put(self, rows: Ints, other: _Model) -> None:
        """Take the series `rows` from another model."""
        for name in _Model.__slots__:
            getattr(self, name)[rows] = getattr(other, name)


# A trend needs three years: over two, a line cannot be told from a difference between two seasons.
_TREND_YEARS: Final = 3
# Series judged together: enough to share the cost of a call of NumPy, few enough for their weeks to stay in the cache.
_BLOCK: Final = 1024


def farrington_flexible(
    counts: Floats,
    at: int,
    *,
    settings: FarringtonSettings = FarringtonSettings(),
    dates: Dates | None = None,
    period: int = 52,
    population: Floats | None = None,
) -> FarringtonResult:
    """Judge week `at` of every series by the weeks before it.

    Parameters
    ----------
    counts : (n_weeks, n_series) float
        NaN where a week is missing. Rows after `at` are not looked at.
    at : int
        Row of the week to judge.
    dates : (n_weeks,) datetime64[D] or None
        Starts of the weeks; the same date of earlier years is then looked up in the calendar. None: `period` rows make
        a year.
    population : (n_weeks, n_series) or None
        Needed with `population_offset`.

    Raises
    ------
    NotEnoughDataError
        If the past does not reach `years_back` years and half a window before week `at`.
    """
    if settings.population_offset and population is None:
        raise UsageError("population_offset needs a population per week and series; pass population=... .")
    reference = reference_weeks(
        at,
        years_back=settings.years_back,
        half_window=settings.half_window,
        seasons=settings.seasons,
        weeks_left_out=settings.weeks_left_out,
        dates=dates,
        period=period,
        one_short=settings.compatible,
    )
    past = _Past(
        counts,
        at,
        reference,
        clock_of(len(counts), dates),
        population if settings.population_offset else None,
        settings.compatible and dates is not None,
    )
    # Series without a case, or that run away, end in NaN; they are expected, and no reason for a warning.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        parts = [_choose_trend(block, settings) for block in past.blocks()]
        whole = _Model(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Model.__slots__))
        return _judge(counts, at, past, whole, settings)


class _Past:
    """The reference weeks of all series: which they are, and what a judgement needs of them besides the regression."""

    def __init__(
        self,
        counts: Floats,
        at: int,
        reference: ReferenceWeeks,
        clock: Floats,
        population: Floats | None,
        from_first_present: bool,
    ) -> None:
        self.counts, self.at, self.reference, self.population = counts, at, reference, population
        self.from_first_present = from_first_present
        self.times = clock[reference.rows] - clock[reference.rows[0]]
        self.now = float(clock[at] - clock[reference.rows[0]])
        n_series = counts.shape[1]
        # Cases and weeks (there are) of the season of the week judged, and cases in all reference weeks; (n_series,).
        self.in_season, self.weeks_in_season, self.cases = (np.empty(n_series) for _ in range(3))

    def blocks(self) -> Iterator[_Block]:
        """The series a block at a time, as the regression takes them."""
        n_series = self.counts.shape[1]
        # A table without series has a block without series.
        for begin in range(0, max(n_series, 1), _BLOCK):
            yield self._block(slice(begin, begin + _BLOCK))

    def _block(self, columns: slice) -> _Block:
        rows, season = self.reference.rows, self.reference.seasons == 0
        past = np.ascontiguousarray(self.counts[rows, columns].T)
        present = ~np.isnan(past)
        time_now = np.full(len(past), self.now)
        if self.from_first_present:
            # With dates, the R package counts the time of the week judged from the first value present, that of the fit
            # from the first reference week; the two differ where the first value is missing.
            time_now -= self.times[np.argmax(present, axis=1)]
        offset, offset_now = None, np.zeros(len(past))
        if self.population is not None:
            heads, heads_now = self.population[rows, columns].T, self.population[self.at, columns]
            # Where nobody lives, nothing can be counted per head.
            present &= heads > 0.0
            offset = np.log(np.where(present, heads, 1.0))
            offset_now = np.log(np.where(heads_now > 0.0, heads_now, np.nan))
        weights = None
        self.weeks_in_season[columns] = np.count_nonzero(season)
        if not present.all():
            weights = present.astype(float)
            past = np.where(present, past, 0.0)
            self.weeks_in_season[columns] = weights[:, season].sum(axis=1)
        self.in_season[columns], self.cases[columns] = past[:, season].sum(axis=1), past.sum(axis=1)
        model = SeasonalCounts(past, self.reference.seasons, self.times, offset)
        return _Block(model, weights, time_now, offset_now)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some series, as the regression takes them."""

    model: SeasonalCounts
    present: Floats | None  # (n_series, n_points) 0 where missing; None: nothing is
    time_now: Floats  # (n_series,)
    offset_now: Floats  # (n_series,)

    def rows(self, rows: Ints) -> _Block:
        """The same for some of the series."""
        present = None if self.present is None else self.present[rows]
        return _Block(self.model.rows(rows), present, self.time_now[rows], self.offset_now[rows])


def _choose_trend(past: _Block, settings: FarringtonSettings) -> _Model:
    """Keep the trend where it is significant and does not lead beyond what was ever seen; drop it elsewhere."""
    if not settings.trend or settings.years_back < _TREND_YEARS:
        return _fit(past, settings, trend=False)
    straight = _fit(past, settings, trend=True)
    significant = straight.slope_p < settings.trend_level
    if settings.trend_level >= 1.0:
        significant = straight.fitted
    most = past.model.counts.max(axis=1, initial=0.0)
    dropped = np.flatnonzero(~(significant & (np.exp(straight.log_mean) <= most)))
    if len(dropped):
        straight.put(dropped, _fit(past.rows(dropped), settings, trend=False))
    return straight


def _fit(past: _Block, settings: FarringtonSettings, *, trend: bool) -> _Model:
    """Fit, weight past outbreaks down, fit again; reduce to what a judgement needs."""
    settle = not settings.compatible
    fit = past.model.fit(past.present, trend=trend, settle=settle)
    if settings.reweight:
        weights = outbreak_weights(past.model, fit, past.present, settings.residual_threshold)
        fit = past.model.fit(weights, trend=trend, settle=settle, start=fit.slope)
    dispersion = np.maximum(fit.dispersion, 1.0)
    scale = _reported_dispersion(fit, settings)
    t = np.abs(fit.slope) * np.sqrt(fit.slope_information / scale)
    return _Model(
        log_mean=fit.log_mean(past.time_now) + past.offset_now,
        standard_error=np.sqrt(fit.variance(past.time_now) * scale),
        dispersion=dispersion,
        slope=fit.slope,
        slope_p=2.0 * special.stdtr(fit.residual_df, -t) if trend else np.full(len(t), np.nan),
        fitted=fit.converged,
    )


def _reported_dispersion(fit: SeasonalFit, settings: FarringtonSettings) -> Floats:
    """The dispersion behind standard errors and the trend's test."""
    if not settings.compatible:
        return np.maximum(fit.dispersion, 1.0)
    # As the R package has it: prior weights in place of the working weights, whether any week was weighted down or not.
    return fit.prior_dispersion if settings.reweight else fit.dispersion


def _judge(counts: Floats, at: int, past: _Past, model: _Model, settings: FarringtonSettings) -> FarringtonResult:
    observed = counts[at].astype(float)
    expected = np.exp(model.log_mean)
    mean_used, lower, upper, p_value = _limit(observed, expected, model, settings)
    if not settings.compatible:
        empty = model.fitted & (past.in_season == 0.0)
        nothing = _limit_of_nothing(observed, past.weeks_in_season, settings.alpha)
        mean_used, lower, upper, p_value = (
            np.where(empty, known, usual)
            for known, usual in zip(nothing, (mean_used, lower, upper, p_value), strict=True)
        )
    if settings.threshold == "delta" or not settings.compatible:
        score = (observed - expected) / (upper - expected)
    else:
        score = (observed - model.log_mean) / (upper - model.log_mean)
    least, weeks = settings.minimum_cases
    recent = counts[max(at - weeks + 1, 0) : at + 1]
    # The R package gives no alarm near a missing week; a missing week is no reason to keep quiet about the others.
    enough = (recent.sum(axis=0) if settings.compatible else np.nansum(recent, axis=0)) >= least
    alarm = (observed > upper) & (observed > 0) & enough
    lost = np.where(model.fitted, 0.0, np.nan)
    hidden = np.where(enough, 0.0, np.nan) if settings.compatible else np.zeros(len(enough))
    return FarringtonResult(
        observed=observed,
        expected=expected + hidden,
        lower=lower + hidden,
        upper=upper + hidden,
        p_value=p_value,
        score=score,
        alarm=alarm,
        mean_used=mean_used,
        dispersion=model.dispersion + lost,
        trend=(~np.isnan(model.slope)).astype(float) + lost,
        slope=model.slope,
        standard_error=model.standard_error,
        cases_in_past=past.cases,
        enough=enough,
    )


def _limit(
    observed: Floats, expected: Floats, model: _Model, settings: FarringtonSettings
) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean behind the limit, lower and upper limit, p-value."""
    if settings.threshold == "delta":
        lower, upper, p_value = power_limit(
            observed,
            expected,
            model.dispersion,
            model.standard_error,
            power=settings.power,
            alpha=settings.alpha,
        )
        return expected, lower, upper, p_value
    mean, variance = expected, model.dispersion * expected
    if settings.threshold == "muan":
        mean = np.exp(model.log_mean + stats.norm.isf(settings.alpha) * model.standard_error)
        variance = model.dispersion * mean
    if settings.threshold == "predictive":
        variance = variance + (expected * model.standard_error) ** 2
    lower, upper = (smallest_count(p, mean, variance) for p in (settings.alpha, 1.0 - settings.alpha))
    return mean, lower, upper, upper_tail(observed, mean, variance)


def power_limit(
    observed: Floats, expected: Floats, dispersion: Floats, standard_error: Floats, *, power: float, alpha: float
) -> tuple[Floats, Floats, Floats]:
    """Lower and upper limit, and p-value, of counts that are normal once raised to `power` (delta method).

    `standard_error` is that of the expected log mean; both it and the count's own spread widen the limits.
    """
    tau = dispersion + expected * standard_error**2
    spread = power * expected ** (power - 0.5) * np.sqrt(tau)
    centre = expected**power
    z = stats.norm.isf(alpha)
    lower, upper = (np.maximum(centre + sign * z * spread, 0.0) ** (1.0 / power) for sign in (-1.0, 1.0))
    return lower, upper, stats.norm.sf((observed**power - centre) / spread)


def _limit_of_nothing(observed: Floats, weeks: Floats, alpha: float) -> tuple[Floats, Floats, Floats, Floats]:
    """The same after so many weeks without any case: the posterior of a Poisson mean, from Jeffreys' prior."""
    mean = 0.5 / np.maximum(weeks, 1.0)
    variance = mean * (1.0 + 1.0 / np.maximum(weeks, 1.0))
    upper = smallest_count(1.0 - alpha, mean, variance)
    return mean, np.zeros_like(mean), upper, upper_tail(observed, mean, variance)
