"""Whoever sends a body is asked who it is before the body is read, on every route that takes one."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request

from data.store import Store
from service.app import create_app
from service.auth.before_bodies import BODILESS
from service.auth.keys import add_key
from service.dependencies import allowed
from service.identity import SCOPES, Role, Scope
from service.settings import Settings
from tests.support.authorisation import PUBLIC, routes_of

# So that an address fits its template; nothing of that name is there.
VALUES = {"case_id": "0" * 32, "version": "failures-000000000000"}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A service that asks for a key, over an empty store, and a key of each role."""
    path = tmp_path_factory.mktemp("before") / "heed.db"
    with Store.open(f"sqlite:///{path}", create=True) as store:
        keys = {
            role: add_key(store, role, offices=["O-3"] if role is Role.HANDLER else [], purpose="x", days=1)[0]
            for role in Role
        }
    app = create_app(Settings.read(store_url=str(path), auth="required"))
    yield app, keys
    for close in reversed(app.state.closers):
        close()


def ask(app, method: str, path: str, **headers: str) -> tuple[int, dict, int]:
    """The status, the problem, and how often the body was asked for, which is no JSON."""
    asked, sent = [], []

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b'{"a": 1, "a": ', "more_body": False}

    async def send(message):
        sent.append(message)

    named = {"host": "127.0.0.1", "content-type": "application/json", "content-length": "14", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body) if body[:1] == b"{" else {}, len(asked)


def takers(app):
    """Every method and address that may take a body, with its scopes."""
    for route in routes_of(app):
        if route.method not in BODILESS and not route.query and route.name not in PUBLIC:
            yield route, re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: VALUES.get(found[1], "none"), route.template)


def test_nobody_has_a_body_read(town):
    """With no key and with one that does not hold: 401, and not one byte of the body was asked for."""
    app, _keys = town
    wrong, count = [], 0
    for route, path in takers(app):
        for headers in ({}, {"authorization": "Bearer heed_nobody"}, {"content-type": "text/plain"}):
            status, problem, reads = ask(app, route.method, path, **headers)
            count += 1
            if (status, problem.get("type"), reads) != (401, "urn:heed:problem:unauthorised", 0):
                wrong.append((route.name, status, reads))
    assert wrong == []
    assert count >= 3 * 14


def test_who_may_not_has_no_body_read(town):
    """Every role that lacks a scope of the route: 403, likewise."""
    app, keys = town
    wrong, count = [], 0
    for route, path in takers(app):
        for role in [role for role in Role if not route.scopes <= SCOPES[role]]:
            headers = {"authorization": f"Bearer {keys[role]}", "sec-fetch-site": "same-origin"}
            status, problem, reads = ask(app, route.method, path, **headers)
            count += 1
            if (status, problem.get("type"), reads) != (403, "urn:heed:problem:forbidden", 0):
                wrong.append((route.name, role, status, reads))
    assert wrong == []
    assert count >= 20


def test_who_may_has_the_body_read(town):
    """Else the two above would hold for a service that reads nothing: the body is no JSON, and that is said."""
    app, keys = town
    status, problem, reads = ask(app, "POST", "/v1/jobs", authorization=f"Bearer {keys[Role.ANALYST]}")
    assert (status, problem["type"], reads) == (422, "urn:heed:problem:invalid-request", 1)


def test_who_asks_is_found_out_once(town, monkeypatch):
    """The route takes what was found out before the body; a token costs more than the rest."""
    app, keys = town
    found = []
    identity = app.state.gate.identity

    async def counted(request: Request):
        found.append(request.scope["path"])
        return await identity(request)

    monkeypatch.setattr(app.state.gate, "identity", counted)
    ask(app, "POST", "/v1/jobs", authorization=f"Bearer {keys[Role.ANALYST]}")
    assert found == ["/v1/jobs"]


class Thing(BaseModel):
    """A body."""

    name: str


def test_a_route_that_is_added_is_asked_about_too(town):
    """By what it declares, also where it is added after the first call."""
    _app, keys = town
    app = create_app(_app.state.settings)
    router = APIRouter()

    @router.put("/v1/things/{thing_id}", dependencies=[allowed(Scope.JOBS_RUN)])
    def put_thing(thing_id: str, asked: Thing) -> str:
        """Take a thing."""
        return thing_id + asked.name

    try:
        ask(app, "POST", "/v1/jobs")
        app.include_router(router)
        assert ask(app, "PUT", "/v1/things/1")[0::2] == (401, 0)
        assert ask(app, "PUT", "/v1/things/1", authorization=f"Bearer {keys[Role.DASHBOARD]}")[0::2] == (403, 0)
    finally:
        for close in reversed(app.state.closers):
            close()
