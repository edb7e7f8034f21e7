"""Farrington flexible (Noufaily et al. 2013) behind the interface of the detectors; see models.signals.farrington."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

import numpy as np

from data.errors import NotEnoughDataError, UsageError
from models.signals.detectors.base import (
    Bools,
    Detector,
    Judged,
    Weeks,
    flag,
    one_of,
    positive,
    probability,
)
from models.signals.farrington import FarringtonResult, FarringtonSettings, Threshold, farrington_flexible

_THRESHOLDS: Final = ("predictive", "nb_plugin", "muan", "delta")
_EXTRA: Final = ("mean_used", "dispersion", "trend", "slope", "standard_error")
_FIGURES: Final = ("expected", "lower", "upper", "p_value", "score")


@dataclass(eq=False)
class FarringtonFlexible(Detector):
    """Farrington flexible.

    Attributes
    ----------
    years_back, half_window : the same week of so many earlier years, and so many weeks around it
    seasons : parts of a year with a level of their own; 1: only those windows count
    weeks_left_out : newest weeks that are left out; None: `half_window`
    reweight, residual_threshold : weight weeks down whose Anscombe residual lies above the threshold
    trend, trend_level : a straight trend, kept where its p-value is below; 1: wherever it can be fitted
    population_offset : counts are per head of `population`
    threshold, power, alpha : how the upper limit is drawn, one-sided; see FarringtonSettings
    minimum_cases : (cases, weeks): an alarm needs so many cases in so many newest weeks
    compatible : as in R, see FarringtonSettings

    Notes
    -----
    Columns besides the common ones: `mean_used` behind the limit, `dispersion`, `trend` (1 kept, 0 dropped), `slope`
    (per step, log scale; null without trend) and `standard_error` of the expected log mean.
    """

    method: ClassVar[str] = "farrington_flexible"
    r_columns: ClassVar[dict[str, str]] = {
        "alarm": "alarm",
        "upperbound": "upper",
        "expected": "expected",
        "score": "score",
        "pvalue": "p_value",
        "mu0": "mean_used",
        "phi": "dispersion",
        "trend": "trend",
        "trendCoef": "slope",
    }
    r_defaults: ClassVar[dict[str, Any]] = {
        "years_back": 5,
        "half_window": 3,
        "seasons": 1,
        "weeks_left_out": None,
        "reweight": True,
        "residual_threshold": 2.58,
        "trend": True,
        "trend_level": 0.05,
        "population_offset": False,
        "threshold": "delta",
        "power": 2 / 3,
        "alpha": 0.05,
        "minimum_cases": (5, 4),
    }

    years_back: int = 5
    half_window: int = 3
    seasons: int = 10
    weeks_left_out: int | None = 26
    reweight: bool = True
    residual_threshold: float = 2.58
    trend: bool = True
    trend_level: float = 0.05
    population_offset: bool = False
    threshold: str = "predictive"
    power: float = 2 / 3
    alpha: float = 0.005
    minimum_cases: tuple[int, int] = (0, 4)
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        one_of("threshold", self.threshold, _THRESHOLDS)
        probability("alpha", self.alpha)
        check_farrington(self.years_back, self.half_window, self.power, self.minimum_cases)
        positive("residual_threshold", self.residual_threshold)
        if self.seasons < 1:
            raise UsageError(f"seasons must be at least 1; it is {self.seasons!r}.")
        if self.weeks_left_out is not None and self.weeks_left_out < 0:
            raise UsageError(f"weeks_left_out must not be negative; it is {self.weeks_left_out!r}.")

    def settings(self) -> FarringtonSettings:
        """The parameters as the regression takes them."""
        return FarringtonSettings(
            years_back=self.years_back,
            half_window=self.half_window,
            seasons=self.seasons,
            weeks_left_out=self.half_window if self.weeks_left_out is None else self.weeks_left_out,
            reweight=self.reweight,
            residual_threshold=self.residual_threshold,
            trend=self.trend,
            trend_level=self.trend_level,
            population_offset=self.population_offset,
            threshold=cast("Threshold", self.threshold),
            power=self.power,
            alpha=self.alpha,
            minimum_cases=self.minimum_cases,
            compatible=self.compatible,
        )

    def _judge(self, weeks: Weeks) -> Judged:
        if self.population_offset and weeks.population is None:
            raise UsageError("population_offset needs a population for every week and series.")
        judged = Judged.nothing(weeks, _EXTRA)
        for row in range(len(weeks.judged)):
            try:
                found = farrington_flexible(
                    weeks.counts,
                    weeks.start + row,
                    settings=self.settings(),
                    dates=weeks.dates,
                    period=weeks.period,
                    population=weeks.population,
                )
            except NotEnoughDataError:
                judged.why[row] = "past_too_short"
            else:
                self._keep(judged, row, found)
        return judged

    def _keep(self, judged: Judged, row: int, found: FarringtonResult) -> None:
        for name in _FIGURES:
            getattr(judged, name)[row] = getattr(found, name)
        for name in _EXTRA:
            judged.extra[name][row] = getattr(found, name)
        fitted = ~np.isnan(found.dispersion)
        judged.alarm[row] = flag(found.alarm, fitted & ~np.isnan(found.upper))
        if self.compatible:
            # R says "no alarm" where it has no limit, and an expectation of 0 where it has no regression.
            judged.alarm[row] = flag(found.alarm, fitted)
            judged.expected[row] = np.where(fitted, found.expected, 0.0)
        judged.why[row] = reasons(found.enough, found.cases_in_past, fitted, found.upper)


def reasons(enough: Bools, cases: Any, fitted: Bools, upper: Any) -> Any:
    """Why a regression says nothing, or gives no alarm, of one week; (n_series,) of codes and None."""
    why = np.full(len(enough), None, dtype=object)
    why[~enough] = "few_cases"
    why[np.isnan(upper) & enough] = "not_settled"
    why[~fitted] = "not_settled"
    why[~fitted & (cases == 0.0)] = "no_cases_in_past"
    return why


def check_farrington(years_back: int, half_window: int, power: float, minimum_cases: tuple[int, int]) -> None:
    """Refuse what neither regression can be asked for."""
    if years_back < 1 or half_window < 0:
        raise UsageError(
            f"years_back must be at least 1 and half_window not negative; they are {years_back!r} and {half_window!r}."
        )
    if not 0.0 < power <= 1.0:
        raise UsageError(f"power must lie above 0 and be at most 1, for example 2/3; it is {power!r}.")
    if len(minimum_cases) != 2 or minimum_cases[0] < 0 or minimum_cases[1] < 1:
        raise UsageError("minimum_cases is (cases, weeks), for example (5, 4): 5 cases in the newest 4 weeks.")
