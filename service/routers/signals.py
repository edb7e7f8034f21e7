"""Weak signals: problem types in an area that rise, or fall silent, beyond what their past explains."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import Told
from service.etags import REVALIDATE, remembered, respond
from service.language import LanguageQuery
from service.payloads import SignalList, published_at, signal_item

router = APIRouter(prefix="/v1", tags=["signals"])


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
