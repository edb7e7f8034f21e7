"""How an import gets into a store: its note, its events part by part, and its figures, all in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Column, ColumnElement, Connection, MetaData, String, Table, delete, func, insert, select, update

from data import tables
from data.errors import StoreError
from data.event_names import event_words, hex_names
from data.schema import EVENT_COLUMNS
from data.store_tables import Progress, frame_of, insert_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    """What an import says about itself.

    `extracted_at` (seconds since 1970 in UTC) is the moment up to which the file tells the story.
    `known_at_opening` lists which of category, category_group, area, channel and office the file shows as
    they stood at the opening. `request_sha256` is a hash of the file and of all that was asked for, or empty. `report`
    goes to the store as JSON: counts, column names and row numbers, and no contents.
    """

    source: str
    time_zone: str
    known_at_opening: Collection[str]
    file_name: str
    file_sha256: str
    extracted_at: int
    mapping_sha256: str = ""
    request_sha256: str = ""
    rows: int = 0
    cases: int = 0
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import changed. `import_id` is None when the very same file had been imported before."""

    import_id: int | None
    events_added: int
    events_known_already: int


class Appending:
    """An import under way, in the transaction of `connection`; undone with it.

    Attributes
    ----------
    is_new : bool
        The store holds no event of this source yet.
    import_id : int
    added, known : int
        Events stored so far, and those that were stored already.
    """

    def __init__(self, connection: Connection, run: ImportRun) -> None:
        self._connection, self._run = connection, run
        self.is_new = not source_is_there(connection, run.source)
        _note_source(connection, run)
        self._before = _imported_before(connection, run)
        # What an earlier look than the newest one shows is recorded when it comes in: what was told of the past before
        # then was told without it. Without a look of its own time, that is now by the clock of this machine.
        newest = connection.execute(select(func.max(tables.import_run.c.extracted_at))).scalar()
        self._looked_before = -1 if newest is None else int(newest)
        self._recorded_late = run.extracted_at if run.extracted_at > self._looked_before else int(time.time())
        self.import_id = _note_run(connection, run)
        self.added = self.known = 0
        self._newest: int | None = None

    def add(self, events: pd.DataFrame, progress: Progress | None = None) -> int:
        """Store events, in any order; a repeated one counts once. All events of a case must come in one call.

        Parameters
        ----------
        events : DataFrame with `data.schema.EVENT_COLUMNS`
            With a column `recorded_at` if not all of them come from one look at the source, at `run.extracted_at`,
            and with `place`, where each stands in its file, if not in this order.
        progress : called as ("store", events stored, events to store)

        Returns
        -------
        int, the events that were not stored already
        """
        if events.empty:
            return 0
        rows = _named(events, self._run).assign(source=self._run.source, import_id=self.import_id)
        looked = rows["recorded_at"].to_numpy("int64")
        late = looked <= self._looked_before
        rows["recorded_at"] = np.where(late, np.maximum(looked, self._recorded_late), looked)
        added = insert_frame(self._connection, tables.event, rows, progress=progress, all_new=self.is_new)
        newest = int(rows["known_at"].max())
        self._newest = newest if self._newest is None else max(newest, self._newest)
        self.added += added
        self.known += len(rows) - added
        return added

    def finish(self, report: Mapping[str, Any] | None = None) -> ImportResult:
        """Write the figures of the import, and its report in place of that of the run.

        When nothing was new and the same file was imported before, not even the note is left.
        """
        runs = tables.import_run
        this = runs.c.import_id == self.import_id
        if self.added == 0 and self._before:
            self._connection.execute(delete(runs).where(this))
            return ImportResult(None, 0, self.known)
        figures: dict[str, Any] = {"events": self.added, "newest_known_at": self._newest}
        if report is not None:
            figures["report"] = json.dumps(report, ensure_ascii=False)
        self._connection.execute(update(runs).where(this).values(**figures))
        return ImportResult(self.import_id, self.added, self.known)


def read_log(connection: Connection, *conditions: ColumnElement[bool]) -> pd.DataFrame:
    """The events that meet all `conditions` on columns of `data.tables.event`.

    Returns
    -------
    DataFrame with `data.schema.EVENT_COLUMNS`, sorted by known_at, at, case_id, kind; and what is still equal
        then, as it was imported and as it stood in its file.
    """
    event = tables.event.c
    query = select(*(event[name] for name in (*EVENT_COLUMNS, "import_id", "place"))).where(*conditions)
    # Sorted here and not by the database: the two engines order text differently.
    order = ["known_at", "at", "case_id", "kind", "import_id", "place"]
    return frame_of(connection, query).sort_values(order, ignore_index=True)[[*EVENT_COLUMNS]]


def source_is_there(connection: Connection, source: str) -> bool:
    """Whether anything of that source was ever imported."""
    found = select(tables.source.c.source).where(tables.source.c.source == source)
    return connection.execute(found).first() is not None


def events_of(connection: Connection, source: str, case_ids: pd.Series) -> pd.DataFrame:
    """The stored events of these cases (of `source`), as `data.store.Store.read_events` gives them."""
    _fill_wanted(connection, case_ids)
    event = tables.event.c
    return read_log(connection, event.case_id.in_(select(_WANTED.c.case_id)), event.source == source)


# Only this transaction sees it.
_WANTED: Final = Table("wanted_case", MetaData(), Column("case_id", String(32), primary_key=True))
_CREATE_WANTED: Final = {
    "sqlite": "CREATE TEMPORARY TABLE IF NOT EXISTS wanted_case (case_id TEXT PRIMARY KEY) WITHOUT ROWID",
    "postgresql": "CREATE TEMPORARY TABLE IF NOT EXISTS wanted_case (case_id varchar(32) PRIMARY KEY) ON COMMIT DROP",
}


def _fill_wanted(connection: Connection, case_ids: pd.Series) -> None:
    connection.exec_driver_sql(_CREATE_WANTED[connection.dialect.name])
    connection.execute(delete(_WANTED))
    distinct = pd.Series(case_ids.unique(), dtype="str").sort_values(ignore_index=True)
    insert_frame(connection, _WANTED, pd.DataFrame({"case_id": distinct}), all_new=True)
    if connection.dialect.name == "postgresql":
        # Without it the server takes the table for a small one, and the join may take hours.
        connection.exec_driver_sql("ANALYZE wanted_case")


def _named(events: pd.DataFrame, run: ImportRun) -> pd.DataFrame:
    """The events as rows of the table, each once, in the order of its key."""
    rows = events[[*EVENT_COLUMNS]].copy(deep=False)
    looked = events.get("recorded_at", run.extracted_at)
    # Never before it was known: nobody records what is not.
    rows["recorded_at"] = np.maximum(looked, rows["known_at"])
    rows["place"] = events["place"] if "place" in events else np.arange(len(events))
    words = event_words(run.source, rows)
    cases, _ = pd.factorize(rows["case_id"], sort=True)
    order = np.lexsort((words, cases))
    cases, words = cases[order], words[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (cases[1:] != cases[:-1]) | (words[1:] != words[:-1])
    named = rows.iloc[order[first]].reset_index(drop=True)
    named["event_id"] = pd.Series(hex_names(words[first]), dtype="str")
    return named


def _note_source(connection: Connection, run: ImportRun) -> None:
    """Note the source; a key stays known at opening only while every import of it says so."""
    table = tables.source
    row = connection.execute(select(table).where(table.c.source == run.source)).one_or_none()
    keys = set(run.known_at_opening)
    if row is not None:
        keys &= set(json.loads(row.known_at_opening))
    values = {
        "time_zone": run.time_zone,
        "known_at_opening": json.dumps(sorted(keys)),
        "mapping_sha256": run.mapping_sha256,
    }
    if row is None:
        connection.execute(insert(table).values(source=run.source, **values))
    elif any(row._mapping[name] != value for name, value in values.items()):
        connection.execute(update(table).where(table.c.source == run.source).values(**values))


def _imported_before(connection: Connection, run: ImportRun) -> bool:
    runs = tables.import_run.c
    same = (runs.source == run.source) & (runs.file_sha256 == run.file_sha256) & (runs.extracted_at == run.extracted_at)
    return bool(connection.execute(select(func.count()).select_from(tables.import_run).where(same)).scalar_one())


def _note_run(connection: Connection, run: ImportRun) -> int:
    row = {
        "source": run.source,
        "file_name": run.file_name[:255],
        "file_sha256": run.file_sha256,
        "mapping_sha256": run.mapping_sha256,
        "request_sha256": run.request_sha256,
        "extracted_at": run.extracted_at,
        "imported_at": int(time.time()),
        "rows": run.rows,
        "cases": run.cases,
        "events": 0,
        "report": json.dumps(run.report, ensure_ascii=False),
    }
    key = connection.execute(insert(tables.import_run).values(**row)).inserted_primary_key
    if key is None:
        raise StoreError("The database gave no number to this import. Nothing was stored; try again.")
    return int(key[0])
