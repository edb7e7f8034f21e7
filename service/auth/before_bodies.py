"""Who asks is asked before a body is read: of every route that writes, by the scopes that it declares.

The framework reads a body, and finds what is wrong with it, before it asks whoever sends it. A stranger could so learn
what a body should look like, and have megabytes parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from fastapi.security import SecurityScopes
from starlette.types import Scope

from service.dependencies import KNOWN, identify

# What these bring is read by no route.
BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Taker:
    """A route that may take a body: how it is asked for, and the scopes it needs, in the order it asks for them."""

    methods: frozenset[str]
    address: re.Pattern[str]
    route: Any
    needed: tuple[SecurityScopes, ...]


class BeforeBodies:
    """Who may send a body where, for one app.

    Parameters
    ----------
    app : its routes are looked through with the first call, and again where some were added
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._takers: tuple[_Taker, ...] = ()
        self._seen = -1

    async def ask(self, request: Request) -> None:
        """Ask who sends it, and whether it may; nothing where no route takes it, or anyone may.

        Raises
        ------
        UnauthorisedError, ForbiddenError
            As the route itself would.
        HeedError
            As `service.auth.gate.Gate.identity` does.
        """
        taker = self._taker(request.scope)
        if taker is None or not taker.needed:
            return
        # Whoever tells of the request wants to know which route refused it.
        request.scope["route"] = taker.route
        for scopes in taker.needed:
            request.scope[KNOWN] = await identify(request, scopes)

    def _taker(self, scope: Scope) -> _Taker | None:
        routes: Sequence[Any] = self._app.routes
        if len(routes) != self._seen:
            self._takers, self._seen = tuple(_takers(routes)), len(routes)
        method, path = scope["method"], scope["path"]
        return next((one for one in self._takers if method in one.methods and one.address.match(path)), None)


def _takers(routes: Sequence[Any]) -> Iterator[_Taker]:
    for context in iter_route_contexts(routes):
        methods = frozenset(getattr(context, "methods", None) or ()) - BODILESS
        address = getattr(context, "path_regex", None)
        if methods and address is not None:
            needed = tuple(_needed(getattr(context, "dependant", None)))
            yield _Taker(methods, address, context.original_route, needed)


def _needed(dependant: Any) -> Iterator[SecurityScopes]:
    for part in [] if dependant is None else dependant.dependencies:
        if part.call is identify:
            named = [*(part.parent_oauth_scopes or ()), *(part.own_oauth_scopes or ())]
            yield SecurityScopes(list(dict.fromkeys(named)))
        yield from _needed(part)
