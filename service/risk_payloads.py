"""What is posted to have cases scored without storing them, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.event_payloads import EventFacts, Posted, PostedMoment
from service.payloads import Band, Outcome, ReasonItem, RemainingItem

# Of one case and of one body, at most; `settings.max_rows` says how many cases this service takes.
MOST_EVENTS = 1_000
MOST_CASES = 100_000
# A case that is open; one whose promise has passed; one that is closed, withdrawn or a duplicate, and is not scored.
Status = Literal["open", "overdue", "closed"]


class CaseEvent(EventFacts):
    """One event of a case: what an office did, and when. A field that is left out says nothing."""

    at: PostedMoment = Field(description="When it happened.")
    known_at: PostedMoment | None = Field(
        default=None, description="When it could first be known, no earlier than `at`. Left out: when it happened."
    )


class PostedCase(Posted):
    """A case as its events tell it. It has no number here: answers come in the order of the cases."""

    events: Annotated[list[CaseEvent], Field(min_length=1, max_length=MOST_EVENTS)] = Field(
        description="In any order, from the opening on; those not known before `as_of` are not used."
    )


class RiskRequest(Posted):
    """Cases to be scored. Nothing of them is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reasons": True,
                    "cases": [
                        {
                            "events": [
                                {
                                    "kind": "opened",
                                    "at": "2026-03-02T09:30:00+08:00",
                                    "due_at": "2026-03-09T17:30:00+08:00",
                                    "category": "street_light",
                                    "area": "A-02",
                                    "channel": "phone",
                                    "office": "O-1",
                                },
                                {"kind": "transferred", "at": "2026-03-02T10:15:00+08:00", "office": "O-3"},
                            ]
                        }
                    ],
                }
            ]
        }
    )

    as_of: PostedMoment | None = Field(
        default=None,
        description="The moment asked about: only what was known strictly before it is used, of the cases and of the "
        "city. At most a day after the newest scoring (`city_known_until`), whose moment it is when left out.",
    )
    outcomes: Annotated[list[Outcome], Field(min_length=1)] | None = Field(
        default=None, description="Which risks to tell; all that the models tell when left out."
    )
    reasons: bool = Field(default=False, description="Whether to tell why; takes about twenty times as long.")
    remaining_time: bool = Field(default=False, description="Whether to tell how long each case will still wait.")
    cases: Annotated[list[PostedCase], Field(min_length=1, max_length=MOST_CASES)] = Field(
        description="At most as many as this service takes at once (1,000 unless set otherwise)."
    )


class PostedRisk(BaseModel):
    """A calibrated risk that the office fails this case."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "late",
                    "probability": 0.62,
                    "lower": 0.58,
                    "upper": 0.66,
                    "band": "high",
                    "per_100": 62,
                    "base_points": None,
                    "reasons": None,
                }
            ]
        }
    )

    outcome: Outcome
    probability: float = Field(ge=0, le=1)
    lower: float = Field(ge=0, le=1, description="Lower end of the 80 percent interval.")
    upper: float = Field(ge=0, le=1, description="Upper end of it.")
    band: Band
    per_100: int = Field(description="The probability as cases of 100 like this.")
    base_points: float | None = Field(description="Percentage points that all cases start from; with `reasons` only.")
    reasons: list[ReasonItem] | None = Field(
        description="The largest first, with `base_points` they add up to the probability; null if not asked for."
    )


class ScoredCase(BaseModel):
    """What is told of one posted case."""

    status: Status = Field(
        description="`overdue`: its promise has passed, so it is late and its office has failed it. `closed`: it was "
        "closed, withdrawn or a duplicate at that moment, and has no risks."
    )
    risks: list[PostedRisk] = Field(description="Without `late` where nothing that still stands was promised.")
    remaining_time: RemainingItem | None


class RiskAnswer(BaseModel):
    """The risks of the posted cases, in their order."""

    as_of: str = Field(description="The moment asked about, on the clock of the city.")
    city_known_until: str = Field(
        description="The moment of the scoring whose facts of offices, areas and types of problem were used."
    )
    model_version: str
    cases: list[ScoredCase]


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a type with all that it refers to written out, for the description of a body that is read
    before FastAPI would.
    """
    schema = model.model_json_schema()
    known = schema.pop("$defs", {})

    def resolved(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                rest = {name: value for name, value in part.items() if name != "$ref"}
                return {**resolved(known[part["$ref"].rpartition("/")[2]]), **rest}
            return {name: resolved(value) for name, value in part.items()}
        return [resolved(each) for each in part] if isinstance(part, list) else part

    found: dict[str, Any] = resolved(schema)
    return found
