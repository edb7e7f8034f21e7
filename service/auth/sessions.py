"""Sessions of the pages: a signed cookie that names a key, and which requests it may make.

The cookie holds no secret of the key. It is checked against the store with every request, as the key itself is: a
revoked key ends its sessions.
"""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

import jwt
from fastapi import Request, Response

from service.language import marked
from service.problems import ForbiddenError
from service.settings import Settings

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "heed:session"
_CLAIMS: Final = ("sub", "iat", "exp", "aud")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CROSS_SITE: Final = marked(
    "A page of another site asked for this, or the browser does not say which did. Ask from the pages of heed, or with "
    "a key in the header Authorization."
)


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach the service over TLS. The settings say so: a header could be anybody's."""
    return settings.tls_certificate is not None or settings.behind_proxy


def cookie_name(settings: Settings) -> str:
    """`__Host-` makes a browser refuse the cookie from a neighbouring name, and from plain HTTP."""
    return "__Host-heed" if is_secure(settings) else "heed"


def sealed(secret: bytes, key_id: str, *, hours: float, now: float | None = None) -> str:
    """The text of a session of that key, good for so many hours from `now` (seconds in UTC; None: this moment)."""
    moment = time.time() if now is None else now
    claims = {"sub": key_id, "iat": int(moment), "exp": int(moment + 3600 * hours), "aud": _AUDIENCE}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def unsealed(secret: bytes, text: str) -> str | None:
    """The id of the key that a session is of, or None if it was not made with this secret, or is over."""
    try:
        claims = jwt.decode(
            text, secret, algorithms=[_ALGORITHM], audience=_AUDIENCE, options={"require": list(_CLAIMS)}
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return str(claims["sub"])


def begin(response: Response, settings: Settings, text: str) -> None:
    """Hand the session to the browser."""
    response.set_cookie(
        cookie_name(settings),
        text,
        max_age=int(3600 * settings.session_hours),
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="strict",
    )


def end(response: Response, settings: Settings) -> None:
    """Make the browser forget the session."""
    response.delete_cookie(
        cookie_name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="strict"
    )


def refuse_cross_site(request: Request, settings: Settings, *, programs: bool = False) -> None:
    """Refuse a write that a browser makes for another site, with the cookie that it has of us or because it runs on
    the machine that we answer to.

    A browser says in Sec-Fetch-Site whose page asks; an older one says it in Origin.

    Parameters
    ----------
    programs : whether one that says neither is taken for a program; else it is not believed

    Raises
    ------
    ForbiddenError
        If another site asks, or it is not said which.
    """
    if request.method in _SAFE_METHODS:
        return
    # Not by `request.headers`: every write asks, and most have neither.
    site, origin = (_header(request, name) for name in (b"sec-fetch-site", b"origin"))
    if site is not None:
        ours = site.lower() == "same-origin"
    elif origin is not None:
        ours = _is_own(origin, request, settings)
    else:
        ours = programs
    if not ours:
        raise ForbiddenError(_CROSS_SITE)


def _header(request: Request, name: bytes) -> str | None:
    """The first header of a name, as `request.headers.get` has it."""
    for known, value in request.scope["headers"]:
        if known == name:
            return str(value.decode("latin-1"))
    return None


def _is_own(origin: str, request: Request, settings: Settings) -> bool:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    scheme = "https" if is_secure(settings) else "http"
    return parts.scheme == scheme and parts.netloc != "" and parts.netloc == request.headers.get("host", "").lower()
