"""Random facts and landmarks for engines: few keys, few moments, nulls, and corrections that take facts back."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from features.event_index import Queries
from features.facts import FACT_TABLES, KEY_COLUMNS, Facts
from features.terms import LAST_AT, KeySet, Term

HOUR: Final = 3600
BEGINS: Final = 1_700_000_000
KEY_SETS: Final[tuple[KeySet, ...]] = ((), ("office",), ("category",), ("category", "area"))
_VALUES: Final = {"category": ("drain", "light", "Drain"), "area": ("A1", "A2", "o'brien"), "office": ("north", "南")}

# Sums over windows and over everything, the newest facts and the newest moment; counts, balances that go down, and
# several tables under one key set.
TERMS: Final = tuple(
    term
    for keys in KEY_SETS
    for term in (
        *(Term("arrivals", "n", keys, window) for window in (HOUR, 2 * HOUR, 5 * HOUR, None)),
        *(Term("matured", "late", keys, window) for window in (2 * HOUR, None)),
        *(Term("matured", measure, keys, newest=count) for measure in ("n", "late") for count in (1, 2, 5)),
        Term("closures", "log_hours", keys, 5 * HOUR),
        Term("closures", "log_hours", keys, newest=2),
        Term("balance", "open", keys),
        *(Term(table, LAST_AT, keys) for table in ("arrivals", "matured")),
    )
)


def random_facts(seed: int, rows: int = 25, hours: int = 6) -> dict[str, Facts]:
    """Fact tables with up to `rows` facts each, some of them taken back again by a fact with negated measures."""
    rng = np.random.default_rng([seed, 0])
    tables = ("arrivals", "matured", "closures", "balance", "moves")
    return {name: _with_corrections(_table(rng, name, int(rng.integers(0, rows + 1)), hours), rng) for name in tables}


def random_queries(seed: int, rows: int = 12, hours: int = 6) -> Queries:
    """Landmarks on and beside the moments of the facts, a second before and after them among others."""
    rng = np.random.default_rng([seed, 1])
    at = BEGINS + rng.integers(0, hours + 2, rows) * HOUR + rng.choice([-1, 0, 0, 1], rows)
    return Queries(at, _keys(rng, rows, stranger=True))


def _table(rng: np.random.Generator, name: str, n: int, hours: int) -> Facts:
    measures = {
        measure: rng.integers(-3 if measure in ("open", "log_hours") else 0, 4, n) for measure in FACT_TABLES[name]
    }
    if "n" in measures:
        measures["n"] = np.ones(n, dtype=np.int64)
    return Facts(BEGINS + rng.integers(0, hours, n) * HOUR, _keys(rng, n), measures)


def _with_corrections(facts: Facts, rng: np.random.Generator) -> Facts:
    taken = np.flatnonzero(rng.random(len(facts.at)) < 0.3)
    rows = np.concatenate([np.arange(len(facts.at)), taken]).astype(np.int64)
    sign = np.repeat([1, -1], [len(facts.at), len(taken)])
    order = rng.permutation(len(rows))
    rows, sign = rows[order], sign[order]
    keys = facts.keys.iloc[rows].reset_index(drop=True)
    return Facts(facts.at[rows], keys, {name: values[rows] * sign for name, values in facts.measures.items()})


def _keys(rng: np.random.Generator, n: int, *, stranger: bool = False) -> pd.DataFrame:
    found = {}
    for name in KEY_COLUMNS:
        values = [*_VALUES.get(name, ()), None, *(["never seen"] if stranger else [])]
        found[name] = pd.Series([values[i] for i in rng.integers(0, len(values), n)], dtype="str")
    return pd.DataFrame(found)
