"""Parquet as a table of text and times, in parts."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import FileFormatError
from data.read_bytes import BLOCK, RawFile
from data.read_table import Table, text_column

# Above it, two neighbouring whole numbers are the same decimal number.
_LARGEST_WHOLE: Final = 2.0**53
# The first and the last second that Python can write down in every zone.
_EARLIEST: Final = int(datetime(1, 1, 2, tzinfo=UTC).timestamp())
_LATEST: Final = int(datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC).timestamp())


class ParquetTable(Table):
    """A Parquet file: its footer first, then every column that is asked for, a batch of rows at a time."""

    def __init__(self, raw: RawFile) -> None:
        self._raw = raw
        try:
            with self._open() as opened:
                self._schema = opened.schema_arrow
        except (pa.ArrowException, OSError, ValueError):
            raise FileFormatError(
                f"{raw.name}: this begins as Parquet, but its end, where Parquet lists its columns, is missing or "
                "damaged: the file is cut off. Copy or export it again."
            ) from None
        super().__init__(raw.name, self._schema.names)

    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """See `Table.parts`. Only the wanted columns are ever decoded; what is dropped or left out never becomes a
        value in memory.
        """
        for name in wanted:
            _check_type(self.file, name, self._schema.field(name).type)
        decimals = [name for name in wanted if pa.types.is_floating(self._schema.field(name).type)]
        whole = self._whole(decimals, size)
        with closing(self._batches(wanted, size)) as batches:
            for batch in batches:
                columns = {name: self._values(name, batch.column(name), whole=name in whole) for name in wanted}
                yield batch.num_rows, columns

    def _open(self) -> pq.ParquetFile:
        # Not mapped into memory, not fetched ahead: a file that shrinks is an error and not the end of the process.
        return pq.ParquetFile(self._raw.path, memory_map=False, pre_buffer=False, buffer_size=BLOCK)

    def _batches(self, names: Sequence[str], size: int) -> Generator[pa.RecordBatch, None, None]:
        done = 0
        try:
            with self._open() as opened:
                for batch in opened.iter_batches(batch_size=size, columns=list(names), use_threads=False):
                    batch.validate(full=True)
                    yield batch
                    done += batch.num_rows
                expected = opened.metadata.num_rows
        except (pa.ArrowException, OSError, ValueError):
            self._raw.check_unchanged()
            raise self._damaged(done) from None
        if done != expected:
            raise self._damaged(done)

    def _damaged(self, done: int) -> FileFormatError:
        return FileFormatError(
            f"{self.file}: a part of the file is damaged, after row {done}. Copy or export it again."
        )

    def _whole(self, names: Sequence[str], size: int) -> set[str]:
        """Those columns of decimals that hold nothing but whole numbers: codes that a null turned into decimals
        (ward 7 as 7.0).
        """
        whole = set(names)
        if names:
            with closing(self._batches(names, size)) as batches:
                for batch in batches:
                    whole -= {name for name in whole if not _is_whole(batch.column(name))}
        return whole

    def _values(self, name: str, column: pa.Array, *, whole: bool) -> pd.Series:
        kind = column.type
        try:
            if pa.types.is_timestamp(kind):
                return _moments(column, kind.tz)
            if pa.types.is_date(kind):
                return _moments(column, None)
            if pa.types.is_floating(kind):
                column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
                column = column.cast(pa.int64()) if whole else column
            text = column.cast(pa.large_string())
        except (pa.ArrowException, ValueError, OverflowError, KeyError):
            raise FileFormatError(
                f"{self.file}, column '{name}': expected text, numbers or times, got {kind} that cannot be read as "
                "that. Mend the column, or leave it out."
            ) from None
        if pc.any(pc.match_substring(text, "\x00")).as_py():
            raise FileFormatError(
                f"{self.file}, column '{name}': expected text, got characters that no text holds. Export it again."
            )
        return text_column(text)


def _moments(column: pa.Array, zone: str | None) -> pd.Series:
    """Times in whole seconds; what lies before the year 1 or after 9999 becomes the end of these, which no check of
    the times takes for good.
    """
    seconds = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    kept = pc.max_element_wise(pc.min_element_wise(seconds, _LATEST, skip_nulls=False), _EARLIEST, skip_nulls=False)
    return pd.Series(kept.cast(pa.timestamp("s")).cast(pa.timestamp("s", zone)).to_pandas())


def _check_type(file: str, name: str, kind: pa.DataType) -> None:
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise FileFormatError(
            f"{file}, column '{name}': expected text, numbers or times, got {kind}. Flatten it, or leave it out."
        )


def _is_whole(column: pa.Array) -> bool:
    numbers = column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return bool(np.all((np.floor(numbers) == numbers) & (np.abs(numbers) < _LARGEST_WHOLE)))
