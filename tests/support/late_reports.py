"""Reports that come in late: made-up cases with an opening and a moment of knowing, day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.support.weekly import MONDAY, WEEK

DAY = 86_400
# Monday at six: the newest week ended six hours ago.
SIX = 6 * 3_600

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LateWorld:
    """Cases and what they were drawn from."""

    cases: pd.DataFrame  # opened_at, opened_known_at, area, category
    usual: Floats  # (n_areas, n_categories), reports a week without any rise
    final: NDArray[np.int64]  # (n_weeks, n_series): reports by week of opening, known or not
    late_share: Floats  # (n_areas,)


def late_world(
    rng: np.random.Generator,
    *,
    areas: int = 12,
    categories: int = 10,
    weeks: int = 80,
    level: float = 4.0,
    late: float = 0.35,
    spread: float = 4.0,
    slowness: float = 9.0,
    drift: float = 0.0,
    dispersion: float = 1.3,
    rise: Floats | None = None,
) -> LateWorld:
    """A city in which some reports are written on paper and entered days later, on working days only.

    Parameters
    ----------
    late : share of reports on paper; by area, drawn from a beta distribution with this mean and shape sum `spread`
        (small: areas differ a lot; infinite: all alike)
    slowness : days from a paper report to its entering, on average, after the third day
    drift : the share on paper grows by this much, relatively, over the whole record, in a straight line
    rise : (n_weeks, n_series) factors on the usual level
    """
    usual = level * rng.lognormal(-0.3, 0.7, (areas, categories))
    share = np.full(areas, late) if np.isinf(spread) else rng.beta(late * spread, (1 - late) * spread, areas)
    factor = np.ones((weeks, areas * categories)) if rise is None else rise
    mean = np.maximum(usual.ravel() * factor, 1e-9)
    excess = max(dispersion - 1.0, 1e-9)
    counts = rng.poisson(rng.gamma(mean / excess) * excess)
    week, series = (np.repeat(one, counts.ravel()) for one in np.indices(counts.shape).reshape(2, -1))
    # Fewer reports at the weekend.
    day = rng.choice(7, len(week), p=np.array([5, 5, 5, 5, 5, 2, 2]) / 29)
    opened = MONDAY + week * WEEK + day * DAY + rng.integers(7 * 3_600, 22 * 3_600, len(week))
    area = series // categories
    growth = 1.0 + drift * (week / weeks - 0.5)
    paper = rng.uniform(size=len(week)) < np.clip(share[area] * growth, 0.0, 0.95)
    entered = opened + ((3.0 + rng.exponential(slowness, len(week))) * DAY).astype(np.int64)
    weekday = (entered - MONDAY) // DAY % 7
    entered += np.where(weekday >= 5, (7 - weekday) * DAY, 0)
    # What comes by telephone on a Sunday is entered on Monday at nine: late for whoever asks at six.
    spoken = opened + np.where((day == 6) & (rng.uniform(size=len(week)) < 0.5), 0, 60)
    sunday = (day == 6) & (spoken == opened)
    spoken = np.where(sunday, MONDAY + (week + 1) * WEEK + 9 * 3_600, spoken)
    cases = pd.DataFrame(
        {
            "opened_at": opened,
            "opened_known_at": np.where(paper, entered, spoken),
            "area": pd.Series(np.char.mod("a%03d", area), dtype="str"),
            "category": pd.Series(np.char.mod("c%03d", series % categories), dtype="str"),
        }
    )
    return LateWorld(cases, usual, counts.astype(np.int64), share)


def monday_six(week: int) -> int:
    """The as-of at which week number `week` (from 0) is the newest complete one."""
    return MONDAY + (week + 1) * WEEK + SIX
