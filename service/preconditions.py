"""Writes that say which state they were decided on: `If-Match`, as RFC 9110, section 13.1.1, has it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header, Request

from service.language import marked
from service.problems import PreconditionFailedError, PreconditionRequiredError

_NEEDED: Final = marked(
    "This write needs the header If-Match with the strong ETag of the state that it was decided on. Read it first."
)
_CHANGED: Final = marked("It has changed since that ETag was given. Read it again, and decide again.")

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The strong ETag of the state that this was decided on. Without it the answer is 428; if it is no "
        "longer the ETag, 412, and nothing has changed.",
        examples=['"9f2c1d0a7b3e4f5566778899"'],
    ),
]


def require_condition(request: Request) -> None:
    """Refuse a write that does not say which state it was decided on; `*`, any state, says nothing.

    Raises
    ------
    PreconditionRequiredError
        If there is no `If-Match` with a tag.
    """
    if not _tags(request) - {"*"}:
        raise PreconditionRequiredError(_NEEDED)


def require_match(request: Request, etag: str) -> None:
    """Refuse a write that was decided on another state than the one with this tag. A weak tag matches nothing.

    Raises
    ------
    PreconditionFailedError
        If `If-Match` does not name the tag.
    """
    if etag not in _tags(request):
        raise PreconditionFailedError(_CHANGED)


def _tags(request: Request) -> set[str]:
    sent = request.headers.getlist("if-match")
    # Our tags hold no comma, so that what is cut at one is no tag of ours anyway.
    return {tag.strip() for line in sent for tag in line.split(",") if tag.strip()}
