"""JSON Lines, and one array of objects, as a table of text, in parts."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Final

import pandas as pd

from data.errors import FileFormatError
from data.read_bytes import SMALL_BLOCK, Text
from data.read_table import LONGEST_LINE, MOST_COLUMNS, Table, check_names, is_text, text_of

Item = dict[str, Any]

_SPACE: Final = " \t\r\n"


class JsonTable(Table):
    """A file with one JSON object per line, or one array of objects; a value is text, a number, true, false or
    null.

    It is read twice: once to find the columns, since each object may have others.
    """

    def __init__(self, text: Text, *, array: bool) -> None:
        self._text = text
        self._array = array
        file = text.raw.name
        names: dict[str, None] = {}
        for row, item in enumerate(self._objects(), start=1):
            if item.keys() - names.keys():
                names.update(dict.fromkeys(item))
                _check_keys(file, row, names)
        if array and not names:
            raise FileFormatError(
                f"{file}: the array holds no objects. Check the period and the filters of the export."
            )
        super().__init__(file, list(names), text.notes)

    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """See `Table.parts`."""
        first = 1
        with closing(self._objects()) as objects:
            while items := list(islice(objects, size)):
                yield len(items), {name: self._column(name, first, items) for name in wanted}
                first += len(items)

    def _column(self, name: str, first: int, items: list[Item]) -> pd.Series:
        values = [item.get(name) for item in items]
        if not all(value is None or isinstance(value, str) for value in values):
            values = [_scalar(self.file, name, row, value) for row, value in enumerate(values, start=first)]
        return text_of(self.file, name, first, values)

    def _objects(self) -> Generator[Item, None, None]:
        return _array(self._text) if self._array else _lines(self._text)


def _lines(text: Text) -> Generator[Item, None, None]:
    file = text.raw.name
    row = 0
    with text.stream() as stream:
        lines = (line for line in stream if line.strip())
        line = next(lines, None)
        while line is not None:
            row += 1
            following = next(lines, None)
            try:
                item = _DECODER.decode(line)
            except _TwiceError:
                raise _twice(file, row) from None
            except (ValueError, RecursionError):
                raise _broken(file, row, last=following is None) from None
            yield _checked(file, row, item)
            line = following


def _array(text: Text) -> Generator[Item, None, None]:
    """The objects of one array; no more than one of them and a block of text are in memory."""
    file = text.raw.name
    row = 0
    with text.stream() as stream:
        buffer = _Buffer(stream.read)
        buffer.expect("[", file, row)
        if buffer.peek() == "]":
            return
        while True:
            row += 1
            yield _checked(file, row, buffer.value(file, row))
            if buffer.peek() != ",":
                break
            buffer.expect(",", file, row)
        buffer.expect("]", file, row)
        if buffer.peek():
            raise FileFormatError(
                f"{file}, after row {row}: expected the end of the file after the array. Copy or export it again."
            )


class _Buffer:
    """A window on a long text."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def expect(self, char: str, file: str, row: int) -> None:
        """Step over `char`."""
        found = self.peek()
        if found != char:
            raise _broken(file, row, last=not found)
        self._at += 1

    def value(self, file: str, row: int) -> Any:
        """The next value; what may be the beginning of one is read on."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except _TwiceError:
                raise _twice(file, row) from None
            except RecursionError:
                raise _broken(file, row, last=False) from None
            except ValueError:
                if len(self._text) - self._at > LONGEST_LINE:
                    raise _broken(file, row, last=False) from None
                if not self._more():
                    raise _broken(file, row, last=True) from None
            else:
                self._at = end
                return value

    def _more(self) -> bool:
        # As much again as there is: a value that does not end is tried a few times and not thousands.
        read: str = self._read(max(SMALL_BLOCK, len(self._text) - self._at))
        self._text = self._text[self._at :] + read
        self._at = 0
        return bool(read)


class _TwiceError(ValueError):
    """A name stands twice in an object."""


def _item(pairs: list[tuple[str, Any]]) -> Item:
    item = dict(pairs)
    if len(item) != len(pairs):
        raise _TwiceError
    return item


# Numbers stay as they are written: a code 1.10 is not 1.1. What JSON does not know (NaN) says nothing.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_item, parse_float=str, parse_int=str, parse_constant=lambda _constant: None
)


def _checked(file: str, row: int, item: Any) -> Item:
    if not isinstance(item, dict):
        raise FileFormatError(f'{file}, row {row}: expected one JSON object per line, {{"column": "value", …}}.')
    return item


def _check_keys(file: str, row: int, names: dict[str, None]) -> None:
    if len(names) > MOST_COLUMNS:
        check_names(file, list(names))
    if not all(is_text(name) for name in names):
        raise FileFormatError(
            f"{file}, row {row}: the name of a value is no text. The file is damaged: export it again."
        )


def _twice(file: str, row: int) -> FileFormatError:
    return FileFormatError(f"{file}, row {row}: the object names one of its values twice. Name every value once.")


def _broken(file: str, row: int, *, last: bool) -> FileFormatError:
    reason = "the file is cut off" if last else "the line is damaged"
    return FileFormatError(
        f"{file}, row {row}: expected one JSON object, got something that does not end: {reason}. "
        "Copy or export it again."
    )


def _scalar(file: str, column: str, row: int, value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise FileFormatError(
            f"{file}, column '{column}', row {row}: expected one value, got a list or an object. Flatten it first."
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    return value  # type: ignore[no-any-return]
