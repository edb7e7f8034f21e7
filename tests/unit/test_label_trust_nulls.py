"""The laws of chance that label trust judges by, against values worked out otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from data.quality.label_trust_nulls import count_tail, q_values, share_tail, zero_run


def test_tails_of_counts_are_those_of_the_negative_binomial_and_of_poisson():
    """Mean 4, variance 12: size 2, p 1/3. With a ratio of 1 or less, Poisson."""
    y = np.array([0.0, 1.0, 5.0, 30.0])
    ours = count_tail(y, np.full(4, 4.0), np.full(4, 3.0))
    np.testing.assert_allclose(ours, stats.nbinom.sf(y - 1, 2.0, 1 / 3), rtol=1e-10)
    poisson = count_tail(y, np.full(4, 4.0), np.full(4, 0.5))
    np.testing.assert_allclose(poisson, stats.poisson.sf(y - 1, 4.0), rtol=1e-10)


def test_tails_of_shares_are_binomial_and_wider_when_dispersed():
    """8 of 20 at 0.2: the binomial's tail; at twice its variance 4 of 10."""
    one = share_tail(np.array([8.0]), np.array([20.0]), 0.2, 1.0)[0]
    assert one == pytest.approx(stats.binom.sf(7, 20, 0.2))
    two = share_tail(np.array([8.0]), np.array([20.0]), 0.2, 2.0)[0]
    assert two == pytest.approx(stats.binom.sf(3, 10, 0.2))
    assert share_tail(np.array([0.0]), np.array([20.0]), 0.2, 1.0)[0] == 1.0


def test_an_empty_run_by_hand():
    """20 reports in 10 weeks, then 10 weeks of none: (10/20)^20; half as surprising in the exponent at ratio 2."""
    assert zero_run(20, 10, 10, 1.0) == pytest.approx(0.5**20)
    assert zero_run(20, 10, 10, 2.0) == pytest.approx(0.5**10)


def test_q_values_by_hand():
    """Benjamini and Hochberg; what was not tested does not count."""
    q = q_values(np.array([0.01, np.nan, 0.04, 0.03, 0.5]))
    np.testing.assert_allclose(q[[0, 2, 3, 4]], [0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert np.isnan(q[1])
