"""Tails and quantiles of very many counts at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.signals.tails import smallest_count, upper_tail

RNG = np.random.default_rng(5)
MEAN = np.exp(RNG.uniform(-7.0, 7.0, 400))
FACTOR = np.where(RNG.random(400) < 0.3, 1.0, 1.0 + np.exp(RNG.uniform(-6.0, 5.0, 400)))


def law(n: int):
    if FACTOR[n] == 1.0:
        return stats.poisson(MEAN[n])
    return stats.nbinom(MEAN[n] / (FACTOR[n] - 1.0), 1.0 / FACTOR[n])


@pytest.mark.parametrize("probability", [0.005, 0.5, 0.995, 1.0 - 1e-6])
def test_the_quantile_is_the_smallest_count_that_reaches_the_probability(probability):
    """At the answer the law of SciPy has reached it, one count below it has not."""
    answer = smallest_count(probability, MEAN, MEAN * FACTOR)
    for n, count in enumerate(answer):
        assert law(n).cdf(count) >= probability * (1 - 1e-9)
        assert count == 0 or law(n).cdf(count - 1) < probability


def test_the_tail_is_that_of_the_law():
    """Against SciPy, far out too; and the shape is kept."""
    count = np.floor(MEAN * RNG.uniform(0.0, 4.0, 400))
    tail = upper_tail(count.reshape(20, 20), MEAN.reshape(20, 20), (MEAN * FACTOR).reshape(20, 20))
    assert tail.shape == (20, 20)
    np.testing.assert_allclose(tail.ravel(), [law(n).sf(k - 1) for n, k in enumerate(count)], rtol=1e-6, atol=1e-250)


def test_nothing_is_said_of_what_is_not_known_or_runs_away():
    """NaN for a mean or variance that is none, or above a thousand million; a mean of nothing has the limit zero."""
    mean, variance = np.array([np.nan, 1e10, 5.0, 0.0]), np.array([1.0, 1e10, np.nan, 0.0])
    answer = smallest_count(0.99, mean, variance)
    assert np.isnan(answer).tolist() == [True, True, True, False]
    assert answer[3] == 0.0
    assert np.isnan(upper_tail(np.array([2.0, np.nan]), np.array([5.0, 5.0]), np.array([np.nan, 9.0]))).all()


def test_any_case_at_all_is_as_likely_as_scipy_says():
    """One case or more, in closed form, from very rare to certain; far below what differences from 1 keep, too."""
    told = upper_tail(np.ones(400), MEAN, MEAN * FACTOR)
    np.testing.assert_allclose(told, [law(n).sf(0) for n in range(400)], rtol=1e-9)
    rare = upper_tail(np.ones(2), np.full(2, 1e-18), np.array([1e-18, 2e-18]))
    np.testing.assert_allclose(rare, [1e-18, 1e-18 * np.log(2.0)], rtol=1e-9)
