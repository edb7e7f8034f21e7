"""Routes that are asked so often that the framework's own way to them would cost more than their answers.

A quick route stands before the described one and answers the same, by the same function, where nothing has to be read
from the address: no parameter of the path, no query. Who asks is checked by the same `identify`. What it leaves out is
resolving what a route depends on and validating parameters that did not come, which takes a tenth of a millisecond.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import SecurityScopes
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from service import identity
from service.dependencies import Telling, identify
from service.language import LanguageQuery, Words, choose_language, words_of
from service.routers import areas, offices, risk, signals
from service.settings import Language

Endpoint = Callable[[Request], Awaitable[Response]]
_NO_QUERY: Final = LanguageQuery()


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
        self._described = described
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is asked for, with nothing to be read from the address."""
        if (
            scope["type"] != "http"
            or scope["path"] != self.path
            or scope["method"] != self._method
            or scope.get("query_string")
            # Who replaces what routes depend on means the framework's way.
            or scope["app"].dependency_overrides
        ):
            return Match.NONE, {}
        return Match.FULL, {"route": self._described, "endpoint": self._endpoint, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def install(app: FastAPI) -> None:
    """Put quick routes before all others; the described ones must be there already or come later."""
    figures = {areas: ("listAreas", areas.list_areas), offices: ("listOffices", offices.list_offices)}
    for module, (name, listed) in figures.items():
        _put(app, module.router, name, _figures(listed, identity.Scope.AREAS_READ))
    _put(app, signals.router, "listSignals", _figures(signals.list_signals, identity.Scope.SIGNALS_READ))
    _put(app, risk.router, "scoreRisk", _score)


def _put(app: FastAPI, router: Any, name: str, endpoint: Endpoint) -> None:
    described = next(route for route in router.routes if getattr(route, "operation_id", "") == name)
    app.router.routes.insert(0, QuickRoute(described, endpoint))


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


async def _score(request: Request) -> Response:
    asker = await identify(request, _SCORING)
    return await risk.score_risk(request, _NO_QUERY, _words(request), asker)


def _words(request: Request) -> Words:
    """As `service.problems.request_words`, of a request without a query."""
    return _chosen(request.headers.get("accept-language"), request.app.state.settings.language)


@lru_cache(maxsize=256)
def _chosen(accepted: str | None, default: Language) -> Words:
    return words_of(choose_language({}, accepted, default))
