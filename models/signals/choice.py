"""Which detector a series gets when nobody names one: by its weeks of past and its counts.

One table, `RULES`, read from the top; the first line that fits is taken. It rests on false alarms counted over
thousands of simulated series in which nothing happens, with counts that vary as chance makes them ("calm") or twice as
much ("restless"):

- From 123 weeks on the seasonal regression on the whole past, two newest weeks together, at 0.005 raises 0.2 to 0.8 %
  false alarms over calm and restless series of 0.1 to 20 cases a week with a season, where Farrington flexible raises
  0.2 to 1.0 % and the predictive distribution of the same weeks of earlier years (Bayes) 0.4 to 3.5 %; with levels
  that wander within the season too, 0.2 to 0.8 % against 0.3 to 1.2 % and 0.5 to 20 %. (Shares of 1,560 weeks each:
  +-0.2 %.) Over the 42 scenarios of Noufaily et al. it finds more as well; see tests/benchmarks/signals_scenarios.py.
- It trusts its past, though: where the level has doubled a year ago, half of all weeks are alarms (Farrington
  flexible: one in six). Such a series is taken as one whose past began with the newest half-year.
- With two years and less than 123 weeks, from a case a week on, Farrington flexible at 0.005 raises 0.2 to 0.3 % false
  alarms over calm series and 0.9 to 1.2 % over those with a dispersion of 3 to 5; its p-values at or below 1e-4 come
  there 4 to 9 times as often as they say.
- Thinner series leave whole seasons without a case, and with less than two years no season can be told from a rise.
  The predictive distribution of comparable weeks (Bayes) takes them for Poisson counts, as published: over series with
  a dispersion of 3 to 5 it raises 0.6 to 10 % false alarms, and p-values at or below 1e-4 come 26 to 447 times as often
  as they say (EARS C2, which estimates the spread of half a year, 1.2 to 2.7 % and 50 to 150 times). With every
  dispersion weighed (`models.signals.few_cases`) it raises 0.00 to 0.24 % over calm series and 0.05 to 0.93 % over
  those, and such p-values come at most 1.3 times as often below 0.3 cases a week, 2.2 times above. (Pasts of 16, 60 and
  118 weeks, 0.03 to 10 cases a week, 400 pasts each, the law of the newest week added up exactly.) Calm series pay for
  it: at three cases a week the smallest rise found in four weeks is three to four times the usual instead of three.
- That ten weeks are needed is a judgement: fewer do not say what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.signals.few_cases import FEW

Floats = NDArray[np.float64]

_LEVEL: Final = 0.005
_HALF_YEAR: Final = 26
# Two years, the newest weeks that the regression leaves out, and the quarter by which its past grows.
_SEASONAL_WEEKS: Final = 123
# A level has moved where half a year differs from the same weeks of earlier years by so many standard errors, and by a
# quarter, more than the trend of the years explains.
_MOVED_ERRORS: Final = 4.0
_MOVED_SHARE: Final = 0.25
# What a step of a series is called, by the steps of a year.
_UNITS: Final = {52: "week", 12: "month", 365: "day"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A line fits where all of its conditions hold."""

    code: str
    method: str | None
    reason: str
    least_weeks: int = 0  # with a count
    least_years: int = 0  # of the series' own calendar, with half a window in hand
    least_mean: float = 0.0  # cases a week
    params: dict[str, Any] = field(default_factory=dict)


RULES: Final = (
    Rule(
        "years_of_past",
        "seasonal",
        "{weeks} {unit}s of past and {mean:.2f} cases a {unit}: compared with the season, trend and level of all of "
        "them, the two newest {unit}s together",
        least_weeks=_SEASONAL_WEEKS,
        least_years=2,
        params={"alpha": _LEVEL},
    ),
    Rule(
        "two_years_of_past",
        "farrington_flexible",
        "{years} years of past and {mean:.1f} cases a {unit}: compared with the same {unit}s of those years",
        least_weeks=10,
        least_years=2,
        least_mean=1.0,
        params={"alpha": _LEVEL},
    ),
    Rule(
        "thin_counts",
        "bayes",
        "{years} years of past, but only {mean:.2f} cases a {unit}: compared with the same {unit}s of those years "
        "and the newest, by a law that is exact for few cases, whether they come singly or in groups",
        least_weeks=10,
        least_years=2,
        params={"half_window": 3, "this_year": True, "alpha": _LEVEL, "dispersion": "weighed"},
    ),
    Rule(
        "months_of_past",
        "bayes",
        "{weeks} {unit}s of past, too few for a season: compared with the newest {unit}s, by a law that is exact for "
        "few cases, whether they come singly or in groups",
        least_weeks=10,
        params={"years_back": 0, "this_year": True, "alpha": _LEVEL, "dispersion": "weighed"},
    ),
    Rule("too_short", None, "{weeks} {unit}s of past; ten are needed to tell a level from its noise"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a series gets: `method` None means that nothing can be said of it yet."""

    method: str | None
    params: dict[str, Any]
    code: str
    reason: str


def choose(past: Floats, period: int = 52) -> Choice:
    """Choose by the past of one series; (n_weeks,) counts, NaN where missing, without the weeks to judge.

    Weeks without a count do not count as past, neither before the first one nor between. `period` is the number of
    steps a year; reasons call a step a week (52), a month (12), a day (365) or, of other periods, a step.
    """
    unit = _UNITS.get(period, "step")
    if moved_level(past, period):
        newest = choose(past[-_HALF_YEAR:], period)
        known = int((~np.isnan(past)).sum())
        return replace(
            newest, reason=f"its level has moved within two years, so of {known} {unit}s only {newest.reason}"
        )
    counts = past[~np.isnan(past)]
    weeks = len(counts)
    mean = float(counts.mean()) if len(counts) else 0.0
    years = _years(weeks, period)
    rule = next(
        rule
        for rule in RULES
        if weeks >= _least_steps(rule, period) and years >= rule.least_years and mean >= rule.least_mean
    )
    if rule.method == "farrington_flexible":
        # It takes what there is of every year; Bayes says nothing where half of the weeks have no count.
        years = _years(len(past) - int(np.flatnonzero(~np.isnan(past))[0]), period)
    reason = rule.reason.format(weeks=weeks, years=years, mean=mean, unit=unit)
    if rule.method == "seasonal" and counts.sum() <= FEW:
        reason += f"; {counts.sum():.0f} cases cannot tell whether they come in groups, which is allowed for"
    params = dict(rule.params)
    if rule.method in ("farrington_flexible", "bayes") and rule.least_years:
        params["years_back"] = years
    elif rule.method == "bayes":
        params["half_window"] = min(weeks, _HALF_YEAR)
    return Choice(rule.method, params, rule.code, reason)


def _least_steps(rule: Rule, period: int) -> int:
    """Steps that a rule needs; `seasonal` needs its years in steps of the series' own length, and a little more."""
    needed = rule.least_weeks
    return max(needed, needed - 2 * 52 + 2 * period) if rule.method == "seasonal" else needed


def moved_level(past: Floats, period: int = 52) -> bool:
    """Whether the newest half-year lies far from the same weeks one or two years earlier, beyond the years' trend.

    False where there are less than two and a half years of past, for then no earlier year says what is usual.
    """
    newest = past[-_HALF_YEAR:]
    if len(past) < 2 * period + _HALF_YEAR or np.isnan(newest).all():
        return False
    years = len(past) // period
    whole = past[len(past) - years * period :].reshape(years, period)
    with np.errstate(invalid="ignore"):
        level = np.log(np.nansum(whole, axis=1) / np.maximum((~np.isnan(whole)).sum(axis=1), 1) + 0.5 / period)
    slope = float(np.median(np.diff(level)))
    usual = float(np.nanmean(newest))
    dispersion = max(float(np.nanvar(newest)) / usual, 1.0) if usual > 0.0 else 1.0
    for lag in (1, 2):
        then = past[len(past) - lag * period - _HALF_YEAR : len(past) - lag * period]
        both = ~np.isnan(newest) & ~np.isnan(then)
        if both.any():
            now, before = float(newest[both].sum()) + 0.5, float(then[both].sum()) + 0.5
            step = abs(np.log(now / before) - lag * slope)
            if step > max(_MOVED_ERRORS * np.sqrt(dispersion * (1.0 / now + 1.0 / before)), np.log1p(_MOVED_SHARE)):
                return True
    return False


def _years(weeks: int, period: int) -> int:
    # A calendar year is a day longer than 52 weeks, and a window reaches three weeks beyond it.
    return min((weeks - 4) // period, 5) if weeks > 4 else 0
