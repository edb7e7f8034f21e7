"""A file as a table of text and times: CSV, Parquet, Excel, JSON, XES; nothing guessed, and read in parts, so
that a large file takes no more memory than a small one.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import closing
from pathlib import Path
from typing import Final

import pandas as pd

from data.errors import FileFormatError, UsageError
from data.read_bytes import RawFile, TextWatcher, sha256_of
from data.read_csv import CsvTable
from data.read_json import JsonTable
from data.read_kind import Kind, kind_of
from data.read_table import Table

CHUNK_ROWS: Final = 50_000


class SourceFile:
    """A file that is what it claims to be, as far as its beginning and its encoding say, with the names of its
    columns; `chunks` and `read` give the values of some of them.

    Values are one row per data row, in the order of the file, with an index from 0. Text is `str`, trimmed,
    and null where empty; times that the file itself knows as times are datetime64, with or without a zone.
    (A column of a workbook that mixes times and text is text, its times in ISO 8601.)

    An error in the middle of the file is raised when it is reached: what came before must not be stored until
    the last part was read.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the bytes of the file.
    columns : tuple of str
    """

    def __init__(self, raw: RawFile, sha256: str, table: Table) -> None:
        self.name = raw.name
        self.sha256 = sha256
        self.columns = table.columns
        self._raw = raw
        self._table = table
        self._rows: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader has doubts about; complete once the file was read to its end."""
        return tuple(dict.fromkeys(self._table.notes))

    @property
    def rows(self) -> int:
        """How many data rows there are; a file that was not read to its end yet is read for it."""
        if self._rows is None:
            for _part in self.chunks(()):
                pass
        return self._rows or 0

    def chunks(self, wanted: Collection[str], size: int = CHUNK_ROWS) -> Generator[pd.DataFrame, None, None]:
        """The `wanted` columns that the file has, at most `size` rows at a time; the index of each part goes on
        where the last one ended.

        Raises
        ------
        FileFormatError
            If the file turns out to be cut off or damaged, or was changed meanwhile; with the row.
        """
        names = [name for name in self.columns if name in wanted]
        done = 0
        try:
            with closing(self._table.parts(names, size)) as parts:
                for rows, values in parts:
                    part = pd.DataFrame(values, index=pd.RangeIndex(rows), columns=names)
                    part.index = pd.RangeIndex(done, done + rows)
                    yield part
                    done += rows
        except (OSError, UnicodeDecodeError):
            self._raw.check_unchanged()
            raise FileFormatError(
                f"{self.name}: the file cannot be read after row {done}. Copy or export it again."
            ) from None
        self._raw.check_unchanged()
        self._rows = done

    def read(self, wanted: Collection[str]) -> pd.DataFrame:
        """All rows of the `wanted` columns at once. Raises as `chunks` does."""
        parts = list(self.chunks(wanted))
        names = [name for name in self.columns if name in wanted]
        # One by one: in a workbook, a column can hold times in one part and text in the next.
        columns = {name: _joined([part[name] for part in parts]) for name in names}
        return pd.DataFrame(columns, index=pd.RangeIndex(self.rows), columns=names)


def _joined(parts: list[pd.Series]) -> pd.Series:
    if len({part.dtype for part in parts}) > 1:
        parts = [as_text(part) for part in parts]
    joined: pd.Series = pd.concat(parts)
    return joined


def as_text(part: pd.Series) -> pd.Series:
    """A column of a part as text: times in ISO 8601, text as it is."""
    if not pd.api.types.is_datetime64_any_dtype(part.dtype):
        return part
    written: pd.Series = part.map(lambda moment: moment.isoformat(sep=" "), na_action="ignore").astype("str")
    return written


def open_file(path: str | Path, sheet: str | None = None) -> SourceFile:
    """Open a file, and make sure that it is what it claims to be as far as that can be known before its rows
    are read: its type, its encoding, its columns, and that there is a first row.

    Parameters
    ----------
    path : path
        A table as CSV, Parquet, Excel, JSON Lines or JSON, or an event log as XES.
    sheet : str, optional
        The sheet of a workbook to read; needed if it has several.

    Raises
    ------
    UsageError
        If there is no such file, or `sheet` is given for a file that is no workbook.
    FileFormatError
        If it is empty, of another type than its name says, without rows, or cut off; with the row and the
        remedy.
    """
    raw = RawFile(Path(path))
    kind = kind_of(raw)
    if sheet is not None and kind is not Kind.EXCEL:
        raise UsageError(f"{raw.name}: a sheet was named, but only a workbook has sheets. Leave the sheet out.")
    if kind in (Kind.CSV, Kind.JSON_LINES, Kind.JSON_ARRAY):
        watcher = TextWatcher(raw)
        sha256 = sha256_of(raw, watcher)
        text = watcher.text()
        table: Table = CsvTable(text) if kind is Kind.CSV else JsonTable(text, array=kind is Kind.JSON_ARRAY)
    else:
        sha256 = sha256_of(raw)
        table = _table(raw, kind, sheet)
    file = SourceFile(raw, sha256, table)
    if next(file.chunks((), 1), None) is None:
        raise FileFormatError(
            f"{raw.name}: the file has column names and no rows. Check the period and the filters of the export."
        )
    return file


def _table(raw: RawFile, kind: Kind, sheet: str | None) -> Table:
    # Imported here: each of them is a library of its own, and most files are CSV.
    if kind is Kind.PARQUET:
        from data.read_parquet import ParquetTable  # noqa: PLC0415

        return ParquetTable(raw)
    if kind is Kind.EXCEL:
        from data.read_excel import ExcelTable  # noqa: PLC0415

        return ExcelTable(raw, sheet)
    from data.read_xes import XesTable  # noqa: PLC0415

    return XesTable(raw, packed=kind is Kind.XES_GZ)
