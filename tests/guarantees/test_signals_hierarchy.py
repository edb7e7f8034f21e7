"""What sums promise: a thin rise of a town found where no village shows it, at the same rate of false alarms.

`python -m tests.benchmarks.signals_hierarchy` prints the figures over more cities and sizes of rise.
"""

from __future__ import annotations

import numpy as np
import pytest

from models.signals import SignalSettings, assess_series
from tests.benchmarks.signals_hierarchy import at_equal_rate, compare, pooling_error, quiet_weeks
from tests.support.hierarchy import outcome, planted_city, towns
from tests.support.weekly import show, world


@pytest.mark.slow
def test_a_rise_spread_thinly_is_found_three_times_as_often_at_an_equal_rate_of_false_signals():
    """Twice the usual in twenty villages: at most a fifth is found series by series, three times as many with sums."""
    alone, summed = compare(21, 40, 2.0)
    fair = at_equal_rate(alone, summed)
    show(f"\nwith sums {summed.told()}; series by series {fair.told()}")
    assert fair.found.mean() <= 0.2
    assert summed.found.mean() >= 3.0 * fair.found.mean()
    assert summed.found.mean() >= 0.25
    error = summed.false.std() / np.sqrt(len(summed.false))
    assert summed.false.mean() <= 0.10 + 2.0 * error


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.10, 0.20])
def test_the_false_discovery_rate_of_series_and_sums_is_controlled(level):
    """Over 40 cities the mean proportion of false signals, remainders included, is at most the level."""
    false = compare_at(level, seed=22, cities=40)
    error = false.std() / np.sqrt(len(false))
    show(f"\nlevel {level}: false {false.mean():.3f} ± {error:.3f}")
    assert false.mean() <= level + 2.0 * error


def compare_at(level: float, *, seed: int, cities: int) -> np.ndarray:
    """False-discovery proportions with towns and the city."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(cities):
        planted = planted_city(rng, factor=2.5)
        judged = assess_series(planted.counts, settings=SignalSettings(fdr_level=level), parents=planted.parents)
        rows.append(outcome(planted, judged[judged["signal"]])[0])
    return np.array(rows)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"season": 1.2}, {"shock": 0.4}], ids=["usual", "seasons", "shocks"])
def test_a_city_without_anything_to_find_is_quiet_at_every_level(options):
    """With sums over towns, city and groups too, a week with any signal is as rare as the level says."""
    any_signal, any_sum = quiet_weeks(23, 60, **options)
    show(f"\nweeks with a signal {any_signal:.3f}, of a sum {any_sum:.3f}")
    assert any_signal <= 0.10 + 2.0 * np.sqrt(0.1 * 0.9 / 60)


@pytest.mark.slow
def test_p_values_of_sums_are_valid_when_nothing_happens():
    """Towns, city and groups: at most 1.3 % of rises with p <= .01, of 9,000 sums."""
    rng = np.random.default_rng(24)
    groups = {f"c{code:03d}": f"g{code // 5}" for code in range(20)}
    small, tests = {"rise": 0, "silence": 0}, 0
    for _ in range(20):
        city = world(rng, areas=200, categories=20, weeks=60)
        judged = assess_series(
            city.counts(), settings=SignalSettings(minimum_count=0), parents=towns(200, 20), groups=groups
        )
        sums = judged[(judged["level"] == "sum") & ~judged["area"].str.startswith("a")]
        for direction in small:
            small[direction] += int((sums.loc[sums["direction"] == direction, "p_value"] <= 0.01).sum())
        tests += int((sums["direction"] == "rise").sum())
    show(f"\nof {tests:,} sums with p <= .01: {small}")
    assert max(small.values()) <= 0.013 * tests


def test_pooling_with_the_town_is_nearer_the_truth():
    """Where towns differ, levels pooled with town and city beat those pooled with the city, and own pasts, clearly."""
    errors = pooling_error(25, 4)
    show(f"\ndeviance per series: {errors}")
    assert errors["town"] <= 0.9 * errors["city"]
    assert errors["town"] <= 0.6 * errors["own past"]
