"""The plan of a simulated city: how large it is, when it is watched, and where its villages lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from data.schema import Tier
from data.synthetic.calendars import TIME_ZONE
from data.synthetic.catalogue import (
    CATEGORIES,
    CITY_NAME,
    DEPARTMENTS,
    NAME_BEGINNINGS,
    NAME_ENDINGS,
    TOWN_NAMES,
    CategorySpec,
    OfficeSpec,
)
from data.synthetic.outlines import boundaries, village_outlines

CITY: Final = "A"
# The inner towns have the city's departments at hand; in the others the town's own office does part of
# their work.
INNER_TOWNS: Final = 2


@dataclass(frozen=True, slots=True)
class CityPlan:
    """What to simulate. The defaults are the demonstration: one year of about 60,000 cases.

    The year ends in the middle of September, on a working-day morning: no type of problem rises with the
    season in the weeks before, so what rises then has been planted, and the holidays of October lie ahead
    of open deadlines.

    `capacity` multiplies what every office can do in a day. `capacity_kept` is what the failing office
    keeps of it from `failing_day` on, and `rise` the factors of the planted rising problem at the beginning
    and at the end of its `rise_days`; a factor of 1 plants nothing.
    """

    cases: int = 60_000
    villages: int = 36
    towns: int = 6
    capacity: float = 1.0
    first_day: date = date(2024, 9, 16)
    days: int = 365
    warm_up_days: int = 60
    failing_day: int = 200
    capacity_kept: float = 0.6
    rise_days: int = 42
    rise: tuple[float, float] = (1.3, 4.0)
    rollout_day: int = 290

    def __post_init__(self) -> None:
        if not 1 <= self.towns <= len(TOWN_NAMES) or not self.towns <= self.villages <= 12 * self.towns:
            raise UsageError(
                f"Expected 1 to {len(TOWN_NAMES)} towns with 1 to 12 villages each, "
                f"got {self.towns} and {self.villages}."
            )
        if self.cases < 1 or self.capacity <= 0 or not 0 < self.rise_days < self.days:
            raise UsageError("Expected at least one case, some capacity, and a rise shorter than the year.")

    @property
    def dates(self) -> list[date]:
        """Every day simulated, the warm-up first, the day of the as-of last."""
        begin = self.first_day - timedelta(self.warm_up_days)
        return [begin + timedelta(n) for n in range(self.warm_up_days + self.days + 1)]

    def moment(self, day: int, hour: int = 0, minute: int = 0) -> int:
        """Give the moment (seconds since 1970, UTC) of a local time on the `day`-th day watched, from 0."""
        local = pd.Timestamp(self.first_day + timedelta(day)) + pd.Timedelta(hours=hour, minutes=minute)
        return int(local.tz_localize(TIME_ZONE).timestamp())

    @property
    def start(self) -> int:
        """The first moment that the export covers."""
        return self.moment(0)

    @property
    def end(self) -> int:
        """The as-of: half past eight in the morning after the last day, before the desks open."""
        return self.moment(self.days, 8, 30)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places and offices of one city; arrays over villages have the order of `villages`."""

    areas: pd.DataFrame
    villages: tuple[str, ...]
    town_of_village: np.ndarray  # int, from 0
    share_of_village: np.ndarray  # of the population, sums to 1
    offices: tuple[OfficeSpec, ...]

    def office(self, code: str) -> int:
        """Give the position of an office in `offices`."""
        return [office.code for office in self.offices].index(code)

    def route(self, category: CategorySpec) -> np.ndarray:
        """Give the position of the office responsible for a category in each village."""
        department = self.office(category.office)
        town_offices = np.array([self.office(f"T-{town + 1:02d}") for town in self.town_of_village])
        if category.local == "no":
            return np.full(len(town_offices), department)
        if category.local == "all":
            return town_offices
        return np.where(self.town_of_village >= INNER_TOWNS, town_offices, department)


def lay_out(plan: CityPlan, rng: np.random.Generator) -> Layout:
    """Invent the towns, the villages with their populations and neighbours, and the offices."""
    town = np.sort(np.arange(plan.villages) % plan.towns)
    number = np.arange(plan.villages) - np.searchsorted(town, town) + 1
    codes = [f"{CITY}-{t + 1:02d}-{n:02d}" for t, n in zip(town, number, strict=True)]
    # A few large villages and many small ones, as settlements are; the bounds keep the smallest from being
    # empty.
    population = np.round(np.clip(3200 * np.exp(rng.normal(0, 0.75, plan.villages)), 700, 18_000), -1).astype(int)
    places = _scattered(town, rng)
    areas = pd.DataFrame(
        {
            "area": codes,
            "parent": [f"{CITY}-{t + 1:02d}" for t in town],
            "name_zh": "",
            "name_en": "",
            "population": population,
            "neighbours": _neighbours(codes, places),
        }
    )
    names = rng.permutation(len(NAME_BEGINNINGS) * len(NAME_ENDINGS))[: plan.villages]
    pairs = [(NAME_BEGINNINGS[n // len(NAME_ENDINGS)], NAME_ENDINGS[n % len(NAME_ENDINGS)]) for n in names]
    areas["name_zh"] = [f"{begin[0]}{end[0]}村" for begin, end in pairs]
    areas["name_en"] = [f"{begin[1]}{end[1]} Village" for begin, end in pairs]
    of_villages, of_towns, of_city = boundaries(village_outlines(places), town.tolist())
    areas["boundary"] = of_villages
    upper = _upper_areas(plan, areas).assign(boundary=[of_city, *of_towns])
    return Layout(
        areas=pd.concat([upper, areas], ignore_index=True),
        villages=tuple(codes),
        town_of_village=town,
        share_of_village=population / population.sum(),
        offices=_offices(plan),
    )


def category_frame() -> pd.DataFrame:
    """The categories as a table: `category`, `name_zh`, `name_en`."""
    return pd.DataFrame(
        {
            "category": [category.code for category in CATEGORIES],
            "name_zh": [category.name_zh for category in CATEGORIES],
            "name_en": [category.name_en for category in CATEGORIES],
        }
    )


def _upper_areas(plan: CityPlan, villages: pd.DataFrame) -> pd.DataFrame:
    towns = sorted(villages["parent"].unique())
    parent = dict(zip(villages["area"], villages["parent"], strict=True))
    beside: dict[str, set[str]] = {town: set() for town in towns}
    for here, others in zip(villages["area"], villages["neighbours"], strict=True):
        beside[parent[here]] |= {parent[other] for other in others} - {parent[here]}
    return pd.DataFrame(
        {
            "area": [CITY, *towns],
            "parent": [None, *[CITY] * len(towns)],
            "name_zh": [CITY_NAME[0], *[zh for zh, _ in TOWN_NAMES[: plan.towns]]],
            "name_en": [CITY_NAME[1], *[en for _, en in TOWN_NAMES[: plan.towns]]],
            "population": [
                int(villages["population"].sum()),
                *villages.groupby("parent")["population"].sum().reindex(towns).tolist(),
            ],
            "neighbours": [[], *[sorted(beside[town]) for town in towns]],
        }
    )


def _scattered(town: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scatter villages around their towns; (villages, 2), a town being one unit wide."""
    centre = np.column_stack((town % 3, town // 3)) * 1.0
    placed: np.ndarray = centre + rng.uniform(-0.5, 0.5, (len(town), 2))
    return placed


def _neighbours(codes: list[str], place: np.ndarray) -> list[list[str]]:
    """The nearest three are neighbours, both ways."""
    far = np.linalg.norm(place[:, None] - place[None], axis=2)
    nearest = np.argsort(far, axis=1)[:, 1:4]
    near = np.zeros(far.shape, dtype=bool)
    near[np.arange(len(codes))[:, None], nearest] = True
    near |= near.T
    return [[codes[other] for other in np.flatnonzero(row)] for row in near]


def _offices(plan: CityPlan) -> tuple[OfficeSpec, ...]:
    towns = [
        OfficeSpec(f"T-{n + 1:02d}", Tier.TOWN, "K-00", f"{zh}便民服务中心", f"{en} service office")
        for n, (zh, en) in enumerate(TOWN_NAMES[: plan.towns])
    ]
    return (*DEPARTMENTS, *towns)
