"""Quasi-Poisson regression of many series at once."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from models.signals.glm import SeasonalCounts
from models.signals.glm_fit import SeasonalFit

RNG = np.random.default_rng(11)
SEASONS = np.array([0, 1, 2] * 12)
TIMES = np.arange(36.0)
COUNTS = RNG.poisson(np.exp(0.02 * TIMES + np.array([1.0, 0.2, 2.0])[SEASONS]), size=(5, 36)).astype(float)
ONES = np.ones_like(COUNTS)


def fit_seasonal(
    counts: np.ndarray,
    seasons: np.ndarray,
    times: np.ndarray | None,
    weights: np.ndarray | None,
    offset: np.ndarray | None = None,
    *,
    settle: bool = False,
) -> SeasonalFit:
    """One fit; `times` None stands for a model without trend."""
    return SeasonalCounts(counts, seasons, times, offset).fit(weights, trend=times is not None, settle=settle)


def by_hand(y: np.ndarray, weights: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Maximum likelihood by a general optimiser: three seasons and a slope."""
    design = np.column_stack([np.eye(3)[SEASONS], TIMES])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        mean = np.exp(design @ beta + offset)
        return float((weights * (mean - y * np.log(mean))).sum()), design.T @ (weights * (mean - y))

    start = np.array([1.0, 1.0, 1.0, 0.0])
    return optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-10}).x


def test_the_fit_is_the_maximum_of_the_likelihood():
    """Season effects, slope and means agree with a general optimiser, with weights and offsets."""
    weights = RNG.uniform(0.2, 1.0, size=COUNTS.shape)
    offset = RNG.normal(0, 0.1, size=COUNTS.shape)
    fit = fit_seasonal(COUNTS, SEASONS, TIMES, weights, offset)
    assert fit.converged.all()
    for row in range(len(COUNTS)):
        beta = by_hand(COUNTS[row], weights[row], offset[row])
        np.testing.assert_allclose(fit.season_effect[row], beta[:3], atol=2e-5)
        np.testing.assert_allclose(fit.slope[row], beta[3], atol=2e-6)


def test_without_trend_every_season_has_its_weighted_mean():
    """Seasons alone give means of their weeks; the score equations say so."""
    fit = fit_seasonal(COUNTS, SEASONS, None, ONES)
    for season in range(3):
        weeks = season == SEASONS
        np.testing.assert_allclose(fit.mean[:, weeks][:, 0], COUNTS[:, weeks].mean(axis=1), rtol=1e-7)
    assert np.isnan(fit.slope).all()


def test_variances_are_those_of_the_inverse_information():
    """Leverages and the variance of a prediction agree with the matrix formula, and leverages sum to the terms."""
    fit = fit_seasonal(COUNTS, SEASONS, TIMES, ONES)
    design = np.column_stack([np.eye(3)[SEASONS], TIMES])
    for row in range(len(COUNTS)):
        inverse = np.linalg.inv(design.T @ (fit.mean[row][:, None] * design))
        now = np.array([1.0, 0.0, 0.0, 40.0])
        np.testing.assert_allclose(fit.variance(np.full(5, 40.0))[row], now @ inverse @ now, rtol=1e-4)
        np.testing.assert_allclose(
            fit.leverage[row], fit.mean[row] * np.einsum("ij,jk,ik->i", design, inverse, design), rtol=1e-4
        )
    np.testing.assert_allclose(fit.leverage.sum(axis=1), 4.0, rtol=1e-9)


def test_the_order_of_the_points_does_not_matter():
    """Shuffled weeks give the same means, in the shuffled order."""
    shuffle = RNG.permutation(36)
    fit = fit_seasonal(COUNTS, SEASONS, TIMES, ONES)
    shuffled = fit_seasonal(COUNTS[:, shuffle], SEASONS[shuffle], TIMES[shuffle], ONES)
    np.testing.assert_allclose(shuffled.mean, fit.mean[:, shuffle], rtol=1e-9)


def test_a_point_without_weight_has_no_influence():
    """Whatever stands there, nothing changes, and it takes no degree of freedom."""
    weights = ONES.copy()
    weights[:, 7] = 0.0
    other = COUNTS.copy()
    other[:, 7] = 999.0
    fit, again = (fit_seasonal(y, SEASONS, TIMES, weights) for y in (COUNTS, other))
    np.testing.assert_allclose(fit.slope, again.slope, rtol=1e-6)
    assert (fit.residual_df == 36 - 1 - 4).all()


def test_a_series_without_cases_does_not_disturb_the_others():
    """A season of zeros runs towards zero quietly; a whole series of zeros reports that it did not settle."""
    counts = COUNTS.copy()
    counts[1, SEASONS == 2] = 0.0
    counts[2] = 0.0
    long = np.tile(counts, (1, 8))
    seasons, times = np.tile(SEASONS, 8), np.arange(288.0)
    fit = fit_seasonal(long, seasons, times, np.ones_like(long))
    assert fit.converged.tolist() == [True, True, False, True, True]
    assert np.isnan(fit.season_effect[2]).all()
    assert np.isnan(fit.slope[2])
    assert fit.mean[1, seasons == 2].max() < 1e-6
    alone = fit_seasonal(long[[0]], seasons, times, np.ones((1, 288)))
    np.testing.assert_allclose(fit.mean[0], alone.mean[0], rtol=1e-10)
