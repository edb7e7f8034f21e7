"""Names of offices, areas and categories as small numbers, and their pairs as well.

Code 0 is reserved: it stands for a null, and for every value that was never seen. No fact bears it, so whatever is
asked about it sums to 0. Other codes are handed out as values turn up, so they mean something only beside the
`KeyCodes` that gave them; they are saved with the index, and nothing that leaves it depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.terms import Int64s, KeySet

UNSEEN: Final = 0
_PART_BITS: Final = 62


@dataclass
class _Pairs:
    """Combinations of column codes that were seen: packed and sorted, and the code of each."""

    packed: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    codes: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def find(self, packed: Int64s) -> Int64s:
        if not len(self.packed):
            return np.zeros(len(packed), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.packed, packed), len(self.packed) - 1)
        return np.where(self.packed[at] == packed, self.codes[at], UNSEEN)

    def add(self, packed: Int64s) -> None:
        new = np.sort(packed[self.find(packed) == UNSEEN])
        if not len(new):
            return
        merged = np.concatenate([self.packed, new])
        codes = np.concatenate([self.codes, len(self.codes) + 1 + np.arange(len(new))])
        order = np.argsort(merged)
        self.packed, self.codes = merged[order], codes[order]


@dataclass
class KeyCodes:
    """Gives a code to every value of a key column, and to every combination that a key set was seen to have."""

    _values: dict[str, pd.Index] = field(default_factory=dict)
    _pairs: dict[KeySet, _Pairs] = field(default_factory=dict)
    # Value -> code, for one case at a time; made when first needed and forgotten when values are learnt.
    _lookup: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)

    def learn(self, keys: pd.DataFrame, key_set: KeySet, columns: dict[str, Int64s] | None = None) -> Int64s:
        """Codes of a key set, shape (len(keys),), int64; what is new gets a new code. A null part gives `UNSEEN`.

        `columns` keeps the codes of columns between calls with the same `keys`: a value keeps its code for good.
        """
        columns = {} if columns is None else columns
        for name in key_set:
            if name not in columns:
                self._learn_values(name, keys[name])
                columns[name] = self._column(name, keys[name])
        if not key_set:
            return self.encode(keys, key_set)
        if len(key_set) == 1:
            return columns[key_set[0]]
        packed = self._packed([columns[name] for name in key_set], key_set)
        rows, distinct = pd.factorize(packed)
        pairs = self._pairs.setdefault(key_set, _Pairs())
        whole = _whole(distinct, key_set)
        pairs.add(distinct[whole])
        codes = np.where(whole, pairs.find(distinct), UNSEEN)
        return codes[rows]

    def encode(self, keys: pd.DataFrame, key_set: KeySet) -> Int64s:
        """Codes of a key set, shape (len(keys),), int64; `UNSEEN` for a null or for what was never learnt."""
        if not key_set:
            return np.ones(len(keys), dtype=np.int64)
        if len(key_set) == 1:
            return self._column(key_set[0], keys[key_set[0]])
        # A combination with a part that has no value was never learnt.
        return self._pairs.get(key_set, _Pairs()).find(
            self._packed([self._column(name, keys[name]) for name in key_set], key_set)
        )

    def encode_one(self, keys: Mapping[str, str | None], key_set: KeySet, columns: dict[str, int]) -> int:
        """The code of one key. `columns` keeps the codes of columns between calls about the same case."""
        if not key_set:
            return 1
        packed = 0
        for name in key_set:
            code = columns.get(name)
            if code is None:
                code = columns[name] = self._one(name, keys[name])
            if code == UNSEEN:
                return UNSEEN
            packed = packed << _bits(key_set) | code
        if len(key_set) == 1:
            return packed
        pairs = self._pairs.get(key_set)
        if pairs is None or not len(pairs.packed):
            return UNSEEN
        at = int(pairs.packed.searchsorted(packed))
        return int(pairs.codes[at]) if at < len(pairs.packed) and pairs.packed[at] == packed else UNSEEN

    def values(self, name: str) -> list[str]:
        """The values of a key column that were seen, in the order of their codes 1, 2, …"""
        return [str(value) for value in self._values.get(name, pd.Index([]))]

    def combinations(self, key_set: KeySet) -> pd.DataFrame:
        """Every key that a key set was seen to have, one row each; row i has the code i + 1."""
        if len(key_set) < 2:
            return pd.DataFrame({name: self.values(name) for name in key_set}, index=None if key_set else [0])
        pairs = self._pairs.get(key_set, _Pairs())
        packed = pairs.packed[np.argsort(pairs.codes)]
        bits, found = _bits(key_set), {}
        for place, name in enumerate(reversed(key_set)):
            part = (packed >> (bits * place)) & ((1 << bits) - 1)
            found[name] = np.asarray(self._values[name], dtype=object)[part - 1]
        return pd.DataFrame({name: found[name] for name in key_set})

    def to_json(self) -> dict[str, Any]:
        """All codes as plain values."""
        return {
            "values": {name: self.values(name) for name in sorted(self._values)},
            "combinations": {
                "x".join(keys): pairs.packed[np.argsort(pairs.codes)].tolist() for keys, pairs in self._pairs.items()
            },
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> KeyCodes:
        """The codes that `to_json` gave."""
        pairs = {}
        for keys, packed in saved["combinations"].items():
            listed = np.array(packed, dtype=np.int64)
            order = np.argsort(listed)
            pairs[tuple(keys.split("x"))] = _Pairs(listed[order], order + 1)
        return cls({name: pd.Index(values, dtype="str") for name, values in saved["values"].items()}, pairs)

    def _learn_values(self, name: str, column: pd.Series) -> None:
        known = self._values.get(name)
        seen = _distinct(column)
        new = seen if known is None else seen[known.get_indexer(seen) < 0]
        if known is None or len(new):
            added = pd.Index(sorted(new), dtype="str")
            self._values[name] = added if known is None else known.append(added)
            self._lookup.pop(name, None)

    def _column(self, name: str, column: pd.Series) -> Int64s:
        values = self._values.get(name)
        if values is None or not len(values):
            return np.zeros(len(column), dtype=np.int64)
        # Distinct values first: looking up a hundred names is cheaper than looking up a million rows.
        if isinstance(column.dtype, pd.CategoricalDtype):
            positions, distinct = column.cat.codes.to_numpy(), column.cat.categories
        else:
            positions, distinct = pd.factorize(column)
        # One more for the position -1, which stands for null.
        codes = np.append(values.get_indexer(pd.Index(distinct).astype("str")) + 1, UNSEEN).astype(np.int64)
        return np.asarray(codes[positions])

    def _packed(self, codes: Sequence[Int64s], key_set: KeySet) -> Int64s:
        packed = np.zeros(len(codes[0]), dtype=np.int64)
        bits = _bits(key_set)
        for name, code in zip(key_set, codes, strict=True):
            if len(self._values.get(name, ())) >= 1 << bits:
                raise ValueError(f"The key {'×'.join(key_set)} has too many values of {name}: {1 << bits:,} or more.")
            packed <<= bits
            packed |= code
        return packed

    def _one(self, name: str, value: str | None) -> int:
        if name not in self._lookup:
            self._lookup[name] = {text: code for code, text in enumerate(self.values(name), start=1)}
        return UNSEEN if value is None else self._lookup[name].get(value, UNSEEN)


def _bits(key_set: KeySet) -> int:
    """Bits for each column's code, so that all of them fit into one integer whatever values turn up later."""
    return _PART_BITS // len(key_set)


def _distinct(column: pd.Series) -> pd.Index:
    """The values of a column without null; of categories also those that no row bears, which does no harm."""
    named = isinstance(column.dtype, pd.CategoricalDtype)
    found: pd.Index = (column.cat.categories if named else pd.Index(column.dropna().unique())).astype("str")
    return found


def _whole(packed: Int64s, key_set: KeySet) -> NDArray[np.bool_]:
    """Where every part of a combination has a value."""
    bits = _bits(key_set)
    parts = [(packed >> (bits * place)) & ((1 << bits) - 1) for place in range(len(key_set))]
    return np.asarray(np.all([part != UNSEEN for part in parts], axis=0))
