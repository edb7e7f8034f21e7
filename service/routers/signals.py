"""Weak signals: problem types in an area that rise, or fall silent, beyond what their past explains."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.dependencies import Told
from service.etags import REVALIDATE, remembered, respond
from service.language import LanguageQuery, marked
from service.payloads import SignalDetail, SignalList, published_at, signal_detail, signal_item
from service.problems import NotFoundError
from service.published import Signal
from service.reads import Snapshot

router = APIRouter(prefix="/v1", tags=["signals"])

SignalId = Annotated[str, Path(max_length=64, description="Id of the signal, as the list gives it.")]


@router.get("/signals", operation_id="listSignals", summary="All weak signals", response_model=SignalList)
def list_signals(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Weak signals of the newest detection, sorted by area and category. Figures are disclosed."""

    def make() -> bytes:
        published = telling.snapshot.published
        signals = [signal_item(telling, signal) for signal in published.signals]
        body = SignalList(as_of=published_at(telling), minimum_cell=published.minimum, signals=signals)
        return body.model_dump_json().encode()

    language = telling.words.language
    answer = remembered(telling.snapshot, ("signals", language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


@router.get("/signals/{signal_id}", operation_id="getSignal", summary="One signal and why", response_model=SignalDetail)
def get_signal(
    request: Request, signal_id: SignalId, _query: Annotated[LanguageQuery, Query()], telling: Told
) -> Response:
    """One weak signal: the weeks behind it, related ones, and how earlier ones of its kind turned out."""
    signal = found(telling.snapshot, signal_id)

    def make() -> bytes:
        return signal_detail(telling, signal).model_dump_json().encode()

    language = telling.words.language
    answer = remembered(telling.snapshot, ("signal", signal_id, language), make)
    return respond(request, answer, language=language, cache=REVALIDATE)


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
