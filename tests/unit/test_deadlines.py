"""The features of a case's deadline, worked out by hand on a calendar that everybody knows."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from data.boundary import violations
from data.clock import WorkingCalendar, hours
from features.deadlines import DEADLINE_FEATURES, deadlines
from features.landmarks import landmarks
from tests.support.logs import event_frame

HOUR, DAY = 3600, 86_400
NAN = np.nan
DESK = hours("09:00-12:00", "13:00-17:00")


def _at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())


# A Monday; the Wednesday after it is a holiday.
T = _at("2024-05-06 09:00")
CALENDAR = WorkingCalendar(
    time_zone="Asia/Shanghai",
    first=date(2024, 5, 1),
    last=date(2024, 5, 31),
    weekly=[DESK] * 5 + [()] * 2,
    holidays=[date(2024, 5, 8)],
)


def _landmarks(*rows, **options):
    log = event_frame([{"case_id": "c1", "known_at": row["at"], **row} for row in rows])
    chosen = {"kinds": ["opening", "event"], "as_of": T + 300 * DAY, **options}
    return landmarks(log, time_zone="Asia/Shanghai", **chosen)


def _values(name, found, calendar=CALENDAR):
    values = deadlines(calendar)[name](found)
    assert values.dtype == np.float64
    return values


def _replies(*moments, due="2024-05-09 17:00"):
    """A case promised by Thursday evening, and replies on the way."""
    opening = {"kind": "opened", "at": T, "due_at": None if due is None else _at(due)}
    return _landmarks(opening, *({"kind": "replied", "at": _at(moment)} for moment in moments))


def test_time_left_runs_through_zero():
    """Eighty hours at the opening, none at the promise, and below none after it."""
    found = _replies("2024-05-09 16:00", "2024-05-09 17:00", "2024-05-09 18:30")
    np.testing.assert_array_equal(_values("hours_to_due", found), [80, 1, 0, -1.5])
    np.testing.assert_array_equal(_values("is_overdue", found), [0, 0, 0, 1])
    np.testing.assert_array_equal(_values("promise_used", found), [0, 79 / 80, 1, 81.5 / 80])


def test_working_time_stands_still_at_night_and_on_holidays():
    """Three working days of seven hours: Monday, Tuesday and, after the holiday, Thursday."""
    found = _replies("2024-05-06 12:30", "2024-05-08 12:00", "2024-05-09 14:00", "2024-05-10 11:00")
    np.testing.assert_array_equal(_values("working_hours_to_due", found), [21, 18, 7, 3, -2])
    np.testing.assert_array_equal(_values("working_time_used", found), [0, 3 / 21, 14 / 21, 18 / 21, 23 / 21])


def test_working_days_are_counted_by_their_closing_times():
    """A promise by closing time includes that day; a day of rest counts for nothing, before and after."""
    found = _replies("2024-05-06 18:00", "2024-05-08 12:00", "2024-05-09 17:00", "2024-05-11 12:00")
    np.testing.assert_array_equal(_values("working_days_to_due", found), [3, 2, 1, 0, -1])
    before_closing = _replies(due="2024-05-09 16:00")
    np.testing.assert_array_equal(_values("working_days_to_due", before_closing), [2])


def test_a_pause_is_taken_out_of_the_time_used():
    """While it goes on nothing is used; when the promise is moved by as much, the share stays where it was."""
    found = _landmarks(
        {"kind": "opened", "at": T, "due_at": T + 10 * HOUR},
        {"kind": "paused", "at": T + 4 * HOUR},
        {"kind": "replied", "at": T + 6 * HOUR},
        {"kind": "resumed", "at": T + 9 * HOUR},
        {"kind": "amended", "at": T + 9 * HOUR, "due_at": T + 15 * HOUR},
        {"kind": "replied", "at": T + 15 * HOUR},
    )
    np.testing.assert_array_equal(_values("promise_used_net", found), [0, 0.4, 0.4, 0.4, 1])
    np.testing.assert_array_equal(_values("promise_used", found), [0, 0.4, 0.6, 9 / 15, 1])


def test_a_moved_promise_is_told():
    """By how much it moved against the first one, and how long ago."""
    found = _landmarks(
        {"kind": "opened", "at": T, "due_at": T + 2 * DAY},
        {"kind": "amended", "at": T + HOUR, "due_at": T + 3 * DAY},
        {"kind": "replied", "at": T + 5 * HOUR},
        {"kind": "amended", "at": T + 6 * HOUR, "due_at": T + DAY},
    )
    np.testing.assert_array_equal(_values("promise_moved_hours", found), [0, 24, 24, -24])
    np.testing.assert_array_equal(_values("hours_since_promise_change", found), [NAN, 0, 4, 0])


def test_without_a_promise_nothing_is_told_of_it():
    """Null, for every feature of the family."""
    found = _replies("2024-05-06 12:30", due=None)
    for name in deadlines(CALENDAR):
        assert np.isnan(_values(name, found)).all(), name


def test_a_promise_in_the_past_of_the_opening_has_no_length():
    """It is overdue from the start, and no share of it can be used."""
    found = _replies(due="2024-05-06 08:00")
    np.testing.assert_array_equal(_values("hours_to_due", found), [-1])
    np.testing.assert_array_equal(_values("is_overdue", found), [1])
    for name in ("promise_used", "promise_used_net", "working_time_used"):
        assert np.isnan(_values(name, found)).all(), name


@pytest.mark.parametrize("name", ["working_hours_to_due", "working_time_used", "working_days_to_due"])
def test_without_a_calendar_nothing_is_told_of_working_time(name):
    """Null where there is none, and where it does not reach: nothing is guessed."""
    assert np.isnan(_values(name, _replies("2024-05-06 12:30"), None)).all()
    beyond = _landmarks(
        {"kind": "opened", "at": T, "due_at": _at("2024-06-20 17:00")},
        {"kind": "amended", "at": T + HOUR, "due_at": _at("2024-05-09 17:00")},
    )
    assert np.isnan(_values(name, beyond)).tolist() == [True, False]
    before = _landmarks(
        {"kind": "opened", "at": _at("2024-04-29 09:00"), "due_at": _at("2024-05-09 17:00")},
        {"kind": "replied", "at": T},
    )
    # The share needs the opening too, and that lies before the calendar.
    assert np.isnan(_values(name, before)).tolist() == [True, name == "working_time_used"]


def test_a_promise_without_working_time_has_no_share_of_it():
    """Opened and promised on one Saturday."""
    found = _landmarks({"kind": "opened", "at": _at("2024-05-11 09:00"), "due_at": _at("2024-05-11 20:00")})
    assert np.isnan(_values("working_time_used", found)).all()
    np.testing.assert_array_equal(_values("working_hours_to_due", found), [0])


def test_every_feature_is_declared_once_with_its_formula():
    """Names, family and words; nothing that the boundary refuses."""
    names = [feature.name for feature in DEADLINE_FEATURES]
    assert names == list(deadlines()) == list(deadlines(CALENDAR))
    assert {feature.family for feature in DEADLINE_FEATURES} == {"deadline"}
    assert "time_waited" not in names
    assert not violations("deadline", names)
    assert not violations("deadline", [word for one in DEADLINE_FEATURES for word in (one.label_zh, one.label_en)])
