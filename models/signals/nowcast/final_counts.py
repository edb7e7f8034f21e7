"""How many reports the newest weeks will have in the end: an expected count with limits, for people to read."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.counts import WeeklyCounts
from models.signals.nowcast.completeness import Completeness
from models.signals.nowcast.mixture import mixture_quantile, share_nodes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COLUMNS: Final = ("week", "area", "category", "known", "complete", "expected", "lower", "upper")

# The level is that of the half year before the weeks told; less than eight weeks do not tell one.
_PAST_WEEKS: Final = 26
_LEAST_PAST: Final = 8
# Only weeks at least half known count as past.
_KNOWN_ENOUGH: Final = 0.5
# How far weekly levels wander, at least and at most: squared coefficient of variation.
_LEAST_SPREAD: Final = 0.01
_MOST_SPREAD: Final = 4.0
# A series' own spread counts against that of all as if the latter came from so many weeks.
_SPREAD_WEIGHT: Final = 26.0


def nowcast(counts: WeeklyCounts, complete: Completeness, *, weeks: int = 4, level: float = 0.9) -> pd.DataFrame:
    """Expected final counts of the newest `weeks` weeks of every series.

    Given what a series is used to (gamma, from the half year before) and what is known of the week, the reports still
    to come are negative binomial; their law is averaged over the uncertainty of the share known.

    Parameters
    ----------
    counts : as known at the as-of
    complete : of the same weeks and series
    level : the final count lies between `lower` and `upper` with at least this probability

    Returns
    -------
    DataFrame, week by week and in series order, with `week` (UTC seconds), `area`, `category`, `known` (int64),
    `complete` (share expected to be known), `expected`, `lower`, `upper`. A complete week has all three equal to
    `known`; `lower` is never below `known`.
    """
    if complete.share.shape != counts.matrix.shape:
        raise UsageError(f"Expected completeness of shape {counts.matrix.shape}, got {complete.share.shape}.")
    if weeks < 1:
        raise UsageError(f"Expected at least one week to nowcast, got weeks={weeks}.")
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1, for example 0.9; it is {level}.")
    n_told = min(weeks, len(counts.weeks))
    shape, rate = _level(counts.matrix, complete.share, n_told, counts.recorded)
    frames = []
    for row in range(len(counts.weeks) - n_told, len(counts.weeks)):
        known = counts.matrix[row].astype(float)
        expected, lower, upper = _final(known, complete.share[row], complete.sd[row], shape, rate, level)
        frames.append(
            pd.DataFrame(
                {
                    "week": int(counts.weeks[row]),
                    "area": counts.series["area"],
                    "category": counts.series["category"],
                    "known": counts.matrix[row],
                    "complete": complete.share[row],
                    "expected": expected,
                    "lower": lower,
                    "upper": upper,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _final(
    known: Floats, share: Floats, sd: Floats, shape: Floats, rate: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """Expected final count and its limits; (n_series,) each."""
    nodes, weights = share_nodes(np.asarray(share, dtype=float), np.asarray(sd, dtype=float))
    size = shape + known
    # What is still to come is Poisson about (1 - share) x level, and the level gamma with this size.
    mean = (1.0 - nodes) * size / (rate + nodes)
    variance = mean + mean**2 / size
    expected = known + np.tensordot(weights, mean, 1)
    lower, upper = (
        known + mixture_quantile(p, mean, variance, weights) for p in ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    )
    return expected, lower, upper


def _level(matrix: NDArray[np.int64], share: Floats, told: int, recorded: Bools | None) -> tuple[Floats, Floats]:
    """Shape and rate of the gamma law of a weekly level; shape 1 and rate 0 (any count as likely) without a past."""
    past = slice(max(len(matrix) - told - _PAST_WEEKS, 0), len(matrix) - told)
    counts, known = matrix[past].astype(float), share[past]
    use = known >= _KNOWN_ENOUGH
    if recorded is not None:
        use = use & recorded[past]
    exposure = np.where(use, known, 0.0)
    total, weeks = np.where(use, counts, 0.0).sum(axis=0), exposure.sum(axis=0)
    enough = weeks >= _LEAST_PAST
    # Half a report more: a series without any may still get one.
    mean = (total + 0.5) / np.maximum(weeks, 1.0)
    spread = _spread(np.where(use, counts, 0.0), exposure * mean, enough) + 1.0 / (total + 0.5)
    shape = np.where(enough, 1.0 / spread, 1.0)
    return shape, np.where(enough, shape / mean, 0.0)


def _spread(counts: Floats, expected: Floats, enough: Bools) -> Floats:
    """Squared coefficient of variation of weekly levels: pooled over series, and moved by a series' own weeks."""
    if len(counts) == 0:
        return np.full(expected.shape[1], _MOST_SPREAD)
    excess = np.where(enough, (counts - expected) ** 2 - expected, 0.0) / (1.0 + expected)
    scale = np.where(enough, expected**2, 0.0) / (1.0 + expected)
    pooled = float(np.clip(excess.sum() / max(float(scale.sum()), 1e-9), _LEAST_SPREAD, _MOST_SPREAD))
    typical = np.maximum(scale.mean(axis=0), 1e-9) * _SPREAD_WEIGHT
    own = (excess.sum(axis=0) + pooled * typical) / (scale.sum(axis=0) + typical)
    spread: Floats = np.clip(own, _LEAST_SPREAD, _MOST_SPREAD)
    return spread
