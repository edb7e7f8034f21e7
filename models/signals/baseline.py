"""What the past of every series says: its level, how certain that is, and how its counts vary.

The past is read once in blocks of weeks, for as many series as there are; what is kept are sums by series and year.

**Level.** Years are put together from the oldest to the newest. From one year to the next the evidence of all earlier
ones is discounted by how much levels wander from year to year (West and Harrison 1986, J. Am. Statist. Assoc. 81:741,
discounting; the amount is estimated over all series), and much more where a series' own new year contradicts them. So a
calm thin series is judged by its whole past, and one that has moved by its last year.

A thin series' level is told by its weeks with any case rather than by its cases: for a negative binomial with small
mean, how many came together says nothing about how often anything comes. That holds for every dispersion on the grid
separately, so level and dispersion are uncertain together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.signals.dispersion import (
    PHI,
    Residuals,
    Sizes,
    Weeks,
    dispersion_of_residuals,
    dispersion_of_sizes,
    dispersion_of_weeks,
    is_thick,
)
from models.signals.siblings import Cross, cap, capped, level_prior, movement

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# A dispersion that no series has with more than this probability is left out; tails leave such parts out anyway.
_NO_WEIGHT: Final = 1e-5
# A week of the past of which less than this is known is left out.
LEAST_KNOWN: Final = 0.5
_YEAR: Final = 52
# Below so many weeks of past dispersions are told by every single week: levels are known too badly for less.
_SHORT: Final = 2 * _YEAR
# A week of which less than this is known says too little of how whole weeks vary.
_ALMOST_KNOWN: Final = 0.9
# Weeks that are looked at together: what fits into the processor's cache matters more than the number of steps.
_AT_ONCE: Final = 4
# Dispersion assumed of everything when movements of the past are estimated, before anything is known of it.
_PAST_DISPERSION: Final = 2.0
# Cases a week up to which weeks with any case are counted, and the share of such weeks that is taken at most.
_THIN: Final = 0.5
_MOST_WEEKS_WITH_ANY: Final = 0.6
# Counts of one week beyond this are taken as this where dispersion is estimated.
_MOST_TOGETHER: Final = 60
# What a week of the past counts as at most is what a series of this dispersion could have.
_MOST_DISPERSION: Final = 3.0
# Squared coefficient of variation of a level from year to year, at least and at most.
_LEAST_DRIFT: Final = 0.004
_MOST_DRIFT: Final = 0.5
# A year this many variances from the ones before is taken to have a level of its own.
_CONTRADICTION: Final = 6.6


@dataclass(frozen=True, slots=True)
class Record:
    """The weeks of the past as they are used.

    `matrix` (n_weeks, n_series) counts; `first` (n_series,) the row each series begins with; `recorded` (n_weeks,
    n_series) or None; `complete` (n_weeks, n_series or 1) or None, the share of each week's cases that is known.
    """

    matrix: Ints
    first: Ints
    recorded: Bools | None
    complete: Floats | None

    def whole(self, rows: slice, columns: Ints | slice = slice(None)) -> bool:
        """Whether every week of these rows counts, and is known wholly."""
        nothing_known = self.recorded is None and self.complete is None
        return nothing_known and rows.start >= int(self.first[columns].max(initial=0))

    def read(self, rows: slice, columns: Ints | slice = slice(None)) -> tuple[Ints, Bools, Floats]:
        """Counts (0 where a week does not count), whether it counts, and which share of it is known (0 likewise)."""
        counts = self.matrix[rows, columns]
        first = self.first[columns]
        if self.whole(rows, columns):
            # Nothing to leave out: by far the commonest case, and several times as fast.
            return counts, np.ones(counts.shape, dtype=bool), np.ones(counts.shape)
        seen: Bools = np.arange(rows.start, rows.stop)[:, None] >= first
        if self.recorded is not None:
            seen = seen & self.recorded[rows, columns]
        if self.complete is None:
            return np.where(seen, counts, 0), seen, seen.astype(float)
        narrow = self.complete.shape[1] == 1
        known = np.broadcast_to(self.complete[rows] if narrow else self.complete[rows, columns], seen.shape)
        seen = seen & (known >= LEAST_KNOWN)
        return np.where(seen, counts, 0), seen, np.where(seen, known, 0.0)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Sums over the past; (n_series,) where not said. `rate` and `total` are 0 where the past cannot be used.

    By year, oldest first, (n_years, n_series): `cases`, `known` (weeks, each by its known share), `seen` (weeks), and
    `some` (weeks with any case).
    """

    weeks: Ints
    usable: Bools
    rate: Floats  # cases a week
    total: Floats
    together: Floats  # (n_series, any): thin series' weeks with more than 1, 2, ... cases
    cases: Floats
    known: Floats
    seen: Floats
    some: Floats


@dataclass(frozen=True, slots=True)
class Level:
    """Weekly level and dispersion of each series, for sums over some weeks; all (n_series, n_phi) where not said.

    The dispersions are those of the grid that any series is likely to have.

    `mean[s, d]` is the level should the dispersion be `phi[s, d]`, which it is with probability `weight[s, d]`. The
    variance of a count with mean mu is then phi (1 + psi mu) mu.
    """

    mean: Floats
    relative_variance: Floats
    weight: Floats
    phi: Floats
    psi: Floats  # (n_series,)

    def ratio(self, mean: Floats) -> Floats:
        """Variance over mean expected of each series at this mean; (n_series,)."""
        ratio: Floats = (self.weight * self.phi).sum(axis=1) * (1.0 + self.psi * mean)
        return ratio


def read_baseline(record: Record, least_weeks: int) -> Baseline:
    """Read the past once; a series with fewer than `least_weeks` weeks that count is not usable."""
    n_weeks, n_series = record.matrix.shape
    n_years = max(round(n_weeks / _YEAR), 1)
    cases, known, seen, some = (np.zeros((n_years, n_series)) for _ in range(4))
    at_least = [np.zeros(n_series, dtype=np.int64) for _ in range(_MOST_TOGETHER)]
    for rows, year in _by_year(n_weeks, n_years):
        counts, there, share = record.read(rows)
        cases[year] += counts.sum(axis=0)
        known[year] += share.sum(axis=0)
        seen[year] += there.sum(axis=0)
        some[year] += (counts > 0).sum(axis=0)
        week, series = np.nonzero(counts > 1)
        together = counts[week, series]
        more = 1
        while len(series) and more <= _MOST_TOGETHER:
            at_least[more - 1] += np.bincount(series, minlength=n_series)
            more += 1
            keep = together > more
            series, together = series[keep], together[keep]
    weeks = seen.sum(axis=0).astype(np.int64)
    usable = weeks >= least_weeks
    total = np.where(usable, cases.sum(axis=0), 0.0)
    rate = total / np.maximum(known.sum(axis=0), 1e-9)
    deepest = max((j + 1 for j, one in enumerate(at_least) if one.any()), default=0)
    more_than = np.array(at_least[:deepest], dtype=float).reshape(deepest, n_series).T
    return Baseline(weeks, usable, rate, total, more_than, *(part * usable for part in (cases, known, seen, some)))


def _by_year(n_weeks: int, n_years: int) -> Iterator[tuple[slice, int]]:
    """Blocks of rows with the year each belongs to, counted back from the newest; what is left over joins the first."""
    edges = [0, *(n_weeks - _YEAR * back for back in range(n_years - 1, -1, -1))]
    for year in range(n_years):
        for start in range(edges[year], edges[year + 1], _AT_ONCE):
            yield slice(start, min(start + _AT_ONCE, edges[year + 1])), year


def learn_levels(record: Record, baseline: Baseline, cross: Cross, windows: tuple[int, ...]) -> dict[int, Level]:
    """Level and dispersion of every series, for sums over each of `windows` weeks."""
    thick = np.flatnonzero(is_thick(baseline.rate))
    thin = np.flatnonzero(~is_thick(baseline.rate))
    n_series = len(baseline.rate)
    weight = np.zeros((n_series, len(PHI)))
    short = len(record.matrix) < _SHORT
    if short:
        weight[thin] = dispersion_of_weeks(_weeks(record, baseline, cross, 1, thin)).weights
    else:
        weight[thin] = dispersion_of_sizes(_sizes(baseline, thin)).weights
    laws = {}
    for k in {1, *windows}:
        past = _residuals(record, baseline, cross, k, thick)
        weeks = _weeks(record, baseline, cross, k, thick) if short else None
        laws[k] = dispersion_of_residuals(past) if weeks is None else dispersion_of_weeks(weeks, past)
    weight[thick] = laws[1].weights
    # What no series is likely to have need not be carried along: most cities fill a third of the grid.
    there = np.any([_somewhere(weight), *(_somewhere(law.weights) for law in laws.values())], axis=0)
    mean, relative_variance = _level(baseline, cross, weight @ PHI, PHI[there])
    levels = {}
    for k in windows:
        own, phi, psi = weight.copy(), np.tile(PHI[there], (n_series, 1)), np.zeros(n_series)
        own[thick], psi[thick] = laws[k].weights, laws[k].psi
        own = own[:, there]
        phi[thin] *= _hanging_together(record, baseline, thin, k)
        levels[k] = Level(mean, relative_variance, own / own.sum(axis=1, keepdims=True), phi, psi)
    return levels


def _somewhere(weights: Floats) -> Bools:
    """Which dispersions any series is likely to have at all; (n_phi,)."""
    return np.asarray(weights.max(axis=0, initial=0.0) > _NO_WEIGHT)


def _sizes(baseline: Baseline, rows: Ints) -> Sizes:
    weeks = np.maximum(baseline.weeks[rows], 1).astype(float)
    known = baseline.known[:, rows].sum(axis=0)
    return Sizes(
        total=baseline.total[rows],
        weeks=weeks,
        some=baseline.some[:, rows].sum(axis=0),
        together=baseline.together[rows],
        share=np.where(baseline.usable[rows], known / weeks, 1.0),
    )


def _residuals(record: Record, baseline: Baseline, cross: Cross, k: int, rows: Ints) -> Residuals:
    """Squared residuals of sums over `k` weeks of thick series, against their levels moved with their categories."""
    sums = np.zeros((5, len(rows)))
    if not len(rows):
        return Residuals(sums[0], sums[1], sums[2])
    for counts, usual, use, share in _periods(record, baseline, cross, k, rows):
        calm = np.where(use, np.minimum(counts, cap(usual, _MOST_DISPERSION) + _MOST_DISPERSION), 0.0)
        square = calm**2 / np.where(usual > 0.0, usual, 1.0)
        parts = (calm, np.where(use, usual, 0.0), square, use, np.where(use, share, 0.0))
        sums += np.array([part.sum(axis=0) for part in parts])
    calm_total, usual_total, squares, periods, share = sums
    scale = calm_total / np.maximum(usual_total, 1e-12)
    square = squares / np.maximum(scale, 1e-12) - 2.0 * calm_total + scale * usual_total
    # The level was fitted to the same counts: that takes one degree of freedom. Thinned by late reports, counts look
    # more like Poisson than they will be.
    ratio = 1.0 + (square / np.maximum(periods - 1.0, 1.0) - 1.0) / np.maximum(share / np.maximum(periods, 1.0), 1e-9)
    return Residuals(ratio, np.maximum(calm_total / np.maximum(periods, 1.0), 1e-9), periods)


def _weeks(record: Record, baseline: Baseline, cross: Cross, k: int, rows: Ints) -> Weeks:
    """Sums over `k` weeks of the series `rows`, none beyond what a series of its level could have by chance."""
    parts: list[tuple[Floats, Floats, Floats]] = []
    for counts, usual, use, share in _periods(record, baseline, cross, k, rows):
        calm = np.minimum(counts, cap(usual, _MOST_DISPERSION) + _MOST_DISPERSION)
        parts.append((calm, usual, np.asarray(use & (share >= _ALMOST_KNOWN) & (usual > 0.0), dtype=float)))
    if not parts:
        nothing = np.zeros((len(rows), 0))
        return Weeks(nothing, nothing, nothing)
    return Weeks(*(np.concatenate(part).T for part in zip(*parts, strict=True)))


def _periods(
    record: Record, baseline: Baseline, cross: Cross, k: int, rows: Ints
) -> Iterator[tuple[Floats, Floats, Bools, Floats]]:
    """Sums over `k` weeks of the series `rows`, what is usual, which count, and their known share; block by block."""
    n_periods = len(record.matrix) // k
    start = len(record.matrix) - n_periods * k
    step = max(_AT_ONCE // k, 1) * k
    for first in range(start, len(record.matrix), step):
        counts, seen, known = record.read(slice(first, min(first + step, len(record.matrix))))
        shape = (-1, k, counts.shape[1])
        period = np.where(baseline.usable, counts.reshape(shape).sum(axis=1), 0).astype(float)
        exposure = known.reshape(shape).sum(axis=1)
        usual = baseline.rate * exposure
        # What far too many reports of one series do to the others is bounded; what they do to itself is its own matter.
        cut = period[:, rows]
        period[:, rows] = np.minimum(cut, cap(usual[:, rows], 3.0) + 2.0 * usual[:, rows])
        moved = movement(period, usual, cross, dispersion=_PAST_DISPERSION, past=baseline.total, rows=rows)
        whole: Bools = np.all(seen.reshape(shape), axis=1) & baseline.usable
        yield cut, usual[:, rows] * moved.ratio, whole[:, rows], exposure[:, rows] / k


def _hanging_together(record: Record, baseline: Baseline, rows: Ints, k: int) -> float:
    """How much more sums over `k` weeks of thin series vary than single weeks, for their mean; over all of them, >= 1.

    Both variances are taken from the same weeks, so what makes one of them large by chance makes the other.
    """
    n_periods = len(record.matrix) // k
    if k == 1 or n_periods < 2 or not len(rows):
        return 1.0
    start = len(record.matrix) - n_periods * k
    single, several = np.zeros(len(rows)), np.zeros(len(rows))
    for first in range(start, len(record.matrix), k):
        counts, _, known = record.read(slice(first, first + k), rows)
        left = counts - baseline.rate[rows] * known
        single += np.einsum("ws,ws->s", left, left)
        several += left.sum(axis=0) ** 2
    # Levels were fitted to the same weeks: that takes more from few long periods than from many short ones.
    found = several.sum() / max(float(single.sum()), 1e-12) * (1.0 - 1.0 / (n_periods * k)) / (1.0 - 1.0 / n_periods)
    return max(float(found), 1.0)


def _level(baseline: Baseline, cross: Cross, phi: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Weekly level for every dispersion of `grid`, and its squared coefficient of variation; (n_series, n_grid)."""
    exposure = baseline.known * _movement_by_year(baseline, cross, phi)
    drift = _drift(baseline.cases, exposure, phi)
    shape, rate = _put_together(baseline, exposure, phi, drift, grid)
    prior = level_prior(baseline.total, exposure.sum(axis=0), phi, cross, baseline.usable)
    borrowed = prior.shape > 0.0
    # Without a prior, one case more makes the upper tail that of the exact conditional test of two Poisson counts.
    shape = shape + np.where(borrowed, prior.shape, 1.0)[:, None]
    rate = rate + np.where(borrowed, prior.shape / np.where(borrowed, prior.mean, 1.0), 0.0)[:, None]
    return shape / np.maximum(rate, 1e-12), 1.0 / shape


def _movement_by_year(baseline: Baseline, cross: Cross, phi: Floats) -> Floats:
    """How far the category of each series stood above its usual level elsewhere, year by year; (n_years, n_series)."""
    if len(baseline.cases) == 1:
        return np.ones_like(baseline.cases)
    usual = baseline.rate * baseline.known
    typical = typical_dispersion(phi, usual)
    calm = capped(baseline.cases, usual, cross, baseline.total, dispersion=typical)
    return movement(calm, usual, cross, dispersion=typical, past=baseline.total).ratio


def typical_dispersion(phi: Floats, usual: Floats) -> float:
    """Dispersion of a sum over many series: their mean, each by its expectation; at least 1."""
    return max(float((phi * usual).sum() / max(float(usual.sum()), 1e-12)), 1.0)


def _drift(cases: Floats, exposure: Floats, phi: Floats) -> float:
    """Squared coefficient of variation of a level from one year to the next, by moments over all series."""
    if len(cases) == 1:
        return _LEAST_DRIFT
    there = exposure > 0.25 * _YEAR
    both = there[1:] & there[:-1]
    safe = np.where(there, exposure, 1.0)
    level = np.where(there, cases, 0.0).sum(axis=0) / np.maximum(np.where(there, exposure, 0.0).sum(axis=0), 1.0)
    step = np.diff(cases / safe, axis=0)
    noise = phi * level * (1.0 / safe[1:] + 1.0 / safe[:-1])
    likely = noise + 0.02 * level**2
    weight = np.where(both & (level > 0.0), 1.0 / np.maximum(likely, 1e-12) ** 2, 0.0)
    # A level that breaks in one year is dealt with where it happens; here it counts up to nine variances.
    excess = np.minimum(step**2, 9.0 * likely) - noise
    scale = float((weight * level**2).sum())
    found = float((weight * excess).sum()) / scale if scale > 0.0 else 0.0
    return float(np.clip(found, _LEAST_DRIFT, _MOST_DRIFT))


def _put_together(
    baseline: Baseline, exposure: Floats, phi: Floats, drift: float, grid: Floats
) -> tuple[Floats, Floats]:
    """Gamma shape and rate over all years, the earlier ones discounted step by step; (n_series, n_grid)."""
    shape, rate = _evidence(baseline, exposure, 0, grid)
    cases, weeks = baseline.cases[0] / phi, exposure[0] / phi
    for year in range(1, len(exposure)):
        expected = exposure[year] * (cases + 1.0) / np.maximum(weeks, 1e-12)
        there = (weeks > 0.0) & (exposure[year] > 0.0)
        safe = np.where(there, expected, 1.0)
        off = (baseline.cases[year] - safe) ** 2
        contradicted = there & (off > _CONTRADICTION * (phi * safe + safe**2 * (1.0 / (cases + 1.0) + drift)))
        wander = np.where(contradicted, drift + off / safe**2, drift)
        keep = 1.0 / (1.0 + wander * cases)
        cases, weeks = cases * keep + baseline.cases[year] / phi, weeks * keep + exposure[year] / phi
        more_shape, more_rate = _evidence(baseline, exposure, year, grid)
        keep_all = 1.0 / (1.0 + wander[:, None] * shape)
        shape, rate = shape * keep_all + more_shape, rate * keep_all + more_rate
    return shape, rate


def _evidence(baseline: Baseline, exposure: Floats, year: int, grid: Floats) -> tuple[Floats, Floats]:
    """Gamma shape and rate that a year's counts add, for every dispersion of `grid`; (n_series, n_grid)."""
    seen = np.maximum(baseline.seen[year], 1.0)
    share = np.minimum(baseline.some[year] / seen, _MOST_WEEKS_WITH_ANY)
    # Two groups that came in one week are seen as one; this undoes it.
    groups = -seen * np.log1p(-share)
    known = np.where(baseline.seen[year] > 0.0, baseline.known[year] / seen, 1.0)
    excess = np.maximum(grid, 1.0001) - 1.0
    shape, rate = baseline.cases[year][:, None] / grid, exposure[year][:, None] / grid
    # A year that is not thin is told by its cases, whatever the others were.
    thin = np.flatnonzero((baseline.rate < _THIN) & (baseline.cases[year] < 2.0 * _THIN * seen))
    shape[thin] = groups[thin, None]
    thinned = known[thin, None] * excess
    rate[thin] = exposure[year][thin, None] * np.log1p(thinned) / thinned
    return shape, rate
