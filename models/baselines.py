"""What a risk model must beat to be worth its trouble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from data.errors import NotEnoughDataError
from features.records import expit
from models.validation.rows import Rows

Floats = NDArray[np.float64]

# Ten cases of the city's rate: the rate of a type seen once is not 0 or 1.
_CATEGORY_STRENGTH = 10.0
# Rules of one number (how far the promise has passed, how long the queue is) read the share that failed off so many
# bins of equally many rows.
_RULE_BINS = 20
# Inverse strength of the ridge penalty of the plain regression, on standardised columns; nothing counts for more than
# so many standard deviations, which keeps a column that grows from running away.
_RIDGE = 0.1
_FURTHEST = 5.0


def rows_baselines(taught: Rows, tested: Rows) -> dict[str, Floats]:
    """Probabilities of every baseline for tested rows, each learned from the rows that taught and nothing else.

    Parameters
    ----------
    taught : n rows with their labels as they were known at the cut (`Rows.taught`); their weights
        say how far each is believed
    tested : m rows; their labels are not looked at

    Returns
    -------
    dict of arrays of shape (m,)

    - `city_rate`: the share that failed, for everyone;
    - `category_rate`: the share in the row's own category, shrunken towards the city's by ten cases;
    - `age`: the share at rows of which as much of the promise had passed (`Rows.passed`);
    - `queue_length`: the share at rows with as long a queue (`Rows.queue`);
    - `record`: what is known without learning (`Rows.start`);
    - `logistic_regression`: ridge, on all columns of numbers.

    A baseline whose column the rows don't have is left out.

    Raises
    ------
    NotEnoughDataError
        If no row teaches.
    """
    weight = np.ones(len(taught)) if taught.weight is None else taught.weight
    if not weight.sum() > 0:
        raise NotEnoughDataError("Expected rows that teach before the cut, and there is none. Choose a later cut.")
    rate = float(np.average(taught.y, weights=weight))
    found = {"city_rate": np.full(len(tested), rate)}
    if "category" in taught.keys:
        found["category_rate"] = _shrunken(taught.keys["category"], taught.y, weight, tested.keys["category"], rate)
    for name, column in (("age", "passed"), ("queue_length", "queue")):
        before, after = getattr(taught, column), getattr(tested, column)
        if before is not None and after is not None:
            edges = _edges(before)
            bins = [pd.Series(_bin_of(part, edges)) for part in (before, after)]
            found[name] = _shrunken(bins[0], taught.y, weight, bins[1], rate)
    if tested.start is not None:
        found["record"] = expit(tested.start)
    found["logistic_regression"] = _regression(taught, weight, tested, rate)
    return found


def _edges(value: Floats) -> Floats:
    """Where the bins of a rule part, ascending; none where there is no value at all."""
    there = value[~np.isnan(value)]
    shares = np.arange(1, _RULE_BINS) / _RULE_BINS
    return np.unique(np.quantile(there, shares)) if len(there) else there


def _bin_of(value: Floats, edges: Floats) -> NDArray[np.int64]:
    """The bin of each value, (n,); -1 where there is none."""
    return np.where(np.isnan(value), -1, np.searchsorted(edges, value, side="right")).astype(np.int64)


def _shrunken(key: pd.Series, outcome: Floats, weight: Floats, asked: pd.Series, rate: float) -> Floats:
    """The share that failed by key, shrunken towards the rate of all; that rate where a key was never seen."""
    sums = pd.DataFrame({"failed": weight * outcome, "n": weight}).groupby(key.to_numpy()).sum()
    share = (sums["failed"] + _CATEGORY_STRENGTH * rate) / (sums["n"] + _CATEGORY_STRENGTH)
    return np.asarray(asked.map(share).astype("float64").fillna(rate), dtype=np.float64)


def _regression(taught: Rows, weight: Floats, tested: Rows, rate: float) -> Floats:
    """Ridge regression on columns of numbers; what is missing counts as average, and that it is missing as a sign."""
    teaches = weight > 0
    before, after = (_numbers(rows.X) for rows in (taught, tested))
    outcome = taught.y[teaches]
    if not before.shape[1] or outcome.min() == outcome.max():
        return np.full(len(tested), rate)
    shown = before[teaches]
    # A whole column may be missing.
    there = ~np.isnan(shown)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.nansum(shown, axis=0) / count
    spread = np.sqrt(np.nansum((shown - mean) ** 2, axis=0) / count)
    scale = np.where(spread > 0, spread, 1.0)
    gaps = ~there.all(axis=0) & there.any(axis=0)

    def design(values: Floats) -> Floats:
        scaled = np.clip(np.nan_to_num((values - mean) / scale), -_FURTHEST, _FURTHEST)
        return np.hstack([scaled, np.isnan(values[:, gaps])])

    model = LogisticRegression(C=_RIDGE, max_iter=500)
    model.fit(design(shown), outcome, sample_weight=weight[teaches])
    return np.asarray(model.predict_proba(design(after))[:, 1], dtype=np.float64)


def _numbers(table: Any) -> Floats:
    """The columns of numbers of a table, (n, k); infinite values are missing."""
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    values = frame.select_dtypes(["number", "bool"]).to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)
