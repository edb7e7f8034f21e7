"""Judging series and all their sums together: one family of tests, one list."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.attainable import together
from models.signals.counts import WeeklyCounts
from models.signals.evidence import DIRECTIONS, Evidence, direction_rows, family_steps, gather
from models.signals.hierarchy import Hierarchy, Level, summed
from models.signals.parts import Parts, composition, parts_of
from models.signals.selection import Selection, select
from models.signals.settings import SignalSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def assess_with_sums(
    counts: WeeklyCounts,
    evidence: Evidence,
    series: list[pd.DataFrame],
    hierarchy: Hierarchy,
    settings: SignalSettings,
) -> pd.DataFrame:
    """Judge the sums beside the series, and choose over both what is a signal.

    Parameters
    ----------
    evidence : of the series of `counts`
    series : the rows of `models.signals.evidence.direction_rows` for it, rises and silences

    Returns
    -------
    DataFrame with the columns of `models.signals.detect.assess_series`: the series that speak for themselves, then the
    sums, finest first; within each rises before silences.
    """
    parts = parts_of(counts, hierarchy, settings.short_past)
    judged = [_judged(counts, level, parts, parts.included(level), settings) for level in hierarchy.levels]
    tables = [rows for _, rows in judged]

    known: dict[tuple[int, bytes], Floats] = {}

    def remainder(number: int, without: Bools) -> Floats:
        key = number, without.tobytes()
        if key not in known:
            level = hierarchy.levels[number]
            _, table = _judged(counts, level, parts, parts.included(level) & ~without, settings)
            known[key] = _p_values(level, table)
        return known[key]

    own = np.stack([np.where(hierarchy.kept, rows["tested_p"], np.nan) for rows in series])
    of_sums = tuple(_p_values(level, table) for level, table in zip(hierarchy.levels, tables, strict=True))
    null = None
    if settings.procedure == "discrete":
        families = zip((evidence, *(one for one, _ in judged)), (own, *of_sums), strict=True)
        null = together([family_steps(one, tested_in(p), settings) for one, p in families])
    chosen = select(
        own,
        of_sums,
        hierarchy.levels,
        remainder,
        level=settings.fdr_level,
        procedure=settings.procedure,
        null=null,
    )
    told = _series_rows(series, parts, hierarchy, chosen)
    for number, table in enumerate(tables):
        told += _sum_rows(counts, hierarchy, number, table, parts, chosen)
    return pd.concat(told, ignore_index=True)


def plain_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that say what a sum is made of, for series without sums."""
    named = rows.assign(level="series", usual=np.nan, part_kind="")
    return named.assign(n_parts=1, parts_left_out=0, parts_rising=1, parts_told=0)


def tested_in(p_values: Floats) -> tuple[Bools, Bools]:
    """Which rises and which silences (2, n_series) are tested."""
    rises, silences = ~np.isnan(p_values)
    return rises, silences


def _judged(
    counts: WeeklyCounts, level: Level, parts: Parts, include: Bools, settings: SignalSettings
) -> tuple[Evidence, list[pd.DataFrame]]:
    sums = summed(counts, level, include, parts.seen)
    evidence = gather(sums, settings, whole=level.whole)
    return evidence, [direction_rows(sums, evidence, direction, settings) for direction in DIRECTIONS]


def _p_values(level: Level, table: list[pd.DataFrame]) -> Floats:
    """p-values of rises and silences, NaN for sums that another level speaks for: (2, n_sums)."""
    return np.stack([np.where(level.told, rows["tested_p"], np.nan) for rows in table])


def _series_rows(
    series: list[pd.DataFrame], parts: Parts, hierarchy: Hierarchy, chosen: Selection
) -> list[pd.DataFrame]:
    told = []
    for direction, rows in enumerate(series):
        more = plain_columns(rows).assign(
            usual=parts.usual * rows["window_weeks"],
            q_value=chosen.q_series[direction],
            signal=chosen.series[direction],
            covered=False,
        )
        told.append(more[hierarchy.kept])
    return told


def _sum_rows(
    counts: WeeklyCounts,
    hierarchy: Hierarchy,
    number: int,
    table: list[pd.DataFrame],
    parts: Parts,
    chosen: Selection,
) -> list[pd.DataFrame]:
    level = hierarchy.levels[number]
    include = parts.included(level)
    told = []
    for direction, rows in enumerate(table):
        weeks = rows["window_weeks"].to_numpy()
        made = composition(counts, level, parts, include, rows["expected"].to_numpy(dtype=float), weeks)
        more = rows.assign(
            level="sum",
            usual=made.usual * weeks,
            part_kind=np.where(level.several, "area", "category"),
            n_parts=made.n_parts,
            parts_left_out=made.n_left_out,
            parts_rising=made.above if direction == 0 else made.below,
            parts_told=_told_within(hierarchy, number, direction, chosen),
            q_value=chosen.q_sums[number][direction],
            signal=chosen.sums[number][direction],
            covered=chosen.covered[number][direction],
        )
        told.append(more[level.told])
    return told


def _told_within(hierarchy: Hierarchy, number: int, direction: int, chosen: Selection) -> Ints:
    """How many signals of their own lie within each sum of a level; (n_sums,)."""
    level = hierarchy.levels[number]
    found = np.bincount(level.codes[chosen.series[direction]], minlength=len(level.sums)).astype(np.int64)
    for finer in range(number):
        for code in np.flatnonzero(chosen.sums[finer][direction]):
            above = level.codes[hierarchy.levels[finer].codes == code]
            # A finer sum need not lie within one of this level: a town's category and a village's group only cross.
            if (above == above[0]).all():
                found[above[0]] += 1
    return found
