"""A file as a table of text and times: CSV, Parquet, JSON Lines; nothing guessed, and read whole or not at
all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from data.errors import FileFormatError, UsageError
from data.read_text import read_csv, read_json_lines

Read = Callable[[Collection[str]], pd.DataFrame]

CHUNK_ROWS: Final = 50_000


@dataclass(frozen=True)
class SourceFile:
    """A file that is what it claims to be, with the names of its columns; `read` gives the values of some of
    them.

    `read` returns one row per data row, in the order of the file, with an index from 0. Text is `str`,
    trimmed, and null where empty; times that the file itself knows as times are datetime64, with or without
    a zone.
    """

    name: str
    sha256: str
    columns: tuple[str, ...]
    rows: int
    read: Read = field(repr=False)
    notes: tuple[str, ...] = ()

    def chunks(self, wanted: Collection[str], size: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """The rows of `read`, `size` at a time; the index of each part goes on where the last one ended."""
        whole = self.read(wanted)
        for start in range(0, len(whole), size):
            yield whole.iloc[start : start + size]


_KINDS: Final = {
    ".csv": "CSV",
    ".txt": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON Lines",
}
_EXPECTED: Final = "Expected a table as CSV (UTF-8 or GB18030), Parquet or JSON Lines."

# First bytes -> what it is, and what to do.
_FOREIGN: Final = (
    (
        b"PK\x03\x04",
        "an Excel workbook or another ZIP file",
        "Save the sheet as CSV UTF-8, or unpack the file.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV UTF-8."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first."),
    (b"%PDF", "a PDF", "Ask the source for the table itself."),
    (b"SQLite format 3", "an SQLite database", "Export its table as CSV."),
    (b"<", "XML or a web page", "Export the table as CSV; a download that failed often leaves a web page."),
    (b"\xff\xfe", "text in UTF-16", "Save it as CSV UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as CSV UTF-8."),
)


def open_file(path: str | Path) -> SourceFile:
    """Open a file and make sure that it is whole, before anything of it is used.

    Raises
    ------
    UsageError
        If there is no such file.
    FileFormatError
        If it is empty, of another type than its name says, without rows, or cut off; with the row and the
        remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"There is no file {path}. Check the path.")
    content = path.read_bytes()
    kind = _kind(path, content)
    sha256 = hashlib.sha256(content).hexdigest()
    if kind == "Parquet":
        # Imported here: it takes a third of a second, and only Parquet needs it.
        from data.read_parquet import read_parquet  # noqa: PLC0415

        table = read_parquet(path.name, content)
    else:
        table = (read_csv if kind == "CSV" else read_json_lines)(path.name, content)
    if table.rows == 0:
        raise FileFormatError(
            f"{path.name}: the file has column names and no rows. Check the period and the filters of the export."
        )
    return SourceFile(path.name, sha256, table.columns, table.rows, table.read, table.notes)


def _kind(path: Path, content: bytes) -> str:
    """CSV, Parquet or JSON Lines, where the name and the content agree."""
    name = path.name
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise FileFormatError(f"{name}: the file is empty. {_EXPECTED} Export it again.")
    claimed = _KINDS.get(path.suffix.lower())
    found = _found(name, content)
    if claimed is None or claimed == found:
        return found
    if found == "JSON Lines" or "Parquet" in (claimed, found):
        raise FileFormatError(
            f"{name}: the name says {claimed}, but the content is {_article(found)}. "
            "Rename the file if the content is right; otherwise export it again."
        )
    raise FileFormatError(f"{name}: expected JSON Lines, one object {{…}} per line. Export it again, or rename it.")


def _found(name: str, content: bytes) -> str:
    if content.startswith(b"PAR1"):
        return "Parquet"
    for start, what, remedy in _FOREIGN:
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start):
            raise FileFormatError(f"{name}: this is {what}. {_EXPECTED} {remedy}")
    if b"\x00" in content[:4096]:
        raise FileFormatError(f"{name}: this is a binary file of an unknown type. {_EXPECTED} Export it again.")
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        raise FileFormatError(f"{name}: this is one JSON array. {_EXPECTED} Write one object per line instead.")
    return "JSON Lines" if start == b"{" else "CSV"


def _article(kind: str) -> str:
    return {"CSV": "plain text", "Parquet": "Parquet", "JSON Lines": "JSON"}[kind]
