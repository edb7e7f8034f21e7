"""Import a file: through the privacy door, checked whole, compared with the store, stored at once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data.check_rows import check_cases, check_events, check_openings, settle
from data.diff import diff_snapshots, state_of
from data.errors import Finding, InputError, UsageError
from data.event_log import NEVER, fold_cases
from data.findings import SET_ASIDE_CODES
from data.import_report import ImportReport, Snapshot
from data.mapping import KEYS, Mapping, find_mapping
from data.moments import Seconds
from data.observation import latest_looks
from data.privacy import case_ids
from data.read import SourceFile, open_file
from data.rows import Rows, read_rows
from data.schema import EVENT_COLUMNS, EventKind
from data.store import ImportRun, Store
from data.store_tables import Progress

STEPS: Final = ("read", "check", "compare", "store")


def import_file(
    store: Store,
    path: str | Path,
    mapping: Mapping | str | Path,
    *,
    drop: Collection[str] = (),
    strict: bool = False,
    set_aside: Collection[str] = (),
    extracted_at: int | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file into `store`; the same file twice changes nothing.

    Parameters
    ----------
    store : Store
    path : path
        CSV, Parquet or JSON Lines.
    mapping : Mapping, or the name or path of one
    drop : collection of str
        Columns to leave out openly, besides those that the mapping leaves out. One that the file lacks is
        ignored.
    strict : bool
        Refuse on every finding, also on those that the mapping sets aside.
    set_aside : collection of str
        Codes of findings to set aside besides those of the mapping; see `data.findings.SET_ASIDE_CODES`.
    extracted_at : int, seconds in UTC
        When the export was made. None: what the file says of its snapshots, or else the latest thing in it.
    progress : callable (step, done, total)
        Called at least twice for each of `STEPS`.

    Raises
    ------
    UsageError, PersonalDataError, LeakError, FileFormatError, MappingError, RowError, StoreError
        Whatever is raised, nothing was stored.
    """
    tell = progress or _silent
    mapping = mapping if isinstance(mapping, Mapping) else find_mapping(mapping)
    allowed = _allowed(mapping, strict=strict, set_aside=set_aside)
    tell("read", 0, 1)
    file = open_file(path)
    read = read_rows(file, mapping, drop)
    tell("read", 1, 1)
    tell("check", 0, 1)
    frame, findings = _checked(file.name, read, mapping, allowed, extracted_at)
    frame["case_id"] = case_ids(store.case_key(), mapping.source.name, frame["reference"])
    frame["seen_at"] = _seen_at(frame, extracted_at)
    report = _report(file, mapping, read, frame, findings=findings, drop=drop)
    tell("check", 1, 1)
    return _stored(store, frame, mapping, report, allowed=allowed, tell=tell)


def _report(
    file: SourceFile,
    mapping: Mapping,
    read: Rows,
    frame: pd.DataFrame,
    *,
    findings: Collection[Finding],
    drop: Collection[str],
) -> ImportReport:
    """What is known of the import before the store has been looked at."""
    snapshots = _snapshots(frame)
    return ImportReport(
        source=mapping.source.name,
        file=file.name,
        import_id=None,
        rows=file.rows,
        cases=int(frame["case_id"].nunique()),
        events_added=0,
        events_known_already=0,
        set_aside=tuple(findings),
        dropped=tuple(name for name in file.columns if name in drop),
        left_out=tuple(name for name in file.columns if name in mapping.leave_out and name not in drop),
        forced=mapping.forced,
        known_at_opening=_known_at_opening(frame, mapping),
        near_instant=_near_instant(frame, mapping),
        ambiguous_times=read.ambiguous_times,
        skipped_times=read.skipped_times,
        extracted_at=max(snapshot.seen_at for snapshot in snapshots),
        snapshots=snapshots,
        file_sha256=file.sha256,
        mapping_sha256=mapping.sha256,
        notes=file.notes,
    )


def _silent(_step: str, _done: int, _total: int) -> None:
    pass


def _allowed(mapping: Mapping, *, strict: bool, set_aside: Collection[str]) -> frozenset[str]:
    unknown = [code for code in set_aside if code not in SET_ASIDE_CODES]
    if unknown:
        raise UsageError(
            f"Expected codes of findings to set aside, got {', '.join(unknown)}. Allowed: {', '.join(SET_ASIDE_CODES)}."
        )
    if strict and set_aside:
        raise UsageError("Strict refuses on every finding, and set-aside accepts some: give one of the two.")
    return frozenset() if strict else frozenset(("read_as_other", *mapping.rules.set_aside, *set_aside))


def _checked(
    file: str, read: Rows, mapping: Mapping, allowed: Collection[str], extracted_at: int | None
) -> tuple[pd.DataFrame, list[Finding]]:
    latest = int(time.time()) if extracted_at is None else extracted_at
    check = check_cases if mapping.source.shape == "cases" else check_events
    found = [*read.found, *check(read.frame, mapping, latest)]
    frame, findings = settle(file, read.frame, found, mapping, allowed)
    if frame.empty:
        listed = "\n".join(f"  - {finding}" for finding in findings)
        raise InputError(f"{file}: every row was set aside, so there is nothing to import.\n{listed}")
    return frame, findings


def _seen_at(frame: pd.DataFrame, extracted_at: int | None) -> Seconds:
    """When the state that a row shows was looked at.

    The source's own snapshot first; then what the caller says; then the latest thing that the file knows,
    which is never too early and depends on nothing but the file.
    """
    names = ("opened_at_known", "closed_at_known", "withdrawn_at_known", "at_known", "known_at_known")
    times = frame[[name for name in names if name in frame]].to_numpy()
    latest = int(np.where(times == NEVER, -1, times).max())
    whole = latest if extracted_at is None else extracted_at
    if "snapshot_at" not in frame:
        return np.full(len(frame), max(whole, latest), dtype=np.int64)
    own = frame["snapshot_at"].to_numpy()
    return np.where(own == NEVER, whole, own).astype(np.int64)


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


def _known_at_opening(frame: pd.DataFrame, mapping: Mapping) -> tuple[str, ...]:
    """The keys that the openings of this file carry."""
    if mapping.source.shape == "cases":
        return tuple(key for key in KEYS if mapping.known(key) == "opened")
    openings = frame[frame["kind"] == EventKind.OPENED.value]
    return tuple(key for key in KEYS if key in mapping.column_of and (openings.empty or openings[key].notna().any()))


def _near_instant(frame: pd.DataFrame, mapping: Mapping) -> int:
    if mapping.source.shape != "cases":
        return 0
    closed = frame[(frame["closed_at"] != NEVER) & frame["falls"].isna()]
    seconds = mapping.rules.near_instant_seconds
    instant = (closed["closed_at"] - closed["opened_at"] <= seconds) & (seconds > 0)
    return int(closed.loc[instant, "case_id"].nunique())


def _stored(
    store: Store,
    frame: pd.DataFrame,
    mapping: Mapping,
    report: ImportReport,
    *,
    allowed: Collection[str],
    tell: Progress,
) -> ImportReport:
    """Compare with the store and store what is new, in one transaction that no other import shares."""
    with store.writing() as connection:
        tell("compare", 0, 1)
        stored = store.read_events(source=mapping.source.name, connection=connection)
        cases = fold_cases(stored)
        if mapping.source.shape == "cases":
            looks = store.imports(source=mapping.source.name, connection=connection)
            state = state_of(cases, _last_looks(cases, stored, looks))
            events = diff_snapshots(frame, state, mapping)
        else:
            opened_before = cases.set_index("case_id")["opened_at"]
            events, findings = _own_events(report.file, frame, mapping, opened_before, allowed)
            report = dataclasses.replace(report, set_aside=(*report.set_aside, *findings))
        # Not `isin`: on text pandas turns every value of its argument into a Python object, one by one.
        ours = pd.Index(frame["case_id"].unique())
        known_already = int((ours.get_indexer(stored["case_id"]) >= 0).sum())
        tell("compare", 1, 1)
        tell("store", 0, len(events))
        run = _run(report, mapping)
        result = store.add_events(run, events, connection=connection, progress=tell)
        tell("store", len(events), len(events))
    return dataclasses.replace(
        report,
        import_id=result.import_id,
        events_added=result.events_added,
        events_known_already=known_already,
    )


def _run(report: ImportReport, mapping: Mapping) -> ImportRun:
    return ImportRun(
        source=report.source,
        time_zone=str(mapping.source.time_zone),
        known_at_opening=report.known_at_opening,
        file_name=report.file,
        file_sha256=report.file_sha256,
        mapping_sha256=report.mapping_sha256,
        extracted_at=report.extracted_at,
        rows=report.rows,
        cases=report.cases,
        report=report.to_dict(),
    )


def _last_looks(cases: pd.DataFrame, events: pd.DataFrame, imports: pd.DataFrame) -> Seconds:
    """When each stored case was last looked at."""
    # Whatever the reports say, a case was looked at when its last event became known.
    seen = events.groupby("case_id")["known_at"].max().reindex(cases["case_id"]).to_numpy(dtype="int64")
    return latest_looks(cases["opened_at"].to_numpy("int64"), seen, imports)


def _own_events(
    file: str, frame: pd.DataFrame, mapping: Mapping, opened_before: pd.Series, allowed: Collection[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """The events that a file of shape "events" holds itself."""
    frame, findings = settle(file, frame, check_openings(frame, mapping, opened_before), mapping, allowed)
    events = frame.assign(
        known_at=np.where(frame["known_at"] == NEVER, frame["at_known"], frame["known_at"]),
        due_at=frame["due_at"].astype("Int64").mask(frame["due_at"] == NEVER),
    )
    return events[[*EVENT_COLUMNS]], findings
