"""Standards kept in a store, and the promises that are written into the log."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from data.errors import InputError, UsageError
from data.event_log import NEVER, fold_cases
from data.service_clock import ServiceClock, find_clock
from data.service_clock_store import fill_promises, read_clock, set_clock, stored_clocks
from data.store import ImportRun, Store
from tests.support.clocks import OFFICES, moment, story
from tests.support.exports import fresh_schema

TEXT = """
[about]
name = "mine"
title_zh = "本单位"
[calendars.desk]
time_zone = "Asia/Shanghai"
first_year = 2025
last_year = 2025
[calendars.desk.weekly]
monday-friday = ["09:00-17:00"]
[clocks.resolve]
starts = ["opened", "reopened"]
stops = ["closed"]
while_paused = "stands"
hand_over = "HAND_OVER"
[[standards]]
amount = 5
unit = "working_days"
[[standards]]
tier = "city"
amount = 8
unit = "working_days"
"""


def clock(hand_over: str = "goes_on", days: int = 5) -> ServiceClock:
    return ServiceClock.parse(TEXT.replace("HAND_OVER", hand_over).replace("amount = 5", f"amount = {days}"))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path) -> Iterator[Store]:
    if request.param == "sqlite":
        with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
            yield opened
    else:
        with (
            fresh_schema(request.getfixturevalue("postgres_url")) as address,
            Store.open(address, create=True) as opened,
        ):
            yield opened


def add(store: Store, events: pd.DataFrame, source: str = "town", sha: str = "1"):
    run = ImportRun(
        source=source,
        time_zone="Asia/Shanghai",
        known_at_opening=("category",),
        file_name="a.csv",
        file_sha256=sha,
        extracted_at=int(events["known_at"].max()),
    )
    return store.add_events(run, events)


def deadlines(events: pd.DataFrame) -> list[tuple[str, int | None]]:
    return [
        (kind, None if pd.isna(due) else int(due)) for kind, due in zip(events["kind"], events["due_at"], strict=True)
    ]


OPENED = ("opened", "2025-03-10T10:00", {"category": "x", "office": "T-1"})
# Five working days after Mon 10 March: Tue 11 to Mon 17.
PROMISED = moment("2025-03-17T17:00")


def test_standards_are_kept_and_replaced(store):
    """The file is kept to the letter, with its hash; one per source."""
    add(store, story(OPENED))
    kept = set_clock(store, "town", clock().text.encode())
    assert read_clock(store, "town").text == clock().text
    assert kept.sha256 == clock().sha256
    set_clock(store, "town", clock(days=6).text.encode())
    assert read_clock(store, "town").promises[0].amount == 6
    assert stored_clocks(store)[["source", "sha256"]].values.tolist() == [["town", clock(days=6).sha256]]
    assert read_clock(store, "other") is None


def test_standards_of_an_unknown_source_are_refused(store):
    """A slip in the name would keep standards that nothing uses."""
    with pytest.raises(UsageError, match=r"no source 'town'\. It has: none yet"):
        set_clock(store, "town", clock().text.encode())
    add(store, story(OPENED))
    with pytest.raises(UsageError, match=r"no source 'twon'\. It has: town"):
        set_clock(store, "twon", clock().text.encode())


def test_wrong_standards_are_not_kept(store):
    """What cannot be read replaces nothing."""
    add(store, story(OPENED))
    set_clock(store, "town", clock().text.encode())
    with pytest.raises(InputError, match=r"mine\.toml: this is not TOML"):
        set_clock(store, "town", b"[", file="mine.toml")
    assert read_clock(store, "town").sha256 == clock().sha256


def test_importing_the_same_file_again_adds_nothing_whatever_the_standards_say_now(store):
    """A promise is made once: a change of the standards does not rewrite the past."""
    events = story(OPENED, ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-13T10:00"))
    first = add(store, fill_promises(events, clock(), OFFICES))
    assert first.events_added == 4
    changed = fill_promises(events, clock(days=20), OFFICES, stored=store.read_events(source="town"))
    again = add(store, changed)
    assert (again.import_id, again.events_added) == (None, 0)
    assert fold_cases(store.read_events())["due_at_opening"].tolist() == [PROMISED]


def test_an_opening_without_a_deadline_gets_its_promise():
    """The deadline stands in the opening, known as the opening is."""
    filled = fill_promises(story(OPENED, ("closed", "2025-03-11T10:00")), clock(), OFFICES)
    assert deadlines(filled) == [("opened", PROMISED), ("closed", None)]
    assert fold_cases(filled)["due_at_opening"].tolist() == [PROMISED]


def test_a_deadline_of_the_source_stays_and_is_not_moved():
    """Who keeps deadlines of their own moves them too."""
    events = story(
        ("opened", "2025-03-10T10:00", {"due_at": 1_800_000_000}),
        ("paused", "2025-03-12T10:00"),
        ("resumed", "2025-03-13T10:00"),
    )
    pd.testing.assert_frame_equal(fill_promises(events, clock(), OFFICES), events)
    # Also when its later events come alone.
    later = events.iloc[1:].reset_index(drop=True)
    filled = fill_promises(later, clock(), OFFICES, stored=events.iloc[:1], source_has_deadlines=True)
    pd.testing.assert_frame_equal(filled, later)


def test_the_end_of_a_pause_says_the_new_deadline():
    """One `amended`, at the end of the pause and known as that is; the columns that it says nothing of are null."""
    events = story(OPENED, ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-14T10:00"))
    events.loc[2, "known_at"] += 3600
    filled = fill_promises(events.assign(recorded_at=events["known_at"]), clock(), OFFICES)
    assert deadlines(filled)[-1] == ("amended", moment("2025-03-19T17:00"))
    last = filled.iloc[-1]
    assert (last["at"], last["known_at"]) == (moment("2025-03-14T10:00"), moment("2025-03-14T11:00"))
    assert last["recorded_at"] == last["known_at"]
    assert last[["category", "office", "channel", "area"]].isna().all()
    folded = fold_cases(filled)
    assert folded["due_at_opening"].tolist() == [PROMISED]
    assert folded["due_at"].tolist() == [moment("2025-03-19T17:00")]


def test_a_pause_that_moves_nothing_says_nothing():
    """Within a day, over night, after the deadline, or still going on."""
    for begin, end in (
        ("2025-03-12T10:00", "2025-03-12T12:00"),
        ("2025-03-12T17:00", "2025-03-13T09:00"),
        ("2025-03-18T10:00", "2025-03-20T12:00"),
        ("2025-03-12T10:00", None),
    ):
        events = story(OPENED, ("paused", begin), *([("resumed", end)] if end else []))
        assert len(fill_promises(events, clock(), OFFICES)) == len(events)


@pytest.mark.parametrize(
    ("hand_over", "added"),
    [
        ("goes_on", []),
        ("takes_tier", [("amended", moment("2025-03-20T17:00"))]),
        ("restarts", [("amended", moment("2025-03-24T17:00"))]),
    ],
)
def test_a_hand_over_says_the_deadline_that_it_brings(hand_over, added):
    """Eight days of the city from the start, or from the hand-over of Wed 12 March."""
    events = story(OPENED, ("handed_up", "2025-03-12T10:00", {"office": "C-1"}))
    filled = fill_promises(events, clock(hand_over), OFFICES)
    assert deadlines(filled)[2:] == added
    assert deadlines(filled)[0] == ("opened", PROMISED)


def test_a_reopened_case_is_promised_anew():
    """The reopening carries its deadline, as in the log of a system that keeps its history."""
    events = story(OPENED, ("closed", "2025-03-11T10:00"), ("reopened", "2025-03-13T10:00"))
    filled = fill_promises(events, clock(), OFFICES)
    assert deadlines(filled)[2] == ("reopened", moment("2025-03-20T17:00"))


def test_a_later_import_moves_the_promise_that_was_made():
    """The pause of a case that is stored already moves the stored deadline, by the calendar of today."""
    opening = fill_promises(story(OPENED), clock(), OFFICES)
    later = story(("paused", "2025-03-12T10:00"), ("resumed", "2025-03-13T10:00"))
    filled = fill_promises(later, clock(days=30), OFFICES, stored=opening)
    assert deadlines(filled) == [("paused", None), ("resumed", None), ("amended", moment("2025-03-18T17:00"))]


def test_a_pause_that_is_stored_is_not_looked_at_again():
    """A pause within a day moves no promise in days; standards in hours would have moved it, and come too late."""
    events = story(OPENED, ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-12T12:00"))
    filled = fill_promises(events, clock(), OFFICES)
    hourly = ServiceClock.parse(clock().text.replace("working_days", "working_hours"))
    pd.testing.assert_frame_equal(fill_promises(events, hourly, OFFICES, stored=filled), filled)


def test_a_case_that_was_stored_without_a_promise_stays_without():
    """Standards hold for what is imported from then on: not for an opening that is stored, nor for its later pause."""
    before = story(OPENED, ("paused", "2025-03-12T10:00"))
    after = story(OPENED, ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-13T10:00"))
    pd.testing.assert_frame_equal(fill_promises(after, clock(), OFFICES, stored=before), after)
    # A new start is promised.
    reopened = story(OPENED, ("closed", "2025-03-12T10:00"), ("reopened", "2025-03-13T10:00"))
    filled = fill_promises(reopened, clock(), OFFICES, stored=story(OPENED))
    assert deadlines(filled) == [("opened", None), ("closed", None), ("reopened", moment("2025-03-20T17:00"))]


def test_a_promise_that_moved_off_a_day_of_rest_is_moved_from_where_it_was():
    """Four calendar days from Tue 4 March end on Saturday and so on Monday; a pause on Sunday takes nothing out."""
    text = (
        clock().text.replace("amount = 5", "amount = 4\nlast_day = 'working'").replace("working_days", "calendar_days")
    )
    rests = ServiceClock.parse(text)
    opening = ("opened", "2025-03-04T10:00", {"category": "x", "office": "T-1"})
    first = fill_promises(story(opening), rests, OFFICES)
    assert deadlines(first) == [("opened", moment("2025-03-11T00:00"))]
    later = story(("paused", "2025-03-09T10:00"), ("resumed", "2025-03-10T10:00"))
    pd.testing.assert_frame_equal(fill_promises(later, rests, OFFICES, stored=first), later)


def test_an_opening_says_nothing_that_was_learnt_later():
    """Only the city promises; the case is handed up to it on Wednesday, and only then is there a deadline."""
    city = ServiceClock.parse(clock("takes_tier").text.replace("amount = 5", "tier = 'town'\namount = 5"))
    events = story(
        ("opened", "2025-03-10T10:00", {"category": "x"}), ("handed_up", "2025-03-12T10:00", {"office": "C-1"})
    )
    filled = fill_promises(events, city, OFFICES)
    assert deadlines(filled) == [("opened", None), ("handed_up", None), ("amended", moment("2025-03-20T17:00"))]
    assert filled.iloc[2]["known_at"] == moment("2025-03-12T10:00")


def test_where_nothing_is_promised_nothing_is_filled():
    """No standard, a deadline beyond the calendar, or no clock for closing at all."""
    far = story(("opened", "2025-12-30T10:00", {"category": "x"}))
    pd.testing.assert_frame_equal(fill_promises(far, clock(), OFFICES), far)
    silent = story(("opened", "2025-03-10T10:00", {"category": "suggestion"}))
    filled = fill_promises(silent, find_clock("hotline_12345"), OFFICES)
    assert deadlines(filled) == [("opened", None)]
    replies = ServiceClock.parse(
        TEXT.partition("[clocks.resolve]")[0] + "[[standards]]\nclock = 'first_reply'\namount = 1\nunit = 'hours'"
    )
    assert deadlines(fill_promises(story(OPENED), replies, OFFICES)) == [("opened", None)]
    assert fill_promises(far.iloc[:0], clock(), OFFICES).empty


def test_what_is_filled_is_what_the_engine_finds():
    """The folded deadline of the filled log is the engine's, and NEVER where it finds none."""
    events = story(OPENED, ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-14T10:00"))
    found = clock().due(events, OFFICES, as_of=NEVER)
    assert fold_cases(fill_promises(events, clock(), OFFICES))["due_at"].tolist() == found["due_at"].tolist()
