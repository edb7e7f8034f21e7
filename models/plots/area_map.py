"""A map of areas without tiles: each against its own past, told apart by hatching and words, not by colour alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from data.errors import UsageError
from models.plots.flat_map import FlatMap, hatching
from models.plots.theme import INK, OCHRE, QUIET, RAISES, TINTS, finished, width_of

if TYPE_CHECKING:
    import altair as alt

Level = Literal["usual", "raised", "high", "unknown", "withheld", "none"]
LEVELS: Final[tuple[Level, ...]] = ("usual", "raised", "high", "unknown", "withheld", "none")
_LEGEND_ROW: Final = 22.0
_SWATCH: Final = (22.0, 13.0)
_BETWEEN: Final = 14.0


@dataclass(frozen=True, slots=True)
class MapWords:
    """What the levels are called, in the reader's language."""

    usual: str = "as usual"
    raised: str = "above usual"
    high: str = "far above usual"
    unknown: str = "past too short"
    withheld: str = "withheld"
    none: str = "no figures"


@dataclass(frozen=True, slots=True)
class Hatch:
    """Lines across an area: at which angles, how far apart and how wide in pixels, in which colour."""

    angles: tuple[float, ...]
    apart: float
    wide: float
    colour: str


# That of what is withheld is the one that withheld cells of tables have.
HATCHES: Final[Mapping[str, Hatch]] = {
    "raised": Hatch((135.0,), 6.5, 1.5, OCHRE),
    "high": Hatch((45.0, 135.0), 6.5, 1.6, RAISES),
    "unknown": Hatch((0.0,), 5.0, 0.8, QUIET),
    "withheld": Hatch((45.0,), 4.5, 0.9, QUIET),
}


def area_map_chart(
    drawn: FlatMap, levels: Mapping[str, Level], words: MapWords = MapWords(), *, title: str = ""
) -> alt.LayerChart:
    """The map, with its legend below; areas that hold others are lines around them.

    Parameters
    ----------
    drawn : see `models.plots.flat_map.flat_map`
    levels : code of an area to one of `LEVELS`; an area that is not in it has "none". One whose figures are withheld is
        "withheld": its level is a figure, too
    words : what the levels are called
    title : for a picture that stands by itself; pages say it in text

    Raises
    ------
    UsageError
        If a level is none of `LEVELS`.
    """
    import altair as alt  # noqa: PLC0415 (half a second to load, and few need it)

    strange = set(levels.values()) - set(LEVELS)
    if strange:
        raise UsageError(f"Expected levels out of {', '.join(LEVELS)}; got {', '.join(sorted(map(str, strange)))}.")
    told = {code: levels.get(code, "none") for code in drawn.areas}
    used = [level for level in LEVELS if level in told.values()]
    swatches, letters, height = _legend(used, words, drawn)
    grounds = [*((told[code], shape) for code, shape in drawn.areas.items()), *swatches]
    layers = [_ground(grounds), *(_hatch(level, grounds) for level in used if level in HATCHES)]
    if drawn.outlines:
        layers.append(_lines(list(drawn.outlines.values()), colour=INK, wide=1.2))
    layers.append(_names(letters))
    chart: Any = alt.layer(*layers).project(type="identity", scale=1, translate=[0, 0])
    chart = chart.properties(autosize=alt.AutoSizeParams(type="pad"), padding=0)
    if title:
        chart = chart.properties(title=alt.TitleParams(title, anchor="start", color=INK, fontSize=12))
    whole: alt.LayerChart = finished(chart, width=drawn.width, height=height)
    return whole


def picture_size(drawn: FlatMap, levels: Mapping[str, Level], words: MapWords) -> tuple[int, int]:
    """Width and height in pixels of the chart without a title, known before it is drawn."""
    used = [level for level in LEVELS if level in {levels.get(code, "none") for code in drawn.areas}]
    return drawn.width, _legend(used, words, drawn)[2]


def _ground(grounds: Sequence[tuple[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415

    shapes = [_feature(shape, fill=TINTS.get(level, "transparent")) for level, shape in grounds]
    fill = alt.Fill("properties.fill:N", scale=None)
    return _chart(shapes).mark_geoshape(stroke=QUIET, strokeWidth=0.6, aria=False, clip=False).encode(fill=fill)


def _hatch(level: str, grounds: Sequence[tuple[str, Any]]) -> Any:
    from shapely import MultiLineString  # noqa: PLC0415

    hatch, own = HATCHES[level], [shape for at, shape in grounds if at == level]
    lines = [line for angle in hatch.angles for line in hatching(own, angle, hatch.apart).geoms]
    return _lines([MultiLineString(lines)], colour=hatch.colour, wide=hatch.wide)


def _lines(shapes: Sequence[Any], *, colour: str, wide: float) -> Any:
    return _chart([_feature(shape) for shape in shapes]).mark_geoshape(
        filled=False, stroke=colour, strokeWidth=wide, strokeJoin="round", aria=False, clip=False
    )


def _names(letters: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415

    return (
        alt.Chart(alt.InlineData(values=letters))
        .mark_text(align="left", baseline="middle", aria=False)
        .encode(x=alt.X("x:Q", scale=None, axis=None), y=alt.Y("y:Q", scale=None, axis=None), text=alt.Text("word:N"))
    )


def _chart(features: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415

    return alt.Chart(alt.InlineData(values=features))


def _feature(shape: Any, **properties: str) -> dict[str, Any]:
    from shapely.geometry import mapping  # noqa: PLC0415

    return {"type": "Feature", "properties": properties, "geometry": mapping(shape)}


def _legend(
    used: Sequence[str], words: MapWords, drawn: FlatMap
) -> tuple[list[tuple[str, Any]], list[dict[str, Any]], int]:
    """A patch of every level and its word, row by row below the map, and where the picture ends."""
    from shapely import box  # noqa: PLC0415

    wide, tall = _SWATCH
    x, y = 1.0, drawn.height + 12.0
    swatches: list[tuple[str, Any]] = []
    letters: list[dict[str, Any]] = []
    for level in used:
        word = str(getattr(words, level))
        needed = wide + 6 + width_of(word) + _BETWEEN
        if swatches and x + needed > drawn.width:
            x, y = 1.0, y + _LEGEND_ROW
        swatches.append((level, box(x, y, x + wide, y + tall)))
        letters.append({"x": x + wide + 6, "y": y + tall / 2 + 0.5, "word": word})
        x += needed
    return swatches, letters, math.ceil(y + tall + 2)
