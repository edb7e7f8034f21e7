"""What moves the risks of many cases: one row per feature, one point per case.

A plain drawing of shap values, from whoever worked them out (`RiskModel.explain`, LightGBM's `pred_contrib`, the shap
package in a notebook). It needs no shap: points are placed by their own density, without chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.plots import theme

if TYPE_CHECKING:
    import altair as alt

Floats = NDArray[np.float64]

WIDTH: Final = 460
ROW: Final = 34
_LABELS: Final = 4  # above the points of a row
# Per feature: twelve features of so many are what Altair takes without complaint, and more cannot be told apart.
MOST_POINTS: Final = 400
_BINS: Final = 80
_DOT: Final = 12.0
_HALF: Final = 12.0  # a row's points stay within so many pixels of its middle
_SPREAD: Final = 2.2
_TOP_LEVEL: Final = len(theme.STEPS) - 1
_LABEL_COLUMNS: Final = 60


@dataclass(frozen=True, slots=True)
class BeeswarmWords:
    """What the chart bears, in the reader's language."""

    effect: str = "Lowers the risk ← percentage points → raises it"
    value: str = "Value of the feature"
    low: str = "low"
    high: str = "high"
    unknown: str = "none"


def beeswarm_frame(
    effects: pd.DataFrame, values: pd.DataFrame | None = None, *, most: int = 12, points: int = MOST_POINTS
) -> pd.DataFrame:
    """The points of a beeswarm.

    Parameters
    ----------
    effects : (n, k) what each feature adds, in any unit; columns are what the rows are called
    values : (n, k) the features' own values, with the same columns, for the colour; NaN is null
    most : how many features, by their mean absolute effect
    points : how many cases, evenly chosen

    Returns
    -------
    DataFrame with `feature`, `rank` (0 is the largest), `effect`, `level` (0 to 4 by the feature's own quantiles, -1
    for null or not given) and `offset` (pixels from the middle of the row)

    Raises
    ------
    UsageError
        If the values have other columns or rows.
    """
    if values is not None and (list(values.columns) != list(effects.columns) or len(values) != len(effects)):
        raise UsageError(
            f"Expected values of the same {len(effects)} rows and columns as the effects, got {values.shape}."
        )
    mean = effects.abs().mean().to_numpy(np.float64)
    chosen = np.argsort(-mean, kind="stable")[:most]
    rows = np.unique(np.linspace(0, max(len(effects) - 1, 0), min(points, len(effects))).astype(np.int64))
    widest = float(np.abs(effects.to_numpy(np.float64)[:, chosen]).max(initial=0.0)) or 1.0
    parts = []
    for rank, place in enumerate(chosen):
        effect = effects.iloc[rows, place].to_numpy(np.float64)
        level = np.full(len(rows), -1) if values is None else _levels(values.iloc[:, place].to_numpy(np.float64))[rows]
        parts.append(
            pd.DataFrame(
                {
                    "feature": str(effects.columns[place]),
                    "rank": rank,
                    "effect": effect,
                    "level": level,
                    "offset": _offsets(effect, widest),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def beeswarm(frame: pd.DataFrame, words: BeeswarmWords | None = None) -> alt.LayerChart:
    """The chart of `beeswarm_frame`: right raises, left lowers; blue is a low value of the feature, rust a high one."""
    import altair as alt  # noqa: PLC0415

    said = words or BeeswarmWords()
    n_rows = int(frame["rank"].max()) + 1 if len(frame) else 1
    drawn = frame.assign(
        y=frame["rank"] * ROW + ROW / 2 + _LABELS + frame["offset"],
        colour=[_level_names(said)[level] for level in frame["level"]],
    )
    x = alt.X("effect:Q", title=said.effect, axis=alt.Axis(grid=True, tickCount=6))
    dots = (
        alt.Chart(drawn)
        .mark_circle(size=_DOT, opacity=0.85)
        .encode(
            x=x,
            y=alt.Y("y:Q", scale=None, axis=None),
            color=_colour(frame, said),
        )
    )
    middle = pd.DataFrame({"y": [rank * ROW + ROW / 2 + _LABELS for rank in range(n_rows)]})
    lines = alt.Chart(middle).mark_rule(color=theme.RULE).encode(y=alt.Y("y:Q", scale=None, axis=None))
    zero = alt.Chart(pd.DataFrame({"effect": [0.0]})).mark_rule(color=theme.QUIET).encode(x=x)
    first = frame.drop_duplicates("rank")
    labels = pd.DataFrame(
        {
            "y": first["rank"] * ROW + ROW / 2 + _LABELS,
            "label": [theme.shortened(name, _LABEL_COLUMNS) for name in first["feature"]],
        }
    )
    told = (
        alt.Chart(labels)
        .mark_text(align="right", baseline="middle", dx=-8, color=theme.INK)
        .encode(x=alt.value(0), y=alt.Y("y:Q", scale=None, axis=None), text="label:N")
    )
    height = ROW * n_rows + 2 * _LABELS
    chart: alt.LayerChart = lines + zero + dots + told
    return theme.finished(chart, width=WIDTH, height=height)


def _level_names(said: BeeswarmWords) -> list[str]:
    """What each level is called in the legend: only the ends have names; the last, -1, is null."""
    return [said.low, " ", "  ", "   ", said.high, said.unknown]


def _colour(frame: pd.DataFrame, said: BeeswarmWords) -> Any:
    """By the level of the feature's own value; one colour where no values are given."""
    import altair as alt  # noqa: PLC0415

    if (frame["level"] < 0).all():
        return alt.value(theme.LOWERS)
    names, colours = _level_names(said), (*theme.STEPS, theme.QUIET)
    shown = len(names) if (frame["level"] < 0).any() else len(names) - 1
    return alt.Color(
        "colour:N",
        title=said.value,
        scale=alt.Scale(domain=names[:shown], range=list(colours[:shown])),
        legend=alt.Legend(columns=shown, symbolType="circle", symbolSize=60),
    )


def _levels(values: Floats) -> NDArray[np.int64]:
    """Where each value stands among the others, in five steps; -1 for null."""
    known = np.isfinite(values)
    found = np.full(len(values), -1, dtype=np.int64)
    if known.any():
        order = np.unique(values[known], return_inverse=True)[1]
        # By rank among the distinct values, so that a flag has both ends of the scale.
        found[known] = np.rint(order * (_TOP_LEVEL / order.max())) if order.max() else _TOP_LEVEL // 2
    return found


def _offsets(effect: Floats, widest: float) -> Floats:
    """Places beside the middle of the row: points of one narrow bin stand in a column, in the order of the rows."""
    bins = np.floor((effect / widest + 1) * (_BINS / 2)).astype(np.int64)
    offsets = np.zeros(len(effect))
    for one in np.unique(bins):
        places = np.flatnonzero(bins == one)
        spread = (np.arange(len(places)) + 1) // 2 * np.where(np.arange(len(places)) % 2, 1.0, -1.0)
        reach = max(1.0, len(places) // 2)
        offsets[places] = spread * min(_SPREAD, _HALF / reach)
    return offsets
