"""The pages: open cases, one case, areas, one area. Complete without a script, each with its JSON twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.plots import signal_weeks
from models.signals.reviews import REASONS
from service.audit import record_case, record_cases
from service.dashboard import charts, life_chart
from service.dashboard.show import Links, Show, names_sorted
from service.dependencies import CaseReader, FiguresReader, Source, Spoken, Telling, Told, allowed
from service.etags import NO_STORE, REVALIDATE, Answer, remembered, respond
from service.identity import Identity, Scope
from service.language import LANGUAGES, LanguageQuery, Words, marked
from service.listing import CaseFilter, CasePage, filtered, page_of_cases, visible
from service.places import Kind
from service.problems import NotFoundError, Problem
from service.published import Signal
from service.reads import CaseEvent, OpenCase, Snapshot
from service.reasons import explain
from service.routers.areas import AreaCode
from service.routers.areas import found as area_found
from service.routers.cases import CaseId
from service.routers.cases import found as case_found
from service.routers.signals import SignalId, signal_answer
from service.routers.signals import found as signal_found
from service.sentences import earlier_sentences, why_sentence

HERE: Final = Path(__file__).parent
PAGE_SIZE: Final = 25
TOP_REASONS: Final = 3
_DAY: Final = 86_400
_HTML: Final = "text/html; charset=utf-8"
_SVG: Final = "image/svg+xml"

router = APIRouter(include_in_schema=False)


class PageQuery(CaseFilter):
    """The list as a page. It opens with the cases that can still be answered in time: warning of the others
    is too late, and they are one step away, counted where no one can overlook them.
    """

    deadline: Literal["all", "ahead", "passed"] = "ahead"


class ChartQuery(LanguageQuery):
    """What an address of a chart takes."""

    theme: Literal["light", "dark"] = "light"


@router.get("/")
def home(request: Request, identity: FiguresReader) -> Response:
    """Lead to the open cases; whoever reads no case, to the areas."""
    return RedirectResponse(Links(request).to("/cases" if identity.may(Scope.CASES_READ) else "/areas"))


@router.get("/cases")
def cases_page(
    request: Request, query: Annotated[PageQuery, Query()], reads: Source, words: Spoken, identity: CaseReader
) -> Response:
    """Open cases by what needs attention."""
    page = page_of_cases(reads, query, identity, limit=PAGE_SIZE)
    telling = Telling(page.snapshot, words)
    explanations = {case.case_id: explain(case) for case in page.cases}
    html = render(
        request,
        words,
        "cases.html",
        show=Show(telling),
        query=query,
        page=page,
        page_size=PAGE_SIZE,
        tally=_tally(page, query, identity),
        choices=_choices(telling, identity),
        filtered=query.model_fields_set - {"lang", "cursor"},
        reasons={case_id: explanation.reasons[:TOP_REASONS] for case_id, explanation in explanations.items()},
    )
    record_cases(request, page, query, "page")
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


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
        timeline=_timeline(case, reads.timeline(telling.snapshot, case_id)),
        life=reads.life(telling.snapshot, case_id),
        life_size=life_chart.SIZE,
    )
    record_case(request, case_id, "page")
    return respond(request, Answer.of(html), language=telling.words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/charts/cases/{case_id}/reasons.svg")
def reasons_chart(
    request: Request, case_id: CaseId, query: Annotated[ChartQuery, Query()], telling: Told, identity: CaseReader
) -> Response:
    """The reasons of one case as a waterfall."""
    case = case_found(telling.snapshot, case_id, identity)
    svg = charts.waterfall(explain(case), telling.words, query.theme)
    record_case(request, case_id, "reasons")
    return respond(request, Answer.of(svg), language=telling.words.language, cache=NO_STORE, media_type=_SVG)


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
    svg = life_chart.life_chart(telling.snapshot, case, life, events, telling.words, query.theme)
    record_case(request, case_id, "life")
    return respond(request, Answer.of(svg), language=telling.words.language, cache=NO_STORE, media_type=_SVG)


@router.get("/areas", dependencies=[allowed(Scope.AREAS_READ)])
def areas_page(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Every area against its own past, sorted by code."""

    def make() -> bytes:
        published = telling.snapshot.published
        return render(request, telling.words, "areas.html", show=Show(telling), published=published)

    return _remembered_page(request, telling, ("areas.html",), make)


@router.get("/areas/{area:path}", dependencies=[allowed(Scope.AREAS_READ)])
def area_page(request: Request, area: AreaCode, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """One area: its pressure and its signals."""
    pressure = area_found(telling.snapshot, area)

    def make() -> bytes:
        pictured = _pictured(telling.snapshot, area)
        return render(
            request,
            telling.words,
            "area.html",
            show=Show(telling),
            published=telling.snapshot.published,
            pressure=pressure,
            signals=telling.snapshot.published.signals_of(area),
            pictured=pictured,
            size=charts.size_of(len(pictured)),
        )

    return _remembered_page(request, telling, ("area.html", area), make)


@router.get("/charts/areas/{area:path}/signals.svg", dependencies=[allowed(Scope.AREAS_READ)])
def signals_chart(request: Request, area: AreaCode, query: Annotated[ChartQuery, Query()], telling: Told) -> Response:
    """The signals of one area beside what its past explains."""
    area_found(telling.snapshot, area)
    words = telling.words

    def make() -> bytes:
        signals = _pictured(telling.snapshot, area)
        show = Show(telling)
        names = {signal.category: show.place("category", signal.category) for signal in signals}
        return charts.evidence(signals, names, words, query.theme)

    answer = remembered(telling.snapshot, ("signals.svg", area, words.language, query.theme), make)
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=_SVG)


@router.get("/signals", dependencies=[allowed(Scope.SIGNALS_READ)])
def signals_page(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Every weak signal, sorted by area and category."""

    def make() -> bytes:
        published = telling.snapshot.published
        return render(request, telling.words, "signals.html", show=Show(telling), published=published)

    return _remembered_page(request, telling, ("signals.html",), make)


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
    return _remembered_page(request, telling, ("signal.html", signal_id, str(may_review)), make)


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
        frame = charts.week_frame(signal, telling.snapshot.time_zone)
        return charts.weeks(frame, words, telling.snapshot.published.minimum, query.theme)

    answer = remembered(telling.snapshot, ("weeks.svg", signal_id, words.language, query.theme), make)
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=_SVG)


def install(app: FastAPI) -> None:
    """Add the pages and what they load."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(router)


def wants_page(request: Request) -> bool:
    """Whether an error should be told to a reader of pages. The API speaks JSON to everyone."""
    path = request.url.path
    if path == "/v1" or path.startswith(("/v1/", "/health/", "/static/", "/charts/")):
        return False
    return "text/html" in request.headers.get("accept", "")


def error_page(request: Request, words: Words, problem: Problem, *, headers: Mapping[str, str]) -> Response:
    """A problem as a page."""
    html = render(request, words, "problem.html", problem=problem)
    return HTMLResponse(html, status_code=problem.status, headers=dict(headers))


def _remembered_page(request: Request, telling: Telling, key: tuple[str, ...], make: Callable[[], bytes]) -> Response:
    """A page that is the same for everyone who asks in this language, whether they chose it or their browser did."""
    language = telling.words.language
    shown = (language, Links(request).language or "", *_sections(request))
    answer = remembered(telling.snapshot, (*key, *shown), make)
    return respond(request, answer, language=language, cache=REVALIDATE, media_type=_HTML)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
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
        "sign_out": request.app.state.settings.auth == "required",
        "sections": _sections(request),
        **values,
    }
    return _templates().get_template(template).render(context).encode()


def _sections(request: Request) -> tuple[str, ...]:
    """What the page leads on to: what the one who asks may read, which nobody knows before the signing in."""
    identity: Identity | None = getattr(request.state, "identity", None)
    scopes = {"cases": Scope.CASES_READ, "areas": Scope.AREAS_READ, "signals": Scope.SIGNALS_READ}
    scopes |= {"models": Scope.MODELS_READ}
    return tuple(name for name, scope in scopes.items() if identity is None or identity.may(scope))


def _timeline(case: OpenCase, events: Sequence[CaseEvent]) -> list[tuple[int, CaseEvent | None]]:
    """What happened, in the order in which it happened, with the promised moment (no event) in its place."""
    entries: list[tuple[int, CaseEvent | None]] = [(event.at, event) for event in events]
    if case.due_at is not None:
        entries.append((case.due_at, None))
    return sorted(entries, key=itemgetter(0))


def _tally(page: CasePage, query: PageQuery, identity: Identity) -> dict[str, int]:
    """How many cases each choice beside the filters would show: a band, the other side of the deadline. And how
    many of the page's are due within two days.
    """
    tally = dict.fromkeys(("high", "medium", "low", "soon", "passed", "ahead"), 0)
    for case in page.matching:
        tally["soon"] += 0 <= case.due_or_never - page.snapshot.as_of < 2 * _DAY
    for case in filtered(page.snapshot, query.model_copy(update={"band": None}), identity):
        tally[case.band] += 1
    for deadline in ("passed", "ahead"):
        other = query.model_copy(update={"deadline": deadline, "band": None})
        tally[deadline] = len(filtered(page.snapshot, other, identity))
    return tally


def _choices(telling: Telling, identity: Identity) -> dict[str, list[tuple[str, str]]]:
    """What the filters offer: codes and names of what the open cases have, areas with those they lie in."""
    if identity.offices is not None:
        # Remembered only where everybody gets the same.
        return _choices_among(telling, visible(telling.snapshot.cases, identity))
    snapshot = telling.snapshot
    key = ("choices", telling.words.language)
    choices: dict[str, list[tuple[str, str]]] | None = snapshot.memo.get(key)
    if choices is None:
        choices = snapshot.memo.setdefault(key, _choices_among(telling, snapshot.cases))
    return choices


def _choices_among(telling: Telling, cases: Sequence[OpenCase]) -> dict[str, list[tuple[str, str]]]:
    show = Show(telling)
    kinds: tuple[Kind, ...] = ("category", "area", "office")
    choices: dict[str, list[tuple[str, str]]] = {}
    for kind in kinds:
        codes = {getattr(case, kind) for case in cases} - {None}
        if kind == "area":
            codes |= _above(codes, telling.snapshot.places.parents)
        choices[kind] = names_sorted({code: show.place(kind, code) for code in codes})
    return choices


def _above(codes: set[str], parents: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    waiting = list(codes)
    while waiting:
        parent = parents.get(waiting.pop())
        if parent is not None and parent not in found:
            found.add(parent)
            waiting.append(parent)
    return found


def _pictured(snapshot: Snapshot, area: str) -> tuple[Signal, ...]:
    """The signals whose figures may be shown."""
    signals = snapshot.published.signals_of(area)
    return tuple(
        signal for signal in signals if signal.observed.value is not None and signal.expected.value is not None
    )
