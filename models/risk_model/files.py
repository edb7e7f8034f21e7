"""A fitted model as files: LightGBM's text and JSON. Nothing of it can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from data.errors import ModelError
from models.calibration import calibrator_from_dict
from models.json_files import refuse_constant
from models.risk_model.columns import Columns
from models.risk_model.linear import Linear
from models.risk_model.recipe import Recipe
from models.risk_model.trees import load

if TYPE_CHECKING:
    from models.risk_model.estimator import RiskModel

# Those of format 2 have no parts of the start in their linear part, those of format 3 no intercepts and intervals of a
# whole curve instead of like cases; both are read as they are.
FORMAT: Final = 4
READ: Final = (2, 3, 4)
# The number of threads is not part of a model; the calibration is described by itself.
_LEFT_OUT: Final = ("n_jobs", "calibration")


def write_files(model: RiskModel) -> dict[str, bytes]:
    """`booster.txt` (empty without trees) and `model.json`."""
    parameters = {name: value for name, value in model.get_params().items() if name not in _LEFT_OUT}
    described = {
        "format": FORMAT,
        "classes": model.classes_.tolist(),
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "named": hasattr(model, "feature_names_in_"),
        "columns": model.columns_.as_dict(),
        "recipe": model.recipe_.as_dict(),
        "base_rate": model.base_rate_,
        "evidence": None if model.evidence_ is None else model.evidence_.tolist(),
        "intercepts": None if model.intercepts_ is None else model.intercepts_.tolist(),
        "linear": model.linear_.as_dict(),
        "calibration": model.calibration_.as_dict(),
        "n_train": model.n_train_,
    }
    return {
        "booster.txt": b"" if model.ensemble_ is None else model.ensemble_.text().encode(),
        "model.json": json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode(),
    }


def _plain(value: Any) -> Any:
    """Mappings and sequences as JSON has them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def read_files(model_class: type[RiskModel], files: Mapping[str, bytes], n_jobs: int) -> RiskModel:
    """The model that `write_files` wrote.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or of another format.
    """
    try:
        described = json.loads(files["model.json"], parse_constant=refuse_constant)
        text = files["booster.txt"].decode()
        found = described.get("format")
    except (KeyError, ValueError, AttributeError) as error:
        raise ModelError("Expected the files booster.txt and model.json of a model. Train again.") from error
    if found not in READ:
        raise ModelError(f"Expected a model of format {FORMAT}, got {found!r}. Train again with this version.")
    try:
        return _rebuilt(model_class(**described["parameters"], n_jobs=n_jobs), described, text)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "Expected a whole description of a model, and parts are missing or no numbers. "
            "The file is damaged: train again, or restore it from a copy."
        ) from error


def _rebuilt(model: RiskModel, described: Mapping[str, Any], text: str) -> RiskModel:
    model.classes_ = np.array(described["classes"])
    model.columns_ = Columns.from_dict(described["columns"])
    model.n_features_in_ = len(model.columns_.names)
    if described["named"]:
        model.feature_names_in_ = np.array(model.columns_.names, dtype=object)
    model.recipe_ = Recipe(**described["recipe"])
    model.base_rate_ = float(described["base_rate"])
    evidence = described["evidence"]
    model.evidence_ = None if evidence is None else np.array(evidence, dtype=np.float64)
    intercepts = described.get("intercepts")
    model.intercepts_ = None if intercepts is None else np.array(intercepts, dtype=np.float64)
    _require_intercepts(model)
    model.linear_ = Linear.from_dict(described["linear"])
    model.calibration_ = calibrator_from_dict(described["calibration"])
    model.n_train_ = int(described["n_train"])
    model.ensemble_ = load(text, model.columns_.tree_names, model.n_jobs) if text else None
    return model


def _require_intercepts(model: RiskModel) -> None:
    """Refuse intercepts that are not one finite number for each level of their column."""
    column, found = model.columns_.intercept_by, model.intercepts_
    if column is None and found is None:
        return
    expected = None if column is None else (len(model.columns_.levels[column]),)
    if found is None or found.shape != expected or not np.isfinite(found).all():
        raise ValueError("Expected one intercept for each group that is known.")
