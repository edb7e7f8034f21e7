"""The calendar family: on what hour and day it is, was, or falls due, by the clock on the wall of the offices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from features.feature import NEVER_NULL, Feature, Known, Unit, Use
from features.formula import Asked, Defined, Formula
from features.records import Floats

_NO_PROMISE: Final = "no promise was made"
# Saturday 0:00 in hours since Monday 0:00.
_WEEKEND: Final = 120.0


def _hour(column: str) -> Formula:
    def formula(asked: Asked) -> Floats:
        clock = asked.local(column).dt
        return np.asarray(clock.hour + clock.minute / 60, dtype=np.float64)

    return formula


def _weekday(column: str) -> Formula:
    return lambda asked: np.asarray(asked.local(column).dt.day_of_week, dtype=np.float64)


def _opened_at(formula: Callable[[str], Formula]) -> Formula:
    """The formula for the moment at which the opening became known, which an officer would call the opening.

    Landmarks that do not name it are openings themselves, or name the moment of the opening at least.
    """

    def chosen(asked: Asked) -> Floats:
        columns = asked.landmarks.columns
        otherwise = "opened_at" if "kind" in columns else "landmark_at"
        return formula("opened_known_at" if "opened_known_at" in columns else otherwise)(asked)

    return chosen


def _month(asked: Asked) -> Floats:
    return np.asarray(asked.local("landmark_at").dt.month, dtype=np.float64)


def _days_to_month_end(asked: Asked) -> Floats:
    clock = asked.local("landmark_at").dt
    return np.asarray(clock.days_in_month - clock.day, dtype=np.float64)


def _hours_to_weekend(asked: Asked) -> Floats:
    """Hours on the wall clock to Saturday 0:00, (n,); 0 on Saturdays and Sundays."""
    clock = asked.local("landmark_at").dt
    passed = clock.day_of_week * 24 + clock.hour + clock.minute / 60
    return np.maximum(_WEEKEND - np.asarray(passed, dtype=np.float64), 0.0)


def _told(
    name: str,
    unit: Unit,
    zh: str,
    en: str,
    formula: Formula,
    *,
    null: str = NEVER_NULL,
    known: Known = "opening",
    use: Use = "analysis",
) -> Defined:
    return Defined(Feature(name, "calendar", unit, (), None, zh, en, null, known, use), formula)


CALENDAR: Final[tuple[Defined, ...]] = (
    _told("due_hour", "hour", "到期的钟点", "the hour at which it falls due", _hour("due_at"),
          null=_NO_PROMISE, use="model"),
    _told("due_weekday", "weekday", "到期是星期几", "the weekday on which it falls due", _weekday("due_at"),
          null=_NO_PROMISE, use="model"),
    _told("opened_hour", "hour", "受理的钟点", "the hour at which it was opened", _opened_at(_hour),
          use="model"),
    _told("opened_weekday", "weekday", "受理是星期几", "the weekday on which it was opened",
          _opened_at(_weekday), use="model"),
    _told("landmark_hour", "hour", "评分时的钟点", "the hour at the landmark", _hour("landmark_at"),
          known="after_opening"),
    _told("landmark_weekday", "weekday", "评分时是星期几", "the weekday at the landmark", _weekday("landmark_at"),
          known="after_opening"),
    _told("landmark_month", "month", "评分时的月份", "the month of the year at the landmark", _month),
    _told("days_to_month_end", "days", "距月底的天数", "days that are left of the month at the landmark",
          _days_to_month_end),
    _told("hours_to_weekend", "hours", "距周末的小时数", "hours from the landmark to the next weekend",
          _hours_to_weekend),
)  # fmt: skip
