"""Where a risk starts from is the record of what is like the case, in parts that have names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from features.base_score import offset_parts
from features.catalogue import CATALOGUE
from features.office_change import office_change
from features.records import Records, logit
from features.risk_inputs import CITY, input_terms, possible
from features.starts import CHANGED, WAITED, failure_of, share_passed, start_parts, start_terms
from features.terms import KnownTerms
from features.waiting import waiting_adds

DAY = 86_400
OUTCOMES = ("late", "unresolved_28d", "reopened_28d", "handed_up_28d")


def counted(outcome: str, **counts: int) -> KnownTerms:
    """One landmark for which every term is 0 but those whose name holds a key of `counts`."""
    answers = {
        term.name: np.array([next((n for key, n in counts.items() if key in term.name), 0)])
        for term in start_terms(outcome)
    }
    return KnownTerms(answers, 1)


def landmark(**columns: object) -> pd.DataFrame:
    usual = {"landmark_at": 5 * DAY, "opened_at": 0, "due_at": 10 * DAY, "is_open": True, "fallen_away": False}
    return pd.DataFrame([{**usual, **columns}])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_part_but_the_city_belongs_to_a_feature(outcome):
    """So that the reasons can tell them in words."""
    parts = list(start_parts(outcome, counted(outcome), np.zeros(1)))
    assert parts[0] == CITY
    assert set(parts[1:]) <= set(CATALOGUE)


def test_without_any_history_all_start_from_what_a_city_is_taken_to_be():
    """One in ten unresolved, one in twenty reopened and handed up, and no departure."""
    for outcome, share in zip(OUTCOMES[1:], (0.10, 0.05, 0.05), strict=True):
        parts = start_parts(outcome, counted(outcome), np.zeros(1))
        assert parts[CITY] == pytest.approx([logit(np.array([share]))[0]])
        assert all(values == pytest.approx([0.0]) for name, values in parts.items() if name != CITY)


def test_the_start_of_lateness_is_the_base_score_the_change_of_the_office_and_what_waiting_adds():
    """Part for part; at the opening waiting adds nothing."""
    source = counted("late", stage_0=3)
    for passed in (0.0, 0.6):
        parts = start_parts("late", source, np.array([passed]))
        records = Records(source)
        waited, changed = parts.pop(WAITED), parts.pop(CHANGED)
        assert parts == offset_parts(records)
        assert waited == waiting_adds(records, np.array([passed]))
        assert changed == office_change(records)
    assert start_parts("late", source, np.zeros(1))[WAITED] == [0.0]


def test_the_share_of_a_promise_that_has_passed():
    """Half of it, none before the opening, all of it after the end, and none where nothing is promised."""
    assert share_passed(landmark()).tolist() == [0.5]
    assert share_passed(landmark(landmark_at=-DAY)).tolist() == [0.0]
    assert share_passed(landmark(landmark_at=99 * DAY)).tolist() == [1.0]
    assert share_passed(landmark(due_at=NEVER)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("outcome", "state", "expected"),
    [
        ("late", {}, True),
        ("late", {"due_at": 5 * DAY}, False),
        ("late", {"due_at": NEVER}, False),
        ("late", {"is_open": False}, False),
        ("unresolved_28d", {"due_at": NEVER}, True),
        ("handed_up_28d", {"is_open": False}, False),
        ("reopened_28d", {"is_open": False}, True),
        ("reopened_28d", {"is_open": False, "fallen_away": True}, False),
    ],
)
def test_what_an_office_can_still_fail_at(outcome, state, expected):
    """By the state of the case at the landmark."""
    assert possible(landmark(**state), outcome).tolist() == [expected]


def test_terms_are_asked_for_once_and_in_order():
    """The same features and outcomes always ask the same list."""
    terms = input_terms(["level_category"], OUTCOMES)
    assert len(terms) == len(set(terms))
    assert list(terms) == sorted(terms, key=lambda term: term.name)
    assert set(start_terms("reopened_28d")) <= set(terms)


def test_an_outcome_is_known_by_its_name_without_the_horizon():
    """And one that there is not is an error."""
    assert [failure_of(name) for name in OUTCOMES] == ["late", "unresolved", "reopened", "handed_up"]
    with pytest.raises(KeyError, match="angry"):
        start_parts("angry", counted("late"), np.zeros(1))
