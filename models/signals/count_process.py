"""The process behind one series of counts, as far as its counts tell: level, season, trend, and how much they vary.

A count of week t is taken as negative binomial with mean mu_t and variance phi x mu_t, where log mu_t is a level, and
perhaps a straight trend and one or two yearly waves. New series "like these" can then be drawn, as often as wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from data.errors import NotEnoughDataError

Floats = NDArray[np.float64]

# log phi: evenly from Poisson (0) to counts that vary thirty times as much.
_LOG_PHI: Final = np.linspace(0.0, np.log(30.0), 69)
# Density exp(-2 log phi) before any count is seen: half of all series vary less than 1.4 times as chance makes them. It
# decides only where a few dozen cases leave everything open.
_PRIOR_RATE: Final = 2.0
# Counts of independent reports vary exactly as chance makes them: that one value weighs as much as five others.
_PRIOR_POISSON: Final = 5.0
_MOST_STEPS: Final = 50
_NEARLY_POISSON: Final = 1e-6


@dataclass(frozen=True, slots=True)
class CountProcess:
    """Counts with these means and this dispersion.

    Attributes
    ----------
    past : (n_weeks,) mean of every week of the record
    ahead : (n_ahead,) mean of every week after it
    seen : (n_weeks,) False where the record has no count; series drawn have none there either
    dispersion : variance over mean, at least 1
    level_sd : standard error of the log level
    dispersion_sd : the same of the log dispersion
    waves : 0, 1 or 2 yearly waves
    trend : whether the level moves along a straight line (on the log scale)
    """

    past: Floats
    ahead: Floats
    seen: NDArray[np.bool_]
    dispersion: float
    level_sd: float = 0.0
    dispersion_sd: float = 0.0
    waves: int = 0
    trend: bool = False

    @property
    def level(self) -> float:
        """Cases a week over the weeks ahead."""
        return float(self.ahead.mean())

    def varied(self, level: float, dispersion: float) -> CountProcess:
        """The same with level and dispersion times these factors; no dispersion falls below Poisson."""
        return replace(
            self,
            past=self.past * level,
            ahead=self.ahead * level,
            dispersion=max(self.dispersion * dispersion, 1.0),
        )

    def draw(self, n_series: int, rng: np.random.Generator) -> Floats:
        """New records of this process; (n_weeks, n_series), NaN where the record has no count."""
        drawn = draw_counts(np.broadcast_to(self.past[:, None], (len(self.past), n_series)), self.dispersion, rng)
        drawn[~self.seen] = np.nan
        return drawn


def draw_counts(mean: Floats, dispersion: float, rng: np.random.Generator) -> Floats:
    """Negative binomial counts with these means and this variance over mean."""
    excess = dispersion - 1.0
    if excess < _NEARLY_POISSON:
        return rng.poisson(mean).astype(float)
    return rng.poisson(rng.gamma(np.maximum(mean / excess, 1e-12)) * excess).astype(float)


def fit_process(counts: Floats, ahead: int, *, period: int = 52) -> CountProcess:
    """Estimate the process of one series, and carry it on for so many weeks.

    Parameters
    ----------
    counts : (n_weeks,), NaN where missing
    ahead : weeks after the record
    period : weeks (or other steps) in a year

    Waves and trend are looked for from two years on, and kept where they pay for themselves (a quasi-likelihood BIC).
    Past outbreaks are not taken out: they make the counts vary more, and so the plan more cautious.

    Raises
    ------
    NotEnoughDataError
        If there is no case in the record, or there are fewer than three counts.
    """
    seen = ~np.isnan(counts)
    if seen.sum() < 3 or np.nansum(counts) <= 0:
        raise NotEnoughDataError(
            "Expected a record with at least three weeks and one case: without any, nothing says what is usual."
        )
    weeks = np.arange(len(counts) + ahead)
    start = int(np.argmax(seen))
    long = len(counts) - start >= 2 * period
    shapes = [(0, False), (1, False), (2, False), (0, True), (1, True), (2, True)] if long else [(0, False)]
    fits = [_fit(_design(weeks, shape, period), counts, seen) for shape in shapes]
    # Of thin counts the deviance says too little of how much they vary; a wave would then be seen in every clump.
    full = fits[-1]
    spare = max(int(seen.sum()) - full.parameters, 1)
    scale = max(full.deviance / spare, _dispersion(counts[seen], full.mean[: len(counts)][seen], full.parameters)[0])
    cost = [one.deviance / scale + one.parameters * np.log(seen.sum()) for one in fits]
    best = int(np.argmin(cost))
    chosen, (waves, trend) = fits[best], shapes[best]
    usual = chosen.mean[: len(counts)]
    dispersion, spread = _dispersion(counts[seen], usual[seen], chosen.parameters)
    # A trend that leads beyond all that was ever seen is not believed.
    top = float(usual.max())
    return CountProcess(
        past=usual,
        ahead=np.minimum(chosen.mean[len(counts) :], top),
        seen=seen,
        dispersion=dispersion,
        level_sd=float(np.sqrt(dispersion / counts[seen].sum())),
        dispersion_sd=spread,
        waves=waves,
        trend=trend,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    mean: Floats
    deviance: float
    parameters: int


def _design(weeks: NDArray[np.int64], shape: tuple[int, bool], period: int) -> Floats:
    waves, trend = shape
    columns = [np.ones(len(weeks))]
    if trend:
        columns.append((weeks - weeks.mean()) / len(weeks))
    for wave in range(1, waves + 1):
        turn = 2.0 * np.pi * wave * weeks / period
        columns += [np.cos(turn), np.sin(turn)]
    return np.column_stack(columns)


def _fit(design: Floats, counts: Floats, seen: NDArray[np.bool_]) -> _Fit:
    """Poisson regression on the log scale by weighted least squares; its means are right whatever the dispersion."""
    rows, y = design[: len(counts)][seen], counts[seen]
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(y.mean())
    deviance = np.inf
    for _ in range(_MOST_STEPS):
        mean = np.exp(np.clip(rows @ coefficients, -30.0, 30.0))
        now = float(2.0 * (special.xlogy(y, np.where(y > 0, y, 1.0) / mean) - (y - mean)).sum())
        if abs(deviance - now) < 1e-8 * (abs(now) + 0.1):
            break
        deviance = now
        step = np.linalg.lstsq((rows.T * mean) @ rows, rows.T @ (y - mean), rcond=None)[0]
        coefficients = coefficients + np.clip(step, -2.0, 2.0)
    return _Fit(np.exp(np.clip(design @ coefficients, -30.0, 30.0)), now, design.shape[1])


def _dispersion(counts: Floats, mean: Floats, parameters: int) -> tuple[float, float]:
    """Variance over mean and the standard deviation of its logarithm: centre and spread of their posterior.

    The likelihood is that of the negative binomial at the fitted means, adjusted for the parameters that were fitted to
    the same counts (Cox and Reid 1987). Pearson's statistic would say as much of thick counts, and far less of thin
    ones.
    """
    phi = np.exp(_LOG_PHI[1:])
    size = mean[:, None] / (phi - 1.0)
    log_likelihood = (
        special.gammaln(counts[:, None] + size)
        - special.gammaln(size)
        - size * np.log(phi)
        + counts[:, None] * np.log1p(-1.0 / phi)
    ).sum(axis=0)
    poisson = float((special.xlogy(counts, mean) - mean).sum())
    log_posterior = np.concatenate([[poisson], log_likelihood]) + (0.5 * parameters - _PRIOR_RATE) * _LOG_PHI
    weight = np.exp(log_posterior - log_posterior.max())
    weight[0] *= _PRIOR_POISSON
    weight /= weight.sum()
    centre = float(weight @ _LOG_PHI)
    return float(np.exp(centre)), float(np.sqrt(weight @ (_LOG_PHI - centre) ** 2))
