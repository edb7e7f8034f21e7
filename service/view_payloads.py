"""Saved views as the API takes and tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.dependencies import Telling
from service.listing import CaseChoice
from service.payload_parts import example
from service.saved_views import View, view_name

Band = Literal["low", "medium", "high"]
OutcomeName = Literal["late", "unresolved", "reopened", "handed_up", "any_failure"]
MarkName = Literal["seen", "shortlisted", "acted", "overridden", "none"]
Side = Literal["all", "ahead", "passed"]
Order = Literal["risk", "due"]


class ViewFilters(BaseModel):
    """The filters of a view, as `GET /v1/cases` takes them."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"category": "street_light", "band": "high", "deadline": "ahead"}]},
    )

    category: str | None = Field(default=None, max_length=160)
    area: str | None = Field(default=None, max_length=160)
    office: str | None = Field(default=None, max_length=160)
    band: Band | None = None
    outcome: OutcomeName = "late"
    mark: MarkName | None = None
    deadline: Side = "all"
    order: Order = "risk"

    def choice(self) -> CaseChoice:
        """The same as the list takes it."""
        return CaseChoice.model_validate(self.model_dump())


class ViewItem(BaseModel):
    """A saved view of whoever asks."""

    model_config = example(
        id="0123456789abcdef0123456789abcdef",
        name="High · Street light out",
        filters={"band": "high", "category": "street_light", "deadline": "ahead"},
    )

    id: str
    name: str = Field(description="What it filters, in the language of the answer.")
    filters: ViewFilters


class ViewList(BaseModel):
    """The saved views of whoever asks, the oldest first; at most 20."""

    views: list[ViewItem]


def view_item(telling: Telling, view: View) -> ViewItem:
    """One saved view."""
    return ViewItem(id=view.view_id, name=view_name(telling, view.filters), filters=ViewFilters(**view.filters))
