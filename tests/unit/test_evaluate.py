"""Figures of probabilities, by hand-worked value and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import NotEnoughDataError
from models.evaluate import expected_calibration_error, figures, log_loss, reliability


def test_figures_of_four_cases_are_those_worked_out_by_hand():
    """Two failed, two did not; one pair is in the wrong order."""
    found = figures(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.5, 0.8]))
    assert found.auc == pytest.approx(3 / 4)
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * (2 / 3))
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.25 + 0.04) / 4)
    assert (found.n, found.base_rate) == (4, 0.5)


def test_one_outcome_only_cannot_be_ranked():
    """Nothing can be said of a ranking when nothing failed."""
    with pytest.raises(NotEnoughDataError, match="all 3 have the same outcome"):
        figures(np.zeros(3), np.array([0.1, 0.2, 0.3]))


def test_a_constant_that_is_the_base_rate_has_no_calibration_error():
    """Equal probabilities are one bin, not ten samples of it."""
    outcome = np.array([1.0] * 30 + [0.0] * 70)
    assert expected_calibration_error(outcome, np.full(100, 0.3)) == pytest.approx(0.0)


def test_calibration_error_is_the_mean_gap_of_the_bins():
    """Half say 0.2 and fail at 0.4, half say 0.8 and fail at 0.6: the gap is 0.2 everywhere."""
    outcome = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=float)
    probability = np.array([0.2] * 5 + [0.8] * 5)
    assert expected_calibration_error(outcome, probability) == pytest.approx(0.2)


def test_calibrated_probabilities_have_a_small_error_and_shifted_ones_a_large_one():
    """In a repeated experiment the error of true probabilities is sampling noise only."""
    rng = np.random.default_rng(1)
    true = rng.uniform(0.02, 0.7, 20_000)
    outcome = (rng.random(20_000) < true).astype(float)
    assert expected_calibration_error(outcome, true) < 0.01
    assert expected_calibration_error(outcome, true + 0.1) == pytest.approx(0.1, abs=0.01)


@given(st.integers(0, 2**32 - 1), st.integers(20, 200))
def test_the_reliability_curve_counts_every_case_once(seed, n):
    """Bins partition the cases and keep their means."""
    rng = np.random.default_rng(seed)
    probability, outcome = rng.random(n).round(1), (rng.random(n) < 0.4).astype(float)
    curve = reliability(outcome, probability)
    assert curve["n"].sum() == n
    assert curve["n"] @ curve["observed"] == pytest.approx(outcome.sum())
    assert curve["n"] @ curve["predicted"] == pytest.approx(probability.sum())
    assert (np.diff(curve["predicted"]) > 0).all()


def test_log_loss_of_even_odds_is_the_log_of_two():
    """A score of 0 says one half of everything."""
    assert log_loss(np.array([0.0, 1.0, 1.0]), np.zeros(3)) == pytest.approx(np.log(2))
