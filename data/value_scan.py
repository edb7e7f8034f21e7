"""The values of a file, part after part: whatever looks personal refuses the file, whatever its column is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.boundary import CONDUCT, forbidden_reason
from data.errors import BoundaryError, Finding, PersonalDataError
from data.findings import FIRST_ROWS
from data.personal import OWN_VALUES, has_own_values, kinds_of, scan_references

BOUNDARY: Final = "heed stores nothing about people; this is not a setting."
_CODES: Final = (
    "Expected short codes or names of areas, offices and types of problem. Leave the column out with `--drop COLUMN`, "
    "or replace it by codes in the export."
)
_SUBJECTS: Final = (
    "heed watches whether offices answer, and takes no category about what people do; this is not a setting. "
    "Leave such rows out of the export."
)
_REFERENCES: Final = (
    "A case must not be called after a person: map the source's own number of the case as the reference."
)

# What is judged together: a value is told from a code also by the others of its column. So many distinct values are no
# list of codes any more, and so many case numbers show what they are; more would only need more memory.
_DISTINCT_AT_ONCE: Final = 100_000
_REFERENCES_AT_ONCE: Final = 50_000

_Numbers = NDArray[np.int64]


@dataclass
class _Found:
    """One kind of thing in one column: how often, and the first rows."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, count: int, first: list[int]) -> None:
        self.count += count
        self.first = sorted([*self.first, *first])[:FIRST_ROWS]

    def finding(self, column: str, kind: str, remedy: str) -> Finding:
        return Finding("personal_value", column, self.count, tuple(self.first), f"looks like {kind}.", remedy)


class _Codes:
    """The distinct values of a column with their counts and first rows, judged when there are many, and at the end."""

    def __init__(self) -> None:
        self.found: dict[str, _Found] = {}
        self._values: dict[str, _Found] = {}
        self._filled = _Found()
        # A hash of every distinct value, in order: 8 bytes each, whatever the values are.
        self._distinct: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def look(self, values: pd.Series, rows: _Numbers) -> None:
        codes, distinct = pd.factorize(values)
        words = np.asarray(distinct, dtype=object)
        filled = np.flatnonzero(codes >= 0)
        self._filled.add(len(filled), rows[filled[:FIRST_ROWS]].tolist())
        self._distinct = np.union1d(self._distinct, pd.util.hash_array(words, categorize=False))
        # The rows of each value together, in their order.
        order = filled[np.argsort(codes[filled], kind="stable")]
        ends = np.cumsum(np.bincount(codes[filled], minlength=len(words))).tolist()
        start = 0
        for value, end in zip(words.tolist(), ends, strict=True):
            first = rows[order[start : min(end, start + FIRST_ROWS)]].tolist()
            self._values.setdefault(value, _Found()).add(end - start, first)
            start = end
            if len(self._values) >= _DISTINCT_AT_ONCE:
                self._judge()

    def own_to_cases(self, cases: int) -> _Found | None:
        """All rows, if so many cases have too many distinct values between them for a list of codes."""
        return self._filled if has_own_values(min(self._filled.count, cases), len(self._distinct)) else None

    def finish(self) -> None:
        self._judge()
        if has_own_values(self._filled.count, len(self._distinct)):
            self.found[OWN_VALUES] = self._filled

    def _judge(self) -> None:
        for kind, found in zip(kinds_of(list(self._values)), self._values.values(), strict=True):
            if kind:
                self.found.setdefault(kind, _Found()).add(found.count, found.first)
        self._values.clear()


class _References:
    """Case numbers, judged so many at a time."""

    def __init__(self) -> None:
        self.found: dict[str, _Found] = {}
        self._waiting: list[tuple[pd.Series, _Numbers]] = []
        self._rows = 0

    def look(self, values: pd.Series, rows: _Numbers) -> None:
        while len(values):
            # The same rows are judged together, in whatever parts they come.
            room = _REFERENCES_AT_ONCE - self._rows
            self._waiting.append((values.iloc[:room], rows[:room]))
            self._rows += len(self._waiting[-1][1])
            values, rows = values.iloc[room:], rows[room:]
            if self._rows >= _REFERENCES_AT_ONCE:
                self.finish()

    def finish(self) -> None:
        if not self._waiting:
            return
        values = pd.concat([part for part, _ in self._waiting], ignore_index=True)
        rows = np.concatenate([numbers for _, numbers in self._waiting])
        self._waiting, self._rows = [], 0
        for kind, mask in scan_references(values):
            self.found.setdefault(kind, _Found()).add(int(mask.sum()), rows[mask][:FIRST_ROWS].tolist())


class ValueScan:
    """What looks personal in the parts of one file, however it is cut into parts.

    `refuse` speaks at the end: it then says of the whole file what and where, and never the content.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._codes: dict[str, _Codes] = {}
        self._references: dict[str, _References] = {}
        self._subjects: dict[str, _Found] = {}

    def look_at_codes(self, column: str, values: pd.Series, rows: _Numbers) -> None:
        """Look at `str` values (null: none) that would be stored as they are; `rows` are their 1-based numbers."""
        self._codes.setdefault(column, _Codes()).look(values, rows)

    def look_at_references(self, column: str, values: pd.Series, rows: _Numbers) -> None:
        """Look at the numbers of cases: they are hashed, but a person's number would tie cases to the person."""
        self._references.setdefault(column, _References()).look(values, rows)

    def look_at_subjects(self, column: str, values: pd.Series, rows: _Numbers) -> None:
        """Look at types of problem and of asset (null: none): what heed must not be about is refused."""
        codes, distinct = pd.factorize(values)
        for code, word in enumerate(distinct):
            if forbidden_reason(str(word)) == CONDUCT:
                at = rows[codes == code]
                found = self._subjects.setdefault(column, _Found())
                found.add(len(at), at[:FIRST_ROWS].tolist())

    def refuse_own_to_cases(self, cases: int) -> None:
        """Raise PersonalDataError if most of so many cases have a value of their own, in however many rows each."""
        found = [
            own.finding(column, OWN_VALUES, _CODES)
            for column, looked in self._codes.items()
            if (own := looked.own_to_cases(cases)) is not None
        ]
        if found:
            listed = "\n".join(f"  - {_line(finding)}" for finding in found)
            raise PersonalDataError(f"{self._file}: nothing was imported.\n{listed}\n{BOUNDARY} {_CODES}", found)

    def refuse(self) -> None:
        """Raise BoundaryError or PersonalDataError if anything was found, naming columns, kinds, counts, first rows."""
        if self._subjects:
            listed = "\n".join(
                f"  - {_line(found.finding(column, CONDUCT, _SUBJECTS))}" for column, found in self._subjects.items()
            )
            raise BoundaryError(f"{self._file}: nothing was imported.\n{listed}\n{_SUBJECTS}")
        for looked in self._codes.values():
            looked.finish()
        for numbers in self._references.values():
            numbers.finish()
        codes = [
            found.finding(column, kind, _CODES)
            for column, looked in self._codes.items()
            for kind, found in looked.found.items()
        ]
        references = [
            found.finding(column, kind, _REFERENCES)
            for column, numbers in self._references.items()
            for kind, found in numbers.found.items()
        ]
        if codes or references:
            listed = "\n".join(f"  - {_line(finding)}" for finding in (*codes, *references))
            remedy = " ".join(text for text, found in ((_CODES, codes), (_REFERENCES, references)) if found)
            raise PersonalDataError(
                f"{self._file}: nothing was imported.\n{listed}\n{BOUNDARY} {remedy}", (*codes, *references)
            )


def _line(finding: Finding) -> str:
    first = ", ".join(str(row) for row in finding.rows)
    more = ", …" if finding.count > len(finding.rows) else ""
    in_rows = f"row {first}" if finding.count == 1 else f"{finding.count:,} rows: {first}{more}"
    return f"column '{finding.column}', {in_rows}: {finding.expected.removesuffix('.')}"
