"""The rows of a table as Parquet and back, the same from and into either engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Column, Connection, Float, Integer, LargeBinary, Table, select
from sqlalchemy import text as sql

from data.errors import FileFormatError, StoreError

# Rows that are in memory at a time: a row of risks holds some kilobytes of reasons.
_PART: Final = 10_000


def write_rows(connection: Connection, table: Table, path: Path) -> int:
    """Write a table to a Parquet file, as `connection` sees it; how many rows it has.

    Raises
    ------
    StoreError
        If a value is of another kind than its column.
    """
    schema = pa.schema([(column.name, _arrow_type(column)) for column in table.columns])
    options = {"stream_results": True, "max_row_buffer": _PART}
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in connection.execute(select(table), execution_options=options).partitions(_PART):
            columns = zip(*part, strict=True)
            try:
                arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                raise StoreError(
                    f"Expected values of the kind of their column in the table {table.name}, and one is of another. "
                    "The store was changed by something else than heed; nothing was backed up."
                ) from None
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            rows += len(part)
    return rows


def read_rows(connection: Connection, table: str, columns: set[str], file: BinaryIO) -> int:
    """Insert the rows of a Parquet file into an empty table that has at least its columns; how many there were.

    Raises
    ------
    FileFormatError
        If it is no Parquet file, or has other columns.
    """
    try:
        source = pq.ParquetFile(file)
        names = source.schema_arrow.names
        if not set(names) <= columns or len(set(names)) != len(names):
            raise FileFormatError(f"The rows of {table} have other columns than the table. Nothing was restored.")
        rows = 0
        for batch in source.iter_batches(_PART):
            insert_rows(connection, table, names, list(zip(*(column.to_pylist() for column in batch), strict=True)))
            rows += len(batch)
    except pa.ArrowException:
        raise FileFormatError(f"The rows of {table} cannot be read. Nothing was restored.") from None
    return rows


def insert_rows(connection: Connection, table: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows by the fastest way of the engine."""
    if not rows:
        return
    listed = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({listed}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" for _ in names)
    statement = f'INSERT INTO "{table}" ({listed}) VALUES ({marks})'  # noqa: S608 — names of our own tables
    connection.exec_driver_sql(statement, rows if len(rows) > 1 else rows[0])


def count_on(connection: Connection, number: str, table: str) -> None:
    """Let PostgreSQL go on numbering after the highest number of a table; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            sql(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{number}'), "  # noqa: S608 — names of our own
                f'GREATEST(max("{number}"), 1), max("{number}") IS NOT NULL) FROM "{table}"'
            )
        )


def _arrow_type(column: Column[Any]) -> pa.DataType:
    if isinstance(column.type, LargeBinary):
        return pa.binary()
    if isinstance(column.type, BigInteger | Integer):
        return pa.int64()
    if isinstance(column.type, Float):
        return pa.float64()
    return pa.string()
