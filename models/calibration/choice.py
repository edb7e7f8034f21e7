"""Which curve: the simplest that later cases do not refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError, NotEnoughDataError, UsageError
from models.calibration.band import Band
from models.calibration.beta import Beta
from models.calibration.blocks import Blocks, consecutive_parts, share_luck
from models.calibration.calibrator import Calibrator, Floats
from models.calibration.heterogeneity import cells_of, heterogeneity
from models.calibration.identity import Identity
from models.calibration.isotonic import Isotonic
from models.calibration.platt import Calibration
from models.calibration.venn_abers import VennAbers

Ints = NDArray[np.int64]
Fit = Callable[..., Calibrator]

_KINDS: Final[tuple[type[Any], ...]] = (Identity, Calibration, Beta, Isotonic, VennAbers)
# Prior, in cases, of a curve that later cases have to confirm anyway.
_WEAK: Final = 10.0
_PARTS: Final = 5


def _identity(score: Floats, outcome: Floats, *, weight: Floats | None = None) -> Identity:  # noqa: ARG001
    return Identity(n=len(score))


# From simple to free, each with the fewest failures, and cases without, that it may be asked of.
_METHODS: Final[Mapping[str, tuple[int, Fit]]] = {
    "identity": (0, _identity),
    "cautious_platt": (1, Calibration.fit),
    "platt": (50, partial(Calibration.fit, strength=_WEAK)),
    "beta": (100, partial(Beta.fit, strength=_WEAK)),
    "venn_abers": (300, VennAbers.fit),
    "isotonic": (300, Isotonic.fit),
}
METHODS: Final = ("auto", *_METHODS)


def choose_calibration(
    score: Floats,
    outcome: Floats,
    *,
    weight: Floats | None = None,
    at: Ints | None = None,
    groups: NDArray[Any] | None = None,
    like: Ints | None = None,
    method: str = "auto",
) -> Calibrator:
    """Fit a calibrator with its interval to m cases that are later than all that the scores were learned from.

    With "auto" the curves compete in forward chaining: the cases are cut into five parts by time (a group lies in the
    part of its first row), and each part but the first is told by curves fitted to those before it. The least log loss
    wins (Brier score, if they are equal), but a simpler curve stands unless the winner is better by more than one
    standard error over weeks or groups. With few failures only the identity and Platt's curve with its prior compete.

    Parameters
    ----------
    score : (m,) log-odds, finite
    outcome : (m,) of 0 and 1
    weight : (m,) not negative; how far each outcome is believed; all in full when None
    at : (m,) seconds in UTC; the order of the rows stands for it when None
    groups : (m,) codes of cases; every row is its own when None
    like : (m,) codes of the kind of each case, -1 where it is not known. With it, the interval holds the share of
        failures of cases of one kind in one week, and without, that of all cases with the same score
    method : "auto", or "identity", "cautious_platt" (the prior of `Calibration.fit`), "platt", "beta", "venn_abers",
        "isotonic" to fit that one

    Returns
    -------
    Calibrator
        With no cases at all: the identity, and an interval that says how little is known.

    Raises
    ------
    UsageError
        If the method is unknown, lengths differ, or a score is not finite.
    NotEnoughDataError
        If "isotonic" or "venn_abers" is asked for by name without a single case.
    """
    score, outcome, weight = _checked(score, outcome, weight, method)
    # A case that nobody believes teaches nothing, and is no evidence.
    taught = weight > 0
    at = None if at is None else np.asarray(at)[taught]
    groups, like = (None if codes is None else np.asarray(codes)[taught] for codes in (groups, like))
    score, outcome, weight = score[taught], outcome[taught], weight[taught]
    block = share_luck(len(score), at, groups)
    if method == "auto":
        method = _best(score, outcome, weight, consecutive_parts(len(score), at, groups, _PARTS), block)
    if len(score) == 0 and method in {"isotonic", "venn_abers"}:
        raise NotEnoughDataError(
            f"Expected matured cases to fit the calibration '{method}' to, and got none. "
            "Wait until more outcomes are mature, or leave the choice to 'auto'."
        )
    fitted = _METHODS[method][1](score, outcome, weight=weight) if len(score) else Identity()
    band = Band.fit(score, outcome, weight, block)
    if like is not None:
        apart = heterogeneity(fitted.probability(score), outcome, weight, cells_of(like, at), groups)
        band = replace(band, apart=apart)
    return replace(fitted, band=band)  # type: ignore[type-var]


def calibrator_from_dict(values: Mapping[str, Any]) -> Calibrator:
    """The calibrator whose `as_dict` this is, equal to the last bit.

    A dictionary without a name is Platt's, as earlier versions wrote it.

    Raises
    ------
    ModelError
        If the name is unknown, a number is missing, or a curve falls.
    """
    name = values.get("name", Calibration.name)
    kinds = {kind.name: kind for kind in _KINDS}
    if name not in kinds:
        raise ModelError(f"Expected a calibration named one of {', '.join(kinds)}. Train again with this version.")
    try:
        found: Calibrator = kinds[name].from_dict(dict(values))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"Expected the numbers of a calibration of the kind '{name}', and some are missing or no numbers. "
            "The model file is damaged: train again, or restore it from a copy."
        ) from error
    return found


def _checked(score: Floats, outcome: Floats, weight: Floats | None, method: str) -> tuple[Floats, Floats, Floats]:
    if method not in METHODS:
        raise UsageError(f"Expected a calibration method out of {', '.join(METHODS)}, got '{method}'.")
    score, outcome = np.asarray(score, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(score) == len(outcome) == len(weight):
        raise UsageError(
            f"Expected one outcome and one weight per score, got {len(score):,} scores, {len(outcome):,} outcomes and "
            f"{len(weight):,} weights."
        )
    if not (np.isfinite(score).all() and np.isin(outcome, (0, 1)).all() and (weight >= 0).all()):
        raise UsageError("Expected finite scores, outcomes of 0 and 1 and weights of 0 or more; leave other rows out.")
    return score, outcome, weight


def _best(score: Floats, outcome: Floats, weight: Floats, part: Ints, block: Blocks | None) -> str:
    """The name of the simplest curve that is not worse beyond noise than the best."""
    rarer = min(outcome.sum(), len(outcome) - outcome.sum())
    names = [name for name, (fewest, _) in _METHODS.items() if rarer >= fewest]
    if len(names) == 1 or len(np.unique(part)) < 2:
        return names[0]
    told = {name: _told_forward(name, score, outcome, weight, part) for name in names}
    judged = part > 0
    y, w = outcome[judged], weight[judged]
    mine = None if block is None else np.unique(block.code[judged], return_inverse=True)[1]
    loss = {name: log_losses(p[judged], y) for name, p in told.items()}
    brier = {name: float(np.average((p[judged] - y) ** 2, weights=w)) for name, p in told.items()}
    best = min(names, key=lambda name: (round(float(np.average(loss[name], weights=w)), 9), brier[name]))
    for name in names:
        worse = loss[name] - loss[best]
        if name == best or float(np.average(worse, weights=w)) <= standard_error(worse, w, mine):
            return name
    return best


def _told_forward(name: str, score: Floats, outcome: Floats, weight: Floats, part: Ints) -> Floats:
    """What a curve would have told of each part after it was fitted to the parts before."""
    told = np.full(len(score), 0.5)
    for number in np.unique(part)[1:]:
        past, now = part < number, part == number
        fitted = _METHODS[name][1](score[past], outcome[past], weight=weight[past])
        told[now] = fitted.probability(score[now])
    return told


def log_losses(probability: Floats, outcome: Floats) -> Floats:
    """Log loss of each case (n,); a probability of 0 or 1 that was wrong costs what one in 10¹² does."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(-np.log(np.where(outcome == 1, p, 1 - p)), dtype=np.float64)


def standard_error(value: Floats, weight: Floats, block: Ints | None) -> float:
    """Standard error of a weighted mean of what comes in blocks that share their luck."""
    block = np.arange(len(value)) if block is None else block
    away = weight * (value - np.average(value, weights=weight))
    sums = np.bincount(block, weights=away)
    if len(sums) < 2:
        return float("inf")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / weight.sum())
