"""Zones: the groups of neighbouring places among which a cluster is looked for.

A zone grows place by place, and the zones that grow from one centre are a family: a tree whose nodes each add one place
to their parent. Circles, ellipses and nearest neighbours are chains (every node the parent of the next), connected
subsets of a map are trees. A scan walks each family once and adds one row of counts per zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError, UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Geometry = Literal["plane", "earth"]

# Radius of the sphere on which distances between latitudes and longitudes are taken, in km.
_EARTH_KM: Final = 6367.0
# Distances that differ by less than this share are the same: rounding must not tell places apart.
_SAME: Final = 1e-12
# Ellipses beside circles: longer axis over shorter, and how many directions of each (Kulldorff et al. 2006).
_ELLIPSES: Final = ((1.5, 4), (2.0, 6), (3.0, 9), (4.0, 12), (5.0, 15))


@dataclass(frozen=True, eq=False)
class Family:
    """Zones grown from one centre: zone z is zone `parent[z]` (-1: nothing) and the place `place[z]` besides.

    Parents come before their children. Zones not `allowed` are only steps on the way to others.
    """

    centre: int
    place: Ints
    parent: Ints
    allowed: Bools
    weight: float = 1.0  # of the statistic, at most 1: eccentric shapes count for less
    radius: Floats | None = None  # how far the zone reaches, in km or in the units of the coordinates

    @cached_property
    def chain(self) -> bool:
        """Whether every zone but the first grows from the one before it."""
        return bool((self.parent == np.arange(-1, len(self.parent) - 1)).all())

    def members(self, zone: int) -> list[int]:
        """The places of one zone, the centre first."""
        if self.chain:
            return [int(one) for one in self.place[: zone + 1]]
        found = []
        while zone >= 0:
            found.append(int(self.place[zone]))
            zone = int(self.parent[zone])
        return found[::-1]

    def sums(self, values: Floats) -> Floats:
        """Values by place (n_places, ...) summed over each zone (n_zones, ...)."""
        found = values[self.place].astype(np.float64)
        if self.chain:
            return np.cumsum(found, axis=0)
        for zone, parent in enumerate(self.parent.tolist()):
            if parent >= 0:
                found[zone] += found[parent]
        return found


@dataclass(frozen=True)
class Zones:
    """All families of a scan over `n_places` places."""

    n_places: int
    families: tuple[Family, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no scan could be made over."""
        if not any(family.allowed.any() for family in self.families):
            raise UsageError("Expected at least one zone; none lies within the largest size. Allow larger zones.")

    @cached_property
    def n_zones(self) -> int:
        """Zones to be compared, the same set of places counted as often as it is reached."""
        return int(sum(family.allowed.sum() for family in self.families))


def circular_zones(
    coordinates: Floats,
    sizes: Floats | None = None,
    *,
    largest_share: float = 0.5,
    largest_radius: float | None = None,
    geometry: Geometry = "plane",
    ellipses: bool = False,
    penalty: float = 0.0,
    most_places: int | None = None,
) -> Zones:
    """Circles around every place, from the place alone up to a share of all that is at risk, or a radius.

    Parameters
    ----------
    coordinates : (n_places, 2)
        x and y for `plane`, latitude and longitude in degrees for `earth`. Places at the same point come together.
    sizes : (n_places,) or None
        What `largest_share` is a share of: population or expected cases. None: every place counts the same.
    largest_radius : float or None
        In km for `earth`, in the units of the coordinates for `plane`.
    ellipses : bool
        Ellipses of five shapes in 4 to 15 directions besides (Kulldorff, Huang, Pickle & Duczmal 2006); `plane` only.
    penalty : float
        Statistics of ellipses of shape s (longer axis over shorter) count (4 s / (s + 1)^2)^penalty.
    most_places : int or None
        Not more places than this in a zone.

    Raises
    ------
    InputError
        If a coordinate is missing or impossible.
    UsageError
        If no zone is within the limits.
    """
    _check_coordinates(coordinates, geometry)
    if ellipses and geometry == "earth":
        raise UsageError("Ellipses need coordinates in a plane; project the latitudes and longitudes first.")
    if not 0.0 < largest_share <= 1.0:
        raise UsageError(f"Expected a largest share above 0 and up to 1, got {largest_share}.")
    n = len(coordinates)
    size = np.ones(n) if sizes is None else np.asarray(sizes, dtype=np.float64)
    # A share of a sum of floats: the last place that just fits must not depend on rounding.
    limit = float(size.sum()) * largest_share * (1.0 + _SAME)
    families = []
    for shape, tilt in _shapes(ellipses):
        weight = (4.0 * shape / (shape + 1.0) ** 2) ** penalty
        seen = coordinates if geometry == "earth" else _stretched(coordinates, shape, tilt)
        for centre in range(n):
            distance = _distances(seen, centre, geometry)
            family = _circles(centre, distance, size, limit, largest_radius, most_places, weight)
            if family is not None:
                families.append(family)
    return Zones(n, tuple(families))


def nearest_zones(coordinates: Floats, k: int, *, geometry: Geometry = "plane") -> Zones:
    """Every place with none, one, ... of its nearest others: zones of 1 to `k` places."""
    if k < 1:
        raise UsageError(f"Expected zones of at least one place, got k={k}.")
    return circular_zones(coordinates, largest_share=1.0, geometry=geometry, most_places=k)


def listed_zones(n_places: int, zones: Iterable[Sequence[int]]) -> Zones:
    """Zones as listed, each a sequence of place indices; those that begin alike share their sums."""
    node: dict[tuple[int, ...], int] = {}
    place: list[int] = []
    parent: list[int] = []
    allowed: list[bool] = []
    for zone in zones:
        ordered = tuple(sorted({int(one) for one in zone}))
        if not ordered or ordered[0] < 0 or ordered[-1] >= n_places:
            raise UsageError(f"Expected zones of one or more places from 0 to {n_places - 1}.")
        for end in range(1, len(ordered) + 1):
            if ordered[:end] not in node:
                node[ordered[:end]] = len(place)
                parent.append(node.get(ordered[: end - 1], -1))
                place.append(ordered[end - 1])
                allowed.append(False)
        allowed[node[ordered]] = True
    family = Family(-1, np.array(place, np.int64), np.array(parent, np.int64), np.array(allowed, bool))
    return Zones(n_places, (family,))


def whole_area(n_places: int) -> Zones:
    """One zone of all places: for a scan over time alone."""
    return listed_zones(n_places, [range(n_places)])


def _shapes(ellipses: bool) -> list[tuple[float, float]]:
    found = [(1.0, 0.0)]
    if ellipses:
        found += [(shape, np.pi * turn / turns) for shape, turns in _ELLIPSES for turn in range(turns)]
    return found


def _stretched(coordinates: Floats, shape: float, tilt: float) -> Floats:
    """Coordinates in which ellipses of this shape and direction are circles, with radius the shorter half-axis."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    along = coordinates @ turn
    along[:, 0] /= shape
    return np.asarray(along)


def _distances(coordinates: Floats, centre: int, geometry: Geometry) -> Floats:
    if geometry == "plane":
        return np.asarray(np.sqrt(((coordinates - coordinates[centre]) ** 2).sum(axis=1)))
    radians = np.radians(coordinates)
    half = (radians - radians[centre]) / 2.0
    across = np.cos(radians[:, 0]) * np.cos(radians[centre, 0]) * np.sin(half[:, 1]) ** 2
    return np.asarray(2.0 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(np.sin(half[:, 0]) ** 2 + across, 1.0))))


def _circles(
    centre: int,
    distance: Floats,
    size: Floats,
    limit: float,
    largest_radius: float | None,
    most_places: int | None,
    weight: float,
) -> Family | None:
    order = np.argsort(distance, kind="stable")
    # The centre itself leads, whoever else is at its point.
    order = np.concatenate([[centre], order[order != centre]])
    reach = distance[order]
    inside = np.cumsum(size[order]) <= limit
    if largest_radius is not None:
        inside &= reach <= largest_radius * (1.0 + _SAME)
    last = len(inside) if inside.all() else int(np.argmin(inside))
    if most_places is not None:
        last = min(last, most_places)
    if last == 0:
        return None
    allowed = np.ones(last, dtype=bool)
    # Places equally far come in together or not at all, unless a number of places was asked for.
    if most_places is None:
        following = np.append(reach[1:], np.inf)[:last]
        allowed = following > reach[:last] * (1.0 + _SAME)
    if not allowed.any():
        return None
    return Family(centre, order[:last], np.arange(-1, last - 1), allowed, weight, reach[:last])


def _check_coordinates(coordinates: Floats, geometry: Geometry) -> None:
    if coordinates.ndim != 2 or coordinates.shape[1] != 2:
        raise UsageError(f"Expected two coordinates for each place, got an array of shape {coordinates.shape}.")
    if not np.isfinite(coordinates).all():
        raise InputError("Expected two coordinates for every place; some are missing or not finite.")
    if geometry == "earth" and (np.abs(coordinates) > (90.0, 180.0)).any():
        raise InputError(
            "Expected a latitude from -90 to 90 and a longitude from -180 to 180; are the two columns exchanged?"
        )
