"""The charts of the pages, defined once in Altair and drawn as SVG by vl-convert: no browser, no network.

A chart carries no title: its page says the finding, the text alternative and the table in real text beside
it. It is drawn 342 px wide, which is legible on a phone and scales up beside its table on a desk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
from babel.numbers import format_percent

from models.plots import signal_weeks
from models.plots import theme as house
from service import display
from service.gate_payloads import OutcomeDrift
from service.language import Words, words_of
from service.published import Signal, SignalWeek
from service.reasons import Explanation
from service.settings import Language

Theme = Literal["light", "dark"]
Drawn = Literal["svg", "spec"]

WIDTH: Final = 330
WEEKS_SIZE: Final = (400, 220)
_MARGIN: Final = 6
_ROW: Final = 38  # a line of text above its bar
_BAR: Final = (18, 30)
_VALUE: Final = 52  # kept free on the right, so that no bar or joint runs through a figure
REASONS_SHOWN: Final = 8


def _paint(colour: str) -> dict[Theme, str]:
    return {"light": colour, "dark": house.DARK[colour]}


# Charts are drawn in these colours and repainted per theme, so that one drawing serves both. Each pair has
# at least 3:1 against its background, as WCAG 2.2 asks of marks, and text 4.5:1.
_PAINTS: Final[dict[str, dict[Theme, str]]] = {
    "#000001": _paint(house.INK),  # text
    "#000002": _paint(house.QUIET),  # where it starts, what is usual
    "#000003": _paint(house.RAISES),
    "#000004": _paint(house.LOWERS),
    "#000005": _paint(house.INK),  # where it ends
    "#000006": _paint(house.BAND),
}
TEXT, START, RAISES, LOWERS, TOTAL, BAND = _PAINTS


def size_of(rows: int) -> tuple[int, int]:
    """Width and height in pixels of a chart with that many rows, known before it is drawn."""
    return WIDTH + 2 * _MARGIN, rows * _ROW + 2 * _MARGIN


def waterfall_rows(explanation: Explanation) -> int:
    """How many rows the waterfall of a case has."""
    shown = min(len(explanation.reasons), REASONS_SHOWN)
    return shown + 2 + (len(explanation.reasons) > shown)


def waterfall(explanation: Explanation, words: Words, theme: Theme, drawn: Drawn = "svg") -> bytes:
    """The reasons of a risk, from where all cases start to where this one ends; SVG, or what a page draws itself."""
    if drawn == "spec":
        return _repainted(house.compiled_spec(_drawing(_waterfall_chart, _steps(explanation, words))).decode(), theme)
    return _repainted(_waterfall(explanation, words.language), theme)


def evidence(signals: Sequence[Signal], names: Mapping[str, str], words: Words, theme: Theme) -> bytes:
    """What was observed beside what the past explains, for the signals whose counts are shown; SVG.

    Parameters
    ----------
    signals : those with a disclosed count
    names : category code to name
    """
    rows = []
    for position, signal in enumerate(signals):
        rows.append(
            {
                **_lines(
                    position,
                    shortened(names[signal.category]),
                    display.number(words, signal.observed.value or 0),
                ),
                "from": signal.lower.value,
                "to": signal.upper.value,
                "expected": signal.expected.value,
                "observed": signal.observed.value,
                "colour": RAISES if signal.direction == "rise" else LOWERS,
            }
        )
    return _repainted(_drawn(_evidence_chart, rows), theme)


def told_and_came(outcomes: Sequence[OutcomeDrift], words: Words, theme: Theme) -> bytes:
    """What was told of each outcome beside the share that came of it, with its interval; SVG.

    Parameters
    ----------
    outcomes : those with mature cases enough for a share; one beyond its chance bears the colour of its side
    """
    rows = [
        {
            **_lines(position, shortened(display.outcome(words, one.outcome)), _percent(words, one.came)),
            "from": one.lower,
            "to": one.upper,
            "expected": one.told,
            "observed": one.came,
            "colour": START if one.holds is not False else RAISES if (one.came or 0) > (one.told or 0) else LOWERS,
        }
        for position, one in enumerate(outcomes)
    ]
    return _repainted(_drawn(_evidence_chart, rows), theme)


def _percent(words: Words, share: float | None) -> str:
    return format_percent(share or 0.0, format="0.0%", locale=words.locale)


def week_frame(signal: Signal, time_zone: ZoneInfo) -> pd.DataFrame:
    """The weeks behind a signal as `models.plots.signal_weeks` takes them; withheld ones have no figure."""
    rows = [
        {
            "week": display.local(week.week, time_zone).replace(tzinfo=None),
            **{name: getattr(week, name).value for name in ("observed", "lower", "upper")},
            "alarm": week.alarm,
            "state": week.state,
        }
        for week in signal.weeks
    ]
    frame = pd.DataFrame(rows, columns=["week", "observed", "lower", "upper", "alarm", "state"])
    return frame.astype(dict.fromkeys(("observed", "lower", "upper"), "float64"))


def weeks_told(signal: Signal, words: Words, minimum: int, time_zone: ZoneInfo) -> list[str]:
    """What a live chart says of each week, with the words of the table."""
    return [_week_told(week, words, minimum, time_zone) for week in signal.weeks]


def _week_told(week: SignalWeek, words: Words, minimum: int, time_zone: ZoneInfo) -> str:
    parts = [display.day(words, week.week, time_zone)]
    if week.state == "not_recorded":
        return " · ".join([*parts, words.gettext("not recorded")])
    parts.append(f"{words.gettext('Observed')}: {display.figure(words, week.observed, minimum)}")
    if week.upper.value is not None:
        low, high = (display.figure(words, end, minimum) for end in (week.lower, week.upper))
        parts.append(f"{words.gettext('Explained by the past')}: {low}–{high}")
    if week.alarm:
        parts.append(display.word(words, display.DIRECTIONS, week.alarm))
    return " · ".join(parts)


def weeks(frame: pd.DataFrame, words: Words, minimum: int, theme: Theme) -> bytes:
    """The weeks behind a signal against what their past explained; SVG, or with `told` what a page draws itself."""
    said = signal_weeks.WeekWords(
        count=words.gettext("reports a week"),
        band=words.gettext("Explained by the past"),
        observed=words.gettext("reports"),
        rise=words.gettext("flagged: a rise"),
        silence=words.gettext("flagged: a silence"),
        withheld=words.gettext("withheld"),
        not_recorded=words.gettext("not recorded"),
    )
    width, height = WEEKS_SIZE
    chart = signal_weeks.weeks_chart(frame, said, minimum=minimum, width=width, height=height)
    return house.spec(chart, theme) if "told" in frame else house.svg(chart, theme)


def warm() -> None:
    """Load the drawing engine, which takes about a second, before a reader waits for it."""
    _waterfall(Explanation(0, (), 0), "en")
    _drawn(_evidence_chart, [])
    two = {"week": pd.to_datetime(["2024-01-01", "2024-01-08"]), "observed": [12.0, 24.0], "lower": 8.0, "upper": 19.0}
    weeks(pd.DataFrame({**two, "alarm": [None, "rise"], "state": "shown"}), words_of("en"), 10, "light")


@lru_cache(maxsize=512)
def _waterfall(explanation: Explanation, language: Language) -> str:
    return _drawn(_waterfall_chart, _steps(explanation, words_of(language)))


def _steps(explanation: Explanation, words: Words) -> list[dict[str, Any]]:
    shown, rest = explanation.split(REASONS_SHOWN)
    steps = [(reason.label(words), reason.tenths) for reason in shown]
    others = len(explanation.reasons) - len(shown)
    if others:
        steps.append((words.gettext("Everything else together"), rest))
    rows = [_bar(0, words.gettext("Where all cases start"), (0, explanation.base), START, words)]
    reached = explanation.base
    for label, tenths in steps:
        colour = RAISES if tenths > 0 else LOWERS
        rows.append(_bar(len(rows), label, (reached, reached + tenths), colour, words))
        reached += tenths
    rows.append(_bar(len(rows), words.gettext("This case"), (0, explanation.total), TOTAL, words))
    return rows


def _bar(position: int, label: str, span: tuple[int, int], colour: str, words: Words) -> dict[str, Any]:
    start, end = span
    step = end - start
    value = display.points(words, step) if colour in (RAISES, LOWERS) else display.one_decimal(words, end)
    return {
        **_lines(position, shortened(label), value),
        "from": start,
        "to": end,
        "colour": colour,
        "told": f"{label}: {value}",
    }


def _lines(position: int, label: str, value: str) -> dict[str, Any]:
    top = position * _ROW
    return {
        "label": label,
        "value": value,
        "text": top + 12,
        "value_at": top + 28,
        "bar_top": top + _BAR[0],
        "bar_bottom": top + _BAR[1],
    }


@cache
def _waterfall_chart() -> dict[str, Any]:
    chart = alt.Chart(alt.InlineData(values=[]))
    bars = chart.mark_rect(cornerRadius=1).encode(
        x=_x("from"), x2="to:Q", y=_y("bar_top"), y2="bar_bottom:Q", color=_COLOUR, tooltip="told:N"
    )
    return _spec(bars + _labels(chart))


@cache
def _evidence_chart() -> dict[str, Any]:
    chart = alt.Chart(alt.InlineData(values=[]))
    middle = "(datum.bar_top + datum.bar_bottom) / 2"
    ranges = chart.mark_rect(cornerRadius=2, color=BAND, stroke=START, strokeWidth=1).encode(
        x=_x("from"), x2="to:Q", y=_y("bar_top"), y2="bar_bottom:Q"
    )
    usual = chart.mark_rule(color=START, strokeWidth=2).encode(x=_x("expected"), y=_y("bar_top"), y2="bar_bottom:Q")
    seen = (
        chart.transform_calculate(middle=middle)
        .mark_point(shape="diamond", filled=True, size=110, opacity=1)
        .encode(x=_x("observed"), y=_y("middle"), color=_COLOUR)
    )
    return _spec(ranges + usual + seen + _labels(chart))


def _x(name: str) -> alt.X:
    return alt.X(f"{name}:Q", axis=None, scale=alt.Scale(zero=True, nice=False, range=[0, WIDTH - _VALUE]))


def _y(name: str) -> alt.Y:
    # Without a scale the values are pixels from the top, so one chart fits any number of rows.
    return alt.Y(f"{name}:Q", axis=None, scale=None)


_COLOUR: Final = alt.Color("colour:N", scale=None)


def _labels(chart: alt.Chart) -> alt.LayerChart:
    text = chart.mark_text(align="left", color=TEXT, fontSize=11).encode(x=alt.value(0), y=_y("text"), text="label:N")
    value = chart.mark_text(align="right", color=TEXT, fontSize=11, fontWeight="bold").encode(
        x=alt.value(WIDTH), y=_y("value_at"), text="value:N"
    )
    both: alt.LayerChart = text + value
    return both


def _spec(chart: alt.LayerChart) -> dict[str, Any]:
    chart = (
        chart.properties(width=WIDTH, height=_ROW, padding=_MARGIN, autosize=alt.AutoSizeParams(type="none"))
        .configure(font=house.FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_text(baseline="alphabetic")
    )
    return chart.to_dict()


def _drawn(make: Callable[[], dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """Draw a chart for these rows: the same drawing, as high as it has rows."""
    return house.drawn(_drawing(make, rows))


def _drawing(make: Callable[[], dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A chart for these rows in the language of the drawing engine, into which it is put once and not for each reader:
    nothing in it depends on a row but its height.
    """
    empty = _compiled(make)
    filled = [{**one, "values": rows} if "values" in one else one for one in empty["data"]]
    return {**empty, "data": filled, "height": max(len(rows), 1) * _ROW}


@cache
def _compiled(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return house.compiled(make())


def _repainted(svg: str, theme: Theme) -> bytes:
    for drawn, paint in _PAINTS.items():
        svg = svg.replace(drawn, paint[theme])
    return svg.encode()


def shortened(text: str, width: int = 56) -> str:
    """At most `width` columns of text, from a capital letter on; a Chinese character takes two columns."""
    text = text[:1].upper() + text[1:]
    taken = 0
    for position, letter in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if taken > width:
            return text[: max(position - 1, 1)].rstrip() + "…"
    return text
