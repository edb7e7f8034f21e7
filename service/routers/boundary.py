"""What the boundary was checked on, for everybody who may see anything at all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.boundary_report import BoundaryReport, boundary_report
from service.dependencies import Spoken, allowed
from service.etags import REVALIDATE, Answer, respond
from service.identity import Scope
from service.language import LanguageQuery, Words
from service.routers.models import model_record

router = APIRouter(prefix="/v1", tags=["boundary"])


@router.get(
    "/boundary",
    operation_id="getBoundary",
    summary="What heed never looks at, and the proof",
    response_model=BoundaryReport,
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_boundary(request: Request, _query: Annotated[LanguageQuery, Query()], words: Spoken) -> Response:
    """What `heed boundary check` finds in this build and in the models that are in use. Every role may read it."""
    answer = Answer.of(report(request, words).model_dump_json().encode())
    return respond(request, answer, language=words.language, cache=REVALIDATE)


def report(request: Request, words: Words) -> BoundaryReport:
    """The report on this service; what was read of a build and of a version is remembered."""
    return boundary_report(model_record(request).registry, words)
