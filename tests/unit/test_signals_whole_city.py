"""Sums over all areas: judged by how well their own past could be foretold."""

from __future__ import annotations

import numpy as np
import pytest

from models.signals.long_past import LongPastSettings
from models.signals.short_past import ShortPastSettings
from models.signals.whole_city import judge_whole_city

SHORT, LONG = ShortPastSettings(), LongPastSettings()


def dates(weeks: int) -> np.ndarray:
    return np.arange(np.datetime64("2018-01-01"), np.datetime64("2018-01-01") + 7 * weeks, 7)


def steady(rng: np.random.Generator, weeks: int = 60, series: int = 10, mean: float = 200.0) -> np.ndarray:
    return rng.poisson(mean, size=(weeks, series))


def test_the_forecast_is_the_level_before_the_longest_window_moved_with_all_others():
    """Four weeks at 100 before the last four, others doubled now: 200 a week are expected, and 100 are too few."""
    matrix = np.full((60, 3), 100)
    matrix[-1, 1:] = 200
    judged = judge_whole_city(matrix, dates(60), SHORT, LONG)
    week, both, _three, month = judged.windows
    np.testing.assert_allclose(week.expected[0], 100 * (400 + 20) / (200 + 20))
    np.testing.assert_allclose(both.expected[0], 200 * (600 + 20) / (400 + 20))
    np.testing.assert_allclose(month.expected[0], 400 * (1000 + 20) / (800 + 20))
    assert week.silence_p[0] < 1e-4
    assert judged.weeks_of_past.tolist() == [56, 56, 56]
    assert np.isnan(judged.seasonal.expected).all()


def test_a_restless_category_needs_more_than_a_steady_one():
    """The same jump by a half is improbable where forecasts were right, and not where they were far off."""
    rng = np.random.default_rng(1)
    matrix = steady(rng)
    wave = np.exp(0.6 * np.sin(2 * np.pi * np.arange(60) / 20))
    matrix[:, 0] = rng.poisson(200.0 * wave)
    matrix[-8:, 0] = 200
    matrix[-1, :2] = 300
    week = judge_whole_city(matrix, dates(60), SHORT, LONG).windows[0]
    assert week.rise_p[1] < 1e-4
    assert week.rise_p[0] > 1e-2


def test_a_season_that_the_years_know_is_no_rise():
    """From two years on the same weeks of earlier years are compared with; a rise beyond the season is seen."""
    rng = np.random.default_rng(2)
    weeks = 215
    matrix = steady(rng, weeks=weeks)
    season = np.exp(0.8 * np.cos(2 * np.pi * (np.arange(weeks) - weeks + 8) / 52.18))
    matrix[:, 0] = rng.poisson(200.0 * season)
    judged = judge_whole_city(matrix, dates(weeks), SHORT, LONG)
    assert np.isnan(judged.windows[0].rise_p).all()
    assert judged.seasonal.rise_p[0] > 0.05
    assert judged.seasonal.rise_p.min() > 1e-3
    matrix[-1, 0] *= 3
    assert judge_whole_city(matrix, dates(weeks), SHORT, LONG).seasonal.rise_p[0] < 1e-3


def test_p_values_hold_where_nothing_happens():
    """Over 2,000 steady series with over-dispersion, at most 1.5 % of each window's p-values are below .01."""
    rng = np.random.default_rng(3)
    matrix = rng.poisson(rng.gamma(50.0, 2.0, size=(60, 2000)))
    for window in judge_whole_city(matrix, dates(60), SHORT, LONG).windows:
        assert (window.rise_p <= 0.01).mean() <= 0.015
        assert (window.silence_p <= 0.01).mean() <= 0.015


def test_half_of_the_reports_known_halves_what_is_expected():
    """With half of the newest week here, of all series, half as many are expected."""
    matrix = np.full((60, 3), 100)
    matrix[-1] = 50
    share = np.ones(matrix.shape)
    share[-1] = 0.5
    week = judge_whole_city(matrix, dates(60), SHORT, LONG, complete=share).windows[0]
    np.testing.assert_allclose(week.expected, 50.0, rtol=1e-12)
    assert (week.silence_p > 0.3).all()


def test_little_past_and_weeks_not_recorded_say_nothing():
    """Eleven weeks, or a week not recorded within the last eleven, give NaN; an older gap only shortens the past."""
    rng = np.random.default_rng(4)
    short = judge_whole_city(steady(rng, weeks=11), dates(11), SHORT, LONG)
    assert all(np.isnan(window.rise_p).all() for window in short.windows)
    matrix = steady(rng)
    recorded = np.ones(matrix.shape, dtype=bool)
    recorded[-6, 0] = recorded[-40, 1] = False
    judged = judge_whole_city(matrix, dates(60), SHORT, LONG, recorded=recorded)
    assert judged.weeks_of_past[:3].tolist() == [1, 35, 56]
    assert np.isnan(judged.windows[0].rise_p[0])
    assert np.isfinite(judged.windows[0].rise_p[1:]).all()


def test_one_category_that_moves_alone_says_nothing_of_the_others():
    """One that triples, one that falls away, and one that has just begun make no other rise or fall silent."""
    matrix = steady(np.random.default_rng(5), series=6)
    usual = judge_whole_city(matrix, dates(60), SHORT, LONG).windows[0]
    tripled, gone, begun = matrix.copy(), matrix.copy(), matrix.copy()
    tripled[-1, 0] *= 3
    gone[-1, 0] = 0
    begun[:-1, 0] = 0
    for changed in (tripled, gone, begun):
        week = judge_whole_city(changed, dates(60), SHORT, LONG).windows[0]
        # Of the one, at most two deviations of some 8 % (and two cases) pass on, about a fifth of them to each.
        np.testing.assert_allclose(week.expected[1:], usual.expected[1:], rtol=0.12)
        assert week.rise_p[1:].min() > 1e-3
        assert week.silence_p[1:].min() > 1e-3
    few = judge_whole_city(tripled[:, :3], dates(60), SHORT, LONG).windows[0]
    assert few.silence_p[1:].min() > 1e-3
    assert judge_whole_city(tripled, dates(60), SHORT, LONG).windows[0].rise_p[0] < 1e-9
    assert judge_whole_city(gone, dates(60), SHORT, LONG).windows[0].silence_p[0] < 1e-9


def test_no_case_in_the_weeks_before_is_no_proof_that_none_will_come():
    """By hand: none in four weeks, then five in one. Given five in five weeks, all in the last: (1/5) ** 5 at least."""
    matrix = np.ones((60, 1), dtype=np.int64)
    matrix[-8:-4] = 0
    matrix[-1] = 5
    week = judge_whole_city(matrix, dates(60), SHORT, LONG).windows[0]
    assert week.expected[0] == 0.0
    assert 0.2**5 <= week.rise_p[0] < 0.01


@pytest.mark.parametrize(("mean", "ratio"), [(0.3, 1.0), (1.0, 2.0), (3.0, 1.0), (3.0, 3.0)])
def test_p_values_hold_for_rare_categories(mean, ratio):
    """Over 4,000 series of rare counts, at most 0.2 % of rises are below .001 (0.1 %, and two errors of 0.05 %)."""
    rng = np.random.default_rng(6)
    excess = ratio - 1.0 + 1e-9
    matrix = rng.poisson(rng.gamma(mean / excess, excess, size=(60, 4000)))
    judged = judge_whole_city(matrix, dates(60), SHORT, LONG).windows
    for window in (one for one in judged if one.weeks in SHORT.windows):
        told = window.rise_p[~np.isnan(window.rise_p)]
        assert len(told) > 2000
        assert (told <= 0.001).mean() <= 0.002


def test_a_week_that_nobody_recorded_does_not_end_the_past():
    """Six weeks ago nothing was recorded at all: the judgement is that of the record without the week."""
    matrix = steady(np.random.default_rng(8))
    recorded = np.ones(matrix.shape, dtype=bool)
    recorded[-6] = False
    lost = judge_whole_city(np.where(recorded, matrix, 0), dates(60), SHORT, LONG, recorded=recorded)
    without = judge_whole_city(np.delete(matrix, -6, axis=0), dates(59), SHORT, LONG)
    assert lost.weeks_of_past.tolist() == [55] * 10
    for one, other in zip(lost.windows, without.windows, strict=True):
        np.testing.assert_allclose(one.rise_p, other.rise_p)
