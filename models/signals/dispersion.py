"""How much more than Poisson weekly counts vary: a small grid of dispersions, and how likely each is for every series.

The variance of a count with mean mu is taken as  phi x (1 + psi x mu) x mu:  phi, how much more than Poisson single
cases come together; psi, how far levels wander, pooled over all series. No thin series can tell its phi by itself, so
every series has a posterior over the grid `PHI`, whose prior is estimated over all series of its kind (thin or thick):
an empirical-Bayes mixture (Laird 1978, J. Am. Statist. Assoc. 73:805), by expectation and maximisation. Far tails are
averages over that posterior, because they depend on phi more than on anything else.

What a series says about its phi is taken from two sources. Thin: the sizes of what came together in the periods that
have any case at all. For a negative binomial with small mean they follow Fisher's logarithmic series whatever the mean,
so a badly known level and long stretches of nothing do no harm. Thick: squared residuals against what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Variance over mean of thin counts. The steps are fine enough that a value between two of them is met by mixing.
PHI: Final[Floats] = np.array([1.0, 1.15, 1.35, 1.6, 2.0, 2.5, 3.2, 4.2, 5.5, 7.5, 10.0, 15.0])
# Cases a week from which on squared residuals say more than what comes together.
_THICK: Final = 0.75
# What is thought likely before any series is seen, and its weight in series: most counts of casework vary one to three
# times as much as chance makes them. A series without siblings is judged by this and its own past.
_TINY: Final = 1e-12
_BEFORE: Final[Floats] = PHI**-2.0 / (PHI**-2.0).sum()
_BEFORE_WEIGHT: Final = 2.0
# Below one the logarithmic series ends; one hundredth above, it is a Poisson for every purpose here.
_ALMOST_POISSON: Final = 1.01
_ROUNDS: Final = 40


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The law of the variance: posterior over `PHI` by series, and the pooled `psi` >= 0."""

    weights: Floats  # (n_series, n_phi), rows sum to 1
    psi: float

    @property
    def phi(self) -> Floats:
        """Posterior mean of each series' phi; (n_series,)."""
        mean: Floats = self.weights @ PHI
        return mean

    def ratio(self, mean: Floats) -> Floats:
        """Variance over mean of each series, at this mean; at least 1."""
        return self.phi * (1.0 + self.psi * mean)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many cases came together in single weeks of the past; (n_series,) where not said.

    `total` cases in `weeks` weeks, of which `some` had any; `together[s, j - 1]` is the number of weeks with more than
    j cases; `share` is how much of the cases of those weeks is known, 1 without reporting delay.
    """

    total: Floats
    weeks: Floats
    some: Floats
    together: Floats  # (n_series, any)
    share: Floats


@dataclass(frozen=True, slots=True)
class Residuals:
    """Mean squared Pearson residual over `periods` periods of `mean` cases each; (n_series,)."""

    ratio: Floats
    mean: Floats
    periods: Floats


def is_thick(mean: Floats) -> Bools:
    """Which weekly means are told by residuals rather than by what comes together."""
    return np.asarray(mean >= _THICK)


def dispersion_of_sizes(sizes: Sizes) -> Dispersion:
    """Posterior over `PHI` of thin series, from what comes together; series without a case get the prior."""
    told = np.zeros((len(sizes.total), len(PHI)))
    rows = np.flatnonzero(sizes.some > 0.0)
    told[rows] = _told_by_sizes(sizes, rows)
    return Dispersion(_posterior(told, sizes.some > 0.0), 0.0)


def dispersion_of_residuals(past: Residuals) -> Dispersion:
    """Posterior over `PHI` of thick series, and psi, from residuals against what was expected."""
    phi, psi = _within_grid(*_pooled_law(past.ratio, past.mean, past.periods), past)
    relative = psi / phi
    usual = PHI * (1.0 + relative * past.mean[:, None])
    freedom = np.maximum(past.periods - 1.0, 0.0)[:, None]
    found = np.maximum(past.ratio, phi + psi * past.mean)[:, None]
    # A scaled chi-square: exact for thick counts, and with less weight where counts are thinner. The weight must not
    # change along the grid, or the dispersion with the least of it would win.
    information = freedom * 2.0 / _variance_of_square(past.mean[:, None], found)
    told = -0.5 * information * (np.log(usual) + past.ratio[:, None] / usual)
    return Dispersion(_posterior(told, past.periods > 1.0), relative)


def _within_grid(phi: float, psi: float, past: Residuals) -> tuple[float, float]:
    """The pooled law with its phi within the middle of the grid: what is beyond goes to psi.

    Where all means are alike the two cannot be told apart, and a phi beyond the grid would be lost from the posterior.
    """
    most = float(PHI[len(PHI) // 2])
    if phi <= most or len(past.mean) == 0:
        return phi, psi
    usual = phi + psi * past.mean
    weight = past.periods / np.maximum(_variance_of_square(past.mean, usual) * usual**2, _TINY)
    more = (phi - most) * float((weight * past.mean).sum()) / max(float((weight * past.mean**2).sum()), _TINY)
    return most, psi + more


def _told_by_sizes(sizes: Sizes, rows: Ints) -> Floats:
    """Log-likelihood over `PHI` of the counts of those weeks that had any, up to a constant; (n_rows, n_phi)."""
    seen, total, together, share = (part[rows] for part in (sizes.some, sizes.total, sizes.together, sizes.share))
    # A week with reports still to come has fewer together: thinning takes phi - 1 down by its share.
    excess = np.maximum(PHI, _ALMOST_POISSON)[:, None] - 1.0
    known = 1.0 + share * excess
    size = total / sizes.weeks[rows] / share / excess
    empty = -size * np.log(known)
    told = seen * (np.log(size) + empty - np.log(-np.expm1(empty))) + total * np.log1p(-1.0 / known)
    for j in range(together.shape[1]):
        some = np.flatnonzero(together[:, j])
        told[:, some] += together[some, j] * np.log(size[:, some] + (j + 1.0))
    return told.T


def _posterior(told: Floats, informative: Bools) -> Floats:
    """Weights of every series, from a prior that is estimated over those that say anything."""
    likelihood = np.exp(told - told.max(axis=1, keepdims=True)) if len(told) else told
    prior, use = _BEFORE, likelihood[informative]
    for _ in range(_ROUNDS if len(use) else 0):
        prior = prior * (use.T @ (1.0 / (use @ prior))) + _BEFORE_WEIGHT * _BEFORE
        prior /= prior.sum()
    weights = likelihood * prior
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights)


def _pooled_law(ratio: Floats, mean: Floats, periods: Floats) -> tuple[float, float]:
    """Intercept and slope of variance over mean against the mean, over thick series; weights settle in three rounds."""
    phi, psi = 1.0, 0.0
    for _ in range(3 if len(mean) else 0):
        usual = phi + psi * mean
        weight = periods / (_variance_of_square(mean, usual) * usual**2)
        s0, s1, s2 = weight.sum(), (weight * mean).sum(), (weight * mean**2).sum()
        t0, t1 = (weight * ratio).sum(), (weight * mean * ratio).sum()
        determinant = s0 * s2 - s1**2
        phi, psi = t0 / s0, 0.0
        # With all means alike a line cannot be told from a constant; the constant is then enough.
        if determinant > 1e-6 * s0 * s2:
            phi, psi = (t0 * s2 - t1 * s1) / determinant, (t1 * s0 - t0 * s1) / determinant
            if psi < 0.0:
                phi, psi = t0 / s0, 0.0
            elif phi < 1.0:
                phi, psi = 1.0, (t1 - s1) / s2
        phi, psi = max(float(phi), 1.0), max(float(psi), 0.0)
    return phi, psi


def _variance_of_square(mean: Floats, ratio: Floats) -> Floats:
    """Variance of the squared Pearson residual of a negative binomial count with this mean and variance over mean.

    2 for thick counts, and much more for thin or over-dispersed ones: those say little about their dispersion. (2 plus
    the excess kurtosis; for a Poisson count, 2 + 1/mean.)
    """
    return 2.0 + (6.0 * (ratio - 1.0) + 1.0 / ratio) / mean
