"""The sums behind the findings of a check."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data.quality.check_measures import auc, clock_shift, level_shift, out_of_fold_rates, quietest_hour


def test_auc_counts_pairs_and_ties_by_half():
    """The same number as the field's own function, with many ties."""
    rng = np.random.default_rng(1)
    late = rng.random(500) < 0.3
    score = np.round(rng.random(500) + 0.3 * late, 1)
    assert auc(late, score) == pytest.approx(roc_auc_score(late, score))
    assert np.isnan(auc(np.ones(5, dtype=bool), np.arange(5.0)))


def test_a_word_that_says_nothing_gains_nothing_however_fine_it_is():
    """Out of fold, a thousand words drawn at random predict no better than chance."""
    rng = np.random.default_rng(2)
    late = rng.random(4000) < 0.3
    words = rng.integers(0, 1000, 4000)
    assert auc(late, out_of_fold_rates(late, words)) == pytest.approx(0.5, abs=0.03)


def test_a_group_falls_back_on_its_parent():
    """Groups of one case take the rate of what they belong to."""
    rng = np.random.default_rng(3)
    parent = rng.integers(0, 2, 2000)
    late = rng.random(2000) < np.where(parent == 0, 0.1, 0.7)
    alone = out_of_fold_rates(late, parent)
    single = out_of_fold_rates(late, np.arange(2000), parent)
    assert np.allclose(alone, single, atol=0.02)


def _series(rng: np.random.Generator, months: int, dependence: float) -> np.ndarray:
    noise = rng.standard_normal(months + 50)
    for t in range(1, len(noise)):
        noise[t] += dependence * noise[t - 1]
    return noise[50:]


def test_a_series_that_hangs_together_shows_no_shift_by_itself():
    """With a dependence of one half, at most a few of a hundred series of four years are called shifted at 1 %."""
    rng = np.random.default_rng(4)
    called = [level_shift(_series(rng, 48, 0.5), draws=199) for _ in range(100)]
    assert sum(one is not None and one.p_value <= 0.01 for one in called) <= 6


def test_a_shift_is_found_where_it_is():
    """A step of four standard deviations in month 20 is found there, in most of its noise."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(20):
        values = _series(rng, 48, 0.3) + 4.0 * (np.arange(48) >= 20)
        shift = level_shift(values, draws=199)
        found += shift is not None and shift.p_value <= 0.01 and abs(shift.at - 20) <= 1 and shift.change > 0
    assert found >= 18


def test_too_short_or_constant_series_say_nothing():
    """Nothing is asked of twenty months, or of a series that never varies."""
    assert level_shift(np.arange(20.0)) is None
    assert level_shift(np.ones(60)) is None


def _days(rng: np.random.Generator, shift: int) -> np.ndarray:
    hours = np.clip(rng.normal(13 * 4 + shift, 12, (300, 40)), 0, 95).astype(int)
    return np.stack([np.bincount(day, minlength=96) for day in hours]).astype(float)


@pytest.mark.parametrize("quarters", [-4, 4])
def test_an_hour_is_told_with_its_sign(quarters):
    """Days that run an hour earlier or later are told so, surely."""
    rng = np.random.default_rng(6)
    found = clock_shift(_days(rng, 0), _days(rng, quarters))
    assert abs(found.minutes - 15 * quarters) <= 15
    assert found.sure >= 0.9
    assert found.margin >= 2


def test_the_same_days_have_no_shift():
    """Two samples of the same days differ by chance only."""
    rng = np.random.default_rng(7)
    found = clock_shift(_days(rng, 0), _days(rng, 0))
    assert abs(found.minutes) <= 30
    assert found.margin < 2


def test_the_night_is_found_across_midnight():
    """An office open from eight to six is quiet about one at night; one that is open from 16 to 2 about nine."""
    day = np.repeat(np.arange(8 * 60, 18 * 60), 3)
    assert quietest_hour(day) == pytest.approx(1.0, abs=0.5)
    assert quietest_hour((day + 8 * 60) % 1440) == pytest.approx(9.0, abs=0.5)
