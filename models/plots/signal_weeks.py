"""The evidence of a weak signal: counts week by week, the band that the past explained, and the weeks flagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from models.plots.theme import BAND, EDGE, INK, LOWERS, QUIET, RAISES, RULE, finished

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 560
HEIGHT: Final = 240
# What a week is drawn as; see `weeks_chart`.
STATES: Final = ("shown", "withheld", "not_recorded")
_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class WeekWords:
    """The words of the chart, in the reader's language."""

    count: str = "reports a week"
    band: str = "usual"
    observed: str = "reported"
    rise: str = "signal: a rise"
    silence: str = "signal: a silence"
    withheld: str = "withheld"
    not_recorded: str = "not recorded"


def weeks_chart(
    frame: pd.DataFrame,
    words: WeekWords = WeekWords(),
    *,
    minimum: int = 10,
    width: int = WIDTH,
    height: int = HEIGHT,
    title: str = "",
) -> alt.LayerChart:
    """Counts against their band, one column a week.

    Parameters
    ----------
    frame : DataFrame, a row per week in order: `week` (datetime64 without zone: the local Monday, or any first day),
        `observed`, `lower`, `upper` (null where there is none to show), `alarm` ("rise", "silence" or null) and
        `state`, one of `STATES`: a count that is shown, one that is withheld (drawn as a hatched box from 0 to
        `minimum` - 1, never as zero), a week that was not recorded (a grey column); perhaps `told`, what a live chart
        says of the week under the pointer
    words : in the reader's language
    minimum : the smallest count that is shown
    width, height : pixels, axes and legend included
    title : for a picture that stands by itself; pages say it in text
    """
    import altair as alt  # noqa: PLC0415 (half a second to load, and few need it)

    chart = _layers(frame, words, minimum, title).properties(autosize=alt.AutoSizeParams(type="fit"))
    drawn: alt.LayerChart = finished(chart, width=width, height=height)
    return drawn


def many_weeks_chart(frames: Mapping[str, pd.DataFrame], words: WeekWords = WeekWords()) -> alt.VConcatChart:
    """One chart of weeks under the other, each with its name; for `frames` see `weeks_chart`.

    Raises
    ------
    UsageError
        If there is no frame.
    """
    import altair as alt  # noqa: PLC0415

    if not frames:
        raise UsageError("Expected at least one series to draw.")
    parts = [
        _layers(frame, words, 10, name).properties(width=WIDTH, height=HEIGHT * 0.5) for name, frame in frames.items()
    ]
    whole = alt.vconcat(*parts, spacing=18).resolve_scale(color="independent", shape="independent")
    drawn: alt.VConcatChart = finished(whole)
    return drawn


def weeks_summary(frame: pd.DataFrame) -> dict[str, int]:
    """What a text alternative says of the chart: weeks in all, shown, withheld, not recorded, flagged, above the band.

    Example: ``{"weeks": 53, "shown": 20, "withheld": 33, "not_recorded": 0, "flagged": 2, "above": 3}``
    """
    states = frame["state"].value_counts()
    shown = frame["state"].eq("shown")
    return {
        "weeks": len(frame),
        **{state: int(states.get(state, 0)) for state in STATES},
        "flagged": int(frame["alarm"].notna().sum()),
        "above": int((shown & (frame["observed"] > frame["upper"])).sum()),
    }


def _layers(frame: pd.DataFrame, words: WeekWords, minimum: int, title: str) -> Any:
    import altair as alt  # noqa: PLC0415 (half a second to load, and few need it)

    rows = _rows(frame, minimum)
    top = float(np.nanmax([1.0, *rows["observed"], *rows["upper"], *rows["box"]])) * 1.08
    base = alt.Chart(rows)
    y_scale = alt.Scale(domain=[0, top], nice=False)
    axis = alt.Axis(format="%Y-%m", tickCount=6, labelOverlap=True, grid=False)
    # The scale is told once: layers that tell it too are in conflict, as Vega-Lite says where a page draws it.
    first = alt.X("week:T", title=None, axis=axis, scale=alt.Scale(domain=_ends(rows), nice=False))
    x, middle = (alt.X(f"{name}:T", title=None, axis=axis) for name in ("week", "middle"))
    y = alt.Y("observed:Q", title=words.count, scale=y_scale, axis=alt.Axis(tickCount=4, format="d"))
    legend = alt.Legend(title=None, orient="top", symbolOpacity=1)
    gone = base.transform_filter("datum.state == 'not_recorded'").mark_rect(
        color=RULE, fillOpacity=0.5, stroke=QUIET, strokeWidth=0.75
    )
    band = base.transform_filter("isValid(datum.upper)").mark_rect(color=BAND)
    # The band is a tint; what it says is where it ends.
    ends = [
        base.transform_filter("isValid(datum.upper)")
        .mark_rule(color=EDGE)
        .encode(x=x, x2="end:T", y=alt.Y(f"{end}:Q", scale=y_scale, title=words.count))
        for end in ("lower", "upper")
    ]
    box = base.transform_filter("datum.state == 'withheld'").mark_rect(filled=False, stroke=QUIET, strokeWidth=0.3)
    # Hatched as withheld cells of tables are: one line across each box.
    hatch = base.transform_filter("datum.state == 'withheld'").mark_rule(color=QUIET, strokeWidth=0.8)
    names = _names(rows, words)
    colours = {words.observed: INK, words.rise: RAISES, words.silence: LOWERS}
    shapes = {words.observed: "circle", words.rise: "triangle-up", words.silence: "triangle-down"}
    points = base.transform_filter("isValid(datum.mark_at)").mark_point(filled=True, opacity=1)
    layers: list[Any] = [
        gone.encode(x=first, x2="end:T"),
        band.encode(x=x, x2="end:T", y=alt.Y("lower:Q", scale=y_scale, title=words.count), y2="upper:Q"),
        *ends,
        box.encode(x=x, x2="end:T", y=alt.Y("zero:Q", scale=y_scale, title=words.count), y2="box:Q"),
        hatch.encode(x=x, x2="end:T", y=alt.Y("zero:Q", scale=y_scale, title=words.count), y2="box:Q"),
        base.mark_line(color=INK, strokeWidth=1).encode(x=middle, y=y, detail="run:N"),
        points.encode(
            x=middle,
            y=alt.Y("mark_at:Q", scale=y_scale, title=words.count),
            color=alt.Color(
                "mark:N", scale=alt.Scale(domain=names, range=[colours[name] for name in names]), legend=legend
            ),
            shape=alt.Shape(
                "mark:N", scale=alt.Scale(domain=names, range=[shapes[name] for name in names]), legend=legend
            ),
            size=alt.Size("size:Q", scale=None, legend=None),
        ),
    ]
    if "told" in frame:
        rows["told"], rows["whole"] = frame["told"], top
        over = base.mark_rect(opacity=0).encode(
            x=x, x2="end:T", y=alt.Y("zero:Q", scale=y_scale, title=words.count), y2="whole:Q", tooltip="told:N"
        )
        layers.append(over)
    chart: Any = alt.layer(*layers)
    return chart.properties(title=alt.TitleParams(title, anchor="start", color=INK, fontSize=12)) if title else chart


def _rows(frame: pd.DataFrame, minimum: int) -> pd.DataFrame:
    week = pd.to_datetime(frame["week"])
    step = week.diff().min() if len(frame) > 1 else pd.Timedelta(days=_DAYS)
    shown = frame["state"].eq("shown")
    rows = pd.DataFrame(
        {
            "week": week,
            "middle": week + step / 2,
            "end": week + step,
            "observed": frame["observed"].astype("float64").where(shown),
            "lower": frame["lower"].astype("float64"),
            "upper": frame["upper"].astype("float64"),
            "alarm": frame["alarm"].astype(object),
            "state": frame["state"].astype(str),
            "zero": 0.0,
            "box": np.where(frame["state"].eq("withheld"), minimum - 1.0, np.nan),
        }
    )
    # That a withheld week was flagged is no secret: its mark stands in its box.
    rows["mark_at"] = rows["observed"].where(shown | rows["alarm"].isna(), rows["box"] / 2.0)
    # A line joins neighbouring weeks only; over a gap it would draw what nobody knows.
    rows["run"] = (rows["observed"].isna() | rows["observed"].shift().isna()).cumsum().astype(str)
    rows["size"] = np.where(rows["alarm"].notna(), 130.0, 22.0)
    return rows


def _names(rows: pd.DataFrame, words: WeekWords) -> list[str]:
    """Name every point's mark, and the names in use."""
    names = {"rise": words.rise, "silence": words.silence}
    rows["mark"] = [names.get(alarm, words.observed) for alarm in rows["alarm"]]
    return [name for name in (words.observed, words.rise, words.silence) if name in set(rows["mark"])]


def _ends(rows: pd.DataFrame) -> list[str]:
    return [rows["week"].min().isoformat(), rows["end"].max().isoformat()]
