"""The matrix of who may do what: every route of the app, asked by every role, and with every faulty credential.

`python -m tests.support.authorisation` prints its table.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import jwt
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from data.store import Store
from service.app import create_app
from service.auth import sessions
from service.auth.keys import add_key, hashed, revoke_key
from service.dependencies import identify
from service.identity import SCOPES, Role, Scope
from service.quick_routes import QuickRoute
from service.settings import Settings
from tests.support.credentials import (
    ORIGIN,
    Headers,
    Provider,
    bearer,
    handmade,
    jwk,
    provider,
    public_pem,
    tampered,
)
from tests.support.service_store import small_store

OWN_OFFICE, OTHER_OFFICE = "O-3", "O-2"
# What anyone may ask for. Nothing else is open, and what is added here should be thought about twice.
PUBLIC = frozenset(
    {
        "GET /health/live",
        "GET /health/ready",
        "GET /static/areas-labels.css",
        "GET /static/charts.js",
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
    }
)
OPEN_MOUNTS = frozenset({"/static"})
# Who may do what, written down once more and apart from the service: the first beginning that fits a route counts.
EVERY_ROLE = frozenset(Role)
MAY: Mapping[str, frozenset[Role]] = {
    "PATCH /v1/signals": frozenset({Role.HANDLER, Role.ANALYST, Role.ADMIN}),
    "POST /signals": frozenset({Role.HANDLER, Role.ANALYST, Role.ADMIN}),
    "GET /models": frozenset({Role.ANALYST, Role.ADMIN}),
    "POST /models": frozenset({Role.ANALYST, Role.ADMIN}),
    "GET /charts/models": frozenset({Role.ANALYST, Role.ADMIN}),
    "GET /v1/cases": frozenset({Role.HANDLER, Role.ADMIN}),
    "GET /v1/cases.csv": frozenset({Role.HANDLER, Role.ADMIN}),
    "PATCH /v1/cases": frozenset({Role.HANDLER, Role.ADMIN}),
    "GET /v1/views": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /v1/views": frozenset({Role.HANDLER, Role.ADMIN}),
    "DELETE /v1/views": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /views": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /cases": frozenset({Role.HANDLER, Role.ADMIN}),
    "GET /cases": frozenset({Role.HANDLER, Role.ADMIN}),
    "GET /charts/cases": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /v1/cases/{case_id}/what-if": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /v1/risk": frozenset({Role.HANDLER, Role.ADMIN}),
    "POST /v1/events": frozenset({Role.ADMIN}),
    "GET /v1/models": frozenset({Role.ANALYST, Role.ADMIN}),
    "POST /v1/models": frozenset({Role.ANALYST, Role.ADMIN}),
    "GET /v1/overrides": frozenset({Role.ANALYST, Role.ADMIN}),
    "GET /v1/jobs": frozenset({Role.ANALYST, Role.ADMIN}),
    "POST /v1/jobs": frozenset({Role.ANALYST, Role.ADMIN}),
    "GET /metrics": frozenset({Role.ADMIN}),
    "GET /v1/areas": EVERY_ROLE,
    "GET /v1/areas.geojson": EVERY_ROLE,
    "GET /v1/offices": EVERY_ROLE,
    "GET /v1/signals": EVERY_ROLE,
    "GET /v1/board": EVERY_ROLE,
    "GET /v1/board.csv": EVERY_ROLE,
    "GET /board": EVERY_ROLE,
    "GET /charts/board.svg": EVERY_ROLE,
    "GET /v1/boundary": EVERY_ROLE,
    "GET /boundary": EVERY_ROLE,
    "GET /v1/openapi.json": EVERY_ROLE,
    "GET /areas": EVERY_ROLE,
    "GET /signals": EVERY_ROLE,
    "GET /charts/areas": EVERY_ROLE,
    "GET /charts/signals": EVERY_ROLE,
    "GET /": EVERY_ROLE,
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What is posted where nothing would not do; and what whoever may is answered where the town has no models.
_BODIES = {
    "POST /v1/cases/{case_id}/what-if": b'{"action": "reply"}',
    "PATCH /v1/cases/{case_id}/marks": b'{"mark": "seen"}',
    "POST /cases/{case_id}/marks": b"set=seen",
}
_FORMS = frozenset({"POST /cases/{case_id}/marks"})
# What is noted on a case is decided on a state of it: this one it never had.
_STATES = {"PATCH /v1/cases/{case_id}/marks": ("If-Match", '"0"')}
_DONE = {"POST /v1/cases/{case_id}/what-if": 503, "PATCH /v1/cases/{case_id}/marks": 412}
_DONE |= dict.fromkeys(_FORMS, 303)
_JSON = ("Content-Type", "application/json")
_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_OURS = ("Sec-Fetch-Site", "same-origin")
_PAGE = ("Accept", "text/html")


@dataclass(frozen=True)
class Route:
    """One method of one address, and the scopes that it asks for."""

    method: str
    template: str
    scopes: frozenset[Scope]
    query: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}{self.query}"

    @property
    def may(self) -> frozenset[Role]:
        """The roles that may; of a route that the table above does not know, those that have its scopes."""
        for beginning, roles in MAY.items():
            if _begins(self, beginning):
                return roles
        return frozenset(role for role in Role if self.scopes <= SCOPES[role])


@dataclass
class Row:
    """One line of the table: how often something was asked, and what should not have happened."""

    what: str
    asked: int = 0
    expected: str = ""
    wrong: list[str] = field(default_factory=list)


def routes_of(app: FastAPI) -> list[Route]:
    """Every route that is not open to anyone; one with a quick way is asked both ways."""
    found, quick = [], set()
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, QuickRoute):
            quick.add((context._method, context.path))
            continue
        methods = getattr(context, "methods", None)
        if methods is None and context.path in OPEN_MOUNTS:
            continue
        scopes = frozenset(_scopes(getattr(context, "dependant", None)))
        found += [Route(method, str(context.path), scopes) for method in sorted(methods or ("GET",))]
    described = [replace(route, query="?lang=en") for route in found if (route.method, route.template) in quick]
    return [route for route in (*found, *described) if route.name not in PUBLIC]


def named(route: Route) -> bool:
    """Whether the table above says who may ask it."""
    return any(_begins(route, beginning) for beginning in MAY)


def _begins(route: Route, beginning: str) -> bool:
    name = f"{route.method} {route.template}"
    return name == beginning or name.startswith(f"{beginning}/")


def _scopes(dependant: Any) -> Iterator[Scope]:
    for part in [] if dependant is None else dependant.dependencies:
        if part.call is identify:
            yield from (Scope(name) for name in {*(part.own_oauth_scopes or ()), *(part.parent_oauth_scopes or ())})
        yield from _scopes(part)


class Town:
    """A service with a key of each role, sessions and tokens of each, and every faulty credential."""

    def __init__(self, folder: Path, found: Provider, change: Callable[[FastAPI], None] | None = None) -> None:
        path = small_store(folder)
        self.provider = found
        with Store.open(str(path)) as store:
            self.keys = {role: self._key(store, role) for role in Role}
            revoked, self.revoked_id = self._key(store, Role.ADMIN), ""
            self.revoked_id = revoked.split("_")[1]
            revoke_key(store, self.revoked_id)
            self.revoked = revoked
            self.expired = add_key(store, Role.ADMIN, offices=[], purpose="old", days=1, now=1_700_000_000)[0]
        settings = Settings(store_url=str(path), recheck_seconds=0, **found.settings())
        self.app = create_app(settings)
        if change is not None:
            change(self.app)
        self.routes = routes_of(self.app)
        snapshot = self.app.state.reads.current()
        self.cases = {office: [case.case_id for case in snapshot.cases if case.office == office] for office in _OFFICES}
        self.signal = snapshot.published.signals[0].signal_id
        self.secret = self.app.state.gate._ring.begin_sessions()

    def close(self) -> None:
        """Close all that the app holds open."""
        self.app.state.stopping.set()
        for close in reversed(self.app.state.closers):
            close()

    def address(self, route: Route, case_id: str | None = None) -> str:
        """The address of a route, with something at its places."""
        values = {"case_id": case_id or self.cases[OWN_OFFICE][0], "area": "A-02", "signal_id": self.signal}
        values["version"] = "failures-000000000000"
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "none"), route.template)

    def credentials(self, role: Role) -> dict[str, Headers]:
        """What a good asker of that role may show."""
        offices = [OWN_OFFICE] if role is Role.HANDLER else None
        token = self.provider.token(heed_role=role.value, heed_offices=offices)
        key_id = self.keys[role].split("_")[1]
        session = ("Cookie", f"heed={sessions.sealed(self.secret, key_id, hours=1)}")
        # A form of the pages takes no other credential than a browser's, whose page has to be one of ours.
        return {"key": [*bearer(self.keys[role]), _OURS], "token": [*bearer(token), _OURS], "session": [session, _OURS]}

    def faults(self) -> dict[str, Headers]:
        """Credentials of an administrator, each with one fault."""
        return {**self._faulty_headers(), **self._faulty_tokens(), **self._faulty_sessions()}

    def _key(self, store: Store, role: Role) -> str:
        offices = [OWN_OFFICE] if role is Role.HANDLER else []
        return add_key(store, role, offices=offices, purpose=role.value, days=30)[0]

    def _faulty_headers(self) -> dict[str, Headers]:
        key = self.keys[Role.ADMIN]
        _, key_id, secret = key.split("_", 2)
        swapped = ("A" if secret[0] != "A" else "B") + secret[1:]
        return {
            "nothing": [],
            "an empty header": [("Authorization", "")],
            "no more than the scheme": [("Authorization", "Bearer")],
            "another scheme": [("Authorization", f"Basic {key}")],
            "a scheme of its own": [("Authorization", f"Key {key}")],
            "the key without a scheme": [("Authorization", key)],
            "two keys in one header": [("Authorization", f"Bearer {key},{key}")],
            "a key and a word": [("Authorization", f"Bearer {key} x")],
            "a key in another header": [("X-Api-Key", key), ("X-Authorization", f"Bearer {key}")],
            "a key as cookie": [("Cookie", f"heed={key}")],
            "a key that is none": bearer("heed_x"),
            "an unknown key": bearer(f"heed_{'0' * 12}_{secret}"),
            "a wrong secret": bearer(f"heed_{key_id}_{swapped}"),
            "a secret that is cut": bearer(key[:-1]),
            "a secret with a letter more": bearer(f"{key}A"),
            "a key in capitals": bearer(key.upper()),
            "the hash in place of the secret": bearer(f"heed_{key_id}_{hashed(key)[:43]}"),
            "an expired key": bearer(self.expired),
            "a revoked key": bearer(self.revoked),
            "a huge header": bearer("A" * 20_000),
            "a huge key": bearer(key + "A" * 20_000),
            "a header of other letters": [("Authorization", "Bearer \xe9\xff\x80")],
        }

    def _faulty_tokens(self) -> dict[str, Headers]:
        made, now = self.provider.token, int(time.time())
        claims, good = self.provider.claims(), self.provider.token()
        own = {"alg": "RS256", "kid": "x", "jwk": jwk("rsa-other")}
        key_id = self.keys[Role.ADMIN].split("_")[1]
        tokens = {
            "alg none": handmade({"alg": "none", "kid": "rsa"}, claims, None),
            "HS256 with the public key": handmade({"alg": "HS256", "kid": "rsa"}, claims, public_pem("rsa")),
            "HS256 with no secret": handmade({"alg": "HS256", "kid": "rsa"}, claims, b""),
            "RS256 with the public key": handmade({"alg": "RS256", "kid": "rsa"}, claims, public_pem("rsa")),
            "a key of its own": handmade(own, claims, b"x"),
            "another issuer": made(iss="https://other.example"),
            "another audience": made(aud="payroll"),
            "expired": made(exp=now - 3_600),
            "not yet good": made(nbf=now + 3_600),
            "made in the future": made(iat=now + 3_600),
            "an unknown kid": made(key="rsa-other"),
            "no kid": made(kid=None),
            "another key under the kid": made(key="rsa-other", kid="rsa"),
            "a key of another kind under the kid": made(key="ec", kid="rsa"),
            "an algorithm that does not count": made(algorithm="RS512"),
            "changed claims": tampered(good, sub="desk-8"),
            "a role written in": tampered(made(heed_role="dashboard"), heed_role="admin"),
            "no signature": good.rpartition(".")[0] + ".",
            "the signature of a session": sessions.sealed(self.secret, key_id, hours=1),
        }
        return {f"token: {fault}": bearer(text) for fault, text in tokens.items()}

    def _faulty_sessions(self) -> dict[str, Headers]:
        key_id = self.keys[Role.ADMIN].split("_")[1]
        now = time.time()
        good = sessions.sealed(self.secret, key_id, hours=1)
        forged = jwt.encode({"sub": key_id, "iat": int(now), "exp": int(now) + 60, "aud": "heed:session"}, b"x" * 32)
        texts = {
            "forged": forged,
            "not signed": handmade({"alg": "none"}, {"sub": key_id, "aud": "heed:session"}, None),
            "changed": tampered(
                sessions.sealed(self.secret, self.keys[Role.DASHBOARD].split("_")[1], hours=1), sub=key_id
            ),
            "expired": sessions.sealed(self.secret, key_id, hours=1, now=now - 3_601),
            "of a revoked key": sessions.sealed(self.secret, self.revoked_id, hours=1),
            "of an expired key": sessions.sealed(self.secret, self.expired.split("_")[1], hours=1),
            "of no key": sessions.sealed(self.secret, "0" * 12, hours=1),
            "with a token of the provider": self.provider.token(),
        }
        found: dict[str, Headers] = {
            f"session: {fault}": [("Cookie", f"heed={text}"), _OURS] for fault, text in texts.items()
        }
        found["session: under another name"] = [("Cookie", f"__Host-heed={good}"), _OURS]
        found["session: in the header"] = bearer(good)
        return found


_OFFICES = ("O-1", "O-2", "O-3", "O-4")


class _Asker:
    """One client for all requests, in one event loop."""

    def __init__(self, town: Town, share: int) -> None:
        self.town, self.share = town, share
        transport = httpx.ASGITransport(app=town.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    def at_turn(self, place: int, turn: int) -> bool:
        """Whether the route at a place of the list is asked what has that turn among what is asked."""
        return (place + turn) % self.share == 0

    async def ask(self, route: Route, headers: Headers, case_id: str | None = None, query: str = "") -> httpx.Response:
        body = [] if route.method in _SAFE else [_FORM if route.name in _FORMS else _JSON]
        if route.name in _STATES:
            body.append(_STATES[route.name])
        self.client.cookies.clear()
        address = self.town.address(route, case_id) + (query or route.query)
        content = b"" if route.method in _SAFE else _BODIES.get(route.name, b"{}")
        sent = [(name.encode(), value.encode("latin-1")) for name, value in (*body, *headers)]
        return await self.client.request(route.method, address, headers=sent, content=content)


def authorisation_table(
    change: Callable[[FastAPI], None] | None = None, *, only: str = "", share: int = 1
) -> list[Row]:
    """Ask everything, and say what was asked and what should not have been answered as it was.

    Parameters
    ----------
    change : changes the app before it is asked; a test of this table opens a hole with it
    only : the routes whose name begins so
    share : ask every route with one of so many faults, and every fault of one of so many routes; with nothing, and by
        every role, all are asked whatever it is
    """
    with tempfile.TemporaryDirectory() as folder, provider() as found:
        town = Town(Path(folder), found, change)
        town.routes = [route for route in town.routes if route.name.startswith(only)]
        try:
            return asyncio.run(_table(town, share))
        finally:
            town.close()


async def _table(town: Town, share: int) -> list[Row]:
    asker = _Asker(town, share)
    async with asker.client:
        return [
            _undeclared(town),
            *[await _fault(asker, turn, *one) for turn, one in enumerate(town.faults().items())],
            await _in_the_address(asker),
            await _other_methods(asker),
            await _other_spellings(asker),
            await _twice(asker),
            await _cross_site(asker),
            await _without_a_role(asker),
            await _narrowed(asker),
            await _pages(asker),
            *[await _role(asker, role) for role in Role],
            await _offices(asker),
            await _accepted_spellings(asker),
        ]


def _undeclared(town: Town) -> Row:
    wrong = [route.name for route in town.routes if not route.scopes]
    return Row("a scope is asked for", len(town.routes), "every route", wrong)


async def _fault(asker: _Asker, turn: int, fault: str, headers: Headers) -> Row:
    row = Row(fault, expected="401")
    for place, route in enumerate(asker.town.routes):
        if headers and not asker.at_turn(place, turn):
            continue
        answer = await asker.ask(route, headers)
        row.asked += 1
        challenge = answer.headers.get("www-authenticate", "")
        if answer.status_code != 401 or not challenge.startswith("Bearer ") or "etag" in answer.headers:
            row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _in_the_address(asker: _Asker) -> Row:
    row = Row("a key in the address", expected="401")
    key = asker.town.keys[Role.ADMIN]
    for place, route in enumerate(asker.town.routes):
        for turn, name in enumerate(("key", "access_token", "authorization", "token")):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(route, (), query=f"?{name}={key}")
            row.asked += 1
            if answer.status_code != 401:
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _other_methods(asker: _Asker) -> Row:
    row = Row("another method, with nothing", expected="401, 405, or 204 with what it takes")
    for place, template in enumerate(sorted({route.template for route in asker.town.routes})):
        for turn, method in enumerate(("HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(Route(method, template, frozenset()), ())
            row.asked += 1
            told = method == "OPTIONS" and answer.status_code == 204 and not answer.content
            if not told and answer.status_code not in (401, 405):
                row.wrong.append(f"{method} {template}: {answer.status_code}")
    return row


async def _other_spellings(asker: _Asker) -> Row:
    """Addresses that a part of the way may read as another than the rest does."""
    row = Row("the address written otherwise, with nothing", expected="401, 404 or 405")
    for place, route in enumerate(asker.town.routes):
        if route.query:
            continue
        address = asker.town.address(route)
        first = address[1:2]
        spelt = [
            *(f"/{address}", f"{address}/", f"{address}//", f"{address};x", f"{address}%00", f"{address}%2f"),
            *(address.upper(), f"/%{ord(first):02x}{address[2:]}" if first else "/%2f", f"/static/..{address}"),
            *(f"/static/%2e%2e{address}", f"/health/live/..{address}", f"/health/live%2f..{address}", f"/.{address}"),
        ]
        for turn, path in enumerate(spelt):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(Route(route.method, path, frozenset()), ())
            row.asked += 1
            if answer.status_code not in (401, 404, 405):
                row.wrong.append(f"{route.method} {path}: {answer.status_code}")
    return row


async def _twice(asker: _Asker) -> Row:
    row = Row("two headers", expected="400")
    good, bad = bearer(asker.town.keys[Role.ADMIN]), bearer("heed_x")
    for route in asker.town.routes:
        for headers in ([*good, *good], [*good, *bad], [*bad, *good]):
            answer = await asker.ask(route, headers)
            row.asked += 1
            if answer.status_code != 400:
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _cross_site(asker: _Asker) -> Row:
    row = Row("a write for another site, with the session", expected="403")
    session = asker.town.credentials(Role.ADMIN)["session"][:1]
    evil = ("Origin", "https://evil.example")
    cases: Sequence[Headers] = (
        [],
        [evil],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site"), ("Origin", ORIGIN)],
        [("Origin", "null")],
    )
    for route in asker.town.routes:
        for headers in cases if route.method not in _SAFE else ():
            answer = await asker.ask(route, [*session, *headers])
            row.asked += 1
            if answer.status_code != 403:
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _without_a_role(asker: _Asker) -> Row:
    row = Row("token: without a role that is known", expected="403")
    made = asker.town.provider.token
    texts = [
        made(heed_role=None),
        made(heed_role="root"),
        made(heed_role="handler"),
        made(heed_role=["admin", "handler"]),
    ]
    for place, route in enumerate(asker.town.routes):
        for turn, text in enumerate(texts):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(route, bearer(text))
            row.asked += 1
            if answer.status_code != 403:
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _narrowed(asker: _Asker) -> Row:
    """For each route an administrator's token with every scope but those it needs, and one with none of ours."""
    row = Row("token: narrowed to other scopes", expected="403")
    for place, route in enumerate(asker.town.routes):
        others = " ".join(scope for scope in Scope if scope not in route.scopes)
        asked: Sequence[dict[str, Any]] = (
            {"scope": others},
            {"scp": others.split()},
            {"scope": "openid profile"},
            {"scope": ""},
        )
        for turn, claims in enumerate(asked):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(route, bearer(asker.town.provider.token(**claims)))
            row.asked += 1
            if answer.status_code != 403 or "insufficient_scope" not in answer.headers.get("www-authenticate", ""):
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _pages(asker: _Asker) -> Row:
    row = Row("a page without a session", expected="303 to /sign-in, 401 elsewhere")
    for route in asker.town.routes:
        answer = await asker.ask(route, [_PAGE])
        row.asked += 1
        page = not route.template.startswith(("/v1/", "/charts/"))
        led = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
        if not (led if page else answer.status_code == 401):
            row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


async def _role(asker: _Asker, role: Role) -> Row:
    """Each route with a key, a token and a session; and whose cases are in the answers."""
    row = Row(f"role {role.value}, by key, token and session", expected="its routes, else 403")
    cases = asker.town.cases
    hidden = {
        Role.ADMIN: [],
        Role.HANDLER: [case for office, ids in cases.items() if office != OWN_OFFICE for case in ids],
    }.get(role, [case for ids in cases.values() for case in ids])
    for route in asker.town.routes:
        for kind, headers in asker.town.credentials(role).items():
            answer = await asker.ask(route, headers)
            row.asked += 1
            refused = answer.status_code in (401, 403)
            if refused == (role in route.may) or (refused and answer.status_code != 403):
                row.wrong.append(f"{route.name} by {kind}: {answer.status_code}")
            row.wrong += [f"{route.name} by {kind}: a case of another office" for case in hidden if case in answer.text]
    return row


async def _offices(asker: _Asker) -> Row:
    """A case of the own office, of another, and of none, by everyone who may read cases."""
    row = Row("one case: own office, another, none", expected="200, 404 (200 for an administrator), 404")
    cases = asker.town.cases
    asked = {"own": cases[OWN_OFFICE][-1], "other": cases[OTHER_OFFICE][-1], "none": "0" * 32}
    for route in asker.town.routes:
        if "{case_id}" not in route.template:
            continue
        for role in (Role.HANDLER, Role.ADMIN):
            for kind, headers in asker.town.credentials(role).items():
                statuses = {}
                for whose, case_id in asked.items():
                    answer = await asker.ask(route, headers, case_id)
                    row.asked += 1
                    statuses[whose] = answer.status_code
                done = _DONE.get(route.name, 200)
                other = 404 if role is Role.HANDLER else done
                if statuses != {"own": done, "other": other, "none": 404}:
                    row.wrong.append(f"{route.name} by {role.value} with {kind}: {statuses}")
    return row


async def _accepted_spellings(asker: _Asker) -> Row:
    """What is no fault: the scheme is of either case (RFC 9110, section 11.1), and may be followed by blanks."""
    row = Row("the scheme in other letters", expected="not refused")
    key = asker.town.keys[Role.ADMIN]
    for place, route in enumerate(asker.town.routes):
        for turn, scheme in enumerate(("bearer", "BEARER", "Bearer ")):
            if not asker.at_turn(place, turn):
                continue
            answer = await asker.ask(route, [("Authorization", f"{scheme} {key}"), _OURS])
            row.asked += 1
            if answer.status_code in (401, 403):
                row.wrong.append(f"{route.name}: {answer.status_code}")
    return row


def shown(table: Sequence[Row]) -> str:
    """The table as text."""
    width = max(len(row.what) for row in table)
    lines = [f"{'asked with':<{width}}  requests  wrong  expected"]
    lines += [f"{row.what:<{width}}  {row.asked:>8}  {len(row.wrong):>5}  {row.expected}" for row in table]
    lines.append(
        f"{'in all':<{width}}  {sum(row.asked for row in table):>8}  {sum(len(row.wrong) for row in table):>5}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    print(shown(authorisation_table()))  # noqa: T201
