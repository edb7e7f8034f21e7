"""Rows of an import on their way into the store: put down as they come, taken up case by case.

All rows of a case have to be seen together, and a file may hold them anywhere. So the rows go into buckets by the first
digits of their case id, and come out bucket after bucket, in the order of the case ids, which is also the order of the
event log. Memory holds one bucket, however many there are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa

# Rows in memory at once: enough for the fixed cost of a step to vanish, few enough for a small machine.
AT_ONCE: Final = 50_000
# Buckets on disk; the smallest part that memory must hold is this share of the file.
BUCKETS: Final = 256
_PLACES: Final = 1 << 16


class Spool:
    """Rows in buckets by `case_id` (text that begins with four hex digits), each with its number, `row`, in the file.

    Use it in a `with` block.

    Up to `at_once` rows stay in memory. Beyond that they go to a temporary file that has no name, so that whatever ends
    the process, even `kill -9`, leaves nothing lying about. The file is as large as the rows, in the folder that TMPDIR
    names.
    """

    def __init__(self, at_once: int = AT_ONCE, buckets: int = BUCKETS) -> None:
        self._at_once, self._buckets = at_once, buckets
        self._waiting: list[pa.RecordBatch] = []
        self._file: IO[bytes] | None = None
        self._schema: pa.Schema | None = None
        # Of each bucket: where its parts stand in the file, and how long they are; and its rows.
        self._parts: list[list[tuple[int, int]]] = [[] for _ in range(buckets)]
        self._rows = np.zeros(buckets, dtype=np.int64)
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._waiting.clear()
        if self._file is not None:
            self._file.close()

    def add(self, frame: pd.DataFrame) -> None:
        """Put rows down; every frame has the same columns and types."""
        if frame.empty:
            return
        if self._schema is None:
            self._schema = _schema_of(frame)
        if sum(batch.num_rows for batch in self._waiting) + len(frame) > self._at_once:
            self._write()
        self._waiting.append(pa.RecordBatch.from_pandas(frame, self._schema, preserve_index=False))
        self.rows += len(frame)

    def groups(self) -> Iterator[pd.DataFrame]:
        """The rows, all of a case together: groups in the order of the case ids, rows as in the file.

        May be asked for again. A group has at most `at_once` rows, or those of one bucket if that has more.
        """
        if self._file is None:
            if self._waiting:
                yield _frame_of(self._waiting)
            return
        self._write()
        for first, last in self._runs():
            # Bucket stands beside bucket here; what is said of the first rows means those of the file.
            yield _frame_of(list(self._read(range(first, last)))).sort_values("row", ignore_index=True)

    def _write(self) -> None:
        if not self._waiting:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="heed-import-")  # noqa: SIM115  (closed with the spool)
        table = pa.Table.from_batches(self._waiting).combine_chunks()
        self._waiting.clear()
        bucket = self._bucket_of(table.column("case_id"))
        order = np.argsort(bucket, kind="stable")
        counts = np.bincount(bucket, minlength=self._buckets)
        sorted_rows = table.take(pa.array(order)).combine_chunks()
        self._file.seek(0, 2)
        start = 0
        for place in np.flatnonzero(counts):
            batch = sorted_rows.slice(start, int(counts[place])).to_batches()[0]
            start += int(counts[place])
            written = batch.serialize()
            self._parts[place].append((self._file.tell(), written.size))
            self._file.write(written)
        self._rows += counts

    def _bucket_of(self, case_ids: pa.ChunkedArray) -> np.ndarray:
        codes = case_ids.dictionary_encode().combine_chunks()
        digits = [int(case_id[:4], 16) for case_id in codes.dictionary.to_pylist()]
        places = np.array(digits, dtype=np.int64) * self._buckets // _PLACES
        return np.asarray(places[codes.indices.to_numpy()])

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Neighbouring buckets that fit into memory together, as [first, last)."""
        first, held = 0, 0
        for place, rows in enumerate(self._rows.tolist()):
            if held and held + rows > self._at_once:
                yield first, place
                first, held = place, 0
            held += rows
        if held:
            yield first, self._buckets

    def _read(self, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        for place in places:
            for start, size in self._parts[place]:
                assert self._file is not None  # noqa: S101  (a part was written to it)
                self._file.seek(start)
                yield pa.ipc.read_record_batch(pa.py_buffer(self._file.read(size)), self._schema)


def _schema_of(frame: pd.DataFrame) -> pa.Schema:
    types = {"i": pa.int64(), "b": pa.bool_()}
    return pa.schema([(str(name), types.get(kind.kind, pa.large_string())) for name, kind in frame.dtypes.items()])


def _frame_of(batches: list[pa.RecordBatch]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.Table.from_batches(batches).to_pandas()
    return frame
