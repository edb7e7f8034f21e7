"""What a back-test is made on: rows of one outcome, each with its moment, its maturity and its case.

A row is a landmark, or an opening, or a prefix of a log: validation asks nothing of it but when it was, when its label
could be known, and which case it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]

# What slices are made of; `kind` is that of the landmark. There is no handler, and nothing about whoever complains.
KEYS: Final = ("office", "category", "area", "channel", "kind")
_OPTIONAL: Final = ("weight", "start", "passed", "queue", "trusted", "capacity")
_ARRAYS: Final = ("y", "at", "matures_at", "groups", *_OPTIONAL)


@dataclass(frozen=True)
class Labels:
    """What could have been learned from n rows at a moment.

    Attributes
    ----------
    value : (n,) float64 of 0 and 1; NaN where it was not known then
    matures_at : (n,) int64 seconds in UTC
    weight : (n,) how far each label was believed then, not negative; None: all in full
    """

    value: Floats
    matures_at: Int64s
    weight: Floats | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of one outcome, ready for a back-test.

    Attributes
    ----------
    X : DataFrame of n rows, or array (n, k); what the model learns from
    y : (n,) float64 of 0 and 1, as known before `as_of`; NaN where it is not known, and such rows never test
    at : (n,) int64 seconds in UTC; the moment of each row
    matures_at : (n,) int64 seconds in UTC; the last second that counts for the label
    groups : (n,) int64; rows of one case have the same
    keys : DataFrame of n rows with some of the columns `KEYS`, `str`, as known at the row; null where not known
    as_of : int64 seconds in UTC; labels are those known strictly before it
    weight : (n,) how much each row counts in a figure, above 0; None: all alike
    start : (n,) log-odds of what is known without learning; None where there is none
    passed : (n,) share of the promise that had passed, in [0, 1]; NaN where nothing was promised
    queue : (n,) cases open at the row's office (or of its category), itself included or not; NaN where not known
    labels_at : moment -> what could have been learned then. None: labels never change once they are mature, so that
        `y` of rows that matured before a moment is what was known at it
    trusted : (n,) bool; rows whose labels are to be believed; None where nobody judged
    capacity : (n,) cases that the row's office can attend on a day, as known at the row; NaN where not given
    outcome : its name
    time_zone : IANA name of the offices' clock
    """

    X: Any
    y: Floats
    at: Int64s
    matures_at: Int64s
    groups: Int64s
    keys: pd.DataFrame
    as_of: int
    weight: Floats | None = None
    start: Floats | None = None
    passed: Floats | None = None
    queue: Floats | None = None
    labels_at: Callable[[int], Labels] | None = None
    trusted: Mask | None = None
    capacity: Floats | None = None
    outcome: str = "late"
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            # Of a Series only the values count: rows are told by their place.
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name)))
        n = len(self.y)
        for name in ("X", "keys", *_ARRAYS):
            given = getattr(self, name)
            if given is not None and len(given) != n:
                raise UsageError(f"{name}: expected {n:,} rows, one for each label, and got {len(given):,}.")
        known = self.y[~np.isnan(self.y)]
        if not np.isin(known, (0.0, 1.0)).all():
            raise UsageError("y: expected labels of 0 and 1, and NaN where nothing is known; something else came.")
        strange = sorted(set(map(str, self.keys.columns)) - set(KEYS))
        if strange:
            raise UsageError(f"keys: expected columns among {', '.join(KEYS)}, and got {', '.join(strange)}.")

    def __len__(self) -> int:
        return len(self.y)

    def labels_known_at(self, moment: int) -> Labels:
        """What could have been learned at a moment (int64 seconds in UTC); `value` is NaN where nothing was known."""
        found = Labels(self.y, self.matures_at) if self.labels_at is None else self.labels_at(moment)
        known = (self.at < moment) & (found.matures_at < moment)
        return Labels(np.where(known, found.value, np.nan), found.matures_at, found.weight)

    def rows(self, places: Int64s) -> Rows:
        """The rows at some places, numbered anew, with their labels as they are known by the as-of."""
        framed = isinstance(self.X, pd.DataFrame)
        table = self.X.iloc[places].reset_index(drop=True) if framed else np.asarray(self.X)[places]
        given = {name: part for name in _ARRAYS if (part := getattr(self, name)) is not None}
        chosen = {name: part[places] for name, part in given.items()}
        keys = self.keys.iloc[places].reset_index(drop=True)
        return replace(self, X=table, keys=keys, labels_at=None, **chosen)

    def taught(self, places: Int64s, moment: int) -> Rows:
        """The rows at some places as they taught at a moment: labels, maturities and weights are those of then."""
        labels = self.labels_known_at(moment)
        weight = None if labels.weight is None else labels.weight[places]
        return replace(
            self.rows(places),
            y=labels.value[places],
            matures_at=labels.matures_at[places],
            weight=weight,
            as_of=moment,
            trusted=None,
        )


def once_per_case(groups: Int64s) -> Floats:
    """Weights with which every case counts once, however many rows it has: (n,), one over its number of rows.

    Examples
    --------
    >>> once_per_case(np.array([7, 9, 9])).tolist()
    [1.0, 0.5, 0.5]
    """
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[place], dtype=np.float64)
