"""A language that nobody speaks: every message of the catalogue with accents, a third longer, and between brackets.

What a page shows without them did not go through the catalogue; what does not fit is too narrow for a longer language.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import _lru_cache_wrapper, cache
from gettext import NullTranslations
from typing import Final

import service.language
from service.language import words_of

OPENING: Final = "⟦"
CLOSING: Final = "⟧"
_ACCENTS: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "ÂƁÇÐÉƑĜĤÎĴĶĻṀÑÓÞǪŔŠŢÛṼŴẊÝŽâƀçðéƒĝĥîĵķļɱñóþǫŕšţûṽŵẋýž",
)
# What stays as it is: what is filled in, and commands.
_KEPT: Final = re.compile(r"(%\(\w+\)[sd]|%%|`[^`]*`)")
_LONGER: Final = 0.4
_FILL: Final = "ŷŷŷŷ "


def pseudo(message: str) -> str:
    """A message in the language that nobody speaks."""
    parts = [part if _KEPT.fullmatch(part) else part.translate(_ACCENTS) for part in _KEPT.split(message)]
    extra = round(_LONGER * len(_KEPT.sub("", message)))
    fill = (_FILL * (extra // len(_FILL) + 1))[:extra].strip()
    return f"{OPENING}{''.join(parts)}{' ' if fill else ''}{fill}{CLOSING}"


class Pseudo(NullTranslations):
    """The catalogue of that language, which remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def gettext(self, message: str) -> str:
        """The message."""
        self.said.add(message)
        return pseudo(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The message for so many things."""
        self.said.add(msgid1)
        return pseudo(msgid1 if n == 1 else msgid2)


@contextmanager
def spoken_as_english() -> Iterator[Pseudo]:
    """Within it English is that language, for every page made then."""
    catalogue = Pseudo()
    before = service.language._translations
    service.language._translations = lambda _language: catalogue
    _forget()
    try:
        yield catalogue
    finally:
        service.language._translations = before
        _forget()


def _forget() -> None:
    """What was said or drawn in English before would be told again."""
    words_of.cache_clear()
    for name, module in list(sys.modules.items()):
        if name.startswith(("service.dashboard", "models.plots")):
            for each in list(vars(module).values()):
                if isinstance(each, _lru_cache_wrapper):
                    each.cache_clear()


@cache
def _segments() -> re.Pattern[str]:
    return re.compile(f"{OPENING}[^{OPENING}{CLOSING}]*{CLOSING}")


def outside(text: str) -> str:
    """What of a text did not go through the catalogue."""
    rest, before = text, ""
    while rest != before:
        before, rest = rest, _segments().sub(" ", rest)
    return rest
