"""A calibration that learns from what is still unknown: it follows drift before outcomes have settled, without bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from data.errors import UsageError
from models.calibration import DelayedCalibration, RollingCalibration
from models.calibration.delayed import Delays

DAY = 86_400


def _service(days, per_day, level, seed, *, bad=100.0, good=10.0):
    """Landmarks evenly over days whose true log-odds are score + level(day); failures are known late, the rest soon."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    score = rng.normal(-1, 1, len(day))
    truth = expit(score + level(day))
    outcome = (rng.random(len(day)) < truth).astype(float)
    at = day * DAY + rng.integers(0, DAY, len(day))
    delay = rng.exponential(1.0, len(day)) * np.where(outcome == 1, bad, good)
    return score, outcome, at, at + (delay * DAY).astype(np.int64), truth


def _cost(p, truth):
    return float(np.mean(truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))))


@pytest.fixture(scope="module")
def drifting():
    """Two years, of which the second is worse by one unit of log-odds; learned from another service of that pace."""
    _score, outcome, at, known_at, _truth = _service(300, 4, lambda day: 0 * day, 2)
    score, *told, truth = _service(730, 4, lambda day: np.where(day < 365, 0.0, 1.0), 1)
    outcomes, moments, known = told
    # Every five days is often enough, and cheaper.
    sparing = replace(DelayedCalibration.fit(outcome, at=at, known_at=known_at), every=5)
    return sparing.follow(score, outcomes, at=moments, known_at=known), score, told, truth


def test_drift_is_followed_before_outcomes_have_settled(drifting):
    """Failures take months to be known: waiting for them loses most of the year, and what waits tells it sooner."""
    followed, score, (outcome, at, known_at), truth = drifting
    told = followed.probability(score, at)
    waits = RollingCalibration.fit(score, outcome, at=at, known_at=known_at)
    slow = waits.recalibrate(score, at, known_score=score, known_outcome=outcome, known_at=known_at, known_asked_at=at)
    late = at > (365 + 90) * DAY
    costs = [_cost(p[late], truth[late]) for p in (told, slow, expit(score))]
    assert costs[0] < 0.6 * costs[1] < costs[2]


def test_without_drift_quick_ends_do_not_mislead(drifting):
    """In the first year nothing moves, and nearly all that is known soon went well: the level stays where it was."""
    followed, score, (_outcome, at, _known_at), truth = drifting
    asked = np.arange(120, 360, 10) * DAY
    assert abs(float(followed.level(asked).mean())) < 0.15
    calm = at < 365 * DAY
    assert _cost(followed.probability(score, at)[calm], truth[calm]) < 0.004


def test_delays_by_hand():
    """Of four failures three are unknown after a day, of four others one: log 3 is added by waiting from day 0 to 1."""
    outcome = np.repeat([1.0, 0.0], 4)
    delays = Delays.learn(outcome, np.array([0.5, 9, 9, 9, 0.5, 0.5, 0.5, 9]) * DAY)
    one, two = np.array([0]), np.array([DAY])
    assert delays.tilt(one, two)[0] == pytest.approx(np.log(3), abs=0.01)
    assert delays.tilt(two, two)[0] == 0
    assert Delays.learn(np.empty(0), np.empty(0)).tilt(one, two)[0] == 0


def test_waiting_is_counted_from_the_beginning_of_the_case():
    """Rows of a case weigh as one (and three cases as one), and a late one has not waited before it was asked."""
    at = np.array([0, 5, 0, 5]) * DAY
    groups = np.array([1, 1, 2, 2])
    fitted = DelayedCalibration.fit(
        np.array([1.0, 1, 0, 0]), at=at, known_at=np.array([30, 30, 6, 6]) * DAY, groups=groups
    )
    assert fitted.design == 6
    assert fitted.delays.age[-1] == 30 * DAY
    score, unknown = np.zeros(40), np.full(40, np.nan)
    begun = np.r_[np.zeros(20, dtype=int), np.full(20, 10 * DAY)]
    never, case = begun + 99 * DAY, np.tile(np.arange(20), 2)
    # Asked again when the case is ten days old: what went well would have been known by then, so waiting tells nothing
    # more; and the score is what it was, whatever the days before had told.
    same = fitted.follow(score, unknown, at=begun, known_at=never, groups=case)
    other = fitted.follow(score, unknown, at=begun, known_at=never)
    asked = np.array([19 * DAY])
    assert abs(same.level(asked)[0]) < 1e-3
    assert other.level(asked)[0] > 0.1


def test_the_newest_score_of_a_case_tells_before_its_outcome():
    """Cases that turn out worse than they began raise the level, better ones lower it, before an outcome is known."""
    fitted = DelayedCalibration(Delays.learn(np.empty(0), np.empty(0, dtype=np.int64)))
    at, case = np.repeat([0, 2 * DAY], 200), np.tile(np.arange(200), 2)
    unknown, never = np.full(400, np.nan), at + 999 * DAY
    levels = []
    for moved in (-1.0, 0.0, 1.0):
        score = np.repeat([0.0, moved], 200)
        followed = fitted.follow(score, unknown, at=at, known_at=never, groups=case)
        levels.append(followed.level(np.array([DAY, 10 * DAY])))
    # On the day after the first landmarks nothing has been said again.
    assert [float(level[0]) for level in levels] == [0.0, 0.0, 0.0]
    assert levels[0][1] < -0.2
    assert abs(levels[1][1]) < 1e-9
    assert levels[2][1] > 0.2


def test_drift_is_followed_by_newer_scores_where_all_outcomes_take_long():
    """Both outcomes are known after 150 days; what a case tells on the way gives a shift of the base rate away."""
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(300), 6)
    level = np.where(day < 150, 0.0, 1.5)
    score = rng.normal(-1, 1, len(day))
    truth = expit(score + level)
    outcome = (rng.random(len(day)) < truth).astype(float)
    # A sign of unit variance, two apart between the outcomes, has twice itself as its log likelihood ratio.
    later = score + 2 * rng.normal(2 * outcome - 1, 1)
    at = np.r_[day, day + 5] * DAY
    asked = {"at": at, "known_at": np.tile(day + 150, 2) * DAY}
    fitted = DelayedCalibration(Delays.learn(np.empty(0), np.empty(0, dtype=np.int64)), design=3.0, every=3)
    scores, outcomes, case = np.r_[score, later], np.tile(outcome, 2), np.tile(np.arange(len(day)), 2)
    followed = fitted.follow(scores, outcomes, groups=case, **asked)
    alone = fitted.follow(scores, outcomes, **asked)
    months = np.arange(190, 295, 15)
    assert followed.level(months * DAY)[-3:].mean() > 0.6
    assert abs(alone.level(months * DAY).mean()) < 0.3
    late = day > 190
    told, stayed = (f.probability(score[late], at[: len(day)][late]) for f in (followed, alone))
    assert _cost(told, truth[late]) < 0.5 * _cost(stayed, truth[late])


def test_bad_calls_are_refused():
    """Unequal lengths, odd outcomes and scores without end."""
    fitted, one = DelayedCalibration.fit(np.empty(0), at=np.empty(0), known_at=np.empty(0)), np.zeros(1)
    moment = np.zeros(1, dtype=np.int64)
    with pytest.raises(UsageError, match="one outcome and two moments per score"):
        fitted.follow(one, np.zeros(2), at=moment, known_at=moment)
    with pytest.raises(UsageError, match="outcomes of 0 and 1, or NaN"):
        fitted.follow(one, one + 0.5, at=moment, known_at=moment)
    with pytest.raises(UsageError, match="finite scores"):
        fitted.follow(one + np.inf, one, at=moment, known_at=moment)
    nothing = fitted.follow(np.empty(0), np.empty(0), at=moment[:0], known_at=moment[:0])
    assert nothing.probability(one, moment)[0] == pytest.approx(0.5)
