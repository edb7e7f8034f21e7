"""Laws of exact SHAP values, on random LightGBM models with categorical features, missing values and odd numbers."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trees import TreeEnsemble, plan, shapley
from models.trees.tree import Tree
from tests.support.tree_oracle import FEATURES, KINDS, odd_rows, random_model
from tests.support.tree_oracle import shapley as by_definition

MODELS = st.tuples(st.integers(0, 10_000), st.integers(2, 16), st.sampled_from([2, 3, 5, -1]), st.sampled_from(KINDS))
ROWS = st.integers(0, 10_000).map(lambda seed: odd_rows(seed, 12))


def ensemble_of(model) -> TreeEnsemble:
    return TreeEnsemble.parse(random_model(*model).model_to_string())


@given(MODELS, ROWS)
def test_scores_are_those_of_lightgbm_to_the_bit(model, X):
    """Every score has the bits of `predict(raw_score=True)`, on whatever values."""
    assert ensemble_of(model).raw_score(X).tobytes() == random_model(*model).predict(X, raw_score=True).tobytes()


@given(MODELS, ROWS)
def test_values_are_those_of_lightgbm(model, X):
    """Within 1e-10 of `predict(pred_contrib=True)`, base included."""
    contributions = random_model(*model).predict(X, pred_contrib=True)
    np.testing.assert_allclose(ensemble_of(model).shap_values(X), contributions, rtol=0, atol=1e-10)


@settings(max_examples=15)
@given(MODELS, st.integers(0, 10_000))
def test_values_are_shapley_values_by_their_definition(model, seed):
    """Within 1e-10 of the mean marginal contribution over all coalitions, worked out one by one."""
    X = odd_rows(seed, 3)
    values = ensemble_of(model).shap_values(X)
    for row, found in zip(X, values, strict=True):
        np.testing.assert_allclose(found, by_definition(random_model(*model), row), rtol=0, atol=1e-10)


@given(MODELS, ROWS)
def test_values_add_up_to_the_score(model, X):
    """Local accuracy: a row's values and the base sum to its score."""
    ensemble = ensemble_of(model)
    np.testing.assert_allclose(ensemble.shap_values(X).sum(axis=1), ensemble.raw_score(X), rtol=0, atol=1e-10)


@given(MODELS, ROWS)
def test_a_feature_that_no_split_looks_at_gets_nothing(model, X):
    """Missingness: exactly 0, and its values change no bit of the others."""
    ensemble = ensemble_of(model)
    unused = sorted(set(range(FEATURES)) - {int(one) for tree in ensemble.trees for one in tree.feature})
    values = ensemble.shap_values(X)
    other = X.copy()
    other[:, unused] = 7.0
    assert not values[:, unused].any()
    assert ensemble.shap_values(other).tobytes() == values.tobytes()


@given(MODELS, ROWS)
def test_values_of_trees_add_up_to_those_of_the_model(model, X):
    """Additivity: the model's values are the sum of its trees' own."""
    ensemble = ensemble_of(model)
    alone = [TreeEnsemble(ensemble.feature_names, ensemble.objective, (tree,)) for tree in ensemble.trees]
    total = np.sum([one.shap_values(X) for one in alone], axis=0)
    np.testing.assert_allclose(ensemble.shap_values(X), total, rtol=0, atol=1e-12)


@given(MODELS, ROWS, st.permutations(range(FEATURES)))
def test_names_of_features_do_not_matter(model, X, order):
    """With the columns in another order, in the model and in X, the values are the same in that order."""
    ensemble = ensemble_of(model)
    place = np.argsort(order)
    moved = replace(ensemble, trees=tuple(replace(tree, feature=place[tree.feature]) for tree in ensemble.trees))
    here, there = ensemble.shap_values(X), moved.shap_values(X[:, order])
    np.testing.assert_allclose(there[:, :-1], here[:, :-1][:, order], rtol=0, atol=1e-12)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(-5, 5), st.floats(-5, 5))
def test_equal_parts_are_paid_equally(few, many, low, high):
    """Symmetry: where two features play the same part in the game, they get the same."""
    both = few + many
    tree = Tree(
        feature=np.array([0, 1]),
        threshold=np.zeros(2),
        decision=np.array([8, 8]),
        left=np.array([-1, -2]),
        right=np.array([1, -3]),
        value=np.array([low, low, high]),
        leaf_cover=np.array([both * few, few * many, many * many]),
        split_cover=np.array([both * both, both * many]),
        sets=(),
    )
    ensemble = TreeEnsemble(("a", "b"), None, (tree,))
    for row in ([[1.0, 1.0]], [[-1.0, -1.0]]):
        one, other, base = ensemble.shap_values(np.array(row))[0]
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        np.testing.assert_allclose(base + one + other, high if row[0][0] > 0 else low, rtol=0, atol=1e-12)


@given(MODELS, ROWS, st.integers(1, 5), st.randoms(use_true_random=False), st.sampled_from([0, 5, 1 << 40]))
def test_a_row_gets_the_same_bits_in_any_company(model, X, block, rng, few):
    """Order of the rows, size of the blocks, and the way that suits many or few rows: no bit depends on them."""
    values = ensemble_of(model).shap_values(X)
    order = list(range(len(X)))
    rng.shuffle(order)
    with patch.object(shapley, "BLOCK", block), patch.object(shapley, "_FEW", few):
        assert ensemble_of(model).shap_values(X[order]).tobytes() == values[order].tobytes()
    with patch.object(plan, "LARGEST_TABLE", 6):
        ensemble = ensemble_of(model)
        whole = ensemble.shap_values(X)
        single = np.concatenate([ensemble.shap_values(X[[place]]) for place in order])
    assert single.tobytes() == whole[order].tobytes()


@given(MODELS, ROWS, st.sampled_from([1, 6, 20, 60]))
def test_tables_and_quadrature_agree(model, X, largest):
    """Whatever fits in a table, and so whatever is worked out row by row: the same values."""
    values = ensemble_of(model).shap_values(X)
    with patch.object(plan, "LARGEST_TABLE", largest):
        np.testing.assert_allclose(ensemble_of(model).shap_values(X), values, rtol=0, atol=1e-12)


@given(MODELS, ROWS, st.floats(-100, 100))
def test_a_constant_goes_to_the_base(model, X, more):
    """Adding to every leaf of a tree moves the base and nothing else; doubling every leaf doubles every value."""
    ensemble = ensemble_of(model)
    first, *rest = ensemble.trees
    moved = replace(ensemble, trees=(replace(first, value=first.value + more), *rest))
    values = ensemble.shap_values(X)
    here = moved.shap_values(X)
    np.testing.assert_allclose(here[:, :-1], values[:, :-1], rtol=0, atol=1e-11)
    np.testing.assert_allclose(here[:, -1], values[:, -1] + more, rtol=0, atol=1e-11)
    doubled = replace(ensemble, trees=tuple(replace(tree, value=2 * tree.value) for tree in ensemble.trees))
    np.testing.assert_array_equal(doubled.shap_values(X), 2 * values)
