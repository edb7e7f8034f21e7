"""Percentage points that add up, whatever the score and the calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import Calibration
from models.explain import apportion_points, percentage_points


@given(st.integers(0, 2**32 - 1))
def test_points_add_up_to_the_probability_and_keep_their_sign(seed):
    """Base plus parts is the calibrated probability, and a part points where its log-odds do."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, 1.5, (8, 6))
    base = rng.normal(-1, 1, 8)
    link = Calibration(slope=rng.uniform(0.5, 1.5), intercept=rng.normal()).probability
    points, start = percentage_points(parts, base, link)
    assert np.allclose(start + points.sum(axis=1), link(base + parts.sum(axis=1)), atol=1e-12)
    assert (np.sign(points) == np.sign(parts)).all()


@given(st.permutations(range(5)))
def test_the_order_of_the_features_changes_no_point(order):
    """Allocation is free of order: the same part gets the same points wherever it stands."""
    parts = np.array([[0.3, -1.2, 0.7, 0.05, 2.0]])
    link = Calibration().probability
    plain, _ = percentage_points(parts, np.array([-0.5]), link)
    shuffled, _ = percentage_points(parts[:, order], np.array([-0.5]), link)
    assert np.allclose(shuffled[0], plain[0, order], atol=1e-15)


def test_parts_that_cancel_are_told_and_cancel():
    """A case that ends where it began did not stand still: by hand, half of what each way there and back moves."""
    link = Calibration().probability
    points, start = percentage_points(np.array([[1.0, -1.0]]), np.array([0.2]), link)
    there, here, below = link(np.array([1.2, 0.2, -0.8]))
    by_hand = 0.5 * ((there - here) + (here - below))
    assert points.tolist() == [[pytest.approx(by_hand), pytest.approx(-by_hand)]]
    assert start[0] == pytest.approx(1 / (1 + np.exp(-0.2)))


def test_parts_that_are_nought_move_nothing():
    """Without parts there is nothing to tell, on a step as elsewhere."""
    points, start = percentage_points(np.zeros((1, 3)), np.array([0.2]), Calibration().probability)
    assert points.tolist() == [[0.0, 0.0, 0.0]]
    assert start[0] == pytest.approx(1 / (1 + np.exp(-0.2)))


def test_a_step_between_base_and_case_gives_no_part_more_than_its_height():
    """Worked by hand: +2 and -1.9 on a step of a tenth at 0.05 are 10 points up and none down, not +200 and -190."""

    def step(score: np.ndarray) -> np.ndarray:
        return np.where(score > 0.05, 0.4, 0.3)

    points, start = percentage_points(np.array([[2.0, -1.9]]), np.array([0.0]), step)
    assert points.tolist() == [[pytest.approx(0.1), pytest.approx(0.0)]]
    assert start.tolist() == [0.3]


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=12))
def test_rounded_points_still_add_up(points):
    """Whole points sum to the rounded total, and none is moved by more than one."""
    values = np.array(points)
    total = round(float(values.sum()))
    rounded = apportion_points(values, total)
    assert rounded.sum() == total
    assert (np.abs(rounded - values) <= 1.0 + 1e-9).all()


def test_parts_that_miss_the_total_are_refused():
    """Rounding cannot hide a sum that is wrong."""
    with pytest.raises(ValueError, match="Expected parts that sum to 90"):
        apportion_points(np.array([10.0, 20.0]), 90)
