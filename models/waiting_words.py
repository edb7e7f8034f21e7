"""An interval of remaining time as one sentence, in Chinese and English.

The sentence is about the office's answer, never about who asked. It says how sure it is in words that mean one thing:
"most likely" is 8 in 10, "almost certainly" 19 in 20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from data.errors import UsageError

Language = Literal["zh", "en"]
Unit = Literal["hours", "days", "working_days"]

_SECONDS: Final[dict[Unit, float]] = {"hours": 3600.0, "days": 86400.0, "working_days": 86400.0}
_SURE: Final[dict[Language, dict[float, str]]] = {
    "en": {0.8: "most likely", 0.95: "almost certainly"},
    "zh": {0.8: "多半", 0.95: "几乎肯定"},
}
_UNITS: Final[dict[Language, dict[Unit, str]]] = {
    "en": {"hours": "hour", "days": "day", "working_days": "working day"},
    "zh": {"hours": "小时", "days": "天", "working_days": "个工作日"},
}
# Up to two days are told in hours.
_HOURS_UP_TO: Final = 2 * 86400.0


@dataclass(frozen=True)
class Span:
    """An interval in whole units, rounded outwards so that what is said covers what was meant.

    Attributes
    ----------
    low, high : whole units, 0 <= low <= high
    """

    low: int
    high: int
    unit: Unit


def span(lower: float, upper: float, unit: Unit | None = None) -> Span:
    """Round an interval outwards.

    Parameters
    ----------
    lower, upper : seconds, 0 <= lower <= upper; of working days, 86,400 for each
    unit : None: hours up to two days, else days
    """
    if not (0 <= lower <= upper) or not math.isfinite(upper):
        raise UsageError("Expected an interval of remaining seconds, 0 <= lower <= upper, both finite.")
    chosen: Unit = unit if unit is not None else ("hours" if upper <= _HOURS_UP_TO else "days")
    return Span(math.floor(lower / _SECONDS[chosen]), math.ceil(upper / _SECONDS[chosen]), chosen)


def interval_sentence(
    lower: float, upper: float, *, level: float = 0.8, language: Language = "en", unit: Unit | None = None
) -> str:
    """Say within what time the case is answered.

    Parameters
    ----------
    lower, upper : seconds; of working days, 86,400 for each
    level : 0.8 or 0.95, for which there are words
    unit : see `span`

    Raises
    ------
    UsageError
        When there are no words for the level or the language, or the ends are no interval.

    Examples
    --------
    >>> interval_sentence(3 * 86400, 8.2 * 86400, unit="working_days")
    'most likely answered within 3 to 9 working days'
    >>> interval_sentence(3 * 86400, 8.2 * 86400, language="zh")
    '多半在3至9天内办结'
    """
    if language not in _SURE or level not in _SURE[language]:
        raise UsageError("Expected language 'zh' or 'en' and a level of 0.8 or 0.95: for others there are no words.")
    found = span(lower, upper, unit)
    sure, name = _SURE[language][level], _UNITS[language][found.unit]
    if language == "zh":
        return f"{sure}在{_range_zh(found)}{name}内办结"
    many = "" if found.high == 1 else "s"
    return f"{sure} answered within {_range_en(found)} {name}{many}"


def _range_en(found: Span) -> str:
    # "Within 0 to 2 days" says no more than "within 2 days", and "within 1 to 1" is not said.
    return f"{found.high}" if found.low in (0, found.high) else f"{found.low} to {found.high}"


def _range_zh(found: Span) -> str:
    return f"{found.high}" if found.low in (0, found.high) else f"{found.low}至{found.high}"


def deadline_sentence(p_late: float, language: Language = "en") -> str:
    """Of 100 cases like this, how many make their deadline; agrees with every interval of the same case.

    Examples
    --------
    >>> deadline_sentence(0.38)
    'about 62 of 100 cases like this are answered by their deadline'
    """
    if not 0 <= p_late <= 1:
        raise UsageError("Expected a late risk between 0 and 1.")
    in_time = round(100 * (1 - p_late))
    if language == "zh":
        return f"类似的100件中约有{in_time}件能按期办结"
    return f"about {in_time} of 100 cases like this are answered by their deadline"
