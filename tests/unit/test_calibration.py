"""Calibration believes as much as the evidence allows."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration import Calibration


def _sample(n: int, slope: float, intercept: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(-1, 1.2, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-(intercept + slope * score)))).astype(float)
    return score, outcome


def test_much_evidence_finds_slope_and_level():
    """With 200,000 cases the truth is found."""
    found = Calibration.fit(*_sample(200_000, slope=0.8, intercept=0.3))
    assert found.slope == pytest.approx(0.8, abs=0.03)
    assert found.intercept == pytest.approx(0.3, abs=0.05)


def test_little_evidence_leaves_scores_nearly_as_they_are():
    """Fifty cases may not move the level of all."""
    found = Calibration.fit(*_sample(50, slope=0.5, intercept=1.0))
    assert abs(found.slope - 1) < 0.1
    assert abs(found.intercept) < 0.1


def test_calibration_never_changes_the_order():
    """The slope is positive, so a higher score is a higher probability."""
    found = Calibration.fit(*_sample(5_000, slope=-2.0, intercept=0.0))
    assert found.slope > 0
    assert (np.diff(found.probability(np.linspace(-5, 5, 50))) > 0).all()


def test_calibration_survives_json():
    """What is written is what is read."""
    found = Calibration(slope=0.9, intercept=-0.1, n=12)
    assert Calibration.from_dict(found.as_dict()) == found
