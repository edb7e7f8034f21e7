"""Which detector a series gets when nobody names one: by its weeks of past and its counts.

One table, `RULES`, read from the top; the first line that fits is taken. It rests on false alarms counted over
thousands of simulated series in which nothing happens, with counts that vary as chance makes them ("calm") or twice as
much ("restless"):

- From 110 weeks on, two years before the six newest, the seasonal regression on the whole past, two newest weeks
  together, at 0.005 raises 0.2 to 0.8 % false alarms over calm and restless series of 0.1 to 20 cases a week with a
  season, where Farrington flexible raises 0.2 to 1.0 % and the predictive distribution of the same weeks of earlier
  years (Bayes) 0.4 to 3.5 %; with levels that wander within the season too, 0.2 to 0.8 % against 0.3 to 1.2 % and 0.5
  to 20 %. (Shares of 1,560 weeks each: +-0.2 %.) Over the 42 scenarios of Noufaily et al. it finds more as well; see
  tests/benchmarks/signals_scenarios.py.
- Those figures are of long pasts. Over pasts of 112 weeks (0.03 to 30 cases a week, dispersion 1 to 5, with and without
  a season, 150 to 200 pasts each) its share is 0.1 to 0.9 %, that of Farrington flexible 0.2 to 2.4 %; p-values at or
  below 1e-4 come 0 to 3 times as often as they say (10 times in one case of 28), those of Farrington flexible at one
  case a week 14 times with a dispersion of 3 and 43 times with one of 5. Of outbreaks like those of the scenarios the
  regression finds 52 %, Farrington flexible 45 %, Bayes with every dispersion weighed 28 %; with a threshold for 0.5 %
  false alarms each, 55, 45 and 37 %. Below 123 weeks the regression is made anew every week: it could reach only as far
  as a year and three quarters otherwise. Months are the same: from 30 on 0.1 to 0.8 %, where Farrington flexible, made
  for weeks, says nothing up to 36 and raises up to 4 % with 43.
- It trusts its past, though: where the level has doubled a year ago, half of all weeks are alarms (Farrington
  flexible: one in six). Such a series is taken as one whose past began with the newest half-year. A year or more
  without any case before the first one, where what follows makes that all but impossible, is a time before anything was
  counted, as when weeks without a row are given as zeros: the past begins with the first case.
- With less no season can be told from a rise. The predictive distribution of comparable weeks (Bayes) takes them for
  Poisson counts, as published: over series with a dispersion of 3 to 5 it raises 0.6 to 10 % false alarms, and p-values
  at or below 1e-4 come 26 to 447 times as often as they say (EARS C2, which estimates the spread of half a year, 1.2 to
  2.7 % and 50 to 150 times). With every dispersion weighed (`models.signals.few_cases`) it raises 0.00 to 0.24 % over
  calm series and 0.05 to 0.93 % over those, and such p-values come at most 1.3 times as often below 0.3 cases a week,
  2.2 times above. (Pasts of 16, 60 and 118 weeks, 0.03 to 10 cases a week, 400 pasts each, the law of the newest week
  added up exactly.) Thick series may vary as much as their mean allows: with 1,000 cases a week and a dispersion of 100
  0.6 % are false alarms, where a grid up to 12 had 17 %. Calm series pay for weighing: at three cases a week the
  smallest rise found in four weeks is three to four times the usual instead of three.
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
# Two years, and the newest weeks that the regression leaves out.
_SEASONAL_WEEKS: Final = 110
# Steps more from which on a past that grows by a quarter at a time is two years long as well.
_A_QUARTER: Final = 13
# A level has moved where half a year differs from the same weeks of earlier years by so many standard errors, and by a
# quarter, more than the trend of the years explains.
_MOVED_ERRORS: Final = 4.0
_MOVED_SHARE: Final = 0.25
# So improbable must a time without any case be to be a time before anything was counted.
_NEVER_COUNTED: Final = 1e-6
# What a step of a series is called, by the steps of a year.
_UNITS: Final = {52: "week", 12: "month", 365: "day"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A line fits where all of its conditions hold."""

    code: str
    method: str | None
    reason: str
    least_weeks: int = 0  # with a count
    params: dict[str, Any] = field(default_factory=dict)


RULES: Final = (
    Rule(
        "years_of_past",
        "seasonal",
        "{weeks} {unit}s of past and {mean:.2f} cases a {unit}: compared with the season, trend and level of all of "
        "them, the two newest {unit}s together",
        least_weeks=_SEASONAL_WEEKS,
        params={"alpha": _LEVEL},
    ),
    Rule(
        "months_of_past",
        "bayes",
        "{weeks} {unit}s of past, too few for a season: compared with the newest {unit}s, by a law that weighs whether "
        "cases come singly or in groups",
        least_weeks=10,
        params={"years_back": 0, "this_year": True, "alpha": _LEVEL, "dispersion": "weighed"},
    ),
    Rule("too_short", None, "{weeks} {unit}{s} of past; ten are needed to tell a level from its noise"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a series gets: `method` None means that nothing can be said of it yet."""

    method: str | None
    params: dict[str, Any]
    code: str
    reason: str
    begins: int = 0  # row of the past from which on it was counted; what lies before is to be left out


def step_called(period: int) -> str:
    """What a step of a series is called in English, by the steps of a year."""
    return _UNITS.get(period, "step")


def choose(past: Floats, period: int = 52) -> Choice:
    """Choose by the past of one series; (n_weeks,) counts, NaN where missing, without the weeks to judge.

    Weeks without a count do not count as past, neither before the first one nor between. `period` is the number of
    steps a year; reasons call a step a week (52), a month (12), a day (365) or, of other periods, a step.
    """
    unit = step_called(period)
    begins = first_counted(past, period)
    if begins:
        later = choose(past[begins:], period)
        reason = (
            f"{begins} {unit}s without any case before its first one, when it was not counted yet, and {later.reason}"
        )
        return replace(later, begins=begins + later.begins, reason=reason)
    if moved_level(past, period):
        newest = choose(past[-_HALF_YEAR:], period)
        known = int((~np.isnan(past)).sum())
        return replace(
            newest, reason=f"its level has moved within two years, so of {known} {unit}s only {newest.reason}"
        )
    counts = past[~np.isnan(past)]
    weeks = len(counts)
    mean = float(counts.mean()) if len(counts) else 0.0
    rule = next(rule for rule in RULES if weeks >= _least_steps(rule, period))
    reason = rule.reason.format(weeks=weeks, mean=mean, unit=unit, s="" if weeks == 1 else "s")
    if rule.method == "seasonal" and counts.sum() <= FEW:
        reason += f"; {counts.sum():.0f} cases cannot tell whether they come in groups, which is allowed for"
    params = dict(rule.params)
    if rule.method == "seasonal" and weeks < _least_steps(rule, period) + _A_QUARTER:
        params["refit_every"] = 1
    elif rule.method == "bayes":
        params["half_window"] = min(weeks, _HALF_YEAR)
    return Choice(rule.method, params, rule.code, reason)


def _least_steps(rule: Rule, period: int) -> int:
    """Steps that a rule needs; `seasonal` needs two years in steps of the series' own length, and the newest six."""
    return rule.least_weeks - 2 * 52 + 2 * period if rule.method == "seasonal" else rule.least_weeks


def first_counted(past: Floats, period: int = 52) -> int:
    """Row of the first case, where a year or more without any lies before it that can hardly be chance; else 0.

    Chance puts each case, or group of cases, anywhere in the past; that none is put before the first one is as
    improbable as the time since it is short. Less than half a year since then may be an outbreak: 0.
    """
    some = np.flatnonzero(past > 0.0)
    if not len(some):
        return 0
    known = ~np.isnan(past)
    empty, later = int(known[: some[0]].sum()), past[some[0] :][known[some[0] :]]
    if empty < period or len(later) < _HALF_YEAR:
        return 0
    groups = float(later[1:].sum()) / _dispersion(later)
    chance = groups * np.log(len(later) / (empty + len(later)))
    return int(some[0]) if chance < np.log(_NEVER_COUNTED) else 0


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
    for lag in (1, 2):
        then = past[len(past) - lag * period - _HALF_YEAR : len(past) - lag * period]
        both = ~np.isnan(newest) & ~np.isnan(then)
        if both.any() and (_differ(newest[both], then[both], lag * slope) or _out_of_nothing(newest[both], then[both])):
            return True
    return False


def _differ(now: Floats, then: Floats, drift: float) -> bool:
    """Whether two stretches of as many weeks differ in level by more than chance, and `drift` (log scale), explain."""
    cases, before = float(now.sum()) + 0.5, float(then.sum()) + 0.5
    errors = np.sqrt(_dispersion(now) * (1.0 / cases + 1.0 / before))
    return bool(abs(np.log(cases / before) - drift) > max(_MOVED_ERRORS * errors, np.log1p(_MOVED_SHARE)))


def _out_of_nothing(now: Floats, then: Floats) -> bool:
    """Whether both halves of the newest stretch hold cases where there was none: no standard error tells that.

    Were the level the same, each group of cases would be as likely to lie in one stretch as in the other. Both halves,
    for a rise of the newest weeks is what the detectors are there for.
    """
    if then.any():
        return False
    half = len(now) // 2
    groups = min(float(part.sum()) for part in (now[:half], now[half:])) / _dispersion(now)
    return bool(2.0 * groups * np.log(2.0) > _MOVED_ERRORS**2)


def _dispersion(counts: Floats) -> float:
    """Variance over mean, 1 at least."""
    usual = float(counts.mean())
    return max(float(counts.var()) / usual, 1.0) if usual > 0.0 else 1.0
