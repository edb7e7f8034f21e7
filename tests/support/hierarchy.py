"""Cities of villages in towns, with rises spread thinly over a town, and what of a list of signals is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.counts import WeeklyCounts
from tests.support.weekly import World, draw, world

# A spread rise: over the last four weeks, every village of the town has so many times its usual.
FACTOR = 1.8
WEEKS = 4


@dataclass(frozen=True)
class Planted:
    """A city with plants: `spread` holds (town, category) codes; `cells` marks every series with a plant."""

    city: World
    counts: WeeklyCounts
    parents: dict[str, str | None]
    town: NDArray[np.int64]
    spread: list[tuple[int, int]]
    cells: NDArray[np.bool_]


def towns(areas: int, size: int) -> dict[str, str | None]:
    """Villages a000, a001, … in towns of `size` neighbours each; all towns in one city."""
    parents: dict[str, str | None] = {f"a{code:03d}": f"t{code // size:02d}" for code in range(areas)}
    parents |= {f"t{code:02d}": "city" for code in range(-(-areas // size))}
    return parents


def planted_city(
    rng: np.random.Generator,
    *,
    areas: int = 400,
    categories: int = 12,
    size: int = 20,
    spread: int = 3,
    alone: int = 10,
    rising: int = 20,
    factor: float = FACTOR,
    **options: object,
) -> Planted:
    """A city with `spread` rises, each thinly over `rising` villages of one town, and `alone` rises of one village.

    Spread rises are in categories with a fifth of a case to one and a half a week and village.
    """
    city = world(rng, areas=areas, categories=categories, **options)  # type: ignore[arg-type]
    town = city.area // size
    matrix, cells = city.matrix.copy(), np.zeros(len(town), dtype=bool)
    usual = city.usual[-WEEKS:]
    node = town * categories + city.category
    mean = np.bincount(node, weights=usual.mean(axis=0)) / size
    thin = np.flatnonzero((mean > 0.2) & (mean < 1.5))
    chosen = rng.choice(thin, size=min(spread, len(thin)), replace=False)
    for one in chosen:
        inside = rng.choice(np.flatnonzero(node == one), size=rising, replace=False)
        matrix[-WEEKS:, inside] += draw(rng, usual[:, inside] * (factor - 1.0), city.dispersion[inside])
        cells[inside] = True
    level = city.usual.mean(axis=0)
    candidates = np.flatnonzero((level > 2.0) & (level < 6.0) & ~np.isin(node, chosen))
    single = rng.choice(candidates, size=min(alone, len(candidates)), replace=False)
    matrix[-WEEKS:, single] += draw(rng, usual[:, single] * 3.0, city.dispersion[single])
    cells[single] = True
    changed = World(matrix, city.usual, city.dispersion, city.area, city.category)
    rises = [(int(one // categories), int(one % categories)) for one in chosen]
    return Planted(changed, changed.counts(), towns(areas, size), town, rises, cells)


def outcome(planted: Planted, signals: pd.DataFrame) -> tuple[float, float]:
    """False-discovery proportion of a list of signals, and the share of spread rises that it names.

    A signal is true if something is planted in it outside the signals told within it. A spread rise is named by a
    rise in its town, or in any of the villages that take part.
    """
    rises = signals[signals["direction"] == "rise"]
    villages = {f"a{code:03d}" for code in planted.city.area}
    told = np.zeros(len(planted.cells), dtype=bool)
    false = int((signals["direction"] != "rise").sum())
    named: set[tuple[int, int]] = set()
    area = np.array([f"a{code:03d}" for code in planted.city.area])
    ordered = sorted(rises.itertuples(), key=lambda row: (row.area not in villages, row.area == "city"))
    for row in ordered:
        category = int(str(row.category)[1:])
        inside = planted.city.category == category
        if row.area in villages:
            inside &= area == row.area
        elif row.area != "city":
            inside &= planted.town == int(str(row.area)[1:])
        fresh = inside & ~told
        true = bool(planted.cells[fresh].any())
        false += not true
        told |= inside
        if true and row.area != "city":
            town = int(planted.town[np.flatnonzero(inside)[0]])
            named |= {(town, category)} & set(planted.spread)
    return false / max(len(signals), 1), len(named) / max(len(planted.spread), 1)
