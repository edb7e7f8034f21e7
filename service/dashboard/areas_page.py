"""The pages of areas: all of them on a map and in a table, and one with its load, its trends and what is around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from models.plots import signal_weeks
from service.area_payloads import AreaBeside, area_detail, level_counts
from service.dashboard import charts
from service.dashboard.area_maps import level_in_words, map_on_page, map_svg
from service.dashboard.column_labels import columns
from service.dashboard.pages import ChartQuery, remembered_page, render
from service.dashboard.show import Show
from service.dependencies import Telling, Told, allowed
from service.etags import REVALIDATE, remembered, respond
from service.identity import Scope
from service.language import LanguageQuery, marked
from service.problems import NotFoundError
from service.published import Pressure, Signal
from service.reads import Snapshot
from service.routers.areas import AreaCode, found

_SVG: Final = "image/svg+xml"
# Trends that are drawn on the page of an area; the others are one step away, on the pages of their signals.
TRENDS_SHOWN: Final = 6

router = APIRouter(include_in_schema=False, dependencies=[allowed(Scope.AREAS_READ)])


@dataclass(frozen=True)
class Spread:
    """An estimate on a bar of 100: itself, its interval, and the usual range; None where that is not shown."""

    now: float
    low: float
    high: float
    usual_low: float | None
    usual_wide: float | None


@dataclass(frozen=True)
class Trend:
    """The weeks of one type of problem: its signal, how many weeks of what kind, and whether they are drawn here."""

    signal: Signal
    summary: dict[str, int]
    drawn: bool


@router.get("/areas")
def areas_page(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Every area against its own past, on a map and in a table in the order of codes."""

    def make() -> bytes:
        published = telling.snapshot.published
        return render(
            request,
            telling.words,
            "areas.html",
            show=Show(telling),
            columns=columns(telling.words),
            published=published,
            levels=level_counts(published),
            drawn=map_on_page(telling),
            spread=spread,
        )

    return remembered_page(request, telling, ("areas.html",), make)


@router.get("/areas/{area:path}")
def area_page(request: Request, area: AreaCode, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """One area: its pressure, its signals week by week, and what lies in it and beside it."""
    pressure = found(telling.snapshot, area)

    def make() -> bytes:
        pictured = _pictured(telling.snapshot, area)
        told = area_detail(telling, area)
        return render(
            request,
            telling.words,
            "area.html",
            show=Show(telling),
            published=telling.snapshot.published,
            area=area,
            pressure=pressure,
            signals=telling.snapshot.published.signals_of(area),
            pictured=pictured,
            size=charts.size_of(len(pictured)),
            trends=_trends(telling, area),
            weeks_size=charts.WEEKS_SIZE,
            parts=told.parts,
            beside=told.neighbours,
            drawn=map_on_page(telling, _around(area, told.parts, told.neighbours)),
            spread=spread,
            level_in_words=partial(level_in_words, telling.words),
        )

    return remembered_page(request, telling, ("area.html", area), make)


# Above the charts of single areas, whose codes may be anything.
@router.get("/charts/areas/map.svg")
def map_chart(request: Request, query: Annotated[ChartQuery, Query()], telling: Told) -> Response:
    """The map of areas."""

    def make() -> bytes:
        svg = map_svg(telling, query.theme)
        if svg is None:
            raise NotFoundError(marked("No boundaries of areas are stored. Import them with `heed places import`."))
        return svg

    words = telling.words
    answer = remembered(telling.snapshot, ("map.svg", words.language, query.theme), make)
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=_SVG)


@router.get("/charts/areas/{area:path}/signals.svg")
def signals_chart(request: Request, area: AreaCode, query: Annotated[ChartQuery, Query()], telling: Told) -> Response:
    """The signals of one area beside what its past explains."""
    found(telling.snapshot, area)
    words = telling.words

    def make() -> bytes:
        signals = _pictured(telling.snapshot, area)
        show = Show(telling)
        names = {signal.category: show.place("category", signal.category) for signal in signals}
        return charts.evidence(signals, names, words, query.theme)

    answer = remembered(telling.snapshot, ("signals.svg", area, words.language, query.theme), make)
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=_SVG)


def spread(pressure: Pressure, name: str) -> Spread | None:
    """One of `service.disclosure.ESTIMATED` as positions on a bar; None where it is withheld or not known.

    Every bar has a scale of its own: bars of two areas are not to be compared.
    """
    ends = ("", "_low", "_high", "_usual_low", "_usual_high")
    now, low, high, usual_low, usual_high = (getattr(pressure, f"{name}{end}").value for end in ends)
    if now is None or low is None or high is None:
        return None
    whole = usual_low is not None and usual_high is not None
    full = 1.1 * max(float(now), float(high), float(usual_high) if whole else 0.0, 0.01)

    def at(value: float) -> float:
        return round(100 * min(value / full, 1.0), 1)

    if not whole:
        return Spread(at(now), at(low), at(high), None, None)
    return Spread(at(now), at(low), at(high), at(usual_low), round(max(at(usual_high) - at(usual_low), 1.0), 1))


def _trends(telling: Telling, area: str) -> list[Trend]:
    """The signals of an area behind which weeks are stored, in the order of the types of problem."""
    trends: list[Trend] = []
    for signal in telling.snapshot.published.signals_of(area):
        if signal.weeks:
            summary = signal_weeks.weeks_summary(charts.week_frame(signal, telling.snapshot.time_zone))
            trends.append(Trend(signal, summary, drawn=summary["shown"] > 0 and len(trends) < TRENDS_SHOWN))
    return trends


def _around(area: str, *lists: list[AreaBeside]) -> list[str]:
    """The areas to be found on the map of one: what is beside it and in it, and it by itself on top."""
    codes = {each.area.code for listed in lists for each in listed}
    return [*sorted(codes - {area}), area]


def _pictured(snapshot: Snapshot, area: str) -> tuple[Signal, ...]:
    """The signals whose figures may be shown."""
    signals = snapshot.published.signals_of(area)
    return tuple(
        signal for signal in signals if signal.observed.value is not None and signal.expected.value is not None
    )
