"""Tables of SHAP values: the whole contribution of a small subtree, by what a row's values pass of it.

The SHAP values that a **group** (the leaves below one node) gives to a row depend only on which of a few kinds each
value is of: between which cuts it lies, and whether it passes the splits above. All combinations of kinds, the
**patterns**, are worked out once. After that a row costs one look-up per group and feature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.trees.columns import Columns, Floats, Ints
from models.trees.paths import Node
from models.trees.patterns import digits_of, kind_passes, tests_of
from models.trees.quadrature import pattern_tables


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The leaves below one node as a table.

    A row's pattern is the sum of `weight` over the tests it passes; test i asks 0 <= cell - `low[i]` < `width[i]`,
    in unsigned arithmetic.

    Attributes
    ----------
    column, low, width, weight : (s,) tests
    features : (f,) features of the group
    patterns : number of patterns p
    table : (f, p) SHAP values in log-odds
    """

    column: Ints
    low: Ints
    width: Ints
    weight: Ints
    features: Ints
    patterns: int
    table: Floats


def make_groups(nodes: Iterable[Node], columns: Columns) -> list[Group]:
    """Groups of the given nodes of one tree."""
    nodes = list(nodes)
    leaves = [leaf for node in nodes for leaf in node.leaves()]
    tables = _leaf_tables(leaves)
    return [_make_group(node, columns, tables) for node in nodes]


def _leaf_tables(leaves: list[Node]) -> dict[int, Floats]:
    """Tables of single leaves, by leaf; those with as many features are worked out together."""
    by_depth: dict[int, list[Node]] = {}
    for leaf in leaves:
        by_depth.setdefault(len(leaf.share), []).append(leaf)
    tables: dict[int, Floats] = {}
    for some in by_depth.values():
        value = np.array([leaf.value for leaf in some])
        z = np.array([[leaf.share[feature] for feature in sorted(leaf.share)] for leaf in some])
        tables.update(zip(map(id, some), pattern_tables(value, z), strict=True))
    return tables


def _make_group(node: Node, columns: Columns, tables: dict[int, Floats]) -> Group:
    used = node.columns()
    weight, digits = digits_of(tuple(node.radix(column) for column in used))
    features = sorted({int(columns.feature_of[column]) for column in used})
    slot = {feature: place for place, feature in enumerate(features)}
    table = np.zeros((len(features), digits.shape[1]))
    for leaf in node.leaves():
        own = sorted(leaf.share)
        place = {feature: bit for bit, feature in enumerate(own)}
        passed = np.ones((len(own), digits.shape[1]), dtype=bool)
        for axis, column in enumerate(used):
            if column in leaf.bounds:
                passed[place[int(columns.feature_of[column])]] &= kind_passes(node, leaf, column)[digits[axis]]
        pattern = (passed << np.arange(len(own))[:, None]).sum(axis=0)
        table[[slot[feature] for feature in own]] += tables[id(leaf)][:, pattern]
    tests = [test for column, one in zip(used, weight.tolist(), strict=True) for test in tests_of(node, column, one)]
    column, low, high, weights = np.array(tests, dtype=np.int64).T
    return Group(column, low + 1, columns.width(low, high), weights, np.array(features), digits.shape[1], table)
