"""Made-up cities of thin series whose truth is known, and a judge who knows their laws but none of their series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from models.signals.attainable import NullSteps
from models.signals.distribution import count_tail, mixed_tail
from models.signals.short_past import CountLaw, WindowJudgement
from models.signals.siblings import Cross
from models.signals.week_patterns import WeekPatterns, pattern_chances, risen_chances, week_chances
from tests.support.weekly import thin_draw

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Levels lie about what area and category make usual with this deviation of their logarithm, and none above the cap.
_CELL: float = 0.4
_MOST: float = 0.3
# The grid of the judge: levels, dispersions, and counts (all beyond the last one are taken as that).
_LEVELS = np.exp(np.linspace(np.log(0.0008), np.log(_MOST), 40))
_DISPERSIONS = 8
_COUNTS = 32
_LARGEST, _SMALLEST = 0.02, 1e-9
_AT_ONCE = 2000
_MANY = 50_000


@dataclass(frozen=True)
class City:
    """The truth about a city of thin series; (n_series,) each. `usual`: the level that area and category foretell."""

    cross: Cross
    level: Floats
    dispersion: Floats
    usual: Floats
    shock: tuple[float, float] = (0.0, 0.0)  # standard deviation of the log: of categories, of areas

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        areas: int,
        categories: int,
        shock: tuple[float, float],
        dispersion: tuple[float, float],
    ) -> City:
        area, category = np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas)
        size, kind = rng.lognormal(0.0, 0.5, areas), rng.lognormal(0.0, 1.0, categories)
        usual = 0.05 * size[area] * kind[category]
        level = usual * rng.lognormal(0.0, _CELL, len(area))
        ratio = rng.uniform(*dispersion, len(area))
        return cls(Cross(area, category), np.minimum(level, _MOST), ratio, usual, shock)

    def weeks(self, rng: np.random.Generator, n: int) -> Ints:
        """Counts of `n` weeks; (n, n_series)."""
        return np.array([thin_draw(rng, self.level * self._shock(rng), self.dispersion) for _ in range(n)])

    def law(self, k: int) -> CountLaw:
        """What sums over `k` weeks follow, to one who knows everything but the shocks."""
        mean = (k * self.level)[:, None]
        variance = mean * self.dispersion[:, None] + mean**2 * self.together / k
        return CountLaw(mean, variance, np.ones_like(mean))

    @property
    def together(self) -> float:
        """Squared coefficient of variation of a week's shocks."""
        category, area = self.shock
        return float(np.expm1(category**2 + area**2))

    def _shock(self, rng: np.random.Generator) -> Floats:
        own, shared = self.shock
        if own == shared == 0.0:
            return np.ones(len(self.level))
        area = rng.normal(size=int(self.cross.area.max()) + 1)
        area = (area + 0.5 * (np.roll(area, 1) + np.roll(area, -1))) / np.sqrt(1.5)
        category = rng.normal(size=int(self.cross.category.max()) + 1)
        moved = own * category[self.cross.category] + shared * area[self.cross.area]
        shock: Floats = np.exp(moved - (own**2 + shared**2) / 2.0)
        return shock


@dataclass(frozen=True, slots=True)
class TruePatterns(WeekPatterns):
    """How cases are spread over the weeks of a window, to one who knows every level and dispersion."""

    city: City

    def _told(self, series: Ints) -> tuple[Floats, Floats]:
        level, shared = self.city.level[series], self.city.together
        # Shocks of different weeks are independent: they make single weeks vary more.
        chances = week_chances(level, self.city.dispersion[series] + shared * level, self.most)
        chance = pattern_chances(self.weeks, chances)
        return chance, risen_chances(self.weeks, chances) / np.maximum(chance, 1e-300)


class LawsOfTheCity:
    """Knows from which laws a city's levels and dispersions were drawn, and of its series no more than their past.

    The laws are those of `City.drawn`: the size of every area and category, how far cells lie from what those make
    usual, between which values dispersions are drawn, and how large shocks are (not which came). Level and dispersion
    of a series have the posterior that its past gives them, on a grid of 40 x 8; every p-value is the tail of the
    average over it. Without shocks, nobody who has to learn the series from their past knows more about them: what this
    judge finds less than the oracle, by the same windows, tails and control, is the price of not knowing the series.
    With shocks it is a bound no more, since neighbours tell something of a shock and this judge does not ask them.
    """

    def __init__(self, city: City, past: Ints, dispersion: tuple[float, float], windows: tuple[int, ...]) -> None:
        low, high = dispersion
        between = (np.arange(_DISPERSIONS) + 0.5) / _DISPERSIONS
        phi = np.array([low]) if low == high else low + (high - low) * between
        level, ratio = (one.ravel() for one in np.meshgrid(_LEVELS, phi, indexing="ij"))
        tables = {k: _table(level, ratio, city.together, k) for k in {1, *windows}}
        told = np.log(np.maximum(tables[1], 1e-300)).T
        self._n_series = n_series = past.shape[1]
        self._tail = {k: np.empty((n_series, _COUNTS)) for k in windows}
        for first in range(0, n_series, _AT_ONCE):
            rows = slice(first, min(first + _AT_ONCE, n_series))
            prior = np.repeat(_prior(city.usual[rows]), len(phi), axis=1)
            log = _numbers(past[:, rows]) @ told + np.log(np.maximum(prior, 1e-300))
            weight = np.exp(log - log.max(axis=1, keepdims=True))
            weight /= weight.sum(axis=1, keepdims=True)
            for k in windows:
                chance = weight @ tables[k]
                self._tail[k][rows] = np.minimum(np.cumsum(chance[:, ::-1], axis=1)[:, ::-1], 1.0)

    def p_values(self, newest: Ints, least_count: int) -> Floats:
        """The p-value of each series over its windows (Bonferroni), 1 with fewer cases than `least_count`."""
        rows, told = np.arange(newest.shape[1]), []
        for k, tail in self._tail.items():
            observed = newest[-k:].sum(axis=0)
            told.append(np.where(observed < least_count, 1.0, tail[rows, np.minimum(observed, _COUNTS - 1)]))
        return np.asarray(np.minimum(np.min(told, axis=0) * len(self._tail), 1.0))

    def null(self, least_count: int) -> NullSteps:
        """What those p-values can be, as `models.signals.attainable.null_steps` has it; of many, every third."""
        values, masses = [], []
        every = 3 if self._n_series >= _MANY else 1
        for tail in (one[::every] for one in self._tail.values()):
            chance = tail - np.append(tail[:, 1:], np.zeros((len(tail), 1)), axis=1)
            keep = (tail <= _LARGEST) & (tail > _SMALLEST)
            keep[:, : max(least_count, 1)] = False
            values.append(tail[keep] * len(self._tail))
            masses.append(chance[keep])
        p, mass = np.concatenate(values), np.concatenate(masses)
        order = np.argsort(p)
        stands_for = self._n_series / len(range(0, self._n_series, every))
        return NullSteps(self._n_series, np.zeros(0), p[order], np.cumsum(mass[order]) * stands_for)


def rare_chance(judged: WindowJudgement, level: Floats, dispersion: Floats, most: float) -> Floats:
    """P(p <= most) of each series' rise when nothing happens, by its true weekly level and dispersion; (n_series,)."""
    assert judged.law is not None
    least = np.full(len(level), np.inf)
    left, count = np.arange(len(level)), 0.0
    while len(left):
        count += 1.0
        law = (part[left] for part in (judged.law.mean, judged.law.variance, judged.law.weight))
        rare = mixed_tail(np.full(len(left), count), *law) <= most
        least[left[rare]] = count
        left = left[~rare]
    patterns = judged.patterns
    if patterns is None:
        return count_tail(least, judged.weeks * level, judged.weeks * level * dispersion)
    least = np.where(patterns.thin, np.maximum(least, patterns.most + 1.0), least)
    chance = count_tail(least, judged.weeks * level, judged.weeks * level * dispersion)
    for first in range(0, len(level), _AT_ONCE):
        rows = np.arange(first, min(first + _AT_ONCE, len(level)))
        rows = rows[patterns.thin[rows]]
        truth = pattern_chances(judged.weeks, week_chances(level[rows], dispersion[rows], patterns.most))
        chance[rows] += np.where(patterns.attainable(rows)[1] <= most, truth, 0.0).sum(axis=1)
    return chance


def _table(level: Floats, ratio: Floats, together: float, k: int) -> Floats:
    """P(Y = y) of sums over `k` weeks, the last column all beyond; (n_grid, n_counts)."""
    mean = k * level
    excess = np.maximum(ratio - 1.0 + mean * together / k, 1e-6)
    size, share = mean / excess, 1.0 / (1.0 + excess)
    table = stats.nbinom.pmf(np.arange(_COUNTS), size[:, None], share[:, None])
    table[:, -1] = stats.nbinom.sf(_COUNTS - 2, size, share)
    return np.asarray(table)


def _prior(usual: Floats) -> Floats:
    """Probability of each level of the grid, the cap holding all that is above it; (n_series, n_levels)."""
    log = np.log(_LEVELS)
    edges = np.concatenate([[-np.inf], (log[1:-1] + log[:-2]) / 2.0, [log[-1] - 1e-9, np.inf]])
    below = special.ndtr((edges - np.log(usual)[:, None]) / _CELL)
    return np.diff(below, axis=1)


def _numbers(past: Ints) -> Floats:
    """How many weeks had each count; (n_series, n_counts)."""
    n_series = past.shape[1]
    place = np.arange(n_series) * _COUNTS + np.minimum(past, _COUNTS - 1)
    return np.bincount(place.ravel(), minlength=n_series * _COUNTS).reshape(n_series, _COUNTS).astype(float)
