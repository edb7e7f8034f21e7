"""What templates may say: the words, names and addresses of one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request

from models.signals import more_sentence
from models.waiting_words import interval_sentence
from service import display
from service.case_life import Said
from service.dependencies import Telling
from service.language import LANGUAGES, Words
from service.marks import Mark, mark_text
from service.open_case import OUTCOME, OpenCase, Risk
from service.places import Kind
from service.published import PRESSURE_FIGURES, Figure, Pressure, Published, Signal
from service.sentences import signal_sentence

_HUNDRED: Final = 100
_FEW: Final = 0.005


class Links:
    """Addresses within the service that keep the language the reader chose."""

    def __init__(self, request: Request) -> None:
        self._path = request.url.path
        self._query = dict(request.query_params)
        lang = self._query.get("lang")
        self._kept = {"lang": lang} if lang in LANGUAGES else {}

    def to(self, path: str, /, **query: object) -> str:
        """An address; parameters that are None or empty are left out."""
        given = {name: str(value) for name, value in {**query, **self._kept}.items() if value not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path

    def here(self, **changed: object) -> str:
        """The address of this page, with some parameters changed and its place in the list forgotten."""
        query = {name: value for name, value in self._query.items() if name not in ("lang", "cursor")}
        return self.to(self._path, **{**query, **changed})

    def in_language(self, language: str) -> str:
        """The address of this very page in a language.

        Without its path, which the browser knows: one that begins with two slashes would name another host.
        """
        return f"?{urlencode({**self._query, 'lang': language})}"

    def twin(self, **query: object) -> str:
        """The same as JSON; `query` says what the page assumes where the API would not."""
        given = {name: value for name, value in self._query.items() if name != "lang"}
        return self.to(f"/v1{self._path}", **{**given, **query})

    def case(self, case: OpenCase) -> str:
        """The page of a case."""
        return self.to(f"/cases/{quote(case.case_id, safe='')}")

    def area(self, code: str) -> str:
        """The page of an area."""
        return self.to(f"/areas/{quote(code, safe='')}")

    def signal(self, signal: Signal) -> str:
        """The page of a signal."""
        return self.to(f"/signals/{quote(signal.signal_id, safe='')}")

    @property
    def language(self) -> str | None:
        """The language that the reader chose, if any; a form passes it on."""
        return self._kept.get("lang")


@dataclass(frozen=True)
class Range:
    """A figure against its usual range, as positions on a bar of 100."""

    low: float
    high: float
    now: float


@dataclass(frozen=True)
class Estimate:
    """An estimated figure in words: itself, its interval, and what is usual; None where there is none to show."""

    withheld: bool
    value: str | None
    interval: str | None
    usual: str | None


class Show:
    """Figures and moments of a snapshot in the words of one language."""

    def __init__(self, telling: Telling) -> None:
        self.snapshot = telling.snapshot
        self.words: Words = telling.words
        self.minimum = telling.snapshot.published.minimum

    def as_of(self) -> str:
        """The moment of the scoring."""
        return self.moment(self.snapshot.as_of)

    def moment(self, ts: int) -> str:
        """Date and time."""
        return display.moment(self.words, ts, self.snapshot.time_zone)

    def day(self, ts: int) -> str:
        """A date."""
        return display.day(self.words, ts, self.snapshot.time_zone)

    def soon(self, ts: int) -> str:
        """A moment close to the scoring with its weekday; a far one with its year."""
        near = abs(ts - self.snapshot.as_of) < 100 * 86_400
        shown = display.weekday_time if near else display.moment
        return shown(self.words, ts, self.snapshot.time_zone)

    def machine(self, ts: int) -> str:
        """A moment as `<time datetime>` wants it."""
        return display.local(ts, self.snapshot.time_zone).isoformat()

    def place(self, kind: Kind, code: str | None) -> str:
        """The name of an area, an office or a category."""
        return display.place(self.words, self.snapshot.places, kind, code)

    def within(self, code: str) -> str | None:
        """The name of the area that an area lies in."""
        parent = self.snapshot.places.parents.get(code)
        return None if parent is None else self.place("area", parent)

    def deadline(self, case: OpenCase) -> str:
        """Time left, or since."""
        return display.deadline(self.words, case.due_at, self.snapshot.as_of)

    def overdue(self, case: OpenCase) -> bool:
        """Whether the promised moment had passed."""
        return self.snapshot.is_overdue(case)

    def frequency(self, case: OpenCase) -> str:
        """The risk as cases of 100."""
        if case.probability >= 1 and case.outcome != OUTCOME:
            return self.words.gettext("certain")
        if case.probability >= 1:
            if self.overdue(case):
                return self.words.gettext("late already")
            return self.words.gettext("past its first promise")
        return display.frequency(self.words, case.probability)

    def hundredths(self, probability: float) -> str:
        """A probability as cases of 100, without words."""
        return self.number(display.per_100(probability))

    def interval(self, risk: Risk | Said) -> str | None:
        """The interval of a risk as cases of 100; None where there is none to tell."""
        if risk.lower is None or risk.upper is None or risk.probability >= 1:
            return None
        return display.interval(risk.lower, risk.upper)

    def outcome(self, outcome: str) -> str:
        """An outcome as what the office does or leaves undone."""
        return display.outcome(self.words, outcome)

    def also(self, case: OpenCase) -> tuple[Risk, ...]:
        """The other outcomes that threaten a case, each by itself, the likeliest first."""
        return case.also

    def risk_frequency(self, risk: Risk) -> str:
        """The risk of any outcome as cases of 100."""
        return (
            self.words.gettext("certain") if risk.probability >= 1 else display.frequency(self.words, risk.probability)
        )

    def risk_per_100(self, risk: Risk) -> str:
        """The same as a figure for a table."""
        if risk.probability >= 1:
            return self.words.gettext("certain")
        if 0 < risk.probability < _FEW:
            return self.words.gettext("under 1")
        return self.number(display.per_100(risk.probability))

    def remaining(self, case: OpenCase) -> str | None:
        """When an answer is likely; None where it is not told or has no end."""
        told = case.remaining
        if told is None or told.upper_80 is None:
            return None
        return interval_sentence(told.lower_80, told.upper_80, language=self.words.language)

    def change(self, case: OpenCase) -> int | None:
        """Cases of 100 more (or fewer) than at the scoring of the day before; None: not in that list."""
        earlier = self.snapshot.earlier
        before = None if earlier is None else earlier.risks.get(case.case_id)
        return None if before is None else display.per_100(case.probability) - display.per_100(before)

    def mark(self, mark: Mark, *, short: bool = False) -> str:
        """What an office noted on a case, in words."""
        return mark_text(self.words, mark, short=short)

    def signed(self, change: int) -> str:
        """A change with its sign."""
        return display.signed(self.words, change)

    def since(self) -> str | None:
        """The day of the scoring before; None where none is kept."""
        earlier = self.snapshot.earlier
        if earlier is None:
            return None
        now, then = (display.local(ts, self.snapshot.time_zone).date() for ts in (self.snapshot.as_of, earlier.as_of))
        if (now - then).days == 1:
            return self.words.gettext("yesterday")
        return display.short_day(self.words, earlier.as_of, self.snapshot.time_zone)

    def age(self, case: OpenCase) -> str:
        """How long a case has been open."""
        return display.age(self.words, case.opened_at, self.snapshot.as_of)

    def capacity(self, office: str | None) -> str | None:
        """How many cases an office can answer on a working day; None where it is not known, or no office is meant."""
        capacity = None if office is None else self.snapshot.capacities.get(office)
        return None if capacity is None else self.number(round(capacity))

    def per_100(self, case: OpenCase) -> int:
        """The risk as cases of 100, for a picture."""
        return display.per_100(case.probability)

    def band(self, band: str) -> str:
        """A band in a word."""
        return display.word(self.words, display.BANDS, band)

    def level(self, level: str | None) -> str:
        """A level in words."""
        if level is None:
            return self.words.gettext("Figures withheld")
        return display.word(self.words, display.LEVELS, level)

    def channel(self, channel: str | None) -> str:
        """A channel in a word."""
        return display.word(self.words, display.CHANNELS, channel)

    def event(self, kind: str) -> str:
        """An act of an office in a word."""
        return display.word(self.words, display.EVENTS, kind)

    def points(self, tenths: int) -> str:
        """Percentage points."""
        return display.points(self.words, tenths)

    def one_decimal(self, tenths: int) -> str:
        """A sum of percentage points."""
        return display.one_decimal(self.words, tenths)

    def number(self, value: float) -> str:
        """A number."""
        return display.number(self.words, value)

    def figure(self, figure: Figure) -> str:
        """A disclosed figure, or the words that stand for it."""
        return display.figure(self.words, figure, self.minimum)

    def withheld(self) -> str:
        """What stands in place of a withheld figure."""
        return display.withheld(self.words, self.minimum)

    def all_withheld(self, pressure: Pressure) -> bool:
        """Whether nothing of an area's load is shown."""
        return all(getattr(pressure, name).withheld for name in PRESSURE_FIGURES)

    def some_withheld(self, pressure: Pressure) -> bool:
        """Whether a figure of an area's load is withheld where its page has a place for it."""
        # What is usual of the backlog is left out of its sentence, and no place stays empty.
        return any(getattr(pressure, name).withheld for name in PRESSURE_FIGURES if not name.startswith("usual_"))

    def range(self, pressure: Pressure) -> Range | None:
        """The backlog against the area's own usual range; None where a part of it is not shown.

        Every bar has a scale of its own: bars of two areas are not to be compared.
        """
        now, low, high = (figure.value for figure in (pressure.backlog, pressure.usual_low, pressure.usual_high))
        if now is None or low is None or high is None:
            return None
        full = 1.15 * max(now, high, 1)
        return Range(*(round(_HUNDRED * value / full, 1) for value in (low, high, now)))

    def usual(self, pressure: Pressure) -> str | None:
        """The usual range in figures; None where it is not shown."""
        low, high = pressure.usual_low.value, pressure.usual_high.value
        if low is None or high is None:
            return None
        return f"{self.number(round(low))}–{self.number(round(high))}"

    def estimate(self, pressure: Pressure, name: str) -> Estimate:
        """One of `service.disclosure.ESTIMATED`. A usual range alone may be withheld; it then is not shown."""
        figure: Figure = getattr(pressure, name)
        if figure.value is None:
            return Estimate(figure.withheld, None, None, None)
        interval, usual = (
            self._between(getattr(pressure, f"{name}{low}"), getattr(pressure, f"{name}{high}"))
            for low, high in (("_low", "_high"), ("_usual_low", "_usual_high"))
        )
        return Estimate(withheld=False, value=self._two_digits(figure.value), interval=interval, usual=usual)

    def _between(self, low: Figure, high: Figure) -> str | None:
        if low.withheld or high.withheld:
            return self.words.gettext("withheld")
        if low.value is None or high.value is None:
            return None
        return f"{self._two_digits(low.value)}–{self._two_digits(high.value)}"

    def _two_digits(self, value: float) -> str:
        # Ratios lie near 1 and need their second decimal; days and cases need none from ten on.
        return display.number(self.words, round(value)) if value >= 10 else display.two_decimals(self.words, value)

    def signal(self, signal: Signal) -> str:
        """A weak signal as a sentence."""
        return signal_sentence(self.words, self.snapshot.places, signal, self.snapshot.time_zone)

    def more(self, published: Published) -> str:
        """How many signals there are besides those told first, in words."""
        return more_sentence(len(published.rest()), language=self.words.language)

    def direction(self, direction: str) -> str:
        """A direction in words."""
        return display.word(self.words, display.DIRECTIONS, direction)

    def status(self, status: str) -> str:
        """What became of a signal, in words."""
        return display.word(self.words, display.STATUSES, status)

    def weeks_running(self, signal: Signal) -> str:
        """How long a signal has lasted."""
        return self.words.ngettext("First week.", "%(n)d weeks running.", signal.weeks_running)


def names_sorted(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Codes and names for a choice, by name."""
    return sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))
