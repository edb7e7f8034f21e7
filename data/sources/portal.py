"""What every client gives: pages of rows that went through the allow-list before a value of them was kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import pandas as pd

from data.errors import FileFormatError, MappingError, PersonalDataError, UsageError
from data.mapping import Mapping as CaseMapping
from data.moments import parse_moments
from data.personal import personal_kind, scan_references
from data.privacy import check_columns
from data.sources.definition import Definition, effective_mapping
from data.sources.plan import Plan

Schema = dict[str, str]
"""Column -> type, both as the portal calls them; the type is "" where it does not tell."""

# Types that hold a place, a file or a link, under the names that Socrata and CKAN give them.
_REFUSED_TYPES: Final = frozenset(
    "point multipoint line multiline polygon multipolygon location photo document blob url phone email "  # noqa: SIM905
    "geometry geography json jsonb nested".split()
)


class ChangedWhilePagingError(Exception):
    """The rows moved under the pages of a fetch that cannot allow for it: it has to begin again."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: a name of it that stays the same when it is given again, whether it changed after the fetch began, and
    its values by the mapping's names of the columns.
    """

    key: str
    late: bool
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows, and where the fetch goes on after them.

    `seen_at` (seconds in UTC) is when the portal was looked at. `stamp` is the latest change that a row of the page
    tells of, None where rows do not tell; `expected` the count of rows of the whole fetch, on its last page, where
    the portal counts.
    """

    rows: list[Row]
    cursor: dict[str, Any]
    seen_at: int
    stamp: int | None = None
    expected: int | None = None


class Portal(Protocol):
    """A client of one protocol."""

    def schema(self) -> Schema | None:
        """The columns of the portal; None where only the rows show them. Asks the portal."""

    def count(self, plan: Plan) -> int | None:
        """How many rows the plan asks for; None where the portal does not count."""

    def pages(self, plan: Plan, cursor: dict[str, Any] | None) -> Iterator[Page]:
        """The pages of the plan after `cursor` (None: from the first)."""


@dataclass(frozen=True)
class Columns:
    """Which columns of the portal are read, as what, and which are openly not.

    `mapped` is the portal's name -> the mapping's name.
    """

    place: str
    mapping: CaseMapping
    mapped: dict[str, str]
    known: frozenset[str]
    drop: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, mapping: CaseMapping, definition: Definition, drop: Collection[str] = ()) -> Columns:
        """The columns that `mapping` and its [sync] speak of; `drop` leaves out more, by the portal's names."""
        fit = effective_mapping(mapping, definition)
        mapped = {definition.fields.get(name, name): name for name in fit.columns}
        for theirs, ours in mapped.items():
            if fit.columns[ours].field in ("reference", "opened_at") and {theirs, ours} & set(drop):
                raise UsageError(f"--drop {theirs}: without '{fit.columns[ours].field}' no case can be told.")
        return cls(
            place=f"{mapping.source.name} at {urlsplit(definition.url).hostname}",
            mapping=fit,
            mapped={theirs: ours for theirs, ours in mapped.items() if theirs not in drop and ours not in drop},
            known=frozenset({*fit.leave_out, *definition.leave_out, *drop}),
            drop=frozenset(drop),
        )

    def theirs(self, name: str) -> str | None:
        """The portal's name of the column for a field of heed; None if it has none."""
        return next((theirs for theirs, ours in self.mapped.items() if self.mapping.columns[ours].field == name), None)

    def check_schema(self, schema: Schema, before: Schema, *, accept: bool) -> None:
        """Refuse a portal whose columns are not those that the mapping speaks of.

        Parameters
        ----------
        schema, before : what the portal shows now, and what it showed at the last finished sync ({}: none)
        accept : bool
            Go on although mapped columns have another type than before.

        Raises
        ------
        MappingError
            If a mapped column is gone or renamed, or has another type.
        PersonalDataError
            If there is a column that the mapping does not speak of, or a mapped one holds places, files or links.
        """
        required = {theirs: self.mapping.columns[ours] for theirs, ours in self.mapped.items()}
        gone = [name for name, column in required.items() if name not in schema and not column.optional]
        extra = [name for name in schema if name not in self.mapped and name not in self.known]
        if gone:
            raise MappingError(
                f"{self.place}: the mapping expects {_listed(gone)}, which the portal does not have (any more). "
                f"Not known to the mapping: {_listed(extra) or 'nothing else'}. If a column was renamed, say so in "
                "[sync.fields]; if it is gone, in [sync.without]. Nothing was imported, and the next sync goes on "
                "from where the last one ended."
            )
        self.check_names(schema)
        for name in self.mapped.keys() & schema.keys():
            if schema[name].lower() in _REFUSED_TYPES:
                raise PersonalDataError(
                    f"{self.place}: column '{name}' is of type '{schema[name]}', which holds exact places, files or "
                    "links. heed stores none of them. Take it out of [columns] and name it in [sync.leave_out]."
                )
        shown = self.mapped.keys() & schema.keys() & before.keys()
        other = [
            f"'{name}' ({before[name]}, now {schema[name]})" for name in sorted(shown) if before[name] != schema[name]
        ]
        if other and not accept:
            raise MappingError(
                f"{self.place}: the type of {', '.join(other)} has changed. Look whether the values still mean the "
                "same, mend the mapping if not, and go on with --accept-types. Nothing was imported."
            )

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names of columns that the mapping does not speak of, as the privacy door does.

        Raises
        ------
        PersonalDataError
            Naming every one of them.
        """
        shown = [name for name in names if name not in self.known]
        extra = [name for name in shown if name not in self.mapped]
        translated = [self.mapped[name] for name in shown if name in self.mapped]
        check_columns(self.place, [*translated, *extra], self.mapping, self.drop)

    def values(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        """The mapped values of a row by the mapping's names, null where the portal gives none.

        Raises
        ------
        PersonalDataError
            If the row has a column that the mapping does not speak of.
        MappingError
            If a value is a list or an object.
        """
        if not row.keys() <= self.mapped.keys() | self.known:
            self.check_names(row)
        for theirs in self.mapped:
            if isinstance(row.get(theirs), dict | list):
                raise MappingError(
                    f"{self.place}, column '{theirs}', row {number}: expected one value, got a list or an object. "
                    "The portal has changed the column, or the mapping names the wrong one."
                )
        return {ours: row.get(theirs) for theirs, ours in self.mapped.items()}

    def check_values(self, rows: list[Row], first: int) -> None:
        """Refuse rows with personal data where codes or case numbers belong, before they are kept anywhere.

        The import looks again at all rows together; this look is so that nothing of the kind lies in the spool.

        Parameters
        ----------
        rows : list of Row
        first : int
            The number of the first of them, counted from 1 over the whole fetch.
        """
        for theirs, ours in self.mapped.items():
            kind = self.mapping.fields[self.mapping.columns[ours].field].type
            values = [row.values.get(ours) for row in rows]
            if kind == "reference":
                texts = pd.Series([None if value is None else str(value) for value in values], dtype="str")
                for what, mask in scan_references(texts):
                    self._refuse(theirs, what, first + int(mask.argmax()))
            elif kind in ("code", "vocabulary"):
                first_place = {
                    value: place for place, value in reversed(list(enumerate(values))) if isinstance(value, str)
                }
                for value, place in first_place.items():
                    found = personal_kind(value)
                    if found is not None:
                        self._refuse(theirs, found, first + place)

    def _refuse(self, column: str, what: str, number: int) -> None:
        raise PersonalDataError(
            f"{self.place}: nothing was kept.\n  - column '{column}', row {number} of the fetch: looks like {what}\n"
            "heed stores nothing about people; this is not a setting. Leave the column out with a reason in "
            "[sync.leave_out] and [sync.without], or ask the portal to mend it."
        )


def moved_on(place: str, before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """The cursor after a page, if it is another than before it.

    Raises
    ------
    FileFormatError
        If the portal gave the page before once more, as it would without end.
    """
    if before == after:
        raise FileFormatError(
            f"{place}: the portal gives the same page again and again, so it does not heed what it is asked for. "
            "Nothing was imported. If its interface has changed, [sync] of the mapping must change too."
        )
    return after


def secret_of(definition: Definition, header: str) -> tuple[str, str] | None:
    """The header with the key for the portal, from the environment; None where none is set."""
    value = os.environ.get(definition.token_env, "").strip()
    return (header, value) if value else None


def name_of(*parts: str) -> str:
    """A short name of a row that says nothing of it."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


def stamps_of(values: list[Any], mapping: CaseMapping) -> list[int | None]:
    """Times as the portal writes them, as seconds in UTC; None where one cannot be read."""
    texts = pd.Series([value if isinstance(value, str) else None for value in values], dtype="str")
    moments = parse_moments(texts, mapping.zone, None)
    read = texts.notna().to_numpy() & ~moments.unreadable & ~moments.naive
    return [int(second) if there else None for second, there in zip(moments.seconds, read, strict=True)]


def latest(stamps: Iterable[int | None], now: int) -> int | None:
    """The latest of them that is not in the future: a typing error such as the year 2059 must not hide what comes."""
    return max((stamp for stamp in stamps if stamp is not None and stamp <= now), default=None)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
