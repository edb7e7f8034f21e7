"""Intervals of remaining time cover what they say, by repeated experiment."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.remaining_time import DeadlineShape, RemainingTime, coherent
from models.remaining_time.conformal import risk_controlled, upward_move
from models.remaining_time.rolling import AdaptiveLevels

Floats = NDArray[np.float64]
DAY = 86400.0

pytestmark = pytest.mark.slow


def draw(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Features, and remaining seconds whose level and spread depend on them."""
    X = rng.normal(size=(n, 3))
    return X, DAY * np.exp(1 + 0.5 * X[:, 0] + (0.3 + 0.4 * (X[:, 1] > 0)) * rng.standard_t(4, n))


def test_split_conformal_covers_in_finite_samples() -> None:
    """Over 60 histories, 80 and 95 of 100 are covered on average: not less than said, and not much more."""
    covered: dict[float, list[float]] = {0.8: [], 0.95: []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, y = draw(rng, 900)
        model = RemainingTime(rounds=40, conformal_share=0.3).fit(X[:600], y[:600])
        assert model.guaranteed_.all()
        for level, found in covered.items():
            lower, upper = model.predict_interval(X[600:], level)
            found.append(float(np.mean((y[600:] >= lower) & (y[600:] <= upper))))
    for level, found in covered.items():
        error = np.std(found) / np.sqrt(len(found))
        assert level - 3 * error <= np.mean(found) <= level + 0.02 + 3 * error


@pytest.mark.parametrize("m", [19, 50, 99])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_one_sided_moves_are_exact(m: int, level: float) -> None:
    """Over 4,000 draws the next row is covered as often as ceil(level · (m + 1)) / (m + 1) says."""
    rng = np.random.default_rng(m)
    held = [draws[-1] <= upward_move(draws[:-1], np.zeros(m, bool), level) for draws in rng.normal(size=(4000, m + 1))]
    exact = np.ceil(level * (m + 1) - 1e-9) / (m + 1)
    assert np.mean(held) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-9)


def test_rows_of_cases_are_covered_together() -> None:
    """With cases of one to six rows that miss together, the share of rows covered is at least what was said."""
    rng = np.random.default_rng(0)
    hit = rows = 0
    for _ in range(1500):
        sizes = rng.integers(1, 7, 61)
        case = np.repeat(np.arange(61), sizes)
        residual = (rng.normal(size=61) * (1 + 0.3 * sizes))[case] + 0.3 * rng.normal(size=len(case))
        new = case == 60
        move = risk_controlled(residual[~new], case[~new], 0.8, most=6)
        hit, rows = hit + int((residual[new] <= move).sum()), rows + int(new.sum())
    assert 0.8 - 0.02 <= hit / rows <= 0.84


def test_open_cases_do_not_spoil_coverage() -> None:
    """With 4 of 10 conformal rows still open, the upper ends still cover; leaving those out would not."""
    rng = np.random.default_rng(1)
    known, left = [], []
    for _ in range(300):
        residual, watched = rng.exponential(1.0, 400), rng.exponential(1.5, 400)
        censored, seen = residual > watched, np.minimum(residual, watched)
        known.append(1 - np.exp(-upward_move(seen, censored, 0.9)))
        left.append(1 - np.exp(-upward_move(seen[~censored], censored[~censored], 0.9)))
    assert np.mean(known) == pytest.approx(0.9, abs=0.02)
    assert np.mean(left) < 0.85


def test_coverage_after_the_warp() -> None:
    """Warped to calibrated late risks and shaped again, intervals of 80 and 95 of 100 stay within 2 points."""
    rng = np.random.default_rng(3)
    found: dict[float, list[float]] = {0.8: [], 0.95: []}
    for _ in range(8):
        X, y = draw(rng, 5000)
        due = DAY * rng.choice([1.0, 3.0, 7.0, 15.0], 5000)
        # The true risk, found by drawing again from the same law.
        spread = 0.3 + 0.4 * (X[:, 1] > 0)
        again = DAY * np.exp(1 + 0.5 * X[:, [0]] + spread[:, None] * rng.standard_t(4, (5000, 400)))
        p_late = (again > due[:, None]).mean(axis=1)
        model = RemainingTime(rounds=60).fit(X[:2000], y[:2000])
        bent = coherent(model.distribution(X[2000:]), due[2000:], p_late[2000:])
        rows = np.arange(3000)
        shape = DeadlineShape.fit(bent.take(rows < 1000), y[2000:3000])
        final = shape.apply(bent.take(rows >= 1000))
        for level, hits in found.items():
            lower, upper = final.interval(level)
            hits.append(float(np.mean((y[3000:] >= lower) & (y[3000:] <= upper))))
    for level, hits in found.items():
        assert np.mean(hits) == pytest.approx(level, abs=0.02)


def test_adaptive_levels_follow_a_drift() -> None:
    """While times double and double again, fixed intervals of 80 of 100 cover far less; adaptive ones stay near."""
    rng = np.random.default_rng(4)
    X, y = draw(rng, 9000)
    n = len(y) - 1500
    slower = np.where(np.arange(n) < n // 4, 1.0, np.where(np.arange(n) < n // 2, 2.0, 4.0))
    y[1500:] *= slower
    at = (np.arange(n) * DAY / 20).astype(np.int64)
    curve = RemainingTime(rounds=60).fit(X[:1500], y[:1500]).distribution(X[1500:])
    lower, upper = curve.interval(0.8)
    fixed = np.mean((y[1500:] >= lower) & (y[1500:] <= upper))
    known_at = at + np.ceil(y[1500:]).astype(np.int64)
    lower, upper, _ = AdaptiveLevels(0.8, step=0.02).intervals(curve, y[1500:], at, known_at)
    followed = np.mean((y[1500:] >= lower) & (y[1500:] <= upper))
    assert fixed < 0.6
    assert followed == pytest.approx(0.8, abs=0.03)
