"""Counts and means over facts that were known strictly before a moment, by a key, from heed's sorted prefix sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from features.sorted_facts import COUNT, SortedFacts
from features.steps.runs import Bools, Floats, Int64s

DAY_SECONDS: Final = 86400
_UNIT: Final = 1 << 24
_EVER: Final = -1


def codes_of(*parts: Sequence[object] | Floats | Int64s | pd.Series) -> Int64s:
    """Codes from 1 for the combinations of values at each row; 0 where one is null. Only equality tells anything."""
    held = np.zeros(len(parts[0]), dtype=np.int64)
    null = np.zeros(len(parts[0]), dtype=bool)
    for part in parts:
        code, levels = pd.factorize(np.asarray(part))
        null |= code < 0
        held = pd.factorize(held * (len(levels) + 1) + code)[0].astype(np.int64)
    return np.where(null, 0, held + 1)


@dataclass(frozen=True)
class KnownFacts:
    """Facts by key and the moment from which they are known.

    Attributes
    ----------
    facts : with the measure `value` in units of 2^-24, so that sums are exact in any order
    """

    facts: SortedFacts

    @classmethod
    def of(cls, codes: Int64s, known_at: Int64s, value: Floats | None = None, keep: Bools | None = None) -> KnownFacts:
        """Take facts: (k,) keys, (k,) int64 seconds, (k,) values (1 if none are given), those that `keep`."""
        rows = np.arange(len(codes)) if keep is None else np.flatnonzero(keep)
        measures = {COUNT: np.ones(len(rows), dtype=np.int64)}
        if value is not None:
            measures["value"] = np.rint(value[rows] * _UNIT).astype(np.int64)
        return cls(SortedFacts.build(codes[rows], known_at[rows], measures))

    def count(self, codes: Int64s, at: Int64s, days: int = _EVER) -> Int64s:
        """How many facts of each key were known in the `days` before each moment, or ever before."""
        return self.facts.places(codes, at) - self._lower(codes, at, days)

    def sums(self, codes: Int64s, at: Int64s, days: int = _EVER) -> tuple[Floats, Floats]:
        """(how many, their values' sum) of each key in the `days` before each moment, or ever before."""
        upper, lower = self.facts.places(codes, at), self._lower(codes, at, days)
        return (upper - lower).astype(float), self.facts.between("value", lower, upper) / _UNIT

    def last(self, codes: Int64s, at: Int64s, n: int) -> tuple[Floats, Floats]:
        """(how many, their values' sum) of the `n` facts of each key that were known last before each moment."""
        upper = self.facts.places(codes, at)
        lower = np.maximum(upper - n, self._lower(codes, at, _EVER))
        return (upper - lower).astype(float), self.facts.between("value", lower, upper) / _UNIT

    def since(self, codes: Int64s, at: Int64s) -> Floats:
        """Days since the newest fact of each key before each moment; NaN if there is none."""
        last = self.facts.moment_before(codes, self.facts.places(codes, at))
        return np.where(last >= 0, (at - last) / DAY_SECONDS, np.nan)

    def _lower(self, codes: Int64s, at: Int64s, days: int) -> Int64s:
        begin = np.zeros_like(at) if days == _EVER else np.maximum(at - days * DAY_SECONDS, 0)
        return self.facts.places(codes, begin)


def shrunken(n: Floats, total: Floats, parent: Floats, strength: float) -> Floats:
    """The mean of `n` values, drawn to the parent's as if `strength` more had had that; NaN where neither is known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        own = total / n
        drawn = (total + strength * parent) / (n + strength)
    return np.where(np.isnan(parent), own, drawn)
