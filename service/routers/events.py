"""Events appended by programs: all or none, through the door that files come in by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from sqlalchemy import Connection

from data.audit_log import Act, append
from service.dependencies import Source, allowed, identify
from service.event_payloads import AppendedEvents, NewEvents
from service.idempotency import TAKES_JSON_ONCE, Written, idempotent
from service.identity import Identity, Scope
from service.language import LanguageQuery
from service.posted_events import Posting

router = APIRouter(prefix="/v1", tags=["events"])

EventWriter = Annotated[Identity, Security(identify, scopes=[Scope.EVENTS_WRITE.value])]


@router.post(
    "/events",
    operation_id="appendEvents",
    summary="Append events",
    response_model=AppendedEvents,
    status_code=201,
    responses={200: {"model": AppendedEvents, "description": "The store held all of them already."}},
    dependencies=[allowed(Scope.EVENTS_WRITE), TAKES_JSON_ONCE],
)
def append_events(
    request: Request, _query: Annotated[LanguageQuery, Query()], identity: EventWriter, reads: Source, asked: NewEvents
) -> Response:
    """Append events of cases, all or none. They count as known from their receipt on, so that no answer about an
    earlier moment changes; what the store holds already is not stored again. Numbers of cases are hashed and not kept,
    and what looks like personal data is refused. A source whose log comes as files of events is not to be posted as
    well: a file tells of another moment of receipt, and the same event would count twice. Exports of cases may follow.
    """
    store = reads.store()
    with Posting(store, asked, most=request.app.state.settings.max_rows) as posting:

        def effect(connection: Connection) -> Written:
            appended = posting.settle(connection)
            told = appended.told
            counts = told.model_dump(include={"events", "stored", "already_stored", "cases", "promises"})
            detail = {"import": appended.import_id, **counts}
            append(connection, [Act(identity.actor, identity.role.value, "event.append", told.source, detail)])
            return Written.of(told, status=201 if told.stored else 200)

        return idempotent(request, identity, store, effect, prepare=posting.read)
