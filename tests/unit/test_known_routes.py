"""What the routes of an app depend on is the same whether it is worked out or found again."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fastapi import FastAPI, Security, routing
from fastapi.routing import iter_route_contexts

from service.app import create_app
from service.settings import Settings
from tests.support.known_routes import KnownRoutes

BUILDING = "fastapi.routing._build_dependant_with_parameterless_dependencies"
# What FastAPI itself builds: kept before anything is put in its place.
BUILD = routing._build_dependant_with_parameterless_dependencies


def _told(dependant: Any) -> list[Any]:
    """All of a tree of what is depended on, to be compared."""
    told = []
    for field in fields(dependant):
        value = getattr(dependant, field.name)
        if field.name == "dependencies":
            told.append([_told(part) for part in value])
        elif field.name.endswith("_params"):
            told.append([(one.name, one.alias, one.mode, repr(one.field_info)) for one in value])
        else:
            told.append(value)
    return told


def _routes(app: FastAPI) -> dict[tuple[str, ...], object]:
    return {
        (context.path, *sorted(context.methods)): (_told(context.dependant), repr(context.body_field))
        for context in iter_route_contexts(app.routes)
        if getattr(context, "dependant", None) is not None
    }


def test_found_again_a_route_depends_on_the_same(monkeypatch):
    """Parameters, bodies, scopes and what asks who it is, of every route; and nothing is worked out again."""
    built = []

    def build(**options):
        built.append(options["path"])
        return BUILD(**options)

    monkeypatch.setattr(BUILDING, BUILD)
    expected = _routes(create_app(Settings()))
    known = KnownRoutes(build)
    monkeypatch.setattr(BUILDING, known.build)
    known.learn(create_app(Settings()))
    assert len(built) == len(known) > 50
    assert _routes(create_app(Settings())) == expected
    assert len(expected) > 50
    assert len(built) == len(known)


def test_what_was_not_learned_is_built_anew():
    """A route that a test adds, or that needs another scope, gets its own; nothing of it stays."""

    def asked() -> None: ...

    def answer(word: str) -> str:
        return word

    app = FastAPI()
    app.get("/words/{word}", dependencies=[Security(asked, scopes=["read"])])(answer)
    known = KnownRoutes(BUILD)
    known.learn(app)
    learned = len(known)
    for scope in ("read", "write", "read"):
        dependant, body, embedded = known.build(
            path="/words/{word}", call=answer, dependencies=[Security(asked, scopes=[scope])]
        )
        assert [part.own_oauth_scopes for part in dependant.dependencies] == [[scope]]
        assert [one.name for one in dependant.path_params] == ["word"]
        assert (body, embedded) == ([], False)
    assert len(known) == learned
