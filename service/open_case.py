"""An open case of a scoring as the service tells it, with its risks, its wait and its events; and reading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

import pandas as pd
from sqlalchemy import Connection, select

from data import tables
from data.event_log import NEVER, fold_cases
from data.schema import EventKind
from data.store import Store
from data.store_append import read_log
from models.wording import outcome_of

# The outcome that lists go by where none is asked for.
OUTCOME: Final = "late"
_ANY_FAILURE: Final = "any_failure"
# Of events of one second, as `data.event_log.in_order` has them.
_RANK: Final = {kind.value: rank for rank, kind in enumerate(EventKind)}


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of one outcome. The interval is that of 80 percent; None: of a scoring that had none."""

    outcome: str
    probability: float
    band: str
    lower: float | None
    upper: float | None
    reasons_json: str


@dataclass(frozen=True, slots=True)
class Remaining:
    """How long a case will still wait for its answer, in seconds after the scoring; an end of None: without end."""

    median: float
    lower_80: float
    upper_80: float | None
    lower_95: float
    upper_95: float | None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One open case as of the scoring. Times are seconds since 1970 in UTC; None: not known, or no promise
    made.

    `risks` are those of all outcomes, the one that the list goes by first.
    """

    case_id: str
    category: str | None
    category_group: str | None
    office: str | None
    area: str | None
    channel: str | None
    opened_at: int
    due_at: int | None
    reopened: int
    transfers: int
    outcome: str
    probability: float
    band: str
    model_version: str
    reasons_json: str
    risks: tuple[Risk, ...]
    remaining: Remaining | None

    @property
    def by_risk(self) -> tuple[float, int, str]:
        """Place in the list by risk: the highest first, among equals the nearest deadline."""
        return (-self.probability, self.due_or_never, self.case_id)

    @property
    def by_due(self) -> tuple[int, float, str]:
        """Place in the list by deadline: the nearest first; the risk only orders cases due in the same
        second.
        """
        return (self.due_or_never, -self.probability, self.case_id)

    @property
    def also(self) -> tuple[Risk, ...]:
        """The other outcomes that threaten a case, each by itself, the likeliest first."""
        others = [risk for risk in self.risks[1:] if risk.outcome != _ANY_FAILURE and risk.band != "low"]
        return tuple(sorted(others, key=lambda risk: (-risk.probability, risk.outcome)))

    @property
    def due_or_never(self) -> int:
        """The deadline, after all others where there is none."""
        return NEVER if self.due_at is None else self.due_at


ORDERS: Final[dict[str, Callable[[OpenCase], tuple[Any, ...]]]] = {
    "risk": attrgetter("by_risk"),
    "due": attrgetter("by_due"),
}


def risk_of(case: OpenCase, outcome: str) -> Risk | None:
    """The risk of an outcome, named without its horizon; None where it is not told."""
    return next((risk for risk in case.risks if outcome_of(risk.outcome) == outcome), None)


def judged_by(case: OpenCase, outcome: str) -> OpenCase:
    """The same case with the risk of an outcome (named without its horizon) first, in place of its lateness."""
    risk = None if outcome == OUTCOME else risk_of(case, outcome)
    if risk is None:
        return case
    return replace(
        case,
        outcome=risk.outcome,
        probability=risk.probability,
        band=risk.band,
        reasons_json=risk.reasons_json,
        risks=(risk, *(other for other in case.risks if other is not risk)),
    )


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One act of an office on a case. `at`: when it happened; `known_at`: when this system could first
    know.
    """

    kind: str
    at: int
    known_at: int
    office: str | None
    due_at: int | None


def read_case_events(connection: Connection, case_id: str, *, before: int) -> list[CaseEvent]:
    """What the offices did with a case, in the order in which it became known, strictly before a moment (seconds in
    UTC).
    """
    event = tables.event.c
    query = (
        select(event.kind, event.at, event.known_at, event.office, event.due_at)
        .where(event.case_id == case_id, event.known_at < before)
        .order_by(event.place)
    )
    rows = connection.execute(query).fetchall()
    # Of one second, as the log has it: an opening before what came of it.
    return sorted((CaseEvent(*row) for row in rows), key=lambda one: (one.known_at, one.at, _RANK[one.kind]))


def read_open_cases(store: Store, every: pd.DataFrame, as_of: int) -> tuple[OpenCase, ...]:
    """The scored cases by risk, with their facts folded from what was known before `as_of`."""
    risks = every[every["outcome"] == OUTCOME]
    event, risk = tables.event.c, tables.risk.c
    scored = select(risk.case_id).where(risk.as_of == as_of, risk.outcome == OUTCOME)
    with store.reading() as connection:
        facts = fold_cases(read_log(connection, event.case_id.in_(scored), event.known_at < as_of))
    facts = facts[["case_id", *_FACTS]].merge(risks[["case_id", *_FIGURES]], on="case_id", validate="1:1")
    columns = {name: facts[name].astype(object).where(facts[name].notna(), None).tolist() for name in facts.columns}
    columns["due_at"] = [None if due == NEVER else due for due in columns["due_at"]]
    columns["reasons_json"] = columns.pop("reasons")
    told = _risks(every)
    columns["risks"] = [tuple(told[case]) for case in columns["case_id"]]
    waits = _remaining(store.read_remaining_times(as_of))
    columns["remaining"] = [waits.get(case) for case in columns["case_id"]]
    rows = zip(*(columns[name] for name in OpenCase.__slots__), strict=True)
    return tuple(sorted((OpenCase(*row) for row in rows), key=ORDERS["risk"]))


def _risks(every: pd.DataFrame) -> dict[str, list[Risk]]:
    """The risks of every case, the one that the list goes by first, then by name."""
    frame = every.assign(first=every["outcome"] != OUTCOME).sort_values(["case_id", "first", "outcome"])
    ends = (frame[end].astype(object).where(frame[end].notna(), None) for end in ("lower", "upper"))
    columns = (frame["outcome"], frame["probability"], frame["band"], *ends, frame["reasons"])
    told: dict[str, list[Risk]] = {}
    for case, *values in zip(frame["case_id"], *columns, strict=True):
        told.setdefault(case, []).append(Risk(*values))
    return told


def _remaining(times: pd.DataFrame) -> dict[str, Remaining]:
    columns = [times[name].astype(object).where(times[name].notna(), None) for name in Remaining.__slots__]
    return {case: Remaining(*ends) for case, *ends in zip(times["case_id"], *columns, strict=True)}


_FACTS: Final = (
    "category",
    "category_group",
    "office",
    "area",
    "channel",
    "opened_at",
    "due_at",
    "reopened",
    "transfers",
)
_FIGURES: Final = ("outcome", "probability", "band", "model_version", "reasons")
