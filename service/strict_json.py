"""JSON that is read one way only, whichever parser reads it.

RFC 8259 leaves to the reader what a name that comes twice means, how deep it follows brackets, and what to do with
characters that are half of one; and many readers take NaN and Infinity, which are no JSON at all. Where two readers of
one message differ, one of them can be deceived, so all of that is refused at the door.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from service.language import marked

# Nothing that is posted here nests deeper than cases, events and their fields.
DEEPEST: Final = 32

# More digits are no number that anything here counts.
_MOST_DIGITS: Final = 19
# What can become half a character or a zero byte: seldom there, and looked into only then.
_SUSPICIOUS: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class StrictJsonError(ValueError):
    """Not JSON, or JSON that two readers could read differently; the message says what was expected."""


def check_json(body: bytes) -> None:
    """Refuse what is not one unambiguous JSON value in UTF-8.

    Parameters
    ----------
    body : the whole message

    Raises
    ------
    StrictJsonError
        With what was expected; nothing of the body is in the message.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise StrictJsonError(marked("text in UTF-8")) from None
    except StrictJsonError:
        raise
    except (ValueError, RecursionError):
        raise StrictJsonError(marked("JSON that nests no deeper than cases, events and their fields")) from None
    # Counting is quick, and nearly always enough: this many brackets cannot nest deeper.
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth(value)
    if _SUSPICIOUS.search(body):
        for string in _strings(value):
            _check_string(string)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = [item for item in level if isinstance(item, list)]
        inner += [list(item.values()) for item in level if isinstance(item, dict)]
        if not inner:
            return
        level = list(chain.from_iterable(inner))
    raise StrictJsonError(marked("JSON that nests no deeper than cases, events and their fields"))


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise StrictJsonError(marked("every name once in an object"))
    return value


def _refuse_constant(_name: str) -> None:
    raise StrictJsonError(marked("finite numbers"))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise StrictJsonError(marked("finite numbers"))
    return value


def _countable(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise StrictJsonError(marked("numbers of at most 19 digits"))
    return int(text)


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value, names included. Its depth is bounded."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)


def _check_string(string: str) -> None:
    if "\0" in string or any("\ud800" <= letter <= "\udfff" for letter in string):
        raise StrictJsonError(marked("strings of whole characters, without zero bytes"))


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once_each, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_countable
)
