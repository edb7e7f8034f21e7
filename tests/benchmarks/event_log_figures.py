"""Figures of foretold risks: ranking and calibration, with intervals from drawing whole cases again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
BINS = 15


@dataclass(frozen=True)
class Judged:
    """Test rows of a task: outcome, case code and place in the case."""

    outcome: Floats
    case: Int64s
    place: Int64s


@dataclass(frozen=True)
class Figures:
    """Of one model on one task. `auc_interval` is the 95 % case-bootstrap interval of the pooled AUC, `ece_by_chance`
    the calibration error that risks without any would show.
    """

    auc_pooled: float
    auc_weighted: float
    auc_interval: tuple[float, float]
    brier: float
    brier_base: float
    ece: float
    ece_equal_count: float
    ece_by_chance: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def auc(score: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """Area under the ROC curve; ties count half. NaN if only one outcome is there."""
    weight = np.ones(len(score)) if weight is None else weight
    _levels, place = np.unique(score, return_inverse=True)
    return _auc_of_places(place, int(place.max()) + 1 if len(place) else 0, outcome, weight)


def _auc_of_places(place: Int64s, n: int, outcome: Floats, weight: Floats) -> float:
    good = np.bincount(place, weight * outcome, n)
    bad = np.bincount(place, weight * (1 - outcome), n)
    if not good.sum() or not bad.sum():
        return float("nan")
    return float(good @ (np.cumsum(bad) - bad / 2) / good.sum() / bad.sum())


def auc_weighted(score: Floats, rows: Judged) -> float:
    """AUC at each prefix length, averaged by the number of prefixes; lengths with one outcome only are passed over."""
    found = [
        (auc(score[at], rows.outcome[at]), int(at.sum())) for at in (rows.place == p for p in np.unique(rows.place))
    ]
    kept = [(value, n) for value, n in found if np.isfinite(value)]
    return float(np.average([v for v, _n in kept], weights=[n for _v, n in kept])) if kept else float("nan")


def ece(risk: Floats, outcome: Floats, *, equal_count: bool = False) -> float:
    """Expected calibration error over 15 bins: of equal width on [0, 1], or of equal count."""
    if equal_count:
        bin_ = np.empty(len(risk), dtype=np.int64)
        bin_[np.argsort(risk, kind="stable")] = np.arange(len(risk)) * BINS // max(len(risk), 1)
    else:
        bin_ = np.minimum((risk * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bin_, risk, BINS) - np.bincount(bin_, outcome, BINS)
    return float(np.abs(gap).sum() / len(risk))


def ece_by_chance(risk: Floats, case: Int64s, n: int = 40, seed: int = 1) -> float:
    """The median calibration error of these risks if each were exactly true: with few cases it is far from 0.

    Outcomes are drawn anew, one uniform number for each case: its rows share their fate.
    """
    _cases, place = np.unique(case, return_inverse=True)
    rng, m = np.random.default_rng(seed), int(place.max()) + 1
    return float(np.median([ece(risk, (rng.random(m)[place] < risk).astype(np.float64)) for _ in range(n)]))


def draws(case: Int64s, n: int, seed: int = 1) -> list[Floats]:
    """Row weights of `n` draws of cases with replacement."""
    _cases, place = np.unique(case, return_inverse=True)
    rng, m = np.random.default_rng(seed), int(place.max()) + 1
    return [rng.multinomial(m, np.full(m, 1 / m)).astype(np.float64)[place] for _ in range(n)]


def interval(score: Floats, rows: Judged, weights: list[Floats]) -> tuple[float, float]:
    """95 % interval of the pooled AUC."""
    _levels, place = np.unique(score, return_inverse=True)
    found = [_auc_of_places(place, int(place.max()) + 1, rows.outcome, w) for w in weights]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def paired(first: Floats, second: Floats, rows: Judged, weights: list[Floats]) -> tuple[float, float]:
    """95 % interval of the first's pooled AUC less the second's, on the same draws."""
    places = [np.unique(s, return_inverse=True)[1] for s in (first, second)]
    found = [
        _auc_of_places(places[0], int(places[0].max()) + 1, rows.outcome, w)
        - _auc_of_places(places[1], int(places[1].max()) + 1, rows.outcome, w)
        for w in weights
    ]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def figures(risk: Floats, rows: Judged, base: float, weights: list[Floats]) -> Figures:
    """All of them; `base` is the share of positive training rows."""
    return Figures(
        auc_pooled=auc(risk, rows.outcome),
        auc_weighted=auc_weighted(risk, rows),
        auc_interval=interval(risk, rows, weights),
        brier=float(np.mean((risk - rows.outcome) ** 2)),
        brier_base=float(np.mean((base - rows.outcome) ** 2)),
        ece=ece(risk, rows.outcome),
        ece_equal_count=ece(risk, rows.outcome, equal_count=True),
        ece_by_chance=ece_by_chance(risk, rows.case),
    )
