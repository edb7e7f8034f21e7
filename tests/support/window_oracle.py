"""The 65 plain window features by looking at every fact: slow, plain, and written without the event index.

What a feature means is said here once more, so that a slip in its declaration is found as well. There are no sorted
rows, no running sums and no engine: a fact counts if its key is the landmark's and its moment lies in the window.
Divisions are Python's own, of whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.event_index import Queries
from features.facts import Facts

_DAY: Final = 86_400
_KEY_SETS: Final = (("office",), ("category",), ("area",), ("category", "office"), ("category", "area"))
_TABLES: Final = ("arrivals", "balance", "closures", "matured", "moves")


@dataclass(frozen=True)
class _Table:
    """Facts that are still in question: moments, measures, and the keys as texts' numbers."""

    at: NDArray[np.int64]
    measures: dict[str, NDArray[np.int64]]
    keys: dict[str, NDArray[np.integer]]

    def where(self, chosen: NDArray[np.bool_]) -> _Table:
        return _Table(
            self.at[chosen],
            {name: values[chosen] for name, values in self.measures.items()},
            {name: codes[chosen] for name, codes in self.keys.items()},
        )

    def sum(self, measure: str, t: int, days: int | None = None) -> int:
        """Over `[t - days, t)`, or over everything strictly before t."""
        counts = self.at < t
        if days is not None:
            counts &= self.at >= t - days * _DAY
        return int(self.measures[measure][counts].sum())


def brute_force(facts: Mapping[str, Facts], queries: Queries, chosen: NDArray[np.int64]) -> pd.DataFrame:
    """The features of some landmarks.

    Parameters
    ----------
    facts : name of a fact table -> Facts
    queries : of all landmarks
    chosen : (m,) which of them

    Returns
    -------
    DataFrame of m rows in the order of `chosen`, one float64 column per feature, NaN for null.
    """
    numbers, tables = _numbered(facts, queries)
    asked = {name: codes[chosen] for name, codes in numbers.items()}
    at = queries.at[chosen]
    found: list[dict[str, float]] = [{} for _ in chosen]
    for keys in _KEY_SETS:
        everyone = np.arange(len(chosen))
        for rows, mine in _of_each_key(tables, asked, keys, everyone):
            for row in mine:
                for name, value in _thirteen(rows, int(at[row])):
                    found[row][f"{name}_{'_'.join(keys)}"] = value
    return pd.DataFrame(found, dtype="float64")


def _numbered(facts: Mapping[str, Facts], queries: Queries) -> tuple[dict[str, NDArray[np.integer]], dict[str, _Table]]:
    """Key columns as numbers that stand for the same text in the queries and in every table; a null is never equal."""
    numbers: dict[str, NDArray[np.integer]] = {}
    tables = {name: _Table(facts[name].at, facts[name].measures, {}) for name in _TABLES if name in facts}
    for key in ("category", "area", "office"):
        columns = [queries.keys[key], *(facts[name].keys[key] for name in tables)]
        texts = pd.Index(sorted({str(text) for column in columns for text in column.dropna().unique()}), dtype="str")
        coded = [pd.Categorical(column.astype("str"), categories=texts).codes.astype(np.int32) for column in columns]
        numbers[key] = np.where(coded[0] < 0, -2, coded[0])
        for table, codes in zip(tables.values(), coded[1:], strict=True):
            table.keys[key] = codes
    return numbers, tables


def _of_each_key(
    tables: Mapping[str, _Table],
    asked: Mapping[str, NDArray[np.integer]],
    keys: tuple[str, ...],
    rows: NDArray[np.intp],
) -> Iterator[tuple[Mapping[str, _Table], NDArray[np.intp]]]:
    """The facts of each key that is asked about, and the landmarks (of `rows`) that ask about it."""
    if not keys:
        yield tables, rows
        return
    first, rest = keys[0], keys[1:]
    for value in np.unique(asked[first][rows]):
        own = {name: table.where(table.keys[first] == value) for name, table in tables.items()}
        yield from _of_each_key(own, asked, rest, rows[asked[first][rows] == value])


def _thirteen(tables: Mapping[str, _Table], t: int) -> Iterator[tuple[str, float]]:
    arrivals, closures, matured = tables["arrivals"], tables["closures"], tables["matured"]
    yield "open", float(tables["balance"].sum("open", t))
    for days in (1, 7, 28, 91):
        yield f"arrivals_{days}d", float(arrivals.sum("n", t, days))
    for days in (7, 28):
        yield f"closures_{days}d", float(closures.sum("n", t, days))
    for days in (91, 365):
        n = matured.sum("n", t, days)
        yield f"late_share_{days}d", matured.sum("late", t, days) / n if n else float("nan")
    for days in (91, 365):
        n = closures.sum("n", t, days)
        yield f"log_time_to_close_{days}d", closures.sum("log_hours", t, days) / n / 1000 if n else float("nan")
    yield "moves_28d", float(tables["moves"].sum("n", t, 28))
    before = arrivals.at[arrivals.at < t]
    yield "hours_since_arrival", (t - int(before.max())) / 3600 if len(before) else float("nan")
