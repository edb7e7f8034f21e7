"""A promise counted day by day, from the start of a clock to the deadline, as a person with a calendar would do it.

It knows nothing of the arithmetic in `data.service_clock_due`; the tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from data.calendars import Named, OfficeCalendar
from data.clock_story import Run
from data.errors import UsageError
from data.event_log import NEVER
from data.service_clock import Promise
from data.service_clock_due import DayMeasure

StepKind = Literal[
    "started",
    "standard",
    "hand_over",
    "pause",
    "first_day",
    "counted",
    "make_up",
    "closed",
    "rest",
    "paused",
    "last_day_moved",
    "due",
    "not_known",
    "stopped",
    "now",
]

# The steps that lie end to end from the start of a run to its deadline.
STRETCHES: Final[frozenset[StepKind]] = frozenset(
    ("first_day", "counted", "make_up", "closed", "rest", "paused", "last_day_moved")
)


@dataclass(slots=True)
class Stretch:
    """A stretch of time that counts, or does not for one reason."""

    kind: StepKind
    at: int
    until: int
    counted: int = 0
    lost: int = 0  # days that would have counted, but for a pause
    days: list[dict[str, str]] = field(default_factory=list)


class Count:
    """Count a promise from the start of a run, day by day."""

    def __init__(self, promise: Promise, run: Run) -> None:
        self.promise, self.run = promise, run
        self.calendar: OfficeCalendar = promise.calendar
        self.working = promise.calendar.working

    def stretches(self) -> list[Stretch] | None:
        """Every stretch up to the deadline, none merged; None where nothing is promised or the calendar ends first."""
        if self.promise.unit == "none":
            return None
        if self.promise.unit == "hours":
            return _until(self._of_the_wall_clock(), self.promise.amount * 3600)
        if not self.working.covers(self.run.started_at):
            return None
        if self.promise.unit == "working_hours":
            return _until(self._of_working_time(), self.promise.amount * 3600)
        return self._of_days()

    def _of_the_wall_clock(self) -> Iterator[Stretch]:
        at = self.run.started_at
        for begin, end in self.run.pauses:
            if begin > at:
                yield Stretch("counted", at, begin, begin - at)
            yield Stretch("paused", begin, end)
            at = end
        yield Stretch("counted", at, NEVER, NEVER - at)

    def _of_working_time(self) -> Iterator[Stretch]:
        """Working time piece by piece: up to a pause, an opening, a closing or a midnight, whichever is next."""
        at, place = self.run.started_at, int(self.working.day_of(self.run.started_at))
        for day in range(place, len(self.working.dates)):
            end_of_day = int(self.working.midnights[day + 1])
            while at < end_of_day:
                pause = next((one for one in self.run.pauses if one[1] > at), (NEVER, NEVER))
                if pause[0] <= at:
                    end = min(pause[1], end_of_day)
                    yield Stretch("paused", at, end)
                else:
                    opening = self._opening(at)
                    is_open = opening[0] <= at
                    end = min(end_of_day, pause[0], opening[1] if is_open else opening[0])
                    yield self._piece(day, at, end, worked=is_open)
                at = end

    def _opening(self, at: int) -> tuple[int, int]:
        """The stretch of working time that `at` lies in, or the next one."""
        intervals = self.working.intervals
        place = int(np.searchsorted(intervals.ends, at, side="right"))
        if place == len(intervals):
            return NEVER, NEVER
        return int(intervals.starts[place]), int(intervals.ends[place])

    def _piece(self, day: int, at: int, end: int, *, worked: bool) -> Stretch:
        if not self.working.is_worked[day]:
            return Stretch("rest", at, end, days=[self._named(day, self.calendar.why_closed(self.working.dates[day]))])
        special = self.calendar.named.get(self.working.dates[day])
        if special is not None and special.kind == "make_up":
            return Stretch("make_up", at, end, end - at if worked else 0, days=[self._named(day, special)])
        return Stretch("counted" if worked else "closed", at, end, end - at if worked else 0)

    def _of_days(self) -> list[Stretch] | None:
        """Days from the one after the start to the one that the deadline ends."""
        measure = self.promise.measure
        if not isinstance(measure, DayMeasure):
            raise UsageError("Expected a promise in days.")
        first = int(self.working.day_of(self.run.started_at))
        found = [Stretch("first_day", self.run.started_at, int(self.working.midnights[first + 1]))]
        total = 0
        for day in range(first + 1, len(self.working.dates)):
            one, end = self._day(measure, day)
            if total == self.promise.amount:
                one.kind, one.counted = "last_day_moved", 0
            found.append(one)
            total += one.counted
            over = total == self.promise.amount and not self._stands(end)
            if over and (measure.may_end.all() or self.working.is_worked[day]):
                found[-1].until = end
                return [stretch for stretch in found if stretch.until > stretch.at]
        return None

    def _day(self, measure: DayMeasure, day: int) -> tuple[Stretch, int]:
        """A whole day, and the moment at which it ends for the promise."""
        at, midnight = int(self.working.midnights[day]), int(self.working.midnights[day + 1])
        place = int(np.searchsorted(measure.days.ends, at, side="right"))
        last = int(measure.days.ends[place]) if place < len(measure.days.ends) else NEVER
        counts = last <= midnight  # a day of rest has no end of its own among working days
        end = last if counts else midnight
        if self._stands(end):
            return Stretch("paused", at, midnight, lost=int(counts)), end
        if not counts:
            why = self.calendar.why_closed(self.working.dates[day])
            return Stretch("rest", at, midnight, days=[self._named(day, why)]), end
        special = self.calendar.named.get(self.working.dates[day])
        if special is not None and special.kind == "make_up" and self.promise.unit == "working_days":
            return Stretch("make_up", at, midnight, 1, days=[self._named(day, special)]), end
        return Stretch("counted", at, midnight, 1), end

    def _stands(self, end: int) -> bool:
        """Whether the clock stands still when a day ends."""
        return any(begin < end <= over for begin, over in self.run.pauses)

    def _named(self, day: int, named: Named) -> dict[str, str]:
        return {"date": self.working.dates[day].isoformat(), "zh": named.zh, "en": named.en}


def _until(stretches: Iterator[Stretch], promised: int) -> list[Stretch] | None:
    """The stretches up to the moment at which what was promised is used up."""
    found, total = [], 0
    for one in stretches:
        found.append(one)
        if total + one.counted >= promised:
            one.until -= total + one.counted - promised
            one.counted = promised - total
            return found
        total += one.counted
    return None


def merged(stretches: list[Stretch]) -> list[Stretch]:
    """Join neighbours that say the same, and opening hours with the nights and breaks between them."""
    joined: list[Stretch] = []
    for one in stretches:
        last = joined[-1] if joined else None
        if last is None or not _belong_together(last, one):
            joined.append(one)
            continue
        last.kind = "counted" if "counted" in (last.kind, one.kind) else last.kind
        last.until, last.counted, last.lost = one.until, last.counted + one.counted, last.lost + one.lost
        last.days += [day for day in one.days if day not in last.days]
    return joined


def _belong_together(one: Stretch, other: Stretch) -> bool:
    if one.kind == "make_up" or other.kind == "make_up":
        return one.kind == other.kind and one.days == other.days
    return one.kind == other.kind or {one.kind, other.kind} == {"counted", "closed"}
