"""What is known of cases in which an office did one thing more, for one open case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service.audit import record_case
from service.dependencies import CaseReader, Source, Telling, Told
from service.etags import JSON, NO_STORE
from service.idempotency import require_json
from service.language import LanguageQuery, marked
from service.online.holder import ModelHolder
from service.online.pool import WorkPool
from service.online.scorer import Scorer
from service.open_case import OpenCase
from service.problems import ConflictError
from service.reads import Reads
from service.routers.cases import CaseId, found
from service.what_if_payloads import NOTE, WhatIfAnswer, WhatIfQuery, WhatIfRequest, what_if_item
from service.what_ifs import Question, ask, days_ahead

router = APIRouter(prefix="/v1", tags=["cases"])

_OTHER_SCORING: Final = marked(
    "The models or the index in use are not those of the scoring that is shown, so nothing can be compared with it. "
    "Run `heed score`, then ask again."
)


@router.get(
    "/cases/{case_id}/what-if", operation_id="getWhatIf", summary="What an office could do", response_model=WhatIfAnswer
)
async def get_what_if(
    request: Request,
    case_id: CaseId,
    query: Annotated[WhatIfQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """The same question in an address, for all outcomes; without an action, only what could be asked."""
    case = found(telling.snapshot, case_id, identity)
    question = None if query.action is None else Question(query.action, query.office, query.by)
    return await _answered(request, reads, telling, case, question)


@router.post(
    "/cases/{case_id}/what-if",
    operation_id="askWhatIf",
    summary="What if the office does one thing more",
    response_model=WhatIfAnswer,
)
async def ask_what_if(
    request: Request,
    case_id: CaseId,
    asked: WhatIfRequest,
    _query: Annotated[LanguageQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """How cases went that stood as this one would if its office replied, handed it over, restarted its clock or
    answered it by a day: the risk before and after, with its interval, and how many past cases that rests on; or why
    there is no answer. Nothing is stored but that the case was read, and nothing is moved in any list.
    """
    require_json(request, await request.body())
    case = found(telling.snapshot, case_id, identity)
    outcomes = None if asked.outcomes is None else tuple(dict.fromkeys(asked.outcomes))
    return await _answered(request, reads, telling, case, Question(asked.action, asked.office, asked.by, outcomes))


async def _answered(
    request: Request, reads: Reads, telling: Telling, case: OpenCase, question: Question | None
) -> Response:
    def finish(answer: WhatIfAnswer) -> bytes:
        record_case(request, case.case_id, "what-if")
        return answer.model_dump_json().encode()

    body = await beside_the_loop(request, reads, telling, case, question, finish)
    headers = {"Cache-Control": NO_STORE, "Content-Language": telling.words.language, "Vary": "Accept-Language"}
    return Response(body, media_type=JSON, headers=headers)


async def beside_the_loop(
    request: Request,
    reads: Reads,
    telling: Telling,
    case: OpenCase,
    question: Question | None,
    finish: Callable[[WhatIfAnswer], bytes],
) -> bytes:
    """Answer in one of the places for scoring; `finish` records the read and makes the body, there as well.

    Raises
    ------
    UsageError
        If the action lacks an office or a day, or was given what it has no use for.
    BusyError
        If all places are taken.
    """
    if question is not None:
        question.require_whole(telling.snapshot.as_of, telling.time_zone)
    holder: ModelHolder = request.app.state.models
    pool: WorkPool = request.app.state.scoring
    return await pool.run(lambda _stopped: finish(_answer(request, holder, reads, telling, case, question)))


def _answer(
    request: Request, holder: ModelHolder, reads: Reads, telling: Telling, case: OpenCase, question: Question | None
) -> WhatIfAnswer:
    answers = []
    if question is not None:
        scorer = _of_the_scoring(holder.wait(), telling, case)
        home = request.app.state.settings.index_folder() / scorer.saved.name
        office = question.office
        with reads.connection() as connection:
            answers = [
                what_if_item(telling.words, told)
                for told in ask(
                    connection,
                    scorer.models,
                    scorer.saved,
                    home,
                    case.case_id,
                    question,
                    office_name=None if office is None else _name(telling, office),
                )
            ]
    return WhatIfAnswer.model_validate(
        {
            "as_of": telling.as_of,
            "model_version": case.model_version,
            "case": case.case_id,
            "action": None if question is None else question.action,
            "office": None if question is None else question.office,
            "by": None if question is None else question.by,
            "days": days_ahead(telling.snapshot.as_of, telling.time_zone),
            "answers": answers,
            "note": telling.words.gettext(NOTE),
        }
    )


def _of_the_scoring(scorer: Scorer, telling: Telling, case: OpenCase) -> Scorer:
    """What is in use, if it is what the case was scored with: else the risk before would be another than is shown."""
    if scorer.as_of != telling.snapshot.as_of or scorer.version != case.model_version:
        raise ConflictError(_OTHER_SCORING)
    return scorer


def _name(telling: Telling, office: str) -> tuple[str, str]:
    name = telling.snapshot.places.name("office", office)
    return name.zh or name.en or office, name.en or name.zh or office
