"""A plan in plain words, Chinese and English: what is found, how soon, how often, and at what price."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from data.errors import UsageError
from models.signals.planner import LARGEST_RISE, Plan

Language = Literal["zh", "en"]
_LANGUAGES: Final = ("zh", "en")
# Beyond so many years nothing can be said from a simulation of some hundred records.
_MOST_YEARS: Final = 100
# What one step of the record is called, by how many make a year: one of them, several, and in Chinese.
_STEPS: Final = {52: ("week", "weeks", "周"), 12: ("month", "months", "个月"), 365: ("day", "days", "天")}
_STEP: Final = ("step", "steps", "期")


def plan_sentence(plan: Plan, *, language: Language) -> str:
    """The finding in one sentence.

    Examples
    --------
    With counts like these (5.0 a week), a rise to 2.7 times the usual is found within 4 weeks in 8 of 10 cases, at
    about one false alarm in 3 years.
    """
    _check(language)
    smallest = plan.smallest_rise()[0]
    price = alarms_told(plan.years_between_false_alarms(), language=language)
    share = _share(plan.power, language)
    usual = _figure(plan.usual)
    within = steps_told(plan.weeks, plan.period, language=language)
    if language == "en":
        start = f"With counts like these ({usual} a {_STEPS.get(plan.period, _STEP)[0]}), "
        if np.isnan(smallest):
            rise = f"not even a rise to {LARGEST_RISE:g} times"
        else:
            rise = f"a rise to {_figure(smallest)} times"
        return f"{start}{rise} the usual is found within {within} {share}, at {price}."
    start = f"以这样的数量（每{_STEPS.get(plan.period, _STEP)[2].removeprefix('个')}约{usual}件），"
    if np.isnan(smallest):
        chance = f"{within}内被发现的可能也不到{100.0 * plan.power:g}%"
        return f"{start}即使升至平常的{LARGEST_RISE:g}倍，{chance}；{price}。"
    return f"{start}升至平常的{_figure(smallest)}倍时，{share}能在{within}内被发现；{price}。"


def doubt_sentence(plan: Plan, *, language: Language) -> str | None:
    """How sure the smallest rise is; None where no interval was worked out or there is nothing to be sure of."""
    _check(language)
    smallest, low, high = plan.smallest_rise()
    if np.isnan(smallest) or np.isnan(low):
        return None
    weeks = steps_told(plan.weeks_of_past, plan.period, language=language)
    if np.isnan(high):
        return {
            "en": f"{weeks} leave that open: {_figure(low)} times at least, and perhaps no rise at all.",
            "zh": f"{weeks}的数量还不足以确定：至少{_figure(low)}倍，也可能任何升高都发现不了。",
        }[language]
    return {
        "en": f"As far as {weeks} of counts tell, it is {_figure(low)} to {_figure(high)} times (80 % sure).",
        "zh": f"就{weeks}的数量而言，应在{_figure(low)}至{_figure(high)}倍之间（把握80%）。",
    }[language]


def steps_told(steps: int, period: int, *, language: Language) -> str:
    """A number of steps of a record, of which `period` make a year, in words.

    >>> steps_told(4, 12, language="en")
    '4 months'
    """
    _check(language)
    one, several, chinese = _STEPS.get(period, _STEP)
    return f"{steps}{chinese}" if language == "zh" else f"{steps} {one if steps == 1 else several}"


def alarms_told(years_between: float, *, language: Language) -> str:
    """How often a false alarm comes, of one series, in words."""
    _check(language)
    english = language == "en"
    if years_between > _MOST_YEARS:
        return f"less than one false alarm in {_MOST_YEARS} years" if english else f"{_MOST_YEARS}年内误报不到一次"
    if years_between >= 1.5:
        years = round(years_between)
        return f"about one false alarm in {years} years" if english else f"约每{years}年误报一次"
    times = round(1.0 / years_between)
    if times <= 1:
        return "about one false alarm a year" if english else "约每年误报一次"
    return f"about {times} false alarms a year" if english else f"约每年误报{times}次"


def _share(power: float, language: Language) -> str:
    tenths = power * 10.0
    if abs(tenths - round(tenths)) < 1e-6:
        return f"in {round(tenths)} of 10 cases" if language == "en" else f"10次中有{round(tenths)}次"
    return f"in {100.0 * power:g} % of cases" if language == "en" else f"有{100.0 * power:g}%的把握"


def _figure(value: float) -> str:
    return f"{value:.2g}" if value < 1.0 else f"{value:.1f}" if value < 10.0 else f"{value:.0f}"


def _check(language: str) -> None:
    if language not in _LANGUAGES:
        raise UsageError("Expected the language 'zh' or 'en'.")
