"""Quasi-Poisson regression of many count series at once: seasonal levels and perhaps a straight line in time.

The model is that of seasonal surveillance: log mean = effect of the season (+ slope x time) (+ offset). Its normal
equations need no matrix: within a season everything is a weighted mean, and the slope is that of deviations from those
means. And its means are known from a handful of parameters, so a step looks at single weeks only through their sums by
season, which are one matrix product for all series.

Two ways to the answer. The *steps* of Fisher scoring from the usual start, for figures that rest on where the usual
programs stop; and the *optimum* itself: levels are ratios of sums, and what is left is one equation in the slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# The stopping rule is part of the published figures: standard errors and leverages belong to the last step taken, so
# another rule gives other digits. These are the usual ones of generalised linear models.
_TOLERANCE: Final = 1e-8
_MAX_STEPS: Final = 25
# Of the optimum: a last step that moves no week's log mean by more than this leaves an error of its square.
_SMALL_MOVE: Final = 1e-8
_LARGEST_MOVE: Final = 2.0
# Series whose points fit into the processor's cache together.
_CHUNK: Final = 64
# Cases that a season without a case is taken to hold, so that logarithms stay finite; no figure depends on it.
_ALMOST_NONE: Final = 1e-10


@dataclass(frozen=True, slots=True)
class _Design:
    """Seasons and times of the points, as matrices that sum over points and spread over them."""

    seasons: Floats  # (n_points, n_seasons), 1 where the point lies in the season
    laid_out: Floats  # the same turned, (n_seasons, n_points)
    time: Floats  # (n_points,) measured from `centre`
    centre: float
    sums: Floats  # (n_points, 3 n_seasons): seasons, seasons x time, seasons x time squared

    @classmethod
    def of(cls, seasons: Ints, times: Floats | None) -> _Design:
        inside = (seasons[:, None] == np.arange(int(seasons.max()) + 1)).astype(float)
        centre = 0.0 if times is None else float(times.mean())
        time = np.zeros(len(seasons)) if times is None else times - centre
        sums = np.hstack([inside, inside * time[:, None], inside * (time**2)[:, None]])
        return cls(inside, np.ascontiguousarray(inside.T), time, centre, sums)

    def spread(self, by_season: Floats) -> Floats:
        """Values per season laid out over the points; (n_series, n_seasons) to (n_series, n_points)."""
        laid: Floats = by_season @ self.laid_out
        return laid


@dataclass(frozen=True, slots=True)
class _Line:
    """Effect of every season (at the centre of time) and slope; (n_series, n_seasons) and (n_series,)."""

    effect: Floats
    slope: Floats

    def rows(self, rows: Ints) -> _Line:
        return _Line(self.effect[rows], self.slope[rows])

    def put(self, rows: Ints, other: _Line) -> None:
        self.effect[rows], self.slope[rows] = other.effect, other.slope


class SeasonalCounts:
    """Counts of many series at the same points, ready to be fitted with several weights.

    Parameters
    ----------
    counts : (n_series, n_points)
        Not negative. What stands where a weight is 0 does not matter, but must not be NaN.
    seasons : (n_points,) integers 0..n_seasons-1, each used
    times : (n_points,), or None if no trend will be asked for
    offset : (n_series, n_points) or None
    """

    def __init__(self, counts: Floats, seasons: Ints, times: Floats | None, offset: Floats | None = None) -> None:
        self.counts = counts
        self.offset = offset
        self.design = _Design.of(seasons, times)

    @cached_property
    def two_thirds(self) -> Floats:
        """Counts to the power 2/3."""
        root = np.cbrt(self.counts)
        root *= root
        return root

    @cached_property
    def _log(self) -> Floats:
        return np.log(self.counts + 0.1)

    @cached_property
    def start_pull(self) -> Floats:
        """Weight times working response at the start of the steps, the mean y + 0.1."""
        log = self._log if self.offset is None else self._log - self.offset
        return (self.counts + 0.1) * log - 0.1

    @cached_property
    def start_deviance(self) -> Floats:
        """Half the deviance of every point at the start."""
        half: Floats = self.counts * (np.log(np.maximum(self.counts, 1e-300)) - self._log) + 0.1
        return half

    @cached_property
    def saturated(self) -> Floats:
        """Log likelihood of every point at its own count, measured from that of the offset alone."""
        best: Floats = self.counts * (np.log(np.maximum(self.counts, 1e-300)) - 1.0)
        return best if self.offset is None else best - self.counts * self.offset

    def rows(self, rows: Ints) -> SeasonalCounts:
        """The same for some of the series."""
        part = object.__new__(SeasonalCounts)
        part.design = self.design
        part.offset = None if self.offset is None else self.offset[rows]
        for name, value in self.__dict__.items():
            if name not in {"design", "offset"}:
                part.__dict__[name] = value[rows]
        return part

    def fit(
        self, weights: Floats | None = None, *, trend: bool, settle: bool = False, start: Floats | None = None
    ) -> SeasonalFit:
        """Fit every series.

        Parameters
        ----------
        weights : (n_series, n_points) or None
            Prior weights; 0 leaves a point out. None: 1 everywhere.
        trend : bool
            With a slope in time.
        settle : bool
            Find the optimum, and say how certain the estimates are there. False: take the usual steps and say it at the
            means one step before, as the usual programs do; published figures rest on that.
        start : (n_series,) or None
            Slopes to begin the search for the optimum from; not used by the steps.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            search = _Search(self, weights, trend=trend)
            converged = search.settle(start) if settle else search.step()
            return SeasonalFit.of(search, converged)


class _Search:
    """One fit of all series: the sums that do not change, and the parameters found."""

    def __init__(self, model: SeasonalCounts, weights: Floats | None, *, trend: bool) -> None:
        self.model, self.design, self.weights, self.trend = model, model.design, weights, trend
        design = model.design
        n_series, n_seasons = len(model.counts), design.seasons.shape[1]
        # Expected counts at a log mean of zero.
        self.heads = weights if model.offset is None else self.weighted(np.exp(model.offset))
        told = self.weighted(model.counts)
        self.cases: Floats = told @ design.seasons
        self.cases_time: Floats = told @ design.time if trend else np.zeros(n_series)
        self.levels = None if trend else self._summed(self.heads, design.seasons)
        self.line = _Line(np.zeros((n_series, n_seasons)), np.zeros(n_series))
        self.before = _Line(np.zeros((n_series, n_seasons)), np.zeros(n_series))

    def weighted(self, values: Floats) -> Floats:
        """Weight times value."""
        return values if self.weights is None else self.weights * values

    def _summed(self, values: Floats | None, columns: Floats) -> Floats:
        if values is None:
            return np.broadcast_to(columns.sum(axis=0), (len(self.model.counts), columns.shape[1]))
        total: Floats = values @ columns
        return total

    def moments(self, slope: Floats, rows: Ints | None = None) -> tuple[Floats, ...]:
        """Sums by season of exp(slope x time) x 1, time, time squared for the series `rows` (all of them).

        Without a trend the first of them alone.
        """
        if self.levels is not None:
            return (self.levels if rows is None else self.levels[rows],)
        sums = np.empty((len(slope), self.design.sums.shape[1]))
        for begin in range(0, len(slope), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            grown = np.einsum("s,p->sp", slope[part], self.design.time)
            np.exp(grown, out=grown)
            if self.heads is not None:
                grown *= self.heads[part] if rows is None else self.heads[rows[part]]
            np.matmul(grown, self.design.sums, out=sums[part])
        return _thirds(sums)

    # --- the optimum -------------------------------------------------------------------------------------------------

    def settle(self, start: Floats | None) -> Bools:
        """Find the optimum; says for which series there is one."""
        found: Bools = self.cases.sum(axis=1) > 0.0
        if self.trend:
            total, settled = self._settle_slope(start)
            found = found & settled
        else:
            total = self.moments(self.line.slope)[0]
        held = np.maximum(self.cases, _ALMOST_NONE)
        self.line.effect[:] = np.where(total > 0.0, np.log(held / np.where(total > 0.0, total, 1.0)), 0.0)
        self.before = self.line
        return found

    def _settle_slope(self, start: Floats | None) -> tuple[Floats, Bools]:
        """Newton's steps on the slope alone: given it, every season's level is a ratio of sums. It is concave.

        Returns the sums of exp(slope x time) by season, and which series got there.
        """
        slope = self.line.slope
        if start is not None:
            slope[:] = np.where(np.isfinite(start), start, 0.0)
        reach = max(float(np.abs(self.design.time).max()), 1.0)
        totals = np.empty_like(self.cases)
        rows: Ints | None = None
        active = np.arange(len(slope))
        for step in range(_MAX_STEPS):
            total, first, second = self._at_none() if step == 0 and start is None else self.moments(slope[active], rows)
            cases, cases_time = (
                (self.cases, self.cases_time) if rows is None else (self.cases[rows], self.cases_time[rows])
            )
            ratio = cases / np.where(total > 0.0, total, 1.0)
            mean = first / np.where(total > 0.0, total, 1.0)
            pull = cases_time - (ratio * first).sum(axis=1)
            spread = (ratio * (second - mean * first)).sum(axis=1)
            move = np.clip(pull / spread, -_LARGEST_MOVE / reach, _LARGEST_MOVE / reach)
            slope[active] += move
            going = ~(np.abs(move) * reach < _SMALL_MOVE)
            # The sums where the last move led: its third power is nothing.
            off = move[:, None]
            totals[active] = total + off * (first + off / 2.0 * second)
            if not going.any():
                return totals, np.ones(len(slope), dtype=bool)
            rows = active = active[going]
        found = np.ones(len(slope), dtype=bool)
        found[active] = False
        slope[active] = 0.0
        return totals, found

    def _at_none(self) -> tuple[Floats, ...]:
        """The moments at a slope of zero."""
        return _thirds(self._summed(self.heads, self.design.sums))

    # --- the steps ---------------------------------------------------------------------------------------------------

    def step(self) -> Bools:
        """Take the usual steps until the deviance no longer changes; says which series got there."""
        counts = self.model.counts
        n_series = len(counts)
        best = self._points(self.model.saturated)
        deviance = 2.0 * self._points(self.model.start_deviance)
        moments, pull, pull_time = self._first()
        self.line.put(np.arange(n_series), self._solved(moments, pull, pull_time))
        self.before = _Line(np.full_like(self.line.effect, np.nan), np.full(n_series, np.nan))
        active = np.arange(n_series)
        for taken in range(_MAX_STEPS):
            rows = active if len(active) < n_series else None
            line = self.line.rows(active)
            raised = np.exp(line.effect)
            moments = tuple(raised * part for part in self.moments(line.slope, rows))
            cases = self.cases[active]
            likelihood = (cases * line.effect - moments[0]).sum(axis=1) + self.cases_time[active] * line.slope
            new = 2.0 * (best[active] - likelihood)
            going = ~(np.abs(new - deviance[active]) / (np.abs(new) + 0.1) < _TOLERANCE)
            deviance[active] = new
            if not going.any() or taken == _MAX_STEPS - 1:
                active = active[going]
                break
            if not going.all():
                active, line = active[going], line.rows(np.flatnonzero(going))
                moments, cases = tuple(part[going] for part in moments), cases[going]
            pull = line.effect * moments[0] + cases - moments[0]
            pull_time = self.cases_time[active]
            if self.trend:
                pull += line.slope[:, None] * moments[1]
                pull_time = pull_time + ((line.effect - 1.0) * moments[1] + line.slope[:, None] * moments[2]).sum(
                    axis=1
                )
            self.before.put(active, line)
            self.line.put(active, self._solved(moments, pull, pull_time))
        found = np.ones(n_series, dtype=bool)
        found[active] = False
        return found

    def _points(self, values: Floats) -> Floats:
        """Weighted sum over the points."""
        if self.weights is None:
            total: Floats = values.sum(axis=1)
            return total
        summed: Floats = np.einsum("sp,sp->s", self.weights, values)
        return summed

    def _first(self) -> tuple[tuple[Floats, ...], Floats, Floats]:
        """What the first step solves: the means are the counts + 0.1."""
        columns = self.design.sums if self.trend else self.design.seasons
        mean = self.weighted(self.model.counts + 0.1)
        pull = self.weighted(self.model.start_pull)
        moments = _thirds(mean @ columns) if self.trend else (mean @ columns,)
        return moments, pull @ self.design.seasons, pull @ self.design.time

    def _solved(self, moments: tuple[Floats, ...], pull: Floats, pull_time: Floats) -> _Line:
        """The weighted least-squares line: deviations from every season's means give the slope."""
        safe = np.where(moments[0] > 0.0, moments[0], 1.0)
        effect = pull / safe
        if not self.trend:
            return _Line(effect, np.zeros(len(effect)))
        mean = moments[1] / safe
        information = (moments[2] - moments[1] * mean).sum(axis=1)
        slope = (pull_time - (mean * pull).sum(axis=1)) / information
        effect -= slope[:, None] * mean
        return _Line(effect, slope)


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
    design: _Design

    @classmethod
    def of(cls, search: _Search, converged: Bools) -> SeasonalFit:
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


def _thirds(sums: Floats) -> tuple[Floats, ...]:
    """Sums of 1, time, and time squared, by season each."""
    n = sums.shape[1] // 3
    return sums[:, :n], sums[:, n : 2 * n], sums[:, 2 * n :]


def _root_of_mean(search: _Search, line: _Line, root: float) -> Floats:
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


def _degrees(search: _Search) -> Floats:
    """Points less terms; a season without any weighted point takes none. (n_series,)"""
    seasons = search.design.seasons
    if search.weights is None:
        return np.full(len(search.cases), float(len(seasons) - seasons.shape[1] - search.trend))
    seen = (search.weights > 0.0).astype(float)
    points: Floats = seen.sum(axis=1) - ((seen @ seasons) > 0.0).sum(axis=1) - search.trend
    return points


def _certainty(search: _Search, working: Floats) -> tuple[Floats, Floats, Floats]:
    """Weight and mean time of every season, and information on the slope, under the working weights."""
    if not search.trend:
        weight: Floats = working @ search.design.seasons
        return weight, np.zeros_like(weight), np.full(len(weight), np.inf)
    weight, first, second = _thirds(working @ search.design.sums)
    time = first / np.where(weight > 0.0, weight, 1.0)
    return weight, time, (second - first * time).sum(axis=1)


def outbreak_weights(model: SeasonalCounts, fit: SeasonalFit, present: Floats | None, threshold: float) -> Floats:
    """Weights that fall with the square of the Anscombe residual above `threshold`; they sum to the number of weeks.

    Residuals are standardised by the dispersion (at least 1) and the leverage. `present` (n_series, n_points) is 0 for
    points to leave out, None for none; 1 everywhere is what a series without a fit gets.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        residual = fit.sixth_root * fit.sixth_root
        residual *= residual
        np.subtract(model.two_thirds, residual, out=residual)
        residual /= fit.sixth_root
        spread = 1.0 - fit.leverage
        np.sqrt(spread, out=spread)
        residual /= spread
        residual *= (1.5 / np.sqrt(np.maximum(fit.dispersion, 1.0)))[:, None]
        raw = np.ones_like(residual)
        high = np.flatnonzero(residual.ravel() > threshold)
        raw.ravel()[high] = residual.ravel()[high] ** -2.0
        if present is not None:
            raw *= present
        points = raw.shape[1] if present is None else present.sum(axis=1)
        raw *= (points / raw.sum(axis=1))[:, None]
    lost = np.flatnonzero(~np.isfinite(raw).all(axis=1))
    if len(lost):
        raw[lost] = 1.0 if present is None else present[lost]
    return raw
