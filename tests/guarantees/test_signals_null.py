"""What the signals promise, by repeating the experiment: p-values, false discoveries, power, and the usual traps.

Every city here is simulated without anything to find, but for what a test plants. `-s` prints the realised figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from models.signals import SignalSettings, assess_series, detect_signals, weekly_counts
from models.signals.counts import WeeklyCounts
from tests.support.weekly import World, draw, show, weekly, world

LEVELS = (0.05, 0.01, 0.001, 0.0001)
BANDS = ((0.0, 0.3), (0.3, 1.0), (1.0, 3.0), (3.0, np.inf))

WORLDS: dict[str, dict[str, object]] = {
    "thin with thick": {},
    "thin": {"level": 0.3, "dispersion": (1.0, 2.0)},
    "Poisson, uneven cells": {"spread": 2.0, "dispersion": (1.0, 1.0001)},
    "restless categories": {"shock": 0.5},
    "strongly over-dispersed": {"dispersion": (1.0, 4.0)},
}


def null_p_values(rng: np.random.Generator, cities: int, weeks: int, **options: object) -> pd.DataFrame:
    """Raw p-values of rises and silences of several weeks of several cities, with the true level of each series."""
    told = []
    for _ in range(cities):
        city = world(rng, weeks=34 + weeks, **options)
        for row in range(34, 34 + weeks):
            counts = weekly(city.matrix[: row + 1], city.area, city.category)
            judged = assess_series(counts, settings=SignalSettings(minimum_count=0))
            told.append(judged[["direction", "p_value"]].assign(mean=np.tile(city.usual[row], 2)))
    return pd.concat(told, ignore_index=True)


def share(p: pd.Series, level: float) -> float:
    return float((p <= level).mean())


def report(name: str, frame: pd.DataFrame) -> None:
    show(f"\n{name}: share of p <= level, divided by level")
    for direction, part in frame.groupby("direction"):
        for low, high in (*BANDS, (0.0, np.inf)):
            band = part[(part["mean"] >= low) & (part["mean"] < high)]
            figures = "  ".join(f"{level:g}: {share(band['p_value'], level) / level:5.2f}" for level in LEVELS)
            show(f"  {direction:8} {low:3.1f} to {high:3.1f} a week, {len(band):7,} tests  {figures}")


def test_p_values_are_valid_when_nothing_happens():
    """Over 2,000 series and a few weeks, no more than 1.3 % of rises have p <= .01; the thin ones neither."""
    frame = null_p_values(np.random.default_rng(1), cities=1, weeks=3)
    rises = frame[frame["direction"] == "rise"]
    assert share(rises["p_value"], 0.01) <= 0.013
    assert share(rises.loc[rises["mean"] < 0.3, "p_value"], 0.01) <= 0.013
    assert share(frame.loc[frame["direction"] == "silence", "p_value"].fillna(1.0), 0.01) <= 0.013


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_p_values_are_valid_in_every_kind_of_city(name):
    """At every level of counts: at most 1.3 % with p <= .01 and 6 % with p <= .05; far out at most twice the level."""
    frame = null_p_values(np.random.default_rng(7), cities=8, weeks=6, **WORLDS[name])
    report(name, frame)
    frame["p_value"] = frame["p_value"].fillna(1.0)
    for _, part in frame.groupby("direction"):
        assert share(part["p_value"], 0.05) <= 0.05
        assert share(part["p_value"], 0.01) <= 0.0115
        assert share(part["p_value"], 0.001) <= 0.002
        for low, high in BANDS:
            band = part.loc[(part["mean"] >= low) & (part["mean"] < high), "p_value"]
            assert share(band, 0.01) <= 0.013


def plant(city: World, rng: np.random.Generator, how_many: int) -> tuple[World, np.ndarray]:
    """A rise from 1.3 to 4 times the usual over the last six weeks, in series with 2 to 5 cases a week."""
    usual = city.usual.mean(axis=0)
    candidates = np.flatnonzero((usual > 2.0) & (usual < 5.0))
    chosen = rng.choice(candidates, size=min(how_many, len(candidates)), replace=False)
    matrix = city.matrix.copy()
    factor = np.linspace(1.3, 4.0, 6)[:, None]
    matrix[-6:, chosen] += draw(rng, city.usual[-6:, chosen] * (factor - 1.0), city.dispersion[chosen])
    return World(matrix, city.usual, city.dispersion, city.area, city.category), chosen


def discoveries(
    rng: np.random.Generator, cities: int, fdr_level: float, how_many: int, **options: object
) -> tuple[np.ndarray, np.ndarray]:
    """False-discovery proportion of each city's newest week, and the share of the plants found."""
    false, found = [], []
    for _ in range(cities):
        city, chosen = plant(world(rng, **options), rng, how_many)
        judged = assess_series(city.counts(), settings=SignalSettings(fdr_level=fdr_level))
        rises = judged[judged["direction"] == "rise"]["signal"].to_numpy()
        wrong = int(judged["signal"].sum()) - int(rises[chosen].sum())
        false.append(wrong / max(int(judged["signal"].sum()), 1))
        found.extend(rises[chosen])
    return np.array(false), np.array(found)


def test_false_discoveries_keep_to_the_level_while_plants_are_found():
    """In a few cities with 20 rises each, at most about a tenth of the signals is false, and many rises are found."""
    false, found = discoveries(np.random.default_rng(3), cities=4, fdr_level=0.10, how_many=20)
    assert false.mean() <= 0.16
    assert found.mean() >= 0.35


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.10, 0.20])
@pytest.mark.parametrize("name", WORLDS)
def test_the_false_discovery_rate_is_controlled(name, level):
    """Over 40 cities the mean false-discovery proportion is at most the level, plus Monte-Carlo error."""
    how_many = 4 if name == "thin" else 20
    false, found = discoveries(np.random.default_rng(5), cities=40, fdr_level=level, how_many=how_many, **WORLDS[name])
    error = false.std() / np.sqrt(len(false))
    show(f"\n{name}, level {level}: false {false.mean():.3f} +- {error:.3f}, planted rises found {found.mean():.2f}")
    assert false.mean() <= level + 2.0 * error


@pytest.mark.slow
def test_a_city_without_anything_to_find_is_mostly_quiet():
    """With nothing planted every signal is false; then a week with any signal is as rare as the level says."""
    rng = np.random.default_rng(9)
    weeks = [bool(len(detect_signals(world(rng).counts()))) for _ in range(60)]
    rate, error = np.mean(weeks), np.sqrt(0.1 * 0.9 / 60)
    show(f"\nweeks with a false signal: {rate:.3f}")
    assert rate <= 0.10 + 2.0 * error


# Traps: what happens to the record and not to the city. Each changes the newest weeks of a calm city.


def roll_out(city: World, weeks: int) -> np.ndarray:
    """A category is recorded only for the last `weeks` weeks."""
    matrix = city.matrix.copy()
    matrix[:-weeks, city.category == thickest(city)] = 0
    return matrix


def pilot(city: World, weeks: int) -> np.ndarray:
    """A category trickles in from a tenth of its cases, until it is recorded fully."""
    matrix = city.matrix.copy()
    part = np.ix_(np.arange(len(matrix) - weeks), city.category == thickest(city))
    matrix[part] = np.random.default_rng(1).binomial(matrix[part], 0.1)
    return matrix


def stop(city: World, weeks: int) -> np.ndarray:
    """A category is no longer recorded."""
    matrix = city.matrix.copy()
    matrix[-weeks:, city.category == thickest(city)] = 0
    return matrix


def doubled(city: World, weeks: int) -> np.ndarray:
    """Everything comes in twice."""
    matrix = city.matrix.copy()
    matrix[-weeks:] *= 2
    return matrix


def nothing(city: World, weeks: int) -> np.ndarray:
    """The import has stopped."""
    matrix = city.matrix.copy()
    matrix[-weeks:] = 0
    return matrix


def gap(city: World, weeks: int) -> np.ndarray:
    """Some weeks of the past are missing."""
    matrix = city.matrix.copy()
    matrix[-8 - weeks : -8] = 0
    return matrix


def thickest(city: World) -> int:
    return int(np.argmax(np.bincount(city.category, weights=city.usual.mean(axis=0))))


@pytest.mark.parametrize("trap", [roll_out, pilot, stop, doubled, nothing, gap])
def test_what_happens_to_the_record_alarms_hardly_any_series(trap: Callable[[World, int], np.ndarray]):
    """A category that starts, stops or is rolled out, doubled or missing imports: at most 1 % of its series alarm."""
    rng = np.random.default_rng(13)
    alarmed = tested = 0
    for weeks in (1, 2, 4, 13):
        city = world(rng, areas=40, categories=20, dispersion=(1.0, 2.0))
        judged = assess_series(weekly(trap(city, weeks), city.area, city.category))
        concerned = np.tile(city.category == thickest(city), 2) if trap in (roll_out, pilot, stop) else slice(None)
        alarmed += int(judged["signal"].to_numpy()[concerned].sum())
        tested += len(judged["signal"].to_numpy()[concerned]) // 2
    show(f"\n{trap.__name__}: {alarmed} of {tested} series")
    assert alarmed <= 0.01 * tested


def real_cases(path: Path, *, area: str, category: str, zone: str) -> pd.DataFrame:
    """A real export as far as counting needs it; local wall-clock times become UTC seconds."""
    rows = pd.read_parquet(path)

    def seconds(name: str) -> pd.Series:
        local = rows[name].dt.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(rows), dtype=bool))
        return local.dt.tz_convert("UTC").dt.as_unit("s").astype("int64").where(rows[name].notna(), NEVER)

    opened, closed = seconds("opened_at").astype("int64"), seconds("closed_at").astype("int64")
    duplicate = rows["status"].str.contains("Dup").fillna(value=False)
    return pd.DataFrame(
        {
            "opened_at": opened,
            "opened_known_at": opened,
            "closed_at": closed,
            "closed_known_at": closed,
            "withdrawn_known_at": closed.where(duplicate, NEVER),
            "area": rows[area],
            "category": rows[category],
        }
    )


def weekly_signals(counts: WeeklyCounts, weeks: int) -> list[int]:
    return [len(detect_signals(counts.until(int(week)))) for week in counts.weeks[-weeks:]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "area", "category", "zone"),
    [
        ("boston_311_2011h2.parquet", "neighborhood", "category", "America/New_York"),
        ("chicago_sanitation_2011_2014.parquet", "community_area", "category_detail", "America/Chicago"),
    ],
)
def test_a_real_city_is_not_flooded(real_file, name, area, category, zone):
    """Replayed week by week, a real city gives a handful of signals a week at most, and p-values stay in bounds."""
    cases = real_cases(real_file(name), area=area, category=category, zone=zone)
    counts = weekly_counts(cases, as_of=int(cases["opened_at"].max()) + 1, time_zone=zone)
    told = weekly_signals(counts, min(26, len(counts.weeks) - 11))
    small = [
        share(judged.loc[judged["direction"] == "rise", "p_value"].dropna(), 0.01)
        for judged in (assess_series(counts.until(int(week))) for week in counts.weeks[-8:])
    ]
    show(f"\n{name}: {len(counts.series):,} series, signals per week {told}, share of p <= .01 {np.mean(small):.4f}")
    assert max(told) <= 12
    assert np.mean(told) <= 4
    assert np.mean(small) <= 0.015
