"""Every error that heed raises on purpose, as one tree.

    HeedError                      exit code 1, HTTP 500
    ├── UsageError                 2, 400   the call itself is wrong: an unknown name, an impossible option
    ├── BoundaryError              3, 403   the boundary (DESIGN.md section 1) refuses this
    │   ├── PersonalDataError               a column or a value that may speak of a person
    │   └── LeakError                       a column is used before the moment it became known
    ├── InputError                 1, 422   what came in cannot be read as what it claims to be
    │   ├── FileFormatError                 not a table at all: empty, cut off, of another type
    │   ├── MappingError                    the mapping file is wrong, or does not fit the file
    │   └── RowError                        rows that contradict themselves or the mapping
    ├── NotEnoughDataError         1, 409   a figure would be a guess
    ├── StoreError                 1, 503   the store cannot be reached, is locked, or is of another version
    └── ModelError                 1, 409   a model file is damaged, or does not fit this catalogue

A message says what was expected, what came, and what to do. It names a file, a column and a row number, never a
value from a case: messages reach terminals, logs and HTTP bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HeedError(Exception):
    """Anything heed raises on purpose. `exit_code` is for the command, `status` for the service."""

    exit_code = 1
    status = 500
    title = "heed could not do this"


class UsageError(HeedError):
    """The call is wrong, whatever the data."""

    exit_code = 2
    status = 400
    title = "The call is wrong"


class BoundaryError(HeedError):
    """The boundary refuses this. It is not a setting; see `heed boundary check`."""

    exit_code = 3
    status = 403
    title = "Refused by the boundary"


class PersonalDataError(BoundaryError):
    """A column or a value that may speak of a person; `findings` say where and of what kind, never the content."""

    title = "Refused: this may be personal data"

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message)


class LeakError(BoundaryError):
    """Something known only later is used at an earlier moment."""

    title = "Refused: this was not known yet"


class InputError(HeedError):
    """What came in cannot be read as what it claims to be."""

    status = 422
    title = "The input cannot be used"


class FileFormatError(InputError):
    """Not a table of the expected type: empty, cut off, or something else altogether."""


class MappingError(InputError):
    """The mapping is wrong, or does not fit the file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with some rows of a file. Holds positions and never contents.

    `rows` are 1-based numbers of data rows (the header does not count); at most the first few are kept, `count`
    is how many there are in all.
    """

    code: str
    column: str
    count: int
    rows: tuple[int, ...]
    expected: str
    remedy: str

    def __str__(self) -> str:
        where = ", ".join(str(row) for row in self.rows)
        more = ", …" if self.count > len(self.rows) else ""
        rows = "row" if self.count == 1 else f"{self.count:,} rows:"
        return f"column '{self.column}', {rows} {where}{more}: {self.expected} {self.remedy}"


class RowError(InputError):
    """Rows that contradict themselves or the mapping; nothing of the file was stored."""

    def __init__(self, file: str, findings: Sequence[Finding]) -> None:
        self.file = file
        self.findings = tuple(findings)
        lines = "\n".join(f"  - {finding}" for finding in self.findings)
        super().__init__(f"{file}: nothing was imported.\n{lines}")


class NotEnoughDataError(HeedError):
    """There is too little history for the figure that was asked for."""

    status = 409
    title = "Not enough data"


class StoreError(HeedError):
    """The store cannot be reached, is locked, or has another version."""

    status = 503
    title = "The store cannot be used"


class ModelError(HeedError):
    """A model file is damaged or does not fit this version's feature catalogue."""

    status = 409
    title = "The model cannot be used"
