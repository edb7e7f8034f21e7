"""After half a year of past, far tails hold what they say: the law of the newest weeks is known, and added up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import nbinom

from models.signals.distribution import mixed_tail
from models.signals.short_past import CountLaw, learn_short_past
from models.signals.siblings import Cross
from tests.support.weekly import World, show, world

Floats = NDArray[np.float64]


def told(law: CountLaw, rows: NDArray[np.int64], at: Floats) -> Floats:
    return mixed_tail(at, law.mean[rows], law.variance[rows], law.weight[rows])


def first_beyond(law: CountLaw, rows: NDArray[np.int64], level: float) -> Floats:
    """The smallest count of each series with a p-value of at most `level`, by halving."""
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    while (short := told(law, rows, high) > level).any():
        high[short] *= 2.0
    while (high - low > 1.0).any():
        middle = np.floor((low + high) / 2.0)
        enough = told(law, rows, middle) <= level
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return high


def beyond(city: World, weeks: int, level: float) -> float:
    """True probability of a p-value of at most `level` over the newest weeks, as a mean over series."""
    learned = learn_short_past(city.matrix, Cross(city.area, city.category))
    judged = next(w for w in learned.judge(city.matrix[-4:], band=None, silences=False).windows if w.weeks == weeks)
    assert judged.law is not None
    rows = np.flatnonzero(learned.baseline.usable)
    excess = city.dispersion[rows] - 1.0 + 1e-9
    size = city.usual[-weeks:, rows].sum(axis=0) / excess
    at = first_beyond(judged.law, rows, level)
    return float(nbinom.sf(at - 1.0, size, 1.0 / (1.0 + excess)).mean())


@pytest.mark.parametrize("weeks", [1, 2, 4])
def test_rare_p_values_are_as_rare_as_they_say_after_half_a_year(weeks: int) -> None:
    """4,000 series with dispersions of 1 to 2.5, 36 weeks of past: as weighed before they came 1.5 to 1.7 times as
    often at 1e-4, and 2.0 to 2.2 times at 1e-5.
    """
    city = world(np.random.default_rng(1), areas=200, categories=20, season=0.0, shock=0.0)
    found = {level: beyond(city, weeks, level) / level for level in (1e-4, 1e-5)}
    show(f"{weeks} weeks: {found}")
    assert max(found.values()) <= 1.1
    # And not for saying nothing.
    assert min(found.values()) >= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("past", [20, 60, 96])
@pytest.mark.parametrize("season", [0.0, 1.2])
def test_rare_p_values_are_rare_in_seasons_and_shocks_too(past: int, season: float) -> None:
    """Means of three cities, at 1e-4 and 1e-5, over every window."""
    cities = [
        world(np.random.default_rng(seed), areas=200, categories=20, weeks=past + 4, season=season)
        for seed in (11, 12, 13)
    ]
    for weeks in (1, 2, 4):
        for level in (1e-4, 1e-5):
            found = np.mean([beyond(city, weeks, level) for city in cities]) / level
            show(f"{past} weeks of past, season {season}, {weeks} weeks, {level}: {found:.2f}")
            assert found <= 1.2
