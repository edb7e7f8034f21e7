"""Bearer tokens of an identity provider: JWTs as RFC 9068 and RFC 8725 ask to check them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import jwt

from service.auth.challenges import not_entitled, not_holding
from service.auth.jwks import PATIENCE, KeySet
from service.identity import SCOPES, Identity, Role, Scope
from service.language import marked
from service.problems import BusyError
from service.settings import Settings

# Kinds of JWT that grant access. One made for another use, such as a logout, is none.
_TYPES: Final = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub"]
_ALL_SCOPES: Final[Mapping[str, Scope]] = {scope.value: scope for scope in Scope}
_MAX_OFFICES: Final = 1_000


class Tokens:
    """What tells a good token from a bad one, for one identity provider."""

    def __init__(self, settings: Settings, keys: KeySet) -> None:
        self._settings, self._keys = settings, keys

    async def identity(self, text: str) -> Identity:
        """Who asks with this token. It only waits for the keys of the provider, and blocks nobody meanwhile.

        Raises
        ------
        UnauthorisedError
            If the token does not hold: forged, expired, not meant for this service.
        ForbiddenError
            If it holds and grants no role here.
        BusyError
            If the keys of the provider could not be fetched.
        """
        kid, algorithm = _header_of(text)
        key = await self._key(kid, algorithm)
        if key is None:
            raise not_holding()
        return identity_of(self._claims(text, key, algorithm), self._settings)

    async def _key(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        if algorithm not in self._settings.oidc_algorithms:
            return None
        key = self._keys.find(kid, algorithm)
        renewing = self._keys.renewed(missing=key is None)
        if key is None and renewing is not None:
            # Shielded: one who hangs up must not take the fetch away from the others.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(renewing)), PATIENCE + 1)
            key = self._keys.find(kid, algorithm)
        if key is None and not self._keys.usable:
            raise BusyError(
                marked(
                    "The keys of the identity provider could not be fetched, so no token can be checked. Try again."
                ),
                self._keys.pause_left(),
            )
        return key

    def _claims(self, text: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=settings.oidc_leeway_seconds,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise not_holding() from None
        return claims


def identity_of(claims: Mapping[str, Any], settings: Settings) -> Identity:
    """Who asks, from the claims of a token that holds.

    A token without a role that is known here is genuine and grants nothing: 403, as RFC 6750 has it for too little,
    and not the 401 of a token that does not hold.

    Raises
    ------
    ForbiddenError
        If the role is missing or unknown, or a handler has no office.
    """
    role = _role_of(claims.get(settings.oidc_role_claim))
    offices = _offices_of(claims.get(settings.oidc_offices_claim))
    if role is None or (role is Role.HANDLER and not offices):
        raise not_entitled()
    if role not in (Role.HANDLER, Role.ADMIN):
        # Of a role that reads no case, no office either.
        offices = frozenset()
    named = f"{claims['iss']}{claims['sub']}".encode("utf-8", "surrogatepass")
    actor = f"token:{hashlib.sha256(named).hexdigest()[:16]}"
    return Identity(actor, role, offices, SCOPES[role] & _scopes_of(claims))


def _header_of(text: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise not_holding() from None
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if not isinstance(kid, str) or not isinstance(algorithm, str) or not isinstance(kind, str | None):
        raise not_holding()
    if (None if kind is None else kind.lower()) not in _TYPES or header.get("b64", True) is not True:
        raise not_holding()
    return kid, algorithm


def _role_of(claim: Any) -> Role | None:
    """A role, or a list that holds exactly one of those known here; of two, neither is taken."""
    named = {item for item in (claim if isinstance(claim, list) else [claim]) if isinstance(item, str)}
    roles = [role for role in Role if role.value in named]
    return roles[0] if len(roles) == 1 else None


def _offices_of(claim: Any) -> frozenset[str] | None:
    """The offices of the claim; None: there is no such claim. One of another shape names no office."""
    if claim is None:
        return None
    sound = isinstance(claim, list) and len(claim) <= _MAX_OFFICES and all(isinstance(item, str) for item in claim)
    return frozenset(claim) if sound else frozenset()


def _scopes_of(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """What the claims `scope` and `scp` leave of a role; without both, all. They never add anything."""
    left = frozenset(Scope)
    for name in ("scope", "scp"):
        claim = claims.get(name)
        if claim is None:
            continue
        words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
        left &= {_ALL_SCOPES[word] for word in words if isinstance(word, str) and word in _ALL_SCOPES}
    return left
