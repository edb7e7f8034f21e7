"""Sums over trailing windows, as they stood at a given moment, for one case or for millions.

Facts are sorted by (key, moment), packed into one 64-bit integer, with prefix sums beside them. The sum of a measure
over the window `[t - w, t)` of a key is then the difference of two prefix sums found by binary search. `t` itself is
outside: a fact of the very second that is asked about is not yet known. All arithmetic is on integers, so the answer
does not depend on the order of the rows, on how many are asked for at once, or on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from features.facts import KEY_COLUMNS, Facts, Int64s

_TIME_BITS: Final = 34
_TIME_MASK: Final = (1 << _TIME_BITS) - 1
_CODE_LIMIT: Final = 1 << (63 - _TIME_BITS)

# The code of every value that the index never saw, and of null. No fact bears it, so every sum over it is 0.
UNSEEN: Final = 0

KeySet = tuple[str, ...]
# The whole city: no key at all. It has one code, 1.
EVERYWHERE: Final[KeySet] = ()


@dataclass(frozen=True)
class KeyCodes:
    """Turns values of key columns into codes: 1, 2, … in sorted order of the values seen, 0 for any other.

    Sorted, so that the same history gives the same codes whatever order its rows came in.
    """

    values: Mapping[str, pd.Index]

    @classmethod
    def of(cls, facts: Mapping[str, Facts]) -> KeyCodes:
        """Codes for every value that the facts bear."""
        seen = {
            name: pd.Index(sorted(set().union(*(set(table.keys[name].dropna().unique()) for table in facts.values()))))
            for name in KEY_COLUMNS
        }
        return cls(seen)

    def encode(self, keys: pd.DataFrame, key_set: KeySet) -> Int64s:
        """Codes of a key set, shape (len(keys),), int64. A null or unseen part makes the whole key unseen.

        Raises
        ------
        ValueError
            If the key set has so many combinations that they do not fit beside a moment in 64 bits.
        """
        code = np.zeros(len(keys), dtype=np.int64) if key_set else np.ones(len(keys), dtype=np.int64)
        unseen = np.zeros(len(keys), dtype=bool)
        size = 1
        for name in key_set:
            part = _column_codes(self.values[name], keys[name])
            base = len(self.values[name]) + 1
            size *= base
            if size > _CODE_LIMIT:
                raise ValueError(f"The key {'×'.join(key_set)} has more than {_CODE_LIMIT:,} combinations.")
            unseen |= part == UNSEEN
            code = code * base + part
        code[unseen] = UNSEEN
        return code


def _column_codes(values: pd.Index, column: pd.Series) -> Int64s:
    # Distinct values first: looking up a hundred names is cheaper than looking up a million rows.
    positions, distinct = pd.factorize(column)
    codes = np.append(values.get_indexer(distinct) + 1, UNSEEN)  # factorize gives null the position -1: the last
    return codes[positions].astype(np.int64)


@dataclass(frozen=True, slots=True)
class _SortedFacts:
    """One fact table under one key set: packed (key, moment) ascending, and prefix sums of every measure."""

    packed: Int64s
    prefix: dict[str, Int64s]

    @classmethod
    def build(cls, facts: Facts, codes: Int64s) -> _SortedFacts:
        known = codes != UNSEEN
        packed = (codes[known] << _TIME_BITS) | facts.at[known]
        order = np.argsort(packed, kind="stable")
        prefix = {
            name: np.concatenate([[0], np.cumsum(values[known][order], dtype=np.int64)])
            for name, values in facts.measures.items()
        }
        return cls(packed[order], prefix)


@dataclass(frozen=True)
class Queries:
    """Moments at which key values are asked about; encoded once per key set and sorted, since neighbouring searches
    then touch neighbouring memory (half the time at a million rows).
    """

    at: Int64s
    keys: pd.DataFrame
    _cache: dict[KeySet, tuple[Int64s, Int64s, Int64s]] = field(default_factory=dict, repr=False)

    def packed(self, codes: KeyCodes, key_set: KeySet) -> tuple[Int64s, Int64s, Int64s]:
        """(codes, moments, order), all sorted by (code, moment); `order` puts results back in place."""
        if key_set not in self._cache:
            code = codes.encode(self.keys, key_set)
            order = np.argsort((code << _TIME_BITS) | self.at, kind="stable")
            self._cache[key_set] = (code[order], self.at[order], order)
        return self._cache[key_set]


@dataclass(frozen=True)
class EventIndex:
    """Facts under key sets, ready to be summed over windows.

    Parameters
    ----------
    facts : name of a fact table -> Facts
    codes : how key values are coded; made from the facts when not given
    """

    facts: Mapping[str, Facts]
    codes: KeyCodes
    _sorted: dict[tuple[str, KeySet], _SortedFacts] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, facts: Mapping[str, Facts]) -> EventIndex:
        """An index of the facts; each table is sorted under a key when that is first asked for."""
        return cls(facts, KeyCodes.of(facts))

    def sums(
        self, table: str, measures: Sequence[str], key_set: KeySet, queries: Queries, window: int | None
    ) -> dict[str, Int64s]:
        """Sum of each measure over `[t - window, t)` of the query's own key; shape (n,), int64.

        Parameters
        ----------
        table, measures : a fact table and some of its measures
        key_set : names of key columns; `EVERYWHERE` for the whole city
        queries : moments and key values, n of them
        window : seconds; None for everything before t

        A key that was never seen, or a null one, sums to 0.
        """
        facts = self._under(table, key_set)
        codes, at, order = queries.packed(self.codes, key_set)
        base = codes << _TIME_BITS
        upper = np.searchsorted(facts.packed, base | np.minimum(at, _TIME_MASK), side="left")
        start = np.zeros_like(at) if window is None else np.maximum(at - window, 0)
        lower = np.searchsorted(facts.packed, base | start, side="left")
        return self._differences(facts, measures, lower, upper, order)

    def last(
        self, table: str, measures: Sequence[str], key_set: KeySet, queries: Queries, count: int
    ) -> dict[str, Int64s]:
        """Sum of each measure over the newest `count` facts of the query's own key strictly before t; shape (n,).

        Where a key has fewer facts than `count`, over all of them.
        """
        facts = self._under(table, key_set)
        codes, at, order = queries.packed(self.codes, key_set)
        base = codes << _TIME_BITS
        upper = np.searchsorted(facts.packed, base | np.minimum(at, _TIME_MASK), side="left")
        lower = np.maximum(np.searchsorted(facts.packed, base, side="left"), upper - count)
        return self._differences(facts, measures, lower, upper, order)

    @staticmethod
    def _differences(
        facts: _SortedFacts, measures: Sequence[str], lower: Int64s, upper: Int64s, order: Int64s
    ) -> dict[str, Int64s]:
        result = {}
        for name in measures:
            total = np.empty(len(order), dtype=np.int64)
            total[order] = facts.prefix[name][upper] - facts.prefix[name][lower]
            result[name] = total
        return result

    def _under(self, table: str, key_set: KeySet) -> _SortedFacts:
        if (table, key_set) not in self._sorted:
            facts = self.facts[table]
            self._sorted[table, key_set] = _SortedFacts.build(facts, self.codes.encode(facts.keys, key_set))
        return self._sorted[table, key_set]
