"""What is answered about the gates of a version, how it was judged, and how far its models have drifted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.drift import Move, Told
from models.gates import Gate
from service.drift import Drift

Level = Literal["stable", "moved", "moved_much", "unknown"]

_LEVEL = (
    "`stable`; `moved`: beyond chance and what was usual of the weeks it learned from, and 0.1 or more over chance; "
    "`moved_much`: 0.25 or more over chance; `unknown`: too few cases to say."
)
_MOVE: dict[str, Any] = {
    "measure": "backlog_office",
    "cases": 812,
    "index": 0.031,
    "by_chance": 0.012,
    "limit": 0.087,
    "level": "stable",
}


class GateShown(BaseModel):
    """One thing that must hold before a version is put to use in place of another."""

    name: str
    words: str = Field(description="What must hold, in English.")
    passed: bool | None = Field(description="Null where it cannot be told, which is no pass.")
    figure: float | None
    limit: float | None = Field(description="What the figure may be at most; of `cases`, at least.")
    outcome: str | None = Field(description="The outcome that the figure is of, the worst of them; null: of the whole.")

    @classmethod
    def of(cls, gate: Gate) -> GateShown:
        """As it is sent."""
        return cls(**gate.as_dict())


def gates_shown(found: Sequence[Gate]) -> list[GateShown]:
    """All of them."""
    return [GateShown.of(gate) for gate in found]


class MoveShown(BaseModel):
    """How far one measure of the open cases is from what the models learned from."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MOVE]})

    measure: str = Field(description="A feature, or `risk`.")
    cases: int = Field(description="Open cases of the scoring.")
    index: float | None = Field(description="Population stability index; null where there are too few cases.")
    by_chance: float | None = Field(description="What the index would be on average with no change.")
    limit: float | None = Field(description="What chance, and what was usual of the weeks it learned from, explain.")
    level: Level = Field(description=_LEVEL)

    @classmethod
    def of(cls, move: Move) -> MoveShown:
        """As it is sent."""
        return cls(
            measure=move.measure,
            cases=move.n,
            index=move.index,
            by_chance=move.by_chance,
            limit=move.limit,
            level=move.level,
        )


class OutcomeDrift(BaseModel):
    """What earlier scorings told of an outcome, against what came. Null where fewer than fifty cases are mature."""

    outcome: str
    cases: int = Field(description="Cases whose outcome was mature before the scoring.")
    told: float | None = Field(description="Mean risk that was told.")
    came: float | None = Field(description="Share that the office failed.")
    lower: float | None = Field(description="Of the Wilson interval of that share, 95 percent, a case counting once.")
    upper: float | None
    holds: bool | None = Field(description="Whether what was told lies in that interval.")
    gap: float | None = Field(description="Mean gap of risk and share, in ten bins of equally many cases.")
    gap_by_chance: float | None = Field(description="What 95 of 100 gaps stay under where risks mean what they say.")
    risk: MoveShown | None = Field(description="How the risks have moved; null where the version kept no material.")

    @classmethod
    def of(cls, outcome: str, told: Told, risk: Move | None) -> OutcomeDrift:
        """As it is sent."""
        return cls(
            outcome=outcome,
            cases=told.cases,
            told=told.told,
            came=told.came,
            lower=told.lower,
            upper=told.upper,
            holds=told.holds,
            gap=told.gap,
            gap_by_chance=told.gap_by_chance,
            risk=None if risk is None else MoveShown.of(risk),
        )


class DriftShown(BaseModel):
    """The drift of the models in use, as the newest scoring with them found it. All of the whole city."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "as_of": "2026-03-02T00:00:00Z",
                    "model_version": "failures-4f0c9a1b2d3e",
                    "outcomes": [
                        {
                            "outcome": "late",
                            "cases": 1840,
                            "told": 0.236,
                            "came": 0.241,
                            "lower": 0.222,
                            "upper": 0.261,
                            "holds": True,
                            "gap": 0.014,
                            "gap_by_chance": 0.027,
                            "risk": {**_MOVE, "measure": "risk"},
                        }
                    ],
                    "inputs": [_MOVE],
                }
            ]
        }
    )

    as_of: datetime = Field(description="Moment of the scoring, in UTC. Nothing known then or later was used.")
    model_version: str
    outcomes: list[OutcomeDrift]
    inputs: list[MoveShown] | None = Field(
        description="Features, those that moved most first; null where the version kept no material to compare with."
    )

    @classmethod
    def of(cls, version: str, drift: Drift) -> DriftShown:
        """As it is sent."""
        return cls(
            as_of=datetime.fromtimestamp(drift.as_of, UTC),
            model_version=version,
            outcomes=[OutcomeDrift.of(name, told, drift.risks.get(name)) for name, told in drift.told.items()],
            inputs=[MoveShown.of(move) for move in drift.inputs] or None,
        )
