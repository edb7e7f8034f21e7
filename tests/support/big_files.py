"""Files of as many cases as one likes, written quickly and part by part; every run writes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from data.mapping import Mapping, parse_mapping

PART: Final = 100_000
BEGINS: Final = 1_600_000_000
DAY: Final = 86_400

_SOURCE: Final = """
[source]
name = "big"
shape = "{shape}"
time_zone = "Asia/Shanghai"
[leave_out]
note = "Not needed."
"""
_CASES: Final = {
    "number": 'field = "reference"\nat = "opened"',
    "opened": 'field = "opened_at"\nat = "opened"',
    "due": 'field = "due_at"\nat = "opened"',
    "closed": 'field = "closed_at"\nat = "end"',
    "kind": 'field = "category"\nat = "opened"',
    "group": 'field = "category_group"\nat = "opened"',
    "village": 'field = "area"\nat = "opened"',
    "via": 'field = "channel"\nat = "opened"\nvocabulary = "via"',
    "unit": 'field = "office"\nat = "end"',
    "outcome": 'field = "closing_reason"\nat = "end"\nvocabulary = "outcome"',
}
_EVENTS: Final = {
    "number": 'field = "reference"',
    "what": 'field = "kind"',
    "at": 'field = "at"',
    "due": 'field = "due_at"',
    "kind": 'field = "category"',
    "group": 'field = "category_group"',
    "village": 'field = "area"',
    "via": 'field = "channel"\nvocabulary = "via"',
    "unit": 'field = "office"',
    "outcome": 'field = "closing_reason"\nvocabulary = "outcome"',
}
_WORDS: Final = """
[vocabulary.via.values]
"Telephone" = "phone"
"Website" = "web"
"App" = "app"
[vocabulary.outcome.values]
"Solved" = "resolved"
"Filed" = "noted"
"""
KINDS: Final = [f"Type of problem {number}" for number in range(60)]
GROUPS: Final = [f"Group of problems {number}" for number in range(9)]
VILLAGES: Final = [f"Village {number}" for number in range(120)]
UNITS: Final = [f"Department {number}" for number in range(40)]


def big_mapping(shape: str) -> Mapping:
    """The mapping that reads what `write_big` writes."""
    columns = _CASES if shape == "cases" else _EVENTS
    listed = "\n".join(f"[columns.{name}]\n{text}" for name, text in columns.items())
    return parse_mapping(f"{_SOURCE.format(shape=shape)}{listed}\n{_WORDS}".encode(), "big.toml")


def write_big(path: Path, shape: str, cases: int) -> Path:
    """A CSV file of so many cases in no order: a row each, or four events each, one after the other."""
    writer = None
    for first in range(0, cases, PART):
        size = min(PART, cases - first)
        table = _case_rows(first, size) if shape == "cases" else _event_rows(first, size)
        writer = writer or csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return path


def _facts(first: int, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([7, first])
    opened = BEGINS + rng.integers(0, 3 * 365 * DAY, size)
    return {
        "number": np.arange(first, first + size),
        "opened": opened,
        "due": opened + rng.integers(3, 20, size) * DAY,
        "closed": opened + rng.integers(3600, 30 * DAY, size),
        "is_closed": rng.random(size) < 0.9,
        "kind": rng.integers(0, len(KINDS), size),
        "village": rng.integers(0, len(VILLAGES), size),
        "via": rng.integers(0, 3, size),
        "unit": rng.integers(0, len(UNITS), size),
        "outcome": rng.integers(0, 2, size),
    }


def _case_rows(first: int, size: int) -> pa.Table:
    facts = _facts(first, size)
    closed = pa.array(facts["is_closed"])
    return pa.table(
        {
            "number": _numbers(facts["number"]),
            "opened": _moments(facts["opened"]),
            "due": _moments(facts["due"]),
            "closed": pc.if_else(closed, _moments(facts["closed"]), None),
            **_keys(facts),
            "unit": _words(UNITS, facts["unit"]),
            "outcome": pc.if_else(closed, _words(["Solved", "Filed"], facts["outcome"]), None),
        }
    )


def _event_rows(first: int, size: int) -> pa.Table:
    """Opened, assigned, replied, and closed or transferred."""
    facts = _facts(first, size)
    opened, closed = facts["opened"], facts["closed"]
    span = closed - opened
    place = np.tile(np.arange(4), size)
    is_opening = pa.array(place == 0)
    four = {name: np.repeat(values, 4) for name, values in facts.items()}
    at = np.column_stack([opened, opened + span // 9, opened + span // 2, closed]).ravel()
    last = np.where(four["is_closed"], 3, 4)
    said = pa.array(np.isin(place, [0, 1]) | ((place == 3) & ~four["is_closed"]))
    ended = pa.array((place == 3) & four["is_closed"])
    keys = {name: pc.if_else(is_opening, words, None) for name, words in _keys(four).items()}
    return pa.table(
        {
            "number": _numbers(four["number"]),
            "what": _words(
                ["opened", "assigned", "replied", "closed", "transferred"], np.where(place == 3, last, place)
            ),
            "at": _moments(at),
            "due": pc.if_else(is_opening, _moments(four["due"]), None),
            **keys,
            "unit": pc.if_else(said, _words(UNITS, (four["unit"] + place) % len(UNITS)), None),
            "outcome": pc.if_else(ended, _words(["Solved", "Filed"], four["outcome"]), None),
        }
    )


def _keys(facts: dict[str, np.ndarray]) -> dict[str, pa.Array]:
    return {
        "kind": _words(KINDS, facts["kind"]),
        "group": _words(GROUPS, facts["kind"] % len(GROUPS)),
        "village": _words(VILLAGES, facts["village"]),
        "via": _words(["Telephone", "Website", "App"], facts["via"]),
    }


def _words(words: list[str], places: np.ndarray) -> pa.Array:
    return pa.array(words).take(pa.array(places))


def _numbers(values: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise("C", pc.utf8_lpad(pa.array(values).cast(pa.string()), 8, "0"), "-")


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds).cast(pa.timestamp("s")).cast(pa.string())
