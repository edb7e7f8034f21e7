"""Why a case falls due when it does: every stretch of time from the start of the clock to the deadline, and what of it
counted.

The steps of a run lie end to end: no second is told twice or left out. What they count adds up to what was promised,
and the last of them ends at the deadline; `Trace.recomputed` works that out from the steps alone. The counting here
goes day by day (`data.clock_count`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.clock_count import STRETCHES, Count, StepKind, merged
from data.clock_story import Run, Story, tell
from data.errors import UsageError
from data.event_log import NEVER
from data.service_clock import Promise, ServiceClock, State
from data.service_clock_due import DayMeasure
from data.service_clock_file import ClockName


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace.

    Attributes
    ----------
    kind : what it is
    run : which run of the clock, from 1
    at, until : int seconds in UTC; `until` is None for what has no length
    counted, total : what it counts and the sum so far, in seconds for a promise in hours and in days for one in days;
        None for a step that is no stretch of time
    detail : more, as plain values; see `to_dict`
    """

    kind: StepKind
    run: int
    at: int
    until: int | None = None
    counted: int | None = None
    total: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one clock of one case.

    Attributes
    ----------
    case_id, clock : whose
    time_zone : in which dates are told
    as_of : int seconds in UTC; only what was known before is told
    steps : in the order of time, run by run
    due_at : the deadline of the newest run, NEVER where there is none
    state : of the newest run
    standards_sha256 : of the file of standards
    """

    case_id: str
    clock: ClockName
    time_zone: str
    as_of: int
    steps: tuple[Step, ...]
    due_at: int
    state: State
    standards_sha256: str

    @property
    def runs(self) -> int:
        """How often the clock was started."""
        return max((step.run for step in self.steps), default=0)

    def recomputed(self, run: int | None = None) -> int:
        """Work the deadline of a run (None: the newest) out from its steps alone; NEVER where nothing was promised.

        Raises
        ------
        UsageError
            If the steps overlap, leave a gap, or do not add up to what was promised.
        """
        own = [step for step in self.steps if step.run == (self.runs if run is None else run)]
        promised = next((step.detail["promised"] for step in reversed(own) if step.kind == "standard"), None)
        stretches = [step for step in own if step.kind in STRETCHES]
        if promised is None or not any(step.kind == "due" for step in own):
            return NEVER
        reached, total = own[0].at, 0
        for step in stretches:
            total += step.counted or 0
            if step.at != reached or step.until is None or step.total != total:
                raise UsageError(f"Expected steps that lie end to end and add up; the one at {step.at} does not.")
            reached = step.until
        if total != promised:
            raise UsageError(f"Expected steps that add up to {promised}, got {total}.")
        return reached

    def sentences(self, language: Literal["zh", "en"]) -> list[str]:
        """The steps in words, one sentence each, with local dates."""
        from data.clock_trace_text import sentences  # noqa: PLC0415  # words need the steps, and not the other way round

        return sentences(self, language)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; moments as seconds in UTC and as local ISO text, NEVER as null."""
        zone = ZoneInfo(self.time_zone)
        return {
            "case_id": self.case_id,
            "clock": self.clock,
            "time_zone": self.time_zone,
            "as_of": _told(self.as_of, zone),
            "due_at": _told(self.due_at, zone),
            "state": self.state,
            "runs": self.runs,
            "standards_sha256": self.standards_sha256,
            "steps": [
                {
                    "kind": step.kind,
                    "run": step.run,
                    "at": _told(step.at, zone),
                    "until": None if step.until is None else _told(step.until, zone),
                    "counted": step.counted,
                    "total": step.total,
                    **step.detail,
                }
                for step in self.steps
            ],
        }


def explain(
    clock: ServiceClock,
    events: pd.DataFrame,
    offices: pd.DataFrame | None = None,
    *,
    as_of: int,
    which: ClockName = "resolve",
) -> Trace:
    """Tell how the deadline of one case comes about.

    Parameters
    ----------
    clock : ServiceClock
    events : DataFrame with `data.schema.EVENT_COLUMNS`, the events of one case
    offices : DataFrame with `office` and `tier`; None: no tier is known
    as_of : int, seconds in UTC; only events known strictly before it are used
    which : the clock to tell of

    Raises
    ------
    InputError
        If no event of the case was known before `as_of`.
    UsageError
        If the file has no such clock.
    """
    if which not in clock.clocks:
        raise UsageError(f"These standards have no clock '{which}'. They have: {', '.join(clock.clocks)}.")
    story = tell(events, offices, clock.rules(which), as_of)
    steps: list[Step] = []
    due, state = NEVER, "not_started"
    zone = next(iter(clock.calendars.values())).settings.time_zone
    for number, run in enumerate(story.runs, 1):
        told = _Teller(clock, which, story, run, number)
        steps += told.steps
        due, state, zone = told.due, told.state, told.time_zone or zone
    case_id = str(events["case_id"].iloc[0])
    return Trace(case_id, which, zone, as_of, tuple(steps), due, state, clock.sha256)  # type: ignore[arg-type]


class _Teller:
    """One run, told. `steps`, `due` and `state` are what comes out."""

    def __init__(self, clock: ServiceClock, which: ClockName, story: Story, run: Run, number: int) -> None:
        self.clock, self.which, self.story, self.run, self.number = clock, which, story, run, number
        self.due, self.time_zone = NEVER, ""
        promise, chosen_by = self._find(run.tier)
        first = [
            self._step("started", run.started_at, by=run.started_by.value),
            self._standard(run.started_at, promise, chosen_by, run.tier),
        ]
        self.promise, notes = self._hand_overs(promise)
        stretches = self._count()
        if self.promise is not None:
            self.time_zone = self.promise.calendar.settings.time_zone
            if isinstance(self.promise.measure, DayMeasure):
                # Whole days are told as counted or not; from when to when it was paused would be lost.
                notes += [self._step("pause", begin, until=end) for begin, end in run.pauses]
        self.state = self._state()
        due, ended = self._deadline(), self._ended()
        self.steps = [*first, *sorted([*stretches, *due, *notes], key=self._place), ended]

    # ---- which standard ----

    def _find(self, tier: str | None) -> tuple[Promise | None, tuple[str, ...]]:
        return self.clock.find(self.which, self.story.category, tier, self.story.channel)

    def _standard(self, at: int, promise: Promise | None, chosen_by: tuple[str, ...], tier: str | None) -> Step:
        if promise is None:
            return self._step("standard", at, standard=None, unit="none", promised=None)
        each = 1 if isinstance(promise.measure, DayMeasure) else 3600
        return self._step(
            "standard",
            at,
            standard=promise.number,
            amount=promise.amount,
            unit=promise.unit,
            promised=None if promise.unit == "none" else promise.amount * each,
            calendar=promise.calendar.name,
            chosen_by=list(chosen_by),
            category=self.story.category,
            tier=tier,
            channel=self.story.channel,
            while_paused=self.clock.rules(self.which).while_paused,
            note=promise.standard.note,
        )

    def _hand_overs(self, promise: Promise | None) -> tuple[Promise | None, list[Step]]:
        """Each hand-over with what it does, and the promise that holds in the end."""
        takes = self.clock.rules(self.which).hand_over == "takes_tier"
        steps = []
        for move in self.run.moves:
            new, chosen_by = self._find(move.tier) if takes else (None, ())
            effect = "goes_on"
            if new is not None and new is not promise:
                # A promise that is broken already stays broken, whoever takes the case over.
                effect = "too_late" if move.at >= self._due_by(promise) else "takes_tier"
            steps.append(self._step("hand_over", move.at, by=move.kind.value, tier=move.tier, effect=effect))
            if effect == "takes_tier":
                promise = new
                steps.append(self._standard(move.at, new, chosen_by, move.tier))
        return promise, steps

    def _due_by(self, promise: Promise | None) -> int:
        stretches = None if promise is None else Count(promise, self.run).stretches()
        return NEVER if stretches is None else stretches[-1].until

    # ---- how it was counted ----

    def _count(self) -> list[Step]:
        stretches = None if self.promise is None else Count(self.promise, self.run).stretches()
        if stretches is None:
            return []
        self.due = stretches[-1].until
        steps, total = [], 0
        for one in merged(stretches):
            total += one.counted
            detail: dict[str, Any] = {"days": one.days} if one.days else {}
            if one.lost:
                detail["lost"] = one.lost
            steps.append(Step(one.kind, self.number, one.at, one.until, one.counted, total, detail))
        return steps

    def _state(self) -> State:
        run, until = self.run, min(self.run.ended_at, self.story.as_of)
        if self.promise is None or self.promise.unit == "none":
            return "not_promised"
        if self.due == NEVER:
            return "not_known"
        if until > self.due:
            return "missed"
        if run.ended_by is not None:
            return "fallen_away" if run.fell_away else "met"
        return "paused" if run.paused_now else "running"

    def _deadline(self) -> list[Step]:
        if self.due < NEVER:
            return [self._step("due", self.due)]
        if self.state == "not_known" and self.promise is not None:
            last = self.promise.calendar.working.last.isoformat()
            return [self._step("not_known", self.run.started_at, calendar_ends=last)]
        return []

    def _ended(self) -> Step:
        """How the run ended, or how it stands."""
        if self.run.ended_by is not None:
            return self._step("stopped", self.run.ended_at, by=self.run.ended_by.value, state=self.state)
        used, left = self._used_and_left()
        return self._step("now", self.story.as_of, state=self.state, used_seconds=used, left_seconds=left)

    def _place(self, step: Step) -> int:
        """Where a step is told: a pause before the days that it takes out, the rest in the order of time."""
        if step.kind == "not_known":
            return NEVER
        if step.kind != "pause" or self.promise is None:
            return step.at
        working = self.promise.calendar.working
        return int(working.midnights[working.day_of(step.at)]) - 1 if working.covers(step.at) else step.at

    def _used_and_left(self) -> tuple[int | None, int | None]:
        until = min(self.run.ended_at, self.story.as_of)
        if self.promise is None or self.due == NEVER or not self.promise.measure.covers(np.array([until])).all():
            return None, None
        running = self.promise.measure.running
        stood = sum(int(running.seconds_between(begin, end)) for begin, end in self.run.pauses)
        used = int(running.seconds_between(self.run.started_at, until)) - stood
        return used, int(running.seconds_between(until, self.due))

    def _step(self, kind: StepKind, at: int, *, until: int | None = None, **detail: Any) -> Step:
        return Step(kind, self.number, at, until, None, None, detail)


def _told(moment: int, zone: ZoneInfo) -> dict[str, Any] | None:
    if moment == NEVER:
        return None
    return {"seconds": moment, "local": datetime.fromtimestamp(moment, zone).isoformat()}
