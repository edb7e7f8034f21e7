"""The state of a case after each of its events, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from data.errors import InputError
from data.event_log import NEVER, empty_events
from features.case_state import STATE_COLUMNS, STEPS, CaseStates, state_before
from tests.support.logs import event_frame

T = 1_700_000_000
HOUR, DAY = 3600, 86_400


def _log(*rows):
    return event_frame([{"case_id": "c1", "known_at": row["at"], **row} for row in rows])


def _states(log):
    """The state after every event, in order."""
    states = CaseStates.of(log)
    return states.frame(pd.RangeIndex(len(states)).to_numpy())


def _opened(**said):
    return {"kind": "opened", "at": T, **said}


def test_a_case_is_open_until_it_is_closed_and_again_when_reopened():
    """`is_open`, `closed_at` and `reopened` follow closings and reopenings."""
    states = _states(
        _log(
            _opened(),
            {"kind": "closed", "at": T + HOUR},
            {"kind": "reopened", "at": T + 2 * HOUR},
            {"kind": "closed", "at": T + 5 * HOUR},
        )
    )
    assert states["is_open"].tolist() == [True, False, True, False]
    assert states["closed_at"].tolist() == [NEVER, T + HOUR, NEVER, T + 5 * HOUR]
    assert states["reopened"].tolist() == [0, 0, 1, 1]
    assert states["reopened_at"].tolist() == [NEVER, NEVER, T + 2 * HOUR, T + 2 * HOUR]
    assert not states["fallen_away"].any()


@pytest.mark.parametrize("kind", ["withdrawn", "duplicate"])
def test_a_case_falls_away_until_it_is_reopened(kind):
    """A case that was withdrawn, or is a duplicate, is not open, and stays so whatever is said but a reopening."""
    states = _states(
        _log(
            _opened(),
            {"kind": kind, "at": T + HOUR},
            {"kind": "replied", "at": T + 2 * HOUR},
            {"kind": "reopened", "at": T + 3 * HOUR},
        )
    )
    assert states["is_open"].tolist() == [True, False, False, True]
    assert states["fallen_away"].tolist() == [False, True, True, False]


def test_stage_events_and_last_event_follow_what_became_known_last():
    """A reply recorded late counts from when it became known."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "replied", "at": T + HOUR, "known_at": T + DAY},
            {"case_id": "c1", "kind": "assigned", "at": T + 2 * HOUR, "known_at": T + 2 * HOUR, "office": "north"},
        ]
    )
    states = _states(log)
    assert [STEPS[code].value for code in states["stage"]] == ["opened", "assigned", "replied"]
    assert states["events"].tolist() == [1, 2, 3]
    assert states["last_event_at"].tolist() == [T, T + 2 * HOUR, T + DAY]
    assert states["replies"].tolist() == [0, 0, 1]


def test_handing_over_and_back_is_counted():
    """North to south to north is two hand-overs and one return; naming the same office again is none."""
    states = _states(
        _log(
            _opened(office="north"),
            {"kind": "transferred", "at": T + HOUR, "office": "south"},
            {"kind": "assigned", "at": T + 2 * HOUR, "office": "south"},
            {"kind": "handed_up", "at": T + 3 * HOUR, "office": "north"},
            {"kind": "replied", "at": T + 4 * HOUR},
        )
    )
    assert states["office"].tolist() == ["north", "south", "south", "north", "north"]
    assert states["office_since"].tolist() == [T, T + HOUR, T + HOUR, T + 3 * HOUR, T + 3 * HOUR]
    assert states["handovers"].tolist() == [0, 1, 1, 2, 2]
    assert states["returns"].tolist() == [0, 0, 0, 1, 1]
    assert states["handed_up"].tolist() == [0, 0, 0, 1, 1]


def test_the_first_office_of_a_case_is_no_hand_over():
    """Who first gets a case got it from nobody, and before that no office has it."""
    states = _states(_log(_opened(), {"kind": "assigned", "at": T + HOUR, "office": "north"}))
    assert states["office"].isna().tolist() == [True, False]
    assert states["office_since"].tolist() == [NEVER, T + HOUR]
    assert states["handovers"].tolist() == [0, 0]


def test_a_transfer_that_names_no_office_is_a_hand_over_and_an_office_named_at_the_closing_is_none():
    """What happened counts, not which columns an export has; who closed a case did not get it by closing it."""
    unnamed = _states(_log(_opened(), {"kind": "transferred", "at": T + HOUR}, {"kind": "handed_up", "at": T + DAY}))
    assert unnamed["handovers"].tolist() == [0, 1, 2]
    closing = _states(_log(_opened(office="north"), {"kind": "closed", "at": T + HOUR, "office": "south"}))
    assert closing["handovers"].tolist() == [0, 0]
    assert closing["office"].tolist() == ["north", "south"]


def test_pauses_are_counted_and_measured_from_when_they_happened():
    """A pause of two hours and one that goes on; a pause inside a pause is no other pause."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "paused", "at": T + HOUR, "known_at": T + 2 * HOUR},
            {"case_id": "c1", "kind": "paused", "at": T + 2 * HOUR, "known_at": T + 3 * HOUR},
            {"case_id": "c1", "kind": "resumed", "at": T + 3 * HOUR, "known_at": T + 4 * HOUR},
            {"case_id": "c1", "kind": "paused", "at": T + 9 * HOUR, "known_at": T + 9 * HOUR},
        ]
    )
    states = _states(log)
    assert states["pauses"].tolist() == [0, 1, 1, 1, 2]
    assert states["paused_seconds"].tolist() == [0, 0, 0, 2 * HOUR, 2 * HOUR]
    assert states["paused_since"].tolist() == [NEVER, T + HOUR, T + HOUR, NEVER, T + 9 * HOUR]


@pytest.mark.parametrize("end", ["closed", "withdrawn", "duplicate"])
def test_a_pause_ends_with_the_case(end):
    """An office that has closed a case does not wait for anybody, and a closed case cannot be paused."""
    states = _states(
        _log(
            _opened(),
            {"kind": "paused", "at": T + HOUR},
            {"kind": end, "at": T + 4 * HOUR},
            {"kind": "paused", "at": T + 5 * HOUR},
        )
    )
    assert states["paused_since"].tolist() == [NEVER, T + HOUR, NEVER, NEVER]
    assert states["paused_seconds"].tolist() == [0, 0, 3 * HOUR, 3 * HOUR]
    assert states["pauses"].tolist() == [0, 1, 1, 1]


def test_a_pause_told_after_its_end_is_over_at_once():
    """The end was recorded first: the pause adds its length when it becomes known, and does not go on."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "resumed", "at": T + 3 * HOUR, "known_at": T + 3 * HOUR},
            {"case_id": "c1", "kind": "paused", "at": T + HOUR, "known_at": T + DAY},
        ]
    )
    states = _states(log)
    assert states["pauses"].tolist() == [0, 0, 1]
    assert states["paused_seconds"].tolist() == [0, 0, 2 * HOUR]
    assert states["paused_since"].tolist() == [NEVER, NEVER, NEVER]


def test_a_pause_that_begins_as_another_ends_goes_on():
    """Told late or not: what ended at that moment was the pause before."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "resumed", "at": T + 3 * HOUR, "known_at": T + 3 * HOUR},
            {"case_id": "c1", "kind": "paused", "at": T + 3 * HOUR, "known_at": T + 4 * HOUR},
        ]
    )
    assert _states(log)["paused_since"].tolist() == [NEVER, NEVER, T + 3 * HOUR]


def test_no_pause_has_a_negative_length():
    """An end that is told late, and happened before the pause began, ends it without any length."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "paused", "at": T + 3 * HOUR, "known_at": T + 3 * HOUR},
            {"case_id": "c1", "kind": "resumed", "at": T + HOUR, "known_at": T + 4 * HOUR},
        ]
    )
    states = _states(log)
    assert states["paused_seconds"].tolist() == [0, 0, 0]
    assert states["paused_since"].tolist() == [NEVER, T + 3 * HOUR, NEVER]


def test_the_promise_is_the_one_that_stands():
    """The first promise is no change, saying it again is none, another one is."""
    states = _states(
        _log(
            _opened(),
            {"kind": "amended", "at": T + HOUR, "due_at": T + 3 * DAY},
            {"kind": "amended", "at": T + 2 * HOUR, "due_at": T + 3 * DAY},
            {"kind": "amended", "at": T + 3 * HOUR, "due_at": T + 5 * DAY},
            {"kind": "replied", "at": T + 4 * HOUR},
        )
    )
    assert states["due_at"].tolist() == [NEVER, T + 3 * DAY, T + 3 * DAY, T + 5 * DAY, T + 5 * DAY]
    assert states["first_due_at"].tolist() == [NEVER, *[T + 3 * DAY] * 4]
    assert states["promise_changes"].tolist() == [0, 0, 0, 1, 1]
    assert states["promise_changed_at"].tolist() == [NEVER, NEVER, NEVER, T + 3 * HOUR, T + 3 * HOUR]


def test_attributes_are_the_newest_that_were_said():
    """A correction counts from when it became known; silence changes nothing."""
    states = _states(
        _log(
            _opened(category="drain", area="A1", channel="web"),
            {"kind": "amended", "at": T + HOUR, "category": "sewer", "category_group": "water"},
            {"kind": "replied", "at": T + 2 * HOUR},
        )
    )
    assert states["category"].tolist() == ["drain", "sewer", "sewer"]
    assert states["category_group"].tolist()[1:] == ["water", "water"]
    assert pd.isna(states["category_group"].iloc[0])
    assert set(states["area"]) == {"A1"}
    assert set(states["channel"]) == {"web"}


def test_the_opening_is_told_with_both_its_moments():
    """A case written down a day late was opened the day before."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "assigned", "at": T, "known_at": T + HOUR, "office": "north"},
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T + DAY},
        ]
    )
    states = _states(log)
    assert states["opened_at"].tolist() == [NEVER, T]
    assert states["opened_known_at"].tolist() == [NEVER, T + DAY]
    assert states["is_open"].tolist() == [False, True]


def test_the_state_before_a_moment_leaves_that_moment_out():
    """`seen_until` is exclusive; rows come back as they were asked, and cases do not mix."""
    log = event_frame(
        [
            {"case_id": "c2", "kind": "opened", "at": T, "known_at": T, "office": "north"},
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T, "office": "south"},
            {"case_id": "c1", "kind": "closed", "at": T + HOUR, "known_at": T + HOUR},
        ]
    )
    asked = pd.DataFrame(
        {"case_id": ["c1", "c2", "c1"], "seen_until": [T + HOUR, T + DAY, T + HOUR + 1]}, index=[7, 8, 9]
    )
    states = state_before(log, asked)
    assert tuple(states.columns) == STATE_COLUMNS
    assert states["is_open"].tolist() == [True, True, False]
    assert states["office"].tolist() == ["south", "north", "south"]


def test_a_case_of_which_nothing_was_known_has_no_state():
    """The message says how many landmarks, and nothing of the case."""
    asked = pd.DataFrame({"case_id": ["c1", "c1", "c9"], "seen_until": [T + 1, T, T + DAY]})
    with pytest.raises(InputError, match=r"and 2 of 3 landmarks have none\. Give all events of these cases"):
        state_before(_log(_opened()), asked)
    with pytest.raises(InputError, match=r"and 3 of 3 landmarks have none"):
        state_before(empty_events(), asked)


def test_an_empty_log_has_no_states():
    """No event, no row, and every column."""
    states = _states(empty_events())
    assert tuple(states.columns) == STATE_COLUMNS
    assert states.empty


def test_types_are_as_the_table_says():
    """Moments are int64, counts int32, flags bool and names categories."""
    types = {name: str(dtype) for name, dtype in _states(_log(_opened(office="north"))).dtypes.items()}
    assert {name for name, dtype in types.items() if dtype == "bool"} == {"is_open", "fallen_away"}
    assert {name for name, dtype in types.items() if dtype == "category"} == {
        "category", "category_group", "area", "channel", "office",
    }  # fmt: skip
    moments = {name for name in STATE_COLUMNS if name.endswith(("_at", "_since", "_seconds"))}
    assert {name for name, dtype in types.items() if dtype == "int64"} == moments
    assert set(types.values()) == {"bool", "category", "int64", "int32"}


def test_an_event_frame_with_a_column_missing_is_refused():
    """The message names the column and where a whole frame comes from."""
    with pytest.raises(InputError, match=r"and office, closing_reason is missing\. Give one as"):
        CaseStates.of(_log(_opened()).drop(columns=["office", "closing_reason"]))


def test_a_kind_that_is_none_is_refused():
    """The message says which words there are, and not the word that came."""
    log = _log(_opened(), {"kind": "escalated to the mayor", "at": T + HOUR}, {"kind": None, "at": T + HOUR})
    with pytest.raises(InputError, match=r"and 2 are of none\. Map the kinds") as error:
        CaseStates.of(log)
    assert "mayor" not in str(error.value)


@pytest.mark.parametrize("moment", [-1, T * 1000])
def test_a_moment_that_cannot_be_one_is_refused(moment):
    """Milliseconds, or a moment before 1970, would be read as another case's."""
    log = _log(_opened()).assign(known_at=moment)
    with pytest.raises(InputError, match="Expected 'known_at' as seconds since 1970 in UTC, before the year 2515"):
        CaseStates.of(log)
