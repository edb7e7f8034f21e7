"""Working calendars from settings: weekly hours, public holidays by country, and the office's own list on top.

Public holidays come from the package `holidays`. Of some countries it also knows the weekend days that are worked in
exchange for others (调休 in China). Such days are decreed year by year, so they are known as far as decrees have
reached the package and no further: a year beyond is refused, not guessed, unless the office lists it itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from data.clock import Hours, WorkingCalendar, hours
from data.errors import UsageError
from data.time_zones import time_zones

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

DayKind = Literal["holiday", "make_up"]


@dataclass(frozen=True, slots=True)
class Named:
    """A day unlike the rest of its week: a holiday, or a working day that makes up for one.

    `listed` is whether the office's own list says so; otherwise the package does.
    """

    kind: DayKind
    zh: str
    en: str
    listed: bool = False


def _as_date(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_as_date)]
OpenHours = tuple[str, ...]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HolidaySettings(_Part):
    """[calendars.NAME.holidays]: whose public holidays the office keeps."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    subdivision: Name | None = None


class ListedDay(_Part):
    """One day of the office's own list; `hours` only for a day that is worked."""

    name: Name
    name_en: Name | None = None
    hours: OpenHours | None = None

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, value: OpenHours | None) -> OpenHours | None:
        return value if value is None else _checked(value)


def _as_listed(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Listed = Annotated[ListedDay, BeforeValidator(_as_listed)]


class Override(_Part):
    """[calendars.NAME.override]: the office's own list of days, which stands above the package."""

    holidays: dict[Day, Listed] = {}
    working_days: dict[Day, Listed] = {}

    @model_validator(mode="after")
    def _once(self) -> Override:
        both = sorted(self.holidays.keys() & self.working_days.keys())
        if both:
            raise ValueError(f"{both[0]} is in holidays and in working_days; keep one of the two")
        if any(day.hours is not None for day in self.holidays.values()):
            raise ValueError("a holiday has no hours; move the day to working_days")
        return self


class CalendarSettings(_Part):
    """[calendars.NAME]: when an office works.

    `weekly` gives opening hours by weekday ("monday") or by a run of them ("monday-friday"); a weekday that is not
    named is a day of rest. `make_up_hours` are the hours of working days that make up for a holiday, Monday's if not
    given. `listed_years` are years whose holidays are all in `override`: the package is not asked for these.
    """

    time_zone: str
    first_year: Annotated[int, Field(ge=1971, le=2500)]
    last_year: Annotated[int, Field(ge=1971, le=2500)]
    weekly: dict[str, OpenHours]
    title: str = ""
    make_up_hours: OpenHours | None = None
    holidays: HolidaySettings | None = None
    listed_years: tuple[int, ...] = ()
    override: Override = Override()

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        if zone not in time_zones():
            raise ValueError("expected an IANA time zone such as 'Asia/Shanghai' or 'America/New_York'")
        return zone

    @field_validator("weekly")
    @classmethod
    def _is_a_week(cls, weekly: dict[str, OpenHours]) -> dict[str, OpenHours]:
        taken: set[int] = set()
        for name, opening in weekly.items():
            days = _weekdays(name)
            if taken & set(days):
                raise ValueError(f"'{name}' names a weekday that another line names already")
            taken |= set(days)
            _checked(opening)
        if not any(weekly.values()):
            raise ValueError("expected opening hours on at least one weekday")
        return weekly

    @field_validator("make_up_hours")
    @classmethod
    def _are_hours(cls, value: OpenHours | None) -> OpenHours | None:
        return value if value is None else _checked(value)

    @model_validator(mode="after")
    def _years_agree(self) -> CalendarSettings:
        if self.last_year < self.first_year:
            raise ValueError("expected a last_year not before the first_year")
        for day in (*self.override.holidays, *self.override.working_days):
            if not self.first_year <= day.year <= self.last_year:
                raise ValueError(f"override: {day} lies outside {self.first_year} to {self.last_year}")
        return self

    @property
    def week(self) -> tuple[Hours, ...]:
        """The hours of seven weekdays, Monday first."""
        given = {day: hours(*opening) for name, opening in self.weekly.items() for day in _weekdays(name)}
        return tuple(given.get(day, ()) for day in range(7))

    @property
    def years(self) -> tuple[int, ...]:
        """The years it covers."""
        return tuple(range(self.first_year, self.last_year + 1))

    @property
    def hours_of_make_up(self) -> Hours:
        """The hours of a working day that makes up for a holiday; empty where nothing tells."""
        return self.week[0] if self.make_up_hours is None else hours(*self.make_up_hours)


@dataclass(frozen=True)
class OfficeCalendar:
    """A working calendar that can name its days.

    Attributes
    ----------
    working : WorkingCalendar
    named : the holidays and make-up days by date, also those that fall on a day of rest
    published_until : the last year whose make-up days the package knows; None where it needs no decree
    """

    name: str
    settings: CalendarSettings
    working: WorkingCalendar
    named: Mapping[date, Named]
    published_until: int | None = None

    def why_closed(self, day: date) -> Named:
        """Name the reason for which the office does not work on `day`."""
        if day in self.named and self.named[day].kind == "holiday":
            return self.named[day]
        return _WEEKEND if day.weekday() >= 5 else _REST_DAY


_WEEKEND: Final = Named("holiday", "周末", "weekend")
_REST_DAY: Final = Named("holiday", "休息日", "day of rest")


def build_calendar(name: str, settings: CalendarSettings) -> OfficeCalendar:
    """Make the working calendar that the settings describe.

    Raises
    ------
    UsageError
        If the package does not know the country or its subdivision, or not yet the make-up days of a covered year.
    """
    named, published = _public(name, settings)
    listed = settings.override
    for day, entry in listed.holidays.items():
        named[day] = Named("holiday", entry.name, entry.name_en or entry.name, listed=True)
    for day, entry in listed.working_days.items():
        named[day] = Named("make_up", entry.name, entry.name_en or entry.name, listed=True)
    worked = {day: _hours_on(name, day, settings) for day, one in named.items() if one.kind == "make_up"}
    working = WorkingCalendar(
        time_zone=settings.time_zone,
        first=date(settings.first_year, 1, 1),
        last=date(settings.last_year, 12, 31),
        weekly=settings.week,
        holidays=[day for day, one in named.items() if one.kind == "holiday"],
        working_days=worked,
    )
    return OfficeCalendar(name, settings, working, dict(sorted(named.items())), published)


def _hours_on(name: str, day: date, settings: CalendarSettings) -> Hours:
    entry = settings.override.working_days.get(day)
    if entry is not None and entry.hours is not None:
        return hours(*entry.hours)
    usual = settings.hours_of_make_up
    if not usual:
        raise UsageError(
            f"[calendars.{name}]: {day} is worked to make up for a holiday, and nothing says from when to when. "
            "Give make_up_hours."
        )
    return usual


def _public(name: str, settings: CalendarSettings) -> tuple[dict[date, Named], int | None]:
    """What the package says of the covered years, without those that the office lists itself."""
    if settings.holidays is None:
        return {}, None
    asked = [year for year in settings.years if year not in settings.listed_years]
    chosen = _Package(name, settings.holidays, asked)
    published = chosen.published_until
    beyond = [year for year in asked if published is not None and year > published]
    if beyond:
        raise UsageError(
            f"[calendars.{name}]: covers {beyond[0]}, and the package `holidays` {chosen.version} knows the working "
            f"days that make up for holidays in {settings.holidays.country} until {published} only. End with "
            f"last_year = {published}, or list all days of {beyond[0]} in [calendars.{name}.override] and add it to "
            "listed_years."
        )
    return dict(chosen.days()), published


class _Package:
    """The package `holidays`, asked for one country and some years."""

    def __init__(self, name: str, wanted: HolidaySettings, years: list[int]) -> None:
        import holidays  # noqa: PLC0415  # only where a calendar asks for it: `heed --help` has to be quick

        self.version = version("holidays")
        try:
            known = holidays.country_holidays(wanted.country, subdiv=wanted.subdivision)
        except NotImplementedError:
            raise UsageError(_UNKNOWN.format(name=name, asked=_asked(wanted), version=self.version)) from None
        languages = known.supported_languages
        self._years = set(years)
        self._by_language = {
            language: holidays.country_holidays(
                wanted.country,
                subdiv=wanted.subdivision,
                years=years,
                expand=False,
                language=language if language in languages else None,
            )
            for language in ("en_US", "zh_CN")
        }
        self._translated = "zh_CN" in languages or known.default_language == "zh_CN"
        self._exchanges = dict(_exchanges(getattr(known, "special_public_holidays", {})))
        self._weekend_workdays = set(self._by_language["en_US"].weekend_workdays)

    @property
    def published_until(self) -> int | None:
        """The last year with decreed exchanges, None where there never were any."""
        return max((day.year for day in self._exchanges), default=None)

    def days(self) -> Iterator[tuple[date, Named]]:
        """Every holiday and make-up day of the years asked for."""
        english, chinese = self._by_language["en_US"], self._by_language["zh_CN"]
        for day in sorted(english):
            if day.year not in self._years:
                continue
            en = english[day]
            zh = chinese.get(day, en) if self._translated else _CHINESE.get(_plain(en), en)
            if day in self._exchanges:
                worked = self._exchanges[day]
                zh = f"{self._festival(day, chinese)}调休放假（与{worked:%Y-%m-%d}对调）"
                en = f"{self._festival(day, english)}, day off in exchange for {worked:%Y-%m-%d}"
            yield day, Named("holiday", zh, en)
        rest_of = {worked: day for day, worked in self._exchanges.items()}
        for worked in sorted(self._weekend_workdays):
            if worked.year not in self._years or worked in english:
                continue
            rest = rest_of.get(worked)
            if rest is None:
                yield worked, Named("make_up", "调休上班", "make-up working day")
                continue
            zh = f"{self._festival(rest, chinese)}调休上班（与{rest:%Y-%m-%d}对调）"
            en = f"make-up working day for {self._festival(rest, english)}, in exchange for {rest:%Y-%m-%d}"
            yield worked, Named("make_up", zh, en)

    def _festival(self, day: date, names: Mapping[date, str]) -> str:
        """The festival that a day off belongs to: the commonest name in its run of days without work."""
        run = [day]
        for step in (-1, 1):
            there = day + timedelta(step)
            while self._rests(there, names):
                run.append(there)
                there += timedelta(step)
        found = Counter(names[one] for one in run if one in names and one not in self._exchanges)
        return found.most_common(1)[0][0] if found else names.get(day, "")

    def _rests(self, day: date, names: Mapping[date, str]) -> bool:
        return day in names or (day.weekday() >= 5 and day not in self._weekend_workdays)


def _exchanges(special: Mapping[int, Any]) -> Iterator[tuple[date, date]]:
    """Day off -> day worked in exchange, from the package's table of years."""
    for year, entries in special.items():
        for entry in entries if entries and isinstance(entries[0], tuple) else (entries,):
            # (month, day, name) is a holiday; (month, day, month, day[, year]) is an exchange.
            if len(entry) >= 4:
                yield date(year, entry[0], entry[1]), date(entry[4] if len(entry) > 4 else year, entry[2], entry[3])


def _asked(wanted: HolidaySettings) -> str:
    return wanted.country if wanted.subdivision is None else f"{wanted.country}, {wanted.subdivision}"


_UNKNOWN: Final = (
    "[calendars.{name}.holidays]: the package `holidays` {version} knows no {asked}. Expected a country code of two "
    "letters such as 'CN' or 'US', and a subdivision code such as 'NY' or none."
)


def _plain(english: str) -> str:
    return english.removesuffix(" (observed)")


# The package does not speak Chinese of every country; these are the names that offices in the United States need.
_CHINESE: Final = {
    "New Year's Day": "元旦",
    "Martin Luther King Jr. Day": "马丁·路德·金纪念日",
    "Lincoln's Birthday": "林肯诞辰日",
    "Susan B. Anthony Day": "苏珊·安东尼日",
    "Washington's Birthday": "华盛顿诞辰日",
    "Memorial Day": "阵亡将士纪念日",
    "Juneteenth National Independence Day": "六月节",
    "Independence Day": "独立日",
    "Labor Day": "劳动节",
    "Columbus Day": "哥伦布日",
    "Election Day": "选举日",
    "Veterans Day": "退伍军人节",
    "Thanksgiving Day": "感恩节",
    "Christmas Day": "圣诞节",
}


def _weekdays(name: str) -> list[int]:
    first, _, last = name.partition("-")
    if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
        raise ValueError(f"'{name}' is no weekday. Allowed: {', '.join(WEEKDAYS)}, or a run such as 'monday-friday'")
    begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    if end < begin:
        raise ValueError(f"'{name}' runs backwards; the week begins with monday")
    return list(range(begin, end + 1))


def _checked(opening: OpenHours) -> OpenHours:
    try:
        hours(*opening)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return opening
