"""A case that is still open: its risk grows with the waiting, and rightly."""

from __future__ import annotations

import numpy as np
import pytest

from data.store import Store
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.landmarks import queries_at
from features.records import Records, expit
from features.starts import WAITED, share_passed
from features.waiting import waiting_adds
from models.evaluate import figures


@pytest.fixture(scope="module")
def index(small_city_url) -> EventIndex:
    with Store.open(small_city_url) as store:
        return EventIndex.build(facts_from_events(store.read_events()))


def _records(index, landmarks, at):
    return Records(IndexTerms(index, queries_at(landmarks.assign(landmark_at=at))))


def test_waiting_adds_nothing_at_the_opening_and_never_less_later(index, small_history):
    """The update starts at zero and only grows with the share of the promise that has passed."""
    landmarks = small_history.landmarks.iloc[2000:2200]
    records = _records(index, landmarks, small_history.as_of)
    added = np.array([waiting_adds(records, np.full(200, share)) for share in (0, 0.01, 0.2, 0.5, 0.9, 1.0)])
    assert (added[0] == 0).all()
    assert (np.diff(added, axis=0) >= 0).all()
    assert (added[-1] > 0).all()


def test_a_start_that_knows_of_the_waiting_is_the_better_one(small_history):
    """On mornings of cases still open at two fifths of their promise or later it ranks them better."""
    late = small_history.outcomes["late"]
    passed = share_passed(small_history.landmarks)
    some = late.known_before(small_history.as_of) & (passed >= 0.4)
    parts = small_history.inputs.starts["late"][some]
    outcome = late.value[some]
    told = figures(outcome, expit(parts.sum(axis=1).to_numpy()))
    plain = figures(outcome, expit(parts.drop(columns=WAITED).sum(axis=1).to_numpy()))
    assert some.sum() > 1000
    assert told.auc > plain.auc + 0.02
