"""A weak signal in one sentence, also where its numbers are withheld."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from models import signals
from models.signals.afterwards import lasted_sentence
from models.signals.detect import window_weeks
from models.signals.reviews import turned_out_sentence
from service import display
from service.language import Words
from service.places import Places
from service.published import Signal

_WEEK: Final = 7 * 86_400


def signal_sentence(words: Words, places: Places, signal: Signal, time_zone: ZoneInfo) -> str:
    """What was counted, what would be usual, and how often such a message is wrong.

    Where the counts are withheld it says that something rose or fell silent, and when, and no number at all.
    """
    area, category = (
        display.place(words, places, "area", signal.area),
        display.place(words, places, "category", signal.category),
    )
    observed, lower, upper = (figure.value for figure in (signal.observed, signal.lower, signal.upper))
    if observed is not None and lower is not None and upper is not None:
        row = {
            "week": signal.week,
            "direction": signal.direction,
            "observed": observed,
            "lower": lower,
            "upper": upper,
            "fdr_level": signal.fdr_level,
            "method": signal.method,
            **_parts_row(signal),
        }
        return signals.signal_sentence(
            row, area=area, category=category, language=words.language, time_zone=time_zone.key
        )
    weeks = window_weeks(signal.method)
    day = display.day(words, signal.week - (weeks - 1) * _WEEK, time_zone)
    span = words.ngettext("in the week of %(day)s", "in the %(n)d weeks from %(day)s", weeks, day=day)
    if signal.direction == "silence":
        return words.gettext(
            "Fewer reports of “%(category)s” in %(area)s %(span)s than its past lets expect. How many is withheld.",
            category=category,
            area=area,
            span=span,
        )
    return words.gettext(
        "More reports of “%(category)s” in %(area)s %(span)s than its past explains. How many is withheld.",
        category=category,
        area=area,
        span=span,
    )


def _parts_row(signal: Signal) -> dict[str, object]:
    if signal.parts is None:
        return {}
    parts = signal.parts
    counted = {"n_parts": parts.number, "parts_rising": parts.rising, "parts_told": parts.told}
    return {"level": "sum", "part_kind": parts.kind, **counted}


def why_sentence(words: Words, signal: Signal) -> str | None:
    """What the signal was compared with; None for one of a detection that did not say."""
    if signal.method_reason is None or signal.weeks_of_past is None:
        return None
    row = {"method_reason": signal.method_reason, "weeks_of_past": signal.weeks_of_past}
    return signals.reason_sentence(row, language=words.language)


def earlier_sentences(words: Words, places: Places, signal: Signal) -> list[str]:
    """How earlier signals of the kind turned out; no sentence where too few did."""
    told = []
    if signal.held is not None:
        category = display.place(words, places, "category", signal.category)
        told.append(
            turned_out_sentence(signal.held, category=category, direction=signal.direction, language=words.language)
        )
    if signal.lasted is not None:
        told.append(lasted_sentence(signal.lasted, direction=signal.direction, language=words.language))
    return told
