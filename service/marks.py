"""Marks of an office on a case of its own: seen, shortlisted, acted on, judged otherwise.

A mark is about the case and passes on with it. Every step is kept and the newest of a mark counts; who took it is kept
nowhere. No mark moves a case down a list or hides it: attention is added, never taken away.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, insert, select

from data import tables
from data.errors import UsageError
from service.language import Words, marked

# In the order in which they are shown.
MARKS: Final = {
    "seen": marked("Seen"),
    "shortlisted": marked("On the shortlist"),
    "acted": marked("Acted on"),
    "overridden": marked("Judged otherwise"),
}
# What the office did.
ACTIONS: Final = {
    "answered": marked("answered"),
    "visited": marked("went to look"),
    "asked_other_office": marked("asked another office to help"),
    "handed_over": marked("handed it over"),
    "date_agreed": marked("agreed on a date"),
}
# How the office sees it otherwise than the risk says.
OVERRIDES: Final = {
    "higher": marked("more urgent than the risk says"),
    "lower": marked("less urgent than the risk says"),
    "not_this_outcome": marked("will not fail in this way"),
}
# The same where there is little room.
OVERRIDES_IN_SHORT: Final = {
    "higher": marked("Office: more urgent"),
    "lower": marked("Office: less urgent"),
    "not_this_outcome": marked("Office: will not fail so"),
}
OVERRIDE_REASONS: Final = {
    "known_on_site": marked("known from the place itself"),
    "record_wrong": marked("the record is wrong"),
    "answered_elsewhere": marked("answered by other means"),
    "waiting_for_other_body": marked("waiting for another body"),
    "deadline_wrong": marked("the deadline is wrong"),
}

CHOICES: Final[Mapping[str, Mapping[str, str]]] = {"acted": ACTIONS, "overridden": OVERRIDES}
_NO_MARK: Final = marked("Expected one of the marks: seen, shortlisted, acted, overridden.")
_NO_CHOICE: Final = marked(
    "Expected with `acted` what was done, with `overridden` how the office sees it and why, and with nothing else a "
    "choice or a reason."
)
_TABLE: Final = tables.case_mark
# Of one statement; for more cases all marks are read.
_FEW: Final = 500


@dataclass(frozen=True, slots=True)
class Step:
    """A mark that is set, or taken back. `choice`, `reason`: codes, None where none belongs to it."""

    mark: str
    is_set: bool = True
    choice: str | None = None
    reason: str | None = None

    def check(self) -> None:
        """Refuse what is no step.

        Raises
        ------
        UsageError
            If there is no such mark, or the choice and the reason do not belong to it.
        """
        if self.mark not in MARKS:
            raise UsageError(_NO_MARK)
        choices = CHOICES.get(self.mark, {}) if self.is_set else {}
        reasons = OVERRIDE_REASONS if self.is_set and self.mark == "overridden" else {}
        if not _fits(self.choice, choices) or not _fits(self.reason, reasons):
            raise UsageError(_NO_CHOICE)


def _fits(code: str | None, codes: Mapping[str, str]) -> bool:
    return code in codes if codes else code is None


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that is set now, as its newest step says. `since`: when that was taken, in seconds in UTC."""

    mark: str
    choice: str | None
    reason: str | None
    since: int


Marks = tuple[Mark, ...]


def mark_text(words: Words, mark: Mark, *, short: bool = False) -> str:
    """A mark in words, with what was done, or how the case is seen and why; in short without the reason."""
    if short and mark.choice in OVERRIDES_IN_SHORT:
        return words.gettext(OVERRIDES_IN_SHORT[mark.choice])
    told = words.gettext(MARKS[mark.mark])
    if mark.choice is None:
        return told
    parts = [CHOICES[mark.mark][mark.choice], *([] if mark.reason is None else [OVERRIDE_REASONS[mark.reason]])]
    return words.gettext("%(mark)s: %(what)s", mark=told, what=words.gettext(", ").join(map(words.gettext, parts)))


def read_marks(connection: Connection, case_ids: Collection[str]) -> dict[str, Marks]:
    """The marks that are set on each of the cases, in the order of `MARKS`; a case without any is left out."""
    if not case_ids:
        return {}
    column = _TABLE.c
    newest = select(func.max(column.mark_id)).group_by(column.case_id, column.mark)
    if len(case_ids) <= _FEW:
        newest = newest.where(column.case_id.in_(sorted(case_ids)))
    shown = (column.case_id, column.mark, column.choice, column.reason, column.recorded_at)
    rows = connection.execute(select(*shown).where(column.mark_id.in_(newest), column.is_set == 1))
    wanted, found = set(case_ids), dict[str, list[Mark]]()
    for case_id, *values in rows:
        if case_id in wanted:
            found.setdefault(case_id, []).append(Mark(*values))
    order = [*MARKS]
    return {case_id: tuple(sorted(marks, key=lambda one: order.index(one.mark))) for case_id, marks in found.items()}


def marked_cases(connection: Connection, mark: str | None = None, choice: str | None = None) -> frozenset[str]:
    """The cases with a mark (None: with any), set with a choice (None: with any or none)."""
    column = _TABLE.c
    newest = select(func.max(column.mark_id)).group_by(column.case_id, column.mark)
    if mark is not None:
        newest = newest.where(column.mark == mark)
    query = select(column.case_id).where(column.mark_id.in_(newest), column.is_set == 1).distinct()
    if choice is not None:
        query = query.where(column.choice == choice)
    return frozenset(connection.execute(query).scalars())


def add_mark(connection: Connection, case_id: str, office: str | None, step: Step) -> None:
    """Append a step, in the transaction of `connection` (of `Store.writing`).

    A step is never before the newest one, whatever the clock says.

    Parameters
    ----------
    office : code of the one that is responsible now; None: not known
    """
    newest = connection.execute(select(func.max(_TABLE.c.recorded_at)).where(_TABLE.c.case_id == case_id)).scalar()
    row = {"mark": step.mark, "is_set": int(step.is_set), "choice": step.choice, "reason": step.reason}
    moment = max(int(time.time()), int(newest or 0))
    connection.execute(insert(_TABLE).values(case_id=case_id, office=office, recorded_at=moment, **row))
