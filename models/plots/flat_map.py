"""Boundaries of areas laid flat for a picture: in pixels, thinned to what an eye can see, and lines to hatch them with.

Neighbours keep the border that they share: it is thinned once for both. Of the ground nothing but borders is known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from data.errors import UsageError

WIDTH: Final = 344
# A city from north to south is drawn as tall as this times its width, and narrower if need be.
_TALLEST: Final = 1.1
_EDGE: Final = 2.0
# So many corners make a map that is light to load, whatever the number of areas.
CORNERS: Final = 1_800
_FINEST: Final = 0.6  # pixels
_COARSER: Final = 1.35
_COARSEST: Final = 12.0


@dataclass(frozen=True)
class FlatMap:
    """Areas laid flat, in pixels with y downwards, and how large the picture is.

    Attributes
    ----------
    areas : code to shape, of the areas that hold no other, in order of their codes
    outlines : the same, of those that hold others
    """

    width: int
    height: int
    areas: Mapping[str, Any]
    outlines: Mapping[str, Any]


def flat_map(
    boundaries: Mapping[str, str], parents: Mapping[str, str], *, width: int = WIDTH, most: int = CORNERS
) -> FlatMap:
    """Lay areas flat: equirectangular, with the scale that is right in the middle of the map.

    Parameters
    ----------
    boundaries : code of an area to its GeoJSON geometry in WGS 84, Polygon or MultiPolygon; holes are kept
    parents : code to the area that it lies in. An area that holds another with a boundary is an outline
    width : pixels
    most : corners to be kept, about; outlines may have a third as many besides

    Raises
    ------
    UsageError
        If there is no boundary, or one that cannot be read; with the code of the area.
    """
    if not boundaries:
        raise UsageError("Expected at least one area with a boundary.")
    shapes = _read(boundaries)
    west, south, east, north = _ends(list(shapes.values()))
    narrow = math.cos(math.radians((south + north) / 2))
    wide, tall = max((east - west) * narrow, 1e-9), max(north - south, 1e-9)
    scale = (width - 2 * _EDGE) / max(wide, tall / _TALLEST)
    left = (width - wide * scale) / 2

    def flat(points: np.ndarray) -> np.ndarray:
        return np.column_stack((left + (points[:, 0] - west) * narrow * scale, _EDGE + (north - points[:, 1]) * scale))

    from shapely import transform  # noqa: PLC0415  (only maps need it)

    laid = {code: transform(shape, flat) for code, shape in shapes.items()}
    inner = _holding(shapes, parents)
    return FlatMap(
        width,
        math.ceil(tall * scale + 2 * _EDGE),
        thinned({code: shape for code, shape in laid.items() if code not in inner}, most),
        thinned({code: shape for code, shape in laid.items() if code in inner}, most // 3),
    )


def thinned(shapes: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The same shapes with about `most` corners in all, rounded to a tenth of a pixel. No shape vanishes."""
    from shapely import GEOSException, coverage_simplify, simplify  # noqa: PLC0415

    given = list(shapes.values())
    finest, kept = _FINEST, given
    while given and finest <= _COARSEST:
        try:
            kept = list(coverage_simplify(given, finest))
        except GEOSException:
            # Areas that overlap are no coverage; each is thinned by itself.
            kept = list(simplify(given, finest / 2))
        if corners(kept) <= most:
            break
        finest *= _COARSER
    # A speck may fall to nothing; then it stays as it is.
    whole = [one if not one.is_empty else other for one, other in zip(kept, given, strict=True)]
    return {code: _rounded(shape) for code, shape in zip(shapes, whole, strict=True)}


def corners(shapes: Sequence[Any]) -> int:
    """How many corners the shapes have together."""
    from shapely import get_num_coordinates  # noqa: PLC0415

    return int(np.sum(get_num_coordinates(list(shapes)))) if shapes else 0


def hatching(shapes: Sequence[Any], angle: float, apart: float) -> Any:
    """Parallel lines across shapes, each at the same places whatever the shapes are, so that they go on next door.

    Parameters
    ----------
    shapes : polygons in pixels, y downwards
    angle : degrees from the horizontal, as a reader sees it: 45 rises to the right
    apart : pixels between two lines

    Returns
    -------
    MultiLineString, rounded to a tenth of a pixel; empty where no line meets a shape
    """
    from shapely import MultiLineString, affinity, get_parts, linestrings, union_all  # noqa: PLC0415

    ground = affinity.rotate(union_all([_mended(shape) for shape in shapes]), angle, origin=(0, 0))
    if ground.is_empty:
        return MultiLineString()
    west, south, east, north = ground.bounds
    rows = np.arange(math.ceil(south / apart), math.floor(north / apart) + 1) * apart
    ends = np.empty((len(rows), 2, 2))
    ends[:, 0, 0], ends[:, 1, 0], ends[:, :, 1] = west - 1, east + 1, rows[:, None]
    across = union_all(linestrings(ends)).intersection(ground)
    lines = [part for part in get_parts(across) if part.geom_type == "LineString" and part.length >= 1.0]
    return _rounded(affinity.rotate(MultiLineString(lines), -angle, origin=(0, 0)))


def _mended(shape: Any) -> Any:
    # What was rounded may touch itself.
    return shape if shape.is_valid else shape.buffer(0)


def _rounded(shape: Any) -> Any:
    from shapely import transform  # noqa: PLC0415

    return transform(shape, lambda points: np.round(points, 1))


def _read(boundaries: Mapping[str, str]) -> dict[str, Any]:
    from shapely.geometry import shape  # noqa: PLC0415

    found = {}
    for code in sorted(boundaries):
        try:
            outline = shape(json.loads(boundaries[code]))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            outline = None
        if outline is None or outline.is_empty or outline.geom_type not in ("Polygon", "MultiPolygon"):
            raise UsageError(f"the boundary of area '{code}' is no Polygon or MultiPolygon in GeoJSON.")
        found[code] = outline
    return found


def _ends(shapes: Sequence[Any]) -> tuple[float, float, float, float]:
    from shapely import total_bounds  # noqa: PLC0415

    west, south, east, north = total_bounds(list(shapes)).tolist()
    return west, south, east, north


def _holding(shapes: Mapping[str, Any], parents: Mapping[str, str]) -> set[str]:
    """The areas above any that is drawn."""
    found: set[str] = set()
    for code in shapes:
        here = parents.get(code)
        while here not in (None, code) and here not in found:
            found.add(here)
            here = parents.get(here)
    return found
