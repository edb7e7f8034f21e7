"""The trees of a risk: LightGBM, small and deterministic, starting from a given score and learning departures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError
from models.trees import TreeEnsemble
from models.trees.tree import Tree

Floats = NDArray[np.float64]

# Small trees: on short and drifting histories eight leaves did as well as any, and their exact reasons are cheap.
_FIXED: Final[dict[str, Any]] = {
    "objective": "binary",
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "boost_from_average": False,
    # A category is told apart from few rows: in most tables of cases the frequent ones have tens, not thousands.
    "min_data_per_group": 20,
    "verbose": -1,
}


@dataclass(frozen=True)
class TreeSettings:
    """What the trees are grown by; see LightGBM's parameters of the same names."""

    num_leaves: int = 8
    max_depth: int = 4
    learning_rate: float = 0.03
    min_data_in_leaf: int = 60
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.7
    lambda_l2: float = 10.0
    max_bin: int = 63
    extra_trees: bool = False
    seed: int = 1

    def parameters(self, threads: int) -> dict[str, Any]:
        """As LightGBM takes them."""
        names = self.__dataclass_fields__
        return {**_FIXED, **{name: getattr(self, name) for name in names}, "num_threads": threads}


@dataclass(frozen=True)
class Ensemble:
    """Trees that say how far a case departs from its start, in log-odds.

    Attributes
    ----------
    booster : lightgbm.Booster
    names : of the features, as LightGBM knows them
    threads : LightGBM threads; the result is the same for any number
    """

    booster: lgb.Booster
    names: tuple[str, ...]
    threads: int = 1

    def score(self, features: Floats) -> Floats:
        """Departures in log-odds, (n,), of (n, k) features."""
        if len(features) == 0:
            return np.empty(0)
        return self._ask(features, raw_score=True)

    def between(self, features: Floats, first: int, end: int) -> Floats:
        """What the trees from `first` to before `end` add, (n,), in log-odds."""
        found = self.booster.predict(
            features, start_iteration=first, num_iteration=end - first, raw_score=True, num_threads=self.threads
        )
        return np.asarray(found, dtype=np.float64)

    def contributions(self, features: Floats) -> Floats:
        """Exact TreeSHAP values, (n, k), and in a last column the trees' mean; together (n, k + 1) in log-odds.

        Those of LightGBM's `pred_contrib`, worked out by `models.trees`, which is an order of magnitude faster.
        """
        if len(features) == 0:
            return np.empty((0, len(self.names) + 1))
        return self._kernel.shap_values(features)

    def text(self) -> str:
        """LightGBM's text, without the number of threads, which is not part of a model."""
        return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", self.booster.model_to_string())

    @property
    def trees(self) -> tuple[Tree, ...]:
        """The trees as arrays."""
        return self._kernel.trees

    @cached_property
    def _kernel(self) -> TreeEnsemble:
        return TreeEnsemble.parse(self.text())

    def _ask(self, features: Floats, **asked: bool) -> Floats:
        table = pd.DataFrame(features, columns=self.names, copy=False)
        found = self.booster.predict(table, num_threads=self.threads, validate_features=True, **asked)
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True)
class Lesson:
    """What trees are grown on.

    Attributes
    ----------
    features : (n, k) float64, categories as codes
    outcome, weight, start : (n,)
    names : of the features, as LightGBM takes them
    categories : places of the categories
    monotone : place -> 1 or -1
    """

    features: Floats
    outcome: Floats
    weight: Floats
    start: Floats
    names: tuple[str, ...]
    categories: Sequence[int] = ()
    monotone: Mapping[int, int] | None = None

    def dataset(self, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """For LightGBM; with a reference, for validation beside it."""
        return lgb.Dataset(
            pd.DataFrame(self.features, columns=self.names, copy=False),
            label=self.outcome,
            weight=self.weight,
            init_score=self.start,
            categorical_feature=[self.names[place] for place in self.categories],
            reference=reference,
            free_raw_data=True,
        )


def grow(
    lesson: Lesson, settings: TreeSettings, rounds: int, threads: int = 1, dataset: lgb.Dataset | None = None
) -> Ensemble:
    """Grow so many trees.

    Trees that differ in leaves, depth or how thresholds are drawn can share the `dataset` of a lesson, which takes a
    fifth of the time to make; they are the same to the bit.
    """
    data = lesson.dataset() if dataset is None else dataset
    booster = lgb.train(_parameters(lesson, settings, threads), data, num_boost_round=rounds)
    return Ensemble(booster, lesson.names, threads)


class Growing:
    """Trees that grow bit by bit, and say after each bit what they say of later rows.

    They are those that `grow` gives for as many rounds, to the bit.

    Parameters
    ----------
    lesson, settings, threads, dataset : as `grow` has them
    later : (m, k) features of the rows to speak about
    """

    def __init__(
        self, lesson: Lesson, settings: TreeSettings, threads: int, dataset: lgb.Dataset, later: Floats
    ) -> None:
        self._begin = partial(lgb.train, _parameters(lesson, settings, threads), dataset, keep_training_booster=True)
        self._booster: lgb.Booster | None = None
        self._names, self._threads = lesson.names, threads
        self._later = later
        self._rounds = self._trees = 0
        self._score = np.zeros(len(later))

    def until(self, rounds: int) -> Floats:
        """Grow on until so many rounds are over; the trees' departures in log-odds, (m,)."""
        if self._booster is None:
            self._booster = self._begin(num_boost_round=rounds)
        else:
            for _ in range(rounds - self._rounds):
                self._booster.update()
        self._rounds = rounds
        # A round that finds no split leaves no tree.
        trees = self._booster.current_iteration()
        if trees > self._trees:
            grown = Ensemble(self._booster, self._names, self._threads)
            self._score = self._score + grown.between(self._later, self._trees, trees)
            self._trees = trees
        return self._score


def _parameters(lesson: Lesson, settings: TreeSettings, threads: int) -> dict[str, Any]:
    found = settings.parameters(threads)
    if lesson.monotone:
        found["monotone_constraints"] = [lesson.monotone.get(place, 0) for place in range(len(lesson.names))]
    return found


def load(text: str, names: tuple[str, ...], threads: int = 1) -> Ensemble:
    """Trees from LightGBM's text, every number of which is checked before LightGBM's own reader, which checks none.

    Raises
    ------
    ModelError
        If it is not such a text, or names other features.
    """
    found = TreeEnsemble.parse(text)
    if found.feature_names != names:
        raise ModelError("The trees and the description of the model name different features. Train again.")
    return Ensemble(lgb.Booster(model_str=text), names, threads)
