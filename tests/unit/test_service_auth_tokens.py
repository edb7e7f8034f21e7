"""Tokens of an identity provider: which hold, what they grant, and that no stranger makes the service fetch."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.auth.jwks import (
    FETCH_PAUSE,
    FORGET_AFTER,
    RENEW_AFTER,
    KeySet,
    UnusableKeysError,
    fetch_json,
    usable_keys,
)
from service.auth.tokens import Tokens, identity_of
from service.identity import SCOPES, Identity, Role, Scope
from service.problems import BusyError, ForbiddenError, UnauthorisedError
from service.settings import ASYMMETRIC, Settings
from tests.support.credentials import ORIGIN, Provider, bearer, handmade, jwk, provider, public_pem, tampered

ISSUER = "https://id.example/realm"
THREE = frozenset({"RS256", "ES256", "EdDSA"})
NOW = int(time.time())


class Published:
    """A provider whose documents are fetched by a call, on a clock of the test."""

    def __init__(self) -> None:
        self.provider = Provider(ISSUER)
        self.now = 1_000.0
        self.fetched: list[str] = []
        self.broken = False

    def fetch(self, url: str, _before: float) -> Any:
        self.fetched.append(url.removeprefix(ISSUER))
        if self.broken:
            raise httpx.ConnectError("no route")
        return self.provider.documents[self.fetched[-1]]

    def keys(self, jwks_url: str | None = f"{ISSUER}/keys", algorithms: frozenset[str] = THREE) -> KeySet:
        return KeySet(ISSUER, jwks_url, algorithms, fetch=self.fetch, clock=lambda: self.now)

    def tokens(self, keys: KeySet | None = None, **settings: Any) -> Tokens:
        return Tokens(Settings(**self.provider.settings(**settings)), keys or self.keys())


@pytest.fixture
def published():
    """A provider that can be reached."""
    return Published()


def _identity(tokens: Tokens, text: str) -> Identity:
    return asyncio.run(tokens.identity(text))


@pytest.mark.parametrize("key", ["rsa", "ec", "ed"])
def test_a_token_signed_with_a_published_key_holds(published, key):
    """Of each kind of key; who asks is told by a digest, never by a name."""
    identity = _identity(published.tokens(), published.provider.token(key=key, sub="li.wang@town.example"))
    assert (identity.role, identity.offices, identity.scopes) == (Role.ADMIN, None, SCOPES[Role.ADMIN])
    digest = hashlib.sha256(f"{ISSUER}li.wang@town.example".encode()).hexdigest()
    assert identity.actor == f"token:{digest[:16]}"


def _faults(provider: Provider) -> dict[str, str]:
    good = provider.token()
    header, payload, signature = good.split(".")
    claims, late = provider.claims(), NOW - 3_600
    return {
        "of another issuer": provider.token(iss="https://id.example/other"),
        "of an issuer that only begins so": provider.token(iss=f"{ISSUER}/"),
        "without an issuer": provider.token(iss=None),
        "for another audience": provider.token(aud="payroll"),
        "for several others": provider.token(aud=["payroll", "heed-test2"]),
        "without an audience": provider.token(aud=None),
        "expired": provider.token(exp=NOW - 31),
        "without an end": provider.token(exp=None),
        "with an end that is no number": provider.token(exp="tomorrow"),
        "not yet good": provider.token(nbf=NOW + 3_600),
        "made in the future": provider.token(iat=NOW + 3_600),
        "without a beginning": provider.token(iat=None),
        "without a subject": provider.token(sub=None),
        "of another key under the same name": provider.token(key="rsa-other", kid="rsa"),
        "of an unknown key": provider.token(key="rsa-other"),
        "without the name of a key": provider.token(kid=None),
        "of a signature that does not count": provider.token(algorithm="RS512"),
        "padded in another way": provider.token(algorithm="PS256"),
        "with a key of another kind": provider.token(key="ec", kid="rsa"),
        "not signed": handmade({"alg": "none", "kid": "rsa"}, claims, None),
        "not signed, spelt otherwise": handmade({"alg": "nOnE", "kid": "rsa"}, claims, None),
        "signed with the public key as a secret": handmade({"alg": "HS256", "kid": "rsa"}, claims, public_pem("rsa")),
        "the same with another hash": handmade({"alg": "HS512", "kid": "ec"}, claims, public_pem("ec")),
        "called RS256 and signed with the public key": handmade(
            {"alg": "RS256", "kid": "rsa"}, claims, public_pem("rsa")
        ),
        "with a key of its own in the header": handmade(
            {"alg": "RS256", "kid": "x", "jwk": jwk("rsa-other")}, claims, b"x"
        ),
        "with an address of keys in the header": handmade(
            {"alg": "RS256", "kid": "x", "jku": "https://e.example"}, claims, b"x"
        ),
        "without an algorithm": handmade({"kid": "rsa"}, claims, b"x"),
        "with an algorithm that is no word": handmade({"alg": ["RS256"], "kid": "rsa"}, claims, b"x"),
        "with a key name that is no word": handmade({"alg": "RS256", "kid": {"$ne": ""}}, claims, b"x"),
        "with an extension that must be understood": handmade(
            {"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}, claims, b"x"
        ),
        "of another type": handmade({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}, claims, b"x"),
        "with other claims": tampered(good, heed_role="admin", sub="desk-8"),
        "with a later end": tampered(provider.token(exp=late), exp=NOW + 3_600),
        "without a signature": f"{header}.{payload}.",
        "with half a signature": f"{header}.{payload}.{signature[:40]}",
        "with a part more": f"{good}.{signature}",
        "with a part less": f"{header}.{payload}",
        "deeply nested": handmade({"alg": "RS256", "kid": "rsa"}, {}, b"x").replace("e30", "W1tb" * 500),
        "no JSON": "bm90.anNvbg.x",
        "empty": "..",
    }


@pytest.mark.parametrize("fault", _faults(Provider(ISSUER)))
def test_a_token_with_one_fault_does_not_hold(published, fault):
    """Each fault alone is enough, and all are answered alike: nobody learns which part was right."""
    tokens = published.tokens()
    _identity(tokens, published.provider.token())
    with pytest.raises(UnauthorisedError, match="has expired or was revoked") as caught:
        _identity(tokens, _faults(published.provider)[fault])
    assert caught.value.challenge == 'Bearer realm="heed", error="invalid_token"'


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -20), ("nbf", 20), ("iat", 20)])
def test_clocks_may_differ_a_little(published, claim, seconds):
    """By the leeway of the settings, 30 seconds."""
    text = published.provider.token(**{claim: int(time.time()) + seconds})
    assert _identity(published.tokens(), text).role is Role.ADMIN


def test_a_token_may_be_for_several(published):
    """As long as this service is among them."""
    assert _identity(published.tokens(), published.provider.token(aud=["other", "heed-test"])).role is Role.ADMIN


def test_the_type_of_an_access_token_is_accepted(published):
    """As RFC 9068 names it."""
    import jwt

    from tests.support.credentials import private_key

    headers = {"kid": "rsa", "typ": "at+JWT"}
    text = jwt.encode(published.provider.claims(), private_key("rsa"), algorithm="RS256", headers=headers)
    assert _identity(published.tokens(), text).role is Role.ADMIN


# ---- what a token grants ----


def _of(**claims: Any) -> Identity:
    settings = Settings(auth="required", oidc_issuer=ISSUER, oidc_audience="heed-test")
    return identity_of({"iss": ISSUER, "sub": "s", **claims}, settings)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"heed_role": "root"},
        {"heed_role": "Admin"},
        {"heed_role": 1},
        {"heed_role": ["admin", "dashboard"]},
        {"heed_role": {"admin": True}},
        {"role": "admin"},
        {"heed_role": "handler"},
        {"heed_role": "handler", "heed_offices": []},
        {"heed_role": "handler", "heed_offices": "O-3"},
        {"heed_role": "handler", "heed_offices": [3]},
        {"heed_role": "handler", "heed_offices": ["O-1"] * 1_001},
    ],
)
def test_a_token_without_a_role_that_is_known_grants_nothing(claims):
    """It is genuine: 403 and not 401, as RFC 6750 has it for too little."""
    with pytest.raises(ForbiddenError, match="grants no role here") as caught:
        _of(**claims)
    assert caught.value.challenge == 'Bearer realm="heed", error="insufficient_scope"'


@pytest.mark.parametrize(
    ("claims", "role", "offices"),
    [
        ({"heed_role": "admin"}, Role.ADMIN, None),
        ({"heed_role": ["offline_access", "admin"]}, Role.ADMIN, None),
        ({"heed_role": "admin", "heed_offices": ["O-1"]}, Role.ADMIN, {"O-1"}),
        ({"heed_role": "admin", "heed_offices": "O-1"}, Role.ADMIN, set()),
        ({"heed_role": "handler", "heed_offices": ["O-1", "O-2"]}, Role.HANDLER, {"O-1", "O-2"}),
        ({"heed_role": "dashboard", "heed_offices": ["O-1"]}, Role.DASHBOARD, set()),
        ({"heed_role": "analyst"}, Role.ANALYST, set()),
    ],
)
def test_the_role_and_the_offices_are_those_of_the_claims(claims, role, offices):
    """Offices narrow an administrator too; of a shape that cannot be read, they leave none."""
    identity = _of(**claims)
    assert (identity.role, identity.offices, identity.scopes) == (role, offices, SCOPES[role])


@pytest.mark.parametrize(
    ("claims", "left"),
    [
        ({"scope": "cases:read"}, {Scope.CASES_READ}),
        ({"scope": "openid  cases:read profile areas:read"}, {Scope.CASES_READ, Scope.AREAS_READ}),
        ({"scp": ["areas:read"]}, {Scope.AREAS_READ}),
        ({"scp": "areas:read"}, {Scope.AREAS_READ}),
        ({"scope": "cases:read areas:read", "scp": ["areas:read"]}, {Scope.AREAS_READ}),
        ({"scope": "models:promote"}, set()),
        ({"scope": ""}, set()),
        ({"scope": 7}, set()),
        ({"scp": [["areas:read"]]}, set()),
        ({}, SCOPES[Role.HANDLER]),
    ],
)
def test_a_scope_only_ever_narrows(claims, left):
    """A handler that brings the scope of another role has it no more than before."""
    assert _of(heed_role="handler", heed_offices=["O-1"], **claims).scopes == left


# ---- when keys are fetched ----


def _settle(keys: KeySet, *, missing: bool) -> bool:
    """Ask for a fetch and wait for its end; False: none was due."""
    running = keys.renewed(missing=missing)
    if running is not None:
        running.result(timeout=10)
    return running is not None


def test_made_up_key_names_cause_one_fetch_in_half_a_minute(published):
    """However many come: else a stranger could have the service flood its provider."""
    tokens = published.tokens()
    refused = 0
    for number in range(200):
        published.now += 0.1
        with pytest.raises(UnauthorisedError):
            _identity(tokens, published.provider.token(key="rsa-other", kid=f"made-up-{number}"))
        refused += 1
    assert (refused, published.fetched) == (200, ["/keys"])
    published.now += FETCH_PAUSE
    with pytest.raises(UnauthorisedError):
        _identity(tokens, published.provider.token(key="rsa-other", kid="made-up"))
    assert published.fetched == ["/keys"] * 2


def test_made_up_algorithms_cause_no_fetch_at_all(published):
    """A signature that does not count is not worth a question."""
    tokens = published.tokens()
    with pytest.raises(UnauthorisedError):
        _identity(tokens, published.provider.token(algorithm="RS512"))
    assert published.fetched == []


def test_a_new_key_is_found_by_its_name_and_a_withdrawn_one_is_dropped(published):
    """The provider signs with a new key from one moment to the next."""
    tokens = published.tokens()
    _identity(tokens, published.provider.token())
    published.provider.publish(["rsa-new"])
    fresh = published.provider.token(key="rsa-new")
    with pytest.raises(UnauthorisedError):
        _identity(tokens, fresh)
    published.now += FETCH_PAUSE
    assert _identity(tokens, fresh).role is Role.ADMIN
    with pytest.raises(UnauthorisedError):
        _identity(tokens, published.provider.token())


def test_keys_are_renewed_while_they_are_used_and_forgotten_when_they_cannot_be(published):
    """A quarter of an hour, and a day: a provider that is down for an hour locks nobody out."""
    keys = published.keys()
    assert _settle(keys, missing=True)
    assert keys.find("rsa", "RS256") is not None
    assert not _settle(keys, missing=False)
    published.broken = True
    published.now += RENEW_AFTER
    assert _settle(keys, missing=False)
    assert keys.find("rsa", "RS256") is not None
    published.now += FORGET_AFTER - RENEW_AFTER
    assert keys.find("rsa", "RS256") is None
    assert not keys.usable
    published.broken = False
    assert _settle(keys, missing=True)
    assert keys.find("rsa", "RS256") is not None


def test_a_provider_that_was_never_reached_is_no_fault_of_the_token(published):
    """503 with the time to wait, and not 401."""
    published.broken = True
    tokens = published.tokens()
    with pytest.raises(BusyError, match="could not be fetched") as caught:
        _identity(tokens, published.provider.token())
    published.now += 10
    with pytest.raises(BusyError) as later:
        _identity(tokens, published.provider.token())
    assert (caught.value.retry_after, later.value.retry_after) == (31, 21)
    assert published.fetched == ["/keys"]


def test_the_discovery_document_says_where_the_keys_are(published):
    """If it is of the same issuer, and if the keys may be fetched from there."""
    known = published.keys(jwks_url=None)
    assert _settle(known, missing=True)
    assert published.fetched == ["/.well-known/openid-configuration", "/keys"]
    assert known.usable
    for changed in ({"issuer": "https://other.example"}, {"jwks_uri": "http://id.example/keys"}, {"jwks_uri": None}):
        published.fetched.clear()
        document = published.provider.documents["/.well-known/openid-configuration"]
        published.provider.documents["/.well-known/openid-configuration"] = {**document, **changed}
        refused = published.keys(jwks_url=None)
        assert _settle(refused, missing=True)
        assert not refused.usable
        assert published.fetched == ["/.well-known/openid-configuration"]
        published.provider.publish(["rsa"])


def _published_with(**more: Any) -> Callable[[], list[str]]:
    def names() -> list[str]:
        return sorted(algorithm for _, algorithm in usable_keys({"keys": [jwk("rsa", **more)]}, ASYMMETRIC))

    return names


def test_a_key_checks_only_what_it_is_made_for():
    """The type of a key says which signatures it checks, whatever a token claims."""
    rsa = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    assert _published_with()() == rsa
    assert _published_with(alg="RS384", use="sig")() == ["RS384"]
    found = usable_keys({"keys": [jwk("ec"), jwk("ec384"), jwk("ed")]}, ASYMMETRIC)
    assert set(found) == {("ec", "ES256"), ("ec384", "ES384"), ("ed", "EdDSA")}
    for more in ({"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "HS256"}, {"alg": 5}, {"kid": 7}, {"d": "AQAB"}):
        with pytest.raises(UnusableKeysError, match="expected a key for one of the configured algorithms"):
            _published_with(**more)()


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "kid": "s", "k": "c2VjcmV0"},
        {"kty": "oct", "kid": "s"},
        {"kty": "RSA", "kid": "s", "n": "AQAB"},
        {"kty": "EC", "kid": "s", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": ["RSA"], "kid": "s"},
        jwk("rsa1024"),
        "rsa",
        None,
    ],
)
def test_a_key_that_should_not_be_used_is_left_out(entry):
    """Symmetric, broken, too small, or no key: the others still count."""
    with pytest.raises(UnusableKeysError):
        usable_keys({"keys": [entry]}, ASYMMETRIC)
    assert set(usable_keys({"keys": [entry, jwk("ed")]}, THREE)) == {("ed", "EdDSA")}


@pytest.mark.parametrize("answer", [None, [], {}, {"keys": {}}, {"keys": []}, "keys"])
def test_what_is_no_key_set_is_refused(answer):
    """And what was known before stays."""
    with pytest.raises(UnusableKeysError):
        usable_keys(answer, THREE)


# ---- over a socket ----


def test_a_document_is_fetched_within_bounds():
    """Not too large, not from where a redirect leads, and JSON."""
    with provider() as found:
        before = time.monotonic() + 5
        assert fetch_json(f"{found.issuer}/keys", before) == found.documents["/keys"]
        found.documents["/large"] = b'"' + b"x" * 300_000 + b'"'
        with pytest.raises(UnusableKeysError, match="expected a small answer"):
            fetch_json(f"{found.issuer}/large", before)
        with pytest.raises(UnusableKeysError, match="expected status 200"):
            fetch_json(f"{found.issuer}/nothing", before)
        found.documents["/text"] = b"<html>"
        with pytest.raises(ValueError, match="Expecting value"):
            fetch_json(f"{found.issuer}/text", before)


def test_a_provider_that_hangs_holds_up_only_those_who_need_it():
    """Requests with other credentials, and with none, are answered meanwhile; twenty that wait share one fetch."""
    with provider() as found:
        found.hold.clear()
        app = create_app(Settings(store_url="none.db", **found.settings()))
        token = found.token(heed_role="dashboard")

        async def both() -> tuple[list[int], list[int]]:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
                waiting = [asyncio.create_task(client.get("/v1/models", headers=bearer(token))) for _ in range(20)]
                await asyncio.sleep(0.05)
                others = [(await client.get("/health/live")).status_code for _ in range(3)]
                others.append((await client.get("/v1/areas")).status_code)
                assert not any(task.done() for task in waiting)
                found.hold.set()
                return others, [(await task).status_code for task in waiting]

        others, waited = asyncio.run(both())
        assert others == [200, 200, 200, 401]
        assert set(waited) <= {403, 404}
        assert found.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}
