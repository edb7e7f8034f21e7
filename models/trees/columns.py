"""Values of the features as small whole numbers that answer every split of a model exactly.

A split asks "is the value up to the threshold?" or "is the code in this set?", and each has a rule for missing values.
All splits of one feature with one rule share a **column**: its thresholds sorted are cuts, and a row's **cell** in the
column is how many cuts lie below its value. A split then goes right where `cell > cut`, with the number of the cut; a
missing value is put in the first cell (always left) or after the last cut (always right). A set of categories is a
column of its own with the cells 0 (in the set, left) and 1. Cells fit a byte or two, so that rows are compared by the
dozen at once, and they decide as LightGBM does, value by value: nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.trees.tree import CATEGORICAL, DEFAULT_LEFT, MISSING_NONE, MISSING_ZERO, Tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cells = NDArray[Any]

# LightGBM takes values this near to zero for zero (its kZeroThreshold, a float).
NEAR_ZERO: Final = float(np.float32(1e-35))
# Below this many comparisons a plain comparison with every cut beats a binary search per feature.
_FEW: Final = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """A column of a feature with thresholds: its number, the cell of a missing value, and whether zero is missing."""

    number: int
    put: int
    zeros: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Numeric:
    """A feature with thresholds, and the columns made of it."""

    feature: int
    cuts: Floats
    columns: tuple[_Column, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Flat:
    """All features with thresholds in one: the cuts one after another, and the columns one after another."""

    cut: Floats
    feature: Ints
    start: Ints
    column: Ints
    numeric: Ints
    feature_of: Ints
    put: Ints
    zeros: NDArray[np.bool_]

    @classmethod
    def make(cls, numeric: Sequence[_Numeric]) -> Self:
        sizes = [len(one.cuts) for one in numeric]
        columns = [(place, one.feature, column) for place, one in enumerate(numeric) for column in one.columns]
        return cls(
            cut=np.concatenate([np.empty(0), *(one.cuts for one in numeric)]),
            feature=np.repeat(np.array([one.feature for one in numeric], dtype=np.int64), sizes),
            start=np.cumsum([0, *sizes])[:-1].astype(np.int64),
            column=np.array([column.number for _, _, column in columns], dtype=np.int64),
            numeric=np.array([place for place, _, _ in columns], dtype=np.int64),
            feature_of=np.array([feature for _, feature, _ in columns], dtype=np.int64),
            put=np.array([column.put for _, _, column in columns], dtype=np.int64)[:, None],
            zeros=np.array([column.zeros for _, _, column in columns], dtype=bool)[:, None],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Categorical:
    """A feature with sets of codes: row s of `outside` has 0 where a code is in set s; the last code stands for all
    others.
    """

    feature: int
    outside: NDArray[np.uint8]
    columns: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """All columns of a model.

    Attributes
    ----------
    feature_of : (c,) feature that each column is made of
    top : (c,) greatest cell
    dtype : smallest unsigned type that holds every cell
    """

    numeric: tuple[_Numeric, ...]
    categorical: tuple[_Categorical, ...]
    feature_of: Ints
    top: Ints
    dtype: np.dtype[Any]
    flat: _Flat

    def __len__(self) -> int:
        return len(self.feature_of)

    def cells(self, X: Floats) -> Cells:
        """Cells of n rows, shape (c, n), each column contiguous."""
        cells = np.zeros((len(self), len(X)), dtype=self.dtype)
        if len(X) * len(self.flat.cut) <= _FEW:
            self._numeric_at_once(cells, X)
        else:
            self._numeric_one_by_one(cells, X)
        for sets in self.categorical:
            codes = _codes(X[:, sets.feature], sets.outside.shape[1] - 1)
            cells[sets.columns] = sets.outside.take(codes, axis=1)
        return cells

    def _numeric_at_once(self, cells: Cells, X: Floats) -> None:
        """Compare every value with every cut of its feature: the faster way for a few rows."""
        flat = self.flat
        if not len(flat.cut):
            return
        near = np.abs(X) <= NEAR_ZERO
        x = np.where(near, 0.0, X).T
        below = x[flat.feature] > flat.cut[:, None]
        base = np.add.reduceat(below, flat.start, axis=0, dtype=np.int64)
        missing = np.isnan(x)[flat.feature_of]
        if flat.zeros.any():
            missing |= near.T[flat.feature_of] & flat.zeros
        cells[flat.column] = np.where(missing, flat.put, base[flat.numeric])

    def _numeric_one_by_one(self, cells: Cells, X: Floats) -> None:
        """Feature after feature, by binary search."""
        for one in self.numeric:
            x = X[:, one.feature]
            zero = np.abs(x) <= NEAR_ZERO
            missing = np.isnan(x)
            found = np.searchsorted(one.cuts, np.where(zero, 0.0, x)).astype(self.dtype)
            for column in one.columns:
                cells[column.number] = found
                cells[column.number, missing | zero if column.zeros else missing] = column.put

    def width(self, low: Ints, high: Ints) -> Ints:
        """How many cells lie above `low` and up to `high`; none where these contradict each other."""
        return np.maximum(np.minimum(high, np.iinfo(self.dtype).max) - low, 0)


def _codes(x: Floats, others: int) -> Ints:
    """Codes of a category as LightGBM reads them: cut towards zero; missing, negative and too large are `others`."""
    known = (x > -1) & (x < others)
    return np.where(known, x, others).astype(np.int64)


def make_columns(trees: Sequence[Tree]) -> tuple[Columns, list[Ints], list[Ints]]:
    """Columns of a model, and for every tree the column and the cut of each split."""
    feature = np.concatenate([tree.feature for tree in trees])
    decision = np.concatenate([tree.decision for tree in trees])
    threshold = np.concatenate([tree.threshold for tree in trees])
    column, cut = np.empty(len(feature), np.int64), np.zeros(len(feature), np.int64)
    maker = _Maker()
    for one in np.unique(feature):
        here = (feature == one) & ((decision & CATEGORICAL) == 0)
        if here.any():
            column[here], cut[here] = maker.add_numeric(int(one), threshold[here], decision[here])
    sets = [words for tree in trees for words in tree.sets]
    offset = np.repeat(np.cumsum([0, *(len(tree.sets) for tree in trees)])[:-1], [len(tree.feature) for tree in trees])
    for one in np.unique(feature):
        here = (feature == one) & ((decision & CATEGORICAL) > 0)
        if here.any():
            which = (threshold[here].astype(np.int64) + offset[here]).tolist()
            column[here] = maker.add_categorical(int(one), [sets[place] for place in which])
    ends = np.cumsum([len(tree.feature) for tree in trees])[:-1]
    return maker.finish(), np.split(column, ends), np.split(cut, ends)


class _Maker:
    """Collects columns."""

    def __init__(self) -> None:
        self.numeric: list[_Numeric] = []
        self.categorical: list[_Categorical] = []
        self.feature_of: list[int] = []
        self.top: list[int] = []

    def _new(self, feature: int, top: int) -> int:
        self.feature_of.append(feature)
        self.top.append(top)
        return len(self.top) - 1

    def add_numeric(self, feature: int, threshold: Floats, decision: Ints) -> tuple[Ints, Ints]:
        cuts, cut = np.unique(threshold, return_inverse=True)
        rule, left = decision >> 2, (decision & DEFAULT_LEFT) > 0
        # Where nothing counts as missing, there is no default direction either.
        left &= rule != MISSING_NONE
        key = rule * 2 + left
        column = np.empty(len(cut), dtype=np.int64)
        columns = []
        for one in np.unique(key).tolist():
            number = self._new(feature, len(cuts))
            columns.append(_Column(number, _put(cuts, one // 2, left=bool(one % 2)), one // 2 == MISSING_ZERO))
            column[key == one] = number
        self.numeric.append(_Numeric(feature, cuts, tuple(columns)))
        return column, cut.astype(np.int64)

    def add_categorical(self, feature: int, sets: list[NDArray[np.uint32]]) -> Ints:
        distinct: dict[bytes, int] = {}
        which = [distinct.setdefault(_trimmed(words).astype("<u4").tobytes(), len(distinct)) for words in sets]
        longest = max(map(len, distinct)) * 8
        outside = np.ones((len(distinct), longest + 1), dtype=np.uint8)
        for words, row in distinct.items():
            bits = np.unpackbits(np.frombuffer(words, dtype=np.uint8), bitorder="little")
            outside[row, : len(bits)] = 1 - bits
        columns = np.array([self._new(feature, 1) for _ in distinct], dtype=np.int64)
        self.categorical.append(_Categorical(feature, outside, columns))
        return columns[which]

    def finish(self) -> Columns:
        top = np.array(self.top, dtype=np.int64)
        largest = top.max(initial=0)
        dtype = np.dtype(np.uint8 if largest < 256 else np.uint16 if largest < 65_536 else np.uint32)
        feature_of = np.array(self.feature_of, dtype=np.int64)
        flat = _Flat.make(self.numeric)
        return Columns(tuple(self.numeric), tuple(self.categorical), feature_of, top, dtype, flat)


def _put(cuts: Floats, rule: int, *, left: bool) -> int:
    """Cell of a missing value: where zero would be if nothing counts as missing, or at the end it is sent to."""
    if rule == MISSING_NONE:
        return int(np.searchsorted(cuts, 0.0))
    return 0 if left else len(cuts)


def _trimmed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A set without empty words at its end; at least one word."""
    used = np.flatnonzero(words)
    return words[: int(used[-1]) + 1] if len(used) else words[:1]
