"""The risk over a case's life as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from models.plots import theme as house
from models.plots.case_life import HEIGHT, WIDTH, CaseLifeWords, drawn_life, life_rows, life_spec
from models.plots.theme import Theme
from service import display
from service.case_life import Said
from service.case_story import pauses_of
from service.dashboard.charts import Drawn
from service.dashboard.show import Show
from service.dependencies import Telling
from service.language import LANGUAGES, Words, words_of
from service.open_case import CaseEvent, OpenCase

# Room for the axes and for the labels of events above.
SIZE = (WIDTH + 60, HEIGHT + 90)
_NO_EVENTS = pd.DataFrame({"at": [], "label": []})
# One drawing serves both themes.
_drawn = lru_cache(maxsize=256)(drawn_life)


def life_chart(
    telling: Telling,
    case: OpenCase,
    life: Sequence[Said],
    events: Sequence[CaseEvent],
    theme: Theme,
    drawn: Drawn = "svg",
) -> bytes:
    """The risk at each scoring in its interval, beside what happened and what was promised; SVG, or what a page draws
    itself.
    """
    snapshot, words = telling.snapshot, telling.words
    ends = {
        name: [np.nan if getattr(said, name) is None else getattr(said, name) for said in life]
        for name in ("lower", "upper")
    }
    risks = pd.DataFrame(
        {"landmark_at": [said.as_of for said in life], "probability": [said.probability for said in life], **ends}
    )
    happened = pd.DataFrame(
        {
            "at": [event.at for event in events],
            "label": [display.word(words, display.EVENTS, event.kind) for event in events],
        }
    )
    stood = pd.DataFrame(pauses_of(events, snapshot.as_of), columns=["from", "to"], dtype="int64")
    told = _words(words)
    rows = life_rows(risks, happened, time_zone=str(snapshot.time_zone), due_at=case.due_at, words=told, pauses=stood)
    if drawn == "spec":
        for row, said in zip(rows["risks"], life, strict=True):
            row["told"] = _told(telling, said)
        return life_spec(rows, told, theme)
    return house.repainted(_drawn(json.dumps(rows), told), theme).encode()


def _told(telling: Telling, said: Said) -> str:
    """What a live chart says of a scoring, with the words of the table."""
    show = Show(telling)
    parts = [
        show.moment(said.as_of),
        f"{telling.words.gettext('Of 100 like this')}: {show.hundredths(said.probability)}",
    ]
    interval = show.interval(said)
    return " · ".join([*parts, f"{telling.words.gettext('Range')}: {interval}"] if interval else parts)


def warm() -> None:
    """Make the drawing of every language, which takes about a second, before a reader waits for it."""
    risks = pd.DataFrame({"landmark_at": [0, 86_400], "probability": 0.5, "lower": 0.4, "upper": 0.6})
    for language in LANGUAGES:
        told = _words(words_of(language))
        drawn_life(json.dumps(life_rows(risks, _NO_EVENTS, time_zone="UTC", words=told)), told)


def _words(words: Words) -> CaseLifeWords:
    return CaseLifeWords(
        risk=words.gettext("Risk, of 100"),
        deadline=words.gettext("Deadline"),
        date_format="%-m月%-d日" if words.language == "zh" else "%-d %b",
    )
