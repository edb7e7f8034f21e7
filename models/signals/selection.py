"""One false-discovery rate over series and all their sums, without telling the same rise many times.

A rise in one village is a rise in its town and its county too. Telling all three makes three discoveries of one, and a
list of p-values that is simply thinned out afterwards keeps no promise. Focused BH (Katsevich, Sabatti and Bogomolov
2023, J. Am. Statist. Assoc. 118:165) fixes the thinning beforehand, as a filter, and lowers the threshold until

    number of tests x threshold / number told   <=   level ,

where only what is left after the filter counts as told. (With the procedure "discrete", what all tests can have up to
the threshold takes the place of the left side's product; see `models.signals.attainable`.)

The filter here: from the finest level up, a series below the
threshold is told; a sum below the threshold is told if it stays there without all that has been told so far. Without
it, the sum and those beside it are judged anew, each on its own past: what is told within a sum must not be told again
with it, and what is told beside it must not make it look silent.

What is controlled: the expected share, among what is told, of series and sums in which nothing has changed; a sum whose
parts are told in part counts by its remainder. It is proven for positively dependent p-values where a lower threshold
never leaves more to tell; this filter can depart from that, since a told village may take its town off the list. What
it realises is shown in `tests/benchmarks/signals_hierarchy.py`. With the procedure "by" the harmonic factor is paid, as
Benjamini and Yekutieli do for any dependence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.attainable import NullSteps
from models.signals.fdr import Burden, Procedure, plain_burden, step_up
from models.signals.hierarchy import Level

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# p-values of the sums of one level (by its number) without the series named: (2, n_sums).
Remainder = Callable[[int, Bools], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What is told of one table: of series, and of the sums of each level; rises in row 0, silences in row 1.

    `covered`: sums below the threshold that are explained by what else is told. `q_*` are at or below the level
    exactly for what is told or covered; NaN where not tested.
    """

    series: Bools  # (2, n_series)
    sums: tuple[Bools, ...]  # (2, n_sums) each
    covered: tuple[Bools, ...]
    q_series: Floats
    q_sums: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Filtered:
    series: Bools
    sums: tuple[Bools, ...]
    p_told: Floats  # of what is told, of the remainder where that was what counted; rising

    @property
    def number(self) -> int:
        return len(self.p_told)


def select(
    series: Floats,
    sums: tuple[Floats, ...],
    levels: tuple[Level, ...],
    remainder: Remainder,
    *,
    level: float,
    procedure: Procedure = "bh",
    null: NullSteps | None = None,
) -> Selection:
    """Choose what is told.

    Parameters
    ----------
    series : (2, n_series) p-values of rises and of silences; NaN: not tested
    sums : (2, n_sums) p-values per level, finest level first; NaN: not tested, or not told by this level
    levels : how the series are summed
    remainder : judges the sums of a level anew without some series
    level : false-discovery rate
    null : what the tests of the family can take, for the procedure "discrete"

    Raises
    ------
    UsageError
        If the procedure is "discrete" and `null` is missing.
    """
    everything = np.concatenate([series.ravel(), *(one.ravel() for one in sums)])
    burden = _burden(everything, procedure, null)
    q = step_up(everything, burden)
    # A filter tells no more than there is, so no threshold above that of the plain procedure can do.
    threshold = float(everything[q <= level].max(initial=-1.0))
    while threshold >= 0.0:
        kept = _filter(series, sums, levels, remainder, threshold)
        estimate = float(burden(np.array(threshold))) / max(kept.number, 1)
        if estimate <= level:
            q = np.where(everything <= threshold, _by_rank(everything, kept.p_told, burden), q)
            break
        q = np.where(everything <= threshold, min(estimate, 1.0), q)
        possible = everything[(burden(everything) <= level * kept.number) & (everything < threshold)]
        threshold = float(possible.max(initial=-1.0))
    else:
        kept = _filter(series, sums, levels, remainder, -1.0)
    parts = np.split(q, np.cumsum([series.size, *(one.size for one in sums)])[:-1])
    shaped = [part.reshape(2, -1) for part in parts]
    covered = tuple((one <= threshold) & ~told for one, told in zip(sums, kept.sums, strict=True))
    return Selection(kept.series, kept.sums, covered, shaped[0], tuple(shaped[1:]))


def _burden(p_values: Floats, procedure: Procedure, null: NullSteps | None) -> Burden:
    if procedure != "discrete":
        return plain_burden(int((~np.isnan(p_values)).sum()), procedure)
    if null is None:
        raise UsageError('The procedure "discrete" needs to know what the tests can take: give `null`.')
    return null.up_to


def _filter(
    series: Floats, sums: tuple[Floats, ...], levels: tuple[Level, ...], remainder: Remainder, threshold: float
) -> _Filtered:
    told = series <= threshold
    told_sums = tuple(np.zeros(one.shape, dtype=bool) for one in sums)
    p_told = [series[told]]
    without: Bools = np.asarray(told.any(axis=0))
    for number, (p, level) in enumerate(zip(sums, levels, strict=True)):
        low = p <= threshold
        if not low.any():
            continue
        if without.any():
            left = remainder(number, without)
            low &= left <= threshold
            p_told.append(np.maximum(p, left)[low])
        else:
            p_told.append(p[low])
        told_sums[number][:] = low
        without = without | np.asarray(low.any(axis=0))[level.codes]
    return _Filtered(told, told_sums, np.sort(np.concatenate(p_told)))


def _by_rank(p: Floats, told: Floats, burden: Burden) -> Floats:
    """Smallest level at which a p-value no larger than the largest told would be told."""
    steps = burden(told) / np.arange(1, len(told) + 1)
    q = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    place = np.minimum(np.searchsorted(told, p, side="left"), max(len(told) - 1, 0))
    return q[place] if len(q) else np.ones_like(p)
