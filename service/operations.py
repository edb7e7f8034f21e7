"""What those who run the service need of it, put around an app: figures, log lines, limits, and whether it is ready."""

from __future__ import annotations

import contextlib
import threading

from fastapi import FastAPI

from data.errors import HeedError
from service.guard import Guard
from service.limits import Limits, RateLimit
from service.metrics import Metrics, Shown, StoreFigures
from service.observe import Observe
from service.online.holder import Status as Loaded
from service.quick_routes import QuickLane
from service.readiness import Probe, looks_of
from service.reads import Reads
from service.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Add the middleware and `app.state.{metrics,stopping,probe}`; `app.state.reads` must be there."""
    reads: Reads = app.state.reads
    metrics = Metrics()
    metrics.registry.register(StoreFigures(settings.store_url, lambda: _shown(reads)))
    app.state.metrics = metrics
    app.state.stopping = threading.Event()

    def loaded() -> Loaded:
        # Put into the app after this; asked for when it is there.
        status: Loaded = app.state.models.status()
        return status

    app.state.probe = Probe(looks_of(settings, reads, loaded), app.state.stopping)
    metrics.watch(
        "heed_scoring_places_taken",
        "Posted batches that are being scored or wait for it.",
        lambda: app.state.scoring.taken,
    )
    rate = RateLimit(settings.rate_per_minute) if settings.rate_per_minute else None
    # The last one added is the outermost.
    app.add_middleware(QuickLane)
    app.add_middleware(Limits, max_body_bytes=settings.max_body_bytes, rate=rate, refused=metrics.refused)
    app.add_middleware(Guard)
    app.add_middleware(Observe, metrics=metrics, stopping=app.state.stopping)


def _shown(reads: Reads) -> Shown | None:
    with contextlib.suppress(HeedError):
        snapshot = reads.current()
        versions = snapshot.memo.get(("model_versions",))
        if versions is None:
            versions = snapshot.memo.setdefault(
                ("model_versions",), frozenset(case.model_version for case in snapshot.cases)
            )
        return Shown(snapshot.as_of, versions)
    return None
