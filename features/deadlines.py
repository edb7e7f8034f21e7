"""How a case stands against its promise: how much time is left, how much is used, and how often the promise moved.

The promise is the one that stands at the landmark. Where the log moves it, as heed's own clock does when a pause ends
(`data.service_clock_store`), the promise counts as moved from when that became known. Working time is counted in a
calendar (`data.clock.WorkingCalendar`); without one, and where a moment lies outside the days it covers, the features
of working time are null: a holiday that nobody listed would count as worked.

Everything is worked out from the case's own state at the landmark (`features.case_state`) and from `landmark_at`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from data.event_log import NEVER
from features.feature import Feature, Known, Unit
from features.progress import Floats, OfLandmarks, hours_since, paused_seconds

Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NO_PROMISE: Final = "no promise was made"
_NO_LENGTH: Final = "no promise was made, or one that was past when the case was opened"
_NO_CALENDAR: Final = f"{_NO_PROMISE}, there is no working calendar, or it does not cover the moments asked about"


def _feature(name: str, unit: Unit, zh: str, en: str, null: str, known: Known = "opening") -> Feature:
    return Feature(name, "deadline", unit, (), None, zh, en, null, known)


DEADLINE_FEATURES: Final[list[Feature]] = [
    _feature(
        "hours_to_due",
        "hours",
        "距办理时限还有多少小时（负数为已超期）",
        "hours left until the promised moment, negative when it has passed",
        _NO_PROMISE,
    ),
    _feature(
        "is_overdue",
        "flag",
        "办理时限是否已过",
        "whether the promised moment has passed",
        _NO_PROMISE,
        "after_opening",
    ),
    _feature(
        "promise_used",
        "share",
        "办理时限已用占比（超过1为已超期）",
        "share of the promised time that has passed, above 1 when all of it has",
        _NO_LENGTH,
        "after_opening",
    ),
    _feature(
        "promise_used_net",
        "share",
        "扣除暂停后的办理时限已用占比",
        "share of the promised time that has passed, pauses taken out of both",
        f"{_NO_LENGTH}, or it was paused for all of the promised time",
        "after_opening",
    ),
    _feature(
        "working_hours_to_due",
        "hours",
        "距办理时限还有多少个工作小时（负数为已超期）",
        "working hours left until the promised moment, negative when it has passed",
        _NO_CALENDAR,
    ),
    _feature(
        "working_time_used",
        "share",
        "办理时限内的工作时间已用占比",
        "share of the working time up to the promised moment that has passed",
        f"{_NO_CALENDAR}, or no working time lies between the opening and the promise",
        "after_opening",
    ),
    _feature(
        "working_days_to_due",
        "days",
        "距办理时限还有几个工作日（按收班次数计，负数为已超期）",
        "closing times of working days left until the promised moment, negative when it has passed",
        _NO_CALENDAR,
    ),
    _feature(
        "hours_since_promise_change",
        "hours",
        "办理时限上次更改至今的小时数",
        "hours since the promised moment was last changed",
        "it was never changed",
        "after_opening",
    ),
    _feature(
        "promise_moved_hours",
        "hours",
        "办理时限比最初推后的小时数（负数为提前）",
        "hours by which the promised moment lies after the one promised first, negative where it lies before",
        _NO_PROMISE,
        "after_opening",
    ),
]


def deadlines(calendar: WorkingCalendar | None = None) -> dict[str, OfLandmarks]:
    """What works out each of `DEADLINE_FEATURES` from a landmarks frame, as float64 with NaN for null.

    Parameters
    ----------
    calendar : when the offices work; None: not known, and the features of working time are null
        One for all cases: a store whose offices keep different hours needs one call for the cases of each.
    """
    return {
        "hours_to_due": _hours_to_due,
        "is_overdue": _is_overdue,
        "promise_used": _promise_used,
        "promise_used_net": _promise_used_net,
        "working_hours_to_due": lambda landmarks: _working_hours_to_due(landmarks, calendar),
        "working_time_used": lambda landmarks: _working_time_used(landmarks, calendar),
        "working_days_to_due": lambda landmarks: _working_days_to_due(landmarks, calendar),
        "hours_since_promise_change": lambda landmarks: hours_since(landmarks, "promise_changed_at"),
        "promise_moved_hours": _promise_moved_hours,
    }


def _moments(landmarks: pd.DataFrame) -> tuple[Int64s, Int64s, Int64s]:
    """The opening, the landmark and the promise that stands: (n,) int64 each."""
    opened, now, due = (landmarks[name].to_numpy("int64") for name in ("opened_at", "landmark_at", "due_at"))
    return opened, now, due


def _hours_to_due(landmarks: pd.DataFrame) -> Floats:
    return -hours_since(landmarks, "due_at")


def _is_overdue(landmarks: pd.DataFrame) -> Floats:
    _opened, now, due = _moments(landmarks)
    return np.where(due < NEVER, (now > due).astype(np.float64), np.nan)


def _promise_used(landmarks: pd.DataFrame) -> Floats:
    opened, now, due = _moments(landmarks)
    return _share(now - opened, due - opened, due < NEVER)


def _promise_used_net(landmarks: pd.DataFrame) -> Floats:
    """Pauses that are over were given back to the promise when they ended, so they are taken out of its length too."""
    opened, now, due = _moments(landmarks)
    over = landmarks["paused_seconds"].to_numpy("int64")
    return _share(now - opened - paused_seconds(landmarks), due - opened - over, due < NEVER)


def _promise_moved_hours(landmarks: pd.DataFrame) -> Floats:
    first, due = (landmarks[name].to_numpy("int64") for name in ("first_due_at", "due_at"))
    return np.where(due < NEVER, (due - first) / 3600.0, np.nan)


def _working_hours_to_due(landmarks: pd.DataFrame, calendar: WorkingCalendar | None) -> Floats:
    _opened, now, due = _moments(landmarks)
    left, known = _counted(calendar, _working_seconds, now, due)
    return np.where(known, left / 3600.0, np.nan)


def _working_time_used(landmarks: pd.DataFrame, calendar: WorkingCalendar | None) -> Floats:
    opened, now, due = _moments(landmarks)
    used, known = _counted(calendar, _working_seconds, opened, now)
    promised, promise_known = _counted(calendar, _working_seconds, opened, due)
    return _share(used, promised, known & promise_known)


def _working_days_to_due(landmarks: pd.DataFrame, calendar: WorkingCalendar | None) -> Floats:
    """Ends of working days in the time from the landmark to the promise, one that falls on the promise included."""
    _opened, now, due = _moments(landmarks)
    left, known = _counted(calendar, _working_days, now, due)
    return np.where(known, left.astype(np.float64), np.nan)


def _counted(
    calendar: WorkingCalendar | None,
    count: Callable[[WorkingCalendar, Int64s, Int64s], Int64s],
    start: Int64s,
    end: Int64s,
) -> tuple[Int64s, Mask]:
    """What lies between moments by a calendar, and where it covers both; 0 elsewhere."""
    counted = np.zeros(len(start), dtype=np.int64)
    if calendar is None:
        return counted, np.zeros(len(start), dtype=bool)
    known = calendar.covers(start) & calendar.covers(end)
    counted[known] = count(calendar, start[known], end[known])
    return counted, known


def _working_seconds(calendar: WorkingCalendar, start: Int64s, end: Int64s) -> Int64s:
    return calendar.working_seconds_between(start, end)


def _working_days(calendar: WorkingCalendar, start: Int64s, end: Int64s) -> Int64s:
    until, since = (np.searchsorted(calendar.working_days.ends, moment, side="right") for moment in (end, start))
    return np.asarray(until - since, dtype=np.int64)


def _share(part: Int64s, whole: Int64s, known: Mask) -> Floats:
    """Part / whole, NaN where it is not known or the whole is not above 0."""
    share = np.full(len(part), np.nan)
    np.divide(part, whole, out=share, where=known & (whole > 0))
    return share
