"""What the offices of a simulated city can do: crews, hours, leave, short staffing, the planted failure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from data.clock import Intervals
from data.synthetic.arrivals import hours_of_work
from data.synthetic.demand import Floats
from data.synthetic.plan import CityPlan
from data.synthetic.setting import Setting

# Work per capacity, spread evenly over the offices in a random order. Above 1 on paper: cases that fall
# away, and crews that hurry, make up for it, up to a point.
_EASIEST, _HARDEST = 1.06, 1.28
_WEEKEND_CREWS: Final = 0.5
_SPRING_FESTIVAL: Final = date(2025, 1, 29)


@dataclass(frozen=True, slots=True)
class Desk:
    """One office's working time, weighted by how much of its staff is there.

    Work is counted in seconds of a full crew. `position` is how much a crew can have done by a moment,
    `moment` when it has done that much. Within a stretch `[starts[i], ends[i])` a crew works at `rate[i]`.
    """

    crews: int
    starts: list[int]
    ends: list[int]
    rate: list[float]
    before: list[float]
    day_of_work: float  # what the whole office usually does in a working day, in crew seconds
    worked_share: float  # of all days

    def position(self, moment: float) -> float:
        """How much work one crew can have done before `moment`."""
        index = bisect_right(self.starts, moment) - 1
        if index < 0:
            return 0.0
        return self.before[index] + (min(moment, self.ends[index]) - self.starts[index]) * self.rate[index]

    def moment(self, position: float) -> float:
        """When one crew has done this much work; infinity if the calendar ends first."""
        index = bisect_left(self.before, position) - 1
        if index >= len(self.starts):
            return float("inf")
        index = max(index, 0)
        return self.starts[index] + (position - self.before[index]) / self.rate[index]

    def opens(self, moment: float) -> float:
        """Give the moment itself if the office works then, and the next that it does otherwise."""
        index = bisect_right(self.starts, moment) - 1
        if index >= 0 and moment < self.ends[index]:
            return moment
        return self.starts[index + 1] if index + 1 < len(self.starts) else float("inf")

    def done(self, moment: float, seconds: float) -> float:
        """When a crew that begins at `moment` has done `seconds` of work."""
        return self.moment(self.position(moment) + seconds)


def staff_offices(setting: Setting, rng: np.random.Generator) -> list[Desk]:
    """Give every office crews for the work it can expect, its own degree of comfort, its ups and downs."""
    plan, layout, truth = setting.plan, setting.layout, setting.truth
    work = hours_of_work(setting.demand.usual, layout) * 3600
    strain = np.empty(len(layout.offices))
    strain[rng.permutation(len(strain))] = np.linspace(_EASIEST, _HARDEST, len(strain))
    _make_ordinary(strain, layout.office(truth.failing_office))
    desks = []
    for n, office in enumerate(layout.offices):
        presence = _presence(plan, office.on_duty, work[n], rng)
        kept = np.ones(len(presence))
        if office.code == truth.failing_office:
            kept[plan.warm_up_days + plan.failing_day :] = truth.failing_capacity_kept
        # An office without cases of its own is there for what others hand up to it.
        needed = work[n].sum() / strain[n] if work[n].any() else 0.012 * work.sum()
        calendar = setting.calendars.duty if office.on_duty else setting.calendars.desk
        desks.append(_desk(plan, calendar.intervals, presence, kept, needed))
    return desks


def _make_ordinary(strain: Floats, failing: int) -> None:
    """Let the office that will fail change places with a comfortable one: it must have something to lose."""
    ordinary = np.argsort(strain)[len(strain) // 4]
    strain[[failing, ordinary]] = strain[[ordinary, failing]]


def _desk(plan: CityPlan, open_hours: Intervals, presence: Floats, kept: Floats, needed: float) -> Desk:
    starts, ends = open_hours.starts, open_hours.ends
    day = (starts - plan.moment(-plan.warm_up_days)) // 86_400
    simulated = day < len(presence)
    day = np.minimum(day, len(presence) - 1)
    there = ((ends - starts) * presence[day])[simulated].sum()
    # Small offices have two crews at least; with one, a single long job would hold up everything.
    crews = max(2, round(needed / there))
    pace = needed / there / crews * plan.capacity
    rate = presence[day] * kept[day] * pace
    before = np.concatenate(([0.0], np.cumsum((ends - starts) * rate)))
    worked = len(np.unique(day[simulated]))
    return Desk(
        crews=crews,
        starts=starts.tolist(),
        ends=ends.tolist(),
        rate=rate.tolist(),
        before=before.tolist(),
        day_of_work=needed * plan.capacity / worked,
        worked_share=worked / len(presence),
    )


def _presence(plan: CityPlan, on_duty: bool, work: Floats, rng: np.random.Generator) -> Floats:
    """Share of its staff that an office has each day: plans, leave, holidays, spells of short staffing."""
    dates = pd.DatetimeIndex(pd.to_datetime(plan.dates))
    smooth = pd.Series(work).rolling(57, center=True, min_periods=1).mean().to_numpy()
    season = (smooth / smooth.mean()) ** 0.7 if work.any() else np.ones(len(dates))
    leave = np.zeros(len(dates))
    for day in range(1, len(dates)):
        leave[day] = 0.9 * leave[day - 1] + rng.normal(0, 0.025)
    from_festival = (dates - pd.Timestamp(_SPRING_FESTIVAL)).days.to_numpy()
    travelling = np.where((from_festival > -9) & (from_festival < 14), 0.82, 1.0)
    weekend = np.where((dates.day_of_week >= 5) & on_duty, _WEEKEND_CREWS, 1.0)
    short = np.ones(len(dates))
    for _ in range(rng.poisson(2.5 * len(dates) / 365)):
        begin, length = rng.integers(0, len(dates)), rng.integers(7, 18)
        short[begin : begin + length] = rng.uniform(0.65, 0.8)
    return np.asarray(season * np.clip(1 + leave, 0.8, 1.2) * travelling * weekend * short)
