"""How a score is put together, and what may be chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.risk_model.trees import TreeSettings

# What histories get that cannot tell which would be better.
DEFAULT_ROUNDS: Final = 300
DEFAULT_LEAVES: Final = 8
DEFAULT_RIDGE: Final = 100.0
DEFAULT_STRENGTH: Final = 1000.0
# A little: with all rows to learn from, trees gain more on what they were at the inner cuts than the linear part does.
DEFAULT_LINEAR: Final = 0.25

# Small trees did as well as any on short and drifting histories; thresholds drawn at random (Geurts, Ernst and
# Wehenkel, "Extremely randomized trees", 2006) did better with few cases and many columns; large trees, with many rows.
TREES: Final[tuple[tuple[int, bool], ...]] = ((8, False), (8, True))
LARGE_TREES: Final = ((31, False),)
MANY_GROUPS: Final = 5000
MOST_ROUNDS: Final = 600
# The weakest is what the plain regression that every back-test shows beside the model is fitted with.
RIDGES: Final = (10.0, 30.0, 100.0, 300.0, 1000.0)
LINEAR_WEIGHTS: Final = tuple(tenths / 10 for tenths in range(11))
STRENGTHS: Final = (1000.0, 100.0)


@dataclass(frozen=True)
class Recipe:
    """How a score is put together.

    Attributes
    ----------
    num_leaves, random_thresholds, rounds : of the trees
    ridge : strength of the penalty on the linear part, whose columns are the features and the parts of the start
    linear_weight : share of the linear part in the score, in [0, 1]
    evidence_strength : rows (or groups) of a value at which half of the trees' departure is believed
    """

    num_leaves: int = DEFAULT_LEAVES
    random_thresholds: bool = False
    rounds: int = DEFAULT_ROUNDS
    ridge: float = DEFAULT_RIDGE
    linear_weight: float = DEFAULT_LINEAR
    evidence_strength: float = DEFAULT_STRENGTH

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Options:
    """What may be chosen from; one value each means that nothing is left to choose.

    Attributes
    ----------
    trees : pairs of leaves and whether thresholds are drawn at random
    rounds : a fixed number; None to choose
    ridges, linear_weights, strengths : values of the `Recipe`
    linear_default : share of the linear part that little evidence is drawn towards
    """

    trees: Sequence[tuple[int, bool]]
    rounds: int | None
    ridges: Sequence[float]
    linear_weights: Sequence[float]
    strengths: Sequence[float]
    linear_default: float

    @classmethod
    def all_of(cls, groups: int) -> Options:
        """Everything that may be chosen by a history of so many groups."""
        trees = TREES + LARGE_TREES if groups >= MANY_GROUPS else TREES
        return cls(trees, None, RIDGES, LINEAR_WEIGHTS, STRENGTHS, DEFAULT_LINEAR)

    @classmethod
    def defaults(cls) -> Options:
        """What a history gets that cannot tell."""
        return cls(TREES[:1], DEFAULT_ROUNDS, (DEFAULT_RIDGE,), (DEFAULT_LINEAR,), (DEFAULT_STRENGTH,), DEFAULT_LINEAR)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to choose."""
        several = (self.trees, self.ridges, self.linear_weights, self.strengths)
        return self.rounds is not None and all(len(values) == 1 for values in several)

    def first(self) -> Recipe:
        """The recipe of a history that cannot even be split."""
        leaves, at_random = self.trees[0]
        rounds = DEFAULT_ROUNDS if self.rounds is None else self.rounds
        ridge = self.ridges[0] if len(self.ridges) == 1 else DEFAULT_RIDGE
        weight = self.linear_weights[0] if len(self.linear_weights) == 1 else self.linear_default
        return Recipe(leaves, at_random, rounds, ridge, weight, self.strengths[0])


def settings_for(recipe: Recipe, base: TreeSettings, depth: int | None) -> TreeSettings:
    """The settings of a recipe's trees; without a `depth`, one more than a balanced tree of so many leaves needs."""
    deepest = int(np.ceil(np.log2(max(recipe.num_leaves, 2)))) + 1 if depth is None else depth
    at_random = recipe.random_thresholds
    return replace(
        base,
        num_leaves=recipe.num_leaves,
        max_depth=deepest,
        extra_trees=at_random,
        feature_fraction=0.3 if at_random else base.feature_fraction,
    )
