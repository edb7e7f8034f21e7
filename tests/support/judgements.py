"""How a version did, as `models.judging` tells it, made up: a judgement that opens every gate, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pandas as pd

from models.registry import Registry


def estimate(value: float, reach: float = 0.01) -> dict[str, float]:
    """A figure with its interval."""
    return {"value": value, "low": value - reach, "high": value + reach}


def side(brier: float, ece: float = 0.02) -> dict[str, Any]:
    """One of two models: figures, a reliability curve and a capacity curve."""
    figures: dict[str, float] = {
        "brier": brier,
        "log_loss": 3 * brier,
        "auc": 0.8,
        "average_precision": 0.6,
        "ece": ece,
        "slope": 1.02,
    }
    bins = [{"n": 90, "predicted": p, "observed": estimate(p + ece, 0.04)} for p in (0.05, 0.15, 0.3, 0.45, 0.7)]
    shares = (0.05, 0.1, 0.2, 0.5, 1.0)
    curve = [
        {"share": s, "recall": estimate(min(2.4 * s, 1.0) - brier / 10), "precision": estimate(0.62 - 0.3 * s)}
        for s in shares
    ]
    return {
        "mean_risk": estimate(0.24),
        "figures": {name: estimate(value) for name, value in figures.items()},
        "reliability": bins,
        "capacity": curve,
    }


def outcome(challenger: float = 0.14, champion: float = 0.145) -> dict[str, Any]:
    """One outcome of a judgement."""
    return {
        "cases": 450,
        "failed": 110,
        "landmarks": 2100,
        "cut": 1_700_000_000,
        "until": 1_710_000_000,
        "intervals": {"level": 0.95, "unit": "week", "blocks": 14},
        "base_rate": estimate(0.24),
        "challenger": side(challenger),
        "champion": side(champion, 0.03),
        "how": "fitted_anew",
        "differences": {
            "brier": estimate(challenger - champion),
            "log_loss": estimate(3 * (challenger - champion)),
            "auc": estimate(0.004),
            "average_precision": estimate(0.01),
            "ece": estimate(-0.01),
        },
        "slices": {"judged": 12, "dimension": "office", "worst": estimate(0.001)},
    }


def judgement(beside: str, outcomes: Iterable[str] = ("late",), **changes: Any) -> dict[str, Any]:
    """A judgement beside a version; `changes` are of each outcome, by dotted names with `__` for the dots."""
    one = outcome()
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = one
        for step in way:
            place = place[step]
        place[last] = value
    told = {name: deepcopy(one) for name in outcomes}
    return {"format": 1, "as_of": 1_710_000_000, "data": "0" * 64, "split": 0.7, "beside": beside, "outcomes": told}


def judge_all(registry: Registry, versions: Iterable[str], beside: str) -> None:
    """Keep a judgement that opens every gate with each version."""
    for version in versions:
        registry.keep_judged(version, judgement(beside))


def drift_frame(version: str, as_of: int) -> pd.DataFrame:
    """The drift of a version, made up: one outcome as told, one not, one too young; inputs that moved and did not."""
    rows: list[tuple[Any, ...]] = [
        ("late", "told", 840, 0.243, 0.215, 0.273, 0.236),
        ("late", "gap", 840, 0.021, None, 0.034, None),
        ("handed_up_28d", "told", 690, 0.061, 0.045, 0.081, 0.022),
        ("handed_up_28d", "gap", 690, 0.039, None, 0.017, None),
        ("reopened_28d", "told", 12, None, None, None, None),
        ("reopened_28d", "gap", 12, None, None, None, None),
        ("late", "risk", 812, 0.043, None, 0.061, 0.012),
        ("handed_up_28d", "risk", 812, 0.162, None, 0.061, 0.012),
        ("inputs", "backlog_office", 812, 0.391, None, 0.087, 0.012),
        ("inputs", "time_waited", 812, 0.018, None, 0.087, 0.012),
    ]
    names = ["outcome", "measure", "n", "value", "lower", "upper", "reference"]
    frame = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[3:], "float64"))
    return frame.assign(as_of=as_of, model_version=version)
