"""The scan: clusters of cases among neighbouring places, with Monte Carlo p-values.

The most likely cluster is the zone and window with the largest statistic; others follow if they share no place with
one before. A p-value is the rank of a cluster's statistic among the largest ones of data without clusters (Dwass 1957),
so the search over thousands of zones and windows is already paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.scan.nulls import BernoulliNull, Null, PoissonNull, replications
from models.signals.scan.restricted import RestrictedSearch, RestrictedZones
from models.signals.scan.search import TIE, Plan, best_of_family, largest_statistics, plan
from models.signals.scan.statistics import Side
from models.signals.scan.windows import Windows
from models.signals.scan.zones import Zones

Floats = NDArray[np.float64]
Sides = Literal["high", "low", "both"]
Overlap = Literal["space", "space-time"]
Largest = Callable[[NDArray[Any]], Floats]

CLUSTER_COLUMNS: Final = (
    "rank",
    "side",
    "places",
    "n_places",
    "centre",
    "radius",
    "first",
    "last",
    "observed",
    "expected",
    "ratio",
    "relative_risk",
    "statistic",
    "p_value",
    "p_gumbel",
)
# Cells of counts drawn at once: some tens of megabytes.
_CELLS: Final = 2**23
# How often progress is told, at a little cost of speed.
_TOLD: Final = 5
_EULER: Final = 0.5772156649015329


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """The clusters of a scan, and what their p-values rest on."""

    clusters: pd.DataFrame  # CLUSTER_COLUMNS, by rank; `places` are tuples of names, `first`, `last` steps or labels
    maxima: Floats  # (n_replications,) the largest statistic of each
    n_zones: int  # of restricted zones the centres, for how many there are depends on the counts
    n_windows: int

    def p_value(self, statistic: float) -> float:
        """The share of data, this one included, whose largest statistic is at least as large."""
        return float((1 + self._as_large(statistic)) / (1 + len(self.maxima)))

    def _as_large(self, statistic: float) -> int:
        return int((self.maxima >= statistic - TIE * max(abs(statistic), 1.0)).sum())

    def gumbel_p_value(self, statistic: float) -> float:
        """The same from a Gumbel law fitted to the maxima (Abrams, Kulldorff & Kleinman 2010); NaN without a spread."""
        if len(self.maxima) < 2 or self.maxima.std() == 0.0:
            return float("nan")
        scale = float(self.maxima.std(ddof=1)) * np.sqrt(6.0) / np.pi
        mode = float(self.maxima.mean()) - _EULER * scale
        return float(-np.expm1(-np.exp(-(statistic - mode) / scale)))


def scan(
    null: Null,
    zones: Zones | RestrictedZones,
    windows: Windows,
    *,
    places: Sequence[Hashable] | None = None,
    times: Sequence[Any] | None = None,
    sides: Sides = "high",
    replicates: int = 999,
    seed: int = 1,
    least_cases: int = 2,
    stop_after: int | None = None,
    most_clusters: int | None = None,
    overlap: Overlap = "space",
    drawn: Callable[[int], None] | None = None,
) -> ScanResult:
    """Find clusters.

    Parameters
    ----------
    null : Null
        Counts and expectations by place and time step, from `models.signals.scan.nulls`.
    zones, windows : Zones or RestrictedZones, Windows
        Where and when clusters may lie. Restricted zones are looked through for high rates alone.
    places, times : sequences or None
        Names of places and labels of time steps; None: their numbers.
    sides : "high", "low" or "both"
        Whether more than expected is looked for, less (silence), or both.
    replicates, seed : int
        Replications drawn, and the seed they are drawn from. The result depends on nothing else: not on how many are
        drawn at a time, nor on the machine.
    least_cases : int
        High clusters have at least so many cases.
    stop_after : int or None
        Stop once so many replications reached the first cluster's statistic (Besag & Clifford 1991): enough to know
        that it is nothing, at a fraction of the cost. The p-values are valid, and coarse.
    most_clusters : int or None
        Report no more than this.
    overlap : "space" or "space-time"
        A cluster is left out if it shares a place with a stronger one ("space"), or only if it shares a place at the
        same time. SaTScan does the second for space-time permutations and the first otherwise.
    drawn : callable or None
        Told now and then how many replications are done.

    Raises
    ------
    UsageError
        If the zones or windows are not over these places and times, or a number is out of its range.
    """
    n_places, n_times = null.counts.shape
    _check(zones, windows, n_places, n_times, replicates, least_cases)
    places = list(range(n_places)) if places is None else list(places)
    times = list(range(n_times)) if times is None else list(times)
    looked: tuple[Side, ...] = ("high", "low") if sides == "both" else (sides,)
    found, largest = _searched(null, zones, windows, looked, least_cases)
    chosen = _without_overlap(found, windows, overlap, n_places)[:most_clusters]
    first = chosen[0].statistic if chosen else np.inf
    maxima = _maxima(null, windows, largest, replicates, seed, first, stop_after, drawn)
    result = ScanResult(pd.DataFrame(columns=CLUSTER_COLUMNS), maxima, zones.n_zones, len(windows.start))
    rows = [_described(one, rank, null, windows, places, times, result) for rank, one in enumerate(chosen, 1)]
    return ScanResult(pd.DataFrame(rows, columns=CLUSTER_COLUMNS), maxima, zones.n_zones, len(windows.start))


def largest_by_zone(null: Null, zones: Zones, windows: Windows, *, most: int = 10, side: Side = "high") -> pd.DataFrame:
    """The zones and windows with the largest statistics, overlapping or not, without p-values.

    Returns
    -------
    DataFrame with `statistic`, `places` (tuple of place numbers), `first`, `last` (steps), at most `most` rows.
    """
    plans = plan(zones, windows.sums(null.weighted(null.expected)))
    counts = windows.sums(null.weighted(null.counts))
    rows: list[tuple[float, tuple[int, ...], int, int]] = []
    for one in plans:
        value = null.statistic.value(one.family.sums(counts), one.baseline, side) * one.family.weight
        value[~one.family.allowed] = -np.inf
        for flat in np.argsort(-value, axis=None, kind="stable")[:most]:
            zone, window = (int(i) for i in np.unravel_index(flat, value.shape))
            if np.isfinite(value[zone, window]):
                where = (int(windows.start[window]), int(windows.stop[window]) - 1)
                rows.append((float(value[zone, window]), tuple(sorted(one.family.members(zone))), *where))
    rows = sorted(set(rows), key=lambda row: (-row[0], len(row[1]), row[1:]))
    return pd.DataFrame(rows[:most], columns=["statistic", "places", "first", "last"])


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """The best zone and window of one family."""

    statistic: float
    side: Side
    members: tuple[int, ...]
    centre: int
    radius: float
    window: int


def _searched(
    null: Null, zones: Zones | RestrictedZones, windows: Windows, sides: Sequence[Side], least_cases: int
) -> tuple[list[_Candidate], Largest]:
    """The best zones of the data, and what finds the largest statistic of others like them."""
    if isinstance(zones, RestrictedZones):
        if tuple(sides) != ("high",):
            raise UsageError("Restricted zones are of places with more than expected; look for high rates alone.")
        search = RestrictedSearch(zones, null, windows, least_cases)
        groups = search.by_centre(windows.sums(null.counts))
        found = [_Candidate(one.statistic, "high", one.members, one.centre, np.nan, one.window) for one in groups]
        return found, search.largest
    plans = plan(zones, windows.sums(null.weighted(null.expected)))

    def largest(drawn: NDArray[Any]) -> Floats:
        return largest_statistics(plans, drawn, null.statistic, sides=sides, least_cases=least_cases)

    return _candidates(null, plans, windows, sides, least_cases), largest


def _candidates(
    null: Null, plans: Sequence[Plan], windows: Windows, sides: Sequence[Side], least_cases: int
) -> list[_Candidate]:
    cases = windows.sums(null.counts.astype(np.float64))
    counts = cases if null.weights is None else windows.sums(null.weighted(null.counts))
    found = []
    for side in sides:
        for one in plans:
            for value, zone, window in best_of_family(one, counts, cases, null.statistic, side, least_cases):
                radius = np.nan if one.family.radius is None else float(one.family.radius[zone])
                members = tuple(one.family.members(zone))
                found.append(_Candidate(value, side, members, one.family.centre, radius, window))
    return _best_by_centre(found)


def _best_by_centre(found: list[_Candidate]) -> list[_Candidate]:
    """Of zones around one centre, of whatever shape, the largest on each side; zones without a centre stay."""
    best: dict[tuple[int, Side], _Candidate] = {}
    for one in found:
        key = (one.centre, one.side)
        if one.centre >= 0 and (key not in best or one.statistic > best[key].statistic + TIE):
            best[key] = one
    return [one for one in found if one.centre < 0 or best[one.centre, one.side] is one]


def _without_overlap(found: list[_Candidate], windows: Windows, overlap: Overlap, n_places: int) -> list[_Candidate]:
    """The largest first, each next only if it overlaps with none before."""
    # Equal statistics differ by rounding, which must not decide: then the fewer places, then their order.
    ordered = sorted(found, key=lambda one: (-float(f"{one.statistic:.9g}"), len(one.members), one.members, one.window))
    taken = np.zeros((n_places, windows.n_times), dtype=bool)
    chosen = []
    for one in ordered:
        members = list(one.members)
        steps = slice(int(windows.start[one.window]), int(windows.stop[one.window]))
        part = taken[members] if overlap == "space" else taken[members, steps]
        if not part.any():
            taken[members, steps] = True
            chosen.append(one)
    return chosen


def _maxima(
    null: Null,
    windows: Windows,
    largest: Largest,
    replicates: int,
    seed: int,
    first: float,
    stop_after: int | None,
    told: Callable[[int], None] | None,
) -> Floats:
    n_steps = int(windows.stop.max() - windows.start.min())
    at_once = int(np.clip(_CELLS // (len(null.counts) * max(n_steps, len(windows.start))), 1, max(replicates, 1)))
    if told is not None:
        at_once = min(at_once, max(replicates // _TOLD, 1))
    if stop_after is not None:
        at_once = min(at_once, max(4 * stop_after, 16))
    maxima: Floats = np.zeros(0)
    for begin in range(0, replicates, at_once):
        drawn = replications(null, windows, seed, range(begin, min(begin + at_once, replicates)))
        maxima = np.append(maxima, largest(drawn))
        if told is not None:
            told(len(maxima))
        if stop_after is not None:
            reached = np.flatnonzero(maxima >= first - TIE * max(abs(first), 1.0))
            if len(reached) >= stop_after:
                # Where it stops depends on the replications alone, not on how many were drawn at a time.
                return maxima[: reached[stop_after - 1] + 1]
    return maxima


def _described(
    one: _Candidate,
    rank: int,
    null: Null,
    windows: Windows,
    places: Sequence[Hashable],
    times: Sequence[Any],
    result: ScanResult,
) -> dict[str, Any]:
    start, stop = int(windows.start[one.window]), int(windows.stop[one.window])
    members = list(one.members)
    observed = int(null.counts[members, start:stop].sum())
    expected = float(null.expected[members, start:stop].sum())
    total = int(null.counts.sum())
    ratio = observed / expected if expected > 0.0 else np.inf
    risk = np.nan
    if isinstance(null, PoissonNull | BernoulliNull):
        rest = (total - observed) / (total - expected) if total > expected else np.nan
        risk = ratio / rest if rest > 0.0 else np.inf
    return {
        "rank": rank,
        "side": one.side,
        "places": tuple(places[member] for member in members),
        "n_places": len(members),
        "centre": None if one.centre < 0 else places[one.centre],
        "radius": one.radius,
        "first": times[start],
        "last": times[stop - 1],
        "observed": observed,
        "expected": expected,
        "ratio": ratio,
        "relative_risk": risk,
        "statistic": one.statistic,
        "p_value": result.p_value(one.statistic),
        "p_gumbel": result.gumbel_p_value(one.statistic),
    }


def _check(
    zones: Zones | RestrictedZones, windows: Windows, n_places: int, n_times: int, replicates: int, least_cases: int
) -> None:
    if zones.n_places != n_places or windows.n_times != n_times:
        raise UsageError(
            f"Expected zones over {n_places} places and windows over {n_times} steps, got {zones.n_places} and "
            f"{windows.n_times}."
        )
    if replicates < 0 or least_cases < 0:
        raise UsageError("Expected 0 or more replications and 0 or more least cases.")
