"""How far two sets of values are apart: the population stability index, with what chance alone makes of it.

The index is the sum over bins of (p - q) ln(p / q), the symmetric Kullback-Leibler distance of the shares p of today
and q of before. By custom under 0.1 is stable and from 0.25 has moved much; but of few values the index is large
without any change. With no change it is about (1/n + 1/m) times a chi-squared of one degree less than there are bins
(Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14:89), so its mean is taken off before the customary
limits are asked, and nothing is called moved that chance explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.errors import ModelError

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Level = Literal["stable", "moved", "moved_much", "unknown"]

# The customary limits.
MOVED: Final = 0.1
MOVED_MUCH: Final = 0.25
# No bin holds fewer cases of the material: as `service.disclosure.MINIMUM`, which the layers below cannot see.
SMALLEST: Final = 10
# Nor fewer of a hundred: the law of chance needs bins that are not nearly empty.
_SMALLEST_SHARE: Final = 0.02
_BINS: Final = 10
_FEWEST_EXPECTED: Final = 5
# With so many values or fewer, each is a bin.
_FEW_VALUES: Final = 10
_DIGITS: Final = 3
# Fewer cases say nothing.
FEWEST: Final = 50
# How often any of all measures of a scoring is called moved where nothing has.
ALPHA: Final = 0.005


@dataclass(frozen=True)
class Bins:
    """Counts of values in bins. No case can be told from them: edges are rounded, and no bin holds fewer than ten.

    Attributes
    ----------
    edges : ascending; bin i holds values above edge i - 1 and up to edge i
    counts : one more than edges
    missing : how many had no value; 0 where fewer than ten
    usual : how far the weeks of the material lay from the whole of it, of 20 weeks 19 less; 0 where that is not known
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int
    usual: float = 0.0

    @classmethod
    def of(cls, values: Floats, weeks: Int64s | None = None) -> Self | None:
        """Bins of n values, NaN for missing; None where fewer than fifty have one.

        `weeks`, (n,), are the weeks that the values are of.
        """
        there = values[~np.isnan(values)]
        if len(there) < FEWEST:
            return None
        edges = _merged(there, _edges(there))
        missing = len(values) - len(there)
        made = cls(edges, tuple(_counted(there, edges).tolist()), missing if missing >= SMALLEST else 0)
        return made if weeks is None else cls(made.edges, made.counts, made.missing, made._usual(values, weeks))

    def count(self, values: Floats) -> Int64s:
        """How many of n values lie in each bin, the missing ones last."""
        there = values[~np.isnan(values)]
        return np.append(_counted(there, self.edges), len(values) - len(there))

    @property
    def all_counts(self) -> Int64s:
        """The counts of the material, the missing ones last."""
        return np.array([*self.counts, self.missing], dtype=np.int64)

    def _usual(self, values: Floats, weeks: Int64s) -> float:
        bin_of = np.where(np.isnan(values), len(self.counts), np.searchsorted(self.edges, values, side="left"))
        names, week = np.unique(weeks, return_inverse=True)
        held = np.zeros((len(names), len(self.counts) + 1), dtype=np.int64)
        np.add.at(held, (week, bin_of), 1)
        every = held.sum(axis=1)
        found = [
            stability_index(row, self.all_counts) - expected_by_chance(row, self.all_counts)
            for row in held[every >= FEWEST]
        ]
        return round(max(float(np.quantile(found, 0.95)), 0.0), 4) if len(found) > 1 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"edges": list(self.edges), "counts": list(self.counts), "missing": self.missing, "usual": self.usual}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What `as_dict` gave.

        Raises
        ------
        ModelError
            If edges do not ascend, or a bin holds fewer than ten.
        """
        made = cls(
            tuple(float(edge) for edge in told["edges"]),
            tuple(int(count) for count in told["counts"]),
            int(told["missing"]),
            float(told["usual"]),
        )
        ascends = all(a < b for a, b in zip(made.edges, made.edges[1:], strict=False))
        small = min(made.counts, default=0) < SMALLEST or 0 < made.missing < SMALLEST
        if len(made.counts) != len(made.edges) + 1 or not ascends or small or not np.isfinite(made.usual):
            raise ModelError(
                f"Expected bins with ascending edges and {SMALLEST} cases or more in each, and these are not. The file "
                "is damaged: restore it from a copy, or train again."
            )
        return made


@dataclass(frozen=True)
class Move:
    """How far one measure has moved.

    Attributes
    ----------
    measure : a feature, or `risk`
    n : cases of today
    index : the stability index; None where there are too few cases, or all have always been in one bin
    by_chance : what it would be on average with no change
    limit : what chance, and what was usual in the weeks of the material, explain
    """

    measure: str
    n: int
    index: float | None
    by_chance: float | None = None
    limit: float | None = None

    @property
    def level(self) -> Level:
        """In a word."""
        return level_of(self.index, self.by_chance, self.limit)

    @classmethod
    def between(cls, measure: str, bins: Bins, values: Floats, *, cases: int, tests: int) -> Self:
        """How far n values of today are from the material.

        Parameters
        ----------
        measure : its name
        bins : of the material
        values : (n,) one for each case of today
        cases : of the material: what several of its rows say of one case is said once
        tests : how many measures are asked about together
        """
        if len(values) < FEWEST:
            return cls(measure, len(values), None)
        today, before = _coarse(bins.count(values), bins.all_counts)
        if _degrees(today, before) < 1:
            # All in one bin, then and now: what was always the same number cannot be seen to move within it.
            return cls(measure, len(values), None)
        scale = min(cases / before.sum(), 1.0)
        chance = expected_by_chance(today, before, scale)
        limit = chance_limit(today, before, scale, ALPHA / tests) + bins.usual
        return cls(measure, len(values), stability_index(today, before), chance, limit)


def level_of(index: float | None, by_chance: float | None, limit: float | None) -> Level:
    """The word for an index: beyond what chance explains, and by the customary limits over its mean by chance."""
    if index is None or by_chance is None or limit is None:
        return "unknown"
    beyond = index - by_chance
    if index <= limit or beyond < MOVED:
        return "stable"
    return "moved_much" if beyond >= MOVED_MUCH else "moved"


def stability_index(today: Int64s, before: Int64s) -> float:
    """The population stability index of two sets of counts over the same k bins.

    Bins that are empty in both are left out. Where one is empty in one only, half a case is added to each.

    Examples
    --------
    >>> round(stability_index(np.array([60, 40]), np.array([50, 50])), 4)
    0.0405
    """
    used = (today > 0) | (before > 0)
    half = 0.5 if ((today[used] == 0) | (before[used] == 0)).any() else 0.0
    p, q = (counts[used] + half for counts in (today, before))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def expected_by_chance(today: Int64s, before: Int64s, scale: float = 1.0) -> float:
    """The mean of the index where nothing has changed; `scale` is cases of before by its counts."""
    return _degrees(today, before) * _noise(today, before, scale)


def chance_limit(today: Int64s, before: Int64s, scale: float, alpha: float) -> float:
    """What the index exceeds with probability `alpha` where nothing has changed."""
    return float(stats.chi2.isf(alpha, max(_degrees(today, before), 1))) * _noise(today, before, scale)


def _coarse(today: Int64s, before: Int64s) -> tuple[Int64s, Int64s]:
    """Neighbouring bins put together until five of today are expected in each: the law of chance asks for that.

    The last bin, of the missing, stays alone, or is left out where there are hardly any.
    """
    expected = before / before.sum() * today.sum()
    group = np.zeros(len(before), dtype=np.int64)
    held, number = 0.0, 0
    for place, one in enumerate(expected[:-1]):
        group[place] = number
        held += one
        if held >= _FEWEST_EXPECTED:
            number, held = number + 1, 0.0
    if held > 0 and number > 0:
        group[group == number] = number - 1
    group[-1] = group[:-1].max() + 1
    together = [np.bincount(group, weights=counts).astype(np.int64) for counts in (today, before)]
    few = expected[-1] < _FEWEST_EXPECTED and today[-1] < _FEWEST_EXPECTED
    first, second = (counts[:-1] if few else counts for counts in together)
    return first, second


def _degrees(today: Int64s, before: Int64s) -> int:
    return int(((today > 0) | (before > 0)).sum()) - 1


def _noise(today: Int64s, before: Int64s, scale: float) -> float:
    return float(1 / today.sum() + 1 / (scale * before.sum()))


def _edges(values: Floats) -> Floats:
    """Where bins could end, rounded: each value where there are few, else the tenths of the values."""
    distinct = np.unique(_rounded(values))
    if len(distinct) <= _FEW_VALUES:
        return distinct[:-1]
    return np.unique(_rounded(np.quantile(values, np.arange(1, _BINS) / _BINS)))


def _merged(values: Floats, edges: Floats) -> tuple[float, ...]:
    """The edges that leave enough in every bin."""
    fewest = max(SMALLEST, int(np.ceil(_SMALLEST_SHARE * len(values))))
    kept: list[float] = []
    held = 0
    for edge, count in zip(edges, _counted(values, edges)[:-1], strict=True):
        held += int(count)
        if held >= fewest:
            kept.append(float(edge))
            held = 0
    while kept and _counted(values, kept)[-1] < fewest:
        kept.pop()
    return tuple(kept)


def _counted(values: Floats, edges: Floats | list[float] | tuple[float, ...]) -> Int64s:
    place = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="left")
    return np.bincount(place, minlength=len(edges) + 1).astype(np.int64)


def _rounded(values: Floats) -> Floats:
    """To three significant digits: an edge is nobody's value."""
    size = np.where(values == 0, 1.0, np.abs(values))
    unit = 10.0 ** (np.floor(np.log10(np.clip(size, 1e-300, None))) - _DIGITS + 1)
    return np.asarray(np.round(values / unit) * unit)
