"""Trees asked together for one row tell what LightGBM tells of it, to the bit, whatever the trees are like."""

from __future__ import annotations

from functools import cache

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.one_forest import Forest
from models.risk_model.trees import Ensemble

COLUMNS = 6
NAMES = tuple(f"x{place}" for place in range(COLUMNS))
# Words of 8, 16, 32 and 64 bits; trees of one leaf; more leaves than a word has bits.
LEAVES = (2, 3, 8, 9, 16, 31, 40, 64, 90)


def rows_of(seed: int, rows: int) -> np.ndarray:
    """Small and large numbers, whole ones, zeros and nulls."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS)) * 10.0 ** rng.integers(-1, 4, COLUMNS)
    X[:, 1] = rng.integers(0, 5, rows)
    X[rng.random(X.shape) < 0.1] = 0.0
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


@cache
def ensemble(leaves: int, rounds: int, *, seed: int = 0, nulls: bool = True, **given: object) -> Ensemble:
    X = rows_of(seed, 1_500)
    X = X if nulls else np.nan_to_num(X)
    rng = np.random.default_rng(seed + 1)
    signal = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 3]) * np.nan_to_num(X[:, 1]) + rng.normal(size=len(X))
    outcome = (signal > np.median(signal)).astype(float)
    asked = {"objective": "binary", "num_leaves": leaves, "max_depth": -1, "min_data_in_leaf": 2, "seed": seed}
    asked |= {"verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, **given}
    return Ensemble(lgb.train(asked, lgb.Dataset(X, outcome, feature_name=list(NAMES)), rounds), NAMES)


def scores_of(ensembles: list[Ensemble | None], row: np.ndarray) -> list[float]:
    """As LightGBM tells them, one model after another; 0 where there is none."""
    return [0.0 if one is None else float(one.booster.predict(row[None, :], raw_score=True)[0]) for one in ensembles]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4), st.integers(0, 9), st.data())
def test_scores_are_those_of_lightgbm_to_the_bit(leaves, seed, data):
    """Of several models at once, with more and fewer trees, and with none."""
    ensembles = [ensemble(most, data.draw(st.integers(1, 12)), seed=seed) for most in leaves]
    ensembles.insert(data.draw(st.integers(0, len(ensembles))), None)
    forest = Forest(ensembles, COLUMNS)
    for row in rows_of(data.draw(st.integers(0, 999)), 25):
        assert forest.scores(row) == scores_of(ensembles, row)


@pytest.mark.parametrize("leaves", LEAVES)
def test_which_trees_are_asked_here(leaves):
    """Those of no more leaves than a word has bits; LightGBM is asked for the others."""
    grown = ensemble(leaves, 5)
    assert max(tree.leaves for tree in grown.trees) == leaves
    assert Forest([grown, None], COLUMNS).asked_here == (leaves <= 64)


def test_nulls_go_where_the_model_sends_them():
    """Where training had no nulls, they count as 0; where zero is a null, LightGBM is asked."""
    full, zeros = ensemble(8, 10, nulls=False), ensemble(8, 10, zero_as_missing=True)
    forest = Forest([full, zeros], COLUMNS)
    assert forest.asked_here == 1
    for row in rows_of(7, 40):
        assert forest.scores(row) == scores_of([full, zeros], row)


def test_nothing_is_said_without_trees():
    """A model of the linear part alone; and a tree of a single leaf."""
    assert Forest([None, None], COLUMNS).scores(np.zeros(COLUMNS)) == [0.0, 0.0]
    alone = ensemble(8, 2, min_data_in_leaf=5_000)
    assert Forest([alone], COLUMNS).scores(np.zeros(COLUMNS)) == scores_of([alone], np.zeros(COLUMNS))
