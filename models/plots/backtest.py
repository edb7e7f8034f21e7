"""A back-test over time, fold by fold, and beside its baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.plots.theme import INK, LOWERS, QUIET, RAISES, finished

if TYPE_CHECKING:
    import altair as alt

WIDTH = 300
HEIGHT = 130
_ROW = 34


def folds_chart(
    frame: pd.DataFrame,
    *,
    ranking: str = "AUC",
    shares: str = "share that failed",
    said: str = "mean risk",
    seen: str = "failed",
) -> alt.VConcatChart:
    """The ranking of each fold with its interval, and below it the mean risk beside the share that failed.

    Parameters
    ----------
    frame : DataFrame, a row per fold: `from`, `to`, `middle` (datetime64 without zone, local time), `auc`, `auc_low`,
        `auc_high`, `base_rate`, `base_rate_low`, `base_rate_high`, `mean_probability`; null where there is none
    ranking, shares, said, seen : words
    """
    import altair as alt  # noqa: PLC0415

    limits = [frame["from"].min(), frame["to"].max()]
    x = alt.X(
        "middle:T", title=None, axis=alt.Axis(format="%Y-%m", tickCount=4, labelOverlap=True), scale=_time(limits)
    )
    base = alt.Chart(frame)
    low = min(0.5, float(np.nanmin([0.5, *frame["auc"], *frame["auc_low"]])))
    auc = alt.Y("auc:Q", title=ranking, scale=alt.Scale(domain=[low, 1], nice=False), axis=alt.Axis(tickCount=4))
    stretch = base.mark_rule(strokeWidth=2, color=QUIET, opacity=0.5).encode(
        x=alt.X("from:T", scale=_time(limits), title=None), x2="to:T", y=auc
    )
    spread = base.mark_rule(strokeWidth=2, color=LOWERS).encode(x=x, y=alt.Y("auc_low:Q"), y2="auc_high:Q")
    dots = base.mark_point(filled=True, size=55, color=LOWERS, opacity=1).encode(x=x, y=auc)
    above = (stretch + spread + dots).properties(width=WIDTH, height=HEIGHT)
    below = _shares(base, frame, x, shares, said, seen)
    chart: alt.VConcatChart = finished(
        alt.vconcat(above, below, spacing=14).resolve_scale(color="independent", shape="independent")
    )
    return chart


def _time(limits: list[Any]) -> Any:
    import altair as alt  # noqa: PLC0415

    return alt.Scale(domain=[pd.Timestamp(end).isoformat() for end in limits], nice=False)


def _shares(base: Any, frame: pd.DataFrame, x: Any, shares: str, said: str, seen: str) -> Any:
    import altair as alt  # noqa: PLC0415

    ends = np.nanmax(frame[["base_rate", "base_rate_high", "mean_probability"]].to_numpy(np.float64))
    scale = alt.Scale(domain=[0, min(1.0, float(ends) * 1.1)], nice=False)
    axis = alt.Axis(format="%", tickCount=4)
    long = frame.melt(["middle"], ["mean_probability", "base_rate"], "name", "share")
    long["series"] = long["name"].map({"mean_probability": said, "base_rate": seen})
    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=WIDTH)
    domain = [said, seen]
    spread = base.mark_rule(strokeWidth=2, color=RAISES).encode(
        x=x, y=alt.Y("base_rate_low:Q", scale=scale, title=shares), y2="base_rate_high:Q"
    )
    dots = (
        alt.Chart(long)
        .mark_point(size=60, filled=True, opacity=1)
        .encode(
            x=x,
            y=alt.Y("share:Q", scale=scale, title=shares, axis=axis),
            color=alt.Color("series:N", scale=alt.Scale(domain=domain, range=[LOWERS, RAISES]), legend=legend),
            shape=alt.Shape("series:N", scale=alt.Scale(domain=domain, range=["diamond", "circle"]), legend=legend),
        )
    )
    return (spread + dots).properties(width=WIDTH, height=HEIGHT)


def skill_chart(frame: pd.DataFrame, *, worse: str = "worse", better: str = "better") -> alt.Chart:
    """The Brier skill score against each baseline with its interval: right of the line the model is better.

    Parameters
    ----------
    frame : DataFrame, a row per baseline: `label`, `value`, `low`, `high`, `told` (the figure in words)
    worse, better : words on either side of the line
    """
    import altair as alt  # noqa: PLC0415

    rows = frame.assign(
        label_at=[place * _ROW + 11 for place in range(len(frame))],
        mark_at=[place * _ROW + 24 for place in range(len(frame))],
        zero=0.0,
        # The line breaks where a label stands.
        top=[place * _ROW + 16 for place in range(len(frame))],
        bottom=[place * _ROW + 32 for place in range(len(frame))],
    )
    ends = [*rows["low"].dropna(), *rows["high"].dropna(), *rows["value"].dropna(), 0.0]
    reach = max(0.05, max(map(abs, ends)) * 1.1)
    low, high = (min(-0.25 * reach, min(ends) * 1.1), max(0.25 * reach, max(ends) * 1.1))
    height = len(rows) * _ROW
    scale = alt.Scale(domain=[low, high], nice=False)
    axis = alt.Axis(format="+%", tickCount=5, grid=False, labelExpr="datum.value == 0 ? '0%' : datum.label")
    x = alt.X("value:Q", scale=scale, axis=axis, title=f"← {worse} · {better} →")
    base = alt.Chart(rows)
    pixels = alt.Scale(domain=[0, height], range=[0, height], nice=False)
    mark_y, text_y = alt.Y("mark_at:Q", scale=pixels, axis=None), alt.Y("label_at:Q", scale=pixels, axis=None)
    top = alt.Y("top:Q", scale=pixels, axis=None)
    zero = base.mark_rule(color=QUIET, strokeDash=[4, 3]).encode(x=alt.X("zero:Q", scale=scale), y=top, y2="bottom:Q")
    spread = base.mark_rule(color=LOWERS, strokeWidth=3, opacity=0.7).encode(
        x=alt.X("low:Q", scale=scale, axis=axis, title=f"← {worse} · {better} →"), x2="high:Q", y=mark_y
    )
    dots = base.mark_point(color=LOWERS, filled=True, size=60, opacity=1).encode(x=x, y=mark_y)
    label = base.mark_text(align="left", color=INK).encode(x=alt.value(0), y=text_y, text="label:N")
    told = base.mark_text(align="right", color=INK, fontWeight="bold").encode(
        x=alt.value(WIDTH), y=text_y, text="told:N"
    )
    chart: alt.Chart = finished(zero + spread + dots + label + told, width=WIDTH, height=height)
    return chart
