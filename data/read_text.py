"""CSV and JSON Lines as tables of text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data.errors import FileFormatError

# The size of one field at which something is wrong with the quotes: nothing that heed stores is longer than
# 160.
_LONGEST_FIELD: Final = 1_000_000


@dataclass(frozen=True)
class Table:
    """What a reader gives: column names, the count of data rows, and a function that gives the chosen
    columns.
    """

    columns: tuple[str, ...]
    rows: int
    read: Callable[[Collection[str]], pd.DataFrame]
    notes: tuple[str, ...] = ()


def decode(file: str, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text in UTF-8, with or without a byte order mark, or in GB18030 (which GBK and GB2312 are parts of).

    And a note if it was GB18030: a file in a Western encoding can pass for it.
    """
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        broken = error
    # A file cut off inside a character is UTF-8 up to its last three bytes.
    if broken.start >= len(content) - 3:
        raise FileFormatError(
            f"{file}: the file ends in the middle of a character: it is cut off. Copy or export it again."
        )
    try:
        return content.decode("gb18030"), (_NOT_UTF8,)
    except UnicodeDecodeError:
        line = content[: broken.start].count(b"\n") + 1
        raise FileFormatError(
            f"{file}, line {line}: the text is neither UTF-8 nor GB18030. Save the file as UTF-8."
        ) from None


_NOT_UTF8: Final = (
    "The file is not in UTF-8 and was read as GB18030, the Chinese encoding. If its words come out wrong, "
    "save it "
    "as UTF-8."
)
_NO_LAST_BREAK: Final = (
    "The last line does not end in a line break: if the file was cut off, its last row is not whole."
)


def read_csv(file: str, content: bytes) -> Table:
    """A CSV file: one header, then rows with as many fields; commas, semicolons or tabs."""
    text, notes = decode(file, content)
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    lines = _checked_lines(file, reader)
    header = tuple(name.strip() for name in next(lines, ()))
    _check_header(file, header)
    rows = list(_checked_rows(file, lines, len(header)))
    if not text.endswith(("\n", "\r")):
        notes += (_NO_LAST_BREAK,)

    def read(wanted: Collection[str]) -> pd.DataFrame:
        places = [(place, name) for place, name in enumerate(header) if name in wanted]
        return pd.DataFrame(
            {name: _text([row[place] for row in rows]) for place, name in places}, index=range(len(rows))
        )

    return Table(header, len(rows), read, notes)


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def _checked_lines(file: str, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    row = -1  # the header is row 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise FileFormatError(
                f"{file}, row {row + 1}: a quoted field does not end, or the quotes do not match: the file "
                "is cut "
                "off or damaged. Copy or export it again."
            ) from None
        if fields:
            row += 1
            yield fields


def _checked_rows(file: str, lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    wrong: tuple[int, int] | None = None
    for row, fields in enumerate(lines, start=1):
        if wrong is not None:
            break
        if len(fields) != width:
            wrong = (row, len(fields))
            continue
        yield fields
    else:
        if wrong is not None and wrong[1] < width:
            raise FileFormatError(
                f"{file}, row {wrong[0]}, the last one: expected {width} fields, got {wrong[1]}: the file "
                "is cut "
                "off. Copy or export it again."
            )
    if wrong is not None:
        raise FileFormatError(
            f"{file}, row {wrong[0]}: expected {width} fields as in the header, got {wrong[1]}. A field that "
            "contains the delimiter must stand in quotes: mend the export."
        )


def _check_header(file: str, header: tuple[str, ...]) -> None:
    if len(header) < 2:
        raise FileFormatError(
            f"{file}: expected a header with the names of the columns, separated by commas; got a single "
            "name. "
            "Is this a CSV file?"
        )
    blank = [str(place) for place, name in enumerate(header, start=1) if not name]
    if blank:
        raise FileFormatError(
            f"{file}: column {', '.join(blank)} of the header has no name. Name it, or delete the column."
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        listed = ", ".join(f"'{name}'" for name in twice)
        raise FileFormatError(f"{file}: the header names {listed} twice. Rename one of the columns in the export.")


def read_json_lines(file: str, content: bytes) -> Table:
    """A file with one JSON object per line; a value is text, a number, true, false or null."""
    text, notes = decode(file, content)
    lines = [line for line in text.split("\n") if line.strip()]
    objects = [_object(file, row, line, last=row == len(lines)) for row, line in enumerate(lines, start=1)]
    columns = tuple(dict.fromkeys(name for item in objects for name in item))

    def read(wanted: Collection[str]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: _text([_scalar(file, name, row, item.get(name)) for row, item in enumerate(objects, 1)])
                for name in columns
                if name in wanted
            },
            index=range(len(objects)),
        )

    return Table(columns, len(objects), read, notes)


def _object(file: str, row: int, line: str, *, last: bool) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError:
        reason = "the file is cut off" if last else "the line is damaged"
        raise FileFormatError(
            f"{file}, row {row}: expected one JSON object, got something that does not end: {reason}. "
            "Copy or export it again."
        ) from None
    if not isinstance(item, dict):
        raise FileFormatError(f'{file}, row {row}: expected one JSON object per line, {{"column": "value", …}}.')
    return item


def _scalar(file: str, column: str, row: int, value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise FileFormatError(
            f"{file}, column '{column}', row {row}: expected one value, got a list or an object. Flatten it first."
        )
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _text(values: list[str | None]) -> pd.Series:
    trimmed = [value.strip() or None if value is not None else None for value in values]
    return pd.Series(trimmed, dtype="str")
