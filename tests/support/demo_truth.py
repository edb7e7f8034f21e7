"""The simulated city with its truth: stopped on a morning, and continued from there with fresh luck, again and again.

Nothing in the simulator draws whether a case is late, so its true probability has no formula; it is the share of
futures in which the case is late. What had happened before the morning stays, with all that waits in every queue.
Staffing, weather and the habits of the desks stay the city's own: they are its circumstances, and no luck of a case.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import cache
from heapq import heapify, heappop
from pathlib import Path

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.import_cases import import_file
from data.mapping import find_mapping
from data.privacy import case_ids
from data.schema import EventKind
from data.store import Store
from data.synthetic import CityPlan, PlantedTruth, simulate_city, write_city
from data.synthetic.arrivals import Cases, open_cases
from data.synthetic.calendars import make_calendars
from data.synthetic.catalogue import CATEGORIES
from data.synthetic.city import _known_at, _references
from data.synthetic.demand import expect_demand
from data.synthetic.fates import Fates, Luck, draw_fates
from data.synthetic.plan import lay_out
from data.synthetic.queues import _ARRIVE, _CLOSED, _ELSEWHERE, Log, Queues
from data.synthetic.setting import Setting
from data.synthetic.staffing import Desk, staff_offices
from data.synthetic.truth import plant
from features.landmarks import landmarks_now
from features.risk_inputs import RiskInputs, possible
from models.failures import FailureModels
from models.learning import train
from service.known import Known
from service.scoring import _inputs
from service.training import history_of

DAY = 86_400
MORNING_HOUR = 7
HORIZON = 46  # days; the longest promise is thirty, and a holiday may lie in it
_ENDS = (EventKind.CLOSED, EventKind.DUPLICATE, EventKind.WITHDRAWN)


@dataclass(frozen=True)
class City:
    """A city with what stands behind its export."""

    setting: Setting
    desks: list[Desk]
    cases: Cases
    fates: Fates
    habit: np.ndarray  # which categories its desks like, (categories,)
    log: Log
    ended_at: np.ndarray  # first end of each case, or the largest int

    @property
    def late(self):
        return (self.ended_at > self.cases.due_at).astype(float)


def first_ends(log, count):
    """When each case first ended, by its own clock and not by when that was recorded."""
    ended = np.full(count, np.iinfo(np.int64).max)
    for case, kind, at in zip(log.case, log.kind, log.at, strict=True):
        if kind in _ENDS and at < ended[case]:
            ended[case] = at
    return ended


def fates_and_habit(cases, calendars, rng):
    """The fates, and the habit of the desks that they were drawn with."""
    again = deepcopy(rng)
    again.normal(0, 1, len(cases))
    return draw_fates(cases, calendars, rng), again.normal(0, 0.12, len(CATEGORIES))


@cache
def simulate(seed, luck=None, plan=None):
    """The city of `simulate_city`, with what stands behind its export; with `luck`, other cases in the same city."""
    plan = plan or CityPlan()
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(7)]
    layout = lay_out(plan, streams[0])
    demand = expect_demand(plan, layout, streams[1])
    setting = Setting(plan, layout, demand, plant(plan, layout, demand, streams[2]), make_calendars(plan.dates[0]))
    desks = staff_offices(setting, streams[4])
    chance = streams[3], streams[5]
    if luck is not None:
        chance = [np.random.default_rng(part) for part in np.random.SeedSequence([seed, luck]).spawn(2)]
    cases = open_cases(setting, chance[0])
    fates, habit = fates_and_habit(cases, setting.calendars, chance[1])
    queues = Queues(layout, desks, cases, fates)
    queues.run(cases.at_once, plan.end)
    return City(setting, desks, cases, fates, habit, queues.log, first_ends(queues.log, len(cases)))


def spliced(first, second, mine, theirs):
    """Cases of the first mask, then those of the second."""
    return Cases(
        *(np.concatenate((getattr(first, f.name)[mine], getattr(second, f.name)[theirs])) for f in fields(Cases))
    )


class Morning:
    """A city stopped at a moment; cases opened before `kept_until` are in every future."""

    def __init__(self, city, moment, kept_until=None):
        self.city, self.begin = city, moment
        self.kept_until = moment if kept_until is None else kept_until
        self.stopped = Queues(city.setting.layout, city.desks, city.cases, city.fates)
        self.stopped.run(city.cases.at_once, moment)
        self.past, self.asked = (int(np.searchsorted(city.cases.opened_at, at)) for at in (moment, self.kept_until))

    def future(self, rng, *, renew=False, days=HORIZON):
        """One future as (log of what happens from the morning on, its cases, its fates).

        `renew`: of cases that are open on the morning, what chance had not been asked yet is drawn anew too.
        """
        setting, old = self.city.setting, self.city.cases
        fresh = open_cases(setting, rng)
        cases = spliced(old, fresh, old.opened_at < self.kept_until, fresh.opened_at >= self.kept_until)
        drawn, habit = fates_and_habit(cases, setting.calendars, rng)
        promised = (cases.due_at - cases.opened_at).astype(float)
        urgency = np.array(drawn.urgency) + promised * (self.city.habit - habit)[cases.category]
        drawn = replace(drawn, urgency=urgency.tolist())
        fates = Fates(
            *(
                list(getattr(self.city.fates, f.name)[: self.past]) + getattr(drawn, f.name)[self.past :]
                for f in fields(Fates)
            )
        )
        if renew:
            self._renew(fates, drawn)
        queues = self.resumed(cases, fates)
        run_until(queues, min(self.begin + days * DAY, setting.plan.end))
        return queues.log, cases, fates

    def _renew(self, fates, drawn):
        """What had been asked by the morning stays: of a case on a desk its work, its urgency, its early luck."""
        asked_later = (Luck.PAUSE, Luck.REOPEN, Luck.ANSWER, Luck.RECORD_LATE)
        for case in range(self.past):
            place = self.stopped.place[case]
            if place == _CLOSED:
                continue
            fates.wait[case], fates.again_after[case] = drawn.wait[case], drawn.again_after[case]
            if place == _ELSEWHERE:
                fates.work[case], fates.urgency[case] = drawn.work[case], drawn.urgency[case]
                kept = fates.luck[case][Luck.PLACE_UNKNOWN]
                fates.luck[case] = [*drawn.luck[case]]
                fates.luck[case][Luck.PLACE_UNKNOWN] = kept
            else:
                fates.luck[case] = [
                    (drawn if question in asked_later else fates).luck[case][question] for question in Luck
                ]

    def resumed(self, cases, fates):
        """The offices as they stood on the morning, with other cases and fates to come."""
        queues, stopped, past = Queues(self.city.setting.layout, self.city.desks, cases, fates), self.stopped, self.past
        for name in ("place", "visit", "rushed", "asked_again", "office"):
            getattr(queues, name)[:past] = getattr(stopped, name)[:past]
        for case in range(past):
            if stopped.place[case] != _ELSEWHERE:
                queues.left[case] = stopped.left[case]
        # How long cases are usually promised is a trait of an office, whatever cases come.
        for name in ("free", "waiting_work", "patience"):
            setattr(queues, name, list(getattr(stopped, name)))
        queues.queue = [list(waiting) for waiting in stopped.queue]
        queues.next = [entry for entry in stopped.next if entry[1] < past]
        at_once = cases.at_once
        for case in range(past, len(cases)):
            if at_once[case]:
                queues.place[case] = _CLOSED
            else:
                queues.next.append((fates.arrives_at[case], case, _ARRIVE))
        heapify(queues.next)
        return queues


def run_until(queues, end):
    """Let everything happen that happens before `end`."""
    while queues.next and queues.next[0][0] < end:
        moment, case, act = heappop(queues.next)
        queues.acts[act](case, moment)


@dataclass(frozen=True)
class Waited:
    """What becomes of n open cases after a morning; seconds in UTC, `NEVER` for what is not seen."""

    answered_at: np.ndarray  # known to be closed or called a duplicate
    fallen_at: np.ndarray  # known to be withdrawn

    def late(self, due_at):
        """By the definition of the outcome: nothing was answered by the promise, and nobody withdrew it."""
        return (np.minimum(self.answered_at, self.fallen_at) > due_at).astype(float)

    @property
    def ended_at(self):
        return np.minimum(self.answered_at, self.fallen_at)


def waited(log, cases, fates, numbers, moment):
    """What is known of the cases `numbers` at the moment or later."""
    case, at = np.array(log.case, dtype=np.int64), np.array(log.at, dtype=np.int64)
    wanted = np.isin(case, numbers)
    kind = np.array([entry.value for entry in log.kind], dtype=object)[wanted]
    case, at = case[wanted], at[wanted]
    known = _known_at(cases, fates, case, kind, at)
    firsts = []
    for kinds in ((EventKind.CLOSED, EventKind.DUPLICATE), (EventKind.WITHDRAWN,)):
        chosen = np.isin(kind, [one.value for one in kinds]) & (known >= moment)
        first = np.full(len(cases), NEVER, dtype=np.int64)
        np.minimum.at(first, case[chosen], known[chosen])
        firsts.append(first[numbers])
    return Waited(*firsts)


def joined(first, second):
    """Two logs, one after the other."""
    return Log(*(getattr(first, f.name) + getattr(second, f.name) for f in fields(Log)))


@dataclass(frozen=True)
class Learned:
    """A city in a store, and the models that heed makes of what was known of it on a morning."""

    city: City
    store: Store
    numbers: pd.Series  # case_id -> number of the case in the simulator
    models: FailureModels

    @property
    def truth(self) -> PlantedTruth:
        return self.city.setting.truth


def stored(seed, plan, folder):
    """The city as its export tells of it, imported through the door; (city, open store, numbers of its cases)."""
    exported = simulate_city(seed, plan)
    paths = write_city(exported, folder)
    store = Store.open(f"sqlite:///{Path(folder) / 'city.db'}", create=True)
    import_file(store, paths["events"], find_mapping("demo"), extracted_at=exported.end - 1)
    places = exported.areas, exported.offices, exported.categories, exported.inspections
    store.write_places(*places, exported.capacities)
    city = simulate(seed, plan=plan)
    return city, store, _numbers(city, store)


def _numbers(city, store):
    """Case ids of the store -> numbers of the cases in the simulator."""
    kept = np.flatnonzero(city.cases.opened_at >= city.setting.plan.start)
    references = pd.Series(_references(city.setting.plan, city.cases)[kept])
    source = store.sources()["source"].iloc[0]
    return pd.Series(kept, index=case_ids(store.case_key(), source, references).to_numpy())


def _of(log, numbers):
    """The events of some cases."""
    kept = np.flatnonzero(np.isin(np.array(log.case, dtype=np.int64), numbers)).tolist()
    return Log(*([getattr(log, f.name)[place] for place in kept] for f in fields(Log)))


def learned_city(seed, plan, day, folder):
    """Models of what was known on the morning of a day, by heed's own way from the store on."""
    city, store, numbers = stored(seed, plan, folder)
    history = history_of(store, as_of=plan.moment(day, MORNING_HOUR), outcomes=("late",))
    return Learned(city, store, numbers, train(history))


@dataclass(frozen=True)
class Asked:
    """The cases that were open on a morning and could still be late, (n,) each."""

    inputs: RiskInputs
    numbers: np.ndarray
    due_at: np.ndarray
    begin: int


def open_on(one: Learned, day) -> Asked:
    """What the morning's list holds, with the inputs that scoring works out."""
    moment = one.city.setting.plan.moment(day, MORNING_HOUR)
    known = Known.at(one.store, moment)
    rows = landmarks_now(known.events, moment)
    rows = rows[possible(rows, "late")].reset_index(drop=True)
    inputs = _inputs(one.models, known, rows, one.store.time_zone())
    numbers = one.numbers.reindex(rows["case_id"]).to_numpy("int64")
    return Asked(inputs, numbers, rows["due_at"].to_numpy("int64"), moment)


def futures(city, asked: Asked, rng, count) -> list[Waited]:
    """What becomes of the cases asked about up to the end of the plan, in so many futures."""
    morning = Morning(city, asked.begin)
    found = []
    for _ in range(count):
        log, cases, fates = morning.future(rng, renew=True, days=city.setting.plan.days)
        log = joined(_of(morning.stopped.log, asked.numbers), log)
        found.append(waited(log, cases, fates, asked.numbers, asked.begin))
    return found


def actual(city, asked: Asked) -> Waited:
    """What became of them in the city's own life."""
    return waited(city.log, city.cases, city.fates, asked.numbers, asked.begin)
