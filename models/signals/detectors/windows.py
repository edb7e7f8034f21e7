"""The weeks a week is compared with, for all weeks to judge at once."""

from __future__ import annotations

import numpy as np

from data.errors import UsageError
from models.signals.detectors.base import Bools, Floats, Ints, Texts, Weeks


def offsets_of_years(years_back: int, half_window: int, period: int, *, this_year: bool) -> Ints:
    """How many rows back the comparison reaches: the newest weeks, and windows around the same week of each year."""
    rows = list(range(half_window, 0, -1)) if this_year else []
    for year in range(1, years_back + 1):
        rows += [year * period + off for off in range(half_window, -half_window - 1, -1)]
    return np.array(rows, dtype=np.int64)


def past(weeks: Weeks, offsets: Ints) -> Floats:
    """Counts `offsets` rows before each week to judge; (n_offsets, n_judged, n_series), NaN before the first row."""
    rows = np.arange(weeks.start, len(weeks.counts))[None, :] - offsets[:, None]
    values = weeks.counts[np.maximum(rows, 0)]
    return np.where((rows >= 0)[:, :, None], values, np.nan)


def reaches(weeks: Weeks, offsets: Ints) -> Bools:
    """Which weeks to judge have all of these weeks before them; (n_judged, 1)."""
    longest = int(offsets.max()) if len(offsets) else 0
    return (np.arange(weeks.start, len(weeks.counts)) >= longest)[:, None]


def reasons(weeks: Weeks, offsets: Ints, n_values: Floats, limit: Floats) -> Texts:
    """Why a window says nothing of a week: the past does not reach, or too much of it is missing."""
    why = weeks.no_reason()
    why[np.isnan(limit)] = "missing_in_past"
    why[np.isnan(limit) & (n_values >= len(offsets))] = "no_spread"
    why[np.broadcast_to(~reaches(weeks, offsets), why.shape)] = "past_too_short"
    return why


def mean_and_sd(values: Floats, *, skip_missing: bool, least: int | None = None) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation (n - 1) and number of values over the first axis.

    NaN where fewer than `least` of the values are there: half of them, and two, if not given. Without `skip_missing`
    one missing value is enough for that, as it mostly is in R.
    """
    present = ~np.isnan(values)
    n = present.sum(axis=0).astype(float)
    if least is None:
        least = max((len(values) + 1) // 2, min(len(values), 2))
    least = least if skip_missing else len(values)
    n = np.where(n >= least, n, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(present, values, 0.0).sum(axis=0) / n
        square = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
        return mean, np.sqrt(square / (n - 1.0)), n


def check_windows(years_back: int, half_window: int, *, this_year: bool) -> None:
    """Refuse windows without a week."""
    if years_back < 0 or half_window < 0:
        raise UsageError(
            f"years_back and half_window must not be negative; they are {years_back!r} and {half_window!r}."
        )
    if years_back == 0 and not (this_year and half_window > 0):
        raise UsageError("There is no week to compare with: give years_back, or half_window together with this_year.")
