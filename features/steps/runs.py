"""Running figures within cases, on rows sorted by case and time, without a loop over cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]


def starts_of(case: Int64s) -> Int64s:
    """For each row, the first row of its case; cases are contiguous."""
    n = len(case)
    new = np.ones(n, dtype=bool)
    new[1:] = case[1:] != case[:-1]
    return np.maximum.accumulate(np.where(new, np.arange(n), 0)) if n else np.empty(0, dtype=np.int64)


def last_row_where(hit: Bools, start: Int64s) -> Int64s:
    """The newest row of the case, this one included, where `hit`; -1 if there is none."""
    rows = np.maximum.accumulate(np.where(hit, np.arange(len(hit)), -1))
    return np.where(rows >= start, rows, -1)


def count_so_far(hit: NDArray[Any], start: Int64s) -> Int64s:
    """How many rows of the case so far, this one included, where `hit`; exact, as integers are added."""
    total = np.cumsum(hit, dtype=np.int64)
    return total - total[start] + np.asarray(hit, dtype=np.int64)[start] if len(hit) else total


def carried(values: NDArray[Any], known: Bools, start: Int64s) -> tuple[NDArray[Any], Bools]:
    """(the newest known value of the case, whether there is one) at each row."""
    row = last_row_where(known, start)
    return values[np.maximum(row, 0)], row >= 0


def moments_so_far(values: Floats, case: Int64s, start: Int64s) -> dict[str, Floats]:
    """Mean, standard deviation, smallest and largest of a case's numbers so far; NaN where none is known yet.

    Sums begin anew with every case, so that no bit depends on other cases; and they are taken from the case's first
    number, so that large ones lose nothing.
    """
    known = np.isfinite(values)
    n = count_so_far(known, start).astype(np.float64)
    first, _any = carried(values, known & (count_so_far(known, start) == 1), start)
    off = pd.DataFrame({"x": np.where(known, values - first, 0.0)})
    off["xx"] = off["x"] ** 2
    off["low"], off["high"] = np.where(known, values, np.inf), np.where(known, values, -np.inf)
    by = off.groupby(case, sort=False)
    sums = by[["x", "xx"]].cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums["x"].to_numpy() / n
        spread = np.sqrt(np.maximum(sums["xx"].to_numpy() / n - mean**2, 0.0))
    none = n == 0
    low, high = by["low"].cummin().to_numpy(), by["high"].cummax().to_numpy()
    figures = {"mean": first + mean, "std": spread, "min": low, "max": high}
    return {name: np.where(none, np.nan, figure) for name, figure in figures.items()}
