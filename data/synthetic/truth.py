"""What is planted in a simulated city by its seed: an office that fails, a problem that rises, a decoy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from data.schema import Channel, Tier
from data.synthetic.catalogue import CATEGORIES
from data.synthetic.demand import Demand, Floats
from data.synthetic.plan import CityPlan, Layout

# The problem is planted where a few cases a week are usual: a rise shows there, and does not shout.
_USUAL_PER_WEEK: Final = 4.4
_CANDIDATES: Final = 12


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """What was planted. Moments are seconds since 1970 in UTC.

    From `failing_since` the `failing_office` keeps `failing_capacity_kept` of its capacity; nothing else
    about it changes, so its lateness comes from its queue. In `rising_area` cases of `rising_category`,
    usually `rising_usual_per_week`, are multiplied by `rising_factors[0]` from `rising_since`, growing
    steadily to `rising_factors[1]` at the end. The decoy: from `rollout_since` many who would have used the
    phone use `rollout_channel` in `rollout_area`; the number of problems there stays as it was.
    """

    failing_office: str
    failing_since: int
    failing_capacity_kept: float
    rising_area: str
    rising_category: str
    rising_since: int
    rising_factors: tuple[float, float]
    rising_usual_per_week: float
    rollout_area: str
    rollout_channel: str
    rollout_since: int

    def as_dict(self) -> dict[str, Any]:
        """Give the truth as plain values for a JSON file."""
        return asdict(self)


def plant(plan: CityPlan, layout: Layout, demand: Demand, rng: np.random.Generator) -> PlantedTruth:
    """Choose what to plant."""
    category, village = _rising_cell(plan, layout, demand, rng)
    watched = demand.usual[category, village, plan.warm_up_days :]
    return PlantedTruth(
        failing_office=_failing_office(layout, demand, rng),
        failing_since=plan.moment(plan.failing_day),
        failing_capacity_kept=plan.capacity_kept,
        rising_area=layout.villages[village],
        rising_category=CATEGORIES[category].code,
        rising_since=plan.moment(plan.days - plan.rise_days),
        rising_factors=plan.rise,
        rising_usual_per_week=round(float(watched.mean()) * 7, 2),
        rollout_area=_rollout_town(layout, layout.villages[village], rng),
        rollout_channel=Channel.APP.value,
        rollout_since=plan.moment(plan.rollout_day),
    )


def rising_extra(plan: CityPlan, layout: Layout, demand: Demand, truth: PlantedTruth) -> Floats:
    """Expected cases to add to `demand.actual`: zero everywhere but in the planted cell's last weeks."""
    extra = np.zeros_like(demand.actual)
    category = [spec.code for spec in CATEGORIES].index(truth.rising_category)
    village = layout.villages.index(truth.rising_area)
    low, high = truth.rising_factors
    begin = plan.warm_up_days + plan.days - plan.rise_days
    # Up to the last day: the problem is not over when the question is asked.
    factor = np.linspace(low, high, demand.actual.shape[2] - begin)
    extra[category, village, begin:] = demand.usual[category, village, begin:] * (factor - 1)
    return extra


def _rising_cell(plan: CityPlan, layout: Layout, demand: Demand, rng: np.random.Generator) -> tuple[int, int]:
    weekly = demand.usual[:, :, plan.warm_up_days :].mean(axis=2) * 7
    size = layout.share_of_village.argsort().argsort() / len(layout.villages)
    calm = np.array([category.swing <= 0.2 and abs(category.rain) <= 0.2 for category in CATEGORIES])
    distance = np.abs(np.log(weekly / _USUAL_PER_WEEK))
    distance[~calm] = np.inf
    distance[:, (size < 0.25) | (size > 0.9)] = np.inf
    close = np.argsort(distance, axis=None, kind="stable")[:_CANDIDATES]
    category, village = np.unravel_index(int(rng.choice(close)), distance.shape)
    return int(category), int(village)


def _rollout_town(layout: Layout, rising_village: str, rng: np.random.Generator) -> str:
    """A town without the rising problem, if there is one: two plants on one spot could not be told apart."""
    towns = sorted({village.rpartition("-")[0] for village in layout.villages})
    others = [town for town in towns if not rising_village.startswith(town)]
    return str(rng.choice(others or towns))


def _failing_office(layout: Layout, demand: Demand, rng: np.random.Generator) -> str:
    """One of the offices with enough cases of their own for anyone to see it fail."""
    load = np.zeros(len(layout.offices))
    for n, category in enumerate(CATEGORIES):
        np.add.at(load, layout.route(category), demand.usual[n].sum(axis=1))
    large = load >= 0.5 * load[load > 0].mean()
    able = [
        office.code
        for office, enough in zip(layout.offices, large, strict=True)
        if enough and office.parent is not None and office.tier in (Tier.TOWN, Tier.COUNTY)
    ]
    return str(rng.choice(able))
