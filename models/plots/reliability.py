"""Do risks mean what they say: the share that failed against the risk that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.plots.theme import LOWERS, QUIET, RULE, finished

if TYPE_CHECKING:
    import altair as alt

WIDTH = 300
HEIGHT = 260


def reliability_chart(
    frame: pd.DataFrame, *, predicted: str = "risk", observed: str = "share that failed"
) -> alt.Chart:
    """The reliability curve, with the interval of each share and the line on which it should lie.

    Parameters
    ----------
    frame : DataFrame, a row per bin: `predicted`, `observed`, `low`, `high` (null where there is no interval)
    predicted, observed : words of the axes
    """
    import altair as alt  # noqa: PLC0415

    ends = np.nanmax(frame[["predicted", "observed", "low", "high"]].to_numpy(np.float64))
    top = min(1.0, max(0.1, float(ends) * 1.05))
    scale = alt.Scale(domain=[0, top], nice=False)
    axis = alt.Axis(format="%", tickCount=5)
    x = alt.X("predicted:Q", scale=scale, axis=axis, title=predicted)
    y = alt.Y("observed:Q", scale=scale, axis=axis, title=observed)
    line = alt.Chart(pd.DataFrame({"predicted": [0.0, top], "observed": [0.0, top]}))
    base = alt.Chart(frame)
    ideal = line.mark_line(color=QUIET, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    spread = base.mark_rule(color=LOWERS, strokeWidth=2, opacity=0.7).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    curve = base.mark_line(color=RULE, strokeWidth=1).encode(x=x, y=y)
    dots = base.mark_point(color=LOWERS, filled=True, size=50, opacity=1).encode(x=x, y=y)
    chart: alt.Chart = finished(ideal + curve + spread + dots, width=WIDTH, height=HEIGHT)
    return chart
