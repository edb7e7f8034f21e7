"""Kinds of cells and their combinations, the patterns: what a table of SHAP values is looked up by."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.trees.columns import Ints
from models.trees.paths import OPEN, Node


# Kept for a few: neighbours in a model are often laid out alike, and the digits of thousands would fill the memory.
@lru_cache(maxsize=32)
def digits_of(radices: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Weight of every digit of a number in mixed radix, and the digits of all numbers, shape (len(radices), p)."""
    weight = np.cumprod([1, *radices], dtype=np.int64)
    number = np.arange(int(weight[-1]))
    return weight[:-1], number // weight[:-1, None] % np.array(radices, dtype=np.int64)[:, None]


def kind_passes(node: Node, leaf: Node, column: int) -> NDArray[np.bool_]:
    """For every kind of cell that a node tells apart in a column, whether it passes a leaf's splits, shape (radix,)."""
    cuts = node.cuts.get(column, ())
    low, high = leaf.bounds[column]
    if column in node.bounds:
        # The first kind is outside of the bounds of the node; the next lies just above its lower bound.
        cells = [node.bounds[column][0] + 1, *(cut + 1 for cut in cuts)]
        return np.array([False, *(low < cell <= high for cell in cells)])
    cells = [0, *(cut + 1 for cut in cuts)]
    return np.array([low < cell <= high for cell in cells])


def tests_of(node: Node, column: int, weight: int) -> list[tuple[int, int, int, int]]:
    """Tests whose passed ones count up to the kind of a cell: column, low, high, weight; low < cell <= high passes."""
    low, high = node.bounds.get(column, (None, OPEN))
    starts = [*([] if low is None else [low]), *node.cuts.get(column, ())]
    return [(column, start, high, weight) for start in starts]
