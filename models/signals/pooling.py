"""Levels that agree from village to city: every part's share of the sum above it, shrunken towards its size.

A thin series cannot tell its level by itself. Its sum can, and what is left to know is the part's share of it. Given
the sum, the counts of the parts are multinomial; with a Dirichlet prior, whose mean is the part's share of all other
reports and whose weight is estimated from how far shares lie from that, the expected share is

    (cases of the part + weight x share of size) / (cases of the sum + weight) .

That is the gamma-Poisson shrinkage of Clayton and Kaldor (1987, Biometrics 43:671) with the sum given, from the top
down: village within town within county within the city. Shares add up to one, so levels agree exactly at every level
and none is negative. Reconciliation by least squares (MinT: Wickramasuriya, Athanasopoulos and Hyndman 2019, J. Am.
Statist. Assoc. 114:804) is the better known way; it rests on normal errors and can make a thin series negative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Weight of the share of size, in cases of the sum: at least and at most.
_LEAST_WEIGHT: Final = 1.0
_MOST_WEIGHT: Final = 1e4


def pooled_levels(total: Floats, weeks: Floats, category: Ints, cuts: tuple[Ints, ...]) -> Floats:
    """Weekly level of every series, pooled with the sums that it is a part of.

    Parameters
    ----------
    total, weeks : (n_series,) cases and weeks of the past; a series without weeks (0) gets no level
    category : (n_series,) codes
    cuts : the areas that each series belongs to, coarsest first, (n_series,) codes each; the last is the series' own
        area. Every cut must be within the one before.

    Returns
    -------
    (n_series,) cases a week, NaN without weeks. Over all series of a category they add up to its cases a week.
    """
    known = weeks > 0.0
    longest = float(weeks.max(initial=1.0))
    # Cases as if every series had been recorded for the longest span.
    cases = np.where(known, total * longest / np.where(known, weeks, 1.0), 0.0)
    level = _sums(cases, category)[category] / longest
    above = category
    everything = cases
    for cut in cuts:
        node = _pairs(cut, category)
        level = level * _shares(cases, everything, node, above, cut, known)
        above = node
    return np.where(known, level, np.nan)


def _shares(cases: Floats, everything: Floats, node: Ints, above: Ints, area: Ints, known: NDArray[np.bool_]) -> Floats:
    """Expected share of each series' node in the node above it; (n_series,)."""
    here, there = _sums(cases, node), _sums(cases, above)
    # Size: reports of all other categories in the same area.
    size = _sums(everything, area)[area] - here[node]
    first = np.unique(node, return_index=True)[1]
    known_node = _sums(known.astype(float), node) > 0.0
    sizes = np.where(known_node, np.maximum(size[first], 0.0) + 1.0, 0.0)
    prior = sizes / np.maximum(_sums(sizes, above[first])[above[first]], 1e-12)
    whole = there[above[first]]
    weight = _weight(here, whole, prior, above[first])
    share = (here + weight * prior) / (whole + weight)
    result: Floats = share[node]
    return result


def _weight(here: Floats, whole: Floats, prior: Floats, above: Ints) -> float:
    """Weight of the prior in cases, by moments: how far shares lie from those of size, beyond chance.

    Pearson's statistic of a Dirichlet-multinomial is (whole + weight) / (1 + weight) times that of a multinomial.
    """
    expected = whole * prior
    use = expected > 0.0
    square = np.where(use, (here - expected) ** 2 / np.where(use, expected, 1.0), 0.0)
    statistic = _sums(square, above)
    freedom = np.maximum(_sums(use.astype(float), above) - 1.0, 0.0)
    cases = np.zeros_like(statistic)
    cases[above] = whole
    excess = float((statistic - freedom).sum())
    room = float((freedom * np.maximum(cases - 1.0, 0.0)).sum())
    return float(np.clip(room / max(excess, 1e-9) - 1.0, _LEAST_WEIGHT, _MOST_WEIGHT))


def _pairs(one: Ints, other: Ints) -> Ints:
    """Codes of the pairs, without gaps."""
    joined = one * (int(other.max(initial=0)) + 1) + other
    codes: Ints = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return codes


def _sums(values: Floats, codes: Ints) -> Floats:
    sums: Floats = np.bincount(codes, weights=values, minlength=int(codes.max(initial=0)) + 1).astype(float)
    return sums
