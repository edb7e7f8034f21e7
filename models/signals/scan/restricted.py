"""Zones of any shape made only of places that are each somewhat high: the restricted likelihood ratio (Tango 2008).

Connected groups may string weak places together only because one more case comes with each. Here a place enters only if
its own count is unusual: its mid-p-value P(more) + P(as many)/2 is below `alpha`. So few places remain that groups may
be chosen from fifty neighbours in place of ten, and clusters keep to the places that are raised. Which zones there are
depends on the counts, and is worked out anew for every replication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.errors import UsageError
from models.signals.scan.flexible import both_ways, nearest_along, nearest_by_distance
from models.signals.scan.nulls import BernoulliNull, Null
from models.signals.scan.search import TIE
from models.signals.scan.windows import Windows
from models.signals.scan.zones import Geometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEAREST: Final = 50

# Places taken, places to take next, and all that were met.
_Branch = tuple[tuple[int, ...], tuple[int, ...], frozenset[int]]


@dataclass(frozen=True)
class RestrictedZones:
    """The places that zones are chosen from: `near` of each centre, joined by `links`, each with a mid-p < `alpha`."""

    n_places: int
    near: tuple[frozenset[int], ...] = field(repr=False)
    links: tuple[tuple[int, ...], ...] = field(repr=False)
    alpha: float

    @property
    def n_zones(self) -> int:
        """Centres that zones grow from: how many zones there are depends on the counts."""
        return self.n_places


def restricted_zones(
    neighbours: Sequence[Sequence[int]],
    k: int = _NEAREST,
    *,
    alpha: float = 0.2,
    coordinates: Floats | None = None,
    geometry: Geometry = "plane",
) -> RestrictedZones:
    """Connected groups of raised places among the `k` nearest around each centre, the centre always among them.

    Parameters
    ----------
    neighbours, k, coordinates, geometry
        As in `flexible_zones`.
    alpha : float
        A place enters only with a mid-p-value below it; .2 in the paper.

    Raises
    ------
    InputError
        If a neighbour is not one of the places.
    UsageError
        If `k` or `alpha` is out of its range.
    """
    if k < 1:
        raise UsageError(f"Expected zones of at least one place, got k={k}.")
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"Expected a level for single places between 0 and 1, got {alpha}.")
    links = both_ways(neighbours)
    near = nearest_along(links, k) if coordinates is None else nearest_by_distance(coordinates, k, geometry)
    return RestrictedZones(len(links), tuple(map(frozenset, near)), tuple(map(tuple, links)), alpha)


def raised_from(null: Null, windows: Windows, alpha: float) -> Ints:
    """(n_places, n_windows) the smallest count whose mid-p-value is below `alpha`.

    Binomial where there are trials, Poisson else; for permutations that is an approximation, as their statistic is.
    """
    if null.weights is not None:
        raise UsageError("Restricted zones need counts without weights: not the negative binomial.")
    if isinstance(null, BernoulliNull):
        law = stats.binom(windows.sums(null.trials), float(null.counts.sum() / null.trials.sum()))
    else:
        law = stats.poisson(windows.sums(null.expected))
    # There P(more) is first at most alpha; the mid-p-value is below it there or one further.
    found = np.maximum(law.ppf(1.0 - alpha), 0.0)
    middle = (law.sf(found) + law.sf(found - 1.0)) / 2.0
    return np.asarray(found + (middle >= alpha), dtype=np.int64)


@dataclass(frozen=True)
class Group:
    """The best zone around one centre in one window."""

    statistic: float
    centre: int
    members: tuple[int, ...]
    window: int


class RestrictedSearch:
    """The largest statistics over restricted zones, exactly: branches that cannot reach the best are not followed."""

    def __init__(self, zones: RestrictedZones, null: Null, windows: Windows, least_cases: int) -> None:
        self.zones, self.statistic, self.least_cases = zones, null.statistic, least_cases
        self.baseline = windows.sums(null.expected)
        self.least = raised_from(null, windows, zones.alpha)

    def by_centre(self, counts: Ints) -> list[Group]:
        """The best zone of each centre that has one; `counts` is (n_places, n_windows)."""
        best: dict[int, Group] = {}
        for window in range(counts.shape[1]):
            column = _Column(self, counts[:, window], window)
            for centre in column.raised:
                floor = best[centre].statistic if centre in best else 0.0
                found = column.grow(centre, column.around(centre), floor)
                if found is not None:
                    best[centre] = found
        return [best[centre] for centre in sorted(best)]

    def largest(self, counts: NDArray[Any]) -> Floats:
        """The largest statistic of each replication; `counts` is (n_places, n_windows, n_replications)."""
        return np.array([self._largest(counts[:, :, one]) for one in range(counts.shape[2])], dtype=np.float64)

    def _largest(self, counts: NDArray[Any]) -> float:
        waiting = []
        for window in range(counts.shape[1]):
            column = _Column(self, counts[:, window], window)
            bounds: dict[frozenset[int], float] = {}
            for centre in column.raised:
                inside = column.around(centre)
                if inside not in bounds:
                    bounds[inside] = column.bound(0.0, 0.0, inside)
                waiting.append((bounds[inside], centre, inside, column))
        best = 0.0
        # What promises most first: hardly any other is then worth a look.
        for bound, centre, inside, column in sorted(waiting, key=lambda one: -one[0]):
            if bound <= best:
                break
            found = column.grow(centre, inside, best)
            best = best if found is None else found.statistic
        return best


class _Column:
    """Counts of one window."""

    def __init__(self, search: RestrictedSearch, counts: NDArray[Any], window: int) -> None:
        self.search, self.window = search, window
        self.counts, self.baseline = counts.astype(np.float64), search.baseline[:, window]
        self.raised = np.flatnonzero(counts >= search.least[:, window]).tolist()
        self.is_raised = frozenset(self.raised)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.ratio = np.where(self.counts > 0, self.counts / self.baseline, 0.0)

    def around(self, centre: int) -> frozenset[int]:
        """Raised places near the centre that hang together with it."""
        allowed = self.search.zones.near[centre] & self.is_raised
        found, waiting = {centre}, [centre]
        while waiting:
            for other in self.search.zones.links[waiting.pop()]:
                if other in allowed and other not in found:
                    found.add(other)
                    waiting.append(other)
        return frozenset(found)

    def bound(self, cases: float, baseline: float, others: frozenset[int]) -> float:
        """What no group reaches that adds some of these places, connected or not.

        The statistics are convex in count and baseline, so that the best subset holds the highest ratios (Neill 2012).
        """
        order = sorted(others, key=self.ratio.__getitem__, reverse=True)
        observed = np.r_[cases, cases + np.cumsum(self.counts[order])]
        beside = np.r_[baseline, baseline + np.cumsum(self.baseline[order])]
        return float(self.search.statistic.value(observed, beside).max()) * (1.0 + TIE)

    def grow(self, centre: int, inside: frozenset[int], floor: float) -> Group | None:
        """The best connected group of `inside` with the centre, if it is above `floor`."""
        links, best = self.search.zones.links, None
        first = tuple(one for one in links[centre] if one in inside)
        waiting: list[_Branch] = [((centre,), first, frozenset((centre, *first)))]
        while waiting:
            members, open_places, met = waiting.pop()
            chosen = list(members)
            cases, baseline = float(self.counts[chosen].sum()), float(self.baseline[chosen].sum())
            value = float(self.search.statistic.value(np.array(cases), np.array(baseline)))
            if value > floor * (1.0 + TIE) and cases >= self.search.least_cases:
                floor, best = value, Group(value, centre, tuple(sorted(members)), self.window)
            if not open_places or self.bound(cases, baseline, (inside - met).union(open_places)) <= floor:
                continue
            # A place passed over is not added further down, so that no group comes twice; the last is followed first.
            ordered = sorted(open_places, key=self.ratio.__getitem__, reverse=True)
            branches: list[_Branch] = []
            for turn, other in enumerate(ordered):
                fresh = [one for one in links[other] if one in inside and one not in met]
                branches.append(((*members, other), (*ordered[turn + 1 :], *fresh), met.union(fresh)))
            waiting.extend(reversed(branches))
        return best
