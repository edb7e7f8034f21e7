"""What heed never looks at, and the proof, as a page for every role."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service import display
from service.dashboard.models_page import ALIASES
from service.dashboard.pages import render
from service.dependencies import Spoken, allowed
from service.etags import REVALIDATE, Answer, respond
from service.identity import Scope
from service.language import LanguageQuery
from service.routers.boundary import report

router = APIRouter(include_in_schema=False)

_HTML: Final = "text/html; charset=utf-8"


@router.get("/boundary", dependencies=[allowed(Scope.AREAS_READ)])
def boundary_page(request: Request, _query: Annotated[LanguageQuery, Query()], words: Spoken) -> Response:
    """What was checked, what was found, and what no name may be about."""
    html = render(
        request,
        words,
        "boundary.html",
        report=report(request, words),
        number=lambda value: display.number(words, value),
        used_as=lambda names: [display.word(words, ALIASES, name) for name in names],
        twin="/v1/boundary",
    )
    return respond(request, Answer.of(html), language=words.language, cache=REVALIDATE, media_type=_HTML)
