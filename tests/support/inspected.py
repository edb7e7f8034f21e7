"""A log of inspections as a town exports it: the mapping and rows as one writes them by hand."""

from __future__ import annotations

from pathlib import Path

from data.mapping import Mapping
from tests.support.exports import changed, write_rows

DRAINS = """
[source]
name = "drains"
shape = "inspections"
time_zone = "Asia/Shanghai"

[columns.no]
field = "reference"
[columns.drain]
field = "asset"
[columns.day]
field = "at"
resolution = "day"
[columns.village]
field = "area"
[columns.state]
field = "severity"
scale = "state"

[constants]
asset_kind = "drain"
related_category = "积水内涝"

[scale.state]
lowest = 1
highest = 5
steps = [[1, "dangerous"], [2, "serious"], [4, "minor"], [5, "none"]]
"""

VISIT = {"no": "1", "drain": "D7", "day": "2024-03-01", "village": "North", "state": "5"}


def drains(*changes: tuple[str, str]) -> Mapping:
    """The mapping, with parts of its text replaced."""
    return changed(DRAINS, *changes)


def write_visits(path: Path, *rows: dict[str, str | None]) -> Path:
    """A file of visits; a row may give only what differs from `VISIT`."""
    return write_rows(path, [{**VISIT, **row} for row in rows])
