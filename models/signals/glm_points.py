"""The points of a seasonal regression: seasons and times as matrices that sum, and the counts of many series there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Design:
    """Seasons and times of the points, as matrices that sum over points and spread over them."""

    seasons: Floats  # (n_points, n_seasons), 1 where the point lies in the season
    laid_out: Floats  # the same turned, (n_seasons, n_points)
    time: Floats  # (n_points,) measured from `centre`
    centre: float
    sums: Floats  # (n_points, 3 n_seasons): seasons, seasons x time, seasons x time squared

    @classmethod
    def of(cls, seasons: Ints, times: Floats | None) -> Design:
        """Of the points with these seasons and times (None: no trend)."""
        inside = (seasons[:, None] == np.arange(int(seasons.max()) + 1)).astype(float)
        centre = 0.0 if times is None else float(times.mean())
        time = np.zeros(len(seasons)) if times is None else times - centre
        sums = np.hstack([inside, inside * time[:, None], inside * (time**2)[:, None]])
        return cls(inside, np.ascontiguousarray(inside.T), time, centre, sums)

    def spread(self, by_season: Floats) -> Floats:
        """Values per season laid out over the points; (n_series, n_seasons) to (n_series, n_points)."""
        laid: Floats = by_season @ self.laid_out
        return laid


@dataclass(frozen=True, slots=True)
class Line:
    """Effect of every season (at the centre of time) and slope; (n_series, n_seasons) and (n_series,)."""

    effect: Floats
    slope: Floats

    def rows(self, rows: Ints) -> Line:
        """Those of some of the series."""
        return Line(self.effect[rows], self.slope[rows])

    def put(self, rows: Ints, other: Line) -> None:
        """Take those of `other` for some of the series."""
        self.effect[rows], self.slope[rows] = other.effect, other.slope


class Points:
    """Counts of many series at the same points, and what follows from them alone, worked out once.

    Parameters
    ----------
    as of `models.signals.glm.SeasonalCounts`
    """

    def __init__(self, counts: Floats, seasons: Ints, times: Floats | None, offset: Floats | None = None) -> None:
        self.counts = counts
        self.offset = offset
        self.design = Design.of(seasons, times)

    @cached_property
    def two_thirds(self) -> Floats:
        """Counts to the power 2/3."""
        root = np.cbrt(self.counts)
        root *= root
        return root

    @cached_property
    def _log(self) -> Floats:
        return np.log(self.counts + 0.1)

    @cached_property
    def start_pull(self) -> Floats:
        """Weight times working response at the start of the steps, the mean y + 0.1."""
        log = self._log if self.offset is None else self._log - self.offset
        return (self.counts + 0.1) * log - 0.1

    @cached_property
    def start_deviance(self) -> Floats:
        """Half the deviance of every point at the start."""
        half: Floats = self.counts * (np.log(np.maximum(self.counts, 1e-300)) - self._log) + 0.1
        return half

    @cached_property
    def saturated(self) -> Floats:
        """Log likelihood of every point at its own count, measured from that of the offset alone."""
        best: Floats = self.counts * (np.log(np.maximum(self.counts, 1e-300)) - 1.0)
        return best if self.offset is None else best - self.counts * self.offset

    def rows(self, rows: Ints) -> Self:
        """The same for some of the series."""
        part = object.__new__(type(self))
        part.design = self.design
        part.offset = None if self.offset is None else self.offset[rows]
        for name, value in self.__dict__.items():
            if name not in {"design", "offset"}:
                part.__dict__[name] = value[rows]
        return part


def thirds(sums: Floats) -> tuple[Floats, ...]:
    """Sums of 1, time, and time squared, by season each."""
    n = sums.shape[1] // 3
    return sums[:, :n], sums[:, n : 2 * n], sums[:, 2 * n :]
