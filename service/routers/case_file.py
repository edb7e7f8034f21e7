"""The list of open cases as a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from service.audit import record_cases
from service.case_file import MOST_ROWS, case_file, refuse_too_many
from service.dependencies import CaseReader, Source, Spoken, Telling
from service.display import local
from service.etags import NO_STORE, Answer, respond
from service.listing import CaseChoice, page_of_cases

router = APIRouter(prefix="/v1", tags=["cases"])

_CSV: Final = "text/csv; charset=utf-8; header=present"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Headings, then one row for each case.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/cases.csv",
    operation_id="exportCases",
    summary="Open cases as a file",
    response_class=Response,
    responses=_ANSWERS,
)
def export_cases(
    request: Request, query: Annotated[CaseChoice, Query()], reads: Source, words: Spoken, identity: CaseReader
) -> Response:
    """The list of open cases as CSV for a spreadsheet, with what the list shows of each; at most 5,000 cases, and a
    longer list is refused. It is recorded as a read of those cases before it leaves.
    """
    page = page_of_cases(reads, query, identity, limit=MOST_ROWS)
    refuse_too_many(page)
    # Shown before the list as well, and in the file once, in their places.
    page = replace(page, lifted=(), lifted_total=0)
    telling = Telling(page.snapshot, words)
    answer = Answer.of(case_file(telling, page))
    record_cases(request, page, query, "file")
    response = respond(request, answer, language=words.language, cache=NO_STORE, media_type=_CSV)
    day = local(page.snapshot.as_of, telling.time_zone).date()
    response.headers["Content-Disposition"] = f'attachment; filename="heed-cases-{day}.csv"'
    return response
