"""Splits and back-tests keep to what was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import LeakError, NotEnoughDataError, UsageError
from data.event_log import fold_cases
from data.store import Store
from features.outcomes import late
from models.splits import split_at_share
from models.training import History, backtest, train
from service.pipeline import history_of
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
    split = split_at_share(small_history.cases, small_history.outcome, share=0.6, as_of=small_history.as_of)
    assert (small_history.outcome.matures_at[split.train] < split.cut).all()
    opened = small_history.cases["opened_at"].to_numpy()
    assert (opened[split.test] >= split.cut).all()
    between = small_history.outcome.eligible & (opened < split.cut) & ~split.train
    assert between.any()
    assert not (split.train & split.test).any()


def test_a_model_made_back_then_is_the_model_made_from_what_was_known_then(small_city_url, small_history):
    """Training at a cut inside a longer history gives the very model that the office would have had."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.6))
    with Store.open(small_city_url) as store:
        then = history_of(store, as_of=cut)
    made_then = train(then, rounds=30).to_files()
    assert train(small_history, cut=cut, rounds=30).to_files()["booster.txt"] == made_then["booster.txt"]


def test_the_future_changes_no_feature(small_city_url, small_history):
    """Features of cases opened before a moment are the same bits with and without what came later."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.5))
    with Store.open(small_city_url) as store:
        then = history_of(store, as_of=cut).matrix
    now = small_history.matrix
    kept = now.landmarks["case_id"].isin(then.landmarks["case_id"]).to_numpy()
    pd.testing.assert_frame_equal(now.rows(kept).features, then.features, check_exact=True)


def test_a_deliberately_leaky_feature_is_caught(small_city_url, small_history):
    """The comparison above fails when a feature knows how the case ended."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.5))
    with Store.open(small_city_url) as store:
        then = history_of(store, as_of=cut)
    kept = small_history.cases["case_id"].isin(then.cases["case_id"]).to_numpy()
    now = small_history.matrix.rows(kept).features.assign(leak=small_history.outcome.value[kept])
    with pytest.raises(AssertionError, match="leak"):
        pd.testing.assert_frame_equal(now, then.matrix.features.assign(leak=then.outcome.value), check_exact=True)


def test_the_model_beats_the_category_rate_on_later_cases(small_history):
    """Even on 4,000 cases, ranking and calibration are better than the rate of the category."""
    found = backtest(small_history, share=0.7, rounds=100)
    rate = found.baselines["category_rate"]
    assert found.model.auc > rate.auc + 0.02
    assert found.model.brier < rate.brier
    assert set(found.baselines) == {"city_rate", "category_rate", "record", "logistic_regression"}


def test_a_feature_of_the_office_is_refused_where_only_the_last_owner_is_known(small_city_url):
    """The message explains what would leak and what to do."""
    with Store.open(small_city_url) as store, pytest.raises(LeakError, match="whoever ended up with the case"):
        History.build(
            store.read_events(),
            as_of=store.last_known_at() + 1,
            time_zone=store.time_zone(),
            known_at_opening=("category", "area", "channel"),
            names=["record_office"],
        )


def test_an_unknown_outcome_is_told_with_those_there_are(small_city_url):
    """An outcome that is not built is not pretended."""
    with Store.open(small_city_url) as store, pytest.raises(UsageError, match="expected one of late, got 'angry'"):
        history_of(store, outcome="angry")


@pytest.mark.parametrize("share", [0.0, 1.0, 7.0])
def test_a_split_outside_the_history_is_refused(small_history, share):
    """A share is between 0 and 1."""
    with pytest.raises(UsageError, match="expected a share between 0 and 1"):
        backtest(small_history, share=share)


def test_a_history_without_promises_cannot_be_judged():
    """Lateness has no meaning where nothing was promised."""
    t = 1_700_000_000
    cases = _cases(_case(1, t, None, t + DAY) + _case(2, t, None))
    with pytest.raises(NotEnoughDataError, match="none has one: lateness has no meaning"):
        split_at_share(cases, late(cases, as_of=t + 9 * DAY), share=0.5, as_of=t + 9 * DAY)


def test_a_back_test_learns_from_what_was_known_at_its_cut():
    """A closing entered late and a withdrawal change what is known of two cases later, and not what was known then."""
    start, day = 1_700_000_000, 86_400
    opened = {"kind": "opened", "at": start, "known_at": start, "due_at": start + 9 * day}
    rows = [{"case_id": case, **opened} for case in ("entered late", "withdrawn")]
    late_entry = {"case_id": "entered late", "kind": "closed", "at": start + 8 * day, "known_at": start + 20 * day}
    withdrawn = {"case_id": "withdrawn", "kind": "withdrawn", "at": start + 20 * day, "known_at": start + 20 * day}
    events = event_frame([*rows, late_entry, withdrawn])
    history = History.build(events, as_of=start + 40 * day, time_zone="UTC", known_at_opening=["category"])
    assert history.outcome.value[0] == 0.0
    assert history.outcome.eligible.tolist() == [True, False]
    then = history.outcome_at(start + 15 * day)
    assert then.value.tolist() == [1.0, 1.0]
    assert then.eligible.tolist() == [True, True]
    before = history.outcome_at(start + 5 * day)
    assert np.isnan(before.value).all()
    assert history.outcome_at(start + 40 * day) is history.outcome


def test_a_case_heard_of_before_its_opening_stops_no_back_test():
    """At a cut between the two nothing can be said of it yet, neither an outcome nor how far its label is trusted."""
    start, day = 1_700_000_000, 86_400
    rows = [
        {"case_id": "a", "kind": "opened", "at": start, "known_at": start, "due_at": start + 2 * day},
        {"case_id": "b", "kind": "replied", "at": start + day, "known_at": start + day},
        {"case_id": "b", "kind": "opened", "at": start, "known_at": start + 6 * day, "due_at": start + 9 * day},
    ]
    history = History.build(event_frame(rows), as_of=start + 20 * day, time_zone="UTC", known_at_opening=["category"])
    assert history.trust_at(start + 4 * day) is not None
    assert history.outcome_at(start + 4 * day).eligible.tolist() == [True, False]
