"""Which parts of a tree become tables: the cheapest cut of it into groups that the memory allows.

A subtree is explained in one of three ways: by one table (`models.trees.groups`), the fastest; by quadrature with two
small tables (`models.trees.deep`), when one would be too large; or by its two halves. The costs are nanoseconds per row
as measured, roughly: they choose the way, and no value depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.trees.columns import Columns
from models.trees.deep import split_features
from models.trees.paths import Node

# Numbers in one table at most: 64 KB, which stays in a core's nearest caches while a block of rows goes through.
LARGEST_TABLE: Final = 8_192
# Numbers in all tables of a model at most: 96 MB.
ALL_TABLES: Final = 12_000_000
# Patterns below a deep node at most; its tables hold this times some dozens of numbers.
MOST_BELOW: Final = 16


@dataclass(frozen=True, slots=True)
class _Ways:
    """Cost and size of a node as one table and by quadrature; size 0 where a way is closed."""

    table_size: int
    table_cost: float
    deep_size: int
    deep_cost: float


def plan(roots: Sequence[Node], columns: Columns) -> tuple[list[list[Node]], list[Node]]:
    """Cut every tree.

    Returns
    -------
    groups : for every tree, nodes that become one table each
    deep : nodes that are worked out by quadrature
    """
    ways = [[(node, _ways(node, columns)) for node in _children_first(root)] for root in roots]
    limit = LARGEST_TABLE
    while True:
        cuts = [_cut(tree, limit) for tree in ways]
        if sum(size for _, _, size in cuts) <= ALL_TABLES or limit < 2:
            return [groups for groups, _, _ in cuts], [node for _, deep, _ in cuts for node in deep]
        limit = limit * 3 // 4


def _children_first(root: Node) -> list[Node]:
    order, open_nodes = [], [root]
    while open_nodes:
        node = open_nodes.pop()
        order.append(node)
        open_nodes.extend(node.children)
    return order[::-1]


def _ways(node: Node, columns: Columns) -> _Ways:
    used = node.columns()
    patterns = _product(node, used, LARGEST_TABLE)
    size = patterns * len(used)
    above, below, columns_below = split_features(node, columns)
    kinds = _product(node, columns_below, MOST_BELOW)
    quadrature = (len(above) + len(below) + 1) // 2
    deep_size = quadrature * ((1 + len(below)) * kinds + min(1 << len(above), 64 * (1 + len(above) // 6)))
    return _Ways(
        table_size=size if 0 < size <= LARGEST_TABLE else 0,
        table_cost=6 + 1.5 * len(used),
        deep_size=deep_size if kinds else 0,
        deep_cost=40 + quadrature * (4 + 2 * len(below) + len(above)) + 2 * len(above),
    )


def _product(node: Node, used: Sequence[int], most: int) -> int:
    """Number of patterns of some columns, 0 if there are more than `most`."""
    patterns = 1
    for column in used:
        patterns *= node.radix(column)
        if patterns > most:
            return 0
    return patterns


def _cut(tree: Sequence[tuple[Node, _Ways]], limit: int) -> tuple[list[Node], list[Node], int]:
    """Groups, deep nodes and numbers in tables of one tree whose nodes are given children first."""
    root, known = tree[-1][0], {id(node): ways for node, ways in tree}
    if not root.children:
        return [], [], 0
    best: dict[int, tuple[float, str]] = {}
    for node, ways in tree:
        choices = []
        if 0 < ways.table_size <= limit:
            choices.append((ways.table_cost, "table"))
        if ways.deep_size:
            choices.append((ways.deep_cost, "deep"))
        if node.children:
            choices.append((sum(best[id(child)][0] for child in node.children), "children"))
        best[id(node)] = min(choices)
    groups: list[Node] = []
    deep: list[Node] = []
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        way = best[id(node)][1]
        if way == "children":
            open_nodes.extend(reversed(node.children))
        else:
            (groups if way == "table" else deep).append(node)
    size = sum(known[id(node)].table_size for node in groups) + sum(known[id(node)].deep_size for node in deep)
    return groups, deep, size
