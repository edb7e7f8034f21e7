"""Days on which nothing at all was recorded: an export that ends within a week, or lacks days or weeks.

A week with three such days is not whole, and its count is no count of a week. A day is missing where the same weekdays
around it make an empty one all but impossible; a gamma-Poisson law gives the chance (`zero_run`), and days are found
at a false-discovery rate of 1 % (Benjamini and Hochberg). Where offices rest on Sundays, an empty Sunday is likely and
is not missing; a public holiday on which nobody took a report is a day without a record, and is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_cases import DAY, local_seconds
from data.quality.label_trust_nulls import q_values, zero_run

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL: Final = 0.01
# The nearest same weekdays on either side that say what is usual.
_NEIGHBOURS: Final = 4
# A day varies so much more than Poisson at least.
_LEAST_RATIO: Final = 1.5
_WEEKDAYS: Final = 7
_FEWEST_DAYS: Final = 3


def missing_days(cases: pd.DataFrame, weeks: Ints, as_of: int, time_zone: str) -> Ints:
    """Local days (counted from 1970-01-01) within the weeks on which the record is missing.

    Parameters
    ----------
    cases : DataFrame with `opened_at`, `opened_known_at`; withdrawn ones count, for they were recorded
    weeks : (n_weeks,) starts of the complete weeks, UTC seconds, rising without gaps
    as_of : what was opened or known at or after it does not count
    time_zone : IANA name of the offices'

    Returns
    -------
    Sorted days; none where the record is too thin to say.
    """
    if len(weeks) == 0:
        return np.empty(0, dtype=np.int64)
    first = int(local_seconds(weeks[:1], time_zone)[0]) // DAY
    n_days = len(weeks) * _WEEKDAYS
    known = (cases["opened_known_at"].to_numpy("int64") < as_of) & (cases["opened_at"].to_numpy("int64") < as_of)
    day = local_seconds(cases["opened_at"].to_numpy("int64")[known], time_zone) // DAY - first
    count = np.bincount(day[(day >= 0) & (day < n_days)], minlength=n_days)
    empty = np.flatnonzero(count == 0)
    if len(empty) == 0 or len(empty) == n_days:
        return np.empty(0, dtype=np.int64)
    ratio = _ratio(count)
    p = np.array([_chance(count, int(one), ratio) for one in empty])
    found: Ints = empty[q_values(p) <= LEVEL] + first
    return found


def whole_weeks(days: Ints, weeks: Ints, time_zone: str) -> Bools:
    """Which weeks lack fewer than three of their days; (n_weeks,).

    One day or two are a public holiday, more often than not, and lower a week by no more than a holiday does.
    """
    first = local_seconds(weeks, time_zone) // DAY
    if len(days) == 0:
        return np.ones(len(weeks), dtype=bool)
    lacking = np.searchsorted(days, first + _WEEKDAYS) - np.searchsorted(days, first)
    whole: Bools = lacking < _FEWEST_DAYS
    return whole


def _chance(count: Ints, day: int, ratio: float) -> float:
    """The chance of an empty day beside the nearest same weekdays, the run of empty days it lies in left out."""
    start, end = day, day + 1
    while start > 0 and count[start - 1] == 0:
        start -= 1
    while end < len(count) and count[end] == 0:
        end += 1
    before = np.arange(day % _WEEKDAYS, start, _WEEKDAYS)[-_NEIGHBOURS:]
    after = np.arange(day + _WEEKDAYS * -(-(end - day) // _WEEKDAYS), len(count), _WEEKDAYS)[:_NEIGHBOURS]
    # A record that grows or fades is judged by its lower side.
    sides = [count[side] for side in (before, after) if len(side)]
    if not sides:
        return 1.0
    return max(zero_run(float(side.sum()), float(len(side)), 1.0, ratio) for side in sides)


def _ratio(count: Ints) -> float:
    """Variance to mean of days about the mean of their weekdays a week before and after."""
    if len(count) < 3 * _WEEKDAYS:
        return 2.0
    usual = (count[: -2 * _WEEKDAYS] + count[2 * _WEEKDAYS :]) / 2
    middle = count[_WEEKDAYS:-_WEEKDAYS]
    inside = (middle > 0) & (usual > 0)
    if not inside.any():
        return 2.0
    # The mean of two has half the variance of one; single days far out are what is looked for.
    square = np.minimum((middle - usual)[inside] ** 2, 16.0 * usual[inside]) / 1.5
    return max(float(square.sum() / usual[inside].sum()), _LEAST_RATIO)
