"""The trees of all models asked together for one case, to the bit as LightGBM tells them one after another.

A leaf of a tree is found without walking down to it (QuickScorer: Lucchese et al., SIGIR 2015). With a tree's leaves
numbered from left to right, a split that sends a case to the right rules out all leaves to its left; the first leaf
that no split of the tree rules out is the case's. So each split is a word of bits, one for each leaf, and a case is a
few operations on whole arrays: which splits rule out something, what is left of each tree, and the first of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.trees.tree import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, Tree

if TYPE_CHECKING:
    from models.risk_model.trees import Ensemble

Floats = NDArray[np.float64]

_TRIALS: Final = 16
# Leaves of a tree that have a bit each.
_MOST_LEAVES: Final = 64
_WORDS: Final = (np.uint8, np.uint16, np.uint32, np.uint64)
_LARGEST: Final = float(np.finfo(np.float64).max)
# What stands for a null in each of the three copies of a row.
_FILLED: Final = np.array([[-np.inf], [np.inf], [0.0]])


class Forest:
    """The trees of all models, for one row at a time.

    LightGBM keeps each list of each tree by itself in memory. For one row between other work its walk is mostly waiting
    for memory: half a millisecond for the 1,443 trees of a city, and a fifteenth of that here. Most splits are at a cut
    that other trees split at too, so each cut is asked once for a row. A row comes in three copies, with what a split
    does with a missing value put in its place: far left, far right, or 0.

    Where a model's trees are of another kind, or do not give LightGBM's own score of a row of every kind to the bit,
    LightGBM is asked for that model.

    Parameters
    ----------
    ensembles : of each model; None where it has no trees
    columns : how many features there are
    """

    def __init__(self, ensembles: Sequence[Ensemble | None], columns: int) -> None:
        self._boosters = [None if one is None else one.booster for one in ensembles]
        plain = [() if one is None or not _is_plain(one.trees) else one.trees for one in ensembles]
        # The first tree of each model, then the second of each: sums that are added to in turn need not wait for
        # themselves.
        numbered = [(number, m) for m, trees in enumerate(plain) for number in range(len(trees))]
        numbered.sort()
        self._models, self._model_of = len(plain), np.array([m for _number, m in numbered], dtype=np.intp)
        self._lay_out([plain[m][number] for number, m in numbered], columns)
        agreed = np.ones(len(ensembles), dtype=bool)
        for row in _trials(columns):
            found = self._found(row)
            agreed &= [booster is None or found[m] == _asked(booster, row) for m, booster in enumerate(self._boosters)]
        self._others = {m: one for m, one in enumerate(self._boosters) if one is not None and not agreed[m]}

    @property
    def asked_here(self) -> int:
        """Models with trees that are asked here, and not by LightGBM."""
        return sum(booster is not None for booster in self._boosters) - len(self._others)

    def _lay_out(self, trees: Sequence[Tree], columns: int) -> None:
        """Every split as its cut and its bits, the first of all trees before the second of all trees, and so on.

        A tree of fewer splits is filled up with ones at an infinite cut, which send nothing to the right.
        """
        leaves = max((tree.leaves for tree in trees), default=1)
        word = next(each for each in _WORDS if leaves <= 8 * np.dtype(each).itemsize)
        shape = leaves - 1, len(trees)
        nodes = np.stack([np.zeros(shape), np.full(shape, np.inf)])
        self._kept = np.full(shape, ~word(0), dtype=word)
        values = np.zeros((len(trees), leaves))
        for number, tree in enumerate(trees):
            kind = tree.decision >> 2 & 3
            copy = np.where(kind == MISSING_NAN, np.where(tree.decision & DEFAULT_LEFT, 0, 1), 2)
            # At an infinite cut only nulls part from numbers: what stands far right for them lies beyond it.
            cut = np.clip(tree.threshold, -_LARGEST, _LARGEST)
            nodes[:, : tree.leaves - 1, number] = tree.feature + copy * columns, cut
            ruled_out, order = _to_the_left(tree)
            self._kept[: tree.leaves - 1, number] = [~word(bits) for bits in ruled_out]
            values[number, : tree.leaves] = tree.value[order]
        self._is_small = word is np.uint8
        self._value, self._first = values.reshape(-1), leaves * np.arange(len(trees))
        (column, cuts), cut_of = np.unique(nodes.reshape(2, -1), axis=1, return_inverse=True)
        self._cut, self._cut_of = cuts.copy(), cut_of.reshape(shape).astype(np.intp)
        # Cuts of a column stand side by side.
        self._column, self._cuts = np.unique(column.astype(np.intp), return_counts=True)

    def scores(self, row: Floats) -> list[float]:
        """The sum of each model's trees, in log-odds; `row` (k,) float64."""
        found = self._found(row)
        for place, booster in self._others.items():
            found[place] = _asked(booster, row)
        return found

    def _found(self, row: Floats) -> list[float]:
        copies = np.where(np.isnan(row), _FILLED, row).reshape(-1)
        to_the_left = copies.take(self._column).repeat(self._cuts) <= self._cut
        # To the left all bits are kept, to the right those of the split.
        left = np.negative(to_the_left.view(np.uint8), dtype=self._kept.dtype).take(self._cut_of)
        left |= self._kept
        left = np.bitwise_and.reduce(left)
        place = _LOWEST.take(left) if self._is_small else _lowest_bit(left)
        values = self._value.take(np.add(place, self._first, out=place))
        # Added one after another, from 0, as LightGBM does.
        found: list[float] = np.bincount(self._model_of, values, self._models).tolist()
        return found


def _lowest_bit(words: NDArray[Any]) -> NDArray[np.intp]:
    """The number of the lowest bit that is set in each word."""
    # All bits below the lowest, counted.
    found: NDArray[np.intp] = np.bitwise_count((words & -words) - words.dtype.type(1)).astype(np.intp)
    return found


# Of every word of eight bits; the first has none.
_LOWEST: Final = _lowest_bit(np.arange(256, dtype=np.uint8))


def _to_the_left(tree: Tree) -> tuple[list[int], list[int]]:
    """The leaves to the left of each split, as bits, and the leaves from left to right."""
    bits, order = [0] * (tree.leaves - 1), []

    def below(node: int) -> int:
        if node < 0:
            order.append(-1 - node)
            return 1 << (len(order) - 1)
        bits[node] = below(int(tree.left[node]))
        return bits[node] | below(int(tree.right[node]))

    below(0 if tree.leaves > 1 else -1)
    return bits, order


def _is_plain(trees: Sequence[Tree]) -> bool:
    """Whether all splits are of numbers, nulls are nulls, and no tree has more leaves than a word has bits."""
    return all(
        tree.leaves <= _MOST_LEAVES
        and not (tree.decision & CATEGORICAL).any()
        and not (tree.decision >> 2 & 3 == MISSING_ZERO).any()
        for tree in trees
    )


def _trials(columns: int) -> Floats:
    """Rows of all kinds: small and large numbers of both signs, zeros, and nulls."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (_TRIALS, columns)) * 10.0 ** rng.integers(-2, 5, (_TRIALS, columns))
    rows[rng.random(rows.shape) < 0.1] = 0.0
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[0] = np.nan
    return rows


def _asked(booster: lgb.Booster, row: Floats) -> float:
    return float(np.asarray(booster.predict(row[None, :], raw_score=True, num_threads=1))[0])
