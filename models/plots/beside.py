"""Two models on the same cases: do their risks mean what they say, and how many failures does a day's list find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.plots.theme import INK, LOWERS, QUIET, RAISES, finished

if TYPE_CHECKING:
    import altair as alt

WIDTH = 300
HEIGHT = 230
# With axes, letters and the legend above.
SIZE = (360, 310)


def reliability_beside(
    frame: pd.DataFrame, *, series: list[str], predicted: str = "risk told", observed: str = "share that failed"
) -> alt.Chart:
    """The reliability curves of one model or two, and the line on which they should lie.

    Parameters
    ----------
    frame : DataFrame, a row per bin and model: `series`, `predicted`, `observed`, `low`, `high` (null: no interval);
        perhaps `told`, what a live chart says of the point under the pointer
    series : names of the models in their order, as in `series`
    predicted, observed : words of the axes
    """
    import altair as alt  # noqa: PLC0415

    ends = np.nanmax(frame[["predicted", "observed", "high"]].to_numpy(np.float64))
    top = min(1.0, max(0.1, float(ends) * 1.05))
    scale = alt.Scale(domain=[0, top], nice=False)
    axis = alt.Axis(format="%", tickCount=5)
    x = alt.X("predicted:Q", scale=scale, axis=axis, title=predicted)
    y = alt.Y("observed:Q", scale=scale, axis=axis, title=observed)
    line = alt.Chart(pd.DataFrame({"predicted": [0.0, top], "observed": [0.0, top]}))
    ideal = line.mark_line(color=QUIET, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    base = alt.Chart(frame)
    colour, dash, shape = _told_apart(series)
    # Fainter than this they have not 3 to 1 against a light page.
    spread = base.mark_rule(strokeWidth=2, opacity=0.75).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    curve = base.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, strokeDash=dash)
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=x, y=y, color=colour, shape=shape, **_under_a_pointer(frame)
    )
    chart: alt.Chart = finished(ideal + spread + curve + dots, width=WIDTH, height=HEIGHT)
    return chart


def capacity_beside(
    frame: pd.DataFrame,
    *,
    series: list[str],
    share: str = "share of each day's list attended",
    found: str = "failures found",
    chance: str = "by chance",
) -> alt.Chart:
    """Failures found along the share of every list that is attended, of one model or two.

    Parameters
    ----------
    frame : DataFrame, a row per share and model: `series`, `share`, `recall`; perhaps `told`, as above
    series : names of the models in their order, as in `series`
    share, found, chance : words
    """
    import altair as alt  # noqa: PLC0415

    axis = alt.Axis(format="%", tickCount=5)
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title=share)
    y = alt.Y("recall:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title=found)
    line = alt.Chart(pd.DataFrame({"share": [0.0, 1.0], "recall": [0.0, 1.0]}))
    guess = line.mark_line(color=QUIET, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    named = alt.Chart(pd.DataFrame({"share": [0.72], "recall": [0.62], "text": [chance]}))
    text = named.mark_text(color=INK, align="left").encode(x=x, y=y, text="text:N")
    colour, dash, shape = _told_apart(series)
    base = alt.Chart(frame)
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    dots = base.mark_point(filled=True, size=40, opacity=1).encode(
        x=x, y=y, color=colour, shape=shape, **_under_a_pointer(frame)
    )
    chart: alt.Chart = finished(guess + text + lines + dots, width=WIDTH, height=HEIGHT)
    return chart


def _under_a_pointer(frame: pd.DataFrame) -> dict[str, str]:
    """What a live chart says of a point, where the frame has it in a column `told`."""
    return {"tooltip": "told:N"} if "told" in frame else {}


def _told_apart(series: list[str]) -> tuple[Any, Any, Any]:
    """By colour, dash and shape, so that none of them is needed alone."""
    import altair as alt  # noqa: PLC0415

    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=WIDTH, symbolSize=120)
    n = len(series)

    def scale(choice: list[Any]) -> Any:
        return alt.Scale(domain=series, range=choice[:n])

    return (
        alt.Color("series:N", scale=scale([LOWERS, RAISES]), legend=legend),
        alt.StrokeDash("series:N", scale=scale([[1, 0], [6, 3]]), legend=None),
        alt.Shape("series:N", scale=scale(["circle", "diamond"]), legend=legend),
    )
