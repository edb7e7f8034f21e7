"""Quasi-Poisson regression of many count series at once, by the weighted least-squares steps of Fisher scoring.

The model is that of seasonal surveillance: log mean = effect of the season, plus perhaps a straight line in time. Its
normal equations need no matrix: within a season everything is a weighted mean, and the slope is the one of deviations
from those means. So a step over all series is a handful of sums, and stays exact where a season holds no case and its
mean runs towards zero.
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

# The stopping rule is part of the published figures: standard errors and leverages belong to the last step taken, so
# another rule gives other digits. These are the usual ones of generalised linear models.
_TOLERANCE: Final = 1e-8
_MAX_STEPS: Final = 25


@dataclass(frozen=True, slots=True)
class SeasonalFit:
    """A fit of one regression per series; NaN throughout where it did not converge.

    `season_weight` and `season_time` (sum of weights, weighted mean time) and `slope_information` belong to the last
    step, and say how certain the estimates are.
    """

    mean: Floats  # (n_series, n_points)
    leverage: Floats  # (n_series, n_points)
    season_effect: Floats  # (n_series, n_seasons), at time 0
    slope: Floats  # (n_series,); NaN without a trend
    season_weight: Floats  # (n_series, n_seasons)
    season_time: Floats  # (n_series, n_seasons)
    slope_information: Floats  # (n_series,); infinite without a trend
    dispersion: Floats  # (n_series,) Pearson's, not floored at 1
    residual_df: Floats  # (n_series,)
    converged: Bools  # (n_series,)

    def log_mean(self, time: Floats) -> Floats:
        """Log mean of season 0 at `time` (n_series,), without offset; NaN where the season had no point."""
        level = np.where(self.season_weight[:, 0] > 0.0, self.season_effect[:, 0], np.nan)
        return level + np.where(np.isnan(self.slope), 0.0, self.slope) * time

    def variance(self, time: Floats) -> Floats:
        """Variance of `log_mean(time)` per unit of dispersion."""
        off = time - self.season_time[:, 0]
        variance: Floats = 1.0 / self.season_weight[:, 0] + off**2 / self.slope_information
        return variance


def fit_seasonal(
    counts: Floats,
    seasons: Ints,
    times: Floats | None,
    weights: Floats,
    offset: Floats | None = None,
    *,
    settle: bool = False,
) -> SeasonalFit:
    """Fit log(mean) = effect[season] + slope x time + offset to every row of `counts`.

    Parameters
    ----------
    counts : (n_series, n_points)
        Not negative. What stands where the weight is 0 does not matter, but must not be NaN.
    seasons : (n_points,) integers 0..n_seasons-1, each used
    times : (n_points,), or None for a model without trend
    weights : (n_series, n_points)
        Prior weights; 0 leaves a point out.
    offset : (n_series, n_points) or None
    settle : bool
        Say how certain the estimates are at the means found. False: at those one step before, as the usual programs do;
        published figures rest on that.

    Returns
    -------
    SeasonalFit
        A season without any weighted point takes no degree of freedom.
    """
    order = np.argsort(seasons, kind="stable")
    back = np.argsort(order, kind="stable")
    shift = np.zeros_like(counts) if offset is None else offset
    steps = _Steps(
        counts[:, order],
        seasons[order],
        None if times is None else times[order],
        weights[:, order],
        shift[:, order],
    )
    active = np.arange(len(counts))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for _ in range(_MAX_STEPS):
            active = active[~steps.take(active)]
            if len(active) == 0:
                break
        converged = np.ones(len(counts), dtype=bool)
        converged[active] = False
        if settle:
            steps.settle()
        return steps.result(converged, back)


class _Steps:
    """The state of all series between steps, points in season order; a settled series is not touched again."""

    def __init__(self, counts: Floats, seasons: Ints, times: Floats | None, weights: Floats, shift: Floats) -> None:
        n_series, n_points = counts.shape
        n_seasons = int(seasons[-1]) + 1
        self.counts, self.weights, self.shift = counts, weights, shift
        self.trend = times is not None
        self.times = np.zeros(n_points) if times is None else times
        self.starts = np.searchsorted(seasons, np.arange(n_seasons))
        self.sizes = np.bincount(seasons)
        self.mean = counts + 0.1
        self.eta = np.log(self.mean)
        # What the log-likelihood would be at the counts themselves; the deviance is measured from there.
        self.best = (weights * (special.xlogy(counts, counts) - counts)).sum(axis=1)
        self.deviance = self._deviance(slice(None), self.eta, self.mean)
        self.working = np.zeros((n_series, n_points))
        self.effect, self.season_weight, self.season_time = (np.zeros((n_series, n_seasons)) for _ in range(3))
        self.slope = np.zeros(n_series)
        self.information = np.full(n_series, np.inf)

    def take(self, rows: Ints) -> Bools:
        """One step for the series `rows`; says which of them have settled."""
        part: slice | Ints = slice(None) if len(rows) == len(self.counts) else rows
        y, mean, eta, weights = self.counts[part], self.mean[part], self.eta[part], self.weights[part]
        working = weights * mean
        # Weight times working response: mean x (eta - offset) + (y - mean), free of a division.
        pull = weights * (mean * (eta - self.shift[part]) + y - mean)
        total = self._by_season(working)
        safe = np.where(total > 0.0, total, 1.0)
        effect = self._by_season(pull) / safe
        eta = self.shift[part]
        slope = np.zeros(len(rows))
        if self.trend:
            season_time = self._by_season(working * self.times) / safe
            off = self.times - self._spread(season_time)
            information = (working * off**2).sum(axis=1)
            slope = (pull * off).sum(axis=1) / information
            effect -= slope[:, None] * season_time
            self.season_time[part], self.information[part] = season_time, information
            eta = eta + slope[:, None] * self.times
        eta = eta + self._spread(effect)
        # exp() must not overflow in a series that runs away; it will then not settle and be reported so.
        mean = np.exp(np.clip(eta, -300.0, 300.0))
        deviance = self._deviance(part, eta, mean)
        change = np.abs(deviance - self.deviance[part]) / (np.abs(deviance) + 0.1)
        self.working[part], self.season_weight[part], self.effect[part] = working, total, effect
        self.slope[part], self.eta[part], self.mean[part] = slope, eta, mean
        self.deviance[part] = deviance
        settled: Bools = change < _TOLERANCE
        return settled

    def settle(self) -> None:
        """Weights, and what follows from them, at the means of the last step."""
        self.working = self.weights * self.mean
        self.season_weight = self._by_season(self.working)
        if self.trend:
            safe = np.where(self.season_weight > 0.0, self.season_weight, 1.0)
            self.season_time = self._by_season(self.working * self.times) / safe
            off = self.times - self._spread(self.season_time)
            self.information = (self.working * off**2).sum(axis=1)

    def _deviance(self, part: slice | Ints, eta: Floats, mean: Floats) -> Floats:
        fit = (self.weights[part] * (self.counts[part] * eta - mean)).sum(axis=1)
        deviance: Floats = 2.0 * (self.best[part] - fit)
        return deviance

    def _spread(self, by_season: Floats) -> Floats:
        """Values per season, laid out over the points; (rows, n_seasons) to (rows, n_points)."""
        return np.repeat(by_season, self.sizes, axis=1)

    def _by_season(self, values: Floats) -> Floats:
        sums: Floats = np.add.reduceat(values, self.starts, axis=1)
        return sums

    def result(self, converged: Bools, back: Ints) -> SeasonalFit:
        seen = self.weights > 0.0
        seasons_seen = np.logical_or.reduceat(seen, self.starts, axis=1).sum(axis=1)
        residual_df = (seen.sum(axis=1) - seasons_seen - int(self.trend)).astype(float)
        lost = np.where(converged, 0.0, np.nan)
        square = self.working * ((self.counts - self.mean) / self.mean) ** 2
        leverage = self._leverage()
        dispersion = np.where(residual_df > 0, square.sum(axis=1) / residual_df, np.nan)
        return SeasonalFit(
            mean=self.mean[:, back] + lost[:, None],
            leverage=leverage[:, back] + lost[:, None],
            season_effect=self.effect + lost[:, None],
            slope=self.slope + (lost if self.trend else np.nan),
            season_weight=self.season_weight,
            season_time=self.season_time,
            slope_information=self.information,
            dispersion=dispersion + lost,
            residual_df=residual_df,
            converged=converged,
        )

    def _leverage(self) -> Floats:
        safe = np.where(self.season_weight > 0.0, self.season_weight, 1.0)
        off = self.times - self._spread(self.season_time)
        leverage = self.working * (1.0 / self._spread(safe) + off**2 / self.information[:, None])
        capped: Floats = np.minimum(leverage, 1.0)
        return capped
