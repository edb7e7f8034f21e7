"""Pages and pictures go packed to whoever takes them so: a list of cases is a sixth of its size then.

The answers of the API are left as they are: they are polled, and most of them are "not changed". Packing tells the size
of what is secret, which another site could use only if it could make a reader's browser ask for a page signed in; the
cookie of a session is not sent then (`SameSite=Strict`).
"""

from __future__ import annotations

import gzip
import re
from typing import Final

from fastapi import Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

# What is smaller fits one packet anyhow.
_SMALLEST: Final = 1_000
_LEVEL: Final = 5
_KINDS: Final = ("text/html", "image/svg+xml", "application/vnd.vega+json")
_REFUSED: Final = re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE)


def takes_packed(request: Request) -> bool:
    """Whether the asker takes gzip, by RFC 9110, section 12.5.3."""
    accepted = request.headers.get("accept-encoding", "")
    return "gzip" in accepted.lower() and not _REFUSED.search(accepted)


def is_packed(request: Request, media_type: str, size: int) -> bool:
    """Whether an answer of that kind and size in bytes goes packed."""
    return size >= _SMALLEST and media_type.startswith(_KINDS) and takes_packed(request)


def packed(body: bytes) -> bytes:
    """The bytes in gzip; the same whenever they are packed."""
    return gzip.compress(body, _LEVEL, mtime=0)


def packed_files(files: StaticFiles) -> GZipMiddleware:
    """Files that go packed to whoever takes them so."""
    return GZipMiddleware(files, minimum_size=_SMALLEST, compresslevel=_LEVEL)
