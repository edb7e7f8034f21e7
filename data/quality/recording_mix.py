"""Whether two names were given to the same kind of cases: by the areas and channels that they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PARTS: Final = ("area", "channel")
# Newest, or oldest, so many reports of a name are its mix.
_REPORTS: Final = 2000


@dataclass(frozen=True)
class Mix:
    """Reports with `area`, `channel`, `week`, and the name that is looked at."""

    known: pd.DataFrame
    name: str

    def of(self, value: str, *, before: int | None = None, since: int | None = None) -> dict[str, pd.Series]:
        """How many reports of a name came from each area, and through each channel, before or from a week on."""
        rows = self.known[self.known[self.name] == value]
        if before is not None:
            rows = rows[rows["week"] < before].sort_values("week").tail(_REPORTS)
        if since is not None:
            rows = rows[rows["week"] >= since].sort_values("week").head(_REPORTS)
        return {part: rows[part].value_counts() for part in _PARTS}


def same_mix(first: dict[str, pd.Series], second: dict[str, pd.Series]) -> float:
    """How alike two mixes are, in [0, 1]: the least over areas and channels.

    One minus the total variation distance, with the distance that chance alone makes between two samples of these
    sizes (about Σ √(2 p (1 - p) (1/n + 1/m) / π) / 2) taken off. 1 where a part was never said for either.
    """
    return min(_alike(first[part], second[part]) for part in _PARTS)


def _alike(first: pd.Series, second: pd.Series) -> float:
    n, m = float(first.sum()), float(second.sum())
    if n == 0 and m == 0:
        return 1.0
    if n == 0 or m == 0:
        return 0.0
    both = pd.concat([first, second], axis=1).fillna(0).to_numpy(np.float64)
    shares: Floats = both / np.array([n, m])
    pooled = both.sum(axis=1) / (n + m)
    distance = float(np.abs(shares[:, 0] - shares[:, 1]).sum()) / 2
    chance = float(np.sqrt(2 * pooled * (1 - pooled) * (1 / n + 1 / m) / np.pi).sum()) / 2
    return 1.0 - max(distance - chance, 0.0)
