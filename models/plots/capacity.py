"""What a list of risks is worth: failures found against the share of each day's list that is attended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from models.plots.theme import BAND, EDGE, INK, LOWERS, QUIET, RAISES, finished

if TYPE_CHECKING:
    import altair as alt

WIDTH = 300
HEIGHT = 220


def capacity_chart(
    frame: pd.DataFrame,
    *,
    at: float | None = None,
    share: str = "share of each day's list attended",
    value: str = "",
    recall: str = "failures found",
    precision: str = "of those attended, failed",
    capacity: str = "capacity",
) -> alt.Chart:
    """Recall and precision with their intervals, along the share that is attended.

    Parameters
    ----------
    frame : DataFrame, a row per share: `share`, and `value`, `low`, `high` of recall and of precision, as
        `recall`, `recall_low`, `recall_high`, `precision`, … (null where there is none)
    at : share at which the office's capacity lies; None where it is not known
    share, value, recall, precision, capacity : words
    """
    import altair as alt  # noqa: PLC0415

    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "share": frame["share"],
                    "value": frame[name],
                    "low": frame[f"{name}_low"],
                    "high": frame[f"{name}_high"],
                    "series": told,
                }
            )
            for name, told in (("recall", recall), ("precision", precision))
        ]
    )
    base = alt.Chart(rows)
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5), title=share)
    y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5), title=value or None)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=220, columns=1, labelLimit=WIDTH)
    colour = alt.Color("series:N", scale=alt.Scale(domain=[recall, precision], range=[LOWERS, RAISES]), legend=legend)
    dash = alt.StrokeDash(
        "series:N", scale=alt.Scale(domain=[recall, precision], range=[[1, 0], [6, 3]]), legend=legend
    )
    band = base.mark_area(color=BAND, opacity=0.6).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", detail="series:N")
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    ends = [
        base.mark_line(color=EDGE, strokeWidth=1).encode(x=x, y=alt.Y(f"{end}:Q"), detail="series:N")
        for end in ("low", "high")
    ]
    layers = band + ends[0] + ends[1] + lines
    if at is not None:
        mark = alt.Chart(pd.DataFrame({"share": [at], "text": [capacity]}))
        rule = mark.mark_rule(color=QUIET, strokeWidth=1.5, strokeDash=[2, 2]).encode(x=x)
        end = at > 0.6
        text = mark.mark_text(color=INK, align="right" if end else "left", dx=-4 if end else 4, baseline="bottom")
        layers = layers + rule + text.encode(x=x, y=alt.value(HEIGHT - 4), text="text:N")
    chart: alt.Chart = finished(layers, width=WIDTH, height=HEIGHT)
    return chart
