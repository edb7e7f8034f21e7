"""Models: which versions there are, what they are made of, and putting one to use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response, Security
from sqlalchemy import Connection
from starlette.convertors import Convertor, register_url_convertor

from data.errors import HeedError
from models.registry import Registry
from models.registry.aliases import Aliases
from service.dependencies import Source, Spoken, allowed, identify
from service.drift import read_drift
from service.etags import REVALIDATE, Answer, respond
from service.gate_payloads import DriftShown
from service.idempotency import TAKES_JSON, Call, Written, idempotent
from service.identity import Identity, Scope
from service.language import LanguageQuery, marked
from service.model_payloads import ModelChange, ModelDetail, ModelList, Promotion, Rollback
from service.model_record import ModelRecord
from service.preconditions import IfMatch, require_condition, require_match
from service.problems import NotFoundError
from service.promotions import Changing, Wish
from service.reads import Reads
from service.training import FAILURES


class _NameOfVersion(Convertor[str]):
    """A part of an address that may name a version: a model and a hash. `rollback` is no such name."""

    regex = "[^/]+-[^/]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("version", _NameOfVersion())

router = APIRouter(prefix="/v1", tags=["models"])

_NO_DRIFT: Final = marked("No scoring with the models in use says how far they have drifted. Run `heed score`.")

Promoter = Annotated[Identity, Security(identify, scopes=[Scope.MODELS_PROMOTE.value])]
Version = Annotated[str, Path(max_length=64, description="Name of a version, as the list gives it.")]
Lang = Annotated[LanguageQuery, Query()]


@router.get(
    "/models",
    operation_id="listModels",
    summary="All versions of the models",
    response_model=ModelList,
    dependencies=[allowed(Scope.MODELS_READ)],
)
def list_models(request: Request, _query: Lang, words: Spoken) -> Response:
    """Every version with what it is in use as, whether it can be used here, and the numbers of its card. The ETag is
    what a promotion or a rollback is decided on.
    """
    answer, _aliases = model_record(request).listed()
    return respond(request, answer, language=words.language, cache=REVALIDATE)


@router.get(
    "/models/drift",
    operation_id="getModelDrift",
    summary="How far the models in use have drifted",
    response_model=DriftShown,
    dependencies=[allowed(Scope.MODELS_READ)],
)
def get_drift(request: Request, _query: Lang, reads: Source, words: Spoken) -> Response:
    """What the models in use told against what came, and how far the open cases are from what they learned from, as the
    newest scoring found it.
    """
    answer = Answer.of(drift_shown(request, reads).model_dump_json().encode())
    return respond(request, answer, language=words.language, cache=REVALIDATE)


@router.get(
    "/models/{version:version}",
    operation_id="getModel",
    summary="One version of a model",
    response_model=ModelDetail,
    dependencies=[allowed(Scope.MODELS_READ)],
)
def get_model(request: Request, version: Version, _query: Lang, words: Spoken) -> Response:
    """One version: its card, of what it was made, and how it compares with the champion."""
    answer = Answer.of(model_record(request).detail(version).model_dump_json().encode())
    return respond(request, answer, language=words.language, cache=REVALIDATE)


@router.post(
    "/models/rollback",
    operation_id="rollbackModels",
    summary="Put the champion before this one back to use",
    response_model=ModelChange,
    dependencies=[allowed(Scope.MODELS_PROMOTE), TAKES_JSON],
)
def rollback_models(
    request: Request,
    _query: Lang,
    identity: Promoter,
    reads: Source,
    words: Spoken,
    asked: Rollback,
    _if_match: IfMatch = None,
) -> Response:
    """Put the earlier champion back to use, after the checks of a promotion. A second rollback goes forth again."""

    def wish(_record: ModelRecord, aliases: Aliases) -> Wish:
        return Wish.rollback(aliases, asked.model, asked.reason)

    return _changed(request, identity, reads, words.language, wish)


@router.post(
    "/models/{version:version}/promote",
    operation_id="promoteModel",
    summary="Put a version to use",
    response_model=ModelChange,
    dependencies=[allowed(Scope.MODELS_PROMOTE), TAKES_JSON],
)
def promote_model(
    request: Request,
    version: Version,
    _query: Lang,
    identity: Promoter,
    reads: Source,
    words: Spoken,
    asked: Promotion,
    _if_match: IfMatch = None,
) -> Response:
    """Put a version to use, decided on the list whose ETag `If-Match` names. Its hashes, its signature where keys are
    trusted, the boundary, and whether it fits the features and libraries here are checked first. To take the place of
    the version in use it has to pass its gates, unless an administrator gives a reason to go over them. Of two at once,
    one wins and the other is told.
    """

    def wish(record: ModelRecord, aliases: Aliases) -> Wish:
        record.load(version)
        return Wish.promotion(aliases, version, asked.alias, asked.reason, asked.override)

    return _changed(request, identity, reads, words.language, wish)


def _changed(
    request: Request, identity: Identity, reads: Reads, language: str, wish: Callable[[ModelRecord, Aliases], Wish]
) -> Response:
    require_condition(request)
    record, store = model_record(request), reads.store()
    call: Call = request.state.call
    changing = Changing(store, record.registry, identity, call.name)

    def decide() -> Wish:
        answer, aliases = record.listed()
        require_match(request, answer.etag)
        return wish(record, aliases)

    def effect(connection: Connection) -> Written:
        change = changing.finish(connection)
        answer, _aliases = record.listed()
        body = change.model_dump_json().encode()
        return Written.tagged(Answer(body, answer.etag), language=language, cache=REVALIDATE)

    try:
        return idempotent(request, identity, store, effect, prepare=lambda: changing.begin(decide))
    except Exception:
        with contextlib.suppress(HeedError):
            changing.give_up()
        raise


def drift_shown(request: Request, reads: Reads) -> DriftShown:
    """The drift of the models in use.

    Raises
    ------
    NotFoundError
        If nothing is in use, or no scoring with it is stored yet.
    """
    version = model_record(request).registry.champion(FAILURES)
    found = None if version is None else read_drift(reads.store(), version)
    if version is None or found is None:
        raise NotFoundError(_NO_DRIFT)
    return DriftShown.of(version, found)


def model_record(request: Request) -> ModelRecord:
    """What the app keeps of the registry; made with the first question."""
    state = request.app.state
    if not hasattr(state, "model_record"):
        state.model_record = ModelRecord(Registry(state.settings.models_folder()))
    record: ModelRecord = state.model_record
    return record
