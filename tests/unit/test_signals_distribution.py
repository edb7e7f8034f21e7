"""Tails and limits of over-dispersed counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.signals.distribution import count_lower_tail, count_quantile, count_tail

MEAN = np.array([0.01, 0.3, 2.0, 5.5, 40.0, 900.0])
OBSERVED = np.array([0.0, 1.0, 2.0, 11.0, 80.0, 850.0])


@pytest.mark.parametrize("ratio", [1.2, 2.0, 9.0])
def test_tails_are_those_of_the_negative_binomial(ratio):
    """Both tails agree with SciPy's negative binomial, far out too."""
    variance = ratio * MEAN
    size = MEAN / (ratio - 1.0)
    for observed in (OBSERVED, OBSERVED * 3.0):
        np.testing.assert_allclose(
            count_tail(observed, MEAN, variance), stats.nbinom.sf(observed - 1, size, 1 / ratio), rtol=1e-9
        )
        np.testing.assert_allclose(
            count_lower_tail(observed, MEAN, variance), stats.nbinom.cdf(observed, size, 1 / ratio), rtol=1e-9
        )


def test_without_over_dispersion_the_tails_are_poisson():
    """Where variance and mean agree, the count is a Poisson."""
    np.testing.assert_allclose(count_tail(OBSERVED, MEAN, MEAN), stats.poisson.sf(OBSERVED - 1, MEAN), rtol=1e-9)
    np.testing.assert_allclose(count_lower_tail(OBSERVED, MEAN, MEAN), stats.poisson.cdf(OBSERVED, MEAN), rtol=1e-9)


def test_the_two_tails_share_the_observed_count():
    """P(Y >= y) + P(Y <= y - 1) is one."""
    variance = 2.5 * MEAN
    both = count_tail(OBSERVED + 1, MEAN, variance) + count_lower_tail(OBSERVED, MEAN, variance)
    np.testing.assert_allclose(both, 1.0, rtol=1e-12)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9, 0.995, 1 - 1e-9])
def test_the_quantile_is_the_smallest_count_that_reaches_the_probability(probability):
    """It agrees with SciPy's, Poisson counts among them."""
    variance = np.array([0.01, 0.6, 2.0, 30.0, 41.0, 5000.0])
    expected = [
        stats.poisson.ppf(probability, mean)
        if mean == spread
        else stats.nbinom.ppf(probability, mean**2 / (spread - mean), mean / spread)
        for mean, spread in zip(MEAN, variance, strict=True)
    ]
    np.testing.assert_array_equal(count_quantile(probability, MEAN, variance), expected)


def test_what_is_not_known_stays_unknown():
    """NaN comes out as NaN, a mean that ran away has no limit, and a mean of zero has the limit zero."""
    nan = np.array([np.nan, 1.0, 1.0])
    one = np.array([1.0, np.nan, 1.0])
    assert np.isnan(count_tail(one, nan, np.ones(3))).tolist() == [True, True, False]
    assert np.isnan(count_lower_tail(one, nan, np.ones(3))).tolist() == [True, True, False]
    limits = count_quantile(0.9, np.array([np.nan, 1e12, 0.0]), np.array([1.0, 2e12, 0.0]))
    assert np.isnan(limits).tolist() == [True, True, False]
    assert limits[2] == 0.0
