"""What can be wrong with a row, and what setting it aside means, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from data.errors import Finding

# What setting a finding aside means. "row": the row is left out. "field": the row is imported without what
# the column says. "kept": the row is imported as it is. "none": it cannot be set aside, the mapping must be
# mended.
Effect = Literal["row", "field", "kept", "none"]

EFFECTS: Final[dict[str, Effect]] = {
    "missing_reference": "row",
    "duplicate_reference": "row",
    "missing_time": "row",
    "unreadable_time": "row",
    "naive_time": "none",
    "closed_before_opened": "row",
    "withdrawn_before_opened": "row",
    "due_before_opened": "field",
    "due_too_far": "field",
    "status_contradicts": "kept",
    "after_extraction": "row",
    "unknown_value": "field",
    # Of a vocabulary that says what becomes of unknown words; only `strict` refuses these.
    "read_as_other": "kept",
    "missing_value": "row",
    # A measurement outside the scale of its source.
    "out_of_range": "row",
    # A point that so many rows share that it can only stand for "no place": such rows get no area from it.
    "default_location": "kept",
    "known_before_it_happened": "row",
    "no_opening": "row",
    "second_opening": "row",
    "before_opening": "row",
}
SET_ASIDE_CODES: Final = tuple(code for code, effect in EFFECTS.items() if effect != "none")

# Enough to look at and to see a pattern; a report of all of them would be a copy of the file.
FIRST_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class BadRows:
    """A finding with all of its rows: `mask` marks them, in the order of the frame."""

    finding: Finding
    mask: np.ndarray


def bad_rows(
    code: str, column: str, mask: pd.Series | np.ndarray, rows: pd.Series, *, expected: str, remedy: str
) -> list[BadRows]:
    """One finding for the rows that `mask` marks, or none if it marks none.

    `rows` are the 1-based row numbers in the file.
    """
    return found_only([looked_at(code, column, mask, rows, expected=expected, remedy=remedy)])


def looked_at(
    code: str, column: str, mask: pd.Series | np.ndarray, rows: pd.Series, *, expected: str, remedy: str
) -> BadRows:
    """As `bad_rows`, and with a count of 0 if `mask` marks no row: what was looked for, found or not."""
    marked = np.asarray(mask, dtype=bool)
    first = tuple(int(row) for row in rows.to_numpy()[marked][:FIRST_ROWS])
    return BadRows(Finding(code, column, int(marked.sum()), first, expected, remedy), marked)


def found_only(looked: Iterable[BadRows]) -> list[BadRows]:
    """Those that mark any row."""
    return [bad for bad in looked if bad.finding.count]


def as_findings(found: Iterable[BadRows]) -> list[Finding]:
    """The findings alone."""
    return [bad.finding for bad in found]


class Tally:
    """The findings about the parts of a file, put together as if the file had been looked at whole.

    Everything that is looked for must be added of every part, found or not: the order of the list is the order of the
    looking, and must not depend on which part something is found in first.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, looked: Iterable[BadRows]) -> None:
        """Add what was looked for in one part; parts and their rows may come in any order."""
        for bad in looked:
            finding = bad.finding
            key = finding.code, finding.column
            before = self._found.get(key, replace(finding, count=0, rows=()))
            rows = tuple(sorted((*before.rows, *finding.rows))[:FIRST_ROWS])
            self._found[key] = replace(finding, count=before.count + finding.count, rows=rows)

    def forget(self, code: str, column: str) -> None:
        """Leave out a finding that, seen whole, is none."""
        self._found.pop((code, column), None)

    def findings(self) -> list[Finding]:
        """What was found, in the order in which it was looked for."""
        return [finding for finding in self._found.values() if finding.count]
