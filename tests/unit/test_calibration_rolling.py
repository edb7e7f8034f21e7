"""A rolling calibration follows drift, stays put without it, and is not fooled by what is known early."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from data.errors import UsageError
from models.calibration import RollingCalibration

DAY = 86_400


def _service(days, per_day, level, seed, delay=lambda outcome, rng: np.full(len(outcome), 5.0)):
    """Landmarks evenly over days whose true log-odds are score + level(day); outcomes known after a delay in days."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    score = rng.normal(-1, 1, len(day))
    truth = expit(score + level(day))
    outcome = (rng.random(len(day)) < truth).astype(float)
    at = day * DAY + rng.integers(0, DAY, len(day))
    known_at = at + (delay(outcome, rng) * DAY).astype(np.int64)
    return score, at, outcome, known_at, truth


def _told(rolling, score, at, outcome, known_at):
    return rolling.recalibrate(
        score, at, known_score=score, known_outcome=outcome, known_at=known_at, known_asked_at=at
    )


def _cost(p, truth):
    return float(
        np.mean(
            -truth * np.log(p) - (1 - truth) * np.log(1 - p) + truth * np.log(truth) + (1 - truth) * np.log(1 - truth)
        )
    )


def test_drift_is_followed():
    """A level that rises by 1.2 within 300 days: nine tenths of the excess loss of the frozen score are gone."""
    score, at, outcome, known_at, truth = _service(400, 30, lambda day: np.minimum(day, 300) / 250, 1)
    told = _told(RollingCalibration(), score, at, outcome, known_at)
    late = at > 100 * DAY
    assert _cost(told[late], truth[late]) < 0.1 * _cost(expit(score[late]), truth[late])
    assert abs(told[late].mean() - truth[late].mean()) < 0.02


def test_without_drift_it_costs_next_to_nothing():
    """In ten quiet services the mean excess loss per landmark is under a hundredth of a thousandth of a bit's worth."""
    costs = []
    for seed in range(10):
        score, at, outcome, known_at, truth = _service(200, 20, lambda day: 0 * day, seed)
        costs.append(_cost(_told(RollingCalibration(), score, at, outcome, known_at), truth))
    assert np.mean(costs) < 5e-4
    assert max(costs) < 2e-3


def test_quick_ends_do_not_fool_it():
    """Good ends are known after 2 days and failures after 20, and nothing drifts: taken as they come, every risk sinks.

    With the wait that `fit` learns, the level stays where it is.
    """

    def delay(outcome, rng):
        return np.where(outcome == 1, 20.0, 2.0) * rng.uniform(0.8, 1.2, len(outcome))

    score, at, outcome, known_at, truth = _service(120, 60, lambda day: 0 * day, 3, delay)
    naive = _told(RollingCalibration(), score, at, outcome, known_at)
    past = known_at < 60 * DAY
    fitted = RollingCalibration.fit(score[past], outcome[past], at=at[past], known_at=known_at[past])
    told = _told(fitted, score, at, outcome, known_at)
    early = at < 30 * DAY
    assert fitted.settles_after > 19 * DAY
    assert naive[early].mean() < truth[early].mean() - 0.02
    assert abs(told.mean() - truth.mean()) < 0.01
    assert _cost(told, truth) < 0.3 * _cost(naive, truth)


def test_alike_maturity_needs_no_wait():
    """Outcomes that mature for every case alike count at once."""
    score, at, outcome, known_at, _ = _service(50, 10, lambda day: 0 * day, 4)
    assert RollingCalibration.fit(score, outcome, at=at, known_at=known_at, alike=True).settles_after == 0
    assert RollingCalibration.fit(score, outcome, at=at, known_at=known_at).settles_after == 5 * DAY


def test_rows_of_one_case_weigh_as_one():
    """`design` is at least the rows per case, and more where weeks are restless."""
    score, at, outcome, known_at, _ = _service(80, 20, lambda day: 0 * day, 5)
    groups = np.arange(len(score)) // 4
    assert RollingCalibration.fit(score, outcome, at=at, known_at=known_at, groups=groups).design == pytest.approx(4)
    unrest = np.random.default_rng(6).normal(0, 1, 12)
    score, at, outcome, known_at, _ = _service(84, 60, lambda day: unrest[day // 7], 6)
    assert RollingCalibration.fit(score, outcome, at=at, known_at=known_at).design > 5


def test_before_anything_has_settled_scores_are_left_alone():
    """No outcome, no change: to rounding, since the parts of a mixture of equals are summed."""
    score, at = np.linspace(-4, 4, 9), np.full(9, 10 * DAY)
    none = np.zeros(0)
    told = RollingCalibration().recalibrate(
        score, at, known_score=none, known_outcome=none, known_at=none.astype(int), known_asked_at=none.astype(int)
    )
    assert told == pytest.approx(expit(score), abs=1e-15)
    assert RollingCalibration.fit(none, none, at=none.astype(int), known_at=none.astype(int)) == RollingCalibration()


def test_one_settled_outcome_by_hand():
    """The day after it settled, not the same day: one failure raises the level, and unknown outcomes do nothing."""
    rolling = RollingCalibration(settles_after=3 * DAY)
    followed = rolling.follow(
        known_score=np.array([0.0, 0.0]),
        known_outcome=np.array([1.0, np.nan]),
        known_at=np.array([DAY, DAY]),
        known_asked_at=np.array([0, 0]),
    )
    assert followed.day.tolist() == [4]
    assert followed.level(np.array([4 * DAY - 1]))[0] == pytest.approx(0, abs=1e-12)
    assert 0 < followed.level(np.array([4 * DAY]))[0] < 0.2


def test_it_survives_json_and_checks_its_call():
    """Plain numbers; unequal lengths and odd outcomes are refused."""
    rolling = RollingCalibration(settles_after=12, design=3.5)
    assert RollingCalibration.from_dict(json.loads(json.dumps(rolling.as_dict()))) == rolling
    one = np.zeros(1)
    with pytest.raises(UsageError, match="one outcome and one moment per known score"):
        rolling.follow(known_score=one, known_outcome=np.zeros(2), known_at=one.astype(int))
    with pytest.raises(UsageError, match="outcomes of 0 and 1, and NaN"):
        rolling.follow(known_score=one, known_outcome=one + 0.5, known_at=one.astype(int))
