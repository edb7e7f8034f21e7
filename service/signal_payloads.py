"""What the API answers with about weak signals, as types, and how each is made from a snapshot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.dependencies import Telling
from service.disclosure import SIGNAL_FIGURES
from service.payload_parts import FigureItem, PlaceName, example, figure_item, moment, named, published_at
from service.published import Signal, SignalWeek
from service.sentences import earlier_sentences, signal_sentence, why_sentence

SignalStatus = Literal["new", "checked", "confirmed", "dismissed", "acted"]


class PartsItem(BaseModel):
    """What a sum is made of."""

    model_config = example(kind="area", number=20, rising=15, told=0)

    kind: Literal["area", "category"]
    number: int = Field(description="Areas, or types of problem, in it.")
    rising: int = Field(description="Of those, how many move with it.")
    told: int = Field(description="Signals within it that are told themselves.")


class SignalItem(BaseModel):
    """A problem type in an area that rises, or falls silent, beyond what its past explains."""

    id: str
    area: PlaceName
    category: PlaceName
    direction: Literal["rise", "silence"]
    sentence: str = Field(description="The signal in words, without a number where its counts are withheld.")
    week: datetime = Field(description="The local Monday with which the newest flagged week begins.")
    observed: FigureItem
    expected: FigureItem
    lower: FigureItem
    upper: FigureItem
    p_value: FigureItem = Field(description="Withheld where it would give a withheld count back.")
    q_value: FigureItem
    fdr_level: float = Field(description="Share of false signals that the detection accepts.")
    weeks_running: int
    method: str
    status: SignalStatus = Field(description="What became of it; new where nobody has looked.")
    parts: PartsItem | None = Field(description="Of a sum over areas or over types of problem; else null.")
    told: bool = Field(
        description="Among those told first; the rest is beyond the limits that the detection was given."
    )


class SignalWeekItem(BaseModel):
    """One week behind a signal."""

    model_config = example(
        week="2026-11-09T00:00:00+08:00",
        state="shown",
        alarm="rise",
        observed={"value": 31, "withheld": False},
        expected={"value": 12, "withheld": False},
        lower={"value": 8, "withheld": False},
        upper={"value": 17, "withheld": False},
    )

    week: datetime = Field(description="The local Monday that it begins with.")
    state: Literal["shown", "withheld", "not_recorded"]
    alarm: Literal["rise", "silence"] | None = Field(description="Whether the week was flagged.")
    observed: FigureItem
    expected: FigureItem
    lower: FigureItem
    upper: FigureItem


class SignalDetail(SignalItem):
    """One weak signal with the evidence for it."""

    as_of: datetime | None
    minimum_cell: int
    why: str | None = Field(description="What it was compared with, in words.")
    weeks: list[SignalWeekItem] = Field(description="The weeks behind it as they were judged then, oldest first.")
    earlier: list[str] = Field(description="How earlier signals of its kind turned out, in words; none where too few.")
    related: list[SignalItem] = Field(
        description="Other signals of the same type of problem nearby, or of the same area and group of types."
    )


class SignalList(BaseModel):
    """All weak signals of the newest detection, sorted by area and category."""

    as_of: datetime | None
    minimum_cell: int
    signals: list[SignalItem]


def signal_item(telling: Telling, signal: Signal) -> SignalItem:
    """One weak signal."""
    return SignalItem.model_validate(_signal_values(telling, signal))


def signal_detail(telling: Telling, signal: Signal) -> SignalDetail:
    """One weak signal with its evidence."""
    published = telling.snapshot.published
    return SignalDetail.model_validate(
        {
            **_signal_values(telling, signal),
            "as_of": published_at(telling),
            "minimum_cell": published.minimum,
            "why": why_sentence(telling.words, signal),
            "weeks": [_signal_week(telling, week) for week in signal.weeks],
            "earlier": earlier_sentences(telling.words, telling.snapshot.places, signal),
            "related": [_signal_values(telling, other) for other in published.related(signal)],
        }
    )


def _signal_week(telling: Telling, week: SignalWeek) -> dict[str, Any]:
    figures = {name: figure_item(getattr(week, name)) for name in ("observed", "expected", "lower", "upper")}
    return {"week": moment(telling, week.week), "state": week.state, "alarm": week.alarm, **figures}


def _signal_values(telling: Telling, signal: Signal) -> dict[str, Any]:
    figures = {name: figure_item(getattr(signal, name)) for name in SIGNAL_FIGURES}
    return {
        "id": signal.signal_id,
        "area": named(telling, "area", signal.area),
        "category": named(telling, "category", signal.category),
        "direction": signal.direction,
        "sentence": signal_sentence(telling.words, telling.snapshot.places, signal, telling.time_zone),
        "week": moment(telling, signal.week),
        "fdr_level": signal.fdr_level,
        "weeks_running": signal.weeks_running,
        "method": signal.method,
        "status": signal.status,
        "parts": None if signal.parts is None else asdict(signal.parts),
        "told": signal.told,
        **figures,
    }
