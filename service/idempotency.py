"""Writes that may be sent again: the same `Idempotency-Key` gives the same answer and has one effect.

As draft-ietf-httpapi-idempotency-key-header has it. For a route that writes (in a plain `def`, it waits for the store):

    @router.post("/jobs", dependencies=[allowed(Scope.JOBS_RUN), TAKES_JSON], ...)
    def add_job(request: Request, identity: JobRunner, reads: Source, job: NewJob) -> Response:
        def effect(connection: Connection) -> Written:
            ...  # everything that is stored, with `connection`, the audit entry included
            return Written.of(body, status=202, headers={"Location": f"/v1/jobs/{job_id}"})

        return idempotent(request, identity, reads.store(), effect)

`TAKES_JSON` checks the kind of the body and the key; `TAKES_JSON_ONCE` also asks for a key. Without a key `effect` runs
once for every call.

Two transactions: a short one claims the key, for a while, and a second one holds the effect and the stored answer. So
whatever ends the process leaves both or none, and the claim runs out. Who comes back to a claim that another has
taken over meanwhile is refused before anything is stored. Only what was done is remembered: a call that failed, by the
asker's mistake or ours, gives the key back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection, Row, delete, insert, select, update

from data import tables
from data.errors import StoreError, UsageError
from data.store import Store
from service.etags import Answer
from service.identity import Identity
from service.language import marked
from service.problems import BusyError, ConflictError, IdempotencyError, MediaTypeError

logger = logging.getLogger("heed.service")

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
# How long a claim holds. Longer than a write takes; no longer, because a call whose process died waits for it.
LEASE_SECONDS: Final = 30
# How long a write waits for another writer. An import can take minutes, and an asker should rather come again.
PATIENCE_SECONDS: Final = 10
_MAX_KEY: Final = 128
_SELDOM: Final = 64
_JSON: Final = "application/json"
# As what is read says of itself; see `service.etags.respond`.
_VARY: Final = "Accept-Language, Authorization, Cookie"

# A structured field: a string in quotation marks, or a token as many clients send it.
_QUOTED: Final = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~:/=]+")

_BAD_KEY: Final = marked(
    "Expected one Idempotency-Key of 1 to 128 visible ASCII characters, in quotation marks or as a token; a fresh UUID "
    "for each write is a good one."
)
_NO_KEY: Final = marked(
    "This write needs the header Idempotency-Key, so that it can be sent again without being done twice. Send a fresh "
    "UUID with each write, and the same one when you repeat it."
)
_OTHER: Final = marked(
    "This Idempotency-Key came with another request before. Send a new key with a new request, and repeat a request "
    "unchanged."
)
_UNDER_WAY: Final = marked("The write with this Idempotency-Key is under way. Ask again a little later.")
_OVERTAKEN: Final = marked(
    "The write with this Idempotency-Key took too long, and a repetition of it was begun meanwhile. Ask again."
)
_NOT_JSON: Final = marked("Expected a body of the kind application/json.")
_BUSY: Final = marked("Another writer holds the store. Nothing was stored; ask again a little later.")
_UNWRITABLE: Final = marked("The store could not be written to, and nothing was stored. Ask again a little later.")


class UnderWayError(ConflictError):
    """The same write is under way; `retry_after` seconds later it is done, or may be done."""

    title = marked("Under way")

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answers: finished bytes, kept as they are for whoever repeats the call.

    `status` is below 400: what fails is raised, so that its transaction ends without a trace.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Written:
        """A model as JSON, with no copy of it kept on the way unless `headers` say so."""
        told = {"Content-Type": _JSON, "Cache-Control": "no-store", **(headers or {})}
        return cls(status, body.model_dump_json().encode(), told)

    @classmethod
    def tagged(cls, answer: Answer, *, language: str, cache: str) -> Written:
        """What reading it would answer now, with its new ETag."""
        told = {"Content-Type": _JSON, "ETag": answer.etag, "Content-Language": language, "Vary": _VARY}
        return cls(200, answer.body, {**told, "Cache-Control": cache})

    def response(self, *, replayed: bool = False) -> Response:
        """The answer over HTTP."""
        headers = {**self.headers, **({REPLAYED: "true"} if replayed else {})}
        return Response(self.body, self.status, headers=headers)


Effect = Callable[[Connection], Written]


def kept_as(key: str, secret: bytes) -> str:
    """What is stored of a key, in 64 hex digits: a program may make its keys of numbers of cases.

    Parameters
    ----------
    secret : `Store.case_key`
    """
    return hashlib.blake2b(key.encode(), key=secret, digest_size=32, person=b"idempotency-key").hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """A call that writes, as `TAKES_JSON` read it: its key, None without one, and a digest of all that it asks for."""

    key: str | None
    asked: bytes

    @property
    def name(self) -> str | None:
        """The same for a call that is repeated with its key, in 32 hex digits; None without one."""
        return None if self.key is None else hashlib.sha256(self.asked + self.key.encode()).hexdigest()[:32]


def _key_of(request: Request) -> str | None:
    """The key without its quotation marks.

    Raises
    ------
    UsageError
        If there are several, or it is none.
    """
    sent = request.headers.getlist(HEADER)
    if not sent:
        return None
    if len(sent) == 1:
        text = sent[0].strip()
        quoted = _QUOTED.fullmatch(text)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text if _TOKEN.fullmatch(text) else ""
        if 1 <= len(key) <= _MAX_KEY:
            return key
    raise UsageError(_BAD_KEY)


def _asked(request: Request, body: bytes) -> bytes:
    """A digest of the method, the address, the state that the asker decided on, and the body."""
    parts = (request.method, request.url.path, request.url.query, request.headers.get("if-match", ""))
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(hashlib.sha256(body).digest())
    return digest.digest()


_KeyHeader = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="Names this write, in quotation marks or as a token of 1 to 128 visible ASCII characters. The same "
        "key with the same request gives the same answer, with `Idempotency-Replayed: true`, and is done once; with "
        "another request it is refused.",
        examples=["7d1f2a9e-58c3-4a53-8a20-0e4c9f0f7f11"],
    ),
]


def require_json(request: Request, body: bytes) -> None:
    """Refuse a body that does not say it is JSON: what does not say so was not looked through (`service.limits`).

    Raises
    ------
    MediaTypeError
        If it is of another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != _JSON:
        raise MediaTypeError(_NOT_JSON)


async def _call(request: Request, _key: _KeyHeader = None) -> Call:
    body = await request.body()
    require_json(request, body)
    call = Call(_key_of(request), _asked(request, body))
    request.state.call = call
    return call


async def _call_once(call: Annotated[Call, Depends(_call)]) -> Call:
    if call.key is None:
        raise UsageError(_NO_KEY)
    return call


# What a route that writes depends on, after the scope that it needs.
TAKES_JSON: Final[Any] = Depends(_call)
TAKES_JSON_ONCE: Final[Any] = Depends(_call_once)


def idempotent(
    request: Request,
    identity: Identity,
    store: Store,
    effect: Effect,
    *,
    prepare: Callable[[], object] | None = None,
) -> Response:
    """The answer of a write that is done once for each key of an asker.

    Parameters
    ----------
    request : of a route that depends on `TAKES_JSON` or `TAKES_JSON_ONCE`
    identity : who asks; another asker's keys are others
    store : `service.reads.Reads.store`
    effect : stores everything with the connection that it is given, and says what is answered; no other connection may
        write meanwhile. What it raises undoes it, and the key is free again.
    prepare : what can be done before the store is locked, such as reading the body; not called for a repetition

    Raises
    ------
    IdempotencyError
        If the key came with another request before.
    UnderWayError
        If the same write is under way, or if this one took so long that a repetition was begun.
    BusyError, StoreError
        If the store could not be written to.
    """
    call: Call = request.state.call
    if call.key is None:
        if prepare is not None:
            prepare()
        with writing(store) as connection:
            written = _checked(effect(connection))
        return written.response()
    # Under the key of the store: whoever holds a copy of the table could else guess the number of a case that was
    # posted, and make sure by hashing.
    secret = store.case_key()
    sha256 = hashlib.blake2b(call.asked, key=secret, digest_size=32).hexdigest()
    once = _Once(identity.actor, kept_as(call.key, secret), sha256, request.app.state.settings.idempotency_hours)
    known = once.claim(store)
    if known is not None:
        return known.response(replayed=True)
    try:
        if prepare is not None:
            prepare()
        with writing(store) as connection:
            once.require_claim(connection)
            written = _checked(effect(connection))
            once.settle(connection, written)
    except BaseException:
        # Best effort: if the store is out of reach, the claim runs out by itself.
        with contextlib.suppress(StoreError, BusyError):
            once.give_back(store)
        raise
    return written.response()


@contextlib.contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """`Store.writing` as the service needs it: it waits for a little while only, and says no path of the machine.

    Raises
    ------
    BusyError, StoreError
        If another writer holds the store, or the database refuses.
    """
    try:
        with store.writing(patience=PATIENCE_SECONDS) as connection:
            yield connection
    except StoreError as error:
        logger.warning("the store could not be written to")
        if "locked" in str(error):
            raise BusyError(_BUSY, retry_after=PATIENCE_SECONDS) from None
        raise StoreError(_UNWRITABLE) from None


def _checked(written: Written) -> Written:
    if written.status >= 400:
        raise ValueError(f"Expected a write that failed to raise, and it answered {written.status}.")
    return written


_TABLE: Final = tables.idempotent_request
_ROW: Final = _TABLE.c


@dataclass(slots=True)
class _Once:
    """One attempt at a write with a key."""

    actor: str
    key: str
    sha256: str
    hours: float
    attempt: str = field(default_factory=lambda: secrets.token_hex(16))

    def claim(self, store: Store) -> Written | None:
        """Claim the key for a while; or the answer that it has already."""
        now = int(time.time())
        # Without waiting for a writer, because nothing is to be written.
        with store.reading() as connection:
            settled = self._settled(self._found(connection, now))
        if settled is not None:
            return settled
        with writing(store) as connection:
            # Those of other keys seldom, because that looks at all of them; `heed retain` takes them away as well.
            expired = _ROW.started_at <= self._oldest(now)
            connection.execute(
                delete(_TABLE).where(expired if secrets.randbelow(_SELDOM) == 0 else self._mine() & expired)
            )
            found = self._found(connection, now)
            settled = self._settled(found)
            if settled is not None:
                return settled
            left = 0 if found is None else int(found.lease_until) - now
            # A claim that holds for longer than any does is of a clock that has been set back since.
            if 0 < left <= LEASE_SECONDS:
                raise UnderWayError(_UNDER_WAY, retry_after=left)
            self._take(connection, now, taken_over=found is not None)
        return None

    def require_claim(self, connection: Connection) -> None:
        """Refuse to go on where the claim ran out and another attempt took it over."""
        holds = select(_ROW.attempt).where(self._mine(), _ROW.attempt == self.attempt, _ROW.status.is_(None))
        if connection.execute(holds).first() is None:
            raise UnderWayError(_OVERTAKEN, retry_after=1)

    def settle(self, connection: Connection, written: Written) -> None:
        """Keep the answer, in the transaction of the effect."""
        values = {
            "status": written.status,
            "headers": json.dumps(dict(written.headers), ensure_ascii=False),
            "body": written.body,
        }
        connection.execute(update(_TABLE).where(self._mine(), _ROW.attempt == self.attempt).values(**values))

    def give_back(self, store: Store) -> None:
        """Free the key after a failure."""
        with writing(store) as connection:
            held = (self._mine(), _ROW.attempt == self.attempt, _ROW.status.is_(None))
            connection.execute(delete(_TABLE).where(*held))

    def _take(self, connection: Connection, now: int, *, taken_over: bool) -> None:
        claim = {"attempt": self.attempt, "lease_until": now + LEASE_SECONDS}
        if taken_over:
            connection.execute(update(_TABLE).where(self._mine()).values(**claim))
            return
        row = {"actor": self.actor, "idempotency_key": self.key, "request_sha256": self.sha256, "started_at": now}
        connection.execute(insert(_TABLE).values(**row, **claim))

    def _found(self, connection: Connection, now: int) -> Row[Any] | None:
        return connection.execute(select(_TABLE).where(self._mine(), _ROW.started_at > self._oldest(now))).first()

    def _settled(self, found: Row[Any] | None) -> Written | None:
        """The answer of a row that has one.

        Raises
        ------
        IdempotencyError
            If the row is of another request.
        """
        if found is None:
            return None
        if found.request_sha256 != self.sha256:
            raise IdempotencyError(_OTHER)
        if found.status is None:
            return None
        return Written(int(found.status), bytes(found.body), json.loads(found.headers))

    def _oldest(self, now: int) -> int:
        return now - round(self.hours * 3600)

    def _mine(self) -> Any:
        return (_ROW.actor == self.actor) & (_ROW.idempotency_key == self.key)
