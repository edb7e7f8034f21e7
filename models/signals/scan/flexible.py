"""Zones of any shape: connected groups of places near a centre, along a map of neighbours (Tango & Takahashi 2005)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError, UsageError
from models.signals.scan.zones import Family, Geometry, Zones, nearest_zones

Floats = NDArray[np.float64]

# A scan walks every zone of every replication; beyond this many around one centre it would take hours.
_MOST_ZONES: Final = 2**18


def flexible_zones(
    neighbours: Sequence[Sequence[int]],
    k: int = 10,
    *,
    coordinates: Floats | None = None,
    geometry: Geometry = "plane",
) -> Zones:
    """Connected groups of the `k` nearest places around each centre, the centre always among them.

    Parameters
    ----------
    neighbours : for each place the places beside it
        Taken in both directions; a place is not its own neighbour.
    k : int
        How many places, the centre one of them, a group is chosen from. Zones grow in number about twofold with each:
        10 is quick, 15 slow.
    coordinates : (n_places, 2) or None
        What "nearest" means. None: the fewest borders to cross, then the order of the places.

    Raises
    ------
    InputError
        If a neighbour is not one of the places.
    UsageError
        If some centre has more zones than could be scanned.
    """
    if k < 1:
        raise UsageError(f"Expected zones of at least one place, got k={k}.")
    links = both_ways(neighbours)
    n = len(links)
    near = nearest_along(links, k) if coordinates is None else nearest_by_distance(coordinates, k, geometry)
    return Zones(n, tuple(_connected(centre, near[centre], links) for centre in range(n)))


def both_ways(neighbours: Sequence[Sequence[int]]) -> list[list[int]]:
    """Neighbours in both directions, sorted, nobody beside itself."""
    n = len(neighbours)
    found: list[set[int]] = [set() for _ in range(n)]
    for place, beside in enumerate(neighbours):
        for other in beside:
            if not 0 <= int(other) < n:
                raise InputError(f"Expected neighbours among the {n} places, numbered from 0; one is none of them.")
            if int(other) != place:
                found[place].add(int(other))
                found[int(other)].add(place)
    return [sorted(one) for one in found]


def numbered(names: Sequence[str], neighbours: Mapping[str, Sequence[str]]) -> list[list[int]]:
    """Neighbours by name as neighbours by number; places that are not listed have none, others are refused."""
    number = {name: i for i, name in enumerate(names)}
    unknown = {one for name, beside in neighbours.items() for one in (name, *beside)} - number.keys()
    if unknown:
        raise InputError(
            f"Expected neighbours among the places; {len(unknown)} of them are no places, such as {min(unknown)!r}."
        )
    return [[number[one] for one in neighbours.get(name, ())] for name in names]


def nearest_by_distance(coordinates: Floats, k: int, geometry: Geometry) -> list[list[int]]:
    """The `k` nearest places of each, itself first."""
    return [family.place.tolist() for family in nearest_zones(coordinates, k, geometry=geometry).families]


def nearest_along(links: list[list[int]], k: int) -> list[list[int]]:
    """The same by borders to cross, then by the order of the places."""
    found = []
    for centre in range(len(links)):
        steps = {centre: 0}
        waiting = deque([centre])
        while waiting:
            place = waiting.popleft()
            # All places as few borders away are known before the farther ones are cut off.
            if len(steps) >= k and steps[place] >= max(steps.values()):
                break
            for other in links[place]:
                if other not in steps:
                    steps[other] = steps[place] + 1
                    waiting.append(other)
        found.append(sorted(steps, key=lambda one: (steps[one], one))[:k])
    return found


def _connected(centre: int, near: list[int], links: list[list[int]]) -> Family:
    """Every connected group of `near` around `centre`, once each, as a tree."""
    inside = set(near)
    place, parent = [centre], [-1]
    first = [one for one in links[centre] if one in inside]
    waiting: list[tuple[int, list[int], frozenset[int]]] = [(0, first, frozenset([centre, *first]))]
    while waiting:
        zone, open_places, met = waiting.pop()
        # A place passed over here is never added further down, so that no group comes twice.
        for turn, other in enumerate(open_places):
            fresh = [one for one in links[other] if one in inside and one not in met]
            place.append(other)
            parent.append(zone)
            waiting.append((len(place) - 1, open_places[turn + 1 :] + fresh, met.union(fresh)))
        if len(place) > _MOST_ZONES:
            raise UsageError(
                f"The {len(near)} places around one centre make more than {_MOST_ZONES:,} connected zones; choose from "
                "fewer places."
            )
    return Family(centre, np.array(place, np.int64), np.array(parent, np.int64), np.ones(len(place), dtype=bool))
