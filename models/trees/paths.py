"""What a row must satisfy to reach each leaf, and how many of the training rows went each way.

For SHAP values a leaf is fully said by its value and, for every feature on its path, two things: the set of values that
pass all of the path's splits on the feature, and the share z of training rows that did (the product of child by parent
over those splits). Neither depends on the order of the splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from models.trees.columns import Ints
from models.trees.tree import Tree, cover_of

# A bound that no cell reaches: nothing on the path asks for less.
OPEN: Final = 1 << 40
Bounds = Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class Node:
    """A node of a tree, with what led to it.

    Attributes
    ----------
    bounds : for each column on the path (low, high): rows with low < cell <= high passed all splits on it
    share : for each feature on the path, share of the training rows that passed its splits
    value : of a leaf; 0 elsewhere
    children : empty for a leaf
    cuts : for each column that is split below, the cuts that lie within the bounds, ascending
    """

    bounds: dict[int, tuple[int, int]]
    share: dict[int, float]
    value: float = 0.0
    children: tuple[Node, ...] = ()
    cuts: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def columns(self) -> list[int]:
        """Columns on the path or below, ascending."""
        return sorted(self.bounds.keys() | self.cuts.keys())

    def radix(self, column: int) -> int:
        """Kinds of cells of a column that this node and what is below tell apart.

        Those between the cuts, and all outside of the bounds as one.
        """
        return len(self.cuts.get(column, ())) + (2 if column in self.bounds else 1)

    def leaves(self) -> list[Node]:
        """Leaves from left to right."""
        found, open_nodes = [], [self]
        while open_nodes:
            node = open_nodes.pop()
            if node.children:
                open_nodes.extend(reversed(node.children))
            else:
                found.append(node)
        return found


def grow(tree: Tree, column: Ints, cut: Ints) -> Node:
    """The tree as nodes; a split whose leaves all have one value is a leaf, which changes no SHAP value.

    A share is taken as one half on both sides where no training row came by: no row decides what is right there.
    """
    merged = _equal_value(tree)
    covers = [cover_of(tree, tree.left).tolist(), cover_of(tree, tree.right).tolist()]
    kids, values = [tree.left.tolist(), tree.right.tolist()], tree.value.tolist()
    feature, column_of, cut_of = tree.feature.tolist(), column.tolist(), cut.tolist()
    root = Node({}, {})
    open_nodes = [(0 if tree.leaves > 1 else -1, root)]
    order = []
    while open_nodes:
        number, node = open_nodes.pop()
        if number < 0 or merged[number] is not None:
            node.value = values[-1 - number] if number < 0 else float(merged[number] or 0.0)
            continue
        order.append((node, column_of[number], cut_of[number]))
        both = covers[0][number] + covers[1][number]
        made = []
        for side in (0, 1):
            share = covers[side][number] / both if both else 0.5
            child = _child(node, feature[number], column_of[number], cut_of[number], side, share)
            made.append(child)
            open_nodes.append((kids[side][number], child))
        node.children = tuple(made)
    _gather_cuts(order)
    return root


def _child(node: Node, feature: int, column: int, cut: int, side: int, share: float) -> Node:
    low, high = node.bounds.get(column, (-1, OPEN))
    within = (low, min(high, cut)) if side == 0 else (max(low, cut), high)
    before = node.share.get(feature, 1.0)
    return Node({**node.bounds, column: within}, {**node.share, feature: before * share})


def _gather_cuts(order: list[tuple[Node, int, int]]) -> None:
    """Cuts of every split node, from those of its children; parents come before children in `order`."""
    for node, column, cut in reversed(order):
        cuts: dict[int, set[int]] = {}
        low, high = node.bounds.get(column, (-1, OPEN))
        if low < cut < high:
            cuts[column] = {cut}
        for child in node.children:
            for name, some in child.cuts.items():
                cuts.setdefault(name, set()).update(some)
        node.cuts = {name: tuple(sorted(some)) for name, some in cuts.items()}


def _equal_value(tree: Tree) -> list[float | None]:
    """For every split the one value of all leaves below, or None where they differ."""
    values = tree.value.tolist()
    found: list[float | None] = [None] * (tree.leaves - 1)
    left, right = tree.left.tolist(), tree.right.tolist()
    for number in range(tree.leaves - 2, -1, -1):
        one, other = (values[-1 - child] if child < 0 else found[child] for child in (left[number], right[number]))
        found[number] = one if one is not None and one == other else None
    return found
