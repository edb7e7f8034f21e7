"""A rise spread thinly over the villages of a town: series by series, and with sums. False discoveries, power, time.

    python -m tests.benchmarks.signals_hierarchy [cities]

Every city has 400 villages in 20 towns and 12 categories of problems, no two levels alike, seasons and shocks that a
category has in all areas, and over-dispersed counts. Planted are three rises, each spread over the 20 villages of one
town (so many times their usual for four weeks, where usual is a fifth of a case to one and a half a week), and ten
strong rises of one village each, so that there are signals to have a false-discovery rate of.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.signals import SignalSettings, assess_series
from models.signals.pooling import pooled_levels
from tests.support.hierarchy import outcome, planted_city, towns
from tests.support.weekly import draw, show, world

Floats = NDArray[np.float64]

FACTORS = (1.5, 1.8, 2.0, 2.5, 3.0)
LEVELS = (0.05, 0.10, 0.15, 0.20, 0.30)


@dataclass(frozen=True)
class Found:
    """False-discovery proportions and shares of spread rises found: one row per city."""

    false: Floats
    found: Floats

    def told(self) -> str:
        """Means, each with its Monte-Carlo error."""
        return "  ".join(
            f"{name} {one.mean():.3f} ± {one.std() / np.sqrt(len(one)):.3f}"
            for name, one in (("false", self.false), ("found", self.found))
        )


def compare(seed: int, cities: int, factor: float, **options: object) -> tuple[dict[float, Found], Found]:
    """Series by series at each of `LEVELS`, and with sums at 0.10, on the same cities."""
    rng = np.random.default_rng(seed)
    alone: dict[float, list[tuple[float, float]]] = {level: [] for level in LEVELS}
    summed = []
    for _ in range(cities):
        planted = planted_city(rng, factor=factor, **options)  # type: ignore[arg-type]
        series = assess_series(planted.counts, settings=SignalSettings())
        for level in LEVELS:
            alone[level].append(outcome(planted, series[series["q_value"] <= level]))
        judged = assess_series(planted.counts, parents=planted.parents)
        summed.append(outcome(planted, judged[judged["signal"]]))
    return {level: _found(rows) for level, rows in alone.items()}, _found(summed)


def at_equal_rate(alone: dict[float, Found], summed: Found) -> Found:
    """Series by series at the strictest level whose realised false-discovery rate is at least that of the sums."""
    fair = [found for found in alone.values() if found.false.mean() >= summed.false.mean()]
    return fair[0] if fair else alone[max(alone)]


def quiet_weeks(seed: int, cities: int, **options: object) -> tuple[float, float]:
    """Share of cities without anything planted that raise any signal: all, and sums alone."""
    rng = np.random.default_rng(seed)
    groups = {f"c{code:03d}": f"g{code // 5}" for code in range(20)}
    rows = []
    for _ in range(cities):
        city = world(rng, areas=200, categories=20, **options)  # type: ignore[arg-type]
        judged = assess_series(city.counts(), parents=towns(200, 20), groups=groups)
        told = judged[judged["signal"]]
        rows.append((len(told) > 0, bool((told["level"] == "sum").any())))
    any_signal, any_sum = np.mean(rows, axis=0)
    return float(any_signal), float(any_sum)


def pooling_error(seed: int, cities: int) -> dict[str, float]:
    """How far levels are from the truth where towns differ: deviance per series, of 26 weeks of past."""
    rng = np.random.default_rng(seed)
    area, category = np.repeat(np.arange(200), 12), np.tile(np.arange(12), 200)
    loss: dict[str, list[float]] = {"own past": [], "city": [], "town": []}
    for _ in range(cities):
        size, kind = rng.lognormal(0, 0.6, 200), rng.lognormal(-2.0, 1.0, 12)
        town = rng.lognormal(0, 0.6, (10, 12))
        true = size[area] * kind[category] * town[area // 20, category] * rng.gamma(8.0, 1.0 / 8.0, len(area))
        total = draw(rng, true * 26.0, np.ones(len(area))).astype(float)
        weeks = np.full(len(area), 26.0)
        guesses = {
            "own past": (total + 0.5) / 26.0,
            "city": pooled_levels(total, weeks, category, (area,)),
            "town": pooled_levels(total, weeks, category, (area // 20, area)),
        }
        for name, guess in guesses.items():
            loss[name].append(float((guess - true - true * np.log(guess / true)).mean() * 52.0))
    return {name: float(np.mean(values)) for name, values in loss.items()}


def seconds() -> tuple[float, float]:
    """CPU seconds for 500 areas x 40 categories x 60 weeks: series alone, and with towns, counties, city and groups."""
    city = world(np.random.default_rng(1), areas=500, categories=40, weeks=60)
    counts = city.counts()
    parents = towns(500, 20) | {f"t{code:02d}": f"k{code // 5}" for code in range(25)}
    groups = {f"c{code:03d}": f"g{code // 8}" for code in range(40)}
    begin = time.process_time()
    assess_series(counts)
    middle = time.process_time()
    assess_series(counts, parents=parents, groups=groups)
    return middle - begin, time.process_time() - middle


def _found(rows: list[tuple[float, float]]) -> Found:
    both = np.array(rows)
    return Found(both[:, 0], both[:, 1])


def main() -> None:
    """Print all figures."""
    cities = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    show(f"{cities} cities each; share of false signals, and of spread rises found, ± Monte-Carlo error")
    for factor in FACTORS:
        alone, summed = compare(1, cities, factor)
        fair = at_equal_rate(alone, summed)
        ratio = summed.found.mean() / max(fair.found.mean(), 1e-9)
        show(f"{factor:3.1f} times the usual: with sums           {summed.told()}")
        show(f"                     series by series   {fair.told()}   found {ratio:.1f} times as often")
    alone, summed = compare(1, cities, 2.5, size=40)
    show(f"2.5 times, in 20 of a town's 40 villages: with sums {summed.told()}; series {alone[0.10].told()}")
    for name, options in (("usual", {}), ("strong seasons", {"season": 1.2}), ("shocks of 40 %", {"shock": 0.4})):
        any_signal, any_sum = quiet_weeks(5, cities, **options)
        show(f"nothing planted, {name}: weeks with a signal {any_signal:.3f}, of a sum {any_sum:.3f} (level 0.10)")
    errors = pooling_error(3, max(cities // 4, 2))
    show("deviance of levels a year ahead, per series: " + ", ".join(f"{k} {v:.4f}" for k, v in errors.items()))
    plain, with_sums = seconds()
    show(f"500 areas x 40 categories: {plain:.2f} CPU s alone, {with_sums:.2f} with four levels of areas and groups")


if __name__ == "__main__":
    main()
