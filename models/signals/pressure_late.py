"""How many of a unit's open cases will become late within two weeks, and how many usually did.

Counted are open cases whose deadline lies within the next 14 days, each with its probability of being late by the risk
model. Cases that have yet to arrive are not counted, nor those that are late already. The probabilities are shared
strength by themselves: the model has learned from all units. What is added here is how far the number may stray. Cases
of one unit are late together; by how much is read from all units' past fortnights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FORTNIGHT: Final = 14 * 86_400
# A year of fortnights before the newest; its closings may still come in.
_FORTNIGHTS: Final = 26
_LEFT_OUT: Final = 1
_FILLING: Final = 2
_LEAST_FORTNIGHTS: Final = 8
_MOST_SHARED: Final = 0.5
_LEAST_WEIGHT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Late:
    """Of every unit; (n_units,), NaN where nothing can be said."""

    due: Ints  # open cases with a deadline within 14 days
    expected: Floats
    low: Floats
    high: Floats
    usual_low: Floats
    usual_high: Floats


def late_soon(
    placed: pd.DataFrame,
    codes: Ints,
    open_now: Bools,
    n_units: int,
    as_of: int,
    probabilities: pd.Series | None,
    tail: float,
) -> Late:
    """Expected late of the open cases due within 14 days, with an interval that leaves out `tail` on either side.

    An open case without a probability gets the mean of its unit's; a unit with cases due and no probability gets null.
    """
    due_at = placed["due_at"].to_numpy()
    soon = open_now & (due_at >= as_of) & (due_at < as_of + FORTNIGHT)
    due = np.bincount(codes[soon], minlength=n_units)
    past_due, past_late, settled = _past(placed, codes, n_units, as_of)
    usual = _usual(past_late, settled)
    if probabilities is None:
        nothing = np.full(n_units, np.nan)
        return Late(due, nothing, nothing, nothing, *usual)
    share = placed.loc[soon, "case_id"].map(probabilities).to_numpy(dtype=float)
    told, unit = ~np.isnan(share), codes[soon]
    scored = np.bincount(unit[told], minlength=n_units)
    scale = np.where(scored > 0, due / np.maximum(scored, 1), np.where(due > 0, np.nan, 1.0))
    mean = _sums(unit[told], share[told], n_units) * scale
    variance = _sums(unit[told], (share * (1.0 - share))[told], n_units) * scale
    variance = variance * (1.0 + np.maximum(due - 1, 0) * _shared(past_due, past_late, settled))
    return Late(due, mean, *_interval(mean, variance, due, tail), *usual)


def _sums(unit: Ints, values: Floats, n_units: int) -> Floats:
    sums: Floats = np.bincount(unit, weights=values, minlength=n_units).astype(np.float64)
    return sums


def _past(placed: pd.DataFrame, codes: Ints, n_units: int, as_of: int) -> tuple[Floats, Floats, Bools]:
    """Cases open and due, and of them late, by unit and past fortnight; and which fortnights belong to the record.

    As the fortnight began, they were known to be open; a case withdrawn since is left out.
    """
    due_at, opened = placed["due_at"].to_numpy(), placed["opened_known_at"].to_numpy()
    closed_known, closed_at = placed["closed_known_at"].to_numpy(), placed["closed_at"].to_numpy()
    before = due_at < as_of
    fortnight = np.where(before, (as_of - 1 - np.minimum(due_at, as_of - 1)) // FORTNIGHT, _FORTNIGHTS)
    start = as_of - (fortnight + 1) * FORTNIGHT
    inside = before & (fortnight < _FORTNIGHTS) & (fortnight >= _LEFT_OUT) & (opened < start) & (closed_known >= start)
    inside &= placed["withdrawn_known_at"].to_numpy() >= as_of
    late = inside & ~((closed_known < as_of) & (closed_at <= due_at))
    cells = codes * _FORTNIGHTS + np.minimum(fortnight, _FORTNIGHTS - 1)
    counts = [
        np.bincount(cells[chosen], minlength=n_units * _FORTNIGHTS).reshape(n_units, _FORTNIGHTS).astype(float)
        for chosen in (inside, late)
    ]
    first = np.full(n_units, as_of, dtype=np.int64)
    np.minimum.at(first, codes, opened)
    begins = as_of - (np.arange(_FORTNIGHTS) + 1) * FORTNIGHT
    settled = (begins[None, :] >= (first + _FILLING * FORTNIGHT)[:, None]) & (np.arange(_FORTNIGHTS) >= _LEFT_OUT)
    return counts[0], counts[1], settled


def _usual(late: Floats, settled: Bools) -> tuple[Floats, Floats]:
    enough = settled.sum(axis=1) >= _LEAST_FORTNIGHTS
    result = np.full((2, len(late)), np.nan)
    if enough.any():
        result[:, enough] = np.nanquantile(np.where(settled, late, np.nan)[enough], [0.1, 0.9], axis=1)
    return result[0], result[1]


def _shared(due: Floats, late: Floats, settled: Bools) -> float:
    """Correlation of two cases of one unit and fortnight being late, by moments over all units; 0 to 0.5."""
    due, late = due * settled, late * settled
    total = due.sum(axis=1)[:, None]
    share = late.sum(axis=1)[:, None] / np.maximum(total, 1.0)
    chance = share * (1.0 - share)
    use = (due > 0.0) & (due < total)
    square = np.where(use, (late - due * share) ** 2 / np.where(use, 1.0 - due / np.maximum(total, 1.0), 1.0), 0.0)
    pairs = float((due * (due - 1.0) * chance)[use].sum())
    if pairs <= 0.0:
        return 0.0
    return float(np.clip((square - due * chance)[use].sum() / pairs, 0.0, _MOST_SHARED))


def _interval(mean: Floats, variance: Floats, due: Ints, tail: float) -> tuple[Floats, Floats]:
    """Whole numbers between which the count lies, from a beta distribution of its share with this mean and variance."""
    n = np.maximum(due, 1).astype(float)
    share = np.clip(mean / n, 0.0, 1.0)
    open_ = (share > 0.0) & (share < 1.0) & (variance > 0.0)
    inner = np.where(open_, share, 0.5)
    weight = np.where(open_, inner * (1.0 - inner) * n**2 / np.where(open_, variance, 1.0) - 1.0, 1.0)
    weight = np.maximum(weight, _LEAST_WEIGHT)
    # The smallest whole number up to which the probability is reached, half a case of room on either side.
    low, high = (
        np.maximum(np.ceil(n * special.betaincinv(inner * weight, (1.0 - inner) * weight, p) - 0.5), 0.0)
        for p in (tail, 1.0 - tail)
    )
    known = ~np.isnan(mean)
    return np.where(known, np.where(open_, low, mean), np.nan), np.where(known, np.where(open_, high, mean), np.nan)
