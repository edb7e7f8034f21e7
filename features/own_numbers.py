"""What one case's own record says at a landmark, in plain numbers: features that ask nothing of the city.

Each is the formula of the catalogue (`features.progress`, `features.deadlines`, `features.calendar_features`) for one
case, without a table; one that is not listed here is worked out by its formula. They are compared with the formulas
for every feature and random cases, to the bit: a formula that is changed fails there until its twin is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from data.clock import WorkingCalendar
from data.event_log import NEVER
from data.schema import EventKind
from features.case_state import STEPS
from features.one_case import OneCase

_NULL: Final = float("nan")
_WEEKEND: Final = 120.0


class OneCalendar:
    """Working time between two moments, as `WorkingCalendar` counts it, by binary search in plain lists."""

    def __init__(self, calendar: WorkingCalendar) -> None:
        stretches = calendar.intervals
        self._starts: list[int] = stretches.starts.tolist()
        self._ends: list[int] = stretches.ends.tolist()
        before, self._before = 0, [0]
        for start, end in zip(self._starts, self._ends, strict=True):
            before += end - start
            self._before.append(before)
        self._day_ends: list[int] = calendar.working_days.ends.tolist()
        self._first, self._last = int(calendar.midnights[0]), int(calendar.midnights[-1])

    def covers(self, moment: int) -> bool:
        """Whether a moment lies inside the covered dates."""
        return self._first <= moment <= self._last

    def seconds(self, start: int, end: int) -> int:
        """Working seconds in `[start, end)`, negative where `end` is the earlier."""
        return self._seconds_before(end) - self._seconds_before(start)

    def days(self, start: int, end: int) -> int:
        """Ends of working days after `start`, up to and with `end`."""
        return bisect_right(self._day_ends, end) - bisect_right(self._day_ends, start)

    def _seconds_before(self, moment: int) -> int:
        place = bisect_right(self._starts, moment)
        return self._before[place] - (max(self._ends[place - 1] - moment, 0) if place else 0)


class OneLandmark:
    """A case at a moment.

    Attributes
    ----------
    case : its state
    at : seconds in UTC
    zone : the clock of the city
    calendar : when the offices work; None where that is not known
    """

    __slots__ = ("at", "calendar", "case", "zone")

    def __init__(self, case: OneCase, at: int, zone: ZoneInfo, calendar: OneCalendar | None) -> None:
        self.case, self.at, self.zone, self.calendar = case, at, zone, calendar

    @property
    def paused(self) -> int:
        """Seconds for which the case has been paused, the pause that goes on included."""
        since = self.case.paused_since
        return self.case.paused_seconds + (self.at - since if since < NEVER else 0)

    @property
    def passed(self) -> float:
        """Share of the promised time that has passed, as `features.starts.share_passed`."""
        return share_passed(self.case, self.at)

    def clock(self, moment: int) -> Clock:
        """A moment on the local clock."""
        return _clock(moment, self.zone)


def share_passed(case: OneCase, at: int) -> float:
    """Share of the promised time that has passed, as `features.starts.share_passed`; 0.0 where nothing is promised."""
    opened, due = case.opened_at, case.due_at
    return 0.0 if due >= NEVER else min(max((at - opened) / max(due - opened, 1), 0.0), 1.0)


class Clock(NamedTuple):
    """Hours since midnight, by whole minutes; the day of the week (Monday is 0); hours since the week began."""

    hour: float
    weekday: int
    week_hour: float


# Most cases of a city are opened in office hours and promised until the end of a day.
@lru_cache(maxsize=65_536)
def _clock(moment: int, zone: ZoneInfo) -> Clock:
    found = datetime.fromtimestamp(moment, zone)
    day = found.weekday()
    return Clock(found.hour + found.minute / 60, day, day * 24 + found.hour + found.minute / 60)


Number = Callable[[OneLandmark], float]


def _since(column: str) -> Number:
    def found(mark: OneLandmark) -> float:
        since: int = getattr(mark.case, column)
        return (mark.at - since) / 3600.0 if since < NEVER else _NULL

    return found


def _count(column: str) -> Number:
    def found(mark: OneLandmark) -> float:
        return float(getattr(mark.case, column))

    return found


def _step(code: int) -> Number:
    def found(mark: OneLandmark) -> float:
        return 1.0 if mark.case.stage == code else 0.0

    return found


def _hour(column: str) -> Number:
    def found(mark: OneLandmark) -> float:
        moment: int = getattr(mark.case, column)
        if moment >= NEVER:
            return _NULL
        return mark.clock(moment).hour

    return found


def _weekday(column: str) -> Number:
    def found(mark: OneLandmark) -> float:
        moment: int = getattr(mark.case, column)
        return float(mark.clock(moment).weekday) if moment < NEVER else _NULL

    return found


def _hours_to_due(mark: OneLandmark) -> float:
    return -((mark.at - mark.case.due_at) / 3600.0) if mark.case.due_at < NEVER else _NULL


def _is_overdue(mark: OneLandmark) -> float:
    if mark.case.due_at >= NEVER:
        return _NULL
    return 1.0 if mark.at > mark.case.due_at else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else _NULL


def _promise_used(mark: OneLandmark) -> float:
    opened, due = mark.case.opened_at, mark.case.due_at
    return _share(mark.at - opened, due - opened) if due < NEVER else _NULL


def _promise_used_net(mark: OneLandmark) -> float:
    opened, due = mark.case.opened_at, mark.case.due_at
    if due >= NEVER:
        return _NULL
    return _share(mark.at - opened - mark.paused, due - opened - mark.case.paused_seconds)


def _promise_moved(mark: OneLandmark) -> float:
    due = mark.case.due_at
    return (due - mark.case.first_due_at) / 3600.0 if due < NEVER else _NULL


def _working_hours_to_due(mark: OneLandmark) -> float:
    calendar, due = mark.calendar, mark.case.due_at
    if calendar is None or not (calendar.covers(mark.at) and calendar.covers(due)):
        return _NULL
    return calendar.seconds(mark.at, due) / 3600.0


def _working_time_used(mark: OneLandmark) -> float:
    calendar, opened, due = mark.calendar, mark.case.opened_at, mark.case.due_at
    if calendar is None or not (calendar.covers(opened) and calendar.covers(mark.at) and calendar.covers(due)):
        return _NULL
    return _share(calendar.seconds(opened, mark.at), calendar.seconds(opened, due))


def _working_days_to_due(mark: OneLandmark) -> float:
    calendar, due = mark.calendar, mark.case.due_at
    if calendar is None or not (calendar.covers(mark.at) and calendar.covers(due)):
        return _NULL
    return float(calendar.days(mark.at, due))


def _landmark_hour(mark: OneLandmark) -> float:
    return mark.clock(mark.at).hour


def _hours_to_weekend(mark: OneLandmark) -> float:
    return max(_WEEKEND - mark.clock(mark.at).week_hour, 0.0)


_HOURS: Final = {
    "hours_since_last_event": "last_event_at",
    "hours_at_office": "office_since",
    "hours_since_reopening": "reopened_at",
    "hours_since_promise_change": "promise_changed_at",
}
_COUNTS: Final = {
    "events_so_far": "events",
    "is_open": "is_open",
    "times_handed_over": "handovers",
    "times_handed_up": "handed_up",
    "times_returned": "returns",
    "times_reopened": "reopened",
    "times_replied": "replies",
    "times_paused": "pauses",
    "promise_changes": "promise_changes",
}
_STEPS: Final = {f"last_step_{kind.value}": STEPS.index(kind) for kind in EventKind}

# Feature of the catalogue -> its value at a landmark; NaN for null. These look at the case's moments `opened_at` and
# `due_at` alone, and so are the same for every case that was opened and is promised at the same moments.
PROMISE_NUMBERS: Final[Mapping[str, Number]] = {
    "hours_since_opening": _since("opened_at"),
    "hours_to_due": _hours_to_due,
    "is_overdue": _is_overdue,
    "promise_used": _promise_used,
    "working_hours_to_due": _working_hours_to_due,
    "working_time_used": _working_time_used,
    "working_days_to_due": _working_days_to_due,
    "due_hour": _hour("due_at"),
    "due_weekday": _weekday("due_at"),
    "landmark_hour": _landmark_hour,
    "landmark_weekday": lambda mark: float(mark.clock(mark.at).weekday),
    "hours_to_weekend": _hours_to_weekend,
}
# These look at what has happened to the case since.
RECORD_NUMBERS: Final[Mapping[str, Number]] = {
    **{name: _since(column) for name, column in _HOURS.items()},
    **{name: _count(column) for name, column in _COUNTS.items()},
    **{name: _step(code) for name, code in _STEPS.items()},
    "hours_paused": lambda mark: mark.paused / 3600.0,
    "is_paused": lambda mark: 1.0 if mark.case.paused_since < NEVER else 0.0,
    "promise_used_net": _promise_used_net,
    "promise_moved_hours": _promise_moved,
    "opened_hour": _hour("opened_known_at"),
    "opened_weekday": _weekday("opened_known_at"),
}
OWN_NUMBERS: Final[Mapping[str, Number]] = {**PROMISE_NUMBERS, **RECORD_NUMBERS}


class RecordNumbers:
    """Chosen `RECORD_NUMBERS`, of one case after another: those that are read off are read off at once.

    Parameters
    ----------
    names : features; the others among them are left out

    Attributes
    ----------
    names : those that are worked out, in the order of the values
    """

    def __init__(self, names: Sequence[str]) -> None:
        read = [name for name in names if name in _COUNTS]
        waited = [name for name in names if name in _HOURS]
        stepped = [name for name in names if name in _STEPS]
        others = [name for name in names if name in RECORD_NUMBERS and name not in {*read, *waited, *stepped}]
        self.names = (*read, *waited, *stepped, *others)
        self._read = len(read)
        # With a column more, since of a single one there would be no tuple.
        columns = [_COUNTS[name] for name in read] + [_HOURS[name] for name in waited]
        self._columns = attrgetter(*columns, "stage", "is_open")
        self._no_step = [0.0] * len(stepped)
        self._step_at = {_STEPS[name]: place for place, name in enumerate(stepped)}
        self._others = tuple(RECORD_NUMBERS[name] for name in others)

    def of(self, mark: OneLandmark) -> list[float]:
        """The values of a case, in the order of `names`; NaN for null."""
        *columns, stage, _open = self._columns(mark.case)
        at, steps = mark.at, self._no_step.copy()
        place = self._step_at.get(stage)
        if place is not None:
            steps[place] = 1.0
        waited = [(at - since) / 3600.0 if since < NEVER else _NULL for since in columns[self._read :]]
        return [*columns[: self._read], *waited, *steps, *[number(mark) for number in self._others]]
