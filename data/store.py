"""The store: what was imported and what was computed from it, in SQLite or PostgreSQL.

Everything that is written is written in one transaction, and readers see all of it or nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Final, Self

import pandas as pd
from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from data import database, tables
from data.errors import StoreError
from data.migrate import check_version, current_version, migrate, stored_version
from data.store_append import Appending, ImportResult, ImportRun, read_log
from data.store_changes import Changes
from data.store_results import Places
from data.store_signals import SignalRecord
from data.store_tables import Progress, frame_of

_CASE_KEY: Final = "case_key"


__all__ = ["ImportResult", "ImportRun", "Store"]


class Store(Places, SignalRecord):
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
        with self.reading() as connection:
            if stored_version(connection) == current_version() and self._has_key(connection):
                # Nothing to write, so nobody to wait for.
                return
        with self.writing(patience=database.IMPORT_PATIENCE) as connection:
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
    def writing(
        self, *, patience: float | None = None, waiting: database.Waiting | None = None
    ) -> Iterator[Connection]:
        """A connection that is the only writer until the block ends; an exception inside undoes all of it.

        `patience` and `waiting`: see `data.database.writing`.
        """
        with database.writing(self.engine, patience=patience, waiting=waiting) as connection:
            changes = Changes(connection)
            yield connection
            changes.note()

    def fenced(self, fence: database.Fence) -> Store:
        """The same store, whose writing transactions all stand within `fence` (`data.database.Fence`), those of other
        stores made from it as well.
        """
        return Store(database.fenced(self.engine, fence))

    # ---- the event log ----

    def read_events(
        self,
        *,
        as_of: int | None = None,
        recorded_by: int | None = None,
        last_import: int | None = None,
        source: str | None = None,
        connection: Connection | None = None,
    ) -> pd.DataFrame:
        """The events known strictly before `as_of` (seconds in UTC; None: all), of `source` (None: of all).

        `recorded_by` (seconds in UTC; None: whenever) leaves out what only a later look at the source showed, and
        `last_import` what only a later import brought; see `data.replay`.

        Returns
        -------
        DataFrame with `data.schema.EVENT_COLUMNS`, sorted as `data.store_append.read_log` says.
            `at` and `known_at` are int64 seconds in UTC, `due_at` is `Int64`; null means that the event says
            nothing about it.
        """
        event = tables.event.c
        conditions = []
        if as_of is not None:
            conditions.append(event.known_at < as_of)
        if recorded_by is not None:
            conditions.append(event.recorded_at <= recorded_by)
        if last_import is not None:
            conditions.append(event.import_id <= last_import)
        if source is not None:
            conditions.append(event.source == source)
        with self.reading() if connection is None else nullcontext(connection) as opened:
            return read_log(opened, *conditions)

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
            See `data.store_append.Appending.add`; a repeated row counts once.
        """
        with self.writing() if connection is None else nullcontext(connection) as opened:
            appending = Appending(opened, run)
            appending.add(events, progress)
            return appending.finish()

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

    def newest_import(self, connection: Connection) -> int | None:
        """Number of the newest import; None where there is none."""
        newest = connection.execute(select(func.max(tables.import_run.c.import_id))).scalar()
        return None if newest is None else int(newest)

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
            newest = connection.execute(select(func.max(tables.import_run.c.newest_known_at))).scalar()
            # A log of inspections looks at no case: it does not make the store speak of cases any later.
            run = tables.import_run.c
            of_cases = (run.cases > 0) | run.newest_known_at.is_not(None)
            told = connection.execute(select(func.max(run.extracted_at)).where(of_cases)).scalar()
        if told is None:
            raise StoreError(_EMPTY)
        return max(int(told), int(newest if newest is not None else told))

    def case_key(self) -> bytes:
        """The key of this store under which references become case ids; it never leaves the store."""
        with self.reading() as connection:
            return bytes(connection.execute(_KEY).scalar_one())

    def _has_key(self, connection: Connection) -> bool:
        return connection.execute(_KEY).first() is not None

    def _insert(self, table: Table) -> Any:
        return postgresql.insert(table) if self.engine.dialect.name == "postgresql" else sqlite.insert(table)


_KEY: Final = select(tables.secret.c.value).where(tables.secret.c.name == _CASE_KEY)
_EMPTY: Final = "The store is empty. Import something first: `heed import FILE --mapping NAME`, or `heed demo`."
