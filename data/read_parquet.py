"""Parquet as a table of text and times."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import FileFormatError
from data.read_text import Table


def read_parquet(file: str, content: bytes) -> Table:
    """A Parquet file, its footer and every column that is asked for."""
    try:
        opened = pq.ParquetFile(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        raise FileFormatError(
            f"{file}: this begins as Parquet, but its end, where Parquet lists its columns, is missing or "
            "damaged: "
            "the file is cut off. Copy or export it again."
        ) from None
    schema = opened.schema_arrow

    def read(wanted: Collection[str]) -> pd.DataFrame:
        # Only these columns are ever decoded; what is dropped or left out never becomes a value in memory.
        names = [name for name in schema.names if name in wanted]
        try:
            table = opened.read(columns=names, use_threads=False)
        except (pa.ArrowException, OSError):
            raise FileFormatError(f"{file}: a part of the file is damaged. Copy or export it again.") from None
        columns = {name: _values(file, name, table.column(name)) for name in names}
        return pd.DataFrame(columns, index=range(table.num_rows))

    return Table(tuple(schema.names), opened.metadata.num_rows, read)


def _values(file: str, name: str, column: pa.ChunkedArray) -> pd.Series:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pd.Series(column.cast(pa.timestamp("s", kind.tz), safe=False).to_pandas())
    if pa.types.is_date(kind):
        return pd.Series(column.cast(pa.timestamp("s"), safe=False).to_pandas())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise FileFormatError(
            f"{file}, column '{name}': expected text, numbers or times, got {kind}. Flatten it, or leave it out."
        )
    if pa.types.is_floating(kind):
        column = _whole_numbers(column)
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pd.Series(text.to_pandas(types_mapper=pd.ArrowDtype)).astype("str").replace("", None)


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Codes that a null turned into decimals (ward 7 as 7.0) as the whole numbers they are; other numbers as
    is.
    """
    filled = column.drop_null()
    if len(filled) == 0 or not pc.all(pc.equal(pc.floor(filled), filled)).as_py():
        return column
    return column.cast(pa.int64(), safe=False)
