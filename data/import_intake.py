"""The first half of an import: a file is read and checked part by part, without touching the store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from data.check_rows import (
    apart,
    look_at_cases,
    look_at_events,
    look_for_repeats,
    refuse,
    without_snapshot,
)
from data.errors import Finding, InputError
from data.event_log import NEVER
from data.findings import BadRows, Tally
from data.import_report import Snapshot
from data.import_spool import AT_ONCE, BUCKETS, Spool
from data.mapping import KEYS, Mapping
from data.moments import Mask, Seconds
from data.privacy import case_ids
from data.read import CHUNK_ROWS, SourceFile
from data.rows import RowReader, Rows
from data.schema import EventKind
from data.store_tables import Progress

# Needed to check a row, and no longer: the reference is gone as soon as the case has its id.
_DONE_WITH: Final = ("reference", "status", "due_at_known", "snapshot_at_known")
_LOOKED_AT: Final = ("opened_at_known", "closed_at_known", "withdrawn_at_known", "at_known", "known_at_known")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows are in memory at once while reading (`chunk`) and while comparing (`at_once`), and in how many
    `buckets` the rest lies on disk. No result depends on them.
    """

    chunk: int = CHUNK_ROWS
    at_once: int = AT_ONCE
    buckets: int = BUCKETS


@dataclass
class Intake:
    """What is known of a file when all of it was read and checked, and its rows in `spool`.

    `seen_at` is the moment of the rows that have no snapshot of their own (seconds in UTC), `latest` the newest thing
    in the file. `cases` counts those that stay.
    """

    mapping: Mapping
    spool: Spool
    tally: Tally = field(default_factory=Tally)
    has_snapshots: bool = False
    rows: int = 0
    cases: int = 0
    near_instant: int = 0
    ambiguous_times: int = 0
    skipped_times: int = 0
    latest: int = -1
    seen_at: int = -1
    known_at_opening: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    notes: tuple[str, ...] = ()

    def groups(self) -> Iterator[tuple[pd.DataFrame, int]]:
        """The rows that stay, group by group, all of a case together, with `seen_at`; and how many rows came so far."""
        done = 0
        for rows in self.spool.groups():
            done += len(rows)
            frame, _ = _staying(rows, self)
            frame["seen_at"] = self._looks(frame)
            yield frame, done

    def findings(self) -> list[Finding]:
        """Everything that was found so far."""
        return self.tally.findings()

    def _looks(self, frame: pd.DataFrame) -> Seconds:
        """When the state that a row shows was looked at."""
        if "snapshot_at" not in frame:
            return np.full(len(frame), self.seen_at, dtype=np.int64)
        own = frame["snapshot_at"].to_numpy()
        return np.where(own == NEVER, self.seen_at, own).astype(np.int64)


def take_in(
    file: SourceFile,
    mapping: Mapping,
    spool: Spool,
    *,
    key: bytes,
    drop: Collection[str],
    allowed: Collection[str],
    latest: int,
    extracted_at: int | None,
    areas: pd.DataFrame | None = None,
    chunk: int,
    tell: Progress,
) -> Intake:
    """Read and check `file`, and put its rows down in `spool`.

    Parameters
    ----------
    key : bytes
        Of the store: turns references into case ids.
    allowed : collection of str
        Codes of findings that are set aside.
    latest : int, seconds in UTC
        Nothing in the file can be later.
    areas : DataFrame
        The areas of the store, for a source whose cases are placed by them; see `data.location`.
    extracted_at, drop : see `data.import_cases.import_file`

    Raises
    ------
    PersonalDataError, MappingError, FileFormatError, RowError
        See `data.rows.RowReader` and `data.check_rows`.
    InputError
        If no row is left.
    """
    intake = Intake(mapping, spool)
    tell("read", 0, 0)
    reader = RowReader(file, mapping, drop, areas)
    with closing(reader.parts(chunk)) as parts:
        for rows in parts:
            _take_part(intake, rows, key=key, latest=latest)
            intake.rows += len(rows.frame)
            tell("read", intake.rows, 0)
    intake.notes = reader.notes
    if not intake.has_snapshots:
        intake.tally.forget(*without_snapshot(mapping))
    tell("read", intake.rows, intake.rows)
    tell("check", 0, intake.rows)
    _sum_up(intake, extracted_at, tell)
    reader.judge_cases(intake.cases)
    findings = intake.findings()
    refuse(file.name, findings, mapping, allowed)
    if intake.cases == 0:
        listed = "\n".join(f"  - {finding}" for finding in findings)
        raise InputError(f"{file.name}: every row was set aside, so there is nothing to import.\n{listed}")
    tell("check", intake.rows, intake.rows)
    return intake


def _take_part(intake: Intake, rows: Rows, *, key: bytes, latest: int) -> None:
    mapping, frame = intake.mapping, rows.frame
    intake.ambiguous_times += rows.ambiguous_times
    intake.skipped_times += rows.skipped_times
    if mapping.source.shape == "cases":
        looked = look_at_cases(frame, mapping, latest)
        # Looked for later, when all rows of a case are together; it stands here in the list.
        looked[1:1] = [look_for_repeats(frame.iloc[:0], mapping, "reference")]
        intake.has_snapshots = intake.has_snapshots or bool((frame["snapshot_at"] != NEVER).any())
    else:
        looked = look_at_events(frame, mapping, latest)
    looked = [*rows.found, *looked]
    intake.tally.add(looked)
    # Also where the file will be refused: one run should say all that is wrong.
    frame, stays = apart(frame, [bad for bad in looked if not _is_undecided(bad, mapping)], mapping)
    named = frame["reference"].notna().to_numpy(dtype=bool)
    kept = [name for name in frame.columns if name not in _DONE_WITH and not str(name).endswith("_unread")]
    ours = frame.loc[named, kept].assign(stays=stays[named])
    ours["case_id"] = _case_ids(key, mapping.source.name, frame.loc[named, "reference"])
    intake.spool.add(ours)


def _is_undecided(bad: BadRows, mapping: Mapping) -> bool:
    """Whether a finding of a part can turn out to be none: no row needs a snapshot if none has one."""
    return mapping.source.shape == "cases" and (bad.finding.code, bad.finding.column) == without_snapshot(mapping)


def _case_ids(key: bytes, source: str, references: pd.Series) -> pd.Series:
    # Every distinct one once: in a file of events each case stands several times.
    codes, distinct = pd.factorize(references)
    return case_ids(key, source, pd.Series(distinct, dtype="str")).take(codes).set_axis(references.index)


def _staying(rows: pd.DataFrame, intake: Intake) -> tuple[pd.DataFrame, list[BadRows]]:
    """The rows of a group that stay, and what could only be looked for with all rows of a case at hand."""
    stays: Mask = rows["stays"].to_numpy(dtype=bool)
    looked: list[BadRows] = []
    if intake.mapping.source.shape == "cases":
        looked = [look_for_repeats(rows, intake.mapping, "case_id")]
        stays = stays & ~looked[0].mask
        if intake.has_snapshots:
            stays &= (rows["snapshot_at"] != NEVER).to_numpy(dtype=bool)
    return rows[stays].drop(columns="stays").reset_index(drop=True), looked


@dataclass
class _Shown:
    """What the rows of one snapshot show; counts of cases add up, as a case lies in one group only."""

    opened_from: int = NEVER
    opened_to: int = -NEVER
    cases: int = 0

    def add(self, opened: pd.Series, cases: int) -> None:
        self.opened_from = min(self.opened_from, int(opened.min()))
        self.opened_to = max(self.opened_to, int(opened.max()))
        self.cases += cases


def _sum_up(intake: Intake, extracted_at: int | None, tell: Progress) -> None:
    """Everything that the report says of the rows that stay."""
    shown: dict[int, _Shown] = {}
    openings, said = 0, set[str]()
    done = 0
    for rows in intake.spool.groups():
        frame, looked = _staying(rows, intake)
        intake.tally.add(looked)
        done += len(rows)
        tell("check", done, max(intake.rows, done))
        if frame.empty:
            continue
        intake.cases += int(frame["case_id"].nunique())
        intake.latest = max(intake.latest, _latest(frame))
        intake.near_instant += _near_instant(frame, intake.mapping)
        _add_shown(shown, frame)
        if "kind" in frame:
            opened = frame[frame["kind"] == EventKind.OPENED.value]
            openings += len(opened)
            said |= {name for name in KEYS if opened[name].notna().any()}
    whole = intake.latest if extracted_at is None else extracted_at
    # Events know nothing of a look at all; none of them was known before it happened.
    intake.seen_at = whole if intake.mapping.source.shape == "cases" else max(whole, intake.latest)
    intake.snapshots = _snapshots(shown, intake.seen_at)
    intake.known_at_opening = _known_at_opening(intake.mapping, said, openings)


def _latest(frame: pd.DataFrame) -> int:
    times = frame[[name for name in _LOOKED_AT if name in frame]].to_numpy()
    return int(np.where(times == NEVER, -1, times).max())


def _near_instant(frame: pd.DataFrame, mapping: Mapping) -> int:
    if mapping.source.shape != "cases":
        return 0
    closed = frame[(frame["closed_at"] != NEVER) & frame["falls"].isna()]
    seconds = mapping.rules.near_instant_seconds
    instant = (closed["closed_at"] - closed["opened_at"] <= seconds) & (seconds > 0)
    return int(closed.loc[instant, "case_id"].nunique())


def _add_shown(shown: dict[int, _Shown], frame: pd.DataFrame) -> None:
    opened = "opened_at" if "opened_at" in frame else "at"
    own = frame["snapshot_at"] if "snapshot_at" in frame else pd.Series(NEVER, index=frame.index)
    for look, rows in frame.groupby(own):
        shown.setdefault(int(str(look)), _Shown()).add(rows[opened], int(rows["case_id"].nunique()))


def _snapshots(shown: dict[int, _Shown], seen_at: int) -> tuple[Snapshot, ...]:
    return tuple(
        Snapshot(
            seen_at=seen_at if look == NEVER else look,
            opened_from=found.opened_from,
            opened_to=found.opened_to,
            cases=found.cases,
        )
        for look, found in sorted(shown.items())
    )


def _known_at_opening(mapping: Mapping, said: set[str], openings: int) -> tuple[str, ...]:
    """The keys that the openings of this file carry."""
    if mapping.source.shape == "cases":
        return tuple(key for key in KEYS if mapping.known(key) == "opened")
    return tuple(key for key in KEYS if mapping.gives(key) and (openings == 0 or key in said))
