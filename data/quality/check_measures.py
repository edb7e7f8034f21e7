"""The sums behind the findings: how well a word predicts, whether a level shifted, by how much a clock is off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SEED: Final = 20_111_105
# A group's rate counts against the rate above it as if that came from so many cases.
_STRENGTH: Final = 10.0


def auc(outcome: Bools, score: Floats) -> float:
    """The share of pairs, one late and one not, in which the late one has the higher score; ties count half.

    NaN where all outcomes are the same.
    """
    positive = int(outcome.sum())
    negative = len(outcome) - positive
    if positive == 0 or negative == 0:
        return float("nan")
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2.0)[place]
    return float((ranks[outcome].sum() - positive * (positive + 1) / 2.0) / (positive * negative))


def out_of_fold_rates(outcome: Bools, groups: Ints, parents: Ints | None = None, *, folds: int = 5) -> Floats:
    """For each case, the rate of its group among the cases of the other folds; (n,).

    Shrunken towards the rate of the group's parent, and that towards the rate of all: a group of one case must not
    predict itself, and one of three hardly anything. The folds are drawn at random, the same ones every time.

    Parameters
    ----------
    outcome : (n,) bool
    groups : (n,) codes from 0
    parents : (n,) codes from 0 of what each case's group belongs to; None: of everything
    """
    order = np.random.default_rng(_SEED).permutation(len(outcome))
    fold = np.empty(len(outcome), dtype=np.int64)
    fold[order] = np.arange(len(outcome)) % folds
    found = np.zeros(len(outcome))
    for k in range(folds):
        learn, judge = fold != k, fold == k
        above = np.full(len(outcome), float(outcome[learn].mean()) if learn.any() else 0.0)
        for codes in (groups,) if parents is None else (parents, groups):
            size = int(codes.max()) + 1
            cases = np.bincount(codes[learn], minlength=size).astype(float)
            late = np.bincount(codes[learn], weights=outcome[learn], minlength=size)
            above = (late[codes] + _STRENGTH * above) / (cases[codes] + _STRENGTH)
        found[judge] = above[judge]
    return found


@dataclass(frozen=True, slots=True)
class LevelShift:
    """A lasting shift of a series: from place `at` on, by `change`; `p_value` of one so clear if there were none."""

    at: int
    change: float
    p_value: float


def level_shift(values: Floats, *, least: int = 6, draws: int = 999) -> LevelShift | None:
    """The clearest lasting shift of the mean, against what a series that hangs together does by itself.

    The statistic is the largest standardised difference of means over all places that leave `least` values on either
    side. Serial dependence makes it large without any shift, and so does having many places to choose from; both are
    in the reference: series of first-order autoregression, whose dependence is estimated around the fitted shift and
    corrected for its bias, on which the place is chosen in the same way.

    Returns None for fewer than four times `least` values, or a series that does not vary.
    """
    n = len(values)
    if n < 4 * least or float(np.std(values)) == 0.0:
        return None
    observed, at = _largest_shift(values[None, :], least)
    place = int(at[0])
    change = float(values[place:].mean() - values[:place].mean())
    rest = values - np.where(np.arange(n) >= place, values[place:].mean(), values[:place].mean())
    dependence = _dependence(rest)
    rng = np.random.default_rng(_SEED)
    noise = rng.standard_normal((draws, n + 50))
    for t in range(1, noise.shape[1]):
        noise[:, t] += dependence * noise[:, t - 1]
    reference, _ = _largest_shift(noise[:, 50:], least)
    return LevelShift(place, change, float((1 + (reference >= observed[0]).sum()) / (draws + 1)))


def _largest_shift(series: Floats, least: int) -> tuple[Floats, Ints]:
    """For each row, the largest standardised difference of means and the place of it."""
    n = series.shape[1]
    sums, squares = np.cumsum(series, axis=1), np.cumsum(series**2, axis=1)
    places = np.arange(least, n - least + 1)
    before = sums[:, places - 1]
    after = sums[:, -1:] - before
    change = after / (n - places) - before / places
    within = squares[:, -1:] - before**2 / places - after**2 / (n - places)
    error = np.sqrt(np.maximum(within, 1e-12) / (n - 2) * (1 / places + 1 / (n - places)))
    statistic = np.abs(change) / error
    best = statistic.argmax(axis=1)
    return statistic[np.arange(len(series)), best], places[best]


def _dependence(rest: Floats) -> float:
    """First-order autocorrelation of residuals, corrected for its bias towards none; between 0 and 0.9."""
    scale = float((rest**2).sum())
    if scale == 0.0:
        return 0.0
    raw = float((rest[1:] * rest[:-1]).sum()) / scale
    # Kendall's correction, and once more for the mean fitted on either side of the shift.
    return float(np.clip(raw + (2 + 4 * raw) / len(rest), 0.0, 0.9))


MINUTES_A_DAY: Final = 1440
_BIN: Final = 15
BINS: Final = MINUTES_A_DAY // _BIN
_HOUR: Final = 60 // _BIN


def day_profiles(minute: Ints, day: Ints) -> tuple[Floats, Ints]:
    """Counts per day and quarter of an hour: ((n_days, 96), the days)."""
    days, row = np.unique(day, return_inverse=True)
    cells = row * BINS + minute // _BIN
    return np.bincount(cells, minlength=len(days) * BINS).reshape(len(days), BINS).astype(float), days


@dataclass(frozen=True, slots=True)
class ClockShift:
    """By how many minutes a day's profile of `later` days lies after that of `earlier` days.

    `margin` is how much better than no shift it fits, in log-likelihood per hundred times; `sure` the share of
    resampled sets of days in which a shift of an hour the same way, give or take a quarter, fits best; 0 where the
    shift is none of an hour, and nobody asks.
    """

    minutes: int
    margin: float
    sure: float


def clock_shift(earlier: Floats, later: Floats, *, draws: int = 200) -> ClockShift:
    """The shift, within three hours either way, at which two sets of days have the most similar profile.

    Days are resampled whole: the times of one day hang together. Parameters are (n_days, 96) counts.
    """
    steps = np.arange(-12, 13)
    best, margin = _best_shift(earlier.sum(axis=0), later.sum(axis=0), steps)
    same = 0
    if abs(abs(best) - _HOUR) <= 1:
        rng = np.random.default_rng(_SEED)
        for _ in range(draws):
            first = earlier[rng.integers(0, len(earlier), len(earlier))].sum(axis=0)
            second = later[rng.integers(0, len(later), len(later))].sum(axis=0)
            same += abs(_best_shift(first, second, steps)[0] - int(np.sign(best)) * _HOUR) <= 1
    return ClockShift(int(best * _BIN), margin, same / draws)


def _best_shift(first: Floats, second: Floats, steps: Ints) -> tuple[int, float]:
    """The step at which `first`, moved by it, explains `second` best, and by how much better than unmoved."""
    usual = (first + 0.5) / (first + 0.5).sum()
    fits = np.array([float((second * np.log(np.roll(usual, int(step)))).sum()) for step in steps])
    best = int(fits.argmax())
    unmoved = float(fits[np.flatnonzero(steps == 0)[0]])
    return int(steps[best]), 100.0 * (float(fits[best]) - unmoved) / max(float(second.sum()), 1.0)


def quietest_hour(minute: Ints) -> float:
    """The middle of the quietest five hours of the day, in hours from 0 to 24, on a circle.

    Where many stretches are as quiet, as at an office that is closed at night, it is the middle of all of them.
    """
    counts = np.bincount(minute // _BIN, minlength=BINS).astype(float)
    width = 5 * 60 // _BIN
    ring = np.concatenate([counts, counts[: width - 1]])
    sums = np.convolve(ring, np.ones(width), mode="valid")
    quiet = sums <= sums.min() + 0.002 * counts.sum()
    angles = 2 * np.pi * (np.arange(BINS) + width / 2) / BINS
    middle = np.arctan2(np.sin(angles[quiet]).sum(), np.cos(angles[quiet]).sum())
    return float(middle / (2 * np.pi) * 24 % 24)
