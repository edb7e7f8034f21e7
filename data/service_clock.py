"""The clock engine: what an office promised for each case, when it falls due, and whether the promise was kept.

A `ServiceClock` is a file of service standards put to work. It answers for many cases at once; `data.clock_trace`
tells for one case, step by step, how the answer comes about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.calendars import OfficeCalendar, build_calendar
from data.clock import Moments
from data.errors import UsageError
from data.event_log import NEVER
from data.service_clock_due import Mask, Measure, Pauses, PromiseUnit, measure
from data.service_clock_file import (
    CLOCKS,
    FALLS_AWAY,
    ClockName,
    ClockRules,
    Standard,
    StandardsFile,
    parse_standards,
)
from data.service_clock_runs import KINDS, TIERS, CaseLog, Codes, Runs, find_runs, read_log

if TYPE_CHECKING:
    from data.clock_trace import Trace

SHIPPED: Final = Path(__file__).parent / "standards"

State = Literal["not_started", "not_promised", "not_known", "running", "paused", "met", "missed", "fallen_away"]
STATES: Final[tuple[State, ...]] = (
    "not_started",
    "not_promised",
    "not_known",
    "running",
    "paused",
    "met",
    "missed",
    "fallen_away",
)

DUE_COLUMNS: Final = (
    "case_id",
    "clock",
    "run",
    "started_at",
    "due_at",
    "stopped_at",
    "state",
    "used_seconds",
    "left_seconds",
    "standard",
    "missed_before",
)


@dataclass(frozen=True)
class Promise:
    """One standard of a file, ready to be counted.

    Attributes
    ----------
    number : its place among the [[standards]] of the file, from 1
    amount, unit : what is promised; `unit` "none": nothing
    calendar : the calendar it is counted in
    measure : how it is counted
    """

    number: int
    standard: Standard
    amount: int
    unit: PromiseUnit | Literal["none"]
    calendar: OfficeCalendar
    measure: Measure

    def due(self, starts: Moments, pauses: Pauses, promised: Moments | None = None) -> Moments:
        """When promises that began at `starts` fall due, `NEVER` where the calendar ends first or nothing is promised.

        `promised` (int64 seconds in UTC) are deadlines, before any pause, that were promised already and hold whatever
        the standard says now; NEVER where there is none.
        """
        if self.unit == "none":
            return np.full(len(starts), NEVER, dtype=np.int64)
        base = self.measure.base(starts, self.amount)
        if promised is not None:
            # A limit may have moved off a day of rest: pauses count from where it was before, if that is known still.
            same = self.measure.settled(base, Pauses.none()) == promised
            base = np.where(same | (promised == NEVER), base, promised)
        return self.measure.settled(self.measure.postponed(base, starts, pauses), pauses)


class ServiceClock:
    """Service standards at work. Make one with `find_clock` or `ServiceClock.parse`.

    Attributes
    ----------
    file : StandardsFile, what the file says
    calendars : OfficeCalendar by name
    promises : Promise per standard, in the order of the file
    text : the file itself
    """

    def __init__(self, file: StandardsFile, text: str = "") -> None:
        self.file, self.text = file, text
        self.calendars: Mapping[str, OfficeCalendar] = {
            name: build_calendar(name, settings) for name, settings in file.calendars.items()
        }
        self.promises = tuple(self._promise(number, one) for number, one in enumerate(file.standards, 1))
        self._by_key: dict[tuple[str | None, ...], Promise] = {
            (promise.standard.clock, *key): promise for promise in self.promises for key in promise.standard.holds_for()
        }

    @classmethod
    def parse(cls, content: bytes | str, file: str = "standards") -> Self:
        """Read a file of service standards (TOML, UTF-8); `file` is its name in messages.

        Raises
        ------
        InputError
            If it is not one; the message names the place inside it and what is allowed there.
        UsageError
            If its holidays are not known: an unknown country, or a year whose make-up days are not published yet.
        """
        data = content.encode() if isinstance(content, str) else content
        return cls(parse_standards(data, file), data.decode("utf-8-sig"))

    @property
    def name(self) -> str:
        """The name of the file, as it gives it itself."""
        return self.file.about.name

    @property
    def sha256(self) -> str:
        """The hash of the file: two clocks with the same hash give the same answers."""
        return self.file.sha256

    @cached_property
    def clocks(self) -> tuple[ClockName, ...]:
        """The clocks that something is promised for."""
        used = {promise.standard.clock for promise in self.promises}
        return tuple(name for name in CLOCKS if name in used)

    def rules(self, clock: ClockName) -> ClockRules:
        """What starts and stops a clock, and what happens to it in between."""
        return self.file.rules(clock)

    def find(
        self, clock: ClockName, category: str | None, tier: str | None, channel: str | None
    ) -> tuple[Promise | None, tuple[str, ...]]:
        """The most specific promise for a case, and which of category, tier and channel it was chosen by.

        None where nothing is said. A promise whose `unit` is "none" says that nothing is promised.
        """
        values = {"category": category, "tier": tier, "channel": channel}
        for chosen in _BY_SPECIFICITY:
            wanted = tuple(values[name] if name in chosen else None for name in values)
            if all(values[name] is not None for name in chosen) and (clock, *wanted) in self._by_key:
                return self._by_key[(clock, *wanted)], chosen
        return None, ()

    def due(self, events: pd.DataFrame, offices: pd.DataFrame | None = None, *, as_of: int) -> pd.DataFrame:
        """What was promised for each case and how it stands, one row per case and clock.

        Parameters
        ----------
        events : DataFrame with `data.schema.EVENT_COLUMNS`
            In any order; only events known strictly before `as_of` are used.
        offices : DataFrame with `office` and `tier`
            None: no tier is known, and only standards for any tier can hold.
        as_of : int, seconds since 1970 in UTC

        Returns
        -------
        DataFrame with the columns `DUE_COLUMNS`, sorted by case_id, then in the order of `clocks`

        - `run`: how often the clock was started, int64; what follows is about the newest run;
        - `started_at`, `due_at`, `stopped_at`: int64 seconds in UTC; `NEVER` for what is not there. The deadline of a
          case that is paused is the one it would have if it were resumed at the as-of;
        - `state`: one of `STATES`. `missed` is a run that was stopped after its deadline, or is not stopped though
          the as-of lies after it; `fallen_away` one that was withdrawn, or a duplicate, before its deadline;
          `not_known` one whose deadline lies beyond the calendar, which does not guess;
        - `used_seconds`, `left_seconds`: Int64, the time counted so far, and from then (the stop or the as-of) to the
          deadline, negative after it; in working time for promises in working hours or working days, else in time as
          it passes; null where there is no deadline, or the calendar does not reach;
        - `standard`: Int64, the number of the standard that holds, null where none does;
        - `missed_before`: int64, how many of the earlier runs were missed.
        """
        log = read_log(events, offices, as_of)
        parts = [self._due(log, clock, place) for place, clock in enumerate(self.clocks)]
        frame = pd.concat(parts, ignore_index=True)
        return frame.sort_values(["case_id", "_place"], kind="stable", ignore_index=True)[[*DUE_COLUMNS]]

    def explain(
        self, events: pd.DataFrame, offices: pd.DataFrame | None = None, *, as_of: int, clock: ClockName = "resolve"
    ) -> Trace:
        """Tell step by step how the deadline of one case comes about; see `data.clock_trace.explain`."""
        from data.clock_trace import explain  # noqa: PLC0415  # a trace needs a clock, and not the other way round

        return explain(self, events, offices, as_of=as_of, which=clock)

    def deadlines(
        self, log: CaseLog, runs: Runs, clock: ClockName, promised: Moments | None = None
    ) -> tuple[Moments, Codes]:
        """The deadline of each run, `NEVER` where there is none, and the number of its standard, 0 where none holds.

        `promised` (int64 seconds in UTC per run) is a deadline without pauses that was promised already and holds
        whatever the standards say now; NEVER where there is none.
        """
        number = self._numbers(log, clock, runs.case, runs.tier)
        due = self._count(runs, number, np.arange(len(runs)), promised)
        first = np.ones(len(runs.move_run), dtype=bool)
        first[1:] = runs.move_run[1:] != runs.move_run[:-1]
        moves = Pauses(runs.move_run, runs.move_at, runs.move_tier)
        for rows, moment, tier in moves.layers():
            new = self._numbers(log, clock, runs.case[rows], tier)
            # A promise that is broken already stays broken, whoever takes the case over.
            taken = (moment < due[rows]) & (new > 0) & (new != number[rows])
            number[rows[taken]] = new[taken]
            due[rows[taken]] = self._count(runs, number, rows[taken], None)
        return due, number

    def _promise(self, number: int, standard: Standard) -> Promise:
        calendar = self.calendars[self.file.calendar_of(standard)]
        amount, unit = standard.settled()
        ends = standard.ends or ("closing" if unit == "working_days" else "midnight")
        counted: PromiseUnit = "hours" if unit == "none" else unit
        how = measure(counted, calendar.working, ends=ends, last_day=standard.last_day)
        return Promise(number, standard, amount, unit, calendar, how)

    def _numbers(self, log: CaseLog, clock: ClockName, case: Codes, tier: Codes) -> Codes:
        """The number of the standard for each of these cases, at offices of these tiers; 0 where none holds."""
        parts = [pd.factorize(values)[0] for values in (log.category, log.channel)]
        size = len(TIERS)
        width = int(parts[1].max(initial=-1)) + 2
        combined = ((parts[0][case] + 1) * width + parts[1][case] + 1) * size + tier
        distinct, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
        numbers = np.zeros(len(distinct), dtype=np.int64)
        for place, row in enumerate(first):
            level = TIERS[tier[row]]
            found, _ = self.find(
                clock, log.category[case[row]], None if level is None else level.value, log.channel[case[row]]
            )
            numbers[place] = 0 if found is None else found.number
        return numbers[inverse]

    def _count(self, runs: Runs, number: Codes, rows: Codes, promised: Moments | None) -> Moments:
        """The deadlines of the runs at `rows`, each by the standard that it has in `number`."""
        due = np.full(len(rows), NEVER, dtype=np.int64)
        for one in np.unique(number[rows]):
            if one == 0:
                continue
            part = np.flatnonzero(number[rows] == one)
            chosen = rows[part]
            pauses = runs.pauses.chosen(chosen, len(runs))
            given = None if promised is None else promised[chosen]
            due[part] = self.promises[one - 1].due(runs.started_at[chosen], pauses, given)
        return due

    def _due(self, log: CaseLog, clock: ClockName, place: int) -> pd.DataFrame:
        runs = find_runs(log, self.rules(clock))
        due, number = self.deadlines(log, runs, clock)
        used, left = self._used_and_left(log, runs, due, number)
        missed = (due < NEVER) & (np.minimum(runs.ended_at, log.as_of) > due)
        newest = np.append(runs.case[1:] != runs.case[:-1], True)[: len(runs)]
        count = np.bincount(runs.case, minlength=len(log.case_ids))
        missed_before = np.bincount(runs.case[missed & ~newest], minlength=len(log.case_ids))
        frame = pd.DataFrame(
            {
                "case_id": pd.Series(log.case_ids[runs.case], dtype="str"),
                "started_at": runs.started_at,
                "due_at": due,
                "stopped_at": runs.ended_at,
                "state": pd.Series(self._states(runs, due, number, missed), dtype="str"),
                "used_seconds": used,
                "left_seconds": left,
                "standard": pd.array(np.where(number > 0, number, -1), dtype="Int64"),
            }
        )[newest]
        frame["standard"] = frame["standard"].mask(frame["standard"] < 0)
        whole = pd.DataFrame({"case_id": pd.Series(log.case_ids, dtype="str")}).merge(frame, on="case_id", how="left")
        for name in ("started_at", "due_at", "stopped_at"):
            whole[name] = whole[name].fillna(NEVER).astype("int64")
        whole["state"] = whole["state"].fillna("not_started")
        return whole.assign(clock=clock, run=count, missed_before=missed_before, _place=place)

    def _states(self, runs: Runs, due: Moments, number: Codes, missed: Mask) -> npt.NDArray[np.object_]:
        promised = np.array([False, *(promise.unit != "none" for promise in self.promises)])[number]
        stopped = runs.ended_at < NEVER
        fell = np.isin(runs.end_kind, [KINDS.index(kind) for kind in FALLS_AWAY])
        cases = [
            (~promised, "not_promised"),
            (due == NEVER, "not_known"),
            (missed, "missed"),
            (stopped & fell, "fallen_away"),
            (stopped, "met"),
            (runs.paused_now, "paused"),
        ]
        masks, names = zip(*cases, strict=True)
        return np.select(list(masks), [np.array(name, dtype=object) for name in names], default="running")

    def _used_and_left(
        self, log: CaseLog, runs: Runs, due: Moments, number: Codes
    ) -> tuple[pd.api.extensions.ExtensionArray, pd.api.extensions.ExtensionArray]:
        used, left = np.zeros(len(runs), dtype=np.int64), np.zeros(len(runs), dtype=np.int64)
        known = due < NEVER
        until = np.minimum(runs.ended_at, log.as_of)
        for one in np.unique(number[known]):
            rows = np.flatnonzero(known & (number == one))
            how = self.promises[one - 1].measure
            known[rows] &= how.covers(until[rows])
            running = how.running
            used[rows] = running.seconds_between(runs.started_at[rows], until[rows])
            left[rows] = running.seconds_between(until[rows], due[rows])
            pauses = runs.pauses.chosen(rows, len(runs))
            stood = running.seconds_between(pauses.starts, pauses.ends)
            np.subtract.at(used, rows[pauses.of], stood)
        return _nullable(used, known), _nullable(left, known)


_BY_SPECIFICITY: Final = (
    ("category", "tier", "channel"),
    ("category", "tier"),
    ("category", "channel"),
    ("category",),
    ("tier", "channel"),
    ("tier",),
    ("channel",),
    (),
)


def find_clock(name_or_path: str | Path) -> ServiceClock:
    """The shipped standards of that name, or those in the file at that path.

    Raises
    ------
    UsageError
        If there is neither, or the holidays of its calendars are not known.
    InputError
        If the file is not a file of service standards.
    """
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if str(name_or_path) in shipped_clocks() else Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"There are no service standards '{name_or_path}'. Shipped with heed: {', '.join(shipped_clocks())}. "
            "For your own, give the path of a TOML file."
        )
    return ServiceClock.parse(path.read_bytes(), path.name)


def shipped_clocks() -> tuple[str, ...]:
    """The names of the service standards that come with heed."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def _nullable(values: Codes, known: Mask) -> pd.api.extensions.ExtensionArray:
    return pd.arrays.IntegerArray(values, ~known)
