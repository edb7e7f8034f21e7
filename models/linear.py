"""The linear part of a risk: a regularised logistic regression on records, whose parts need no explaining.

Trees cannot go beyond what they have seen; a straight line can. When the whole city slows down, the regression follows
the trend while the trees stay at the highest level of the past. On short histories it is also the steadier of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]

# What anyone would put into a logistic regression first: the records, their trend, and the promise.
COLUMNS: Final = (
    "level_category",
    "level_promise",
    "record_category_channel",
    "record_category_area",
    "record_area",
    "record_channel",
    "trend_category",
    "trend_city",
    "promised_hours",
)
# Inverse strength of the ridge penalty, on standardised columns.
_RIDGE: Final = 0.01


@dataclass(frozen=True)
class LinearPart:
    """Log-odds = intercept + Σ coef·(x - mean)/scale.

    Attributes
    ----------
    columns : names, k of them
    mean, scale, coefficient : (k,)
    intercept : log-odds of a case that is average in every column
    """

    columns: tuple[str, ...]
    mean: Floats
    scale: Floats
    coefficient: Floats
    intercept: float

    @classmethod
    def fit(cls, features: pd.DataFrame, outcome: Floats, weight: Floats | None = None) -> Self:
        """Fit to n cases: those of `COLUMNS` that `features` has, and `outcome`, (n,) of 0 and 1.

        `weight` (n,) says how much each counts; all alike when None.
        """
        columns = tuple(name for name in COLUMNS if name in features)
        values = features[[*columns]].to_numpy(np.float64)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        model = LogisticRegression(C=_RIDGE, max_iter=500).fit((values - mean) / scale, outcome, sample_weight=weight)
        return cls(columns, mean, scale, np.asarray(model.coef_[0]), float(model.intercept_[0]))

    def parts(self, features: pd.DataFrame) -> pd.DataFrame:
        """What each column adds, in log-odds: (n, k). Their sum and the intercept are the score.

        Against the average case these are the Shapley values of the regression, for independent columns.
        """
        values = features[[*self.columns]].to_numpy(np.float64)
        return pd.DataFrame((values - self.mean) / self.scale * self.coefficient, columns=[*self.columns])

    def score(self, features: pd.DataFrame) -> Floats:
        """Log-odds, shape (n,)."""
        return np.asarray(self.intercept + self.parts(features).to_numpy().sum(axis=1), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "columns": list(self.columns),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "coefficient": self.coefficient.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        arrays = (np.asarray(values[name], dtype=np.float64) for name in ("mean", "scale", "coefficient"))
        mean, scale, coefficient = arrays
        return cls(tuple(values["columns"]), mean, scale, coefficient, float(values["intercept"]))
