"""What is answered about models, and what is sent to put one to use."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.gate_payloads import GateShown

# Why, as a code: words about people have no place in a history that is kept.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Alias = Literal["champion", "challenger", "shadow"]
HeldAlias = Literal["champion", "challenger", "shadow", "previous"]
ModelState = Literal["usable", "misfit", "refused", "damaged"]
Value = float | int | str | bool | list[Any] | None

_STATE = (
    "`usable`; `misfit`: made for other features, facts or libraries than are here; `refused`: by the boundary; "
    "`damaged`: not what its manifest says, or not signed by a key that is trusted here."
)
_VERSION = "failures-4f0c9a1b2d3e"
_ITEM: dict[str, Any] = {
    "version": _VERSION,
    "model": "failures",
    "aliases": ["champion"],
    "saved_at": "2026-03-01T18:30:00Z",
    "state": "usable",
    "signed_by": "3d0c8fd5a9c1b2e7",
    "outcomes": ["any_failure", "late", "reopened"],
    "trained_before": "2026-03-01T00:00:00Z",
    "features": 61,
    "figures": {"taught.late.n": 41250, "taught.late.failed": 7020},
}


class ModelItem(BaseModel):
    """One version of a model. Moments are in UTC."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    version: str
    model: str = Field(description="Name of the model that it is a version of.")
    aliases: list[HeldAlias] = Field(description="What it is in use as; `previous` is what a rollback goes back to.")
    saved_at: datetime
    state: ModelState = Field(description=_STATE)
    signed_by: str | None = Field(description="The trusted key that signed it; null where no signature is asked for.")
    outcomes: list[str] = Field(description="What it knows the risk of.")
    trained_before: datetime | None = Field(description="Nothing that became known then or later went into it.")
    features: int | None = Field(description="How many features it learned from.")
    figures: dict[str, float] = Field(description="Every number of its card, such as cases taught and their failures.")


class HistoryItem(BaseModel):
    """Something that happened to a version. Moments are in UTC."""

    when: datetime
    action: Literal["saved", "promoted", "rolled_back", "signed", "pruned"]
    version: str
    alias: HeldAlias | None = Field(description="What it was put to use as; null for other actions.")
    before: str | None = Field(description="What had the alias before; null where nothing had.")
    reason: str | None = Field(description="Why, as a code; null where none was given as one.")


class ModelList(BaseModel):
    """All versions, sorted by name. The ETag of this answer is what a promotion is decided on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"models": [_ITEM], "history": []}]})

    models: list[ModelItem]
    history: list[HistoryItem] = Field(description="The newest fifty things that happened to them, oldest first.")


class ChangedColumns(BaseModel):
    """Columns that only one of two versions learned from."""

    added: list[str]
    removed: list[str]


class ModelComparison(BaseModel):
    """A version beside the champion: pairs of (champion, this version), null where one does not say."""

    champion: str
    figures: dict[str, list[float | None]]
    settings: dict[str, list[Value]] = Field(description="Settings that differ.")
    columns: ChangedColumns
    lineage: dict[str, list[Value]] = Field(description="What they were made of, where it differs.")


class ModelDetail(ModelItem):
    """One version: how it was made, of what, and beside the champion."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ITEM,
                    "card": {"sources": ["hotline"], "taught": {"late": {"n": 41250, "failed": 7020}}},
                    "lineage": {"data": "9f2c…", "code": {"version": "0.9.0"}, "seeds": {"late": 1}},
                    "columns": ["backlog_office", "record_category"],
                    "comparison": {
                        "champion": "failures-0a1b2c3d4e5f",
                        "figures": {"taught.late.n": [40110, 41250]},
                        "settings": {"late.rounds": [100, 140]},
                        "columns": {"added": [], "removed": []},
                        "lineage": {"trained_before": [1769904000, 1772323200]},
                    },
                    "gates": [
                        {
                            "name": "calibration",
                            "words": "Its risks mean what they say: a calibration error of 0.05 at most",
                            "passed": True,
                            "figure": 0.0141,
                            "limit": 0.05,
                            "outcome": "late",
                        }
                    ],
                    "judged": None,
                }
            ]
        }
    )

    card: dict[str, Any] = Field(description="How it was made, and what was left out why.")
    lineage: dict[str, Any] = Field(description="Data, contracts, code, libraries, seeds and parameters it is made of.")
    columns: list[str] = Field(description="Every column that it learned from.")
    comparison: ModelComparison | None = Field(description="Null for the champion itself, and where there is none.")
    gates: list[GateShown] = Field(description="What must hold before it takes the place of the version in use.")
    judged: dict[str, Any] | None = Field(
        description="How it did on later cases, beside the version that was in use: figures with intervals, curves and "
        "differences of each outcome. Null where it was not judged."
    )


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Promotion(_Asked):
    """A version to be put to use."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"alias": "champion", "reason": "better-in-backtest"}, {}]}
    )

    alias: Alias = Field(default="champion", description="In use, next in line, or scored beside and not shown.")
    reason: Slug | None = Field(default=None, description="Why, as a short code of letters, digits and hyphens.")
    override: Slug | None = Field(
        default=None, description="Why gates that are not passed are gone over, as such a code; administrators only."
    )


class Rollback(_Asked):
    """A champion to be replaced by the one before it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "worse-since-monday"}, {}]})

    model: ModelName = Field(default="failures", description="Name of the model.")
    reason: Slug | None = Field(default=None, description="Why, as a short code of letters, digits and hyphens.")


class ModelChange(BaseModel):
    """What is in use now, and what was before. The ETag is that of the list of models."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "failures",
                    "version": _VERSION,
                    "alias": "champion",
                    "before": "failures-0a1b2c3d4e5f",
                }
            ]
        }
    )

    model: str
    version: str
    alias: Alias
    before: str | None = Field(description="The version that had the alias; null where none had.")
