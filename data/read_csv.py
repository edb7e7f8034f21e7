"""CSV as a table of text, in parts."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from operator import itemgetter
from typing import Final

import pandas as pd
import pyarrow as pa

from data.errors import FileFormatError
from data.read_bytes import Text
from data.read_table import LONGEST_FIELD, Table, text_column

Fields = list[str]

_NO_LAST_BREAK: Final = (
    "The last line does not end in a line break: if the file was cut off, its last row is not whole."
)


class CsvTable(Table):
    """A CSV file: one header, then rows with as many fields; commas, semicolons or tabs."""

    def __init__(self, text: Text) -> None:
        self._text = text
        # For the whole process, as csv has it; nothing else in heed reads CSV.
        csv.field_size_limit(LONGEST_FIELD)
        with text.stream() as stream:
            self._delimiter = _delimiter(stream.readline())
        file = text.raw.name
        header = next(self._lines(1), None)
        names = () if header is None else tuple(name.strip() for name in header[0])
        _check_width(file, names)
        super().__init__(file, names, text.notes if text.ends_in_break else (*text.notes, _NO_LAST_BREAK))

    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """See `Table.parts`."""
        places = [(name, self.columns.index(name)) for name in wanted]
        with closing(self._lines(size, skip=1)) as lines:
            for rows in _checked_rows(self.file, lines, len(self.columns)):
                yield (
                    len(rows),
                    {
                        name: text_column(pa.array(list(map(itemgetter(at), rows)), pa.large_string()))
                        for name, at in places
                    },
                )

    def _lines(self, size: int, skip: int = 0) -> Generator[list[Fields], None, None]:
        """Rows as they stand, `size` at a time, blank lines left out; the header is row 0."""
        with self._text.stream() as stream:
            reader = csv.reader(stream, delimiter=self._delimiter, strict=True)
            row = 0
            while True:
                rows, whole = _next_rows(reader, skip if row < skip else size)
                if rows and row >= skip:
                    yield rows
                row += len(rows)
                if not whole:
                    raise FileFormatError(
                        f"{self._text.raw.name}, row {row}: a quoted field does not end, or the quotes do not match: "
                        "the file is cut off or damaged. Copy or export it again."
                    )
                if not rows:
                    return


def _next_rows(reader: Iterator[Fields], size: int) -> tuple[list[Fields], bool]:
    """The next `size` rows that are not blank, fewer at the end; and False if an error came before them."""
    rows: list[Fields] = []
    while len(rows) < size:
        taken: list[Fields] = []
        try:
            # Into a list that is there already: it keeps what was read before an error.
            taken.extend(islice(reader, size - len(rows)))
        except csv.Error:
            return rows + [fields for fields in taken if fields], False
        if not taken:
            break
        rows += [fields for fields in taken if fields] if [] in taken else taken
    return rows, True


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _checked_rows(file: str, parts: Iterator[list[Fields]], width: int) -> Iterator[list[Fields]]:
    """The parts as they are, as long as every row has `width` fields."""
    before = 0
    for rows in parts:
        if set(map(len, rows)) != {width}:
            place = next(place for place, fields in enumerate(rows) if len(fields) != width)
            is_last = place == len(rows) - 1 and next(parts, None) is None
            raise _wrong_width(file, before + place + 1, width, len(rows[place]), is_last=is_last)
        before += len(rows)
        yield rows


def _wrong_width(file: str, row: int, width: int, got: int, *, is_last: bool) -> FileFormatError:
    if is_last and got < width:
        return FileFormatError(
            f"{file}, row {row}, the last one: expected {width} fields, got {got}: the file is cut off. "
            "Copy or export it again."
        )
    return FileFormatError(
        f"{file}, row {row}: expected {width} fields as in the header, got {got}. A field that contains the "
        "delimiter must stand in quotes: mend the export."
    )


def _check_width(file: str, header: tuple[str, ...]) -> None:
    if len(header) < 2:
        raise FileFormatError(
            f"{file}: expected a header with the names of the columns, separated by commas; got a single name. "
            "Is this a CSV file?"
        )
