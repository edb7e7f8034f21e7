"""What the API answers with, as types, and how each is made from a snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from models.waiting_words import interval_sentence
from models.wording import frequency_sentence, outcome_of
from service import display
from service.case_life import Said
from service.deadline_told import DeadlineTold
from service.dependencies import Telling
from service.language import Words, marked
from service.mark_payloads import MarkItem, mark_items
from service.marks import Marks
from service.open_case import OUTCOME, CaseEvent, OpenCase, Remaining, Risk
from service.payload_parts import FigureItem, PlaceName, example, figure_item, moment, named, place_name
from service.published import PRESSURE_FIGURES, Pressure
from service.reasons import Reason, explain
from service.similar_told import SimilarItem
from service.story_payloads import EventItem, event_items

DEADLINE_NOTE: Final = marked("A low risk is no reason to wait: the order by deadline takes no account of it.")
TOP_REASONS: Final = 3

Band = Literal["low", "medium", "high"]
Outcome = Literal["late", "unresolved_28d", "reopened_28d", "handed_up_28d", "any_failure"]
Level = Literal["usual", "raised", "high", "unknown"]


class ReasonItem(BaseModel):
    """What one feature adds to the risk of a case."""

    model_config = example(
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

    model_config = example(
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

    model_config = example(
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

    model_config = example(
        median_hours=52.0, lower_80_hours=20.5, upper_80_hours=140.0, lower_95_hours=6.0, upper_95_hours=310.0,
        sentence="most likely answered within 20 hours to 6 days",
    )  # fmt: skip

    median_hours: float = Field(ge=0, description="As many cases like this wait longer as wait less.")
    lower_80_hours: float
    upper_80_hours: float | None = Field(description="Null where no end can be told.")
    lower_95_hours: float
    upper_95_hours: float | None
    sentence: str | None = Field(description="The interval of 80 percent in words; null where no end can be told.")


class EarlierItem(BaseModel):
    """The same risk at the scoring of the day before."""

    model_config = example(as_of="2025-11-20T08:00:00+08:00", probability=0.5, per_100=50)

    as_of: datetime
    probability: float | None = Field(ge=0, le=1, description="Null: the case was not in that list.")
    per_100: int | None


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
    also: list[RiskItem] = Field(description="The other ways to fail it whose band is not low, the likeliest first.")
    earlier: EarlierItem | None = Field(description="Null where no scoring of the days before is kept.")
    reasons: list[ReasonItem] = Field(description="The largest first; in a list of cases only the top three.")
    marks: list[MarkItem] = Field(description="What the office noted on it; see `/v1/cases/{case_id}/marks`.")


class CaseList(BaseModel):
    """A page of open cases."""

    as_of: datetime = Field(description="The moment of the scoring: only what was known before it was used.")
    order: Literal["risk", "due"]
    total: int = Field(description="Cases on all pages.")
    capacity: int | None = Field(
        description="About how many cases the office can answer on a working day, where the list is of one office; "
        "null where that is not known."
    )
    note: str
    lifted_total: int = Field(
        description="Cases of these filters that their office calls more urgent, on the first page."
    )
    lifted: list[CaseItem] = Field(
        description="On the first page: cases of these filters, in any band, that their office calls more urgent; at "
        "most 25. They stand in `cases` in their own place as well, so that no other case moves down."
    )
    cases: list[CaseItem]
    next: str | None = Field(description="Address of the next page; null on the last. Also in the Link header.")


class SaidItem(BaseModel):
    """What one scoring said of the case."""

    as_of: datetime
    probability: float = Field(ge=0, le=1)
    lower: float | None
    upper: float | None
    per_100: int


class DeadlineItem(BaseModel):
    """How the deadline of a case came about."""

    model_config = example(
        steps=["Fri 24 Jan 2025, 16:30: the clock starts, because the case was opened."], agrees=True
    )

    steps: list[str] = Field(description="The steps of the clock in words, in the order of time.")
    agrees: bool = Field(description="Whether they lead to `due_at`; where they do not, `due_at` holds.")


class CaseDetail(CaseItem):
    """One open case, with all reasons of its risk and what its offices did."""

    as_of: datetime
    base_points: float = Field(description="Percentage points before any reason: base + reasons = total, exactly.")
    total_points: float
    transfers: int = Field(description="How often it was handed over.")
    reopened: int = Field(description="How often it was taken up again.")
    risks: list[RiskTold] = Field(
        description="Every way in which the office can still fail this case, lateness first, and any of them."
    )
    remaining: RemainingItem | None = Field(description="Null where it is not told.")
    life: list[SaidItem] = Field(description="What every scoring that is kept said, oldest first.")
    timeline: list[EventItem]
    deadline: DeadlineItem | None = Field(description="Null where no service standards are kept for its source.")
    similar: SimilarItem | None = Field(
        description="What became of past cases like it; null where they were too few, or the scoring counted none."
    )
    note: str


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


class OfficeItem(BaseModel):
    """An office and its pressure."""

    office: PlaceName
    pressure: PressureItem


class OfficeList(BaseModel):
    """All offices, sorted by code: there is no rank."""

    as_of: datetime | None
    minimum_cell: int
    offices: list[OfficeItem]


class Health(BaseModel):
    """Whether the service lives, or is ready."""

    status: Literal["ok"]


def case_item(telling: Telling, case: OpenCase, *, reasons: int | None = TOP_REASONS, marks: Marks = ()) -> CaseItem:
    """One case of a list, with that many reasons (None: all) and what is noted on it."""
    explanation = explain(case)
    return CaseItem(
        id=case.case_id,
        category=place_name(telling, "category", case.category),
        office=place_name(telling, "office", case.office),
        area=place_name(telling, "area", case.area),
        channel=case.channel,
        opened_at=moment(telling, case.opened_at),
        due_at=None if case.due_at is None else moment(telling, case.due_at),
        risk=_risk(case, case.risks[0]),
        also=[_risk(case, risk) for risk in case.also],
        earlier=_earlier(telling, case),
        reasons=[reason_item(telling.words, reason) for reason in explanation.reasons[:reasons]],
        marks=mark_items(telling, marks),
    )


def case_detail(
    telling: Telling,
    case: OpenCase,
    timeline: list[CaseEvent],
    life: list[Said],
    *,
    marks: Marks = (),
    due: DeadlineTold | None = None,
    similar: SimilarItem | None = None,
) -> CaseDetail:
    """One case with everything that is known of it, what is noted on it, how its deadline came about, and what became
    of cases like it.
    """
    explanation = explain(case)
    return CaseDetail(
        **case_item(telling, case, reasons=None, marks=marks).model_dump(),
        as_of=telling.as_of,
        base_points=explanation.base / 10,
        total_points=explanation.total / 10,
        transfers=case.transfers,
        reopened=case.reopened,
        risks=[_risk_told(telling, case, risk) for risk in case.risks],
        remaining=None if case.remaining is None else remaining_item(telling.words, case.remaining),
        life=[_said(telling, said) for said in life],
        timeline=event_items(telling, timeline),
        note=telling.words.gettext(DEADLINE_NOTE),
        deadline=None if due is None else DeadlineItem(steps=[*due.sentences], agrees=due.agrees),
        similar=similar,
    )


def _said(telling: Telling, said: Said) -> SaidItem:
    return SaidItem(
        as_of=moment(telling, said.as_of),
        probability=round(said.probability, 4),
        lower=None if said.lower is None else round(said.lower, 4),
        upper=None if said.upper is None else round(said.upper, 4),
        per_100=display.per_100(said.probability),
    )


def _earlier(telling: Telling, case: OpenCase) -> EarlierItem | None:
    earlier = telling.snapshot.earlier
    # Only of lateness is the risk of the day before kept at hand.
    if earlier is None or case.outcome != OUTCOME:
        return None
    risk = earlier.risks.get(case.case_id)
    return EarlierItem(
        as_of=moment(telling, earlier.as_of),
        probability=None if risk is None else round(risk, 4),
        per_100=None if risk is None else display.per_100(risk),
    )


def _risk(case: OpenCase, risk: Risk) -> RiskItem:
    return RiskItem.model_validate(_risk_values(case, risk))


def _risk_told(telling: Telling, case: OpenCase, risk: Risk) -> RiskTold:
    # A risk whose interval was not stored is told with its own figure at both ends.
    lower, upper = (risk.probability if end is None else end for end in (risk.lower, risk.upper))
    outcome, language = outcome_of(risk.outcome), telling.words.language
    sentence = frequency_sentence(risk.probability, lower, upper, outcome, language)
    reasons = [reason_item(telling.words, reason) for reason in explain(risk).reasons[:TOP_REASONS]]
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


def remaining_item(words: Words, remaining: Remaining) -> RemainingItem:
    """How long a case will still wait."""
    end = remaining.upper_80
    told = None if end is None else interval_sentence(remaining.lower_80, end, language=words.language)
    hours = {f"{name}_hours": getattr(remaining, name) for name in Remaining.__slots__}
    return RemainingItem.model_validate(
        {
            **{name: None if seconds is None else round(seconds / 3600, 1) for name, seconds in hours.items()},
            "sentence": told,
        }
    )


def office_item(telling: Telling, pressure: Pressure) -> OfficeItem:
    """One office of a list."""
    return OfficeItem(office=named(telling, "office", pressure.unit), pressure=pressure_item(pressure))


def pressure_item(pressure: Pressure) -> PressureItem:
    """The load of a place."""
    figures = {name: figure_item(getattr(pressure, name)) for name in PRESSURE_FIGURES}
    return PressureItem.model_validate({"level": pressure.level, **figures})


def reason_item(words: Words, reason: Reason) -> ReasonItem:
    """What one feature adds to a risk."""
    return ReasonItem(
        feature=reason.feature,
        family=reason.family,
        label=reason.label(words),
        text=reason.text(words),
        points=reason.tenths / 10,
    )
