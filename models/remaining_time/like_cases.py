"""Quantiles of like cases: the plain figure that every model has to beat, and a member of the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.remaining_time.censoring import masses, quantiles, share_before

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Rows at which a group's own quantiles and those of all count alike.
SHRINKAGE: Final = 10.0
# A number with more values than this is cut at its own quantiles.
MOST_VALUES: Final = 64
_BINS: Final = 20


@dataclass(frozen=True)
class LikeCases:
    """Quantiles by the value of one column, shrunken to those of all.

    Attributes
    ----------
    edges : (m,) increasing; group j holds the values in (edges[j - 1], edges[j]]; the last group holds what is null
    table : (m + 2, k) on the scale of the target, non-decreasing along a row
    """

    edges: Floats
    table: Floats

    @classmethod
    def fit(cls, key: Floats, z: Floats, censored: Mask, weight: Floats, levels: Floats) -> Self:
        """From (n,) keys (nan: not known), values, and whether they are only known to be exceeded."""
        seen = np.unique(key[~np.isnan(key)])
        edges = seen[:-1] if len(seen) <= MOST_VALUES else _cuts(key)
        overall = quantiles(z, masses(z, censored, weight), levels)
        group = _groups(key, edges)
        table = np.tile(overall, (len(edges) + 2, 1))
        for code in np.unique(group):
            rows = group == code
            own = quantiles(z[rows], masses(z[rows], censored[rows], weight[rows]), levels)
            n = weight[rows].sum() ** 2 / max(float((weight[rows] ** 2).sum()), 1e-12)
            table[code] = (n * own + SHRINKAGE * overall) / (n + SHRINKAGE)
        return cls(edges, table)

    def predict(self, key: Floats) -> Floats:
        """(n, k); a value between two that were seen goes with the next above it."""
        return self.table[_groups(key, self.edges)]

    def beyond(self, key: Floats, z: Floats, censored: Mask, weight: Floats, shares: Floats) -> Floats:
        """Where the values of censored rows lie among the like rows that lasted longer; (censored rows, len(shares)).

        `shares` are levels within what lasted longer. The mass that no value bounds counts as the largest value.
        """
        group = _groups(key, self.edges)
        found = np.repeat(z[:, None], len(shares), axis=1)
        for code in np.unique(group[censored]):
            rows = group == code
            asked = np.flatnonzero(rows & censored)
            mass = masses(z[rows], censored[rows], weight[rows])
            passed = share_before(z[rows], mass, z[asked])[:, None]
            wanted = passed + (1 - passed) * shares
            found[asked] = np.maximum(quantiles(z[rows], mass, wanted.ravel()).reshape(wanted.shape), z[asked, None])
        return found[censored]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"edges": self.edges.tolist(), "table": self.table.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(np.array(values["edges"], np.float64), np.array(values["table"], np.float64))


def _cuts(key: Floats) -> Floats:
    known = key[~np.isnan(key)]
    return np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))


def _groups(key: Floats, edges: Floats) -> NDArray[np.int64]:
    group = np.searchsorted(edges, key, side="left")
    return np.where(np.isnan(key), len(edges) + 1, group).astype(np.int64)
