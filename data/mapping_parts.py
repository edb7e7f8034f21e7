"""The parts of a mapping, as types; what they cannot say alone is checked in `data.mapping_rules`."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from data.findings import SET_ASIDE_CODES
from data.schema import CASE_FIELDS, EVENT_FIELDS, INSPECTION_FIELDS, KnownAt, Severity
from data.schema import Field as CaseField
from data.time_zones import time_zones

# What the features at an opening may use, if the source shows it as it stood then.
KEYS: Final = ("category", "category_group", "area", "channel", "office")
STATUSES: Final = ("open", "closed")

FIELDS: Final = {"cases": CASE_FIELDS, "events": EVENT_FIELDS, "inspections": INSPECTION_FIELDS}

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Part(BaseModel):
    """One table of a mapping; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """[source]: where the rows come from. Without `time_zone`, only times that carry an offset could be read.

    `visit` is for inspections without a number of their own: the mapped columns that together tell one visit from
    another, such as the asset and the day. A row with the same visit and another result is then a correction.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    shape: Literal["cases", "events", "inspections"]
    title: str = ""
    time_zone: str | None = None
    time_format: str | None = None
    licence: str = ""
    url: str = ""
    visit: tuple[Text, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in time_zones():
            raise ValueError("expected an IANA time zone such as 'Asia/Shanghai' or 'America/New_York'")
        return zone


class Column(Part):
    """[columns.NAME]: one column of the file.

    `at` says when the column became known: "opened" (with the opening, and not changed since) or "end" (the
    export shows how it ended). `missing` lists values that mean nothing. `end_of_day` is for a deadline that
    is a day: it is kept until that day is over. `resolution` "day" is for any other time without a time of
    day: what happened then is known when the day is over; "month", of inspections, likewise. `forced` overrides the
    refusal of a column that only the end can know, with the reason. `scale` names the [scale.NAME] that turns a
    number into a severity.
    """

    field: str
    at: KnownAt | None = None
    note: str = ""
    vocabulary: str | None = None
    scale: str | None = None
    missing: tuple[str, ...] = ()
    end_of_day: bool = False
    resolution: Literal["second", "day", "month"] = "second"
    optional: bool = False
    forced: Text | None = None


class Vocabulary(Part):
    """[vocabulary.NAME]: value of the source -> our value. Closed, unless `other` says what the rest
    becomes.
    """

    values: dict[str, str]
    other: str | None = None


class Scale(Part):
    """[scale.NAME]: numbers of the source -> severity.

    `steps` lists pairs (from, severity), rising; each holds from its number up to the next one, that not included, and
    the first begins at `lowest`. A number below `lowest` or above `highest` is the finding `out_of_range`.
    """

    lowest: float
    highest: float
    steps: Annotated[tuple[tuple[float, Severity], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _rises(self) -> Scale:
        starts = [start for start, _ in self.steps]
        if starts[0] != self.lowest or starts[-1] > self.highest:
            raise ValueError("expected steps that begin at 'lowest' and none above 'highest'")
        if any(left >= right for left, right in pairwise(starts)):
            raise ValueError("expected steps in rising order, each number once")
        return self


class Location(Part):
    """[location]: columns that say where, and become an area and nothing else.

    Either `latitude` and `longitude`, or `point`: one column such as "POINT (lon lat)" or "(lat, lon)"; `order` says
    which number comes first where it is not WKT. `areas` is a GeoJSON file beside the mapping, in WGS 84; the property
    `code` of its features is the area. Without it, the boundaries in the store are taken. `missing_at` lists points,
    (latitude, longitude), at which the source puts what has no place. Any other point that at least `default_share` of
    the rows share exactly is the finding `default_location`.
    """

    latitude: Text | None = None
    longitude: Text | None = None
    point: Text | None = None
    order: Literal["lat_lon", "lon_lat"] = "lat_lon"
    areas: Text | None = None
    code: Text = "area"
    missing_at: tuple[tuple[Latitude, Longitude], ...] = ()
    default_share: Annotated[float, Field(gt=0, le=1)] = 0.02
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that it reads."""
        return tuple(name for name in (self.latitude, self.longitude, self.point) if name is not None)

    @model_validator(mode="after")
    def _is_one_way(self) -> Location:
        pair = (self.latitude is not None, self.longitude is not None)
        if any(pair) == (self.point is not None) or pair[0] != pair[1]:
            raise ValueError("expected either both 'latitude' and 'longitude', or 'point'")
        return self


class Closing(Part):
    """[closing]: values of the columns for closing_reason or status that say how a case fell away."""

    withdrawn: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()


class Rules(Part):
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


class Mapping(Part):
    """A whole mapping, checked. Make one with `data.mapping.find_mapping` or `parse_mapping`.

    `constants` gives fields that no column of the source holds, known from the beginning. `sync` says how to fetch
    the source (`heed sync`); `data.sources` says what it may hold. `folder` is where the mapping stands.
    """

    source: Source
    columns: dict[str, Column]
    constants: dict[str, Text] = {}
    location: Location | None = None
    vocabulary: dict[str, Vocabulary] = {}
    scale: dict[str, Scale] = {}
    leave_out: dict[str, Text] = {}
    closing: Closing = Closing()
    rules: Rules = Rules()
    sync: dict[str, Any] | None = None
    sha256: str = Field(default="", exclude=True)
    folder: Path | None = Field(default=None, exclude=True)

    @property
    def fields(self) -> dict[str, CaseField]:
        """The fields that a file of this shape may have."""
        return FIELDS[self.source.shape]

    @cached_property
    def column_of(self) -> dict[str, str]:
        """Field -> column."""
        return {column.field: name for name, column in self.columns.items()}

    @property
    def location_columns(self) -> tuple[str, ...]:
        """The columns that only the snap to an area may read; see `data.location`."""
        return () if self.location is None else self.location.columns

    @property
    def zone(self) -> ZoneInfo | None:
        """The declared time zone."""
        return None if self.source.time_zone is None else ZoneInfo(self.source.time_zone)

    @property
    def forced(self) -> dict[str, str]:
        """Columns called known at opening against the rule, with the reason given."""
        return {name: column.forced for name, column in self.columns.items() if column.forced is not None}

    def gives(self, field: str) -> bool:
        """Whether rows of this source can have `field`: from a column, a constant or the location."""
        located = field == "area" and self.location is not None
        return field in self.column_of or field in self.constants or located

    def known(self, field: str) -> KnownAt | None:
        """When `field` is known in this source; None if it has no such field."""
        name = self.column_of.get(field)
        if name is not None:
            return self.columns[name].at
        return "opened" if self.gives(field) else None
