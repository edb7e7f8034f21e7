"""Times of a source as seconds in UTC: zones, offsets, clock changes, days without a time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from data.moments import next_midnight, parse_moments
from tests.support.exports import utc

BOSTON = ZoneInfo("America/New_York")


def parsed(*values, zone=BOSTON, time_format=None):
    return parse_moments(pd.Series(values, dtype="str"), zone, time_format)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-03-01 09:00:00", "2024-03-01T14:00:00Z"),
        ("2024-07-01T09:00:00.750", "2024-07-01T13:00:00Z"),
        ("2024-07-01 09:00", "2024-07-01T13:00:00Z"),
        ("2024-07-01", "2024-07-01T04:00:00Z"),
        ("2024-07-01T09:00:00Z", "2024-07-01T09:00:00Z"),
        ("2024-07-01T09:00:00+08:00", "2024-07-01T01:00:00Z"),
        ("2024-07-01 09:00:00 +0800", "2024-07-01T01:00:00Z"),
    ],
)
def test_local_times_are_read_in_the_zone_and_others_by_their_offset(written, moment):
    """A naive time is local; an offset always wins over the declared zone."""
    assert parsed(written).seconds[0] == pd.Timestamp(moment).timestamp()


@pytest.mark.parametrize(
    "written", ["soon", "2024", "12345", "2024-02-30", "2024-03-01 09:0", "1900-01-01", "1/2/2024"]
)
def test_what_is_no_time_is_marked_and_never_guessed(written):
    """Half a time, another notation, and the sentinel of 1900 are unreadable, not something near."""
    found = parsed(written, None)
    assert found.unreadable.tolist() == [True, False]
    assert (found.seconds == NEVER).all()


def test_a_format_of_its_own_is_read_as_declared():
    """`time_format` is for sources that do not write ISO 8601."""
    found = parsed("03/15/2024 01:30 PM", time_format="%m/%d/%Y %I:%M %p")
    assert found.seconds[0] == utc("2024-03-15 13:30")


def test_naive_times_without_a_zone_are_marked_and_others_read():
    """Without a declared zone only offsets can be understood."""
    found = parsed("2024-03-01 09:00:00", "2024-03-01T09:00:00Z", None, zone=None)
    assert found.naive.tolist() == [True, False, False]
    assert found.seconds.tolist() == [NEVER, utc("2024-03-01 09:00", "UTC"), NEVER]


def test_clock_changes_take_the_earlier_and_skip_forward_and_are_counted():
    """01:30 twice in autumn is the first one; 02:30 never in spring is 03:00."""
    found = parsed("2024-11-03 01:30:00", "2024-03-10 02:30:00", "2024-11-03 01:30:00")
    assert found.ambiguous.tolist() == [True, False, True]
    assert found.skipped.tolist() == [False, True, False]
    assert found.seconds[0] == pd.Timestamp("2024-11-03T01:30:00-04:00").timestamp()
    assert found.seconds[1] == pd.Timestamp("2024-03-10T03:00:00-04:00").timestamp()


def test_times_of_parquet_are_read_like_text():
    """A time that the file itself knows as a time gives the same second as its text."""
    text = ["2024-03-01 09:00:00", "2024-11-03 01:30:00"]
    plain = pd.Series(pd.to_datetime([*text, None]))
    assert parse_moments(plain, BOSTON).seconds.tolist() == [*parsed(*text).seconds, NEVER]
    aware = plain.dt.tz_localize("UTC")
    assert parse_moments(aware, BOSTON).seconds[0] == utc("2024-03-01 09:00", "UTC")
    assert parse_moments(plain, None).naive.tolist() == [True, True, False]


def test_the_year_9999_is_pulled_below_never():
    """A sentinel deadline stays a deadline, to be found too far, and cannot pass for none."""
    assert parsed("9999-12-31").seconds[0] == NEVER - 1


def test_the_midnight_after_a_day_follows_the_wall_clock():
    """Days of 23 and 25 hours end at midnight too, and NEVER stays NEVER."""
    days = ["2024-03-10", "2024-11-03", "2024-07-01"]
    starts = np.array([*(utc(day) for day in days), NEVER])
    ends = next_midnight(starts, BOSTON)
    assert ((ends - starts)[:3] // 3600).tolist() == [23, 25, 24]
    assert ends[3] == NEVER


def test_a_column_without_any_time_is_all_never():
    """An empty column is no error."""
    found = parsed(None, None)
    assert found.seconds.tolist() == [NEVER, NEVER]
    assert not found.unreadable.any()
