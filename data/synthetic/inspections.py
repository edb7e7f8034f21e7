"""Inspections of places and public assets: what was found before people had to call about it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from data.synthetic.catalogue import ASSETS
from data.synthetic.demand import Demand
from data.synthetic.plan import CityPlan, Layout
from data.synthetic.truth import PlantedTruth

_PER_WEEK: Final = 0.32  # visits per village and kind of asset, about 3,000 a year in the full city
# A finding shows the state of two weeks on: what is found today is what will be called about.
_AHEAD_WEEKS: Final = 2
_SEVERITY_FROM: Final = (0.12, 0.34, 0.56)


def inspect_places(
    plan: CityPlan, layout: Layout, demand: Demand, truth: PlantedTruth, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the year's inspections.

    Returns
    -------
    DataFrame sorted by (`known_at`, `inspection_id`) with `inspection_id`, `area`, `asset_kind`,
        `related_category`, `at` and `known_at` (seconds since 1970 in UTC, before the end of the plan),
        `severity` (0 nothing found, 1 minor, 2 serious, 3 dangerous).
    """
    state = demand.condition[:, :, _AHEAD_WEEKS:]
    state = state + _planted(plan, layout, truth, state.shape)
    visits = rng.poisson(_PER_WEEK, state.shape)
    asset, village, week = (axis.repeat(visits.ravel()) for axis in np.indices(state.shape).reshape(3, -1))
    day = week * 7 + rng.integers(0, 5, len(week))
    at = plan.moment(-plan.warm_up_days) + day * 86_400 + rng.integers(9 * 3600, 17 * 3600, len(week))
    known = at + np.where(rng.random(len(at)) < 0.3, rng.integers(3600, 2 * 86_400, len(at)), 600)
    seen = state[asset, village, week] + rng.normal(0, 0.2, len(at))
    found = pd.DataFrame(
        {
            "area": np.array(layout.villages)[village],
            "asset_kind": np.array(list(ASSETS))[asset],
            "related_category": np.array(list(ASSETS.values()))[asset],
            "at": at,
            "known_at": known,
            "severity": np.searchsorted(_SEVERITY_FROM, seen).astype(np.int64),
        }
    )
    found = found[(found["at"] >= plan.start) & (found["known_at"] < plan.end)]
    found = found.sort_values(["known_at", "area", "asset_kind"], kind="stable", ignore_index=True)
    found.insert(0, "inspection_id", [f"I-{n + 1:05d}" for n in range(len(found))])
    return found


def _planted(plan: CityPlan, layout: Layout, truth: PlantedTruth, shape: tuple[int, ...]) -> np.ndarray:
    """Make the planted problem show in its assets before it does in cases, where its category has assets."""
    extra = np.zeros(shape)
    if truth.rising_category in ASSETS.values():
        asset = list(ASSETS.values()).index(truth.rising_category)
        village = layout.villages.index(truth.rising_area)
        begin = (plan.warm_up_days + plan.days - plan.rise_days) // 7 - _AHEAD_WEEKS
        extra[asset, village, begin:] = 0.35 * np.log(np.maximum(truth.rising_factors[1], 1))
    return extra
