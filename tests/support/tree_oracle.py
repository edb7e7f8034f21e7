"""Shapley values of a LightGBM model straight from their definition, and random models to try them on.

Nothing of `models.trees` is used here: the trees come from LightGBM's own JSON dump, and the value of every coalition
is worked out by walking down them.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEATURES = 5


def goes_left(node: dict[str, Any], value: float) -> bool:
    """Which way a value goes at a split, as LightGBM documents it."""
    if node["decision_type"] == "==":
        return math.isfinite(value) and str(int(value)) in node["threshold"].split("||")
    value = 0.0 if abs(value) <= float(np.float32(1e-35)) else value
    if math.isnan(value) and node["missing_type"] != "NaN":
        value = 0.0
    missing = {"NaN": math.isnan(value), "Zero": value == 0.0, "None": False}[node["missing_type"]]
    # In JSON an infinite threshold is written as 1e300.
    threshold = math.inf if node["threshold"] >= 1e300 else node["threshold"]
    return bool(node["default_left"]) if missing else value <= threshold


def expected(node: dict[str, Any], row: Floats, known: frozenset[int]) -> float:
    """Value of a coalition: splits on known features are followed, others averaged by the training rows."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        return expected(left if goes_left(node, row[node["split_feature"]]) else right, row, known)
    rows = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
    share = rows[0] / sum(rows)
    return share * expected(left, row, known) + (1 - share) * expected(right, row, known)


def shapley(booster: lgb.Booster, row: Floats) -> Floats:
    """Shapley values of one row over all coalitions, then the base, shape (k + 1,)."""
    dumped = booster.dump_model()
    trees = [tree["tree_structure"] for tree in dumped["tree_info"]]
    count = len(dumped["feature_names"])
    worth = {
        frozenset(some): sum(expected(tree, row, frozenset(some)) for tree in trees)
        for size in range(count + 1)
        for some in combinations(range(count), size)
    }
    values = np.zeros(count + 1)
    values[-1] = worth[frozenset()]
    for feature in range(count):
        for some, value in worth.items():
            if feature not in some:
                weight = math.factorial(len(some)) * math.factorial(count - len(some) - 1) / math.factorial(count)
                values[feature] += weight * (worth[some | {feature}] - value)
    return values


def rows_of(seed: int, rows: int) -> Floats:
    """Random rows: two categorical features, zeros, values missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES)).round(1)
    X[:, 1] = rng.integers(0, 12, rows)
    X[:, 2] = rng.integers(0, 3, rows)
    X[rng.random(X.shape) < 0.12] = np.nan
    X[:, 4] = np.nan_to_num(X[:, 4])
    return X


def odd_rows(seed: int, rows: int) -> Floats:
    """Rows with values that no training row had: unseen codes, infinities, numbers next to zero."""
    rng = np.random.default_rng(seed)
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 5e-324, -1.0, -0.5, 31.0, 32.0, 1e10, 1e300]
    X = rows_of(seed, rows)
    return np.where(rng.random(X.shape) < 0.35, rng.choice(odd, size=X.shape), X)


@cache
def random_model(seed: int, leaves: int, depth: int, kind: str, rounds: int = 4) -> lgb.Booster:
    """A small model of one of the kinds that matter: how it treats missing values, and how it chooses its splits."""
    X = rows_of(seed, 300)
    rng = np.random.default_rng(seed + 1)
    outcome = np.nan_to_num(X[:, 0] * X[:, 3]) + np.sin(np.nan_to_num(X[:, 1])) + rng.normal(size=len(X)) > 0
    of_kind: dict[str, dict[str, Any]] = {
        "plain": {},
        "zero": {"zero_as_missing": True},
        "no missing": {"use_missing": False},
        "monotone": {"monotone_constraints": [1, 0, 0, -1, 0], "monotone_constraints_method": "advanced"},
        "extra": {"extra_trees": True},
        "sampled": {"bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction": 0.6},
        "dart": {"boosting": "dart"},
        "goss": {"data_sample_strategy": "goss"},
        "regression": {"objective": "regression"},
        "weighted": {},
    }
    parameters = {"objective": "binary", "num_leaves": leaves, "max_depth": depth, "min_data_in_leaf": 3, "seed": seed}
    parameters |= {"min_data_per_group": 3, "cat_smooth": 1.0, "verbose": -1, "num_threads": 1, "deterministic": True}
    parameters |= {"force_row_wise": True, "learning_rate": 0.3, **of_kind[kind]}
    weight = rng.uniform(0.1, 3, len(X)) if kind == "weighted" else None
    data = lgb.Dataset(X, outcome.astype(float), weight=weight, categorical_feature=[1, 2])
    return lgb.train(parameters, data, rounds)


KINDS = ("plain", "zero", "no missing", "monotone", "extra", "sampled", "dart", "goss", "regression", "weighted")
