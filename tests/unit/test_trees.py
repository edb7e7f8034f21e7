"""Reading, scoring and explaining boosted trees: values worked out by hand, edges, and what is refused and how."""

from __future__ import annotations

import warnings
from dataclasses import replace
from unittest.mock import patch

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from data.errors import ModelError, UsageError
from models.trees import TreeEnsemble, plan
from models.trees.tree import Tree
from tests.support.hostile_models import put, sized, small_model, training_rows, with_line
from tests.support.tree_oracle import odd_rows, random_model


@pytest.fixture(scope="module")
def text() -> str:
    return small_model(0)


def stump_pair() -> TreeEnsemble:
    """Splits on a at 0 (3 of 4 rows left, value 1), then on b at 10 (the other row's: value 2 up to it, 6 above).

    Of the 8 rows 6 have a <= 0; of the 2 others one has b <= 10.
    """
    tree = Tree(
        feature=np.array([0, 1]),
        threshold=np.array([0.0, 10.0]),
        decision=np.array([8, 10]),
        left=np.array([-1, -2]),
        right=np.array([1, -3]),
        value=np.array([1.0, 2.0, 6.0]),
        leaf_cover=np.array([6, 1, 1]),
        split_cover=np.array([8, 2]),
        sets=(),
    )
    return TreeEnsemble(("a", "b", "c"), None, (tree,))


def test_values_worked_out_by_hand():
    """Coalitions of a row with a = 1, b = 20: nothing 1.75, a 4, b 0.75·1 + 0.25·6 = 2.25, both 6."""
    values = stump_pair().shap_values([[1.0, 20.0, 5.0]])
    a = ((4 - 1.75) + (6 - 2.25)) / 2
    b = ((2.25 - 1.75) + (6 - 4)) / 2
    np.testing.assert_allclose(values, [[a, b, 0, 1.75]], rtol=0, atol=1e-15)


def test_missing_values_go_where_the_split_says():
    """A missing a goes right and a missing b goes left: the leaf of value 2."""
    ensemble = stump_pair()
    assert ensemble.raw_score([[np.nan, np.nan, np.nan], [0.0, np.nan, 0.0], [np.nan, 11.0, 0.0]]).tolist() == [2, 1, 6]
    assert ensemble.shap_values([[np.nan, np.nan, 0.0]]).sum() == pytest.approx(2.0, abs=1e-12)


def test_a_leaf_that_no_training_row_reached_still_adds_up():
    """Where a leaf's cover is 0 nothing is divided by it, and values sum to the score on every side."""
    ensemble = stump_pair()
    tree = replace(ensemble.trees[0], leaf_cover=np.array([8, 0, 0]), split_cover=np.array([8, 0]))
    empty = replace(ensemble, trees=(tree,))
    X = np.array([[1.0, 20.0, 0], [1.0, 3.0, 0], [-1.0, 3.0, 0]])
    np.testing.assert_allclose(empty.shap_values(X).sum(axis=1), empty.raw_score(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_values_are_those_of_lightgbm(seed):
    """Bits of raw_score, and pred_contrib within 1e-10, with categories, missing values and odd numbers."""
    text = small_model(seed)
    booster, ensemble = lgb.Booster(model_str=text), TreeEnsemble.parse(text)
    X = odd_rows(seed, 200)
    assert ensemble.raw_score(X).tobytes() == booster.predict(X, raw_score=True).tobytes()
    np.testing.assert_allclose(ensemble.shap_values(X), booster.predict(X, pred_contrib=True), rtol=0, atol=1e-10)


def test_values_are_those_of_shap():
    """Within 1e-10 of shap.TreeExplainer, made to use its own C extension instead of calling LightGBM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        X, outcome = training_rows(1, 600)
        parameters = {"objective": "binary", "num_leaves": 20, "verbose": -1, "num_threads": 1}
        booster = lgb.train(parameters, lgb.Dataset(X, outcome), 20)
        explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        explainer.model.model_type = "internal"
        theirs = np.asarray(explainer.shap_values(X, check_additivity=False))
    values = TreeEnsemble.parse(booster.model_to_string()).shap_values(X)
    np.testing.assert_allclose(values[:, :-1], theirs, rtol=0, atol=1e-10)


def test_a_threshold_itself_goes_left():
    """The value of a threshold, and the numbers next to it, go as LightGBM sends them."""
    booster = random_model(5, 12, -1, "plain", 20)
    ensemble = TreeEnsemble.parse(booster.model_to_string())
    numeric = []
    for tree in ensemble.trees:
        here = tree.decision & 1 == 0
        numeric += zip(tree.feature[here], tree.threshold[here], strict=True)
    X = odd_rows(3, 3 * len(numeric))
    for place, (feature, threshold) in enumerate(numeric):
        around = [np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)]
        X[3 * place : 3 * place + 3, feature] = around
    assert ensemble.raw_score(X).tobytes() == booster.predict(X, raw_score=True).tobytes()


def test_deep_trees_are_explained_exactly():
    """Trees of 60 leaves without a limit of depth, by tables and by quadrature."""
    booster = random_model(1, 60, -1, "extra", 10)
    X = odd_rows(4, 300)
    expected = booster.predict(X, pred_contrib=True)
    for largest in (plan.LARGEST_TABLE, 100, 1):
        with patch.object(plan, "LARGEST_TABLE", largest):
            values = TreeEnsemble.parse(booster.model_to_string()).shap_values(X)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-10)


def test_tables_stay_within_their_memory():
    """With less memory allowed, the tables are smaller and the values the same."""
    booster = random_model(2, 40, -1, "plain", 10)
    X = odd_rows(5, 50)
    usual = TreeEnsemble.parse(booster.model_to_string())
    values = usual.shap_values(X)
    with patch.object(plan, "ALL_TABLES", 2_000):
        small = TreeEnsemble.parse(booster.model_to_string())
        np.testing.assert_allclose(small.shap_values(X), values, rtol=0, atol=1e-12)
        assert small._explainer.tables.nbytes <= 16_000 < usual._explainer.tables.nbytes


def test_a_model_of_one_leaf_is_a_constant():
    """A tree that is one leaf scores that value and explains nothing."""
    X, _ = training_rows(1)
    booster = lgb.train(
        {"objective": "regression", "verbose": -1, "num_threads": 1}, lgb.Dataset(X, np.ones(len(X))), 2
    )
    ensemble = TreeEnsemble.parse(booster.model_to_string())
    assert ensemble.raw_score(X[:3]).tolist() == [1.0, 1.0, 1.0]
    assert ensemble.shap_values(X[:3])[:, -1].tolist() == [1.0, 1.0, 1.0]
    assert not ensemble.shap_values(X[:3])[:, :-1].any()


def test_no_rows_are_no_answers(text):
    """An empty matrix gives empty answers of the right shape."""
    ensemble = TreeEnsemble.parse(text)
    assert ensemble.raw_score(np.empty((0, 5))).shape == (0,)
    assert ensemble.shap_values(np.empty((0, 5))).shape == (0, 6)


def test_other_kinds_of_numbers_are_taken(text):
    """Whole numbers, single precision, columns in the order of Fortran: the same answers as for doubles."""
    ensemble = TreeEnsemble.parse(text)
    X = np.arange(50).reshape(10, 5) % 7
    usual = ensemble.shap_values(X.astype(np.float64))
    for other in (X, X.astype(np.float32), np.asfortranarray(X, dtype=np.float64), X.tolist()):
        assert ensemble.shap_values(other).tobytes() == usual.tobytes()


def test_a_matrix_of_the_wrong_width_is_refused(text):
    """Told what was expected and what came."""
    with pytest.raises(UsageError, match=r"Expected a matrix with 5 columns, .* got one of shape \(2, 4\)"):
        TreeEnsemble.parse(text).shap_values(np.zeros((2, 4)))
    with pytest.raises(UsageError, match="Expected a matrix with 5 columns"):
        TreeEnsemble.parse(text).raw_score(np.zeros(5))


def test_what_lightgbm_writes_is_read():
    """Names in any script, categories of pandas, a part of the rounds, gains as importances, written once more."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["age", "办结时限"])
    frame["kind"] = pd.Categorical(rng.choice(["x", 'y "z"', "ü"], 300))
    parameters = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1, "min_data_per_group": 2}
    booster = lgb.train(parameters, lgb.Dataset(frame, (rng.random(300) > 0.5).astype(float)), 4)
    assert TreeEnsemble.parse(booster.model_to_string()).feature_names == ("age", "办结时限", "kind")
    assert len(TreeEnsemble.parse(booster.model_to_string(num_iteration=2)).trees) == 2
    TreeEnsemble.parse(booster.model_to_string(importance_type="gain"))
    again = lgb.Booster(model_str=booster.model_to_string())
    assert TreeEnsemble.parse(again.model_to_string()).objective == "binary sigmoid:1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 3], "does not begin and end where the header says"),
        (lambda text: "forest" + text, "does not begin with 'tree' and 'version=v4'"),
        (lambda text: text.replace("version=v4", "version=v3"), "does not begin with 'tree' and 'version=v4'"),
        (lambda text: text.replace("num_class=1", "num_class=3"), "one score per row"),
        (lambda text: text.replace("feature_names=", "average_output\nfeature_names=", 1), "a forest of averages"),
        (lambda text: text.replace("binary sigmoid:1", "lambdarank"), "an objective with one score per row"),
        (lambda text: text.replace("Column_3", "Column_2", 1), "does not name each of its features once"),
        (lambda text: text.replace("label_index=0", "label_index=0\nlabel_index=0"), "stands twice"),
        (lambda text: text.replace("label_index=0", "label=0"), "other lines, or in another order"),
        (lambda text: text.replace("is_linear=0", "is_linear=1"), "linear trees"),
        (lambda text: text.replace("[linear_tree: 0]", "[linear_tree: 1]"), "linear trees"),
        (lambda text: text.replace("end of parameters", "end"), "its parameters end nowhere"),
        (lambda text: text + "parser:\n{}\n", "something not expected follows the trees"),
        (lambda text: text.replace("pandas_categorical:null", "pandas_categorical:[1]"), "not a list of lists"),
        (lambda text: text.replace("pandas_categorical:null", "pandas_categorical:" + "[" * 99_999), "are no JSON"),
        (lambda text: with_line(text, "leaf_value", put(0, "1e+999")), "the value of a leaf is not finite"),
        (lambda text: with_line(text, "leaf_value", put(0, "nan")), "not spelled as LightGBM does"),
        (lambda text: with_line(text, "left_child", put(0, "0")), "its nodes do not have one parent each"),
        (lambda text: with_line(text, "split_feature", put(0, "5")), "a feature that the model does not have"),
        (lambda text: with_line(text, "decision_type", put(0, "12")), "a decision is of no known type"),
        (lambda text: with_line(text, "leaf_count", put(0, "1")), "the rows of a split are not those of its two"),
        (lambda text: with_line(text, "leaf_count", put(0, "-1")), "the rows of a leaf are fewer than none"),
        (lambda text: with_line(text, "num_leaves", put(0, "4")), "not as long as its leaves or splits are many"),
        (lambda text: with_line(text, "cat_boundaries", put(0, "1"), 2), "do not rise from 0"),
        (lambda text: with_line(text, "cat_threshold", put(0, "4294967296"), 2), "no set of bits"),
    ],
)
def test_a_damaged_model_is_refused_with_what_is_wrong(text, change, message):
    """A ModelError that says what was expected and what came."""
    broken = change(text)
    assert broken != text
    with pytest.raises(ModelError, match=message):
        TreeEnsemble.parse(broken)


def test_a_child_before_its_parent_is_refused(text):
    """A circle beside the tree, with one parent each, does not pass for a tree."""
    splits = {"left_child": ["-1", "2", "1", "-5"], "right_child": ["3", "-2", "-3", "-4"]}
    circle = text
    for name, values in splits.items():
        circle = with_line(circle, name, lambda _, values=values: values)
    with pytest.raises(ModelError, match="a child comes before its parent"):
        TreeEnsemble.parse(circle)


def test_what_is_no_text_is_refused(text):
    """Bytes are not decoded by guess."""
    with pytest.raises(ModelError, match="Expected the text of a model, got bytes"):
        TreeEnsemble.parse(text.encode())  # type: ignore[arg-type]


def test_a_set_of_millions_of_codes_is_refused(text):
    """A category far beyond any real one would cost memory for every code below it."""
    bits = ["0"] * 40_000
    wide = with_line(with_line(text, "cat_boundaries", put(-1, "40000"), 2), "cat_threshold", lambda _: bits, 2)
    with pytest.raises(ModelError, match="codes of categories"):
        TreeEnsemble.parse(sized(wide))
