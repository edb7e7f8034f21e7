"""The models for analysts: which versions there are, one beside the champion, their drift, and putting one to use.

Nothing changes before a page has said what will, and asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Literal, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response, Security
from fastapi.responses import RedirectResponse

from data.errors import HeedError, UsageError
from models.registry import CHAMPION
from models.registry.aliases import PREVIOUS, Aliases
from service.dashboard import charts
from service.dashboard.forms import posted_form
from service.dashboard.models_told import CHART_SIZE, Tell, capacity_curves, judged_outcomes, reliability_curves
from service.dashboard.models_words import ACTIONS, ALIASES, OVERRIDES, STATES, WHY
from service.dashboard.pages import MEDIA_TYPES, ChartQuery, render
from service.dashboard.show import Links
from service.dependencies import Source, Spoken, allowed, identify
from service.etags import NO_STORE, REVALIDATE, Answer, respond
from service.gate_payloads import OutcomeDrift
from service.idempotency import writing
from service.identity import Identity, Role, Scope
from service.language import LanguageQuery, marked
from service.model_payloads import Alias, ModelDetail, ModelList
from service.model_record import ModelRecord
from service.problems import NotFoundError, PreconditionFailedError
from service.promotions import Changing, Wish
from service.reads import Reads
from service.routers.models import Version, drift_shown, model_record

__all__ = ["ALIASES", "STATES", "WHY", "router"]

router = APIRouter(include_in_schema=False)

Promoter = Annotated[Identity, Security(identify, scopes=[Scope.MODELS_PROMOTE.value])]
Form = Annotated[Mapping[str, str], Depends(posted_form)]
Lang = Annotated[LanguageQuery, Query()]

_HTML: Final = "text/html; charset=utf-8"
_CHANGED: Final = marked("Another model has been put to use meanwhile. Read the list of models, and decide again.")
_NOT_SURE: Final = marked(
    "Look at what will change first, on the page that says so, and choose what the version is put to and why."
)
_NOT_JUDGED: Final = marked("This version was not judged on this outcome. Judge it with `heed models judge`.")


class PromotionQuery(LanguageQuery):
    """What is to be put to use as what, and why."""

    alias: Alias = "challenger"
    reason: Literal["better-in-backtest", "newer-data", "trial", "worse-in-use"] = "trial"


@router.get("/models", dependencies=[allowed(Scope.MODELS_READ)])
def models_page(request: Request, _query: Lang, words: Spoken) -> Response:
    """Every version with what it is in use as, and what happened to them."""
    record = model_record(request)
    answer, aliases = record.listed()
    told = ModelList.model_validate_json(answer.body)
    # What is in use first, then the newest.
    items = sorted(told.models, key=lambda item: (not item.aliases, -item.saved_at.timestamp(), item.version))
    next_up = [held["challenger"] for held in aliases.values() if "challenger" in held]
    html = render(
        request,
        words,
        "models.html",
        items=items,
        history=told.history[::-1],
        next_up=next_up,
        tell=Tell(words),
        actions=ACTIONS,
        known=WHY,
        twin="/v1/models",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/models/drift", dependencies=[allowed(Scope.MODELS_READ)])
def drift_page(request: Request, _query: Lang, reads: Source, words: Spoken) -> Response:
    """How far the models in use have drifted."""
    try:
        found = drift_shown(request, reads)
    except NotFoundError:
        found = None
    outcomes = [] if found is None else found.outcomes
    moves = [] if found is None else [one.risk for one in outcomes if one.risk is not None] + (found.inputs or [])
    html = render(
        request,
        words,
        "model_drift.html",
        found=found,
        off=sum(one.holds is False for one in outcomes),
        judged=sum(one.holds is not None for one in outcomes),
        moved=sum(move.level in ("moved", "moved_much") for move in moves),
        size=charts.size_of(len(_with_share(outcomes))),
        tell=Tell(words),
        twin="/v1/models/drift",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/charts/models/drift.svg", dependencies=[allowed(Scope.MODELS_READ)])
def drift_chart(request: Request, query: Annotated[ChartQuery, Query()], reads: Source, words: Spoken) -> Response:
    """What was told of each outcome beside the share that came."""
    chart = charts.told_and_came(_with_share(drift_shown(request, reads).outcomes), words, query.theme)
    return respond(request, Answer.of(chart), language=words.language, cache=REVALIDATE, media_type="image/svg+xml")


def _with_share(outcomes: Sequence[OutcomeDrift]) -> list[OutcomeDrift]:
    """Those of which enough cases are mature to tell a share."""
    return [one for one in outcomes if one.came is not None]


@router.get("/models/{version}", dependencies=[allowed(Scope.MODELS_READ)])
def model_page(request: Request, version: Version, _query: Lang, words: Spoken) -> Response:
    """One version, judged beside the one in use; with the way to put it to use, for whoever may."""
    record = model_record(request)
    answer, aliases = record.listed()
    identity: Identity = request.state.identity
    item = record.detail(version)
    html = render(
        request,
        words,
        "model.html",
        item=item,
        judged=judged_outcomes(item.judged),
        closed=_closed(item),
        size=CHART_SIZE,
        tell=Tell(words),
        state=answer.etag if identity.may(Scope.MODELS_PROMOTE) else None,
        reasons=WHY,
        aliases=[alias for alias in ALIASES if alias != PREVIOUS],
        previous=aliases.get(item.model, {}).get(PREVIOUS),
        twin=f"/v1/models/{version}",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/charts/models/{version}/{outcome}/{kind}.svg", dependencies=[allowed(Scope.MODELS_READ)])
def model_chart(
    request: Request,
    version: Version,
    outcome: Annotated[str, Path(max_length=32)],
    kind: Literal["reliability", "capacity"],
    query: Annotated[ChartQuery, Query()],
    words: Spoken,
) -> Response:
    """The curves of one outcome as they were judged."""
    record = model_record(request)
    told = {one["name"]: one for one in judged_outcomes(record.detail(version).judged)}
    one = told.get(outcome)
    if one is None or one.get("too_little"):
        raise NotFoundError(_NOT_JUDGED)
    draw = reliability_curves if kind == "reliability" else capacity_curves
    chart = draw(one, words, query.theme, query.drawn)
    kind_sent = MEDIA_TYPES[query.drawn]
    return respond(request, Answer.of(chart), language=words.language, cache=REVALIDATE, media_type=kind_sent)


@router.get("/models/{version}/promote", dependencies=[allowed(Scope.MODELS_READ)])
def promote_page(
    request: Request,
    version: Version,
    query: Annotated[PromotionQuery, Query()],
    identity: Promoter,
    words: Spoken,
) -> Response:
    """What putting a version to use would change, and whether it shall be done."""
    record = model_record(request)
    answer, aliases = record.listed()
    item = record.detail(version)
    before = aliases.get(item.model, {}).get(query.alias)
    asked = query.alias == CHAMPION and before not in (None, version)
    closed = _closed(item) if asked else 0
    html = render(
        request,
        words,
        "model_confirm.html",
        going="promote",
        shown=version,
        alias=query.alias,
        reason=query.reason,
        before=before,
        after=version,
        gates=item.gates if asked else [],
        closed=closed,
        overrides=[(code, words.gettext(text)) for code, text in OVERRIDES.items()],
        may=item.state == "usable" and (not closed or identity.role is Role.ADMIN),
        state=answer.etag,
        address=f"/models/{version}/promote",
        model=item.model,
        tell=Tell(words),
        twin=f"/v1/models/{version}",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


@router.get("/models/{version}/rollback", dependencies=[allowed(Scope.MODELS_READ)])
def rollback_page(request: Request, version: Version, _query: Lang, _identity: Promoter, words: Spoken) -> Response:
    """What going back to the version before would change, and whether it shall be done."""
    record = model_record(request)
    answer, aliases = record.listed()
    item = record.detail(version)
    wish = Wish.rollback(aliases, item.model, None)
    html = render(
        request,
        words,
        "model_confirm.html",
        going="rollback",
        shown=version,
        alias=CHAMPION,
        reason="worse-in-use",
        before=wish.before,
        after=wish.version,
        gates=[],
        closed=0,
        overrides=[],
        may=True,
        state=answer.etag,
        address="/models/rollback",
        model=item.model,
        tell=Tell(words),
        twin=f"/v1/models/{version}",
    )
    return respond(request, Answer.of(html), language=words.language, cache=NO_STORE, media_type=_HTML)


def _closed(item: ModelDetail) -> int:
    """How many gates are not passed."""
    return sum(gate.passed is not True for gate in item.gates)


@router.post("/models/{version}/promote")
def promote_form(
    request: Request, version: Version, _query: Lang, identity: Promoter, form: Form, reads: Source
) -> Response:
    """Put a version to use, decided on the list that the page was made of; as `POST /v1/models/{version}/promote`."""
    alias, reason, override = form.get("alias", ""), form.get("reason", ""), form.get("override") or None
    if form.get("looked") != "yes" or alias not in ALIASES or alias == PREVIOUS or reason not in WHY:
        raise UsageError(_NOT_SURE)
    if override is not None and override not in OVERRIDES:
        raise UsageError(_NOT_SURE)

    def wish(record: ModelRecord, aliases: Aliases) -> Wish:
        record.load(version)
        return Wish.promotion(aliases, version, cast("Alias", alias), reason, override)

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
