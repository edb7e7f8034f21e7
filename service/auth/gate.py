"""The gate: from the credential of a request to who asks."""

from __future__ import annotations

import re
import time
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from data.errors import UsageError
from service.auth import sessions
from service.auth.challenges import nobody, not_holding
from service.auth.jwks import KeySet
from service.auth.key_ring import KeyRing
from service.auth.keys import PREFIX, key_id_of, opens
from service.auth.tokens import Tokens
from service.identity import LOCAL, PUBLIC, Identity
from service.language import marked
from service.settings import Settings

# Longer than any token that names a role and some offices, and short enough to check without a thought.
_MAX_CREDENTIAL: Final = 8_192
# What anyone may read where `HEED_PUBLIC_BOARD` says so: disclosed figures, the same for everybody.
PUBLIC_PATHS: Final = frozenset({"/board", "/v1/board", "/v1/board.csv", "/v1/board/schema.json", "/charts/board.svg"})
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class Gate:
    """Who asks, for one service. Safe to use from several threads and event loops."""

    def __init__(self, settings: Settings, *, keys: KeySet | None = None) -> None:
        self._settings = settings
        self._ring = KeyRing(settings)
        self._cookie = sessions.cookie_name(settings)
        self._tokens: Tokens | None = None
        if settings.oidc_issuer is not None:
            algorithms = frozenset(settings.oidc_algorithms)
            known = keys or KeySet(settings.oidc_issuer, settings.oidc_jwks_url, algorithms)
            self._tokens = Tokens(settings, known)

    async def identity(self, request: Request) -> Identity:
        """Who asks. The store and the identity provider are only asked where what is known has aged.

        Whoever shows nothing is `PUBLIC` at the addresses of the echo board, where the settings open it.
        A header counts before a cookie, and one that does not hold is not made good by the other.

        Raises
        ------
        UnauthorisedError
            If no credential came, or one that does not hold.
        ForbiddenError
            If a token grants no role, or another site writes with the cookie.
        UsageError
            If more than one header Authorization came.
        StoreError, BusyError
            If the keys of the store, or those of the identity provider, cannot be had.
        """
        if self._settings.auth == "none":
            # A page on the internet that is open in a browser of this machine can send to it as well.
            sessions.refuse_cross_site(request, self._settings, programs=True)
            return LOCAL
        sent = request.headers.getlist("authorization")
        if len(sent) > 1:
            raise UsageError(marked("Expected one header Authorization, got several."))
        if sent:
            return await self._by_bearer(sent[0])
        session = request.cookies.get(self._cookie)
        if session is None:
            if self._settings.public_board and request.method == "GET" and request.scope["path"] in PUBLIC_PATHS:
                return PUBLIC
            raise nobody()
        return await self._by_session(request, session)

    async def begin_session(self, text: str) -> str:
        """The text of a new session for whoever shows this key.

        Raises
        ------
        UnauthorisedError
            If the key does not hold.
        StoreError
            If the keys cannot be read, or the first session of a store cannot be stored.
        """
        identity = await self._by_key(text)
        secret: bytes = await run_in_threadpool(self._ring.begin_sessions)
        return sessions.sealed(secret, identity.actor.removeprefix("key:"), hours=self._settings.session_hours)

    def close(self) -> None:
        """Close what it holds open of the store."""
        self._ring.close()

    async def _by_bearer(self, header: str) -> Identity:
        # The name of a scheme is of either case: RFC 9110, section 11.1.
        scheme, _, text = header.partition(" ")
        text = text.strip(" ")
        if scheme.lower() != "bearer" or len(text) > _MAX_CREDENTIAL or not _TOKEN68.fullmatch(text):
            raise not_holding()
        if text.startswith(PREFIX):
            return await self._by_key(text)
        if self._tokens is None:
            raise not_holding()
        return await self._tokens.identity(text)

    async def _by_key(self, text: str) -> Identity:
        await self._recheck()
        key = self._ring.get(key_id_of(text))
        if not opens(text, key, time.time()) or key is None:
            raise not_holding()
        return key.identity()

    async def _by_session(self, request: Request, text: str) -> Identity:
        if len(text) > _MAX_CREDENTIAL:
            raise not_holding()
        await self._recheck()
        secret = self._ring.session_secret
        key = self._ring.get(None if secret is None else sessions.unsealed(secret, text))
        if key is None or key.state(time.time()) != "good":
            raise not_holding()
        sessions.refuse_cross_site(request, self._settings)
        return key.identity()

    async def _recheck(self) -> None:
        if not self._ring.fresh:
            await run_in_threadpool(self._ring.refresh)
