"""Weak signals: problem types in an area that rise, or fall silent, beyond what their past explains."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response, Security
from sqlalchemy import Connection

from data.audit_log import Act, append
from data.errors import HeedError
from service.dependencies import Source, Spoken, Telling, Told, allowed, identify
from service.etags import REVALIDATE, Answer, remembered, remembered_beside, respond
from service.idempotency import TAKES_JSON, Written, idempotent
from service.identity import Identity, Scope
from service.language import LanguageQuery, marked
from service.payload_parts import published_at
from service.preconditions import IfMatch, require_condition, require_match
from service.problems import BodyProblem, NotFoundError, UnfitBodyError
from service.published import Signal
from service.reads import Snapshot
from service.review_payloads import SignalReview
from service.signal_payloads import SignalDetail, SignalList, signal_detail, signal_item
from service.signal_reviews import add_step, reviewed

router = APIRouter(prefix="/v1", tags=["signals"])

Reviewer = Annotated[Identity, Security(identify, scopes=[Scope.SIGNALS_REVIEW.value])]
SignalId = Annotated[str, Path(max_length=64, description="Id of the signal, as the list gives it.")]


@router.get(
    "/signals",
    operation_id="listSignals",
    summary="All weak signals",
    response_model=SignalList,
    dependencies=[allowed(Scope.SIGNALS_READ)],
)
async def list_signals(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Weak signals of the newest detection, sorted by area and category. Figures are disclosed."""

    def make() -> bytes:
        published = telling.snapshot.published
        signals = [signal_item(telling, signal) for signal in published.signals]
        body = SignalList(as_of=published_at(telling), minimum_cell=published.minimum, signals=signals)
        return body.model_dump_json().encode()

    language = telling.words.language
    answer = await remembered_beside(telling.snapshot, ("signals", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


@router.get(
    "/signals/{signal_id}",
    operation_id="getSignal",
    summary="One signal and why",
    response_model=SignalDetail,
    dependencies=[allowed(Scope.SIGNALS_READ)],
)
def get_signal(
    request: Request, signal_id: SignalId, _query: Annotated[LanguageQuery, Query()], telling: Told
) -> Response:
    """One weak signal: the weeks behind it, related ones, and how earlier ones of its kind turned out."""
    answer = signal_answer(telling, found(telling.snapshot, signal_id))
    return respond(request, answer, language=telling.words.language, cache=REVALIDATE)


@router.patch(
    "/signals/{signal_id}",
    operation_id="reviewSignal",
    summary="Write down what became of a signal",
    response_model=SignalDetail,
    dependencies=[allowed(Scope.SIGNALS_REVIEW), TAKES_JSON],
)
def review_signal(
    request: Request,
    signal_id: SignalId,
    _query: Annotated[LanguageQuery, Query()],
    identity: Reviewer,
    reads: Source,
    words: Spoken,
    asked: SignalReview,
    _if_match: IfMatch = None,
) -> Response:
    """Append a step to the review of a signal, decided on the state whose ETag `If-Match` names. Earlier steps stay,
    and nothing is recorded of who looked. The answer is the signal as it is now, with its new ETag.
    """
    require_condition(request)
    if (asked.status == "dismissed") != (asked.reason is not None):
        raise UnfitBodyError([BodyProblem("reason", _REASON)])

    def effect(connection: Connection) -> Written:
        # Whoever may write is alone now: this is the newest state, in every process.
        telling = Telling(reads.refreshed(), words)
        signal = found(telling.snapshot, signal_id)
        require_match(request, signal_answer(telling, signal).etag)
        add_step(connection, signal, asked.status, asked.reason)
        detail = {"status": asked.status, "reason": asked.reason, "before": signal.status}
        append(connection, [Act(identity.actor, identity.role.value, "signal.review", signal_id, detail)])
        after = replace(telling.snapshot, published=reviewed(telling.snapshot.published, connection), memo={})
        answer = signal_answer(Telling(after, words), found(after, signal_id))
        return Written.tagged(answer, language=words.language, cache=REVALIDATE)

    # What has to be read for it is read before the store is locked.
    response = idempotent(request, identity, reads.store(), effect, prepare=reads.refreshed)
    # Whoever wrote reads it back from this process at once.
    with contextlib.suppress(HeedError):
        reads.refreshed()
    return response


_REASON: Final = marked("a reason for a dismissal, and none for anything else")


def signal_answer(telling: Telling, signal: Signal) -> Answer:
    """One signal as it is answered; its tag is what a review is decided on."""

    def make() -> bytes:
        return signal_detail(telling, signal).model_dump_json().encode()

    return remembered(telling.snapshot, ("signal", signal.signal_id, telling.words.language), make)


def found(snapshot: Snapshot, signal_id: str) -> Signal:
    """The signal of that id.

    Raises
    ------
    NotFoundError
        If the newest detection has none.
    """
    signal = snapshot.published.signal(signal_id)
    if signal is None:
        raise NotFoundError(marked("There is no signal with this id in the newest detection."))
    return signal
