"""Many at once: closings of one day or hour, openings of one second, moves of one day, against the usual rhythm.

A group's count of a slot (a local day, or an hour) is compared with the group's own rhythm around it: the mean of the
nearest active slots on either side, itself left out and the busiest of them cut off. An office that works five days a
week is compared with its working days, because only slots in which the group did anything are its rhythm. Counts vary
more than Poisson's; how much more is estimated per group from all its slots, and the tail is a negative binomial's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_nulls import count_tail

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Active slots on either side that make up the rhythm; fewer than so many in all, and nothing can be said.
_NEIGHBOURS: Final = 20
_FEWEST_SLOTS: Final = 10
# Of a group's slots, the busiest hundredth does not teach how much it varies: it may be what is looked for. The rest
# vary a little less than all do, which the factor makes up for.
_CUT_OFF: Final = 0.01
_CUT_CORRECTION: Final = 1.25
# The neighbours that are cut to the next largest: one batch must not hide the next one.
_CALM: Final = 0.9
_LONGEST_REST: Final = 14


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a batch worth telling, whatever its p-value: enough of them, and many times the usual."""

    fewest: int
    times_usual: float


def batches(
    group: Int64s, slot: Int64s, active: tuple[Int64s, Int64s], rule: Rule, *, slots_a_day: int = 1
) -> pd.DataFrame:
    """Test every slot of every group.

    Parameters
    ----------
    group, slot : (n,) codes of the group and the slot of each thing counted
    active : (m,) group and slot of everything the groups did; slots in which a group was at work
    rule : p is 1 for a slot that falls short of it, so that the family stays what it is
    slots_a_day : to tell how many days a group had been at rest before a slot

    Returns
    -------
    DataFrame, one row per active slot of a group with at least ten: `group`, `slot`, `count`, `usual` (mean of the
    rhythm), `ratio` (variance to mean of the group's counts), `p`.
    """
    worked = pd.DataFrame({"group": active[0], "slot": active[1]}).drop_duplicates()
    counted = pd.DataFrame({"group": group, "slot": slot}).value_counts().rename("count").reset_index()
    table = worked.merge(counted, how="outer", on=["group", "slot"]).fillna({"count": 0})
    table = table.sort_values(["group", "slot"], ignore_index=True)
    sizes = table.groupby("group")["slot"].transform("size").to_numpy()
    table = table[sizes >= _FEWEST_SLOTS].reset_index(drop=True)
    if table.empty:
        return table.assign(usual=[], ratio=[], p=[])
    count = table["count"].to_numpy(np.float64)
    codes = pd.factorize(table["group"])[0]
    usual = _rhythm(codes, count) * _days_at_rest(codes, table["slot"].to_numpy("int64") // slots_a_day)
    ratio = _dispersion(codes, count, usual)[codes]
    p = count_tail(count, usual, ratio)
    short = (count < rule.fewest) | (count < rule.times_usual * usual)
    return table.assign(usual=usual, ratio=ratio, p=np.where(short, 1.0, p))


def _days_at_rest(codes: Int64s, day: Int64s) -> Floats:
    """Days since the group last did anything, 1 to 14: what piles up over a holiday is closed after it."""
    before = np.r_[day[:1], day[:-1]]
    new = np.r_[True, day[1:] != day[:-1]] | np.r_[True, codes[1:] != codes[:-1]]
    rest = np.where(np.r_[True, codes[1:] != codes[:-1]], 1, day - before)
    # The hours of a day after its first carry on with what the day began with.
    first = np.maximum.accumulate(np.where(new, np.arange(len(day)), 0))
    return np.clip(rest[first], 1, _LONGEST_REST).astype(np.float64)


def _rhythm(codes: Int64s, count: Floats) -> Floats:
    """Mean count of the nearest active slots on either side, the busiest tenth of them cut; shape (n,)."""
    n = len(count)
    offsets = np.r_[np.arange(-_NEIGHBOURS, 0), np.arange(1, _NEIGHBOURS + 1)]
    usual = np.empty(n)
    # In parts: the neighbourhood of every slot at once would be forty times the table.
    for start in range(0, n, 50_000):
        rows = np.arange(start, min(start + 50_000, n))
        near = rows[:, None] + offsets
        inside = (near >= 0) & (near < n)
        near = np.clip(near, 0, n - 1)
        inside &= codes[near] == codes[rows][:, None]
        many = inside.sum(axis=1)
        values = np.sort(np.where(inside, count[near], np.inf), axis=1)
        limit = values[np.arange(len(rows)), np.floor(_CALM * (many - 1)).astype(np.int64)]
        kept = np.where(np.isfinite(values), np.minimum(values, limit[:, None]), 0.0)
        usual[rows] = kept.sum(axis=1) / many
    # One more case over all of them: a rhythm of nothing at all is not known to be nothing.
    return usual + 1.0 / (2 * _NEIGHBOURS)


def _dispersion(codes: Int64s, count: Floats, usual: Floats) -> Floats:
    """Variance to mean of each group, at least 1; shape (groups,)."""
    square = (count - usual) ** 2
    table = pd.DataFrame({"code": codes, "count": count, "square": square, "usual": usual})
    limit = table.groupby("code")["count"].transform("quantile", 1 - _CUT_OFF)
    calm = table[(table["count"] <= limit) | (limit < 1)]
    sums = calm.groupby("code")[["square", "usual"]].sum().reindex(range(int(codes.max()) + 1))
    ratio = (sums["square"] / sums["usual"] * _CUT_CORRECTION).to_numpy(np.float64)
    return np.asarray(np.maximum(np.nan_to_num(ratio, nan=1.0), 1.0), dtype=np.float64)
