"""The public keys of the identity provider: fetched seldom, never on a stranger's account, and never while others wait.

A token names its key. Whoever sends made-up names could make a service fetch with every request; so there is one
fetch in `FETCH_PAUSE` seconds at most, whatever is asked for. It runs in a thread of its own, and a request whose key
is known does not wait for it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.settings import ASYMMETRIC, is_loopback

logger = logging.getLogger("heed.service")

# Seconds between two fetches, whether the first one succeeded or not.
FETCH_PAUSE: Final = 30.0
# Seconds after which keys are fetched anew, and after which they count no more if that fails.
RENEW_AFTER: Final = 900.0
FORGET_AFTER: Final = 86_400.0
# Seconds that a whole fetch may take, discovery included.
PATIENCE: Final = 5.0
_MAX_BYTES: Final = 262_144
_MAX_KEYS: Final = 100
_MIN_RSA_BITS: Final = 2048
_DISCOVERY: Final = "/.well-known/openid-configuration"
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_FITTING: Final[Mapping[tuple[str, str | None], frozenset[str]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}

Fetch = Callable[[str, float], Any]


class UnusableKeysError(Exception):
    """What the identity provider answered is no set of keys; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class _Known:
    keys: Mapping[tuple[str, str], jwt.PyJWK]
    at: float


class KeySet:
    """The keys of one identity provider. Safe to use from several threads.

    Parameters
    ----------
    issuer : the provider, as its tokens name it
    jwks_url : where its keys are; None: as its discovery document says
    algorithms : signatures that count; each one has to be asymmetric
    fetch : gets the JSON at an address before a moment of `clock`; what it raises counts as not to be had
    clock : seconds that never run backwards
    """

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        algorithms: frozenset[str],
        *,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._jwks_url = issuer, jwks_url
        self._algorithms = algorithms & ASYMMETRIC
        self._fetch, self._clock = fetch or fetch_json, clock
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._tried_at = float("-inf")
        self._running: Future[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether any keys are known, and not too long ago."""
        return self._known is not None and self._clock() - self._known.at < FORGET_AFTER

    def find(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """The key of that name for signatures of that algorithm; from memory, without waiting."""
        known = self._known
        return None if known is None or not self.usable else known.keys.get((kid, algorithm))

    def renewed(self, *, missing: bool) -> Future[None] | None:
        """A fetch that is under way, begun now if one is due; None if none is and none may be.

        Parameters
        ----------
        missing : whether a key was asked for that is not known
        """
        with self._lock:
            if self._running is not None:
                return self._running
            now = self._clock()
            aged = self._known is None or now - self._known.at >= RENEW_AFTER
            if not (missing or aged) or now - self._tried_at < FETCH_PAUSE:
                return None
            self._tried_at = now
            running: Future[None] = Future()
            self._running = running
        running.set_running_or_notify_cancel()
        threading.Thread(target=self._run, args=(running,), name="heed-jwks", daemon=True).start()
        return running

    def pause_left(self) -> int:
        """Whole seconds until the next fetch may begin, at least 1."""
        return max(1, int(FETCH_PAUSE - (self._clock() - self._tried_at)) + 1)

    def _run(self, running: Future[None]) -> None:
        try:
            keys = self._read()
        except Exception as error:
            # Its message may quote an answer; the kind of error is enough to know where to look.
            logger.warning("the keys of the identity provider could not be fetched (%s)", _told(error))
        else:
            self._known = _Known(keys, self._clock())
        with self._lock:
            self._running = None
        running.set_result(None)

    def _read(self) -> Mapping[tuple[str, str], jwt.PyJWK]:
        before = self._clock() + PATIENCE
        url = self._jwks_url
        if url is None:
            found = self._fetch(self._issuer.rstrip("/") + _DISCOVERY, before)
            # Section 4.3 of OpenID Connect Discovery: else one provider could speak for another.
            if not isinstance(found, dict) or found.get("issuer") != self._issuer:
                raise UnusableKeysError("expected a discovery document of the issuer that is configured")
            url = found.get("jwks_uri")
        if not isinstance(url, str) or not _may_fetch(url):
            raise UnusableKeysError("expected the keys at an https address")
        return usable_keys(self._fetch(url, before), self._algorithms)


def usable_keys(answer: Any, algorithms: frozenset[str]) -> dict[tuple[str, str], jwt.PyJWK]:
    """The keys of a JWK Set that may check signatures, by their id and each algorithm that they fit.

    Left out are keys without an id, symmetric and private ones, RSA below 2,048 bits, and those that say they are for
    something else. A key is never used with an algorithm of another kind of key.

    Raises
    ------
    UnusableKeysError
        If it is no JWK Set, or none of its keys can be used.
    """
    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise UnusableKeysError("expected a JWK Set")
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for entry in listed[:_MAX_KEYS]:
        for algorithm in _algorithms_of(entry) & algorithms:
            key = _parsed(entry, algorithm)
            if key is not None:
                found.setdefault((entry["kid"], algorithm), key)
    if not found:
        raise UnusableKeysError("expected a key for one of the configured algorithms")
    return found


def fetch_json(url: str, before: float) -> Any:
    """The JSON at an address: no redirect followed, of bounded size, and done before that moment of `time.monotonic`.

    Raises
    ------
    httpx.HTTPError
        If it cannot be reached in time, or refuses.
    UnusableKeysError
        If the answer is too large or too slow.
    ValueError
        If it is no JSON.
    """
    timeout = max(0.1, min(3.0, before - time.monotonic()))
    body = bytearray()
    with (
        httpx.Client(timeout=timeout, follow_redirects=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status_code != 200:
            raise UnusableKeysError("expected status 200")
        for part in answer.iter_bytes(16_384):
            body += part
            if len(body) > _MAX_BYTES or time.monotonic() > before:
                raise UnusableKeysError("expected a small answer in a few seconds")
    return json.loads(bytes(body))


def _may_fetch(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _algorithms_of(entry: Any) -> frozenset[str]:
    """What a key of a JWK Set may check; nothing if it should not be used at all."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or "d" in entry or "k" in entry:
        return frozenset()
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return frozenset()
    fitting = _FITTING.get((kind, curve), frozenset())
    named = entry.get("alg")
    return fitting if named is None else fitting & {named} if isinstance(named, str) else frozenset()


def _parsed(entry: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    try:
        key = jwt.PyJWK.from_dict(entry, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS:
        return None
    return key


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, UnusableKeysError) else type(error).__name__
