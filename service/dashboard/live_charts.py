"""The library that makes the charts of the pages answer to a pointer: Vega as `vl_convert` carries it.

It is made of what is installed, in a process of its own since that takes seconds in which nothing else could run, when
the first page asks for it; and kept. Nothing is fetched from elsewhere, and no reader waits: the charts are there as
pictures before. It needs no `eval`: expressions are interpreted.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from threading import Lock
from typing import Final

from fastapi import APIRouter, Request, Response

from data.errors import StoreError
from service.etags import Answer, holds
from service.language import marked
from service.packing import packed, takes_packed
from service.problems import BusyError

PATH: Final = "/static/charts.js"
_TYPE: Final = "text/javascript; charset=utf-8"
# Its address holds its version, so that it never changes.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_SNIPPET: Final = "window.heedCharts = {embed: vegaEmbed};"
_MAKE: Final = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle(sys.argv[1]).encode())"
_PATIENCE: Final = 120  # seconds; it takes five where nothing else runs
_LATER: Final = 10  # seconds after which to ask again
_REST: Final = 600.0  # seconds after a failure

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The library as it is sent, plain and packed."""

    plain: Answer
    packed: Answer


@cache
def bundle_version() -> str:
    """What the library is made of, in twelve letters; known without making it."""
    made_of = f"{version('vl-convert-python')} {_SNIPPET}"
    return hashlib.blake2b(made_of.encode(), digest_size=6).hexdigest()


class _Maker:
    """Makes the library once, and keeps it; rests after a failure.

    Nobody waits beside the one who makes it: the threads of the service would all stand here.
    """

    def __init__(self) -> None:
        self._made: Bundle | None = None
        self._rests_until = 0.0
        self._making = Lock()

    def bundle(self) -> Bundle:
        """See `bundle`."""
        if self._made is not None:
            return self._made
        if time.monotonic() < self._rests_until or not self._making.acquire(blocking=False):
            raise BusyError(marked("The live charts are not made yet; the pictures stay."), _LATER)
        try:
            self._made = _bundle()
        except StoreError:
            self._rests_until = time.monotonic() + _REST
            raise
        finally:
            self._making.release()
        return self._made


_maker: Final = _Maker()


def bundle() -> Bundle:
    """The library, made once; the same bytes from the same installation.

    Raises
    ------
    StoreError
        If it cannot be made.
    BusyError
        If it is being made for somebody else, or could not be made a short while ago.
    """
    return _maker.bundle()


def _bundle() -> Bundle:
    command = [sys.executable, "-I", "-c", _MAKE, _SNIPPET]
    try:
        made = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreError(marked("The live charts could not be made; the pictures stay.")) from error
    return Bundle(Answer.of(made), Answer.of(packed(made)))


@router.get(PATH)
def charts_script(request: Request) -> Response:
    """The library. It holds nothing of the store."""
    packs = takes_packed(request)
    found = bundle()
    answer = found.packed if packs else found.plain
    headers = {"ETag": answer.etag, "Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    if holds(request.headers.get("if-none-match"), answer.etag):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(answer.body, media_type=_TYPE, headers=headers)
