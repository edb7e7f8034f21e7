"""Saved views of the list of cases: what whoever asks keeps for itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from data.audit_log import Act, append
from service.dependencies import CaseReader, Source, Spoken, Telling, Told
from service.etags import NO_STORE, Answer, respond
from service.idempotency import TAKES_JSON, Written, idempotent
from service.identity import Identity
from service.language import LanguageQuery, marked
from service.problems import NotFoundError
from service.saved_views import Filters, View, add_view, drop_view, filters_of, read_views, refuse_unknown
from service.view_payloads import ViewFilters, ViewItem, ViewList, view_item

router = APIRouter(prefix="/v1", tags=["cases"])

ViewId = Annotated[str, Path(max_length=64, description="Id of the view, as the list gives it.")]


@router.get("/views", operation_id="listViews", summary="Saved views", response_model=ViewList)
def list_views(
    request: Request, _query: Annotated[LanguageQuery, Query()], reads: Source, telling: Told, identity: CaseReader
) -> Response:
    """The filters of the list of cases that whoever asks has saved. Nobody is given those of another."""
    with reads.connection() as connection:
        views = read_views(connection, identity)
    body = ViewList(views=[view_item(telling, view) for view in views])
    answer = Answer.of(body.model_dump_json().encode())
    return respond(request, answer, language=telling.words.language, cache=NO_STORE)


@router.post(
    "/views",
    operation_id="saveView",
    summary="Save a view",
    response_model=ViewItem,
    status_code=201,
    dependencies=[TAKES_JSON],
)
def save_view(
    request: Request,
    _query: Annotated[LanguageQuery, Query()],
    identity: CaseReader,
    reads: Source,
    words: Spoken,
    asked: ViewFilters,
) -> Response:
    """Keep filters of the list of cases: codes that an open case fits, and no text. The same ones are kept once."""
    choice = asked.choice()

    def effect(connection: Connection) -> Written:
        telling = Telling(reads.current(), words)
        refuse_unknown(telling.snapshot, choice, identity)
        view = keep(connection, identity, filters_of(choice))
        return Written.of(view_item(telling, view), status=201)

    return idempotent(request, identity, reads.store(), effect, prepare=reads.current)


@router.delete(
    "/views/{view_id}",
    operation_id="deleteView",
    summary="Delete a saved view",
    status_code=204,
    response_class=Response,
    dependencies=[TAKES_JSON],
)
def delete_view(
    request: Request, view_id: ViewId, _query: Annotated[LanguageQuery, Query()], identity: CaseReader, reads: Source
) -> Response:
    """Let go of a saved view of one's own."""

    def effect(connection: Connection) -> Written:
        let_go(connection, identity, view_id)
        return Written(204, b"", {"Cache-Control": NO_STORE})

    return idempotent(request, identity, reads.store(), effect)


def keep(connection: Connection, identity: Identity, filters: Filters) -> View:
    """Keep a view, with its entry in the audit trail."""
    view = add_view(connection, identity, filters)
    append(
        connection, [Act(identity.actor, identity.role.value, "view.save", view.view_id, {"filters": dict(filters)})]
    )
    return view


def let_go(connection: Connection, identity: Identity, view_id: str) -> None:
    """Let go of a view, with its entry in the audit trail.

    Raises
    ------
    NotFoundError
        If whoever asks has none with this id.
    """
    view = drop_view(connection, identity, view_id)
    if view is None:
        raise NotFoundError(marked("There is no saved view with this id."))
    append(
        connection, [Act(identity.actor, identity.role.value, "view.delete", view_id, {"filters": dict(view.filters)})]
    )
