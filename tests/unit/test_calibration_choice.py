"""The simplest curve that later cases do not refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from data.errors import NotEnoughDataError, UsageError
from models.calibration import Calibration, Identity, choose_calibration
from models.calibration.blocks import WEEK, consecutive_parts, share_luck
from models.calibration.choice import standard_error


def _sample(n, curve, seed):
    rng = np.random.default_rng(seed)
    score = rng.normal(-1, 1.2, n)
    return score, (rng.random(n) < expit(curve(score))).astype(float)


def _loss(p, truth):
    return float(np.mean(-truth * np.log(p) - (1 - truth) * np.log(1 - p)))


@pytest.mark.parametrize("repetitions", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_a_perfect_score_is_left_alone(repetitions):
    """The identity stands nine times in ten, and what is told is never worse beyond noise."""
    excess, names = [], []
    asked = np.random.default_rng(0).normal(-1, 1.2, 4_000)
    truth = expit(asked)
    for seed in range(repetitions):
        fitted = choose_calibration(*_sample(1_000, lambda s: s, seed))
        names.append(fitted.name)
        excess.append(_loss(fitted.probability(asked), truth) - _loss(truth, truth))
    assert names.count("identity") >= 0.9 * repetitions
    # Half a parameter's worth of log loss would be 1 / (2 · 1,000).
    assert np.mean(excess) < 2e-4
    assert max(excess) < 4e-3


@pytest.mark.parametrize(
    ("curve", "accepted"),
    [
        (lambda s: -0.8 + 0.5 * s, {"platt", "beta"}),
        (lambda s: 0.5 - 2 * np.logaddexp(0, -s) + 0.4 * np.logaddexp(0, s), {"beta", "venn_abers", "isotonic"}),
        (lambda s: np.where(s > -0.5, 1.5, -2.5), {"venn_abers", "isotonic"}),
    ],
)
def test_a_wrong_score_gets_the_curve_it_needs(curve, accepted):
    """A bent or broken truth is found out, and mended by most of the way."""
    score, outcome = _sample(6_000, curve, 1)
    fitted = choose_calibration(score, outcome)
    assert fitted.name in accepted
    asked = np.random.default_rng(0).normal(-1, 1.2, 4_000)
    truth = expit(curve(asked))
    left = _loss(fitted.probability(asked), truth) - _loss(truth, truth)
    assert left < 0.1 * (_loss(expit(asked), truth) - _loss(truth, truth))


def test_little_data_leaves_only_the_identity_and_a_cautious_platt():
    """Thirty failures may not bend the curve of all."""
    score, outcome = _sample(100, lambda s: 0.3 * s, 2)
    fitted = choose_calibration(score, outcome)
    assert isinstance(fitted, Identity | Calibration)
    assert abs(fitted.probability(np.zeros(1))[0] - 0.5) < 0.03


def test_cases_that_nobody_believes_are_no_evidence():
    """Rows of weight 0 change nothing."""
    score, outcome = _sample(500, lambda s: 0.5 * s - 0.5, 3)
    junk = np.concatenate((score, np.full(300, 2.0))), np.concatenate((outcome, np.zeros(300)))
    weight = np.repeat([1.0, 0.0], [500, 300])
    assert choose_calibration(*junk, weight=weight) == choose_calibration(score, outcome, weight=np.ones(500))


def test_parts_follow_time_and_never_split_a_case():
    """Each case lies in one part, and no part begins before the one before it, by first rows."""
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 200, 1_000)
    at = rng.integers(0, 10**7, 1_000)
    part = consecutive_parts(1_000, at, groups, 5)
    first = {code: at[groups == code].min() for code in np.unique(groups)}
    where = {code: set(part[groups == code]) for code in np.unique(groups)}
    assert all(len(parts) == 1 for parts in where.values())
    ordered = sorted(first, key=lambda code: first[code])
    assert (np.diff([next(iter(where[code])) for code in ordered]) >= 0).all()
    assert set(part) == {0, 1, 2, 3, 4}


def test_blocks_are_weeks_and_else_cases():
    """Six weeks or more are blocks; a case stays in the week of its first row; fewer weeks leave cases."""
    at = np.arange(8) * WEEK
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    assert share_luck(8, at, groups).code.tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert share_luck(8, at, groups).in_time
    assert share_luck(4, at[:4], groups[:4]).code.tolist() == [0, 0, 1, 2]
    assert not share_luck(4, at[:4], groups[:4]).in_time
    assert share_luck(4, at[:4], None) is None
    assert share_luck(0, None, None) is None


def test_the_standard_error_counts_blocks():
    """Ten equal rows in each of two blocks with means 0 and 1 are two numbers: standard error one half."""
    value = np.repeat([0.0, 1.0], 10)
    assert standard_error(value, np.ones(20), np.repeat([0, 1], 10)) == pytest.approx(0.5)
    assert standard_error(value, np.ones(20), None) == pytest.approx(value.std(ddof=1) / np.sqrt(20))


def test_the_call_is_checked():
    """Unknown methods, unequal lengths, values out of range, nothing to fit to."""
    with pytest.raises(UsageError, match="a calibration method out of auto, identity"):
        choose_calibration(np.zeros(3), np.zeros(3), method="spline")
    with pytest.raises(UsageError, match="one outcome and one weight per score, got 3 scores, 2 outcomes"):
        choose_calibration(np.zeros(3), np.zeros(2))
    with pytest.raises(UsageError, match="finite scores, outcomes of 0 and 1"):
        choose_calibration(np.array([np.nan]), np.zeros(1))
    with pytest.raises(NotEnoughDataError, match="matured cases to fit the calibration 'isotonic' to"):
        choose_calibration(np.zeros(0), np.zeros(0), method="isotonic")
