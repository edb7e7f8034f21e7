"""What the API answers with, as types, and how each is made from a snapshot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.waiting_words import interval_sentence
from models.wording import frequency_sentence, outcome_of
from service import display
from service.dependencies import Telling
from service.disclosure import SIGNAL_FIGURES
from service.language import marked
from service.places import Kind
from service.published import PRESSURE_FIGURES, Figure, Pressure, Signal, SignalWeek
from service.reads import CaseEvent, OpenCase, Remaining, Risk
from service.reasons import Reason, explain
from service.sentences import earlier_sentences, signal_sentence, why_sentence

DEADLINE_NOTE: Final = marked("Deadline order is never worsened by a low risk.")
TOP_REASONS: Final = 3

Band = Literal["low", "medium", "high"]
Outcome = Literal["late", "unresolved_28d", "reopened_28d", "handed_up_28d", "any_failure"]
Level = Literal["usual", "raised", "high", "unknown"]
SignalStatus = Literal["new", "checked", "confirmed", "dismissed", "acted"]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class PlaceName(BaseModel):
    """An area, an office or a category."""

    model_config = _example(code="A-0312", name="Willow Bank")

    code: str
    name: str = Field(description="In the language of the answer; the code where there is no name.")


class ReasonItem(BaseModel):
    """What one feature adds to the risk of a case."""

    model_config = _example(
        feature="office_late_share_91d",
        family="office",
        label="Late answers of the office",
        text="41 of 100 answers of this office were late in the last 13 weeks",
        points=12.3,
    )

    feature: str
    family: str
    label: str
    text: str
    points: float = Field(description="Percentage points, one decimal; negative where it lowers the risk.")


class RiskItem(BaseModel):
    """A calibrated risk that the office fails this case."""

    model_config = _example(
        outcome="late",
        probability=0.62,
        lower=0.58,
        upper=0.66,
        band="high",
        per_100=62,
        model_version="failures-4f0c9a1b2d3e",
    )

    outcome: Outcome
    probability: float = Field(ge=0, le=1)
    lower: float | None = Field(ge=0, le=1, description="Lower end of the 80 percent interval; null where not told.")
    upper: float | None = Field(ge=0, le=1, description="Upper end of it.")
    band: Band
    per_100: int = Field(description="The probability as cases of 100 like this.")
    model_version: str


class RiskTold(RiskItem):
    """A risk with its sentence."""

    model_config = _example(
        outcome="late",
        probability=0.62,
        lower=0.58,
        upper=0.66,
        band="high",
        per_100=62,
        model_version="failures-4f0c9a1b2d3e",
        sentence="In about 62 of 100 cases like this, between 58 and 66, the office answers after its deadline.",
        reasons=[],
    )

    sentence: str = Field(description="The probability and its interval as cases like this, in words.")
    reasons: list[ReasonItem] = Field(description="The largest three first; none where it is certain.")


class RemainingItem(BaseModel):
    """How long a case will still wait for its answer, in agreement with its risk of being late."""

    model_config = _example(
        median_hours=52.0, lower_80_hours=20.5, upper_80_hours=140.0, lower_95_hours=6.0, upper_95_hours=310.0,
        sentence="most likely answered within 20 hours to 6 days",
    )  # fmt: skip

    median_hours: float = Field(ge=0, description="As many cases like this wait longer as wait less.")
    lower_80_hours: float
    upper_80_hours: float | None = Field(description="Null where no end can be told.")
    lower_95_hours: float
    upper_95_hours: float | None
    sentence: str | None = Field(description="The interval of 80 percent in words; null where no end can be told.")


class CaseItem(BaseModel):
    """An open case and the risk that its office fails it."""

    id: str
    category: PlaceName | None
    office: PlaceName | None
    area: PlaceName | None
    channel: str | None
    opened_at: datetime
    due_at: datetime | None = Field(description="The promised moment; null where none was promised.")
    risk: RiskItem
    reasons: list[ReasonItem] = Field(description="The largest first; in a list of cases only the top three.")


class CaseList(BaseModel):
    """A page of open cases."""

    as_of: datetime = Field(description="The moment of the scoring: only what was known before it was used.")
    order: Literal["risk", "due"]
    total: int = Field(description="Cases on all pages.")
    note: str
    cases: list[CaseItem]
    next: str | None = Field(description="Address of the next page; null on the last. Also in the Link header.")


class EventItem(BaseModel):
    """Something that an office did with a case."""

    kind: str
    at: datetime
    known_at: datetime = Field(description="When this system could first know it.")
    office: PlaceName | None


class CaseDetail(CaseItem):
    """One open case, with all reasons of its risk and what its offices did."""

    as_of: datetime
    base_points: float = Field(description="Percentage points before any reason: base + reasons = total, exactly.")
    total_points: float
    risks: list[RiskTold] = Field(
        description="Every way in which the office can still fail this case, lateness first, and any of them."
    )
    remaining: RemainingItem | None = Field(description="Null where it is not told.")
    timeline: list[EventItem]
    note: str


class FigureItem(BaseModel):
    """A disclosed figure."""

    model_config = _example(value=31, withheld=False)

    value: int | float | None = Field(description="Null where it is withheld, or not known.")
    withheld: bool = Field(description="Below the minimum, or withheld so that no other figure can be worked out.")


class PressureItem(BaseModel):
    """The load of an area or an office against its own past."""

    level: Level | None = Field(description="Against its own past, never against others; null where withheld.")
    backlog: FigureItem = Field(description="Cases open now.")
    inflow_28d: FigureItem
    outflow_28d: FigureItem
    overdue: FigureItem
    expected_late: FigureItem = Field(description="Of the open cases, by the risk model.")
    usual_backlog: FigureItem
    usual_low: FigureItem
    usual_high: FigureItem
    backlog_days: FigureItem = Field(description="Working days of closing as of late that the backlog takes.")
    backlog_days_low: FigureItem = Field(description="80 percent sure, as for the next two.")
    backlog_days_high: FigureItem
    backlog_days_usual_low: FigureItem = Field(description="What is usual here, as for the next two.")
    backlog_days_usual_high: FigureItem
    flow_ratio: FigureItem = Field(description="Cases opened for every one closed; above 1 the backlog grows.")
    flow_ratio_low: FigureItem
    flow_ratio_high: FigureItem
    flow_ratio_usual_low: FigureItem
    flow_ratio_usual_high: FigureItem
    late_14d: FigureItem = Field(description="Open cases that are expected to become late within 14 days.")
    late_14d_low: FigureItem
    late_14d_high: FigureItem
    late_14d_usual_low: FigureItem
    late_14d_usual_high: FigureItem


class PartsItem(BaseModel):
    """What a sum is made of."""

    model_config = _example(kind="area", number=20, rising=15, told=0)

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


class SignalWeekItem(BaseModel):
    """One week behind a signal."""

    model_config = _example(
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


class AreaItem(BaseModel):
    """An area: its pressure and its signals."""

    area: PlaceName
    parent: PlaceName | None
    pressure: PressureItem
    signals: list[SignalItem]


class AreaDetail(AreaItem):
    """One area."""

    as_of: datetime | None
    minimum_cell: int


class AreaList(BaseModel):
    """All areas, sorted by code: there is no rank."""

    as_of: datetime | None
    minimum_cell: int = Field(description="Figures below it are withheld.")
    areas: list[AreaItem]


class OfficeItem(BaseModel):
    """An office and its pressure."""

    office: PlaceName
    pressure: PressureItem


class OfficeList(BaseModel):
    """All offices, sorted by code: there is no rank."""

    as_of: datetime | None
    minimum_cell: int
    offices: list[OfficeItem]


class SignalList(BaseModel):
    """All weak signals of the newest detection, sorted by area and category."""

    as_of: datetime | None
    minimum_cell: int
    signals: list[SignalItem]


class Health(BaseModel):
    """Whether the service lives, or is ready."""

    status: Literal["ok"]


def place_name(telling: Telling, kind: Kind, code: str | None) -> PlaceName | None:
    """A code with its name; None for none."""
    return None if code is None else _named(telling, kind, code)


def case_item(telling: Telling, case: OpenCase, *, reasons: int | None = TOP_REASONS) -> CaseItem:
    """One case of a list, with that many reasons (None: all)."""
    explanation = explain(case)
    return CaseItem(
        id=case.case_id,
        category=place_name(telling, "category", case.category),
        office=place_name(telling, "office", case.office),
        area=place_name(telling, "area", case.area),
        channel=case.channel,
        opened_at=_moment(telling, case.opened_at),
        due_at=None if case.due_at is None else _moment(telling, case.due_at),
        risk=_risk(case, case.risks[0]),
        reasons=[_reason(telling, reason) for reason in explanation.reasons[:reasons]],
    )


def case_detail(telling: Telling, case: OpenCase, timeline: list[CaseEvent]) -> CaseDetail:
    """One case with everything that is known of it."""
    explanation = explain(case)
    return CaseDetail(
        **case_item(telling, case, reasons=None).model_dump(),
        as_of=telling.as_of,
        base_points=explanation.base / 10,
        total_points=explanation.total / 10,
        risks=[_risk_told(telling, case, risk) for risk in case.risks],
        remaining=None if case.remaining is None else _remaining(telling, case.remaining),
        timeline=[_event(telling, event) for event in timeline],
        note=telling.words.gettext(DEADLINE_NOTE),
    )


def _risk(case: OpenCase, risk: Risk) -> RiskItem:
    return RiskItem.model_validate(_risk_values(case, risk))


def _risk_told(telling: Telling, case: OpenCase, risk: Risk) -> RiskTold:
    # A risk whose interval was not stored is told with its own figure at both ends.
    lower, upper = (risk.probability if end is None else end for end in (risk.lower, risk.upper))
    outcome, language = outcome_of(risk.outcome), telling.words.language
    sentence = frequency_sentence(risk.probability, lower, upper, outcome, language)
    reasons = [_reason(telling, reason) for reason in explain(risk).reasons[:TOP_REASONS]]
    return RiskTold.model_validate({**_risk_values(case, risk), "sentence": sentence, "reasons": reasons})


def _risk_values(case: OpenCase, risk: Risk) -> dict[str, Any]:
    return {
        "outcome": risk.outcome,
        "probability": round(risk.probability, 4),
        "lower": None if risk.lower is None else round(risk.lower, 4),
        "upper": None if risk.upper is None else round(risk.upper, 4),
        "band": risk.band,
        "per_100": display.per_100(risk.probability),
        "model_version": case.model_version,
    }


def _remaining(telling: Telling, remaining: Remaining) -> RemainingItem:
    end = remaining.upper_80
    told = None if end is None else interval_sentence(remaining.lower_80, end, language=telling.words.language)
    hours = {f"{name}_hours": getattr(remaining, name) for name in Remaining.__slots__}
    return RemainingItem.model_validate(
        {
            **{name: None if seconds is None else round(seconds / 3600, 1) for name, seconds in hours.items()},
            "sentence": told,
        }
    )


def area_item(telling: Telling, pressure: Pressure) -> AreaItem:
    """One area of a list."""
    places, published = telling.snapshot.places, telling.snapshot.published
    return AreaItem(
        area=_named(telling, "area", pressure.unit),
        parent=place_name(telling, "area", places.parents.get(pressure.unit)),
        pressure=pressure_item(pressure),
        signals=[signal_item(telling, signal) for signal in published.signals_of(pressure.unit)],
    )


def office_item(telling: Telling, pressure: Pressure) -> OfficeItem:
    """One office of a list."""
    return OfficeItem(office=_named(telling, "office", pressure.unit), pressure=pressure_item(pressure))


def pressure_item(pressure: Pressure) -> PressureItem:
    """The load of a place."""
    figures = {name: figure_item(getattr(pressure, name)) for name in PRESSURE_FIGURES}
    return PressureItem.model_validate({"level": pressure.level, **figures})


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
    return {"week": _moment(telling, week.week), "state": week.state, "alarm": week.alarm, **figures}


def _signal_values(telling: Telling, signal: Signal) -> dict[str, Any]:
    figures = {name: figure_item(getattr(signal, name)) for name in SIGNAL_FIGURES}
    return {
        "id": signal.signal_id,
        "area": _named(telling, "area", signal.area),
        "category": _named(telling, "category", signal.category),
        "direction": signal.direction,
        "sentence": signal_sentence(telling.words, telling.snapshot.places, signal, telling.time_zone),
        "week": _moment(telling, signal.week),
        "fdr_level": signal.fdr_level,
        "weeks_running": signal.weeks_running,
        "method": signal.method,
        "status": signal.status,
        "parts": None if signal.parts is None else asdict(signal.parts),
        **figures,
    }


def figure_item(figure: Figure) -> FigureItem:
    """A disclosed figure."""
    return FigureItem(value=figure.value, withheld=figure.withheld)


def published_at(telling: Telling) -> datetime | None:
    """The moment that the figures of areas and offices are of."""
    as_of = telling.snapshot.published.as_of
    return None if as_of is None else _moment(telling, as_of)


def _named(telling: Telling, kind: Kind, code: str) -> PlaceName:
    return PlaceName(code=code, name=display.named(telling.words, telling.snapshot.places.name(kind, code)))


def _reason(telling: Telling, reason: Reason) -> ReasonItem:
    words = telling.words
    return ReasonItem(
        feature=reason.feature,
        family=reason.family,
        label=reason.label(words),
        text=reason.text(words),
        points=reason.tenths / 10,
    )


def _event(telling: Telling, event: CaseEvent) -> EventItem:
    return EventItem(
        kind=event.kind,
        at=_moment(telling, event.at),
        known_at=_moment(telling, event.known_at),
        office=place_name(telling, "office", event.office),
    )


def _moment(telling: Telling, ts: int) -> datetime:
    return display.local(ts, telling.time_zone)
