"""Pressure and weak signals per area, for dashboards that poll."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.dependencies import Told, allowed
from service.etags import REVALIDATE, remembered, remembered_beside, respond
from service.identity import Scope
from service.language import LanguageQuery, marked
from service.payload_parts import published_at
from service.payloads import AreaDetail, AreaList, area_item
from service.problems import NotFoundError
from service.published import Pressure
from service.reads import Snapshot

router = APIRouter(prefix="/v1", tags=["areas"])

AreaCode = Annotated[str, Path(max_length=160, description="Code of the area.")]


@router.get(
    "/areas",
    operation_id="listAreas",
    summary="All areas",
    response_model=AreaList,
    dependencies=[allowed(Scope.AREAS_READ)],
)
async def list_areas(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Pressure and signals of every area, sorted by code. Figures are disclosed: small ones are withheld."""

    def make() -> bytes:
        published = telling.snapshot.published
        areas = [area_item(telling, pressure) for pressure in published.areas.values()]
        body = AreaList(as_of=published_at(telling), minimum_cell=published.minimum, areas=areas)
        return body.model_dump_json().encode()

    language = telling.words.language
    answer = await remembered_beside(telling.snapshot, ("areas", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


# An area's code may hold a slash, as "Allston / Brighton" does.
@router.get(
    "/areas/{area:path}",
    operation_id="getArea",
    summary="One area",
    response_model=AreaDetail,
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_area(request: Request, area: AreaCode, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Pressure and signals of one area."""
    pressure = found(telling.snapshot, area)

    def make() -> bytes:
        item = area_item(telling, pressure)
        minimum = telling.snapshot.published.minimum
        body = AreaDetail(**dict(item), as_of=published_at(telling), minimum_cell=minimum)
        return body.model_dump_json().encode()

    language = telling.words.language
    answer = remembered(telling.snapshot, ("area", area, language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


def found(snapshot: Snapshot, area: str) -> Pressure:
    """The disclosed pressure of an area.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    pressure = snapshot.published.areas.get(area)
    if pressure is None:
        raise NotFoundError(marked("There is no area with this code among the published figures."))
    return pressure
