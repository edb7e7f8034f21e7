"""Laws of the risk model: nothing later teaches, exact sums, monotone where asked, and order that does not matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.risk_model import RiskModel
from models.risk_model.columns import Columns, Table
from models.risk_model.folds import Timing, folds
from models.risk_model.linear import Design, signed_log
from models.risk_model.material import Material, belief
from models.risk_model.recipe import Options
from models.risk_model.trees import TreeSettings
from models.risk_model.validation import decide, inner_folds

DAY = 86_400
seeds = st.integers(0, 2**31)


def history(seed: int, n: int = 400) -> tuple[pd.DataFrame, np.ndarray, Timing]:
    """Rows of cases over two years, about three rows a case, labels known up to 90 days later."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, max(n // 3, 1), n)
    at = rng.integers(0, 600 * DAY, n // 3 + 1)[group] + rng.integers(0, 60 * DAY, n)
    known = np.zeros(n // 3 + 1, dtype=np.int64)
    np.maximum.at(known, group, at + rng.integers(1, 90 * DAY, n))
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.exponential(size=n), "c": rng.choice(["x", "y"], n)})
    y = (rng.random(n) < 1 / (1 + np.exp(-X["a"].to_numpy()))).astype(np.float64)
    return X, y, Timing(at, known[group], pd.factorize(group)[0].astype(np.int64))


def material(X: pd.DataFrame, y: np.ndarray, timing: Timing) -> Material:
    columns = Columns.learn(X)
    return Material(columns.read(X), y, np.ones(len(y)), timing, columns.tree_names, columns.categories, None, {})


@settings(max_examples=30, deadline=None)
@given(seed=seeds, n=st.integers(30, 300))
def test_what_teaches_at_a_cut_was_known_before_what_judges_began(seed, n):
    """No row and no label of what teaches is as late as the first row of any case that judges."""
    _X, _y, timing = history(seed, n)
    for fold in folds(timing):
        first = timing.at[fold.after].min()
        assert timing.at[fold.before].max() < first
        assert timing.matures_at[fold.before].max() < first
        assert not set(timing.group[fold.before]) & set(timing.group[fold.after])


@settings(max_examples=8, deadline=None)
@given(seed=seeds)
def test_what_was_known_later_changes_no_provisional_model(seed):
    """Other features and labels at or after a cut leave all that is told of later rows by the label alone as it was."""
    X, y, timing = history(seed)
    rows = material(X, y, timing)
    fold = folds(timing, shares=(0.7,))[0]
    options = Options(((4, False),), 20, (30.0,), (0.3,), (100.0,), 0.3)
    grown = TreeSettings(min_data_in_leaf=10)
    told = decide(rows, options, grown, later=[fold], rows=400).score
    rng = np.random.default_rng(seed)
    features = rows.table.features.copy()
    neither = ~fold.before & ~fold.after
    features[neither] = rng.random((int(neither.sum()), 3))
    other = np.where(fold.before, y, 1 - y)
    changed = Material(Table(features, (), None), other, rows.weight, timing, rows.names, rows.categories, None, {})
    assert (decide(changed, options, grown, later=[fold], rows=400).score == told).all()


@settings(max_examples=6, deadline=None)
@given(seed=seeds)
def test_parts_add_up_whatever_the_shares(seed):
    """Base plus points is the probability to 1e-12, for any shares of the members."""
    X, y, timing = history(seed)
    rng = np.random.default_rng(seed)
    model = RiskModel(
        rounds=int(rng.integers(1, 40)), num_leaves=6, linear_weight=float(rng.random()), evidence_by="c", ridge=10.0
    )
    model.fit(X, y, at=timing.at, matures_at=timing.matures_at, groups=timing.group)
    told = model.explain(X)
    added = told.base + told.points.to_numpy().sum(axis=1)
    assert np.abs(added - model.predict_proba(X)[:, 1]).max() < 1e-12


@settings(max_examples=6, deadline=None)
@given(seed=seeds, sign=st.sampled_from([-1, 1]))
def test_a_monotone_feature_never_pulls_the_other_way(seed, sign):
    """Raising the feature alone never lowers (or never raises) the risk, in trees and linear part together."""
    X, y, _timing = history(seed)
    model = RiskModel(rounds=40, num_leaves=8, linear_weight=0.4, ridge=1.0, monotone={"a": sign}).fit(X, y)
    grid = pd.concat([X.head(20).assign(a=value) for value in np.linspace(-4, 4, 15)])
    told = model.predict_proba(grid)[:, 1].reshape(15, 20)
    assert (sign * np.diff(told, axis=0) >= -1e-12).all()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, strength=st.floats(1, 1e4))
def test_belief_grows_with_evidence_from_nothing_to_all(seed, strength):
    """N / (n + k): 0 for a value never seen, a half at k, and never falling."""
    counted = np.sort(np.random.default_rng(seed).integers(0, 5000, 8)).astype(np.float64)
    places = np.array([-1, *range(8), 8])
    told = belief(counted, Table(np.zeros((10, 1)), (), places), strength)
    assert told[0] == 0
    assert told[-1] == 0
    assert (np.diff(told[1:-1]) >= 0).all()
    assert belief(np.array([strength]), Table(np.zeros((1, 1)), (), np.array([0])), strength)[0] == pytest.approx(0.5)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20), unit=st.floats(1e-3, 1e6))
def test_the_signed_logarithm_keeps_order_and_sign(values, unit):
    """It never falls, and 0 stays 0."""
    ordered = np.sort(np.array(values))
    told = signed_log(ordered, unit)
    assert (np.diff(told) >= 0).all()
    assert (np.sign(told) == np.sign(ordered)).all() or np.abs(ordered).min() < unit * 1e-15
    assert signed_log(np.zeros(1), unit)[0] == 0


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_the_linear_part_is_at_the_least_of_its_loss(seed):
    """At the fitted coefficients the penalised likelihood has no slope left: the definition, worked out anew."""
    X, y, timing = history(seed)
    rows = material(X, y, timing)
    design = rows.design()
    found = design.fit(5.0)
    score = found.score(rows.table.features)
    error = 1 / (1 + np.exp(-score)) - y
    assert abs(error.sum()) < 0.05
    for term in found.terms:
        slope = error @ term.values(rows.table.features[:, term.place]) + 5.0 * term.coefficient
        assert abs(slope) < 0.05


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_a_weight_counts_as_so_many_rows_in_the_linear_part(seed):
    """Weights of 1 and 2 give what writing the rows once and twice gives."""
    X, y, timing = history(seed, 200)
    rows = material(X, y, timing)
    weight = np.random.default_rng(seed).integers(1, 3, 200)
    twice = np.repeat(np.arange(200), weight)
    features = rows.table.features
    once = Design.make(features, y, weight.astype(np.float64), categories=(2,)).fit(3.0)
    again = Design.make(features[twice], y[twice], np.ones(len(twice)), categories=(2,)).fit(3.0)
    assert np.abs(once.score(features) - again.score(features)).max() < 1e-3


@settings(max_examples=10, deadline=None)
@given(seed=seeds, n=st.integers(60, 300))
def test_folds_that_judge_have_both_outcomes_to_learn_from(seed, n):
    """A fold that could teach one outcome only is left out."""
    X, y, timing = history(seed, n)
    y[timing.at < 300 * DAY] = 0
    for fold in inner_folds(material(X, y, timing), 10, 1, many=False):
        assert 0 < y[fold.before].mean() < 1


@settings(max_examples=4, deadline=None)
@given(seed=seeds)
def test_a_level_never_seen_is_told_as_a_missing_one(seed):
    """New categories have no codes: they are told what a missing one is told."""
    X, y, timing = history(seed)
    model = RiskModel(rounds=15, num_leaves=4, linear_weight=0.5).fit(X, y, at=timing.at, groups=timing.group)
    new, missing = X.assign(c="never seen"), X.assign(c=pd.Series([None] * len(X), dtype="str"))
    assert (model.predict_proba(new) == model.predict_proba(missing)).all()
