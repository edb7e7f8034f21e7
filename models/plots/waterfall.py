"""How a risk is made up: from where all cases start, reason by reason, to where this one ends.

The bars add up exactly as they are written: the figures are whole tenths of a percentage point, apportioned by
`models.explain.in_tenths`, and each bar begins where the one above it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from models.explain import apportion_points
from models.plots import theme

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 420
ROW: Final = 34  # a line of text above its bar
_VALUE: Final = 58  # kept free on the right, so that no bar runs through a figure
_GAP: Final = 6
_TEXT_AT: Final = 12
_BAR: Final = (17, 28)
COLUMNS: Final = ("label", "points")

# What each row of the chart is.
START, STEP, END = "start", "step", "end"


@dataclass(frozen=True, slots=True)
class WaterfallWords:
    """What a waterfall bears, in the reader's language."""

    start: str = "Where all cases start"
    end: str = "This case"
    others: str = "Everything else together"


def waterfall_frame(
    base: float, reasons: pd.DataFrame, probability: float, words: WaterfallWords, *, most: int = 8
) -> pd.DataFrame:
    """The rows of a waterfall, in tenths of a percentage point that add up exactly.

    Parameters
    ----------
    base, probability : in [0, 1]
    reasons : DataFrame with `label` (as told to the reader) and `points` (in probability), the largest first; what they
        leave of the probability is one more step
    words : in the reader's language
    most : how many reasons are shown; the others are one step with what is left

    Returns
    -------
    DataFrame with `label`, `kind` (start, step or end), and int64 `from`, `to` and `step`: `to = from + step`, each
    step begins where the one before it ended, and the end stands on the probability.

    Raises
    ------
    UsageError
        If a column is missing.
    """
    missing = [name for name in COLUMNS if name not in reasons]
    if missing:
        raise UsageError(f"Expected reasons with the columns {', '.join(COLUMNS)}, and '{missing[0]}' is missing.")
    labels = [str(label) for label in reasons["label"][:most]]
    points = [float(value) for value in reasons["points"][:most]]
    rest = probability - base - sum(points)
    if len(reasons) > most or abs(rest) >= 0.0005:
        labels, points = [*labels, words.others], [*points, rest]
    total = round(1000 * probability)
    # What is left without a step of its own is less than a tenth, and rounds away.
    parts = np.array([base, *points]) * 1000
    parts[0] += 1000 * probability - parts.sum()
    first, *steps = (int(value) for value in apportion_points(parts, total))
    ends = np.cumsum([first, *steps])
    rows = [(words.start, START, 0, first)]
    rows += [(label, STEP, int(ends[i]), int(ends[i + 1])) for i, label in enumerate(labels)]
    rows.append((words.end, END, 0, total))
    frame = pd.DataFrame(rows, columns=["label", "kind", "from", "to"])
    return frame.assign(step=frame["to"] - frame["from"])


def waterfall(frame: pd.DataFrame) -> alt.LayerChart:
    """The chart of `waterfall_frame`: grey where all start, rust raises, blue lowers, black where it ends.

    Colour is never alone: what raises bears a plus, what lowers a minus, and every bar its figure.
    """
    import altair as alt  # noqa: PLC0415 (a quarter of a second, and few need it)

    rows = _drawn(frame)
    x_scale = alt.Scale(domain=_domain(frame), range=[0, WIDTH - _VALUE], nice=False)
    chart = alt.Chart(rows)
    colour = alt.Color("colour:N", scale=None)
    bars = chart.mark_rect(cornerRadius=1).encode(
        x=alt.X("from:Q", axis=None, scale=x_scale),
        x2="to:Q",
        y=alt.Y("top:Q", axis=None, scale=None),
        y2="bottom:Q",
        color=colour,
        tooltip=[alt.Tooltip("label:N", title=" "), alt.Tooltip("value:N", title=" ")],
    )
    joints = (
        alt.Chart(rows[rows["is_clear"]])
        .mark_rule(color=theme.QUIET, strokeWidth=1)
        .encode(x=alt.X("to:Q", axis=None, scale=x_scale), y=alt.Y("bottom:Q", axis=None, scale=None), y2="next_top:Q")
    )
    labels = chart.mark_text(align="left", baseline="alphabetic", color=theme.INK).encode(
        x=alt.value(0), y=alt.Y("text:Q", axis=None, scale=None), text="label:N"
    )
    values = chart.mark_text(align="right", baseline="middle", color=theme.INK, fontWeight="bold").encode(
        x=alt.value(WIDTH), y=alt.Y("middle:Q", axis=None, scale=None), text="value:N"
    )
    drawn: alt.LayerChart = joints + bars + labels + values
    return theme.finished(drawn, width=WIDTH, height=ROW * len(rows))


def _domain(frame: pd.DataFrame) -> list[int]:
    """From nought, or below where a step leads there, to the highest end."""
    ends = frame[["from", "to"]].to_numpy()
    return [int(min(0, ends.min())), int(max(1, ends.max()))]


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their places, colours and figures."""
    top = np.arange(len(frame)) * ROW
    kind, step = frame["kind"].to_numpy(), frame["step"].to_numpy()
    moved = np.where(step > 0, theme.RAISES, theme.LOWERS)
    return pd.DataFrame(
        {
            "label": [theme.shortened(label) for label in frame["label"]],
            "from": frame["from"],
            "to": frame["to"],
            "value": [
                _points(int(value)) if one == STEP else f"{value / 10:.1f}%"
                for one, value in zip(kind, step, strict=True)
            ],
            "colour": np.select([kind == START, kind == END], [theme.QUIET, theme.INK], moved),
            "text": top + _TEXT_AT,
            "top": top + _BAR[0],
            "bottom": top + _BAR[1],
            "middle": top + sum(_BAR) / 2,
            "next_top": top + ROW + _BAR[0],
            "is_clear": _clear(frame),
        }
    )


def _clear(frame: pd.DataFrame) -> list[bool]:
    """Whether the line from each bar to the next one runs beside the next one's label, not through it."""
    low, high = _domain(frame)
    joint = (frame["to"].to_numpy() - low) / (high - low) * (WIDTH - _VALUE)
    widths = [theme.width_of(theme.shortened(label)) + _GAP for label in frame["label"]]
    return [*(bool(at > width) for at, width in zip(joint, widths[1:], strict=False)), False]


def _points(tenths: int) -> str:
    sign = "+" if tenths > 0 else "−" if tenths < 0 else "±"
    return f"{sign}{abs(tenths) / 10:.1f}"


def labels_of(reasons: list[Mapping[str, object]], language: str) -> pd.DataFrame:
    """Stored reasons (`models.reasons`) without their base, as `waterfall_frame` takes them."""
    parts = [reason for reason in reasons if reason["feature"] != "base"]
    return pd.DataFrame(
        {
            "label": [str(reason[f"text_{language}"]) for reason in parts],
            "points": [float(str(reason["points"])) / 100 for reason in parts],
        }
    )
