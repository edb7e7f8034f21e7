"""The pages: one case, signals, one signal. Complete without a script, each with its JSON twin."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.plots import signal_weeks
from models.signals.reviews import REASONS
from service.audit import record_case
from service.dashboard import charts, column_labels, life_chart, live_charts
from service.dashboard.case_notes import case_notes
from service.dashboard.case_past import case_past
from service.dashboard.show import Links, Show
from service.dependencies import CaseReader, FiguresReader, Source, Telling, Told, allowed
from service.etags import NO_STORE, REVALIDATE, Answer, remembered, respond
from service.identity import PUBLIC, Identity, Scope
from service.language import LANGUAGES, LanguageQuery, Words, marked
from service.packing import LeanFiles, PackedFiles
from service.problems import NotFoundError, Problem
from service.reasons import explain
from service.routers.cases import CaseId
from service.routers.cases import found as case_found
from service.routers.signals import SignalId, signal_answer
from service.routers.signals import found as signal_found
from service.sentences import earlier_sentences, why_sentence

HERE: Final = Path(__file__).parent
_INDENT: Final = re.compile(r"^[ \t]+", re.MULTILINE)
_HTML: Final = "text/html; charset=utf-8"
_SVG: Final = "image/svg+xml"
MEDIA_TYPES: Final[dict[charts.Drawn, str]] = {"svg": _SVG, "spec": "application/vnd.vega+json"}

# Problems that may be gone when the page is opened again.
_PASSING: Final = (429, 500, 503)

router = APIRouter(include_in_schema=False)


class ChartQuery(LanguageQuery):
    """What an address of a chart takes."""

    theme: Literal["light", "dark"] = "light"
    drawn: charts.Drawn = "svg"


@router.get("/")
def home(request: Request, identity: FiguresReader) -> Response:
    """Lead to the open cases; whoever reads no case, to the areas."""
    return RedirectResponse(Links(request).to("/cases" if identity.may(Scope.CASES_READ) else "/areas"))


@router.get("/cases/{case_id}")
def case_page(
    request: Request,
    case_id: CaseId,
    _query: Annotated[LanguageQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """One case: what, by when, how likely late, why, and what its offices did."""
    case = case_found(telling.snapshot, case_id, identity)
    explanation = explain(case)
    shown, rest = explanation.split(charts.REASONS_SHOWN)
    index_folder = request.app.state.settings.index_folder()
    html = render(
        request,
        telling.words,
        "case.html",
        show=Show(telling),
        case=case,
        explanation=explanation,
        shown=shown,
        rest=rest,
        others=explanation.reasons[len(shown) :],
        size=charts.size_of(charts.waterfall_rows(explanation)),
        life=reads.life(telling.snapshot, case_id),
        life_size=life_chart.SIZE,
        **case_notes(reads, telling, case, identity),
        **case_past(telling, case, reads.timeline(telling.snapshot, case_id), index_folder),
    )
    record_case(request, case_id, "page")
    return respond(request, Answer.of(html), language=telling.words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/charts/cases/{case_id}/reasons.svg")
def reasons_chart(
    request: Request, case_id: CaseId, query: Annotated[ChartQuery, Query()], telling: Told, identity: CaseReader
) -> Response:
    """The reasons of one case as a waterfall."""
    case = case_found(telling.snapshot, case_id, identity)
    chart = charts.waterfall(explain(case), telling.words, query.theme, query.drawn)
    record_case(request, case_id, "reasons")
    kind = MEDIA_TYPES[query.drawn]
    return respond(request, Answer.of(chart), language=telling.words.language, cache=NO_STORE, media_type=kind)


@router.get("/charts/cases/{case_id}/life.svg")
def case_life_chart(
    request: Request,
    case_id: CaseId,
    query: Annotated[ChartQuery, Query()],
    reads: Source,
    telling: Told,
    identity: CaseReader,
) -> Response:
    """The risk of one case at every scoring that is kept."""
    case = case_found(telling.snapshot, case_id, identity)
    life, events = reads.life(telling.snapshot, case_id), reads.timeline(telling.snapshot, case_id)
    chart = life_chart.life_chart(telling, case, life, events, query.theme, query.drawn)
    record_case(request, case_id, "life")
    kind = MEDIA_TYPES[query.drawn]
    return respond(request, Answer.of(chart), language=telling.words.language, cache=NO_STORE, media_type=kind)


@router.get("/signals", dependencies=[allowed(Scope.SIGNALS_READ)])
def signals_page(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Every weak signal, sorted by area and category."""

    def make() -> bytes:
        published = telling.snapshot.published
        return render(request, telling.words, "signals.html", show=Show(telling), published=published)

    return remembered_page(request, telling, ("signals.html",), make)


@router.get("/signals/{signal_id}", dependencies=[allowed(Scope.SIGNALS_READ)])
def signal_page(
    request: Request, signal_id: SignalId, _query: Annotated[LanguageQuery, Query()], telling: Told
) -> Response:
    """One weak signal: the weeks behind it, what belongs to it, and how earlier ones turned out."""
    signal = signal_found(telling.snapshot, signal_id)

    def make() -> bytes:
        published = telling.snapshot.published
        summary = signal_weeks.weeks_summary(charts.week_frame(signal, telling.snapshot.time_zone))
        return render(
            request,
            telling.words,
            "signal.html",
            show=Show(telling),
            signal=signal,
            summary=summary,
            above=summary["above"],
            why=why_sentence(telling.words, signal),
            earlier=earlier_sentences(telling.words, telling.snapshot.places, signal),
            related=published.related(signal),
            size=charts.WEEKS_SIZE,
            review_state=signal_answer(telling, signal).etag if may_review else None,
            reasons=REASONS,
        )

    may_review = request.state.identity.may(Scope.SIGNALS_REVIEW)
    return remembered_page(request, telling, ("signal.html", signal_id, str(may_review)), make)


@router.get("/charts/signals/{signal_id}/weeks.svg", dependencies=[allowed(Scope.SIGNALS_READ)])
def weeks_chart(
    request: Request, signal_id: SignalId, query: Annotated[ChartQuery, Query()], telling: Told
) -> Response:
    """The weeks behind one signal against what their past explained."""
    signal = signal_found(telling.snapshot, signal_id)
    if not signal.weeks:
        raise NotFoundError(marked("No weeks are stored behind this signal. Run `heed signals`."))
    words = telling.words

    def make() -> bytes:
        minimum, time_zone = telling.snapshot.published.minimum, telling.snapshot.time_zone
        frame = charts.week_frame(signal, time_zone)
        if query.drawn == "spec":
            frame = frame.assign(told=charts.weeks_told(signal, words, minimum, time_zone))
        return charts.weeks(frame, words, minimum, query.theme)

    answer = remembered(telling.snapshot, ("weeks.svg", signal_id, words.language, query.theme, query.drawn), make)
    kind = MEDIA_TYPES[query.drawn]
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=kind)


def install(app: FastAPI) -> None:
    """Add the pages and what they load."""
    app.include_router(live_charts.router)
    app.include_router(column_labels.router)
    app.mount("/static", PackedFiles(LeanFiles(directory=HERE / "static")), name="static")
    app.include_router(router)


def wants_page(request: Request) -> bool:
    """Whether an error should be told to a reader of pages. The API speaks JSON to everyone."""
    path = request.url.path
    if path == "/v1" or path.startswith(("/v1/", "/health/", "/static/", "/charts/")):
        return False
    return "text/html" in request.headers.get("accept", "")


def error_page(request: Request, words: Words, problem: Problem, *, headers: Mapping[str, str]) -> Response:
    """A problem as a page, which leads on: to the same page again where that may help, and to what may be read."""
    wait = headers.get("Retry-After", "")
    html = render(
        request,
        words,
        "problem.html",
        problem=problem,
        wait=int(wait) if wait.isdecimal() else None,
        again=request.method == "GET" and problem.status in _PASSING,
    )
    return HTMLResponse(html, status_code=problem.status, headers=dict(headers))


def remembered_page(request: Request, telling: Telling, key: tuple[str, ...], make: Callable[[], bytes]) -> Response:
    """A page that is the same for everyone who asks in this language, whether they chose it or their browser did."""
    language = telling.words.language
    shown = (language, Links(request).language or "", *_sections(request))
    answer = remembered(telling.snapshot, (*key, *shown), make)
    return respond(request, answer, language=language, cache=REVALIDATE, media_type=_HTML)


class _Lean(FileSystemLoader):
    """Templates without the blanks that their lines begin with: a tenth of a page, which no reader needs."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The template, its file, and whether it is still as it was read."""
        source, file, same = super().get_source(environment, template)
        return _INDENT.sub("", source), file, same


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=_Lean(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["charts_version"] = live_charts.bundle_version()
    environment.globals["marks"] = environment.get_template("marks.html").module
    return environment


def render(request: Request, words: Words, template: str, **values: Any) -> bytes:
    """Render a page; its templates speak through `_` and `ngettext`."""
    context = {
        "_": words.gettext,
        "ngettext": words.ngettext,
        "language": words.language,
        "languages": LANGUAGES,
        "links": Links(request),
        # The same for all who ask one service: these pages are remembered.
        "sign_out": request.app.state.settings.auth == "required"
        and getattr(request.state, "identity", None) is not PUBLIC,
        "sections": _sections(request),
        **values,
    }
    return _templates().get_template(template).render(context).encode()


def _sections(request: Request) -> tuple[str, ...]:
    """What the page leads on to: what the one who asks may read, which nobody knows before the signing in."""
    identity: Identity | None = getattr(request.state, "identity", None)
    scopes = {"cases": Scope.CASES_READ, "areas": Scope.AREAS_READ, "signals": Scope.SIGNALS_READ}
    if identity is PUBLIC:
        return ("board",)
    scopes |= {"board": Scope.AREAS_READ, "models": Scope.MODELS_READ}
    return tuple(name for name, scope in scopes.items() if identity is None or identity.may(scope))
