"""What the page of a case shows of the marks on it and of how its deadline came about."""

from __future__ import annotations

from typing import Any

from service.deadline_told import tell_deadline
from service.dependencies import Telling
from service.identity import Identity, Scope
from service.marks import ACTIONS, OVERRIDE_REASONS, OVERRIDES
from service.open_case import OpenCase
from service.reads import Reads
from service.routers.case_marks import marks_answer, marks_of


def case_notes(reads: Reads, telling: Telling, case: OpenCase, identity: Identity) -> dict[str, Any]:
    """The values of `_case_marks.html` and `_case_deadline.html`.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    with reads.connection() as connection:
        marks = marks_of(connection, case.case_id)
    return {
        "noted": marks,
        "noted_state": marks_answer(telling, case.case_id, marks).etag,
        "may_mark": identity.may(Scope.CASES_MARK),
        "note_codes": {"acted": ACTIONS, "overridden": OVERRIDES, "reasons": OVERRIDE_REASONS},
        "due_told": tell_deadline(reads, telling.snapshot, case, telling.words.language),
    }
