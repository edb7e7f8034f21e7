"""Pages and pictures go packed to whoever takes them so: a list of cases is a sixth of its size then.

The answers of the API are left as they are: they are polled, and most of them are "not changed". Packing tells the size
of what is secret, which another site could use only if it could make a reader's browser ask for a page signed in; the
cookie of a session is not sent then (`SameSite=Strict`).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

# What is smaller fits one packet anyhow.
_SMALLEST: Final = 1_000
_LEVEL: Final = 5
_KINDS: Final = ("text/html", "image/svg+xml", "application/vnd.vega+json")
_ASKED: Final = re.compile(r"(?P<coding>[^\s;,]+)\s*(?:;\s*q\s*=\s*(?P<weight>[\d.]+))?[^,]*", re.IGNORECASE)


def takes_packed(request: HTTPConnection) -> bool:
    """Whether the asker takes gzip, by RFC 9110, section 12.5.3: what is named counts before `*`, and a weight of
    nought is a refusal.
    """
    accepted = request.headers.get("accept-encoding", "")
    weights = {found["coding"].lower(): _weight(found["weight"]) for found in _ASKED.finditer(accepted)}
    named = [weights[name] for name in ("gzip", "x-gzip") if name in weights]
    return max(named or [weights.get("*", 0.0)]) > 0


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:  # 0.5.1, for one
        return 0.0


def is_packed(request: Request, media_type: str, size: int) -> bool:
    """Whether an answer of that kind and size in bytes goes packed."""
    return size >= _SMALLEST and media_type.startswith(_KINDS) and takes_packed(request)


def packed(body: bytes) -> bytes:
    """The bytes in gzip; the same whenever they are packed."""
    return gzip.compress(body, _LEVEL, mtime=0)


class LeanFiles(StaticFiles):
    """Files of the pages; style sheets and scripts without their comments and blanks, a sixth of them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or what stands for it: not there, or not changed."""
        found = await super().get_response(path, scope)
        lean = _LEAN.get(Path(path).suffix)
        if lean is None or not isinstance(found, FileResponse) or found.status_code != 200:
            return found
        kept = {name: found.headers[name] for name in ("etag", "last-modified")}
        body = _made_lean(lean, str(found.path), kept["etag"])
        if scope["method"] == "HEAD":
            return Response(headers={**kept, "Content-Length": str(len(body))}, media_type=found.media_type)
        return Response(body, headers=kept, media_type=found.media_type)


def lean_style(text: str) -> str:
    """A style sheet that says the same in fewer letters. Strings in it hold no braces, colons or comments."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s*([{};,])\s*", r"\1", text)
    return re.sub(r":\s+", ":", text).replace(";}", "}").strip()


def lean_script(text: str) -> str:
    """A script without the blanks that its lines begin with, and without lines that are comments."""
    return re.sub(r"^[ \t]*(?://.*)?\n?", "", text, flags=re.MULTILINE)


_LEAN: Final[Mapping[str, Callable[[str], str]]] = {".css": lean_style, ".js": lean_script}


@lru_cache(maxsize=32)
def _made_lean(lean: Callable[[str], str], path: str, _etag: str) -> bytes:
    return lean(Path(path).read_text(encoding="utf-8")).encode()


class PackedFiles:
    """Files that go packed to whoever takes them so."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = GZipMiddleware(files, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the middleware is told in one word what was asked for, since it knows no weights."""
        asked = b"gzip" if takes_packed(HTTPConnection(scope)) else b"identity"
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._files({**scope, "headers": [*headers, (b"accept-encoding", asked)]}, receive, send)
