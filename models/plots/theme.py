"""What all charts share: colours that can be told apart, letters, and how a chart is drawn without a browser.

Charts are made in the colours of a light page. For a dark one the drawing is repainted, colour by colour, so that one
chart serves both. Every colour of a mark has at least 3:1 against its background in both, as WCAG 2.2 asks of marks,
text has 4.5:1, and no two series differ by their hue alone. Tints (`BAND`, `RULE`, `TINTS`) are too faint to be seen by
everyone: what they mean has an edge, a hatching or a shape that is not. The colours that pages have too are those of
their style sheets, name by name; a test compares them.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

if TYPE_CHECKING:
    import altair as alt

Theme = Literal["light", "dark"]
Chart = TypeVar("Chart")

FONT: Final = "system-ui, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"
FONT_SIZE: Final = 11
# The drawing engine looks for each family of the list whenever it measures a text: three quarters of a drawing's time.
# So it measures in this one, and the list is written into what it drew.
MEASURED: Final = "sans-serif"

INK: Final = "#1d2126"  # text, axes' figures, where something ends
QUIET: Final = "#5b636c"  # what is usual, where something starts
RAISES: Final = "#a3301c"  # makes a failure likelier; a deadline
LOWERS: Final = "#2a5f88"  # makes it less likely; the model
OCHRE: Final = "#835400"
GREEN: Final = "#2e7d4f"
PURPLE: Final = "#7a4b94"
BAND: Final = "#cfdfec"  # an interval, behind the line that it belongs to; its ends are drawn in EDGE
EDGE: Final = "#5f8bb0"  # where a band ends
RULE: Final = "#c9c6bd"  # grid, connecting lines
# Of a level, behind its hatching and inside its border.
TINTS: Final = {"usual": "#e9eff4", "raised": "#fcf1da", "high": "#fbeae5"}
BACKGROUND: Final[dict[Theme, str]] = {"light": "#ffffff", "dark": "#1b1f23"}

# In this order for series that have no meaning of raising or lowering.
SERIES: Final = (LOWERS, RAISES, OCHRE, GREEN, PURPLE, QUIET)
# Dashes beside the colours, so that series are told apart in grey too.
DASHES: Final[tuple[list[int], ...]] = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3])

# From low to high, for a value on a scale: opaque steps, each with 3:1 against both neighbours' page.
STEPS: Final = (LOWERS, "#4f6f9c", "#7a6a97", "#97557a", "#a3301d")

DARK: Final[dict[str, str]] = {
    INK: "#e8e6e1",
    QUIET: "#a4acb4",
    RAISES: "#ff9a85",
    LOWERS: "#8fbbdd",
    OCHRE: "#eec066",
    GREEN: "#86cfa2",
    PURPLE: "#d0a8ea",
    BAND: "#2b4256",
    EDGE: "#6f9cc0",
    RULE: "#4a525a",
    TINTS["usual"]: "#1f2931",
    TINTS["raised"]: "#332916",
    TINTS["high"]: "#38211d",
    STEPS[1]: "#a5aede",
    STEPS[2]: "#c4a3d6",
    STEPS[3]: "#e59bb8",
    STEPS[4]: "#ff9a86",
    BACKGROUND["light"]: BACKGROUND["dark"],
}
_COLOURS: Final = re.compile("|".join(DARK))


def finished(chart: Chart, *, width: int | None = None, height: int | None = None) -> Chart:
    """The chart with the letters, axes and legend that all charts share, and perhaps a size in pixels.

    The outermost chart only: Altair keeps one configuration, on the outside. It has no background of its own, so that
    it stands on any page.
    """
    size = {name: value for name, value in (("width", width), ("height", height)) if value is not None}
    drawn: Any = chart
    if size:
        drawn = drawn.properties(**size)
    drawn = (
        drawn.configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=INK,
            labelFontSize=FONT_SIZE,
            titleFontSize=FONT_SIZE,
            titleFontWeight="normal",
            gridColor=RULE,
            gridOpacity=0.6,
            domainColor=QUIET,
            tickColor=QUIET,
        )
        .configure_legend(
            labelColor=INK,
            titleColor=INK,
            labelFontSize=FONT_SIZE,
            titleFontSize=FONT_SIZE,
            titleFontWeight="normal",
            orient="top",
        )
        .configure_header(labelColor=INK, titleColor=INK, labelFontSize=FONT_SIZE, titleFontSize=FONT_SIZE)
        .configure_text(color=INK, fontSize=FONT_SIZE)
    )
    return cast("Chart", drawn)


def svg(chart: alt.TopLevelMixin, theme: Theme = "light") -> bytes:
    """The chart as SVG in UTF-8, drawn offline."""
    import vl_convert  # noqa: PLC0415 (a second to load, and few need it)

    return repainted(lettered(str(vl_convert.vegalite_to_svg(measured(chart.to_dict())))), theme).encode()


def compiled(chart: alt.TopLevelMixin | dict[str, Any]) -> dict[str, Any]:
    """A chart in the language of the drawing engine, for `drawn` to draw again and again with other rows."""
    import vl_convert  # noqa: PLC0415

    found: dict[str, Any] = measured(vl_convert.vegalite_to_vega(chart if isinstance(chart, dict) else chart.to_dict()))
    return found


def drawn(drawing: Mapping[str, Any]) -> str:
    """What `compiled` gave as SVG, in the colours of a light page."""
    import vl_convert  # noqa: PLC0415

    return lettered(str(vl_convert.vega_to_svg(dict(drawing))))


def measured(described: Any) -> Any:
    """A description of a chart with the one family that texts are measured in, for the list of those to be shown in."""
    return _with_font(described, FONT, MEASURED)


def lettered(svg_text: str) -> str:
    """A drawing with the list of families in which its texts are to be shown."""
    return svg_text.replace(f'font-family="{MEASURED}"', f'font-family="{FONT}"')


def _with_font(value: Any, font: str, other: str) -> Any:
    if isinstance(value, dict):
        return {name: _with_font(item, font, other) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_font(item, font, other) for item in value]
    return other if isinstance(value, str) and value == font else value


def spec(chart: alt.TopLevelMixin | dict[str, Any], theme: Theme = "light") -> bytes:
    """The chart as Vega in JSON, in the colours of a theme, for a page that draws it itself."""
    import vl_convert  # noqa: PLC0415

    described = _without_gaps(chart if isinstance(chart, dict) else chart.to_dict())
    return compiled_spec(vl_convert.vegalite_to_vega(described), theme)


def compiled_spec(drawing: Mapping[str, Any], theme: Theme = "light") -> bytes:
    """A drawing that is in the language of the engine already, as JSON in the colours of a theme."""
    shown = _with_font(_without_gaps(drawing), MEASURED, FONT)
    text = json.dumps(shown, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return repainted(text, theme).encode()


def _without_gaps(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {name: _without_gaps(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_gaps(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def png(chart: alt.TopLevelMixin, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """The chart as PNG on the background of the theme, for what cannot show SVG.

    Letters are those of the machine's fonts: without a Chinese one, Chinese words are left blank.
    """
    import vl_convert  # noqa: PLC0415

    drawn = vl_convert.vegalite_to_svg(chart.properties(background=BACKGROUND["light"]).to_dict())
    return bytes(vl_convert.svg_to_png(repainted(str(drawn), theme), scale=scale))


def repainted(svg_text: str, theme: Theme) -> str:
    """A drawing in the colours of a theme. All at once: no colour is painted over twice."""
    if theme == "light":
        return svg_text
    return _COLOURS.sub(lambda found: DARK[found.group()], svg_text)


def width_of(text: str) -> float:
    """About how wide a text is in pixels; a Chinese character takes as much as two letters."""
    return FONT_SIZE * 0.55 * columns_of(text)


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, width: int = 72) -> str:
    """At most so many columns of text; what is cut off is told by an ellipsis."""
    if columns_of(text) <= width:
        return text
    kept = text
    while columns_of(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"
