"""The pictures of a check, in Altair, drawn as SVG by vl-convert: no browser, no network, no script.

A picture carries no title: the finding stands above it in real text, with a table of the same figures below. Its
colours are those of the page (CSS variables), so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import re
from typing import Any, Final

import altair as alt
import vl_convert

from data.quality.check_finding import Both, Chart, Language, period
from models.plots.theme import FONT
from service.check_report.told import label_told, value_told
from service.dashboard.charts import shortened

WIDTH: Final = 330
_MARGIN: Final = 6
_ROW: Final = 38
_BAR: Final = (18, 30)
_VALUE: Final = 56
_HEIGHT: Final = 150

# What is drawn in a marker is painted by a variable of the page.
_PAINTS: Final = {
    "#000001": "var(--ink)",
    "#000002": "var(--line-strong)",
    "#000003": "var(--line)",
    "#000004": "var(--accent)",
    "#000005": "var(--mark)",
    "#000006": "var(--second)",
    "#000007": "var(--third)",
}
TEXT, AXIS, RULE, MAIN, MARK, SECOND, THIRD = _PAINTS
_SERIES: Final = (MAIN, SECOND, MARK, THIRD)
# Told apart without colour too.
_DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])


def svg_of(chart: Chart, language: Language, *, name: str, alternative: str) -> str:
    """The chart as an SVG element for a page; `name` makes its ids its own, `alternative` says what it shows."""
    drawn = _bars(chart, language) if chart.kind == "bars" else _lines(chart, language)
    svg = str(vl_convert.vegalite_to_svg(drawn))
    for marker, paint in _PAINTS.items():
        svg = svg.replace(marker, paint)
    # The picture is named as a whole; the engine's own roles would name parts of it that say nothing.
    svg = re.sub(r' (?:aria-label|aria-roledescription|role|aria-hidden)="[^"]*"', "", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    said = alternative.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"^<svg ", f'<svg role="img" aria-label="{said}" ', svg, count=1)


def _bars(chart: Chart, language: Language) -> dict[str, Any]:
    rows = []
    for position, point in enumerate(chart.points):
        top = position * _ROW
        rows.append(
            {
                "label": shortened(label_told(point.label, chart, language), 44),
                "value": value_told(point.value, chart.unit, language),
                "from": 0.5 if chart.unit == "auc" else 0,
                "to": point.value or 0,
                "text": top + 11,
                "value_at": top + 28,
                "bar_top": top + _BAR[0],
                "bar_bottom": top + _BAR[1],
            }
        )
    base = alt.Chart(alt.InlineData(values=rows))
    domain = [0, 1] if chart.unit == "share" else [0.5, 1] if chart.unit == "auc" else alt.Undefined
    scale = alt.Scale(zero=chart.unit != "auc", nice=False, range=[0, WIDTH - _VALUE], domain=domain)
    x = alt.X("from:Q", axis=None, scale=scale)
    bars = base.mark_rect(color=MAIN, cornerRadius=1).encode(x=x, x2="to:Q", y=_y("bar_top"), y2="bar_bottom:Q")
    label = base.mark_text(align="left", color=TEXT, fontSize=11).encode(x=alt.value(0), y=_y("text"), text="label:N")
    value = base.mark_text(align="right", color=TEXT, fontSize=11, fontWeight="bold").encode(
        x=alt.value(WIDTH), y=_y("value_at"), text="value:N"
    )
    layers = bars + label + value
    if chart.unit in ("share", "auc"):
        track = base.mark_rect(color=RULE, cornerRadius=1).encode(
            x=alt.value(0), x2=alt.value(WIDTH - _VALUE), y=_y("bar_top"), y2="bar_bottom:Q"
        )
        layers = track + layers
    return _spec(layers, max(len(rows), 1) * _ROW)


def _y(name: str) -> alt.Y:
    # Without a scale the values are pixels from the top.
    return alt.Y(f"{name}:Q", axis=None, scale=None)


def _lines(chart: Chart, language: Language) -> dict[str, Any]:
    labels = list(dict.fromkeys(str(point.label) for point in chart.points))
    places = {label: place for place, label in enumerate(labels)}
    names = list(dict.fromkeys(point.series for point in chart.points))
    told = [_series(name, language) for name in names]
    rows = [
        {"x": places[str(point.label)], "y": point.value, "series": told[names.index(point.series)]}
        for point in chart.points
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X(
        "x:Q", axis=_x_axis(chart, labels, language), scale=alt.Scale(domain=[0, max(len(labels) - 1, 1)], nice=False)
    )
    style = "%" if chart.unit == "share" else ",.3~f"
    y = alt.Y("y:Q", axis=alt.Axis(title=None, format=style, tickCount=4), scale=alt.Scale(zero=True, nice=True))
    lines = base.mark_line(strokeWidth=2, color=MAIN, point=_points(chart, labels)).encode(
        x=x, y=y, **_told_apart(told)
    )
    layers = alt.layer(lines)
    if chart.mark in places:
        mark = alt.Chart(
            alt.InlineData(values=[{"x": places[chart.mark], "text": label_told(chart.mark, chart, language)}])
        )
        left = places[chart.mark] > len(labels) * 0.6
        rule = mark.mark_rule(color=MARK, strokeWidth=1.5, strokeDash=[4, 3]).encode(x="x:Q")
        text = mark.mark_text(
            color=TEXT, fontSize=11, align="right" if left else "left", dx=-2 if left else 2, baseline="bottom"
        ).encode(x="x:Q", y=alt.value(-3), text="text:N")
        layers = layers + rule + text
    return _spec(layers, _HEIGHT)


def _told_apart(told: list[str]) -> dict[str, Any]:
    """Several series by colour and by dashes, with a legend; one by nothing."""
    if len(told) < 2:
        return {}
    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=WIDTH - 40, symbolType="stroke", symbolSize=260)
    colours = alt.Scale(domain=told, range=[*_SERIES[: len(told)]])
    dashes = alt.Scale(domain=told, range=[*_DASHES[: len(told)]])
    return {
        "color": alt.Color("series:N", sort=told, scale=colours, legend=legend),
        "strokeDash": alt.StrokeDash("series:N", sort=told, scale=dashes, legend=legend),
    }


def _points(chart: Chart, labels: list[str]) -> Any:
    """Dots on the line where there are few: a year or a month is then seen as one value."""
    return alt.OverlayMarkDef(size=28, filled=True) if len(labels) <= 14 and chart.kind == "lines" else False


def _series(name: str | Both | None, language: Language) -> str:
    if name is None:
        return ""
    return shortened(name.in_(language) if isinstance(name, Both) else name, 46)


def _x_axis(chart: Chart, labels: list[str], language: Language) -> alt.Axis:
    """A few labels, evenly spaced, each in words: hours of a day, or years where there are many months."""
    words = {place: label_told(labels[place], chart, language) for place in _ticks(chart, labels)}
    if chart.kind == "lines" and len(labels) > _MANY_MONTHS:
        words = {place: period(labels[place][:4], language) for place in words}
    choose = "".join(f"datum.value == {place} ? '{text}' : " for place, text in words.items())
    return alt.Axis(title=None, values=list(words), labelExpr=f"{choose}''", grid=False, labelFlush=True)


# More months than this are labelled by their years.
_MANY_MONTHS: Final = 30


def _ticks(chart: Chart, labels: list[str]) -> list[int]:
    if chart.kind == "clock":
        return [place for place in (0, 6, 12, 18, 23) if place < len(labels)]
    if len(labels) > _MANY_MONTHS:
        years = [place for place, label in enumerate(labels) if label.endswith("-01")]
        return years[:: max(1, -(-len(years) // 5))]
    return list(range(0, len(labels), max(1, -(-len(labels) // 4))))


def _spec(chart: Any, height: int) -> dict[str, Any]:
    chart = (
        chart.properties(width=WIDTH, height=height, padding=_MARGIN)
        .configure(font=FONT, background="transparent", aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=TEXT,
            tickColor=AXIS,
            domainColor=AXIS,
            gridColor=RULE,
            labelFontSize=11,
            domain=False,
            ticks=False,
        )
        .configure_legend(labelColor=TEXT, labelFontSize=11)
    )
    drawn: dict[str, Any] = chart.to_dict()
    return drawn
