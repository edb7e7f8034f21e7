"""Lateness at the opening, and splits by time that keep to what was known."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import NotEnoughDataError, UsageError
from data.event_log import fold_cases
from features.outcomes import late
from models.splits import split_at_share
from tests.support.logs import event_frame

DAY = 86_400


def _cases(rows):
    return fold_cases(event_frame(rows))


def _case(number, opened, due, closed=None, kind="closed"):
    case = f"c{number}"
    rows = [{"case_id": case, "kind": "opened", "at": opened, "known_at": opened, "due_at": due}]
    if closed is not None:
        rows.append({"case_id": case, "kind": kind, "at": closed, "known_at": closed})
    return rows


def test_late_is_what_the_promise_at_opening_says():
    """Closed before, at, and after the promise; open after it; due in the future; never promised; withdrawn."""
    t = 1_700_000_000
    cases = _cases(
        _case(1, t, t + 5 * DAY, t + 4 * DAY)
        + _case(2, t + 1, t + 5 * DAY, t + 5 * DAY)
        + _case(3, t + 2, t + 5 * DAY, t + 6 * DAY)
        + _case(4, t + 3, t + 5 * DAY)
        + _case(5, t + 4, t + 50 * DAY, t + 6 * DAY)
        + _case(6, t + 5, None, t + 6 * DAY)
        + _case(7, t + 6, t + 5 * DAY, t + 4 * DAY, "withdrawn")
        + _case(8, t + 7, t + 5 * DAY, t + 4 * DAY, "duplicate")
        + _case(9, t + 8, t + 5 * DAY, t + 30)
    )
    found = late(cases, as_of=t + 10 * DAY)
    assert found.value.tolist()[:4] == [0.0, 0.0, 1.0, 1.0]
    assert np.isnan(found.value[[4, 5, 6, 8]]).all()
    assert found.value[7] == 0.0
    assert found.eligible.tolist() == [True, True, True, True, True, False, False, True, False]


def test_a_case_nobody_looks_at_any_more_has_no_outcome():
    """Open when last seen, and due after that: neither late nor in time."""
    t = 1_700_000_000
    cases = _cases(_case(1, t, t + 5 * DAY) + _case(2, t + 1, t + 5 * DAY, t + DAY))
    found = late(cases, as_of=t + 90 * DAY, observed_until=np.array([t + 2 * DAY, t + 2 * DAY]))
    assert np.isnan(found.value).all()


def test_no_training_case_matures_after_the_cut(small_history):
    """What was still open at the cut is on neither side of the split."""
    cases, as_of = small_history.cases, small_history.as_of
    outcome = late(cases, as_of=as_of)
    split = split_at_share(cases, outcome, share=0.6, as_of=as_of)
    assert (outcome.matures_at[split.train] < split.cut).all()
    opened = cases["opened_at"].to_numpy()
    assert (opened[split.test] >= split.cut).all()
    between = outcome.eligible & (opened < split.cut) & ~split.train
    assert between.any()
    assert not (split.train & split.test).any()


@pytest.mark.parametrize("share", [0.0, 1.0, 7.0])
def test_a_split_outside_the_history_is_refused(small_history, share):
    """A share is between 0 and 1."""
    outcome = late(small_history.cases, as_of=small_history.as_of)
    with pytest.raises(UsageError, match="expected a share between 0 and 1"):
        split_at_share(small_history.cases, outcome, share=share, as_of=small_history.as_of)


def test_a_history_without_promises_cannot_be_judged():
    """Lateness has no meaning where nothing was promised."""
    t = 1_700_000_000
    cases = _cases(_case(1, t, None, t + DAY) + _case(2, t, None))
    with pytest.raises(NotEnoughDataError, match="none has one: lateness has no meaning"):
        split_at_share(cases, late(cases, as_of=t + 9 * DAY), share=0.5, as_of=t + 9 * DAY)
