"""The file of a timetable (TOML): read whole, and refused with every mistake named."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from data.errors import HeedError, UsageError
from service.job_payloads import Kind
from service.settings import Settings

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}
_GRACE: Final = 6 * 3_600
_DAY: Final = 86_400
_SHORTEST: Final = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a kind of job is to be done.

    Attributes
    ----------
    name : of the schedule
    kind, arguments : of the job, as `service.jobs.kinds.checked` gives them
    at : local time of day; every : seconds; after : name of another schedule. One of the three, the others None.
    weekdays : of `at`, 0 for Monday; None: workdays
    grace : seconds for which a slot that was missed is made up for
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    at: time | None = None
    every: int | None = None
    after: str | None = None
    weekdays: frozenset[int] | None = frozenset(range(7))
    grace: int = _GRACE


@dataclass(frozen=True, slots=True)
class ScheduleFile:
    """A timetable. `time_zone` is None where the file leaves it to the store."""

    schedules: tuple[Schedule, ...] = field(default=())
    time_zone: str | None = None

    @classmethod
    def read(cls, path: Path, settings: Settings) -> Self:
        """Read a file.

        Raises
        ------
        UsageError
            If it is not there, or anything in it is not as expected; every mistake is named.
        """
        try:
            given = tomllib.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise UsageError(f"{path}: the timetable cannot be read ({error.strerror}). Give another path.") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path.name}: expected TOML in UTF-8. Save the file as UTF-8.") from None
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path.name}: this is not TOML: {error}.") from None
        try:
            table = _Table.model_validate(given)
        except ValidationError as error:
            mistakes = [_explained(item, given) for item in error.errors(include_input=False)]
        else:
            mistakes = list(_mistakes(table, settings))
        if mistakes:
            listed = "\n".join(f"  - {mistake}" for mistake in dict.fromkeys(mistakes))
            raise UsageError(f"{path.name}: the timetable is wrong.\n{listed}")
        return cls(tuple(_schedule(row, settings) for row in table.schedule), table.time_zone)


def _seconds(value: Any) -> int:
    found = re.fullmatch(r"([1-9]\d{0,3})([mhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a length such as 30m, 6h or 2d")
    return int(found[1]) * _UNITS[found[2]]


def _time_of_day(value: Any) -> time:
    # TOML knows times of its own, with seconds: 06:30:00.
    if isinstance(value, time) and not value.microsecond:
        return value
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError("expected a time of day such as 06:30")


def _zone_name(value: Any) -> str:
    try:
        return str(ZoneInfo(value).key)
    except (TypeError, ValueError, OSError, KeyError):
        raise ValueError("expected a time zone such as Asia/Shanghai") from None


def _one_name(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if isinstance(value, list):
        raise ValueError("expected the name of one schedule")  # noqa: TRY004  (pydantic reads ValueError)
    return value


Length = Annotated[int, BeforeValidator(_seconds), Field(ge=_SHORTEST)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")
    kind: Kind
    at: Annotated[time, BeforeValidator(_time_of_day)] | None = None
    every: Length | None = None
    after: Annotated[str, BeforeValidator(_one_name)] | None = None
    days: Literal["daily", "workdays"] | list[Day] | None = None
    grace: Length = _GRACE
    arguments: dict[str, Any] = Field(default_factory=dict)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    time_zone: Annotated[str, BeforeValidator(_zone_name)] | None = None
    schedule: list[_Row] = Field(default_factory=list)


_EXPECTED: Final = {
    "extra_forbidden": "there is no such setting",
    "missing": "it has to be given",
    "string_pattern_mismatch": "expected small letters, digits and hyphens, at most 40",
}


def _explained(item: Any, given: Mapping[str, Any]) -> str:
    location = list(item["loc"])
    where = ""
    if len(location) > 1 and location[0] == "schedule" and isinstance(location[1], int):
        where = f"{_called(given['schedule'][location[1]], location[1])}: "
        location = location[2:]
    what = f"{location[0]}: " if location else ""
    message = _EXPECTED.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    return f"{where}{what}{message[0].lower()}{message[1:]}"


def _called(row: Any, place: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return f"schedule {place + 1}" if not isinstance(name, str) else f"schedule '{name[:40]}'"


def _mistakes(table: _Table, settings: Settings) -> Iterator[str]:
    """What cannot be seen of one value alone."""
    names = [row.name for row in table.schedule]
    known = {row.name: row for row in table.schedule}
    for place, row in enumerate(table.schedule):
        where = f"schedule '{row.name}'"
        if row.name in names[:place]:
            yield f"{where}: there are two of that name"
        if sum(value is not None for value in (row.at, row.every, row.after)) != 1:
            yield f"{where}: expected one of at, every and after"
        if row.days is not None and row.at is None:
            yield f"{where}: days: go with at only"
        if row.days == []:
            yield f"{where}: days: expected one day or more"
        if row.after is not None and row.after not in known:
            yield f"{where}: after: there is no schedule of that name"
        elif _goes_round(row, known):
            yield f"{where}: after: it would come after itself"
        # That a slot was begun is known by its job: one that is let go before its grace is over would be begun again.
        if row.grace > settings.retain_jobs_days * _DAY:
            yield f"{where}: grace: expected at most HEED_RETAIN_JOBS_DAYS ({settings.retain_jobs_days}d)"
        try:
            _arguments(row, settings)
        except HeedError as error:
            yield f"{where}: {error}"


def _goes_round(row: _Row, known: Mapping[str, _Row]) -> bool:
    seen, at = {row.name}, row
    while at.after is not None and at.after in known:
        if at.after in seen:
            return True
        seen.add(at.after)
        at = known[at.after]
    return False


def _schedule(row: _Row, settings: Settings) -> Schedule:
    chosen = row.days or "daily"
    weekdays = None if chosen == "workdays" else range(7) if chosen == "daily" else [_DAYS.index(day) for day in chosen]
    return Schedule(
        name=row.name,
        kind=row.kind,
        arguments=_arguments(row, settings),
        at=row.at,
        every=row.every,
        after=row.after,
        weekdays=None if weekdays is None else frozenset(weekdays),
        grace=row.grace,
    )


def _arguments(row: _Row, settings: Settings) -> dict[str, Any]:
    # Imported here: the kinds name what they take by the payloads, and those the kinds by this.
    from service.jobs.kinds import checked  # noqa: PLC0415

    return checked(row.kind, row.arguments, settings)
