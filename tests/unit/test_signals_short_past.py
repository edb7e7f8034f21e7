"""Judgement by a short past: exact where it can be, and deaf to what moves everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from data.errors import UsageError
from models.signals.dispersion import Residuals, Sizes, dispersion_of_residuals, dispersion_of_sizes
from models.signals.long_past import LongPastSettings, judge_by_long_past
from models.signals.short_past import ShortPastSettings, judge_by_short_past, learn_short_past, recorded_since
from models.signals.siblings import Cross, capped, level_prior, movement
from tests.support.weekly import draw, world

PLAIN = ShortPastSettings(windows=(1,))


def grid(areas: int, categories: int) -> Cross:
    return Cross(np.repeat(np.arange(areas), categories), np.tile(np.arange(categories), areas))


def smallest(result, what: str) -> np.ndarray:
    return np.nanmin([getattr(window, what) for window in result.windows], axis=0)


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
    told = {window.weeks: window.rise_p[12] for window in judge_by_short_past(matrix, cross).windows}
    assert told[4] < told[2] < told[1]
    # Three weeks are looked at for silences alone.
    assert np.isnan(told[3])


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


def test_the_dispersion_of_thick_series_is_found():
    """The departures of single series come out as drawn; a series without past gets what the others say."""
    rng = np.random.default_rng(6)
    mean = np.tile(rng.lognormal(1.5, 0.7, 400), (40, 1))
    drawn = rng.choice([1.2, 3.0], size=400)
    counts = draw(rng, mean, drawn)
    ratio = ((counts - counts.mean(axis=0)) ** 2 / counts.mean(axis=0)).sum(axis=0) / 39
    law = dispersion_of_residuals(Residuals(ratio, counts.mean(axis=0), np.full(400, 40.0)))
    assert law.phi[drawn == 1.2].mean() == pytest.approx(1.3, abs=0.15)
    # Forty weeks tell a series' own variance to a quarter: what it is thought to have lies a little towards the others.
    assert law.phi[drawn == 3.0].mean() == pytest.approx(2.7, abs=0.25)


@pytest.mark.parametrize("phi", [1.0, 2.0, 5.0])
def test_the_dispersion_of_thin_series_is_found_from_what_comes_together(phi):
    """Two thousand series with six cases a year each tell the dispersion they share to a tenth."""
    rng = np.random.default_rng(7)
    counts = draw(rng, np.full((150, 2000), 0.12), np.full(2000, phi))
    together = np.array([(counts > j).sum(axis=0) for j in range(1, counts.max())]).T.astype(float)
    weeks = np.full(2000, 150.0)
    sizes = Sizes(counts.sum(axis=0), weeks, (counts > 0).sum(axis=0), together, np.ones(2000))
    law = dispersion_of_sizes(sizes)
    assert law.phi.mean() == pytest.approx(phi, rel=0.1)
    np.testing.assert_allclose(law.weights.sum(axis=1), 1.0)
    nothing = Sizes(*(np.zeros(3) for _ in range(3)), np.zeros((3, 0)), np.ones(3))
    assert dispersion_of_sizes(nothing).phi.mean() == pytest.approx(1.58, abs=0.01)


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


def test_late_reports_thin_mean_and_variance():
    """With 40 % of the newest week known, 40 % is expected, and a count of 40 % is no silence."""
    drawn = world(np.random.default_rng(21), level=4.0, season=0.0, shock=0.0)
    cross = Cross(drawn.area, drawn.category)
    complete = np.ones((len(drawn.matrix), 1))
    complete[-1] = 0.4
    whole = learn_short_past(drawn.matrix, cross, PLAIN).judge(drawn.matrix[-1:])
    known = np.random.default_rng(22).binomial(drawn.matrix[-1:], 0.4)
    matrix = np.concatenate([drawn.matrix[:-1], known])
    late = judge_by_short_past(matrix, cross, PLAIN, complete=complete).windows[0]
    assert np.nansum(late.expected) == pytest.approx(0.4 * np.nansum(whole.windows[0].expected), rel=0.03)
    excess, thinned = ((one.law.weight * (one.law.variance - one.law.mean)).sum() for one in (whole.windows[0], late))
    assert thinned == pytest.approx(0.16 * excess, rel=0.12)
    thick = late.expected > 5.0
    assert (late.silence_p[thick] < 0.01).mean() <= 0.02
    assert (late.rise_p[thick] < 0.01).mean() <= 0.02


def test_late_reports_of_the_past_do_not_lower_the_level():
    """Weeks of which 60 % are known count as 60 % of a week; weeks of which less than half is known do not count."""
    drawn = world(np.random.default_rng(23), level=2.0, season=0.0, shock=0.0, weeks=60)
    cross = Cross(drawn.area, drawn.category)
    complete = np.ones(drawn.matrix.shape)
    complete[20:40], complete[40:50] = 0.6, 0.3
    matrix = np.random.default_rng(24).binomial(drawn.matrix, complete)
    whole = judge_by_short_past(drawn.matrix, cross)
    late = judge_by_short_past(matrix, cross, complete=complete)
    assert np.nansum(late.windows[0].expected) == pytest.approx(np.nansum(whole.windows[0].expected), rel=0.03)
    assert (whole.baseline_weeks - late.baseline_weeks).tolist() == [10] * len(cross.area)


def test_everything_known_changes_nothing():
    """Shares of one give what no shares give, to rounding."""
    drawn = world(np.random.default_rng(25), areas=10, categories=8)
    cross = Cross(drawn.area, drawn.category)
    plain = judge_by_short_past(drawn.matrix, cross)
    told = judge_by_short_past(drawn.matrix, cross, complete=np.ones(drawn.matrix.shape))
    for one, other in zip(plain.windows, told.windows, strict=True):
        np.testing.assert_allclose(one.rise_p, other.rise_p, rtol=1e-9)
        np.testing.assert_allclose(one.silence_p, other.silence_p, rtol=1e-9)


def test_impossible_shares_are_refused():
    """A wrong shape and values outside (0, 1] are named."""
    matrix, cross = np.ones((20, 4), dtype=np.int64), grid(2, 2)
    with pytest.raises(UsageError, match=r"shape \(20, 4\) or \(20, 1\)"):
        judge_by_short_past(matrix, cross, complete=np.ones(20))
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        judge_by_short_past(matrix, cross, complete=np.zeros((20, 1)))


def test_the_newest_weeks_teach_nothing():
    """What is learned does not depend on the weeks that are judged."""
    drawn = world(np.random.default_rng(26), areas=10, categories=8)
    cross = Cross(drawn.area, drawn.category)
    changed = drawn.matrix.copy()
    changed[-4:] += 50
    one, other = (learn_short_past(matrix, cross) for matrix in (drawn.matrix, changed))
    np.testing.assert_array_equal(one.levels[4].mean, other.levels[4].mean)
    np.testing.assert_array_equal(one.levels[4].weight, other.levels[4].weight)


def test_a_thin_series_uses_its_whole_past_unless_it_has_moved():
    """Six calm years tell a level better than one; where a series' last year differs, that year counts."""
    rng = np.random.default_rng(27)
    truth = rng.lognormal(-2.0, 0.8, 400)
    matrix = draw(rng, np.tile(truth, (312, 1)), np.full(400, 1.5))
    moved = np.zeros(400, dtype=bool)
    moved[::21] = True
    matrix[-56:, moved] += rng.poisson(1.5, size=(56, moved.sum()))
    cross = grid(20, 20)
    whole, year = (
        judge_by_short_past(matrix, cross, ShortPastSettings(windows=(1,), baseline_weeks=weeks)).windows[0].expected
        for weeks in (311, 52)
    )
    assert np.abs(np.log(whole / truth))[~moved].mean() < 0.75 * np.abs(np.log(year / truth))[~moved].mean()
    assert np.abs(whole - truth - 1.5)[moved].mean() < 0.4


def test_late_reports_thin_the_regression_too():
    """With half of the newest week known, the seasonal regression expects half of 8, and it is no silence."""
    rng = np.random.default_rng(28)
    cross = grid(6, 4)
    matrix = rng.poisson(8.0, size=(170, 24))
    dates = np.datetime64("2021-01-04") + 7 * np.arange(170).astype("timedelta64[D]")
    complete = np.ones((170, 1))
    complete[-1] = 0.5
    matrix[-1] = rng.binomial(matrix[-1], 0.5)
    late = judge_by_long_past(matrix, cross, dates, LongPastSettings(), complete=complete)
    # The siblings' 96 reports move the expectation by a tenth either way.
    assert np.nanmean(late.expected) == pytest.approx(4.0, rel=0.2)
    assert np.nanmin(late.silence_p) > 0.001
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        judge_by_long_past(matrix, cross, dates, LongPastSettings(), complete=complete - 1.0)
