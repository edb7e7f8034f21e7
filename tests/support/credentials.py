"""Credentials of every kind for a service in a test: keys, sessions, and tokens of an identity provider on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI

AUDIENCE = "heed-test"
ORIGIN = "http://127.0.0.1:8000"
Headers = Sequence[tuple[str, str]]


def bearer(text: str) -> list[tuple[str, str]]:
    """The header that shows a key or a token."""
    return [("Authorization", f"Bearer {text}")]


def ask(app: FastAPI, method: str, address: str, headers: Headers = (), content: bytes = b"") -> httpx.Response:
    """One request, headers as given, also if one comes twice."""
    return asyncio.run(ask_all(app, [(method, address, headers, content)]))[0]


async def ask_all(app: FastAPI, requests: Sequence[tuple[str, str, Headers, bytes]]) -> list[httpx.Response]:
    """Several requests, one after the other, over one client."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        answers = []
        for method, address, headers, content in requests:
            client.cookies.clear()
            answers.append(await client.request(method, address, headers=list(headers), content=content))
        return answers


@cache
def private_key(name: str) -> Any:
    """A key of the provider, or of someone else, by its name: the first letters say of which kind."""
    if name.startswith("rsa1024"):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  too small on purpose
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if name.startswith("ec384"):
        return ec.generate_private_key(ec.SECP384R1())
    if name.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public half of a key as the provider publishes it."""
    public = private_key(name).public_key()
    kind = {"rsa": "RSA", "ec3": "EC", "ec": "EC", "ed": "OKP"}[name[:2] if name[:2] in ("ec", "ed") else "rsa"]
    algorithms = {
        "RSA": jwt.algorithms.RSAAlgorithm,
        "EC": jwt.algorithms.ECAlgorithm,
        "OKP": jwt.algorithms.OKPAlgorithm,
    }
    return {**algorithms[kind].to_jwk(public, as_dict=True), "kid": name, **more}


def public_pem(name: str) -> bytes:
    """The public half of a key as text, which anyone may have."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, form)


class Provider:
    """An identity provider: what it publishes, and the tokens it would sign."""

    def __init__(self, issuer: str, names: Sequence[str] = ("rsa", "ec", "ed")) -> None:
        self.issuer = issuer
        self.documents: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self.hold = threading.Event()
        self.hold.set()
        self.publish(names)

    def publish(self, names: Sequence[str]) -> None:
        """Publish these keys, and no others."""
        self.documents["/keys"] = {"keys": [jwk(name) for name in names]}
        self.documents["/.well-known/openid-configuration"] = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def claims(self, **more: Any) -> dict[str, Any]:
        """The claims of a good token of an administrator; a value of None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "desk-7",
            "iat": now,
            "exp": now + 300,
            "heed_role": "admin",
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def token(self, *, key: str = "rsa", kid: str | None = "", algorithm: str | None = None, **more: Any) -> str:
        """A token signed with that key; `kid` empty: named after it, None: not named."""
        chosen = algorithm or {"rs": "RS256", "ec": "ES256", "ed": "EdDSA"}[key[:2]]
        headers = {} if kid is None else {"kid": kid or key}
        return jwt.encode(self.claims(**more), private_key(key), algorithm=chosen, headers=headers)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a service needs to know of it."""
        return {"auth": "required", "oidc_issuer": self.issuer, "oidc_audience": AUDIENCE, "rate_per_minute": 0, **more}


@contextmanager
def provider() -> Iterator[Provider]:
    """An identity provider that listens on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a document."""
            found.asked[self.path] += 1
            found.hold.wait(10)
            document = found.documents.get(self.path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def handmade(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """A token that no library would make: any header, and an HMAC of any secret, or no signature."""
    parts = [_encoded(json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts).encode()
    digests = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    digest = digests.get(str(header.get("alg")), hashlib.sha256)
    signature = b"" if secret is None else hmac.new(secret, signed, digest).digest()
    return ".".join([*parts, _encoded(signature)])


def tampered(token: str, **changed: Any) -> str:
    """A token with other claims and the signature that it had."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return ".".join([header, _encoded(json.dumps({**claims, **changed}).encode()), signature])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
