"""Open cases by risk, and one case."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.audit import record_case, record_cases
from service.deadline_told import tell_deadline
from service.dependencies import CaseReader, Source, Spoken, Telling, Told
from service.etags import NO_STORE, Answer, respond
from service.identity import Identity
from service.language import LanguageQuery, marked
from service.listing import CaseQuery, page_of_cases
from service.marks import read_marks
from service.open_case import OpenCase
from service.payloads import DEADLINE_NOTE, CaseDetail, CaseList, case_detail, case_item
from service.problems import NotFoundError
from service.reads import Snapshot
from service.similar_told import similar_item

router = APIRouter(prefix="/v1", tags=["cases"])

CaseId = Annotated[str, Path(max_length=64, description="Id of the case, as the list gives it.")]


@router.get("/cases", operation_id="listCases", summary="Open cases by risk", response_model=CaseList)
def list_cases(
    request: Request, query: Annotated[CaseQuery, Query()], reads: Source, words: Spoken, identity: CaseReader
) -> Response:
    """Open cases of the newest scoring, the highest risk first; or by deadline, whose order no risk
    changes. A handler is given those of its offices. What an office calls more urgent is given in `lifted` besides.
    """
    page = page_of_cases(reads, query, identity, limit=query.limit, cursor=query.cursor)
    telling = Telling(page.snapshot, words)
    following = None
    if page.cursor is not None:
        # A path, not a whole address: behind a tunnel the service does not know what it is called outside.
        following = f"{request.url.path}?{request.url.include_query_params(cursor=page.cursor).query}"
    body = CaseList.model_validate(
        {
            "as_of": telling.as_of,
            "order": query.order,
            "total": page.total,
            "capacity": page.snapshot.capacity_of(query.office, identity.offices),
            "note": words.gettext(DEADLINE_NOTE),
            "lifted_total": page.lifted_total,
            "lifted": [case_item(telling, case, marks=page.marks.get(case.case_id, ())) for case in page.lifted],
            "cases": [case_item(telling, case, marks=page.marks.get(case.case_id, ())) for case in page.cases],
            "next": following,
        }
    )
    answer = Answer.of(body.model_dump_json().encode())
    record_cases(request, page, query, "list")
    link = None if following is None else f'<{following}>; rel="next"'
    return respond(request, answer, language=words.language, cache=NO_STORE, link=link)


@router.get("/cases/{case_id}", operation_id="getCase", summary="One case and why", response_model=CaseDetail)
def get_case(
    request: Request,
    case_id: CaseId,
    _query: Annotated[LanguageQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """One open case: its risk, every reason in percentage points, and what its offices did."""
    case = found(telling.snapshot, case_id, identity)
    snapshot = telling.snapshot
    with reads.connection() as connection:
        marks = read_marks(connection, [case_id]).get(case_id, ())
    due = tell_deadline(reads, snapshot, case, telling.words.language)
    timeline, life = reads.timeline(snapshot, case_id), reads.life(snapshot, case_id)
    similar = similar_item(telling, case, request.app.state.settings.index_folder())
    body = case_detail(telling, case, timeline, life, marks=marks, due=due, similar=similar)
    answer = Answer.of(body.model_dump_json().encode())
    record_case(request, case_id, "case")
    return respond(request, answer, language=telling.words.language, cache=NO_STORE)


def found(snapshot: Snapshot, case_id: str, identity: Identity) -> OpenCase:
    """The case of that id.

    Raises
    ------
    NotFoundError
        If the newest scoring has none, or another office is responsible for it: whether there is such a case is not
        told either.
    """
    case = snapshot.by_id.get(case_id)
    if case is None or not identity.sees_office(case.office):
        raise NotFoundError(marked("There is no open case with this id in the newest scoring."))
    return case
