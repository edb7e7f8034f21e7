"""What two years and more of the same series say about the newest week: Farrington flexible, moved with its category.

The regression knows a series' own season, and its trend from three years on. What it cannot know is that this very week
a whole category was counted otherwise: a new channel, a renamed type, a holiday. So its expectation is moved as the
category has moved elsewhere against *its* expectation, exactly as with short pasts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.signals.baseline import LEAST_KNOWN
from models.signals.distribution import count_lower_tail, count_quantile, count_tail
from models.signals.farrington import FarringtonSettings, farrington_flexible
from models.signals.reference_weeks import Dates
from models.signals.short_past import WindowJudgement, checked_complete, recorded_since
from models.signals.siblings import Cross, capped, movement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_WEEKS_A_YEAR = 52
# How much more than Poisson the other areas are taken to vary when the movement is estimated from one week.
_DISPERSION = 1.5
# A stretch of weeks that were not recorded, up to this long, is filled from the weeks around it.
_FILLED_WEEKS = 8


@dataclass(frozen=True, slots=True)
class LongPastSettings:
    """When the regression is used at all."""

    least_years: int = 2
    # Cases a week over the record: below one, whole seasons hold no case and the regression has nothing to stand on.
    least_mean: float = 1.0
    regression: FarringtonSettings = field(default_factory=FarringtonSettings)


def long_enough(matrix: Ints, cross: Cross, settings: LongPastSettings, recorded: Bools | None = None) -> Bools:
    """Which series have both the weeks and the counts for the regression; (n_series,)."""
    since = _since(matrix, cross, recorded)
    weeks = len(matrix) - 1 - since
    needed = settings.least_years * _WEEKS_A_YEAR + settings.regression.half_window
    counted = np.where(np.arange(len(matrix) - 1)[:, None] >= since, matrix[:-1], 0).sum(axis=0)
    enough: Bools = (weeks >= needed) & (counted >= settings.least_mean * np.maximum(weeks, 1))
    return enough


def judge_by_long_past(
    matrix: Ints,
    cross: Cross,
    dates: Dates,
    settings: LongPastSettings,
    *,
    band: float = 0.8,
    recorded: Bools | None = None,
    complete: Floats | None = None,
) -> WindowJudgement:
    """Judge the newest week of every series by the same weeks of earlier years.

    Parameters
    ----------
    matrix : (n_weeks, n_series) counts, oldest week first
    dates : (n_weeks,) local dates of the weeks' Mondays
    band : share of counts between `lower` and `upper` when nothing has changed
    recorded : (n_weeks, n_series), False for weeks to leave out of a series; None for none. Up to eight of them are
        filled with the mean of the weeks around; a longer stretch ends the past that is used.
    complete : (n_weeks, n_series) or (n_weeks, 1), above 0 and at most 1: the share of each week's reports that is
        expected to be known by now; None where all are. It enters the regression as an offset, and thins mean and
        variance of the newest week as in `judge_by_short_past`. A week of the past of which less than half is known is
        left out.

    Returns
    -------
    WindowJudgement of one week; NaN for series whose past is too short, too thin, or did not fit.

    Raises
    ------
    UsageError
        If `complete` has another shape, or values outside (0, 1].
    """
    complete = checked_complete(complete, matrix)
    n_series = matrix.shape[1]
    observed = matrix[-1].astype(float)
    use = np.flatnonzero(long_enough(matrix, cross, settings, recorded))
    usual, dispersion, error = (np.full(n_series, np.nan) for _ in range(3))
    past = np.zeros(n_series)
    # Series enter with as many whole years as each has, so one with a late start does not shorten the others.
    years = _years(matrix, cross, settings, recorded)
    known = (matrix if recorded is None else _filled(matrix, recorded)).astype(float)
    share = None if complete is None else np.broadcast_to(complete, matrix.shape)
    if share is not None:
        known[:-1] = np.where(share[:-1] >= LEAST_KNOWN, known[:-1], np.nan)
    for span in np.unique(years[use]):
        rows = use[years[use] == span]
        regression = replace(settings.regression, years_back=int(span), population_offset=share is not None)
        result = farrington_flexible(
            known[:, rows],
            len(matrix) - 1,
            settings=regression,
            dates=dates,
            population=None if share is None else share[:, rows],
        )
        usual[rows], dispersion[rows], error[rows] = (
            result.expected,
            result.dispersion,
            result.standard_error,
        )
        past[rows] = np.nansum(known[-span * _WEEKS_A_YEAR :, rows], axis=0)
    if share is not None:
        # The past is (all but) complete, the newest week is thinned: what exceeds the mean goes by the square.
        dispersion = 1.0 + share[-1] * (dispersion - 1.0)
    return _judge(observed, usual, dispersion, error, past, cross, band)


def _since(matrix: Ints, cross: Cross, recorded: Bools | None) -> Ints:
    """First row of the past that is used; beyond the newest week where that one was not recorded."""
    since = recorded_since(matrix, cross)
    if recorded is None:
        return since
    for series in np.flatnonzero(~recorded.all(axis=0)):
        missing = np.flatnonzero(~recorded[:, series])
        stretches = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
        ends = [int(one[-1]) + 1 for one in stretches if len(one) > _FILLED_WEEKS or one[0] <= since[series]]
        since[series] = max([int(since[series]), *ends])
        if missing[-1] == len(matrix) - 1:
            since[series] = len(matrix)
    return since


def _filled(matrix: Ints, recorded: Bools) -> Floats:
    """The counts, with weeks that were not recorded filled with the mean of those within eight weeks of them."""
    known = matrix.astype(float)
    for series in np.flatnonzero(~recorded.all(axis=0)):
        for week in np.flatnonzero(~recorded[:, series]):
            near = slice(max(week - _FILLED_WEEKS, 0), week + _FILLED_WEEKS + 1)
            there = recorded[near, series]
            known[week, series] = matrix[near, series][there].mean() if there.any() else 0.0
    return known


def _years(matrix: Ints, cross: Cross, settings: LongPastSettings, recorded: Bools | None) -> Ints:
    weeks = len(matrix) - 1 - _since(matrix, cross, recorded) - settings.regression.half_window
    # A calendar year is a day longer than 52 weeks; one week is kept in hand for it.
    years: Ints = np.clip((weeks - 1) // _WEEKS_A_YEAR, 1, settings.regression.years_back)
    return years


def _judge(
    observed: Floats,
    usual: Floats,
    dispersion: Floats,
    error: Floats,
    past: Floats,
    cross: Cross,
    band: float,
) -> WindowJudgement:
    known = ~np.isnan(usual) & ~np.isnan(error)
    usual_known = np.where(known, usual, 0.0)
    counted = np.where(known, observed, 0.0)
    calm = capped(counted, usual_known, cross, past)
    moved = movement(calm, usual_known, cross, dispersion=_DISPERSION, past=past)
    mean = np.where(known, usual * moved.ratio, np.nan)
    variance = dispersion * mean + mean**2 * (error**2 + moved.relative_variance)
    return WindowJudgement(
        weeks=1,
        observed=observed,
        expected=mean,
        lower=count_quantile((1.0 - band) / 2.0, mean, variance),
        upper=count_quantile((1.0 + band) / 2.0, mean, variance),
        rise_p=count_tail(observed, mean, variance),
        silence_p=count_lower_tail(observed, mean, variance),
        zero_p=count_lower_tail(np.zeros_like(mean), mean, variance),
    )
