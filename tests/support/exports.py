"""A small town that exports its cases: one mapping, rows as one writes them by hand, and empty stores."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine, text

from data.mapping import Mapping as CaseMapping
from data.mapping import parse_mapping
from data.store import Store

TOWN = """
[source]
name = "town"
shape = "cases"
time_zone = "America/New_York"

[columns.number]
field = "reference"
at = "opened"
[columns.opened]
field = "opened_at"
at = "opened"
[columns.due]
field = "due_at"
at = "opened"
[columns.closed]
field = "closed_at"
at = "end"
[columns.cancelled]
field = "withdrawn_at"
at = "end"
optional = true
[columns.kind]
field = "category"
at = "opened"
[columns.village]
field = "area"
at = "opened"
missing = ["town hall"]
[columns.via]
field = "channel"
at = "opened"
vocabulary = "via"
[columns.unit]
field = "office"
at = "end"
[columns.outcome]
field = "closing_reason"
at = "end"
vocabulary = "outcome"
optional = true
[columns.snapshot]
field = "snapshot_at"
at = "end"
resolution = "day"
optional = true

[leave_out]
zip = "Finer than an area."

[vocabulary.via.values]
"Call" = "phone"
"Site" = "web"
[vocabulary.outcome.values]
"Done" = "resolved"
"Seen" = "noted"

[closing]
duplicate = ["Double"]
withdrawn = ["Taken back"]
"""

COLUMNS = ("number", "opened", "due", "closed", "kind", "village", "via", "unit")
ROW = {
    "number": "1",
    "opened": "2024-03-01 09:00:00",
    "due": "2024-03-08 09:00:00",
    "closed": "2024-03-05 12:00:00",
    "kind": "Street light",
    "village": "North",
    "via": "Call",
    "unit": "Works",
}

LOG = """
[source]
name = "log"
shape = "events"
time_zone = "Asia/Shanghai"

[columns.case]
field = "reference"
[columns.what]
field = "kind"
[columns.at]
field = "at"
[columns.known]
field = "known_at"
optional = true
[columns.due]
field = "due_at"
optional = true
[columns.type]
field = "category"
optional = true
[columns.village]
field = "area"
optional = true
[columns.unit]
field = "office"
optional = true
"""


def town(*changes: tuple[str, str]) -> CaseMapping:
    """The mapping of the town, with parts of its text replaced."""
    return changed(TOWN, *changes)


def log(*changes: tuple[str, str]) -> CaseMapping:
    """The mapping of an event file, with parts of its text replaced."""
    return changed(LOG, *changes)


def changed(content: str, *changes: tuple[str, str]) -> CaseMapping:
    for old, new in changes:
        assert old in content, old
        content = content.replace(old, new)
    return parse_mapping(content.encode(), "town.toml")


def write_csv(path: Path, rows: Sequence[Mapping[str, str | None]]) -> Path:
    """A CSV file of these rows; a row may give only what differs from `ROW`."""
    full = [{**ROW, "number": str(place), **row} for place, row in enumerate(rows, start=1)]
    return write_rows(path, full)


def write_rows(path: Path, rows: Sequence[Mapping[str, str | None]]) -> Path:
    """A CSV file of these rows, just as they are."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


def utc(moment: str, zone: str = "America/New_York") -> int:
    """Seconds since 1970 of a local time."""
    return int(pd.Timestamp(moment, tz=zone).timestamp())


@contextmanager
def fresh_schema(postgres_url: str) -> Iterator[str]:
    """The address of a new, empty schema of a PostgreSQL database, gone at the end."""
    name = f"heed_{secrets.token_hex(6)}"
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        # Nobody cuts the power of the server here: no test waits for its disk.
        yield f"{postgres_url}?options=-csearch_path%3D{name}%20-csynchronous_commit%3Doff"
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


def contents(store: Store) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Everything that an import could change."""
    return store.read_events(), store.sources(), store.imports()
