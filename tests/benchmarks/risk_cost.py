"""What a risk costs: CPU seconds and peak memory of heed's model beside the bare calls, and peers on the same rows.

    python -m tests.benchmarks.risk_cost [--rows 1000000] [--json]

Every step runs in a process of its own, with one thread, on the same made-up matrix (65 columns, some missing, labels
known 30 days later), with an office and a type for each row: intercepts of offices and intervals of like cases are
part of heed's cost. Times are CPU seconds of the step alone, without making the matrix; the memory is the process'
highest, the matrix included. The bare LightGBM grows as many trees of the same settings as heed's model chose.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.risk_model import RiskModel
from models.risk_model.recipe import settings_for
from models.risk_model.trees import TreeSettings
from tests.benchmarks.machine import machine

COLUMNS: Final = 65
OFFICES: Final = 20
TYPES: Final = 40
EXPLAINED: Final = 10_000
# shap's own code is slow: fewer rows, and the time of all is that times the quotient.
EXPLAINED_BY_SHAP: Final = 500
_SEED: Final = 1
_FILES: Final = ("booster.txt", "model.json")


class Rows:
    """A made-up history: three quarters teach, the newest quarter judges; both of the size asked for together."""

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(_SEED)
        self.X = rng.standard_normal((n, COLUMNS))
        self.X[:, 40:] = rng.poisson(3.0, (n, COLUMNS - 40))
        self.X[rng.random(n) < 0.1, 5] = np.nan
        x = self.X  # what follows uses whole columns only: a copy of the matrix would be the highest memory of all
        score = x[:, 0] + x[:, 1] * (x[:, 2] > 0) + 0.5 * np.sin(2 * x[:, 3]) + 0.2 * x[:, 40:44].sum(axis=1) - 4.0
        self.y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(np.float64)
        self.at = np.sort(rng.integers(0, 3 * 365 * 86_400, n))
        # As text from a table would come: codes of categories.
        kinds = {
            name: pd.Categorical.from_codes(rng.integers(0, k, n), [f"{name} {one}" for one in range(k)])
            for name, k in (("office", OFFICES), ("type", TYPES))
        }
        self.frame = pd.DataFrame(self.X, columns=[f"x{place}" for place in range(COLUMNS)], copy=False)
        for name, values in kinds.items():
            self.frame[name] = values

    @property
    def when(self) -> dict[str, Any]:
        """What goes with the rows into `fit`."""
        return {"at": self.at, "matures_at": self.at + 30 * 86_400}


def _model() -> RiskModel:
    return RiskModel(evidence_by="type", intercept_by="office")


def _saved(folder: Path) -> RiskModel:
    return RiskModel.from_files({name: (folder / name).read_bytes() for name in _FILES})


def heed_train(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`RiskModel.fit`, with all its choosing and calibrating."""

    def step() -> None:
        for name, content in _model().fit(rows.frame, rows.y, **rows.when).to_files().items():
            (folder / name).write_bytes(content)

    return step


def bare_train(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`lightgbm.train` with the settings and number of trees that heed chose."""
    import lightgbm as lgb

    recipe = _saved(folder).recipe_
    parameters = settings_for(recipe, TreeSettings(), None).parameters(1)
    return lambda: lgb.train(parameters, lgb.Dataset(rows.X, rows.y), num_boost_round=recipe.rounds)


def heed_score(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`RiskModel.predict_proba`."""
    model = _saved(folder)
    return lambda: model.predict_proba(rows.frame)


def bare_score(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`Booster.predict`."""
    model = _saved(folder)
    assert model.booster_ is not None
    return lambda: model.booster_.predict(rows.X, num_threads=1)


def heed_reasons(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`RiskModel.explain` of 10,000 rows, its tables included."""
    model = _saved(folder)
    return lambda: model.explain(rows.frame[:EXPLAINED])


def lightgbm_reasons(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`Booster.predict(pred_contrib=True)` of 10,000 rows."""
    model = _saved(folder)
    assert model.booster_ is not None
    return lambda: model.booster_.predict(rows.X[:EXPLAINED], pred_contrib=True, num_threads=1)


def shap_reasons(rows: Rows, folder: Path) -> Callable[[], Any]:
    """`shap.TreeExplainer` of 500 rows, by shap's own code; left alone it would ask LightGBM."""
    import shap

    model = _saved(folder)
    explainer = shap.TreeExplainer(model.booster_, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"
    return lambda: explainer.shap_values(rows.X[:EXPLAINED_BY_SHAP])


STEPS: Final = {
    "heed_train": heed_train,
    "bare_train": bare_train,
    "heed_score": heed_score,
    "bare_score": bare_score,
    "heed_reasons": heed_reasons,
    "lightgbm_reasons": lightgbm_reasons,
    "shap_reasons": shap_reasons,
}


def _peer(name: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "hist_gradient_boosting":
        return HistGradientBoostingClassifier(random_state=_SEED)
    if name == "logistic_regression":
        return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=300))
    if name == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_jobs=1, random_state=_SEED)
    return _model()


PEERS: Final = ("heed", "hist_gradient_boosting", "logistic_regression", "xgboost")


def compare(rows: Rows, name: str) -> dict[str, float]:
    """Fit one of the peers to the older three quarters, and judge it by the rest."""
    cut = len(rows.y) * 3 // 4
    known = rows.at[:cut] + 30 * 86_400 < rows.at[cut]
    table = rows.frame if name == "heed" else rows.X
    X, y = table[:cut][known], rows.y[:cut][known]
    when = {key: values[:cut][known] for key, values in rows.when.items()} if name == "heed" else {}
    begun = time.process_time()
    model = _peer(name).fit(X, y, **when)
    fitted = time.process_time()
    risk = model.predict_proba(table[cut:])[:, 1]
    told = time.process_time()
    return {
        "auc": float(roc_auc_score(rows.y[cut:], risk)),
        "brier": float(brier_score_loss(rows.y[cut:], risk)),
        "fit_cpu_seconds": fitted - begun,
        "predict_cpu_seconds": told - fitted,
    }


def measure(name: str, rows: int, folder: Path) -> dict[str, float]:
    """One step or peer, in this process."""
    made = Rows(rows)
    before = _peak()
    if name in PEERS:
        found = compare(made, name)
    else:
        step = STEPS[name](made, folder)
        begun = time.process_time()
        step()
        found = {"cpu_seconds": time.process_time() - begun}
    return {**found, "peak_mb": _peak(), "peak_before_mb": before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(name: str, rows: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, "--one", name, "--rows", str(rows)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--folder", str(folder)], check=True, capture_output=True, text=True, env=environment
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run the steps one after another and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=[*STEPS, *PEERS], default=[*STEPS, *PEERS])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", choices=[*STEPS, *PEERS])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.one is not None:
        sys.stdout.write(json.dumps(measure(asked.one, asked.rows, asked.folder)) + "\n")
        return
    with TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        found: dict[str, Any] = {"machine": machine(), "rows": asked.rows, "peer_rows": asked.peer_rows}
        for name in asked.only:
            found[name] = _apart(name, asked.peer_rows if name in PEERS else asked.rows, folder)
            if not asked.json:
                shown = {key: round(value, 4) for key, value in found[name].items()}
                sys.stdout.write(f"{name} {shown}\n")
                sys.stdout.flush()
        if (folder / "model.json").exists():
            found["recipe"] = json.loads((folder / "model.json").read_text())["recipe"]
    sys.stdout.write(f"{json.dumps(found, indent=1) if asked.json else found.get('recipe')}\n")


if __name__ == "__main__":
    main()
