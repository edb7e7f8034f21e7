"""Staged traps: a simulated city as cases, and what can happen to its record without anything happening in it.

Each trap takes the cases of a city in which nothing happens and spoils the record; `Staged.concerned` says which
series it touched. The cases go the whole way: counted, made ready, judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.support.quality import cases_frame
from tests.support.weekly import MONDAY, WEEK, World, draw

DAY = 86_400
CHANNELS = np.array(["phone", "web", "counter"], dtype=object)
CHANNEL_SHARES = (0.6, 0.25, 0.15)
# Working days bring more reports than weekends.
DAYS = np.array([0.18, 0.17, 0.17, 0.17, 0.16, 0.08, 0.07])


@dataclass(frozen=True)
class Staged:
    """Cases after a trap; areas and categories that it touched, None for all."""

    cases: pd.DataFrame
    areas: list[str] | None = None
    categories: list[str] | None = None

    def concerned(self, series: pd.DataFrame) -> NDArray[np.bool_]:
        touched = np.ones(len(series), dtype=bool)
        for name, values in (("area", self.areas), ("category", self.categories)):
            if values is not None:
                touched &= series[name].isin([*values, "*"]).to_numpy()
        return touched


Trap = Callable[["Stage"], Staged]


@dataclass(frozen=True)
class Stage:
    """A city's cases over `weeks` whole weeks, and how long ago the trap was laid (0: in the newest week)."""

    city: World
    cases: pd.DataFrame
    ago: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def weeks(self) -> int:
        return len(self.city.matrix)

    @property
    def as_of(self) -> int:
        return MONDAY + self.weeks * WEEK

    @property
    def since(self) -> int:
        """When the trap begins: the Monday so many weeks before the newest."""
        return MONDAY + (self.weeks - 1 - self.ago) * WEEK

    @property
    def thickest(self) -> str:
        return str(self.cases["category"].value_counts().index[0])

    @property
    def second(self) -> str:
        return str(self.cases["category"].value_counts().index[1])

    @property
    def areas(self) -> list[str]:
        return sorted(self.cases["area"].unique())


def stage(city: World, ago: int, seed: int) -> Stage:
    """The city's counts as cases, spread over days and channels."""
    rng = np.random.default_rng(seed)
    return Stage(city, as_cases(city.matrix, city.area, city.category, rng), ago, rng)


def as_cases(
    matrix: NDArray[np.int64], area: NDArray[np.int64], category: NDArray[np.int64], rng: np.random.Generator
) -> pd.DataFrame:
    """One folded case per report; the same names as `tests.support.weekly.weekly` gives."""
    week, series = (np.repeat(index, matrix.ravel()) for index in np.indices(matrix.shape).reshape(2, -1))
    n = len(week)
    day = rng.choice(7, n, p=DAYS)
    opened = MONDAY + week * WEEK + day * DAY + rng.integers(0, DAY, n)
    return frame(
        opened,
        np.array([f"a{code:03d}" for code in area], dtype=object)[series],
        np.array([f"c{code:03d}" for code in category], dtype=object)[series],
        rng.choice(CHANNELS, n, p=CHANNEL_SHARES),
    )


def frame(opened: object, area: object, category: object, channel: object) -> pd.DataFrame:
    """Folded cases, one a row."""
    rows = int(np.size(np.asarray(opened)))
    return cases_frame(rows, opened_at=opened, area=area, category=category, channel=channel)


def joined(*parts: pd.DataFrame) -> pd.DataFrame:
    together = pd.concat(parts, ignore_index=True)
    return together.assign(case_id=[f"c{n:07d}" for n in range(len(together))])


def nothing(scene: Stage) -> Staged:
    """No trap at all."""
    return Staged(scene.cases)


def category_starts(scene: Stage) -> Staged:
    """A category is recorded everywhere since then, and was not before."""
    one = scene.thickest
    kept = (scene.cases["category"] != one) | (scene.cases["opened_at"] >= scene.since)
    return Staged(scene.cases[kept], categories=[one])


def category_area_by_area(scene: Stage) -> Staged:
    """A category is rolled out: a tenth of the areas pilots it, then one area after another joins, up to then."""
    one, areas = scene.thickest, scene.areas
    last = scene.weeks - 1 - scene.ago
    first = max(last - 2 * len(areas) // 3, 4)
    start = np.linspace(first, last, len(areas)).astype(int)
    start[: max(len(areas) // 10, 1)] = 0
    since = pd.Series(MONDAY + start * WEEK, index=areas)
    kept = (scene.cases["category"] != one) | (scene.cases["opened_at"] >= scene.cases["area"].map(since))
    return Staged(scene.cases[kept], categories=[one])


def category_pilot(scene: Stage) -> Staged:
    """A category trickles in from a tenth of its cases until then, and is recorded fully since."""
    one = scene.thickest
    early = (scene.cases["category"] == one) & (scene.cases["opened_at"] < scene.since)
    return Staged(scene.cases[~early | (scene.rng.random(len(early)) < 0.1)], categories=[one])


def category_stops(scene: Stage) -> Staged:
    one = scene.thickest
    kept = (scene.cases["category"] != one) | (scene.cases["opened_at"] < scene.since)
    return Staged(scene.cases[kept], categories=[one])


def renamed(scene: Stage) -> Staged:
    """The old name stops, a new one starts."""
    one = scene.thickest
    later = (scene.cases["category"] == one) & (scene.cases["opened_at"] >= scene.since)
    cases = scene.cases.assign(category=scene.cases["category"].mask(later, "new name"))
    return Staged(cases, categories=[one, "new name"])


def split(scene: Stage) -> Staged:
    """A third of a category gets a name of its own."""
    one = scene.thickest
    later = (scene.cases["category"] == one) & (scene.cases["opened_at"] >= scene.since)
    later &= scene.rng.random(len(later)) < 0.35
    cases = scene.cases.assign(category=scene.cases["category"].mask(later, "part of it"))
    return Staged(cases, categories=[one, "part of it"])


def merged(scene: Stage) -> Staged:
    """Two categories are counted under the name of one."""
    one, other = scene.thickest, scene.second
    later = (scene.cases["category"] == other) & (scene.cases["opened_at"] >= scene.since)
    cases = scene.cases.assign(category=scene.cases["category"].mask(later, one))
    return Staged(cases, categories=[one, other])


def _more(scene: Stage, rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """So much more of the same, through an app, at other moments of the same weeks."""
    again = rows[scene.rng.random(len(rows)) < share].copy()
    moved = again["opened_at"] - (again["opened_at"] - MONDAY) % WEEK + scene.rng.integers(0, WEEK, len(again))
    return again.assign(opened_at=moved, opened_known_at=moved, channel="app")


def app_everywhere(scene: Stage) -> Staged:
    """An app brings 60 % more of everything, everywhere."""
    later = scene.cases[scene.cases["opened_at"] >= scene.since]
    return Staged(joined(scene.cases, _more(scene, later, 0.6)))


def app_for_some(scene: Stage) -> Staged:
    """An app brings 60 % more of a third of the categories."""
    some = sorted(scene.cases["category"].unique())[::3]
    later = scene.cases[(scene.cases["opened_at"] >= scene.since) & scene.cases["category"].isin(some)]
    return Staged(joined(scene.cases, _more(scene, later, 0.6)), categories=some)


def app_area_by_area(scene: Stage) -> Staged:
    """An app is introduced in one area after another up to then, and brings 60 % more of everything there."""
    areas, last = scene.areas, scene.weeks - 1 - scene.ago
    start = np.linspace(max(last - 20, 10), last, len(areas)).astype(int)
    since = scene.cases["area"].map(pd.Series(MONDAY + start * WEEK, index=areas))
    later = scene.cases[scene.cases["opened_at"] >= since]
    return Staged(joined(scene.cases, _more(scene, later, 0.6)))


def app_instead(scene: Stage) -> Staged:
    """An app takes half of the calls, and brings 20 % more, in a quarter of the areas."""
    some = scene.areas[::4]
    there = scene.cases["area"].isin(some) & (scene.cases["opened_at"] >= scene.since)
    moves = there & (scene.cases["channel"] == "phone") & (scene.rng.random(len(there)) < 0.5)
    cases = scene.cases.assign(channel=scene.cases["channel"].mask(moves, "app"))
    return Staged(joined(cases, _more(scene, scene.cases[there], 0.2)), areas=some)


def burst_of_months(scene: Stage) -> Staged:
    """Three months of a category, from all areas, are typed in through the counter on one day."""
    one = scene.thickest
    backlog = scene.cases[(scene.cases["category"] == one) & (scene.cases["opened_at"] < scene.since)].tail(2000)
    backlog = backlog[backlog["opened_at"] >= backlog["opened_at"].max() - 13 * WEEK]
    moved = scene.since + 2 * DAY + scene.rng.integers(8 * 3600, 18 * 3600, len(backlog))
    typed = backlog.assign(opened_at=moved, opened_known_at=moved, channel="counter")
    return Staged(joined(scene.cases, typed), categories=[one])


def burst_of_all(scene: Stage) -> Staged:
    """Eight weeks of everything come in with the same second."""
    backlog = scene.cases[
        (scene.cases["opened_at"] < scene.since) & (scene.cases["opened_at"] >= scene.since - 8 * WEEK)
    ]
    moment = scene.since + 2 * DAY + 36_000
    return Staged(joined(scene.cases, backlog.assign(opened_at=moment, opened_known_at=moment)))


def backlog_of_an_area(scene: Stage) -> Staged:
    """One area types in three months of its paper, of all categories, over one day."""
    area = str(scene.cases["area"].value_counts().index[3])
    own = (scene.cases["area"] == area) & (scene.cases["opened_at"] < scene.since)
    backlog = scene.cases[own & (scene.cases["opened_at"] >= scene.since - 13 * WEEK)]
    moved = scene.since + 2 * DAY + scene.rng.integers(8 * 3600, 18 * 3600, len(backlog))
    typed = backlog.assign(opened_at=moved, opened_known_at=moved, channel="counter")
    return Staged(joined(scene.cases, typed), areas=[area])


def doubled_load(scene: Stage) -> Staged:
    """Everything since then is loaded twice, under other numbers."""
    return Staged(joined(scene.cases, scene.cases[scene.cases["opened_at"] >= scene.since]))


def doubled_week(scene: Stage) -> Staged:
    """One week is loaded twice."""
    week = (scene.cases["opened_at"] >= scene.since) & (scene.cases["opened_at"] < scene.since + WEEK)
    return Staged(joined(scene.cases, scene.cases[week]))


def doubled_area(scene: Stage) -> Staged:
    """What one area sends is loaded twice since then."""
    area = str(scene.cases["area"].value_counts().index[0])
    return Staged(
        joined(scene.cases, scene.cases[(scene.cases["area"] == area) & (scene.cases["opened_at"] >= scene.since)]),
        areas=[area],
    )


def missing_weeks(scene: Stage) -> Staged:
    """The export lacks three weeks, or as many as there were since then."""
    end = scene.since + min(scene.ago + 1, 3) * WEEK
    return Staged(scene.cases[(scene.cases["opened_at"] < scene.since) | (scene.cases["opened_at"] >= end)])


def missing_week(scene: Stage) -> Staged:
    """The export lacks one week."""
    end = scene.since + WEEK
    return Staged(scene.cases[(scene.cases["opened_at"] < scene.since) | (scene.cases["opened_at"] >= end)])


def partial_week(scene: Stage) -> Staged:
    """The week ends on Wednesday noon; the rest did not make it into the export."""
    lost = (scene.cases["opened_at"] >= scene.since + 2.5 * DAY) & (scene.cases["opened_at"] < scene.since + WEEK)
    return Staged(scene.cases[~lost])


def moved_clock(scene: Stage) -> Staged:
    """Since then, moments are exported eight hours early."""
    moved = scene.cases["opened_at"] - np.where(scene.cases["opened_at"] >= scene.since, 8 * 3600, 0)
    return Staged(scene.cases.assign(opened_at=moved, opened_known_at=moved))


def festival(scene: Stage) -> Staged:
    """A festival week: about two thirds of its reports come in the week after, or never; not everywhere as many."""
    week = (scene.cases["opened_at"] >= scene.since) & (scene.cases["opened_at"] < scene.since + WEEK)
    of_area = scene.cases["area"].map({name: scene.rng.normal(0, 0.08) for name in scene.areas})
    names = sorted(scene.cases["category"].unique())
    of_category = scene.cases["category"].map({name: scene.rng.normal(0, 0.15) for name in names})
    shifts = week & (scene.rng.random(len(week)) < np.clip(0.65 + of_area + of_category, 0.0, 1.0))
    gone = shifts & (scene.rng.random(len(week)) < 0.3)
    moved = scene.cases["opened_at"] + np.where(shifts, WEEK, 0)
    return Staged(scene.cases.assign(opened_at=moved, opened_known_at=moved)[~gone])


TRAPS: tuple[Trap, ...] = (
    category_starts,
    category_area_by_area,
    category_pilot,
    category_stops,
    renamed,
    split,
    merged,
    app_everywhere,
    app_for_some,
    app_area_by_area,
    app_instead,
    burst_of_months,
    burst_of_all,
    backlog_of_an_area,
    doubled_load,
    doubled_week,
    doubled_area,
    missing_weeks,
    missing_week,
    partial_week,
    moved_clock,
    festival,
)


def plant(city: World, rng: np.random.Generator, how_many: int, weeks: int = 4) -> tuple[World, NDArray[np.int64]]:
    """A rise to three times the usual over the last `weeks` weeks, in series with 2 to 6 cases a week."""
    usual = city.usual.mean(axis=0)
    candidates = np.flatnonzero((usual > 2.0) & (usual < 6.0))
    chosen = rng.choice(candidates, size=min(how_many, len(candidates)), replace=False)
    matrix = city.matrix.copy()
    matrix[-weeks:, chosen] += draw(rng, city.usual[-weeks:, chosen] * 2.0, city.dispersion[chosen])
    return World(matrix, city.usual, city.dispersion, city.area, city.category), chosen
