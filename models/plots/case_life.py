"""The risk over a case's life: what was said at each landmark, beside what happened and what was promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from data.errors import UsageError
from models.plots import theme

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 400
HEIGHT: Final = 220
_NEEDED: Final = ("landmark_at", "probability", "lower", "upper")
_EVENTS: Final = ("at", "label")
_LANES: Final = 3  # labels of events that follow closely stand in lanes, one below the other
_LANE: Final = 14


@dataclass(frozen=True, slots=True)
class CaseLifeWords:
    """What the chart bears, in the reader's language."""

    risk: str = "Risk, of 100"
    time: str = ""
    deadline: str = "Deadline"
    date_format: str = "%-d %b"


def case_life(
    risks: pd.DataFrame,
    events: pd.DataFrame,
    *,
    time_zone: str,
    due_at: int | None = None,
    words: CaseLifeWords | None = None,
) -> alt.LayerChart:
    """A line of probabilities in its band, events as marks on top, the deadline as an upright.

    Parameters
    ----------
    risks : DataFrame with `landmark_at` (int64 seconds in UTC), `probability`, `lower` and `upper` (in [0, 1]; NaN
        where nothing was asked). The risk stands until the next landmark, so the line goes in steps.
    events : DataFrame with `at` (int64 seconds in UTC) and `label` (as told to the reader)
    time_zone : IANA name; dates are read in it
    due_at : the deadline, int64 seconds in UTC; None for none
    words : in the reader's language

    Raises
    ------
    UsageError
        If a column is missing, or there is no landmark.
    """
    import altair as alt  # noqa: PLC0415

    said = words or CaseLifeWords()
    _require(risks, _NEEDED, "risks")
    _require(events, _EVENTS, "events")
    if risks.empty:
        raise UsageError("Expected at least one landmark of the case, got none.")
    rows = _percent(risks).assign(at=_local(risks["landmark_at"], time_zone))
    marks = _in_lanes(events, risks, due_at).pipe(lambda frame: frame.assign(at=_local(frame["at"], time_zone)))
    ends = [*rows["at"], *marks["at"], *([] if due_at is None else _local(pd.Series([due_at]), time_zone))]
    x = alt.X(
        "at:T",
        title=said.time or None,
        scale=alt.Scale(domain=[_stamp(min(ends)), _stamp(max(ends))], nice=False, padding=12),
        axis=alt.Axis(format=said.date_format, grid=False, labelOverlap=True, tickCount=6),
    )
    y = alt.Y("probability:Q", title=said.risk, scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=5))
    line = alt.Chart(rows)
    band = line.mark_area(color=theme.BAND, interpolate="step-after", line=False).encode(
        x=x, y=alt.Y("lower:Q", title=said.risk), y2="upper:Q"
    )
    steps = line.mark_line(color=theme.LOWERS, strokeWidth=2, interpolate="step-after").encode(x=x, y=y)
    points = line.mark_point(color=theme.LOWERS, filled=True, size=26, opacity=1).encode(x=x, y=y)
    layers = [band, *_happened(marks, x), steps, points, *_deadline(due_at, time_zone, said, x)]
    return theme.finished(alt.LayerChart(layer=layers), width=WIDTH, height=HEIGHT)


def _happened(marks: pd.DataFrame, x: alt.X) -> list[alt.Chart]:
    """A thin upright at each event, with what it was at the top."""
    import altair as alt  # noqa: PLC0415

    if marks.empty:
        return []
    chart = alt.Chart(marks)
    uprights = chart.mark_rule(color=theme.QUIET, strokeDash=[2, 3], strokeWidth=1).encode(x=x)
    told = chart.mark_text(align="left", baseline="bottom", dx=2, color=theme.INK).encode(
        x=x, y=alt.Y("place:Q", scale=None, axis=None), text="label:N"
    )
    return [uprights, told]


def _deadline(due_at: int | None, time_zone: str, said: CaseLifeWords, x: alt.X) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415

    if due_at is None:
        return []
    chart = alt.Chart(pd.DataFrame({"at": _local(pd.Series([due_at]), time_zone), "label": [said.deadline]}))
    upright = chart.mark_rule(color=theme.RAISES, strokeWidth=2).encode(x=x)
    told = chart.mark_text(
        align="right", dx=-4, dy=-6, baseline="bottom", color=theme.RAISES, fontWeight="bold"
    ).encode(x=x, y=alt.value(HEIGHT), text="label:N")
    return [upright, told]


def _in_lanes(events: pd.DataFrame, risks: pd.DataFrame, due_at: int | None) -> pd.DataFrame:
    """The events with the height of their labels in pixels: those that follow closely stand in different lanes."""
    ordered = events.sort_values("at", kind="stable").reset_index(drop=True)
    moments = [*risks["landmark_at"], *ordered["at"], *([] if due_at is None else [due_at])]
    per_pixel = max(1.0, (max(moments) - min(moments)) / WIDTH)
    free = [float("-inf")] * _LANES
    places = []
    for at, label in zip(ordered["at"], ordered["label"], strict=True):
        lane = next((lane for lane in range(_LANES) if free[lane] <= at), free.index(min(free)))
        free[lane] = at + per_pixel * (theme.width_of(str(label)) + 8)
        places.append((lane + 1 - _LANES) * _LANE - 4)
    return ordered.assign(place=places)


def _percent(risks: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: risks[name].astype("float64") * 100 for name in ("probability", "lower", "upper")})


def _local(moments: pd.Series, time_zone: str) -> pd.Series:
    """Moments as they stand on the local clock; the zone is dropped, since charts know one clock only."""
    local = pd.to_datetime(moments.astype("int64"), unit="s", utc=True).dt.tz_convert(time_zone)
    return local.dt.tz_localize(None)


def _stamp(moment: pd.Timestamp) -> str:
    return moment.isoformat()


def _require(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise UsageError(f"Expected {what} with the columns {', '.join(columns)}, and '{missing[0]}' is missing.")
