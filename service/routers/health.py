"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import Spoken
from service.language import LanguageQuery
from service.payloads import Health
from service.problems import not_ready
from service.readiness import Probe, Readiness

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", operation_id="isLive", summary="The process answers")
async def is_live(response: Response, _query: Annotated[LanguageQuery, Query()]) -> Health:
    """Answer that the process answers; the store is not asked."""
    response.headers["Cache-Control"] = "no-store"
    return Health(status="ok")


@router.get("/ready", operation_id="isReady", summary="It can do its work", response_model=Readiness)
async def is_ready(request: Request, _query: Annotated[LanguageQuery, Query()], words: Spoken) -> Response:
    """Answer with 200 if everything is there that the service needs, else with 503 and what to do.

    What was found is told one by one in `checks`, also with 503. A warning lets it be ready.
    """
    probe: Probe = request.app.state.probe
    checks = [
        check if check.detail is None else check.model_copy(update={"detail": words.gettext(check.detail)})
        for check in await probe.checks()
    ]
    if any(check.status == "fail" for check in checks):
        return not_ready(request, checks)
    body = Readiness(status="ok", checks=checks).model_dump_json()
    return Response(
        body, media_type="application/json", headers={"Cache-Control": "no-store", "Vary": "Accept-Language"}
    )
