"""Choosing over series and sums: worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.signals.attainable import NullSteps
from models.signals.fdr import q_values
from models.signals.hierarchy import hierarchy_of
from models.signals.selection import select

SERIES = pd.DataFrame({"area": ["v1", "v2", "v3", "v4"], "category": "x"}).astype("str")
LEVELS = hierarchy_of(SERIES, {"v1": "t1", "v2": "t1", "v3": "t2", "v4": "t2"}).levels


def chosen(series: list[float], towns: list[float], city: float, left: list[float], **options: object):
    """Rises only. `left`: p-values of the two towns and the city without what is told; asked-for removals are kept."""
    asked: list[tuple[int, list[bool]]] = []

    def remainder(number: int, without: np.ndarray) -> np.ndarray:
        asked.append((number, without.tolist()))
        values = left[:2] if number == 0 else left[2:]
        return np.array([values, [np.nan] * len(values)])

    def both(values: list[float]) -> np.ndarray:
        return np.array([values, [np.nan] * len(values)])

    return select(both(series), (both(towns), both([city])), LEVELS, remainder, level=0.1, **options), asked


def test_a_village_takes_its_town_and_its_city_off_the_list():
    """All three are below the threshold; what remains of town and city is not."""
    found, asked = chosen([1e-6, 0.5, 0.6, 0.7], [1e-5, 0.6], 1e-4, [0.4, 0.6, 0.5])
    assert found.series[0].tolist() == [True, False, False, False]
    assert not found.sums[0].any()
    assert not found.sums[1].any()
    assert found.covered[0][0].tolist() == [True, False]
    assert found.covered[1][0].tolist() == [True]
    assert asked[-1][1] == [True, False, False, False]
    # Seven tests, one told: 7 x threshold / 1 must be at most 0.1, so the city's 1e-4 may be the threshold.
    assert found.q_series[0, 0] == pytest.approx(7e-6)


def test_what_remains_of_a_town_is_told_too():
    """The remainder of the town is below the threshold, and with it told, the city is not."""
    found, asked = chosen([1e-6, 0.5, 0.6, 0.7], [1e-5, 0.6], 1e-4, [1e-3, 0.6, 0.5])
    assert found.sums[0][0].tolist() == [False, False]  # 1e-3 is above the threshold of 1e-4 that the p-values give
    found, asked = chosen([1e-6, 0.5, 0.6, 0.02], [1e-5, 0.6], 1e-4, [1e-3, 0.6, 0.5])
    assert found.sums[0][0].tolist() == [True, False]
    assert found.series[0].tolist() == [True, False, False, True]
    # By rank: 1e-6, then the remainder's 1e-3, then 0.02; seven tests.
    assert found.q_sums[0][0, 0] == pytest.approx(7 * 1e-3 / 2)
    assert found.q_series[0, 3] == pytest.approx(7 * 0.02 / 3)
    # The city is judged without the told village and without the town it is in.
    assert asked[-1] == (1, [True, True, False, True])


def test_a_town_whose_villages_are_quiet_is_told_alone():
    """No village is below the threshold; the city is judged without the town."""
    found, asked = chosen([0.05, 0.08, 0.6, 0.7], [1e-5, 0.6], 1e-3, [np.nan, 0.6, 0.5])
    assert found.sums[0][0].tolist() == [True, False]
    assert not found.series.any()
    assert not found.sums[1].any()
    assert asked == [(1, [True, True, False, False])]


def test_tests_that_reach_nothing_cost_nothing():
    """Seven tests of which four can have no p-value below 0.01: the others alone are paid for."""
    null = NullSteps(7, np.array([0.0, 0.0, 0.0, 0.01, 0.01, 0.01, 0.01]), np.zeros(0), np.zeros(0))
    options = {"procedure": "discrete", "null": null}
    found, _ = chosen([1e-6, 0.5, 0.6, 0.7], [1e-5, 0.6], 1e-4, [0.4, 0.6, 0.5], **options)
    assert found.series[0].tolist() == [True, False, False, False]
    assert found.q_series[0, 0] == pytest.approx(3e-6)
    with pytest.raises(UsageError, match="what the tests can take"):
        chosen([1e-6, 0.5, 0.6, 0.7], [1e-5, 0.6], 1e-4, [0.4, 0.6, 0.5], procedure="discrete")


def test_the_filter_lowers_the_threshold():
    """What the plain procedure would reject is not told where too little is left after the filter."""
    # Plain: five of seven rejected at 0.06. Told after the filter: two, and 7 x 0.06 / 2 is above 0.1.
    found, _ = chosen([0.06, 0.5, 0.055, 0.7], [0.03, 0.03], 0.04, [0.4, 0.4, 0.5])
    assert q_values(np.array([0.06, 0.5, 0.055, 0.7, 0.03, 0.03, 0.04]))[0] <= 0.1
    assert not found.series.any()
    assert not any(one.any() for one in (*found.sums, *found.covered))
    q = np.concatenate([found.q_series[0], *(one[0] for one in found.q_sums)])
    assert (q > 0.1).all()


def test_any_dependence_costs_the_harmonic_factor():
    """With "by" the same evidence gives larger q-values, by 1 + 1/2 + ... + 1/7."""
    usual, _ = chosen([1e-6, 0.5, 0.6, 0.7], [0.5, 0.6], 0.4, [0.4, 0.6, 0.5])
    strict, _ = chosen([1e-6, 0.5, 0.6, 0.7], [0.5, 0.6], 0.4, [0.4, 0.6, 0.5], procedure="by")
    factor = sum(1.0 / rank for rank in range(1, 8))
    assert strict.q_series[0, 0] == pytest.approx(factor * usual.q_series[0, 0])


def test_nothing_tested_tells_nothing():
    """A table too short to judge has no p-value anywhere."""
    nan = float("nan")
    found, asked = chosen([nan] * 4, [nan] * 2, nan, [nan] * 3)
    assert not found.series.any()
    assert np.isnan(found.q_series).all()
    assert asked == []
