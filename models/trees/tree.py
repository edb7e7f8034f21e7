"""One tree as arrays, with all that its numbers must say together checked once.

After these checks a tree is safe to walk: every index is in range, children come after their parents (so there is no
cycle), every node but the root has one parent, values are finite, and the rows that reached a node are those that
reached its children.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# LightGBM's own limit of leaves, and a depth that its recursion takes without running out of stack.
MAX_LEAVES: Final = 131_072
MAX_DEPTH: Final = 512
# Greatest code of a category that a split may name: far above any list of categories, and few enough to tabulate.
MAX_CODE: Final = (1 << 20) - 1
# As LightGBM packs a decision: bit 0 categorical, bit 1 missing goes left, bits 2 and 3 what counts as missing.
CATEGORICAL: Final = 1
DEFAULT_LEFT: Final = 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
_DECISIONS: Final = np.array([0, 2, 4, 6, 8, 10, 1, 5, 9])


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A tree of L leaves and L - 1 splits.

    Attributes
    ----------
    feature : (L - 1,) column that a split looks at
    threshold : (L - 1,) values up to it go left, and it may be infinite; of a categorical split, the number of its set
        in `sets`
    decision : (L - 1,) decision type, see the constants of this module
    left, right : (L - 1,) number of a split, always greater than the parent's, or -1 - leaf
    value : (L,) finite values of the leaves; shrinkage is in them
    leaf_cover, split_cover : (L,), (L - 1,) training rows that came by; what LightGBM's `pred_contrib` weighs by
    sets : one array of uint32 words for each categorical split: bit c is set where code c goes left
    """

    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    value: Floats
    leaf_cover: Ints
    split_cover: Ints
    sets: tuple[NDArray[np.uint32], ...]

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return len(self.value)

    def depth(self) -> int:
        """Splits on the longest path."""
        depth = [0] * max(self.leaves - 1, 1)
        deepest = 0
        for parent, children in enumerate(zip(self.left.tolist(), self.right.tolist(), strict=True)):
            deepest = max(deepest, depth[parent] + 1)
            for child in children:
                if child >= 0:
                    depth[child] = depth[parent] + 1
        return deepest


def make_tree(number: int, fields: Mapping[str, str], features: int) -> Tree:
    """The arrays of a tree from its lines.

    Parameters
    ----------
    number : place in the model, for messages
    fields : lines as `models.trees.text.read_text` gives them
    features : columns that the model knows

    Raises
    ------
    ModelError
        If the lines contradict each other or point outside their lists.
    """
    leaves, sets = int(fields["num_leaves"]), int(fields["num_cat"])
    if not 1 <= leaves <= MAX_LEAVES or (sets > 0) != ("cat_boundaries" in fields):
        raise _wrong(number, f"it has no leaf, more than {MAX_LEAVES:,}, or sets of categories where it says none")
    splits = leaves - 1
    for name in ("split_gain", "internal_value", "internal_weight"):
        _expect_length(number, fields[name], splits)
    # A tree that is one leaf may leave out how much reached it.
    one = (0, 1) if leaves == 1 else (leaves,)
    _expect_length(number, fields["leaf_weight"], *one)
    counts = _integers(number, fields["leaf_count"], *one)
    tree = Tree(
        feature=_integers(number, fields["split_feature"], splits),
        threshold=_numbers(number, fields["threshold"], splits),
        decision=_integers(number, fields["decision_type"], splits),
        left=_integers(number, fields["left_child"], splits),
        right=_integers(number, fields["right_child"], splits),
        value=_numbers(number, fields["leaf_value"], leaves),
        leaf_cover=counts if len(counts) else np.ones(1, dtype=np.int64),
        split_cover=_integers(number, fields["internal_count"], splits),
        sets=_category_sets(number, fields, sets),
    )
    _check(number, tree, features)
    return tree


def _wrong(number: int, what: str) -> ModelError:
    return ModelError(
        f"Expected whole trees, but of tree {number}: {what}. The file is damaged: restore or train again."
    )


def _tokens(number: int, line: str, *allowed: int) -> list[str]:
    tokens = line.split(" ") if line else []
    if len(tokens) not in allowed:
        raise _wrong(number, "a list is not as long as its leaves or splits are many")
    return tokens


def _expect_length(number: int, line: str, *allowed: int) -> None:
    _tokens(number, line, *allowed)


def _integers(number: int, line: str, *allowed: int) -> Ints:
    return np.array(list(map(int, _tokens(number, line, *allowed))), dtype=np.int64)


def _numbers(number: int, line: str, *allowed: int) -> Floats:
    return np.array(list(map(float, _tokens(number, line, *allowed))), dtype=np.float64)


def _category_sets(number: int, fields: Mapping[str, Any], sets: int) -> tuple[NDArray[np.uint32], ...]:
    if sets == 0:
        return ()
    boundaries = _integers(number, fields["cat_boundaries"], sets + 1)
    if boundaries[0] != 0 or (np.diff(boundaries) < 1).any():
        raise _wrong(number, "the boundaries of its sets of categories do not rise from 0")
    if np.diff(boundaries).max() * 32 > MAX_CODE + 1:
        raise _wrong(number, f"the codes of categories go beyond {MAX_CODE:,}")
    words = _integers(number, fields["cat_threshold"], int(boundaries[-1]))
    if (words < 0).any() or (words > np.iinfo(np.uint32).max).any():
        raise _wrong(number, "a set of categories is no set of bits")
    return tuple(np.split(words.astype(np.uint32), boundaries[1:-1]))


def _check(number: int, tree: Tree, features: int) -> None:
    splits = tree.leaves - 1
    if not np.isfinite(tree.value).all():
        raise _wrong(number, "the value of a leaf is not finite")
    if ((tree.feature < 0) | (tree.feature >= features)).any():
        raise _wrong(number, "a split looks at a feature that the model does not have")
    if not np.isin(tree.decision, _DECISIONS).all():
        raise _wrong(number, "a decision is of no known type")
    categorical = (tree.decision & CATEGORICAL) > 0
    if not np.array_equal(np.sort(tree.threshold[categorical]), np.arange(len(tree.sets))):
        raise _wrong(number, "its categorical splits and its sets of categories do not match one to one")
    children = np.concatenate([tree.left, tree.right])
    expected = np.concatenate([np.arange(-tree.leaves, 0), np.arange(1, splits)]) if splits else np.array([], np.int64)
    if not np.array_equal(np.sort(children), expected):
        raise _wrong(number, "its nodes do not have one parent each")
    inner = children >= 0
    if (children[inner] <= np.tile(np.arange(splits), 2)[inner]).any():
        raise _wrong(number, "a child comes before its parent")
    _check_covers(number, tree)
    if tree.depth() > MAX_DEPTH:
        raise _wrong(number, f"it is deeper than {MAX_DEPTH}")


def cover_of(tree: Tree, children: Ints) -> Ints:
    """Training rows that reached each child, given as a split or as -1 - leaf."""
    inner = children >= 0
    covers = np.empty(len(children), dtype=np.int64)
    covers[inner] = tree.split_cover[children[inner]]
    covers[~inner] = tree.leaf_cover[-1 - children[~inner]]
    return covers


def _check_covers(number: int, tree: Tree) -> None:
    largest = np.iinfo(np.int32).max
    if (tree.leaf_cover < 0).any() or (tree.leaf_cover > largest).any():
        raise _wrong(number, "the rows of a leaf are fewer than none, or more than LightGBM can count")
    if not np.array_equal(cover_of(tree, tree.left) + cover_of(tree, tree.right), tree.split_cover):
        raise _wrong(number, "the rows of a split are not those of its two children")
    if tree.leaves > 1 and not 0 < tree.split_cover[0] <= largest:
        raise _wrong(number, "no rows reached it, or more than LightGBM can count")
