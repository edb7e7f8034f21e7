"""Everything about a simulated city that stands before its first case."""

from __future__ import annotations

from dataclasses import dataclass

from data.synthetic.calendars import Calendars
from data.synthetic.demand import Demand
from data.synthetic.plan import CityPlan, Layout
from data.synthetic.truth import PlantedTruth


@dataclass(frozen=True, slots=True)
class Setting:
    """The plan, the places and offices, the expected demand, what is planted, and the calendars."""

    plan: CityPlan
    layout: Layout
    demand: Demand
    truth: PlantedTruth
    calendars: Calendars
