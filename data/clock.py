"""The working calendar: how much working time lies between two moments, and when a promise falls due.

Everything rests on one structure, a sorted set of disjoint half-open stretches of time with the working
seconds before each of them summed once; a year of cases is then two binary searches. Half-open stretches
leave no second to be counted twice or lost where two of them meet. Daylight saving needs no case of its own:
the stretches are cut on the wall clock and kept as moments, so a working hour that the clock skips is not
there, and one that it repeats counts twice. A day that a place skipped, to change its side of the date line, is
no day at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import UsageError
from data.event_log import NEVER
from data.schema import Tier

Moments = npt.NDArray[np.int64]
Hours = tuple[tuple[int, int], ...]  # stretches of a day as minutes from local midnight, half-open
Unit = Literal["hours", "working_days", "calendar_days"]

_DAY_MINUTES: Final = 24 * 60


class Intervals:
    """Disjoint half-open stretches of time `[start, end)`, sorted; those that touch or overlap are joined.

    Parameters
    ----------
    starts, ends : array-like of int64 seconds since 1970 in UTC, one stretch each
        In any order. A stretch that ends where it starts is left out.

    Attributes
    ----------
    starts, ends : int64 arrays, strictly increasing, `starts[i] < ends[i] < starts[i + 1]`
    """

    def __init__(self, starts: npt.ArrayLike, ends: npt.ArrayLike) -> None:
        begin, finish = np.asarray(starts, dtype=np.int64), np.asarray(ends, dtype=np.int64)
        if begin.shape != finish.shape or begin.ndim != 1 or np.any(finish < begin):
            raise UsageError("Expected one end per start, none before its start.")
        kept = finish > begin
        begin, finish = begin[kept], finish[kept]
        order = np.argsort(begin, kind="stable")
        begin, reach = begin[order], np.maximum.accumulate(finish[order])
        first = np.ones(len(begin), dtype=bool)
        first[1:] = begin[1:] > reach[:-1]
        self.starts: Moments = begin[first]
        self.ends: Moments = reach[np.append(first[1:], True)] if len(begin) else reach
        self._before = np.concatenate(([0], np.cumsum(self.ends - self.starts)))

    def __len__(self) -> int:
        return len(self.starts)

    def seconds_before(self, moments: npt.ArrayLike) -> Moments:
        """Count the seconds of these stretches that lie before each moment: int64, the shape of `moments`."""
        at = np.asarray(moments, dtype=np.int64)
        index = np.searchsorted(self.starts, at, side="right")
        ends = np.append(self.ends, np.int64(0))[index - 1]
        after = np.where(index > 0, np.maximum(ends - at, 0), 0)
        return np.asarray(self._before[index] - after, dtype=np.int64)

    def seconds_between(self, start: npt.ArrayLike, end: npt.ArrayLike) -> Moments:
        """Count the seconds in `[start, end)`; negative where `end` is earlier, so that sums always agree."""
        return self.seconds_before(end) - self.seconds_before(start)

    def advance(self, start: npt.ArrayLike, seconds: npt.ArrayLike) -> Moments:
        """Find the earliest moment, not before `start`, at which `seconds` of these stretches have passed.

        `NEVER` where the stretches end first. Nothing to wait for is `start` itself, working time or not.
        """
        begin, wait = np.broadcast_arrays(np.asarray(start, dtype=np.int64), np.asarray(seconds, dtype=np.int64))
        if np.any(wait < 0):
            raise UsageError("Expected seconds of zero or more: time can be added and not taken away.")
        reached = self.first_with(self.seconds_before(begin) + wait)
        return np.asarray(np.where(wait == 0, begin, reached), dtype=np.int64)

    def first_with(self, seconds: npt.ArrayLike) -> Moments:
        """Find the earliest moment with `seconds` (1 or more) of these stretches before it; `NEVER` if too few."""
        goal = np.asarray(seconds, dtype=np.int64)
        # side="left": a stretch that ends exactly on the goal reaches it at its end, not at the next start.
        index = np.searchsorted(self._before, goal, side="left")
        known = index < len(self._before)
        index = np.clip(index, 1, max(len(self), 1))
        reached = np.append(self.ends, np.int64(0))[index - 1] - (self._before[np.minimum(index, len(self))] - goal)
        return np.asarray(np.where(known, reached, NEVER), dtype=np.int64)

    def minus(self, other: Intervals) -> Intervals:
        """Take the time of `other` away, as a pause takes working time away from a case."""
        edges = np.unique(np.concatenate((self.starts, self.ends, other.starts, other.ends)))
        starts, ends = edges[:-1], edges[1:]
        own = self.seconds_between(starts, ends) > 0
        theirs = other.seconds_between(starts, ends) > 0
        return Intervals(starts[own & ~theirs], ends[own & ~theirs])


def hours(*stretches: str) -> Hours:
    """Read opening hours such as `hours("09:00-12:00", "13:30-17:30")`; "24:00" is the end of the day.

    A night that runs past midnight is two stretches, one of each day.
    """
    parsed = tuple(sorted(tuple(_minutes(part) for part in text.split("-")) for text in stretches))
    for stretch in parsed:
        if len(stretch) != 2 or stretch[0] >= stretch[1]:
            raise UsageError(f"Expected opening hours such as '09:00-12:00', from early to late, got {stretches!r}.")
    return tuple((stretch[0], stretch[1]) for stretch in parsed)


def _minutes(text: str) -> int:
    hour, _, minute = text.strip().partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(minute) < 60 and int(hour) * 60 + int(minute) <= _DAY_MINUTES):
        raise UsageError(f"Expected a time of day such as '09:00', up to '24:00', got {text!r}.")
    return int(hour) * 60 + int(minute)


@dataclass(frozen=True, slots=True)
class DayEnds:
    """The moments at which days that count are over: an office's closings on its working days, or midnights.

    A limit of n days is the n-th of them after the day on which it began.

    Attributes
    ----------
    ends : int64 seconds in UTC, strictly increasing
    until : int64 per day of the calendar, how many of `ends` belong to that day and the days before it
    """

    ends: Moments
    until: Moments

    def nth(self, day: npt.ArrayLike, count: npt.ArrayLike) -> Moments:
        """Find the `count`-th end after the day at place `day`; `NEVER` where the calendar ends first."""
        return self.at(self.until[np.asarray(day, dtype=np.int64)] + np.asarray(count, dtype=np.int64) - 1)

    def at(self, index: npt.ArrayLike) -> Moments:
        """The ends at these places; `NEVER` where the calendar ends first."""
        place = np.clip(np.asarray(index, dtype=np.int64), 0, len(self.ends))
        return np.asarray(np.append(self.ends, NEVER)[place], dtype=np.int64)


class WorkingCalendar:
    """When an office works: weekly hours, less its holidays, plus the days it works to make up for them.

    Parameters
    ----------
    time_zone : IANA name; hours and dates are local to it
    first, last : the dates it covers, both included
        Every question must lie inside; outside, a holiday nobody listed would silently count as worked.
    weekly : seven `hours(...)`, Monday first; an empty tuple is a day of rest
    holidays : dates without work, whatever the weekday
    working_days : dates worked whatever the weekday and the holidays, with their hours

    Attributes
    ----------
    intervals : Intervals, all working time of the covered dates
    dates : the days it covers, in order; one that the place skipped is not among them
    midnights : int64 seconds in UTC, the start of each of these days and the end of the last
    is_worked : bool per day, whether there is working time on it
    """

    def __init__(
        self,
        *,
        time_zone: str,
        first: date,
        last: date,
        weekly: Sequence[Hours],
        holidays: Iterable[date] = (),
        working_days: Mapping[date, Hours] | None = None,
    ) -> None:
        if len(weekly) != 7 or last < first:
            raise UsageError("Expected hours for seven weekdays, Monday first, and a last date not before the first.")
        self.time_zone, self.first, self.last = time_zone, first, last
        rest, extra = frozenset(holidays), dict(working_days or {})
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        per_day = [extra[day] if day in extra else () if day in rest else weekly[day.weekday()] for day in days]
        edges = self._moments([day.toordinal() for day in (*days, last + timedelta(1))], 0)
        passed = edges[1:] > edges[:-1]
        self.dates = tuple(day for day, real in zip(days, passed, strict=True) if real)
        self.midnights: Moments = np.append(edges[:-1][passed], edges[-1])
        ordinals = [day.toordinal() for day, part in zip(days, per_day, strict=True) for _ in part]
        bounds = np.array([stretch for part in per_day for stretch in part], dtype=np.int64).reshape(-1, 2)
        self.intervals = Intervals(
            self._moments(ordinals, bounds[:, 0]),
            # Where the clock leaps over a whole stretch both ends are the same moment, and nothing is left.
            self._moments(ordinals, bounds[:, 1]),
        )
        self.is_worked = self.intervals.seconds_between(self.midnights[:-1], self.midnights[1:]) > 0
        self.working_days = DayEnds(
            # The last moment of work, which is not what the sign on the door says on a night without that hour.
            self.intervals.first_with(self.intervals.seconds_before(self.midnights[1:][self.is_worked])),
            np.cumsum(self.is_worked),
        )
        self.calendar_days = DayEnds(self.midnights[1:], np.arange(1, len(self.midnights)))

    @classmethod
    def always(cls, *, time_zone: str, first: date, last: date) -> WorkingCalendar:
        """Make the calendar of a service that never closes, where an hour promised is an hour elapsed."""
        return cls(time_zone=time_zone, first=first, last=last, weekly=[hours("00:00-24:00")] * 7)

    def working_seconds_between(self, start: npt.ArrayLike, end: npt.ArrayLike) -> Moments:
        """Count the working seconds in `[start, end)`, negative where `end` is the earlier.

        Parameters
        ----------
        start, end : int64 seconds since 1970 in UTC, scalars or arrays that broadcast

        Raises
        ------
        UsageError
            If a moment lies outside the covered dates.
        """
        return self.intervals.seconds_between(self._inside(start), self._inside(end))

    def add_working_time(self, start: npt.ArrayLike, seconds: npt.ArrayLike) -> Moments:
        """Find the earliest moment at which `seconds` of working time have passed since `start`.

        Raises
        ------
        UsageError
            If a start lies outside the covered dates, or the calendar ends before the time has passed.
        """
        return self._reached(self.intervals.advance(self._inside(start), seconds))

    def end_of_working_day(self, start: npt.ArrayLike, days: npt.ArrayLike) -> Moments:
        """Find when the office closes on the `days`-th working day after the local day of `start`.

        The day a case comes in does not count, as in the usual administrative reckoning of time limits.
        """
        return self._reached(self.working_days.nth(self.day_of(start), days))

    def end_of_calendar_day(self, start: npt.ArrayLike, days: npt.ArrayLike) -> Moments:
        """Find the local midnight that ends the `days`-th day after the local day of `start`."""
        return self._reached(self.calendar_days.nth(self.day_of(start), days))

    def day_of(self, moments: npt.ArrayLike) -> Moments:
        """Find the place in `dates` of the local day of each moment.

        Raises
        ------
        UsageError
            If a moment lies outside the covered dates.
        """
        inside = np.searchsorted(self.midnights, self._inside(moments), side="right") - 1
        return np.minimum(inside, len(self.dates) - 1).astype(np.int64)

    def covers(self, moments: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each moment lies inside the covered dates."""
        at = np.asarray(moments, dtype=np.int64)
        return np.asarray((at >= self.midnights[0]) & (at <= self.midnights[-1]))

    def without(self, starts: npt.ArrayLike, ends: npt.ArrayLike) -> Intervals:
        """Take pauses out of the working time: what is left is the time that counts for one case."""
        return self.intervals.minus(Intervals(starts, ends))

    def _moments(self, ordinals: Sequence[int], minutes: npt.ArrayLike) -> Moments:
        """Turn local dates and minutes into moments that never go back: a skipped hour has no width."""
        since = (np.asarray(ordinals, dtype=np.int64) - date(1970, 1, 1).toordinal()) * 86_400
        local = pd.DatetimeIndex((since + np.asarray(minutes, dtype=np.int64) * 60).astype("datetime64[s]"))
        first_pass = np.ones(len(local), dtype=bool)
        zoned = local.tz_localize(self.time_zone, nonexistent="NaT", ambiguous=first_pass).as_unit("s")
        moments = zoned.asi8.copy()
        # Not pandas' own shift: it goes astray where a place skipped a whole day to change sides of the date line.
        for place in np.flatnonzero(zoned.isna()):
            moments[place] = _end_of_gap(local[int(place)].to_pydatetime(), self.time_zone)
        return np.asarray(moments, dtype=np.int64)

    def _inside(self, moments: npt.ArrayLike) -> Moments:
        at = np.asarray(moments, dtype=np.int64)
        outside = ~self.covers(at)
        if outside.any():
            raise UsageError(
                f"{int(outside.sum()):,} moments lie outside the calendar, which covers {self.first} to "
                f"{self.last}. Make one that covers them all, with its holidays."
            )
        return at

    def _reached(self, moments: Moments) -> Moments:
        if np.any(moments == NEVER):
            raise UsageError(
                f"The calendar ends on {self.last}, before the time is up. Make one with a later last date."
            )
        return np.asarray(moments, dtype=np.int64)


def _end_of_gap(local: datetime, zone: str) -> int:
    """The moment at which the clock of `zone` leapt over the local time `local`."""
    zoned = local.replace(tzinfo=ZoneInfo(zone))
    # Read with the offset after the leap it lies before the leap, and the other way round: between the two is the leap.
    low, high = (int(zoned.replace(fold=fold).timestamp()) for fold in (1, 0))
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(moment: int, zone: str) -> timedelta | None:
    return datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(zone)).utcoffset()


@dataclass(frozen=True, slots=True)
class ServiceStandard:
    """The promised time of a category at a tier. `None` for either stands for any.

    `data.service_clock` promises by channel too, stops for pauses and tells why; this is one promise by itself.
    `amount` counts working hours of the calendar ("hours"), or days: until the office closes on that working
    day, or until that day's local midnight. The day on which a case comes in does not count.
    """

    category: str | None
    tier: Tier | None
    amount: int
    unit: Unit

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise UsageError(f"Expected a promised time of at least 1, got {self.amount} {self.unit}.")

    def due_at(self, opened_at: npt.ArrayLike, calendar: WorkingCalendar) -> Moments:
        """Find when cases opened at these moments fall due: int64 seconds since 1970 in UTC."""
        if self.unit == "hours":
            return calendar.add_working_time(opened_at, self.amount * 3600)
        if self.unit == "working_days":
            return calendar.end_of_working_day(opened_at, self.amount)
        return calendar.end_of_calendar_day(opened_at, self.amount)
