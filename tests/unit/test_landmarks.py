"""Landmarks of small logs, worked out by hand."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from data.event_log import NEVER, empty_events, fold_cases
from features.event_index import EventIndex
from features.facts import KEY_COLUMNS, facts_from_events
from features.landmarks import LANDMARK_KINDS, landmarks, local_mornings, opening_landmarks, queries_at
from tests.support.logs import event_frame

SHANGHAI = "Asia/Shanghai"
HOUR, DAY = 3600, 86_400


def _at(text, zone=SHANGHAI):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


# A Monday, eight in the morning.
T = _at("2024-05-06 08:00")


def _log(*rows):
    return event_frame([{"case_id": "c1", "known_at": row["at"], **row} for row in rows])


def _landmarks(log, **options):
    return landmarks(log, **{"time_zone": SHANGHAI, "as_of": T + 30 * DAY, **options})


def _told(found):
    return list(zip(found["kind"], found["landmark_at"] - T, strict=True))


def test_a_case_has_its_opening_its_events_and_its_mornings_while_open():
    """Opened on Monday, moved on Tuesday, closed on Wednesday at noon: two mornings, two events."""
    found = _landmarks(
        _log(
            {"kind": "opened", "at": T, "office": "north", "due_at": T + 2 * DAY},
            {"kind": "transferred", "at": T + DAY, "office": "south"},
            {"kind": "closed", "at": T + 2 * DAY + 4 * HOUR},
        )
    )
    assert _told(found) == [
        ("opening", 0),
        ("morning", DAY - HOUR),
        ("event", DAY),
        ("morning", 2 * DAY - HOUR),
        ("event", 2 * DAY + 4 * HOUR),
    ]
    assert found["landmark"].tolist() == [0, 1, 2, 3, 4]
    assert (found["seen_until"] - found["landmark_at"]).tolist() == [1, 0, 1, 0, 1]
    assert found["office"].tolist() == ["north", "north", "south", "south", "south"]
    assert found["is_open"].tolist() == [True, True, True, True, False]
    assert found["events"].tolist() == [1, 1, 2, 2, 3]


def test_a_morning_knows_nothing_of_its_own_second():
    """What becomes known at seven sharp is known to the event's landmark, and not to the list made then."""
    found = _landmarks(
        _log(
            {"kind": "opened", "at": T - DAY},
            {"kind": "closed", "at": T - HOUR},
            {"kind": "reopened", "at": T + DAY - HOUR},
        ),
        as_of=T + 2 * DAY,
    )
    assert _told(found) == [
        ("opening", -DAY),
        ("morning", -HOUR),  # closed at that very second, and known to be open before it
        ("event", -HOUR),
        ("event", DAY - HOUR),
        ("morning", 2 * DAY - HOUR),
    ]
    assert found["is_open"].tolist() == [True, True, False, True, True]


def test_a_case_opened_at_seven_is_on_the_next_mornings_list():
    """Mornings lie strictly after the opening."""
    found = _landmarks(_log({"kind": "opened", "at": T - HOUR}), as_of=T + DAY)
    assert _told(found) == [("opening", -HOUR), ("morning", DAY - HOUR)]


def test_events_of_one_second_are_one_landmark():
    """Which of them came first cannot be told; the opening's second is one landmark too."""
    found = _landmarks(
        _log(
            {"kind": "opened", "at": T},
            {"kind": "assigned", "at": T, "office": "north"},
            {"kind": "replied", "at": T + HOUR},
            {"kind": "transferred", "at": T + HOUR, "office": "south"},
        ),
        kinds=["opening", "event"],
    )
    assert _told(found) == [("opening", 0), ("event", HOUR)]
    assert found["office"].tolist() == ["north", "south"]
    assert found["events"].tolist() == [2, 4]


def test_a_case_that_falls_away_has_no_landmark_until_it_is_reopened():
    """Neither the withdrawal nor what follows it is a moment at which anything is left to judge."""
    found = _landmarks(
        _log(
            {"kind": "opened", "at": T},
            {"kind": "withdrawn", "at": T + 2 * HOUR},
            {"kind": "replied", "at": T + 3 * HOUR},
            {"kind": "reopened", "at": T + 3 * DAY},
        ),
        as_of=T + 4 * DAY,
    )
    assert _told(found) == [("opening", 0), ("event", 3 * DAY), ("morning", 4 * DAY - HOUR)]


def test_a_near_instant_case_has_landmarks_as_every_other():
    """At its opening nobody can know that it will be closed within the minute."""
    found = _landmarks(_log({"kind": "opened", "at": T}, {"kind": "closed", "at": T + 5}))
    assert _told(found) == [("opening", 0), ("event", 5)]
    assert found["is_open"].tolist() == [True, False]


def test_a_case_that_nobody_could_have_known_yet_has_no_landmark():
    """Its opening is recorded later than the as-of, though another event of it is known."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T + 9 * DAY},
            {"case_id": "c1", "kind": "assigned", "at": T, "known_at": T + DAY, "office": "north"},
        ]
    )
    assert _landmarks(log, as_of=T + 9 * DAY).empty
    assert _told(_landmarks(log, as_of=T + 9 * DAY + 1)) == [("opening", 9 * DAY)]


def test_landmarks_lie_before_the_as_of_from_the_first_moment_asked_for_and_while_somebody_looked():
    """`as_of` is exclusive, `from_` and `observed_until` are not; only mornings need somebody to look."""
    log = _log({"kind": "opened", "at": T}, {"kind": "replied", "at": T + 2 * DAY})
    morning = DAY - HOUR
    assert _told(_landmarks(log, as_of=T + morning)) == [("opening", 0)]
    assert _told(_landmarks(log, as_of=T + morning + 1)) == [("opening", 0), ("morning", morning)]
    seen = pd.Series([T + 3 * DAY - HOUR], index=["c1"])
    found = _landmarks(log, observed_until=seen, from_=T + morning)
    assert _told(found) == [("morning", morning), ("morning", 2 * DAY - HOUR), ("event", 2 * DAY),
                            ("morning", 3 * DAY - HOUR)]  # fmt: skip
    assert found["landmark"].tolist() == [0, 1, 2, 3]
    assert len(_landmarks(log, observed_until=pd.Series([T], index=["another"]))) == 32


def test_cases_come_in_the_order_of_their_opening():
    """By the moment they were opened, then by name; each with its landmarks in order."""
    log = event_frame(
        [
            {"case_id": name, "kind": "opened", "at": T + shift, "known_at": T + DAY}
            for name, shift in (("b", 5), ("d", 0), ("a", 5), ("c", 9))
        ]
    )
    found = _landmarks(log, kinds=["opening"])
    assert found["case_id"].tolist() == ["d", "a", "b", "c"] == fold_cases(log)["case_id"].tolist()


def test_keys_are_of_the_case_as_it_was_known_then():
    """A correction and a new promise change the keys from then on."""
    found = _landmarks(
        _log(
            {"kind": "opened", "at": T, "category": "drain", "area": "A1", "channel": "web", "due_at": T + 8 * HOUR},
            {"kind": "amended", "at": T + HOUR, "category": "sewer", "due_at": T + 64 * HOUR},
        ),
        kinds=["opening", "event"],
    )
    assert found["category"].tolist() == ["drain", "sewer"]
    assert found["promise"].tolist() == ["3", "6"]
    assert found["promise_fine"].tolist() == ["6", "12"]
    assert found["due_at"].tolist() == [T + 8 * HOUR, T + 64 * HOUR]


def test_a_case_without_a_promise_has_none():
    """`due_at` is NEVER, and the promise keys are null."""
    found = _landmarks(_log({"kind": "opened", "at": T}), kinds=["opening"])
    assert found["due_at"].tolist() == [NEVER]
    assert found[["promise", "promise_fine"]].isna().all(axis=None)


def test_opening_landmarks_of_folded_cases_are_the_same():
    """The old way and the new give the same rows where nothing else became known in the opening's second."""
    log = event_frame(
        [
            {"case_id": name, "kind": "opened", "at": T + shift, "known_at": T + shift, "category": "drain",
             "area": area, "channel": "web", "office": "north", "due_at": T + 3 * DAY}
            for name, shift, area in (("b", 7, "A1"), ("a", 7, None), ("c", 1, "A2"))
        ]
    )  # fmt: skip
    old, new = opening_landmarks(fold_cases(log)), _landmarks(log, kinds=["opening"])
    for name in old.columns:
        same = old[name].astype(object).where(old[name].notna(), None).tolist()
        assert new[name].astype(object).where(new[name].notna(), None).tolist() == same, name


def test_landmarks_are_queries_of_the_event_index():
    """Keys as categories find the same facts as keys as words."""
    log = event_frame(
        [
            {"case_id": f"c{n}", "kind": "opened", "at": T + n * DAY, "known_at": T + n * DAY, "category": kind,
             "office": "north", "due_at": T + 40 * DAY}
            for n, kind in enumerate(["drain", "light", "drain", None, "drain"])
        ]
    )  # fmt: skip
    found = _landmarks(log, kinds=["opening"])
    index = EventIndex.build(facts_from_events(log))
    words = found.assign(**{name: found[name].astype(object) for name in KEY_COLUMNS})
    for keys, expected in ((("category",), [0, 0, 1, 0, 2]), (("category", "office"), [0, 0, 1, 0, 2])):
        for asked in (found, words):
            sums = index.sums("arrivals", ("n",), keys, queries_at(asked), None)
            assert sums["n"].tolist() == expected


def test_an_empty_log_has_no_landmarks():
    """No row, and the columns that every other frame has."""
    some = _landmarks(_log({"kind": "opened", "at": T}))
    none = _landmarks(empty_events())
    assert none.empty
    assert none.columns.tolist() == some.columns.tolist()
    assert none.columns.tolist()[:5] == ["landmark", "case_id", "kind", "landmark_at", "seen_until"]


@pytest.mark.parametrize(
    ("zone", "hour", "day", "moment"),
    [
        # The clock leaps from two to three: the first moment after it.
        ("America/New_York", 2, "2024-03-10", _at("2024-03-10 03:00", "America/New_York")),
        ("Europe/Berlin", 2, "2024-03-31", _at("2024-03-31 03:00", "Europe/Berlin")),
        # It leaps from midnight to one.
        ("America/Sao_Paulo", 0, "2018-11-04", _at("2018-11-04 01:00", "America/Sao_Paulo")),
        # One o'clock comes twice: the first time, still in summer time.
        ("America/New_York", 1, "2024-11-03", _at("2024-11-03 00:00", "America/New_York") + HOUR),
        ("Asia/Shanghai", 7, "2024-03-10", _at("2024-03-10 07:00")),
    ],
)
def test_a_morning_is_by_the_local_clock_whatever_it_does(zone, hour, day, moment):
    """One morning a day, at the hour, after a leap over it, or the first time it comes."""
    start = _at(day, zone)
    assert local_mornings(zone, hour, start, start + 22 * HOUR).tolist() == [moment]


def test_a_day_that_a_place_skipped_has_no_morning():
    """Samoa went from 29 to 31 December 2011."""
    found = local_mornings("Pacific/Apia", 7, _at("2011-12-29", "Pacific/Apia"), _at("2012-01-01", "Pacific/Apia"))
    days = [str(datetime.fromtimestamp(moment, ZoneInfo("Pacific/Apia")).date()) for moment in found]
    assert days == ["2011-12-29", "2011-12-31"]


def test_mornings_at_both_ends_count():
    """`start` and `end` are moments that may be mornings themselves."""
    seven = _at("2024-05-06 07:00")
    assert local_mornings(SHANGHAI, 7, seven, seven + DAY).tolist() == [seven, seven + DAY]
    assert local_mornings(SHANGHAI, 7, seven + 1, seven + DAY - 1).tolist() == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"time_zone": "Beijing"}, "Expected an IANA time zone such as 'Asia/Shanghai', got 'Beijing'"),
        ({"morning": 24}, "Expected the hour of the morning as 0 to 23, got 24"),
        ({"kinds": ["noon"]}, r"Expected some kinds of landmark of opening, event, morning, got \['noon'\]"),
        ({"kinds": []}, r"Expected some kinds of landmark of opening, event, morning, got \[\]"),
        ({"kinds": "event"}, "Expected some kinds of landmark of opening, event, morning, got 'event'"),
    ],
)
def test_what_cannot_be_asked_is_refused(option, message):
    """The message says what was expected and what came."""
    with pytest.raises(UsageError, match=message):
        _landmarks(empty_events(), **option)


def test_the_three_kinds_are_known_by_name():
    """Nothing else is a landmark."""
    assert LANDMARK_KINDS == ("opening", "event", "morning")
    assert np.unique(_landmarks(_log({"kind": "opened", "at": T}))["kind"].astype(str)).tolist() == [
        "morning",
        "opening",
    ]
