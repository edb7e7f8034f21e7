"""Data frames in and out of the tables of a store, with the same types on both engines.

Whole numbers are int64, whole numbers that may be missing `Int64`, shares float64, codes `str` with null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import pandas as pd
from sqlalchemy import BigInteger, Connection, Float, Integer, Select, Table

from data.schema import EVENT_COLUMNS

Progress = Callable[[str, int, int], None]
"""Called as (step, done, total); a step may be called once only, with done == total."""

# Rows per statement: enough for the fixed cost to vanish, few enough for a progress bar to move.
CHUNK: Final = 20_000


def frame_of(connection: Connection, query: Select[Any]) -> pd.DataFrame:
    """The rows of a query over columns of `data.tables`, typed by their columns."""
    columns = list(query.selected_columns)
    rows = connection.execute(query).fetchall()
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    frame = {
        column.name: pd.Series(list(value), dtype=_dtype(column)) for column, value in zip(columns, values, strict=True)
    }
    return pd.DataFrame(frame)


def insert_frame(
    connection: Connection,
    table: Table,
    frame: pd.DataFrame,
    *,
    step: str = "store",
    progress: Progress | None = None,
) -> None:
    """Insert the rows of `frame`; a row whose primary key is stored already is left as it is stored."""
    columns = [column.name for column in table.columns if column.name in frame.columns]
    insert = _copy_rows if connection.dialect.name == "postgresql" else _insert_rows
    for start in range(0, len(frame), CHUNK):
        part = frame[columns].iloc[start : start + CHUNK]
        rows = list(zip(*(plain_values(part[name]) for name in columns), strict=True))
        insert(connection, table, columns, rows)
        if progress is not None:
            progress(step, min(start + CHUNK, len(frame)), len(frame))


def _insert_rows(connection: Connection, table: Table, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Tuples straight to the driver: for SQLite the expression layer would cost more than the database."""
    marks = ", ".join("?" for _ in columns)
    statement = f"INSERT INTO {table.name} ({_listed(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    connection.exec_driver_sql(statement, rows)


def _copy_rows(connection: Connection, table: Table, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """COPY into a table of this transaction, then one INSERT: five times as fast as many INSERTs."""
    incoming = f"incoming_{table.name}"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {incoming} (LIKE {table.name}) ON COMMIT DROP")
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {incoming} ({_listed(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    names = _listed(columns)
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {incoming} ON CONFLICT DO NOTHING"  # noqa: S608
    )
    connection.exec_driver_sql(f"DROP TABLE {incoming}")


def _listed(columns: list[str]) -> str:
    """Column names of `data.tables`, quoted: `at` and `source` are words of some dialects."""
    return ", ".join(f'"{name}"' for name in columns)


def plain_values(values: pd.Series) -> list[Any]:
    """The values as Python objects, None for null."""
    return [None if null else value for value, null in zip(values.tolist(), values.isna().tolist(), strict=True)]


def event_ids(source: str, events: pd.DataFrame) -> list[str]:
    """A name per event: 16 hex digits of its case, then a 64-bit hash over the source and everything the event says.

    The same fact gets the same id in every run and on every machine, so that the database itself refuses to
    store it twice. The case comes first so that its events stand together in the index; within a case 64 bits
    are plenty.
    """
    columns = [_hashed_text(events[name]) for name in EVENT_COLUMNS]
    start = hashlib.blake2b(source.encode(), digest_size=8)
    return [row[0][:16] + _row_hash(start, row) for row in zip(*columns, strict=True)]


def _row_hash(start: Any, row: Iterable[str]) -> str:
    digest = start.copy()
    # A separator that no code holds; without one "a" + "bc" and "ab" + "c" would be one event.
    digest.update("\x1f".join(("", *row)).encode())
    return str(digest.hexdigest())


def _hashed_text(values: pd.Series) -> list[str]:
    return ["\x00" if value is None else str(value) for value in plain_values(values)]


def _dtype(column: Any) -> str:
    if isinstance(column.type, BigInteger | Integer):
        return "Int64" if column.nullable else "int64"
    if isinstance(column.type, Float):
        return "float64"
    return "str"
