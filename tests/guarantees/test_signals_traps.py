"""The traps of casework counts, staged on simulated cities and judged the way that the service judges.

Cases are spoilt as records are spoilt (`tests.support.traps`), made ready (`models.signals.traps`) and judged. Nothing
happens in these cities but the rises and silences that a test plants; `-s` prints the realised figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from models.signals import assess_series, weekly_counts
from models.signals.counts import ALL, WeeklyCounts
from models.signals.nowcast import completeness
from models.signals.traps import prepared_counts
from tests.benchmarks.signals_live import CITIES, WEEK, cases_of, of_changes, replay
from tests.support import traps
from tests.support.weekly import World, show, weekly, world

Key = tuple[str, str]
# Five towns of eight areas; what lies in no other area lies in the city.
_TOWNS = 5
PARENTS = {f"a{code:03d}": f"town {code % _TOWNS}" for code in range(40)}
# What grows tenfold everywhere at once may be a pilot that ended, or a storm. Nothing in the counts of the first weeks
# tells one from the other, and a storm must be told: once, of the city or a town, and never of every area.
_LIKE_A_STORM = (traps.category_pilot,)


@dataclass(frozen=True)
class Judged:
    """A trapped city: false signals of what is concerned (series; sums), of how many, and the planted rises found."""

    false: int
    series: int
    false_sums: int
    sums: int
    found: set[Key]
    untouched: set[Key]


def judged(trap: traps.Trap, *, seed: int, ago: int, weeks: int, plants: int = 0, ready: bool = True) -> Judged:
    """Stage a trap so many weeks ago, and perhaps rises to three times the usual over the newest four weeks."""
    rng = np.random.default_rng(500 + seed)
    city = world(rng, areas=40, categories=20, weeks=weeks, dispersion=(1.0, 2.0), level=1.5)
    city, chosen = traps.plant(city, rng, plants)
    scene = traps.stage(city, ago, seed)
    staged = trap(scene)
    said = assess_series(counted(staged.cases, scene.as_of, ready=ready), parents=PARENTS)
    names = city.counts().series.iloc[chosen]
    planted = set(zip(names["area"], names["category"], strict=True))
    keys = list(zip(said["area"], said["category"], strict=True))
    hit = concerned(staged, said)
    everywhere = staged.areas is None and staged.categories is None
    # A sum over a planted rise may rise.
    above = {(over, category) for area, category in planted for over in (area, PARENTS[area], ALL)}
    calm = hit & ~np.array([key in above for key in keys])
    false = said["signal"].to_numpy() & calm
    single = (said["level"] == "series").to_numpy()
    rises = single & (said["direction"] == "rise").to_numpy()
    untouched = {key for key, own, touched in zip(keys, rises, hit, strict=True) if own and (everywhere or not touched)}
    return Judged(
        int(false[single].sum()),
        int(calm[rises].sum()),
        int(false[~single].sum()),
        int(calm[~single].sum()) // 2,
        {key for key, own, signal in zip(keys, rises, said["signal"], strict=True) if own and signal} & planted,
        untouched & planted,
    )


def counted(cases: pd.DataFrame, as_of: int, *, ready: bool = True) -> WeeklyCounts:
    """The counts as a detection prepares them, or plain ones."""
    if not ready:
        return weekly_counts(cases, as_of=as_of, time_zone="UTC")
    prepared = prepared_counts(cases, as_of=as_of, time_zone="UTC")
    counts = replace(prepared.counts, settled=prepared.settled)
    late = completeness(cases, as_of=as_of, time_zone="UTC", series=counts.series, weeks=counts.weeks)
    return counts.completed_as(late.share)


def concerned(staged: traps.Staged, said: pd.DataFrame) -> np.ndarray:
    """Which rows a trap touches: its series, and the sums that hold one of them."""
    areas = staged.areas
    if areas is not None:
        areas = sorted({*areas, *(PARENTS[area] for area in areas), ALL})
    return replace(staged, areas=areas).concerned(said)


def false_share(trap: traps.Trap, runs: list[Judged], name: str) -> float:
    """The larger of the shares of series and of sums that alarm; sums do not count where they look like a storm."""
    shares = []
    for kind, false, number in (
        ("series", sum(run.false for run in runs), sum(run.series for run in runs)),
        ("sums", sum(run.false_sums for run in runs), sum(run.sums for run in runs)),
    ):
        show(f"\n{trap.__name__}, {name}: {false} of {number:,} {kind} alarm")
        shares.append(false / max(number, 1))
    return shares[0] if trap in _LIKE_A_STORM else max(shares)


@pytest.mark.parametrize("trap", [traps.category_area_by_area, traps.doubled_area, traps.partial_week])
def test_a_trap_alarms_hardly_any_series(trap):
    """Some of the traps, laid last week: at most 1 % of the series concerned."""
    assert false_share(trap, [judged(trap, seed=1, ago=1, weeks=46)], "laid last week") <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("trap", traps.TRAPS, ids=lambda trap: trap.__name__)
def test_every_trap_alarms_hardly_any_series_of_a_short_record(trap):
    """Laid in the newest week, one, three and twelve weeks before, in 35 and 50 weeks in turn: at most 1 %."""
    laid = ((1, 35, 0), (2, 50, 1), (1, 35, 3), (2, 50, 12))
    runs = [judged(trap, seed=seed, ago=ago, weeks=weeks) for seed, weeks, ago in laid]
    assert false_share(trap, runs, "short record") <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("trap", traps.TRAPS, ids=lambda trap: trap.__name__)
def test_every_trap_alarms_hardly_any_series_of_a_long_record(trap):
    """Of three years, laid in the newest week and three weeks before: at most 1 %."""
    runs = [judged(trap, seed=3, ago=ago, weeks=160) for ago in (0, 3)]
    assert false_share(trap, runs, "three years") <= 0.01


@pytest.mark.slow
def test_without_being_made_ready_some_traps_would_alarm():
    """The traps are traps: an area loaded twice, and a category rolled out, alarm far above 1 % as plain counts."""
    for trap in (traps.doubled_area, traps.category_area_by_area):
        runs = [judged(trap, seed=seed, ago=1, weeks=50, ready=False) for seed in (1, 2)]
        assert false_share(trap, runs, "plain counts") > 0.03


@cache
def beside_nothing(seed: int) -> Judged:
    """The same plants in the same city, without any trap."""
    return judged(traps.nothing, seed=seed, ago=8, weeks=50, plants=25)


@pytest.mark.slow
@pytest.mark.parametrize("trap", traps.TRAPS, ids=lambda trap: trap.__name__)
def test_rises_are_still_found_beside_a_trap(trap):
    """Laid eight weeks ago, four weeks before the rises: at least 70 % of those found without it, where it was not.

    With plants in the city the threshold of the week is easier to meet; false alarms stay at 1 % of those concerned.
    """
    found = alone = 0
    runs = []
    for seed in (11, 12, 13):
        runs.append(judged(trap, seed=seed, ago=8, weeks=50, plants=25))
        without = beside_nothing(seed)
        found += len(runs[-1].found & runs[-1].untouched)
        alone += len(without.found & runs[-1].untouched)
    assert false_share(trap, runs, "beside rises") <= 0.01
    show(f"  rises found {found}, without the trap {alone}")
    assert alone >= 10
    assert found >= 0.7 * alone


def silences(level: float, kept: float, *, cities: int, weeks: int = 60) -> np.ndarray:
    """Whether each staged silence was found within three weeks: series of about this level, others going on."""
    found: list[bool] = []
    for seed in range(cities):
        rng = np.random.default_rng(900 + seed)
        city = world(rng, areas=40, categories=20, weeks=weeks, dispersion=(1.0, 1.5), level=2.0)
        usual = city.usual[-16:-3].mean(axis=0)
        able = np.flatnonzero((usual > 0.85 * level) & (usual < 1.2 * level))
        chosen = rng.choice(able, min(8, len(able)), replace=False)
        fallen = silenced(city, chosen, kept, rng)
        said = np.zeros(len(chosen), dtype=bool)
        for end in range(weeks - 2, weeks + 1):
            judged = assess_series(weekly(fallen[:end], city.area, city.category))
            said |= judged.loc[judged["direction"] == "silence", "signal"].to_numpy()[chosen]
        found += said.tolist()
    return np.array(found)


def silenced(city: World, chosen: np.ndarray, kept: float, rng: np.random.Generator) -> np.ndarray:
    matrix = city.matrix.copy()
    matrix[-3:, chosen] = rng.binomial(matrix[-3:, chosen], kept)
    return matrix


@pytest.mark.slow
def test_a_silence_is_found_within_three_weeks():
    """From five a week to nothing: 90 % of them, and the shares at other levels are printed.

    Below about four a week nothing at all over three weeks is not improbable enough among 1,600 tests, even for a judge
    who knows the level and the dispersion.
    """
    for kept in (0.0, 0.2):
        for level in (2, 3, 5, 10):
            found = silences(level, kept, cities=4)
            show(f"\nfrom {level} a week to {kept:.0%}: {found.mean():.2f} of {len(found)} found within three weeks")
    sure = silences(5, 0.0, cities=4)
    assert sure.mean() >= 0.90


@pytest.mark.slow
def test_types_that_start_or_stop_in_a_real_city_raise_no_signal(real_file):
    """Boston's animal and pest types, as if live, from the week in which they start (2013) or stop (2020) on.

    Thirteen weeks from a start on, and all weeks from a stop on. Real rises lie outside: of a type six weeks before it
    stops (17 reports in an area in two days), of another five months after it started (10 in a week, usually none).
    """
    city = CITIES["animal_pest"]
    real_file(city.file)
    cases, zone = cases_of(city)
    signals = []
    for since, until in (("2013-10-07", "2014-01-13"), ("2019-12-30", "2020-06-01")):
        first, last = (int(pd.Timestamp(day, tz=zone).timestamp()) for day in (since, until))
        found = replay(cases[cases["opened_at"] < last + 2 * WEEK], zone, first=first, last=last)
        signals.append(of_changes(found, city, zone)["signals"].sum())
        show(f"\n{since} to {until}: {len(found.signals)} signals, {signals[-1]} of them of types that start or stop")
    assert sum(signals) == 0
