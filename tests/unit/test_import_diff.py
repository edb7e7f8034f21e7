"""From the states of a case in snapshot after snapshot to events: what happened, and when it could be
known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.diff import diff_snapshots, no_state, state_of
from data.event_log import NEVER, fold_cases
from tests.support.exports import town

MAPPING = town()
OFFICE_AT_OPENING = town(
    (
        'field = "office"\nat = "end"',
        'field = "office"\nat = "opened"\nforced = "frozen at intake in this test"',
    )
)
AREA_AT_END = town(('field = "area"\nat = "opened"', 'field = "area"\nat = "end"'))

# One case as a snapshot may show it; times are small numbers of seconds.
SEEN = {
    "case_id": "c",
    "opened_at": 100,
    "category": "light",
    "area": "north",
    "channel": "phone",
    "office": "works",
}


def states(*snapshots: dict) -> pd.DataFrame:
    """Rows of one case, each given by when it was seen and how it differs from an open case."""
    frame = pd.DataFrame([{**SEEN, **snapshot} for snapshot in snapshots])
    for name in ("due_at", "closed_at", "withdrawn_at"):
        given = frame.get(name, pd.Series(NEVER, index=frame.index))
        frame[name] = given.fillna(NEVER).astype("int64")
    for name in ("opened_at", "closed_at", "withdrawn_at"):
        if f"{name}_known" not in frame:
            frame[f"{name}_known"] = frame[name]
        frame[f"{name}_known"] = frame[f"{name}_known"].fillna(NEVER).astype("int64")
    for name in (
        "case_id",
        "category",
        "category_group",
        "area",
        "channel",
        "office",
        "closing_reason",
        "falls",
    ):
        frame[name] = pd.Series(frame.get(name), index=frame.index, dtype="str")
    return frame


def told(*snapshots: dict, mapping=MAPPING) -> list[str]:
    """The events as `kind at/known_at field=value …`, in the order in which they became known."""
    events = diff_snapshots(states(*snapshots), no_state(), mapping)
    events = events.sort_values(["known_at", "at", "kind"])
    assert (events["known_at"] >= events["at"]).all()
    lines = []
    for event in events.to_dict("records"):
        fields = ("due_at", "category", "category_group", "area", "channel", "office", "closing_reason")
        said = [f"{name}={event[name]}" for name in fields if not pd.isna(event[name])]
        lines.append(" ".join([f"{event['kind']} {event['at']}/{event['known_at']}", *said]))
    return lines


def new(at: int = 100) -> str:
    return f"opened {at}/{at} category=light area=north channel=phone"


def test_an_open_case_gives_its_opening_and_the_office_as_it_is_seen():
    """The opening carries what was known then; the office is known only when it is seen."""
    assert told({"seen_at": 500, "due_at": 400}) == [
        "opened 100/100 due_at=400 category=light area=north channel=phone",
        "assigned 500/500 office=works",
    ]


def test_a_closed_case_gives_its_end_and_the_office_at_its_end():
    """The last owner is known when the case is closed, and no earlier."""
    assert told({"seen_at": 500, "closed_at": 200, "closing_reason": "resolved"}) == [
        new(),
        "assigned 200/200 office=works",
        "closed 200/200 closing_reason=resolved",
    ]


def test_a_closing_after_the_last_look_is_known_when_it_happened():
    """Between two looks nothing says that the system was late to know."""
    assert told({"seen_at": 500}, {"seen_at": 900, "closed_at": 700})[2:] == ["closed 700/700"]


def test_a_closing_before_the_last_look_is_known_only_now():
    """It was not there to see when one looked: it was entered late, and an earlier as-of did not know it."""
    assert told({"seen_at": 500}, {"seen_at": 900, "closed_at": 300})[2:] == ["closed 300/900"]


def test_a_closing_that_vanishes_is_a_reopening():
    """What was closed and is open again was reopened, known when it was seen."""
    assert told({"seen_at": 500, "closed_at": 300}, {"seen_at": 900})[-1] == "reopened 900/900"


def test_a_later_closing_means_that_it_was_open_in_between():
    """Closed at 300, and at 900 closed at 700: reopened since the last look, and closed again."""
    assert told({"seen_at": 500, "closed_at": 300}, {"seen_at": 900, "closed_at": 700})[3:] == [
        "reopened 500/900",
        "closed 700/900",
    ]


@pytest.mark.parametrize("corrected", [200, 400])
def test_another_closing_before_the_last_look_is_a_correction(corrected):
    """At 500 the case was closed either way, so it was not reopened: the time is corrected."""
    events = told({"seen_at": 500, "closed_at": 300}, {"seen_at": 900, "closed_at": corrected})
    assert events[3:] == [f"closed {corrected}/900"]


def test_another_reason_for_the_same_closing_is_a_correction():
    """The reason is said anew; the time of the closing stays."""
    first = {"seen_at": 500, "closed_at": 300, "closing_reason": "noted"}
    again = {"seen_at": 900, "closed_at": 300, "closing_reason": "resolved"}
    assert told(first, again)[3:] == ["closed 300/900 closing_reason=resolved"]


def test_withdrawn_and_duplicate_cases_are_not_closed():
    """A case that fell away is told as that, at its own time, or at its closing, or when it was seen."""
    assert told({"seen_at": 500, "withdrawn_at": 300})[1:] == [
        "assigned 300/300 office=works",
        "withdrawn 300/300",
    ]
    duplicate = {"seen_at": 500, "closed_at": 200, "falls": "duplicate"}
    assert told(duplicate)[1:] == ["assigned 200/200 office=works", "duplicate 200/200"]
    assert told({"seen_at": 500, "falls": "duplicate"})[1:] == [
        "assigned 500/500 office=works",
        "duplicate 500/500",
    ]


def test_a_case_falls_away_once():
    """A second look at a withdrawn case adds nothing, whatever its closing says."""
    rows = ({"seen_at": 500, "withdrawn_at": 300}, {"seen_at": 900, "withdrawn_at": 300, "closed_at": 700})
    assert told(*rows) == told(rows[0])
    late = told({"seen_at": 500}, {"seen_at": 900, "withdrawn_at": 300})
    assert late[2:] == ["withdrawn 300/900"]


def test_changed_attributes_are_amendments_that_say_only_what_changed():
    """A later export corrects a category or a deadline; what did not change is not repeated."""
    events = told(
        {"seen_at": 500, "due_at": 400, "area": None},
        {"seen_at": 900, "due_at": 450, "category": "lamp", "area": "east"},
    )
    assert events[2:] == ["amended 900/900 due_at=450 category=lamp area=east"]


def test_a_value_that_is_gone_says_nothing():
    """An export that leaves a field empty does not take back what an earlier one said."""
    gone = {"seen_at": 900, "area": None, "channel": None, "office": None}
    assert told({"seen_at": 500, "due_at": 400}, gone) == told({"seen_at": 500, "due_at": 400})


def test_another_office_is_a_transfer():
    """Between two looks the case moved; when, nobody can say, so it is known when seen."""
    moved = told({"seen_at": 500}, {"seen_at": 900, "office": "parks"})
    assert moved[2:] == ["transferred 900/900 office=parks"]
    late = told({"seen_at": 500, "office": None}, {"seen_at": 900, "office": "parks"})
    assert late[1:] == ["assigned 900/900 office=parks"]


def test_an_office_frozen_at_intake_belongs_to_the_opening():
    """Called known at opening, the office is part of the opening and there is no assignment."""
    assert told({"seen_at": 500, "closed_at": 200}, mapping=OFFICE_AT_OPENING) == [
        "opened 100/100 category=light area=north channel=phone office=works",
        "closed 200/200",
    ]


def test_an_attribute_known_only_at_the_end_is_said_then():
    """An area that the export shows as it ended becomes known with the end."""
    assert told({"seen_at": 500, "closed_at": 200}, mapping=AREA_AT_END) == [
        "opened 100/100 category=light channel=phone",
        "amended 200/200 area=north",
        "assigned 200/200 office=works",
        "closed 200/200",
    ]


def test_a_day_without_a_time_is_known_when_the_day_is_over():
    """Day resolution: `at` stays the day, `known_at` its end, and never after the export was made."""
    days = {"opened_at_known": 150, "closed_at": 200, "closed_at_known": 250, "seen_at": 240}
    assert told(days) == [
        "opened 100/150 category=light area=north channel=phone",
        "assigned 200/240 office=works",
        "closed 200/240",
    ]


def test_an_older_snapshot_of_a_known_case_adds_nothing():
    """What was known when cannot be changed afterwards; cases that are new in it are taken."""
    newer = states({"seen_at": 900, "closed_at": 700, "category": "lamp"})
    state = no_state()
    step = diff_snapshots(newer, state, MAPPING)
    cases = fold_cases(step)
    known = state_of(cases, np.array([900]))
    older = states({"seen_at": 500}, {"seen_at": 500, "case_id": "d"})
    assert set(diff_snapshots(older, known, MAPPING)["case_id"]) == {"d"}


def test_a_case_that_a_snapshot_leaves_out_was_looked_for():
    """A case opened between those that a snapshot holds, and missing in it, was not there to be seen closed."""
    first = {"seen_at": 500}
    others = [{"seen_at": 700, "case_id": name, "opened_at": at} for name, at in (("a", 50), ("b", 150))]
    last = {"seen_at": 900, "closed_at": 600}
    events = diff_snapshots(states(first, *others, last), no_state(), MAPPING)
    assert events[events["kind"] == "closed"]["known_at"].tolist() == [900]
    events = diff_snapshots(states(first, others[0], last), no_state(), MAPPING)
    assert events[events["kind"] == "closed"]["known_at"].tolist() == [600]


def test_the_fold_of_the_events_is_the_last_snapshot():
    """Whatever the way through the snapshots, the events end where the last one stands."""
    ways = [
        [{"seen_at": 500}, {"seen_at": 900, "closed_at": 300}],
        [{"seen_at": 500, "closed_at": 400}, {"seen_at": 900}, {"seen_at": 1200, "closed_at": 1000}],
        [{"seen_at": 500, "closed_at": 400}, {"seen_at": 900, "closed_at": 800, "office": "parks"}],
        [{"seen_at": 500, "closed_at": 400}, {"seen_at": 900, "closed_at": 350}],
    ]
    for way in ways:
        case = fold_cases(diff_snapshots(states(*way), no_state(), MAPPING)).iloc[0]
        assert case["closed_at"] == way[-1].get("closed_at", NEVER)
        assert case["office"] == way[-1].get("office", "works")
