"""How the cases of a window are spread over its weeks: the evidence for a lasting rise of a thin series.

Thin counts come in groups: four cases in one week are one event of a kind that happens, one case in each of four weeks
are four. Their sum is the same. The likelihood ratio of a lasting rise tells the two apart, and so depends far less on
how much a series varies, which no past of a dozen cases tells.

The statistic is P(counts | the same rise in every week of the window) / P(counts | no rise), averaged over rises of 1,
2, 4 and 8 cases a week (a Poisson number more) and over all that is uncertain of the series. As weeks of one window are
alike, only how many had how many cases matters: the patterns of up to `_MOST` cases are enumerated, and the p-value is
the exact probability of a pattern with as large a ratio. Windows with more cases than that are ordered above them, by
their sums.

Given its level and dispersion, weeks of a series are independent negative binomials. The level is shared by the weeks
of a window: a gamma law about its mean, with what the window's variance has beyond that of independent weeks, enters
by three Gauss-Laguerre nodes (Golub and Welsch 1969, Math. Comp. 23:221), exact for all moments up to the fifth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from models.signals.dispersion import PHI

if TYPE_CHECKING:
    from models.signals.short_past import CountLaw

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Most cases of a window whose patterns are told apart, by its weeks. Windows of one week have no pattern.
_MOST: Final = {2: 20, 3: 16, 4: 14}
# Cases a window from which on sums alone are looked at: patterns of thicker series are too many, and say little more.
THICKEST: Final = 1.5
# Rises that are looked for, in cases a week, all alike probable.
_RISES: Final = (1.0, 2.0, 4.0, 8.0)
# Weekly levels that are tabled, evenly by logarithm; between two of them both are mixed.
_STEP: Final = 0.1
_LOG_LEVELS: Final[Floats] = np.arange(np.log(1e-5), np.log(8.0), _STEP)
# Squared coefficients of variation of a shared level that are tabled; the next larger one is taken.
_SHARED: Final[Floats] = np.geomspace(1e-3, 30.0, 80)
# Above this p-value of its sum, and with cases in one week only, a window is not looked at any closer.
_LARGEST: Final = 0.05
# Patterns with p-values below this are so rare that a family of series has none.
_SMALLEST: Final = 1e-9
_TIE: Final = 1e-9
_NO_WEIGHT: Final = 1e-5


@dataclass(frozen=True, slots=True)
class WeekPatterns:
    """Windows of `weeks` weeks: `law` (n_series, n_parts) of their sums, and of which the patterns are looked at.

    `phi` (n_parts,): variance over mean of single weeks, out of `models.signals.dispersion.PHI`. `thin` (n_series,):
    where patterns are looked at; it must not depend on the series' own newest weeks.
    """

    weeks: int
    law: CountLaw
    phi: Floats
    thin: Bools

    @property
    def most(self) -> int:
        """Most cases of a window whose patterns are told apart."""
        return _MOST[self.weeks]

    def p_values(self, newest: Ints, of_sums: Floats) -> Floats:
        """P(as large a likelihood ratio of a rise); (n_series,).

        Parameters
        ----------
        newest : (weeks, n_series) counts
        of_sums : (n_series,) P(as many or more), which stays where patterns are not looked at

        Of thin series whose p-value would be above a twentieth either way the one of the sum is given.
        """
        rows = self.thin & (newest.sum(axis=0) <= self.most)
        rows &= ((newest > 0).sum(axis=0) >= 2) | (of_sums <= _LARGEST)
        series = np.flatnonzero(rows)
        table = _table(self.weeks)
        seen = table.number[tuple(-np.sort(-newest[:, series], axis=0))]
        chance, ratio = self._told(series)
        least = ratio[np.arange(len(series)), seen][:, None] * (1.0 - _TIE)
        p = of_sums.copy()
        # What is left out of the patterns, larger sums, counts as as much.
        less = np.where(ratio < least, chance, 0.0).sum(axis=1)
        p[series] = np.maximum(1.0 - less, chance[np.arange(len(series)), seen])
        return p

    def steps(self, series: Ints, least_count: int) -> tuple[Floats, Floats, Ints]:
        """P-values that the patterns of some series can take, the probability of each, and whose (place in `series`).

        Of windows with at least `least_count` and at most `most` cases; all (n_steps,).
        """
        chance, p = self.attainable(series)
        keep = (p <= _LARGEST) & (p > _SMALLEST) & (_table(self.weeks).total >= least_count)
        return p[keep], chance[keep], np.nonzero(keep)[0]

    def attainable(self, series: Ints) -> tuple[Floats, Floats]:
        """Probability and p-value of every pattern of some series; (n, n_patterns), as `pattern_chances` has them."""
        chance, ratio = self._told(series)
        order = np.argsort(ratio, axis=1)
        ordered = np.take_along_axis(chance, order, axis=1)
        p = np.empty_like(chance)
        np.put_along_axis(p, order, np.maximum(1.0 - np.cumsum(ordered, axis=1) + ordered, ordered), axis=1)
        return chance, p

    def _told(self, series: Ints) -> tuple[Floats, Floats]:
        """Probability of every pattern, and its likelihood ratio; (n, n_patterns)."""
        mixed, table = self._mixed(series), _table(self.weeks)
        chance: Floats = mixed @ table.chance
        return chance, (mixed @ table.risen) / np.maximum(chance, 1e-300)

    def _mixed(self, series: Ints) -> sparse.csr_matrix:
        """How much of each tabled level and dispersion a series is; (n, n_phi * n_levels)."""
        mean, variance, weight = (part[series] for part in (self.law.mean, self.law.variance, self.law.weight))
        safe = np.maximum(mean, 1e-12)
        shared = (variance - safe * self.phi) / safe**2
        kind = np.minimum(np.searchsorted(_SHARED, shared), len(_SHARED) - 1)
        nodes, shares = _nodes()
        place = (np.log(safe / self.weeks)[:, :, None] + np.log(nodes)[kind] - _LOG_LEVELS[0]) / _STEP
        place = np.clip(place, 0.0, len(_LOG_LEVELS) - 1.001)
        low = place.astype(np.int64)
        part = weight[:, :, None] * shares[kind]
        row = np.broadcast_to(np.arange(len(series))[:, None, None], place.shape)
        column = np.searchsorted(PHI, self.phi * (1.0 - _TIE))[:, None] * len(_LOG_LEVELS) + low
        some = part > _NO_WEIGHT * 0.01
        row, column, part, over = row[some], column[some], part[some], (place - low)[some]
        entries = np.concatenate([part * (1.0 - over), part * over])
        places = np.concatenate([row, row]), np.concatenate([column, column + 1])
        return sparse.csr_matrix((entries, places), shape=(len(series), len(PHI) * len(_LOG_LEVELS)))


def week_patterns(weeks: int, law: CountLaw, phi: Floats, thin: Bools, expected: Floats) -> WeekPatterns | None:
    """Patterns of windows of so many weeks; None where their weeks are too many, or one.

    `thin`: which series may be looked at; of these, those with an expected sum of at most 1.5 are.
    """
    if weeks not in _MOST:
        return None
    return WeekPatterns(weeks, law, phi, np.asarray(thin & (expected <= THICKEST)))


def pattern_chances(weeks: int, chances: Floats) -> Floats:
    """Probability of every pattern of independent weeks with these `chances` (n, n_counts) of 0, 1, 2, ... cases."""
    patterns, orders = _patterns(weeks)
    product = np.tile(orders, (len(chances), 1))
    for column in patterns.T:
        product *= chances[:, column]
    return product


def risen_chances(weeks: int, chances: Floats) -> Floats:
    """The same, with a rise in every week; averaged over the rises that are looked for."""
    counts = np.arange(chances.shape[1])
    risen = []
    for rise in _RISES:
        more = np.exp(counts * np.log(rise) - rise - special.gammaln(counts + 1.0))
        with_rise = np.zeros_like(chances)
        for extra in counts:
            with_rise[:, extra:] += more[extra] * chances[:, : len(counts) - extra]
        risen.append(pattern_chances(weeks, with_rise))
    return np.asarray(np.mean(risen, axis=0))


@dataclass(frozen=True, slots=True)
class _Table:
    """Patterns of one length of windows: their `total`, and their `number` by counts, the most first.

    `chance` and `risen`: probability without and with a rise, by dispersion and level; (n_phi * n_levels, n_patterns).
    """

    total: Ints
    number: Ints
    chance: Floats
    risen: Floats


@cache
def _table(weeks: int) -> _Table:
    most = _MOST[weeks]
    patterns, _ = _patterns(weeks)
    number = np.zeros((most + 1,) * weeks, dtype=np.int64)
    number[tuple(patterns.T)] = np.arange(len(patterns))
    chances = week_chances(np.tile(np.exp(_LOG_LEVELS), len(PHI)), np.repeat(PHI, len(_LOG_LEVELS)), most)
    return _Table(patterns.sum(axis=1), number, pattern_chances(weeks, chances), risen_chances(weeks, chances))


def week_chances(mean: Floats, ratio: Floats, most: int) -> Floats:
    """P(0), ..., P(most) of negative binomial counts by mean and variance over mean (n,); (n, most + 1)."""
    excess = np.maximum(ratio - 1.0, 1e-6)
    size, chances = mean / excess, np.empty((len(mean), most + 1))
    chances[:, 0] = np.exp(-size * np.log1p(excess))
    for count in range(1, most + 1):
        chances[:, count] = chances[:, count - 1] * (size + (count - 1.0)) * (excess / (1.0 + excess)) / count
    return chances


@cache
def _patterns(weeks: int) -> tuple[Ints, Floats]:
    """All counts of so many weeks, the most first, that add up to no more than `_MOST` says; in how many orders each.

    (n_patterns, weeks) and (n_patterns,).
    """
    most = _MOST[weeks]
    found: list[tuple[int, ...]] = [()]
    for _ in range(weeks):
        found = [
            (*start, count)
            for start in found
            for count in range(min(start[-1] if start else most, most - sum(start)) + 1)
        ]
    same = [special.gamma(np.unique(one, return_counts=True)[1] + 1.0).prod() for one in found]
    return np.array(found, dtype=np.int64), special.gamma(weeks + 1.0) / np.array(same)


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Three levels, relative to their mean, and their weights, for each of `_SHARED`: a gamma law."""
    order = np.arange(3)
    jacobi = np.zeros((len(_SHARED), 3, 3))
    jacobi[:, order, order] = 1.0 + 2.0 * order * _SHARED[:, None]
    beside = np.sqrt(_SHARED[:, None] * order[1:] * (1.0 + _SHARED[:, None] * (order[1:] - 1.0)))
    jacobi[:, order[1:], order[:-1]] = jacobi[:, order[:-1], order[1:]] = beside
    values, vectors = np.linalg.eigh(jacobi)
    return values, vectors[:, 0, :] ** 2
