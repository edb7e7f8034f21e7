"""The risk over a case's life as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.plots.case_life import HEIGHT, WIDTH, CaseLifeWords, case_life
from models.plots.theme import Theme, svg
from service import display
from service.case_life import Said
from service.language import Words
from service.reads import CaseEvent, OpenCase, Snapshot

# Room for the axes and for the labels of events above.
SIZE = (WIDTH + 60, HEIGHT + 90)


def life_chart(
    snapshot: Snapshot, case: OpenCase, life: Sequence[Said], events: Sequence[CaseEvent], words: Words, theme: Theme
) -> bytes:
    """The risk at each scoring in its interval, beside what happened and what was promised; SVG."""
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
    told = CaseLifeWords(
        risk=words.gettext("Risk, of 100"),
        deadline=words.gettext("Deadline"),
        date_format="%-m月%-d日" if words.language == "zh" else "%-d %b",
    )
    chart = case_life(risks, happened, time_zone=str(snapshot.time_zone), due_at=case.due_at, words=told)
    return svg(chart, theme)
