"""Boundaries of areas: read from GeoJSON, judged whether they are areas at all, and who lies beside whom."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data.errors import FileFormatError, Finding, PersonalDataError
from data.findings import BadRows, bad_rows
from data.value_scan import BOUNDARY

# A plot with a house on it is smaller; a village square is not.
SMALLEST_AREA: Final = 2_000.0  # square metres
# Borders drawn twice do not meet to the last digit: about two metres, in degrees.
_TOUCHING: Final = 2e-5
_METRES_PER_DEGREE: Final = 111_320.0
_LISTS: Final = ("neighbours",)


def read_shapes(path: Path, code: str) -> pd.DataFrame:
    """The features of a GeoJSON file: their properties as text, and `shape`.

    Raises
    ------
    FileFormatError
        If it is no FeatureCollection, or a geometry cannot be read; with the number of the feature.
    PersonalDataError
        If a geometry is no polygon: a point is an exact place.
    """
    from shapely.geometry import shape  # noqa: PLC0415  (only these files need it)

    features = _features(path)
    rows: list[dict[str, Any]] = []
    for number, feature in enumerate(features, start=1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict) or not isinstance(properties, dict):
            raise FileFormatError(f"{path.name}, feature {number}: expected properties and a geometry.")
        if geometry.get("type") not in ("Polygon", "MultiPolygon"):
            message = "expected a Polygon or MultiPolygon; anything else is an exact place or a way."
            raise PersonalDataError(
                f"{path.name}, feature {number}: {message} {BOUNDARY}",
                [Finding("exact_place", code, 1, (number,), message, "Leave the feature out.")],
            )
        try:
            outline = shape(geometry)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise FileFormatError(f"{path.name}, feature {number}: the geometry cannot be read.") from None
        rows.append({**{str(name): _text(value) for name, value in properties.items()}, "shape": outline})
    frame = pd.DataFrame(rows)
    text = {name: frame[name].astype("str") for name in frame.columns if name != "shape"}
    return pd.DataFrame({**text, "shape": frame["shape"]})


def _features(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        content = None
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list) or not features:
        raise FileFormatError(
            f"{path.name}: expected GeoJSON in UTF-8, a FeatureCollection with the areas as features. Export it again."
        )
    return features


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value).strip()
    return text or None


def square_metres(shape: Any) -> float:
    """The area of a shape in degrees, on a sphere that is flat nearby: right to a part in a hundred."""
    middle = (shape.bounds[1] + shape.bounds[3]) / 2
    return float(shape.area * _METRES_PER_DEGREE**2 * max(0.0, math.cos(math.radians(middle))))


def shape_findings(file: str, shapes: Sequence[Any], rows: pd.Series, remedy: str) -> list[BadRows]:
    """What is wrong with the boundaries of a file.

    Raises
    ------
    PersonalDataError
        If one is too small to be an area.
    """
    found = []
    for code, wrong, expected in (
        ("bad_boundary", _is_broken, "the boundary crosses itself or is empty."),
        ("not_degrees", _off_the_earth, "expected degrees in WGS 84, longitude first."),
    ):
        mask = np.array([wrong(one) for one in shapes], dtype=bool)
        found += bad_rows(code, "geometry", mask, rows, expected=expected, remedy=remedy)
    if found:
        return found
    small = np.array([square_metres(one) < SMALLEST_AREA for one in shapes], dtype=bool)
    if small.any():
        first = tuple(int(row) for row in rows[small].tolist()[:5])
        message = f"smaller than {SMALLEST_AREA:,.0f} square metres: an exact place, and no area."
        listed = ", ".join(map(str, first))
        raise PersonalDataError(
            f"{file}: nothing was stored. {int(small.sum()):,} boundaries (features {listed}) are {message} {BOUNDARY} "
            "Leave them out, or give the areas that they lie in.",
            [Finding("exact_place", "geometry", int(small.sum()), first, message, "Leave them out.")],
        )
    return []


def _is_broken(shape: Any) -> bool:
    return bool(shape.is_empty or not shape.is_valid)


def _off_the_earth(shape: Any) -> bool:
    west, south, east, north = shape.bounds
    return bool(west < -180 or east > 180 or south < -90 or north > 90)


def neighbours_by_touch(shapes: Sequence[Any], depths: Sequence[int]) -> list[list[int]]:
    """For each shape the places of those of its own depth in the tree that it touches; both ways, by construction."""
    from shapely import STRtree  # noqa: PLC0415  (only files with boundaries need it)

    tree = STRtree(list(shapes))
    beside: list[set[int]] = [set() for _ in shapes]
    for left, right in zip(*tree.query(list(shapes), predicate="dwithin", distance=_TOUCHING), strict=True):
        if left != right and depths[left] == depths[right]:
            beside[left].add(int(right))
            beside[right].add(int(left))
    return [sorted(places) for places in beside]
