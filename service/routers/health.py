"""Whether the service lives, and whether it has something to say."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.dependencies import Source
from service.language import LanguageQuery
from service.payloads import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", operation_id="isLive", summary="The process answers")
def is_live(response: Response, _query: Annotated[LanguageQuery, Query()]) -> Health:
    """Answer that the process answers; the store is not asked."""
    response.headers["Cache-Control"] = "no-store"
    return Health(status="ok")


@router.get("/ready", operation_id="isReady", summary="The store opens and holds a scoring")
def is_ready(response: Response, _query: Annotated[LanguageQuery, Query()], reads: Source) -> Health:
    """Answer with 200 if the store opens and holds a scoring, else with 503 and what to do."""
    reads.current()
    response.headers["Cache-Control"] = "no-store"
    return Health(status="ok")
