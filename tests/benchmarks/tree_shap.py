"""Exact SHAP values of boosted trees: heed's own against LightGBM's `pred_contrib` and `shap.TreeExplainer`.

    python -m tests.benchmarks.tree_shap [--models heed m7 m15d5 m31d6 m63d8 m63] [--rows 20000] [--json]

Binary LightGBM models on 100 features, 40 continuous and 60 whole numbers, one in twenty values missing, trained on
20,000 simulated rows: `heed` is the size of heed's default (300 trees, 8 leaves, depth 4), m7 300 trees of 7 leaves,
m15d5, m31d6 and m63d8 500 trees of 15, 31 and 63 leaves and a depth of at most 5, 6 and 8, m63 the same without a limit
of depth.

All rates are rows per second of CPU time of this process, one thread, the best of several runs; a rival that is slow is
asked about fewer rows, which does not change its rate. By default `shap.TreeExplainer` only calls `pred_contrib` of
LightGBM; here it is made to use its own C extension (`model.model_type = "internal"`), which is the faster of the two.
Both are told with the same rows, and the largest difference to heed's values is printed. A single row is the median of
repeated calls on one row, each with the array at hand. "first" is the time to read the text and make the tables, which
happens once per model; "MB" is what the tables hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.trees import TreeEnsemble
from tests.benchmarks.machine import machine

Floats = NDArray[np.float64]

FEATURES: Final = 100
TRAINED_ON: Final = 20_000
MODELS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "heed": (300, {"num_leaves": 8, "max_depth": 4}),
    "m7": (300, {"num_leaves": 7}),
    "m15d5": (500, {"num_leaves": 15, "max_depth": 5}),
    "m31d6": (500, {"num_leaves": 31, "max_depth": 6}),
    "m63d8": (500, {"num_leaves": 63, "max_depth": 8}),
    "m63": (500, {"num_leaves": 63}),
}
# CPU seconds that a rival's rate is taken over, about.
SPENT: Final = 2.0


def simulate(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Features (rows, 100) and outcomes of 0 and 1, with interactions, so that trees grow deep."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES))
    X[:, 40:] = rng.poisson(3.0, size=(rows, FEATURES - 40))
    weight = np.random.default_rng(1).normal(size=FEATURES) / 6
    score = X @ weight + X[:, 0] * X[:, 1] + np.sin(X[:, 2] * 2) * X[:, 3] + (X[:, 40] > 3) * X[:, 4]
    outcome = (score + rng.logistic(size=rows) > np.median(score)).astype(np.float64)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, outcome


def train(name: str) -> lgb.Booster:
    """One of the models."""
    rounds, shape = MODELS[name]
    X, outcome = simulate(TRAINED_ON, 2)
    fixed = {"objective": "binary", "learning_rate": 0.05, "verbose": -1, "num_threads": 1, "seed": 1}
    fixed |= {"deterministic": True, "force_row_wise": True}
    return lgb.train({**fixed, **shape}, lgb.Dataset(X, outcome), rounds)


def rate(ask: Callable[[Floats], Any], X: Floats) -> float:
    """Rows per second of CPU time."""
    first = X[:64]
    ask(first)
    rows, best = 64, 0.0
    while True:
        start = time.process_time()
        ask(X[:rows])
        taken = max(time.process_time() - start, 1e-6)
        best = max(best, rows / taken)
        if rows == len(X) or taken > SPENT:
            break
        rows = min(len(X), rows * 4)
    for _ in range(2):
        start = time.process_time()
        ask(X[:rows])
        best = max(best, rows / max(time.process_time() - start, 1e-6))
    return best


def single(ask: Callable[[Floats], Any], X: Floats, calls: int = 200) -> float:
    """Microseconds of CPU time for one row, median."""
    taken = []
    for place in range(calls):
        row = X[place : place + 1]
        start = time.process_time_ns()
        ask(row)
        taken.append(time.process_time_ns() - start)
        if sum(taken) > SPENT * 1e9 and len(taken) >= 20:
            break
    return float(np.median(taken)) / 1e3


def shap_explainer(booster: lgb.Booster) -> Callable[[Floats], Floats]:
    """Let shap explain the model by its own C extension."""
    import shap

    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"

    def ask(X: Floats) -> Floats:
        values = np.asarray(explainer.shap_values(X, check_additivity=False))
        return values[..., -1] if values.ndim == 3 else values

    return ask


def measure(name: str, rows: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """All figures of one model."""
    tell(f"{name}: training")
    booster = train(name)
    text = booster.model_to_string()
    X, _ = simulate(rows, 3)
    start = time.process_time()
    ensemble = TreeEnsemble.parse(text)
    parsed = time.process_time()
    ensemble.shap_values(X[:1])
    made = time.process_time()
    tell(f"{name}: timing")
    foreign = shap_explainer(booster)

    def contributions(some: Floats) -> Floats:
        return np.asarray(booster.predict(some, pred_contrib=True, num_threads=1))

    some = X[:100]
    own, given = ensemble.shap_values(some), contributions(some)
    ways = {"heed": ensemble.shap_values, "pred_contrib": contributions, "shap": foreign}
    rates = {way: rate(ask, X) for way, ask in ways.items()}
    singles = {way: single(ask, X) for way, ask in ways.items()}
    scores = {
        "heed": rate(ensemble.raw_score, X),
        "lightgbm": rate(lambda one: booster.predict(one, raw_score=True, num_threads=1), X),
    }
    same = bool(np.array_equal(ensemble.raw_score(X), booster.predict(X, raw_score=True, num_threads=1)))
    return {
        "model": name,
        "trees": len(ensemble.trees),
        "deepest": max(tree.depth() for tree in ensemble.trees),
        "parse_s": parsed - start,
        "tables_s": made - parsed,
        "tables_mb": ensemble.table_bytes / 1e6,
        "rows_per_s": rates,
        "times_pred_contrib": rates["heed"] / rates["pred_contrib"],
        "times_shap": rates["heed"] / rates["shap"],
        "single_us": singles,
        "difference_to_pred_contrib": float(np.abs(own - given).max()),
        "difference_to_shap": float(np.abs(own[:, :-1] - foreign(some)).max()),
        "raw_score_rows_per_s": scores,
        "raw_score_same_bits": same,
    }


def show(found: list[dict[str, Any]]) -> Table:
    """The figures as a table."""
    heads = ["model", "first s", "MB", "heed rows/s", "pred_contrib", "shap", "× pred_contrib", "× shap"]
    heads += ["one row µs: heed", "pred_contrib", "shap", "max |diff|", "score rows/s: heed", "LightGBM", "same bits"]
    table = Table(*heads, title="Exact SHAP values, one thread, CPU time")
    for one in found:
        rates, singles, scores = one["rows_per_s"], one["single_us"], one["raw_score_rows_per_s"]
        table.add_row(
            one["model"],
            f"{one['parse_s'] + one['tables_s']:.2f}",
            f"{one['tables_mb']:.1f}",
            *(f"{rates[way]:,.0f}" for way in ("heed", "pred_contrib", "shap")),
            f"{one['times_pred_contrib']:.1f}",
            f"{one['times_shap']:.1f}",
            *(f"{singles[way]:,.0f}" for way in ("heed", "pred_contrib", "shap")),
            f"{max(one['difference_to_pred_contrib'], one['difference_to_shap']):.0e}",
            *(f"{scores[way]:,.0f}" for way in ("heed", "lightgbm")),
            "yes" if one["raw_score_same_bits"] else "NO",
        )
    return table


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description="Exact SHAP values: heed, pred_contrib, shap.")
    asked.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    asked.add_argument("--rows", type=int, default=20_000)
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    errors = Console(stderr=True)
    found = [measure(name, options.rows, errors.print) for name in options.models]
    if options.json:
        sys.stdout.write(json.dumps({"machine": machine(), "models": found}, indent=1) + "\n")
        return
    Console(width=220 if not sys.stdout.isatty() else None).print(show(found))


if __name__ == "__main__":
    main()
