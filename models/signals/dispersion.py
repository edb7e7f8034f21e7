"""How much more than Poisson weekly counts vary: one law over all series, and how far each series departs from it.

The variance of a count with mean mu is taken as  factor x (phi x mu + psi x mu^2):  phi, how much more than Poisson
single cases come together; psi, how far levels wander; both pooled over all series, for no thin series could tell them.
The factor is the series' own, shrunken towards 1; its remaining uncertainty is handed on, because the far tail depends
on it more than on anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# A squared residual above this many times its expectation is an earlier outbreak rather than dispersion.
_OUTBREAK: Final = 12.0
# Weight of the pooled law against a series' own residuals, in squared residuals of a thick series: 8 allows factors
# to differ by one half, 200 by a tenth.
_LEAST_WEIGHT: Final = 8.0
_MOST_WEIGHT: Final = 200.0


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The law of the variance, pooled (`phi` >= 1, `psi` >= 0) and by series (`factor`, `factor_sd` of its log)."""

    phi: float
    psi: float
    factor: Floats  # (n_series,)
    factor_sd: Floats  # (n_series,)

    def ratio(self, mean: Floats) -> Floats:
        """Pooled variance over mean, at this mean; at least 1."""
        return self.phi + self.psi * mean


def estimate_dispersion(counts: Floats, expected: Floats, seen: Bools) -> Dispersion:
    """Estimate the law from past counts and what was expected of them.

    Parameters
    ----------
    counts, expected : (n_periods, n_series)
    seen : (n_periods, n_series)
        Which of them to use. Expectations are scaled per series to the sum of the counts used.
    """
    periods = seen.sum(axis=0)
    total = (expected * seen).sum(axis=0)
    scale = np.where(total > 0.0, (counts * seen).sum(axis=0) / np.where(total > 0.0, total, 1.0), 0.0)
    mean = expected * scale
    use = seen & (mean > 0.0)
    mean = np.where(use, mean, 1.0)
    # The level was fitted to the same counts: that takes one degree of freedom from each series.
    lost = 1.0 - 1.0 / np.maximum(periods, 2)
    square = np.where(use, (counts - mean) ** 2 / (mean * lost), 0.0)
    phi, psi = _pooled_law(square, mean, use)
    relative = np.minimum(square / (phi + psi * mean), _OUTBREAK)
    information = use * 2.0 / _variance_of_square(mean, phi + psi * mean)
    own = (information * relative).sum(axis=0)
    weight = information.sum(axis=0)
    prior = _prior_weight(own, weight)
    factor = (prior + own) / (prior + weight)
    return Dispersion(phi, psi, factor, np.sqrt(np.log1p(2.0 / (prior + weight))))


def _pooled_law(square: Floats, mean: Floats, use: Bools) -> tuple[float, float]:
    """Weighted least squares of squared residuals on the mean, repeated until the weights have settled."""
    phi, psi = 1.0, 0.0
    for _ in range(3):
        ratio = phi + psi * mean
        weight = use / (_variance_of_square(mean, ratio) * ratio**2)
        s0, s1, s2 = weight.sum(), (weight * mean).sum(), (weight * mean**2).sum()
        t0, t1 = (weight * square).sum(), (weight * mean * square).sum()
        determinant = s0 * s2 - s1**2
        if s0 <= 0.0:
            return 1.0, 0.0
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


def _prior_weight(own: Floats, weight: Floats) -> float:
    """How firmly series keep to the pooled law: from how far their own dispersions spread beyond chance."""
    clear = weight > 1.0
    if not clear.any():
        return _LEAST_WEIGHT
    deviation = (own[clear] / weight[clear] - 1.0) ** 2 - 2.0 / weight[clear]
    spread = float((weight[clear] * deviation).sum() / weight[clear].sum())
    return float(np.clip(2.0 / max(spread, 1e-9), _LEAST_WEIGHT, _MOST_WEIGHT))
