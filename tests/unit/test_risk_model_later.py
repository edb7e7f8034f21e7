"""What a risk model would have told of later rows: whose they are, and that nothing of them had been known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.risk_model import RiskModel

DAY = 86_400


@pytest.fixture(scope="module")
def history() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Two years; every tenth row is not believed at all."""
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"a": rng.normal(size=1600), "b": rng.normal(size=1600)})
    y = (rng.random(1600) < 1 / (1 + np.exp(-2 * X["a"].to_numpy()))).astype(float)
    weight = np.where(np.arange(1600) % 10 == 0, 0.0, 1.0)
    return X, y, np.sort(rng.integers(0, 730 * DAY, 1600)), weight


def small() -> RiskModel:
    return RiskModel(rounds=20, num_leaves=4, ridge=10.0, linear_weight=0.5)


def test_later_rows_are_those_that_judged(history):
    """Places in X, of believed rows in the later part of the history, with scores that tell them apart."""
    X, y, at, weight = history
    model = small().fit(X, y, weight, at=at)
    rows = model.later_rows_
    assert len(rows) == len(model.later_score_) == len(np.unique(rows)) > 300
    assert (weight[rows] > 0).all()
    assert at[rows].min() > np.quantile(at, 0.5)
    assert np.corrcoef(model.later_score_, X["a"].to_numpy()[rows])[0, 1] > 0.8


def test_later_scores_knew_nothing_of_their_rows(history):
    """Turning the outcomes of the newest rows changes no score of theirs: each was told by what came before."""
    X, y, at, weight = history
    model = small().fit(X, y, weight, at=at)
    newest = at >= np.quantile(at[weight > 0], 0.9)
    other = small().fit(X, np.where(newest, 1 - y, y), weight, at=at)
    assert np.array_equal(other.later_rows_, model.later_rows_)
    asked = newest[model.later_rows_]
    assert asked.sum() > 100
    assert np.array_equal(other.later_score_[asked], model.later_score_[asked])


def test_a_short_history_has_no_later_rows(history):
    """Too few rows to part: there is nothing that a calibration could begin with."""
    X, y, at, _weight = history
    model = small().fit(X[:60], y[:60], at=at[:60])
    assert len(model.later_rows_) == len(model.later_score_) == 0
