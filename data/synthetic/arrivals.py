"""The cases of a simulated city as they come in: when, what, where, by which channel, promised for when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.clock import Moments, ServiceStandard
from data.schema import Channel
from data.synthetic.calendars import Calendars
from data.synthetic.catalogue import CATEGORIES
from data.synthetic.demand import Floats
from data.synthetic.plan import Layout
from data.synthetic.setting import Setting
from data.synthetic.truth import rising_extra

CHANNELS: Final = (Channel.PHONE, Channel.WEB, Channel.APP, Channel.COUNTER, Channel.STAFF)
_PHONE, _APP, _COUNTER, _STAFF = 0, 2, 3, 4
_CHANNEL_SHARES: Final = (0.58, 0.13, 0.16, 0.13)
_ROLLOUT_SHARE: Final = 0.5  # of those who would have used the phone

_HOURS: Final = np.array(
    [6, 3, 2, 1, 2, 5, 14, 32, 62, 85, 92, 80, 55, 60, 78, 82, 76, 66, 52, 46, 42, 32, 20, 11], dtype=float
)


@dataclass(frozen=True, slots=True)
class Cases:
    """All cases, sorted by opening, those of the warm-up included: one array entry each.

    `category`, `village` and `channel` are positions in `CATEGORIES`, `Layout.villages` and `CHANNELS`;
    `office` (where the case is sent) and `right_office` positions in `Layout.offices`. Moments are seconds
    since 1970, UTC.
    """

    opened_at: Moments
    due_at: Moments
    category: Moments
    village: Moments
    channel: Moments
    office: Moments
    right_office: Moments

    def __len__(self) -> int:
        return len(self.opened_at)

    @property
    def at_once(self) -> np.ndarray:
        """Which cases are notes that crews make of work already done: bool."""
        return np.asarray(self.channel == _STAFF)


def service_standards() -> dict[str, ServiceStandard]:
    """Give the promise of each category. Hours are counted in the duty calendar, days in the desks'."""
    return {
        category.code: ServiceStandard(category.code, None, category.amount, category.unit) for category in CATEGORIES
    }


def due_moments(category: np.ndarray, opened_at: Moments, calendars: Calendars) -> Moments:
    """Find when cases fall due, by the service standard of their category."""
    due = np.zeros(len(opened_at), dtype=np.int64)
    standards = service_standards()
    for n, spec in enumerate(CATEGORIES):
        calendar = calendars.duty if spec.unit == "hours" else calendars.desk
        rows = category == n
        due[rows] = standards[spec.code].due_at(opened_at[rows], calendar)
    return due


def open_cases(setting: Setting, rng: np.random.Generator) -> Cases:
    """Draw the cases from the demand, and give each its channel, its office and its deadline."""
    plan, layout = setting.plan, setting.layout
    opened, category, village = _draw(setting, rng)
    kept = opened < plan.end
    order = np.lexsort((village[kept], category[kept], opened[kept]))
    opened, category, village = (values[kept][order] for values in (opened, category, village))
    right = np.stack([layout.route(spec) for spec in CATEGORIES])[category, village]
    channel = _channels(setting, opened, category, village, rng)
    # At a counter somebody can ask back; a web form cannot. Crews know whose work they have done.
    chance = np.array([spec.astray for spec in CATEGORIES])[category]
    chance = chance * np.array([1.0, 1.6, 1.3, 0.4, 0.0])[channel]
    astray = rng.random(len(right)) < chance
    return Cases(
        opened_at=opened,
        due_at=due_moments(category, opened, setting.calendars),
        category=category,
        village=village,
        channel=channel,
        office=np.where(astray, _wrong_office(layout, right, village), right),
        right_office=right,
    )


def _draw(setting: Setting, rng: np.random.Generator) -> tuple[Moments, Moments, Moments]:
    """Draw when, what and where: cases of the same cell lie together."""
    plan = setting.plan
    # The planted cases come evenly and not by chance: whether the rise goes on to the last week is a
    # question to the detector and not to luck. They take nothing from the stream of the others, which stay
    # as they were.
    planted = rising_extra(plan, setting.layout, setting.demand, setting.truth).cumsum(axis=2)
    extra = np.diff(np.floor(planted + 0.5), axis=2, prepend=0).astype(np.int64)
    counted = rng.poisson(setting.demand.actual) + extra
    cells = np.indices(counted.shape).reshape(3, -1)
    category, village, day = (axis.repeat(counted.ravel()) for axis in cells)
    opened = plan.moment(-plan.warm_up_days) + day * 86_400 + _time_of_day(len(day), rng)
    return opened, category, village


def _time_of_day(count: int, rng: np.random.Generator) -> Moments:
    hour = rng.choice(24, size=count, p=_HOURS / _HOURS.sum())
    return np.asarray(hour * 3600 + rng.integers(0, 3600, count), dtype=np.int64)


def _channels(
    setting: Setting, opened: Moments, category: Moments, village: Moments, rng: np.random.Generator
) -> Moments:
    """Draw the channels: no counter at night, and the decoy of a channel that is rolled out in one town."""
    layout, truth, calendars = setting.layout, setting.truth, setting.calendars
    channel = rng.choice(4, size=len(opened), p=_CHANNEL_SHARES)
    closed_desk = calendars.desk.working_seconds_between(opened, opened + 1) == 0
    channel[(channel == _COUNTER) & closed_desk] = _PHONE
    towns = np.array([code.rpartition("-")[0] for code in layout.villages])
    offered = (towns[village] == truth.rollout_area) & (opened >= truth.rollout_since)
    switch = rng.random(len(opened)) < _ROLLOUT_SHARE
    channel[(channel == _PHONE) & offered & switch] = _APP
    at_work = calendars.duty.working_seconds_between(opened, opened + 1) > 0
    at_once = np.array([spec.at_once for spec in CATEGORIES])[category]
    channel[(rng.random(len(opened)) < at_once) & at_work] = _STAFF
    return np.asarray(channel, dtype=np.int64)


def _wrong_office(layout: Layout, right: Moments, village: Moments) -> Moments:
    """Name where a case goes astray: to the town's own office, or from there to the county's centre."""
    town_office = np.array([layout.office(f"T-{town + 1:02d}") for town in layout.town_of_village])[village]
    return np.where(right == town_office, layout.office("K-00"), town_office)


def hours_of_work(demand: Floats, layout: Layout) -> Floats:
    """Add up the crew hours that cases bring to each office each day: shape (offices, days)."""
    load = np.zeros((len(layout.offices), demand.shape[2]))
    for n, spec in enumerate(CATEGORIES):
        # Waiting for others, and answers that do not hold, bring crews back.
        again = 1 + 0.4 * spec.waits + 0.05
        np.add.at(load, layout.route(spec), demand[n] * spec.work * again * (1 - spec.at_once))
    return load
