"""What an office notes on a case of its own: seen, shortlisted, acted on, judged otherwise."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from sqlalchemy import Connection

from data.audit_log import Act, append
from service.audit import record_case
from service.dependencies import CaseReader, Source, Spoken, Telling, Told, allowed, identify
from service.etags import NO_STORE, Answer, respond
from service.idempotency import TAKES_JSON, Written, idempotent
from service.identity import Identity, Scope
from service.language import LanguageQuery
from service.mark_payloads import CaseMarks, MarkStep, mark_items
from service.marks import Marks, Step, add_mark, read_marks
from service.open_case import OpenCase
from service.preconditions import IfMatch, require_condition, require_match
from service.routers.cases import CaseId, found

router = APIRouter(prefix="/v1", tags=["cases"])

CaseMarker = Annotated[Identity, Security(identify, scopes=[Scope.CASES_READ.value, Scope.CASES_MARK.value])]


@router.get(
    "/cases/{case_id}/marks",
    operation_id="getCaseMarks",
    summary="What is noted on a case",
    response_model=CaseMarks,
)
def get_marks(
    request: Request,
    case_id: CaseId,
    _query: Annotated[LanguageQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """What the office noted on one open case. Its ETag is what a change is decided on."""
    found(telling.snapshot, case_id, identity)
    with reads.connection() as connection:
        marks = marks_of(connection, case_id)
    answer = marks_answer(telling, case_id, marks)
    record_case(request, case_id, "marks")
    return respond(request, answer, language=telling.words.language, cache=NO_STORE)


@router.patch(
    "/cases/{case_id}/marks",
    operation_id="markCase",
    summary="Note something on a case, or take it back",
    response_model=CaseMarks,
    dependencies=[allowed(Scope.CASES_MARK), TAKES_JSON],
)
def mark_case(
    request: Request,
    case_id: CaseId,
    _query: Annotated[LanguageQuery, Query()],
    identity: CaseMarker,
    reads: Source,
    words: Spoken,
    asked: MarkStep,
    _if_match: IfMatch = None,
) -> Response:
    """Append a step, decided on the state whose ETag `If-Match` names. Earlier steps stay, and nothing is recorded of
    who took it. No mark moves a case down a list or hides it. The answer is what is noted now, with its new ETag.
    """
    require_condition(request)
    step = asked.step()
    step.check()

    def effect(connection: Connection) -> Written:
        # Whoever may write is alone now: these are the newest marks, in every process.
        telling = Telling(reads.refreshed(), words)
        case = found(telling.snapshot, case_id, identity)
        require_match(request, marks_answer(telling, case_id, marks_of(connection, case_id)).etag)
        note(connection, identity, case, step)
        answer = marks_answer(telling, case_id, marks_of(connection, case_id))
        return Written.tagged(answer, language=words.language, cache=NO_STORE)

    return idempotent(request, identity, reads.store(), effect, prepare=reads.refreshed)


def note(connection: Connection, identity: Identity, case: OpenCase, step: Step) -> None:
    """Append a step and its entry in the audit trail, in one transaction."""
    add_mark(connection, case.case_id, case.office, step)
    detail = {"mark": step.mark, "set": step.is_set, "choice": step.choice, "reason": step.reason}
    append(connection, [Act(identity.actor, identity.role.value, "case.mark", case.case_id, detail)])


def marks_of(connection: Connection, case_id: str) -> Marks:
    """What is noted on one case now."""
    return read_marks(connection, [case_id]).get(case_id, ())


def marks_answer(telling: Telling, case_id: str, marks: Marks) -> Answer:
    """The marks of a case as they are answered; the tag is the same in both languages, for they are codes."""
    body = CaseMarks(id=case_id, marks=mark_items(telling, marks))
    return Answer.of(body.model_dump_json().encode())
