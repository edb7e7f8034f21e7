"""The mapping of a source: which column is which field, in what words, in which time zone, and known since
when.

A mapping is a TOML file. What is not said in it is not read, and a column of the file that it does not speak
of is refused (see `data.privacy`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from data.errors import LeakError, MappingError, UsageError
from data.findings import SET_ASIDE_CODES
from data.schema import CASE_FIELDS, EVENT_FIELDS, KnownAt
from data.schema import Field as CaseField

SHIPPED: Final = Path(__file__).parent / "mappings"

# What the features at an opening may use, if the source shows it as it stood then.
KEYS: Final = ("category", "category_group", "area", "channel", "office")
STATUSES: Final = ("open", "closed")

_REQUIRED: Final = {"cases": ("reference", "opened_at"), "events": ("reference", "kind", "at")}

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """[source]: where the rows come from. Without `time_zone`, only times that carry an offset could be
    read.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    shape: Literal["cases", "events"]
    title: str = ""
    time_zone: str | None = None
    time_format: str | None = None
    licence: str = ""
    url: str = ""

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError("expected an IANA time zone such as 'Asia/Shanghai' or 'America/New_York'")
        return zone


class Column(_Part):
    """[columns.NAME]: one column of the file.

    `at` says when the column became known: "opened" (with the opening, and not changed since) or "end" (the
    export shows how it ended). `missing` lists values that mean nothing. `end_of_day` is for a deadline that
    is a day: it is kept until that day is over. `resolution` "day" is for any other time without a time of
    day: what happened then is known when the day is over. `forced` overrides the refusal of a column that
    only the end can know, with the reason.
    """

    field: str
    at: KnownAt | None = None
    note: str = ""
    vocabulary: str | None = None
    missing: tuple[str, ...] = ()
    end_of_day: bool = False
    resolution: Literal["second", "day"] = "second"
    optional: bool = False
    forced: Text | None = None


class Vocabulary(_Part):
    """[vocabulary.NAME]: value of the source -> our value. Closed, unless `other` says what the rest
    becomes.
    """

    values: dict[str, str]
    other: str | None = None


class Closing(_Part):
    """[closing]: values of the columns for closing_reason or status that say how a case fell away."""

    withdrawn: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()


class Rules(_Part):
    """[rules]: what counts as impossible, and which impossible rows are set aside instead of refused."""

    near_instant_seconds: int = Field(default=60, ge=0)
    latest_due_days: int = Field(default=1095, gt=0)
    set_aside: tuple[str, ...] = ()

    @field_validator("set_aside")
    @classmethod
    def _are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if code not in SET_ASIDE_CODES:
                raise ValueError(f"'{code}' is not one of {', '.join(SET_ASIDE_CODES)}")
        return codes


class Mapping(_Part):
    """A whole mapping, checked. Make one with `find_mapping` or `parse_mapping`."""

    source: Source
    columns: dict[str, Column]
    vocabulary: dict[str, Vocabulary] = {}
    leave_out: dict[str, Text] = {}
    closing: Closing = Closing()
    rules: Rules = Rules()
    sha256: str = Field(default="", exclude=True)

    @property
    def fields(self) -> dict[str, CaseField]:
        """The fields that a file of this shape may have."""
        return CASE_FIELDS if self.source.shape == "cases" else EVENT_FIELDS

    @cached_property
    def column_of(self) -> dict[str, str]:
        """Field -> column."""
        return {column.field: name for name, column in self.columns.items()}

    @property
    def zone(self) -> ZoneInfo | None:
        """The declared time zone."""
        return None if self.source.time_zone is None else ZoneInfo(self.source.time_zone)

    @property
    def forced(self) -> dict[str, str]:
        """Columns called known at opening against the rule, with the reason given."""
        return {name: column.forced for name, column in self.columns.items() if column.forced is not None}

    def known(self, field: str) -> KnownAt | None:
        """When `field` is known in this source; None if it has no such column."""
        name = self.column_of.get(field)
        return None if name is None else self.columns[name].at


def find_mapping(name_or_path: str | Path) -> Mapping:
    """The shipped mapping of that name, or the mapping in the file at that path.

    Raises
    ------
    UsageError
        If there is neither.
    MappingError
        If the file is not a mapping; the message names the place inside it and what is allowed there.
    LeakError
        If it calls a column known at the opening that the source shows only as it ended.
    """
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if str(name_or_path) in shipped_mappings() else Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"There is no mapping '{name_or_path}'. Shipped with heed: {', '.join(shipped_mappings())}. "
            "For your own, give the path of a TOML file."
        )
    return parse_mapping(path.read_bytes(), path.name)


def shipped_mappings() -> tuple[str, ...]:
    """The names of the mappings that come with heed."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def parse_mapping(content: bytes, file: str = "mapping") -> Mapping:
    """The mapping in `content` (TOML, UTF-8); `file` is its name in messages. Raises as `find_mapping`
    does.
    """
    try:
        parsed = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise MappingError(f"{file}: expected TOML in UTF-8. Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file}: this is not TOML: {error}.") from None
    parsed.pop("sha256", None)
    try:
        mapping = Mapping(**parsed, sha256=hashlib.sha256(content).hexdigest())
    except ValidationError as error:
        lines = "\n".join(f"  - {_explained(item)}" for item in error.errors())
        raise MappingError(f"{file}: the mapping is wrong.\n{lines}") from None
    except TypeError:
        raise MappingError(f"{file}: expected tables such as [source] and [columns.NAME].") from None
    problems = list(_problems(mapping))
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise MappingError(f"{file}: the mapping is wrong.\n{lines}")
    _refuse_leaks(mapping, file)
    return mapping


def _explained(item: Any) -> str:
    where = [str(part) for part in item["loc"]]
    place = f"[{'.'.join(where[:-1])}] {where[-1]}" if len(where) > 1 else f"[{where[0]}]"
    if item["type"] == "extra_forbidden":
        return f"{place}: there is no such setting. {_allowed(where)}"
    if item["type"] == "missing":
        return f"{place}: is required."
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}."


def _allowed(where: list[str]) -> str:
    models: dict[str, type[BaseModel]] = {
        "source": Source,
        "columns": Column,
        "vocabulary": Vocabulary,
        "closing": Closing,
        "rules": Rules,
    }
    model = models.get(where[0], Mapping) if len(where) > 1 else Mapping
    return f"Allowed: {', '.join(name for name in model.model_fields if name != 'sha256')}."


def _problems(mapping: Mapping) -> Iterator[str]:
    """What the types cannot say, one sentence each."""
    shape = mapping.source.shape
    for field in _REQUIRED[shape]:
        if field not in mapping.column_of:
            yield f"[columns]: no column has field = '{field}', which every file of shape '{shape}' needs."
    taken: dict[str, str] = {}
    for name, column in mapping.columns.items():
        yield from _column_problems(mapping, name, column)
        if column.field in taken:
            yield f"[columns.{name}] field: column '{taken[column.field]}' gives '{column.field}' already."
        taken.setdefault(column.field, name)
    for name in mapping.leave_out.keys() & mapping.columns.keys():
        yield f"[leave_out] '{name}': the column is mapped in [columns.{name}] as well; keep one of the two."
    if (mapping.closing.withdrawn or mapping.closing.duplicate) and not (
        {"closing_reason", "status"} & mapping.column_of.keys()
    ):
        yield "[closing]: no column has field = 'closing_reason' or 'status' that could hold these values."


def _column_problems(mapping: Mapping, name: str, column: Column) -> Iterator[str]:
    place = f"[columns.{name}]"
    field = mapping.fields.get(column.field)
    if field is None:
        yield (
            f"{place} field: '{column.field}' is no field of heed. Allowed: {', '.join(mapping.fields)}. "
            "A column that fits none of them belongs in [leave_out], with the reason."
        )
        return
    if mapping.source.shape == "cases" and column.at is None:
        yield f"{place} at: is required. Say when the column became known: 'opened' or 'end'."
    if column.end_of_day and field.name != "due_at":
        yield f"{place} end_of_day: only for field = 'due_at'. Use resolution = 'day' for other times."
    if column.resolution == "day" and field.type != "time":
        yield f"{place} resolution: only for times, and '{field.name}' is none."
    if column.forced is not None and not (field.mutable and column.at == "opened"):
        yield f"{place} forced: only for a column that at = 'opened' would refuse; take it out."
    yield from _vocabulary_problems(mapping, place, column, field)


def _vocabulary_problems(mapping: Mapping, place: str, column: Column, field: CaseField) -> Iterator[str]:
    if column.vocabulary is None:
        if field.name == "status":
            yield f"{place} vocabulary: is required, with the values {' and '.join(STATUSES)}."
        return
    vocabulary = mapping.vocabulary.get(column.vocabulary)
    if vocabulary is None:
        yield f"{place} vocabulary: there is no [vocabulary.{column.vocabulary}] in this mapping."
        return
    if field.type not in ("vocabulary", "code"):
        yield f"{place} vocabulary: '{field.name}' has no words to translate; take it out."
        return
    allowed = allowed_values(field)
    targets = {*vocabulary.values.values(), *({vocabulary.other} if vocabulary.other is not None else ())}
    for target in sorted(targets - set(allowed)) if allowed else ():
        yield (
            f"[vocabulary.{column.vocabulary}]: '{target}' is no value of '{field.name}'. "
            f"Allowed: {', '.join(allowed)}."
        )


def allowed_values(field: CaseField) -> tuple[str, ...]:
    """The values that `field` may have; empty if any code will do."""
    if field.name == "status":
        return STATUSES
    return () if field.vocabulary is None else tuple(item.value for item in field.vocabulary)


def _refuse_leaks(mapping: Mapping, file: str) -> None:
    if mapping.source.shape != "cases":
        return
    for name, column in mapping.columns.items():
        if mapping.fields[column.field].mutable and column.at == "opened" and column.forced is None:
            raise LeakError(_LEAK.format(file=file, column=name, field=column.field))


_LEAK: Final = (
    "{file}: [columns.{column}] says at = 'opened', but this export keeps only the last state of a case, and "
    "'{field}' changes during its life: the column shows how the case ended, not how it began. Cases that "
    "never left the intake queue still show that queue and are late far more often, while at intake every "
    "case stands in it: a model given this column looks far better than it would be. Say at = 'end'; or map "
    "a column that was frozen at intake; or, to show the leak in an experiment, add forced = 'the reason'."
)
