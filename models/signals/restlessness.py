"""How far categories move by themselves from one week to the next, learned from the weeks of the past.

What the other areas say about the newest weeks is counted, so it is uncertain by chance alone: fifty cases leave an
eighth either way, and that uncertainty is the largest that the judgement of a thin series has. A category that has kept
to its usual level for a hundred weeks need not be followed at every turn.

By moments: the squared departures of the category's sums from what was usual exceed those of chance by the square of
the sum times the squared coefficient of variation of its movement. Seasons and wandering levels are such movements too:
a category that has them is followed closely, as one is of which little is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.baseline import Baseline, Record, typical_dispersion
from models.signals.dispersion import variance_of_square
from models.signals.siblings import MOVEMENT_SHAPE, Cross, cap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Nothing is known of how a category moves: the squared coefficient of variation is that of the movement's own prior.
_WIDEST: Final = 1.0 / MOVEMENT_SHAPE
# Weeks that are read together.
_AT_ONCE: Final = 16
# The least squared coefficient of variation that any category is believed to have.
_CALMEST: Final = 0.002
# So many standard errors are added: what is not known of a category counts as restlessness.
_CAUTION: Final = 2.0
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Restlessness:
    """Squared coefficients of variation of usual movements over sums of some weeks.

    `own` (n_series,) that of each series' category, `everything` that of all categories together.
    """

    own: Floats
    everything: float


def usual_movement(
    record: Record, baseline: Baseline, cross: Cross, windows: tuple[int, ...], phi: Floats
) -> dict[int, Restlessness]:
    """How far categories usually move over sums of so many weeks.

    Parameters
    ----------
    phi : (n_series,) variance over mean of weekly counts

    Returns
    -------
    By window: upper estimates, at most that of a movement of which nothing is known, and just that where the past has
    fewer than two periods.
    """
    usual_rate = baseline.rate * baseline.usable
    dispersion = typical_dispersion(phi, usual_rate)
    counts, usual = _weekly_sums(record, usual_rate, cross, dispersion)
    told = {}
    for k in windows:
        cases, expected = _periods(counts, usual, k)
        own = _spread(cases, expected, dispersion)
        everything = _spread(cases.sum(axis=1, keepdims=True), expected.sum(axis=1, keepdims=True), dispersion)
        told[k] = Restlessness(own[cross.category], float(everything[0]))
    return told


def _weekly_sums(record: Record, rate: Floats, cross: Cross, dispersion: float) -> tuple[Floats, Floats]:
    """Cases of each category in each week, no series beyond its cap, and what is usual; (n_weeks, n_categories)."""
    n_weeks, n_categories = len(record.matrix), int(cross.category.max()) + 1
    most = np.where(rate > 0.0, cap(rate, dispersion), 0.0)
    whole: Floats = np.bincount(cross.category, weights=rate, minlength=n_categories).astype(float)
    counts, usual = np.zeros((n_weeks, n_categories)), np.tile(whole, (n_weeks, 1))
    for first in range(0, n_weeks, _AT_ONCE):
        rows = slice(first, min(first + _AT_ONCE, n_weeks))
        block, _, known = record.read(rows)
        week, series = np.nonzero(block)
        cases = np.minimum(block[week, series], most[series])
        place = week * n_categories + cross.category[series]
        counts[rows] = np.bincount(place, weights=cases, minlength=len(block) * n_categories).reshape(len(block), -1)
        if not record.whole(rows):
            usual[rows] = [np.bincount(cross.category, weights=rate * one, minlength=n_categories) for one in known]
    return counts, usual


def _periods(counts: Floats, usual: Floats, k: int) -> tuple[Floats, Floats]:
    """Sums over the newest whole periods of `k` weeks; (n_periods, n_categories)."""
    first, n_categories = len(counts) % k, counts.shape[1]
    summed: Floats = counts[first:].reshape(-1, k, n_categories).sum(axis=1)
    expected: Floats = usual[first:].reshape(-1, k, n_categories).sum(axis=1)
    return summed, expected


def _spread(counts: Floats, usual: Floats, dispersion: float) -> Floats:
    """The upper estimate for each category; (n_categories,)."""
    n_periods = len(counts)
    if n_periods < 2:
        return np.full(counts.shape[1], _WIDEST)
    # The level was learned from the same weeks.
    expected = usual * counts.sum(axis=0) / np.maximum(usual.sum(axis=0), 1e-12)
    some = expected > 0.0
    safe = np.where(some, expected, 1.0)
    excess = np.where(some, (counts - expected) ** 2 * n_periods / (n_periods - 1) - dispersion * expected, 0.0)
    spread = np.full(counts.shape[1], _WIDEST)
    error = np.zeros_like(spread)
    for _ in range(_ROUNDS):
        ratio = dispersion + np.clip(spread, 0.0, _WIDEST) * safe
        weight = np.where(some, 1.0 / (variance_of_square(safe, ratio) * (ratio * safe) ** 2), 0.0)
        information = np.maximum((weight * expected**4).sum(axis=0), 1e-12)
        spread = (weight * expected**2 * excess).sum(axis=0) / information
        error = 1.0 / np.sqrt(information)
    return np.clip(spread + _CAUTION * error, _CALMEST, _WIDEST)
