"""A search over the settings of a risk model, judged by later cases only. Optional: the defaults do without.

The search is Optuna's tree-structured Parzen estimator (Bergstra and others, "Algorithms for hyper-parameter
optimization", 2011), seeded. The objective is the log loss of rows that began after each cut, told by models that
learned from labels known before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from data.errors import NotEnoughDataError, UsageError
from models.risk_model import RiskModel
from models.risk_model.checks import checked_timing
from models.risk_model.folds import Fold, Timing, folds

# Two later parts: the search looks at each many times, and what it finds should hold for more than one season.
_SHARES: Final = (0.6, 0.8)
_FEWEST_ROWS: Final = 200
_FEWEST_LATER: Final = 50
_NEVER_CERTAIN: Final = 1e-12


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    model : not fitted, with the best settings
    loss : mean log loss of later rows with them
    default_loss : the same with the settings that the search began with
    trials : settings and loss of every trial, in order
    """

    model: RiskModel
    loss: float
    default_loss: float
    trials: tuple[dict[str, Any], ...]


def tune(
    model: RiskModel,
    X: pd.DataFrame | np.ndarray,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    at: ArrayLike,
    matures_at: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    trials: int = 30,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    """Search for settings that would have served later rows better.

    The first trial is `model` as it is, so that what comes out is never worse on the later rows than what went in.
    The same trials in the same number give the same settings; a limit in `seconds` depends on the machine.

    Parameters
    ----------
    model : where the search begins; not changed
    X, y, sample_weight, at, matures_at, groups : as `RiskModel.fit` takes them
    trials : settings to try, the first included
    seconds : begin no further trial after so long; no limit when None
    progress : told after every trial how many are done, and of how many

    Raises
    ------
    UsageError
        If Optuna is not installed, or `trials` is less than 1.
    NotEnoughDataError
        If no cut leaves 200 rows of both outcomes that teach, and 50 later ones.
    """
    optuna = _optuna()
    if trials < 1:
        raise UsageError(f"Expected at least one trial, got {trials}.")
    outcome, weight = np.asarray(y), np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    timing = checked_timing(len(outcome), at, matures_at, groups)
    cuts = _cuts(timing, outcome, weight)
    done: list[dict[str, Any]] = []

    def objective(trial: Any) -> float:
        tried = clone(model).set_params(**({} if trial.number == 0 else _suggested(trial)))
        loss = float(np.mean([_loss(tried, X, outcome, weight, timing, cut) for cut in cuts]))
        done.append({**trial.params, "loss": loss})
        if progress is not None:
            progress(len(done), trials)
        return loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=model.random_state))
    study.optimize(objective, n_trials=trials, timeout=seconds)
    best = clone(model).set_params(**study.best_params)
    return Tuned(best, float(study.best_value), float(done[0]["loss"]), tuple(done))


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("Expected Optuna for a search over settings. Run `pip install heed[tuning]`.") from error
    return optuna


def _suggested(trial: Any) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 4, 32, log=True),
        "rounds": trial.suggest_int("rounds", 50, 800, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
        "linear_weight": trial.suggest_float("linear_weight", 0.0, 1.0),
        "ridge": trial.suggest_float("ridge", 1.0, 3000.0, log=True),
        "evidence_strength": trial.suggest_float("evidence_strength", 30.0, 3000.0, log=True),
    }


def _cuts(timing: Timing, outcome: np.ndarray, weight: np.ndarray) -> list[Fold]:
    found = [
        fold
        for fold in folds(timing, shares=_SHARES)
        if (fold.before & (weight > 0)).sum() >= _FEWEST_ROWS
        and (fold.after & (weight > 0)).sum() >= _FEWEST_LATER
        and len(np.unique(outcome[fold.before & (weight > 0)])) > 1
    ]
    if not found:
        raise NotEnoughDataError(
            f"Expected {_FEWEST_ROWS} rows of both outcomes before a cut and {_FEWEST_LATER} after it. "
            "Do without a search: the defaults are meant for that."
        )
    return found


def _loss(
    model: RiskModel,
    X: pd.DataFrame | np.ndarray,
    outcome: np.ndarray,
    weight: np.ndarray,
    timing: Timing,
    cut: Fold,
) -> float:
    """Mean log loss of the rows after a cut, told by a model of what was known before it."""
    taught, later = timing.rows(cut.before), np.flatnonzero(cut.after & (weight > 0))
    rows = (lambda chosen: X.iloc[chosen]) if isinstance(X, pd.DataFrame) else (lambda chosen: X[chosen])
    fitted = clone(model).fit(
        rows(np.flatnonzero(cut.before)),
        outcome[cut.before],
        weight[cut.before],
        at=taught.at,
        matures_at=taught.matures_at,
        groups=taught.group,
    )
    risk = np.clip(fitted.predict_proba(rows(later))[:, 1], _NEVER_CERTAIN, 1 - _NEVER_CERTAIN)
    failed = outcome[later] == fitted.classes_[1]
    return float(np.average(-np.log(np.where(failed, risk, 1 - risk)), weights=weight[later]))
