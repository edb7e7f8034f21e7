"""What routes depend on, worked out once in a test process: each new app would work it out again, with its first
request, for a hundred routes, and hundreds of tests begin with a new app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, params
from fastapi.routing import iter_route_contexts

Built = Callable[..., tuple[Any, list[Any], bool]]


class KnownRoutes:
    """In place of what FastAPI builds for a route of an app: the same, found again if it was built while `learning`.
    Nothing is added afterwards: a test that replaces what a route depends on would leave its replacement here.
    """

    def __init__(self, build: Built) -> None:
        self._build = build
        self._known: dict[tuple[Any, ...], tuple[Any, list[Any], bool]] = {}
        self._learning = False

    def learn(self, app: FastAPI) -> None:
        """Keep what is built for every route of an app."""
        self._learning = True
        try:
            for context in iter_route_contexts(app.routes):
                getattr(context, "dependant", None)
        finally:
            self._learning = False

    def __len__(self) -> int:
        return len(self._known)

    def build(
        self, *, path: str, call: Callable[..., Any], dependencies: Sequence[params.Depends]
    ) -> tuple[Any, list[Any], bool]:
        """What a route of that path, function and dependencies depends on."""
        key = (path, call, *(_named(one) for one in dependencies))
        known = self._known.get(key)
        if known is None:
            known = self._build(path=path, call=call, dependencies=dependencies)
            if self._learning:
                self._known[key] = known
        dependant, body, embedded = known
        return dependant, list(body), embedded


def _named(depends: params.Depends) -> tuple[Any, ...]:
    scopes = getattr(depends, "scopes", None)
    return depends.dependency, depends.use_cache, depends.scope, depends.max_concurrency, tuple(scopes or ())
