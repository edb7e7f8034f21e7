"""What a check finds: a code, how bad it is, where, the plain numbers, and a picture of them. Words come last.

A finding holds numbers and not sentences, so that a figure that must not be shown can be taken out before anything is
said. `sentence` and `remedy` then say it in either language, from the templates of the finding's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final, Literal

Level = Literal["stop", "warn", "note"]
Language = Literal["zh", "en"]
Unit = Literal["share", "count", "days", "auc", "hours"]

LEVELS: Final[tuple[Level, ...]] = ("stop", "warn", "note")
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
# The smallest count that is said of an area, or of an office, which may serve one area only.
MINIMUM: Final = 10

Number = float | int | None


@dataclass(frozen=True, slots=True)
class Both:
    """One text in both languages."""

    zh: str
    en: str

    def in_(self, language: Language) -> str:
        """The text in a language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding.

    Attributes
    ----------
    code : its name in JSON, never changed once it is out
    family : which part of the check finds it
    meaning : what it says in general, and why it matters; for `heed check --codes`
    says : the finding in one sentence, a template over the figures and the place; see `filled`
    do : what to do about it, a template as well
    """

    code: str
    family: str
    meaning: Both
    says: Both
    do: Both


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The part of the data a finding is about; None is all of it. `values` are words of the source.

    `period` is a day, a month or a year (ISO, "2018-09-17", "2018-09", "2018"), or two of them joined by "/".
    """

    column: str | None = None
    category: str | None = None
    office: str | None = None
    area: str | None = None
    channel: str | None = None
    period: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One mark of a chart: `label` is its place (a word of the source, or an ISO month or year)."""

    label: str | Both
    value: Number
    series: str | Both | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart of the finding shows, without any drawing.

    Attributes
    ----------
    kind : "bars", one per label; "lines" over months or years; "clock" over the hours of a day (label 0 to 23)
    unit : of the values
    label, value : what the labels and the values are
    points : in the order to draw them
    mark : the label at which something changes; None where nothing does
    """

    kind: Literal["bars", "lines", "clock"]
    unit: Unit
    label: Both
    value: Both
    points: tuple[Point, ...]
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One thing that an analyst should know of the data.

    `weight` orders findings of one level: roughly the share of cases concerned. `figures` are plain numbers; shares lie
    between 0 and 1. `says` and `do` are the sentence and the remedy of this very finding, where they are not what its
    code says.
    """

    code: str
    level: Level
    weight: float
    figures: Mapping[str, Number]
    where: Where = field(default_factory=Where)
    chart: Chart | None = None
    says: Both | None = None
    do: Both | None = None


def order(found: Iterable[CheckFinding]) -> tuple[CheckFinding, ...]:
    """The most important first: by level, then by weight, then by code so that the order never wavers."""
    return tuple(
        sorted(
            found,
            key=lambda one: (LEVELS.index(one.level), -one.weight, one.code, one.where.column or "", one.where.values),
        )
    )


def sentence(code: Code, finding: CheckFinding, language: Language) -> str:
    """The finding in one sentence."""
    if finding.says is not None:
        # Said by whoever found it, figures and all.
        return finding.says.in_(language)
    return filled(code.says.in_(language), finding, language)


def remedy(code: Code, finding: CheckFinding, language: Language) -> str:
    """What to do about it."""
    return filled((finding.do or code.do).in_(language), finding, language)


def filled(template: str, finding: CheckFinding, language: Language) -> str:
    """Put the figures and the place of a finding into a template.

    `{name:n}` is a whole number; `{name:%}` a share; `{name:x}` a number with at most one decimal, `{name:auc}` one
    with two, `{name:p}` with three; `{name:cases}` a number with its noun in English (one of `NOUNS`); `{name:when}` a
    period; `{name:list}` words of the source. A figure that is None was withheld, and says so.
    """
    where = finding.where
    place = {name: getattr(where, name) for name in Where.__slots__}
    return _Filler(language).vformat(template, (), {"code": finding.code, **place, **finding.figures})


def number(value: Number, language: Language) -> str:
    """A whole number with separators."""
    return _fewer(language) if value is None else f"{value:,.0f}"


def share(value: Number, language: Language, *, short: bool = False) -> str:
    """A share as a percentage: one decimal under ten, none from there on, and never rounded to none or to all.

    `short` writes these two with a sign, for charts and tables.
    """
    if value is None:
        return _fewer(language)
    if 0 < value < 0.0005:
        return "<0.1%" if short else "不足0.1%" if language == "zh" else "under 0.1%"
    if 0.995 <= value < 1:
        return ">99%" if short else "99%以上" if language == "zh" else "over 99%"
    return f"{value:.1%}" if value < 0.0995 and round(value * 100, 1) % 1 else f"{value:.0%}"


def decimal(value: Number, language: Language) -> str:
    """A number with at most one decimal."""
    return _fewer(language) if value is None else f"{value:,.1f}".removesuffix(".0")


def period(text: str | None, language: Language) -> str:
    """An ISO day, month or year, or two joined by "/", as people write it; any other text stays as it is."""
    if text is None:
        return "–"
    if not _PERIOD.fullmatch(text):
        return text
    parts = [_moment(part, language) for part in text.split("/")]
    return ("至" if language == "zh" else " to ").join(parts)


def words(values: Iterable[str], language: Language) -> str:
    """Words of the source, quoted; after the first four only how many more."""
    listed = list(values)
    quoted = [f"“{value}”" if language == "zh" else f"'{value}'" for value in listed[:_LISTED]]
    more = len(listed) - _LISTED
    if language == "zh":
        return "、".join(quoted) + (f"等{len(listed)}个" if more > 0 else "")
    if more > 0:
        return ", ".join(quoted) + f" and {more} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


_LISTED: Final = 4
_MOMENT: Final = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_PERIOD: Final = re.compile(r"\d{4}(-\d{2}){0,2}(/\d{4}(-\d{2}){0,2})?")
_DIGITS: Final = {"auc": 2, "p": 3}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOUNS: Final = {
    name: name.removesuffix("s")
    for name in (
        *("cases", "rows", "columns", "areas", "offices", "days", "months", "snapshots", "deadlines", "closings"),
        *(
            "words",
            "hours",
            "years",
            "weeks",
            "numbers",
            "times",
            "events",
            "inspections",
            "assets",
            "minutes",
            "pairs",
        ),
        *("openings", "types", "records"),
    )
} | {"series": "series", "categories": "category"}


def _fewer(language: Language) -> str:
    return f"不足{MINIMUM}" if language == "zh" else f"fewer than {MINIMUM}"


def _moment(text: str, language: Language) -> str:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    year, month, day = found.groups()
    if language == "zh":
        return f"{year}年" + (f"{int(month)}月" if month else "") + (f"{int(day)}日" if day else "")
    return (f"{int(day)} " if day else "") + (f"{_MONTHS[int(month) - 1]} " if month else "") + year


class _Filler(Formatter):
    """Format fields by what they are, in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        plain = _PLAIN.get(format_spec)
        if plain is not None:
            return plain(value, self.language)
        if value is None:
            return _fewer(self.language) if format_spec else "–"
        if format_spec in _DIGITS:
            return f"{value:.{_DIGITS[format_spec]}f}"
        if format_spec in NOUNS:
            return f"{number(value, self.language)} {NOUNS[format_spec] if value == 1 else format_spec}"
        return str(format(value, format_spec))


_PLAIN: Final[dict[str, Callable[[Any, Language], str]]] = {
    "n": number,
    "%": share,
    "x": decimal,
    "when": period,
    "list": words,
}
