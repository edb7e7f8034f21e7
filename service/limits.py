"""How much one request, and one asker, may take of the service.

Of a request: the length of its address, the size of its body, the time it takes to arrive, and JSON that can be read
one way only. Of an asker: requests in a minute. `Limits` is middleware around the routes, and so holds for all of
them; the number of cases or events in a body (`max_rows`) is for the routes to count.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CoroutineType, coroutine
from typing import Any, Final, NamedTuple

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.identity import LOCAL, PUBLIC
from service.problems import BodyError, http_problem
from service.strict_json import StrictJsonError, check_json

# Path and query together. Codes have at most 160 characters and cursors 400; many proxies cut at 8 KiB as well.
MAX_ADDRESS: Final = 8_192
# A request line and all headers. A signed token can take 4 KiB.
MAX_HEAD_BYTES: Final = 32_768
# Until the next part of a body, and until the last: 4 MiB at less than half a megabit a second.
PART_SECONDS: Final = 20.0
BODY_SECONDS: Final = 90.0
# From this size on, JSON is looked through beside the event loop.
_LARGE_JSON: Final = 65_536
# Askers that are remembered. One that is forgotten begins anew, with a full minute.
_ASKERS: Final = 10_000
_CLOSE: Final = {"Connection": "close"}
# Not counted: whether the service lives, and the files that a page is drawn with. They hold nothing of the store and
# lie in memory; a refusal that came without its style would leave its reader with a bare page.
_UNCOUNTED: Final = ("/health/", "/static/")


class Taken(NamedTuple):
    """What is left to an asker after a request: requests, and seconds until all are there again (or the first one)."""

    allowed: bool
    remaining: int
    seconds: int


class TokenBuckets:
    """Requests per minute of each asker: as many at once as a minute has, then as they come back.

    Kept in memory, of a bounded number of askers, and lost with the process: never a figure about anyone.

    Parameters
    ----------
    per_minute : how many
    clock : seconds, monotonic
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._per_second = per_minute / 60
        self._clock = clock
        self._full_at: OrderedDict[bytes, float] = OrderedDict()

    def take(self, asker: bytes) -> Taken:
        """Take one for this asker, if there is one."""
        now = self._clock()
        full_at = max(self._full_at.get(asker, now), now) + 1 / self._per_second
        missing = (full_at - now) * self._per_second
        # What is lost to rounding must not cost the last of a minute.
        if missing > self._per_minute + 1e-6:
            return Taken(False, 0, math.ceil(full_at - now - 60))
        self._full_at[asker] = full_at
        self._full_at.move_to_end(asker)
        if len(self._full_at) > _ASKERS:
            self._full_at.popitem(last=False)
        return Taken(True, int(self._per_minute - missing + 1e-6), math.ceil(full_at - now))

    def __len__(self) -> int:
        return len(self._full_at)


class RateLimit:
    """Who is asking, as far as that can be told before anyone is let in, and what is left to them.

    A credential counts for itself only after it was accepted once; until then its requests count for the address they
    come from, as do those of askers who show none. So made-up credentials are no way around the limit, and who has a
    good one does not share the limit of a whole town hall behind one address. Nothing is kept but keyed hashes.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._salt = secrets.token_bytes(16)
        self._address = lru_cache(maxsize=4_096)(lambda client: self._hash(network_of(client).encode()))
        self._addresses = TokenBuckets(per_minute, clock)
        self._actors = TokenBuckets(per_minute, clock)
        self._accepted: OrderedDict[bytes, bytes] = OrderedDict()

    def take(self, credential: bytes, client: str) -> tuple[Taken, bytes | None]:
        """Take one request of whoever shows this credential (may be empty) from this address.

        Returns
        -------
        taken : what is left
        unknown : for `accepted`, should the credential turn out to be good; None where there is none or it is known
        """
        unknown = None
        if credential:
            unknown = self._hash(credential)
            actor = self._accepted.get(unknown)
            if actor is not None:
                return self._actors.take(actor), None
        return self._addresses.take(self._address(client)), unknown

    def accepted(self, unknown: bytes, actor: str) -> None:
        """From now on, the credential of which `take` told this counts for this actor."""
        self._accepted[unknown] = self._hash(actor.encode())
        if len(self._accepted) > _ASKERS:
            self._accepted.popitem(last=False)

    def _hash(self, value: bytes) -> bytes:
        return hashlib.blake2b(value, digest_size=16, key=self._salt).digest()


def network_of(client: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has at least."""
    if ":" not in client:
        return client
    try:
        return str(ipaddress.ip_network((client.partition("%")[0], 64), strict=False))
    except ValueError:
        return client


class Limits:
    """Middleware that lets through what keeps to the limits, and raises a problem for the rest.

    Parameters
    ----------
    app : what comes after
    max_body_bytes : largest body
    rate : None: any number of requests
    refused : called with a word for the limit each time that one refuses
    """

    def __init__(
        self, app: ASGIApp, *, max_body_bytes: int, rate: RateLimit | None, refused: Callable[[str], None]
    ) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._rate = rate
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _Asked.of(scope["headers"])
        try:
            if self._rate is not None and not scope["path"].startswith(_UNCOUNTED):
                send = self._rated(self._rate, scope, asked.credential, send)
            if len(scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS:
                raise self._error("address", 414)
            if asked.head > MAX_HEAD_BYTES:
                raise self._error("head", 431, _CLOSE)
            if asked.length > self._max_body:
                raise self._error("body", 413, _CLOSE)
        except HTTPException as error:
            await http_problem(Request(scope), error)(scope, receive, send)
            return
        if asked.has_body:
            receive = _Body(receive, self._max_body, asked.is_json, self._error).receive
        await self._app(scope, receive, send)

    def _rated(self, rate: RateLimit, scope: Scope, credential: bytes, send: Send) -> Send:
        """`send` with what is left to the asker in the headers; or the refusal."""
        client = scope.get("client")
        taken, unknown = rate.take(credential, client[0] if client else "")
        if not taken.allowed:
            retry = {"Retry-After": str(max(taken.seconds, 1))}
            fields = {name.decode(): value.decode() for name, value in _rate_fields(rate.per_minute, taken)}
            raise self._error("rate", 429, retry | fields)
        # Who has more than half left need not know, and takes two headers less.
        told = 2 * taken.remaining < rate.per_minute
        if unknown is None and not told:
            return send

        async def send_rated(message: Message) -> None:
            if message["type"] == "http.response.start":
                if unknown is not None:
                    identity = scope.get("state", {}).get("identity")
                    # Strangers share no limit: each has that of its own address.
                    if identity is not None and identity.actor not in (LOCAL.actor, PUBLIC.actor):
                        rate.accepted(unknown, identity.actor)
                if told:
                    message["headers"] = [*message["headers"], *_rate_fields(rate.per_minute, taken)]
            await send(message)

        return send_rated

    def _error(self, limit: str, status: int, headers: dict[str, str] | None = None) -> HTTPException:
        self._refused(limit)
        return HTTPException(status, headers=headers)


def _rate_fields(per_minute: int, taken: Taken) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10; `t` is when all, or the next one, will be there."""
    return (
        (b"ratelimit-policy", b'"asker";q=%d;w=60' % per_minute),
        (b"ratelimit", b'"asker";r=%d;t=%d' % (taken.remaining, taken.seconds)),
    )


@dataclass(slots=True)
class _Asked:
    """What the headers of a request say that a limit goes by."""

    head: int = 0
    length: int = 0
    has_body: bool = False
    is_json: bool = False
    credential: bytes = b""

    @classmethod
    def of(cls, headers: Sequence[tuple[bytes, bytes]]) -> _Asked:
        named = dict(headers)
        asked = cls(credential=named.get(b"authorization", b"") or named.get(b"cookie", b""))
        for name, value in headers:
            asked.head += len(name) + len(value)
        if b"content-length" in named or b"transfer-encoding" in named:
            length = named.get(b"content-length", b"")
            # What is no number the server has refused.
            asked.length = int(length) if length.isdigit() else 0
            asked.has_body = asked.length > 0 or b"transfer-encoding" in named
            # Of several headers a route may go by another than this would: one that says JSON is enough.
            kinds = (value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type")
            asked.is_json = any(kind.endswith((b"/json", b"+json")) for kind in kinds)
        return asked


@coroutine
def _resumed(begun: CoroutineType[Any, Any, Message], waited_for: Any) -> Generator[Any, Any, Message]:
    """A coroutine that was begun by hand, gone on with from what it waits for."""
    try:
        while True:
            try:
                came = yield waited_for
            except BaseException as error:  # cancelled, for one: it is for the coroutine to end by it
                waited_for = begun.throw(error)
            else:
                waited_for = begun.send(came)
    except StopIteration as end:
        message: Message = end.value
        return message


class _Body:
    """The body of one request as the routes get it: bounded in size and time, and JSON only in one piece."""

    def __init__(
        self,
        receive: Receive,
        limit: int,
        is_json: bool,
        error: Callable[[str, int, dict[str, str] | None], HTTPException],
    ) -> None:
        self._receive = receive
        self._limit = limit
        self._is_json = is_json
        self._error = error
        self._size = 0
        self._parts: list[bytes] = []
        self._ends = time.monotonic() + BODY_SECONDS
        self._done = False

    async def receive(self) -> Message:
        """The next part; of JSON, the whole."""
        while not self._done:
            message = await self._next()
            if message["type"] != "http.request":
                self._done = True
                return message
            body = message.get("body", b"")
            self._size += len(body)
            if self._size > self._limit:
                raise self._error("body", 413, _CLOSE)
            self._done = not message.get("more_body", False)
            if not self._is_json:
                return message
            self._parts.append(body)
            if self._done:
                return {"type": "http.request", "body": await self._checked(), "more_body": False}
        # Whoever still asks wants to know when the asker goes away, and that has no limit.
        return await self._receive()

    async def _next(self) -> Message:
        patience = min(PART_SECONDS, self._ends - time.monotonic())
        receiving = self._receive()
        if patience > 0 and isinstance(receiving, CoroutineType):
            # Nearly always the part is there, and a timer would take longer than all else that is done with it.
            try:
                waited_for = receiving.send(None)
            except StopIteration as there:
                message: Message = there.value
                return message
            receiving = _resumed(receiving, waited_for)
        try:
            # Not `wait_for`, which makes a task of it.
            async with asyncio.timeout(max(patience, 0)):
                return await receiving
        except TimeoutError:
            raise self._error("time", 408, _CLOSE) from None

    async def _checked(self) -> bytes:
        body = b"".join(self._parts)
        self._parts.clear()
        if not body:
            return body
        try:
            if len(body) > _LARGE_JSON:
                await anyio.to_thread.run_sync(check_json, body)
            else:
                check_json(body)
        except StrictJsonError as error:
            raise BodyError(str(error)) from None
        return body
