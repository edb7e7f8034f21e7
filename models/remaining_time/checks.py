"""Is what `fit` was given of one length and of possible values?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d

from data.errors import UsageError
from models.remaining_time.stack import Rows

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]


def checked_rows(
    X: Floats,
    like: Floats,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    at: ArrayLike | None,
    known_at: ArrayLike | None,
    groups: ArrayLike | None,
    censored: ArrayLike | None,
) -> tuple[Rows, Int64s]:
    """Rows to learn from, and from when the outcome of each was known, (n,).

    Without `at`, rows are one second apart in their order and every outcome is known at once: they are exchangeable
    as far as anybody said.
    """
    seconds = _seconds(y)
    n = len(X)
    if n < 2:
        raise ValueError("Expected at least 2 rows to learn from, but got n_samples = 1 sample.")
    check_consistent_length(X, seconds, at, known_at, groups, censored)
    weight = np.asarray(_check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True))
    moments = np.arange(n, dtype=np.int64) if at is None else np.asarray(at, dtype=np.int64)
    if known_at is not None:
        known = np.asarray(known_at, dtype=np.int64)
    else:
        known = moments if at is None else moments + np.ceil(seconds).astype(np.int64)
    open_still = np.zeros(n, dtype=bool) if censored is None else np.asarray(censored, dtype=bool)
    codes = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    kept = weight > 0
    rows = Rows(X, like, seconds, open_still, weight, moments, codes.astype(np.int64))
    return rows.take(kept), known[kept]


def _seconds(y: ArrayLike) -> Floats:
    seconds = np.asarray(column_or_1d(y, warn=True), dtype=np.float64)
    if not np.isfinite(seconds).all():
        raise ValueError("Expected remaining seconds that are finite, but y holds NaN or infinity.")
    if (seconds < 0).any():
        raise ValueError("Expected remaining seconds of at least 0, but some are negative: leave out closed cases.")
    return seconds


def checked_levels(levels: Any) -> Floats:
    """Increasing, inside (0, 1), symmetric around 0.5, which is among them."""
    found = np.asarray(list(levels), dtype=np.float64)
    inside = found.ndim == 1 and len(found) > 0 and bool(np.all((found > 0) & (found < 1)))
    if not inside or not np.all(np.diff(found) > 0) or not np.allclose(found + found[::-1], 1) or 0.5 not in found:
        raise UsageError(
            "Expected increasing levels between 0 and 1, symmetric around 0.5, which has to be one of them."
        )
    return found
