"""What is known of cases in which an office did one thing more, as a page: a question by a form, and its answer."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service import display
from service.audit import record_case
from service.dashboard.case_past import asks_of, day_name
from service.dashboard.pages import render
from service.dashboard.show import Show
from service.dependencies import CaseReader, Source, Telling, Told
from service.etags import NO_STORE, Answer, respond
from service.language import marked
from service.routers.cases import CaseId, found
from service.routers.what_if import beside_the_loop
from service.what_if_payloads import WhatIfAnswer, WhatIfQuery
from service.what_ifs import Question

router = APIRouter(include_in_schema=False)

_HTML: Final = "text/html; charset=utf-8"
_FEW: Final = 0.005
# What was asked, as the heading of the answer.
ASKED: Final = {
    "reply": marked("If the office replies now"),
    "hand_over": marked("If it is handed over to %(office)s now"),
    "resume": marked("If its clock is restarted now"),
    "answer_by": marked("If it is closed by the end of %(day)s"),
}


@router.get("/cases/{case_id}/what-if")
async def what_if_page(
    request: Request,
    case_id: CaseId,
    query: Annotated[WhatIfQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """The answer to a question about a case, with the questions that can be asked."""
    case = found(telling.snapshot, case_id, identity)
    # A form sends what was chosen in it; what the action has no use for is not asked.
    question = None if query.action is None else Question(query.action, query.office or None, query.by)

    def finish(answer: WhatIfAnswer) -> bytes:
        events = reads.timeline(telling.snapshot, case_id)
        html = render(
            request,
            telling.words,
            "what_if.html",
            show=Show(telling),
            case=case,
            answer=answer,
            asked=_asked(telling, question),
            asks=asks_of(telling, case, events, question),
            per_100=lambda risk: _per_100(telling, risk),
            interval=display.interval,
        )
        record_case(request, case_id, "what-if")
        return html

    html = await beside_the_loop(request, reads, telling, case, question, finish)
    return respond(request, Answer.of(html), language=telling.words.language, cache=NO_STORE, media_type=_HTML)


def _asked(telling: Telling, question: Question | None) -> str:
    if question is None:
        return ""
    office = "" if question.office is None else Show(telling).place("office", question.office)
    day = "" if question.by is None else day_name(telling.words, question.by)
    return telling.words.gettext(ASKED[question.action], office=office, day=day)


def _per_100(telling: Telling, risk: float | None) -> str:
    """A risk as cases of 100; what is not certain is shown neither as nothing nor as all."""
    if risk is None:
        return "–"
    if 0 < risk < _FEW:
        return telling.words.gettext("under 1")
    return display.number(telling.words, 100 if risk == 1 else min(display.per_100(risk), 99))
