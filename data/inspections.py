"""Import a log of inspections of places and public assets: through the same door, with the same two times."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from data import tables
from data.check_rows import apart, refuse
from data.database import IMPORT_PATIENCE
from data.errors import InputError, UsageError
from data.event_log import NEVER
from data.findings import SET_ASIDE_CODES, BadRows, Tally, looked_at
from data.import_report import ImportReport, Snapshot
from data.import_request import answered, request_sha256
from data.inspection_log import content_of
from data.mapping import KEYS, Mapping, find_mapping
from data.mapping_rules import severity_number
from data.privacy import case_ids, shown_name
from data.read import SourceFile, open_file
from data.rows import RowReader
from data.schema import Severity
from data.store import ImportRun, Store
from data.store_append import Appending
from data.store_tables import Progress, frame_of, insert_frame

_NUMBERS: Final = {word.value: severity_number(word.value) for word in Severity}
_SOURCE: Final = "Ask the source to mend it, or set such rows aside with `--set-aside {code}`."
_PART: Final = 50_000


def import_inspections(
    store: Store,
    path: str | Path,
    mapping: Mapping | str | Path,
    *,
    drop: Collection[str] = (),
    strict: bool = False,
    set_aside: Collection[str] = (),
    extracted_at: int | None = None,
    sheet: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file of inspections into `store`; the same file twice changes nothing.

    A visit that is stored with another result is a correction: a new row, known from the moment of this export on. A
    row without a number of its own (no `reference`, no `visit` in [source]) is never corrected; of rows that are alike,
    as many are kept as the fullest file holds.

    Parameters
    ----------
    store : Store
    path : path, a file as `data.read.open_file` reads it
    mapping : Mapping of shape "inspections", or the name or path of one
    drop, strict, set_aside, sheet, progress : as `data.import_cases.import_file`
    extracted_at : int, seconds in UTC
        When the export was made; None: the latest thing in it.

    Returns
    -------
    ImportReport
        `events_added` and `events_known_already` count rows of the log; `cases` is 0.

    Raises
    ------
    UsageError, PersonalDataError, FileFormatError, MappingError, RowError, StoreError
        Whatever is raised, nothing was stored.
    """
    tell = progress or _silent
    mapping = mapping if isinstance(mapping, Mapping) else find_mapping(mapping)
    allowed = _allowed(mapping, strict=strict, set_aside=set_aside)
    file = open_file(path, sheet)
    request = request_sha256(
        Path(path),
        mapping,
        drop=drop,
        set_aside=set_aside,
        strict=strict,
        extracted_at=extracted_at,
        sheet=sheet,
        # With other boundaries the same file tells of other areas.
        areas=store.read_areas() if mapping.location is not None else None,
    )
    with store.reading() as connection:
        known = answered(connection, request, shown_name(file.name, file.sha256))
    if known is not None:
        return known
    frame, report = _read(store, file, mapping, drop, allowed, extracted_at, tell)
    with store.writing(patience=IMPORT_PATIENCE) as connection:
        return _stored(connection, frame, report, mapping, request, tell)


def _silent(_step: str, _done: int, _total: int) -> None:
    pass


def _allowed(mapping: Mapping, *, strict: bool, set_aside: Collection[str]) -> frozenset[str]:
    if mapping.source.shape != "inspections":
        raise UsageError(f"Expected a mapping of shape 'inspections', and '{mapping.source.name}' is of another.")
    unknown = [code for code in set_aside if code not in SET_ASIDE_CODES]
    if unknown:
        raise UsageError(
            f"Expected codes of findings to set aside, got {', '.join(unknown)}. Allowed: {', '.join(SET_ASIDE_CODES)}."
        )
    if strict and set_aside:
        raise UsageError("Strict refuses on every finding, and set-aside accepts some: give one of the two.")
    return frozenset() if strict else frozenset(("read_as_other", *mapping.rules.set_aside, *set_aside))


def _read(
    store: Store,
    file: SourceFile,
    mapping: Mapping,
    drop: Collection[str],
    allowed: Collection[str],
    extracted_at: int | None,
    tell: Progress,
) -> tuple[pd.DataFrame, ImportReport]:
    """The rows that stay, checked, with keyed hashes in place of numbers; and the report so far."""
    latest = int(time.time()) if extracted_at is None else extracted_at
    key = store.case_key()
    reader = RowReader(file, mapping, drop, store.read_areas() if mapping.location is not None else None)
    tally, kept, seen, stayed, ambiguous, skipped = Tally(), [], 0, 0, 0, 0
    tell("read", 0, 0)
    with closing(reader.parts(_PART)) as parts:
        for rows in parts:
            looked = [*rows.found, *_look(rows.frame, mapping, latest)]
            tally.add(looked)
            frame, stays = apart(rows.frame, looked, mapping)
            kept.append(_hashed(frame[stays], mapping, key))
            seen, stayed = seen + len(rows.frame), stayed + int(stays.sum())
            ambiguous, skipped = ambiguous + rows.ambiguous_times, skipped + rows.skipped_times
            tell("read", seen, 0)
    tell("read", seen, seen)
    tell("check", 0, 1)
    frame = pd.concat(kept, ignore_index=True)
    frame, repeats = _without_repeats(frame, mapping)
    tally.add([repeats])
    findings = tally.findings()
    refuse(file.name, findings, mapping, allowed)
    if frame.empty:
        listed = "\n".join(f"  - {finding}" for finding in findings)
        raise InputError(f"{file.name}: every row was set aside, so there is nothing to import.\n{listed}")
    look = max(int(frame["known_at"].max()), -1 if extracted_at is None else extracted_at)
    # Nobody records what is not: no look is earlier than what it shows.
    frame["recorded_at"] = np.maximum(frame["known_at"], look if extracted_at is None else extracted_at)
    tell("check", 1, 1)
    # A look at places, and at no case: whenever one was opened, it lies outside.
    shown = Snapshot(seen_at=look, opened_from=NEVER, opened_to=-NEVER, cases=0)
    return frame, ImportReport(
        source=mapping.source.name,
        file=shown_name(file.name, file.sha256),
        import_id=None,
        rows=seen,
        cases=0,
        events_added=0,
        # Until the store was looked at; a row that says the same as another of its visit is known by it.
        events_known_already=stayed - repeats.finding.count,
        set_aside=tuple(findings),
        dropped=tuple(name for name in file.columns if name in drop),
        left_out=tuple(name for name in file.columns if name in mapping.leave_out and name not in drop),
        forced=mapping.forced,
        known_at_opening=(),
        near_instant=0,
        ambiguous_times=ambiguous,
        skipped_times=skipped,
        extracted_at=look,
        snapshots=(shown,),
        file_sha256=file.sha256,
        mapping_sha256=mapping.sha256,
        notes=(*file.notes, *reader.notes),
    )


def _look(frame: pd.DataFrame, mapping: Mapping, latest: int) -> list[BadRows]:
    """What is impossible about rows of inspections."""

    def found(code: str, field: str, mask: pd.Series, expected: str) -> BadRows:
        column = mapping.column_of.get(field, field)
        return looked_at(code, column, mask, frame["row"], expected=expected, remedy=_SOURCE.format(code=code))

    def absent(field: str) -> pd.Series:
        missing = frame[field] == NEVER if field == "at" else frame[field].isna()
        return missing & ~frame[f"{field}_unread"].astype(bool) if f"{field}_unread" in frame else missing

    listed = [found("missing_time", "at", absent("at"), "every inspection needs its time.")]
    if "reference" in mapping.column_of:
        listed.append(found("missing_reference", "reference", absent("reference"), "every row needs its number."))
    listed += [
        found("missing_value", field, absent(field), f"every inspection needs its {field.replace('_', ' ')}.")
        for field in ("area", "asset_kind", "severity")
    ]
    dated = frame["at"] != NEVER
    early = dated & (frame["known_at"] < frame["at"])
    listed.append(found("known_before_it_happened", "known_at", early, "nothing is known before it happens."))
    for field in ("at", "known_at"):
        late = (frame[field] != NEVER) & (frame[field] > latest)
        listed.append(found("after_extraction", field, late, "it lies after the moment at which the export was made."))
    return listed


def _hashed(frame: pd.DataFrame, mapping: Mapping, key: bytes) -> pd.DataFrame:
    """The rows as the log keeps them, without ids; numbers of the source are gone."""
    source = mapping.source.name
    own = frame["known_at"].to_numpy("int64")
    rows = pd.DataFrame(
        {
            "row": frame["row"],
            "visit": _keyed(key, f"{source}\x1fvisit", _visits(frame, mapping)),
            "asset": _keyed(key, f"{source}\x1fasset", frame["asset"]),
            "area": frame["area"],
            "asset_kind": frame["asset_kind"],
            "related_category": frame["related_category"],
            "at": frame["at"].astype("int64"),
            "known_at": np.where(own == NEVER, frame["at_known"].to_numpy("int64"), own),
            "severity": frame["severity"].map(_NUMBERS).astype("int64"),
        }
    )
    return rows.reset_index(drop=True)


def _visits(frame: pd.DataFrame, mapping: Mapping) -> pd.Series:
    """What tells one visit from another, in the source's own words; null where nothing does."""
    if not mapping.source.visit:
        return frame["reference"]
    fields = [mapping.columns[name].field for name in mapping.source.visit]
    parts = [frame[field].astype("str").fillna("\x00") for field in fields]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "\x1f" + part
    return joined


def _keyed(key: bytes, name: str, values: pd.Series) -> pd.Series:
    codes, distinct = pd.factorize(values)
    hashed = case_ids(key, name, pd.Series(distinct, dtype="str"))
    # One more place at the end, which the code of a null, -1, points to.
    found = np.array([*hashed.tolist(), None], dtype=object)
    return pd.Series(found[codes], index=values.index, dtype="str")


def _without_repeats(frame: pd.DataFrame, mapping: Mapping) -> tuple[pd.DataFrame, BadRows]:
    """One row per visit: rows that say the same are one, and of others the first stays."""
    frame = frame.assign(content=content_of(frame), alike=0)
    visited = frame["visit"].notna()
    frame = frame[~(visited & frame.duplicated(["visit", "content"]))]
    visited = frame["visit"].notna()
    again = visited & frame.duplicated("visit")
    column = mapping.column_of.get("reference", ", ".join(mapping.source.visit) or "reference")
    repeats = looked_at(
        "duplicate_reference",
        column,
        again,
        frame["row"],
        expected="the same inspection stands in an earlier row, with another result.",
        remedy="Export one row per inspection, or keep the first and set the others aside with "
        "`--set-aside duplicate_reference`.",
    )
    frame = frame[~again].reset_index(drop=True)
    # Two holes filled in one minute on one road are two; the second is told from the first by its place among them.
    alone = frame["visit"].isna()
    frame.loc[alone, "alike"] = frame[alone].groupby(["content", "known_at"], sort=False).cumcount()
    return frame, repeats


def _stored(
    connection: Connection, frame: pd.DataFrame, report: ImportReport, mapping: Mapping, request: str, tell: Progress
) -> ImportReport:
    """Compare with the log and store what is new, in one transaction that no other import shares."""
    known = answered(connection, request, report.file)
    if known is not None:
        return known
    tell("compare", 0, 1)
    new, corrections = _new(connection, frame, report.source)
    tell("compare", 1, 1)
    appending = Appending(connection, _run(report, mapping, request))
    rows = new.assign(source=report.source, import_id=appending.import_id)
    tell("store", 0, len(rows))
    insert_frame(connection, tables.inspection, rows, progress=tell)
    tell("store", len(rows), len(rows))
    appending.added, appending.known = len(rows), report.events_known_already - len(rows)
    notes = report.notes
    if corrections:
        visits = "1 visit" if corrections == 1 else f"{corrections:,} visits"
        notes = (*notes, f"{visits} had another result before; the new one is known from this export on.")
    report = dataclasses.replace(
        report, events_added=appending.added, events_known_already=appending.known, notes=notes
    )
    result = appending.finish(dataclasses.replace(report, import_id=appending.import_id).to_dict())
    return dataclasses.replace(report, import_id=result.import_id)


def _new(connection: Connection, frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, int]:
    """The rows that the log does not have yet, and how many of them correct an earlier look."""
    log = tables.inspection
    stored = frame_of(connection, select(log).where(log.c.source == source))
    visits = stored[stored["visit"].notna()].assign(content=content_of, before=True)
    visits["recorded_at"] = visits["recorded_at"].astype("int64")
    frame = frame.sort_values("recorded_at", kind="stable", ignore_index=True)
    own = frame["visit"].notna()
    before = pd.merge_asof(
        frame.loc[own, ["recorded_at", "visit", "content"]],
        visits[["recorded_at", "visit", "content", "before"]].sort_values(["recorded_at"], kind="stable"),
        on="recorded_at",
        by="visit",
        suffixes=("", "_before"),
    )
    earlier = before["before"].notna().to_numpy(dtype=bool)
    same = earlier & (before["content"] == before["content_before"]).fillna(False).to_numpy(dtype=bool)
    # Two looks of one moment may differ; each is stored once.
    shown = pd.MultiIndex.from_frame(visits[["visit", "recorded_at", "content"]])
    same |= pd.MultiIndex.from_frame(before[["visit", "recorded_at", "content"]]).isin(shown)
    ids = pd.Series(_ids(source, frame), index=frame.index, dtype="str")
    fresh = ~ids.isin(set(stored["inspection_id"]))
    fresh[own] = fresh[own].to_numpy(dtype=bool) & ~same
    corrects = pd.Series(False, index=frame.index)
    corrects[own] = earlier & ~same
    known = frame["known_at"].where(~corrects, np.maximum(frame["known_at"], frame["recorded_at"]))
    rows = frame.assign(inspection_id=ids, known_at=known)[fresh]
    return rows.drop(columns=["row", "content", "alike"]), int((corrects & fresh).sum())


def _ids(source: str, frame: pd.DataFrame) -> list[str]:
    """A name per row: a hash over the source and what the row says, with the look if the visit can be corrected."""
    start = hashlib.blake2b(source.encode(), digest_size=16)
    looks = frame["recorded_at"].where(frame["visit"].notna(), -1 - frame["alike"])
    columns = (frame["visit"].fillna("\x00"), frame["content"], frame["known_at"], looks)
    names = []
    for row in zip(*(column.tolist() for column in columns), strict=True):
        digest = start.copy()
        digest.update("\x1e".join(("", *map(str, row))).encode())
        names.append(digest.hexdigest())
    return names


def _run(report: ImportReport, mapping: Mapping, request: str) -> ImportRun:
    return ImportRun(
        source=report.source,
        time_zone=str(mapping.source.time_zone),
        # An inspection opens no case: it takes nothing away from what the sources of cases know.
        known_at_opening=KEYS,
        file_name=report.file,
        file_sha256=report.file_sha256,
        mapping_sha256=report.mapping_sha256,
        request_sha256=request,
        extracted_at=report.extracted_at,
        rows=report.rows,
    )
