"""A log of cases with named steps, as arrays sorted by case and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import FileFormatError, UsageError
from features.steps.columns import LABEL, OUTCOME, STATUS, USABLE, is_planned, kind, usable_columns
from features.steps.runs import Bools, Floats, Int64s, carried, starts_of


@dataclass(frozen=True)
class StepTask:
    """What is to be foretold about each case.

    Attributes
    ----------
    name : as in the log's columns `label_<name>` and `in_<name>`
    outcome : (m,) of 0 and 1 for each case; NaN where the task leaves the case out
    usable : (n,) whether the moment after this event may be asked about
    """

    name: str
    outcome: Floats
    usable: Bools


@dataclass(frozen=True)
class StepLog:
    """Events in the order of (case, moment, step's name, number in the log); cases in that of their first event.

    Attributes
    ----------
    case_ids : (m,) names of the cases
    case : (n,) places in `case_ids`
    moment : (n,) int64 milliseconds, UTC (or the log's own wall clock, where it keeps that)
    step : (n,) places in `steps`
    steps : names of the steps, in alphabetical order
    place : (n,) 1 for a case's first event, 2 for its second …
    attributes : n rows; known from that event on and carried forward in the case. Numbers as float64, moments as
        float64 seconds, anything else as text; null where nothing is known yet
    static : m rows; known when the case opens, in the same types
    moments : names of the columns of both that are moments
    closed : (m,) whether the last event is an end: not where the log says (in `outcome_status`) that the case goes on
    known_at : (m,) int64 seconds by which all that is asked about a case was known: its last event, or the latest of
        its moments in `outcome_*`, where that is later (a log may end before the case does). Of these columns nothing
        else is used
    labels : task -> what is asked
    """

    case_ids: tuple[str, ...]
    case: Int64s
    moment: Int64s
    step: Int64s
    steps: tuple[str, ...]
    place: Int64s
    attributes: pd.DataFrame
    static: pd.DataFrame
    moments: frozenset[str]
    closed: Bools
    known_at: Int64s
    labels: Mapping[str, StepTask] = field(default_factory=dict)

    @property
    def at(self) -> Int64s:
        """(n,) int64 seconds, rounded down: what is of the same second is never counted as known."""
        return np.floor_divide(self.moment, 1000)

    @property
    def start(self) -> Int64s:
        """(n,) the first row of each row's case."""
        return starts_of(self.case)

    @property
    def opened_at(self) -> Int64s:
        """(m,) int64 seconds: the moment of each case's first event."""
        return self.at[np.flatnonzero(self.place == 1)]

    @property
    def ended_at(self) -> Int64s:
        """(m,) int64 seconds: the moment of each case's last event, when its office knows that it is over."""
        return self.at[self.last_rows]

    @property
    def last_rows(self) -> Int64s:
        """(m,) the last row of each case."""
        return np.append(np.flatnonzero(self.place == 1)[1:], len(self.case)) - 1

    @classmethod
    def read(cls, path: Path | str) -> StepLog:
        """Read a Parquet file of this form; see `from_frame`.

        Raises
        ------
        FileFormatError
            If it is no Parquet file, or lacks a column that every such log has.
        """
        try:
            events = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise FileFormatError(f"Expected a Parquet file of events, got one that cannot be read: {path}.") from error
        return cls.from_frame(events)

    @classmethod
    def from_frame(cls, events: pd.DataFrame) -> StepLog:
        """Take a table with one row for each event.

        Parameters
        ----------
        events : `case_id`, `activity`, `timestamp` (datetime64 without zone, UTC), perhaps `event_nr` (the log's own
            order, which settles ties), `case_*` (known at opening), `outcome_*` (never used), `label_<task>` (the same
            on every event of a case, null where the task leaves the case out), `in_<task>` (the moment after this
            event may be asked about; all may if it is missing); every other column is an attribute, valid from its
            event on. Columns that tell who handled a case are passed over.

        Raises
        ------
        FileFormatError
            If a column is missing, empty of events, or an event lacks its case, step or moment.
        """
        _require(events)
        ordered = _ordered(events)
        case = ordered["_case"].to_numpy(np.int64)
        start = starts_of(case)
        moment = ordered["_ms"].to_numpy(np.int64)
        steps, step = np.unique(ordered["_step"].to_numpy(dtype=str), return_inverse=True)
        static_names, names = usable_columns([str(n) for n in events.columns])
        first = np.flatnonzero(np.arange(len(case)) == start)
        tasks = _tasks(ordered, case, first)
        attributes = {n: _column(ordered[n], start, moment, name=n) for n in names}
        static = {n: _column(ordered[n], start, None, name=n).iloc[first] for n in static_names}
        return cls(
            case_ids=tuple(ordered["case_id"].iloc[first].astype(str)),
            case=case,
            moment=moment,
            step=step.astype(np.int64),
            steps=tuple(map(str, steps)),
            place=np.arange(len(case)) - start + 1,
            attributes=pd.DataFrame(attributes, index=range(len(case))),
            static=pd.DataFrame({n: v.to_numpy() for n, v in static.items()}, index=range(len(first))),
            moments=frozenset(n for n in (*static_names, *names) if kind(events[n]) == "moment"),
            closed=_closed(ordered, tasks, first),
            known_at=_known_at(ordered, case, first),
            labels=tasks,
        )

    def task(self, name: str) -> StepTask:
        """A task by its name.

        Raises
        ------
        UsageError
            If the log has no such label.
        """
        if name not in self.labels:
            known = ", ".join(self.labels) or "none"
            raise UsageError(f"Expected a task of this log ({known}), got {name!r}. Add a column {LABEL}{name}.")
        return self.labels[name]


def _require(events: pd.DataFrame) -> None:
    needed = ("case_id", "activity", "timestamp")
    missing = [n for n in needed if n not in events.columns]
    if missing:
        raise FileFormatError(f"Expected the columns {', '.join(needed)}, got none called {', '.join(missing)}.")
    if not len(events):
        raise FileFormatError("Expected events, got a table without rows.")
    if kind(events["timestamp"]) != "moment":
        raise FileFormatError("Expected timestamp as a moment (datetime64), got something else. Convert it first.")
    holes = [n for n in needed if bool(events[n].isna().any())]
    if holes:
        raise FileFormatError(f"Expected a value in every row, got empty ones in {', '.join(holes)}. Mend these rows.")


def _ordered(events: pd.DataFrame) -> pd.DataFrame:
    """The events by case (in the order of first events), moment, step's name and number in the log."""
    frame = events.copy(deep=False)
    frame["_ms"] = _seconds(frame["timestamp"], 1000).astype(np.int64)
    frame["_step"] = frame["activity"].astype(str)
    frame["_id"] = frame["case_id"].astype(str)
    number = frame["event_nr"] if "event_nr" in frame.columns else pd.Series(range(len(frame)), index=frame.index)
    frame["_number"] = number.to_numpy()
    opened = frame.groupby("_id", sort=True)["_ms"].min().sort_values(kind="stable")
    frame["_case"] = pd.Series(np.arange(len(opened)), index=opened.index).loc[frame["_id"]].to_numpy()
    return frame.sort_values(["_case", "_ms", "_step", "_number"], kind="stable").reset_index(drop=True)


def _seconds(values: pd.Series, per_second: int = 1) -> Floats:
    plain = values if values.dt.tz is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
    ms = plain.astype("datetime64[ms]").to_numpy()
    known = ~np.isnat(ms)
    return np.where(known, ms.astype(np.int64) * (per_second / 1000), np.nan)


def _column(values: pd.Series, start: Int64s, moment: Int64s | None, *, name: str) -> pd.Series:
    """Carry a column forward in its case; a moment that lies ahead of its event without being a plan is dropped."""
    sort = kind(values)
    if sort == "category":
        held = values.astype(object).to_numpy()
        known = ~np.asarray(pd.isna(held), dtype=bool)
    else:
        held = _seconds(values) if sort == "moment" else values.to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(held)
        if sort == "moment" and moment is not None and not is_planned(name):
            known &= held * 1000 <= moment
    now, any_ = carried(held, known, start)
    if sort == "category":
        text = now.astype(str).astype(object)
        text[~any_] = None
        return pd.Series(text, dtype=object)
    return pd.Series(np.where(any_, now.astype(np.float64), np.nan))


def _tasks(ordered: pd.DataFrame, case: Int64s, first: Int64s) -> dict[str, StepTask]:
    tasks = {}
    for column in sorted(c for c in ordered.columns if str(c).startswith(LABEL)):
        name = str(column).removeprefix(LABEL)
        outcome = ordered[column].iloc[first].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        usable = np.ones(len(case), dtype=bool)
        if USABLE + name in ordered.columns:
            usable = ordered[USABLE + name].astype("boolean").fillna(value=False).to_numpy(dtype=bool)
        usable &= np.isfinite(outcome)[case]
        tasks[name] = StepTask(name, np.where(_kept(ordered, case, usable, first), outcome, np.nan), usable)
    return tasks


def _known_at(ordered: pd.DataFrame, case: Int64s, first: Int64s) -> Int64s:
    last = np.append(first[1:], len(case)) - 1
    known = ordered["_ms"].to_numpy(np.int64)[last] / 1000
    for name in (c for c in ordered.columns if str(c).startswith(OUTCOME) and kind(ordered[c]) == "moment"):
        known = np.fmax(known, _seconds(ordered[name].iloc[first]))
    return np.asarray(np.ceil(known), dtype=np.int64)


def _closed(ordered: pd.DataFrame, tasks: Mapping[str, StepTask], first: Int64s) -> Bools:
    """Where a log tells the final status of its cases: those with a status that a task keeps, as tasks keep cases that
    are over. Where it does not, all.
    """
    if STATUS not in ordered.columns or not tasks:
        return np.ones(len(first), dtype=bool)
    kept = np.any([np.isfinite(task.outcome) for task in tasks.values()], axis=0)
    status = ordered[STATUS].iloc[first].astype(object)
    return np.asarray(status.isin(set(status[kept].dropna())), dtype=bool)


def _kept(ordered: pd.DataFrame, case: Int64s, usable: Bools, first: Int64s) -> Bools:
    """Which cases a task is about: those with a usable event, and those whose deadline had passed before their first
    event, if they are known to have ended (they can never be asked about, but count among the cases).
    """
    kept = np.zeros(len(first), dtype=bool)
    kept[case[usable]] = True
    if "case_deadline" not in ordered.columns or kind(ordered["case_deadline"]) != "moment":
        return kept
    rows = ordered.iloc[first]
    ended = np.ones(len(first), dtype=bool)
    for name in (c for c in rows.columns if str(c).startswith(OUTCOME) and kind(rows[c]) == "moment"):
        ended &= rows[name].notna().to_numpy()
    passed = _seconds(rows["case_deadline"], 1000) <= rows["_ms"].to_numpy()
    return np.asarray(kept | (passed & ended))
