from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.clock import Intervals, ServiceStandard, WorkingCalendar, hours
from data.event_log import NEVER

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
# All of 2025 lies inside, in every zone, with room for what is added.
BEGIN, END = 1_735_800_000, 1_761_000_000

# Zones with daylight saving in either half of the year, by half an hour, and at midnight; and one without.
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Shanghai")
WEEKS = (
    [hours("09:00-12:00", "13:30-17:30")] * 5 + [()] * 2,
    [hours("00:00-24:00")] * 7,
    [hours("01:30-02:30", "23:00-24:00")] * 7,
)
CALENDARS = [
    WorkingCalendar(
        time_zone=zone,
        first=FIRST,
        last=LAST,
        weekly=week,
        holidays=[date(2025, 5, 1), date(2025, 5, 2)],
        working_days={date(2025, 5, 3): hours("09:00-12:00")},
    )
    for zone in ZONES
    for week in WEEKS
]

calendars = st.sampled_from(CALENDARS)
moments = st.integers(BEGIN, END)
amounts = st.integers(0, 40 * 3600)


@given(calendars, st.lists(moments, min_size=3, max_size=8))
def test_splitting_an_interval_never_changes_the_sum(calendar, cuts):
    """However a stretch of time is cut, its parts hold the working time of the whole."""
    cuts.sort()
    parts = calendar.working_seconds_between(cuts[:-1], cuts[1:])
    assert parts.sum() == calendar.working_seconds_between(cuts[0], cuts[-1])
    assert (parts >= 0).all()


@given(calendars, moments, amounts)
def test_what_was_added_is_what_is_measured(calendar, start, amount):
    """Adding working time and measuring it again gives back the amount, and no earlier moment would."""
    end = calendar.add_working_time(start, amount)
    assert calendar.working_seconds_between(start, end) == amount
    if amount:
        assert calendar.working_seconds_between(start, end - 1) == amount - 1


@given(calendars, moments, amounts, amounts)
def test_adding_twice_is_adding_the_sum(calendar, start, one, two):
    """It makes no difference whether time is added at once or in two parts."""
    twice = calendar.add_working_time(calendar.add_working_time(start, one), two)
    whole = calendar.add_working_time(start, one + two)
    assert twice == whole


@given(calendars, moments, st.lists(st.tuples(moments, st.integers(0, 9 * 86_400)), max_size=4), amounts)
def test_a_pause_never_shortens_a_deadline(calendar, start, pauses, amount):
    """With any pauses taken out, the promised time is reached no earlier than without them."""
    starts = [begin for begin, _ in pauses]
    ends = [begin + length for begin, length in pauses]
    left = calendar.without(starts, ends)
    assert int(left.advance(start, amount)) >= int(calendar.add_working_time(start, amount))
    assert left.seconds_between(start, END) <= calendar.working_seconds_between(start, END)


@given(calendars, moments, st.integers(1, 30), st.sampled_from(["hours", "working_days", "calendar_days"]))
def test_a_longer_promise_never_falls_due_earlier(calendar, start, amount, unit):
    """One unit more of promised time is a later deadline, and a deadline lies after the opening."""
    short = ServiceStandard("any", None, amount, unit).due_at(start, calendar)
    longer = ServiceStandard("any", None, amount + 1, unit).due_at(start, calendar)
    assert start < short < longer


@given(calendars, st.lists(moments, min_size=2, max_size=20), st.integers(1, 20))
def test_arrays_and_single_moments_agree(calendar, starts, amount):
    """A year of cases at once gets the answers that each would get alone."""
    together = calendar.add_working_time(starts, amount * 1800)
    alone = [int(calendar.add_working_time(start, amount * 1800)) for start in starts]
    assert together.tolist() == alone


stretches = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 80)), max_size=8)


@given(stretches, stretches)
def test_intervals_do_what_sets_of_seconds_do(own, other):
    """Joined, counted and taken away, stretches of time behave as the sets of their seconds."""
    one = Intervals([a for a, _ in own], [a + n for a, n in own])
    two = Intervals([a for a, _ in other], [a + n for a, n in other])
    seconds = {second for a, n in own for second in range(a, a + n)}
    theirs = {second for a, n in other for second in range(a, a + n)}
    at = np.arange(600)
    counted = one.seconds_before(at)
    assert counted.tolist() == [len([second for second in seconds if second < moment]) for moment in at]
    left = one.minus(two)
    assert np.flatnonzero(np.diff(left.seconds_before(np.arange(601)))).tolist() == sorted(seconds - theirs)
    assert (left.ends[:-1] < left.starts[1:]).all()


@given(stretches, st.integers(0, 600), st.integers(1, 300))
def test_advance_finds_the_first_moment_or_says_never(own, start, wait):
    """The moment reached is the first at which enough seconds have passed; NEVER if there are too few."""
    intervals = Intervals([a for a, _ in own], [a + n for a, n in own])
    passed = np.cumsum(np.diff(intervals.seconds_before(np.arange(start, 1200))))
    enough = np.flatnonzero(passed >= wait)
    expected = NEVER if len(enough) == 0 else start + int(enough[0]) + 1
    assert int(intervals.advance(start, wait)) == expected
