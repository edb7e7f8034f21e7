"""What each column of a log of steps may be used for."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

EVENT_COLUMNS: Final = ("case_id", "activity", "timestamp", "event_nr")
STATIC: Final = "case_"
OUTCOME: Final = "outcome_"
LABEL: Final = "label_"
USABLE: Final = "in_"
STATUS: Final = "outcome_status"

# A word of the name says that the column tells who did the work. heed keeps nothing per handler.
_HANDLER: Final = frozenset(
    {
        "resource",
        "actor",
        "responsible",
        "handler",
        "employee",
        "staff",
        "user",
        "agent",
        "operator",
        "officer",
        "clerk",
        "worker",
        "owner",
        "assignee",
        "caller",
        "customer",
        "client",
        "person",
        "resident",
        "applicant",
        "requester",
    }
)
# Unless another says that it tells which part of the office.
_OFFICE: Final = frozenset(
    {"section", "group", "unit", "department", "team", "line", "role", "office", "org", "organisation", "organization"}
)
_HANDLER_PAIRS: Final = ("assigned_to", "opened_by", "closed_by", "created_by", "resolved_by", "updated_by", "done_by")
# A moment that was only planned may lie ahead; any other that does was written in later.
_PLANNED: Final = frozenset(
    {"due", "deadline", "planned", "plan", "scheduled", "expected", "target", "promised", "limit"}
)


def words(name: str) -> frozenset[str]:
    """The words of a column's name, in lower case."""
    return frozenset(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))


def names_handler(name: str) -> bool:
    """Whether a column tells who handled the case (or asked), rather than which part of the office."""
    found = words(name)
    return (bool(found & _HANDLER) and not found & _OFFICE) or any(pair in name.lower() for pair in _HANDLER_PAIRS)


def is_planned(name: str) -> bool:
    """Whether a moment in this column may lie ahead of the event that tells it."""
    return bool(words(name) & _PLANNED)


def usable_columns(names: list[str]) -> tuple[list[str], list[str]]:
    """(static columns, event attributes) that may become features, each in the order of their names."""
    free = [n for n in sorted(names) if n not in EVENT_COLUMNS and not names_handler(n)]
    static = [n for n in free if n.startswith(STATIC)]
    other = [n for n in free if not n.startswith((STATIC, OUTCOME, LABEL, USABLE))]
    return static, other


def kind(values: pd.Series) -> str:
    """`moment`, `number` or `category`."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "moment"
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return "number"
    return "category"
