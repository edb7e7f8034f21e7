"""Shares that are resolved by a moment, when some cases were not followed so far."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from data.quality.kaplan_meier import survival_at


def test_the_estimate_worked_out_by_hand():
    """Ten cases: resolved at 1, 2, 2, 4, 6; last seen open at 2, 3, 5, 8, 8.

    S(1) = 9/10; at 2, nine are at risk and two resolved: x 7/9; the one censored at 2 still counts there; at 4, five
    are at risk: x 4/5; at 6, three: x 2/3. S(5) = 0.9 · 7/9 · 4/5 = 0.56.
    """
    time = np.array([1, 2, 2, 4, 6, 2, 3, 5, 8, 8], dtype=float)
    resolved = np.array([True] * 5 + [False] * 5)
    found = survival_at(time, resolved, 5.0)
    assert found.share == pytest.approx(0.9 * 7 / 9 * 4 / 5)
    # Open at 5 or later: those of 5, 6, 8 and 8.
    assert (found.at_risk, found.events, found.censored) == (4, 4, 2)
    greenwood = 1 / (10 * 9) + 2 / (9 * 7) + 1 / (5 * 4)
    spread = 1.959964 * np.sqrt(greenwood) / abs(np.log(0.56))
    assert found.lower == pytest.approx(0.56 ** np.exp(spread), rel=1e-5)
    assert found.upper == pytest.approx(0.56 ** np.exp(-spread), rel=1e-5)
    assert survival_at(time, resolved, 6.0).share == pytest.approx(0.56 * 2 / 3)


# At the end of a curve that falls to 0 scipy says that it has no limits there; the limits asked for are before it.
@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_an_independent_implementation(seed):
    """Share and limits are those of scipy's empirical survival function for censored data, ties included."""
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 12, 80).astype(float)
    resolved = rng.random(80) < 0.6
    curve = stats.ecdf(stats.CensoredData.right_censored(time, ~resolved)).sf
    limits = curve.confidence_interval(method="log-log")
    for at in (2.0, 5.0, 8.5):
        ours = survival_at(time, resolved, at)
        assert ours.share == pytest.approx(float(curve.evaluate(at)), abs=1e-12)
        assert ours.lower == pytest.approx(float(limits.low.evaluate(at)), abs=1e-9)
        assert ours.upper == pytest.approx(float(limits.high.evaluate(at)), abs=1e-9)


def test_without_censoring_it_is_the_plain_share():
    """Of ten cases all followed to the end, four are open after 6."""
    time = np.arange(1.0, 11.0)
    assert survival_at(time, np.ones(10, dtype=bool), 6.0).share == pytest.approx(0.4)


def test_no_limits_where_nothing_or_everything_is_open():
    """The log-log scale has none there, and no cases have no share."""
    time, resolved = np.array([1.0, 2.0]), np.array([True, True])
    everything = survival_at(time, resolved, 0.5)
    assert everything.share == 1.0
    assert np.isnan(everything.lower)
    nothing = survival_at(time, resolved, 2.0)
    assert nothing.share == 0.0
    assert np.isnan(nothing.upper)
    assert np.isnan(survival_at(np.empty(0), np.empty(0, dtype=bool), 1.0).share)


def test_a_negative_duration_is_refused():
    """Time does not run backwards."""
    with pytest.raises(ValueError, match="not negative"):
        survival_at(np.array([-1.0]), np.array([True]), 1.0)
