"""The [sync] table of a mapping: where a portal is, what it speaks, and how far back each fetch looks again."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, field_validator

from data.errors import MappingError, UsageError
from data.mapping import Mapping, find_mapping, shipped_mappings

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# Names that go into a query as they are.
_SOQL_NAME: Final = r":?[A-Za-z_@][A-Za-z0-9_@:]*"
SoqlName = Annotated[str, StringConstraints(pattern=f"^{_SOQL_NAME}$")]
Environment = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]

# The specification's own limits of one answer: a span of 90 days, or the first 1,000 requests.
GEOREPORT_DAYS: Final = 90
GEOREPORT_ROWS: Final = 1000


class _Definition(BaseModel):
    """What every kind has.

    `fields` gives the portal's name of a column where the mapping calls it otherwise, `leave_out` the columns of the
    portal that are not fetched or not kept, each with the reason, and `without` the columns of the mapping that the
    portal does not have, each with the reason. `overlap_days` is how far before its watermark a fetch begins again,
    for changes that the portal shows late. `first` is the day of opening from which cases are fetched at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    fields: dict[str, Text] = {}
    leave_out: dict[str, Text] = {}
    without: dict[str, Text] = {}
    first: date | None = None
    overlap_days: int = Field(default=2, ge=1, le=3660)

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("expected an address without user, password, query or fragment")
        if parts.scheme == "https" and parts.hostname:
            return url.rstrip("/")
        if parts.scheme == "http" and is_loopback(parts.hostname):
            return url.rstrip("/")
        raise ValueError("expected an address that begins with https://")


class SocrataDefinition(_Definition):
    """A data set on a Socrata portal, by SODA 2 or SODA 3.

    `updated_field` says when a row last changed: `:updated_at`, which every data set has, or a column that no row
    leaves empty.
    """

    kind: Literal["socrata"]
    dataset: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{4}-[a-z0-9]{4}$")]
    api: Literal[2, 3] = 2
    updated_field: SoqlName = ":updated_at"
    page_size: int = Field(default=10_000, ge=1, le=50_000)
    token_env: Environment = "HEED_SOCRATA_TOKEN"  # noqa: S105 — the name of a variable


class CkanDefinition(_Definition):
    """Tables in the data store of a CKAN portal; several where the portal keeps, say, one per year.

    Without `sql` every table is read whole each time: `datastore_search` cannot ask for a span of time. With `sql`
    (`datastore_search_sql`, which a portal may have switched off) and `updated_field`, only what changed is read.
    """

    kind: Literal["ckan"]
    dataset: Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], ...], Field(min_length=1)]
    sql: bool = False
    updated_field: Annotated[str, StringConstraints(pattern=r'^[^"\x00]+$')] | None = None
    filters: dict[str, str] = {}
    page_size: int = Field(default=10_000, ge=2, le=32_000)
    token_env: Environment = "HEED_CKAN_TOKEN"  # noqa: S105 — the name of a variable

    @field_validator("dataset", mode="before")
    @classmethod
    def _one_or_several(cls, dataset: Any) -> Any:
        return (dataset,) if isinstance(dataset, str) else dataset

    @field_validator("dataset")
    @classmethod
    def _each_once(cls, dataset: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(dataset)) < len(dataset):
            raise ValueError("expected every table once")
        return dataset


class GeoReportDefinition(_Definition):
    """An Open311 GeoReport v2 server.

    `page_size` only where the server knows `page` and `page_size`; `cap` is the number of requests after which it
    cuts an answer off. `status` asks for each of these states by itself, for servers that give only open requests
    otherwise. The server can be asked by time of opening only, so each fetch looks again at the requests opened in
    the last `overlap_days`; older ones are no longer followed.
    """

    kind: Literal["georeport"]
    format: Literal["json", "xml"] = "json"
    jurisdiction_id: Text | None = None
    service_code: tuple[Text, ...] = ()
    status: tuple[Literal["open", "closed"], ...] = ()
    page_size: int | None = Field(default=None, ge=1, le=10_000)
    cap: int = Field(default=GEOREPORT_ROWS, ge=1, le=100_000)
    window_days: int = Field(default=30, ge=1, le=GEOREPORT_DAYS)
    overlap_days: int = Field(default=90, ge=1, le=3660)
    token_env: Environment = "HEED_OPEN311_KEY"  # noqa: S105 — the name of a variable


Definition = SocrataDefinition | CkanDefinition | GeoReportDefinition
_MODELS: Final[dict[str, type[BaseModel]]] = {
    "socrata": SocrataDefinition,
    "ckan": CkanDefinition,
    "georeport": GeoReportDefinition,
}
_ADAPTER: Final[TypeAdapter[Definition]] = TypeAdapter(Annotated[Definition, Field(discriminator="kind")])


def definition_of(mapping: Mapping) -> Definition:
    """How to fetch the source of `mapping`.

    Raises
    ------
    UsageError
        If the mapping has no [sync].
    MappingError
        If [sync] is wrong, or does not fit the columns of the mapping.
    """
    name = mapping.source.name
    if mapping.sync is None:
        raise UsageError(
            f"The mapping '{name}' does not say how to fetch its source: it has no [sync]. Shipped with one: "
            f"{', '.join(syncable()) or 'none'}. Use `heed import FILE --mapping NAME` for a file."
        )
    kind = mapping.sync.get("kind")
    if kind not in _MODELS:
        raise MappingError(f"{name}: [sync] kind: expected one of {', '.join(_MODELS)}.")
    try:
        found = _ADAPTER.validate_python(mapping.sync)
    except ValidationError as error:
        lines = "\n".join(f"  - {_explained(item, kind)}" for item in error.errors(include_input=False))
        raise MappingError(f"{name}: [sync] is wrong.\n{lines}") from None
    problems = list(_misfits(mapping, found))
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise MappingError(f"{name}: [sync] is wrong.\n{listed}")
    return found


def syncable() -> tuple[str, ...]:
    """The shipped mappings that can be fetched."""
    return tuple(name for name in shipped_mappings() if find_mapping(name).sync is not None)


def effective_mapping(mapping: Mapping, definition: Definition, **more: Any) -> Mapping:
    """The mapping as it fits what the portal gives: without the columns that it does not have, with what it leaves
    out besides. `more` replaces further parts.
    """
    parts: dict[str, Any] = {name: getattr(mapping, name) for name in type(mapping).model_fields}
    parts["columns"] = {name: column for name, column in mapping.columns.items() if name not in definition.without}
    # A column of a file that the portal calls otherwise must not hide one of the portal by the same name.
    left_out = {**mapping.leave_out, **definition.leave_out}
    parts["leave_out"] = {name: reason for name, reason in left_out.items() if name not in parts["columns"]}
    return Mapping(**{**parts, **more})


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _misfits(mapping: Mapping, definition: Definition) -> Iterator[str]:
    """What the types cannot say, one sentence each."""
    if mapping.source.shape != "cases":
        yield "[source] shape: a portal gives the state of cases; expected shape = 'cases'."
    if mapping.location is not None:
        yield "[location]: a sync keeps no places, not even to turn them into areas; map a column that holds the area."
    if mapping.source.time_zone is None:
        yield "[source] time_zone: is required, as the days of a fetch are days of the offices."
    for table, names in (("fields", definition.fields), ("without", definition.without)):
        for name in names.keys() - mapping.columns.keys():
            yield f"[sync.{table}] '{name}': is no column of the mapping."
    for name in definition.without:
        if name in mapping.columns and mapping.columns[name].field in ("reference", "opened_at"):
            yield f"[sync.without] '{name}': without it no case can be told."
        if name in definition.fields:
            yield f"[sync.without] '{name}': stands in [sync.fields] as well; keep one of the two."
    yield from _name_misfits(
        definition, [definition.fields.get(name, name) for name in mapping.columns if name not in definition.without]
    )
    if isinstance(definition, CkanDefinition):
        yield from _ckan_misfits(definition)


def _name_misfits(definition: Definition, theirs: list[str]) -> Iterator[str]:
    for name in sorted({name for name in theirs if theirs.count(name) > 1}):
        yield f"[sync.fields]: '{name}' is given twice."
    for name in theirs:
        if isinstance(definition, SocrataDefinition) and not re.fullmatch(_SOQL_NAME, name):
            yield f"[sync.fields]: '{name}' is no name that Socrata gives to a column."
        if isinstance(definition, CkanDefinition) and '"' in name:
            yield f"[sync.fields]: '{name}' has a quote in it."


def _ckan_misfits(definition: CkanDefinition) -> Iterator[str]:
    if definition.updated_field is not None and not definition.sql:
        yield "[sync] updated_field: only with sql = true; without it the table is read whole."
    if definition.filters and definition.sql:
        yield "[sync] filters: only without sql."


def _explained(item: Any, kind: str) -> str:
    # The first part of the place is the tag of the union.
    where = [str(part) for part in item["loc"][1:]] or ["kind"]
    place = f"[sync] {'.'.join(where)}"
    if item["type"] == "extra_forbidden":
        allowed = ", ".join(_MODELS[kind].model_fields)
        return f"{place}: there is no such setting for kind '{kind}'. Allowed: {allowed}."
    if item["type"] == "missing":
        return f"{place}: is required."
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}."
