from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from data.clock import Intervals, ServiceStandard, WorkingCalendar, hours
from data.errors import UsageError
from data.synthetic.calendars import desk_calendar, duty_calendar

HOUR = 3600
OFFICE_HOURS = [hours("09:00-12:00", "13:00-17:00")] * 5 + [()] * 2


def moment(text: str, zone: str = "Asia/Shanghai") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def office(zone: str = "Asia/Shanghai", **changes: object) -> WorkingCalendar:
    settings = {"first": date(2025, 1, 1), "last": date(2025, 12, 31), "weekly": OFFICE_HOURS, **changes}
    return WorkingCalendar(time_zone=zone, **settings)  # type: ignore[arg-type]


def test_an_interval_holds_its_start_and_not_its_end():
    """A second belongs to the stretch that begins with it, never to the one that ends there."""
    stretch = Intervals([10], [20])
    assert stretch.seconds_before([9, 10, 11, 20, 30]).tolist() == [0, 0, 1, 10, 10]


def test_intervals_that_touch_or_overlap_are_joined():
    """No second is counted twice however the stretches are given."""
    joined = Intervals([30, 0, 10, 12], [40, 10, 20, 15])
    assert joined.starts.tolist() == [0, 30]
    assert joined.ends.tolist() == [20, 40]


def test_working_time_skips_the_night_the_break_and_the_weekend():
    """From Friday afternoon to Monday morning only the office's own hours count."""
    seconds = office().working_seconds_between(moment("2025-03-07T16:00"), moment("2025-03-10T10:00"))
    assert seconds == 2 * HOUR


def test_time_added_lands_on_the_closing_and_not_on_the_next_morning():
    """The last hour of the day is over when the office closes."""
    assert office().add_working_time(moment("2025-03-07T16:00"), HOUR) == moment("2025-03-07T17:00")


def test_nothing_to_wait_for_is_now():
    """Zero seconds after a moment in the night is that moment."""
    assert office().add_working_time(moment("2025-03-08T03:00"), 0) == moment("2025-03-08T03:00")


def test_many_moments_are_answered_as_one_array():
    """Arrays of moments and amounts broadcast, and keep their order."""
    starts = [moment("2025-03-10T09:00"), moment("2025-03-08T03:00")]
    due = office().add_working_time(starts, [HOUR, 4 * HOUR])
    assert due.tolist() == [moment("2025-03-10T10:00"), moment("2025-03-10T14:00")]


@pytest.mark.parametrize(
    ("zone", "day", "counted"),
    [
        ("Europe/London", "2025-03-30", 23),
        ("Europe/London", "2025-10-26", 25),
        ("America/New_York", "2025-03-09", 23),
        ("America/New_York", "2025-11-02", 25),
        ("Asia/Shanghai", "2025-03-30", 24),
    ],
)
def test_a_day_has_the_hours_that_its_clock_gives_it(zone, day, counted):
    """A service that never closes works 23 hours when the clock leaps, and 25 when it goes back."""
    calendar = WorkingCalendar.always(time_zone=zone, first=date(2025, 1, 1), last=date(2025, 12, 31))
    begin = moment(f"{day}T00:00", zone)
    assert calendar.end_of_calendar_day(begin, 0) - begin == counted * HOUR
    assert calendar.working_seconds_between(begin, calendar.end_of_calendar_day(begin, 0)) == counted * HOUR


def test_a_working_hour_that_the_clock_skips_is_not_there():
    """Open from 01:30 to 02:30 on the night the clock leaps from 01:00 to 02:00 is half an hour."""
    night = WorkingCalendar(
        time_zone="Europe/London",
        first=date(2025, 3, 1),
        last=date(2025, 3, 31),
        weekly=[()] * 6 + [hours("01:30-02:30")],
    )
    begin = moment("2025-03-30T00:00", "Europe/London")
    assert night.working_seconds_between(begin, begin + 12 * HOUR) == HOUR // 2


def test_a_working_hour_that_the_clock_repeats_counts_twice():
    """From 01:00 to 02:00 on the night the clock goes back two hours pass."""
    night = WorkingCalendar(
        time_zone="Europe/London",
        first=date(2025, 10, 1),
        last=date(2025, 10, 31),
        weekly=[()] * 6 + [hours("01:00-02:00")],
    )
    begin = moment("2025-10-26T00:00", "Europe/London")
    assert night.working_seconds_between(begin, begin + 12 * HOUR) == 2 * HOUR


def test_a_day_that_the_place_skipped_is_no_day():
    """Samoa went from Thursday 29 to Saturday 31 December 2011: there was no Friday to work on or to count."""
    samoa = office("Pacific/Apia", first=date(2011, 12, 1), last=date(2012, 1, 31))
    assert date(2011, 12, 30) not in samoa.dates
    assert len(samoa.dates) == 61
    opened = moment("2011-12-29T10:00", "Pacific/Apia")
    # 2 hours to the break and 4 after it on Thursday; then Monday 2 January.
    assert samoa.add_working_time(opened, 6 * HOUR) == moment("2011-12-29T17:00", "Pacific/Apia")
    assert samoa.add_working_time(opened, 7 * HOUR) == moment("2012-01-02T10:00", "Pacific/Apia")
    assert samoa.end_of_working_day(opened, 1) == moment("2012-01-02T17:00", "Pacific/Apia")
    assert samoa.end_of_calendar_day(opened, 1) == moment("2012-01-01T00:00", "Pacific/Apia")


def test_a_day_whose_only_hour_is_skipped_is_no_working_day():
    """Open from 01:00 to 02:00 only, on the night on which the clock leaps over it."""
    night = office("Europe/London", weekly=[hours("01:00-02:00")] * 7)
    worked = dict(zip(night.dates, night.is_worked, strict=True))
    assert worked[date(2025, 3, 29)]
    assert not worked[date(2025, 3, 30)]
    opened = moment("2025-03-29T12:00", "Europe/London")
    assert night.end_of_working_day(opened, 1) == moment("2025-03-31T02:00", "Europe/London")


def test_a_make_up_day_is_worked_and_a_holiday_is_not():
    """The table of special days stands above the weekly hours."""
    calendar = office(holidays=[date(2025, 3, 10)], working_days={date(2025, 3, 8): hours("09:00-12:00")})
    seconds = calendar.working_seconds_between(moment("2025-03-08T00:00"), moment("2025-03-11T00:00"))
    assert seconds == 3 * HOUR


def test_a_pause_takes_its_working_time_out():
    """What is left of a working day paused from ten to two is an hour before and three after."""
    left = office().without([moment("2025-03-10T10:00")], [moment("2025-03-10T14:00")])
    day = left.seconds_between(moment("2025-03-10T00:00"), moment("2025-03-11T00:00"))
    assert day == 4 * HOUR


@pytest.mark.parametrize(
    ("opened", "amount", "unit", "due"),
    [
        # Spring Festival 2025 closes the desks from 28 January to 4 February; 26 January is worked, a Sunday.
        ("2025-01-24T16:30", 1, "working_days", "2025-01-26T17:30"),
        ("2025-01-24T16:30", 2, "working_days", "2025-01-27T17:30"),
        ("2025-01-24T16:30", 3, "working_days", "2025-02-05T17:30"),
        ("2025-01-30T08:00", 1, "working_days", "2025-02-05T17:30"),
        ("2025-01-27T16:30", 2, "hours", "2025-02-05T10:00"),
        ("2025-01-27T16:30", 2, "calendar_days", "2025-01-30T00:00"),
    ],
)
def test_promises_step_over_the_spring_festival(opened, amount, unit, due):
    """Working days and hours wait for the desks to open again; calendar days do not."""
    calendar = desk_calendar(date(2025, 1, 1), date(2025, 3, 31))
    standard = ServiceStandard("blocked_drain", None, amount, unit)
    assert standard.due_at(moment(opened), calendar) == moment(due)


def test_duty_hours_know_no_holiday():
    """A promise in hours of duty runs through the first day of the Spring Festival."""
    calendar = duty_calendar(date(2025, 1, 1), date(2025, 3, 31))
    standard = ServiceStandard("water_leak", None, 12, "hours")
    assert standard.due_at(moment("2025-01-28T19:00"), calendar) == moment("2025-01-29T19:00")


def test_a_moment_outside_the_calendar_is_refused():
    """Beyond its dates a calendar knows no holidays, so it does not guess."""
    with pytest.raises(UsageError, match="1 moments lie outside the calendar, which covers 2025-01-01"):
        office().working_seconds_between(moment("2025-03-10T09:00"), moment("2026-03-10T09:00"))


def test_a_calendar_that_ends_too_soon_says_so():
    """A deadline past the last date is an error and not a date."""
    with pytest.raises(UsageError, match="The calendar ends on 2025-12-31, before the time is up"):
        office().add_working_time(moment("2025-12-31T09:00"), 30 * HOUR)
    with pytest.raises(UsageError, match="later last date"):
        office().end_of_working_day(moment("2025-12-31T09:00"), 1)


@pytest.mark.parametrize("text", ["9-12", "12:00-09:00", "09:00", "09:00-24:30", "09:60-12:00"])
def test_opening_hours_that_make_no_sense_are_refused(text):
    """A slip in the opening hours is named before it shifts every deadline."""
    with pytest.raises(UsageError, match=r"Expected (opening hours|a time of day) such as"):
        hours(text)


def test_time_cannot_be_taken_away():
    """A negative amount is refused."""
    with pytest.raises(UsageError, match="zero or more"):
        office().add_working_time(moment("2025-03-10T09:00"), -1)


def test_ends_before_starts_are_refused():
    """A stretch that ends before it begins is no stretch."""
    with pytest.raises(UsageError, match="none before its start"):
        Intervals([10], [5])


def test_a_calendar_needs_seven_days():
    """Hours are given for each weekday."""
    with pytest.raises(UsageError, match="seven weekdays"):
        office(weekly=OFFICE_HOURS[:5])


def test_a_promise_of_no_time_is_refused():
    """A standard promises at least one hour or day."""
    with pytest.raises(UsageError, match="at least 1, got 0 hours"):
        ServiceStandard("pothole", None, 0, "hours")


def test_the_built_in_holidays_do_not_reach_beyond_their_table():
    """Holidays of a year not yet published are not invented."""
    with pytest.raises(UsageError, match="cover 2024-07-01 to 2025-12-31"):
        desk_calendar(date(2025, 6, 1), date(2026, 6, 1))
