"""Laws of every calibrator, for any scores and outcomes; and that rolling never looks ahead."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import DelayedCalibration, RollingCalibration, calibrator_from_dict, choose_calibration
from models.calibration.delayed import Delays

DAY = 86_400
METHODS = ("auto", "identity", "cautious_platt", "platt", "beta", "isotonic", "venn_abers")
LAWS = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=12, deadline=None)


@st.composite
def _fitted(draw):
    """A calibrator of any kind, fitted to anything: ties, one class only, large scores, odd weights."""
    n = draw(st.integers(1, 80))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    score = np.round(
        rng.normal(draw(st.floats(-6, 6)), draw(st.sampled_from([0.0, 0.01, 1.0, 8.0])), n), draw(st.integers(0, 6))
    )
    outcome = (rng.random(n) < draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))).astype(float)
    weight = draw(st.sampled_from([None, rng.random(n) + 0.01]))
    at = draw(st.sampled_from([None, np.sort(rng.integers(0, 200 * DAY, n))]))
    groups = draw(st.sampled_from([None, rng.integers(0, max(n // 3, 1), n)]))
    method = draw(st.sampled_from(METHODS))
    return choose_calibration(score, outcome, weight=weight, at=at, groups=groups, method=method), score


@LAWS
@given(_fitted(), st.floats(0.05, 0.99))
def test_every_calibrator_keeps_its_laws(fitted_and_score, level):
    """Risks never fall; limits lie in 0 to 1, around what is told, and are wider for a higher level; JSON is exact."""
    fitted, score = fitted_and_score
    asked = np.unique(np.concatenate((score, np.linspace(-40, 40, 161), score + 1e-9)))
    told = fitted.probability(asked)
    lower, upper = fitted.interval(asked, level)
    assert (np.diff(told) >= -1e-15).all()
    assert (lower >= 0).all()
    assert (lower <= told).all()
    assert (told <= upper).all()
    assert (upper <= 1).all()
    wider = fitted.interval(asked, (1 + level) / 2)
    assert (wider[0] <= lower + 1e-12).all()
    assert (wider[1] >= upper - 1e-12).all()
    assert calibrator_from_dict(json.loads(json.dumps(fitted.as_dict()))) == fitted


@LAWS
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 10 * DAY))
def test_rolling_never_looks_ahead(seed, n, wait):
    """Whatever is known at or after a landmark may change, come or go: what was told before stays, to the bit."""
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.integers(0, 40 * DAY, n))
    known_at = asked + rng.integers(0, 15 * DAY, n)
    score, outcome = rng.normal(0, 2, n), rng.integers(0, 2, n).astype(float)
    at = rng.integers(0, 50 * DAY, 20)
    cut = int(rng.integers(0, 50 * DAY))
    before = at <= cut
    rolling = RollingCalibration(settles_after=wait, design=2.0)

    def told(keep, values, moments, scores):
        return rolling.recalibrate(
            np.linspace(-3, 3, 20),
            at,
            known_score=scores[keep],
            known_outcome=values[keep],
            known_at=moments[keep],
            known_asked_at=asked[keep],
        )[before]

    everything = np.ones(n, dtype=bool)
    first = told(everything, outcome, known_at, score)
    later = known_at >= cut
    other = np.where(later, 1 - outcome, outcome)
    moved = np.where(later, known_at + rng.integers(0, 9 * DAY, n), known_at)
    elsewhere = np.where(later, rng.normal(0, 5, n), score)
    assert (told(everything, other, moved, elsewhere) == first).all()
    assert (told(~later, outcome, known_at, score) == first).all()
    assert (told(everything, np.where(later, np.nan, outcome), known_at, score) == first).all()


@LAWS
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_rolling_keeps_the_order_of_a_moment_and_tells_each_landmark_alone(seed, n):
    """At one moment a higher score is never a lower risk; who else is asked about changes nothing."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(0, 100 * DAY, n)
    followed = RollingCalibration(settles_after=DAY).follow(
        known_score=rng.normal(0, 3, n),
        known_outcome=rng.integers(0, 2, n).astype(float),
        known_at=asked + rng.integers(0, 30 * DAY, n),
        known_asked_at=asked,
    )
    score = np.linspace(-9, 9, 40)
    at = np.full(40, int(rng.integers(0, 140 * DAY)))
    told = followed.probability(score, at)
    assert (np.diff(told) >= 0).all()
    assert ((told >= 0) & (told <= 1)).all()
    one = followed.probability(score[7:8], at[7:8])
    assert abs(one[0] - told[7]) < 1e-15


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 5))
def test_delayed_never_looks_ahead(seed, n, every):
    """What is asked or known at or after a landmark may change, come or go: what was told before stays, to the bit."""
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.integers(0, 40 * DAY, n))
    known_at = asked + rng.integers(0, 15 * DAY, n)
    score, outcome, case = rng.normal(0, 2, n), rng.integers(0, 2, n).astype(float), rng.integers(0, n, n)
    at, cut = rng.integers(0, 50 * DAY, 20), int(rng.integers(0, 50 * DAY))
    before = at <= cut
    delays = Delays.learn(np.array([1.0, 1, 0, 0]), np.array([9, 14, 1, 6]) * DAY)
    settings = DelayedCalibration(delays, design=2.0, every=every)

    def told(keep, values, moments, scores):
        followed = settings.follow(
            scores[keep], values[keep], at=asked[keep], known_at=moments[keep], groups=case[keep]
        )
        return followed.probability(np.linspace(-3, 3, 20), at)[before]

    everything = np.ones(n, dtype=bool)
    first = told(everything, outcome, known_at, score)
    later = known_at >= cut
    other = np.where(later, 1 - outcome, outcome)
    moved = np.where(later, known_at + rng.integers(0, 9 * DAY, n), known_at)
    assert (told(everything, other, moved, score) == first).all()
    assert (told(everything, np.where(later, np.nan, outcome), known_at, score) == first).all()
    unasked = asked >= cut
    assert (told(everything, outcome, known_at, np.where(unasked, rng.normal(0, 5, n), score)) == first).all()
    assert (told(~unasked, outcome, known_at, score) == first).all()


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 25))
def test_delayed_keeps_the_order_of_a_moment(seed, n):
    """At one moment a higher score is never a lower risk."""
    rng = np.random.default_rng(seed)
    asked, outcome = rng.integers(0, 100 * DAY, n), rng.integers(0, 2, n).astype(float)
    known_at = asked + rng.integers(0, 30 * DAY, n)
    followed = DelayedCalibration.fit(outcome, at=asked, known_at=known_at).follow(
        rng.normal(0, 3, n), outcome, at=asked, known_at=known_at
    )
    told = followed.probability(np.linspace(-9, 9, 40), np.full(40, int(rng.integers(0, 140 * DAY))))
    assert (np.diff(told) >= 0).all()
    assert ((told >= 0) & (told <= 1)).all()
