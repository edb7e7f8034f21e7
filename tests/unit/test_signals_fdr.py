"""Step-up control of the false-discovery rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from data.errors import UsageError
from models.signals.attainable import NullSteps, null_steps, silence_steps, together
from models.signals.distribution import count_tail
from models.signals.fdr import discrete_q_values, q_values
from models.signals.short_past import CountLaw, WindowJudgement


@pytest.mark.parametrize("procedure", ["bh", "by"])
def test_q_values_agree_with_scipy(procedure):
    """Both procedures give the adjusted p-values of SciPy, ties included."""
    rng = np.random.default_rng(4)
    p = np.round(rng.uniform(size=200) ** 2, 3)
    np.testing.assert_allclose(
        q_values(p, procedure=procedure), stats.false_discovery_control(p, method=procedure), rtol=1e-12
    )


def test_untested_series_do_not_count():
    """NaN stays NaN, and the family is that of the others."""
    p = np.array([0.01, np.nan, 0.04])
    q = q_values(p)
    assert np.isnan(q[1])
    np.testing.assert_allclose(q[[0, 2]], q_values(np.array([0.01, 0.04])))
    assert np.isnan(q_values(np.array([np.nan]))).all()


def test_an_unknown_procedure_is_refused():
    """The message names the procedures there are."""
    with pytest.raises(UsageError, match="bh, by"):
        q_values(np.array([0.5]), procedure="bonferroni")


def judged_window(mean: float, n: int, observed: np.ndarray, ratio: float = 1.0) -> WindowJudgement:
    """A window of series that are all alike."""
    means = np.full((n, 1), mean)
    law = CountLaw(means, ratio * means, np.ones((n, 1)))
    nothing = np.full(n, np.nan)
    p = count_tail(observed.astype(float), means[:, 0], ratio * means[:, 0])
    return WindowJudgement(1, observed, means[:, 0], nothing, nothing, p, nothing, nothing, law)


def test_the_steps_of_rare_counts_are_their_tails():
    """A thousand Poisson counts of 0.1: between P(>= 3) and P(>= 2), a thousand times P(>= 3) are expected."""
    window = judged_window(0.1, 1000, np.zeros(1000))
    null = null_steps((window,))
    two, three = stats.poisson.sf(1, 0.1), stats.poisson.sf(2, 0.1)
    told = null.up_to(np.array([three / 2, three * 1.001, two * 0.999, two * 1.001]))
    np.testing.assert_allclose(told[1:], 1000 * np.array([three, three, two]), rtol=1e-3)
    assert told[0] == pytest.approx(1000 * stats.poisson.sf(3, 0.1), rel=1e-3)
    least = null_steps((window,), least_count=3)
    assert least.up_to(np.array([two * 1.001]))[0] == pytest.approx(1000 * three, rel=1e-3)


def test_a_sample_of_the_steps_is_as_good():
    """Of 20,000 series with levels of their own some stand for others; the sum is right to two per cent."""
    rng = np.random.default_rng(1)
    means = rng.lognormal(-2.5, 0.7, 20_000)[:, None]
    law = CountLaw(means, 1.6 * means, np.ones_like(means))
    zero = np.zeros(20_000)
    window = WindowJudgement(1, zero, means[:, 0], *(np.full(20_000, np.nan) for _ in range(2)), zero, zero, zero, law)
    t = np.array([1e-5, 1e-4, 1e-3])
    tails = np.array([count_tail(np.full(20_000, float(y)), means[:, 0], 1.6 * means[:, 0]) for y in range(1, 40)])
    exact = [np.where(tails <= one, tails, 0.0).max(axis=0).sum() for one in t]
    np.testing.assert_allclose(null_steps((window,)).up_to(t), exact, rtol=0.02)


def test_silences_cost_from_the_least_that_they_can_have():
    """Two silences that can be as rare as 1e-5 and 1e-3, one not tested; with three rises, five tests in one family."""
    silences = silence_steps(np.array([1e-3, np.nan, 1e-5]))
    np.testing.assert_allclose(silences.up_to(np.array([1e-6, 1e-4, 1e-2])), [0.0, 1e-4, 2e-2])
    rises = null_steps((judged_window(0.1, 4, np.zeros(4)),), tested=np.array([True, True, False, True]))
    both = together([silences, rises])
    assert both.n_tests == 5
    t = np.array([1e-6, 1e-4, 3e-3, 0.5])
    np.testing.assert_allclose(both.up_to(t)[:3], (silences.up_to(t) + rises.up_to(t))[:3])
    assert both.up_to(t)[3] == 2.5


def test_what_has_no_law_may_have_any_p_value():
    """A judgement without a law adds t for each series it judges, and nothing for those it does not."""
    window = judged_window(0.1, 3, np.zeros(3))
    other = replace(window, law=None, rise_p=np.array([0.5, np.nan, np.nan]))
    null = null_steps((window, other))
    assert null.reach.tolist() == [0.0]
    alone = null_steps((judged_window(0.1, 2, np.zeros(2)),))
    np.testing.assert_allclose(null.up_to(np.array([1e-3])), 1e-3 + alone.up_to(np.array([1e-3])))


def test_discrete_control_finds_what_the_continuous_one_leaves():
    """Never larger than Benjamini and Hochberg's q; smaller for rare counts; the same where all tests are dense."""
    rng = np.random.default_rng(2)
    observed = rng.poisson(0.1, 2000)
    observed[:5] = 5
    window = judged_window(0.1, 2000, observed)
    discrete = discrete_q_values(window.rise_p, null_steps((window,)))
    assert (discrete <= q_values(window.rise_p) + 1e-12).all()
    assert discrete[0] < 0.1 * q_values(window.rise_p)[0]
    p = np.array([0.001, 0.5, np.nan, 0.02])
    np.testing.assert_allclose(discrete_q_values(p, NullSteps(3, np.zeros(3), np.zeros(0), np.zeros(0))), q_values(p))


def test_discrete_control_keeps_its_level_over_rare_counts():
    """Over 150 families of 400 Poisson counts with ten risen, at most a fifth of the discoveries is false."""
    rng = np.random.default_rng(3)
    false = []
    for _ in range(150):
        observed = rng.poisson(0.1, 400)
        observed[:10] += rng.poisson(3.0, 10)
        window = judged_window(0.1, 400, observed)
        told = discrete_q_values(window.rise_p, null_steps((window,))) <= 0.2
        false.append(told[10:].sum() / max(told.sum(), 1))
    assert np.mean(false) <= 0.2 + 2.0 * np.std(false) / np.sqrt(150)
