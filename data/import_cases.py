"""Import a file: through the privacy door, checked whole, compared with the store, stored at once.

The file is read part by part and its rows wait on disk, so that memory does not grow with it; the store is locked only
while it is compared with and written to. Whatever ends an import ends its transaction, and the store is what it was.
See `data.import_intake` for the first half and `data.import_settling` for the second.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from data.database import IMPORT_PATIENCE
from data.errors import UsageError
from data.findings import SET_ASIDE_CODES
from data.import_intake import Intake, Sizes, take_in
from data.import_report import ImportReport
from data.import_request import answered, request_sha256
from data.import_settling import settle_in
from data.import_spool import Spool
from data.inspections import import_inspections
from data.mapping import Mapping, find_mapping
from data.privacy import shown_name
from data.read import SourceFile, open_file
from data.service_clock import ServiceClock, find_clock
from data.store import ImportRun, Store
from data.store_tables import Progress

STEPS: Final = ("read", "check", "compare", "store")
WAITING: Final = "waiting for another import"


def import_file(
    store: Store,
    path: str | Path,
    mapping: Mapping | str | Path,
    *,
    drop: Collection[str] = (),
    strict: bool = False,
    set_aside: Collection[str] = (),
    extracted_at: int | None = None,
    sheet: str | None = None,
    standards: ServiceClock | str | Path | None = None,
    progress: Progress | None = None,
    patience: float = IMPORT_PATIENCE,
    sizes: Sizes | None = None,
) -> ImportReport:
    """Import a file into `store`; the same file twice changes nothing, and the very same call is answered at once.

    Parameters
    ----------
    store : Store
    path : path
        See `data.read.open_file`.
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
    sheet : str
        The sheet of a workbook.
    standards : ServiceClock, or the name or path of service standards
        Promises for the cases without a deadline of their own, made as they come in and never rewritten; kept for the
        source. None: those that were kept for it, if any.
    progress : callable (step, done, total)
        Called at least twice for each of `STEPS`, in rows of the file (while reading, the total is 0: not known yet),
        and with `WAITING`, in seconds, while another import holds the store.
    patience : seconds to wait for another import
    sizes : Sizes
        How much is in memory at once; no result depends on it.

    Raises
    ------
    UsageError, PersonalDataError, LeakError, FileFormatError, MappingError, RowError, StoreError
        Whatever is raised, nothing was stored.
    """
    tell = progress or _silent
    mapping = mapping if isinstance(mapping, Mapping) else find_mapping(mapping)
    if mapping.source.shape == "inspections":
        return import_inspections(
            store,
            path,
            mapping,
            drop=drop,
            strict=strict,
            set_aside=set_aside,
            extracted_at=extracted_at,
            sheet=sheet,
            progress=progress,
        )
    allowed = _allowed(mapping, strict=strict, set_aside=set_aside)
    clock = standards if standards is None or isinstance(standards, ServiceClock) else find_clock(standards)
    areas = store.read_areas() if mapping.location is not None else None
    request = request_sha256(
        Path(path),
        mapping,
        drop=drop,
        set_aside=set_aside,
        strict=strict,
        extracted_at=extracted_at,
        sheet=sheet,
        standards=None if clock is None else clock.sha256,
        areas=areas,
    )
    with store.reading() as connection:
        known = answered(connection, request, Path(path).name)
    if known is not None:
        return known
    file = open_file(path, sheet)
    sizes = sizes or Sizes()
    with Spool(sizes.at_once, sizes.buckets) as spool:
        intake = take_in(
            file,
            mapping,
            spool,
            key=store.case_key(),
            drop=drop,
            allowed=allowed,
            latest=int(time.time()) if extracted_at is None else extracted_at,
            extracted_at=extracted_at,
            areas=areas,
            chunk=sizes.chunk,
            tell=tell,
        )
        report = _report(file, intake, drop)
        with store.writing(patience=patience, waiting=lambda waited, most: tell(WAITING, waited, most)) as connection:
            # Another process may have imported it while this one was reading.
            known = answered(connection, request, shown_name(file.name, file.sha256))
            if known is not None:
                return known
            run = _run(report, mapping, request)
            return settle_in(store, connection, intake, report, run, allowed=allowed, clock=clock, tell=tell)


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


def _report(file: SourceFile, intake: Intake, drop: Collection[str]) -> ImportReport:
    """What is known of the import before the store has been looked at."""
    mapping = intake.mapping
    return ImportReport(
        source=mapping.source.name,
        file=shown_name(file.name, file.sha256),
        import_id=None,
        rows=intake.rows,
        cases=intake.cases,
        events_added=0,
        events_known_already=0,
        set_aside=tuple(intake.findings()),
        dropped=tuple(name for name in file.columns if name in drop),
        left_out=tuple(name for name in file.columns if name in mapping.leave_out and name not in drop),
        forced=mapping.forced,
        known_at_opening=intake.known_at_opening,
        near_instant=intake.near_instant,
        ambiguous_times=intake.ambiguous_times,
        skipped_times=intake.skipped_times,
        extracted_at=max(snapshot.seen_at for snapshot in intake.snapshots),
        snapshots=intake.snapshots,
        file_sha256=file.sha256,
        mapping_sha256=mapping.sha256,
        notes=(*file.notes, *intake.notes),
    )


def _run(report: ImportReport, mapping: Mapping, request: str) -> ImportRun:
    return ImportRun(
        source=report.source,
        time_zone=str(mapping.source.time_zone),
        known_at_opening=report.known_at_opening,
        file_name=report.file,
        file_sha256=report.file_sha256,
        mapping_sha256=report.mapping_sha256,
        request_sha256=request,
        extracted_at=report.extracted_at,
        rows=report.rows,
        cases=report.cases,
    )
