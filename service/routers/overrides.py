"""How offices judged otherwise than the risks, and what came of it: counts for whoever looks after the models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import Source, Telling, Told, allowed
from service.etags import REVALIDATE, Answer, respond
from service.identity import Scope
from service.language import LanguageQuery
from service.override_payloads import OverridesAnswer, overrides_answer
from service.overrides import read_overrides
from service.reads import Reads

router = APIRouter(prefix="/v1", tags=["models"])


@router.get(
    "/overrides",
    operation_id="getOverrides",
    summary="Where offices judged otherwise",
    response_model=OverridesAnswer,
    dependencies=[allowed(Scope.MODELS_READ)],
)
def get_overrides(
    request: Request, _query: Annotated[LanguageQuery, Query()], reads: Source, telling: Told
) -> Response:
    """How many cases offices judged otherwise than the risk, by direction, reason, band and type, and whether they or
    the risks proved right. Counts of the whole city, to the nearest five; nothing under the minimum, and no office.
    """
    answer = Answer.of(overrides_told(request, reads, telling).model_dump_json().encode())
    return respond(request, answer, language=telling.words.language, cache=REVALIDATE)


def overrides_told(request: Request, reads: Reads, telling: Telling) -> OverridesAnswer:
    """The overrides as of the newest scoring, in the words of one language."""
    as_of = telling.snapshot.as_of
    minimum = request.app.state.settings.minimum_cell
    return overrides_answer(telling, read_overrides(reads.store(), as_of, minimum=minimum), as_of)
