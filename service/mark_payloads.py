"""Marks of cases as the API takes and tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.dependencies import Telling
from service.marks import Mark, Marks, Step
from service.payload_parts import example, moment

MarkName = Literal["seen", "shortlisted", "acted", "overridden"]
# The keys of `service.marks`; a test keeps them the same.
MarkAction = Literal["answered", "visited", "asked_other_office", "handed_over", "date_agreed"]
MarkView = Literal["higher", "lower", "not_this_outcome"]
MarkChoice = MarkAction | MarkView
MarkReason = Literal["known_on_site", "record_wrong", "answered_elsewhere", "waiting_for_other_body", "deadline_wrong"]


class MarkItem(BaseModel):
    """Something that an office noted on a case of its own. Nothing is kept of who noted it."""

    model_config = example(mark="acted", choice="visited", reason=None, since="2025-11-21T09:12:00+08:00")

    mark: MarkName
    choice: MarkChoice | None = Field(description="With `acted` what was done, with `overridden` how it is seen.")
    reason: MarkReason | None = Field(description="Why it is seen otherwise; null for anything else.")
    since: datetime = Field(description="When it was noted.")


class CaseMarks(BaseModel):
    """What is noted on a case now."""

    id: str
    marks: list[MarkItem]


class MarkStep(BaseModel):
    """One step: a mark is set, or taken back. No mark moves a case down a list or hides it."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {"mark": "seen"},
                {"mark": "acted", "choice": "visited"},
                {"mark": "overridden", "choice": "higher", "reason": "known_on_site"},
                {"mark": "shortlisted", "set": False},
            ]
        },
    )

    mark: MarkName
    set: bool = Field(default=True, description="False: it is taken back.")
    choice: MarkChoice | None = Field(
        default=None,
        description="With `acted`: answered, visited, asked_other_office, handed_over, date_agreed. With `overridden`: "
        "higher, lower, not_this_outcome. Null for anything else.",
    )
    reason: MarkReason | None = Field(default=None, description="With `overridden`: why. Null for anything else.")

    def step(self) -> Step:
        """The step that is asked for."""
        return Step(self.mark, self.set, self.choice, self.reason)


def mark_items(telling: Telling, marks: Marks) -> list[MarkItem]:
    """The marks of one case."""
    return [_mark_item(telling, mark) for mark in marks]


def _mark_item(telling: Telling, mark: Mark) -> MarkItem:
    values = {"mark": mark.mark, "choice": mark.choice, "reason": mark.reason}
    return MarkItem.model_validate({**values, "since": moment(telling, mark.since)})
