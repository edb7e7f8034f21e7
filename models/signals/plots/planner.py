"""What can be found with counts like these: the chance of finding a rise against its size.

Left, how much waiting helps; right, what fewer false alarms cost. The chart bears the finding as its title; the text
alternative is `models.signals.plan_words.plan_sentence`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from models.plots.theme import BAND, DASHES, INK, QUIET, SERIES, finished
from models.signals.plan_words import Language, alarms_told, doubt_sentence, plan_sentence, steps_told
from models.signals.planner import LARGEST_RISE, Plan

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 300
HEIGHT: Final = 220

_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "rise": "times the usual",
        "power": "chance of being found",
        "waiting": "By time of waiting",
        "price": "By false alarms accepted",
        "within": "within {steps}",
        "level": "{price} (level {alpha:.3g})",
    },
    "zh": {
        "rise": "平常的倍数",
        "power": "被发现的可能",
        "waiting": "按等待的时间",
        "price": "按可接受的误报",
        "within": "{steps}内",
        "level": "{price}（水平 {alpha:.3g}）",
    },
}
# Labels of more letters have no room beside each other.
_SHORT: Final = 20
# A title line holds about so many letters at the width of both panels; a Chinese one takes the room of two.
_LINE: Final = {"en": 96, "zh": 46}


def plan_chart(plan: Plan, *, language: Language) -> alt.HConcatChart:
    """Curves of a plan: by weeks at its own level, and by level at its own weeks, with the rise that is found."""
    import altair as alt  # noqa: PLC0415

    words = _WORDS[language]
    own = plan.curve[plan.curve["alpha"] == plan.alpha]
    told = {
        n: words["within"].format(steps=steps_told(int(n), plan.period, language=language))
        for n in sorted(own["weeks"].unique())
    }
    waiting = _panel(plan, own.assign(line=own["weeks"].map(told)), list(told.values()), words, words["waiting"])
    at_weeks = plan.curve[plan.curve["weeks"] == plan.weeks]
    prices = _prices(plan, language)
    price = _panel(
        plan, at_weeks.assign(line=at_weeks["alpha"].map(prices)), list(prices.values()), words, words["price"]
    )
    doubt = doubt_sentence(plan, language=language)
    lines = _lines(plan_sentence(plan, language=language), _LINE[language])
    title = alt.TitleParams(
        lines,
        subtitle=_lines(doubt, _LINE[language]) if doubt else [],
        anchor="start",
        color=INK,
        subtitleColor=QUIET,
        fontSize=13,
        fontWeight="normal",
    )
    both = alt.hconcat(waiting, price, spacing=24).resolve_scale(color="independent", strokeDash="independent")
    chart: alt.HConcatChart = finished(both.properties(title=title))
    return chart


def _panel(plan: Plan, rows: pd.DataFrame, order: list[str], words: dict[str, str], heading: str) -> Any:
    import altair as alt  # noqa: PLC0415

    top = _reach(plan)
    rows = rows[rows["rise"] <= top]
    scale = alt.Scale(type="log", domain=[1.0, top], nice=False)
    ticks = [one for one in (1, 1.2, 1.5, 2, 3, 4, 6, 8, 10, 15, 20) if one <= top]
    x = alt.X("rise:Q", scale=scale, title=words["rise"], axis=alt.Axis(values=ticks, format="~g", labelOverlap=True))
    y = alt.Y(
        "power:Q",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
        title=words["power"],
    )
    columns = 2 if max(len(one) for one in order) <= _SHORT else 1
    # Below, where more lines of it in one panel do not move its curves against those of the other.
    legend = alt.Legend(
        title=None, orient="bottom", symbolType="stroke", symbolSize=220, columns=columns, labelLimit=WIDTH
    )
    colour = alt.Color("line:N", sort=order, legend=legend, scale=_scale(order, SERIES))
    dash = alt.StrokeDash("line:N", sort=order, legend=legend, scale=_scale(order, DASHES))
    lines = alt.Chart(rows).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    own = rows[(rows["weeks"] == plan.weeks) & (rows["alpha"] == plan.alpha) & rows["low"].notna()]
    layers = lines
    if len(own):
        band = alt.Chart(own).mark_area(color=BAND, opacity=0.6).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
        layers = band + lines
    asked = alt.Chart(pd.DataFrame({"power": [plan.power]}))
    layers = layers + asked.mark_rule(color=QUIET, strokeDash=[4, 4], strokeWidth=1).encode(y=y)
    smallest = plan.smallest_rise()[0]
    if not np.isnan(smallest):
        point = alt.Chart(pd.DataFrame({"rise": [smallest], "power": [plan.power], "text": [f"{smallest:.1f} ×"]}))
        mark = point.mark_point(color=INK, filled=True, size=70, opacity=1).encode(x=x, y=y)
        text = point.mark_text(color=INK, align="right", dx=-7, dy=-8, fontWeight="bold").encode(
            x=x, y=y, text="text:N"
        )
        layers = layers + mark + text
    return layers.properties(width=WIDTH, height=HEIGHT, title=alt.TitleParams(heading, anchor="start", color=INK))


def _scale(order: list[str], given: Any) -> Any:
    import altair as alt  # noqa: PLC0415

    return alt.Scale(domain=order, range=[given[place % len(given)] for place in range(len(order))])


def _prices(plan: Plan, language: Language) -> dict[float, str]:
    """What to call each level: how often a false alarm comes, and the level too where that does not tell them apart."""
    told = {
        float(alpha): alarms_told(float(years), language=language)
        for alpha, years in zip(plan.alarms["alpha"], plan.alarms["years_between"], strict=True)
    }
    often = Counter(told.values())
    with_level = _WORDS[language]["level"]
    return {a: with_level.format(price=one, alpha=a) if often[one] > 1 else one for a, one in told.items()}


def _reach(plan: Plan) -> float:
    """How far the axis goes: well beyond the largest rise that any curve needs."""
    needed = plan.smallest["smallest"].max()
    return LARGEST_RISE if np.isnan(needed) else float(min(max(1.15 * needed, 1.5), LARGEST_RISE))


def _lines(text: str, width: int) -> list[str]:
    """A text in lines: at spaces, or after so many characters where there are none."""
    lines = [""]
    for word in text.split(" ") if " " in text and text.isascii() else list(text):
        gap = " " if lines[-1] and text.isascii() else ""
        if len(lines[-1]) + len(gap) + len(word) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] += gap + word
    return lines
