"""The level that charts compare with: a log-linear regression of the past on the season, for many series at once.

log mean = level + straight trend + pairs of a cosine and a sine a year, for Poisson or negative-binomial counts. Fitted
by the usual weighted least-squares steps; the negative binomial alternates them with steps for its dispersion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# The stopping rules are part of the published figures, as in models.signals.glm.
_TOLERANCE: Final = 1e-8
_MAX_STEPS: Final = 25
_SIZE_TOLERANCE: Final = float(np.finfo(float).eps ** 0.25)
_SIZE_STEPS: Final = 24
_SMALLEST_MEAN: Final = float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True)
class InControl:
    """The in-control regression of every series.

    `mean` (n_weeks, n_series) for all weeks asked for; `overdispersion` (n_series,), 0 for Poisson; `coefficients`
    (n_series, n_terms). NaN where a series could not be fitted: without a case, or without enough weeks.
    """

    mean: Floats
    overdispersion: Floats
    coefficients: Floats


def seasonal_design(n_weeks: int, harmonics: int, period: int, *, trend: bool) -> Floats:
    """Terms of the regression for the weeks 1..n_weeks; (n_weeks, n_terms)."""
    t = np.arange(1.0, n_weeks + 1.0)
    terms = [np.ones(n_weeks)] + ([t] if trend else [])
    for pair in range(1, harmonics + 1):
        angle = 2.0 * np.pi * pair * t / period
        terms += [np.cos(angle), np.sin(angle)]
    return np.column_stack(terms)


def fit_in_control(past: Floats, design: Floats, overdispersion: float | None, *, cut_short: bool) -> InControl:
    """Fit every series of `past`, and say the mean of every row of `design`.

    Parameters
    ----------
    past : (n_past, n_series) counts, NaN where missing
    design : (n_weeks, n_terms), the first n_past rows of which belong to `past`
    overdispersion : 0 for Poisson, a number for a known one (variance = mean + number x mean squared), None to
        estimate it
    cut_short : True keeps the value that the estimation of the dispersion had reached when it was cut short, as R does
        where counts vary less than Poisson, and gives a series without a case some tiny level; False takes such counts
        for Poisson, and says nothing of such a series.
    """
    y = past.T.copy()
    present = ~np.isnan(y)
    y[~present] = 0.0
    x = design[: len(past)]
    usable = present.sum(axis=1) > x.shape[1]
    if not cut_short:
        usable &= y.sum(axis=1) > 0.0
    coefficients = np.full((len(y), x.shape[1]), np.nan)
    spread = np.full(len(y), np.nan)
    if usable.any():
        beta, alpha = _fit(y[usable], x, present[usable].astype(float), overdispersion, cut_short=cut_short)
        coefficients[usable], spread[usable] = beta, alpha
    with np.errstate(over="ignore"):
        mean = np.maximum(np.exp(design @ coefficients.T), _SMALLEST_MEAN)
    return InControl(mean, spread, coefficients)


def _fit(
    y: Floats, x: Floats, weights: Floats, overdispersion: float | None, *, cut_short: bool
) -> tuple[Floats, Floats]:
    n_series = len(y)
    poisson = np.zeros(n_series)
    if overdispersion == 0.0:
        beta, _ = _steps(y, x, weights, poisson, y + 0.1)
        return beta, poisson
    if overdispersion is not None:
        fixed = np.full(n_series, overdispersion)
        beta, _ = _steps(y, x, weights, fixed, y + (y == 0.0) / 6.0)
        return beta, fixed
    beta, mean = _steps(y, x, weights, poisson, y + 0.1)
    size, cut = _size(y, mean, weights)
    return _alternate(y, x, weights, beta, mean, size, cut, cut_short=cut_short)


def _alternate(
    y: Floats,
    x: Floats,
    weights: Floats,
    beta: Floats,
    mean: Floats,
    size: Floats,
    cut: Bools,
    *,
    cut_short: bool,
) -> tuple[Floats, Floats]:
    """Regression and dispersion in turn until neither changes; a settled series is not touched again."""
    df = np.maximum((weights > 0.0).sum(axis=1) - x.shape[1], 1)
    scale = np.sqrt(2.0 * df)
    likelihood = _likelihood(y, mean, size, weights)
    active = np.arange(len(y))
    for _ in range(_MAX_STEPS):
        rows = active
        refit, new_mean = _steps(y[rows], x, weights[rows], 1.0 / size[rows], mean[rows])
        # The dispersion is estimated at the means before this refit; at the end the two agree.
        new_size, cut[rows] = _size(y[rows], mean[rows], weights[rows])
        beta[rows], mean[rows] = refit, new_mean
        new_likelihood = _likelihood(y[rows], new_mean, new_size, weights[rows])
        change = np.abs(likelihood[rows] - new_likelihood) / scale[rows] + np.abs(size[rows] - new_size)
        likelihood[rows], size[rows] = new_likelihood, new_size
        # Not a number is not above the tolerance either: such a series is left as it is.
        active = rows[change > _TOLERANCE]
        if len(active) == 0:
            break
    if not cut_short and cut.any():
        rows = np.flatnonzero(cut)
        beta[rows], _ = _steps(y[rows], x, weights[rows], np.zeros(len(rows)), y[rows] + 0.1)
        size[rows] = np.inf
    return beta, 1.0 / size


def _steps(y: Floats, x: Floats, weights: Floats, alpha: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Weighted least-squares steps for every row of `y`; coefficients and means."""
    beta = np.zeros((len(y), x.shape[1]))
    mean = start.copy()
    eta = np.log(mean)
    deviance = _deviance(y, mean, alpha, weights)
    active = np.arange(len(y))
    for _ in range(_MAX_STEPS):
        m, a, yy = mean[active], alpha[active][:, None], y[active]
        working = weights[active] * m / (1.0 + a * m)
        # Dividing by the root of the diagonal keeps a trend over hundreds of weeks well conditioned.
        information = np.einsum("sw,wi,wj->sij", working, x, x, optimize=True)
        pull = (working * (eta[active] + (yy - m) / m)) @ x
        root = np.sqrt(np.einsum("sii->si", information))
        scaled = information / (root[:, :, None] * root[:, None, :])
        solved = _solve(scaled, pull / root) / root
        new_eta = solved @ x.T
        with np.errstate(over="ignore", invalid="ignore"):
            m = np.maximum(np.exp(new_eta), _SMALLEST_MEAN)
            new = _deviance(yy, m, alpha[active], weights[active])
        beta[active], eta[active], mean[active] = solved, new_eta, m
        change = np.abs(new - deviance[active]) / (np.abs(new) + 0.1)
        deviance[active] = new
        active = active[change >= _TOLERANCE]
        if len(active) == 0:
            break
    return beta, mean


def _solve(matrices: Floats, right: Floats) -> Floats:
    """Solutions of many small systems; NaN for one that has none."""
    try:
        solved = np.asarray(np.linalg.solve(matrices, right[:, :, None])[:, :, 0], dtype=np.float64)
    except np.linalg.LinAlgError:
        one_by_one: Floats = np.full(right.shape, np.nan)
        for row, (matrix, side) in enumerate(zip(matrices, right, strict=True)):
            if np.linalg.matrix_rank(matrix) == len(matrix):
                one_by_one[row] = np.linalg.solve(matrix, side)
        return one_by_one
    return solved


def _deviance(y: Floats, mean: Floats, alpha: Floats, weights: Floats) -> Floats:
    poisson = special.xlogy(y, y) - y * np.log(mean) - (y - mean)
    spread = alpha > 0.0
    size = 1.0 / np.where(spread, alpha, 1.0)[:, None]
    negative = special.xlogy(y, y) - y * np.log(mean) - (y + size) * np.log((y + size) / (mean + size))
    deviance: Floats = 2.0 * (weights * np.where(spread[:, None], negative, poisson)).sum(axis=1)
    return deviance


def _likelihood(y: Floats, mean: Floats, size: Floats, weights: Floats) -> Floats:
    k = size[:, None]
    each = special.gammaln(k + y) - special.gammaln(k) - special.gammaln(y + 1.0)
    each += k * np.log(k) + special.xlogy(y, mean) - (k + y) * np.log(k + mean)
    total: Floats = (weights * each).sum(axis=1)
    return total


def _size(y: Floats, mean: Floats, weights: Floats) -> tuple[Floats, Bools]:
    """Size parameter of the negative binomial by Newton's steps on its likelihood, and where they were cut short."""
    n = weights.sum(axis=1)
    size = n / (weights * (y / mean - 1.0) ** 2).sum(axis=1)
    active = np.arange(len(y))
    for _ in range(_SIZE_STEPS):
        size[active] = np.abs(size[active])
        k, yy, m, w = size[active][:, None], y[active], mean[active], weights[active]
        ratio = (yy + k) / (m + k)
        slope = special.digamma(k + yy) - special.digamma(k) + np.log(k) + 1.0 - np.log(k + m) - ratio
        bend = special.polygamma(1, k) - special.polygamma(1, k + yy) - 1.0 / k + 2.0 / (m + k) - ratio / (m + k)
        step = (w * slope).sum(axis=1) / (w * bend).sum(axis=1)
        size[active] += step
        active = active[np.abs(step) > _SIZE_TOLERANCE]
        if len(active) == 0:
            break
    cut = np.zeros(len(y), dtype=bool)
    cut[active] = True
    return np.maximum(size, np.finfo(float).tiny), cut
