"""The estimator of remaining time: scikit-learn's contract, files, columns, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from data.errors import ModelError, UsageError
from models.remaining_time import RemainingTime

DAY = 86400.0
SMALL = {"rounds": 30, "num_leaves": 7}


def landmarks(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Cases with up to three landmarks each: X, remaining seconds, moments, cases."""
    rng = np.random.default_rng(seed)
    case = np.sort(rng.integers(0, n // 2, n))
    kind = rng.choice(["road", "water", "noise"], n)
    x = rng.normal(size=n)
    level = 1 + (kind == "water") + 0.5 * x
    y = DAY * np.exp(level + 0.6 * rng.normal(size=n))
    step = np.arange(n) - np.searchsorted(case, case) + 1
    frame = pd.DataFrame({"kind": pd.Categorical(kind), "x": np.where(rng.random(n) < 0.1, np.nan, x), "step": step})
    return frame, y, (case * 20_000 + step * 100).astype(np.int64), case


# A weight is no repetition: rows are drawn for each tree, and cases for the conformal part, by their number.
WHY_NOT = {
    "check_sample_weight_equivalence_on_dense_data": "rows are drawn at random for each tree, weighted or not",
}


@parametrize_with_checks([RemainingTime(rounds=80)], expected_failed_checks=lambda _: WHY_NOT)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    """Every check of scikit-learn holds, but for those that say why not."""
    check(estimator)


def test_files_give_the_same_predictions_to_the_bit() -> None:
    """A model out of its files predicts what it predicted before, categories and nulls included."""
    X, y, at, case = landmarks(600)
    model = RemainingTime(like="step", **SMALL).fit(X, y, at=at, groups=case)
    files = model.to_files()
    again = RemainingTime.from_files(files)
    other = landmarks(200, seed=3)[0].assign(kind=lambda f: f["kind"].cat.rename_categories({"noise": "never seen"}))
    for frame in (X, other):
        assert np.array_equal(
            model.predict_quantile(frame, [0.03, 0.5, 0.99]), again.predict_quantile(frame, [0.03, 0.5, 0.99])
        )
    assert again.to_files() == files
    assert again.get_params() == model.get_params()


def test_learning_again_gives_the_same_files() -> None:
    """The same rows make the same bytes."""
    X, y, at, case = landmarks(400)
    first, second = (RemainingTime(**SMALL).fit(X, y, at=at, groups=case).to_files() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("damage", ["missing", "format", "json", "tree"])
def test_damaged_files_are_refused(damage: str) -> None:
    """A file that is missing, of another format or cut off is a ModelError, never a guess."""
    X, y, *_ = landmarks(100)
    files = RemainingTime(rounds=5).fit(X, y).to_files()
    if damage == "missing":
        del files["quantile_0.1.txt"]
    elif damage == "format":
        files["model.json"] = json.dumps({**json.loads(files["model.json"]), "format": 99}).encode()
    elif damage == "json":
        files["model.json"] = files["model.json"][:-10]
    else:
        files["quantile_0.5.txt"] = b"not a tree"
    with pytest.raises(ModelError, match="Expected"):
        RemainingTime.from_files(files)


def test_order_of_categories_and_of_rows_of_prediction_is_nothing() -> None:
    """A category is its name: declared in another order, the same prediction."""
    X, y, at, case = landmarks(400)
    model = RemainingTime(**SMALL).fit(X, y, at=at, groups=case)
    turned = X.assign(kind=X["kind"].cat.reorder_categories(["water", "road", "noise"]))
    assert np.array_equal(model.predict(X), model.predict(turned))
    assert np.array_equal(model.predict(X)[::-1], model.predict(X.iloc[::-1]))


def test_open_cases_are_learned_from() -> None:
    """With half of the cases still open, the median stays near the truth; leaving them out makes it too short."""
    rng = np.random.default_rng(5)
    n = 4000
    true = DAY * rng.exponential(10, n)
    watched = DAY * rng.exponential(10, n)
    y, censored = np.minimum(true, watched), true > watched
    X = rng.normal(size=(n, 2))
    knows = RemainingTime(**SMALL).fit(X, y, censored=censored).predict(X[:200]).mean() / DAY
    leaves = RemainingTime(**SMALL).fit(X[~censored], y[~censored]).predict(X[:200]).mean() / DAY
    assert knows == pytest.approx(10 * np.log(2), rel=0.15)
    assert leaves < 0.7 * knows


def test_what_is_asked_agrees_with_itself() -> None:
    """Median, interval, quantiles and survival are read from one curve."""
    X, y, at, case = landmarks(400)
    model = RemainingTime(**SMALL).fit(X, y, at=at, groups=case)
    lower, upper = model.predict_interval(X, 0.8)
    assert np.array_equal(np.column_stack([lower, model.predict(X), upper]), model.predict_quantile(X, [0.1, 0.5, 0.9]))
    assert model.survival(X, upper) == pytest.approx(np.full(400, 0.1), abs=1e-9)
    assert np.all(np.diff(model.predict_quantile(X, np.linspace(0.001, 0.999, 80)), axis=1) >= 0)


def test_like_cases_win_where_nothing_else_helps() -> None:
    """With noise for features, the stack falls back on the median of like cases."""
    rng = np.random.default_rng(2)
    n = 1500
    step = rng.integers(1, 6, n)
    y = DAY * step * rng.exponential(1.0, n)
    X = pd.DataFrame({"step": step, **{f"noise_{i}": rng.normal(size=n) for i in range(20)}})
    model = RemainingTime(like="step", rounds=100).fit(X.iloc[:1000], y[:1000])
    assert model.shares_[0] < 1
    own = pd.Series(y[:1000]).groupby(step[:1000]).median()
    dummy = np.abs(own.loc[step[1000:]].to_numpy() - y[1000:]).mean()
    assert np.abs(model.predict(X.iloc[1000:]) - y[1000:]).mean() < 1.05 * dummy


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": -np.ones(60)}, ValueError, "at least 0"),
        ({"y": np.full(60, np.inf)}, ValueError, "infinity"),
        ({"groups": np.zeros(59)}, ValueError, "inconsistent numbers of samples"),
        ({"levels": (0.1, 0.5)}, UsageError, "symmetric around 0.5"),
        ({"levels": (0.1, 0.9)}, UsageError, "symmetric around 0.5"),
        ({"like": "no such"}, ModelError, "a column 'no such'"),
    ],
)
def test_refusals(change: dict[str, Any], error: type[Exception], message: str) -> None:
    """What cannot be meant is refused, and says what was expected."""
    X, y, at, case = landmarks(60)
    options = {k: v for k, v in change.items() if k in ("levels", "like")}
    told = {"y": y, "at": at, "groups": case, **{k: v for k, v in change.items() if k not in options}}
    with pytest.raises(error, match=message):
        RemainingTime(rounds=5, **options).fit(X, told.pop("y"), **told)


def test_clone_and_too_few_rows() -> None:
    """With a handful of rows nothing is promised, and the estimator says so."""
    X, y, *_ = landmarks(20)
    model = clone(RemainingTime(rounds=5)).fit(X, y)
    assert not model.guaranteed_.any()
    assert np.isfinite(model.predict(X)).all()
