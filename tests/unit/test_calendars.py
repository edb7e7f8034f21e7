from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from data.calendars import CalendarSettings, build_calendar
from data.clock import hours
from data.errors import UsageError
from data.synthetic.calendars import desk_calendar

DESK = ["09:00-12:00", "13:30-17:30"]


def china(**changes) -> CalendarSettings:
    given = {"first_year": 2023, "last_year": 2026, "weekly": {"monday-friday": DESK}, "holidays": {"country": "CN"}}
    return CalendarSettings(time_zone="Asia/Shanghai", **{**given, **changes})


def test_chinese_make_up_days_are_worked_and_named():
    """A Sunday worked for the Spring Festival is a working day, and says for which day off."""
    calendar = build_calendar("desk", china())
    day = calendar.named[date(2025, 1, 26)]
    assert (day.kind, day.listed) == ("make_up", False)
    assert day.zh == "春节调休上班（与2025-02-03对调）"
    assert day.en == "make-up working day for Chinese New Year (Spring Festival), in exchange for 2025-02-03"
    worked = dict(zip(calendar.working.dates, calendar.working.is_worked, strict=True))
    assert worked[date(2025, 1, 26)]
    assert not worked[date(2025, 1, 28)]
    assert not worked[date(2025, 1, 25)]


def test_a_day_off_is_named_after_its_festival():
    """Of National Day and Mid-Autumn in one run of days, the festival with more days gives the name."""
    named = build_calendar("desk", china()).named
    assert named[date(2025, 10, 8)].zh == "国庆节调休放假（与2025-10-11对调）"
    assert named[date(2024, 9, 16)].zh == "中秋节调休放假（与2024-09-14对调）"


def test_the_package_and_the_simulated_city_agree_on_every_day():
    """Two lists of the same decrees, written down by different people."""
    ours = desk_calendar(date(2024, 7, 1), date(2025, 12, 31))
    theirs = build_calendar("desk", china()).working
    worked = dict(zip(theirs.dates, theirs.is_worked, strict=True))
    assert [worked[day] for day in ours.dates] == ours.is_worked.tolist()
    assert len(ours.dates) == 549


def test_working_days_of_china_are_as_many_as_decreed():
    """251 working days in 2024 and 248 in 2025, counted by hand from the decrees.

    2024 has 262 weekdays. Off on weekdays: 1 January; 12 to 16 February (5); 4 and 5 April (2); 1 to 3 May (3); 10
    June; 16 and 17 September (2); 1 to 4 and 7 October (5), 19 in all; 8 weekend days are worked: 262 - 19 + 8.
    2025 has 261. Off: 1 January; 28 to 31 January (4); 3 and 4 February (2); 4 April; 1, 2 and 5 May (3); 2 June; 1 to
    3 and 6 to 8 October (6), 18 in all; 5 weekend days are worked: 261 - 18 + 5.
    """
    working = build_calendar("desk", china()).working
    count = dict.fromkeys((2024, 2025), 0)
    for day, works in zip(working.dates, working.is_worked, strict=True):
        if day.year in count:
            count[day.year] += int(works)
    assert count == {2024: 251, 2025: 248}


def test_a_year_that_is_not_decreed_yet_is_refused():
    """Make-up days of a year beyond the package's are not guessed."""
    with pytest.raises(UsageError, match=r"covers 2099, and the package `holidays` .* until \d{4} only. End with"):
        build_calendar("desk", china(first_year=2099, last_year=2099))


def test_a_year_that_the_office_lists_itself_is_taken():
    """What is in listed_years is not asked of the package."""
    own = china(
        first_year=2098,
        last_year=2098,
        listed_years=[2098],
        override={"holidays": {"2098-10-01": "国庆节"}, "working_days": {"2098-09-27": "调休上班"}},
    )
    calendar = build_calendar("desk", own)
    assert list(calendar.named) == [date(2098, 9, 27), date(2098, 10, 1)]
    worked = dict(zip(calendar.working.dates, calendar.working.is_worked, strict=True))
    assert not worked[date(2098, 10, 1)]
    assert worked[date(2098, 9, 27)]


def test_the_offices_own_list_wins_over_the_package():
    """A holiday may be worked and a make-up day may be off, with hours of its own."""
    own = china(
        override={
            "working_days": {"2025-10-02": {"name": "值班", "name_en": "duty", "hours": ["10:00-11:00"]}},
            "holidays": {"2025-10-11": "停电"},
        }
    )
    calendar = build_calendar("desk", own)
    assert calendar.named[date(2025, 10, 2)].en == "duty"
    assert calendar.named[date(2025, 10, 2)].listed
    worked = dict(zip(calendar.working.dates, calendar.working.is_worked, strict=True))
    assert worked[date(2025, 10, 2)]
    assert not worked[date(2025, 10, 11)]
    begin = calendar.working.midnights[calendar.working.dates.index(date(2025, 10, 2))]
    assert calendar.working.working_seconds_between(begin, begin + 86_400) == 3600


def test_make_up_days_have_mondays_hours_unless_told():
    """A weekend day that is worked has no hours of its own in the week."""
    short = build_calendar("desk", china(make_up_hours=["09:00-10:00"])).working
    usual = build_calendar("desk", china()).working
    for calendar, expected in ((short, 1), (usual, 7)):
        begin = calendar.midnights[calendar.dates.index(date(2025, 1, 26))]
        assert calendar.working_seconds_between(begin, begin + 86_400) == expected * 3600


def test_make_up_days_without_any_hours_are_refused():
    """An office that rests on Mondays has to say from when to when it makes up."""
    with pytest.raises(UsageError, match="Give make_up_hours"):
        build_calendar("desk", china(weekly={"tuesday-friday": DESK}))


def test_us_holidays_follow_rules_and_have_chinese_names():
    """Thanksgiving is a Thursday of November in every year; no decree is waited for."""
    settings = CalendarSettings(
        time_zone="America/New_York",
        first_year=2024,
        last_year=2040,
        weekly={"monday-friday": DESK},
        holidays={"country": "US"},
    )
    calendar = build_calendar("office", settings)
    assert calendar.published_until is None
    assert (calendar.named[date(2024, 11, 28)].zh, calendar.named[date(2024, 11, 28)].en) == (
        "感恩节",
        "Thanksgiving Day",
    )
    assert date(2040, 11, 22) in calendar.named
    assert calendar.named[date(2026, 7, 3)].zh == "独立日"


def test_a_subdivision_adds_its_holidays():
    """New York State keeps Lincoln's Birthday."""
    settings = CalendarSettings(
        time_zone="America/New_York",
        first_year=2025,
        last_year=2025,
        weekly={"monday-friday": DESK},
        holidays={"country": "US", "subdivision": "NY"},
    )
    assert date(2025, 2, 12) in build_calendar("office", settings).named


@pytest.mark.parametrize("asked", [{"country": "XX"}, {"country": "US", "subdivision": "ZZ"}])
def test_an_unknown_country_is_named(asked):
    """The message says which calendar asks, and what a code looks like."""
    with pytest.raises(UsageError, match=r"\[calendars.desk.holidays\]: the package `holidays` .* knows no"):
        build_calendar("desk", china(holidays=asked))


def test_a_run_of_weekdays_is_hours_of_each():
    """monday-friday and a single day together make the week; what is not named rests."""
    week = china(weekly={"monday-thursday": DESK, "friday": ["09:00-12:00"]}).week
    assert week == (hours(*DESK),) * 4 + (hours("09:00-12:00"), (), ())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time_zone": "Asia/Nowhere"}, "expected an IANA time zone"),
        ({"weekly": {"monday-funday": DESK}}, "is no weekday. Allowed: monday"),
        ({"weekly": {"friday-monday": DESK}}, "runs backwards"),
        ({"weekly": {"monday-friday": DESK, "friday": DESK}}, "names a weekday that another line names"),
        ({"weekly": {"monday": ["9-12"]}}, "Expected a time of day"),
        ({"weekly": {"monday": []}}, "expected opening hours on at least one weekday"),
        ({"last_year": 2020}, "last_year not before the first_year"),
        ({"override": {"holidays": {"2031-01-01": "x"}}}, "lies outside 2023 to 2026"),
        (
            {"override": {"holidays": {"2025-01-01": "x"}, "working_days": {"2025-01-01": "y"}}},
            "in holidays and in working_days",
        ),
        ({"override": {"holidays": {"2025-01-01": {"name": "x", "hours": DESK}}}}, "a holiday has no hours"),
        ({"override": {"working_days": {"2025-01-01": {"name": "x", "hours": ["12:00-09:00"]}}}}, "from early to late"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, told):
    """Each slip is named with what is allowed."""
    base = {"time_zone": "Asia/Shanghai", "first_year": 2023, "last_year": 2026, "weekly": {"monday-friday": DESK}}
    with pytest.raises(ValidationError, match=told):
        CalendarSettings(**{**base, **change})
