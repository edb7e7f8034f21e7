"""The timetable: the file is read whole, and each slot has one job, whatever the clocks do."""

from __future__ import annotations

import itertools
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from data.clock import WorkingCalendar, hours
from data.errors import UsageError
from service.jobs.claims import Claims
from service.jobs.queue import newest
from service.jobs.schedule import ScheduleFile, Timetable, newest_slot
from service.jobs.schedule_file import Schedule
from service.settings import Settings
from tests.support.job_runs import SetClock, emptied, job_store

SHANGHAI, NEW_YORK, APIA = (ZoneInfo(name) for name in ("Asia/Shanghai", "America/New_York", "Pacific/Apia"))

WHOLE = """
time_zone = "Asia/Shanghai"

[[schedule]]
name = "morning"
kind = "score"
at = "06:30"
days = "workdays"
grace = "3h"

[[schedule]]
name = "signals"
kind = "detect"
after = ["morning"]
arguments = { fdr_level = 0.05 }

[[schedule]]
name = "fetch"
kind = "sync"
every = "6h"
arguments = { name = "new_york" }

[[schedule]]
name = "models"
kind = "train"
at = 03:00:00
days = ["sat", "sun"]
"""


@pytest.fixture(scope="module")
def made_store(tmp_path_factory):
    """A store; slots are the same on both engines."""
    with job_store("sqlite", tmp_path_factory.mktemp("schedule"), str) as (_url, opened):
        yield opened


@pytest.fixture
def store(made_store):
    """An empty one."""
    return emptied(made_store)


def at(moment: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp())


def daily(of_day: time, **more) -> Schedule:
    return Schedule("daily", "score", {}, at=of_day, **more)


def read(folder, text: str) -> ScheduleFile:
    path = folder / "schedules.toml"
    path.write_text(text, "utf-8")
    return ScheduleFile.read(path, Settings(store_url=str(folder / "heed.db")))


def jobs_of(store) -> list[tuple[str, str | None]]:
    with store.reading() as connection:
        return sorted((job.kind, job.once_key) for job in newest(connection, limit=99))


def test_a_file_is_read_whole(tmp_path):
    """Times and lengths as text or as TOML has them; arguments with their defaults."""
    found = read(tmp_path, WHOLE)
    morning, signals, fetch, models = found.schedules
    assert found.time_zone == "Asia/Shanghai"
    assert morning == Schedule("morning", "score", {"as_of": None}, at=time(6, 30), weekdays=None, grace=10_800)
    assert (signals.after, signals.arguments) == ("morning", {"as_of": None, "fdr_level": 0.05})
    assert (fetch.every, fetch.weekdays) == (21_600, frozenset(range(7)))
    assert (models.at, models.weekdays) == (time(3), frozenset({5, 6}))
    assert read(tmp_path, "").schedules == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[schedule]", "this is not TOML"),
        ("[[schedules]]", "schedules: there is no such setting"),
        ('time_zone = "Mars/Base"', "time_zone: expected a time zone such as Asia/Shanghai"),
        ("[[schedule]]\nkind = 'score'\nat = '06:30'", "schedule 1: name: it has to be given"),
        ("[[schedule]]\nname = 'A b'\nkind = 'score'\nat = '6:30'", "schedule 'A b': name: expected small letters"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '6:30'", "at: expected a time of day such as 06:30"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nevery = '6 hours'", "every: expected a length such as 30m, 6h"),
        ("[[schedule]]\nname = 'a'\nkind = 'dance'\nat = '06:30'", "kind: input should be 'sync', 'score'"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'", "schedule 'a': expected one of at, every and after"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'\nevery = '1h'", "expected one of at, every and after"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nevery = '1h'\ndays = 'daily'", "days: go with at only"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'\ndays = []", "days: expected one day or more"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nafter = 'b'", "after: there is no schedule of that name"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nafter = 'a'", "after: it would come after itself"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nafter = ['b', 'c']", "after: expected the name of one schedule"),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'\nwhen = 1", "when: there is no such setting"),
        (
            "[[schedule]]\nname = 'a'\nkind = 'train'\nat = '06:30'\narguments = { folds = 3 }",
            "schedule 'a': Arguments of train: expected as_of, outcomes, promote, and no others",
        ),
        (
            "[[schedule]]\nname = 'a'\nkind = 'sync'\nat = '06:30'\narguments = { name = 'nowhere' }",
            "schedule 'a': name: expected a mapping with [sync] that heed ships",
        ),
        ("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'\n" * 2, "schedule 'a': there are two of that name"),
        (
            "[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'\ngrace = '91d'",
            "schedule 'a': grace: expected at most HEED_RETAIN_JOBS_DAYS (90d)",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path, text, told):
    """The schedule, the setting and what was expected."""
    with pytest.raises(UsageError) as refused:
        read(tmp_path, text)
    assert "schedules.toml: " in str(refused.value)
    assert told in str(refused.value)


def test_every_mistake_is_named_at_once(tmp_path):
    """Nobody should have to start the worker five times."""
    with pytest.raises(UsageError) as refused:
        read(tmp_path, "[[schedule]]\nname = 'a'\nkind = 'x'\nat = 'y'\n[[schedule]]\nkind = 'score'\nevery = '0h'")
    assert [line.count("schedule") for line in str(refused.value).splitlines()[1:]] == [1] * 4


def test_a_missing_file_is_told(tmp_path):
    """With its path, which the caller gave."""
    with pytest.raises(UsageError, match="the timetable cannot be read"):
        ScheduleFile.read(tmp_path / "none.toml", Settings())


def test_the_newest_slot_is_the_last_that_has_come():
    """Of a day, at its time and not a second before; the day before until then."""
    morning = daily(time(6, 30))
    for now, day in (("2026-03-02 06:30:00", "2026-03-02"), ("2026-03-02 06:29:59", "2026-03-01")):
        slot = newest_slot(morning, at(now), SHANGHAI)
        assert (slot.key, slot.at) == (f"daily:{day}", at(f"{day} 06:30"))


def test_days_are_those_asked_for():
    """A Saturday has no slot of the working week, and Monday's is the newest of Mondays until the next."""
    workdays = daily(time(6), weekdays=None)
    assert newest_slot(workdays, at("2026-03-08 12:00"), SHANGHAI).key == "daily:2026-03-06"
    mondays = daily(time(6), weekdays=frozenset({0}))
    assert newest_slot(mondays, at("2026-03-08 12:00"), SHANGHAI).key == "daily:2026-03-02"


def test_workdays_follow_the_working_calendar():
    """A holiday has no slot, a day worked in exchange has one; outside its years it is Monday to Friday again."""
    calendar = WorkingCalendar(
        time_zone="Asia/Shanghai",
        first=date(2026, 1, 1),
        last=date(2026, 12, 31),
        weekly=[*[hours("09:00-17:00")] * 5, (), ()],
        holidays=[date(2026, 10, day) for day in range(1, 8)],
        working_days={date(2026, 10, 10): hours("09:00-17:00")},
    )
    workdays = daily(time(6), weekdays=None)
    for now, day in (
        ("2026-10-07 12:00", "2026-09-30"),
        ("2026-10-10 12:00", "2026-10-10"),
        ("2027-01-02 12:00", "2027-01-01"),
    ):
        assert newest_slot(workdays, at(now), SHANGHAI, calendar).key == f"daily:{day}"


def test_clocks_that_change_give_each_day_one_slot():
    """Leapt over, it is at the end of the leap; shown twice, at the first; the day that Apia skipped has none."""
    spring, autumn = daily(time(2, 30)), daily(time(1, 30))
    leap = newest_slot(spring, at("2026-03-08 12:00", NEW_YORK), NEW_YORK)
    assert (leap.key, leap.at) == ("daily:2026-03-08", at("2026-03-08 03:00", NEW_YORK))
    twice = newest_slot(autumn, at("2026-11-01 12:00", NEW_YORK), NEW_YORK)
    assert (twice.key, twice.at) == ("daily:2026-11-01", at("2026-11-01 01:30", NEW_YORK))
    for schedule, zone, first, last in (
        (spring, NEW_YORK, "2026-03-06", "2026-03-11"),
        (autumn, NEW_YORK, "2026-10-30", "2026-11-04"),
        (daily(time(12)), APIA, "2011-12-27", "2012-01-02"),
    ):
        slots = {
            newest_slot(schedule, now, zone) for now in range(at(f"{first} 23:59", zone), at(f"{last} 23:59", zone), 60)
        }
        ordered = sorted(slots, key=lambda slot: slot.at)
        assert [slot.key for slot in ordered] == sorted(slot.key for slot in slots)
        assert len({slot.key for slot in slots}) == len(slots)


def test_an_interval_counts_hours_that_pass():
    """Whatever the clocks of the city show."""
    six = Schedule("six", "score", {}, every=21_600)
    start = at("2026-03-07 00:00", NEW_YORK)
    slots = {newest_slot(six, now, NEW_YORK) for now in range(start, start + 3 * 86_400, 600)}
    moments = sorted(slot.at for slot in slots)
    assert {b - a for a, b in itertools.pairwise(moments)} == {21_600}
    assert newest_slot(six, moments[1], NEW_YORK).key == "six:2026-03-07T06:00Z"


def test_of_a_slot_there_is_one_job_whatever_the_number_of_workers(store, tmp_path):
    """And however often they are started."""
    clock = SetClock(wall=at("2026-03-02 06:31"))
    file = read(tmp_path, WHOLE.replace('every = "6h"', 'at = "23:00"'))
    tables = [Timetable(store, file, clock=clock.clock()) for _ in range(3)]
    assert [one.enqueue_due() for one in tables] == [1, 0, 0]
    clock.pass_(60)
    assert [one.enqueue_due() for one in (*tables, Timetable(store, file, clock=clock.clock()))] == [0] * 4
    assert jobs_of(store) == [("score", "morning:2026-03-02")]


def test_of_missed_slots_the_newest_is_made_up_for_within_its_grace(store, tmp_path):
    """After a week without a worker there is one scoring, not seven; and none when the morning is long over."""
    file = read(tmp_path, WHOLE.split('[[schedule]]\nname = "signals"', maxsplit=1)[0])
    clock = SetClock(wall=at("2026-03-02 06:30"))
    Timetable(store, file, clock=clock.clock()).enqueue_due()
    clock.wall = at("2026-03-11 09:30")
    Timetable(store, file, clock=clock.clock()).enqueue_due()
    clock.wall = at("2026-03-12 09:30:01")
    Timetable(store, file, clock=clock.clock()).enqueue_due()
    assert jobs_of(store) == [("score", "morning:2026-03-02"), ("score", "morning:2026-03-11")]


def test_what_comes_after_comes_once_for_each_that_is_done(store, tmp_path):
    """Not when it failed, and not for a job that somebody added by hand."""
    file = read(tmp_path, WHOLE.split('[[schedule]]\nname = "fetch"', maxsplit=1)[0])
    clock = SetClock(wall=at("2026-03-02 06:30"))
    table, claims = Timetable(store, file, clock=clock.clock()), Claims(store, seconds=60, clock=clock.clock())
    table.enqueue_due()
    first = claims.claim()
    assert table.enqueue_due() == 0
    first.done({})
    assert [table.enqueue_due(), table.enqueue_due()] == [1, 0]
    assert ("detect", f"signals:{first.job.job_id}") in jobs_of(store)
    claims.claim().done({})
    clock.wall = at("2026-03-03 06:30")
    table.enqueue_due()
    claims.claim().failed({"type": "t", "title": "t", "detail": "d"})
    assert table.enqueue_due() == 0


def test_a_clock_that_is_set_back_brings_no_slot_again(store, tmp_path):
    """The slots of yesterday have their jobs already."""
    file = read(tmp_path, WHOLE.split('[[schedule]]\nname = "signals"', maxsplit=1)[0])
    clock = SetClock(wall=at("2026-03-02 06:30"))
    Timetable(store, file, clock=clock.clock()).enqueue_due()
    clock.wall = at("2026-03-03 06:30")
    Timetable(store, file, clock=clock.clock()).enqueue_due()
    clock.wall -= 86_400
    assert Timetable(store, file, clock=clock.clock()).enqueue_due() == 0


def test_the_zone_is_that_of_the_store_where_the_file_names_none(store, small_city_url, tmp_path):
    """And UTC while the store is empty."""
    from data.store import Store

    file = read(tmp_path, "[[schedule]]\nname = 'a'\nkind = 'score'\nat = '06:30'")
    assert str(Timetable(store, file)._zone()) == "UTC"
    with Store.open(small_city_url) as city:
        assert str(Timetable(city, file)._zone()) == city.time_zone()
