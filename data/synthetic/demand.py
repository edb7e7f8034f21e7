"""How many cases of each category each village is expected to bring each day, before chance has its say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from data.synthetic.calendars import HOLIDAYS
from data.synthetic.catalogue import ASSETS, CATEGORIES
from data.synthetic.plan import CityPlan, Layout

Floats = npt.NDArray[np.float64]

_HOLIDAY: Final = 0.75
_WEEK: Final = np.array([1.14, 1.06, 1.0, 0.99, 0.97, 1.0, 1.0])  # Monday first; weekends come per category


@dataclass(frozen=True, slots=True)
class Demand:
    """Expected cases per day. Axes: category, village, day of `plan.dates`.

    `usual` is what an office can plan for: place, season, weekday. `actual` adds the weather, and the state
    of the assets, `condition` (asset kind, village, week), which inspections see first.
    """

    usual: Floats
    actual: Floats
    condition: Floats


def expect_demand(plan: CityPlan, layout: Layout, rng: np.random.Generator) -> Demand:
    """Work out the expected cases of every category, village and day."""
    dates = plan.dates
    places = _places(layout, rng)
    when = np.stack([_season(n, dates) * _weekdays(n, dates) for n in range(len(CATEGORIES))])
    usual = places[:, :, None] * when[:, None, :]
    watched = usual[:, :, plan.warm_up_days : plan.warm_up_days + plan.days]
    usual *= plan.cases / watched.sum()
    condition = _condition(len(layout.villages), len(dates), rng)
    actual = usual * _weather(dates, rng)[:, None, :]
    for asset, code in enumerate(ASSETS.values()):
        weekly = np.repeat(condition[asset], 7, axis=1)[:, : len(dates)]
        actual[_position(code)] *= np.exp(weekly)
    return Demand(usual=usual, actual=actual, condition=condition)


def _position(code: str) -> int:
    return [category.code for category in CATEGORIES].index(code)


def _places(layout: Layout, rng: np.random.Generator) -> Floats:
    """Cases by category and village: population, and a village's own mix of problems."""
    share = np.array([category.share for category in CATEGORIES])
    mix = rng.gamma(6.0, 1 / 6.0, (len(CATEGORIES), len(layout.villages)))
    size = layout.share_of_village**0.9
    places = mix * size / (mix * size).sum(axis=1, keepdims=True)
    return np.asarray(places * share[:, None])


def _season(n: int, dates: list[date]) -> Floats:
    category = CATEGORIES[n]
    day = np.array([when.timetuple().tm_yday for when in dates])
    wave = np.cos(2 * np.pi * (day - category.peak) / 365.25)
    # A large swing would go below nothing if it were added, so seasons multiply.
    return np.asarray(np.exp(category.swing * wave))


def _weekdays(n: int, dates: list[date]) -> Floats:
    weekday = np.array([when.weekday() for when in dates])
    off = {date.fromordinal(begin.toordinal() + k) for begin, length in HOLIDAYS for k in range(length)}
    factor = np.where(weekday >= 5, CATEGORIES[n].weekend, _WEEK[weekday])
    return np.asarray(factor * np.where([when in off for when in dates], _HOLIDAY, 1.0))


def _weather(dates: list[date], rng: np.random.Generator) -> Floats:
    """Days differ: rain for the categories that feel it, and a week's own ups and downs for all."""
    day = np.array([when.timetuple().tm_yday for when in dates])
    chance = 0.24 + 0.12 * np.cos(2 * np.pi * (day - 165) / 365.25)
    rain = np.where(rng.random(len(dates)) < chance, rng.gamma(2.0, 0.5, len(dates)), 0.0)
    rain = np.minimum(rain - 0.24, 2.0)
    weeks = -(-len(dates) // 7)
    weekly = np.repeat(rng.normal(0, 0.06, (len(CATEGORIES), weeks)), 7, axis=1)[:, : len(dates)]
    daily = rng.normal(0, 0.08, (len(CATEGORIES), len(dates)))
    felt = np.array([category.rain for category in CATEGORIES])[:, None] * rain
    return np.asarray(np.exp(np.clip(felt, -0.7, 0.9) + weekly + daily))


def _condition(villages: int, days: int, rng: np.random.Generator) -> Floats:
    """How much worse than usual the assets of a village are, as a log, week by week, drifting back."""
    weeks = -(-days // 7) + 4
    state = np.zeros((len(ASSETS), villages, weeks))
    state[:, :, 0] = rng.normal(0, 0.2, state.shape[:2])
    for week in range(1, weeks):
        # Kept small: a village whose drains drift must not look like the problem that is planted.
        state[:, :, week] = 0.75 * state[:, :, week - 1] + rng.normal(0, 0.13, state.shape[:2])
    return state
