"""What comes in from outside, checked by the scikit-learn contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import assert_all_finite, check_consistent_length, column_or_1d, validate_data

from data.errors import NotEnoughDataError
from models.risk_model.folds import Timing

Floats = NDArray[np.float64]


class OneOutcomeError(NotEnoughDataError, ValueError):
    """All rows that teach have the same outcome."""


def checked_frame(model: Any, X: Any, y: Any = "no_validation", *, reset: bool) -> pd.DataFrame:
    """X as a DataFrame whose columns are named by strings; those of an array are x0, x1, …

    Raises
    ------
    ValueError, TypeError
        As scikit-learn has it: another number of columns than in `fit`, other names, infinite numbers, sparse.
    """
    if isinstance(X, pd.DataFrame):
        validate_data(model, X, y, skip_check_array=True, reset=reset)
        if reset and len(X) == 0:
            raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
        return X.set_axis([str(name) for name in X.columns], axis=1)
    given = {} if isinstance(y, str) else {"y": y}
    found = validate_data(model, X, **given, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
    values = found[0] if given else found
    return pd.DataFrame(values, columns=[f"x{place}" for place in range(values.shape[1])], copy=False)


def checked_outcome(y: ArrayLike, n: int) -> tuple[Floats, NDArray[Any]]:
    """Y as 0 and 1, (n,), and the two classes that they stand for, sorted.

    Raises
    ------
    ValueError
        If y is no column of n values of at most two classes.
    """
    values = column_or_1d(y, warn=True)
    assert_all_finite(values, input_name="y")
    check_consistent_length(values, np.empty(n))
    check_classification_targets(values)
    kind = type_of_target(values, input_name="y")
    if kind != "binary":
        raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
    classes = np.unique(values)
    return np.asarray(values == classes[-1], dtype=np.float64), classes


def checked_timing(n: int, at: Any, matures_at: Any, groups: Any) -> Timing:
    """Moments and groups of n rows.

    Raises
    ------
    ValueError
        If their lengths differ.
    """
    check_consistent_length(*(one for one in (np.empty(n), at, matures_at, groups) if one is not None))
    group = np.arange(n) if groups is None else pd.factorize(np.asarray(groups))[0]
    return Timing(_moments(at), _moments(matures_at), np.asarray(group, dtype=np.int64))


def _moments(given: Any) -> NDArray[np.int64] | None:
    return None if given is None else np.asarray(given, dtype=np.int64)


def require_both(outcome: Floats) -> None:
    """Refuse rows of one outcome.

    Raises
    ------
    OneOutcomeError
        A ValueError, as scikit-learn expects, and a NotEnoughDataError, as heed does.
    """
    if len(outcome) == 0 or outcome.min() == outcome.max():
        raise OneOutcomeError(
            f"Expected rows of both outcomes, and all {len(outcome):,} that teach are of 1 class. "
            "Import a longer history, or wait until more outcomes are known."
        )
