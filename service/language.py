"""Which language an answer speaks, and its words.

English is the language of the source: every message id is the English text. Other languages are gettext
catalogues under `dashboard/locale`, read as text when the service starts, so that no compiled file has to
be kept in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from pydantic import BaseModel, ConfigDict, Field

from service.settings import Language

LANGUAGES: Final[dict[Language, str]] = {"en": "English", "zh": "中文"}
LOCALE_FOLDER: Final = Path(__file__).parent / "dashboard" / "locale"
DOMAIN: Final = "heed"

# British dates: 21 Nov 2026 reads the same everywhere, 11/21 does not.
_LOCALES: Final[dict[Language, str]] = {"en": "en_GB", "zh": "zh_Hans_CN"}


def marked(message: str) -> str:
    """Mark a message for the catalogues where it is written but not yet spoken."""
    return message


class LanguageQuery(BaseModel):
    """What every address takes: the language of the answer."""

    model_config = ConfigDict(extra="forbid")

    lang: Language | None = Field(
        default=None, description="Language of the answer; without it, `Accept-Language` decides."
    )


class Words:
    """One language: its messages, and its way to write dates and numbers."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.locale = Locale.parse(_LOCALES[language])
        self._translations = _translations(language)

    def gettext(self, message: str, /, **values: object) -> str:
        """The message in this language, with `%(name)s` filled in."""
        text = self._translations.gettext(message)
        return text % values if values else text

    def ngettext(self, singular: str, plural: str, n: int, /, **values: object) -> str:
        """The message for `n` things, with `%(n)d` and every `%(name)s` filled in."""
        return self._translations.ngettext(singular, plural, n) % {"n": n, **values}

    def pick(self, *, zh: str | None, en: str | None, code: str) -> str:
        """The name in this language, else in the other, else the code."""
        first, second = (zh, en) if self.language == "zh" else (en, zh)
        return first or second or code


@cache
def words_of(language: Language) -> Words:
    """The words of a language; read once."""
    return Words(language)


def choose_language(query: Mapping[str, str], accept_language: str | None, default: Language) -> Language:
    """The language asked for: `?lang=` first, then `Accept-Language`, then the default.

    What cannot be read counts as not said: an answer in another language is better than none.
    """
    for language in LANGUAGES:
        if query.get("lang") == language:
            return language
    for tag in _by_preference(accept_language or ""):
        for language in LANGUAGES:
            if tag.split("-")[0] == language:
                return language
    return default


def read_catalogue(language: Language) -> Catalog:
    """The catalogue of a language as it stands in the repository."""
    with (LOCALE_FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


@cache
def marked_messages() -> frozenset[str]:
    """Every message that was marked for the catalogues: written to be told to everybody."""
    return frozenset(message.id for message in read_catalogue("zh") if isinstance(message.id, str))


def _translations(language: Language) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read_catalogue(language))
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


def _by_preference(header: str) -> list[str]:
    """The language tags of an `Accept-Language` header, best first; RFC 9110, section 12.5.4."""
    weighted = []
    for position, part in enumerate(header.lower().split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if tag.strip() and weight > 0:
            weighted.append((-weight, position, tag.strip()))
    return [tag for _, _, tag in sorted(weighted)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
