"""A reader who kept the pages of several days or weeks, and wants the small figures of any of them back.

The cities are those of `tests.support.joint_attacker`, with more weeks (or days), published at the end of each of the
newest ones. Besides all that is known of one release, the attacker knows that the same weeks are in all of them, and
that what is open at the end of a week is what was open before, plus what came, less what left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from service.published import Published, publish
from service.signal_record import SignalRecord
from tests.support.joint_attacker import (
    PARTS,
    Finding,
    JointCity,
    Knowledge,
    Programme,
    random_joint_city,
    small_figures,
)
from tests.support.signal_attacker import MINIMUM, N_WEEKS, WEEK, flag

DAY = 86_400
_OPEN = ("calm", "at_risk", "overdue")
Say = Callable[[str], None]


@dataclass
class Story:
    """One city over `steps` weeks or days, published at the end of each of the newest `releases` of them.

    `came`: (areas, types, steps); `left`: (areas, steps); `open_`: (areas, steps + 1), before the first and after each.
    `cities`: the city as each release shows it. `days`: steps are days, and no signals are told.
    """

    came: np.ndarray
    left: np.ndarray
    open_: np.ndarray
    cities: list[JointCity]
    days: bool

    @property
    def window(self) -> int:
        """Steps of the 28 days."""
        return 28 if self.days else 4

    @property
    def shift(self) -> int:
        """Seconds from one release to the next."""
        return DAY if self.days else WEEK


def random_story(rng: np.random.Generator, *, releases: int = 3, days: bool = False) -> Story:
    """Draw a city, and how it went on."""
    city = random_joint_city(rng)
    while city.late_days:
        city = random_joint_city(rng)
    base = city.counts.mean(axis=2)
    if days:
        base = base.sum(axis=1, keepdims=True) / 7
    span = 28 if days else N_WEEKS
    steps = span + releases - 1
    came = rng.poisson(base[:, :, None] * rng.choice([0.5, 1.0, 1.0, 2.0], size=(*base.shape, steps)))
    open_ = np.zeros((len(base), steps + 1), dtype=int)
    open_[:, 0] = rng.poisson(rng.choice([0.2, 3, 12, 40, 150], size=len(base)))
    left = np.zeros((len(base), steps), dtype=int)
    share = rng.choice([0.1, 0.3, 0.6]) / (7 if days else 1)
    for step in range(steps):
        there = open_[:, step] + came[:, :, step].sum(axis=1)
        left[:, step] = rng.binomial(there, share)
        open_[:, step + 1] = there - left[:, step]
    story = Story(came, left, open_, [], days)
    late = rng.choice([0.05, 0.3, 0.7])
    for number in range(releases):
        story.cities.append(_at(city, story, number, span, late, rng))
    return story


def _at(city: JointCity, story: Story, number: int, span: int, late: float, rng: np.random.Generator) -> JointCity:
    first, end = number, number + span
    window = slice(end - story.window, end)
    overdue = rng.binomial(story.open_[:, end], late)
    at_risk = np.floor(rng.random(len(overdue)) * (story.open_[:, end] - overdue))
    parts = np.column_stack(
        [
            story.came[:, :, window].sum(axis=(1, 2)),
            story.open_[:, end - story.window],
            story.left[:, window].sum(axis=1),
            story.open_[:, end] - overdue - at_risk,
            at_risk,
            overdue,
        ]
    )
    pairs = [(unit, "w0") for unit in city.villages]
    kinds = [*city.kinds] if not story.days else ["all"]
    inside = [(None, True)] * span if story.days else [(week, week >= N_WEEKS - 4) for week in range(N_WEEKS)]
    counts = story.came[:, :, first:end]
    now = replace(city, kinds=kinds, bins=inside, counts=counts, flagged=[], pairs=pairs, parts=parts.astype(float))
    if story.days:
        return now
    areas = [*dict.fromkeys([*now.villages, *(one for unit in now.villages for one in now.above(unit)), "*"])]
    return flag(now, rng, [(area, kind) for area in areas for kind in [*now.kinds, *dict.fromkeys(now.group.values())]])


def released(story: Story, *, remembers: bool = True) -> list[Published]:
    """What the service publishes, release by release; `remembers`: as it does, with the earlier detections at hand."""
    told, before = [], []
    for number, city in enumerate(story.cities):
        shift = number * story.shift
        pressure = _later(city.pressure(), shift)
        if story.days:
            told.append(publish(pressure, None, city.places(), minimum=MINIMUM))
            continue
        signals = _later(city.signals(), shift)
        record = SignalRecord(weeks=_later(city.weeks(), shift))
        if remembers and before:
            record = replace(record, earlier=pd.concat(before, ignore_index=True))
        told.append(publish(pressure, signals, city.places(), minimum=MINIMUM, record=record))
        before.append(signals)
    return told


def _later(frame: pd.DataFrame, shift: int) -> pd.DataFrame:
    return frame.assign(**{name: frame[name] + shift for name in ("as_of", "week") if name in frame})


def attack(
    story: Story, told: list[Published], *, pressure: bool = True
) -> tuple[Counter[str], list[tuple[int, Finding]]]:
    """Attack the small figures of every release with all of them at hand: how many by kind, and those found.

    Without the pressure, the attacker has the signals and their weeks alone.
    """
    whole = _Whole(story)
    asked: dict[tuple[int, Any], np.ndarray] = {}
    for number, (city, seen) in enumerate(zip(story.cities, told, strict=True)):
        knowledge = Knowledge(city)
        here = replace(seen, signals=tuple(_shifted(one, -number * story.shift) for one in seen.signals))
        knowledge.learn(here if pressure else replace(here, areas={}, offices={}))
        for row, value in zip(knowledge.left, knowledge.right, strict=True):
            whole.add(whole.of(number) @ row, value)
        for what, row in small_figures(knowledge).items():
            asked[number, what] = whole.of(number) @ row
    counted = Counter(kind_of(what) for _, what in asked)
    found = Programme(whole).too_tight({(str(number), *what): row for (number, what), row in asked.items()})  # type: ignore[arg-type,misc]
    return counted, [(int(one.what[0]), replace(one, what=one.what[1:])) for one in found]  # type: ignore[arg-type]


def _shifted(signal: Any, shift: int) -> Any:
    weeks = tuple(replace(week, week=week.week + shift) for week in signal.weeks)
    return replace(signal, week=signal.week + shift, weeks=weeks)


def kind_of(what: tuple[str, ...]) -> str:
    """Which kind of figure it is: of the pressure by name, or reports of a type of problem in some weeks."""
    if what[0] in ("own", "area"):
        return what[2]
    return "inflow_28d" if what[1] == "all" else "28 days of a type" if what[2] == "28 days" else "weeks of a type"


class _Whole:
    """The cells of all releases: what came and left in each step, what was open after it, and of what kind it was."""

    def __init__(self, story: Story) -> None:
        self.story = story
        areas, kinds, steps = story.came.shape
        self._came = np.arange(areas * kinds * steps).reshape(story.came.shape)
        start = self._came.size
        self._left = start + np.arange(areas * steps).reshape(areas, steps)
        start += self._left.size
        self._open = start + np.arange(areas * (steps + 1)).reshape(areas, steps + 1)
        start += self._open.size
        self._kinds = start + np.arange(len(story.cities) * areas * 3).reshape(len(story.cities), areas, 3)
        self.cells = start + self._kinds.size
        kinds_now = [city.parts[:, [PARTS.index(name) for name in _OPEN]] for city in story.cities]
        self.truth = np.concatenate(
            [story.came.ravel(), story.left.ravel(), story.open_.ravel(), np.array(kinds_now).ravel()]
        ).astype(float)
        self.left: list[np.ndarray] = []
        self.right: list[float] = []
        for area in range(areas):
            for step in range(steps):
                row = np.zeros(self.cells)
                row[self._open[area, step]] = 1
                row[self._came[area, :, step]] = 1
                row[self._left[area, step]] = -1
                row[self._open[area, step + 1]] = -1
                self.add(row, 0.0)
        assert np.allclose(np.array(self.left) @ self.truth, self.right)

    def add(self, row: np.ndarray, value: float) -> None:
        if row.any():
            self.left.append(row)
            self.right.append(value)

    def of(self, number: int) -> np.ndarray:
        """The map from the cells of one release to these, (cells here, cells there)."""
        city, story = self.story.cities[number], self.story
        counts, (areas, _) = city.counts.size, city.parts.shape
        end = number + city.counts.shape[2]
        found = np.zeros((self.cells, counts + city.parts.size))
        found[self._came[:, :, number:end].ravel(), np.arange(counts)] = 1
        for area in range(areas):
            for place, name in enumerate(PARTS):
                column = counts + area * len(PARTS) + place
                if name == "inflow":
                    found[self._came[area, :, end - story.window : end].ravel(), column] = 1
                elif name == "before":
                    found[self._open[area, end - story.window], column] = 1
                elif name == "outflow":
                    found[self._left[area, end - story.window : end], column] = 1
                else:
                    found[self._kinds[number, area, _OPEN.index(name)], column] = 1
        return found


def measured(number: int, seed: int, *, say: Say = print) -> dict[str, Any]:
    """Attack so many stories of three weeks, with the signals alone and with everything, and so many of four days."""
    told: dict[str, Any] = {}
    for name, days, remembers, pressure in (
        ("signals of three weeks", False, True, False),
        ("the same, without memory", False, False, False),
        ("all of three weeks", False, True, True),
        ("the same, without memory ", False, False, True),
        ("all of four days", True, True, True),
    ):
        counted, bounded, exact, shown = Counter[str](), Counter[str](), Counter[str](), 0
        for place in range(number):
            story = random_story(np.random.default_rng([seed, place]), releases=4 if days else 3, days=days)
            seen = released(story, remembers=remembers)
            small, found = attack(story, seen, pressure=pressure)
            counted += small
            bounded.update(kind_of(one.what) for _, one in found)
            exact.update(kind_of(one.what) for _, one in found if one.exact)
            shown += figures_of_signals(seen)
        told[name.strip()] = {
            "attacked": dict(counted),
            "bounded": dict(bounded),
            "given_away": dict(exact),
            "figures_of_signals_shown": shown,
        }
        for kind, count in sorted(counted.items()):
            say(f"{name:26} {kind:18} {count:8,} attacked {bounded[kind]:6,} bounded {exact[kind]:5,} given away")
        say(f"{name:26} {shown} figures of signals and weeks shown")
    return told


def figures_of_signals(told: list[Published]) -> int:
    """How many counts of signals and of weeks are shown in all releases."""
    signals = [signal for one in told for signal in one.signals]
    counts = [signal.observed for signal in signals] + [week.observed for signal in signals for week in signal.weeks]
    return sum(count.value is not None for count in counts)
