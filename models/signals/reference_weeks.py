"""Which earlier weeks one week is compared with in a seasonal regression, and in which season each of them lies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.errors import NotEnoughDataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Dates = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class ReferenceWeeks:
    """The weeks one week is compared with: rows of the series, oldest first, and the season of each.

    Season 0 is that of the week judged.
    """

    rows: Ints
    seasons: Ints


def reference_weeks(
    at: int,
    *,
    years_back: int,
    half_window: int,
    seasons: int,
    weeks_left_out: int,
    dates: Dates | None = None,
    period: int = 52,
    one_short: bool = False,
) -> ReferenceWeeks:
    """Which earlier weeks stand model for week `at`, and in which season each lies.

    The weeks within `half_window` of the same date in each earlier year form one season (0). What lies between two
    such windows is cut into `seasons` - 1 further ones, the longer ones first. With `seasons` = 1 only the windows
    count. The newest `weeks_left_out` weeks are left out, so that a rise under way does not explain itself; weeks just
    before `at` and within `half_window` that are not left out count as season 0 too.

    Parameters
    ----------
    at : int
        Row of the week judged.
    dates : (n_weeks,) datetime64[D] or None
        With dates, "the same date of an earlier year" is the nearest in the calendar; without, `period` rows earlier.
    one_short : the oldest window may lack its first week, as in R where weeks have no dates

    Raises
    ------
    NotEnoughDataError
        If the past does not reach `years_back` years and half a window before week `at`.
    """
    anchors = _anchors(at, years_back, dates, period)
    half = half_window
    if anchors[-1] - half < (-1 if one_short and dates is None else 0):
        raise NotEnoughDataError(
            f"Expected at least {years_back} years and {half} weeks before the week judged, "
            f"but there are {at} weeks. Use a shorter past (years_back) or the method for short pasts."
        )
    levels = np.full(at + 1, -1, dtype=np.int64)
    levels[max(at - half, 0) :] = 0
    for newer, older in pairwise(anchors):
        levels[max(older - half, 0) : older + half + 1] = 0
        if seasons > 1:
            start, length = older + half + 1, newer - older - 2 * half - 1
            share, rest = divmod(length, seasons - 1)
            lengths = np.full(seasons - 1, share) + (np.arange(seasons - 1) < rest)
            levels[start : start + length] = np.repeat(np.arange(1, seasons), lengths)
    rows = np.flatnonzero(levels[: max(at - weeks_left_out, 0)] >= 0)
    used, codes = np.unique(levels[rows], return_inverse=True)
    if len(used) == 0 or used[0] != 0:
        raise NotEnoughDataError("No week of an earlier year is left to compare with; leave fewer weeks out.")
    return ReferenceWeeks(rows=rows, seasons=codes.astype(np.int64))


def clock_of(n_weeks: int, dates: Dates | None) -> Floats:
    """Time of every row in steps; by the calendar where there is one, for months are not equally long."""
    if dates is None:
        return np.arange(n_weeks, dtype=float)
    days = dates.astype("datetime64[D]").astype(np.int64)
    clock: Floats = (days - days[0]) / (days[1] - days[0])
    return clock


def earlier(dates: Dates, rows: int) -> Dates:
    """The dates with `rows` more before the first, as far apart as the first two; months where these are a month."""
    days = dates.astype("datetime64[D]")
    step = (days[1] - days[0]).astype(np.int64)
    if 28 <= step <= 31 and step != 28:
        months = days[0].astype("datetime64[M]") - np.arange(rows, 0, -1)
        return np.concatenate([months.astype("datetime64[D]") + (days[0] - days[0].astype("datetime64[M]")), days])
    return np.concatenate([days[0] - step * np.arange(rows, 0, -1), days])


def _anchors(at: int, years: int, dates: Dates | None, period: int) -> list[int]:
    """Rows of week `at` and of the same week in each of the `years` years before, newest first; negative: no row."""
    if dates is None:
        return [at - year * period for year in range(years + 1)]
    return [at] + [_row_years_before(at, year, dates) for year in range(1, years + 1)]


def _row_years_before(at: int, years: int, dates: Dates) -> int:
    """Row whose start is nearest to the same calendar date `years` earlier."""
    day = dates[at].astype("datetime64[D]").item()
    # 29 February has no counterpart in most years; 1 March is the day after 28 February.
    try:
        earlier = np.datetime64(day.replace(year=day.year - years))
    except ValueError:
        earlier = np.datetime64(day.replace(year=day.year - years, month=3, day=1))
    if earlier < dates[0]:
        return -1
    return int(np.argmin(np.abs(dates[: at + 1] - earlier)))
