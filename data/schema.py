"""The words of the event log: what a case may carry, which events there are, and nothing else.

This is the allow-list of the privacy door. A field that is not here has no place to be stored, and there is no
field for a person, a household, a free text, a name, a number or an exact place.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

KnownAt = Literal["opened", "end"]


class EventKind(StrEnum):
    """What can happen to a case."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    TRANSFERRED = "transferred"
    HANDED_UP = "handed_up"
    REPLIED = "replied"
    PAUSED = "paused"
    RESUMED = "resumed"
    CLOSED = "closed"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"
    # A correction of an attribute (category, area, channel, due_at). The old event stays; this one says better.
    AMENDED = "amended"


class Channel(StrEnum):
    """How a case reached the office. A closed list: a channel is a door of the service, not a kind of person."""

    PHONE = "phone"
    WEB = "web"
    APP = "app"
    COUNTER = "counter"
    MAIL = "mail"
    SOCIAL = "social"
    STAFF = "staff"
    SENSOR = "sensor"
    OTHER = "other"


class ClosingReason(StrEnum):
    """How the office closed a case; about the office's act, never about who asked."""

    RESOLVED = "resolved"
    NOTED = "noted"
    REFERRED = "referred"
    SCHEDULED = "scheduled"
    INVALID = "invalid"
    NO_ACCESS = "no_access"
    NO_VIOLATION = "no_violation"
    OTHER = "other"


class Severity(StrEnum):
    """What an inspection found, least first; a store keeps the place in this list, 0 to 3."""

    NONE = "none"
    MINOR = "minor"
    SERIOUS = "serious"
    DANGEROUS = "dangerous"


class Tier(StrEnum):
    """The level of an office, lowest first."""

    VILLAGE = "village"
    TOWN = "town"
    COUNTY = "county"
    CITY = "city"


FieldType = Literal["reference", "code", "time", "vocabulary"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a row of a case export may carry.

    `mutable` marks what an office changes during the life of a case. In a *last-state* export such a column holds
    the end of the story, so a mapping may not call it known at opening without saying why that is so.
    """

    name: str
    type: FieldType
    meaning: str
    mutable: bool = False
    vocabulary: builtins.type[StrEnum] | None = None


CASE_FIELDS: Final[dict[str, Field]] = {
    field.name: field
    for field in (
        Field("reference", "reference", "the source's own number of the case; kept only as a keyed hash"),
        Field("opened_at", "time", "when the case was opened"),
        Field("due_at", "time", "the promised moment"),
        Field("closed_at", "time", "when the office closed the case", mutable=True),
        Field("withdrawn_at", "time", "when the case was cancelled or entered in error", mutable=True),
        Field("category", "code", "type of problem"),
        Field("category_group", "code", "parent of the type of problem"),
        Field("area", "code", "village, ward or neighbourhood; never an address"),
        Field("channel", "vocabulary", "how the case reached the office", vocabulary=Channel),
        Field("office", "code", "the unit responsible", mutable=True),
        Field(
            "closing_reason",
            "vocabulary",
            "how the office closed it",
            mutable=True,
            vocabulary=ClosingReason,
        ),
        Field("status", "vocabulary", "state at export; only used to check the dates against", mutable=True),
        Field("snapshot_at", "time", "when the export was taken, for files that hold several", mutable=True),
    )
}

EVENT_FIELDS: Final[dict[str, Field]] = {
    field.name: field
    for field in (
        Field("reference", "reference", "the source's own number of the case; kept only as a keyed hash"),
        Field("kind", "vocabulary", "what happened", vocabulary=EventKind),
        Field("at", "time", "when it happened"),
        Field("known_at", "time", "when the system could first know it; no earlier than `at`"),
        Field("due_at", "time", "the promised moment, where the event sets or changes it"),
        Field("category", "code", "type of problem"),
        Field("category_group", "code", "parent of the type of problem"),
        Field("area", "code", "village, ward or neighbourhood; never an address"),
        Field("channel", "vocabulary", "how the case reached the office", vocabulary=Channel),
        Field("office", "code", "the unit responsible from this event on"),
        Field("closing_reason", "vocabulary", "how the office closed it", vocabulary=ClosingReason),
    )
}

# A log of visits to places and public assets, never to anyone's home and never about anyone.
INSPECTION_FIELDS: Final[dict[str, Field]] = {
    field.name: field
    for field in (
        Field("reference", "reference", "the source's own number of the inspection; kept only as a keyed hash"),
        Field("asset", "reference", "the source's number of the place or public asset; kept only as a keyed hash"),
        Field("asset_kind", "code", "what was inspected: a road, a drain, a lift, a kitchen"),
        Field("at", "time", "when it was inspected"),
        Field("known_at", "time", "when the system could first know the result; no earlier than `at`"),
        Field("area", "code", "village, ward or neighbourhood; never an address"),
        Field("related_category", "code", "the type of problem that such findings announce"),
        Field("severity", "vocabulary", "what was found, least first", vocabulary=Severity),
    )
}

# The columns of an event frame as every room exchanges it. Times are int64 seconds since 1970 in UTC: the event index,
# both databases and every engine agree on integers to the bit, and on little else about time.
EVENT_COLUMNS: Final[tuple[str, ...]] = (
    "case_id",
    "kind",
    "at",
    "known_at",
    "due_at",
    "category",
    "category_group",
    "area",
    "channel",
    "office",
    "closing_reason",
)
