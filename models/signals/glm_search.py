"""The search for the parameters of a seasonal regression, for all series together.

The normal equations need no matrix: within a season everything is a weighted mean, and the slope is that of deviations
from those means. And the means are known from a handful of parameters, so a step looks at single weeks only through
their sums by season, which are one matrix product for all series.

Two ways to the answer. The *steps* of Fisher scoring from the usual start, for figures that rest on where the usual
programs stop; and the *optimum* itself: levels are ratios of sums, and what is left is one equation in the slope.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.glm_points import Line, Points, thirds

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


class Search:
    """One fit of all series: the sums that do not change, and the parameters found."""

    def __init__(self, model: Points, weights: Floats | None, *, trend: bool) -> None:
        self.model, self.design, self.weights, self.trend = model, model.design, weights, trend
        design = model.design
        n_series, n_seasons = len(model.counts), design.seasons.shape[1]
        # Expected counts at a log mean of zero.
        self.heads = weights if model.offset is None else self.weighted(np.exp(model.offset))
        told = self.weighted(model.counts)
        self.cases: Floats = told @ design.seasons
        self.cases_time: Floats = told @ design.time if trend else np.zeros(n_series)
        self.levels = None if trend else self._summed(self.heads, design.seasons)
        self.line = Line(np.zeros((n_series, n_seasons)), np.zeros(n_series))
        self.before = Line(np.zeros((n_series, n_seasons)), np.zeros(n_series))

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
        return thirds(sums)

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
        return thirds(self._summed(self.heads, self.design.sums))

    # --- the steps ---------------------------------------------------------------------------------------------------

    def step(self) -> Bools:
        """Take the usual steps until the deviance no longer changes; says which series got there."""
        counts = self.model.counts
        n_series = len(counts)
        best = self._points(self.model.saturated)
        deviance = 2.0 * self._points(self.model.start_deviance)
        moments, pull, pull_time = self._first()
        self.line.put(np.arange(n_series), self._solved(moments, pull, pull_time))
        self.before = Line(np.full_like(self.line.effect, np.nan), np.full(n_series, np.nan))
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
        moments = thirds(mean @ columns) if self.trend else (mean @ columns,)
        return moments, pull @ self.design.seasons, pull @ self.design.time

    def _solved(self, moments: tuple[Floats, ...], pull: Floats, pull_time: Floats) -> Line:
        """The weighted least-squares line: deviations from every season's means give the slope."""
        safe = np.where(moments[0] > 0.0, moments[0], 1.0)
        effect = pull / safe
        if not self.trend:
            return Line(effect, np.zeros(len(effect)))
        mean = moments[1] / safe
        information = (moments[2] - moments[1] * mean).sum(axis=1)
        slope = (pull_time - (mean * pull).sum(axis=1)) / information
        effect -= slope[:, None] * mean
        return Line(effect, slope)
