"""Judging sums over all areas, which have no siblings: by how well their own past could have been foretold.

What a category does in the other areas guards a series against seasons, holidays and what happens to the record. Over
all areas together there is no other area. Two things stand in for it:

- how all other categories moved over the same weeks, for a holiday or a doubled import moves them all. A category that
  alone moves far from the others is no such thing: it counts only up to a few of its own errors, or one that triples
  would make all others look silent. One without a past to move from does not count at all;
- how far off the very same forecast was, week after week, in the past. A category with a season, or whose level
  wanders, was often far off, and much is needed before it says anything. (Rolling-origin evaluation: Tashman 2000,
  International Journal of Forecasting 16:437.)

From two years on, the seasonal regression of Farrington knows the season, and then its expectation alone is judged: a
forecast from last month would call every spring a rise. Its own dispersion comes from few weeks, some of them weighted
down; so the errors of the forecasts remain the least that the newest week is allowed to vary by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.distribution import count_lower_tail, count_quantile, count_tail
from models.signals.farrington import farrington_flexible
from models.signals.long_past import LongPastSettings, long_enough
from models.signals.reference_weeks import Dates
from models.signals.short_past import ShortPastSettings, WindowJudgement
from models.signals.siblings import Cross

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# The forecast is the mean of so many weeks before the longest window: recent enough for a season not to have turned.
_LEVEL_WEEKS: Final = 4
# At most so many years of past forecasts are looked at; habits of reporting change.
_PAST_WEEKS: Final = 156
# Fewer past forecasts than this do not tell how far off the next may be.
_LEAST_FORECASTS: Final = 6
# Keeps the movement of everything else near 1 while hardly anything else is counted.
_EVERYTHING_SHAPE: Final = 20.0
# Another category counts as far from the middle of all others as so many of its own deviations.
_FARTHEST: Final = 2.0
# Every category's movement varies by a tenth at least where the middle is looked for: no large one is it alone.
_LEAST_SPREAD: Final = 0.01
# Fewer expected cases than this do not tell how a category moved.
_FIRM: Final = 5.0
# Weight of what all categories do against a category's own errors, in errors. Those hang together over a season, so
# that a year of them holds only a handful that are independent.
_PRIOR_ERRORS: Final = 10.0
# Cases a week below which past forecasts do not tell how much a category varies, and the weight, in cases, of how much
# all such categories vary.
_THIN: Final = 10.0
_PRIOR_CASES: Final = 20.0
# Three points and weights that stand for a normal distribution in a mean (Gauss-Hermite).
_NODES: Final = ((-(3.0**0.5), 1 / 6), (0.0, 2 / 3), (3.0**0.5, 1 / 6))
_WEEKS_A_YEAR: Final = 52
# A calendar year is a day longer than 52 weeks; one week is kept in hand for it.
_WEEK_IN_HAND: Final = 1


@dataclass(frozen=True, slots=True)
class WholeCityResult:
    """Judgements by the forecast, one per window; the newest week by the regression; weeks of past; (n_series,) each.

    A series that the regression judged is NaN in `windows`, and the other way round.
    """

    windows: tuple[WindowJudgement, ...]
    seasonal: WindowJudgement
    weeks_of_past: Ints


def judge_whole_city(
    matrix: Ints,
    dates: Dates,
    short: ShortPastSettings,
    long: LongPastSettings,
    *,
    band: float = 0.8,
    recorded: Bools | None = None,
    complete: Floats | None = None,
) -> WholeCityResult:
    """Judge the newest weeks of every series, each the whole of its category.

    Parameters
    ----------
    matrix : (n_weeks, n_series) counts, oldest week first
    dates : (n_weeks,) local dates of the weeks' Mondays
    band : share of counts between `lower` and `upper` when nothing has changed
    recorded : (n_weeks, n_series), False where a week was not recorded; None for none. The past of a series begins
        after the last such week; a week recorded for no series is passed over.
    complete : (n_weeks, n_series) share of each week's reports that is known already; None for all
    """
    whole, share = matrix, np.ones(matrix.shape) if complete is None else complete
    years = _since(matrix, recorded) == 0
    if recorded is not None:
        # A week that nobody recorded is no week at all, and no end of the past. The newest stays, to be told.
        somebody = np.asarray(recorded.any(axis=1))
        somebody[-1] = True
        matrix, recorded, share = matrix[somebody], recorded[somebody], share[somebody]
    since = _since(matrix, recorded)
    gap = max(short.looked_at())
    weeks = np.maximum(len(matrix) - gap - since, 0)
    use = weeks >= short.least_baseline_weeks
    totals = np.concatenate([np.zeros((1, matrix.shape[1])), np.cumsum(matrix, axis=0)])
    foretold = {k: _foretell(totals, since, k, gap, use, share[-k:].mean(axis=0)) for k in short.looked_at()}
    together = _together(matrix[: max(len(matrix) - gap, 0)], since)
    cross = Cross(np.zeros(matrix.shape[1], dtype=np.int64), np.arange(matrix.shape[1]))
    known = long_enough(whole, cross, long) & years & ~np.isnan(foretold[1].mean)
    seasonal = _seasonal(whole, dates, long, known, share[-1], foretold[1].law, band)
    other = np.where(np.isnan(seasonal.rise_p), 1.0, np.nan)
    windows = tuple(
        _judgement(k, one.observed, one.mean * other, one.law, band, per_case=one.per_case, together=together)
        for k, one in ((k, foretold[k]) for k in short.looked_at())
    )
    windows = tuple(_looked_for(one, short) for one in windows)
    return WholeCityResult(windows, seasonal, weeks)


def _looked_for(judged: WindowJudgement, short: ShortPastSettings) -> WindowJudgement:
    """The judgement, with only those of its p-values that this window is looked at for."""
    nothing = np.full_like(judged.expected, np.nan)
    if judged.weeks not in short.windows:
        judged = replace(judged, rise_p=nothing)
    if judged.weeks not in short.silence_windows:
        judged = replace(judged, silence_p=nothing, zero_p=nothing)
    return judged


def _since(matrix: Ints, recorded: Bools | None) -> Ints:
    """First row of the past that is used: after the first report's week, and after every week not recorded."""
    seen = matrix > 0
    first = np.where(seen.any(axis=0), seen.argmax(axis=0), len(matrix))
    since = np.where(first > 0, np.minimum(first + 1, len(matrix)), 0)
    if recorded is None:
        return since.astype(np.int64)
    missing = ~recorded
    last = np.where(missing.any(axis=0), len(matrix) - np.argmax(missing[::-1], axis=0), 0)
    return np.maximum(since, last).astype(np.int64)


def _together(matrix: Ints, since: Ints) -> Floats:
    """Variance over mean of weekly counts of thin categories, by steps from week to week; 1 for others; (n_series,).

    Of thick ones the past forecasts tell more; thin ones borrow from each other, and none is calmer than all of them.
    """
    if len(matrix) < 2:
        return np.ones(matrix.shape[1])
    there = np.arange(len(matrix) - 1)[:, None] >= since
    square = np.where(there, np.diff(matrix, axis=0) ** 2 / 2.0, 0.0).sum(axis=0)
    cases = np.where(there, (matrix[1:] + matrix[:-1]) / 2.0, 0.0).sum(axis=0)
    thin = cases < _THIN * there.sum(axis=0)
    usual = max(float(square[thin].sum()) / max(float(cases[thin].sum()), 1e-9), 1.0)
    own = (square + _PRIOR_CASES * usual) / (cases + _PRIOR_CASES)
    return np.where(thin, np.maximum(own, usual), 1.0)


@dataclass(frozen=True, slots=True)
class _Law:
    """Variance of what happens about what was foretold: mean + spread x mean^2, known up to a factor."""

    spread: Floats  # (n_series,)
    log_sd: Floats  # (n_series,), of the factor

    def variance(self, mean: Floats, log_shift: Floats | float = 0.0) -> Floats:
        variance: Floats = np.maximum(np.exp(log_shift) * (1.0 + self.spread * mean), 1.0) * mean
        return variance


@dataclass(frozen=True, slots=True)
class _Foretold:
    """The newest weeks as the weeks before foretell them; (n_series,), NaN where they cannot."""

    observed: Floats
    mean: Floats
    law: _Law
    per_case: Floats  # of `mean`, for every case of the weeks that it rests on


def _foretell(totals: Floats, since: Ints, k: int, gap: int, use: Bools, share: Floats) -> _Foretold:
    """From running totals (n_weeks + 1, n_series): the newest `k` weeks, and how far off such forecasts have been."""
    end = len(totals) - 1
    observed = totals[end] - totals[max(end - k, 0)]
    first = gap + _LEVEL_WEEKS
    ends = np.arange(end - gap, max(first, end - gap - _PAST_WEEKS) - 1, -k)
    if end < first or len(ends) < _LEAST_FORECASTS:
        nothing = np.full_like(observed, np.nan)
        return _Foretold(observed, nothing, _Law(nothing, nothing), nothing)
    there = ends[:, None] - first >= since
    counts, usual = totals[ends] - totals[ends - k], _usual(totals, ends, k, gap)
    expected = usual * _movement(*(np.where(there, one, 0.0) for one in (counts, usual)))
    seen = there & (expected > 0.0)
    use = use & (seen.sum(axis=0) >= _LEAST_FORECASTS)
    law = _law(counts, np.where(seen & use, expected, 0.0))
    now = np.where(use, _usual(totals, np.array([end]), k, gap)[0] * share, np.nan)
    moved = np.where(use, _movement_now(observed, now, law), np.nan)
    return _Foretold(observed, now * moved, law, moved * share * (k / _LEVEL_WEEKS))


def _usual(totals: Floats, ends: Ints, k: int, gap: int) -> Floats:
    """The level of the weeks before the longest window, for the `k` weeks up to each end: (n_ends, n_series)."""
    usual: Floats = (totals[ends - gap] - totals[ends - gap - _LEVEL_WEEKS]) * (k / _LEVEL_WEEKS)
    return usual


def _movement(observed: Floats, usual: Floats) -> Floats:
    """How all other categories moved: (..., n_series), both 0 for those that do not count."""
    others = np.maximum(observed.sum(axis=-1, keepdims=True) - observed, 0.0)
    usual_others = np.maximum(usual.sum(axis=-1, keepdims=True) - usual, 0.0)
    ratio: Floats = (others + _EVERYTHING_SHAPE) / (usual_others + _EVERYTHING_SHAPE)
    return ratio


def _movement_now(observed: Floats, usual: Floats, law: _Law, least: Floats | float = 0.0) -> Floats:
    """The same of the newest weeks, with categories far from the middle of all others cut off; (n_series,).

    `usual` is NaN for those that do not count; `least`: the least relative variance of each about its movement.
    """
    counts = np.flatnonzero(usual > 0.0)
    ratio = np.ones_like(usual)
    if not len(counts):
        return ratio
    seen, expected, law = observed[counts], usual[counts], _Law(law.spread[counts], law.log_sd[counts])
    least = np.broadcast_to(least, usual.shape)[counts]
    firm = np.where(expected >= _FIRM, 1.0 / (1.0 / expected + np.maximum(law.spread, _LEAST_SPREAD)), 0.0)
    # That nothing moved has a vote too: of two others, one that moves and one that does not, neither is the middle.
    still = 1.0 / (1.0 / _EVERYTHING_SHAPE + _LEAST_SPREAD)
    voted = _middle_of_others(np.append(seen / expected, 1.0), np.append(firm, still))[:-1]
    middle = np.where(firm.sum() > firm, voted, _movement(seen, expected))
    for one in np.unique(middle):
        mean = one * expected
        far = _FARTHEST * (1.0 + np.sqrt(np.maximum(law.variance(mean), least * mean**2)))
        calm = np.clip(seen, np.maximum(mean - far, 0.0), mean + far)
        here = middle == one
        ratio[counts[here]] = _movement(calm, expected)[here]
    return ratio


def _middle_of_others(values: Floats, weights: Floats) -> Floats:
    """For each of n values the weighted median of the others; (n,). By itself, one is its own."""
    order = np.argsort(values, kind="stable")
    own = weights[order]
    up_to = np.cumsum(own)
    half = (up_to[-1] - own) / 2.0
    place = np.searchsorted(up_to, half)
    # From its own place on, the sums hold the one left out.
    after = np.maximum(np.searchsorted(up_to, half + own), np.arange(len(own)) + 1)
    place = np.where(place < np.arange(len(own)), place, np.minimum(after, len(own) - 1))
    middle = np.empty_like(values)
    middle[order] = values[order][place]
    return middle


def _law(counts: Floats, expected: Floats) -> _Law:
    """From past forecasts (n_forecasts, n_series), 0 where there is none, and what happened.

    An earlier outbreak counts as an error like any other: a category that has had one needs more to be told again.
    """
    use = expected > 0.0
    errors = use.sum(axis=0)
    excess = np.where(use, (counts - expected) ** 2 - expected, 0.0).sum(axis=0)
    own = np.maximum(excess, 0.0) / np.maximum((expected**2).sum(axis=0), 1e-9)
    usual = float(np.median(own[errors > 0])) if (errors > 0).any() else 0.0
    # A calm past is no promise: a season may lie before it. Only a restless one counts.
    spread = np.maximum((_PRIOR_ERRORS * usual + errors * own) / (_PRIOR_ERRORS + errors), usual)
    return _Law(spread, np.sqrt(np.log1p(2.0 / (_PRIOR_ERRORS + errors))))


def _judgement(
    k: int,
    observed: Floats,
    mean: Floats,
    law: _Law,
    band: float,
    least: Floats | float = 0.0,
    per_case: Floats | float = 0.0,
    together: Floats | float = 1.0,
) -> WindowJudgement:
    """Tails of the negative binomial, with a variance of at least `least`; the law holds the forecast's own error.

    For a handful of cases it does not: a mean of `per_case` for each of x cases is as uncertain as x is. One more for
    the upper tail, and the variance of that, make both tails at least those of the exact conditional test of two
    Poisson counts (Przyborowski and Wilenski 1940, Biometrika 31:313); so none at all is no proof that none will come.
    Where `together` cases come at a time, groups take the place of cases.
    """
    rise, silence, zero = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(mean)
    more = mean + together * per_case
    least_up, least_down = (np.maximum(one * together * (1.0 + per_case), least) for one in (more, mean))
    for node, weight in _NODES:
        shift = node * law.log_sd - law.log_sd**2 / 2
        rise += weight * count_tail(observed, more, np.maximum(law.variance(more, shift), least_up))
        variance = np.maximum(law.variance(mean, shift), least_down)
        silence += weight * count_lower_tail(observed, mean, variance)
        zero += weight * count_lower_tail(np.zeros_like(mean), mean, variance)
    variance = np.maximum(law.variance(mean), least_down)
    lower, upper = (count_quantile(share, mean, variance) for share in ((1.0 - band) / 2.0, (1.0 + band) / 2.0))
    return WindowJudgement(k, observed, mean, lower, upper, rise, silence, zero)


def _seasonal(
    matrix: Ints, dates: Dates, long: LongPastSettings, use: Bools, share: Floats, law: _Law, band: float
) -> WindowJudgement:
    """The newest week by the same weeks of earlier years, moved as all other categories are off theirs."""
    observed = matrix[-1].astype(float)
    usual, dispersion, error = (np.full(observed.shape, np.nan) for _ in range(3))
    if use.any():
        spare = len(matrix) - 1 - long.regression.half_window - _WEEK_IN_HAND
        regression = replace(
            long.regression, years_back=int(np.clip(spare // _WEEKS_A_YEAR, 1, long.regression.years_back))
        )
        rows = np.flatnonzero(use)
        result = farrington_flexible(matrix[:, rows].astype(float), len(matrix) - 1, settings=regression, dates=dates)
        usual[rows], dispersion[rows], error[rows] = result.expected, result.dispersion, result.standard_error
        usual *= share
    fitted = ~np.isnan(usual) & ~np.isnan(error)
    usual = np.where(fitted, usual, np.nan)
    relative = np.where(fitted, dispersion / np.maximum(usual, 1e-9) + error**2, 0.0)
    mean = usual * _movement_now(observed, usual, law, relative)
    return _judgement(1, observed, mean, law, band, dispersion * mean + (mean * error) ** 2)
