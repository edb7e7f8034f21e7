"""Small histories for the engines: facts and queries full of ties, nulls and facts taken back, and logs of events."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import UsageError
from features.distributed.engines import Engine, engine, require_java
from features.distributed.stream import facts_to_stream, queries_to_table
from features.event_index import Queries
from features.facts import FACT_TABLES, KEY_COLUMNS, Facts
from features.terms import LAST_AT, KnownTerms, Term
from tests.support.logs import event_frame

START = 1_700_000_000
_HOUR = 3600
_DAY = 24 * _HOUR
KEY_SETS = ((), ("category",), ("office",), ("area", "category"), ("category", "office"))
# Every kind of question, under every key set.
TERMS = tuple(
    term
    for keys in KEY_SETS
    for term in (
        Term("arrivals", "n", keys, 7 * _DAY),
        Term("arrivals", LAST_AT, keys),
        Term("balance", "open", keys),
        Term("closures", "log_hours", keys, 28 * _DAY),
        Term("matured", "late", keys, newest=5),
        Term("moves", "n", keys, _HOUR),
    )
)


def facts(seed: int, rows: int = 300) -> dict[str, Facts]:
    """Some fact tables with few moments and keys, nulls among them; one fact in ten is taken back again."""
    rng = np.random.default_rng(seed)
    return {name: _table(rng, name, rows) for name in ("arrivals", "balance", "closures", "matured", "moves")}


def _table(rng: np.random.Generator, name: str, rows: int) -> Facts:
    at = START + rng.integers(0, 60, rows) * 12 * _HOUR
    measures = {measure: rng.integers(0, 50, rows) for measure in FACT_TABLES[name]}
    if "n" in measures:
        measures["n"] = np.ones(rows, dtype=np.int64)
    back = np.flatnonzero(rng.random(rows) < 0.1)
    again = np.append(np.arange(rows), back)
    sign = np.repeat([1, -1], [rows, len(back)])
    return Facts(
        at[again],
        _keys(rng, rows).take(again).reset_index(drop=True),
        {measure: values[again] * sign for measure, values in measures.items()},
    )


def queries(seed: int, rows: int = 200) -> Queries:
    """Landmarks on and between the moments of `facts`; some of their keys are null, and some have no fact."""
    rng = np.random.default_rng([seed, 1])
    at = START + rng.integers(0, 64, rows) * 12 * _HOUR + rng.integers(0, 2, rows)
    return Queries(at, _keys(rng, rows, strangers=True))


def _keys(rng: np.random.Generator, rows: int, *, strangers: bool = False) -> pd.DataFrame:
    more = ["never seen"] if strangers else []
    known = {
        "category": ["drain", "light", "road", None, *more],
        "area": ["A1", "A2", None, *more],
        "office": ["north", "south", *more],
    }
    nothing = [None]
    return pd.DataFrame(
        {
            name: pd.Series(rng.choice(np.array(known.get(name, nothing), dtype=object), rows)).astype("category")
            for name in KEY_COLUMNS
        }
    )


def tables(seed: int = 7, rows: int = 300) -> tuple[pa.Table, pa.Table]:
    """A stream of facts and the queries about it."""
    return facts_to_stream(facts(seed, rows)), queries_to_table(queries(seed, rows))


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    """The rows of a table in another order."""
    return table.take(np.random.default_rng(seed).permutation(len(table)))


def event_log(cases: int, seed: int = 3) -> pd.DataFrame:
    """Cases that are opened, handed on, paused, closed, reopened or withdrawn, and sometimes recorded late."""
    rng = np.random.default_rng(seed)
    return event_frame([row for number in range(cases) for row in _case(rng, number)])


def _case(rng: np.random.Generator, number: int) -> list[dict[str, object]]:
    at = START + int(rng.integers(0, 90)) * 12 * _HOUR
    case = {"case_id": f"c{number:04d}"}
    due = at + int(rng.integers(1, 20)) * 12 * _HOUR if rng.random() < 0.8 else None
    rows: list[dict[str, object]] = [
        {
            **case,
            "kind": "opened",
            "at": at,
            "known_at": at,
            "due_at": due,
            "category": str(rng.choice(["drain", "light", "road"])),
            "area": str(rng.choice(["A1", "A2", "A3"])),
            "channel": str(rng.choice(["web", "phone"])),
            "office": str(rng.choice(["north", "south"])) if rng.random() < 0.9 else None,
        }
    ]
    for kind in rng.choice(["transferred", "closed", "reopened", "handed_up", "paused", "withdrawn"], rng.integers(4)):
        at += int(rng.choice([0, 30, 12 * _HOUR, 60 * _HOUR]))
        known = max(at + int(rng.choice([0, 0, _DAY])), int(str(rows[-1]["known_at"])))
        moved = kind in ("transferred", "handed_up")
        reason = "resolved" if kind == "closed" else None
        office = str(rng.choice(["north", "south", "east"])) if moved else None
        rows.append(
            {**case, "kind": str(kind), "at": at, "known_at": known, "office": office, "closing_reason": reason}
        )
    return rows


def differing(found: KnownTerms, wanted: KnownTerms) -> list[str]:
    """The terms in which two engines differ in any landmark, or that one of them lacks."""
    assert len(found) == len(wanted)
    return [
        name
        for name in sorted({*found.counted, *wanted.counted})
        if name not in found.counted
        or name not in wanted.counted
        or not np.array_equal(found.counted[name], wanted.counted[name])
    ]


@contextmanager
def running(name: str, **options: Any) -> Iterator[Engine]:
    """An engine that is stopped afterwards; skipped where it cannot run.

    What its client leaves open (Py4J does not close its sockets) is cleared away here, where the caller can pass over
    the warnings, and not in some later test.
    """
    need(name)
    chosen = engine(name, **options)
    try:
        yield chosen
    finally:
        chosen.close()
        gc.collect()


# For tests of `running`: see there.
LEFT_OPEN = "ignore:unclosed:ResourceWarning"


def need(name: str) -> None:
    """Skip where an engine cannot run."""
    package = {"spark": "pyspark"}.get(name, name)
    if name != "embedded" and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (`make engines`)")
    if name != "spark":
        return
    try:
        require_java()
    except UsageError as error:
        pytest.skip(str(error))
