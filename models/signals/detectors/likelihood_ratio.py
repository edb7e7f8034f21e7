"""How much better a raised level explains the counts since some week than the usual one does: log likelihood ratios.

For a level multiplied by exp(kappa) ("intercept"), or raised by lambda times the count of the week before ("epi"), the
ratio over a stretch of weeks is maximised over the size of the change. Everything works on arrays (n_starts, n_weeks,
n_series): the counts of every stretch that ends now, zero where the stretch has not begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_STEPS: Final = 200
_TOLERANCE: Final = 1e-13
# R's own search, copied in its reach: where it begins, when it ends.
_FIRST_KAPPA: Final = 0.5
_SEARCH_STEPS: Final = 100
_SEARCH_TOLERANCE: Final = 1e-10


@dataclass(frozen=True, slots=True)
class Stretch:
    """Counts and levels of the weeks so far, oldest first; (n_weeks, n_series). Missing weeks: 0."""

    counts: Floats
    level: Floats
    added: Floats  # what the change adds per unit of its size; the level itself for "intercept"
    overdispersion: Floats  # (n_series,), 0 for Poisson


def ratio_of(counts: Floats, level: Floats, raised: Floats, overdispersion: Floats) -> Floats:
    """Log likelihood ratio of single counts: `raised` against `level`."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        change = np.where(counts > 0.0, counts * (np.log(raised) - np.log(level)), 0.0)
        poisson = change - (raised - level)
        a = np.where(overdispersion > 0.0, overdispersion, 1.0)
        negative = change - (counts + 1.0 / a) * (np.log1p(a * raised) - np.log1p(a * level))
    ratio: Floats = np.where(overdispersion > 0.0, negative, poisson)
    # A missing week says nothing, and so does a level of nothing that stays nothing.
    return np.where((level == 0.0) & (raised == 0.0) & (counts == 0.0), 0.0, ratio)


def best_ratios(
    stretch: Stretch, first: NDArray[np.int64], *, direction: int, shortest: int = 1, longest: int = 0
) -> Floats:
    """Largest log likelihood ratio over all starts from `first` (n_series,) on, and all sizes of the change.

    `direction` 1 looks for rises, -1 for falls. A change has lasted `shortest` to `longest` weeks (0: any number). 0
    where no change explains the counts better.
    """
    n_weeks = len(stretch.counts)
    oldest = max(int(first.min()), n_weeks - longest if longest > 0 else 0)
    starts = np.arange(oldest, n_weeks - shortest + 1)
    if len(starts) == 0:
        return np.zeros(stretch.counts.shape[1])
    if bool((stretch.overdispersion == 0.0).all()) and stretch.added is stretch.level:
        values = _poisson_ratios(stretch, starts, direction)
    else:
        values = np.concatenate(
            [_general_ratios(stretch, part, direction) for part in _parts(starts, n_weeks, stretch.counts.shape[1])]
        )
    values = np.where(starts[:, None] >= first[None, :], values, 0.0)
    best: Floats = np.maximum(values.max(axis=0), 0.0)
    return best


def _parts(starts: NDArray[np.int64], n_weeks: int, n_series: int) -> list[NDArray[np.int64]]:
    """Starts in parts small enough for memory: about 16 MB an array."""
    size = max(2_000_000 // max(n_weeks * n_series, 1), 1)
    return [starts[begin : begin + size] for begin in range(0, len(starts), size)]


def _poisson_ratios(stretch: Stretch, starts: NDArray[np.int64], direction: int) -> Floats:
    """In closed form: the change that fits best turns the expected total into the total counted."""
    totals, levels = (np.cumsum(part[::-1], axis=0)[::-1][starts] for part in (stretch.counts, stretch.level))
    with np.errstate(divide="ignore", invalid="ignore"):
        better = totals > levels if direction > 0 else totals < levels
        ratio = special.xlogy(totals, totals / np.where(levels > 0.0, levels, 1.0)) - (totals - levels)
    return np.where(better & (levels > 0.0), ratio, 0.0)


def _general_ratios(stretch: Stretch, starts: NDArray[np.int64], direction: int) -> Floats:
    """By Newton's steps on the score, which falls and is convex in the size: from its left they never overshoot."""
    oldest = int(starts.min())
    inside = (np.arange(oldest, len(stretch.counts))[None, :] >= starts[:, None])[:, :, None]
    x = np.where(inside, stretch.counts[oldest:], 0.0)
    level = np.where(inside, stretch.level[oldest:], 0.0)
    added = np.where(inside, stretch.added[oldest:], 0.0)
    a = stretch.overdispersion
    # The raised level is base + size x added; with "intercept" the base is nothing and the size of no change is 1.
    intercept = stretch.added is stretch.level
    none = 1.0 if intercept else 0.0
    base = np.zeros_like(level) if intercept else level
    least = none if direction > 0 else 0.0
    size = np.full((len(starts), x.shape[2]), least)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = _climb(x, base, added, a, size)
    size = np.maximum(size, none) if direction > 0 else np.clip(size, 0.0, none)
    size = np.where(np.isfinite(size), size, none)
    raised = base + size[:, None, :] * added
    total: Floats = ratio_of(x, level, raised, a).sum(axis=1)
    return np.where(np.isnan(total), 0.0, total)


def _climb(x: Floats, base: Floats, added: Floats, a: Floats, size: Floats) -> Floats:
    for _ in range(_STEPS):
        raised = base + size[:, None, :] * added
        spread = 1.0 + a * raised
        # Score and its slope: sum of added x (x / raised - 1) / spread, free of 0 / 0 where nothing is expected.
        share = np.where(raised > 0.0, added / np.where(raised > 0.0, raised, 1.0), 0.0)
        if not base.any():
            # Then added / raised is 1 / size, and multiplying the score by the size leaves its root where it is.
            score = ((x - raised) / spread).sum(axis=1)
            slope = -(added * (1.0 + a * x) / spread**2).sum(axis=1)
        else:
            score = (share * x - added * (1.0 + a * x) / spread).sum(axis=1)
            slope = (-(share**2) * x + a * added**2 * (1.0 + a * x) / spread**2).sum(axis=1)
        step = -score / slope
        step = np.where(np.isfinite(step), step, 0.0)
        step = np.maximum(step, 0.0) if not base.any() else np.maximum(step, -size)
        size = size + step
        if bool((np.abs(step) <= _TOLERANCE * np.maximum(size, 1e-300)).all()):
            break
    return size


def ratios_by_rs_search(
    stretch: Stretch, first: NDArray[np.int64], *, direction: int, shortest: int = 1, longest: int = 0
) -> Floats:
    """Largest ratio as the R package finds it for negative-binomial counts: plain Newton's steps in kappa.

    They begin at 0.5 for the longest stretch, falls too, and for every shorter one where the last ended, and never go
    below 0 for rises; for falls they end once they come to 0. A rise to many times the level throws them out for good,
    as may the start a fall; the ratio then counts as 0. Where the change adds to the
    level, its size is the factor that they found, as if it multiplied. Use it to compare, not to work.
    """
    n_weeks, n_series = stretch.counts.shape
    kappa = np.full(n_series, _FIRST_KAPPA)
    best = np.zeros(n_series)
    oldest = np.maximum(first, n_weeks - longest if longest > 0 else 0)
    with np.errstate(all="ignore"):
        for start in range(int(oldest.min()), n_weeks - shortest + 1):
            rows = np.flatnonzero(oldest <= start)
            x, m, a = stretch.counts[start:, rows], stretch.level[start:, rows], stretch.overdispersion[rows]
            kappa[rows] = _search(x, m, a, kappa[rows], direction)
            factor = np.exp(kappa[rows])
            raised = m * factor if stretch.added is stretch.level else m + factor * stretch.added[start:, rows]
            value = ratio_of(x, m, raised, a).sum(axis=0)
            best[rows] = np.where(value > best[rows], value, best[rows])
    return best


def _search(x: Floats, m: Floats, a: Floats, kappa: Floats, direction: int) -> Floats:
    kappa = kappa.copy()
    active = np.arange(len(kappa))
    for _ in range(_SEARCH_STEPS):
        raised = m[:, active] * np.exp(kappa[active])
        spread = 1.0 + a[active] * raised
        score = ((x[:, active] - raised) / spread).sum(axis=0)
        bend = -(raised * (1.0 + a[active] * x[:, active]) / spread**2).sum(axis=0)
        moved = kappa[active] - score / bend
        moved = np.maximum(moved, 0.0) if direction > 0 else np.minimum(moved, 0.0)
        step, kappa[active] = moved - kappa[active], moved
        active = active[(np.abs(step) > _SEARCH_TOLERANCE) & ((moved < 0.0) | (direction > 0))]
        if len(active) == 0:
            break
    return kappa
