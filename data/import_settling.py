"""The second half of an import: what was read is compared with the store and stored, all in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from data.check_rows import apart, look_at_openings, refuse, refuses
from data.diff import Covers, diff_snapshots, no_state, state_of
from data.event_log import NEVER, fold_cases
from data.findings import Tally
from data.import_intake import Intake
from data.import_report import ImportReport
from data.mapping import Mapping
from data.moments import Seconds
from data.observation import latest_looks
from data.schema import EVENT_COLUMNS
from data.service_clock import ServiceClock
from data.service_clock_store import fill_promises, kept_clock
from data.store import Store
from data.store_append import Appending, ImportRun, events_of, source_is_there
from data.store_tables import Progress

_NO_OPENINGS: Final = pd.Series(dtype="int64", index=pd.Index([], dtype="str"))


def settle_in(
    store: Store,
    connection: Connection,
    intake: Intake,
    report: ImportReport,
    run: ImportRun,
    *,
    allowed: Collection[str],
    clock: ServiceClock | None = None,
    tell: Progress,
) -> ImportReport:
    """Compare with the store, store what is new, and complete the report.

    Parameters
    ----------
    connection : from `Store.writing`
    report : what is known of the import before the store has been looked at
    run : the note of the import, without its report
    clock : ServiceClock
        Promises for cases without a deadline of their own, kept for this source from now on; None: those that the
        store keeps for it, if any.

    Raises
    ------
    RowError
        If the events of a case have no opening, or several; with every such finding of the file.
    """
    # Earlier looks matter where a file shows states; there are as many as there were posts of single events.
    shows_states = intake.mapping.source.shape == "cases"
    imports = store.imports(source=run.source, connection=connection) if shows_states else pd.DataFrame()
    is_there = source_is_there(connection, run.source)
    appending = Appending(connection, run)
    clock = kept_clock(connection, run.source, clock)
    offices = None if clock is None else store.read_offices(connection=connection)
    comparing = _Comparing(intake.mapping, report, imports, allowed, clock, offices)
    tell("compare", 0, intake.spool.rows)
    tell("store", 0, intake.spool.rows)
    before = 0
    for frame, done in intake.groups():
        stored = events_of(connection, run.source, frame["case_id"]) if is_there and len(frame) else None
        events = comparing.new_events(frame, stored)
        tell("compare", done, intake.spool.rows)
        if not comparing.refused:
            appending.add(events, _in_rows(tell, before, done, intake.spool.rows))
        tell("store", done, intake.spool.rows)
        before = done
    refuse(report.file, comparing.tally.findings(), intake.mapping, allowed)
    report = dataclasses.replace(
        report,
        set_aside=(*report.set_aside, *comparing.tally.findings()),
        import_id=appending.import_id,
        events_added=appending.added,
        events_known_already=comparing.known,
    )
    result = appending.finish(report.to_dict())
    return dataclasses.replace(report, import_id=result.import_id)


def _in_rows(tell: Progress, before: int, done: int, total: int) -> Progress:
    """Progress within a group of rows, told as rows of the file and not as events."""

    def told(step: str, stored: int, to_store: int) -> None:
        tell(step, before + (done - before) * stored // max(to_store, 1), total)

    return told


class _Comparing:
    """Turns the rows of a group of cases into the events that the store lacks."""

    def __init__(
        self,
        mapping: Mapping,
        report: ImportReport,
        imports: pd.DataFrame,
        allowed: Collection[str],
        clock: ServiceClock | None,
        offices: pd.DataFrame | None,
    ) -> None:
        self.tally = Tally()
        self.known = 0
        self._clock, self._offices = clock, offices
        self._mapping, self._imports, self._allowed = mapping, imports, allowed
        self._covers: Covers = {look.seen_at: (look.opened_from, look.opened_to) for look in report.snapshots}

    @property
    def refused(self) -> bool:
        """Whether something was found that keeps the whole file out."""
        return any(refuses(finding, self._mapping, self._allowed) for finding in self.tally.findings())

    def new_events(self, frame: pd.DataFrame, stored: pd.DataFrame | None) -> pd.DataFrame:
        """The events of these rows; `stored` are all that the store has of their cases, None where it has none."""
        self.known += 0 if stored is None else len(stored)
        events = self._seen_events(frame, stored)
        if self._clock is None or self.refused:
            return events
        has_deadlines = self._mapping.gives("due_at")
        return fill_promises(events, self._clock, self._offices, stored=stored, source_has_deadlines=has_deadlines)

    def _seen_events(self, frame: pd.DataFrame, stored: pd.DataFrame | None) -> pd.DataFrame:
        """What the rows themselves tell."""
        cases = None if stored is None or stored.empty else fold_cases(stored)
        if self._mapping.source.shape == "cases":
            state = no_state() if cases is None else state_of(cases, self._last_looks(cases, stored))
            return diff_snapshots(frame, state, self._mapping, self._covers)
        return self._own_events(frame, _NO_OPENINGS if cases is None else cases.set_index("case_id")["opened_at"])

    def _own_events(self, frame: pd.DataFrame, opened_before: pd.Series) -> pd.DataFrame:
        """The events that a file of shape "events" holds itself."""
        frame = self._with_openings(frame, opened_before)
        if not self.refused:
            # Where the openings of a case were set aside, what is left of it has none.
            frame = self._with_openings(frame, opened_before)
        events = frame.assign(
            place=frame["row"],
            known_at=np.where(frame["known_at"] == NEVER, frame["at_known"], frame["known_at"]),
            due_at=frame["due_at"].astype("Int64").mask(frame["due_at"] == NEVER),
        )
        return events[[*EVENT_COLUMNS, "place"]]

    def _with_openings(self, frame: pd.DataFrame, opened_before: pd.Series) -> pd.DataFrame:
        looked = look_at_openings(frame, self._mapping, opened_before)
        self.tally.add(looked)
        frame, stays = apart(frame, looked, self._mapping)
        return frame[stays]

    def _last_looks(self, cases: pd.DataFrame, events: pd.DataFrame | None) -> Seconds:
        """When each stored case was last looked at."""
        # Whatever the reports say, a case was looked at when its last event became known.
        assert events is not None  # noqa: S101  (cases were folded from them)
        seen = events.groupby("case_id")["known_at"].max().reindex(cases["case_id"]).to_numpy(dtype="int64")
        return latest_looks(cases["opened_at"].to_numpy("int64"), seen, self._imports)
