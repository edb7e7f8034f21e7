"""Data frames in and out of the tables of a store, with the same types on both engines.

Whole numbers are int64, whole numbers that may be missing `Int64`, shares float64, codes `str` with null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, Connection, Float, Integer, Select, Table

Progress = Callable[[str, int, int], None]
"""Called as (step, done, total); a total of 0 is not known yet. A step may be called once only, with done == total."""

# Rows per statement: enough for the fixed cost to vanish, few enough for a progress bar to move.
CHUNK: Final = 20_000


def frame_of(connection: Connection, query: Select[Any]) -> pd.DataFrame:
    """The rows of a query over columns of `data.tables`, typed by their columns."""
    columns = list(query.selected_columns)
    # Part by part: as Python objects all at once, a log of some million events would need many gigabytes.
    result = connection.execute(query, execution_options={"stream_results": True, "max_row_buffer": CHUNK})
    parts = [
        pd.DataFrame(
            {
                column.name: _typed(values, column)
                for column, values in zip(columns, zip(*rows, strict=True), strict=True)
            }
        )
        for rows in result.partitions(CHUNK)
    ]
    if not parts:
        return pd.DataFrame({column.name: _typed((), column) for column in columns})
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _typed(values: Sequence[Any], column: Any) -> pd.Series:
    return pd.Series(list(values), dtype=_dtype(column))


def insert_frame(
    connection: Connection,
    table: Table,
    frame: pd.DataFrame,
    *,
    step: str = "store",
    progress: Progress | None = None,
    all_new: bool = False,
) -> int:
    """Insert the rows of `frame`; a row whose primary key is stored already is left as it is stored.

    Parameters
    ----------
    all_new : bool
        None of the keys can be in the table, nor twice in `frame`: PostgreSQL then takes half the time.

    Returns
    -------
    int, the rows that were not stored already
    """
    columns = [column.name for column in table.columns if column.name in frame.columns]
    added = 0
    for start in range(0, len(frame), CHUNK):
        part = frame[columns].iloc[start : start + CHUNK]
        if connection.dialect.name != "postgresql":
            added += _insert_rows(connection, table.name, part)
        elif all_new:
            added += _copy_rows(connection, table.name, part)
        else:
            added += _merge_rows(connection, table.name, part)
        if progress is not None:
            progress(step, min(start + CHUNK, len(frame)), len(frame))
    return added


def _insert_rows(connection: Connection, table: str, frame: pd.DataFrame) -> int:
    """Tuples straight to the driver: for SQLite the expression layer would cost more than the database."""
    rows = list(zip(*(plain_values(frame[name]) for name in frame.columns), strict=True))
    marks = ", ".join("?" for _ in frame.columns)
    statement = f"INSERT INTO {table} ({_listed(frame)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    if len(rows) == 1:
        return connection.exec_driver_sql(statement, rows[0]).rowcount
    return connection.exec_driver_sql(statement, rows).rowcount


def _merge_rows(connection: Connection, table: str, frame: pd.DataFrame) -> int:
    """COPY into a table of this transaction, then one INSERT: five times as fast as many INSERTs."""
    incoming, names = f"incoming_{table}", _listed(frame)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {incoming} (LIKE {table}) ON COMMIT DROP")
    _copy_rows(connection, incoming, frame)
    added = connection.exec_driver_sql(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {incoming} ON CONFLICT DO NOTHING"  # noqa: S608
    ).rowcount
    connection.exec_driver_sql(f"DROP TABLE {incoming}")
    return added


def _copy_rows(connection: Connection, table: str, frame: pd.DataFrame) -> int:
    """COPY of one block of CSV that Arrow writes: no value passes through Python."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({_listed(frame)}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(_csv(frame))
        return int(cursor.rowcount)


def _csv(frame: pd.DataFrame) -> pa.Buffer:
    # Imported here: SQLite needs none of it.
    from pyarrow import csv  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    # Every value in quotes and no null: so an empty text is no null.
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), sink, options)
    return sink.getvalue()


def _listed(frame: pd.DataFrame) -> str:
    """Column names of `data.tables`, quoted: `at` and `source` are words of some dialects."""
    return ", ".join(f'"{name}"' for name in frame.columns)


def plain_values(values: pd.Series) -> list[Any]:
    """The values as Python objects, None for null."""
    if isinstance(values.dtype, pd.StringDtype):
        return list(pa.array(values, from_pandas=True).to_pylist())
    if not values.hasnans:
        return list(values.tolist())
    return [None if null else value for value, null in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _dtype(column: Any) -> str:
    if isinstance(column.type, BigInteger | Integer):
        return "Int64" if column.nullable else "int64"
    if isinstance(column.type, Float):
        return "float64"
    return "str"
