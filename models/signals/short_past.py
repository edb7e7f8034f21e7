"""What a short past says about the newest weeks: a series' own recent level, moved as its category moves elsewhere.

For pasts of about twelve weeks to two years, and for series too thin for a regression. The expected count is

    own recent level  x  how its category moves in the other areas  ,

both shrunken: the level towards what its area and its category lead one to expect (gamma prior, estimated over all
series), the movement towards the movement of everything else. Counts given the level are over-dispersed; level and
movement are uncertain; both enter the variance of a negative binomial, whose exact tails are the p-values. Windows of
one, two and four weeks are looked at, so that a slow rise is seen too, and their p-values are combined by Bonferroni.

The level comes from weeks before the longest window, so a rise under way does not raise its own expectation. The
movement leaves the series itself out, so it cannot explain itself away; and a category that starts, stops, is renamed
or is doubled everywhere moves its expectation everywhere, and raises no alarm anywhere.

The gamma-Poisson shrinkage is that of Clayton and Kaldor (1987), Biometrics 43:671.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.dispersion import Dispersion, estimate_dispersion
from models.signals.distribution import count_lower_tail, count_quantile, count_tail
from models.signals.siblings import Cross, capped, level_prior, movement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


# Three points and weights that stand for a normal distribution in a mean (Gauss-Hermite).
_NODES: Final = ((-(3.0**0.5), 1 / 6), (0.0, 2 / 3), (3.0**0.5, 1 / 6))
# Dispersion assumed of the other areas when their movement in a single week of the past is estimated.
_PAST_DISPERSION: Final = 1.5
# The siblings' own disagreement about the newest weeks counts against its usual size as if that came from ten of them.
_DISAGREEMENT_WEIGHT: Final = 10.0


@dataclass(frozen=True, slots=True)
class ShortPastSettings:
    """How much past is used."""

    # Sums over so many newest weeks; the longest decides how many weeks the baseline keeps away from.
    windows: tuple[int, ...] = (1, 2, 4)
    # A year: long enough to know the level well (half a year finds one planted rise in eight fewer), and a season in
    # which a series differs from its category is then in it as a whole.
    baseline_weeks: int = 52
    # Fewer than eight weeks do not tell a level from its noise.
    least_baseline_weeks: int = 8


@dataclass(frozen=True, slots=True)
class WindowJudgement:
    """The last `weeks` weeks of every series, summed; arrays of shape (n_series,), NaN where nothing can be said."""

    weeks: int
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    rise_p: Floats  # P(as many or more)
    silence_p: Floats  # P(as few or fewer)
    zero_p: Floats  # P(none at all): no silence can be less probable than this


@dataclass(frozen=True, slots=True)
class ShortPastResult:
    """One judgement per window, and how many weeks of past each series had."""

    windows: tuple[WindowJudgement, ...]
    baseline_weeks: Ints  # (n_series,)


@dataclass(frozen=True, slots=True)
class _Baseline:
    """The weeks before the longest window; counts are 0 where a week does not count for a series."""

    counts: Floats  # (n_weeks, n_series)
    seen: Bools
    weeks: Ints  # (n_series,)
    usable: Bools  # (n_series,)
    rate: Floats  # (n_series,) cases a week
    total: Floats  # (n_series,)


def judge_by_short_past(
    matrix: Ints,
    cross: Cross,
    settings: ShortPastSettings = ShortPastSettings(),
    *,
    band: float = 0.8,
    recorded: Bools | None = None,
) -> ShortPastResult:
    """Judge the newest weeks of every series by the weeks before.

    Parameters
    ----------
    matrix : (n_weeks, n_series) counts, oldest week first
    cross : which series share an area, which a category
    band : share of counts between `lower` and `upper` when nothing has changed
    recorded : (n_weeks, n_series), False for weeks to leave out of a series; None for none. A window that holds such a
        week is not judged, and the series says nothing about its siblings in it.

    Returns
    -------
    ShortPastResult
        Series with fewer than `least_baseline_weeks` weeks of record before the longest window get NaN. The record of a
        series begins in the week after its category, and its area, were first seen anywhere; with the first week of
        `matrix` if they were seen then.
    """
    baseline = _baseline(matrix, cross, settings, recorded)
    if not baseline.usable.any():
        return ShortPastResult(tuple(_nothing(matrix, k) for k in settings.windows), baseline.weeks)
    laws = {k: _law(baseline, cross, k) for k in {1, *settings.windows}}
    level, uncertainty = _level(baseline, cross, laws[1])
    judged = (
        _judge_window(matrix, _whole(baseline, recorded, k), cross, k, level, uncertainty, laws[k], band)
        for k in settings.windows
    )
    return ShortPastResult(tuple(judged), baseline.weeks)


def recorded_since(matrix: Ints, cross: Cross) -> Ints:
    """First row of each series' record; (n_series,).

    Before a category, or an area, appears for the first time, its zeros say that nobody recorded it, not that nothing
    happened; and the week in which it appears is seldom whole.
    """
    since = np.zeros(matrix.shape[1], dtype=np.int64)
    for codes in (cross.area, cross.category):
        first = np.full(int(codes.max()) + 1, len(matrix), dtype=np.int64)
        weeks, series = np.nonzero(matrix)
        np.minimum.at(first, codes[series], weeks)
        since = np.maximum(since, np.where(first > 0, first + 1, 0)[codes])
    return since


def _whole(baseline: _Baseline, recorded: Bools | None, k: int) -> _Baseline:
    """The baseline with only the series whose newest `k` weeks were all recorded."""
    if recorded is None:
        return baseline
    usable = baseline.usable & recorded[-k:].all(axis=0)
    rate, total = np.where(usable, baseline.rate, 0.0), np.where(usable, baseline.total, 0.0)
    return replace(baseline, usable=usable, rate=rate, total=total)


def _baseline(matrix: Ints, cross: Cross, settings: ShortPastSettings, recorded: Bools | None) -> _Baseline:
    end = max(len(matrix) - max(settings.windows), 0)
    start = max(end - settings.baseline_weeks, 0)
    seen: Bools = np.arange(start, end)[:, None] >= recorded_since(matrix, cross)
    if recorded is not None:
        seen = seen & recorded[start:end]
    weeks = seen.sum(axis=0)
    usable = weeks >= settings.least_baseline_weeks
    seen &= usable
    counts = np.where(seen, matrix[start:end], 0).astype(float)
    total = counts.sum(axis=0)
    return _Baseline(counts, seen, weeks, usable, total / np.maximum(weeks, 1), total)


def _law(baseline: _Baseline, cross: Cross, k: int) -> Dispersion:
    """Dispersion of sums over `k` weeks: weeks that hang together make it larger than that of single weeks."""
    n_blocks, n_series = len(baseline.counts) // k, len(baseline.total)
    newest = slice(len(baseline.counts) - n_blocks * k, None)
    counts = baseline.counts[newest].reshape(n_blocks, k, n_series).sum(axis=1)
    seen = baseline.seen[newest].reshape(n_blocks, k, n_series)
    usual = baseline.rate * seen.sum(axis=1)
    calm = capped(counts, usual, cross, baseline.total)
    moved = movement(calm, usual, cross, dispersion=_PAST_DISPERSION, past=baseline.total)
    return estimate_dispersion(counts, usual * moved.ratio, np.all(seen, axis=1))


def _level(baseline: _Baseline, cross: Cross, law: Dispersion) -> tuple[Floats, Floats]:
    """Weekly level of each series after shrinkage, and its squared coefficient of variation."""
    ratio = np.maximum(law.factor * law.ratio(baseline.rate), 1.0)
    weeks = baseline.weeks.astype(float)
    prior = level_prior(baseline.total, weeks, ratio, cross, baseline.usable)
    borrowed = prior.shape > 0.0
    # Without a prior, one case more makes the upper tail that of the exact conditional test of two Poisson counts.
    shape = prior.shape + baseline.total / ratio + np.where(borrowed, 0.0, 1.0)
    rate = weeks / ratio + np.where(borrowed, prior.shape / np.where(borrowed, prior.mean, 1.0), 0.0)
    return shape / np.maximum(rate, 1e-12), 1.0 / shape


def _judge_window(
    matrix: Ints,
    baseline: _Baseline,
    cross: Cross,
    k: int,
    level: Floats,
    uncertainty: Floats,
    law: Dispersion,
    band: float,
) -> WindowJudgement:
    observed = matrix[-k:].sum(axis=0).astype(float)
    ratio, relative_variance = _movement_now(np.where(baseline.usable, observed, 0.0), baseline, cross, k, law)
    mean = np.where(baseline.usable, level * k * ratio, np.nan)
    uncertain = mean**2 * (uncertainty + relative_variance)
    rise, silence, zero = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(mean)
    for node, weight in _NODES:
        factor = law.factor * np.exp(node * law.factor_sd - law.factor_sd**2 / 2)
        variance = np.maximum(factor * law.ratio(mean), 1.0) * mean + uncertain
        rise += weight * count_tail(observed, mean, variance)
        silence += weight * count_lower_tail(observed, mean, variance)
        zero += weight * count_lower_tail(np.zeros_like(mean), mean, variance)
    variance = np.maximum(law.factor * law.ratio(mean), 1.0) * mean + uncertain
    lower = count_quantile((1.0 - band) / 2.0, mean, variance)
    upper = count_quantile((1.0 + band) / 2.0, mean, variance)
    return WindowJudgement(k, observed, mean, lower, upper, rise, silence, zero)


def _movement_now(
    observed: Floats, baseline: _Baseline, cross: Cross, k: int, law: Dispersion
) -> tuple[Floats, Floats]:
    """Movement over the newest `k` weeks; less certain the more the other areas disagree about it."""
    usual = baseline.rate * k
    calm = capped(observed, usual, cross, baseline.total)
    first = movement(calm, usual, cross, dispersion=_PAST_DISPERSION, past=baseline.total)
    expected = usual * first.ratio
    counts = usual > 0.0
    safe = np.where(counts, expected, 1.0)
    square = np.where(counts, np.minimum((calm - safe) ** 2 / (safe * law.ratio(safe)), 12.0), 0.0)
    disagreement = (_DISAGREEMENT_WEIGHT + cross.elsewhere(square)) / (
        _DISAGREEMENT_WEIGHT + cross.elsewhere(counts.astype(float))
    )
    dispersion = law.phi * np.maximum(disagreement, 1.0)
    moved = movement(calm, usual, cross, dispersion=dispersion, past=baseline.total)
    return moved.ratio, moved.relative_variance


def _nothing(matrix: Ints, k: int) -> WindowJudgement:
    observed = matrix[-k:].sum(axis=0).astype(float)
    return WindowJudgement(k, observed, *(np.full(matrix.shape[1], np.nan) for _ in range(6)))
