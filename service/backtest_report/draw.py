"""The pictures of a back-test as SVG for a page: drawn once, painted by the page in light, dark and on paper."""

from __future__ import annotations

import re
from typing import Any, Final

import vl_convert
from markupsafe import Markup, escape

from models.plots.theme import BAND, EDGE, INK, LOWERS, OCHRE, QUIET, RAISES, RULE

# What is drawn in a colour of the theme is painted by a variable of the page.
_PAINTS: Final[dict[str, str]] = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    RAISES: "var(--raises)",
    LOWERS: "var(--lowers)",
    OCHRE: "var(--second)",
    BAND: "var(--band)",
    EDGE: "var(--edge)",
    RULE: "var(--rule)",
}
_COLOURS: Final = re.compile("|".join(_PAINTS))


def svg_of(chart: Any, *, name: str, alternative: str) -> Markup:
    """The chart as an SVG element; `name` makes its ids its own, `alternative` says what it shows."""
    drawn = str(vl_convert.vegalite_to_svg(chart.to_dict()))
    drawn = _COLOURS.sub(lambda found: _PAINTS[found.group()], drawn)
    drawn = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawn)
    drawn = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", drawn)
    # Roles and labels of single marks would be read out one by one; the alternative and the table say it all.
    drawn = re.sub(r' (?:aria-label|aria-roledescription|role|aria-hidden)="[^"]*"', "", drawn)
    opening = f'<svg role="img" aria-label="{escape(alternative)}" '
    return Markup(re.sub(r"^<svg ", lambda _found: opening, drawn, count=1))  # noqa: S704 - drawn here, text escaped
