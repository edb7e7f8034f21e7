"""What years of past lead one to expect of the next weeks: level, trend and season of every series, and their errors.

    log mean = level + trend x years + waves of a year, half a year and a third of a year
    variance = dispersion x mean

is fitted to all weeks of the past at once, for all series at once. Trend and waves are shrunken by their own evidence:
a wave no larger than its error is nearly left out, a clear one is kept as it is (empirical Bayes, as James and Stein
1961). So thin series stay steady, and thick ones lose nothing. Weeks that hardly happen by chance, earlier outbreaks,
are left out, and the dispersion is corrected for what chance itself loses by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.signals.distribution import count_quantile, count_tail
from models.signals.few_cases import as_lognormal, dispersion_law, outbreak_limits, thinness

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Waves a year.
MOST_WAVES: Final = 3
# Prior deviations before the evidence is looked at: of a wave (log scale) and of the trend (log scale a year).
_WAVE: Final = 1.0
_TREND: Final = 0.5
# Trend and season cannot be told apart by less than so many years.
_YEARS_FOR_TREND: Final = 3.0
_SPREAD_OVER_PAST: Final = 0.5  # cases added to a whole past, so that a past without any has a level
_STEPS: Final = 15
_SETTLED: Final = 1e-6
_FIXED: Final = 1e12  # a penalty that holds a coefficient at 0
_LARGEST_LOG: Final = 25.0
# An earlier week as improbable as this may be part of an outbreak.
OUTBREAK: Final = 0.005
# Two weeks together, as a share of that: most that are found by the pair are found by a week of it as well.
_PAIRS: Final = 0.5
# What pairs take from the variance besides: 0.4 to 2 % in simulations with means of 0.1 to 150, dispersions of 1 to 5.
_PAIRS_LOSE: Final = 0.01
# A week with fewer cases is no outbreak, however seldom there is any: else the thinnest series would lose them all.
_FEW: Final = 2.0
_MOST_LOST: Final = 0.5
_LEAST_DISPERSION: Final = 0.05
_LARGEST_MARGIN: Final = 3.0
# Where outbreaks are looked for at first no week holds more than this, and so many times what nine weeks in ten stay
# below: one week of ten thousand cases, a slip of the keyboard, else bends the waves until it is explained by them.
_LARGEST_AT_FIRST: Final = 20.0
_TIMES_AT_FIRST: Final = 8.0
_ROUNDS: Final = (5, 3, 3)  # steps at most before outbreaks are looked for anew
# Every so many weeks stand for all where an average over them is enough; not a divisor of the year.
_EVERY: Final = 23


@dataclass(frozen=True, slots=True)
class Fit:
    """What a past says; arrays by series first."""

    coefficients: Floats  # (n_series, n_columns)
    covariance: Floats  # (n_series, n_columns, n_columns), of the coefficients
    dispersion: Floats  # (n_series,) variance over mean; below 1 where counts vary less than Poisson's
    dispersion_sd: Floats  # (n_series,) of its logarithm
    left_out: Floats  # (n_series,) weeks taken for outbreaks
    cases: Floats  # (n_series,)
    # (n_series,) 1 or more: what the mean is multiplied by where tails are asked for; 1 but for few cases
    margin: Floats

    def expect(self, design: Floats) -> tuple[Floats, Floats]:
        """Mean, margin included, and squared relative error of weeks with these rows; each (n_weeks, n_series)."""
        log_mean = np.clip(design @ self.coefficients.T, -_LARGEST_LOG, _LARGEST_LOG)
        error = np.einsum("wp,spq,wq->ws", design, self.covariance, design, optimize=True)
        return np.exp(log_mean) * self.margin, error


def design_matrix(years: Floats, end: float, waves: int = MOST_WAVES) -> Floats:
    """Columns of the regression; (n_weeks, 2 + 2 x waves). `years`: time of each week, `end`: that of the newest."""
    angle = 2.0 * np.pi * years[:, None] * np.arange(1, waves + 1)
    turning = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(years), -1)
    return np.column_stack([np.ones(len(years)), years - end, turning])


def fit_seasonal(counts: Floats, design: Floats, *, outbreak: float = OUTBREAK) -> Fit:
    """Fit all series.

    Parameters
    ----------
    counts : (n_weeks, n_series), NaN where missing
    design : (n_weeks, n_columns), see `design_matrix`
    outbreak : weeks whose tail probability is smaller are left out

    Returns
    -------
    Fit. A series without any case gets the level of half a case in its whole past, not none.
    """
    seen = ~np.isnan(counts)
    y = np.where(seen, counts, 0.0).T
    y = np.ascontiguousarray(y + _SPREAD_OVER_PAST / np.maximum(seen.sum(axis=0), 1)[:, None])
    weight = np.ascontiguousarray(seen.T.astype(float))
    start = _prior(design.shape[1], _span(seen, design[:, 1]))
    b = np.zeros((len(y), design.shape[1]))
    phi = np.ones(len(y))
    use = weight
    moments = np.zeros((2, len(y)))
    counted = y
    y = _without_slips(y, weight)
    b[:, 0] = np.log((y * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1.0))
    for steps in _ROUNDS:
        b, mean = _settle(y, use, design, b, start * phi[:, None], steps)
        phi, _ = _dispersion(y, mean, use, design.shape[1], moments)
        y = counted
        # The mean of what is left is lower than the mean of all, by as much as leaving out takes from chance alone.
        whole = mean / (1.0 - moments[0])[:, None]
        use = weight * ~_outbreaks(y, whole, phi, outbreak)
        moments = _lost_to_chance(whole, phi, outbreak)
    # By the coefficients before any shrinkage: shrunken ones would be shrunken again.
    penalty = _evidence(b, _information(mean * use, design), phi, start)
    b, mean = _settle(y, use, design, b, penalty * phi[:, None], _STEPS)
    phi, sd = _dispersion(y, mean, use, design.shape[1], moments)
    b[:, 0] -= np.log1p(-moments[0])
    cases = (y * weight).sum(axis=1)
    typical = phi.copy()
    few = np.flatnonzero(thinness(cases) > 0.0)
    if len(few):
        whole = mean[few] / (1.0 - moments[0, few])[:, None]
        found = _of_few_cases((y[few], whole, weight[few], use[few]), phi[few], sd[few], cases[few], outbreak)
        phi[few], sd[few], typical[few] = found
    information = _information(mean * use, design)
    covariance = typical[:, None, None] * np.linalg.inv(information + _diagonal(penalty * typical[:, None]))
    # Errors of the level make tails right on average only if the mean is raised by their square.
    margin = 1.0 + thinness(cases) * np.minimum(covariance[:, 0, 0], _LARGEST_MARGIN)
    return Fit(b, covariance, phi, sd, (weight - use).sum(axis=1), cases, margin)


def _of_few_cases(
    past: tuple[Floats, Floats, Floats, Floats], phi: Floats, sd: Floats, cases: Floats, outbreak: float
) -> tuple[Floats, Floats, Floats]:
    """Dispersion, deviation of its logarithm, and its mean, by `few_cases` as far as cases are few; (n_series,) each.

    `past`: counts, means, and which weeks have a count and are used; (n_series, n_weeks).
    """
    y, whole, seen, use = past
    counts = np.floor(y + 1e-9) * seen
    left_out = (seen > use) & (counts > 0.0)
    limits = outbreak_limits(whole, phi, outbreak, left_out)
    law = dispersion_law(counts, whole, seen, beyond=(left_out, limits))
    middle, deviation = as_lognormal(law)
    # A series without a case has no squared residual: the law is all there is then.
    share, residuals = thinness(cases), np.log(np.maximum(phi, _LEAST_DISPERSION)) + sd**2 / 2.0
    middle = share * middle + (1.0 - share) * residuals
    deviation = share * deviation + (1.0 - share) * sd
    return np.exp(middle - deviation**2 / 2.0), deviation, np.exp(middle + deviation**2 / 2.0)


def _without_slips(y: Floats, weight: Floats) -> Floats:
    """The counts, none above what no outbreak reaches; the same array where there is nothing to cut."""
    most = np.max(y * weight, axis=1, initial=0.0)
    if not (most > _LARGEST_AT_FIRST).any():
        return y
    usual = np.quantile(np.where(weight > 0.0, y, 0.0), 0.9, axis=1)
    limit = _LARGEST_AT_FIRST + _TIMES_AT_FIRST * usual
    return np.minimum(y, limit[:, None]) if (most > limit).any() else y


def _lost_to_chance(mean: Floats, phi: Floats, level: float) -> Floats:
    """Shares of the mean and of the variance that weeks above the limit hold when nothing but chance is at work.

    From the truncated moments of the negative binomial, over a sample of the weeks, and a constant for the pairs;
    (2, n_series).
    """
    some = mean[:, ::_EVERY]
    variance = np.maximum(phi, 1.0 + 1e-6)[:, None] * some
    limit = count_quantile(1.0 - level, some.ravel(), variance.ravel()).reshape(some.shape) + 1.0
    limit = np.maximum(limit, _FEW)
    size = some**2 / (variance - some)
    share = some / (some + size)
    above = special.betainc(limit, size, share)
    first = some * special.betainc(np.maximum(limit - 1.0, 1e-9), size + 1.0, share)
    second = some**2 * (1.0 + 1.0 / size) * special.betainc(np.maximum(limit - 2.0, 1e-9), size + 2.0, share)
    kept = 1.0 - above
    mean_kept = (some - first) / kept
    square_kept = (variance + some**2 - second - first) / kept
    variance_kept = square_kept - mean_kept**2
    lost_mean = 1.0 - (mean_kept / some)
    lost_variance = 1.0 - variance_kept / variance
    says = some / some.sum(axis=1, keepdims=True)
    both = np.stack([(lost_mean * says).sum(axis=1), (lost_variance * says).sum(axis=1) + _PAIRS_LOSE])
    lost: Floats = np.minimum(both, _MOST_LOST)
    return lost


def _span(seen: Bools, years: Floats) -> Floats:
    """Years from the first to the last week with a count; (n_series,)."""
    if seen.all():
        return np.full(seen.shape[1], np.ptp(years))
    return np.array([np.ptp(years[one]) if one.any() else 0.0 for one in seen.T])


def _prior(columns: int, span: Floats) -> Floats:
    """Penalties before any evidence; (n_series, n_columns)."""
    penalty = np.full((len(span), columns), 1.0 / _WAVE**2)
    penalty[:, 0] = 1e-6
    penalty[:, 1] = np.where(span >= _YEARS_FOR_TREND - 0.1, 1.0 / _TREND**2, _FIXED)
    return penalty


def _settle(y: Floats, use: Floats, design: Floats, b: Floats, penalty: Floats, steps: int) -> tuple[Floats, Floats]:
    """Newton steps on the penalised quasi-likelihood until they move nothing, or so many."""
    for _ in range(steps):
        mean = np.exp(np.clip(b @ design.T, -_LARGEST_LOG, _LARGEST_LOG))
        gradient = ((y - mean) * use) @ design - penalty * b
        matrix = _information(mean * use, design) + _diagonal(penalty)
        step = np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0]
        # Far from the answer a full step of a log-linear model can overshoot by orders of magnitude.
        step /= np.maximum(np.abs(step).max(axis=1) / 2.0, 1.0)[:, None]
        b = b + step
        if np.abs(step).max() < _SETTLED:
            break
    return b, np.exp(np.clip(b @ design.T, -_LARGEST_LOG, _LARGEST_LOG))


def _information(weight: Floats, design: Floats) -> Floats:
    columns = design.shape[1]
    rows, others = np.triu_indices(columns)
    # Single precision: it only steers the steps and measures errors.
    flat = weight.astype(np.float32) @ (design[:, rows] * design[:, others]).astype(np.float32)
    matrix = np.empty((len(weight), columns, columns))
    matrix[:, rows, others] = flat
    matrix[:, others, rows] = flat
    return matrix


def _diagonal(penalty: Floats) -> Floats:
    return penalty[:, :, None] * np.eye(penalty.shape[1])


def _dispersion(y: Floats, mean: Floats, use: Floats, columns: int, lost: Floats) -> tuple[Floats, Floats]:
    """Variance over mean, and the deviation of its logarithm: squared residuals, weighted by what each of them says.

    `lost`: what leaving out takes from the mean and the variance by chance, given back here.
    """
    weeks = use.sum(axis=1)
    square = use * (y - mean) ** 2 / mean * (weeks / np.maximum(weeks - columns, 1.0))[:, None]
    phi = square.sum(axis=1) / np.maximum(weeks, 1.0)
    for _ in range(2):
        # Variance of a squared residual of a negative binomial count: 2 plus the excess kurtosis.
        says = use / (2.0 + (6.0 * (np.maximum(phi, 1.0) - 1.0) + 1.0 / np.maximum(phi, 1.0))[:, None] / mean)
        total = says.sum(axis=1)
        phi = (says * square).sum(axis=1) / np.maximum(total, 1e-9)
    return phi * (1.0 - lost[0]) / (1.0 - lost[1]), np.sqrt(np.log1p(1.0 / np.maximum(total, 1e-9)))


def _evidence(b: Floats, information: Floats, phi: Floats, start: Floats) -> Floats:
    """Penalties by evidence: a wave's prior variance is its square less what its error adds to that."""
    error = phi[:, None] * np.diagonal(np.linalg.inv(information + _diagonal(start * phi[:, None])), axis1=1, axis2=2)
    square = b**2
    variance = np.empty_like(b)
    variance[:, 0] = np.inf
    # By a single coefficient the error cannot be told from the effect: its square is taken whole.
    variance[:, 1] = np.maximum(square[:, 1], error[:, 1] / 4.0)
    pairs, errors = square[:, 2:].reshape(len(b), -1, 2).mean(axis=2), error[:, 2:].reshape(len(b), -1, 2).mean(axis=2)
    variance[:, 2:] = np.repeat(np.maximum(pairs - errors, errors / 4.0), 2, axis=1)
    return np.maximum(start, 1.0 / variance)


def _outbreaks(y: Floats, mean: Floats, phi: Floats, level: float) -> Bools:
    """Weeks with more cases than chance gives at this level, by themselves or with a neighbour."""
    found = _beyond(y, mean, phi, level, _FEW)
    pair = _beyond(y[:, 1:] + y[:, :-1], mean[:, 1:] + mean[:, :-1], phi, level * _PAIRS, _FEW + 1.0)
    found[:, 1:] |= pair
    found[:, :-1] |= pair
    return found


def _beyond(y: Floats, mean: Floats, phi: Floats, level: float, least: float) -> Bools:
    phi = np.maximum(phi, 1.0)
    found: Bools = (y - mean > 2.0 * np.sqrt(phi[:, None] * mean)) & (y >= least)
    series, week = np.nonzero(found)
    m = mean[series, week]
    found[series, week] = count_tail(np.floor(y[series, week] + 1e-9), m, phi[series] * m) < level
    return found
