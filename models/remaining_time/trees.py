"""Quantile regression trees: one LightGBM model for the median, and small ones for how far the others lie from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from data.errors import ModelError
from models.trees import TreeEnsemble

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MEDIAN: Final = 0.5
# The other levels start from the median, so less is left to learn.
_SHARE_OF_ROUNDS: Final = 0.3


# Where a censored row is put among the like rows that lasted longer, each with an equal part of its weight.
IMPUTED: Final = np.array([1, 3, 5, 7]) / 8


@dataclass(frozen=True)
class Sample:
    """Rows to learn from: (n, k), (n,) on the log scale, (n,) weights."""

    X: Floats
    z: Floats
    weight: Floats

    @classmethod
    def of(cls, X: Floats, z: Floats, censored: Mask, weight: Floats, beyond: Floats) -> Self:
        """Put each censored row at the values in its row of `beyond`, (censored rows, m), in equal parts.

        Multiple imputation under the assumption of `models.remaining_time.censoring`: a case still open takes as long
        as like cases that lasted at least as long.
        """
        if not censored.any():
            return cls(X, z, weight)
        m = beyond.shape[1]
        return cls(
            np.concatenate([X[~censored], np.repeat(X[censored], m, axis=0)]),
            np.concatenate([z[~censored], beyond.ravel()]),
            np.concatenate([weight[~censored], np.repeat(weight[censored] / m, m)]),
        )


@dataclass(frozen=True)
class QuantileTrees:
    """Fitted trees.

    Attributes
    ----------
    texts : LightGBM model text by level; those beside the median hold differences from it
    """

    texts: dict[float, str]
    boosters: dict[float, lgb.Booster]

    @classmethod
    def fit(
        cls, sample: Sample, levels: Floats, parameters: Mapping[str, Any], rounds: int, categorical: list[int]
    ) -> Self:
        """Learn all levels; the median is always among them."""
        settings = dict(parameters)
        fewer = max(1, round(rounds * _SHARE_OF_ROUNDS))
        # All levels learn from the same rows: sorting them into bins takes as long as some dozen trees.
        data = _dataset(sample, settings, categorical)
        boosters = {MEDIAN: _train(data, MEDIAN, settings, rounds)}
        start = np.asarray(boosters[MEDIAN].predict(sample.X, num_threads=1), dtype=np.float64)
        data.set_init_score(start)
        for level in levels[levels != MEDIAN].tolist():
            boosters[level] = _train(data, level, settings, fewer)
        # What predicts is what a file would hold.
        return cls._read({level: booster.model_to_string() for level, booster in boosters.items()})

    @classmethod
    def from_texts(cls, texts: dict[float, str]) -> Self:
        """From LightGBM model texts of a file.

        Raises
        ------
        ModelError
            If a text is not one that LightGBM wrote: its own reader can die of one (`models.trees.text`).
        """
        for text in texts.values():
            TreeEnsemble.parse(text)
        return cls._read(texts)

    @classmethod
    def _read(cls, texts: dict[float, str]) -> Self:
        try:
            return cls(texts, {level: lgb.Booster(model_str=text) for level, text in texts.items()})
        except lgb.basic.LightGBMError as broken:
            raise ModelError("Expected the text of a LightGBM model, but it cannot be read.") from broken

    def predict(self, X: Floats, levels: Floats) -> Floats:
        """(n, len(levels)), as learned: lines may cross."""
        median = np.asarray(self.boosters[MEDIAN].predict(X, num_threads=1), dtype=np.float64)
        columns = [
            median if level == MEDIAN else median + np.asarray(self.boosters[level].predict(X, num_threads=1))
            for level in levels.tolist()
        ]
        return np.column_stack(columns)


def _dataset(sample: Sample, settings: Mapping[str, Any], categorical: list[int]) -> lgb.Dataset:
    return lgb.Dataset(
        sample.X,
        sample.z,
        weight=sample.weight,
        categorical_feature=categorical,
        params={"verbose": -1, "max_bin": settings.get("max_bin", 255)},
    )


def _train(data: lgb.Dataset, level: float, settings: dict[str, Any], rounds: int) -> lgb.Booster:
    objective = {"objective": "l1"} if level == MEDIAN else {"objective": "quantile", "alpha": level}
    return lgb.train({**settings, **objective}, data, num_boost_round=rounds)
