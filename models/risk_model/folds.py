"""Splits by time inside the training rows: what is later judges what was learned earlier, from labels known by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Shares of the groups that began before each inner cut; what began between one cut and the next is judged.
SHARES: Final = (0.55, 0.7, 0.85)
# Without moments there is no later part; then a seeded fifth of the groups judges the others.
_HELD_OUT: Final = 0.2


@dataclass(frozen=True)
class Timing:
    """When n rows stood, when their labels were known, and which belong together.

    Attributes
    ----------
    at : (n,) int64 seconds in UTC; None where no moments were given
    matures_at : (n,) int64 seconds in UTC from when on each label was known; None where not given
    group : (n,) codes 0..g-1, rows of one case alike
    """

    at: Integers | None
    matures_at: Integers | None
    group: Integers

    def rows(self, chosen: NDArray[np.int64] | Mask) -> Timing:
        """The rows that a mask or positions choose, with their groups numbered anew."""
        at = None if self.at is None else self.at[chosen]
        matures = None if self.matures_at is None else self.matures_at[chosen]
        return Timing(at, matures, pd.factorize(self.group[chosen])[0].astype(np.int64))

    @property
    def groups(self) -> int:
        """How many there are."""
        return int(self.group.max()) + 1 if len(self.group) else 0

    def began(self) -> Integers:
        """When each group began, (g,): at its first row. 0 without moments."""
        if self.at is None:
            return np.zeros(self.groups, dtype=np.int64)
        first = np.full(self.groups, np.iinfo(np.int64).max)
        np.minimum.at(first, self.group, self.at)
        return first

    def newest(self) -> int | None:
        """The last moment at which anything is known of the rows, int64 seconds in UTC; None without moments."""
        if self.at is None or len(self.at) == 0:
            return None
        return int(self.at.max() if self.matures_at is None else max(self.at.max(), self.matures_at.max()))

    def drawn(self, share: float, seed: int) -> Mask:
        """Rows of a share of the groups, drawn at random: (n,) bool."""
        return np.asarray(np.random.default_rng(seed).random(self.groups)[self.group] < share)

    def recency(self) -> Floats:
        """Weights in (0, 1]: half at the middle of the history. Offices change. All 1 without moments."""
        newest = self.newest()
        if self.at is None or newest is None:
            return np.ones(len(self.group))
        half_life = max((newest - int(self.at.min())) / 2, 1.0)
        return np.asarray(0.5 ** ((newest - self.at) / half_life))


@dataclass(frozen=True)
class Fold:
    """Rows that teach and later rows that judge, each (n,) bool."""

    before: Mask
    after: Mask


def folds(timing: Timing, *, shares: tuple[float, ...] = SHARES, seed: int = 1) -> list[Fold]:
    """Rolling-origin folds, oldest first; one seeded fold by groups where there are no moments.

    A row teaches at a cut if it stood before it and its label was known before it (`matures_at`; by the moment of the
    row alone where that was not given). It judges if its group began at or after the cut, before the next.
    """
    if timing.at is None:
        drawn = timing.drawn(_HELD_OUT, seed)
        return [Fold(~drawn, drawn)]
    first = timing.began()
    began = first[timing.group]
    first = np.sort(first)
    cuts = [int(first[min(int(share * len(first)), len(first) - 1)]) for share in shares]
    ends = [*cuts[1:], np.iinfo(np.int64).max]
    known = timing.at if timing.matures_at is None else np.maximum(timing.at, timing.matures_at)
    found = (
        Fold((began < cut) & (known < cut), (began >= cut) & (began < end)) for cut, end in zip(cuts, ends, strict=True)
    )
    return [fold for fold in found if fold.before.any() and fold.after.any()]
