"""How categories move: learned from the past, and told from the newest weeks without those that rise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.signals.newest_movement import near_cases
from models.signals.short_past import ShortPastSettings, learn_short_past
from models.signals.siblings import Cross
from tests.support.weekly import draw, thin_draw

RISES = ShortPastSettings(silence_windows=(1,))


def grid(areas: int, categories: int) -> Cross:
    return Cross(np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas))


def city(rng: np.random.Generator, cross: Cross, level: float, shock: float, weeks: int = 150) -> np.ndarray:
    """Counts that vary 1.5 times as Poisson; every week moves each category by a lognormal shock of that size."""
    n = int(cross.category.max()) + 1
    moved = rng.lognormal(-(shock**2) / 2.0, shock, size=(weeks, n))[:, cross.category]
    return draw(rng, level * moved, np.full(len(cross.area), 1.5))


def expected(matrix: np.ndarray, cross: Cross) -> np.ndarray:
    """What was expected of the newest week."""
    learned = learn_short_past(matrix, cross, RISES)
    return learned.judge(matrix[-4:], band=None, silences=False).windows[0].expected


def test_the_share_that_stays_is_that_of_the_law():
    """Against SciPy's negative binomial, and a Poisson by hand: of a mean of 0.1 below 2, exp(-0.1) of it stays."""
    mean, ratio = np.array([0.05, 0.4, 3.0, 25.0]), np.array([1.5, 2.0, 1.2, 4.0])
    _, share = near_cases(np.zeros(4), mean, ratio)
    limit = np.maximum(np.ceil(mean + 2.5 * np.sqrt(ratio * mean) + 1.0), 2.0)
    for n in range(4):
        counts = np.arange(limit[n])
        law = stats.nbinom(mean[n] / (ratio[n] - 1.0), 1.0 / ratio[n])
        assert share[n] == pytest.approx((counts * law.pmf(counts)).sum() / mean[n], rel=1e-9)
    _, poisson = near_cases(np.zeros(1), np.array([0.1]), np.array([1.0]))
    assert poisson[0] == pytest.approx(np.exp(-0.1), rel=1e-3)


def test_what_stays_has_the_mean_that_it_should():
    """Over a hundred thousand calm series, cases that stay are the share of all that was worked out."""
    rng = np.random.default_rng(1)
    mean, ratio = rng.uniform(0.02, 0.5, 100_000), np.full(100_000, 1.6)
    near, share = near_cases(thin_draw(rng, mean, ratio).astype(float), mean, ratio)
    assert near.sum() == pytest.approx((mean * share).sum(), rel=0.02)


def test_a_single_case_is_never_left_out():
    """However thin a series: one case is what most of the others have too."""
    near, _ = near_cases(np.array([1.0, 2.0, 9.0]), np.full(3, 1e-3), np.full(3, 1.2))
    assert near.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("shock", [0.0, 0.3])
def test_restlessness_is_learned_from_the_past(shock):
    """Twenty thousand thin series in ten categories: calm ones are known as calm, restless ones as restless."""
    cross = grid(2000, 10)
    matrix = city(np.random.default_rng(2), cross, 0.1, shock)
    told = learn_short_past(matrix, cross, RISES).restlessness[1].own
    truth = np.expm1(shock**2)
    assert (told >= truth * 0.6).all()
    assert (told <= truth * 2.0 + 0.01).all()


def test_where_little_is_counted_nothing_is_known_of_restlessness():
    """A handful of thin series: any movement is thought possible, as before anything is known."""
    cross = grid(4, 3)
    told = learn_short_past(city(np.random.default_rng(3), cross, 0.05, 0.0), cross, RISES).restlessness[1]
    np.testing.assert_array_equal(told.own, 0.25)


def test_rises_of_a_few_series_do_not_lift_what_is_expected_of_the_others():
    """Six of a thousand thin series have five cases each: the other series' expectation moves by less than a tenth."""
    cross = grid(1000, 5)
    rng = np.random.default_rng(4)
    matrix = city(rng, cross, 0.04, 0.0)
    risen = matrix.copy()
    chosen = np.flatnonzero(cross.category == 2)[:6]
    risen[-1, chosen] += 5
    others = np.setdiff1d(np.flatnonzero(cross.category == 2), chosen)
    ratio = expected(risen, cross)[others] / expected(matrix, cross)[others]
    assert np.abs(ratio - 1.0).max() < 0.1
    # Their sum alone would have said: by three quarters.
    assert risen[-1, cross.category == 2].sum() > 1.6 * matrix[-1, cross.category == 2].sum()


@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_a_category_that_moves_as_never_before_is_followed(factor):
    """A calm past does not keep a category from being rolled out or halved: the expectation goes with it."""
    cross = grid(1000, 5)
    rng = np.random.default_rng(5)
    matrix = city(rng, cross, 0.2, 0.0)
    moved = cross.category == 1
    matrix[-1, moved] = draw(rng, np.full(1000, 0.2 * factor), np.full(1000, 1.5))
    told = expected(matrix, cross)
    assert np.median(told[moved]) == pytest.approx(0.2 * factor, rel=0.25)
    assert np.median(told[~moved]) == pytest.approx(0.2, rel=0.1)


def test_where_everything_moves_a_thin_category_moves_with_it():
    """All is doubled: twice as many are expected of a category too that has two cases a week in all areas together."""
    cross = grid(100, 6)
    rng = np.random.default_rng(6)
    level = np.where(cross.category == 0, 0.02, 1.0)
    matrix = draw(rng, np.tile(level, (150, 1)), np.full(600, 1.5))
    matrix[-1] = draw(rng, 2.0 * level, np.full(600, 1.5))
    told = expected(matrix, cross)
    assert np.median(told[cross.category != 0]) == pytest.approx(2.0, rel=0.15)
    assert told[cross.category == 0].sum() > 1.4 * 100 * 0.02


def test_restlessness_is_learned_from_before_the_newest_weeks():
    """Weeks that are judged, and all that might come after them, change nothing that was learned."""
    cross = grid(50, 4)
    matrix = city(np.random.default_rng(7), cross, 0.5, 0.2, weeks=80)
    changed = matrix.copy()
    changed[-4:] = 7 * changed[-4:] + 3
    one, other = (learn_short_past(each, cross, RISES).restlessness for each in (matrix, changed))
    for k in one:
        np.testing.assert_array_equal(one[k].own, other[k].own)
        assert one[k].everything == other[k].everything
