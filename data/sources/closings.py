"""Closings of a portal that says "closed" and not when.

`updated_datetime` is no time of closing: it moves with every comment and every batch run. All that such a portal tells
is that a case was open at one look and closed at the next. So the closing is dated at the look that showed it, which
is late by the time between two looks at most. A case that was closed already when it was first looked at has no such
bound: it is left out and counted, unless it was opened after the look before, so that the bound holds for it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data.event_log import NEVER, fold_cases
from data.mapping import Column, Mapping
from data.privacy import case_ids
from data.sources.georeport import LOOKED
from data.sources.plan import DAY, utc_text
from data.sources.portal import stamps_of
from data.store import Store

CLOSED: Final = "heed_closed_at"
# A portal may show a new request some hours late.
_SLACK: Final = DAY


def dates_closings(mapping: Mapping) -> bool:
    """Whether closings must be dated by looks: there is a status, and no time of closing."""
    return "status" in mapping.column_of and "closed_at" not in mapping.column_of


def looked_mapping(columns: dict[str, Column], *, dated: bool) -> dict[str, Column]:
    """The columns with that of the look, and with that of the closing where looks date it."""
    found = dict(columns)
    if not any(column.field == "snapshot_at" for column in columns.values()):
        found[LOOKED] = Column(field="snapshot_at", at="end")
    if dated:
        found[CLOSED] = Column(field="closed_at", at="end")
    return found


@dataclass
class Closings:
    """Dates the closings of one fetch.

    Parameters
    ----------
    mapping : Mapping, with a column for `status`
    stored : dict
        case_id -> when it was closed (seconds in UTC), NEVER while open; of the cases in the store.
    key : bytes
        The key of the store.
    last_look : int or None
        When (seconds in UTC) all openings up to then had been looked at; None: never.
    """

    mapping: Mapping
    stored: dict[str, int]
    key: bytes
    last_look: int | None
    left_out: int = 0

    @classmethod
    def of(cls, store: Store, mapping: Mapping, last_look: int | None) -> Closings:
        """With what `store` knows of the source."""
        cases = fold_cases(store.read_events(source=mapping.source.name))
        stored = dict(zip(cases["case_id"].tolist(), cases["closed_at"].tolist(), strict=True))
        return cls(mapping, stored, store.case_key(), last_look)

    def turn(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with their closings, without those whose closing nobody can date."""
        column = self.mapping.column_of
        references = pd.Series([_text(row.get(column["reference"])) for row in rows], dtype="str")
        known = case_ids(self.key, self.mapping.source.name, references.fillna(""))
        opened = stamps_of([row.get(column["opened_at"]) for row in rows], self.mapping)
        turned = []
        for row, case, at in zip(rows, known.tolist(), opened, strict=True):
            closing = self._closing(row, case, at) if self._is_closed(row) else ""
            if closing is None:
                self.left_out += 1
            else:
                turned.append({**row, CLOSED: closing or None})
        return turned

    def _is_closed(self, row: dict[str, Any]) -> bool:
        status = self.mapping.columns[self.mapping.column_of["status"]]
        word = _text(row.get(self.mapping.column_of["status"]))
        if word is None or word in (*self.mapping.closing.withdrawn, *self.mapping.closing.duplicate):
            return False
        vocabulary = self.mapping.vocabulary[status.vocabulary] if status.vocabulary is not None else None
        return vocabulary is not None and vocabulary.values.get(word, vocabulary.other) == "closed"

    def _closing(self, row: dict[str, Any], case: str, opened: int | None) -> str | None:
        """When the case was closed, as text; None if nobody can tell."""
        before = self.stored.get(case)
        if before is not None and before != NEVER:
            return utc_text(before)
        bounded = self.last_look is not None and opened is not None and opened >= self.last_look - _SLACK
        return str(row[LOOKED]) if before is not None or bounded else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None
