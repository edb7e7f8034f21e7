"""Pressure and weak signals per area, for dashboards that poll."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from models.signals.counts import ALL
from service.area_payloads import AreaDetail, AreaList, AreaMap, area_detail, area_list, area_map
from service.dependencies import Told, allowed
from service.etags import REVALIDATE, remembered, remembered_beside, respond
from service.identity import Scope
from service.language import LanguageQuery, marked
from service.problems import NotFoundError
from service.published import Pressure
from service.reads import Snapshot

router = APIRouter(prefix="/v1", tags=["areas"])

GEO_JSON: Final = "application/geo+json"


class GeoJson(JSONResponse):
    """An answer in GeoJSON."""

    media_type = GEO_JSON


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
        return area_list(telling).model_dump_json().encode()

    language = telling.words.language
    answer = await remembered_beside(telling.snapshot, ("areas", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


@router.get(
    "/areas.geojson",
    operation_id="mapAreas",
    summary="All areas as a map",
    response_model=AreaMap,
    response_class=GeoJson,
    dependencies=[allowed(Scope.AREAS_READ)],
)
def map_areas(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Boundaries with levels and figures, for maps of dashboards; GeoJSON. Areas whose figures are withheld say so."""

    def make() -> bytes:
        return area_map(telling).model_dump_json().encode()

    language = telling.words.language
    answer = remembered(telling.snapshot, ("areas.geojson", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE, media_type=GEO_JSON)


# An area's code may hold a slash, as "Allston / Brighton" does.
@router.get(
    "/areas/{area:path}",
    operation_id="getArea",
    summary="One area",
    response_model=AreaDetail,
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_area(request: Request, area: AreaCode, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Pressure and signals of one area, and how it stands with what lies in it and beside it."""
    found(telling.snapshot, area)

    def make() -> bytes:
        return area_detail(telling, area).model_dump_json().encode()

    language = telling.words.language
    answer = remembered(telling.snapshot, ("area", area, language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


def found(snapshot: Snapshot, area: str) -> Pressure | None:
    """The disclosed pressure of an area; None for one without figures of its own, as a town whose villages have them.

    Raises
    ------
    NotFoundError
        If there is no such area: neither among the figures nor among the signals nor among the places.
    """
    published = snapshot.published
    # The sum of all areas has signals and no page.
    if area == ALL or (
        area not in published.areas and area not in snapshot.places.areas and not published.signals_of(area)
    ):
        raise NotFoundError(marked("There is no area with this code."))
    return published.areas.get(area)
