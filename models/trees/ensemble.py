"""A boosted model as validated arrays: LightGBM's scores to the bit, and its exact SHAP values much faster.

`TreeEnsemble.parse` reads what `lightgbm.Booster.model_to_string` writes and checks all of it, so a text that passed is
safe to hand to LightGBM's own reader, which does not check. Scoring and explaining need NumPy only.

The SHAP values are those of the path-dependent game (Lundberg and others, *From local explanations to global
understanding with explainable AI for trees*, 2020): a split on a feature that is not in the coalition sends a row both
ways, in the shares in which the training rows went. They are exact, as LightGBM's `pred_contrib` and
`shap.TreeExplainer` with `feature_perturbation="tree_path_dependent"` are, by other means: see `models.trees.groups`,
`models.trees.deep` and `models.trees.quadrature`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UsageError
from models.trees.columns import Columns, Floats, Ints, make_columns
from models.trees.paths import grow
from models.trees.shapley import Explainer
from models.trees.text import read_text
from models.trees.tree import Tree, make_tree

# Rows times trees that are walked down at once.
_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """T trees whose values add up to a score.

    Attributes
    ----------
    feature_names : names of the k columns of X, in their order
    objective : as LightGBM spells it, for example "binary sigmoid:1"; None when it was trained on foreign gradients
    trees : T trees
    """

    feature_names: tuple[str, ...]
    objective: str | None
    trees: tuple[Tree, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read and check the text of a model.

        Parameters
        ----------
        text : what `lightgbm.Booster.model_to_string()` or `save_model` of LightGBM 4 wrote

        Raises
        ------
        ModelError
            If it is not exactly such a text, if any of its numbers contradicts another, or if it is of a kind that is
            not read here: several scores per row, linear trees, a forest of averages.
        """
        header, lines = read_text(text)
        features = len(header.feature_names)
        trees = tuple(make_tree(number, one, features) for number, one in enumerate(lines))
        return cls(header.feature_names, header.objective, trees)

    @cached_property
    def base(self) -> float:
        """Expected score over the training rows as the trees weigh them, in log-odds for two outcomes."""
        return float(sum(float(np.dot(tree.leaf_cover / tree.leaf_cover.sum(), tree.value)) for tree in self.trees))

    @property
    def table_bytes(self) -> int:
        """Memory that `shap_values` keeps for later calls; asking makes the tables."""
        return self._explainer.size

    def raw_score(self, X: ArrayLike) -> Floats:
        """Score of every row, to the bit what `booster.predict(X, raw_score=True)` gives.

        Parameters
        ----------
        X : (n, k) numbers; NaN is missing, a categorical column holds its codes

        Returns
        -------
        score : (n,) sum over the trees in their order, in log-odds for two outcomes

        Raises
        ------
        UsageError
            If X is not (n, k).
        """
        X = self._matrix(X)
        walk = self._walk
        score = np.empty(len(X))
        step = max(_AT_ONCE // len(self.trees), 1)
        for start in range(0, len(X), step):
            cells = self._columns.cells(X[start : start + step])
            score[start : start + step] = walk.score(cells)
        return score

    def shap_values(self, X: ArrayLike) -> Floats:
        """Exact path-dependent SHAP values.

        Parameters
        ----------
        X : (n, k) numbers; NaN is missing, a categorical column holds its codes

        Returns
        -------
        values : (n, k + 1), in the unit of the score
            A column per feature, then the base, the same for all rows. A row's sum is its `raw_score`, to rounding.
            The same row gives the same bits whatever other rows are asked about with it.

        Raises
        ------
        UsageError
            If X is not (n, k).

        Notes
        -----
        The first call makes tables, of at most 96 MB, which later calls share; making them takes up to three times as
        much for a moment. Beside the result, a call takes memory for a block of 4,096 rows at a time.
        """
        X = self._matrix(X)
        values = np.empty((len(X), X.shape[1] + 1))
        values[:, :-1] = self._explainer.values(X)
        values[:, -1] = self.base
        return values

    def _matrix(self, X: ArrayLike) -> Floats:
        matrix = np.asarray(X, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(self.feature_names):
            raise UsageError(
                f"Expected a matrix with {len(self.feature_names)} columns, one per feature of the model, got one of "
                f"shape {matrix.shape}. Put the columns in the order of `feature_names`."
            )
        return matrix

    @cached_property
    def _made(self) -> tuple[Columns, list[Ints], list[Ints]]:
        return make_columns(self.trees)

    @property
    def _columns(self) -> Columns:
        return self._made[0]

    @cached_property
    def _walk(self) -> _Walk:
        columns, column, cut = self._made
        return _Walk.make(self.trees, column, cut, columns)

    @cached_property
    def _explainer(self) -> Explainer:
        columns, column, cut = self._made
        roots = [grow(*one) for one in zip(self.trees, column, cut, strict=True)]
        return Explainer(roots, columns, len(self.feature_names))


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """All trees in one list of nodes, to be walked down together; a leaf is its own child."""

    column: Ints
    cut: Ints
    children: Ints
    value: Floats
    roots: Ints
    depth: int

    @classmethod
    def make(cls, trees: tuple[Tree, ...], column: list[Ints], cut: list[Ints], columns: Columns) -> Self:
        nodes = [2 * tree.leaves - 1 for tree in trees]
        roots = np.cumsum([0, *nodes])[:-1].astype(np.int64)
        total = sum(nodes)
        # A leaf asks any column for more than a cell can be, and stays.
        at, above = np.zeros(total, np.int64), np.full(total, columns.top.max(initial=0), np.int64)
        children, value = np.repeat(np.arange(total), 2).reshape(total, 2), np.zeros(total)
        depth = 0
        for tree, root, own, own_cut in zip(trees, roots.tolist(), column, cut, strict=True):
            splits = tree.leaves - 1
            here = slice(root, root + splits)
            at[here], above[here] = own, own_cut
            for side, child in enumerate((tree.left, tree.right)):
                children[here, side] = root + np.where(child >= 0, child, splits - 1 - child)
            value[root + splits : root + splits + tree.leaves] = tree.value
            depth = max(depth, tree.depth())
        return cls(at, above, children.reshape(-1), value, roots, depth)

    def score(self, cells: NDArray[np.unsignedinteger]) -> Floats:
        """Sum over the trees, in their order, shape (n,)."""
        rows = cells.shape[1]
        flat, row = cells.reshape(-1), np.arange(rows)
        node = np.repeat(self.roots[:, None], rows, axis=1)
        if len(flat):
            for _ in range(self.depth):
                right = flat.take(self.column.take(node) * rows + row) > self.cut.take(node)
                node = self.children.take(2 * node + right)
        # Added one after another, as LightGBM does; it starts from 0, so that nothing is -0.
        score: Floats = np.cumsum(self.value.take(node), axis=0)[-1] + 0.0
        return score
