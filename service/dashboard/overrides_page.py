"""The page of overrides, for analysts: where offices judged otherwise than the risks, and who proved right."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service.dashboard.models_told import Tell
from service.dashboard.pages import render
from service.dependencies import Source, Told, allowed
from service.etags import NO_STORE, Answer, respond
from service.identity import Scope
from service.language import LanguageQuery, marked
from service.marks import OVERRIDES
from service.override_payloads import OverrideOutcome
from service.routers.overrides import overrides_told

router = APIRouter(include_in_schema=False)

_HTML: Final = "text/html; charset=utf-8"
NEARER: Final = {
    "office": marked("the offices"),
    "risk": marked("the risks"),
    "open": marked("chance explains the difference"),
}


class OverrideTell(Tell):
    """Overrides in the words of one language."""

    def choice(self, one: OverrideOutcome) -> str:
        """How the offices saw the cases."""
        return self.words.gettext(OVERRIDES[one.choice])

    def failed(self, one: OverrideOutcome, minimum: int) -> str:
        """How many were failed, as far as it is told."""
        gettext = self.words.gettext
        if one.failed is not None:
            return self.number(one.failed)
        if one.few == "few":
            return gettext("fewer than %(minimum)d", minimum=minimum)
        if one.few == "all_but_few":
            return gettext("all but fewer than %(minimum)d", minimum=minimum)
        return gettext("withheld")

    def nearer(self, one: OverrideOutcome) -> str:
        """Who proved right."""
        return "–" if one.nearer is None else self.words.gettext(NEARER[one.nearer])


@router.get("/models/overrides", dependencies=[allowed(Scope.MODELS_READ)])
def overrides_page(
    request: Request, _query: Annotated[LanguageQuery, Query()], reads: Source, telling: Told
) -> Response:
    """Where offices judged otherwise, and what came of it."""
    html = render(
        request,
        telling.words,
        "model_overrides.html",
        found=overrides_told(request, reads, telling),
        tell=OverrideTell(telling.words),
        twin="/v1/overrides",
    )
    return respond(request, Answer.of(html), language=telling.words.language, cache=NO_STORE, media_type=_HTML)
