"""The map of areas on the pages: drawn once per scoring, with nothing on it that is not disclosed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from data.errors import StoreError, UsageError
from models.plots import theme as house
from models.plots.area_map import LEVELS, MapWords, area_map_chart, picture_size
from models.plots.flat_map import FlatMap, flat_map, thinned
from service import display
from service.area_payloads import MapLevel, map_level
from service.dependencies import Telling
from service.language import Words, marked
from service.reads import Snapshot

_log = logging.getLogger("heed.service")

# What a pointer meets may be coarser than what is seen.
_CORNERS_TO_POINT_AT: Final = 450
_WITHHELD: Final = marked("Figures withheld")
_NONE: Final = marked("No figures")


@dataclass(frozen=True)
class Spot:
    """An area on the map: its code, its ground as the path of an SVG, and its name and level in words."""

    code: str
    path: str
    told: str


@dataclass(frozen=True)
class MapOnPage:
    """The size of the picture in pixels, and the areas that a pointer finds on it."""

    width: int
    height: int
    spots: tuple[Spot, ...]


def map_svg(telling: Telling, theme: house.Theme) -> bytes | None:
    """The map; None where no boundary is known."""
    drawn = _drawn(telling.snapshot)
    if drawn is None:
        return None
    return house.svg(area_map_chart(drawn, levels(telling.snapshot), _words(telling.words)), theme)


def map_on_page(telling: Telling, codes: Iterable[str] | None = None) -> MapOnPage | None:
    """What a page needs beside the picture, for some areas or (None) for the smallest; None where there is no map.

    A boundary that cannot be read costs the map, and not the page with its table; the log names it.
    """
    try:
        drawn = _drawn(telling.snapshot)
    except StoreError as error:
        _log.warning("%s", error)
        return None
    if drawn is None:
        return None
    told, shapes = levels(telling.snapshot), _to_point_at(telling.snapshot, drawn)
    wanted = list(drawn.areas) if codes is None else [code for code in codes if code in shapes]
    width, height = picture_size(drawn, told, _words(telling.words))
    return MapOnPage(width, height, tuple(_spot(telling, code, shapes[code], told) for code in wanted))


def levels(snapshot: Snapshot) -> dict[str, MapLevel]:
    """The disclosed level of every area with a boundary."""
    return {code: map_level(snapshot.published.areas.get(code)) for code in snapshot.places.boundaries}


def level_in_words(words: Words, level: MapLevel) -> str:
    """A level as maps and lists tell it."""
    if level == "withheld":
        return words.gettext(_WITHHELD)
    return words.gettext(_NONE) if level == "none" else display.word(words, display.LEVELS, level)


def _words(words: Words) -> MapWords:
    return MapWords(**{level: level_in_words(words, level) for level in LEVELS})


def _drawn(snapshot: Snapshot) -> FlatMap | None:
    if not snapshot.places.boundaries:
        return None
    drawn: FlatMap | None = snapshot.memo.get(("flat map",))
    if drawn is None:
        try:
            drawn = flat_map(snapshot.places.boundaries, snapshot.places.parents)
        except UsageError as error:
            raise StoreError(f"There is no map: {error} Import the areas again with `heed places import`.") from None
        snapshot.memo[("flat map",)] = drawn
    return drawn


def _to_point_at(snapshot: Snapshot, drawn: FlatMap) -> Mapping[str, Any]:
    shapes: Mapping[str, Any] | None = snapshot.memo.get(("flat map", "spots"))
    if shapes is None:
        shapes = thinned(drawn.areas, _CORNERS_TO_POINT_AT) | dict(drawn.outlines)
        snapshot.memo[("flat map", "spots")] = shapes
    return shapes


def _spot(telling: Telling, code: str, shape: Any, told: Mapping[str, MapLevel]) -> Spot:
    name = display.place(telling.words, telling.snapshot.places, "area", code)
    said = telling.words.gettext("%(name)s: %(value)s", name=name, value=level_in_words(telling.words, told[code]))
    return Spot(code, _path(shape), said)


def _path(shape: Any) -> str:
    """The rings of a shape in whole pixels; holes stay holes by the even-odd rule."""
    from shapely import get_coordinates, get_parts, get_rings  # noqa: PLC0415  (only maps need it)

    rings = (get_coordinates(ring).round().astype(int).tolist() for ring in get_rings(get_parts(shape)))
    return "".join(_ring(ring[:-1]) for ring in rings)


def _ring(corners: list[list[int]]) -> str:
    """A ring by its steps, which take fewer letters than its places."""
    (x, y), *steps = [corners[0], *([b[0] - a[0], b[1] - a[1]] for a, b in pairwise(corners))]
    return f"M{x} {y}l" + " ".join(f"{dx} {dy}" for dx, dy in steps).replace(" -", "-") + "z"
