"""The interval of a risk covers the true share of failures as often as it says, by repeated experiment.

The truth is the probability of failing given the score, over weeks: each week may have its own luck, normal in
log-odds. Coverage is the mean over scores as they come and over repetitions. Two points below nominal are allowed for,
and what chance of the experiment itself may add; above nominal is welcome, since one band serves every calibrator and
contains what any of them tells.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from models.calibration import choose_calibration

_WEEK = 7 * 86_400
_NODES, _WEIGHTS = hermegauss(31)

CURVES = {
    "exact": lambda s: s,
    "flat": lambda s: -0.3 + 0.7 * s,
    "bent": lambda s: 0.4 - 1.4 * np.logaddexp(0, -s) + 0.6 * np.logaddexp(0, s),
    "kinked": lambda s: np.where(s < -1, s, -1 + 2 * (s + 1)),
    "rare": lambda s: s - 2.2,
}


def coverage(curve, n, spread, repetitions, *, weeks=40, method="auto", seed=1):
    """(2, repetitions): share of scores whose truth lies in the 80 % and in the 95 % interval, in each repetition."""
    rng = np.random.default_rng(seed)
    truth_of = CURVES[curve]
    shares = np.empty((2, repetitions))
    for repetition in range(repetitions):
        week = np.sort(rng.integers(0, weeks, n))
        score = rng.normal(-1, 1.2, n)
        luck = rng.normal(0, spread, weeks)[week]
        outcome = (rng.random(n) < expit(truth_of(score) + luck)).astype(float)
        fitted = choose_calibration(score, outcome, at=week * _WEEK + rng.integers(0, _WEEK, n), method=method)
        asked = rng.normal(-1, 1.2, 300)
        truth = expit(truth_of(asked)[:, None] + spread * _NODES) @ (_WEIGHTS / _WEIGHTS.sum())
        for row, level in enumerate((0.8, 0.95)):
            lower, upper = fitted.interval(asked, level)
            shares[row, repetition] = ((lower <= truth) & (truth <= upper)).mean()
    return shares


def check(shares, nominal):
    """Coverage is at least two points under nominal, less twice the experiment's own standard error."""
    own = shares.std(ddof=1) / np.sqrt(len(shares))
    assert shares.mean() >= nominal - 0.02 - 2 * own, (shares.mean(), own)


@pytest.mark.parametrize(("curve", "spread"), [("flat", 0.0), ("bent", 0.4)])
def test_intervals_cover_the_truth_a_small_version(curve, spread):
    """1,000 cases, 60 repetitions, with and without weeks of their own luck."""
    shares = coverage(curve, 1_000, spread, 60, method="platt")
    check(shares[0], 0.8)
    check(shares[1], 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.4])
@pytest.mark.parametrize("curve", list(CURVES))
@pytest.mark.parametrize(
    ("n", "repetitions", "method"), [(200, 300, "auto"), (3_000, 100, "auto"), (50_000, 60, "platt")]
)
def test_intervals_cover_the_truth(n, repetitions, method, curve, spread):
    """From 200 to 50,000 cases."""
    shares = coverage(curve, n, spread, repetitions, method=method)
    check(shares[0], 0.8)
    check(shares[1], 0.95)
