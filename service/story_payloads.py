"""What the offices did with a case, as the API tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from service.case_story import Step, sentences, story_of
from service.dependencies import Telling
from service.open_case import CaseEvent
from service.payload_parts import PlaceName, moment, place_name


class EventItem(BaseModel):
    """Something that an office did with a case, and what it changed."""

    kind: str
    at: datetime
    known_at: datetime = Field(description="When this system could first know it.")
    office: PlaceName | None
    tier: str | None = Field(description="Of the office: village, town, county or city; null where not known.")
    from_office: PlaceName | None = Field(description="The office before, where this made another one responsible.")
    from_tier: str | None
    due_at: datetime | None = Field(description="The deadline that it set or confirmed; null where it said nothing.")
    due_before: datetime | None = Field(description="The deadline that stood before, where it moved it.")
    clock_stopped_until: datetime | None = Field(
        description="Of a pause: when the clock went on, or the moment of the scoring where it still stands."
    )
    clock_stopped_hours: float | None = Field(description="For how long it stopped the clock.")
    clock_stands: bool = Field(description="Whether the clock still stood at the scoring.")
    told: list[str] = Field(description="The same in words, where there is something to say.")


def event_items(telling: Telling, timeline: Sequence[CaseEvent]) -> list[EventItem]:
    """The acts in the order in which they became known."""
    return [_item(telling, step) for step in story_of(timeline, telling.snapshot.as_of)]


def _item(telling: Telling, step: Step) -> EventItem:
    event, tiers = step.event, telling.snapshot.places.tiers
    due, before, until = (
        None if ts is None else moment(telling, ts) for ts in (event.due_at, step.due_before, step.stopped_until)
    )
    return EventItem(
        kind=event.kind,
        at=moment(telling, event.at),
        known_at=moment(telling, event.known_at),
        office=place_name(telling, "office", event.office),
        tier=None if event.office is None else tiers.get(event.office),
        from_office=place_name(telling, "office", step.from_office),
        from_tier=None if step.from_office is None else tiers.get(step.from_office),
        due_at=due,
        due_before=before,
        clock_stopped_until=until,
        clock_stopped_hours=None if step.stopped_for is None else round(step.stopped_for / 3600, 1),
        clock_stands=step.stands_still,
        told=sentences(telling, step),
    )
