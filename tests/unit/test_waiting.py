"""A case that is still open: its risk grows with the waiting, exactly explained, and rightly."""

from __future__ import annotations

import numpy as np
import pytest

from data.store import Store
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.landmarks import queries_at
from features.records import Records
from models.evaluate import figures
from models.splits import split_at_share
from models.training import train
from models.waiting import waiting_adds


@pytest.fixture(scope="module")
def index(small_city_url) -> EventIndex:
    with Store.open(small_city_url) as store:
        return EventIndex.build(facts_from_events(store.read_events()))


def _records(index, landmarks, at):
    return Records(IndexTerms(index, queries_at(landmarks.assign(landmark_at=at))))


def test_waiting_adds_nothing_at_the_opening_and_never_less_later(index, small_history):
    """The update starts at zero and only grows with the share of the promise that has passed."""
    landmarks = small_history.matrix.landmarks.iloc[2000:2200]
    records = _records(index, landmarks, small_history.as_of)
    added = np.array([waiting_adds(records, np.full(200, share)) for share in (0, 0.01, 0.2, 0.5, 0.9, 1.0)])
    assert (added[0] == 0).all()
    assert (np.diff(added, axis=0) >= 0).all()
    assert (added[-1] > 0).all()


def test_what_waiting_adds_is_one_of_the_reasons_and_the_sum_is_exact(index, small_history):
    """`time_waited` takes its place among the reasons, and they still add up."""
    some = small_history.matrix.rows(np.arange(3000, 3100))
    model = train(small_history, rounds=30)
    waiting = waiting_adds(_records(index, some.landmarks, small_history.as_of), np.full(100, 0.7))
    explanation = model.explain(some, waiting)
    assert np.allclose(explanation.probability, model.predict_proba(some, waiting), atol=1e-10)
    assert (explanation.points["time_waited"] >= 0).all()
    assert (model.predict_proba(some, waiting) > model.predict_proba(some)).all()


def test_half_way_through_the_promise_the_updated_risk_is_the_better_one(index, small_history):
    """On later cases still open at half of their promise, both calibration and Brier score gain."""
    split = split_at_share(small_history.cases, small_history.outcome, share=0.6, as_of=small_history.as_of)
    model = train(small_history, cut=split.cut, rounds=100)
    cases = small_history.cases
    half = ((cases["opened_at"] + cases["due_at_opening"]) // 2).to_numpy("int64")
    answered = np.minimum(cases["first_closed_at"], cases["duplicate_at"]).to_numpy("int64")
    open_half_way = split.test & (answered > half)
    later = small_history.matrix.rows(open_half_way)
    waiting = waiting_adds(_records(index, later.landmarks, half[open_half_way]), np.full(len(later), 0.5))
    outcome = small_history.outcome.value[open_half_way]
    plain = figures(outcome, model.predict_proba(later))
    updated = figures(outcome, model.predict_proba(later, waiting))
    assert updated.brier < plain.brier
    assert updated.ece < plain.ece
