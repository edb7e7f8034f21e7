"""What is noticed of every request: one log line, and figures; and its id, which the answer repeats.

The outermost middleware, so that it sees what was answered whoever answered it. It also lets HEAD be asked wherever GET
is: the route answers as to GET, and the body stays here.
"""

from __future__ import annotations

import logging
import time
from threading import Event
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import bound_request, request_id, write_request, writes_requests
from service.metrics import METHODS, Metrics

NO_ROUTE: Final = "none"
FILES: Final = "/static"
_QUIET: Final = ("/health/", "/metrics")


class Observe:
    """Middleware around everything.

    Parameters
    ----------
    app : what comes after
    metrics : counts
    stopping : once set, connections are closed after their answer, so that their next request goes to a process that
        stays
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, stopping: Event) -> None:
        self._app = app
        self._metrics = metrics
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        seen = _Seen(scope, send, self._stopping)
        bound = bound_request.set(seen.id)
        self._metrics.in_progress += 1
        try:
            await self._app(seen.scope, receive, seen.send)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.in_progress -= 1
            self._tell(seen, scope["method"], seconds)
            bound_request.reset(bound)

    def _tell(self, seen: _Seen, method: str, seconds: float) -> None:
        route = template_of(seen.scope)
        self._metrics.answered(route, method, seen.status, seconds)
        state = seen.scope["state"]
        problem = state.get("problem")
        identity = state.get("identity")
        if problem is not None:
            self._metrics.problem(problem[0].rpartition(":")[2])
        # What asks every few seconds whether all is well would hide the rest.
        level = logging.DEBUG if seen.status < 400 and route.startswith(_QUIET) else logging.INFO
        if not writes_requests(level):
            return
        told = {
            "method": method if method in METHODS else "other",
            "route": route,
            "status": seen.status,
            "ms": round(1000 * seconds, 2),
            "bytes": seen.bytes,
            "role": None if identity is None else identity.role.value,
            "problem": None if problem is None else problem[0],
            "instance": None if problem is None else problem[1],
        }
        write_request(level, told)


class _Seen:
    """One request and what is seen of its answer. A status of 0: the asker went away before it began."""

    def __init__(self, scope: Scope, send: Send, stopping: Event) -> None:
        came = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        self.id = request_id(came)
        self.status = 0
        self.bytes = 0
        self._send = send
        self._stopping = stopping
        self._head = scope["method"] == "HEAD"
        # For HEAD a scope of its own: the server goes on knowing what was asked.
        self.scope = {**scope, "method": "GET"} if self._head else scope
        self.scope.setdefault("state", {})["request_id"] = self.id

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(b"x-request-id", self.id.encode("ascii"))]
            if self._stopping.is_set() and (b"connection", b"close") not in message["headers"]:
                own.append((b"connection", b"close"))
            message["headers"] = [*message["headers"], *own]
        elif message["type"] == "http.response.body":
            if self._head:
                message = {**message, "body": b""}
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def template_of(scope: Scope) -> str:
    """The route that a request was for, as its template: `/v1/cases/{case_id}`; `NO_ROUTE` where there is none."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included if included is not None else scope.get("route")
    if route is None and scope.get("root_path") == FILES:
        return FILES
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or NO_ROUTE)
