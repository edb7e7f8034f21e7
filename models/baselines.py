"""What a risk model must beat to be worth its trouble."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.matrix import Matrix
from features.records import expit
from models.linear import LinearPart

Floats = NDArray[np.float64]

# Ten cases of the city's rate: the rate of a type seen once is not 0 or 1.
_CATEGORY_STRENGTH = 10.0


def baseline_probabilities(train: Matrix, outcome: Floats, test: Matrix) -> dict[str, Floats]:
    """Probabilities of every baseline for the test landmarks.

    Parameters
    ----------
    train, outcome : landmarks with their outcomes, (n,) of 0 and 1
    test : m landmarks

    Returns
    -------
    dict of arrays of shape (m,)

    - `city_rate`: the share of training cases that failed, for everyone;
    - `category_rate`: the share in the case's own category, shrunken towards the city's by ten cases;
    - `record`: the record of what is like the case, strictly before it, with nothing learned (the model's own start);
    - `logistic_regression`: regularised, on records and the promised time.
    """
    return {
        "city_rate": np.full(len(test), outcome.mean()),
        "category_rate": _category_rate(train, outcome, test),
        "record": expit(test.base_score()),
        "logistic_regression": expit(LinearPart.fit(train.features, outcome).score(test.features)),
    }


def _category_rate(train: Matrix, outcome: Floats, test: Matrix) -> Floats:
    rate = float(outcome.mean())
    late = pd.Series(outcome).groupby(train.landmarks["category"].to_numpy()).agg(["sum", "count"])
    shrunken = (late["sum"] + _CATEGORY_STRENGTH * rate) / (late["count"] + _CATEGORY_STRENGTH)
    return np.asarray(test.landmarks["category"].map(shrunken).fillna(rate), dtype=np.float64)
