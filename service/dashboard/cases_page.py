"""The list of open cases as a page: by what needs attention, with its filters, saved views and marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from service.audit import record_cases
from service.case_file import MOST_ROWS
from service.dashboard.pages import render
from service.dashboard.show import Links, Show, names_sorted
from service.dependencies import CaseReader, Source, Spoken, Telling
from service.etags import NO_STORE, Answer, respond
from service.identity import Identity, Scope
from service.listing import CaseFilter, CasePage, filtered, page_of_cases, visible
from service.marks import MARKS
from service.open_case import OpenCase
from service.places import Kind
from service.reads import Reads
from service.reasons import explain
from service.saved_views import NOTHING_NOTED, Filters, filters_of, read_views, view_name

# A day's work of an officer, and no more than a slow line carries in a second.
PAGE_SIZE: Final = 20
# Of the cases that stand in front as well; the others are a link away.
LIFTED_SHOWN: Final = 5
TOP_REASONS: Final = 3
_DAY: Final = 86_400
_HTML: Final = "text/html; charset=utf-8"

router = APIRouter(include_in_schema=False)


class PageQuery(CaseFilter):
    """The list as a page. It opens with the cases that can still be answered in time: warning of the others
    is too late, and they are one step away, counted where no one can overlook them.
    """

    deadline: Literal["all", "ahead", "passed"] = "ahead"


# What the page shows when nothing is chosen.
_OPENING: Final = filters_of(PageQuery())


@router.get("/cases")
def cases_page(
    request: Request, query: Annotated[PageQuery, Query()], reads: Source, words: Spoken, identity: CaseReader
) -> Response:
    """Open cases by what needs attention."""
    page = page_of_cases(reads, query, identity, limit=PAGE_SIZE, cursor=query.cursor, lifted_within=LIFTED_SHOWN)
    telling = Telling(page.snapshot, words)
    explanations = {case.case_id: explain(case) for case in (*page.lifted, *page.cases)}
    filters = filters_of(query)
    html = render(
        request,
        words,
        "cases.html",
        show=Show(telling),
        query=query,
        page=page,
        page_size=PAGE_SIZE,
        tally=_tally(page, query, identity),
        choices={**_choices(telling, identity), **_fixed_choices(telling)},
        capacity=page.snapshot.capacity_of(query.office, identity.offices),
        filtered=query.model_fields_set - {"lang", "cursor"},
        reasons={case_id: explanation.reasons[:TOP_REASONS] for case_id, explanation in explanations.items()},
        back=request.url.query,
        may_mark=identity.may(Scope.CASES_MARK),
        file=filters if page.total <= MOST_ROWS else None,
        **_views(request, telling, reads, identity, filters),
    )
    record_cases(request, page, query, "page")
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


def _views(request: Request, telling: Telling, reads: Reads, identity: Identity, filters: Filters) -> dict[str, Any]:
    """The saved views of whoever asks, and whether what is shown now can be saved as one."""
    with reads.connection() as connection:
        views = read_views(connection, identity)
    links = Links(request)
    shown = [
        {
            "id": view.view_id,
            "name": view_name(telling, view.filters),
            "href": links.to("/cases", **view.filters),
            "current": view.filters == filters,
        }
        for view in views
    ]
    known = any(view["current"] for view in shown)
    return {"views": shown, "can_save": not known and filters != _OPENING}


def _tally(page: CasePage, query: PageQuery, identity: Identity) -> dict[str, int]:
    """What `_counted` gives; of lists of all offices without a code in their query, of which there are few, it is
    remembered until the next scoring: it goes through every open case.
    """
    if identity.offices is not None or page.kept is not None or query.office or query.category or query.area:
        return _counted(page, query, identity)
    key = ("tally", query.deadline, query.band or "", query.outcome)
    tally: dict[str, int] | None = page.snapshot.memo.get(key)
    if tally is None:
        tally = page.snapshot.memo.setdefault(key, _counted(page, query, identity))
    return tally


def _counted(page: CasePage, query: PageQuery, identity: Identity) -> dict[str, int]:
    """How many cases each choice beside the filters would show: a band, the other side of the deadline. And how
    many of the page's are due within two days.
    """
    tally = dict.fromkeys(("high", "medium", "low", "soon", "passed", "ahead"), 0)
    for case in page.matching:
        tally["soon"] += 0 <= case.due_or_never - page.snapshot.as_of < 2 * _DAY
    told = page.snapshot.risks_of(query.outcome)
    for case in filtered(page.snapshot, query.model_copy(update={"band": None}), identity, page.kept):
        tally[told[case.case_id].band] += 1
    for deadline in ("passed", "ahead"):
        other = query.model_copy(update={"deadline": deadline, "band": None})
        tally[deadline] = len(filtered(page.snapshot, other, identity, page.kept))
    return tally


def _fixed_choices(telling: Telling) -> dict[str, list[tuple[str, str]]]:
    """What the filters offer in every list: the outcomes that are told, and the marks."""
    show = Show(telling)
    marks = [("none", NOTHING_NOTED), *MARKS.items()]
    return {
        "outcome": [(code, show.outcome(code)) for code in telling.snapshot.outcomes],
        "mark": [(code, telling.words.gettext(word)) for code, word in marks],
    }


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
