"""How improbable the two newest weeks are together: the evidence for a rise, and its exact null distribution.

The statistic is the likelihood ratio of a rise against none, averaged over rises of one, two and four standard
deviations a week that began last week (four parts) or this week (one part); a newest week that is not above its
expectation is no evidence. Outbreaks last and chance does not: with mean and dispersion known, two weeks so taken find
a third more outbreaks at the same rate of false alarms than the newest week alone.

All pairs of counts are enumerated, so its distribution under no rise is exact given mean and dispersion. Counts of
thick series are grouped into classes of a quarter of a standard deviation, and it is then exact for the classes.
`p_value` is the probability of as much evidence or more. `mid_p` counts only half the probability of exactly as much
(Lancaster 1961, JASA 56:223): for thin series, whose p-values take few values, its chance of lying below a level is
near that level instead of far below. It is no bound; what has to be one uses `p_value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# Rises a week, in standard deviations, all alike probable.
_RISES: Final = (1.0, 2.0, 4.0)
_BEGAN_NOW: Final = 0.2
# Classes of counts: the first ones single counts or groups alike, the others ever wider, so that no count is beyond.
_ALIKE: Final = 36
_WIDENING: Final = 10
_GROWTH: Final = 1.7
_OFFSETS: Final = np.concatenate(
    [np.arange(_ALIKE + 1.0), _ALIKE + np.cumsum(np.ceil(_GROWTH ** np.arange(1.0, _WIDENING + 1.0)))]
)
_LEAST_EXCESS: Final = 1e-3  # variance over mean, above 1; below, a negative binomial is a Poisson to three digits
_LARGEST_LOG: Final = 300.0
# Three points and weights that stand for a normal distribution (Gauss-Hermite).
_NODES: Final = ((-(3.0**0.5), 1 / 6), (0.0, 2 / 3), (3.0**0.5, 1 / 6))


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one week of every series; (n_series,)."""

    mean: Floats
    error: Floats  # squared relative error of the mean


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the two newest weeks say; (n_series,), NaN where the newest has no count."""

    p_value: Floats
    mid_p: Floats
    limit: Floats  # largest count of the newest week that would be no alarm at the level asked for


def rise_evidence(
    newest: Floats,
    before: Floats,
    expected: tuple[Expected, Expected],
    dispersion: Floats,
    dispersion_sd: Floats,
    level: float,
) -> Evidence:
    """Evidence for a rise in one week and the week before.

    Parameters
    ----------
    newest, before : (n_series,) counts; where the week before is missing (NaN) the newest is judged by itself
    expected : of the newest week and of the week before
    dispersion, dispersion_sd : variance over mean, and the deviation of its logarithm
    level : an alarm is a mid-p at or below it
    """
    now, then = expected
    spread = np.maximum(dispersion, 1.0)
    classes = _Week(newest, now.mean, spread, above=True), _Week(before, then.mean, spread, above=False)
    statistic = _statistic(classes[0].ratio, classes[1].ratio)
    joint = _joint(*classes, expected, dispersion, dispersion_sd)
    # What the newest week could have been, given the week before.
    possible = _statistic(classes[0].ratio, classes[1].seen[:, None])[:, :, 0]
    rows = np.arange(len(newest))
    p, mid = _tails(statistic, joint, possible[rows, classes[0].at])
    gone = np.isnan(newest)
    limit = _limit(statistic, joint, possible, classes[0].edges, level)
    return Evidence(np.where(gone, np.nan, p), np.where(gone, np.nan, mid), limit)


def limits_after(
    expected: tuple[Expected, Expected], dispersion: Floats, dispersion_sd: Floats, level: float
) -> tuple[Floats, Floats]:
    """The limits of the newest week after every possible count of the week before.

    Parameters
    ----------
    as of `rise_evidence`; nothing has been counted yet

    Returns
    -------
    edges : (n_series, n_classes), the lowest count of each class of the week before; the last one has no end
    limits : (n_series, n_classes), what `rise_evidence` has as `limit` after a count of that class
    """
    now, then = expected
    spread = np.maximum(dispersion, 1.0)
    weeks = _Week(now.mean, now.mean, spread, above=True), _Week(then.mean, then.mean, spread, above=False)
    statistic = _statistic(weeks[0].ratio, weeks[1].ratio)
    joint = _joint(*weeks, expected, dispersion, dispersion_sd)
    n, n_now, n_then = statistic.shape
    limits = np.empty((n, n_then))
    for one in range(n):
        order = np.argsort(statistic[one], axis=None)
        values = statistic[one].ravel()[order]
        tail = np.append(np.cumsum(joint[one].ravel()[order][::-1])[::-1], 0.0)
        # The same pair can come out a little different by rounding.
        as_much = tail[np.searchsorted(values, values * (1.0 - 1e-9), side="left")]
        more = tail[np.searchsorted(values, values * (1.0 + 1e-9), side="right")]
        mid = np.empty(len(order))
        mid[order] = (as_much + more) / 2.0
        alarm = mid.reshape(n_now, n_then)[1:] <= level
        first = np.where(alarm.any(axis=0), alarm.argmax(axis=0) + 1, n_now)
        limits[one] = weeks[0].edges[one, first] - 1.0
    return weeks[1].edges[:, :-1], limits


def _tails(statistic: Floats, joint: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """P(as much or more) and the same with half of P(exactly as much)."""
    seen = seen[:, None, None]
    # The same pair can come out a little different by rounding.
    p = np.einsum("sij,sij->s", joint, statistic >= seen * (1.0 - 1e-9))
    more = np.einsum("sij,sij->s", joint, statistic > seen * (1.0 + 1e-9))
    return np.clip(p, 0.0, 1.0), np.clip((p + more) / 2.0, 0.0, 1.0)


def _limit(statistic: Floats, joint: Floats, possible: Floats, edges: Floats, level: float) -> Floats:
    """Largest count that is no alarm, by halving the classes; more evidence comes with every case more."""
    rows = np.arange(len(possible))
    low, high = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), possible.shape[1], dtype=np.int64)
    while (high - low > 1).any():
        middle = np.minimum((low + high) // 2, possible.shape[1] - 1)
        alarm = _tails(statistic, joint, possible[rows, middle])[1] <= level
        high, low = np.where(alarm, middle, high), np.where(alarm, low, middle)
    limit: Floats = edges[rows, high] - 1.0
    return limit


def _statistic(now: Floats, then: Floats) -> Floats:
    """Likelihood ratio of every pair of classes, times the number of rises; (n_series, now, then)."""
    out: Floats = np.matmul(now, (_BEGAN_NOW + (1.0 - _BEGAN_NOW) * then).transpose(0, 2, 1))
    return out


def _joint(
    now: _Week, then: _Week, expected: tuple[Expected, Expected], dispersion: Floats, dispersion_sd: Floats
) -> Floats:
    """Probability of every pair of classes when nothing has changed; (n_series, now, then).

    Given mean and dispersion the two weeks are independent; both are uncertain, and not independently so in the two.
    """
    parts = []
    for week, one in zip((now, then), expected, strict=True):
        columns = []
        for node, _ in _NODES:
            # The scaled inverse chi-squared law that an estimated variance leaves, with a mean 1 + sd^2 times as large.
            factor = np.exp(node * dispersion_sd + dispersion_sd**2 / 2.0)
            # The error of the mean is shared by both weeks: twice its variance in each gives the sum its variance.
            columns.append(week.probabilities(np.maximum(dispersion * factor, 1.0) + 2.0 * one.mean * one.error))
        parts.append(np.stack(columns, axis=2))
    weights = np.array([weight for _, weight in _NODES])
    joint: Floats = np.matmul(parts[0] * weights, parts[1].transpose(0, 2, 1))
    return joint


class _Week:
    """Classes of the counts of one week of every series, and the likelihood ratios of the rises in each.

    Attributes
    ----------
    edges : (n_series, n_classes + 1), lowest count of each class; counts beyond the last belong to the last class
    ratio : (n_series, n_classes, n_rises)
    at : (n_series,) class of the count seen
    seen : (n_series, n_rises) its ratios
    """

    def __init__(self, observed: Floats, mean: Floats, dispersion: Floats, *, above: bool) -> None:
        self.mean = mean
        deviation = np.sqrt(dispersion * mean)
        width = np.maximum(np.ceil(deviation / 4.0), 1.0)
        low = np.maximum(np.floor(mean - 2.5 * deviation), 0.0)
        edges = low[:, None] + width[:, None] * _OFFSETS
        self.edges = np.concatenate([np.zeros((len(mean), 1)), edges], axis=1)
        known = np.where(np.isnan(observed), 0.0, observed)
        last = self.edges.shape[1] - 2
        self.at = np.minimum((self.edges[:, 1:] <= known[:, None]).sum(axis=1), last)
        middle = self.edges[:, :-1] + np.floor((np.diff(self.edges, axis=1) - 1.0) / 2.0)
        self.ratio = _ratios(np.maximum(middle, 0.0), mean, deviation, dispersion)
        if above:
            self.ratio[middle <= mean[:, None]] = 0.0
        # A week without a count says neither yes nor no.
        self.ratio[np.isnan(observed)] = 1.0
        self.seen = self.ratio[np.arange(len(mean)), self.at]

    def probabilities(self, dispersion: Floats) -> Floats:
        """Probability of each class; (n_series, n_classes). Log-linear between edges, as the far tail is."""
        excess = np.maximum(dispersion - 1.0, _LEAST_EXCESS)
        size = (self.mean / excess)[:, None]
        edges = self.edges
        log = special.gammaln(edges + size) - special.gammaln(size) - special.gammaln(edges + 1.0)
        log += edges * np.log(excess / (1.0 + excess))[:, None] - size * np.log1p(excess)[:, None]
        width = np.diff(edges, axis=1)
        slope = np.diff(log, axis=1) / np.maximum(width, 1.0)
        rate = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        sums = np.expm1(np.clip(rate * width, -_LARGEST_LOG, _LARGEST_LOG)) / np.expm1(rate)
        chance = np.exp(log[:, :-1]) * np.where(width <= 1.0, width, sums)
        shares: Floats = chance / chance.sum(axis=1, keepdims=True)
        return shares


def _ratios(counts: Floats, mean: Floats, deviation: Floats, dispersion: Floats) -> Floats:
    """Likelihood ratios of rises at unchanged variance over mean; (n_series, n_classes, n_rises)."""
    excess = np.maximum(dispersion - 1.0, _LEAST_EXCESS)
    size = mean / excess
    base = special.gammaln(counts + size[:, None]) - special.gammaln(size)[:, None]
    logs = []
    for rise in _RISES:
        more = rise * deviation
        larger = (mean + more) / excess
        log = special.gammaln(counts + larger[:, None]) - special.gammaln(larger)[:, None] - base
        logs.append(log - (more / excess * np.log1p(excess))[:, None])
    ratios: Floats = np.exp(np.minimum(np.stack(logs, axis=2), _LARGEST_LOG))
    return ratios
