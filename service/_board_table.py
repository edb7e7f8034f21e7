"""The figures of an echo board as sums of the same cells, and a first choice of those that stay back.

A *cell* is what is known of one area without others in it (a leaf) and one type of problem: how many cases were solved,
are still open, and are neither. A *node* is an area, or the city. A *figure* is a sum of cells: of a node and a type,
or all types, and of what was raised, solved or is still open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# What is shown of a node and a type, as sums of solved, still open, and neither.
RAISED, SOLVED, OPEN = range(3)
MEASURES: Final = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0]])
# What else can be subtracted, although no page shows it: neither; not solved; not open.
_KEPT: Final = np.vstack([MEASURES, [[0, 0, 1], [0, 1, 1], [1, 0, 1]]])


@dataclass(frozen=True, eq=False)
class BoardTable:
    """Cells and the nodes they add up to.

    Attributes
    ----------
    cells : (n_leaves, n_types, 3) int64, not negative
    members : (n_nodes, n_leaves) bool; the first node is the city, every other lies in a node or the city
    children : the nodes directly in each node
    """

    cells: Ints
    members: Bools
    children: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of `values`, and of what is hidden: nodes, types and their total, raised · solved · still open."""
        return len(self.members), self.cells.shape[1] + 1, 3

    @cached_property
    def values(self) -> Ints:
        """Every figure, in the order of `figures`."""
        return np.asarray(self.figures @ self.cells.ravel()).reshape(self.shape)

    @cached_property
    def figures(self) -> sparse.csr_array:
        """Every figure as a row over the cells, (n_figures, n_cells)."""
        return self._rows(self.members, MEASURES)

    @cached_property
    def kept(self) -> sparse.csr_array:
        """Everything that must not be known where it is small: the figures, what is left of them, and the leaves."""
        own = np.eye(self.members.shape[1], dtype=bool)
        return self._rows(np.unique(np.vstack([self.members, own]), axis=0), _KEPT)

    @cached_property
    def places(self) -> sparse.csr_array:
        """Every node and type as a row over leaves and types, (n_nodes * (n_types + 1), n_leaves * n_types)."""
        n_types = self.cells.shape[1]
        types = np.vstack([np.eye(n_types, dtype=np.int64), np.ones((1, n_types), dtype=np.int64)])
        both = sparse.kron(sparse.csr_array(self.members.astype(np.int64)), sparse.csr_array(types), format="csr")
        return sparse.csr_array(both)

    def row(self, leaves: Bools, types: Bools, measure: int) -> sparse.csr_array:
        """The sum over some leaves and types of one measure, (1, n_cells)."""
        return sparse.csr_array(np.kron(np.kron(leaves, types), MEASURES[measure])[None, :].astype(np.int64))

    def _rows(self, members: Bools, parts: Ints) -> sparse.csr_array:
        n_types = self.cells.shape[1]
        types = np.vstack([np.eye(n_types, dtype=np.int64), np.ones((1, n_types), dtype=np.int64)])
        over = sparse.csr_array(np.kron(types, parts))
        return sparse.csr_array(sparse.kron(sparse.csr_array(members.astype(np.int64)), over, format="csr"))

    def groups(self) -> Iterator[tuple[tuple[int, int], list[tuple[int, int]]]]:
        """Every whole with the parts that add up to it, as places (node, type)."""
        n_nodes, n_columns, _ = self.shape
        for node in range(n_nodes):
            yield (node, n_columns - 1), [(node, column) for column in range(n_columns - 1)]
            if self.children[node]:
                for column in range(n_columns):
                    yield (node, column), [(child, column) for child in self.children[node]]


def small(table: BoardTable, minimum: int) -> Bools:
    """The figures that are small, or would give a small one back to whoever has the other figures of the same row."""
    raised, solved, still_open = (table.values[..., measure] for measure in (RAISED, SOLVED, OPEN))
    hidden = table.values < minimum
    hidden[..., SOLVED] |= raised - solved < minimum
    hidden[..., OPEN] |= (raised - still_open < minimum) | (
        ~hidden[..., SOLVED] & (raised - solved - still_open < minimum)
    )
    return _whole_rows(hidden)


def widen(table: BoardTable, hidden: Bools, minimum: int) -> Bools:
    """Hide more until in each group by itself the hidden parts are two or more, and add up to the minimum.

    That is not enough, since groups cross (`service._board_proof` says what is), but most of it, and quickly found.
    """
    hidden, changed = _whole_rows(hidden.copy()), True
    groups = list(table.groups())
    while changed:
        changed = False
        for whole, parts in groups:
            for measure in (RAISED, SOLVED, OPEN):
                changed |= _widen(table, hidden, whole, parts, measure, minimum)
        hidden = _whole_rows(hidden)
    return hidden


def _widen(
    table: BoardTable,
    hidden: Bools,
    whole: tuple[int, int],
    parts: list[tuple[int, int]],
    measure: int,
    minimum: int,
) -> bool:
    if hidden[*whole, measure]:
        return False
    unseen = int(table.values[*whole, measure])
    shown = [part for part in parts if not hidden[*part, measure]]
    unseen -= sum(int(table.values[*part, measure]) for part in shown)
    n_hidden = len(parts) - len(shown)
    # What lies in a node itself and in none of its parts is never shown.
    if (n_hidden == 0 and unseen == 0) or (n_hidden >= 2 and unseen >= minimum):
        return False
    shown.sort(key=lambda part: (int(table.values[*part, measure]), part))
    changed = False
    while n_hidden < 2 or unseen < minimum:
        changed = True
        if not shown:
            hidden[*whole, measure] = True
            break
        part = shown.pop(0)
        hidden[*part, measure] = True
        unseen += int(table.values[*part, measure])
        n_hidden += 1
    return changed


def _whole_rows(hidden: Bools) -> Bools:
    """Nothing is said of cases whose number is not said."""
    hidden |= hidden[..., [RAISED]]
    return hidden
