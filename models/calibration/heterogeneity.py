"""How far cases of one kind lie from what is told of them, beyond what chance explains.

A curve over scores is the share of failures among all cases with a score. Cases of one type, in one week, share more
than their score: who is on leave, what the weather does, a rule that nobody has recorded. Their true share lies to one
side of the curve, and whoever reads "cases like this" means them. By how much is seen in later cases: residuals of two
different cases of a cell (one type in one week) have, on average, a product above nought. With the true log-odds of a
cell apart from those told by u, the residual of case i has the mean d_i(u), its true risk less the one told, and

    Σ_cells Σ_{i≠j} r_i r_j   has the mean   Σ_cells E_u Σ_{i≠j} d_i(u) d_j(u),     u normal with variance τ²,

which rises in τ; the τ that gives what was seen is the estimate. For small u, d_i = u p (1 - p), and it is the moment
estimate of DerSimonian and Laird (1986) written in pairs. No pair is of one case, so neither a case's own chance nor
its several landmarks make it larger. What a curve is off by as a whole is in it too, and so is the luck of a week,
which cannot be told from its circumstances.

One city's ten weeks tell τ to a factor of one and a half: one office that breaks down in them, or none, is most of it.
Tried on five simulated cities: limits around what is told, not around the curve, went from .078 to .050 off nominal at
80 % there, but from .100 to .097 on three fresh cities. Nothing more came of likelihood in place of moments, of normal
and t effects, of mixtures over cells and over offices, of the mean, median or least over offices, or of Student's
quantiles; what 19 types leave to chance is five points. With τ² drawn by half to .6² the three came to .059, which was
looked at afterwards: a prior for τ from other cities is what is worth trying.

References
----------
DerSimonian, R. and Laird, N. (1986). Meta-analysis in clinical trials. Controlled Clinical Trials 7.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from models.calibration.blocks import WEEK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# With less than this, the information of all pairs says nothing: pairs of even chances give a sixteenth each.
_LEAST_PAIRS: Final = 1.0
# Where like cases lie e⁴ times the odds apart, scores say nothing at all; the estimate is no better there.
_MOST: Final = 4.0
# How far apart a cell may lie, and the normal quantiles over which the mean is taken.
_APART: Final = np.linspace(-3 * _MOST, 3 * _MOST, 241)
_QUANTILES: Final = ndtri((np.arange(400) + 0.5) / 400)
_HALVINGS: Final = 40
_SURE: Final = 1e-9


def cells_of(like: Ints, at: Ints | None) -> Ints:
    """Cells of m cases, (m,): a kind in a week (UTC), or a kind where there are no moments; -1 of a kind not known."""
    if at is None:
        return like
    week = np.asarray(at, dtype=np.int64) // WEEK
    _, code = np.unique(np.column_stack((like, week)), axis=0, return_inverse=True)
    return np.asarray(np.where(like < 0, -1, code.ravel()), dtype=np.int64)


def heterogeneity(
    probability: Floats, outcome: Floats, weight: Floats, cell: Ints, groups: NDArray[Any] | None = None
) -> float:
    """The standard deviation τ of the true log-odds of cells around what is told, 0 or more.

    Parameters
    ----------
    probability : (m,) what is told, of cases that taught it nothing
    outcome : (m,) of 0 and 1
    weight : (m,) not negative; how far each outcome is believed
    cell : (m,) codes; -1 for a row of no cell
    groups : (m,) codes of cases; every row is its own when None
    """
    case = np.arange(len(cell)) if groups is None else np.unique(groups, return_inverse=True)[1]
    known = (cell >= 0) & (weight > 0)
    if not known.any():
        return 0.0
    told, believed = np.clip(probability[known], _SURE, 1 - _SURE), weight[known]
    pairs = _Pairs(cell[known], case[known])
    seen = pairs.products(believed * (outcome[known] - told))
    if seen <= 0 or pairs.products(believed * told * (1 - told)) < _LEAST_PAIRS:
        return 0.0
    score = logit(told)
    expected = np.array([pairs.products(believed * (expit(score + apart) - told)) for apart in _APART])
    low, high = 0.0, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(expected, middle) < seen else (low, middle)
    return (low + high) / 2


def _mean(values: Floats, spread: float) -> float:
    """The mean of values at `_APART`, broken lines between, over a normal distribution around nought."""
    return float(np.interp(spread * _QUANTILES, _APART, values).mean())


class _Pairs:
    """Pairs of different cases of one cell.

    Parameters
    ----------
    cell, case : (m,) codes
    """

    def __init__(self, cell: Ints, case: Ints) -> None:
        _, place, one = np.unique(np.column_stack((cell, case)), axis=0, return_index=True, return_inverse=True)
        self._one, self._cell = one.ravel(), np.unique(cell[place], return_inverse=True)[1]

    def products(self, value: Floats) -> float:
        """The sum of the products of all pairs, of values (m,)."""
        of_case = np.bincount(self._one, weights=value)
        of_cell = np.bincount(self._cell, weights=of_case)
        return float((of_cell**2).sum() - (of_case**2).sum())
