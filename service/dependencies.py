"""What routes are given: who asks, the store to answer from, and the language to answer in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from service.auth.challenges import not_allowed
from service.identity import Identity, Scope
from service.language import Words
from service.problems import request_words
from service.reads import Reads, Snapshot

# Where it is kept of a request who sent it, once that was found out before the route asked.
KNOWN: Final = "heed.asker"


@dataclass(frozen=True, slots=True)
class Telling:
    """How a snapshot is told: in which words, on which clock, with which names."""

    snapshot: Snapshot
    words: Words

    @property
    def time_zone(self) -> ZoneInfo:
        """The clock of the city."""
        return self.snapshot.time_zone

    @property
    def as_of(self) -> datetime:
        """The moment of the scoring, on the clock of the city."""
        return datetime.fromtimestamp(self.snapshot.as_of, self.time_zone)


# What routes depend on is `async`, though it awaits next to nothing: the framework hands every other function to a
# thread, which takes longer than all that is done there.


async def _reads(request: Request) -> Reads:
    reads: Reads = request.app.state.reads
    return reads


async def _words(request: Request) -> Words:
    return request_words(request)


Source = Annotated[Reads, Depends(_reads)]
Spoken = Annotated[Words, Depends(_words)]


async def _telling(reads: Source, words: Spoken) -> Telling:
    snapshot = reads.fresh()
    if snapshot is None:
        snapshot = await run_in_threadpool(reads.current)
    return Telling(snapshot, words)


Told = Annotated[Telling, Depends(_telling)]


class _Identify(SecurityBase):
    """Who asks, after checking that it may do what the route needs; and how the API describes that."""

    def __init__(self) -> None:
        self.model = HTTPBearer(
            bearerFormat="heed_ID_SECRET, or a JWT",
            description="A key (`heed keys add`), or a token of the identity provider that is configured.",
        )
        self.scheme_name = "bearer"

    async def __call__(self, request: Request, needed: SecurityScopes) -> Identity:
        """Who asks.

        Raises
        ------
        UnauthorisedError
            If nobody known is asking.
        ForbiddenError
            If the one who asks may not do this.
        """
        identity: Identity | None = request.scope.get(KNOWN)
        if identity is None:
            identity = await request.app.state.gate.identity(request)
        request.state.identity = identity
        # A scope is its name, so what is needed need not be made scopes of to be looked for.
        if not identity.scopes.issuperset(needed.scopes):
            raise not_allowed([Scope(scope) for scope in needed.scopes])
        return identity


identify = _Identify()


def allowed(scope: Scope) -> Any:
    """What a route depends on that needs a scope: `dependencies=[allowed(Scope.AREAS_READ)]`."""
    return Security(identify, scopes=[scope.value])


CaseReader = Annotated[Identity, Security(identify, scopes=[Scope.CASES_READ.value])]
FiguresReader = Annotated[Identity, Security(identify, scopes=[Scope.AREAS_READ.value])]
