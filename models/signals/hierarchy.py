"""Sums of series: from village over town and county to the whole city, and from category to category group.

Every way of summing is one level: each area taken as the ancestor it has at some depth, each category as itself or as
its group. A level is a table of counts like any other, with areas beside each other and categories moving through them;
so it is judged like any other. This has two consequences that matter:

- What is expected of a sum leaves out the whole sum, and not just a part of it. A rise that all villages of a town have
  in common cannot explain itself away as "how the category moves elsewhere".
- How much a sum varies is measured on sums of the past. Whatever its parts have in common, such as a movement of their
  category, is in it; no covariance of thin counts has to be guessed.

The whole city has nothing beside it; see `models.signals.whole_city`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.counts import ALL, WeeklyCounts

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# Which area lies in which (None or missing: in none), and which category belongs to which group.
Parents = Mapping[str, str | None]
Groups = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One way of summing the series of a table.

    Attributes
    ----------
    codes : (n_series,), the sum that each series belongs to
    grouped : (n_series,), where that is a sum over a group of categories
    sums : (n_sums rows) `area`, `category`, sorted by both
    told : (n_sums,) which sums this level speaks for: those of two series and more that no finer level has already
    several : (n_sums,) sums over several areas
    part_codes : (n_series,), the part of its sum that each series belongs to: an area of several, or else a category
    whole : all areas are one here, so that there is nothing beside them
    """

    codes: Ints
    grouped: Bools
    sums: pd.DataFrame
    told: Bools
    several: Bools
    part_codes: Ints
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Hierarchy:
    """All sums over the series of one table, finest level first.

    `kept`: (n_series,) series that speak for themselves. Reports placed on an area that has others below it, such as
    those of the town whose village is not known, are a part of that area's sum and of no other.
    `cuts`: the areas that each series lies in, coarsest first; (n_series,) codes each, the last its own area.
    """

    levels: tuple[Level, ...]
    kept: Bools
    cuts: tuple[Ints, ...]


def hierarchy_of(series: pd.DataFrame, parents: Parents | None = None, groups: Groups | None = None) -> Hierarchy:
    """All levels of a table of counts.

    Parameters
    ----------
    series : DataFrame with `area` and `category`, one row per series
    parents : from an area to the one it lies in. Areas may be left out, or lead to None: those lie in no other. Where
        not all areas lie in one and the same, the whole is called `ALL` ("*").
    groups : from a category to its group. Categories may be left out.

    Raises
    ------
    UsageError
        If areas lie in each other in a circle, or a group has the name of a category.
    """
    names = _Names.of(series)
    paths = _paths(names.areas, parents) if parents is not None else {area: (area,) for area in names.areas}
    named = _grouped(names.categories, groups)
    depth = max((len(path) for path in paths.values()), default=1)
    depths = {area: row + 1 for path in paths.values() for row, area in enumerate(path)}
    inner = {above for path in paths.values() for above in path[:-1]}
    levels: list[Level] = []
    cuts: list[Ints] = []
    for cut in range(depth, 0, -1):
        areas = [paths[area][min(cut, len(paths[area])) - 1] for area in names.areas]
        # At a deeper cut the name of an area with others below stands for its own reports alone.
        sums_here = {area for area in inner if depths[area] >= cut}
        for categories in (names.categories, [named.get(one, one) for one in names.categories]):
            level = _level(names, areas, categories, inner, sums_here, levels)
            if level is not None:
                levels.append(level)
        cuts.insert(0, _codes(areas)[0][names.area])
    kept = ~np.isin(names.area, [code for code, area in enumerate(names.areas) if area in inner])
    return Hierarchy(tuple(levels), kept, tuple(cuts))


def summed(counts: WeeklyCounts, level: Level, include: Bools, seen: Bools | None = None) -> WeeklyCounts:
    """The counts of a level: sums over those series that `include` (n_series,) names.

    Sums agree at every level, for they are made of the very same reports. A week of a sum counts as recorded where
    `seen` (n_weeks, n_series; None for everywhere) says so of all its series; a sum without any series never is. What
    is known of a week's reports already is the mean over its series, weighted by their cases.
    """
    columns = np.flatnonzero(include)
    columns = columns[np.argsort(level.codes[columns], kind="stable")]
    codes = level.codes[columns]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, dtype=np.int64)
    filled = codes[starts]
    shape = (len(counts.weeks), len(level.sums))
    matrix, recorded = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    if len(columns):
        matrix[:, filled] = np.add.reduceat(counts.matrix[:, columns], starts, axis=1)
        recorded[:, filled] = True if seen is None else np.logical_and.reduceat(seen[:, columns], starts, axis=1)
    complete = None
    if counts.complete is not None:
        weight = counts.matrix.sum(axis=0) * include + 1e-9
        known = np.stack(
            [np.bincount(level.codes, weights=weight * week, minlength=shape[1]) for week in counts.complete]
        )
        complete = np.minimum(known / np.bincount(level.codes, weights=weight, minlength=shape[1]), 1.0)
    settled = None
    if counts.settled is not None:
        settled = np.zeros(shape, dtype=np.int64)
        if len(columns):
            settled[:, filled] = np.add.reduceat(counts.settled[:, columns], starts, axis=1)
    whole = replace(counts, matrix=matrix, series=level.sums, recorded=None, complete=complete, settled=settled)
    return whole.recorded_as(recorded)


def _paths(areas: list[str], parents: Parents) -> dict[str, tuple[str, ...]]:
    """From the top down to each area, the area included."""
    paths = {}
    for area in areas:
        path = [area]
        while (above := parents.get(path[-1])) is not None:
            if above in path:
                raise UsageError(
                    "Expected areas to lie in each other without a circle; following the parents of one leads back to "
                    "it. Correct the parents of the areas."
                )
            path.append(above)
        paths[area] = tuple(reversed(path))
    if len({path[0] for path in paths.values()}) > 1:
        if any(ALL in path for path in paths.values()):
            raise UsageError(f"Expected no area of the name {ALL!r}: it stands for all of them together.")
        paths = {area: (ALL, *path) for area, path in paths.items()}
    return paths


def _grouped(categories: list[str], groups: Groups | None) -> dict[str, str]:
    named = {one: group for one in categories if (group := (groups or {}).get(one)) is not None}
    if set(named.values()) & set(categories):
        raise UsageError("Expected groups of categories to have names of their own; one is called like a category.")
    return named


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """The areas and categories of a table, and the codes of each series in them."""

    areas: list[str]
    categories: list[str]
    area: Ints
    category: Ints

    @classmethod
    def of(cls, series: pd.DataFrame) -> _Names:
        (area, areas), (category, categories) = (pd.factorize(series[name], sort=True) for name in ("area", "category"))
        return cls(list(areas), list(categories), area.astype(np.int64), category.astype(np.int64))


def _level(
    names: _Names, areas: list[str], categories: list[str], inner: set[str], sums_here: set[str], finer: list[Level]
) -> Level | None:
    """One level, or None where it speaks for no sum; `areas` and `categories` say what each one is summed to."""
    (area, area_names), (category, category_names) = _codes(areas), _codes(categories)
    pairs = area[names.area] * len(category_names) + category[names.category]
    unique, first, codes, size = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
    sums = pd.DataFrame(
        {
            "area": np.asarray(area_names, dtype=object)[unique // len(category_names)],
            "category": np.asarray(category_names, dtype=object)[unique % len(category_names)],
        }
    ).astype("str")
    is_inner, is_sum = (np.array([name in some for name in area_names], dtype=bool) for some in (inner, sums_here))
    place = unique // len(category_names)
    # A town of one village is that village; but one where only the town itself has reports is no series of its own.
    alone = (size == 1) & ~np.array([name in inner for name in names.areas], dtype=bool)[names.area[first]]
    told = (is_sum[place] | ~is_inner[place]) & ~alone & ~_said_already(codes, first, size, finer)
    if not told.any():
        return None
    grouped = np.array([one != other for one, other in zip(names.categories, categories, strict=True)], dtype=bool)
    several = np.bincount(area)[place] > 1
    part = np.where(several[codes], names.area, len(names.areas) + names.category)
    part_codes = np.unique(codes * (len(names.areas) + len(names.categories)) + part, return_inverse=True)[1]
    return Level(
        codes.astype(np.int64),
        grouped[names.category],
        sums,
        told,
        several,
        part_codes.astype(np.int64),
        whole=len(area_names) == 1,
    )


def _said_already(codes: Ints, first: Ints, size: Ints, finer: list[Level]) -> Bools:
    """Which sums consist of the very same series as one that a finer level tells."""
    said = np.zeros(len(size), dtype=bool)
    for level in finer:
        inside = level.codes[first]
        same = np.bincount(codes, weights=level.codes != inside[codes], minlength=len(size)) == 0.0
        said |= same & (np.bincount(level.codes)[inside] == size) & level.told[inside]
    return said


def _codes(names: list[str]) -> tuple[Ints, list[str]]:
    codes, unique = pd.factorize(np.asarray(names, dtype=object), sort=True)
    return codes.astype(np.int64), list(unique)
