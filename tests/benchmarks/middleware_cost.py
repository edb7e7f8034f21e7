"""What the middleware costs each request: the same trivial route with all of it, with none, and with each part alone.

    python -m tests.benchmarks.middleware_cost [REQUESTS]

Called without a socket, so that nothing else is in the figure. CPU time of this process, the quickest of fifteen rounds
that take turns; log lines are written to a file that is thrown away.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from service.guard import Guard
from service.limits import Limits, RateLimit
from service.logs import configure
from service.metrics import Metrics
from service.observe import Observe
from service.settings import Settings

ROUNDS = 15
HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"wrk"),
    (b"accept", b"*/*"),
    (b"accept-language", b"en"),
    (b"if-none-match", b'"a2cd3668111b349d820c7def"'),
    (b"authorization", b"Bearer heed_0123456789abcdef_" + b"x" * 43),
]


def _bare() -> FastAPI:
    app = FastAPI()
    app.state.settings = Settings()

    @app.get("/v1/areas")
    async def areas() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


def _limits(app: FastAPI, metrics: Metrics) -> None:
    rate = RateLimit(1_000_000_000)
    # As from the second request on: the credential was good.
    _, unknown = rate.take(dict(HEADERS)[b"authorization"], "127.0.0.1")
    rate.accepted(unknown or b"", "key:0123456789abcdef")
    app.add_middleware(Limits, max_body_bytes=1 << 22, rate=rate, refused=metrics.refused)


def _observe(app: FastAPI, metrics: Metrics) -> None:
    app.add_middleware(Observe, metrics=metrics, stopping=threading.Event())


def _variants() -> dict[str, FastAPI]:
    made: dict[str, list[Callable[[FastAPI, Metrics], None]]] = {
        "none": [],
        "limits": [_limits],
        "guard": [lambda app, _metrics: app.add_middleware(Guard)],
        "observe": [_observe],
        "all": [_limits, lambda app, _metrics: app.add_middleware(Guard), _observe],
    }
    apps = {}
    for name, parts in made.items():
        app = _bare()
        metrics = Metrics()
        for add in parts:
            add(app, metrics)
        apps[name] = app
    return apps


async def _ask(app: FastAPI, requests: int) -> float:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        return

    started = time.process_time()
    for _ in range(requests):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/areas",
            "raw_path": b"/v1/areas",
            "query_string": b"",
            "root_path": "",
            "headers": HEADERS,
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        await app(scope, receive, send)
    return (time.process_time() - started) / requests * 1e6


def measure(requests: int) -> dict[str, float]:
    """Microseconds of CPU per request, by what is around the route."""
    apps = _variants()
    found: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            found[name].append(asyncio.run(_ask(app, requests)))
    return {name: min(values) for name, values in found.items()}


def main() -> None:
    """Measure, and print a table."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with tempfile.TemporaryFile("w") as thrown_away:
        configure(Settings(log_format="json"), thrown_away)
        with_lines = measure(requests)
        logging.getLogger("heed.request").setLevel(logging.WARNING)
        without_lines = measure(requests)
    lines = [f"{'around the route':<18} {'µs':>8} {'more':>8} {'no line':>8}"]
    for name, value in with_lines.items():
        lines.append(f"{name:<18} {value:8.1f} {value - with_lines['none']:8.1f} {without_lines[name]:8.1f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
