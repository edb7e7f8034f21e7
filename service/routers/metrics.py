"""Figures about the service itself, for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.dependencies import allowed
from service.identity import Scope
from service.language import LanguageQuery
from service.metrics import Metrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="readMetrics",
    summary="Figures about the service, for Prometheus",
    response_class=PlainTextResponse,
    dependencies=[allowed(Scope.METRICS_READ)],
)
def read_metrics(request: Request, _query: Annotated[LanguageQuery, Query()]) -> Response:
    """Requests, times, refusals, jobs and the age of the scoring, of this process, in the text format of Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
