"""Expected cases from populations: interpolated between the dates they are known at, and standardised over strata."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError, NotEnoughDataError, UsageError

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating] | NDArray[np.integer]


def person_time(known_at: Numbers, populations: Numbers, edges: Numbers) -> Floats:
    """Population times time within each period, with the population on straight lines between the dates it is known at.

    Parameters
    ----------
    known_at : (n_dates,)
        Rising; in any unit of time. Before the first and after the last the population stays as it is there.
    populations : (..., n_dates)
    edges : (n_periods + 1,)
        Where the periods begin and end, in the same unit.

    Returns
    -------
    (..., n_periods)
    """
    dates, ends = np.asarray(known_at, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    if len(dates) < 1 or (np.diff(dates) <= 0).any() or (np.diff(ends) <= 0).any():
        raise UsageError("Expected the dates of populations, and the edges of periods, to rise.")
    levels = np.asarray(populations, dtype=np.float64)
    if levels.shape[-1] != len(dates):
        raise UsageError(f"Expected populations at {len(dates)} dates, got {levels.shape[-1]}.")
    if not np.isfinite(levels).all() or (levels < 0.0).any():
        raise InputError("Expected populations from 0 on; some are missing or negative.")
    # The lines, with their constant continuations; trapezoids between all corners are then exact.
    corners = np.union1d(dates, ends)
    right = np.clip(np.searchsorted(dates, corners, side="right"), 1, max(len(dates) - 1, 1))
    if len(dates) == 1:
        at = np.repeat(levels, len(corners), axis=-1)
    else:
        share = np.clip((corners - dates[right - 1]) / (dates[right] - dates[right - 1]), 0.0, 1.0)
        at = levels[..., right - 1] * (1.0 - share) + levels[..., right] * share
    pieces = (at[..., 1:] + at[..., :-1]) / 2.0 * np.diff(corners)
    total = np.concatenate([np.zeros((*pieces.shape[:-1], 1)), np.cumsum(pieces, axis=-1)], axis=-1)
    return np.diff(total[..., np.searchsorted(corners, ends)], axis=-1)


def indirectly_standardised(cases: Numbers, populations: Numbers) -> Floats:
    """Expected cases if every stratum had the same rate everywhere and always: its own overall.

    Parameters
    ----------
    cases, populations : (n_strata, n_places, n_times)

    Returns
    -------
    (n_places, n_times), summing to the number of cases.
    """
    counts, at_risk = np.asarray(cases, dtype=np.float64), np.asarray(populations, dtype=np.float64)
    if counts.shape != at_risk.shape or counts.ndim != 3:
        raise UsageError(
            f"Expected cases and populations of one shape (strata, places, times), got {counts.shape} and "
            f"{at_risk.shape}."
        )
    n_cases, n_people = counts.sum(axis=(1, 2)), at_risk.sum(axis=(1, 2))
    if ((n_people == 0.0) & (n_cases > 0.0)).any():
        raise InputError("Expected a population in every stratum with cases; one stratum has none.")
    if not n_cases.sum():
        raise NotEnoughDataError("Expected at least one case; there is none.")
    rates = np.divide(n_cases, n_people, out=np.zeros_like(n_cases), where=n_people > 0.0)
    return np.asarray(np.einsum("s,sit->it", rates, at_risk))
