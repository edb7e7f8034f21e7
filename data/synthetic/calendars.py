"""The working calendars of the simulated city: its desks, and its crews on duty every day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from data.clock import Hours, WorkingCalendar, hours
from data.errors import UsageError

TIME_ZONE: Final = "Asia/Shanghai"
DESK_HOURS: Final = hours("09:00-12:00", "13:30-17:30")
DUTY_HOURS: Final = hours("08:00-20:00")


@dataclass(frozen=True, slots=True)
class Calendars:
    """The two working calendars of the city, from the warm-up to well past every deadline."""

    desk: WorkingCalendar
    duty: WorkingCalendar


def make_calendars(first: date) -> Calendars:
    """Make both calendars, from `first` to the last date that the built-in holidays cover."""
    return Calendars(desk=desk_calendar(first, _TABLE_LAST), duty=duty_calendar(first, _TABLE_LAST))


def desk_calendar(first: date, last: date, opening: Hours = DESK_HOURS) -> WorkingCalendar:
    """Make the calendar of an office in China: Monday to Friday, holidays and make-up days observed.

    Covers 2024-07-01 to 2025-12-31. Holidays and the weekend days worked in exchange for them follow the
    State Council's notices on public holidays for 2024 and 2025; other years are published year by year.

    Raises
    ------
    UsageError
        For dates outside these.
    """
    if first < _TABLE_FIRST or last > _TABLE_LAST:
        raise UsageError(
            f"The built-in holidays cover {_TABLE_FIRST} to {_TABLE_LAST}, not all of {first} to {last}. "
            "Make a WorkingCalendar with the holidays of those years."
        )
    return WorkingCalendar(
        time_zone=TIME_ZONE,
        first=first,
        last=last,
        weekly=[opening] * 5 + [()] * 2,
        holidays=[begin + timedelta(n) for begin, days in HOLIDAYS for n in range(days)],
        working_days={day: opening for day in MAKE_UP_DAYS if first <= day <= last},
    )


def duty_calendar(first: date, last: date, opening: Hours = DUTY_HOURS) -> WorkingCalendar:
    """Make the calendar of crews on duty every day of the year; urgent promises are counted in it."""
    return WorkingCalendar(time_zone=TIME_ZONE, first=first, last=last, weekly=[opening] * 7)


_TABLE_FIRST: Final = date(2024, 7, 1)
_TABLE_LAST: Final = date(2025, 12, 31)

# First day and length.
HOLIDAYS: Final = (
    (date(2024, 9, 15), 3),  # Mid-Autumn
    (date(2024, 10, 1), 7),  # National Day
    (date(2025, 1, 1), 1),  # New Year
    (date(2025, 1, 28), 8),  # Spring Festival
    (date(2025, 4, 4), 3),  # Qingming
    (date(2025, 5, 1), 5),  # Labour Day
    (date(2025, 5, 31), 3),  # Dragon Boat
    (date(2025, 10, 1), 8),  # National Day and Mid-Autumn
)
MAKE_UP_DAYS: Final = (
    date(2024, 9, 14),
    date(2024, 9, 29),
    date(2024, 10, 12),
    date(2025, 1, 26),
    date(2025, 2, 8),
    date(2025, 4, 27),
    date(2025, 9, 28),
    date(2025, 10, 11),
)
