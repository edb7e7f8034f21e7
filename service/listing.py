"""A page of the list of open cases: filtered, ordered, and cut where the page before it ended."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from data.errors import UsageError
from service.identity import Identity
from service.language import LanguageQuery, marked
from service.problems import GoneError
from service.reads import ORDERS, OpenCase, Reads, Snapshot


def _none_if_empty(value: Any) -> Any:
    # A form sends every field, the empty ones as well.
    return None if value == "" else value


Code = Annotated[Annotated[str, Field(max_length=160)] | None, BeforeValidator(_none_if_empty)]
Cursor = Annotated[Annotated[str, Field(max_length=400)] | None, BeforeValidator(_none_if_empty)]


class CaseFilter(LanguageQuery):
    """Which open cases, and in which order."""

    office: Code = Field(default=None, description="Code of the office that is responsible now.")
    category: Code = Field(default=None, description="Code of the type of problem.")
    area: Code = Field(default=None, description="Code of the area; areas within it count.")
    band: Annotated[Literal["low", "medium", "high"] | None, BeforeValidator(_none_if_empty)] = Field(
        default=None, description="Band of the risk."
    )
    deadline: Literal["all", "ahead", "passed"] = Field(
        default="all",
        description="Whether the promised moment was still ahead at the scoring; a broken first promise is passed.",
    )
    order: Literal["risk", "due"] = Field(
        default="risk", description="By risk, the highest first; or by deadline, the nearest first."
    )
    cursor: Cursor = Field(default=None, description="Where the page before ended, as `next` gave it.")


class CaseQuery(CaseFilter):
    """A page of open cases."""

    limit: int = Field(default=50, ge=1, le=200, description="Cases on a page.")


@dataclass(frozen=True, slots=True)
class CasePage:
    """Some cases of a snapshot, all that match, and where the next page begins."""

    snapshot: Snapshot
    cases: tuple[OpenCase, ...]
    matching: tuple[OpenCase, ...]
    cursor: str | None

    @property
    def total(self) -> int:
        """Cases on all pages."""
        return len(self.matching)


def page_of_cases(reads: Reads, query: CaseFilter, identity: Identity, *, limit: int) -> CasePage:
    """The page that a query asks for, of the cases that the one who asks may read.

    Raises
    ------
    UsageError
        If the cursor is not one of ours.
    GoneError
        If the cursor belongs to a scoring that is no longer kept.
    """
    if query.cursor is None:
        snapshot, after = reads.current(), None
    else:
        snapshot, after = _position(reads, query, identity)
    matching = filtered(snapshot, query, identity)
    key = ORDERS[query.order]
    # Keyset paging: the next page starts after a key and not at a number, whatever filter came in between.
    start = 0 if after is None else bisect_right(matching, key(after), key=key)
    cases = matching[start : start + limit]
    more = start + limit < len(matching)
    return CasePage(snapshot, cases, matching, _cursor(snapshot, query.order, cases[-1]) if more else None)


def visible(cases: tuple[OpenCase, ...], identity: Identity) -> tuple[OpenCase, ...]:
    """Those of the cases that the one who asks may read, in the same order."""
    if identity.offices is None:
        return cases
    return tuple(case for case in cases if identity.sees_office(case.office))


def filtered(snapshot: Snapshot, query: CaseFilter, identity: Identity) -> tuple[OpenCase, ...]:
    """The cases that a query asks for and that the one who asks may read, in its order."""
    cases = visible(snapshot.view(query.order, query.deadline), identity)
    for name in ("office", "category", "band"):
        value = getattr(query, name)
        if value is not None:
            cases = tuple(case for case in cases if getattr(case, name) == value)
    if query.area is not None:
        areas = snapshot.places.within(query.area)
        cases = tuple(case for case in cases if case.area in areas)
    return cases


_NOT_OURS = marked("Expected a cursor as `next` of the page before gave it. Start again without a cursor.")


def _position(reads: Reads, query: CaseFilter, identity: Identity) -> tuple[Snapshot, OpenCase]:
    try:
        order, version, case_id = json.loads(base64.urlsafe_b64decode(str(query.cursor).encode()))
    except (ValueError, TypeError):  # not base64, not text, not JSON, or JSON of another shape
        raise UsageError(_NOT_OURS) from None
    if order != query.order or not isinstance(version, str) or not isinstance(case_id, str):
        raise UsageError(_NOT_OURS)
    snapshot = reads.at(version)
    if snapshot is None:
        raise GoneError(marked("The cases were scored anew since that page. Start again without a cursor."))
    case = snapshot.by_id.get(case_id)
    # One of another office is told from none by nothing.
    if case is None or not identity.sees_office(case.office):
        raise UsageError(_NOT_OURS)
    return snapshot, case


def _cursor(snapshot: Snapshot, order: str, last: OpenCase) -> str:
    text = json.dumps([order, snapshot.version, last.case_id])
    return base64.urlsafe_b64encode(text.encode()).decode()
