"""Tables that people bring along as CSV: read as text, and refused by the rows that cannot be used."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data.errors import FileFormatError, InputError
from data.read_bytes import RawFile, TextWatcher

_MISSING: Final = ("", "NA", "NaN", "nan", "null", "NULL", "None")
_ROWS_NAMED: Final = 5
# What the parser says of a row that it stumbles over; the rest of its words may quote it.
_LONG_ROW: Final = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_OPEN_QUOTE: Final = re.compile(r"EOF inside string starting at row (\d+)")


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a CSV file as it stands: every field is text, the names of columns are without spaces around them.

    It is text in UTF-8 or, as spreadsheets in Chinese save it, in GB18030.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is no such text with rows as long as its header; lines are named by number.
    """
    if not path.is_file():
        raise FileFormatError(f"{path.name}: expected a CSV file; there is no such file.")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding=_encoding(path))
    except pd.errors.EmptyDataError:
        raise FileFormatError(f"{path.name}: expected a CSV file with a header; the file is empty.") from None
    except pd.errors.ParserError as error:
        raise FileFormatError(f"{path.name}{_stumbled_over(str(error))}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        # Of a table with more fields than names, the names would silently go to the wrong fields.
        raise FileFormatError(
            f"{path.name}: expected as many fields in every row as names in the header; the rows have more. Look for "
            "commas at the end of rows, or for names that are missing."
        )
    frame.columns = [str(column).strip() for column in frame.columns]
    return frame


def _encoding(path: Path) -> str:
    raw = RawFile(path)
    watcher = TextWatcher(raw)
    with closing(raw.blocks()) as blocks:
        for block in blocks:
            watcher(block)
    return watcher.text().encoding


def _stumbled_over(words: str) -> str:
    """What the parser refused, with the line that it names and nothing of what stands there."""
    if found := _LONG_ROW.search(words):
        expected, line, saw = found.groups()
        return (
            f", line {line}: expected {expected} fields as in the header; there are {saw}. Look for a comma too many, "
            "or for text with commas that is not in quotes."
        )
    if found := _OPEN_QUOTE.search(words):
        return f", row {int(found.group(1))}: a quote is opened and never closed. Close it, or take it out."
    return ": expected a CSV file with a header and rows of equal length; it cannot be read so."


def missing_emptied(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table without spaces around its fields; what stands for a missing value is empty."""
    return frame.map(lambda value: "" if value.strip() in _MISSING else value.strip())


def refuse_rows(file: str, column: str, bad: pd.Series, expected: str) -> None:
    """Refuse a file for its bad rows, if there are any; they are named by number, counted from 1, and never quoted.

    `bad` has the rows' places in the file, from 0 on, as its index.

    Raises
    ------
    InputError
        If a row is bad.
    """
    rows = (np.sort(bad.index.to_numpy()[bad.to_numpy()]) + 1).tolist()
    if not rows:
        return
    named = ", ".join(str(row) for row in rows[:_ROWS_NAMED]) + (", …" if len(rows) > _ROWS_NAMED else "")
    where = f"row {named}" if len(rows) == 1 else f"{len(rows):,} rows: {named}"
    raise InputError(f"{file}: column '{column}', {where}: {expected}")
