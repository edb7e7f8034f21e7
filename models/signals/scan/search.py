"""The search: for each replication of the data the largest statistic over all zones and windows.

Only what is needed is computed. The counts along a family are added up place by place, for all windows and replications
at once, in the smallest type of integer that holds them, and kept where a block of zones ends. Then a target is known
that every replication of a group has already reached; a block whose count is too small for it, with the smallest
baseline of its zones, cannot raise any maximum and is left out before a single logarithm is taken. What remains is
exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.signals.scan.nulls import smallest_type
from models.signals.scan.statistics import Side, Statistic
from models.signals.scan.zones import Family, Zones

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Numbers = NDArray[Any]

# A block of a chain ends where its baseline has grown by this many standard deviations of its count: short blocks cost
# comparisons, long ones let zones pass that need a logarithm each.
_BLOCK: Final = 0.7
# Bytes of one place's counts over windows and replications: with the sum beside it within the first-level cache, and no
# more places in Python's loop than needed.
_ROW_BYTES: Final = 16 * 2**10
# How much memory the sums of one family may take.
_BUFFER_BYTES: Final = 4 * 2**20
# Families between two looks at what all replications have reached.
_LOOKS: Final = 12
# Groups of replications with a target each, and after how many families they are sorted into them: the largest
# statistics of two replications may be far apart.
_GROUPS: Final = 8
_SORTED_AT: Final = (1, 4, 16, 64, 256)
# Baselines for which the counts needed are worked out: parts of a standard deviation apart, and below 1 by factors.
_PARTS: Final = 8
# Steps of weighted counts for which they are.
_GRID: Final = 4096
# Zones evaluated at once.
_AT_ONCE: Final = 2**20
# A statistic this much lower is equal: zones of the same counts differ by rounding.
TIE: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A family with its baselines, cut into blocks of zones that are compared together."""

    family: Family
    baseline: Floats  # (n_zones, n_windows)
    first: Ints  # (n_blocks,) the block's first zone; its last is the one before the next block's first
    last: Ints
    least: Floats  # (n_blocks, n_windows) smallest baseline of an allowed zone, inf where there is none
    most: Floats  # largest, -inf where there is none
    steps: tuple[list[int], list[int], list[int]]  # of the zones: row they start from, place added, row they go to
    grows: bool  # whether each block goes on where the one before it ended


def plan(zones: Zones, baseline: Floats, *, blocks: bool = True) -> list[Plan]:
    """Prepare every family for searching; `baseline` is (n_places, n_windows)."""
    return [_plan_family(family, baseline, blocks=blocks) for family in zones.families]


def largest_statistics(
    plans: Sequence[Plan],
    counts: Numbers,
    statistic: Statistic,
    *,
    sides: Sequence[Side] = ("high",),
    least_cases: int = 0,
) -> Floats:
    """The largest statistic of each replication.

    Parameters
    ----------
    counts : (n_places, n_windows, n_replications)
        What each place has in each window; integers, or floats where counts are weighted.
    least_cases : int
        High clusters of fewer cases do not count. Weighted counts are no cases: the rule is then left out here, which
        errs towards larger maxima.

    Returns
    -------
    (n_replications,)
        0 where nothing goes beyond its baseline.
    """
    _, n_windows, n = counts.shape
    best = np.zeros(n)
    if n == 0:
        return best
    whole = np.issubdtype(counts.dtype, np.integer)
    total = counts.sum(axis=0, dtype=np.int64 if whole else np.float64)
    largest = int(np.ceil(total.max(initial=0)))
    kind = smallest_type(largest) if whole else np.dtype(np.float64)
    depth = max(len(one.first) for one in plans)
    across = n_windows * kind.itemsize
    parts = -(-n // int(np.clip(min(_ROW_BYTES, _BUFFER_BYTES // depth) // across, _GROUPS, n)))
    for part in np.array_split(np.arange(n), parts):
        for side in sides:
            search = _Search(plans, counts[:, :, part].astype(kind), statistic, side, least_cases, largest)
            best[part] = search.run(best[part])
    return best


class _Search:
    """One chunk of replications on one side."""

    def __init__(
        self,
        plans: Sequence[Plan],
        counts: Numbers,
        statistic: Statistic,
        side: Side,
        least_cases: int,
        largest: int,
    ) -> None:
        self.plans, self.statistic, self.side = plans, statistic, side
        self.whole = bool(np.issubdtype(counts.dtype, np.integer))
        self.least_cases = least_cases if side == "high" and self.whole else 0
        self.most, self.unit = (largest, 1.0) if self.whole else (_GRID, max(largest, 1) / _GRID)
        self.edges = _edges(max(float(one.baseline.max()) for one in plans))
        n_places, self.n_windows, n = counts.shape
        # Replications in groups of equal size; the last columns may be nobody's.
        self.n = -(-n // _GROUPS) * _GROUPS
        self.order = np.arange(self.n)
        padded = np.zeros((n_places, self.n_windows, self.n), dtype=counts.dtype)
        padded[:, :, :n] = counts
        self._hold(padded)
        depth = max(len(one.first) for one in plans)
        # The first row stays 0: what there is before the first block.
        self.sums = np.zeros((depth + 1, self.n_windows, self.n), dtype=counts.dtype)
        self.out = list(self.sums.reshape(depth + 1, -1))

    def run(self, best: Floats) -> Floats:
        """What each replication reaches, never below what it had."""
        n = len(best)
        self.best = np.full(self.n, np.inf)
        self.best[:n] = best
        self._aim(1)
        for turn, number in enumerate(_spread(len(self.plans))):
            if turn in _SORTED_AT:
                self._sort()
            # Targets rise fast at first and hardly afterwards.
            if turn & (turn - 1) == 0 or turn % max(len(self.plans) // _LOOKS, 1) == 0:
                self._aim(_GROUPS if turn >= _SORTED_AT[0] else 1)
            one = self.plans[number]
            self._add(one)
            self._judge(one)
        found = np.empty(self.n)
        found[self.order] = self.best
        return found[:n]

    def _hold(self, counts: Numbers) -> None:
        self.counts = counts.reshape(-1)
        self.rows = list(counts.reshape(len(counts), -1))

    def _sort(self) -> None:
        """Replications with similar maxima side by side."""
        order = np.argsort(self.best, kind="stable")
        self.best, self.order = self.best[order], self.order[order]
        self._hold(np.ascontiguousarray(self.counts.reshape(len(self.rows), self.n_windows, self.n)[:, :, order]))

    def _aim(self, groups: int) -> None:
        """What each group of replications has reached."""
        targets = np.where(np.isfinite(self.best), self.best, self.best[np.isfinite(self.best)].max())
        self.targets = targets.reshape(groups, -1).min(axis=1)
        self.limits: dict[float, Numbers] = {}

    def _needed(self, weight: float) -> Numbers:
        """For each of the baselines and groups the count without which no replication of the group gets further."""
        if weight in self.limits:
            return self.limits[weight]
        high = self.side == "high"
        needed = self.statistic.needed(self.edges, self.targets / weight, self.side, self.most, self.unit)
        # A last row for blocks without a zone: nothing is enough.
        never = self.most + 1 if high else -1
        needed = np.vstack([needed, np.full(len(self.targets), never)])
        if not self.whole:
            # The value itself lies between two steps.
            values = (needed - 1 if high else needed + 1) * self.unit
            self.limits[weight] = np.where(needed == never, np.inf if high else -np.inf, values)
        else:
            # One type for both sides of the comparison; it holds one more than the largest count.
            counts = np.maximum(needed, max(self.least_cases, 1)) if high else needed + 1
            self.limits[weight] = counts.astype(self.sums.dtype)
        return self.limits[weight]

    def _add(self, one: Plan) -> None:
        add, rows, out = np.add, self.rows, self.out
        for source, place, target in zip(*one.steps, strict=True):
            add(out[source], rows[place], out[target])

    def _judge(self, one: Plan) -> None:
        weight, n_blocks = one.family.weight, len(one.first)
        needed = self._needed(weight)[self._bins(one)][:, :, :, None]
        ends = self._ends(one)[:n_blocks].reshape(n_blocks, self.n_windows, needed.shape[2], -1)
        found = np.flatnonzero(ends >= needed if self.side == "high" else ends < needed)
        if not len(found):
            return
        block, rest = np.divmod(found, self.n_windows * self.n)
        window, replication = np.divmod(rest, self.n)
        observed = self._ends(one).reshape(-1)[found].astype(np.float64)
        bound = (one.least if self.side == "high" else one.most)[block, window]
        # What no zone of the block exceeds, a rounding aside.
        most = self.statistic.value(observed, bound, self.side) * weight * (1.0 + TIE)
        keep = most > self.best[replication]
        if keep.sum() > self.n:
            # What promises most to each replication first: little of the rest is then worth a look.
            top = self.best.copy()
            np.maximum.at(top, replication, most)
            self._evaluate(one, *(part[keep & (most == top[replication])] for part in (block, window, replication)))
            keep = most > self.best[replication]
        self._evaluate(one, block[keep], window[keep], replication[keep])

    def _ends(self, one: Plan) -> Numbers:
        """The largest (high) or smallest (low) count of each block; further rows follow."""
        return self.sums[:-1] if self.side == "low" and one.grows else self.sums[1:]

    def _bins(self, one: Plan) -> Ints:
        if self.side == "high":
            found = np.searchsorted(self.edges, one.least, side="right") - 1
            return np.where(np.isfinite(one.least), found, len(self.edges))
        found = np.searchsorted(self.edges, one.most, side="left")
        return np.where(np.isfinite(one.most), found, len(self.edges))

    def _evaluate(self, one: Plan, block: Ints, window: Ints, replication: Ints) -> None:
        """Every zone of these blocks, so many at once."""
        at_once = max(_AT_ONCE // int((one.last - one.first).max() + 1), 1)
        for begin in range(0, len(block), at_once):
            part = slice(begin, begin + at_once)
            self._raise(one, block[part], window[part], replication[part])

    def _raise(self, one: Plan, block: Ints, window: Ints, replication: Ints) -> None:
        length = one.last[block] - one.first[block] + 1
        along = np.arange(int(length.max(initial=0)))
        zone = np.minimum(one.first[block][:, None] + along, one.last[block][:, None])
        column = window * self.n + replication
        if one.grows:
            added = self.counts[one.family.place[zone] * (self.n_windows * self.n) + column[:, None]]
            added = added.astype(np.float64)
            added[along >= length[:, None]] = 0.0
            # Added in the order in which the sums were, to the same bit.
            added[:, 0] += self.sums[:-1].reshape(len(self.out) - 1, -1)[block, column]
            observed = np.cumsum(added, axis=1)
        else:
            observed = self.sums[1:].reshape(len(self.out) - 1, -1)[block, column].astype(np.float64)[:, None]
        use = one.family.allowed[zone]
        if self.least_cases:
            use &= observed >= self.least_cases
        found = self.statistic.value(observed, one.baseline[zone, window[:, None]], self.side)
        np.maximum.at(self.best, replication, np.where(use, found, 0.0).max(axis=1, initial=0.0) * one.family.weight)


def best_of_family(
    one: Plan, counts: Floats, cases: Floats, statistic: Statistic, side: Side, least_cases: int
) -> list[tuple[float, int, int]]:
    """The largest statistic in the data with its zone and window, or nothing; without a centre, of every zone.

    Of equal statistics the smaller zone and the earlier window in the list is taken.
    """
    observed = one.family.sums(counts)
    use = (observed > one.baseline) if side == "high" else (observed < one.baseline)
    use &= one.family.allowed[:, None]
    if side == "high" and least_cases:
        use &= (observed if cases is counts else one.family.sums(cases)) >= least_cases
    if one.family.centre >= 0:
        use = _worth_it(one, observed, use, statistic, side)
    value = np.zeros(observed.shape)
    value[use] = statistic.value(observed[use], one.baseline[use], side) * one.family.weight
    if one.family.centre < 0:
        window = value.argmax(axis=1)
        top = value[np.arange(len(value)), window]
        return [(float(top[zone]), int(zone), int(window[zone])) for zone in np.flatnonzero(top > 0.0)]
    largest = float(value.max(initial=0.0))
    if largest <= 0.0:
        return []
    zone, window = (int(i) for i in np.argwhere(value >= largest - TIE * max(largest, 1.0))[0])
    return [(float(value[zone, window]), zone, window)]


def _worth_it(one: Plan, observed: Floats, use: Bools, statistic: Statistic, side: Side) -> Bools:
    """Of these zones and windows those in blocks that may hold as much as the last zone of some block does."""
    at = use[one.last]
    floor = statistic.value(observed[one.last][at], one.baseline[one.last][at], side).max(initial=0.0) * (1.0 - 1e-6)
    block, window = np.nonzero(np.logical_or.reduceat(use, one.first, axis=0))
    zone, bound = (one.last, one.least) if side == "high" else (one.first, one.most)
    most = statistic.value(observed[zone[block], window], bound[block, window], side)
    keep = np.zeros((len(one.first), use.shape[1]), dtype=bool)
    keep[block, window] = most >= floor
    use &= np.repeat(keep, one.last - one.first + 1, axis=0)
    return use


def _plan_family(family: Family, baseline: Floats, *, blocks: bool) -> Plan:
    inside = family.sums(baseline)
    n_zones = len(family.place)
    first = np.arange(n_zones)
    grows = family.chain
    if blocks and grows:
        # Windows differ in how fast their baselines grow; the one that grows most sets the pace.
        step = np.floor(np.sqrt(inside.max(axis=1)) * (2.0 / _BLOCK))
        first = np.concatenate([[0], np.flatnonzero(step[1:] > step[:-1]) + 1])
    last = np.append(first[1:], n_zones) - 1
    row = np.repeat(np.arange(1, len(first) + 1), last - first + 1)
    source = np.append(0, row)[family.parent + 1]
    steps = source.tolist(), family.place.tolist(), row.tolist()
    if family.allowed.all() and grows:
        return Plan(family, inside, first, last, inside[first], inside[last], steps, grows)
    allowed = family.allowed[:, None]
    least = np.minimum.reduceat(np.where(allowed, inside, np.inf), first, axis=0)
    most = np.maximum.reduceat(np.where(allowed, inside, -np.inf), first, axis=0)
    return Plan(family, inside, first, last, least, most, steps, grows)


def _edges(largest: float) -> Floats:
    """Baselines from next to nothing to the largest there is."""
    below = np.geomspace(1e-6, 1.0, 81)
    above = (1.0 + np.arange(1.0, _PARTS * max(np.sqrt(largest) - 1.0, 0.0) + 2.0) / _PARTS) ** 2
    return np.concatenate([[1e-300], below, above])


def _spread(n: int) -> list[int]:
    """All families, the first few far apart: a good target is then found early."""
    stride = max(int(n * 0.381966), 1)
    while np.gcd(stride, n) != 1:
        stride += 1
    return [(number * stride) % n for number in range(n)]
