"""Reviewing a signal on its page: a step is written down, and the page shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from data.audit_log import Act, append
from data.errors import HeedError, UsageError
from models.signals.reviews import REASONS, STATUSES
from service.dashboard.forms import posted_form
from service.dashboard.show import Links
from service.dependencies import Source, Spoken, Telling, identify
from service.idempotency import writing
from service.identity import Identity, Scope
from service.language import LanguageQuery, marked
from service.problems import PreconditionFailedError
from service.routers.signals import SignalId, found, signal_answer
from service.signal_reviews import add_step

router = APIRouter(include_in_schema=False)

Reviewer = Annotated[Identity, Security(identify, scopes=[Scope.SIGNALS_REVIEW.value])]
Form = Annotated[Mapping[str, str], Depends(posted_form)]

_CHANGED: Final = marked("Somebody has reviewed this signal since the page was opened. Open it again and decide anew.")
_NO_STEP: Final = marked("Expected one of the steps of the page, and a reason for a dismissal only.")


@router.post("/signals/{signal_id}/review")
def review_form(
    request: Request,
    signal_id: SignalId,
    _query: Annotated[LanguageQuery, Query()],
    identity: Reviewer,
    form: Form,
    reads: Source,
    words: Spoken,
) -> Response:
    """Append a step, decided on the state that the page showed; as `PATCH /v1/signals/{id}` does."""
    status, reason = _step(form)
    reads.refreshed()

    def write(connection: Connection) -> None:
        # Whoever may write is alone now: this is the newest state, in every process.
        telling = Telling(reads.refreshed(), words)
        signal = found(telling.snapshot, signal_id)
        if form.get("state") != signal_answer(telling, signal).etag:
            raise PreconditionFailedError(_CHANGED)
        add_step(connection, signal, status, reason)
        detail = {"status": status, "reason": reason, "before": signal.status}
        append(connection, [Act(identity.actor, identity.role.value, "signal.review", signal_id, detail)])

    with writing(reads.store()) as connection:
        write(connection)
    # Whoever wrote reads it back at once.
    with contextlib.suppress(HeedError):
        reads.refreshed()
    return RedirectResponse(Links(request).to(f"/signals/{signal_id}"), status_code=303)


def _step(form: Mapping[str, str]) -> tuple[str, str | None]:
    """The step of a form: its status, and the reason of a dismissal.

    Raises
    ------
    UsageError
        If it is none.
    """
    status = form.get("status", "")
    reason = form.get("reason") if status == "dismissed" else None
    if status not in STATUSES[1:] or (status == "dismissed" and reason not in REASONS):
        raise UsageError(_NO_STEP)
    return status, reason
