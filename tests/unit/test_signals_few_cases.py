"""What few cases say about their dispersion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from models.signals.few_cases import (
    FEW,
    MANY,
    PHI,
    as_lognormal,
    dispersion_law,
    dispersion_law_of_level,
    mixed_quantile,
    outbreak_limits,
    thinness,
)

WEEKS = 300


def past(*sizes: int, weeks: int = WEEKS) -> np.ndarray:
    """One series with weeks of these counts, evenly apart; (1, weeks)."""
    counts = np.zeros((1, weeks))
    counts[0, np.linspace(3, weeks - 4, len(sizes)).astype(int)] = sizes
    return counts


def law(counts: np.ndarray, **options: object) -> np.ndarray:
    mean = np.broadcast_to(np.maximum(counts.mean(axis=1, keepdims=True), 0.5 / WEEKS), counts.shape)
    return dispersion_law(counts, mean, np.ones(counts.shape), **options)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 2, 1, 1), (3, 1, 4, 1), (2,)])
def test_the_law_is_that_of_an_integral_over_the_level(sizes):
    """Against numerical integration of the negative binomial over the common factor: mean log phi to within .06."""
    counts = past(*sizes)
    level = counts.mean()

    def told(phi: float) -> float:
        def chance(u: float) -> float:
            one = stats.nbinom(level * np.exp(u) / (phi - 1.0), 1.0 / phi)
            return float(np.exp(one.logpmf(counts[0]).sum() + 40.0))

        return integrate.quad(chance, -6.0, 4.0, limit=100)[0]

    plain = np.array([told(phi) for phi in PHI]) * np.gradient(PHI)
    assert as_lognormal(law(counts))[0][0] == pytest.approx((plain / plain.sum()) @ np.log(PHI), abs=0.06)


def test_a_past_without_a_case_keeps_what_was_thought_before():
    """Uniform in phi; of few weeks a fifth calm, the rest uniform in its logarithm."""
    none = np.zeros((2, WEEKS))
    assert law(none)[1] == pytest.approx(np.gradient(PHI) / np.gradient(PHI).sum())
    even = np.gradient(PHI) / PHI
    spike = np.eye(len(PHI))[0]
    assert law(none, few_weeks=True)[0] == pytest.approx(0.2 * spike + 0.8 * even / even.sum())


@pytest.mark.parametrize("level", [0.1, 3.0, 20.0, 5000.0])
def test_weeks_that_expect_the_same_are_told_by_how_many_had_how_many(level):
    """The same law as week by week, with weeks missing, and for series without a case or without a week."""
    rng = np.random.default_rng(8)
    counts = rng.negative_binomial(level, 0.5, (40, 26)).astype(float)
    seen = rng.random(counts.shape) > 0.2
    counts[0], seen[1] = 0.0, False
    mean = np.maximum((counts * seen).sum(axis=1), 0.5) / np.maximum(seen.sum(axis=1), 1)
    for few_weeks in (False, True):
        found = dispersion_law_of_level(counts, seen, few_weeks=few_weeks)
        by_weeks = dispersion_law(counts, np.tile(mean[:, None], 26), seen.astype(float), few_weeks=few_weeks)
        np.testing.assert_allclose(found, by_weeks, atol=1e-8)


def test_cases_that_come_together_speak_for_a_large_dispersion():
    """Nine cases one by one, in threes, and all at once; and many more of the first kind make it certain."""
    middles = [as_lognormal(law(past(*sizes)))[0][0] for sizes in ((1,) * 9, (3, 3, 3), (9,))]
    assert middles == sorted(middles)
    assert np.exp(middles[0]) < 2.5 < np.exp(middles[1])
    assert as_lognormal(law(past(*(1,) * 60)))[1][0] < as_lognormal(law(past(*(1,) * 9)))[1][0] / 3.0


def test_an_outbreak_says_only_that_it_was_one():
    """A week beyond its limit of 4: six cases or sixty are the same; and it says more than nothing at all."""
    laws = []
    for size in (6, 60):
        counts = past(1, 1, size, 1)
        where = counts > 4.0
        mean = np.full(counts.shape, 3.0 / WEEKS)
        laws.append(dispersion_law(counts, mean, np.ones(counts.shape), beyond=(where, np.where(where, 4.0, np.nan))))
    assert laws[0] == pytest.approx(laws[1])
    assert as_lognormal(laws[0])[0][0] > as_lognormal(law(past(1, 1, 1)))[0][0]


def test_missing_weeks_say_nothing():
    """What stands where a week is missing changes no digit."""
    counts = past(1, 2, 1)
    seen = np.ones(counts.shape)
    seen[0, 40:60] = 0.0
    filled = counts.copy()
    filled[0, 40:60] = 7.0
    mean = np.full(counts.shape, 0.02)
    found = dispersion_law(filled * seen, mean, seen)
    assert found == pytest.approx(dispersion_law(np.where(seen > 0.0, counts, 0.0), mean, seen), rel=1e-12)
    assert (found != dispersion_law(counts, mean, np.ones(counts.shape))).any()


def test_limits_are_the_counts_beyond_chance():
    """The smallest count whose tail is below the level, at least 2; nothing where not asked."""
    mean = np.array([[0.01, 2.0, 2.0]])
    limits = outbreak_limits(mean, np.array([1.5]), 0.005, np.array([[True, True, False]]))
    assert limits[0, 0] == 2.0
    tail = stats.nbinom(4.0, 2.0 / 3.0)
    assert tail.sf(limits[0, 1] - 1.0) < 0.005 <= tail.sf(limits[0, 1] - 2.0)
    assert np.isnan(limits[0, 2])


def test_a_mixed_quantile_is_that_of_the_average():
    """By adding up the average's probabilities, at several levels."""
    mean, variance = np.array([[0.2, 3.0], [5.0, 6.0]]), np.array([[0.3, 12.0], [5.0, 30.0]])
    weight = np.array([[0.9, 0.1], [0.5, 0.5]])
    counts = np.arange(200)
    for level in (0.005, 0.5, 0.995, 0.9999):
        for row in range(2):
            laws = [
                stats.nbinom(m**2 / (v - m), m / v) if v > m else stats.poisson(m)
                for m, v in zip(mean[row], variance[row], strict=True)
            ]
            upto = sum(w * one.cdf(counts) for w, one in zip(weight[row], laws, strict=True))
            assert mixed_quantile(level, mean, variance, weight)[row] == counts[upto >= level][0]


def test_thinness_falls_from_few_to_many():
    """1 up to the one, 0 from the other, between them in between."""
    found = thinness(np.array([0.5, FEW, np.sqrt(FEW * MANY), MANY, 1e6]))
    assert found == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
