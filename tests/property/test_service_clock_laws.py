"""The laws of promises and pauses, over random calendars, zones whose clocks leap, and random pauses."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.clock import Intervals, WorkingCalendar, hours
from data.event_log import NEVER
from data.service_clock_due import Pauses, measure

WEEKS = {
    "desk": [hours("09:00-12:00", "13:30-17:30")] * 5 + [()] * 2,
    "always": [hours("00:00-24:00")] * 7,
    "night": [hours("01:30-02:30", "23:00-24:00")] * 7,
    "half_days": [hours("08:00-12:00")] * 6 + [()],
}
# Zones that leap by an hour, by half an hour, and at midnight; a zone of a quarter of an hour; and one that skipped 30
# December 2011. Each with a moment shortly before a leap, around which the examples lie.
ZONES = {
    "Europe/London": (2025, "2025-03-24"),
    "America/New_York": (2025, "2025-10-28"),
    "Australia/Lord_Howe": (2025, "2025-04-01"),
    "America/Santiago": (2025, "2025-09-02"),
    "Asia/Kathmandu": (2025, "2025-05-01"),
    "Pacific/Apia": (2011, "2011-12-26"),
    "Asia/Shanghai": (2025, "2025-04-29"),
}


def calendar(zone: str, week: str) -> WorkingCalendar:
    year, around = ZONES[zone]
    holiday = date.fromisoformat(around) + timedelta(2)
    return WorkingCalendar(
        time_zone=zone,
        first=date(year, 1, 1),
        last=date(year + 1, 12, 31),
        weekly=WEEKS[week],
        holidays=[holiday, holiday + timedelta(1)],
        working_days={holiday + timedelta(4): hours("10:00-11:00")},
    )


CALENDARS = {(zone, week): calendar(zone, week) for zone in ZONES for week in WEEKS}
RULES = [
    ("working_hours", "closing", "any"),
    ("hours", "midnight", "any"),
    ("working_days", "closing", "any"),
    ("working_days", "midnight", "any"),
    ("calendar_days", "midnight", "any"),
    ("calendar_days", "midnight", "working"),
    ("calendar_days", "closing", "working"),
    ("calendar_days", "closing", "any"),
]
MEASURES = {
    (key, rule): measure(rule[0], CALENDARS[key], ends=rule[1], last_day=rule[2]) for key in CALENDARS for rule in RULES
}

keys = st.sampled_from(sorted(CALENDARS))
rules = st.sampled_from(RULES)
minutes = st.integers(0, 9 * 24 * 60)
pauses = st.lists(st.tuples(minutes, st.integers(1, 4 * 24 * 60)), max_size=4)
amounts = st.integers(1, 9)


def begin_of(zone: str) -> int:
    return int(datetime.fromisoformat(ZONES[zone][1]).replace(tzinfo=ZoneInfo(zone)).timestamp())


def moment(zone: str, minute: int) -> int:
    return begin_of(zone) + 60 * minute


def joined(zone: str, given_pauses) -> Pauses:
    """The pauses as a case has them: disjoint, in order."""
    spans = Intervals([moment(zone, a) for a, _ in given_pauses], [moment(zone, a + n) for a, n in given_pauses])
    return Pauses(np.zeros(len(spans), dtype=np.int64), spans.starts, spans.ends)


def due(how, start: int, amount: int, held: Pauses) -> int:
    starts = np.array([start])
    return int(how.settled(how.postponed(how.base(starts, amount), starts, held), held)[0])


@given(keys, rules, minutes, amounts, pauses)
def test_a_pause_never_shortens_a_deadline_and_none_falls_into_one(key, rule, start, amount, given_pauses):
    """With pauses a promise falls due no earlier than without, after its start, and never while the clock stands."""
    how, held = MEASURES[key, rule], joined(key[0], given_pauses)
    begun = moment(key[0], start)
    with_pauses, without = due(how, begun, amount, held), due(how, begun, amount, Pauses.none())
    assert begun < without <= with_pauses < NEVER
    inside = (np.maximum(held.starts, begun) < with_pauses) & (with_pauses <= held.ends)
    assert not inside.any()


@given(keys, rules, minutes, amounts, pauses, pauses)
def test_a_longer_pause_never_gives_an_earlier_deadline(key, rule, start, amount, one, more):
    """Whatever pauses are added to those there are, or made longer, the deadline does not come forward."""
    how, begun = MEASURES[key, rule], moment(key[0], start)
    longer = [*one, *more, *((a, n + 77) for a, n in one)]
    assert due(how, begun, amount, joined(key[0], one)) <= due(how, begun, amount, joined(key[0], longer))


@given(keys, rules, minutes, minutes, amounts, pauses)
def test_who_comes_first_falls_due_no_later(key, rule, one, other, amount, given_pauses):
    """A deadline never goes back when the start goes forward, and one unit more is never earlier."""
    how, held = MEASURES[key, rule], joined(key[0], given_pauses)
    first, second = sorted((moment(key[0], one), moment(key[0], other)))
    assert due(how, first, amount, held) <= due(how, second, amount, held)
    assert due(how, first, amount, held) <= due(how, first, amount + 1, held)


@given(keys, rules, minutes, amounts, pauses, st.integers(1, 2000))
def test_cutting_a_pause_in_two_changes_nothing(key, rule, start, amount, given_pauses, cut):
    """Two pauses that touch are one pause."""
    how, held = MEASURES[key, rule], joined(key[0], given_pauses)
    assume(len(held.of))
    middle = np.minimum(held.starts + 60 * cut, held.ends - 1)
    bounds = [
        (a, b)
        for start_, m, end in zip(held.starts, middle, held.ends, strict=True)
        for a, b in ((start_, m), (m, end))
    ]
    begins, ends = (np.array(part) for part in zip(*bounds, strict=True))
    pieces = Pauses(np.zeros(len(begins), dtype=np.int64), begins, ends)
    begun = moment(key[0], start)
    assert due(how, begun, amount, pieces) == due(how, begun, amount, held)


@given(keys, st.sampled_from([RULES[0], RULES[2]]), minutes, amounts, st.integers(0, 40))
def test_a_pause_outside_working_time_changes_nothing(key, rule, start, amount, gap):
    """While the office is closed there is nothing to hold: neither hours nor days are won."""
    how, working = MEASURES[key, rule], CALENDARS[key].intervals
    place = int(np.searchsorted(working.starts, moment(key[0], start))) + gap
    assume(place + 1 < len(working))
    closed = Pauses(np.zeros(1, dtype=np.int64), working.ends[place : place + 1], working.starts[place + 1 : place + 2])
    begun = moment(key[0], start)
    assert due(how, begun, amount, closed) == due(how, begun, amount, Pauses.none())


@given(keys, minutes, amounts, pauses, pauses)
def test_hours_with_pauses_are_hours_of_the_time_that_is_left(key, start, amount, one, other):
    """Taking the pauses out of the calendar, in either order or at once, and adding hours there gives the same."""
    zone, begun, how = key[0], moment(key[0], start), MEASURES[key, RULES[0]]
    working = CALENDARS[key].intervals
    parts = [Intervals(held.starts, held.ends) for held in (joined(zone, one), joined(zone, other))]
    left, right = working.minus(parts[0]).minus(parts[1]), working.minus(parts[1]).minus(parts[0])
    assert left.starts.tolist() == right.starts.tolist()
    assert left.ends.tolist() == right.ends.tolist()
    held = joined(zone, [*one, *other])
    found = due(how, begun, amount, held)
    assert found == int(left.advance(begun, amount * 3600))
    assert int(left.seconds_between(begun, found)) == amount * 3600


@given(keys, rules, st.lists(st.tuples(minutes, pauses), min_size=1, max_size=6), amounts)
def test_many_promises_at_once_are_each_alone(key, rule, cases, amount):
    """Arrays of starts with pauses of their own give what each would give by itself."""
    how, zone = MEASURES[key, rule], key[0]
    starts = np.array([moment(zone, start) for start, _ in cases])
    each = [joined(zone, held) for _, held in cases]
    every = Pauses(
        np.concatenate([np.full(len(held.of), place) for place, held in enumerate(each)]).astype(np.int64),
        np.concatenate([held.starts for held in each]),
        np.concatenate([held.ends for held in each]),
    )
    together = how.settled(how.postponed(how.base(starts, amount), starts, every), every)
    alone = [due(how, int(start), amount, held) for start, held in zip(starts, each, strict=True)]
    assert together.tolist() == alone


# ---- an oracle that looks at every minute ----


def every_minute(zone: str, week: str, since: int, count: int):
    """(moment, local date, works) minute by minute, by the wall clock alone."""
    holiday = date.fromisoformat(ZONES[zone][1]) + timedelta(2)
    local_zone = ZoneInfo(zone)
    for step in range(count):
        at = since + 60 * step
        local = datetime.fromtimestamp(at, local_zone)
        day, minute = local.date(), local.hour * 60 + local.minute
        opening = WEEKS[week][day.weekday()]
        if day in (holiday, holiday + timedelta(1)):
            opening = ()
        if day == holiday + timedelta(4):
            opening = hours("10:00-11:00")
        yield at, day, any(begin <= minute < end for begin, end in opening)


def by_the_minute(zone: str, week: str, rule, start: int, amount: int, held: Pauses) -> int:
    """The deadline as somebody would find it who watches the clock on the wall all the time."""
    unit, ends, last_day = rule
    stands = list(zip(np.maximum(held.starts, start).tolist(), held.ends.tolist(), strict=True))
    if unit in ("hours", "working_hours"):
        counted = 0
        for at, _, works in every_minute(zone, week, start, 60 * 24 * 90):
            paused = any(begin <= at < end for begin, end in stands)
            counted += 60 * (not paused and (works or unit == "hours"))
            if counted == amount * 3600:
                return at + 60
        raise AssertionError("not reached")
    count = 0
    days = groupby(every_minute(zone, week, start, 60 * 24 * 60), key=itemgetter(1))
    next(days)
    for _, of_day in days:
        seen = list(of_day)
        worked = [at for at, _, works in seen if works]
        over = (worked[-1] if worked and ends == "closing" else seen[-1][0]) + 60
        stopped = any(begin < over <= end for begin, end in stands)
        if count < amount:
            count += (bool(worked) or unit == "calendar_days") and not stopped
        if count == amount and not stopped and (worked or (unit == "calendar_days" and last_day == "any")):
            return over
    raise AssertionError("not reached")


@pytest.mark.parametrize("rule", RULES, ids="-".join)
@settings(max_examples=10)
@given(keys, minutes, st.integers(1, 4), pauses)
def test_who_watches_every_minute_finds_the_same(rule, key, start, amount, given_pauses):
    """An oracle that walks the wall clock minute by minute agrees with the arithmetic, to the second."""
    zone, week = key
    held, begun = joined(zone, given_pauses), moment(zone, start)
    assert due(MEASURES[key, rule], begun, amount, held) == by_the_minute(zone, week, rule, begun, amount, held)


def test_the_oracle_sees_the_leaps():
    """The days around which the examples lie do have a leap, or are missing."""
    lengths = {}
    for zone in ZONES:
        days = [day for _, day, _ in every_minute(zone, "always", begin_of(zone), 60 * 24 * 9)]
        lengths[zone] = {days.count(day) for day in set(days)}
    assert 23 * 60 in lengths["Europe/London"]
    assert 25 * 60 in lengths["America/New_York"]
    assert 24 * 60 + 30 in lengths["Australia/Lord_Howe"]
    apia = [day for _, day, _ in every_minute("Pacific/Apia", "always", begin_of("Pacific/Apia"), 60 * 24 * 9)]
    assert date(2011, 12, 30) not in apia
