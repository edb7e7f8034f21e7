"""The models for analysts: which versions there are, one beside the champion, and putting one to use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import RedirectResponse

from data.errors import HeedError, UsageError
from models.registry.aliases import PREVIOUS, Aliases
from service import display
from service.dashboard.forms import posted_form
from service.dashboard.pages import render
from service.dashboard.show import Links
from service.dependencies import Source, Spoken, allowed, identify
from service.etags import NO_STORE, Answer, respond
from service.idempotency import writing
from service.identity import Identity, Scope
from service.language import LanguageQuery, Words, marked
from service.model_payloads import Alias, ModelItem, ModelList
from service.model_record import ModelRecord
from service.problems import PreconditionFailedError
from service.promotions import Changing, Wish
from service.reads import Reads
from service.routers.models import Version, model_record

router = APIRouter(include_in_schema=False)

Promoter = Annotated[Identity, Security(identify, scopes=[Scope.MODELS_PROMOTE.value])]
Form = Annotated[Mapping[str, str], Depends(posted_form)]
Lang = Annotated[LanguageQuery, Query()]

_HTML: Final = "text/html; charset=utf-8"
STATES: Final = {
    "usable": marked("Can be used"),
    "misfit": marked("Made for other features or libraries"),
    "refused": marked("Refused by the boundary"),
    "damaged": marked("Damaged, or not signed as asked"),
}
ALIASES: Final = {
    "champion": marked("In use"),
    "challenger": marked("Next in line"),
    "shadow": marked("Scored beside, not shown"),
    "previous": marked("In use before"),
}
# Why, as the code that the history keeps.
WHY: Final = {
    "better-in-backtest": marked("Better in the back-test"),
    "newer-data": marked("Knows newer cases"),
    "trial": marked("To be tried beside the other"),
    "worse-in-use": marked("The one in use does worse than it did"),
}
_CHANGED: Final = marked("Another model has been put to use meanwhile. Read the list of models, and decide again.")
_NOT_SURE: Final = marked("Tick the box that says you have looked at both, and choose what the version is put to.")


@router.get("/models", dependencies=[allowed(Scope.MODELS_READ)])
def models_page(request: Request, _query: Lang, words: Spoken) -> Response:
    """Every version with what it is in use as."""
    answer, _aliases = model_record(request).listed()
    listed = ModelList.model_validate_json(answer.body).models
    # What is in use first, then the newest.
    listed.sort(key=lambda item: (not item.aliases, -item.saved_at.timestamp(), item.version))
    html = render(request, words, "models.html", items=listed, tell=_Tell(words), twin="/v1/models")
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/models/{version}", dependencies=[allowed(Scope.MODELS_READ)])
def model_page(request: Request, version: Version, _query: Lang, words: Spoken) -> Response:
    """One version, beside the champion; with the form that puts it to use, for whoever may."""
    record = model_record(request)
    answer, aliases = record.listed()
    identity: Identity = request.state.identity
    html = render(
        request,
        words,
        "model.html",
        item=record.detail(version),
        tell=_Tell(words),
        state=answer.etag if identity.may(Scope.MODELS_PROMOTE) else None,
        reasons=WHY,
        aliases=[alias for alias in ALIASES if alias != PREVIOUS],
        has_previous=any(PREVIOUS in held for held in aliases.values()),
        twin=f"/v1/models/{version}",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.post("/models/{version}/promote")
def promote_form(
    request: Request, version: Version, _query: Lang, identity: Promoter, form: Form, reads: Source
) -> Response:
    """Put a version to use, decided on the list that the page was made of; as `POST /v1/models/{version}/promote`."""
    alias, reason = form.get("alias", ""), form.get("reason", "")
    if form.get("looked") != "yes" or alias not in ALIASES or alias == PREVIOUS or reason not in WHY:
        raise UsageError(_NOT_SURE)

    def wish(record: ModelRecord, aliases: Aliases) -> Wish:
        record.load(version)
        return Wish.promotion(aliases, version, cast("Alias", alias), reason)

    _change(request, identity, form, reads, wish)
    return RedirectResponse(Links(request).to("/models"), status_code=303)


@router.post("/models/rollback")
def rollback_form(request: Request, _query: Lang, identity: Promoter, form: Form, reads: Source) -> Response:
    """Put the version before the champion back to use; as `POST /v1/models/rollback`."""
    if form.get("looked") != "yes":
        raise UsageError(_NOT_SURE)

    def wish(_record: ModelRecord, aliases: Aliases) -> Wish:
        return Wish.rollback(aliases, form.get("model", ""), "worse-in-use")

    _change(request, identity, form, reads, wish)
    return RedirectResponse(Links(request).to("/models"), status_code=303)


def _change(
    request: Request,
    identity: Identity,
    form: Mapping[str, str],
    reads: Reads,
    wish: Callable[[ModelRecord, Aliases], Wish],
) -> None:
    record, store = model_record(request), reads.store()
    changing = Changing(store, record.registry, identity, None)

    def decide() -> Wish:
        answer, aliases = record.listed()
        if form.get("state") != answer.etag:
            raise PreconditionFailedError(_CHANGED)
        return wish(record, aliases)

    try:
        changing.begin(decide)
        with writing(store) as connection:
            changing.finish(connection)
    except Exception:
        with contextlib.suppress(HeedError):
            changing.give_up()
        raise


class _Tell:
    """What the templates of models say."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def state(self, item: ModelItem) -> str:
        """Whether a version can be used here."""
        return display.word(self.words, STATES, item.state)

    def mark(self, item: ModelItem) -> Literal["low", "medium", "high"]:
        """The shape and colour beside it."""
        return "low" if item.state == "usable" else "medium" if item.state == "misfit" else "high"

    def alias(self, alias: str) -> str:
        """What a version is in use as."""
        return display.word(self.words, ALIASES, alias)

    def why(self, code: str) -> str:
        """A reason for the history."""
        return display.word(self.words, WHY, code)

    def outcome(self, outcome: str) -> str:
        """An outcome as what the office does or leaves undone."""
        return display.outcome(self.words, outcome)

    def moment(self, item: ModelItem, name: Literal["saved_at", "trained_before"]) -> str:
        """A moment in UTC; a version is not of one city's clock."""
        found = getattr(item, name)
        return self.words.gettext("not known") if found is None else f"{found:%Y-%m-%d %H:%M} UTC"

    def number(self, value: float | None) -> str:
        """A figure of a card, with up to four digits behind the point."""
        return "–" if value is None else display.four_decimals(self.words, value)
