"""What the sums are made of: which parts enter, what is usual of them, and how many are above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.counts import WeeklyCounts
from models.signals.hierarchy import Hierarchy, Level
from models.signals.pooling import pooled_levels
from models.signals.short_past import ShortPastSettings, recorded_since
from models.signals.siblings import Cross

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# An area that begins to be recorded makes its sums grow. It has begun late if so many of its cases would be missing
# from the weeks before; fewer than that cannot be told from the late first case of a thin area.
_MISSED_CASES = 8.0
_LEAST_YEAR = 52


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Of every series of a table; (n_series,) unless said otherwise.

    `usual`: cases a week that its past and its sums make usual, NaN without past; see `models.signals.pooling`.
    `whole`: recorded in all weeks of the last year and since. `late_area`, `late_category`: its area, or its category,
    began to be recorded within them. `seen`: (n_weeks, n_series), the weeks recorded, None for all.
    """

    usual: Floats
    whole: Bools
    late_area: Bools
    late_category: Bools
    seen: Bools | None

    def included(self, level: Level) -> Bools:
        """Which series the sums of a level are made of; (n_series,)."""
        # Where a whole category begins, its sums begin with it; only in a group does it make the sum grow.
        kept: Bools = self.whole & ~self.late_area & ~(self.late_category & level.grouped)
        return kept


def parts_of(counts: WeeklyCounts, hierarchy: Hierarchy, settings: ShortPastSettings) -> Parts:
    """Look at the past of every series once."""
    n_weeks = len(counts.weeks)
    end = max(n_weeks - max(settings.looked_at()), 0)
    # A gap or a beginning further back than a year ends the past of the sum instead.
    start = max(end - _LEAST_YEAR, 0)
    area, category = (pd.factorize(counts.series[name], sort=True)[0].astype(np.int64) for name in ("area", "category"))
    one = np.zeros_like(area)
    begun = [_begun(counts.matrix, codes, one) for codes in (area, category)]
    week = np.arange(n_weeks)[:, None]
    seen: Bools | None = None
    if counts.recorded is not None or begun[0].any():
        seen = week >= begun[0]
        seen = seen if counts.recorded is None else seen & counts.recorded
    there = np.ones((n_weeks, 1), dtype=bool) if counts.recorded is None else counts.recorded
    past = slice(max(end - settings.baseline_weeks, 0), end)
    used = there[past] & (week[past] >= recorded_since(counts.matrix, Cross(area, category)))
    total = np.where(used, counts.matrix[past], 0).sum(axis=0).astype(float)
    usual = pooled_levels(total, used.sum(axis=0).astype(float), category, hierarchy.cuts)
    # A week that nobody recorded is missing from every sum, and makes none of them grow.
    somebody = there[start:].any(axis=1)
    whole = np.broadcast_to(there[start:][somebody].all(axis=0), area.shape)
    return Parts(usual, whole, begun[0] > start, begun[1] > start, seen)


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """What every sum of a level is made of; (n_sums,) each. `usual` is in cases a week."""

    usual: Floats
    n_parts: Ints
    n_left_out: Ints
    # Parts above their share of what is expected of the sum, and parts below it.
    above: Ints
    below: Ints


def composition(
    counts: WeeklyCounts, level: Level, parts: Parts, include: Bools, expected: Floats, weeks: Ints
) -> Composition:
    """Compare the parts of every sum with their shares of `expected`, over the newest `weeks`; both (n_sums,).

    A part's share of what is expected of its sum is its share of what is usual there, so that the parts' expectations
    add up to the sum's.
    """
    n_sums = len(level.sums)
    usual = np.where(include & ~np.isnan(parts.usual), parts.usual, 0.0)
    usual_sum: Floats = np.bincount(level.codes, weights=usual, minlength=n_sums).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(usual_sum > 0.0, expected / usual_sum, 0.0)
    windows = np.stack([counts.matrix[-week:].sum(axis=0) for week in np.unique(weeks)])
    observed = windows[np.searchsorted(np.unique(weeks), weeks)[level.codes], np.arange(len(level.codes))]
    part = level.part_codes
    first = np.unique(part, return_index=True)[1]
    sum_of = level.codes[first]
    used = np.bincount(part, weights=include) > 0.0
    difference = np.bincount(part, weights=np.where(include, observed - usual * scale[level.codes], 0.0))

    def number(which: Bools) -> Ints:
        return np.bincount(sum_of[which], minlength=n_sums).astype(np.int64)

    return Composition(
        usual_sum, number(used), number(~used), number(used & (difference > 0.0)), number(used & (difference < 0.0))
    )


def _begun(matrix: Ints, codes: Ints, one: Ints) -> Ints:
    """First row of the record of each series' area, or category; 0 where an earlier first case may be mere chance."""
    since = recorded_since(matrix, Cross(codes, one))
    totals = np.bincount(codes, weights=matrix.sum(axis=0), minlength=int(codes.max(initial=0)) + 1)[codes]
    rate = totals / np.maximum(len(matrix) - since, 1)
    return np.where(rate * (since - 1) >= _MISSED_CASES, since, 0).astype(np.int64)
