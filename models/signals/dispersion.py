"""How much more than Poisson weekly counts vary: a small grid of dispersions, and how likely each is for every series.

The variance of a count with mean mu is taken as  phi x (1 + psi x mu) x mu:  phi, how much more than Poisson single
cases come together; psi, how far levels wander, pooled over all series. No thin series can tell its phi by itself, so
every series has a posterior over the grid `PHI`, whose prior is estimated over all series of its kind (thin or thick):
an empirical-Bayes mixture (Laird 1978, J. Am. Statist. Assoc. 73:805), by expectation and maximisation. Far tails are
averages over that posterior, because they depend on phi more than on anything else.

What a series of a long past says about its phi is taken from two sources. Thin: the sizes of what came together in the
periods that have any case at all. For a negative binomial with small mean they follow Fisher's logarithmic series
whatever the mean, so a badly known level and long stretches of nothing do no harm. Thick: squared residuals against
what was expected. In a short past every week is taken for what it says (`dispersion_of_weeks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.few_cases import told_by_weeks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Variance over mean of thin counts. What comes together falls off with (phi - 1) / phi to the power of its size, so the
# steps are even in the logarithm of that, and so fine that a value between two is met by mixing them: with steps twice
# as wide the mixture's tail is a tenth too heavy at five cases and half too heavy at eight.
PHI: Final[Floats] = np.array(
    [1.0, 1.08, 1.15, 1.22, 1.29, 1.37, 1.46, 1.57, 1.7, 1.87, 2.1, 2.4, 2.75, 3.2, 3.8, 4.6, 6.0, 8.5, 15.0]
)
# A pooled phi beyond this leaves no room on the grid for series above it.
_MIDDLE: Final = 3.2
# Cases a week from which on squared residuals say more than what comes together.
_THICK: Final = 0.75
# What is thought likely before any series is seen, and its weight in series: most counts of casework vary one to three
# times as much as chance makes them. A series without siblings is judged by this and its own past.
_TINY: Final = 1e-12
_POISSON_BEFORE: Final = 0.3
_DENSITY: Final[Floats] = PHI[1:] ** -2.25 * np.gradient(np.log(PHI))[1:]
_BEFORE: Final[Floats] = np.append(_POISSON_BEFORE, (1.0 - _POISSON_BEFORE) * _DENSITY / _DENSITY.sum())
_BEFORE_WEIGHT: Final = 2.0
# Below one the logarithmic series ends; one hundredth above, it is a Poisson for every purpose here.
_ALMOST_POISSON: Final = 1.01
_ROUNDS: Final = 40
# What is thought of a level before its weeks are seen: its square root over the uniform logarithm, Jeffreys' prior of a
# Poisson mean.
_LEVEL_POWER: Final = 0.5
# Proportions that change by less than this have settled; a long stride takes none below this share of itself.
_SETTLED: Final = 1e-6
_LEAST_LEFT: Final = 1e-3


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


@dataclass(frozen=True, slots=True)
class Weeks:
    """Single weeks of the past, or sums over some; (n_series, n_weeks).

    `counts` cases, `usual` what the series' level and its category's movement led one to expect, `kept` 1 where the
    week counts and is known wholly, else 0.
    """

    counts: Floats
    usual: Floats
    kept: Floats


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
    information = freedom * 2.0 / variance_of_square(past.mean[:, None], found)
    told = -0.5 * information * (np.log(usual) + past.ratio[:, None] / usual)
    return Dispersion(_posterior(told, past.periods > 1.0), relative)


def dispersion_of_weeks(weeks: Weeks, past: Residuals | None = None) -> Dispersion:
    """Posterior over `PHI` from every week of a short past, the level integrated out; and psi of thick series.

    A short past tells a level badly. Taken for known, as what comes together and squared residuals take it, it explains
    too much of what varies: of half a year of dispersions between 1 and 2.5 the prior came out narrow and low, and of
    far tails there were two to three times as many as they said.

    Parameters
    ----------
    past : of thick series, from which psi comes; None for thin ones, which have none
    """
    relative, phi = 0.0, np.maximum(PHI, _ALMOST_POISSON)
    if past is not None:
        middle, psi = _within_grid(*_pooled_law(past.ratio, past.mean, past.periods), past)
        relative = psi / middle
        phi = np.maximum(PHI * (1.0 + relative * past.mean[:, None]), _ALMOST_POISSON)
    told = told_by_weeks(weeks.counts, weeks.usual, weeks.kept, phi, level_power=_LEVEL_POWER)
    some = (weeks.counts * weeks.kept).sum(axis=1) > 0.0
    told[~some] = 0.0
    return Dispersion(_posterior(told, some), relative)


def _within_grid(phi: float, psi: float, past: Residuals) -> tuple[float, float]:
    """The pooled law with its phi within the middle of the grid: what is beyond goes to psi.

    Where all means are alike the two cannot be told apart, and a phi beyond the grid would be lost from the posterior.
    """
    most = _MIDDLE
    if phi <= most or len(past.mean) == 0:
        return phi, psi
    usual = phi + psi * past.mean
    weight = past.periods / np.maximum(variance_of_square(past.mean, usual) * usual**2, _TINY)
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
    weights = likelihood * _prior(likelihood[informative])
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights)


def _prior(likelihood: Floats) -> Floats:
    """The mixing proportions that explain these series best; (n_phi,).

    Expectation and maximisation creeps where neighbours on the grid explain the data alike, and a prior left too wide
    makes every far tail too heavy. Two of its steps therefore tell the direction and length of a third (SQUAREM,
    scheme 3 of Varadhan and Roland 2008, Scand. J. Statist. 35:335), which is taken if it explains the series better.
    """
    prior = _BEFORE
    if not len(likelihood):
        return prior
    plain, best = prior, -np.inf
    for _ in range(_ROUNDS):
        first, told = _step(likelihood, prior)
        if told < best:
            # Too long a stride: go on from where the plain steps had led.
            prior, best = plain, -np.inf
            continue
        best = told
        second, _ = _step(likelihood, first)
        plain = second
        change, bend = first - prior, second - 2.0 * first + prior
        if np.abs(change).max() < _SETTLED:
            break
        stride = max(float(np.sqrt((change @ change) / max(float(bend @ bend), _TINY**2))), 1.0)
        prior = np.maximum(prior + 2.0 * stride * change + stride**2 * bend, second * _LEAST_LEFT)
        prior = prior / prior.sum()
    return plain


def _step(likelihood: Floats, prior: Floats) -> tuple[Floats, float]:
    """One step of expectation and maximisation from `prior`, and how well `prior` itself explains the series."""
    explained = likelihood @ prior
    after = prior * (likelihood.T @ (1.0 / explained)) + _BEFORE_WEIGHT * _BEFORE
    told = float(np.log(explained).sum() + _BEFORE_WEIGHT * (_BEFORE @ np.log(prior)))
    return after / after.sum(), told


def _pooled_law(ratio: Floats, mean: Floats, periods: Floats) -> tuple[float, float]:
    """Intercept and slope of variance over mean against the mean, over thick series; weights settle in three rounds."""
    phi, psi = 1.0, 0.0
    for _ in range(3 if len(mean) else 0):
        usual = phi + psi * mean
        weight = periods / (variance_of_square(mean, usual) * usual**2)
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


def variance_of_square(mean: Floats, ratio: Floats) -> Floats:
    """Variance of the squared Pearson residual of a negative binomial count with this mean and variance over mean.

    2 for thick counts, and much more for thin or over-dispersed ones: those say little about their dispersion. (2 plus
    the excess kurtosis; for a Poisson count, 2 + 1/mean.)
    """
    return 2.0 + (6.0 * (ratio - 1.0) + 1.0 / ratio) / mean
