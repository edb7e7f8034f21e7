"""What a check looks at: a file before it is imported, or one source of a store, in the same shape.

A file is read through the privacy door and turned into the very events that an import would store; nothing is stored.
The door's key is thrown away with the process, so no case of a check can be found again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.check_rows import check_cases, check_events, check_openings, settle
from data.diff import diff_snapshots, no_state
from data.errors import Finding, UsageError
from data.event_log import NEVER, empty_events, fold_cases, known_before
from data.findings import EFFECTS, SET_ASIDE_CODES, BadRows, as_findings, found_only
from data.import_report import Snapshot
from data.inspections import _look as look_at_inspections
from data.mapping import KEYS, Mapping, find_mapping
from data.observation import observed_until
from data.personal import looks_personal
from data.privacy import case_ids
from data.read import SourceFile, open_file
from data.replay import Replay
from data.rows import Rows, read_rows
from data.schema import EVENT_COLUMNS, EventKind
from data.store import Store

Seconds = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FileView:
    """What a file says besides its cases.

    Attributes
    ----------
    columns : of the file, in its order
    rows : `data.rows.Rows.frame`, before anything was set aside
    raw : (same rows) the source's own words and times of the columns that were looked at
    looked_at : columns that the mapping leaves out and the check counts all the same; their content goes nowhere
    unread : left-out columns that were not even looked at, because their names look personal
    bad : rows that contradict themselves or the mapping
    allowed : codes of such findings that the mapping sets aside
    """

    columns: tuple[str, ...]
    rows: pd.DataFrame
    raw: pd.DataFrame
    looked_at: tuple[str, ...]
    unread: tuple[str, ...]
    dropped: tuple[str, ...]
    bad: tuple[BadRows, ...]
    allowed: frozenset[str]
    ambiguous_times: int
    skipped_times: int
    notes: tuple[str, ...]
    kept: Mask


@dataclass(frozen=True)
class Subject:
    """Cases to check, with everything that is known about how they were looked at.

    Attributes
    ----------
    source : name of the source; `title` : what people call it
    origin : "file" or "store"
    as_of : seconds in UTC; nothing known at or after it is here
    cases : `fold_cases` of `events`; observed_until : (n_cases,) seconds in UTC, how far each was followed
    known_at_opening : keys that the openings carry
    looks : one row per case and snapshot: case_id, seen_at, opened_at, ended (bool); None where the source shows each
        case once
    set_aside : what an import set aside, or would
    file, mapping : None for a store
    areas : codes in the area table; None where there is no table
    """

    source: str
    title: str
    origin: str
    name: str
    time_zone: str
    as_of: int
    n_rows: int
    cases: pd.DataFrame
    events: pd.DataFrame
    observed_until: Seconds
    known_at_opening: frozenset[str]
    snapshots: tuple[Snapshot, ...]
    looks: pd.DataFrame | None = None
    set_aside: tuple[Finding, ...] = ()
    forced: dict[str, str] = field(default_factory=dict)
    file: FileView | None = None
    mapping: Mapping | None = None
    areas: frozenset[str] | None = None
    near_instant_seconds: int = 60

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the offices; UTC where the mapping declares none, which is a finding of its own."""
        return ZoneInfo("UTC" if self.time_zone == "None" else self.time_zone)

    def local(self, seconds: Seconds | pd.Series) -> pd.Series:
        """Moments on the clock of the offices, without their zone; NEVER becomes null."""
        values = pd.Series(np.asarray(seconds, dtype="int64"))
        utc = pd.to_datetime(values.where(values < NEVER), unit="s", utc=True)
        local: pd.Series = utc.dt.tz_convert(self.zone).dt.tz_localize(None)
        return local

    def month(self, seconds: Seconds | pd.Series) -> pd.Series:
        """ISO months ("2018-09") on that clock."""
        months: pd.Series = self.local(seconds).dt.strftime("%Y-%m").astype("str")
        return months

    def column(self, field_name: str) -> str:
        """What the source calls a field; the field's own name where that is not known."""
        return field_name if self.mapping is None else self.mapping.column_of.get(field_name, field_name)

    def day_only(self, field_name: str) -> bool:
        """Whether the mapping says that a time is a day."""
        name = None if self.mapping is None else self.mapping.column_of.get(field_name)
        if name is None or self.mapping is None:
            return False
        column = self.mapping.columns[name]
        return column.resolution == "day" or column.end_of_day


def subject_of_file(
    path: str | Path, mapping: Mapping | str | Path, *, drop: Collection[str] = (), as_of: int | None = None
) -> Subject:
    """What a file holds, without storing anything.

    Parameters
    ----------
    as_of : int, seconds in UTC
        Only what was known before it; None: all of the file.

    Raises
    ------
    UsageError, PersonalDataError, LeakError, FileFormatError, MappingError
        As an import would. Rows that contradict themselves do not raise: they are findings.
    """
    mapping = mapping if isinstance(mapping, Mapping) else find_mapping(mapping)
    file = open_file(path)
    read = read_rows(file, mapping, drop)
    bad = _bad_rows(read, mapping)
    view = _view(file, mapping, read, bad, drop)
    if mapping.source.shape == "inspections":
        return _inspections(file, mapping, view, as_of)
    frame = _settled(file.name, read, bad, mapping)
    frame["case_id"] = case_ids(secrets.token_bytes(32), mapping.source.name, frame["reference"])
    events, snapshots, view = _events_of(frame, mapping, view)
    subject = Subject(
        source=mapping.source.name,
        title=mapping.source.title or mapping.source.name,
        origin="file",
        name=file.name,
        time_zone=str(mapping.source.time_zone),
        as_of=max((shot.seen_at for shot in snapshots), default=0) + 1 if as_of is None else as_of,
        n_rows=file.rows,
        cases=fold_cases(empty_events()),
        events=events,
        observed_until=np.zeros(0, dtype=np.int64),
        known_at_opening=_known_at_opening(frame, mapping),
        snapshots=snapshots,
        looks=_looks(frame, mapping),
        set_aside=tuple(as_findings(view.bad)),
        forced=mapping.forced,
        file=view,
        mapping=mapping,
        near_instant_seconds=mapping.rules.near_instant_seconds,
    )
    return _folded(subject, as_of)


def subjects_of_store(store: Store, *, source: str | None = None, as_of: int | None = None) -> tuple[Subject, ...]:
    """What a store holds, source by source.

    Raises
    ------
    StoreError, NotEnoughDataError
        If nothing has been imported.
    UsageError
        If there is no such source.
    """
    moment = store.last_known_at() + 1 if as_of is None else as_of
    table = store.sources()
    if source is not None and source not in set(table["source"]):
        raise UsageError(f"The store has no source '{source}'. It holds: {', '.join(table['source'])}.")
    chosen = table if source is None else table[table["source"] == source]
    replay = Replay.at(store, moment)
    followed = replay.observed_until() if as_of is not None else observed_until(store)
    areas = store.read_areas()["area"]
    known = frozenset(areas.dropna()) or None
    return tuple(
        _stored(store, replay, name, zone, json.loads(keys), followed, known)
        for name, zone, keys in zip(chosen["source"], chosen["time_zone"], chosen["known_at_opening"], strict=True)
    )


def _stored(
    store: Store,
    replay: Replay,
    name: str,
    zone: str,
    keys: list[str],
    followed: pd.Series,
    areas: frozenset[str] | None,
) -> Subject:
    imports = store.imports(source=name)
    reports = [json.loads(text) for text in imports["report"]]
    shots = [Snapshot(**shot) for report in reports for shot in report.get("snapshots", ())]
    events = store.read_events(as_of=replay.as_of, recorded_by=replay.recorded_by, source=name)
    subject = Subject(
        source=name,
        title=name,
        origin="store",
        name=", ".join(dict.fromkeys(imports["file_name"].dropna())),
        time_zone=zone,
        as_of=replay.as_of,
        n_rows=int(imports["rows"].sum()),
        cases=fold_cases(empty_events()),
        events=events,
        observed_until=np.zeros(0, dtype=np.int64),
        known_at_opening=frozenset(keys),
        snapshots=tuple(sorted((shot for shot in shots if shot.seen_at < replay.as_of), key=lambda one: one.seen_at)),
        set_aside=tuple(_finding(item) for report in reports for item in report.get("set_aside", ())),
        forced={column: reason for report in reports for column, reason in (report.get("forced") or {}).items()},
        areas=areas,
    )
    cases = fold_cases(events)
    until = followed.reindex(cases["case_id"]).fillna(replay.as_of).to_numpy("int64")
    return replace(subject, cases=cases, observed_until=np.minimum(until, replay.as_of))


def _finding(item: dict[str, Any]) -> Finding:
    return Finding(**{**item, "rows": tuple(item["rows"])})


# ---- a file ----


def _inspections(file: SourceFile, mapping: Mapping, view: FileView, as_of: int | None) -> Subject:
    """A log of inspections: rows, and no case."""
    at = view.rows.loc[view.kept, "at_known" if "at_known" in view.rows else "at"].to_numpy()
    return Subject(
        source=mapping.source.name,
        title=mapping.source.title or mapping.source.name,
        origin="file",
        name=file.name,
        time_zone=str(mapping.source.time_zone),
        as_of=int(at[at < NEVER].max(initial=0)) + 1 if as_of is None else as_of,
        n_rows=file.rows,
        cases=fold_cases(empty_events()),
        events=empty_events(),
        observed_until=np.zeros(0, dtype=np.int64),
        known_at_opening=frozenset(),
        snapshots=(),
        set_aside=tuple(as_findings(view.bad)),
        forced=mapping.forced,
        file=view,
        mapping=mapping,
    )


def _bad_rows(read: Rows, mapping: Mapping) -> tuple[BadRows, ...]:
    if mapping.source.shape == "inspections":
        return (*read.found, *found_only(look_at_inspections(read.frame, mapping, int(time.time()))))
    check = check_cases if mapping.source.shape == "cases" else check_events
    return (*read.found, *check(read.frame, mapping, int(time.time())))


def _view(file: SourceFile, mapping: Mapping, read: Rows, bad: tuple[BadRows, ...], drop: Collection[str]) -> FileView:
    left_out = [name for name in file.columns if name in mapping.leave_out and name not in drop]
    looked_at = tuple(name for name in left_out if looks_personal(name) is None)
    mapped = [name for name in file.columns if name in mapping.columns and name not in drop]
    raw = file.read({*mapped, *looked_at})
    for name in mapped:
        missing = mapping.columns[name].missing
        if missing:
            raw[name] = raw[name].mask(raw[name].isin(missing))
    stays = np.ones(len(read.frame), dtype=bool)
    for one in bad:
        if EFFECTS[one.finding.code] in ("row", "none"):
            stays &= ~one.mask
    return FileView(
        columns=tuple(file.columns),
        rows=read.frame,
        raw=raw,
        looked_at=looked_at,
        unread=tuple(name for name in left_out if name not in looked_at),
        dropped=tuple(name for name in file.columns if name in drop),
        bad=bad,
        allowed=frozenset(("read_as_other", *mapping.rules.set_aside)),
        ambiguous_times=read.ambiguous_times,
        skipped_times=read.skipped_times,
        notes=tuple(file.notes),
        kept=stays,
    )


def _settled(name: str, read: Rows, bad: tuple[BadRows, ...], mapping: Mapping) -> pd.DataFrame:
    """The rows that could be imported if everything that may be set aside were set aside."""
    hopeless = np.zeros(len(read.frame), dtype=bool)
    for one in bad:
        if EFFECTS[one.finding.code] == "none":
            hopeless |= one.mask
    movable = [BadRows(one.finding, one.mask[~hopeless]) for one in bad if one.finding.code in SET_ASIDE_CODES]
    frame, _ = settle(name, read.frame[~hopeless].reset_index(drop=True), movable, mapping, SET_ASIDE_CODES)
    return frame


def _events_of(
    frame: pd.DataFrame, mapping: Mapping, view: FileView
) -> tuple[pd.DataFrame, tuple[Snapshot, ...], FileView]:
    """The events that an import into an empty store would add."""
    if frame.empty:
        return empty_events(), (), view
    frame["seen_at"] = _seen_at(frame)
    snapshots = _snapshots(frame)
    if mapping.source.shape == "cases":
        events = diff_snapshots(frame, no_state(), mapping)
        return events[[*EVENT_COLUMNS]], snapshots, view
    found = check_openings(frame, mapping, pd.Series(dtype="int64"))
    stays = np.ones(len(frame), dtype=bool)
    for one in found:
        stays &= ~one.mask
    kept = frame[stays]
    # A case whose openings contradict each other has none left, and nothing can be said of it.
    kept = kept[kept["case_id"].isin(kept.loc[kept["kind"] == EventKind.OPENED.value, "case_id"])]
    events = kept.assign(
        known_at=np.where(kept["known_at"] == NEVER, kept["at_known"], kept["known_at"]),
        due_at=kept["due_at"].astype("Int64").mask(kept["due_at"] == NEVER),
    )
    return events[[*EVENT_COLUMNS]], snapshots, replace(view, bad=(*view.bad, *found))


def _seen_at(frame: pd.DataFrame) -> Seconds:
    """When each row was looked at, as an import without a moment of its own would say."""
    names = ("opened_at_known", "closed_at_known", "withdrawn_at_known", "at_known", "known_at_known")
    times = frame[[name for name in names if name in frame]].to_numpy()
    latest = int(np.where(times == NEVER, -1, times).max())
    if "snapshot_at" not in frame:
        return np.full(len(frame), latest, dtype=np.int64)
    own = frame["snapshot_at"].to_numpy()
    return np.where(own == NEVER, latest, own).astype(np.int64)


def _snapshots(frame: pd.DataFrame) -> tuple[Snapshot, ...]:
    opened = "opened_at" if "opened_at" in frame else "at"
    return tuple(
        Snapshot(
            seen_at=int(str(seen_at)),
            opened_from=int(rows[opened].min()),
            opened_to=int(rows[opened].max()),
            cases=int(rows["case_id"].nunique()),
        )
        for seen_at, rows in frame.groupby("seen_at", sort=True)
    )


def _looks(frame: pd.DataFrame, mapping: Mapping) -> pd.DataFrame | None:
    if mapping.source.shape != "cases" or frame.empty or frame["seen_at"].nunique() < 2:
        return None
    ended = (frame["closed_at"] != NEVER) | (frame["withdrawn_at"] != NEVER) | frame["falls"].notna()
    return frame[["case_id", "seen_at", "opened_at", "category"]].assign(
        ended=ended, withdrawn=(frame["withdrawn_at"] != NEVER) | frame["falls"].notna()
    )


def _known_at_opening(frame: pd.DataFrame, mapping: Mapping) -> frozenset[str]:
    if mapping.source.shape == "cases":
        return frozenset(key for key in KEYS if mapping.known(key) == "opened")
    openings = frame[frame["kind"] == EventKind.OPENED.value]
    return frozenset(key for key in KEYS if key in mapping.column_of and openings[key].notna().any())


def _folded(subject: Subject, as_of: int | None) -> Subject:
    events = subject.events if as_of is None else known_before(subject.events, as_of)
    if events.empty:
        return replace(subject, events=events)
    cases = fold_cases(events)
    opened = cases["opened_at"].to_numpy("int64")
    newest = events.groupby("case_id")["known_at"].max().reindex(cases["case_id"]).to_numpy("int64")
    until = newest.copy()
    for shot in subject.snapshots:
        covers = (opened >= shot.opened_from) & (opened <= shot.opened_to)
        until = np.where(covers, np.maximum(until, shot.seen_at), until)
    return replace(subject, events=events, cases=cases, observed_until=np.minimum(until, subject.as_of))
