"""Which p-values rare counts can take at all, and how likely each is when nothing has changed.

A series with one case in ten weeks has no p-value between a tenth and a hundredth or so: its next count jumps. A family
of 100,000 such series has far fewer p-values below t than 100,000 t, and a control that knows this finds more at the
same rate of false discoveries (`models.signals.fdr.discrete_q_values`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.short_past import CountLaw, WindowJudgement
from models.signals.week_patterns import WeekPatterns

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Expected counts from which on p-values lie so close together that they are taken for continuous.
_DENSE: Final = 8.0
# P-values above this are of no interest to a control of false discoveries among many series; below the other, likewise.
_LARGEST: Final = 0.02
_SMALLEST: Final = 1e-9
# Series that are looked at one by one; the others, those with the smallest expectations, stand for several each.
_ALL: Final = 1500
_SAMPLE: Final = 1500
_MOST_COUNTS: Final = 400


@dataclass(frozen=True, slots=True)
class NullSteps:
    """How many p-values at most t a family has on average when nothing has changed anywhere: a step function.

    `reach` (n_dense,), sorted: the smallest p-value each test can take whose p-values otherwise may be anything; such a
    test adds t from there on. `p_values` (n_steps,) are attainable ones, sorted, and `expected` (n_steps,) how many
    p-values up to and including each the other tests have on average. Nothing is said about t above 0.02, where every
    test is taken to add t.
    """

    n_tests: int
    reach: Floats
    p_values: Floats
    expected: Floats

    def up_to(self, t: Floats) -> Floats:
        """Expected number of p-values <= t."""
        at = np.searchsorted(self.p_values, t, side="right")
        steps = np.concatenate([[0.0], self.expected])[at]
        some = np.searchsorted(self.reach, t, side="right") * t + steps
        told: Floats = np.where(t > _LARGEST, self.n_tests * t, np.minimum(some, self.n_tests * t))
        return told


def together(families: list[NullSteps]) -> NullSteps:
    """The step function of several families taken as one."""
    p = np.concatenate([np.zeros(0), *(one.p_values for one in families)])
    mass = np.concatenate([np.zeros(0), *(np.diff(one.expected, prepend=0.0) for one in families)])
    order = np.argsort(p)
    reach = np.sort(np.concatenate([np.zeros(0), *(one.reach for one in families)]))
    return NullSteps(sum(one.n_tests for one in families), reach, p[order], np.cumsum(mass[order]))


def null_steps(
    judgements: tuple[WindowJudgement, ...], *, least_count: int = 0, tested: Bools | None = None
) -> NullSteps:
    """The step function of the rises of one week.

    Parameters
    ----------
    judgements : the windows of a week; a series' p-value is the smallest over them, times their number (Bonferroni)
    least_count : a rise with fewer cases in its window is given p = 1
    tested : (n_series,), which series belong to the family; all that have a judgement by default

    Returns
    -------
    NullSteps; the bound over windows is a sum, so it holds however much they overlap. A series with a judgement that
    keeps no law is taken to have p-values of any size.
    """
    said = np.array([~np.isnan(one.rise_p) for one in judgements])
    times = said.sum(axis=0).astype(float)
    family: Bools = np.asarray(np.any(said, axis=0))
    if tested is not None:
        family = np.logical_and(family, tested)
    continuous = [
        there if one.law is None else there & (one.expected >= _DENSE)
        for one, there in zip(judgements, said, strict=True)
    ]
    dense = np.logical_and(np.any(np.stack(continuous), axis=0), family)
    found = [
        _steps(one.law, one.patterns, one.expected, family & there & ~dense, times, least_count)
        for one, there in zip(judgements, said, strict=True)
        if one.law is not None
    ]
    p = np.concatenate([np.zeros(0), *(one[0] for one in found)])
    mass = np.concatenate([np.zeros(0), *(one[1] for one in found)])
    order = np.argsort(p)
    return NullSteps(int(family.sum()), np.zeros(int(dense.sum())), p[order], np.cumsum(mass[order]))


def silence_steps(reach: Floats) -> NullSteps:
    """The step function of silences: none can be less probable than no case at all.

    `reach` (n_series,): the smallest p-value each can have, corrected like the p-values; NaN: not tested.
    """
    known = np.sort(reach[~np.isnan(reach)])
    return NullSteps(len(known), known, np.zeros(0), np.zeros(0))


def _steps(
    law: CountLaw, patterns: WeekPatterns | None, expected: Floats, use: Bools, times: Floats, least_count: int
) -> tuple[Floats, Floats]:
    """Attainable p-values of some series, `times` what their looks cost; and the null probability of each.

    A probability is counted as often as there are series that one stands for.
    """
    order = np.flatnonzero(use)
    order = order[np.argsort(-expected[order], kind="stable")]
    rest = order[_ALL:]
    every = max(len(rest) // _SAMPLE, 1)
    chosen, stands_for = order[:_ALL], np.ones(min(len(order), _ALL))
    if len(rest):
        sample = rest[every // 2 :: every]
        chosen = np.concatenate([chosen, sample])
        stands_for = np.concatenate([stands_for, np.full(len(sample), len(rest) / len(sample))])
    values, masses = [np.zeros(0)], [np.zeros(0)]
    cost, least = times[chosen], np.full(len(chosen), least_count)
    if patterns is not None:
        # Sums come in only beyond the counts whose patterns are told apart.
        by_weeks = np.flatnonzero(patterns.thin[chosen])
        least[by_weeks] = max(patterns.most + 1, least_count)
        p, mass, whose = patterns.steps(chosen[by_weeks], least_count)
        low = p <= _LARGEST
        whose = by_weeks[whose[low]]
        values.append(p[low] * cost[whose])
        masses.append(mass[low] * stands_for[whose])
    tail, chance, parts = np.ones(len(chosen)), *_none(law, chosen)
    for count in range(1, _MOST_COUNTS):
        if not len(chosen):
            break
        # tail: P(Y >= count - 1) on entry; chance: P(Y = count - 1) of every part.
        tail = tail - (chance * parts.weight).sum(axis=1)
        chance = parts.next(chance, count)
        following = tail - (chance * parts.weight).sum(axis=1)
        last = following < _SMALLEST
        keep = (tail <= _LARGEST) & (count >= least)
        values.append((tail * cost)[keep])
        masses.append((np.where(last, tail, tail - following) * stands_for)[keep])
        left = ~last
        chosen, stands_for, tail, cost, least = chosen[left], stands_for[left], tail[left], cost[left], least[left]
        chance, parts = chance[left], parts.rows(left)
    return np.concatenate(values), np.concatenate(masses)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Negative binomials as P(Y = y) / P(Y = y - 1) = (y - 1 + size) share / y; (n_series, n_parts)."""

    size: Floats
    share: Floats
    weight: Floats

    def next(self, chance: Floats, count: int) -> Floats:
        """P(Y = count) from P(Y = count - 1)."""
        following: Floats = chance * (self.size + (count - 1.0)) * self.share / count
        return following

    def rows(self, rows: Bools) -> _Parts:
        return _Parts(self.size[rows], self.share[rows], self.weight[rows])


def _none(law: CountLaw, series: NDArray[np.int64]) -> tuple[Floats, _Parts]:
    """P(Y = 0) of every part, and the parts."""
    mean, variance = law.mean[series], law.variance[series]
    # A Poisson is close enough to a negative binomial that varies a hundred-thousandth more.
    excess = np.maximum(variance - mean, 1e-5 * np.maximum(mean, 1e-12))
    size = mean**2 / excess
    chance = np.exp(size * np.log(size / (mean + size)))
    return chance, _Parts(size, mean / (mean + size), law.weight[series])
