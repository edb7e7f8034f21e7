"""The store: what was imported and what was computed from it, in SQLite or PostgreSQL.

Everything that is written is written in one transaction, and readers see all of it or nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from data import database, tables
from data.errors import StoreError
from data.migrate import check_version, migrate
from data.schema import EVENT_COLUMNS
from data.store_results import Places, Results
from data.store_tables import Progress, event_ids, frame_of, insert_frame

_CASE_KEY: Final = "case_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    """What an import says about itself.

    `extracted_at` (seconds since 1970 in UTC) is the moment up to which the file tells the story.
    `known_at_opening` lists which of category, category_group, area, channel and office the file shows as
    they stood at the opening. `report` goes to the store as JSON: counts, column names and row numbers, and
    no contents.
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


class Store(Places, Results):
    """One store, open. Make one with `Store.open`, and use it in a `with` block or call `close`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Open the store at `url`: `sqlite:///x.db`, a bare path, or `postgresql+psycopg://…`.

        Parameters
        ----------
        url : str
            The address.
        create : bool
            Make the store if there is none, and bring an older one up to date.

        Raises
        ------
        UsageError
            If the address is of another kind.
        StoreError
            If there is no store, if it is of another version, or if the database cannot be reached.
        """
        address = database.parse_url(url)
        file = database.file_of(address)
        if file is not None and not create and not file.is_file():
            raise StoreError(
                f"There is no store at {file}. Make one with `heed import FILE --mapping NAME`, or "
                "`heed demo`, or give another address with --store."
            )
        if file is not None and not file.parent.is_dir():
            raise StoreError(f"There is no folder {file.parent}. Make it first, or give another path with --store.")
        store = cls(database.open_engine(address))
        try:
            store._prepare(create=create)
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self, *, create: bool) -> None:
        if not create:
            with self.reading() as connection:
                check_version(connection)
            return
        with self.writing() as connection:
            migrate(connection)
            row = {"name": _CASE_KEY, "value": secrets.token_bytes(32)}
            connection.execute(self._insert(tables.secret).on_conflict_do_nothing(), row)

    def close(self) -> None:
        """Close every connection. Closing twice is fine."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which everything read is of the same moment."""
        with database.reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that is the only writer until the block ends; an exception inside undoes all of it."""
        with database.writing(self.engine) as connection:
            yield connection

    # ---- the event log ----

    def read_events(
        self,
        *,
        as_of: int | None = None,
        recorded_by: int | None = None,
        source: str | None = None,
        connection: Connection | None = None,
    ) -> pd.DataFrame:
        """The events known strictly before `as_of` (seconds in UTC; None: all), of `source` (None: of all).

        `recorded_by` (seconds in UTC; None: whenever) leaves out what only a later look at the source showed; see
        `data.replay`.

        Returns
        -------
        DataFrame with `data.schema.EVENT_COLUMNS`, sorted by known_at, at, case_id, kind.
            `at` and `known_at` are int64 seconds in UTC, `due_at` is `Int64`; null means that the event says
            nothing about it.
        """
        query = select(*(tables.event.c[name] for name in EVENT_COLUMNS))
        if as_of is not None:
            query = query.where(tables.event.c.known_at < as_of)
        if recorded_by is not None:
            query = query.where(tables.event.c.recorded_at <= recorded_by)
        if source is not None:
            query = query.where(tables.event.c.source == source)
        with self.reading() if connection is None else nullcontext(connection) as opened:
            events = frame_of(opened, query)
        # Sorted here and not by the database: the two engines order text differently.
        return events.sort_values(["known_at", "at", "case_id", "kind"], ignore_index=True)

    def add_events(
        self,
        run: ImportRun,
        events: pd.DataFrame,
        *,
        connection: Connection | None = None,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Append events and the note of their import, in one transaction (that of `connection`, if given).

        An event that is stored already is not stored again. When nothing is new and the same file was
        imported before, not even the note is added: the store stays as it is, to the bit.

        Parameters
        ----------
        run : ImportRun
            Where the events come from.
        events : DataFrame with `data.schema.EVENT_COLUMNS`
            In any order; a repeated row counts once. With a column `recorded_at` if not all of them come from
            one look at the source, at `run.extracted_at`.
        """
        rows = events[list(EVENT_COLUMNS)].copy()
        looked = events.get("recorded_at", run.extracted_at)
        # Never before it was known: nobody records what is not.
        rows["recorded_at"] = np.maximum(looked, rows["known_at"])
        rows.insert(0, "event_id", event_ids(run.source, rows))
        rows = rows.drop_duplicates("event_id")
        with self.writing() if connection is None else nullcontext(connection) as opened:
            self._add_source(opened, run)
            known = self._imported_before(opened, run)
            import_id = self._add_run(opened, run)
            insert_frame(opened, tables.event, rows.assign(source=run.source, import_id=import_id), progress=progress)
            added = _count(opened, tables.event, tables.event.c.import_id == import_id)
            if added == 0 and known:
                opened.execute(delete(tables.import_run).where(tables.import_run.c.import_id == import_id))
                return ImportResult(None, 0, len(rows))
            done = update(tables.import_run).where(tables.import_run.c.import_id == import_id)
            opened.execute(done.values(events=added))
        return ImportResult(import_id, added, len(rows) - added)

    def _add_source(self, connection: Connection, run: ImportRun) -> None:
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

    def _imported_before(self, connection: Connection, run: ImportRun) -> bool:
        runs = tables.import_run.c
        same = (
            (runs.source == run.source)
            & (runs.file_sha256 == run.file_sha256)
            & (runs.extracted_at == run.extracted_at)
        )
        return _count(connection, tables.import_run, same) > 0

    def _add_run(self, connection: Connection, run: ImportRun) -> int:
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

    # ---- what the store knows about itself ----

    def sources(self) -> pd.DataFrame:
        """One row per source, sorted: source, time_zone, known_at_opening (JSON list), mapping_sha256."""
        with self.reading() as connection:
            frame = frame_of(connection, select(tables.source))
        return frame.sort_values("source", ignore_index=True)

    def imports(self, *, source: str | None = None, connection: Connection | None = None) -> pd.DataFrame:
        """One row per import (of `source`, or of all), oldest first, as `data.tables.import_run`."""
        query = select(tables.import_run)
        if source is not None:
            query = query.where(tables.import_run.c.source == source)
        with self.reading() if connection is None else nullcontext(connection) as opened:
            frame = frame_of(opened, query)
        return frame.sort_values("import_id", ignore_index=True)

    def known_at_opening(self) -> frozenset[str]:
        """The keys (of category, category_group, area, channel, office) known at opening in every source."""
        keys = [frozenset(json.loads(text)) for text in self.sources()["known_at_opening"]]
        return frozenset.intersection(*keys) if keys else frozenset()

    def time_zone(self) -> str:
        """The time zone of the offices, in which days and weeks are cut.

        Raises
        ------
        StoreError
            If nothing has been imported, or if the sources are of different time zones.
        """
        zones = sorted(set(self.sources()["time_zone"]))
        if not zones:
            raise StoreError(_EMPTY)
        if len(zones) > 1:
            raise StoreError(
                f"Expected sources of one time zone, got {', '.join(zones)}: days and weeks cannot be cut in "
                "both. Keep one store per time zone."
            )
        return str(zones[0])

    def last_known_at(self) -> int:
        """The latest moment (seconds in UTC) the store can speak of; the usual as-of is one second later.

        Raises
        ------
        StoreError
            If nothing has been imported.
        """
        with self.reading() as connection:
            newest = connection.execute(select(func.max(tables.event.c.known_at))).scalar()
            told = connection.execute(select(func.max(tables.import_run.c.extracted_at))).scalar()
        if told is None:
            raise StoreError(_EMPTY)
        return max(int(told), int(newest if newest is not None else told))

    def case_key(self) -> bytes:
        """The key of this store under which references become case ids; it never leaves the store."""
        with self.reading() as connection:
            value = select(tables.secret.c.value).where(tables.secret.c.name == _CASE_KEY)
            return bytes(connection.execute(value).scalar_one())

    def _insert(self, table: Table) -> Any:
        return postgresql.insert(table) if self.engine.dialect.name == "postgresql" else sqlite.insert(table)


_EMPTY: Final = "The store is empty. Import something first: `heed import FILE --mapping NAME`, or `heed demo`."


def _count(connection: Connection, table: Table, condition: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())
