"""Pressure per office; never per person who works there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import Told, allowed
from service.etags import REVALIDATE, remembered_beside, respond
from service.identity import Scope
from service.language import LanguageQuery
from service.payload_parts import published_at
from service.payloads import OfficeList, office_item

router = APIRouter(prefix="/v1", tags=["offices"])


@router.get(
    "/offices",
    operation_id="listOffices",
    summary="All offices",
    response_model=OfficeList,
    dependencies=[allowed(Scope.AREAS_READ)],
)
async def list_offices(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Pressure of every office against its own past, sorted by code. The smallest unit is an office."""

    def make() -> bytes:
        published = telling.snapshot.published
        offices = [office_item(telling, pressure) for pressure in published.offices.values()]
        body = OfficeList(as_of=published_at(telling), minimum_cell=published.minimum, offices=offices)
        return body.model_dump_json().encode()

    language = telling.words.language
    answer = await remembered_beside(telling.snapshot, ("offices", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)
