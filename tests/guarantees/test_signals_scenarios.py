"""The 42 scenarios: false alarms within the band in all of them, and more outbreaks found than half."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import signals_scenarios as bench
from tests.benchmarks import signals_thin_null as thin
from tests.support.scenarios import FIRST_JUDGED, WEEKS, replicates, scenarios
from tests.support.weekly import show

FOUND = 0.50
# Of 84 shares of 4,900 weeks, each with a standard error of about a fifth of it, a few lie further than two errors off.
ERRORS = 3.0


def test_the_generator_follows_its_rules():
    """Means and variances of 60 replicates of four scenarios within 5 errors; outbreaks in their weeks, never empty."""
    for scenario in (one for one in scenarios() if one.number in (2, 12, 17, 30)):
        drawn = replicates(scenario, 60, np.random.default_rng([1, scenario.number]))
        mean = scenario.mean()[:, None]
        square = (drawn.calm - mean) ** 2 / (scenario.phi * mean)
        assert drawn.calm.shape == (WEEKS, 60)
        assert abs((drawn.calm - mean).sum()) < 5.0 * np.sqrt(60.0 * scenario.phi * mean.sum())
        assert abs(square.mean() - 1.0) < 5.0 * square.std() / np.sqrt(square.size)
        assert not drawn.past[:312].any()
        assert not drawn.past[FIRST_JUDGED - 1 :].any()
        assert not drawn.current[: FIRST_JUDGED - 1].any()
        assert drawn.current.any(axis=0).all()
        assert set(drawn.size) <= set(range(1, 11))


def test_few_scenarios_quickly():
    """Two scenarios, 15 replicates: false alarms below 1.5 % of 1,470 weeks (about 0.4 % expected), outbreaks found."""
    found = bench.own(15, 5, (2, 36))
    rates = [one.false_alarms("past")[0] for one in found]
    assert np.mean(rates) < 0.015
    assert np.mean([one.detected() for one in found]) > 0.2


@pytest.mark.slow
def test_false_alarms_stay_in_the_band_and_half_of_the_outbreaks_are_found():
    """100 replicates of each, with and without past outbreaks; then one threshold for all."""
    found = bench.own(100, bench.SEED)
    bench.table(found)
    for kind in ("calm", "past"):
        rates = [one.false_alarms(kind) for one in found]
        outside = [
            one.number for one, rate in zip(found, rates, strict=True) if not bench.in_band(rate[0], ERRORS * rate[1])
        ]
        assert not outside, f"{kind}: scenarios {outside}"
        threshold = bench.equal_threshold(found, kind)
        share = np.mean([one.detected(threshold) for one in found])
        show(f"{kind}: found {share:.3f} at mid-p <= {threshold:.5f}")
        assert share >= FOUND


@pytest.mark.slow
def test_the_series_beside_the_repository_say_the_same():
    """On the 20 replicates of each made by others: half of the outbreaks found where false alarms are 0.5 %."""
    if not bench.FOLDER.exists():
        pytest.skip("the scenario series are not on this machine")
    found = bench.given()
    threshold = bench.equal_threshold(found)
    assert np.mean([one.detected(threshold) for one in found]) >= FOUND
    rates = [one.false_alarms("past") for one in found]
    assert all(bench.in_band(rate, 4.0 * max(error, 0.0015)) for rate, error in rates)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.01, 0.03, 0.1, 0.3])
def test_far_tails_of_thin_series_come_as_seldom_as_they_say(level):
    """120 pasts at each dispersion from 1 to 5: P(p <= 1e-4) at most 1.5e-4, within three errors of those pasts."""
    for dispersion in thin.DISPERSIONS:
        share, error = thin.shares(level, dispersion, 120, 7)
        show(f"{level:g} a week, dispersion {dispersion:g}: {share[1e-4] / 1e-4:.2f} ± {error[1e-4] / 1e-4:.2f}")
        assert share[1e-4] <= 1.5e-4 + 3.0 * error[1e-4]
        assert share[1e-3] <= 1.5e-3 + 3.0 * error[1e-3]
