"""The reporting triangle: how many reports of each day or week became known with which delay, as far as it goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Dates = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class ReportingTriangle:
    """Reports by when they happened (rows, oldest first) and how many periods later they became known (columns).

    Attributes
    ----------
    dates : (n_rows,) datetime64[D], first day of each period
    counts : (n_rows, longest + 1), 0 where not yet observable; a correction downwards is a negative count. The last
        column holds all longer delays as well.
    age : (n_rows,) whole periods from each row's period to now: delays up to `age` are observed, later ones are not
        yet.
    """

    dates: Dates
    counts: Floats
    age: Ints

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or len(self.dates) != len(self.counts) or self.age.shape != self.dates.shape:
            raise UsageError(
                "Expected a triangle with as many dates and ages as rows; "
                f"got {len(self.dates)} dates, {len(self.age)} ages and counts of shape {self.counts.shape}."
            )

    @property
    def longest(self) -> int:
        """The longest delay told apart, in periods."""
        return int(self.counts.shape[1]) - 1

    @property
    def known(self) -> Bools:
        """(n_rows, longest + 1): which delays are observed by now."""
        observed: Bools = np.arange(self.longest + 1) <= self.age[:, None]
        return observed

    @property
    def reported(self) -> Floats:
        """(n_rows,): reports known by now."""
        total: Floats = np.where(self.known, self.counts, 0.0).sum(axis=1)
        return total

    def newest(self, rows: int) -> ReportingTriangle:
        """The same triangle, with the newest `rows` rows only."""
        if rows < 1:
            raise UsageError(f"Expected at least one row of a reporting triangle to use, got {rows}.")
        return replace(self, dates=self.dates[-rows:], counts=self.counts[-rows:], age=self.age[-rows:])


def without_negatives(triangle: ReportingTriangle) -> ReportingTriangle:
    """The triangle with every correction downwards taken off the next shorter delays of its row.

    A negative count says that reports known earlier were none. It is set to 0 and taken off the delay before, and so
    on towards the shortest; what is left there, more taken back than was ever reported, is dropped. Row sums stay but
    for that.
    """
    counts = np.where(triangle.known, triangle.counts, 0.0)
    if (counts >= 0.0).all():
        return triangle
    counts = counts.copy()
    for delay in range(triangle.longest, 0, -1):
        below = np.minimum(counts[:, delay], 0.0)
        counts[:, delay] -= below
        counts[:, delay - 1] += below
    counts[:, 0] = np.maximum(counts[:, 0], 0.0)
    return replace(triangle, counts=counts)
