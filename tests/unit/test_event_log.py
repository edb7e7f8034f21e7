"""Folding events into cases: what is known is what was said last, and nothing later."""

from __future__ import annotations

import pytest

from data.errors import InputError
from data.event_log import NEVER, fold_cases, known_before
from tests.support.logs import event_frame

T = 1_700_000_000
HOUR = 3600


def _log(*rows):
    return event_frame([{"case_id": "c1", "known_at": row["at"], **row} for row in rows])


def test_a_case_is_what_its_events_say_last():
    """A correction changes the case, and the promise made at opening stays known."""
    cases = fold_cases(
        _log(
            {"kind": "opened", "at": T, "category": "drain", "area": "A1", "office": "north", "due_at": T + 9 * HOUR},
            {"kind": "transferred", "at": T + HOUR, "office": "south"},
            {"kind": "amended", "at": T + 2 * HOUR, "category": "sewer", "due_at": T + 20 * HOUR},
            {"kind": "closed", "at": T + 3 * HOUR, "closing_reason": "resolved"},
        )
    )
    case = cases.iloc[0]
    assert (case["category"], case["office"], case["office_at_opening"]) == ("sewer", "south", "north")
    assert (case["due_at_opening"], case["due_at"]) == (T + 9 * HOUR, T + 20 * HOUR)
    assert (case["closed_at"], case["transfers"], case["closing_reason"]) == (T + 3 * HOUR, 1, "resolved")


def test_a_reopened_case_is_open_until_it_is_closed_again():
    """The first closing stays known; the case is open all the same."""
    log = _log(
        {"kind": "opened", "at": T},
        {"kind": "closed", "at": T + HOUR},
        {"kind": "reopened", "at": T + 2 * HOUR},
        {"kind": "closed", "at": T + 5 * HOUR},
    )
    between = fold_cases(known_before(log, T + 3 * HOUR)).iloc[0]
    after = fold_cases(log).iloc[0]
    assert (between["closed_at"], between["first_closed_at"], between["reopened"]) == (NEVER, T + HOUR, 1)
    assert (after["closed_at"], after["first_closed_at"]) == (T + 5 * HOUR, T + HOUR)


def test_what_is_recorded_late_is_known_late():
    """A closing that was written down a day later is not known in between."""
    log = event_frame(
        [
            {"case_id": "c1", "kind": "opened", "at": T, "known_at": T},
            {"case_id": "c1", "kind": "closed", "at": T + HOUR, "known_at": T + 24 * HOUR},
        ]
    )
    assert fold_cases(known_before(log, T + 24 * HOUR)).iloc[0]["closed_at"] == NEVER
    assert fold_cases(known_before(log, T + 24 * HOUR + 1)).iloc[0]["closed_at"] == T + HOUR


def test_an_event_of_the_very_moment_is_not_yet_known():
    """As-of is exclusive."""
    assert known_before(_log({"kind": "opened", "at": T}), T).empty


def test_a_case_without_an_opening_is_refused():
    """The message says how many and what to do, and nothing of the case."""
    with pytest.raises(InputError, match=r"but 1 have none\. Import the file that holds their openings first"):
        fold_cases(_log({"kind": "closed", "at": T}))
