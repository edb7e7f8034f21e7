"""The arithmetic of promises: when a stretch of time that counts is used up, many promises at once, pauses included.

Two laws decide what a pause does. Time in hours stands still: what was paused is added, second by second. Time in
days counts the ends of days: a day counts if the clock runs when that day ends, at the office's closing or at
midnight. Either way a deadline never falls into a pause, a pause never brings one forward, and cutting a pause in
two changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from data.clock import DayEnds, Intervals, Moments, WorkingCalendar
from data.event_log import NEVER

Mask = npt.NDArray[np.bool_]
PromiseUnit = Literal["working_hours", "hours", "working_days", "calendar_days"]
Ends = Literal["closing", "midnight"]
LastDay = Literal["any", "working"]

# Time that always counts. Far beyond NEVER on either side, so that sums stay inside.
ALWAYS: Final = Intervals([-(1 << 36)], [1 << 36])


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of n promises: m of them in all, each belonging to one promise, those of one promise disjoint.

    Attributes
    ----------
    of : (m,) int64, the place of the promise; not decreasing, and within a promise in the order of time
    starts, ends : (m,) int64 seconds in UTC
    """

    of: Moments
    starts: Moments
    ends: Moments

    @classmethod
    def none(cls) -> Pauses:
        """No pause at all."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty)

    def chosen(self, rows: Moments, size: int) -> Pauses:
        """The pauses of the promises at `rows` (of `size`, ascending), numbered by their place in `rows`."""
        place = np.full(size, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        kept = place[self.of] >= 0
        return Pauses(place[self.of[kept]], self.starts[kept], self.ends[kept])

    def layers(self) -> Iterator[tuple[Moments, Moments, Moments]]:
        """The first pause of each promise, then the second of each, and so on: (place, start, end)."""
        first = np.ones(len(self.of), dtype=bool)
        first[1:] = self.of[1:] != self.of[:-1]
        begin = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0)) if len(first) else self.of
        rank = np.arange(len(self.of)) - begin
        order = np.argsort(rank, kind="stable")
        for layer in np.split(order, np.cumsum(np.bincount(rank))[:-1]) if len(order) else ():
            yield self.of[layer], self.starts[layer], self.ends[layer]


class Measure(Protocol):
    """How the time of a promise is counted. All moments are int64 seconds in UTC; `NEVER`: the calendar ends first."""

    @property
    def running(self) -> Intervals:
        """The time in which what is used and what is left is told."""

    def covers(self, moments: Moments) -> Mask:
        """Whether the calendar knows these moments."""

    def base(self, starts: Moments, amount: int) -> Moments:
        """When `amount` is used up without any pause."""

    def postponed(self, due: Moments, starts: Moments, pauses: Pauses) -> Moments:
        """When it is used up with the pauses."""

    def settled(self, due: Moments, pauses: Pauses) -> Moments:
        """The deadline: where a limit may not end on a day of rest, the end of the next working day."""


@dataclass(frozen=True, slots=True)
class TimeMeasure:
    """Hours, working hours or hours of the clock."""

    running: Intervals
    calendar: WorkingCalendar | None  # None: needs none

    def covers(self, moments: Moments) -> Mask:
        """See `Measure`."""
        return np.ones(len(moments), dtype=bool) if self.calendar is None else self.calendar.covers(moments)

    def base(self, starts: Moments, amount: int) -> Moments:
        """See `Measure`; `amount` is in hours."""
        due = self.running.advance(starts, np.int64(amount * 3600))
        return np.asarray(np.where(self.covers(starts), due, NEVER), dtype=np.int64)

    def postponed(self, due: Moments, starts: Moments, pauses: Pauses) -> Moments:
        """See `Measure`."""
        moved = due.copy()
        for rows, paused, end in pauses.layers():
            begin = np.maximum(paused, starts[rows])
            hit = (moved[rows] > begin) & (moved[rows] < NEVER) & (end > begin)
            at = rows[hit]
            # Of the pause all of it lies before the new deadline, or some working time would be left before the pause.
            moved[at] = self.running.advance(moved[at], self.running.seconds_between(begin[hit], end[hit]))
        return moved

    def settled(self, due: Moments, pauses: Pauses) -> Moments:
        """See `Measure`; hours end when they end."""
        del pauses
        return due


@dataclass(frozen=True, slots=True)
class DayMeasure:
    """Working days or calendar days, the day of the start not counted."""

    running: Intervals
    calendar: WorkingCalendar
    days: DayEnds
    may_end: Mask  # per end, whether a limit may end with it

    def covers(self, moments: Moments) -> Mask:
        """See `Measure`."""
        return self.calendar.covers(moments)

    def base(self, starts: Moments, amount: int) -> Moments:
        """See `Measure`; `amount` is in days."""
        known = self.covers(starts)
        due = np.full(len(starts), NEVER, dtype=np.int64)
        due[known] = self.days.nth(self.calendar.day_of(starts[known]), amount)
        return due

    def postponed(self, due: Moments, starts: Moments, pauses: Pauses) -> Moments:
        """See `Measure`."""
        index = np.searchsorted(self.days.ends, due, side="left")
        known = np.clip(starts, self.calendar.midnights[0], self.calendar.midnights[-1])
        first = self.days.until[self.calendar.day_of(known)]
        for rows, paused, end in pauses.layers():
            begin = np.maximum(paused, starts[rows])
            lost_from = np.maximum(self._after(begin), first[rows])
            lost = np.maximum(self._after(np.maximum(begin, end)) - lost_from, 0)
            index[rows] += np.where(lost_from <= index[rows], lost, 0)
        return np.where(due < NEVER, self._at(due, index), NEVER)

    def settled(self, due: Moments, pauses: Pauses) -> Moments:
        """See `Measure`."""
        if self.may_end.all():
            return due
        places = np.arange(len(self.may_end) + 1)
        allowed = np.minimum.accumulate(np.where(np.append(self.may_end, True), places, len(places))[::-1])[::-1]
        index = allowed[np.searchsorted(self.days.ends, due, side="left")]
        for rows, begin, end in pauses.layers():
            inside = (self._after(begin) <= index[rows]) & (index[rows] < self._after(end))
            index[rows[inside]] = allowed[self._after(end[inside])]
        return np.where(due < NEVER, self.days.at(index), NEVER)

    def _after(self, moments: Moments) -> Moments:
        """The place of the first end after each moment."""
        return np.searchsorted(self.days.ends, moments, side="right")

    def _at(self, due: Moments, index: Moments) -> Moments:
        """The end at `index`, or `due` itself where no pause has moved it."""
        same = index == np.searchsorted(self.days.ends, due, side="left")
        return np.where(same, due, self.days.at(index))


def measure(unit: PromiseUnit, calendar: WorkingCalendar, *, ends: Ends, last_day: LastDay = "any") -> Measure:
    """How a promise in `unit` is counted in a calendar.

    Parameters
    ----------
    ends : when a day that counts is over; of a day of rest, midnight in any case
    last_day : whether a limit in calendar days may end on a day of rest
    """
    if unit == "hours":
        return TimeMeasure(ALWAYS, None)
    if unit == "working_hours":
        return TimeMeasure(calendar.intervals, calendar)
    if unit == "working_days":
        midnights = DayEnds(calendar.midnights[1:][calendar.is_worked], calendar.working_days.until)
        days = calendar.working_days if ends == "closing" else midnights
        return DayMeasure(calendar.intervals, calendar, days, np.ones(len(days.ends), dtype=bool))
    days = calendar.calendar_days
    if ends == "closing":
        over = days.ends.copy()
        over[calendar.is_worked] = calendar.working_days.ends
        days = DayEnds(over, days.until)
    may_end = calendar.is_worked if last_day == "working" else np.ones(len(days.ends), dtype=bool)
    return DayMeasure(ALWAYS, calendar, days, may_end)
