"""Weekly counts made up for tests: thick and thin series, seasons, over-dispersion, shocks shared by a category."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.counts import WeeklyCounts

WEEK = 7 * 86_400
MONDAY = 1_704_067_200  # 2024-01-01 00:00 UTC, a Monday


@dataclass(frozen=True)
class World:
    """What a simulation drew: `usual` level per series and week, before any plant."""

    matrix: NDArray[np.int64]
    usual: NDArray[np.float64]
    dispersion: NDArray[np.float64]
    area: NDArray[np.int64]
    category: NDArray[np.int64]

    def counts(self) -> WeeklyCounts:
        return weekly(self.matrix, self.area, self.category)


def show(text: str) -> None:
    """Print a realised figure; pytest keeps it for a failure, and `-s` shows it at once."""
    sys.stdout.write(f"{text}\n")


def weekly(matrix: NDArray[np.int64], area: NDArray[np.int64], category: NDArray[np.int64]) -> WeeklyCounts:
    """A matrix as weekly counts in UTC; the newest week ends at the as-of."""
    weeks = MONDAY + WEEK * np.arange(len(matrix), dtype=np.int64)
    series = pd.DataFrame(
        {
            "area": pd.Series([f"a{code:03d}" for code in area], dtype="str"),
            "category": pd.Series([f"c{code:03d}" for code in category], dtype="str"),
        }
    )
    return WeeklyCounts(matrix, weeks, series, "UTC", int(weeks[-1]) + WEEK, {})


def world(
    rng: np.random.Generator,
    *,
    areas: int = 50,
    categories: int = 40,
    weeks: int = 40,
    level: float = 1.0,
    spread: float = 1.0,
    dispersion: tuple[float, float] = (1.0, 2.5),
    season: float = 0.6,
    shock: float = 0.15,
) -> World:
    """A city without anything to find.

    Levels are lognormal in area, category and cell (`spread`); each category has a season of its own (amplitude up to
    `season`) and weekly shocks (`shock`) in all areas alike; counts are negative binomial with a variance of
    `dispersion` times the mean, drawn per series.
    """
    area, category = np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas)
    size, kind = rng.lognormal(0, 0.6, areas), rng.lognormal(-0.7, 1.4, categories)
    cell = size[area] * kind[category] * rng.lognormal(0, 0.5 * spread, areas * categories) * level
    time = np.arange(weeks)[:, None]
    wave = rng.uniform(0, season, categories) * np.cos(2 * np.pi * (time - rng.uniform(0, 52, categories)) / 52)
    usual = cell * np.exp(wave + shock * rng.normal(size=wave.shape))[:, category]
    ratio = rng.uniform(*dispersion, size=areas * categories)
    return World(draw(rng, usual, ratio), usual, ratio, area, category)


def draw(rng: np.random.Generator, mean: NDArray[np.float64], dispersion: NDArray[np.float64]) -> NDArray[np.int64]:
    """Negative binomial counts with this mean and variance-to-mean ratio."""
    excess = dispersion - 1.0 + 1e-9
    return rng.poisson(rng.gamma(np.maximum(mean / excess, 1e-12)) * excess).astype(np.int64)


def thin_draw(
    rng: np.random.Generator, mean: NDArray[np.float64], dispersion: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The same law as `draw`, for rare counts many times as fast: Poisson groups of logarithmic size (Fisher 1941)."""
    excess = np.maximum(dispersion - 1.0, 1e-9)
    groups = rng.poisson(mean * np.log1p(excess) / excess)
    some = np.flatnonzero(groups)
    series = np.repeat(some, groups[some])
    sizes = rng.logseries((excess / (1.0 + excess))[series])
    return np.bincount(series, weights=sizes, minlength=len(mean)).astype(np.int64)
