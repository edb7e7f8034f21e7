"""What can be wrong with a row, and what setting it aside means, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    marked = np.asarray(mask, dtype=bool)
    count = int(marked.sum())
    if count == 0:
        return []
    first = tuple(int(row) for row in rows.to_numpy()[marked][:FIRST_ROWS])
    return [BadRows(Finding(code, column, count, first, expected, remedy), marked)]


def as_findings(found: Iterable[BadRows]) -> list[Finding]:
    """The findings alone."""
    return [bad.finding for bad in found]
