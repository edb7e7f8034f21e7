"""Shares that change from one month to the next and stay: a change-point in a series of months, over-dispersed.

For every split of a series of months the shares before and after are compared, the variance inflated by how much the
months vary about their own side. The clearest split is kept, its p-value multiplied by the number of splits looked at;
the two sides are then searched in turn. A change counts only if it is large, and abrupt: the three months on either
side of it have to differ by most of it. A service gets slower over months; a rule of recording changes overnight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_nulls import q_values, t_tail

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

_NEIGHBOUR_MONTHS: Final = 3
# Of the whole change, how much has to happen between the months on either side.
_ABRUPT: Final = 0.6
_FEWEST_MONTHS: Final = 2
_FEWEST_CASES: Final = 30
_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """One change of a series: the share `before` and `after`, between the change before it and the one after it."""

    key: str
    month: int  # the first month after the change, year · 12 + month - 1
    first: int
    last: int
    before: float
    after: float
    n_before: int
    n_after: int
    p: float


@dataclass(frozen=True, slots=True)
class ShiftRule:
    """What counts as a change.

    Attributes
    ----------
    least_change : smallest change of the share
    level : false-discovery rate over the series (Benjamini and Hochberg on the clearest change of each)
    fewest_months : of a series that is looked at
    serial : whether months hang together by themselves, as a queue does from one month to the next. The variance is
        then inflated by (1 + r) / (1 - r), r the correlation of a month with the one before, corrected for its bias.
    low_of_high : of a change, how small the lower share has to be against the higher
    """

    least_change: float
    level: float
    fewest_months: int = 4
    serial: bool = False
    low_of_high: float = 1.0


def shifts(table: pd.DataFrame, rule: ShiftRule) -> tuple[list[Shift], pd.DataFrame]:
    """Find the changes of every series.

    Parameters
    ----------
    table : DataFrame with `key` (str), `month` (int), `part`, `whole` (cases); one row per key and month
    rule : what counts as a change

    Returns
    -------
    The changes, at most seven a series, in order of key and month; and one row per series tested: `key`, `p`, `q`.
    """
    series = {
        str(key): rows.sort_values("month")
        for key, rows in table[table["whole"] > 0].groupby("key")
        if len(rows) >= rule.fewest_months
    }
    roots = {key: _clearest(key, rows, rule) for key, rows in series.items()}
    tested = pd.DataFrame({"key": list(roots), "p": [1.0 if one is None else one.p for one in roots.values()]})
    tested["q"] = q_values(tested["p"].to_numpy(np.float64)) if len(tested) else np.empty(0)
    found: list[Shift] = []
    # What BH lets pass among the series is the level for what is looked for inside them too.
    passed = tested[tested["q"] <= rule.level]
    limit = float(passed["p"].max()) if len(passed) else 0.0
    for key in passed["key"]:
        rows = series[str(key)]
        found += _between(rows, _all(str(key), rows, rule, min(limit, rule.level), _DEPTH), rule)
    return sorted(found, key=lambda one: (one.key, one.month)), tested


def _between(rows: pd.DataFrame, found: list[Shift], rule: ShiftRule) -> list[Shift]:
    """The changes of one series, each told by the stretch before it and the stretch after it."""
    ordered = sorted(found, key=lambda one: one.month)
    first, end = int(rows["month"].min()), int(rows["month"].max()) + 1
    limits = [first, *(one.month for one in ordered), end]
    told = []
    for n, one in enumerate(ordered):
        before = rows[rows["month"].between(limits[n], one.month - 1)]
        after = rows[rows["month"].between(one.month, limits[n + 2] - 1)]
        shares = [float(side["part"].sum() / side["whole"].sum()) for side in (before, after)]
        # A change that only its whole past makes large is told by its whole past.
        if abs(shares[1] - shares[0]) < rule.least_change:
            told.append(one)
        else:
            whole = [int(side["whole"].sum()) for side in (before, after)]
            told.append(replace(one, first=limits[n], last=limits[n + 2] - 1, before=shares[0], after=shares[1],
                                n_before=whole[0], n_after=whole[1]))  # fmt: skip
    return told


def _all(key: str, rows: pd.DataFrame, rule: ShiftRule, limit: float, depth: int) -> list[Shift]:
    one = _clearest(key, rows, rule) if depth and len(rows) >= 2 * _FEWEST_MONTHS else None
    if one is None or one.p > limit:
        return []
    before, after = rows[rows["month"] < one.month], rows[rows["month"] >= one.month]
    inside = (_all(key, part, rule, limit, depth - 1) for part in (before, after))
    return [one, *(shift for part in inside for shift in part)]


def _clearest(key: str, rows: pd.DataFrame, rule: ShiftRule) -> Shift | None:
    """The split with the largest standardised difference, of those that are large and abrupt; None if there is none."""
    part, whole = rows["part"].to_numpy(np.float64), rows["whole"].to_numpy(np.float64)
    months = rows["month"].to_numpy("int64")
    k, n = np.cumsum(part), np.cumsum(whole)
    splits = np.arange(_FEWEST_MONTHS, len(rows) - _FEWEST_MONTHS + 1)
    left_n, left_k = n[splits - 1], k[splits - 1]
    right_n, right_k = n[-1] - left_n, k[-1] - left_k
    thick = (left_n >= _FEWEST_CASES) & (right_n >= _FEWEST_CASES)
    if not thick.any():
        return None
    left, right = left_k / np.maximum(left_n, 1), right_k / np.maximum(right_n, 1)
    pooled = np.clip(k[-1] / n[-1], 1e-3, 1 - 1e-3)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(left_n, 1) + 1 / np.maximum(right_n, 1)))
    ratio = np.array([_dispersion(part, whole, int(split), serial=False) for split in splits])
    statistic = np.abs(right - left) / (spread * np.sqrt(ratio))
    jump = np.array([_jump(part, whole, int(split)) for split in splits])
    change = right - left
    told = thick & (np.abs(change) >= rule.least_change) & (jump * np.sign(change) >= _ABRUPT * np.abs(change))
    told &= np.minimum(left, right) <= rule.low_of_high * np.maximum(left, right)
    if not told.any():
        return None
    best = int(np.argmax(np.where(told, statistic, -1.0)))
    if rule.serial:
        # Where it lies is told by the months; how sure that is, by how much they hang together.
        inflated = _dispersion(part, whole, int(splits[best]), serial=True)
        statistic[best] *= np.sqrt(ratio[best] / inflated)
    p = float(t_tail(statistic[best : best + 1], max(len(rows) - 2, 1))[0]) * 2 * len(splits)
    return Shift(
        key=key,
        month=int(months[splits[best]]),
        first=int(months[0]),
        last=int(months[-1]),
        before=float(left[best]),
        after=float(right[best]),
        n_before=int(left_n[best]),
        n_after=int(right_n[best]),
        p=min(p, 1.0),
    )


def _dispersion(part: Floats, whole: Floats, split: int, *, serial: bool) -> float:
    """How much more than binomial the months vary about the share of their own side, at least 1."""
    residual = np.empty(len(part))
    for side in (slice(None, split), slice(split, None)):
        share = np.clip((part[side].sum() + 0.5) / (whole[side].sum() + 1.0), 1e-3, 1 - 1e-3)
        residual[side] = (part[side] - whole[side] * share) / np.sqrt(whole[side] * share * (1 - share))
    square = float((residual**2).sum())
    ratio = max(square / max(len(part) - 2, 1), 1.0)
    if not serial:
        return ratio
    # Two means were taken off, which makes neighbours look less alike than they are: about (1 + 3 r) / n for each.
    r = float((residual[1:] * residual[:-1]).sum()) / max(square, 1e-9)
    r = float(np.clip(r + 2 * (1 + 3 * max(r, 0.0)) / len(part), 0.0, 0.9))
    return ratio * (1 + r) / (1 - r)


def _jump(part: Floats, whole: Floats, split: int) -> float:
    """Share in the three months from the split on, less that in the three before; up to six where cases are few."""

    def near(months: slice, step: int) -> float:
        k, n = np.cumsum(part[months][::step]), np.cumsum(whole[months][::step])
        reach = int(np.clip(np.searchsorted(n, _FEWEST_CASES) + 1, _NEIGHBOUR_MONTHS, 2 * _NEIGHBOUR_MONTHS))
        last = min(reach, len(n)) - 1
        return float(k[last] / max(n[last], 1.0))

    return near(slice(split, None), 1) - near(slice(None, split), -1)
