"""What is posted to append events, and what is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from data.schema import Channel, ClosingReason, EventKind
from service.problem_words import MOMENT_ERROR

# RFC 3339, section 5.6: a date and a time of day with an offset.
_RFC_3339: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2199, 12, 31, tzinfo=UTC)


class _AsPosted:
    """How a moment is read: written in full, and of a time that anything here is about. All of it in pydantic's core: a
    body has thousands of moments, and a call back into Python for each would take most of the reading.
    """

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        # As text first: numbers would be taken for seconds since 1970, or for milliseconds where they are large.
        written = core_schema.str_schema(pattern=_RFC_3339)
        moment = core_schema.datetime_schema(tz_constraint="aware", ge=_FIRST, le=_LAST)
        return core_schema.custom_error_schema(
            core_schema.chain_schema([written, moment]),
            custom_error_type=MOMENT_ERROR,
            custom_error_message="a moment",
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


PostedMoment = Annotated[datetime, _AsPosted()]
Code = Annotated[str, StringConstraints(min_length=1, max_length=160, strip_whitespace=True)]
# How many events a body may hold at most; `settings.max_rows` says how many this service takes.
MOST_EVENTS: Final = 100_000


class Posted(BaseModel):
    """What is posted: what is not known here is refused, and nothing is shown of what came."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class EventFacts(Posted):
    """What an event may say, in the fields of the event log. A field that is left out says nothing."""

    kind: EventKind = Field(description="What happened.")
    due_at: PostedMoment | None = Field(default=None, description="The promised moment, where this sets or changes it.")
    category: Code | None = Field(default=None, description="Type of problem.")
    category_group: Code | None = Field(default=None, description="Parent of the type of problem.")
    area: Code | None = Field(default=None, description="Village, ward or neighbourhood; never an address.")
    channel: Channel | None = Field(default=None, description="How the case reached the office.")
    office: Code | None = Field(default=None, description="The unit responsible from this event on.")
    closing_reason: ClosingReason | None = Field(default=None, description="How the office closed it.")


class PostedEvent(EventFacts):
    """One event of a case: what an office did, and when. A field that is left out says nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reference": "2026-004211",
                    "kind": "transferred",
                    "at": "2026-03-02T10:15:00+08:00",
                    "office": "O-3",
                }
            ]
        }
    )

    reference: Annotated[str, StringConstraints(min_length=1, max_length=160, strip_whitespace=True)] = Field(
        description="The source's own number of the case, as in its exports. It is hashed with a key of the store and "
        "never kept."
    )
    at: PostedMoment = Field(description="When it happened; no later than now. It counts as known from the receipt on.")


class NewEvents(Posted):
    """Events of one source, appended all or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "hotline",
                    "events": [
                        {
                            "reference": "2026-004211",
                            "kind": "opened",
                            "at": "2026-03-02T09:30:00+08:00",
                            "category": "street_light",
                            "area": "A-02",
                            "channel": "phone",
                            "office": "O-1",
                        },
                        {
                            "reference": "2026-004211",
                            "kind": "transferred",
                            "at": "2026-03-02T10:15:00+08:00",
                            "office": "O-3",
                        },
                    ],
                }
            ]
        }
    )

    source: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = Field(
        description="Name of the source, one that something was imported from: events of its cases attach to them."
    )
    extracted_at: PostedMoment | None = Field(
        default=None,
        description="All that happened to any case of the source until then has been sent, here or before: whoever has "
        "no event since had none. Left out, the post speaks of its own cases only.",
    )
    events: Annotated[list[PostedEvent], Field(min_length=1, max_length=MOST_EVENTS)] = Field(
        description="In any order; at most as many as this service takes at once (1,000 unless set otherwise)."
    )


class AppendedEvents(BaseModel):
    """What a post of events changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "hotline",
                    "known_at": "2026-03-02T10:15:04+08:00",
                    "events": 2,
                    "stored": 2,
                    "already_stored": 0,
                    "cases": 1,
                    "promises": 0,
                }
            ]
        }
    )

    source: str
    known_at: datetime = Field(
        description="When the events became known here: no answer about a moment before uses it."
    )
    events: int = Field(description="Events posted.")
    stored: int = Field(description="Those stored now.")
    already_stored: int = Field(description="Those that the store held already, or that were posted twice.")
    cases: int = Field(description="Cases that the posted events are of.")
    promises: int = Field(description="Deadlines that pauses and hand-overs moved, by the service standards kept here.")
