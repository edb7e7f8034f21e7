"""What all readers share: a table that is read in parts, the names of its columns, and text as columns."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import FileFormatError
from data.personal import personal_kind

# The characters of one field at which something is wrong with the quotes: nothing that heed stores is longer
# than 160.
LONGEST_FIELD: Final = 1_000_000
# The bytes of one line, object or element at which a file is no table: one of them lies in memory at once.
LONGEST_LINE: Final = 16 * 1024 * 1024
MOST_COLUMNS: Final = 2_000
_LONGEST_NAME: Final = 200

_TEXT: Final = pd.StringDtype(na_value=float("nan"))
# A number or a date and nothing else; or a day, a long number, an e-mail address or the end of a sentence in between.
_ONLY_DIGITS: Final = re.compile(r"[\d\s.,:/_年月日+-]*\d[\d\s.,:/_年月日TZ+-]*")
_VALUE_INSIDE: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{7}|\w@\w|[。！，；]|[.!?]\s+\S")
# Of a name of a column: a question is one, and is no free text of a case.
_A_TEXT: Final = "a free text"


class Table(ABC):
    """A table in a file: its columns are known at once, its rows come in parts, and `notes` grow until the
    last.
    """

    def __init__(self, file: str, columns: Sequence[str], notes: Sequence[str] = ()) -> None:
        check_names(file, columns)
        self.file = file
        self.columns = tuple(columns)
        self.notes = list(notes)

    @abstractmethod
    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """At most `size` rows at a time: how many they are, and the values of the `wanted` columns.

        Only one part is in memory at a time. Raises `FileFormatError` when it comes to a row that is wrong.
        """


def check_names(file: str, names: Sequence[str]) -> None:
    """Refuse names of columns that are none: blank, twice, or the values of a row.

    Names are shown in messages. A file without a header would show its first case in them, so what can only
    be a value is named by its place.
    """
    if len(names) > MOST_COLUMNS:
        raise FileFormatError(
            f"{file}: expected at most {MOST_COLUMNS:,} columns, got {len(names):,}. Is the table turned on its side?"
        )
    blank = [str(place) for place, name in enumerate(names, start=1) if not name]
    if blank:
        raise FileFormatError(
            f"{file}: column {', '.join(blank)} of the header has no name. Name it, or delete the column."
        )
    values = [str(place) for place, name in enumerate(names, start=1) if _is_value(name)]
    if values:
        raise FileFormatError(
            f"{file}: expected the names of the columns, got numbers, dates or texts in the place of name "
            f"{', '.join(values[:5])}{', …' if len(values) > 5 else ''}. Does the header stand in the first row? "
            "Name the columns in the export."
        )
    counts = pd.Series(names, dtype="object").value_counts()
    twice = sorted(counts.index[counts > 1])
    if twice:
        listed = ", ".join(f"'{name}'" for name in twice)
        raise FileFormatError(f"{file}: the header names {listed} twice. Rename one of the columns in the export.")


def _is_value(name: str) -> bool:
    return len(name) > _LONGEST_NAME or _ONLY_DIGITS.fullmatch(name) is not None or not may_show(name)


def may_show(name: str) -> bool:
    """Whether a name of a column or a sheet may stand in a message: it is not itself of a person, a place or a day."""
    if not name.isprintable() or _VALUE_INSIDE.search(name):
        return False
    return personal_kind(name) in (None, _A_TEXT)


def text_column(values: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Strings as a `str` column: trimmed, and null where empty."""
    trimmed = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
    empty = pc.equal(trimmed, pa.scalar("", pa.large_string()))
    filled = pc.if_else(empty, pa.scalar(None, pa.large_string()), trimmed)
    return pd.Series(pd.array(filled, dtype=_TEXT))


def text_of(file: str, column: str, first_row: int, values: list[str | None]) -> pd.Series:
    """As `text_column`, for values that may hold what is no text: half of a pair, or a NUL character.

    `first_row` is the 1-based number of the first value's row, for the message.
    """
    try:
        array = pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        array = None
    if array is None or pc.any(pc.match_substring(array, "\x00")).as_py():
        row = first_row + next(place for place, value in enumerate(values) if not is_text(value))
        raise FileFormatError(
            f"{file}, column '{column}', row {row}: expected text, got characters that no text holds. "
            "The file is damaged: export it again."
        )
    return text_column(array)


def is_text(value: str | None) -> bool:
    """Whether every database could hold it: no half of a surrogate pair, no NUL."""
    return value is None or ("\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value))
