"""What became of the problems raised, by type: solved, still open, and ended otherwise, as bars in one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.plots.theme import BAND, EDGE, INK, LOWERS, QUIET, finished

if TYPE_CHECKING:
    import altair as alt

ROW = 30


@dataclass(frozen=True, slots=True)
class BoardWords:
    """Words of the chart, in the language of its reader."""

    raised: str = "Raised"
    solved: str = "Solved"
    cases: str = "cases"


def board_chart(
    frame: pd.DataFrame, words: BoardWords = BoardWords(), *, title: str, width: int = 520
) -> alt.LayerChart:
    """A bar per type of problem: all that was raised, and within it what was solved.

    Parameters
    ----------
    frame : DataFrame with `name` (text), `raised` and `solved` (float; null where withheld), `told` (text at the bar)
        One row per type, in the order to be drawn; a row without `raised` has its name and its text only.
    words : BoardWords
    title : what the chart finds, in words
    width : of the whole drawing, in pixels
    """
    import altair as alt  # noqa: PLC0415 (half a second to load, and few need it)

    rows = frame.assign(place=range(len(frame)), zero=0.0)
    top = max(1.0, float(rows["raised"].max(skipna=True) if rows["raised"].notna().any() else 1.0))
    base = alt.Chart(rows)
    x = alt.X("raised:Q", title=words.cases, scale=alt.Scale(domain=[0, top * 1.02], nice=False), axis=_axis())
    y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0.1))
    raised = base.transform_filter("isValid(datum.raised)").mark_bar(
        color=BAND, stroke=EDGE, strokeWidth=1, height=11, yOffset=7
    )
    solved = base.transform_filter("isValid(datum.solved)").mark_bar(color=LOWERS, height=11, yOffset=7)
    names = base.mark_text(align="left", color=INK, baseline="middle", yOffset=-7).encode(
        x=alt.value(0), y=y, text="name:N"
    )
    told = base.mark_text(align="right", color=INK, baseline="middle", yOffset=-7, fontWeight="bold").encode(
        x=alt.value(width - 12), y=y, text="told:N"
    )
    key = (
        alt.Chart(pd.DataFrame({"part": [words.solved, words.raised], "at": [0, 0]}))
        .mark_point(opacity=0, filled=True)
        .encode(
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=[words.solved, words.raised], range=[LOWERS, BAND]),
                legend=alt.Legend(
                    title=None,
                    orient="top",
                    symbolType="square",
                    symbolOpacity=1,
                    symbolStrokeColor=EDGE,
                    symbolStrokeWidth=1,
                ),
            )
        )
    )
    layers: Any = alt.layer(
        raised.encode(x=x, y=y),
        solved.encode(x=alt.X("solved:Q", title=words.cases, scale=alt.Scale(domain=[0, top * 1.02], nice=False)), y=y),
        names,
        told,
        key,
    )
    layers = layers.properties(
        title=alt.TitleParams(title, anchor="start", color=INK, fontSize=13, offset=8),
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    drawn: alt.LayerChart = finished(layers, width=width, height=max(len(rows), 1) * ROW)
    return drawn


def _axis() -> alt.Axis:
    import altair as alt  # noqa: PLC0415

    return alt.Axis(tickCount=5, format=",d", domainColor=QUIET)
