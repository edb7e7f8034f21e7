"""Where the areas of a simulated city lie: every village has the ground nearest to it, and towns are their villages.

Nothing is drawn by lot here: outlines follow from where the villages were scattered, so that whatever else is made up
of the city stays what it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

# Out in the East China Sea, where nobody takes it for a real place. Degrees in WGS 84: longitude, latitude.
ORIGIN: Final = (124.0, 29.5)
# A town is about eleven kilometres wide.
UNIT: Final = 0.1  # degrees of latitude
_SHORE: Final = 0.28  # how far the city reaches beyond its outermost villages
# Borders bend as rivers and ridges do, and never so much that two of them would cross.
_BEND: Final = ((0.045, 2.9, 0.4), (0.022, 6.7, 1.9))  # how far, how often, beginning where
_STEP: Final = 0.09
_DIGITS: Final = 6  # ten centimetres


def village_outlines(places: np.ndarray) -> list[Any]:
    """The ground of every village: together they cover the city, and no two of them overlap.

    Parameters
    ----------
    places : (villages, 2), where each lies; a town is one unit wide

    Returns
    -------
    shapely polygons in degrees, in the order of `places`
    """
    from shapely import MultiPoint, STRtree, points, segmentize, transform, voronoi_polygons  # noqa: PLC0415

    spots = points(places)
    land = MultiPoint(places).convex_hull.buffer(_SHORE)
    cells = list(voronoi_polygons(MultiPoint(places), extend_to=land).geoms)
    own = STRtree(cells).query(spots, predicate="within")
    nearest = {int(village): cells[int(cell)] for village, cell in own.T}
    # The same bends wherever a border is drawn: neighbours keep one border between them.
    return [transform(segmentize(nearest[n].intersection(land), _STEP), _on_earth) for n in range(len(places))]


def boundaries(villages: Sequence[Any], towns: Sequence[int]) -> tuple[list[str], list[str], str]:
    """GeoJSON geometries of the villages, of the towns in order of their number, and of the whole city.

    Parameters
    ----------
    villages : as `village_outlines` gives them
    towns : of each village, the number of its town from 0
    """
    from shapely import union_all  # noqa: PLC0415

    members = [[shape for shape, town in zip(villages, towns, strict=True) if town == n] for n in range(max(towns) + 1)]
    return (
        [_geojson(shape) for shape in villages],
        [_geojson(union_all(own)) for own in members],
        _geojson(union_all(list(villages))),
    )


def _on_earth(points: np.ndarray) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]
    bent_x, bent_y = x.copy(), y.copy()
    for far, often, begin in _BEND:
        bent_x += far * np.sin(often * y + begin)
        bent_y += far * np.sin(often * x + 2.0 * begin)
    wide = UNIT / math.cos(math.radians(ORIGIN[1]))
    # Rows of towns go from north to south, as they are read.
    degrees = np.column_stack((ORIGIN[0] + wide * bent_x, ORIGIN[1] - UNIT * bent_y))
    return np.asarray(np.round(degrees, _DIGITS))


def _geojson(shape: Any) -> str:
    from shapely.geometry import mapping  # noqa: PLC0415

    return json.dumps(mapping(shape), separators=(",", ":"))
