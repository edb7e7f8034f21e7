"""The search over settings: repeatable, never worse than where it began, and judged by later rows only."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from data.errors import NotEnoughDataError, UsageError
from models.risk_model import RiskModel
from models.tuning import tune

DAY = 86_400


def rows(n: int = 420, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Later rows follow the same law as earlier ones; the first feature tells half of it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, (rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int), np.arange(n) * DAY


def search(**given):
    X, y, at = rows()
    return tune(RiskModel(rounds=5, num_leaves=4, linear_weight=0.0), X, y, at=at, trials=3, **given)


@pytest.fixture(scope="module")
def found():
    return search()


def test_the_same_search_finds_the_same(found):
    """Seeded, and progress is told after every trial: settings and losses are equal to the bit."""
    told: list[tuple[int, int]] = []
    first, again = found, search(progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert first.trials == again.trials
    assert first.model.get_params() == again.model.get_params()


def test_the_first_trial_is_the_model_as_it_was(found):
    """What comes out is never worse on later rows than what went in."""
    assert found.loss <= found.default_loss
    assert found.default_loss == found.trials[0]["loss"]
    assert len(found.trials) == 3


def test_a_search_without_optuna_says_what_to_install(monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install heed\[tuning\]"):
        search()


def test_too_short_a_history_is_not_searched():
    """With too few rows before a cut, the defaults are to be used."""
    X, y, at = rows(100)
    with pytest.raises(NotEnoughDataError, match="Expected 200 rows of both outcomes before a cut"):
        tune(RiskModel(), X, y, at=at)


def test_no_trial_at_all_is_no_search():
    """At least the model as it is has to be tried."""
    X, y, at = rows(300)
    with pytest.raises(UsageError, match="Expected at least one trial, got 0"):
        tune(RiskModel(), X, y, at=at, trials=0)
