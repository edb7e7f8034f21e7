"""Routes that are asked so often that the framework's own way to them would cost more than their answers.

A quick route stands before the framework and answers the same as the described one, by the same function, where nothing
has to be read from the address: no parameter of the path, no query. The middleware of `service.operations` is around it
as around all others, and who asks is checked by the same `identify`. What it leaves out is the framework's search for a
route, resolving what a route depends on, and validating parameters that did not come: a tenth of a millisecond.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import SecurityScopes
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from service import identity
from service.auth.before_bodies import BODILESS, BeforeBodies
from service.dependencies import Telling, identify
from service.language import LanguageQuery, Words, choose_language, words_of
from service.routers import areas, offices, risk, signals
from service.settings import Language

Endpoint = Callable[[Request], Awaitable[ASGIApp]]
_NO_QUERY: Final = LanguageQuery()


class Service(FastAPI):
    """FastAPI without its own telemetry: what is told of a request is what `service.observe` tells; no exporter that
    happens to be in the process learns the text of an error. Every request also saves the look for one.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self.root_path:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)


class QuickRoute(BaseRoute):
    """One address and one method.

    Parameters
    ----------
    described : the route of the framework that answers the same, for whoever asks which route it was
    endpoint : what answers
    """

    def __init__(self, described: Any, endpoint: Endpoint) -> None:
        self.path: str = described.path
        self._method = next(iter(described.methods))
        self.described = described
        self.endpoint = endpoint

    @property
    def asked(self) -> tuple[str, str]:
        """The method and the path that it is asked for by."""
        return self._method, self.path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is asked for, with nothing to be read from the address."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != self.asked or not _is_plain(scope):
            return Match.NONE, {}
        return Match.FULL, {"route": self.described, "endpoint": self.endpoint, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        answer = await self.endpoint(Request(scope, receive, send))
        await answer(scope, receive, send)


class QuickLane:
    """The innermost middleware: quick routes here, everything else by the framework. That reads a body before it asks
    who sends it, so it is asked here first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, errors of ours as the framework would have them answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state, asked = scope["app"].state, (scope["method"], scope["path"])
        routes: Mapping[tuple[str, str], QuickRoute] = state.quick
        route = routes.get(asked) if _is_plain(scope) else None
        if route is not None:
            scope["route"] = route.described
            await _answered(route.endpoint, scope, receive, send)
            return
        if (
            scope["method"] in BODILESS
            or scope["app"].dependency_overrides
            or await _answered(state.before_bodies.ask, scope, receive, send)
        ):
            await self._app(scope, receive, send)


async def _answered(
    endpoint: Callable[[Request], Awaitable[ASGIApp | None]],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> bool:
    """Send what an endpoint answers, or the problem that it raises; whether there was nothing to answer yet."""
    request = Request(scope, receive, send)
    try:
        answer = await endpoint(request)
    except Exception as error:
        handlers = scope["app"].exception_handlers
        handler = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
        if handler is None:
            raise
        answer = await handler(request, error)
    if answer is None:
        return True
    await answer(scope, receive, send)
    return False


def _is_plain(scope: Scope) -> bool:
    # Who replaces what routes depend on means the framework's way.
    return not scope.get("query_string") and not scope["app"].dependency_overrides


class Finished:
    """An answer whose bytes are all there, in the way of ASGI: a `Response` would put its headers together anew."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self._body, self._headers = body, headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        length = (b"content-length", b"%d" % len(self._body))
        await send({"type": "http.response.start", "status": 200, "headers": [length, *self._headers]})
        await send({"type": "http.response.body", "body": self._body})


def install(app: FastAPI) -> None:
    """Put quick routes before all others; the described ones must be there already or come later."""
    app.state.quick = {}
    figures = {areas: ("listAreas", areas.list_areas), offices: ("listOffices", offices.list_offices)}
    for module, (name, listed) in figures.items():
        _put(app, module.router, name, _figures(listed, identity.Scope.AREAS_READ))
    _put(app, signals.router, "listSignals", _figures(signals.list_signals, identity.Scope.SIGNALS_READ))
    _put(app, risk.router, "scoreRisk", _score)
    app.state.before_bodies = BeforeBodies(app)


def _put(app: FastAPI, router: Any, name: str, endpoint: Endpoint) -> None:
    route = QuickRoute(_named(router, name), endpoint)
    # Among the routes as well, so that whoever goes through them finds that there are two ways.
    app.router.routes.insert(0, route)
    app.state.quick[route.asked] = route


def _named(router: Any, name: str) -> Any:
    return next(route for route in router.routes if getattr(route, "operation_id", "") == name)


def _figures(listed: Callable[..., Awaitable[Response]], scope: identity.Scope) -> Endpoint:
    needed = SecurityScopes([scope.value])

    async def answer(request: Request) -> Response:
        await identify(request, needed)
        reads = request.app.state.reads
        snapshot = reads.fresh()
        if snapshot is None:
            snapshot = await run_in_threadpool(reads.current)
        return await listed(request, _NO_QUERY, Telling(snapshot, _words(request)))

    return answer


_SCORING: Final = SecurityScopes([identity.Scope.RISK_SCORE.value])
_SCORED: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


async def _score(request: Request) -> ASGIApp:
    asker = await identify(request, _SCORING)
    body = await _body(request)
    words = _words(request)
    told = risk.scored_at_once(request, body, words, asker)
    return await risk.answered(request, body, words, asker) if told is None else Finished(told, _SCORED)


async def _body(request: Request) -> bytes:
    """The body, which `service.limits` mostly gives in one piece."""
    parts = []
    more = True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _words(request: Request) -> Words:
    """As `service.problems.request_words`, of a request without a query."""
    headers = request.scope["headers"]
    accepted = next((value for name, value in headers if name == b"accept-language"), None)
    return _chosen(accepted, request.scope["app"].state.settings.language)


@lru_cache(maxsize=256)
def _chosen(accepted: bytes | None, default: Language) -> Words:
    return words_of(choose_language({}, None if accepted is None else accepted.decode("latin-1"), default))
