"""Forms of the pages: read whole, of a small size, and only from a page of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from service.auth.sessions import refuse_cross_site
from service.language import marked
from service.problems import MediaTypeError, TooLargeError

_KIND: Final = "application/x-www-form-urlencoded"
_LARGEST: Final = 4_096
_MOST_FIELDS: Final = 16


async def posted_form(request: Request) -> Mapping[str, str]:
    """The fields of a form, each once; what cannot be read counts as not sent.

    Raises
    ------
    ForbiddenError
        If the form stood on a page of another site. It is asked also where nobody has to sign in: any page that is
        open in a browser of this machine could send one otherwise.
    MediaTypeError, TooLargeError
        If what came is no such form.
    """
    refuse_cross_site(request, request.app.state.settings)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise MediaTypeError(marked("Expected a form of the pages."))
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise TooLargeError(marked("Expected a form of the pages; what came is larger."))
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:  # no text, or too many fields
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}
