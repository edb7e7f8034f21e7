"""The risk over a case's life: what was said at each landmark, beside what happened and what was promised.

The drawing is the same for every case but for its rows, so it is made once for each language and the rows are filled
in. Nothing in it depends on a row: the dates below stand in rows of their own, whole days at equal steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from models.plots import theme

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 400
HEIGHT: Final = 220
_NEEDED: Final = ("landmark_at", "probability", "lower", "upper")
_EVENTS: Final = ("at", "label")
_PAUSES: Final = ("from", "to")
_LANES: Final = 3  # labels of events that follow closely stand in lanes, one below the other
_LANE: Final = 14
_EDGE: Final = 12  # kept free on both sides, in pixels
_TICK: Final = 5
_MOST_DAYS: Final = 5  # dates below the drawing: more of them crowd each other in Chinese
_STEPS: Final = (1, 2, 3, 5, 7, 14, 28, 56, 91, 182, 364)

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class CaseLifeWords:
    """What the chart bears, in the reader's language; `date_format` as `strftime` takes it."""

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
    pauses: pd.DataFrame | None = None,
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
    pauses : DataFrame with `from` and `to` (int64 seconds in UTC) of the spans in which the clock stood still

    Raises
    ------
    UsageError
        If a column is missing, or there is no landmark.
    """
    import altair as alt  # noqa: PLC0415

    said = words or CaseLifeWords()
    rows = life_rows(risks, events, time_zone=time_zone, due_at=due_at, words=said, pauses=pauses)
    chart = _empty(said)
    chart.datasets = alt.Datasets(**rows)  # type: ignore[no-untyped-call]
    return chart


def life_svg(rows: Rows, words: CaseLifeWords, on: theme.Theme = "light") -> bytes:
    """The chart of `life_rows` as SVG: as `theme.svg` draws `case_life`, in a third of the time."""
    return theme.repainted(drawn_life(json.dumps(rows), words), on).encode()


def drawn_life(rows: str, words: CaseLifeWords) -> str:
    """The same of rows as JSON, in the colours of a light page."""
    return theme.drawn(_filled(json.loads(rows), words))


def life_spec(rows: Rows, words: CaseLifeWords, on: theme.Theme = "light") -> bytes:
    """The same as Vega in JSON, for a page that draws it itself; see `theme.spec`."""
    return theme.compiled_spec(_filled(rows, words), on)


def _filled(rows: Rows, words: CaseLifeWords) -> dict[str, Any]:
    drawing = _compiled(words)
    data = [{**one, "values": rows[one["name"]]} if one["name"] in rows else one for one in drawing["data"]]
    return {**drawing, "data": data}


def life_rows(
    risks: pd.DataFrame,
    events: pd.DataFrame,
    *,
    time_zone: str,
    due_at: int | None = None,
    words: CaseLifeWords | None = None,
    pauses: pd.DataFrame | None = None,
) -> Rows:
    """The rows of the chart by the name of their data; the arguments and errors are those of `case_life`. A column
    `told` of `risks` is what a live chart says under the pointer.
    """
    said = words or CaseLifeWords()
    stood = pd.DataFrame({"from": [], "to": []}, dtype="int64") if pauses is None else pauses
    for frame, columns, what in ((risks, _NEEDED, "risks"), (events, _EVENTS, "events"), (stood, _PAUSES, "pauses")):
        _require(frame, columns, what)
    if risks.empty:
        raise UsageError("Expected at least one landmark of the case, got none.")
    due = [] if due_at is None else [due_at]
    moments = [*risks["landmark_at"], *events["at"], *stood["from"], *stood["to"], *due]
    ends = int(min(moments)), int(max(moments))
    listed = [
        {"at": at, **{name: _percent(row[name]) for name in _NEEDED[1:]}, "told": str(row.get("told", ""))}
        for at, row in zip(_local(risks["landmark_at"], time_zone), risks.to_dict("records"), strict=True)
    ]
    marks = _in_lanes(events, *ends)
    spans = zip(_local(stood["from"], time_zone), _local(stood["to"], time_zone), strict=True)
    return {
        "risks": listed,
        "events": [
            {"at": at, "label": str(label), "place": place}
            for at, label, place in zip(_local(marks["at"], time_zone), marks["label"], marks["place"], strict=True)
        ],
        "pauses": [{"at": start, "to": end} for start, end in spans],
        "due": [{"at": at, "label": said.deadline} for at in _local(pd.Series(due, dtype="int64"), time_zone)],
        "ends": [{"at": at} for at in _local(pd.Series(ends), time_zone)],
        "days": _days(ends, time_zone, said.date_format),
    }


def _empty(said: CaseLifeWords) -> alt.LayerChart:
    """The chart without its rows."""
    import altair as alt  # noqa: PLC0415

    x = alt.X(
        "at:T",
        title=said.time or None,
        scale=alt.Scale(nice=False, padding=_EDGE),
        axis=alt.Axis(labels=False, ticks=False, grid=False, titlePadding=22),
    )
    y = alt.Y("probability:Q", title=said.risk, scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=5))
    layers = [*_ground(x), *_risk(x, y, said.risk), *_uprights(x)]
    return theme.finished(alt.LayerChart(layer=layers), width=WIDTH, height=HEIGHT)


def _ground(x: alt.X) -> list[alt.Chart]:
    """How far time goes, its dates, and where the clock stood still."""
    import altair as alt  # noqa: PLC0415

    # Seen by nobody: it makes the scale reach from the first moment to the last.
    ends = alt.Chart(alt.NamedData("ends")).mark_point(opacity=0).encode(x=x)
    stood = alt.Chart(alt.NamedData("pauses")).mark_rect(color=theme.RULE, opacity=0.45).encode(x=x, x2="to:T")
    days = alt.Chart(alt.NamedData("days"))
    ticks = days.mark_rule(color=theme.QUIET).encode(x=x, y=alt.value(HEIGHT), y2=alt.value(HEIGHT + _TICK))
    dates = days.mark_text(baseline="top", color=theme.INK).encode(x=x, y=alt.value(HEIGHT + _TICK + 3), text="label:N")
    return [stood, ends, ticks, dates]


def _risk(x: alt.X, y: alt.Y, title: str) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415

    line = alt.Chart(alt.NamedData("risks"))
    band = line.mark_area(color=theme.BAND, interpolate="step-after", line=False).encode(
        x=x, y=alt.Y("lower:Q", title=title), y2="upper:Q"
    )
    steps = line.mark_line(color=theme.LOWERS, strokeWidth=2, interpolate="step-after").encode(x=x, y=y)
    points = line.mark_point(color=theme.LOWERS, filled=True, size=26, opacity=1).encode(x=x, y=y)
    # Seen by nobody: where a pointer finds a scoring, wider than its point and as high as the chart.
    found = line.mark_rule(opacity=0, strokeWidth=14, aria=False).encode(x=x, tooltip="told:N")
    return [band, *_ends(line, x), steps, points, found]


def _ends(line: alt.Chart, x: alt.X) -> list[alt.Chart]:
    """Where the band ends: its tint alone would be too faint."""
    import altair as alt  # noqa: PLC0415

    drawn = line.mark_line(color=theme.EDGE, strokeWidth=1, interpolate="step-after")
    return [drawn.encode(x=x, y=alt.Y(f"{end}:Q")) for end in ("lower", "upper")]


def _uprights(x: alt.X) -> list[alt.Chart]:
    """A thin upright at each event, with what it was at the top; a strong one at the deadline."""
    import altair as alt  # noqa: PLC0415

    events, due = alt.Chart(alt.NamedData("events")), alt.Chart(alt.NamedData("due"))
    place = alt.Y("place:Q", scale=None, axis=None)
    return [
        events.mark_rule(color=theme.QUIET, strokeDash=[2, 3], strokeWidth=1).encode(x=x),
        events.mark_text(align="left", baseline="bottom", dx=2, color=theme.INK).encode(x=x, y=place, text="label:N"),
        due.mark_rule(color=theme.RAISES, strokeWidth=2).encode(x=x),
        due.mark_text(align="right", dx=-4, dy=-6, baseline="bottom", color=theme.RAISES, fontWeight="bold").encode(
            x=x, y=alt.value(HEIGHT), text="label:N"
        ),
    ]


@cache
def _compiled(words: CaseLifeWords) -> Mapping[str, Any]:
    """The drawing in the language of the drawing engine, once for all cases."""
    import altair as alt  # noqa: PLC0415

    chart = _empty(words)
    chart.datasets = alt.Datasets(**{name: [] for name in ("risks", "events", "pauses", "due", "ends", "days")})  # type: ignore[no-untyped-call]
    return theme.compiled(chart)


def _in_lanes(events: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """The events with the height of their labels in pixels: those that follow closely stand in different lanes."""
    ordered = events.sort_values("at", kind="stable").reset_index(drop=True)
    per_pixel = max(1.0, (last - first) / WIDTH)
    free = [float("-inf")] * _LANES
    places = []
    for at, label in zip(ordered["at"], ordered["label"], strict=True):
        lane = next((lane for lane in range(_LANES) if free[lane] <= at), free.index(min(free)))
        free[lane] = at + per_pixel * (theme.width_of(str(label)) + 8)
        places.append((lane + 1 - _LANES) * _LANE - 4)
    return ordered.assign(place=places)


def _days(ends: tuple[int, int], time_zone: str, date_format: str) -> list[dict[str, Any]]:
    """At most five local midnights at equal steps; of a life within one day, its first moment."""
    first, last = (pd.Timestamp(end, unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None) for end in ends)
    nights = pd.date_range(first.ceil("D"), last.floor("D"), freq="D")
    if len(nights) == 0:
        nights = pd.DatetimeIndex([first])
    step = next((step for step in _STEPS if len(nights) <= step * _MOST_DAYS), -(-len(nights) // _MOST_DAYS))
    # So that the last is a date too, they are counted from the end.
    chosen = nights[::-1][::step][::-1]
    return [{"at": night.isoformat(), "label": night.strftime(date_format)} for night in chosen]


def _percent(value: float) -> float | None:
    return None if value is None or np.isnan(value) else float(value) * 100


def _local(moments: pd.Series, time_zone: str) -> list[str]:
    """Moments as they stand on the local clock; the zone is dropped, since charts know one clock only."""
    local = pd.to_datetime(moments.astype("int64"), unit="s", utc=True).dt.tz_convert(time_zone)
    return [moment.isoformat() for moment in local.dt.tz_localize(None)]


def _require(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise UsageError(f"Expected {what} with the columns {', '.join(columns)}, and '{missing[0]}' is missing.")
