"""SHAP values of subtrees that lie too deep for one table, by quadrature with two small tables.

Below a deep node few features are split; on the way to it many. With A the features that only the way to the node
looks at and B those that are split below it, the game of a leaf is a product of a part in A, the same for all leaves
below the node, and a part in B. At a node t_q of the quadrature (`models.trees.quadrature`), with P_q = w_q times the
factors of A,

    φ_j = Σ_q P_q r_jq G_q  for j in A,        φ_i = Σ_q P_q H_iq  for i in B,

where r_jq is the ratio (o_j - z_j) / (z_j + t_q (o_j - z_j)), G_q = Σ_leaves v Π_B of the factors, and H_iq is the same
sum with the leaf's ratio of i. P depends only on which features of A are passed, G and H only on the kinds of the
values in B: all three are tabulated, and the sums over q are worked out for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.trees.columns import Cells, Columns, Floats, Ints
from models.trees.paths import Node
from models.trees.patterns import digits_of, kind_passes, tests_of
from models.trees.quadrature import factors, nodes

# Groups times rows that are worked on at once: the arrays of one step stay in a core's caches.
_AT_ONCE: Final = 4_096
# Features of one table of P; more are split over several, whose numbers are multiplied.
_TOGETHER: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Tests:
    """s tests for each of N groups; a row's pattern in a group is the sum of the weights of the tests it passes."""

    column: Ints
    low: Cells
    width: Cells
    weight: Ints

    def passed(self, cells: Cells, here: slice) -> NDArray[np.bool_]:
        """Which tests n rows pass, shape (s, groups, n)."""
        tested = cells[self.column[:, here]]
        tested -= self.low[:, here, None]
        return tested < self.width[:, here, None]

    def pattern(self, passed: NDArray[np.bool_], here: slice) -> Ints:
        """Pattern of n rows, shape (groups, n)."""
        pattern = np.zeros(passed.shape[1:], dtype=np.int64)
        for one, weight in zip(passed, self.weight[:, here, None], strict=True):
            pattern += one * weight
        return pattern


@dataclass(frozen=True, slots=True, eq=False)
class DeepGroups:
    """N deep nodes with a features in A, b features in B and q nodes of the quadrature.

    Attributes
    ----------
    above : tests of A, r for each feature: the same one again where there are fewer; (r * a, N)
    below : tests of B, of weight 0 where there are fewer
    features : (a + b, N)
    upper : numbers of P, for each part of A; `upper_base` (q, N) is where those of a group begin
    lower : numbers of G and H; `lower_base` (q, 1 + b, N) is where those of a group begin
    ratio : (q, a, N) ratio of a passed feature
    still : (q,) ratio of a feature that is not passed
    """

    above: Tests
    below: Tests
    features: Ints
    upper: tuple[Floats, ...]
    upper_base: tuple[Ints, ...]
    lower: Floats
    lower_base: Ints
    ratio: Floats
    still: Floats

    @property
    def size(self) -> int:
        """Bytes of the tables."""
        held = (*self.upper, *self.upper_base, self.lower, self.lower_base, self.ratio, self.features)
        return sum(one.nbytes for one in held)

    def add_to(self, phi: Floats, cells: Cells) -> None:
        """Add the SHAP values of n rows to `phi`, shape (k, n). `cells` is (c, n)."""
        rows = cells.shape[1]
        some = max(_AT_ONCE // max(rows, 1), 1)
        for start in range(0, self.features.shape[1], some):
            here = slice(start, start + some)
            parts = self._parts(cells, here)
            features = self.features[:, here]
            if features.shape[1] == 1:
                for feature, part in zip(features[:, 0].tolist(), parts[:, 0], strict=True):
                    phi[feature] += part
            else:
                # Group by group, as above, so that a sum does not depend on how many rows are asked about.
                index = features.T[..., None] * rows + np.arange(rows)
                np.add.at(phi.reshape(-1), index.reshape(-1), parts.transpose(1, 0, 2).reshape(-1))

    def _parts(self, cells: Cells, here: slice) -> Floats:
        """SHAP values of A, then of B, shape (a + b, groups, n)."""
        product, passed = self._product(cells, here)
        q, count = self.ratio.shape[:2]
        pattern = self.below.pattern(self.below.passed(cells, here), here)
        sums = self.lower.take(self.lower_base[:, :, here, None] + pattern)
        parts = np.zeros((len(self.features), *pattern.shape))
        still = np.zeros(pattern.shape)
        # Node by node, and not as one product of matrices: a matrix library sums in an order of its own.
        for node in range(q):
            whole = product[node] * sums[node, 0]
            still += whole * self.still[node]
            parts[:count] += whole * self.ratio[node, :, here, None]
            parts[count:] += product[node] * sums[node, 1:]
        parts[:count] = np.where(passed, parts[:count], still)
        return parts

    def _product(self, cells: Cells, here: slice) -> tuple[Floats, NDArray[np.bool_]]:
        """P of n rows (q, groups, n), and which features of A they pass (a, groups, n)."""
        count = self.ratio.shape[1]
        tests = self.above.passed(cells, here)
        passed = tests[:count]
        for more in range(count, len(tests), max(count, 1)):
            passed = passed & tests[more : more + count]
        product: Floats | None = None
        for place, (table, base) in enumerate(zip(self.upper, self.upper_base, strict=True)):
            pattern = np.zeros(passed.shape[1:], dtype=np.int64)
            for bit, one in enumerate(passed[place * _TOGETHER : (place + 1) * _TOGETHER]):
                pattern += one.astype(np.int64) << bit
            found = table.take(base[:, here, None] + pattern)
            product = found if product is None else product * found
        if product is None:
            raise AssertionError("every group has a table of P")
        return product, passed


@dataclass(slots=True)
class _Split:
    """A deep node with its features told apart."""

    node: Node
    above: list[int]
    below: list[int]
    columns_below: list[int]
    most: int
    nodes: int


def split_features(node: Node, columns: Columns) -> tuple[list[int], list[int], list[int]]:
    """Features of A, features of B, and the columns of B, each ascending."""
    feature_of = columns.feature_of
    below = {int(feature_of[column]) for column in node.cuts}
    columns_below = [column for column in node.columns() if int(feature_of[column]) in below]
    return sorted(node.share.keys() - below), sorted(below), columns_below


def make_deep(deep: Sequence[Node], columns: Columns) -> list[DeepGroups]:
    """Deep nodes of a model, those that are laid out alike together."""
    alike: dict[tuple[int, ...], list[_Split]] = {}
    for node in deep:
        above, below, columns_below = split_features(node, columns)
        own = [int(columns.feature_of[column]) for column in node.bounds]
        most = max((own.count(feature) for feature in above), default=1)
        depth = max(len(leaf.share) for leaf in node.leaves())
        split = _Split(node, above, below, columns_below, most, len(nodes(depth)[0]))
        alike.setdefault((len(above), len(below), most, split.nodes), []).append(split)
    return [_make(some, columns) for some in alike.values()]


def _make(some: list[_Split], columns: Columns) -> DeepGroups:
    t, weight = nodes(2 * some[0].nodes)
    z = np.array([[one.node.share[feature] for feature in one.above] for one in some]).reshape(len(some), -1)
    passed, failed = factors(z, t)
    upper = [
        _upper(passed[:, part : part + _TOGETHER], failed[:, part : part + _TOGETHER], weight if part == 0 else None)
        for part in range(0, max(z.shape[1], 1), _TOGETHER)
    ]
    tables = [_lower(one, columns, t) for one in some]
    starts = np.cumsum([0, *(table.size for table in tables)])[:-1]
    strides = np.array([table.shape[-1] for table in tables])
    rows = np.arange(tables[0].shape[0] * tables[0].shape[1]).reshape(tables[0].shape[:2])
    return DeepGroups(
        above=_tests([_tests_above(one, columns) for one in some], columns),
        below=_tests([_tests_below(one) for one in some], columns),
        features=np.array([[*one.above, *one.below] for one in some], dtype=np.int64).T.copy(),
        upper=tuple(table.reshape(-1) for table in upper),
        upper_base=tuple(np.arange(table[..., 0].size).reshape(table.shape[:2]).T * table.shape[2] for table in upper),
        lower=np.concatenate([table.reshape(-1) for table in tables]),
        lower_base=starts + rows[..., None] * strides,
        ratio=((1 - z)[..., None] / passed).transpose(2, 1, 0).copy(),
        still=-1 / (1 - t),
    )


def _upper(passed: Floats, failed: Floats, weight: Floats | None) -> Floats:
    """Products for every pattern of passed features, shape (N, q, 2**a)."""
    product = np.ones((len(passed), passed.shape[2], 1))
    if weight is not None:
        product *= weight[:, None]
    for j in range(passed.shape[1]):
        product = np.concatenate([product * failed[:, j, :, None], product * passed[:, j, :, None]], axis=2)
    return product


def _lower(split: _Split, columns: Columns, t: Floats) -> Floats:
    """G and H of one node for every pattern of kinds in B, shape (q, 1 + b, patterns)."""
    node, place = split.node, {feature: number for number, feature in enumerate(split.below)}
    _, digits = digits_of(tuple(node.radix(column) for column in split.columns_below))
    table = np.zeros((len(t), 1 + len(split.below), digits.shape[1]))
    for leaf in node.leaves():
        own = [feature for feature in split.below if feature in leaf.share]
        passes = {feature: np.ones(digits.shape[1], dtype=bool) for feature in own}
        for axis, column in enumerate(split.columns_below):
            if column in leaf.bounds:
                passes[int(columns.feature_of[column])] &= kind_passes(node, leaf, column)[digits[axis]]
        z = np.array([leaf.share[feature] for feature in own])
        passed, failed = factors(z, t)
        product = np.full((len(t), digits.shape[1]), leaf.value)
        for j, feature in enumerate(own):
            product *= np.where(passes[feature], passed[j, :, None], failed[j, :, None])
        table[:, 0] += product
        for j, feature in enumerate(own):
            ratio = np.where(passes[feature], ((1 - z[j]) / passed[j])[:, None], (-1 / (1 - t))[:, None])
            table[:, 1 + place[feature]] += product * ratio
    return table


def _tests_above(split: _Split, columns: Columns) -> list[tuple[int, int, int, int]]:
    """Tests of A, as many rounds over its features as the most that one of them has."""
    own: dict[int, list[int]] = {feature: [] for feature in split.above}
    for column in sorted(split.node.bounds):
        feature = int(columns.feature_of[column])
        if feature in own:
            own[feature].append(column)
    chosen = [some[min(turn, len(some) - 1)] for turn in range(split.most) for some in own.values()]
    return [(column, *split.node.bounds[column], 0) for column in chosen]


def _tests_below(split: _Split) -> list[tuple[int, int, int, int]]:
    weight, _ = digits_of(tuple(split.node.radix(column) for column in split.columns_below))
    weights = zip(split.columns_below, weight.tolist(), strict=False)
    return [test for column, one in weights for test in tests_of(split.node, column, one)]


def _tests(lists: list[list[tuple[int, int, int, int]]], columns: Columns) -> Tests:
    most = max(map(len, lists))
    # A test that fills up asks something and counts nothing.
    full = np.array([[*tests, *([(0, -1, 0, 0)] * (most - len(tests)))] for tests in lists], dtype=np.int64)
    column, low, high, weight = full.reshape(len(lists), most, 4).transpose(2, 1, 0)
    width = columns.width(low, high)
    return Tests(column.copy(), (low + 1).astype(columns.dtype), width.astype(columns.dtype), weight.copy())
