"""The file of service standards: what it may say, and what is wrong with one that says something else.

A file is TOML with four parts, all documented in the shipped examples (`data/standards`):

- `[about]`: name, title and a note;
- `[calendars.NAME]`: when an office works (see `data.calendars`);
- `[clocks.first_reply]`, `[clocks.resolve]`, `[clocks.pre_mediation]`: which events start and stop a clock, and what a
  pause and a hand-over do to it; a clock that is not described has the usual rules below;
- `[[standards]]`: one promise each, for some categories, tiers and channels, or for all.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from data.calendars import CalendarSettings, HolidaySettings, ListedDay, Override
from data.errors import InputError, UsageError
from data.schema import Channel, EventKind, Tier
from data.service_clock_due import Ends, LastDay, PromiseUnit

ClockName = Literal["first_reply", "resolve", "pre_mediation"]
CLOCKS: Final[tuple[ClockName, ...]] = ("first_reply", "resolve", "pre_mediation")

# What ends a case without an answer; it stops every clock, and no file has to say so.
FALLS_AWAY: Final = (EventKind.WITHDRAWN, EventKind.DUPLICATE)
HANDS_OVER: Final = (EventKind.TRANSFERRED, EventKind.HANDED_UP)
_STARTS: Final = (EventKind.OPENED, EventKind.ASSIGNED, EventKind.REOPENED)
_STOPS: Final = (EventKind.REPLIED, EventKind.CLOSED, EventKind.ASSIGNED)

WhilePaused = Literal["stands", "runs"]
HandOver = Literal["goes_on", "restarts", "takes_tier"]

Code = Annotated[str, StringConstraints(min_length=1, max_length=160, strip_whitespace=True)]


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Part):
    """[about]: what this file is."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    title: str = ""
    title_zh: str = ""
    note: str = ""


class ClockRules(_Part):
    """[clocks.NAME]: the events that start and stop a clock, and what happens to it in between.

    `starts`: the first of these events starts the clock; one that comes after it was stopped starts it anew.
    `stops`: the first of these events stops it; so do `withdrawn` and `duplicate`, always.
    `while_paused`: the clock "stands", or "runs" as if nothing were.
    `hand_over`, when another office takes over: the clock "goes_on"; it "restarts" with the standard of the new
    office's tier; or it "takes_tier", the standard of the new tier, counted from the same start.
    """

    starts: Annotated[tuple[EventKind, ...], Field(min_length=1)]
    stops: Annotated[tuple[EventKind, ...], Field(min_length=1)]
    while_paused: WhilePaused = "stands"
    hand_over: HandOver = "goes_on"


# A mapping of names to rules for those clocks that a file does not describe.
USUAL: Final[dict[ClockName, ClockRules]] = {
    "first_reply": ClockRules(starts=(EventKind.OPENED,), stops=(EventKind.REPLIED, EventKind.CLOSED)),
    "resolve": ClockRules(starts=(EventKind.OPENED, EventKind.REOPENED), stops=(EventKind.CLOSED,)),
    "pre_mediation": ClockRules(starts=(EventKind.OPENED,), stops=(EventKind.CLOSED,)),
}

# The window for mediation before a suit, unless a standard says otherwise.
_PRE_MEDIATION_DAYS: Final = 30


class Standard(_Part):
    """[[standards]]: one promise.

    `category`, `tier` and `channel` are a value or a list; left out, any. The most specific standard holds, category
    before tier before channel. `unit` "none" says that nothing is promised. A promise of the clock `pre_mediation`
    is 30 calendar days unless it says otherwise. `ends` says when a day that counts is over: "closing" (of the office;
    usual for working days) or "midnight" (usual for calendar days). `last_day` "working" moves a limit in calendar
    days that would end on a day of rest to the next working day.
    """

    clock: ClockName = "resolve"
    category: Annotated[tuple[Code, ...], BeforeValidator(_as_list)] | None = None
    tier: Annotated[tuple[Tier, ...], BeforeValidator(_as_list)] | None = None
    channel: Annotated[tuple[Channel, ...], BeforeValidator(_as_list)] | None = None
    # Ten years in hours: more is a slip of the pen.
    amount: Annotated[int, Field(ge=1, le=87_600)] | None = None
    unit: PromiseUnit | Literal["none"] | None = None
    calendar: str | None = None
    ends: Ends | None = None
    last_day: LastDay = "any"
    note: str = ""

    def settled(self) -> tuple[int, PromiseUnit | Literal["none"]]:
        """Amount and unit, with what holds where none is given."""
        if self.unit == "none":
            return 0, "none"
        if self.clock == "pre_mediation":
            return self.amount or _PRE_MEDIATION_DAYS, self.unit or "calendar_days"
        if self.amount is None or self.unit is None:
            raise UsageError("Expected a standard out of a file that was read with `parse_standards`.")
        return self.amount, self.unit

    def holds_for(self) -> Iterator[tuple[str | None, str | None, str | None]]:
        """Every (category, tier, channel) it holds for; None stands for any."""
        for category in self.category or (None,):
            for tier in self.tier or (None,):
                for channel in self.channel or (None,):
                    yield category, tier and tier.value, channel and channel.value


class StandardsFile(_Part):
    """A whole file, checked. Make one with `parse_standards`."""

    about: About
    calendars: Annotated[dict[Code, CalendarSettings], Field(min_length=1)]
    clocks: dict[ClockName, ClockRules] = {}
    standards: Annotated[tuple[Standard, ...], Field(min_length=1)]
    sha256: str = Field(default="", exclude=True)

    def rules(self, clock: ClockName) -> ClockRules:
        """The rules of a clock, the usual ones where the file is silent."""
        return self.clocks.get(clock, USUAL[clock])

    def calendar_of(self, standard: Standard) -> str:
        """The name of the calendar in which a standard is counted."""
        return standard.calendar or next(iter(self.calendars))


def parse_standards(content: bytes, file: str = "standards") -> StandardsFile:
    """The standards in `content` (TOML, UTF-8); `file` is its name in messages.

    Raises
    ------
    InputError
        If the file is not a file of standards; the message names the place inside it and what is allowed there.
    """
    try:
        parsed = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{file}: expected TOML in UTF-8. Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: this is not TOML: {error}.") from None
    parsed.pop("sha256", None)
    try:
        standards = StandardsFile(**parsed, sha256=hashlib.sha256(content).hexdigest())
    except ValidationError as error:
        raise _refused(file, [_explained(item) for item in error.errors()]) from None
    problems = list(_problems(standards))
    if problems:
        raise _refused(file, problems)
    return standards


def _refused(file: str, problems: list[str]) -> InputError:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return InputError(f"{file}: the service standards are wrong.\n{lines}")


def _problems(file: StandardsFile) -> Iterator[str]:
    """What the types cannot say, one sentence each."""
    for name, rules in file.clocks.items():
        yield from _rule_problems(name, rules, any(standard.clock == name for standard in file.standards))
    taken: dict[tuple[object, ...], int] = {}
    for number, standard in enumerate(file.standards, 1):
        place = f"[[standards]] number {number}"
        yield from _standard_problems(place, file, standard)
        for key in standard.holds_for():
            first = taken.setdefault((standard.clock, *key), number)
            if first != number:
                yield f"{place}: promises what number {first} promises already ({_told(standard.clock, *key)})."


def _rule_problems(name: str, rules: ClockRules, used: bool) -> Iterator[str]:
    place = f"[clocks.{name}]"
    for setting, given, allowed in (("starts", rules.starts, _STARTS), ("stops", rules.stops, _STOPS)):
        for kind in given:
            if kind not in allowed:
                yield f"{place} {setting}: '{kind.value}' is not allowed. Allowed: {', '.join(allowed)}."
    both = set(rules.starts) & set(rules.stops)
    if both:
        yield f"{place}: '{min(both)}' starts the clock and stops it; keep one of the two."
    if not used:
        yield f"{place}: no [[standards]] has clock = '{name}', so it promises nothing; add one or take it out."


def _standard_problems(place: str, file: StandardsFile, standard: Standard) -> Iterator[str]:
    if standard.calendar is not None and standard.calendar not in file.calendars:
        yield f"{place} calendar: there is no [calendars.{standard.calendar}]. Allowed: {', '.join(file.calendars)}."
    if standard.calendar is None and len(file.calendars) > 1 and standard.unit != "none":
        yield f"{place} calendar: is required where there are several. Allowed: {', '.join(file.calendars)}."
    if standard.unit == "none":
        if standard.amount is not None:
            yield f"{place} amount: nothing is promised with unit = 'none'; take it out."
        return
    if standard.clock != "pre_mediation" and (standard.amount is None or standard.unit is None):
        yield f"{place}: amount and unit are required. Say unit = 'none' where nothing is promised."
        return
    unit = standard.settled()[1]
    if standard.ends is not None and unit not in ("working_days", "calendar_days"):
        yield f"{place} ends: only for days; a promise in hours ends when they are used up. Take it out."
    if standard.last_day != "any" and unit != "calendar_days":
        yield f"{place} last_day: only for unit = 'calendar_days'. Take it out."


def _told(clock: str, category: str | None, tier: str | None, channel: str | None) -> str:
    return f"clock {clock}, category {category or 'any'}, tier {tier or 'any'}, channel {channel or 'any'}"


_TABLES: Final[dict[str, type[BaseModel]]] = {
    "about": About,
    "calendars": CalendarSettings,
    "clocks": ClockRules,
    "standards": Standard,
}
_INNER: Final[dict[str, type[BaseModel]]] = {"holidays": HolidaySettings, "override": Override}


def _explained(item: Any) -> str:
    where = [part for part in item["loc"] if part != "[key]"]
    place = _place(where)
    if item["type"] == "extra_forbidden":
        return f"{place}: there is no such setting. Allowed: {', '.join(_allowed(where))}."
    if item["type"] == "missing":
        return f"{place}: is required."
    said = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{place}: {said[:1].lower()}{said[1:]}."


def _place(where: list[Any]) -> str:
    """Name a place in the file as its author writes it."""
    if where[0] == "standards" and len(where) > 1 and isinstance(where[1], int):
        return " ".join([f"[[standards]] number {where[1] + 1}", *(str(part) for part in where[2:3])])
    texts = [str(part) for part in where]
    return f"[{'.'.join(texts[:-1])}] {texts[-1]}" if len(texts) > 1 else f"[{texts[0]}]"


def _allowed(where: list[Any]) -> list[str]:
    if len(where) <= 1:
        model: type[BaseModel] = StandardsFile
    elif len(where) > 3 and where[0] == "calendars":
        model = _INNER.get(str(where[2]), ListedDay) if len(where) == 4 else ListedDay
    else:
        model = _TABLES.get(str(where[0]), StandardsFile)
    return [name for name in model.model_fields if name != "sha256"]
