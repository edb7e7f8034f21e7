"""Evidence by how the cases of a window are spread over its weeks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from models.signals.attainable import null_steps
from models.signals.dispersion import PHI
from models.signals.distribution import count_tail
from models.signals.short_past import CountLaw, ShortPastSettings, WindowJudgement, learn_short_past
from models.signals.siblings import Cross
from models.signals.week_patterns import WeekPatterns, _nodes, pattern_chances, week_chances, week_patterns
from tests.support.weekly import thin_draw

RISES = (1.0, 2.0, 4.0, 8.0)


def patterns(weeks: int, level: float, phi: float, shared: float = 0.0, n: int = 1) -> WeekPatterns:
    """Of `n` series alike, whose level is known up to a squared coefficient of variation."""
    mean = np.full((n, 1), weeks * level)
    law = CountLaw(mean, phi * mean + shared * mean**2, np.ones((n, 1)))
    found = week_patterns(weeks, law, np.array([phi]), np.ones(n, dtype=bool), mean[:, 0])
    assert found is not None
    return found


def p_of(found: WeekPatterns, newest: list[int]) -> float:
    window = np.array(newest)[:, None]
    law = found.law
    of_sum = count_tail(window.sum(axis=0).astype(float), law.mean[:, 0], law.variance[:, 0])
    return float(found.p_values(window, of_sum)[0])


def test_p_value_is_that_of_all_orders_enumerated():
    """Two weeks of a negative binomial, every pair of counts by itself; tables are within one in fifty."""
    level, phi = 0.1, float(PHI[8])
    counts = np.arange(40)
    chance = week_chances(np.array([level]), np.array([phi]), 39)[0]
    risen = np.array([np.convolve(chance, stats.poisson.pmf(counts, rise))[:40] for rise in RISES])
    both = chance[:, None] * chance
    ratio = np.mean(risen[:, :, None] * risen[:, None, :], axis=0) / both
    for newest in ([1, 1], [2, 1], [3, 0], [0, 4], [2, 2]):
        exact = both[ratio >= ratio[tuple(newest)] * (1.0 - 1e-9)].sum()
        assert p_of(patterns(2, level, phi), newest) == pytest.approx(exact, rel=0.02)


def test_the_same_sum_says_more_spread_over_the_weeks_than_in_one():
    found = patterns(4, 0.05, 2.4)
    spread, heap = p_of(found, [1, 1, 1, 1]), p_of(found, [0, 4, 0, 0])
    assert spread < heap / 20.0


def test_the_order_of_weeks_does_not_matter():
    found = patterns(4, 0.05, 1.7, shared=0.2)
    assert len({p_of(found, list(one)) for one in itertools.permutations([2, 1, 1, 0])}) == 1


def test_probabilities_add_up_to_those_of_the_sum():
    chances = week_chances(np.array([0.2, 0.01]), np.array([1.0, 3.2]), 14)
    total = 1.0 - count_tail(np.full(2, 15.0), np.array([0.8, 0.04]), np.array([0.8, 0.04 * 3.2]))
    np.testing.assert_allclose(pattern_chances(4, chances).sum(axis=1), total, rtol=1e-5)


def test_a_level_that_is_not_known_makes_many_weeks_with_a_case_likelier():
    """The fourth moment of a gamma law: 1 + 6 c + 11 c^2 + 6 c^3 times as likely, at small means."""
    known, unknown = (patterns(4, 0.001, 1.0, shared=c).attainable(np.array([0])) for c in (0.0, 0.5))
    one_each = pattern_chances(4, np.array([[0.0, 1.0, *([0.0] * 13)]]))[0] > 0.0
    more = unknown[0][0, one_each] / known[0][0, one_each]
    assert more == pytest.approx(1.0 + 6.0 * 0.5 + 11.0 * 0.25 + 6.0 * 0.125, rel=0.1)


def test_nodes_have_the_moments_of_a_gamma_law():
    nodes, weights = _nodes()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose((weights * nodes).sum(axis=1), 1.0)
    # One over the shape is the squared coefficient of variation.
    variance = (weights * nodes**2).sum(axis=1) - 1.0
    third = (weights * nodes**3).sum(axis=1)
    np.testing.assert_allclose(third, (1.0 + variance) * (1.0 + 2.0 * variance))


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_small_p_values_are_as_rare_as_they_say(shared):
    """By enumeration: what can come with p <= t has a probability of at most t."""
    chance, p = patterns(4, 0.08, 1.7, shared).attainable(np.array([0]))
    for t in (1e-5, 1e-4, 1e-3, 1e-2):
        assert chance[p <= t].sum() <= t
        assert chance[p <= t].sum() > 0.2 * t


def test_steps_of_a_family_are_those_of_its_patterns_and_sums():
    n, t = 40, 3e-4
    found = patterns(4, 0.05, 1.7, 0.1, n)
    nothing = np.full(n, np.nan)
    rise = count_tail(np.zeros(n), found.law.mean[:, 0], found.law.variance[:, 0])
    window = WindowJudgement(
        4, np.zeros(n), found.law.mean[:, 0], nothing, nothing, rise, nothing, nothing, found.law, found
    )
    chance, p = found.attainable(np.arange(n))
    beyond = count_tail(np.array([15.0]), found.law.mean[:1, 0], found.law.variance[:1, 0])[0]
    assert null_steps((window,)).up_to(t) == pytest.approx(chance[p <= t].sum() + n * beyond, rel=1e-3)
    assert null_steps((window,), least_count=4).up_to(t) < null_steps((window,)).up_to(t)


def test_a_thick_series_is_judged_by_its_sums_and_late_weeks_are_too():
    rng = np.random.default_rng(3)
    cross = Cross(np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20))
    level = np.where(cross.category == 0, 3.0, 0.1)
    past = np.array([thin_draw(rng, level, np.full(100, 1.5)) for _ in range(104)])
    newest = np.zeros((4, 100), dtype=np.int64)
    newest[:, 7], newest[:, 5] = 1, 5
    told = {}
    for name, settings in (
        ("sums", ShortPastSettings(week_patterns_from=None)),
        ("weeks", ShortPastSettings()),
    ):
        learned = learn_short_past(np.concatenate([past, newest]), cross, settings)
        told[name] = {one.weeks: one for one in learned.judge(newest).windows}
        late = {
            one.weeks: one for one in learned.judge(newest, complete=np.array([[1.0], [1.0], [1.0], [0.7]])).windows
        }
        told[f"{name}, late"] = late
    np.testing.assert_array_equal(told["weeks"][4].rise_p[cross.category == 0], told["sums"][4].rise_p[level > 1.0])
    assert told["weeks"][4].rise_p[7] < told["sums"][4].rise_p[7] / 2.0
    np.testing.assert_array_equal(told["weeks, late"][4].rise_p, told["sums, late"][4].rise_p)
    np.testing.assert_array_equal(told["weeks"][1].rise_p, told["sums"][1].rise_p)


def test_a_past_of_less_than_two_years_is_judged_by_its_sums():
    """One that lacks a week is; one that has it is not."""
    rng = np.random.default_rng(4)
    cross = Cross(np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20))
    past = np.array([thin_draw(rng, np.full(100, 0.1), np.full(100, 1.5)) for _ in range(120)])
    newest = np.zeros((4, 100), dtype=np.int64)
    newest[:, 7] = 1
    same = {}
    for weeks in (103, 104):
        # The first week has a case of everything: the record of all begins with it.
        matrix = np.concatenate([np.ones((1, 100), dtype=np.int64), past[1 - weeks :], newest])
        by_weeks, by_sums = (
            learn_short_past(matrix, cross, one).judge(newest).windows
            for one in (ShortPastSettings(), ShortPastSettings(week_patterns_from=None))
        )
        same[weeks] = all(
            np.array_equal(a.rise_p, b.rise_p, equal_nan=True) for a, b in zip(by_weeks, by_sums, strict=True)
        )
    assert same == {103: True, 104: False}
