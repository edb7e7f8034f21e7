"""What problems say: titles and expectations in the language of the reader, and the names of their kinds.

Nothing here repeats what came: a value is told by what it should have been, and by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from service.language import Words, marked

TOO_LARGE: Final = marked("Too large")
TOO_MANY_REQUESTS: Final = marked("Too many requests")


def http_words(words: Words, status: int) -> tuple[str, str]:
    """Title and detail of an answer that only has a number: our words where there are some, else those of HTTP."""
    title, detail = _HTTP_WORDS.get(status, (_UNNAMED, HTTPStatus(status).phrase))
    return words.gettext(title), words.gettext(detail)


def http_kind(status: int) -> str:
    """The kind of such an answer, as it ends the URN of its type."""
    return _KINDS.get(status) or kind_of(HTTPStatus(status).phrase)


def kind_of(name: str) -> str:
    """`NotFound` and `Not Found` as `not-found`."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in name)
    return "-".join(spaced.lower().replace("-", " ").split())


def what_was_expected(words: Words, kind: str, limits: Mapping[str, Any]) -> str:
    """What a value should have been. Pydantic's own words are not used: they may quote what came.

    Parameters
    ----------
    kind : the type of an error of Pydantic, or of one of ours such as `MOMENT_ERROR`
    limits : what was allowed, by Pydantic's names; only those that a message names are told
    """
    message = _EXPECTED.get(kind, _AS_DESCRIBED)
    shown = {name: str(limit).replace(" or ", ", ") for name, limit in limits.items() if f"%({name})s" in message}
    return words.gettext(message, **shown)


def place_in_body(parts: Sequence[Any]) -> str:
    """A place in a body: `events[3].at`. Where a body is no JSON, there is only a number of a character, which says
    nothing.
    """
    if not parts or not isinstance(parts[0], str):
        return ""
    return parts[0] + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts[1:])


_AS_DESCRIBED: Final = marked("a value as this address describes it")
# Of the custom errors that say that a moment is none.
MOMENT_ERROR: Final = "rfc_3339"
_EXPECTED: Final = {
    MOMENT_ERROR: marked("a moment with its offset, such as 2026-03-02T08:30:00+08:00"),
    "moment_ahead": marked("a moment no later than now"),
    "enum": marked("one of %(expected)s"),
    "too_short": marked("at least %(min_length)s entries"),
    "too_long": marked("at most %(max_length)s entries"),
    "int_parsing": marked("a whole number"),
    "literal_error": marked("one of %(expected)s"),
    "greater_than_equal": marked("at least %(ge)s"),
    "less_than_equal": marked("at most %(le)s"),
    "string_too_long": marked("at most %(max_length)s characters"),
    "extra_forbidden": marked("only parameters that this address knows; its description lists them"),
    "missing": marked("a value"),
    "union_tag_invalid": marked("one of %(expected_tags)s as its kind"),
}
_UNNAMED: Final = marked("The request cannot be answered")
# Where the name of the status would not do: it differs between versions of Python, or an error of ours has another.
_KINDS: Final = {
    408: "timeout",
    413: "too-large",
    414: "address-too-long",
    422: "invalid-request",
    431: "head-too-large",
}
_HTTP_WORDS: Final = {
    404: (marked("Not found"), marked("There is nothing at this address.")),
    405: (
        marked("Method not allowed"),
        marked("This address does not take this method; the header Allow lists those that it takes."),
    ),
    408: (marked("Too slow"), marked("The body of the request did not arrive in time. Send it again.")),
    413: (TOO_LARGE, marked("The body of the request is larger than is taken. Send it in several parts.")),
    414: (marked("The address is too long"), marked("Expected a shorter address: fewer or shorter parameters.")),
    422: (marked("The request is not as expected"), marked("The body could not be read.")),
    429: (
        TOO_MANY_REQUESTS,
        marked("This asks more often than is taken. The header Retry-After says in how many seconds to ask again."),
    ),
    431: (marked("The headers are too large"), marked("Expected smaller headers: 32 KiB in all.")),
}
