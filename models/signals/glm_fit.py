"""What follows from the parameters of a seasonal regression: means, dispersion, leverage, and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.signals.glm_points import Design, Line, thirds
from models.signals.glm_search import Search

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SeasonalFit:
    """A fit of one regression per series; effects, slope and dispersions are NaN where it did not converge.

    `season_weight` and `season_time` (sum of weights, weighted mean time) and `slope_information` say how certain the
    estimates are.
    """

    mean: Floats  # (n_series, n_points)
    working: Floats  # (n_series, n_points) weights of the last step (or at the optimum)
    sixth_root: Floats  # (n_series, n_points) of the mean
    season_effect: Floats  # (n_series, n_seasons), at time 0
    slope: Floats  # (n_series,); NaN without a trend
    season_weight: Floats  # (n_series, n_seasons)
    season_time: Floats  # (n_series, n_seasons)
    slope_information: Floats  # (n_series,); infinite without a trend
    dispersion: Floats  # (n_series,) Pearson's, not floored at 1
    prior_dispersion: Floats  # (n_series,) the same with prior weights in place of the working weights
    residual_df: Floats  # (n_series,)
    converged: Bools  # (n_series,)
    design: Design

    @classmethod
    def of(cls, search: Search, converged: Bools) -> SeasonalFit:
        """What follows from the parameters found."""
        design, model, line, trend = search.design, search.model, search.line, search.trend
        lost = np.where(converged, 0.0, np.nan)
        sixth = _root_of_mean(search, line, 6.0)
        mean = sixth * sixth
        mean *= mean * mean
        if search.before is line:
            # Copied where it would be the means themselves: those are marked NaN where the fit got nowhere.
            working = mean if search.weights is None else search.weights * mean
        else:
            working = _root_of_mean(search, search.before, 1.0)
            first = np.isnan(search.before.slope)
            if first.any():
                working[first] = model.counts[first] + 0.1
            if search.weights is not None:
                working *= search.weights
        relative = (model.counts - mean) / mean
        relative *= relative
        df, prior = _degrees(search), search.weights
        weight, time, information = _certainty(search, working)
        pearson = np.einsum("sp,sp->s", working, relative)
        unweighted = relative.sum(axis=1) if prior is None else np.einsum("sp,sp->s", prior, relative)
        share = np.where(df > 0.0, 1.0 / df, np.nan) + lost
        slope = line.slope + (lost if trend else np.nan)
        return cls(
            mean=mean,
            working=working,
            sixth_root=sixth,
            season_effect=line.effect - (line.slope * design.centre)[:, None] + lost[:, None],
            slope=slope,
            season_weight=weight,
            season_time=time + design.centre,
            slope_information=information,
            dispersion=pearson * share,
            prior_dispersion=unweighted * share,
            residual_df=df,
            converged=converged,
            design=design,
        )

    def log_mean(self, time: Floats) -> Floats:
        """Log mean of season 0 at `time` (n_series,), without offset; NaN where the season had no point."""
        level = np.where(self.season_weight[:, 0] > 0.0, self.season_effect[:, 0], np.nan)
        return level + np.where(np.isnan(self.slope), 0.0, self.slope) * time

    def variance(self, time: Floats) -> Floats:
        """Variance of `log_mean(time)` per unit of dispersion."""
        off = time - self.season_time[:, 0]
        variance: Floats = 1.0 / self.season_weight[:, 0] + off**2 / self.slope_information
        return variance

    @property
    def leverage(self) -> Floats:
        """How far every point draws its own mean, 0 to 1; (n_series, n_points)."""
        safe = np.where(self.season_weight > 0.0, self.season_weight, 1.0)
        leverage = self.design.spread(1.0 / safe)
        if np.isfinite(self.slope_information).any():
            off = self.design.spread(self.season_time - self.design.centre)
            np.subtract(self.design.time, off, out=off)
            off *= off
            off *= (1.0 / self.slope_information)[:, None]
            leverage += off
        leverage *= self.working
        return np.minimum(leverage, 1.0, out=leverage)


def _root_of_mean(search: Search, line: Line, root: float) -> Floats:
    """That root of the mean at every point; NaN in a season stays in its series."""
    values: Floats
    offset = search.model.offset
    if not search.trend and offset is None:
        return search.design.spread(np.exp(line.effect / root))
    values = search.design.spread(line.effect / root)
    if search.trend:
        values += np.einsum("s,p->sp", line.slope / root, search.design.time)
    if offset is not None:
        values += offset / root
    return np.exp(values, out=values)


def _degrees(search: Search) -> Floats:
    """Points less terms; a season without any weighted point takes none. (n_series,)"""
    seasons = search.design.seasons
    if search.weights is None:
        return np.full(len(search.cases), float(len(seasons) - seasons.shape[1] - search.trend))
    seen = (search.weights > 0.0).astype(float)
    points: Floats = seen.sum(axis=1) - ((seen @ seasons) > 0.0).sum(axis=1) - search.trend
    return points


def _certainty(search: Search, working: Floats) -> tuple[Floats, Floats, Floats]:
    """Weight and mean time of every season, and information on the slope, under the working weights."""
    if not search.trend:
        weight: Floats = working @ search.design.seasons
        return weight, np.zeros_like(weight), np.full(len(weight), np.inf)
    weight, first, second = thirds(working @ search.design.sums)
    time = first / np.where(weight > 0.0, weight, 1.0)
    return weight, time, (second - first * time).sum(axis=1)
