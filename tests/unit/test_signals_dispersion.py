"""The prior over dispersions: settled, and narrow where all series are alike."""

from __future__ import annotations

import numpy as np
import pytest

from models.signals import dispersion as law
from tests.support.weekly import thin_draw


def sizes_of(counts: np.ndarray) -> law.Sizes:
    together = np.array([(counts > j).sum(axis=0) for j in range(1, counts.max())]).T.astype(float)
    n = counts.shape[1]
    return law.Sizes(counts.sum(axis=0), np.full(n, len(counts)), (counts > 0).sum(axis=0), together, np.ones(n))


def drawn(phi: np.ndarray, weeks: int = 200) -> law.Sizes:
    rng = np.random.default_rng(3)
    return sizes_of(np.array([thin_draw(rng, np.full(len(phi), 0.1), phi) for _ in range(weeks)]))


def test_before_anything_is_seen_dispersions_sum_to_one():
    """The weights of the grid are those of a law, three tenths of it Poisson."""
    nothing = law.Sizes(*(np.zeros(2) for _ in range(3)), np.zeros((2, 0)), np.ones(2))
    weights = law.dispersion_of_sizes(nothing).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights[:, 0], 0.3)


def test_forty_strides_lead_where_a_thousand_steps_lead():
    """The prior that comes out explains the series as well as plain expectation and maximisation does in the end."""
    rng = np.random.default_rng(4)
    likelihood = rng.gamma(1.0, size=(500, len(law.PHI))) * np.exp(-0.1 * (law.PHI - 2.0) ** 2)
    plain = law._BEFORE
    for _ in range(1000):
        plain, told = law._step(likelihood, plain)
    strides = law._prior(likelihood)
    assert strides.sum() == pytest.approx(1.0)
    assert (strides > 0.0).all()
    assert law._step(likelihood, strides)[1] >= told - 0.5


def test_series_that_are_alike_are_known_to_be_alike():
    """Twenty thousand series of one dispersion between two points of the grid: no weight is left far from it."""
    weights = law.dispersion_of_sizes(drawn(np.full(20_000, 1.5))).weights
    far = (law.PHI < 1.28) | (law.PHI > 1.75)
    assert weights[:, far].sum(axis=1).mean() < 0.03


def test_series_that_are_not_alike_keep_their_spread():
    """Half of them Poisson, half of dispersion 3: the mean is found, and neither half is taken for the other."""
    phi = np.where(np.arange(4000) % 2 == 0, 1.0, 3.0)
    found = law.dispersion_of_sizes(drawn(phi)).phi
    assert found.mean() == pytest.approx(2.0, rel=0.07)
    assert found[phi == 3.0].mean() > found[phi == 1.0].mean() + 1.0


def test_half_a_year_tells_how_far_dispersions_lie_apart():
    """4,000 series of 1 to 2.5: the mean is found, where levels taken for known leave it a seventh of the way short."""
    rng = np.random.default_rng(5)
    phi = rng.uniform(1.0, 2.5, 4000)
    counts = np.array([thin_draw(rng, np.full(len(phi), 0.3), phi) for _ in range(36)])
    usual = np.repeat(counts.mean(axis=0)[:, None], 36, axis=1)
    every_week = law.dispersion_of_weeks(law.Weeks(counts.T.astype(float), usual, np.ones(usual.shape)))
    seen = counts.sum(axis=0) > 0
    assert every_week.phi[seen].mean() == pytest.approx(1.75, abs=0.06)
    assert law.dispersion_of_sizes(sizes_of(counts)).phi[seen].mean() < 1.68
    assert every_week.psi == 0.0


def test_a_series_without_a_case_keeps_the_prior_of_the_others():
    """Weeks that are not kept say nothing, nor do series of nothing."""
    rng = np.random.default_rng(6)
    counts = rng.poisson(0.5, (200, 30)).astype(float)
    kept = np.ones(counts.shape)
    counts[0], kept[1] = 0.0, 0.0
    weights = law.dispersion_of_weeks(law.Weeks(counts, np.full(counts.shape, 0.5), kept)).weights
    np.testing.assert_allclose(weights[0], weights[1])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert weights[2:, 0].mean() > 0.3
