"""SHAP values of many rows by tables and quadrature; the sums are the same bits however the rows are cut.

Two ways through the tables give the same numbers in the same order of summation. For many rows, group after group, each
step on a block of rows. For a few rows, all groups in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.trees.columns import Cells, Columns, Floats, Ints
from models.trees.deep import make_deep
from models.trees.groups import Group, make_groups
from models.trees.paths import Node
from models.trees.plan import plan

# Rows of one block: long enough that a step's overhead is shared, short enough that the steps stay in the caches.
BLOCK: Final = 4_096
# Numbers of all groups times rows up to which one step for all groups is the faster way.
_FEW: Final = 400_000


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A group laid out for blocks of rows."""

    column: Ints
    low: Cells
    width: Cells
    weight: Cells
    features: list[int]
    table: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Flat:
    """All groups in one: tests one after another, and look-ups one after another."""

    column: Ints
    low: Cells
    width: Cells
    weight: Ints
    first_test: Ints
    group: Ints
    base: Ints
    feature: Ints


class Explainer:
    """Tables of a model, made once.

    Attributes
    ----------
    size : bytes in all tables
    """

    def __init__(self, roots: Sequence[Node], columns: Columns, features: int) -> None:
        self.columns = columns
        self.features = features
        shallow, deep = plan(roots, columns)
        groups = [group for nodes in shallow for group in make_groups(nodes, columns)]
        self.deep = make_deep(deep, columns)
        self.tables = np.concatenate([np.empty(0), *(group.table.reshape(-1) for group in groups)])
        self.tables.setflags(write=False)
        self.size = self.tables.nbytes + sum(one.size for one in self.deep)
        self._blocks = self._lay_out_blocks(groups)
        self._flat = self._lay_out_flat(groups)

    def _lay_out_blocks(self, groups: list[Group]) -> list[_Block]:
        blocks, place = [], 0
        dtype = self.columns.dtype
        for group in groups:
            small = np.uint8 if group.patterns <= 256 else np.uint16
            size = group.table.size
            blocks.append(
                _Block(
                    group.column,
                    group.low.astype(dtype)[:, None],
                    group.width.astype(dtype)[:, None],
                    group.weight.astype(small)[:, None],
                    group.features.tolist(),
                    self.tables[place : place + size].reshape(group.table.shape),
                )
            )
            place += size
        return blocks

    def _lay_out_flat(self, groups: list[Group]) -> _Flat:
        none = np.empty(0, np.int64)
        dtype = self.columns.dtype
        tests = [len(group.column) for group in groups]
        looked_up = [len(group.features) for group in groups]
        sizes = np.repeat([group.patterns for group in groups], looked_up).astype(np.int64)
        return _Flat(
            column=np.concatenate([none, *(group.column for group in groups)]),
            low=np.concatenate([none, *(group.low for group in groups)]).astype(dtype)[:, None],
            width=np.concatenate([none, *(group.width for group in groups)]).astype(dtype)[:, None],
            weight=np.concatenate([none, *(group.weight for group in groups)])[:, None],
            first_test=np.cumsum([0, *tests])[:-1],
            group=np.repeat(np.arange(len(groups)), looked_up),
            base=np.cumsum(np.concatenate([none, [0], sizes]))[:-1, None],
            feature=np.concatenate([none, *(group.features for group in groups)]),
        )

    def values(self, X: Floats) -> Floats:
        """SHAP values of n rows without the base, shape (n, k)."""
        values = np.empty((len(X), self.features))
        for start in range(0, len(X), BLOCK):
            here = slice(start, start + BLOCK)
            cells = self.columns.cells(X[here])
            values[here] = self._block(cells).T
        return values

    def _block(self, cells: Cells) -> Floats:
        rows = cells.shape[1]
        phi = self._all_at_once(cells) if rows * len(self._flat.feature) <= _FEW else self._one_by_one(cells)
        for leaves in self.deep:
            leaves.add_to(phi, cells)
        return phi

    def _all_at_once(self, cells: Cells) -> Floats:
        """All groups in one step, shape (k, n)."""
        flat, rows = self._flat, cells.shape[1]
        if not len(flat.group):
            return np.zeros((self.features, rows))
        tested = cells[flat.column]
        tested -= flat.low
        pattern = np.add.reduceat((tested < flat.width) * flat.weight, flat.first_test, axis=0)
        found = self.tables.take(pattern[flat.group] + flat.base)
        where = flat.feature[:, None] * rows + np.arange(rows)
        phi = np.bincount(where.reshape(-1), found.reshape(-1), minlength=self.features * rows)
        return phi.reshape(self.features, rows).astype(np.float64, copy=False)

    def _one_by_one(self, cells: Cells) -> Floats:
        """Group after group, shape (k, n)."""
        phi = np.zeros((self.features, cells.shape[1]))
        for group in self._blocks:
            tested = cells.take(group.column, axis=0)
            tested -= group.low
            passed = (tested < group.width).view(np.uint8)
            pattern = np.add.reduce(passed * group.weight, axis=0, dtype=group.weight.dtype).astype(np.intp)
            found = group.table.take(pattern, axis=1)
            for place, feature in enumerate(group.features):
                phi[feature] += found[place]
        return phi
