"""The risk model by the scikit-learn contract: exact, repeatable, and honest about what it does not know."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from data.errors import ModelError, NotEnoughDataError, UsageError
from models.calibration import Calibration
from models.risk_model import RiskModel

DAY = 86_400


def city(n: int = 1500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]:
    """Cases with numbers, a category and a record in two parts; y depends on all of them."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["drain", "lamp", "noise"], n)
    X = pd.DataFrame(
        {
            "promised": rng.exponential(10, n),
            "load": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "kind": pd.Categorical(kind),
            "start:city": np.full(n, -1.0),
            "start:kind": np.where(kind == "drain", 0.8, -0.2),
            "evidence": kind,
        }
    )
    score = X["start:city"] + X["start:kind"] + np.nan_to_num(X["load"]) + (X["promised"] > 10)
    y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int)
    at = np.sort(rng.integers(0, 700 * DAY, n))
    return X, y, {"at": at, "matures_at": at + 10 * DAY}


START = {"start:city": None, "start:kind": "kind"}


def small(**given) -> RiskModel:
    return RiskModel(**{"start": START, "evidence_by": "evidence", "rounds": 40, "num_leaves": 8, **given})


@pytest.fixture(scope="module")
def fitted() -> tuple[RiskModel, pd.DataFrame]:
    X, y, when = city()
    return small(linear_weight=0.3, calibration="platt").fit(X, y, **when), X


@parametrize_with_checks([RiskModel()])
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    """Every check of scikit-learn holds, with none excepted."""
    check(estimator)


def test_parts_add_up_to_the_probability(fitted):
    """Base plus points is what predict_proba says, to 1e-12."""
    model, X = fitted
    told = model.explain(X)
    assert np.abs(told.base + told.points.to_numpy().sum(axis=1) - model.predict_proba(X)[:, 1]).max() < 1e-12
    assert (told.probability == model.predict_proba(X)[:, 1]).all()


def test_parts_add_up_under_a_calibration_with_steps(fitted):
    """A curve with jumps does not turn a rounding error into a jump."""
    X, y, when = city()
    model = small(linear_weight=0.3, calibration="isotonic").fit(X, y, **when)
    told = model.explain(X)
    assert np.abs(told.base + told.points.to_numpy().sum(axis=1) - model.predict_proba(X)[:, 1]).max() < 1e-12


def test_parts_are_named_as_the_features(fitted):
    """A part of the start is reported under its feature, and the base of the start under none."""
    model, X = fitted
    assert list(model.explain(X.head(3)).points) == ["promised", "load", "kind"]


def test_the_trees_parts_are_what_lightgbm_says(fitted):
    """The kernel equals pred_contrib, asked with validate_features, within 1e-10."""
    model, X = fitted
    features = model.columns_.read(X).features
    table = pd.DataFrame(features, columns=model.booster_.feature_name())
    theirs = model.booster_.predict(table, pred_contrib=True, validate_features=True)
    assert np.abs(model.ensemble_.contributions(features) - theirs).max() < 1e-10


def test_the_score_is_the_weighted_sum_of_its_members(fitted):
    """(1 - w)·(start + s·trees) + w·linear, worked out by hand."""
    model, X = fitted
    table = model.columns_.read(X)
    n = X["evidence"].map(X["evidence"].value_counts()).to_numpy()
    belief = n / (n + model.recipe_.evidence_strength)
    grown = X["start:city"] + X["start:kind"] + belief * model.booster_.predict(table.features, raw_score=True)
    expected = 0.7 * grown + 0.3 * model.linear_.score(table.features, table.start)
    assert np.allclose(model.decision_function(X), expected, rtol=0, atol=1e-12)


def test_a_value_never_seen_gets_its_start_and_no_departure():
    """Trees are not believed about a type of problem they never saw."""
    X, y, when = city()
    model = small(linear_weight=0.0).fit(X, y, **when)
    strange = X.assign(evidence="unheard of", kind="unheard of")
    assert (model.decision_function(strange) == X["start:city"] + X["start:kind"]).all()


def test_evidence_counts_groups_once_and_as_far_as_believed():
    """Ten rows of one case are one case; a label believed by half counts half."""
    X, y, when = city(600)
    group = np.arange(600) // 10
    X["evidence"] = np.where(group % 2 == 0, "even", "odd")
    model = small(linear_weight=0.0, rounds=5).fit(X, y, np.where(group < 30, 0.5, 1.0), groups=group, **when)
    assert model.evidence_.tolist() == [22.5, 22.5]


def test_rows_of_weight_0_teach_nothing():
    """Leaving them out gives the same files, byte for byte."""
    X, y, when = city(900)
    weight = (np.arange(900) % 3 > 0).astype(float)
    kept = weight > 0
    with_them = small().fit(X, y, weight, **when)
    without = small().fit(X[kept], y[kept], **{name: values[kept] for name, values in when.items()})
    assert with_them.to_files() == without.to_files()


def test_the_number_of_threads_changes_nothing():
    """Fitting twice, with one thread and with two, gives the same bytes."""
    X, y, when = city()
    assert small(n_jobs=2).fit(X, y, **when).to_files() == small().fit(X, y, **when).to_files()


def test_a_row_alone_is_told_what_it_is_told_among_others(fitted):
    """One row, all rows and rows in another order: the same bits."""
    model, X = fitted
    told = model.predict_proba(X)[:, 1]
    order = np.random.default_rng(1).permutation(len(X))
    assert (model.predict_proba(X.iloc[order])[:, 1] == told[order]).all()
    for row in (0, 7, 700):
        assert model.predict_proba(X.iloc[[row]])[0, 1] == told[row]
        assert (model.explain(X.iloc[[row]]).points.to_numpy()[0] == model.explain(X).points.to_numpy()[row]).all()


def test_a_model_read_back_says_the_same_bits(fitted):
    """Text and JSON hold all of it, and are written again byte for byte."""
    model, X = fitted
    files = model.to_files()
    back = RiskModel.from_files(files)
    assert (back.predict_proba(X) == model.predict_proba(X)).all()
    assert (back.explain(X).points.to_numpy() == model.explain(X).points.to_numpy()).all()
    assert all((a == b).all() for a, b in zip(back.interval(X), model.interval(X), strict=True))
    assert back.to_files() == files
    assert list(back.feature_names_in_) == list(X)


def test_a_model_without_trees_is_read_back_too():
    """A handful of rows has a linear part only, and an empty text."""
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = RiskModel().fit(X, X[:, 0] > 0)
    assert model.booster_ is None
    assert model.to_files()["booster.txt"] == b""
    assert (RiskModel.from_files(model.to_files()).predict_proba(X) == model.predict_proba(X)).all()


def test_a_model_of_another_format_is_refused(fitted):
    """An old model asks to be trained again."""
    files = fitted[0].to_files()
    other = files["model.json"].replace(b'"format": 4', b'"format": 99')
    with pytest.raises(ModelError, match="Expected a model of format 4, got 99"):
        RiskModel.from_files({**files, "model.json": other})


def test_a_model_of_the_format_before_is_read_as_it_is(fitted):
    """Its linear part has no terms of the start; all else is the same, and it is written again in the new format."""
    model, X = fitted
    files = model.to_files()
    described = json.loads(files["model.json"])
    k = len(model.columns_.features)
    described["linear"]["terms"] = [term for term in described["linear"]["terms"] if term[0] < k]
    old = {**files, "model.json": json.dumps(described | {"format": 2}).encode()}
    new = {**files, "model.json": json.dumps(described).encode()}
    back = RiskModel.from_files(old)
    assert (back.predict_proba(X) == RiskModel.from_files(new).predict_proba(X)).all()
    assert json.loads(back.to_files()["model.json"])["format"] == 4


def test_a_model_of_format_3_is_read_as_it_is(fitted):
    """It knows no intercepts, and its interval is that of the curve."""
    model, X = fitted
    described = json.loads(model.to_files()["model.json"])
    del described["intercepts"], described["columns"]["intercept_by"], described["calibration"]["band"]["apart"]
    for name in ("intercept_by", "intercept_under"):
        del described["parameters"][name]
    old = {**model.to_files(), "model.json": json.dumps(described | {"format": 3}).encode()}
    back = RiskModel.from_files(old)
    assert back.intercepts_ is None
    assert back.calibration_.band.apart == 0
    assert (back.predict_proba(X) == model.predict_proba(X)).all()


@pytest.mark.parametrize("damage", ["linear", "recipe", "classes", "columns", "evidence"])
def test_a_damaged_description_is_refused(fitted, damage):
    """A missing part is an error of the model, not of Python."""
    files = fitted[0].to_files()
    described = json.loads(files["model.json"])
    del described[damage]
    with pytest.raises(ModelError, match="Expected a whole description of a model"):
        RiskModel.from_files({**files, "model.json": json.dumps(described).encode()})


def test_missing_files_are_refused(fitted):
    """Both files belong to a model."""
    with pytest.raises(ModelError, match=r"Expected the files booster\.txt and model\.json"):
        RiskModel.from_files({"model.json": fitted[0].to_files()["model.json"]})


def test_trees_of_another_model_are_refused(fitted):
    """Trees and description must name the same features."""
    X = np.random.default_rng(0).normal(size=(300, 3))
    other = RiskModel(rounds=3, linear_weight=0.0).fit(X, X[:, 0] > 0).to_files()
    with pytest.raises(ModelError, match="name different features"):
        RiskModel.from_files({**fitted[0].to_files(), "booster.txt": other["booster.txt"]})


def test_rows_of_one_outcome_are_refused():
    """The error is scikit-learn's kind and heed's kind at once."""
    with pytest.raises(NotEnoughDataError, match="Expected rows of both outcomes, and all 2 that teach are of 1 class"):
        RiskModel().fit([[1.0], [2.0], [3.0]], [0, 0, 1], [1, 1, 0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": ["nowhere"]}, "Expected columns named nowhere"),
        ({"evidence_by": "nowhere"}, "Expected columns named nowhere"),
        ({"monotone": {"nowhere": 1}}, "Expected columns named nowhere"),
        ({"monotone": {"kind": 1}}, "Expected 1 or -1 for features that are numbers"),
        ({"monotone": {"load": 2}}, "Expected 1 or -1 for features that are numbers"),
        ({"start": ["load"]}, "Expected log-odds in every row of the start column 'load', and some are missing"),
    ],
)
def test_columns_that_cannot_be_what_is_asked_are_refused(given, message):
    """The message names the column."""
    X, y, _when = city(300)
    with pytest.raises(UsageError, match=message):
        RiskModel(**given).fit(X, y)


def test_a_column_of_another_kind_is_refused(fitted):
    """Numbers where the model was fitted on names, and names where on numbers."""
    model, X = fitted
    with pytest.raises(ModelError, match="Expected names in column 'kind'"):
        model.predict_proba(X.assign(kind=1.0))
    with pytest.raises(ModelError, match="Expected numbers in column 'load'"):
        model.predict_proba(X.assign(load="high"))


def test_infinite_numbers_in_a_table_are_refused(fitted):
    """In a DataFrame as in an array."""
    model, X = fitted
    with pytest.raises(ValueError, match="infinite"):
        model.predict_proba(X.assign(load=np.inf))


def test_no_rows_have_no_risks(fitted):
    """A morning without open cases is not an error."""
    model, X = fitted
    assert model.predict_proba(X.head(0)).shape == (0, 2)
    assert model.explain(X.head(0)).points.shape == (0, 3)


def test_names_that_lightgbm_refuses_are_kept():
    """Blanks, quotes and Chinese letters in a name reach the reasons as they are."""
    X, _y, _when = city(400)
    names = ['a "b": {c}', "a _b__ _c_", "时限 hours"]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(400, 3)), columns=names)
    model = RiskModel(rounds=5, linear_weight=0.2).fit(X, X[names[2]] > 0)
    assert list(model.explain(X).points) == names
    assert len(set(model.booster_.feature_name())) == 3


def test_a_calibration_can_be_given():
    """A fitted calibrator is put on the score as it is."""
    X, y, when = city(300)
    model = small(calibration=Calibration(slope=1.2, intercept=0.1)).fit(X, y, **when)
    expected = 1 / (1 + np.exp(-(0.1 + 1.2 * model.decision_function(X))))
    assert np.allclose(model.predict_proba(X)[:, 1], expected)


def test_a_short_history_keeps_its_record_and_no_calibration():
    """Three months cannot judge a record: the defaults stand, and the identity."""
    X, y, when = city()
    model = RiskModel(start=START, evidence_by="evidence", rounds=30)
    model.fit(X, y, at=when["at"] // 8, matures_at=when["at"] // 8 + DAY)
    assert (model.recipe_.linear_weight, model.recipe_.evidence_strength) == (0.25, 1000.0)
    assert model.calibration_.name == "identity"


def overconfident(n: int = 3000, seed: int = 5) -> tuple[pd.DataFrame, np.ndarray]:
    """A record that says too much: the truth departs from the base by a third of what it says."""
    rng = np.random.default_rng(seed)
    record = rng.normal(0, 2, n)
    X = pd.DataFrame({"load": rng.normal(size=n), "start:city": np.full(n, -0.5), "start:kind": record})
    y = (rng.random(n) < 1 / (1 + np.exp(-(record / 3 - 0.5 + 0.3 * X["load"])))).astype(int)
    return X, y


def test_the_linear_part_believes_a_record_as_far_as_it_holds():
    """A plain regression on all columns is within the family: it is the model, when nothing else is asked for."""
    X, y = overconfident()
    model = RiskModel(start={"start:city": None, "start:kind": "kind"}, linear_weight=1.0, ridge=1.0)
    model.fit(X, y)
    theirs = LogisticRegression(C=1.0).fit(X[["load", "start:kind"]], y).decision_function(X[["load", "start:kind"]])
    assert np.abs(model.decision_function(X) - theirs).max() < 0.02
    told = model.explain(X)
    assert list(told.points) == ["load", "kind"]
    assert np.abs(told.base + told.points.to_numpy().sum(axis=1) - told.probability).max() < 1e-12


def test_columns_named_for_the_linear_part_are_all_that_it_sees():
    """Parts of the start among them only where nothing is named."""
    X, y = overconfident(600)
    model = RiskModel(start=["start:city", "start:kind"], linear_columns=["load"], linear_weight=0.5, rounds=5)
    assert {term.place for term in model.fit(X, y).linear_.terms} == {0}


def test_a_heavy_tail_is_seen_as_it_is_and_in_logs():
    """A risk that follows the number itself is not bent to its logarithm."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"hours": rng.lognormal(size=8000)})
    y = (rng.random(8000) < 1 / (1 + np.exp(2 - X["hours"]))).astype(int)
    model = RiskModel(linear_weight=1.0, ridge=1.0).fit(X, y)
    assert {term.kind for term in model.linear_.terms} == {"number", "log"}
    asked = pd.DataFrame({"hours": [0.5, 2.0, 3.5, 5.0]})
    assert np.abs(np.diff(model.decision_function(asked)) - 1.5).max() < 0.3


def test_an_interval_holds_the_probability(fitted):
    """Lower, probability, upper: in this order, for every row."""
    model, X = fitted
    lower, upper = model.interval(X, 0.8)
    told = model.predict_proba(X)[:, 1]
    assert (lower <= told).all()
    assert (told <= upper).all()


def test_it_works_in_a_search_and_a_pipeline():
    """Moments given to fit are cut with the rows."""
    X, y, when = city(600)
    X = X[["promised"]].assign(load=X["load"])
    search = GridSearchCV(RiskModel(rounds=20, num_leaves=4), {"linear_weight": [0.2, 0.8]}, cv=2)
    search.fit(X, y, at=when["at"])
    assert search.best_params_["linear_weight"] in {0.2, 0.8}
    pipe = make_pipeline(StandardScaler(), RiskModel(rounds=20, num_leaves=4, linear_weight=0.5)).fit(X, y)
    assert pipe.predict_proba(X).shape == (600, 2)


def test_it_is_cloned_and_copied_whole(fitted):
    """A clone has the settings and no memory; a copy, the memory too."""
    model, X = fitted
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "recipe_")
    assert (copy.deepcopy(model).predict_proba(X) == model.predict_proba(X)).all()


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_columns_without_news_do_no_harm(value):
    """A constant or empty column changes no ranking, and has no part."""
    X = np.random.default_rng(0).normal(size=(400, 2))
    y = X[:, 0] > 0
    more = np.column_stack([X, np.full(400, value)])
    told = RiskModel(rounds=10, num_leaves=4, linear_weight=0.5).fit(more, y).explain(more)
    assert (told.points["x2"] == 0).all()
