"""Terms counted in a warehouse: SQL goes in, and only the integers come back.

Ibis writes the statements (`features.distributed.warehouse`); the warehouse's own driver runs them. Ibis could run them
too, but its connections to DuckDB 2, SQLite and PostgreSQL do not keep up with their newest drivers, and heed already
speaks to two of them through SQLAlchemy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import sqlalchemy as sa

from data.database import open_engine, parse_url, reading
from data.errors import InputError, StoreError, UsageError
from features.distributed.engines import Rows, in_place, read_rows
from features.distributed.stream import terms_schema
from features.distributed.warehouse import column_of, columns_needed, landmarks_sql, warehouse_sql
from features.terms import KnownTerms, Term, by_keys, in_order

_FETCHED: Final = 50_000
_IN_MEMORY: Final = "duckdb://"


@dataclass(frozen=True, slots=True)
class WarehouseTable:
    """A table or view that is in the warehouse already: its name, perhaps with a schema before it (`heed.facts`)."""

    name: str


class IbisEngine:
    """A warehouse as an engine.

    Rows may be given as a `WarehouseTable`, which stays where it is, as an Arrow table, which is copied into a
    temporary table, or as Parquet, which DuckDB and Spark read in place. Nothing but temporary tables is written.

    Parameters
    ----------
    warehouse : `duckdb://` for DuckDB in memory, `duckdb:///file.duckdb` for a file of it, which is opened for reading,
        `sqlite:///file.db`, `postgresql://user@host/database`; or an open DuckDB connection, an SQLAlchemy engine of
        SQLite or PostgreSQL, or a Spark session, which is left open. For any other, run what `warehouse_sql` writes.
    memory_limit : how much DuckDB may use before it goes on on disk, such as `4GB`; 80 % of the memory when None
    temporary_folder : where it goes on; beside the file, or in `.tmp` when None
    threads : of DuckDB; one for each processor when None
    """

    def __init__(
        self,
        warehouse: Any = _IN_MEMORY,
        *,
        memory_limit: str | None = None,
        temporary_folder: Path | None = None,
        threads: int | None = None,
    ) -> None:
        options = {"memory_limit": memory_limit, "temp_directory": temporary_folder, "threads": threads}
        given = {name: str(value) for name, value in options.items() if value is not None}
        self._own = isinstance(warehouse, str)
        self._warehouse = _opened(warehouse, given) if isinstance(warehouse, str) else _adapter(warehouse)

    def by_case(self, made: Callable[[pa.Table], pa.Table], events: Rows) -> Rows:
        """In this process, all cases at once: making facts is no query; see `features.distributed.engines.Engine`."""
        return made(self.collect(events))

    def terms(self, streams: Sequence[Rows], queries: Rows, terms: Iterable[Term]) -> KnownTerms:
        """One statement for each key set, all of them on one state of the data; see `Engine`.

        Raises
        ------
        InputError
            If the landmarks are not numbered from 0 to n - 1.
        StoreError
            For what the warehouse says.
        """
        asked = in_order(terms)
        of_facts, of_queries = columns_needed(asked)
        with self._warehouse.session() as session:
            facts = [session.name_of(stream, of_facts) for stream in streams]
            landmarks = session.name_of(queries, of_queries)
            n = _numbered(session.run(landmarks_sql(session.dialect, landmarks)))
            parts = (
                _named(session.run(warehouse_sql(listed, session.dialect, facts, landmarks)), listed)
                for listed in by_keys(asked).values()
            )
            return in_place(parts, n)

    def collect(self, rows: Rows) -> pa.Table:
        """Bring all rows to this process; see `Engine`."""
        if not isinstance(rows, WarehouseTable):
            return read_rows(rows)
        with self._warehouse.session() as session:
            return session.run(f"SELECT * FROM {session.quoted(rows.name)}")  # noqa: S608 - a name, quoted

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        if self._own:
            self._warehouse.close()


class _Session(Protocol):
    """A warehouse while it is being asked; temporary tables are gone afterwards."""

    dialect: str

    def name_of(self, rows: Rows, columns: Sequence[str]) -> str:
        """The name under which rows can be asked: of a table that is there already, or of a copy of some columns."""
        ...

    def run(self, statement: str) -> pa.Table:
        """What a query gives."""
        ...

    def quoted(self, name: str) -> str:
        """A name as a statement may bear it."""
        ...


class _Warehouse(Protocol):
    def session(self) -> Any:
        """A context manager that gives a `_Session`."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class _DuckDB:
    """A connection of DuckDB; rows go over as Arrow in both directions."""

    dialect = "duckdb"

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._made: list[str] = []

    @contextmanager
    def session(self) -> Iterator[_Session]:
        try:
            yield self
        finally:
            for statement in self._made:
                self._connection.execute(statement)
            self._made.clear()

    def name_of(self, rows: Rows, columns: Sequence[str]) -> str:
        if isinstance(rows, WarehouseTable):
            return rows.name
        name = f"heed_rows_{len(self._made)}"
        if isinstance(rows, pa.Table):
            self._connection.register("heed_arrow", _chosen(rows, columns))
            self._execute(f"CREATE TEMP TABLE {name} AS FROM heed_arrow")
            self._connection.unregister("heed_arrow")
            self._made.append(f"DROP TABLE {name}")
        else:
            path = Path(os.fspath(rows))
            files = str(path / "**" / "*.parquet" if path.is_dir() else path).replace("'", "''")
            listed = ", ".join(map(self.quoted, columns))
            chosen = f"SELECT {listed} FROM read_parquet('{files}')"  # noqa: S608 - all quoted; a view takes no parameter
            self._execute(f"CREATE TEMP VIEW {name} AS {chosen}")
            self._made.append(f"DROP VIEW {name}")
        return name

    def run(self, statement: str) -> pa.Table:
        return self._said(lambda: self._connection.sql(statement).to_arrow_table())

    def _execute(self, statement: str) -> None:
        self._said(lambda: self._connection.execute(statement))

    @staticmethod
    def _said(ask: Callable[[], Any]) -> Any:
        import duckdb  # noqa: PLC0415 - an optional engine

        try:
            return ask()
        except duckdb.Error as error:
            raise StoreError(
                f"DuckDB refused: {_first_line(error)}. Where memory ran out, give it more with memory_limit, or room "
                "on disk with temporary_folder."
            ) from None

    @staticmethod
    def quoted(name: str) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))

    def close(self) -> None:
        self._connection.close()


class _Sql:
    """SQLite or PostgreSQL through SQLAlchemy. All is read in one transaction, so all of it is of the same moment.

    Rows that are not there yet are inserted one by one: good for thousands, not for millions.
    """

    def __init__(self, engine: sa.Engine) -> None:
        dialects = {"sqlite": "sqlite", "postgresql": "postgres"}
        if engine.dialect.name not in dialects:
            raise UsageError(
                f"Expected an SQLAlchemy engine of SQLite or PostgreSQL, got '{engine.dialect.name}'. "
                "Run what warehouse_sql writes for it with its own client."
            )
        self.dialect = dialects[engine.dialect.name]
        self._engine = engine
        self._connection: sa.Connection
        self._made: list[sa.Table] = []

    @contextmanager
    def session(self) -> Iterator[_Session]:
        self._made.clear()
        with reading(self._engine) as self._connection:
            yield self
            # After an error the transaction, taken back, takes them along.
            for table in self._made:
                table.drop(self._connection)

    def name_of(self, rows: Rows, columns: Sequence[str]) -> str:
        if isinstance(rows, WarehouseTable):
            return rows.name
        found = _chosen(read_rows(rows), columns)
        kinds = [sa.BigInteger() if pa.types.is_integer(field.type) else sa.Text() for field in found.schema]
        table = sa.Table(
            f"heed_rows_{len(self._made)}",
            sa.MetaData(),
            *(sa.Column(name, kind) for name, kind in zip(found.column_names, kinds, strict=True)),
            prefixes=["TEMPORARY"],
        )
        table.create(self._connection)
        self._made.append(table)
        for batch in found.to_batches(_FETCHED):
            if batch.num_rows:
                self._connection.execute(table.insert(), batch.to_pylist())
        if self.dialect == "postgres":
            # Nobody else does it for a temporary table, and without it the planner takes it for a small one.
            self._connection.exec_driver_sql(f"ANALYZE {table.name}")
        return str(table.name)

    def run(self, statement: str) -> pa.Table:
        found = self._connection.exec_driver_sql(statement, execution_options={"stream_results": True})
        names = list(found.keys())
        parts = [
            pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
            for rows in found.partitions(_FETCHED)
        ]
        empty = pa.table({name: pa.nulls(0) for name in names})
        return pa.concat_tables(parts, promote_options="permissive") if parts else empty

    def quoted(self, name: str) -> str:
        prepared = self._engine.dialect.identifier_preparer
        return ".".join(prepared.quote_identifier(part) for part in name.split("."))

    def close(self) -> None:
        self._engine.dispose()


class _Spark:
    """A Spark session: its tables, and its SQL."""

    dialect = "pyspark"

    def __init__(self, session: Any) -> None:
        self._session = session
        self._made: list[str] = []

    @contextmanager
    def session(self) -> Iterator[_Session]:
        try:
            yield self
        finally:
            for name in self._made:
                self._session.catalog.dropTempView(name)
            self._made.clear()

    def name_of(self, rows: Rows, columns: Sequence[str]) -> str:
        if isinstance(rows, WarehouseTable):
            return rows.name
        if isinstance(rows, pa.Table):
            frame = self._session.createDataFrame(_chosen(rows, columns))
        else:
            frame = self._session.read.parquet(str(rows)).select(*columns)
        name = f"heed_rows_{len(self._made)}"
        frame.createOrReplaceTempView(name)
        self._made.append(name)
        return name

    def run(self, statement: str) -> pa.Table:
        return self._session.sql(statement).toArrow()

    @staticmethod
    def quoted(name: str) -> str:
        return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))

    def close(self) -> None:
        self._session.stop()


def _opened(url: str, options: dict[str, str]) -> _Warehouse:
    if not url.startswith(_IN_MEMORY):
        if options:
            raise UsageError(f"Expected {', '.join(options)} with DuckDB only, which has such settings.")
        return _Sql(open_engine(parse_url(url)))
    try:
        import duckdb  # noqa: PLC0415 - an optional engine
    except ImportError:
        raise UsageError(
            "Expected the package duckdb, which is not installed. Install it: pip install 'heed[ibis]'."
        ) from None
    file = url.removeprefix(_IN_MEMORY).removeprefix("/")
    try:
        # Several may read one file at a time, if none of them may write.
        return _DuckDB(duckdb.connect(file or ":memory:", read_only=bool(file), config=options))
    except duckdb.Error as error:
        raise StoreError(f"DuckDB refused: {_first_line(error)}. Check the address and the options.") from None


def _adapter(connection: Any) -> _Warehouse:
    if isinstance(connection, sa.Engine):
        return _Sql(connection)
    package = type(connection).__module__.split(".")[0]
    if package in ("duckdb", "_duckdb"):
        return _DuckDB(connection)
    if package == "pyspark":
        return _Spark(connection)
    raise UsageError(
        "Expected an address, a DuckDB connection, an SQLAlchemy engine or a Spark session, "
        f"got {type(connection).__name__}. For another warehouse run what warehouse_sql writes with its own client."
    )


def _chosen(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    missing = [name for name in columns if name not in rows.column_names]
    if missing:
        raise InputError(
            f"Expected the column '{missing[0]}' for the terms that are asked for, got none. "
            "See features.distributed.stream for the columns of facts and queries."
        )
    return rows.select(list(columns))


def _numbered(found: pa.Table) -> int:
    """How many landmarks there are, if they are numbered as they should be."""
    rows, distinct, first, last = (found.column(name)[0].as_py() for name in ("n", "distinct", "first", "last"))
    if rows and (rows, first, last) != (distinct, 0, rows - 1):
        raise InputError(
            f"Expected landmarks numbered from 0 to {rows - 1:,}, each once, got {distinct:,} numbers "
            f"from {first:,} to {last:,}."
        )
    return int(rows)


def _named(found: pa.Table, terms: Sequence[Term]) -> pa.Table:
    """Columns under the names of their terms, as int64."""
    wanted = found.select(["landmark", *map(column_of, terms)])
    return wanted.rename_columns(terms_schema(terms).names).cast(terms_schema(terms))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
