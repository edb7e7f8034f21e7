"""A simulated city from a seed: its places, its offices, a year of its cases, and what was planted in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data.capacity import CAPACITY_COLUMNS
from data.errors import UsageError
from data.schema import EventKind
from data.synthetic.arrivals import CHANNELS, Cases, due_moments, open_cases
from data.synthetic.calendars import TIME_ZONE, make_calendars
from data.synthetic.catalogue import CATEGORIES
from data.synthetic.demand import expect_demand
from data.synthetic.fates import Fates, Luck, draw_fates
from data.synthetic.inspections import inspect_places
from data.synthetic.plan import CityPlan, Layout, category_frame, lay_out
from data.synthetic.queues import Log, Queues
from data.synthetic.setting import Setting
from data.synthetic.staffing import Desk, staff_offices
from data.synthetic.truth import PlantedTruth, plant

_RECORDED_LATE: Final = 0.03
_AREA_UNKNOWN: Final = 0.008


@dataclass(frozen=True, slots=True)
class SimulatedCity:
    """One simulated city. `start` and `end` (the as-of) are seconds since 1970 in UTC.

    `events` is what the city would export: every event of the cases opened from `start` on that was known
    before `end`, with local times without a zone, sorted by (`known_at`, `at`, `reference`). Columns
    `reference`, `kind`, `at`, `known_at`, `due_at`, `category`, `category_group`, `area`, `channel`,
    `office`, `closing_reason`; null where an event says nothing about it. The other frames have the columns
    of the tables in `data.tables`, with times as seconds.
    """

    seed: int
    plan: CityPlan
    start: int
    end: int
    time_zone: str
    events: pd.DataFrame
    areas: pd.DataFrame
    offices: pd.DataFrame
    capacities: pd.DataFrame
    categories: pd.DataFrame
    inspections: pd.DataFrame
    truth: PlantedTruth


def simulate_city(seed: int, plan: CityPlan | None = None) -> SimulatedCity:
    """Simulate one city: the same seed and plan give identical frames.

    Parameters
    ----------
    seed : int, not negative
    plan : CityPlan, default the demonstration's

    Raises
    ------
    UsageError
        If the seed is negative, or the plan lies outside the built-in holidays.
    """
    if seed < 0:
        raise UsageError(f"Expected a seed of 0 or more, got {seed}.")
    plan = plan or CityPlan()
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(7)]
    layout = lay_out(plan, streams[0])
    demand = expect_demand(plan, layout, streams[1])
    truth = plant(plan, layout, demand, streams[2])
    setting = Setting(plan, layout, demand, truth, make_calendars(plan.dates[0]))
    cases = open_cases(setting, streams[3])
    desks = staff_offices(setting, streams[4])
    fates = draw_fates(cases, setting.calendars, streams[5])
    log = Queues(layout, desks, cases, fates).run(cases.at_once, plan.end)
    offices = _office_frame(layout, desks, cases, fates)
    return SimulatedCity(
        seed=seed,
        plan=plan,
        start=plan.start,
        end=plan.end,
        time_zone=TIME_ZONE,
        events=_export(setting, cases, fates, log),
        areas=layout.areas,
        offices=offices,
        capacities=_capacity_frame(plan, offices, truth),
        categories=category_frame(),
        inspections=inspect_places(plan, layout, demand, truth, streams[6]),
        truth=truth,
    )


def _export(setting: Setting, cases: Cases, fates: Fates, log: Log) -> pd.DataFrame:
    """The events as the city's own system would hand them over."""
    plan, layout = setting.plan, setting.layout
    case, at = np.array(log.case), np.array(log.at)
    kind = np.array([entry.value for entry in log.kind], dtype=object)
    opened, reopened = kind == EventKind.OPENED.value, kind == EventKind.REOPENED.value
    due = np.where(opened, cases.due_at[case], -1)
    due[reopened] = due_moments(cases.category[case[reopened]], at[reopened], setting.calendars)
    codes = np.array([*(office.code for office in layout.offices), None], dtype=object)
    events = pd.DataFrame(
        {
            "reference": _references(plan, cases)[case],
            "kind": kind,
            "at": at,
            "known_at": _known_at(cases, fates, case, kind, at),
            "due_at": due,
            **_said_at_opening(layout, cases, fates, case, opened),
            "office": codes[np.array(log.office)],
            "closing_reason": [None if reason is None else reason.value for reason in log.reason],
        }
    )
    kept = (cases.opened_at[case] >= plan.start) & (events["known_at"] < plan.end)
    events = events[kept].sort_values(["known_at", "at", "reference"], kind="stable", ignore_index=True)
    return _as_exported(events)


def _said_at_opening(
    layout: Layout, cases: Cases, fates: Fates, case: np.ndarray, opened: np.ndarray
) -> dict[str, np.ndarray]:
    """What an opening says of a case, and no other event repeats. A few places stay unknown."""
    values = {
        "category": np.array([spec.code for spec in CATEGORIES], dtype=object)[cases.category],
        "category_group": np.array([spec.group for spec in CATEGORIES], dtype=object)[cases.category],
        "area": np.array(layout.villages, dtype=object)[cases.village],
        "channel": np.array([channel.value for channel in CHANNELS], dtype=object)[cases.channel],
    }
    values["area"][fates.lucky(Luck.PLACE_UNKNOWN) < _AREA_UNKNOWN] = None
    said = {name: value[case] for name, value in values.items()}
    for value in said.values():
        value[~opened] = None
    return said


def _references(plan: CityPlan, cases: Cases) -> np.ndarray:
    """Running numbers within the year of opening; they say nothing else about a case."""
    local = pd.DatetimeIndex(pd.to_datetime(cases.opened_at, unit="s", utc=True)).tz_convert(TIME_ZONE)
    years = pd.Series(local.year)
    watched = pd.Series(cases.opened_at >= plan.start)
    number = watched.groupby(years).cumsum()
    return np.array([f"{year}-{n:06d}" for year, n in zip(years, number, strict=True)], dtype=object)


def _known_at(cases: Cases, fates: Fates, case: np.ndarray, kind: np.ndarray, at: np.ndarray) -> np.ndarray:
    """When the system knew: at once, but for the closings that somebody entered hours or days later."""
    luck = fates.lucky(Luck.RECORD_LATE)
    hours = 0.5 - 14 * np.log1p(-np.minimum(luck / _RECORDED_LATE, 0.99))
    delay = np.where((luck < _RECORDED_LATE) & ~cases.at_once, np.minimum(hours * 3600, 2 * 86_400), 0)
    known = pd.Series(at + np.where(kind == EventKind.CLOSED.value, delay[case], 0).astype(np.int64))
    # Nobody can know that a case was reopened before knowing that it was closed.
    return known.groupby(case).cummax().to_numpy()


def _as_exported(events: pd.DataFrame) -> pd.DataFrame:
    for name in ("at", "known_at", "due_at"):
        moments = pd.Series(pd.to_datetime(events[name].where(events[name] >= 0), unit="s", utc=True))
        events[name] = moments.dt.tz_convert(TIME_ZONE).dt.tz_localize(None).astype("datetime64[s]")
    for name in events.columns.difference(["at", "known_at", "due_at"]):
        events[name] = events[name].astype("str")
    return events


def _office_frame(layout: Layout, desks: list[Desk], cases: Cases, fates: Fates) -> pd.DataFrame:
    """The offices as a table, with the cases that each can do on a working day."""
    work = np.array(fates.work)
    mean = [
        float(work[own].mean()) if (own := cases.right_office == n).any() else float(work.mean())
        for n in range(len(layout.offices))
    ]
    return pd.DataFrame(
        {
            "office": [office.code for office in layout.offices],
            "parent": [office.parent for office in layout.offices],
            "tier": [office.tier.value for office in layout.offices],
            "name_zh": [office.name_zh for office in layout.offices],
            "name_en": [office.name_en for office in layout.offices],
            "capacity_per_day": [
                round(desk.day_of_work / seconds, 1) for desk, seconds in zip(desks, mean, strict=True)
            ],
        }
    )


def _capacity_frame(plan: CityPlan, offices: pd.DataFrame, truth: PlantedTruth) -> pd.DataFrame:
    """The capacities over time, as plans that were known when they began: only the failing office's changes."""
    first = offices[["office", "capacity_per_day"]].assign(from_at=plan.moment(-plan.warm_up_days))
    fallen = first[first["office"] == truth.failing_office].assign(from_at=truth.failing_since)
    fallen["capacity_per_day"] = (fallen["capacity_per_day"] * truth.failing_capacity_kept).round(2)
    frame = pd.concat([first, fallen], ignore_index=True)
    return frame.assign(known_at=frame["from_at"])[[*CAPACITY_COLUMNS]]
