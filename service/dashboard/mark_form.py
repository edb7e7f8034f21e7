"""Marking a case on its page or in the list: a step is written down, and the same place of the list is shown again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import RedirectResponse

from service.dashboard.cases_page import PageQuery
from service.dashboard.forms import posted_form
from service.dashboard.show import Links
from service.dependencies import Source, Spoken, Telling, identify
from service.idempotency import writing
from service.identity import Identity, Scope
from service.language import LanguageQuery, marked
from service.marks import CHOICES, Step
from service.problems import PreconditionFailedError
from service.routers.case_marks import marks_answer, marks_of, note
from service.routers.cases import CaseId, found

router = APIRouter(include_in_schema=False)

CaseMarker = Annotated[Identity, Security(identify, scopes=[Scope.CASES_READ.value, Scope.CASES_MARK.value])]
Form = Annotated[Mapping[str, str], Depends(posted_form)]

_MOST_FIELDS: Final = 32
_CHANGED: Final = marked("Something was noted on this case since the page was opened. Open it again and decide anew.")


@router.post("/cases/{case_id}/marks")
def mark_form(
    request: Request,
    case_id: CaseId,
    _query: Annotated[LanguageQuery, Query()],
    identity: CaseMarker,
    form: Form,
    reads: Source,
    words: Spoken,
) -> Response:
    """Append a step, as `PATCH /v1/cases/{case_id}/marks` does. What says what was done, or how the case is seen, is
    decided on the state that the page showed; seen and shortlisted are the same whoever said so before.
    """
    step = _step(form)
    found(reads.refreshed(), case_id, identity)
    with writing(reads.store()) as connection:
        telling = Telling(reads.refreshed(), words)
        case = found(telling.snapshot, case_id, identity)
        marks = marks_of(connection, case_id)
        if step.mark in CHOICES and form.get("state") != marks_answer(telling, case_id, marks).etag:
            raise PreconditionFailedError(_CHANGED)
        if step.mark in CHOICES or step.is_set is not any(mark.mark == step.mark for mark in marks):
            note(connection, identity, case, step)
    return RedirectResponse(_back(Links(request), case_id, form), status_code=303)


def _step(form: Mapping[str, str]) -> Step:
    """The step of a form: `set` or `unset` names the mark.

    Raises
    ------
    UsageError
        If it is none.
    """
    mark = form.get("set", "")
    if mark:
        asked = Step(mark, choice=form.get("choice"), reason=form.get("reason"))
    else:
        asked = Step(form.get("unset", ""), is_set=False)
    asked.check()
    return asked


def row_anchor(case_id: str) -> str:
    """The name of a case's row in a list: by as much of its id as tells the rows of one page apart."""
    return "c-" + quote(case_id[:12], safe="")


def _back(links: Links, case_id: str, form: Mapping[str, str]) -> str:
    """Where the reader was: the row of the list, by the query that it was shown with; from no list, the case."""
    if "list" not in form:
        return links.to(f"/cases/{quote(case_id, safe='')}") + "#noted"
    # A list as it opens has no query, and what is empty counts as not sent.
    return f"{list_address(links, form.get('back', ''))}#{row_anchor(case_id)}"


def list_address(links: Links, query: str) -> str:
    """The list as a query of its page has it; as it opens where that is none, for what a form sends may be anything."""
    try:
        given = dict(parse_qsl(query, max_num_fields=_MOST_FIELDS))
        PageQuery.model_validate(given)
    except ValueError:  # too many fields, or no query of the page
        return links.to("/cases")
    return links.to("/cases", **{name: value for name, value in given.items() if name != "lang"})
