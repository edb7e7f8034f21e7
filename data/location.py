"""Where a case is about: coordinates become the area that they lie in, and are gone.

They are read here and nowhere else. What leaves this module is the code of an area, or nothing, and counts; no
coordinate is stored, stands in a frame that is handed on, or is named in a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data.errors import MappingError
from data.findings import BadRows, looked_at
from data.mapping import Location, Mapping, areas_file
from data.place_shapes import read_shapes
from data.read import SourceFile

# Two writings of one point differ by less: about five metres.
_SAME_POINT: Final = 5e-5
# From so many rows on, a share of them says something.
_ROWS_TO_JUDGE: Final = 50
# A coordinate with fewer decimals stands for a block or a district, which many cases share.
_EXACT_DECIMALS: Final = 4
# Points that are counted at once; see `_Shared`.
_COUNTED: Final = 200_000

_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?"
_WKT: Final = re.compile(rf"(?:SRID=\d+;)?\s*POINT\s*Z?\s*\(\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})?\s*\)", re.I)
_PAIR: Final = re.compile(rf"[\(\[]?\s*({_NUMBER})\s*[,; ]\s*({_NUMBER})\s*[\)\]]?")


@dataclass(frozen=True)
class Boundaries:
    """Areas as polygons in WGS 84, sorted by code; an area that others lie in is left out, so that the smallest is
    found.
    """

    codes: tuple[str, ...]
    shapes: tuple[Any, ...]

    @classmethod
    def of(cls, shapes: Iterable[tuple[str, str | None, Any]]) -> Boundaries:
        """From (code, code of the parent, shape); an area in several pieces may come several times."""
        listed = list(shapes)
        parents = {parent for _, parent, _ in listed}
        leaves = sorted(((code, shape) for code, _, shape in listed if code not in parents), key=lambda one: one[0])
        return cls(tuple(code for code, _ in leaves), tuple(shape for _, shape in leaves))

    @cached_property
    def tree(self) -> Any:
        """The index over the shapes."""
        # Imported here: only sources with coordinates need it.
        from shapely import STRtree  # noqa: PLC0415

        return STRtree(list(self.shapes))


def boundaries_of(areas: pd.DataFrame) -> Boundaries:
    """The boundaries of a store's areas (columns `area`, `parent` and `boundary`, GeoJSON text or null)."""
    known = areas[areas["boundary"].notna()]
    parents = [None if pd.isna(parent) else str(parent) for parent in known["parent"]]
    shapes = [_shape(json.loads(text)) for text in known["boundary"]]
    return Boundaries.of(zip(known["area"].tolist(), parents, shapes, strict=True))


def read_boundaries(path: Path, code: str = "area") -> Boundaries:
    """The boundaries in a GeoJSON file; `code` is the property that names the area, `parent` an optional one.

    Raises
    ------
    FileFormatError
        If it is no GeoJSON file, with the number of the feature.
    PersonalDataError
        If a geometry is no polygon.
    MappingError
        If a feature has no code.
    """
    features = read_shapes(path, code)
    unnamed = features[code].isna() if code in features else pd.Series(True, index=features.index)
    if unnamed.any():
        raise MappingError(
            f"{path.name}, feature {int(unnamed.to_numpy().argmax()) + 1}: expected a property '{code}' with the code "
            "of the area. Name the right one in `code` of [location]."
        )
    parents = features["parent"].tolist() if "parent" in features else [None] * len(features)
    named = [None if pd.isna(parent) else str(parent) for parent in parents]
    return Boundaries.of(zip(features[code].tolist(), named, features["shape"].tolist(), strict=True))


def _shape(geometry: Any) -> Any:
    from shapely.geometry import shape  # noqa: PLC0415  (as above)

    return shape(geometry)


def snap(points: pd.DataFrame, boundaries: Boundaries) -> pd.Series:
    """The area that each point lies in.

    Parameters
    ----------
    points : DataFrame
        `latitude` and `longitude`, float64 degrees in WGS 84; NaN where there is none.
    boundaries : Boundaries

    Returns
    -------
    Series of str, in the order and with the index of `points`
        Null outside all areas. On a border that areas share, the one whose code comes first.
    """
    import shapely  # noqa: PLC0415  (as above)

    there = points.notna().all(axis=1).to_numpy(dtype=bool)
    found = np.full(len(points), len(boundaries.codes), dtype=np.int64)
    if there.any() and boundaries.codes:
        at = shapely.points(points.loc[there, "longitude"].to_numpy(), points.loc[there, "latitude"].to_numpy())
        which, area = boundaries.tree.query(at, predicate="intersects")
        # Codes are sorted: of several, the least place is the first code.
        np.minimum.at(found, np.flatnonzero(there)[which], area)
    codes = np.array([*boundaries.codes, None], dtype=object)
    return pd.Series(codes[found], index=points.index, dtype="str")


def coordinates(raw: pd.DataFrame, location: Location) -> tuple[pd.DataFrame, np.ndarray]:
    """The points of a part of a file, and which rows hold something that is no point.

    Returns a DataFrame with `latitude` and `longitude` (float64, NaN: none), index as `raw`.
    """
    if location.point is not None:
        texts = raw[location.point].astype("str")
        pairs = [_pair(text, location.order) for text in texts.tolist()]
        points = pd.DataFrame(pairs, columns=["latitude", "longitude"], index=raw.index, dtype="float64")
        given = texts.notna().to_numpy(dtype=bool)
    else:
        columns = {"latitude": raw[str(location.latitude)], "longitude": raw[str(location.longitude)]}
        points = pd.DataFrame({name: pd.to_numeric(one, errors="coerce") for name, one in columns.items()})
        points = points.astype("float64")
        given = (columns["latitude"].notna() | columns["longitude"].notna()).to_numpy(dtype=bool)
    possible = points["latitude"].between(-90, 90) & points["longitude"].between(-180, 180)
    points = points.where(possible)
    return points, given & ~possible.to_numpy(dtype=bool)


def _pair(text: Any, order: str) -> tuple[float, float]:
    if not isinstance(text, str):
        return (np.nan, np.nan)
    wkt = _WKT.fullmatch(text.strip())
    if wkt is not None:
        return (float(wkt[2]), float(wkt[1]))
    pair = _PAIR.fullmatch(text.strip())
    if pair is None:
        return (np.nan, np.nan)
    first, second = float(pair[1]), float(pair[2])
    return (first, second) if order == "lat_lon" else (second, first)


class _Shared:
    """Which points many rows share exactly: counts over a file, of bounded size (lossy counting)."""

    def __init__(self) -> None:
        self.rows = 0
        self.exact = 0
        self._counts: dict[tuple[float, float], int] = {}
        self._dropped = 0

    def add(self, points: pd.DataFrame) -> None:
        there = points[points.notna().all(axis=1)]
        self.rows += len(there)
        self.exact += int((there["latitude"].map(_decimals) >= _EXACT_DECIMALS).sum())
        for point, count in there.value_counts().items():
            known: Any = point
            self._counts[known] = self._counts.get(known, 0) + int(count)
        while len(self._counts) > _COUNTED:
            self._dropped += 1
            self._counts = {point: count for point, count in self._counts.items() if count > self._dropped}

    def at_least(self, share: float) -> list[tuple[float, float]]:
        # Coordinates cut to a few decimals are shared by whole blocks.
        if self.rows < _ROWS_TO_JUDGE or self.exact < 0.5 * self.rows:
            return []
        return sorted(point for point, count in self._counts.items() if count >= share * self.rows)


def _decimals(degrees: float) -> int:
    return len(repr(degrees).partition(".")[2])


@dataclass
class Locator:
    """Turns the location columns of a file into areas, part after part, and counts what it could not place.

    Make one with `locator`, give it the whole file with `look_for_defaults` first, then every part to `areas_of`.
    """

    location: Location
    boundaries: Boundaries
    placed: int = 0
    missing: int = 0
    outside: int = 0
    unreadable: int = 0
    at_default: int = 0
    _shared: list[tuple[float, float]] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that it reads; nobody else may."""
        return self.location.columns

    def look_for_defaults(self, file: SourceFile) -> None:
        """Find the points at which the source puts what has no place: those that too many rows share exactly."""
        shared = _Shared()
        with closing(file.chunks(self.columns)) as parts:
            for part in parts:
                points, _ = coordinates(part, self.location)
                shared.add(points[~self._is_missing(points)])
        self._shared = shared.at_least(self.location.default_share)

    def areas_of(self, raw: pd.DataFrame, rows: pd.Series) -> tuple[pd.Series, BadRows]:
        """The area of each row of a part, null where there is none; and what was looked for (`default_location`).

        Parameters
        ----------
        raw : DataFrame with the location columns
        rows : Series of int, the 1-based row numbers in the file
        """
        points, unreadable = coordinates(raw, self.location)
        left_out = self._is_missing(points)
        default = _near(points, self._shared)
        points.loc[left_out | default] = np.nan
        areas = snap(points, self.boundaries).set_axis(raw.index)
        there = points.notna().all(axis=1).to_numpy(dtype=bool)
        placed = areas.notna().to_numpy(dtype=bool)
        self.placed += int(placed.sum())
        self.outside += int((there & ~placed).sum())
        self.unreadable += int(unreadable.sum())
        self.at_default += int(default.sum())
        self.missing += int((~there & ~unreadable & ~default).sum())
        found = looked_at(
            "default_location",
            self.columns[0],
            default,
            rows,
            expected=(
                f"many rows share this very point, at least {self.location.default_share:.0%} of all: it stands for no "
                "place, and gives no area."
            ),
            remedy=(
                "If the source puts there what has no place, list the point in missing_at of [location], or accept "
                "such rows without an area with `--set-aside default_location`; if so many cases truly lie there, "
                "raise default_share."
            ),
        )
        return areas, found

    def _is_missing(self, points: pd.DataFrame) -> np.ndarray:
        return _near(points, self.location.missing_at)

    def notes(self) -> list[str]:
        """One sentence for each kind of row that got no area; counts only.

        Raises
        ------
        MappingError
            If there were locations, and none of them lies in any area.
        """
        if self.outside and not self.placed:
            raise MappingError(
                f"[location]: none of {self.outside:,} locations lies in any of the {len(self.boundaries.codes):,} "
                "areas. Are latitude and longitude exchanged (`order`), or are these the areas of another place?"
            )
        told = (
            (self.outside, "outside all areas"),
            (self.unreadable, "with a location that cannot be read"),
            (self.missing, "without a location"),
            (self.at_default, "at a point that too many share"),
        )
        return [f"Location: {_rows(count)} {what} got no area from it." for count, what in told if count]


def _near(points: pd.DataFrame, places: Sequence[tuple[float, float]]) -> np.ndarray:
    near = np.zeros(len(points), dtype=bool)
    for latitude, longitude in places:
        near |= (
            ((points["latitude"] - latitude).abs() <= _SAME_POINT)
            & ((points["longitude"] - longitude).abs() <= _SAME_POINT)
        ).to_numpy(dtype=bool)
    return near


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def locator(mapping: Mapping, areas: pd.DataFrame | None = None) -> Locator | None:
    """What places the rows of a source; None if its mapping has no [location].

    Parameters
    ----------
    mapping : Mapping
    areas : DataFrame
        The areas of the store, for a mapping that names no file of its own; see `boundaries_of`.

    Raises
    ------
    MappingError
        If there are no boundaries, neither beside the mapping nor in the store.
    """
    if mapping.location is None:
        return None
    path = areas_file(mapping)
    if path is not None:
        return Locator(mapping.location, read_boundaries(path, mapping.location.code))
    known = None if areas is None or "boundary" not in areas else boundaries_of(areas)
    if known is None or not known.codes:
        raise MappingError(
            f"The mapping '{mapping.source.name}' places cases by [location], and no area has a boundary. Import them "
            'first with `heed places import --areas FILE.geojson`, or name a file with areas = "FILE.geojson".'
        )
    return Locator(mapping.location, known)
