"""False discoveries and shares found, list by list, with standard errors over the pasts that lists share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.10, 0.20)


@dataclass
class Tally:
    """False-discovery proportions and shares found, by past and list, at each level."""

    false: list[list[Floats]] = field(default_factory=list)
    found: list[list[Floats]] = field(default_factory=list)
    told: list[list[Floats]] = field(default_factory=list)

    def add(self, q: Floats, risen: NDArray[np.bool_]) -> None:
        told = np.array([(q <= level).sum() for level in LEVELS], dtype=float)
        right = np.array([((q <= level) & risen).sum() for level in LEVELS], dtype=float)
        self.false[-1].append((told - right) / np.maximum(told, 1.0))
        self.found[-1].append(right / max(int(risen.sum()), 1))
        self.told[-1].append(told)

    def start(self) -> None:
        """A new past."""
        for one in (self.false, self.found, self.told):
            one.append([])

    def mean(self, what: str) -> tuple[Floats, Floats]:
        """Mean over pasts, and its standard error."""
        by_past = np.array([np.mean(one, axis=0) for one in getattr(self, what)])
        error = by_past.std(axis=0, ddof=1) / np.sqrt(len(by_past)) if len(by_past) > 1 else np.full(3, np.nan)
        return by_past.mean(axis=0), error


def power(tallies: dict[str, Tally], name: str, against: str) -> tuple[Floats, Floats]:
    """Share found by `name` over that by `against`, and its standard error (jackknife over pasts)."""
    found, theirs = (np.array([np.mean(one, axis=0) for one in tallies[who].found if one]) for who in (name, against))
    n = len(found)
    ratio = found.sum(axis=0) / theirs.sum(axis=0)
    if n < 2:
        return ratio, np.full(len(LEVELS), np.nan)
    without = (found.sum(axis=0) - found) / (theirs.sum(axis=0) - theirs)
    error: Floats = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return ratio, error
