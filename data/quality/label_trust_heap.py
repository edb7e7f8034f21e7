"""Closings heaped just before the deadline: more there than a smooth curve through their neighbours says.

Closings are counted in twenty bins of the promise's own length, from half a promise before the deadline to half of one
after it. Counts are compared with the hours in which the office closes anything at all: a deadline at the end of a
working day would otherwise look like a heap before it. On that scale a quasi-Poisson regression

    log E[count_j] = log exposure_j + a + b·u_j + c·u_j² + δ·[u_j after the deadline] + θ·[last bin before it]

lets the curve bend and lets it jump at the deadline (an office may well care less for what is late already); θ is what
stands in the last bin beyond both. It is McCrary's (2008, J. Econometrics 142:698) test of a density, with the heap
in one bin instead of a whole side.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from data.quality.label_trust_cases import HOUR, Ledger, local_seconds
from data.quality.label_trust_nulls import t_tail

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

_BINS: Final = 20
_EDGES: Final = np.linspace(-0.5, 0.5, _BINS + 1)
_LAST: Final = _BINS // 2 - 1
_MIDDLES: Final = (_EDGES[1:] + _EDGES[:-1]) / 2
_DESIGN: Final = np.column_stack(
    [
        np.ones(_BINS),
        _MIDDLES,
        _MIDDLES**2,
        (_MIDDLES > 0).astype(np.float64),
        (np.arange(_BINS) == _LAST).astype(np.float64),
    ]
)
_FREEDOM: Final = _BINS - _DESIGN.shape[1]
# Closings of a unit near the deadline; with fewer, twenty bins hold next to nothing.
FEWEST: Final = 60
# What a heap is, whatever its p-value: half as many again as the curve says, and ten more.
LEAST_RATIO: Final = 1.5
LEAST_EXCESS: Final = 10.0
_WEEK_HOURS: Final = 168
# Nobody closes in every hour of the week; an hour never seen counts as this share of the mean hour.
_LEAST_ACTIVITY: Final = 0.02


def near_deadline(ledger: Ledger) -> Bools:
    """Cases closed within half a promise of their deadline; shape (n,). Promises under four hours are too short."""
    rows = ledger.rows
    promise = (rows["due"] - rows["opened"]).to_numpy("int64")
    fit = ledger.is_closed & rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy()
    fit &= (rows["due"].to_numpy("int64") < NEVER) & (promise >= 4 * HOUR)
    share = np.where(fit, (rows["closed"] - rows["due"]) / np.where(fit, promise, 1), np.inf)
    return np.asarray(fit & (share >= -0.5) & (share < 0.5))


def in_last_bin(ledger: Ledger) -> Bools:
    """Cases closed in the last twentieth of the promise before the deadline, or at it; shape (n,)."""
    rows = ledger.rows
    promise = (rows["due"] - rows["opened"]).to_numpy("int64")
    before = (rows["due"] - rows["closed"]).to_numpy("int64")
    return np.asarray(near_deadline(ledger) & (before >= 0) & (before <= promise * (_EDGES[1] - _EDGES[0])))


def heaps(ledger: Ledger, unit: Int64s) -> pd.DataFrame:
    """Test every unit of cases.

    Parameters
    ----------
    unit : (n,) code of the unit of each case; negative: of none

    Returns
    -------
    DataFrame, one row per unit with at least `FEWEST` closings near the deadline: `unit`, `closings` (near it),
    `count` (in the last bin), `expected` (there, by the curve), `ratio`, `p`.
    """
    near = near_deadline(ledger) & (unit >= 0)
    sizes = pd.Series(unit[near]).value_counts()
    units = np.sort(sizes.index[sizes >= FEWEST].to_numpy())
    if len(units) == 0:
        return pd.DataFrame({name: [] for name in ("unit", "closings", "count", "expected", "ratio", "p")})
    chosen = np.flatnonzero(near & np.isin(unit, units))
    code = np.searchsorted(units, unit[chosen])
    rows = ledger.rows.iloc[chosen]
    promise = (rows["due"] - rows["opened"]).to_numpy(np.float64)
    share = (rows["closed"] - rows["due"]).to_numpy(np.float64) / promise
    # At the very deadline is in time: it belongs to the bin before.
    bins = np.clip(np.ceil((share + 0.5) * _BINS - 1e-9).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(code * _BINS + bins, minlength=len(units) * _BINS).reshape(-1, _BINS).astype(np.float64)
    exposure = _exposure(ledger, chosen, code, len(units), promise)
    beta, covariance, fitted = _regressions(counts, exposure)
    ratio = _dispersion(counts, fitted)
    error = np.sqrt(np.maximum(covariance[:, -1, -1], 1e-12) * ratio)
    expected = fitted[:, _LAST] / np.exp(beta[:, -1])
    p = t_tail(beta[:, -1] / error, _FREEDOM)
    count = counts[:, _LAST]
    small = (count < LEAST_RATIO * expected) | (count - expected < LEAST_EXCESS)
    return pd.DataFrame(
        {
            "unit": units,
            "closings": counts.sum(axis=1).astype(np.int64),
            "count": count.astype(np.int64),
            "expected": expected,
            "ratio": ratio,
            "p": np.where(small, 1.0, p),
        }
    )


def _exposure(ledger: Ledger, chosen: Int64s, code: Int64s, units: int, promise: Floats) -> Floats:
    """Share of the office's closing activity that each bin holds, summed over the cases of a unit; (units, bins)."""
    rows = ledger.rows.iloc[chosen]
    office, names = pd.factorize(ledger.rows["office"])
    profile = _activity(ledger, office, len(names))[office[chosen]]
    due = local_seconds(rows["due"].to_numpy("int64"), ledger.time_zone).astype(np.float64)
    reached = np.stack([_activity_until(profile, due + edge * promise) for edge in _EDGES], axis=1)
    exposure = np.diff(reached, axis=1)
    exposure = exposure / exposure.sum(axis=1, keepdims=True)
    total = np.zeros((units, _BINS))
    np.add.at(total, code, exposure)
    return total


def _activity(ledger: Ledger, office: Int64s, offices: int) -> Floats:
    """Running share of an office's closings by hour of the week, from Monday 00:00; (offices, 169), from 0 to 1."""
    closed = ledger.is_closed & ~ledger.rows["near_instant"].to_numpy() & ~in_last_bin(ledger)
    # 1970 began on a Thursday.
    hour = (ledger.rows["closed_local"].to_numpy("int64")[closed] // HOUR + 72) % _WEEK_HOURS
    counts = np.bincount(office[closed] * _WEEK_HOURS + hour, minlength=offices * _WEEK_HOURS).astype(np.float64)
    counts = counts.reshape(offices, _WEEK_HOURS)
    # An office of a few closings leans on all.
    overall = counts.sum(axis=0) / max(counts.sum(), 1.0)
    shares = (counts + 50.0 * overall) / (counts.sum(axis=1, keepdims=True) + 50.0)
    shares = np.maximum(shares, _LEAST_ACTIVITY / _WEEK_HOURS)
    shares /= shares.sum(axis=1, keepdims=True)
    return np.concatenate([np.zeros((offices, 1)), np.cumsum(shares, axis=1)], axis=1)


def _activity_until(running: Floats, clock: Floats) -> Floats:
    """Activity up to a moment of the local clock, in weeks' worth; shape (n,)."""
    hours = clock / HOUR + 72.0
    week = np.floor(hours / _WEEK_HOURS)
    within = hours - week * _WEEK_HOURS
    whole = np.minimum(within.astype(np.int64), _WEEK_HOURS - 1)
    rows = np.arange(len(clock))
    start, end = running[rows, whole], running[rows, whole + 1]
    return np.asarray(week + start + (within - whole) * (end - start), dtype=np.float64)


def _regressions(counts: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
    """Poisson regressions of all units at once, by Newton's method: coefficients, covariances, fitted counts."""
    offset = np.log(exposure)
    # A weak prior keeps a unit without a single closing on one side from running away; it is worth half a case.
    ridge = np.diag([1e-6, 1e-3, 1e-3, 1e-2, 1e-2])
    beta = np.zeros((len(counts), _DESIGN.shape[1]))
    beta[:, 0] = np.log((counts.sum(axis=1) + 0.5) / exposure.sum(axis=1))
    covariance = np.zeros((len(counts), 5, 5))
    for _step in range(30):
        fitted = np.exp(np.clip(beta @ _DESIGN.T + offset, -30.0, 30.0))
        gradient = (counts - fitted) @ _DESIGN - beta @ ridge
        covariance = np.linalg.inv(np.einsum("uj,ja,jb->uab", fitted, _DESIGN, _DESIGN) + ridge)
        step = np.einsum("uab,ub->ua", covariance, gradient)
        beta += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    fitted = np.exp(np.clip(beta @ _DESIGN.T + offset, -30.0, 30.0))
    return beta, covariance, fitted


def _dispersion(counts: Floats, fitted: Floats) -> Floats:
    """Pearson's dispersion of each unit, half its own and half that of all units; at least 1; shape (units,)."""
    own = ((counts - fitted) ** 2 / np.maximum(fitted, 0.25)).sum(axis=1) / _FREEDOM
    shared = (own + np.median(own)) / 2
    return np.asarray(np.maximum(shared, 1.0), dtype=np.float64)
