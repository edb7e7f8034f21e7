"""Strong ETags: an answer that has not changed costs its reader nothing but the question.

The tag is a hash of the bytes of the answer, so that it is right whatever the answer was made from, in
every process and after every restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from service.packing import is_packed, packed
from service.reads import Snapshot

# Areas: keep a copy, and ask every time whether it still holds. Cases: leave no copy behind on the disk of
# a browser.
REVALIDATE: Final = "no-cache"
NO_STORE: Final = "no-store"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Finished bytes and their tag."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Answer:
        """Tag some bytes."""
        return cls(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


def remembered(snapshot: Snapshot, key: tuple[str, ...], make: Callable[[], bytes]) -> Answer:
    """The answer of that key, made once per snapshot.

    Only for keys of which there are few: one per place, language and representation, nothing that a request
    invents.
    """
    answer = snapshot.memo.get(key)
    if not isinstance(answer, Answer):
        answer = snapshot.memo.setdefault(key, Answer.of(make()))
    return answer


async def remembered_beside(snapshot: Snapshot, key: tuple[str, ...], make: Callable[[], bytes]) -> Answer:
    """The same for a route on the event loop: what is there is given at once, and what has to be made is made beside
    the loop.
    """
    answer = snapshot.memo.get(key)
    return answer if isinstance(answer, Answer) else await run_in_threadpool(remembered, snapshot, key, make)


def respond(
    request: Request,
    answer: Answer,
    *,
    language: str,
    cache: str,
    media_type: str = JSON,
    link: str | None = None,
) -> Response:
    """The answer, or 304 when the asker has it already.

    A page goes packed to whoever takes it so; its tag is weak then, since other bytes tell the same.
    """
    packs = is_packed(request, media_type, len(answer.body))
    headers = {
        "ETag": f"W/{answer.etag}" if packs else answer.etag,
        "Cache-Control": cache,
        "Content-Language": language,
        # Who asks decides whether, and for cases what, is answered.
        "Vary": "Accept-Language, Authorization, Cookie" + (", Accept-Encoding" if media_type != JSON else ""),
        **({"Link": link} if link else {}),
    }
    if holds(request.headers.get("if-none-match"), answer.etag):
        return Response(status_code=304, headers=headers)
    if packs:
        return Response(packed(answer.body), media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(answer.body, media_type=media_type, headers=headers)


def holds(if_none_match: str | None, etag: str) -> bool:
    """Whether an `If-None-Match` header names the tag, compared weakly as RFC 9110, section 13.1.2, asks."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags
