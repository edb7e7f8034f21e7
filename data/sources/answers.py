"""What comes back over HTTP, checked before it is believed: its size, its packing, its type and its characters."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn


class BrokenAnswerError(Exception):
    """An answer that is not what was asked for; another try may be. Says what came, and none of its content."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its content unpacked, its type in lower case, and its charset as declared ("" for none)."""

    content: bytes
    media_type: str
    charset: str


# Encodings that a portal may declare; what is not declared is UTF-8, as JSON and GeoReport require.
_CHARSETS: Final = frozenset(
    "utf-8 utf8 us-ascii ascii iso-8859-1 latin-1 windows-1252 cp1252 gb18030 gbk gb2312".split()  # noqa: SIM905
)
_JSON: Final = ("json", "text/plain", "javascript")
_DEFLATE_OR_GZIP: Final = 47  # zlib: any window, either header


def media_type_of(header: str) -> tuple[str, str]:
    """The type and the charset of a Content-Type, both in lower case, "" where not told."""
    kind, *parameters = [part.strip() for part in header.lower().split(";")]
    named = dict(part.split("=", 1) for part in parameters if "=" in part)
    return kind, named.get("charset", "").strip("\"' ")


def unpack(chunks: Iterator[bytes], packing: str, limit: int, check: Callable[[], None]) -> bytes:
    """The content of an answer, unpacked as it comes.

    Parameters
    ----------
    chunks : iterator of bytes, as they come over the wire
    packing : str
        The Content-Encoding: "", "identity", "gzip" or "deflate".
    limit : int
        The most bytes that the content may have, unpacked.
    check : callable
        Called with each chunk; raises when there is no more time.

    Raises
    ------
    BrokenAnswerError
        If the content is larger than `limit`, packed otherwise, or damaged.
    """
    if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise BrokenAnswerError("it is packed in a way that was not asked for")
    machine = zlib.decompressobj(_DEFLATE_OR_GZIP) if packing not in ("", "identity") else None
    found = bytearray()
    for chunk in chunks:
        check()
        if machine is None:
            found += chunk
        else:
            # One byte more than allowed is enough to know; a bomb is never unpacked further than that.
            found += _unpacked(machine, chunk, limit + 1 - len(found))
        if len(found) > limit:
            raise BrokenAnswerError(f"it is larger than {limit // 1_000_000:,} MB")
    if machine is not None and not machine.eof:
        raise BrokenAnswerError("its packed content is cut off")
    return bytes(found)


def _unpacked(machine: Any, chunk: bytes, most: int) -> bytes:
    try:
        return bytes(machine.decompress(chunk, most))
    except zlib.error:
        raise BrokenAnswerError("its packed content is damaged") from None


def text_of(answer: Answer) -> str:
    """The text of an answer in its declared charset, UTF-8 where none is declared."""
    charset = answer.charset or "utf-8"
    if charset not in _CHARSETS:
        raise BrokenAnswerError("it declares an encoding that no portal should use")
    try:
        return answer.content.decode("utf-8-sig" if charset in ("utf-8", "utf8") else charset)
    except UnicodeDecodeError:
        raise BrokenAnswerError(f"its text is not in {charset}, the encoding that it declares or should have") from None


def json_of(answer: Answer) -> Any:
    """The value of an answer in JSON.

    Raises
    ------
    BrokenAnswerError
        If it is something else, such as a web page, or cut off.
    """
    start = answer.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if "html" in answer.media_type or start == b"<":
        raise BrokenAnswerError("it is a web page or XML, where JSON was expected")
    if answer.media_type and not any(known in answer.media_type for known in _JSON):
        raise BrokenAnswerError("its content type is not JSON")
    try:
        return json.loads(text_of(answer), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BrokenAnswerError("its JSON does not end or is damaged") from None


def xml_of(answer: Answer) -> Any:
    """The root element of an answer in XML; one with a document type or entities of its own is refused.

    Raises
    ------
    BrokenAnswerError
        If it is something else, cut off, or could expand without end.
    """
    # Imported here: only servers that speak XML need it.
    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # noqa: PLC0415
    from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]  # noqa: PLC0415

    if "html" in answer.media_type:
        raise BrokenAnswerError("it is a web page, where XML was expected")
    if answer.charset and answer.charset not in _CHARSETS:
        raise BrokenAnswerError("it declares an encoding that no portal should use")
    try:
        return fromstring(answer.content, forbid_dtd=True)
    except DefusedXmlException:
        raise BrokenAnswerError("its XML defines a document type or entities, which could expand without end") from None
    except (ParseError, ValueError, LookupError):
        raise BrokenAnswerError("its XML does not end or is damaged") from None


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError
