"""Judgement by a short past: exact where it can be, and deaf to what moves everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.signals.dispersion import estimate_dispersion
from models.signals.short_past import ShortPastSettings, judge_by_short_past, recorded_since
from models.signals.siblings import Cross, capped, level_prior, movement
from tests.support.weekly import draw, world

PLAIN = ShortPastSettings(windows=(1,))


def grid(areas: int, categories: int) -> Cross:
    return Cross(np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas))


def smallest(result, what: str) -> np.ndarray:
    return np.min([getattr(window, what) for window in result.windows], axis=0)


def test_a_series_without_siblings_gets_at_least_the_exact_conditional_p_value():
    """Alone, a count is judged no more boldly than the exact test of two Poisson counts would."""
    rng = np.random.default_rng(1)
    for mean in (0.2, 1.0, 4.0):
        matrix = rng.poisson(mean, size=(40, 1))
        matrix[:11] = matrix[0] = 1  # the record begins at once
        matrix[-1] = round(4 * mean) + 3
        result = judge_by_short_past(matrix, grid(1, 1), PLAIN)
        past, now = matrix[-29:-1].sum(), matrix[-1, 0]
        exact = stats.binom.sf(now - 1, past + now, 1 / 29)
        assert exact <= result.windows[0].rise_p[0] < 0.05


def test_the_expectation_follows_the_category_elsewhere():
    """Where a category doubles in every area, twice as much is expected in each; where it halves, half."""
    cross = grid(30, 4)
    for factor in (2.0, 0.5):
        matrix = np.full((40, 120), 10)
        matrix[-1, cross.category == 1] = round(10 * factor)
        window = judge_by_short_past(matrix, cross, PLAIN).windows[0]
        np.testing.assert_allclose(window.expected[cross.category == 1], 10 * factor, rtol=0.05)
        np.testing.assert_allclose(window.expected[cross.category != 1], 10.0, rtol=0.05)


def test_a_rise_does_not_explain_itself_nor_its_siblings():
    """One area far above its level neither raises its own expectation nor that of the other areas by much."""
    cross = grid(12, 5)
    matrix = np.full((40, 60), 5)
    matrix[-1, 7] = 200
    window = judge_by_short_past(matrix, cross, PLAIN).windows[0]
    assert window.expected[7] == pytest.approx(5.0, rel=0.05)
    same = (cross.category == cross.category[7]) & (np.arange(60) != 7)
    assert (window.expected[same] < 6.5).all()
    assert window.rise_p[7] < 1e-6
    assert (window.silence_p[same] > 0.01).all()


def test_a_rise_under_way_does_not_raise_its_own_baseline():
    """The weeks of the longest window are no part of the level."""
    cross = grid(10, 4)
    matrix = np.full((40, 40), 6)
    matrix[-4:, 3] = 60
    for window in judge_by_short_past(matrix, cross).windows:
        assert window.expected[3] == pytest.approx(6.0 * window.weeks, rel=0.05)


def test_a_slow_rise_is_clearest_in_the_longest_window():
    """Four weeks, each a little high, weigh more together than the newest alone."""
    cross = grid(20, 5)
    matrix = world(np.random.default_rng(8), areas=20, categories=5, season=0.0, shock=0.0).matrix
    matrix[:, 12] = np.random.default_rng(8).poisson(4.0, size=40)
    matrix[-4:, 12] = [8, 9, 9, 10]
    one, two, four = (window.rise_p[12] for window in judge_by_short_past(matrix, cross).windows)
    assert four < two < one


def test_an_unexpected_silence_has_a_small_lower_tail():
    """Nothing where 15 are usual is improbable; nothing where half a case is usual is not."""
    cross = grid(10, 4)
    matrix = np.random.default_rng(2).poisson(15.0, size=(40, 40))
    matrix[:, 20] = np.random.default_rng(3).poisson(0.5, size=40)
    matrix[-1, [10, 20]] = 0
    window = judge_by_short_past(matrix, cross, PLAIN).windows[0]
    assert window.silence_p[10] < 1e-4
    assert window.silence_p[10] == pytest.approx(window.zero_p[10])
    assert window.silence_p[20] > 0.2


def test_a_record_begins_after_the_first_report_of_category_and_area():
    """Weeks before a category or an area was first seen are no zeros; the week of its appearance is not whole."""
    cross = grid(2, 2)
    matrix = np.ones((30, 4), dtype=np.int64)
    matrix[:10, cross.category == 1] = 0
    matrix[:5, cross.area == 1] = 0
    assert recorded_since(matrix, cross).tolist() == [0, 11, 6, 11]


def test_fewer_than_eight_weeks_of_record_say_nothing():
    """Eleven complete weeks are too few (four of them are the present), twelve are enough."""
    matrix = np.random.default_rng(5).poisson(3.0, size=(12, 8))
    cross = grid(2, 4)
    assert np.isnan(judge_by_short_past(matrix[:11], cross).windows[0].rise_p).all()
    result = judge_by_short_past(matrix, cross)
    assert result.baseline_weeks.tolist() == [8] * 8
    assert not np.isnan(result.windows[0].rise_p).any()
    assert np.isnan(judge_by_short_past(matrix[:2], cross).windows[2].expected).all()


def test_thin_series_borrow_their_level():
    """The level of a thin cell lies between its own past and what area and category lead one to expect."""
    drawn = world(np.random.default_rng(3), level=0.3, spread=0.3)
    cross = Cross(drawn.area, drawn.category)
    window = judge_by_short_past(drawn.matrix, cross, PLAIN).windows[0]
    truth = drawn.usual[-1]
    own = drawn.matrix[-29:-1].mean(axis=0)
    thin = truth < 0.3
    borrowed = np.abs(window.expected - truth)[thin].mean()
    assert borrowed < 0.8 * np.abs(own - truth)[thin].mean()


def test_the_law_of_the_variance_is_found():
    """Pooled dispersion and the departures of single series come out as drawn."""
    rng = np.random.default_rng(6)
    mean = np.tile(rng.lognormal(0.5, 1.0, 800), (28, 1))
    ratio = rng.choice([1.2, 3.0], size=800)
    law = estimate_dispersion(draw(rng, mean, ratio).astype(float), mean, np.ones(mean.shape, dtype=bool))
    assert law.phi == pytest.approx(2.1, rel=0.15)
    thick = mean[0] > 3.0
    assert np.corrcoef(law.factor[thick], ratio[thick])[0, 1] > 0.6
    assert (law.factor_sd[mean[0] < 0.5] > law.factor_sd[thick].mean()).all()
    nothing = estimate_dispersion(np.zeros((5, 3)), np.zeros((5, 3)), np.ones((5, 3), dtype=bool))
    assert (nothing.phi, nothing.psi) == (1.0, 0.0)


def test_sums_over_siblings_leave_the_series_out():
    """Movement rests on the other areas, and on all other categories where those are few."""
    cross = grid(3, 2)
    observed = np.array([0.0, 10.0, 20.0, 10.0, 20.0, 10.0])
    assert cross.elsewhere(observed).tolist() == [40.0, 20.0, 20.0, 20.0, 20.0, 20.0]
    assert cross.other_categories(observed).tolist() == [30.0, 40.0, 30.0, 40.0, 30.0, 40.0]
    usual = np.full(6, 1000.0)
    moved = movement(np.full(6, 2000.0), usual, cross, dispersion=1.0, past=usual)
    np.testing.assert_allclose(moved.ratio, 2.0, rtol=0.02)
    assert (capped(np.array([9000.0, *[1000.0] * 5]), usual, cross, usual)[:1] < 1600).all()


def test_a_level_cannot_be_borrowed_where_there_is_nobody():
    """With a single area, or a single category, the prior has no weight."""
    for cross in (grid(1, 6), grid(6, 1)):
        prior = level_prior(np.full(6, 20.0), np.full(6, 28.0), np.ones(6), cross, np.ones(6, dtype=bool))
        assert (prior.shape == 0.0).all()
    both = level_prior(np.full(12, 28.0), np.full(12, 28.0), np.ones(12), grid(3, 4), np.ones(12, dtype=bool))
    np.testing.assert_allclose(both.mean, 1.0)
    assert (both.shape > 5.0).all()


def test_a_past_without_a_single_case_gives_no_certainty():
    """Where a whole city has never reported a type, its first reports are not judged; elsewhere they are, mildly."""
    cross = grid(4, 3)
    matrix = np.full((40, 12), 3)
    matrix[:, cross.category == 2] = 0
    matrix[-1, 2] = 9
    window = judge_by_short_past(matrix, cross, PLAIN).windows[0]
    assert np.isnan(window.rise_p[cross.category == 2]).all()
    matrix[:, cross.category == 2] = 1
    matrix[:, 2] = 0
    matrix[-1, 2] = 9
    window = judge_by_short_past(matrix, cross, PLAIN).windows[0]
    assert 0.0 < window.expected[2] < 1.0
    assert smallest(judge_by_short_past(matrix, cross, PLAIN), "rise_p")[2] < 0.05
