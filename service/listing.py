"""A page of the list of open cases: filtered, ordered, and cut where the page before it ended."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field
from sqlalchemy import Connection

from data.errors import UsageError
from service.identity import Identity
from service.language import LanguageQuery, marked
from service.marks import Marks, marked_cases, read_marks
from service.open_case import OUTCOME, OpenCase, judged_by
from service.problems import GoneError
from service.reads import Reads, Snapshot


def _none_if_empty(value: Any) -> Any:
    # A form sends every field, the empty ones as well.
    return None if value == "" else value


Code = Annotated[Annotated[str, Field(max_length=160)] | None, BeforeValidator(_none_if_empty)]
Cursor = Annotated[Annotated[str, Field(max_length=400)] | None, BeforeValidator(_none_if_empty)]


# Cases that are shown in front of a list because an office calls them more urgent.
LIFTED_MOST: Final = 25


class CaseChoice(LanguageQuery):
    """Which open cases, and in which order."""

    office: Code = Field(default=None, description="Code of the office that is responsible now.")
    category: Code = Field(default=None, description="Code of the type of problem.")
    area: Code = Field(default=None, description="Code of the area; areas within it count.")
    band: Annotated[
        Literal["low", "medium", "high"] | None,
        BeforeValidator(_none_if_empty, json_schema_input_type=Literal["low", "medium", "high", ""] | None),
    ] = Field(default=None, description="Band of the risk; empty: of any.")
    outcome: Literal["late", "unresolved", "reopened", "handed_up", "any_failure"] = Field(
        default=OUTCOME,
        description="The risk of what: the list goes by it, and holds the cases of which it is told. `any_failure`: of "
        "any of them.",
    )
    mark: Annotated[
        Literal["seen", "shortlisted", "acted", "overridden", "none"] | None,
        BeforeValidator(
            _none_if_empty,
            json_schema_input_type=Literal["seen", "shortlisted", "acted", "overridden", "none", ""] | None,
        ),
    ] = Field(default=None, description="What the office noted on the case; `none`: nothing yet; empty: any.")
    deadline: Literal["all", "ahead", "passed"] = Field(
        default="all",
        description="Whether the promised moment was still ahead at the scoring; a broken first promise is passed.",
    )
    order: Literal["risk", "due"] = Field(
        default="risk", description="By risk, the highest first; or by deadline, the nearest first."
    )


class CaseFilter(CaseChoice):
    """Which open cases, in which order, and from where on."""

    cursor: Cursor = Field(default=None, description="Where the page before ended, as `next` gave it.")


class CaseQuery(CaseFilter):
    """A page of open cases."""

    limit: int = Field(default=50, ge=1, le=200, description="Cases on a page.")


@dataclass(frozen=True, slots=True)
class CasePage:
    """Some cases of a snapshot, all that match, and where the next page begins.

    Attributes
    ----------
    cases : those of the page, each with the risk first that the list goes by
    matching : those of all pages
    lifted : those that an office calls more urgent than their risk; they stand in front of the first page as well as in
        their own place, so that no other case moves down
    lifted_total : how many there are
    marks : of the cases shown that have any
    kept : which cases the filter by marks lets through
    """

    snapshot: Snapshot
    cases: tuple[OpenCase, ...]
    matching: tuple[OpenCase, ...]
    cursor: str | None
    lifted: tuple[OpenCase, ...] = ()
    lifted_total: int = 0
    marks: Mapping[str, Marks] = field(default_factory=dict)
    kept: Kept | None = None

    @property
    def total(self) -> int:
        """Cases on all pages."""
        return len(self.matching)

    @property
    def given(self) -> int:
        """Different cases that are shown."""
        return len({case.case_id for case in (*self.cases, *self.lifted)})


@dataclass(frozen=True, slots=True)
class Kept:
    """Cases by what is noted on them: those of `ids`, or all others."""

    ids: frozenset[str]
    within: bool

    def of(self, cases: tuple[OpenCase, ...]) -> tuple[OpenCase, ...]:
        """Those of the cases, in the same order."""
        return tuple(case for case in cases if (case.case_id in self.ids) is self.within)


def kept_by_mark(connection: Connection, mark: str | None) -> Kept | None:
    """The cases that a filter by marks lets through; None: all."""
    if mark is None:
        return None
    return (
        Kept(marked_cases(connection), within=False) if mark == "none" else Kept(marked_cases(connection, mark), True)
    )


def page_of_cases(
    reads: Reads,
    query: CaseChoice,
    identity: Identity,
    *,
    limit: int,
    cursor: str | None = None,
    lifted_within: int | None = None,
) -> CasePage:
    """The page that a query asks for, of the cases that the one who asks may read; from a cursor on, or the first.

    Parameters
    ----------
    limit : cases of the page
    lifted_within : at most so many of those that an office calls more urgent, and counted in the limit; None:
        `LIFTED_MOST`, besides the others

    Raises
    ------
    UsageError
        If the cursor is not one of ours.
    GoneError
        If the cursor belongs to a scoring that is no longer kept.
    """
    if cursor is None:
        snapshot, after = reads.current(), None
    else:
        snapshot, after = _position(reads, query, identity, cursor)
    with reads.connection() as connection:
        kept = kept_by_mark(connection, query.mark)
        matching = filtered(snapshot, query, identity, kept)
        key = snapshot.place_in(query.order, query.outcome)
        # Keyset paging: the next page starts after a key and not at a number, whatever filter came in between.
        start = 0 if after is None else bisect_right(matching, key(after), key=key)
        first = after is None and query.mark is None
        lifted = _lifted(connection, snapshot, query, identity) if first else ()
        in_front = lifted[: LIFTED_MOST if lifted_within is None else lifted_within]
        limit -= 0 if lifted_within is None else len(in_front)
        cases = matching[start : start + limit]
        shown = {case.case_id for case in (*cases, *in_front)}
        marks = read_marks(connection, shown)
    more = start + limit < len(matching)
    return CasePage(
        snapshot,
        tuple(judged_by(case, query.outcome) for case in cases),
        matching,
        _cursor(snapshot, query.order, cases[-1]) if more else None,
        lifted=tuple(judged_by(case, query.outcome) for case in in_front),
        lifted_total=len(lifted),
        marks=marks,
        kept=kept,
    )


def _lifted(connection: Connection, snapshot: Snapshot, query: CaseChoice, identity: Identity) -> tuple[OpenCase, ...]:
    """The cases that the query asks for, whatever their band, and that an office calls more urgent."""
    higher = marked_cases(connection, "overridden", "higher")
    if not higher:
        return ()
    return filtered(snapshot, query.model_copy(update={"band": None}), identity, Kept(higher, within=True))


def visible(cases: tuple[OpenCase, ...], identity: Identity) -> tuple[OpenCase, ...]:
    """Those of the cases that the one who asks may read, in the same order."""
    if identity.offices is None:
        return cases
    return tuple(case for case in cases if identity.sees_office(case.office))


def filtered(
    snapshot: Snapshot, query: CaseChoice, identity: Identity, kept: Kept | None = None
) -> tuple[OpenCase, ...]:
    """The cases that a query asks for and that the one who asks may read, in its order; `kept`: by its mark."""
    cases = visible(snapshot.view(query.order, query.deadline, query.outcome), identity)
    for name in ("office", "category"):
        value = getattr(query, name)
        if value is not None:
            cases = tuple(case for case in cases if getattr(case, name) == value)
    if kept is not None:
        cases = kept.of(cases)
    if query.band is not None:
        told = snapshot.risks_of(query.outcome)
        cases = tuple(case for case in cases if told[case.case_id].band == query.band)
    if query.area is not None:
        areas = snapshot.places.within(query.area)
        cases = tuple(case for case in cases if case.area in areas)
    return cases


_NOT_OURS = marked("Expected a cursor as `next` of the page before gave it. Start again without a cursor.")


def _position(reads: Reads, query: CaseChoice, identity: Identity, cursor: str) -> tuple[Snapshot, OpenCase]:
    try:
        order, version, case_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError):  # not base64, not text, not JSON, or JSON of another shape
        raise UsageError(_NOT_OURS) from None
    if order != query.order or not isinstance(version, str) or not isinstance(case_id, str):
        raise UsageError(_NOT_OURS)
    snapshot = reads.at(version)
    if snapshot is None:
        raise GoneError(marked("The cases were scored anew since that page. Start again without a cursor."))
    case = snapshot.by_id.get(case_id)
    # One of another office is told from none by nothing.
    if case is None or not identity.sees_office(case.office) or case_id not in snapshot.risks_of(query.outcome):
        raise UsageError(_NOT_OURS)
    return snapshot, case


def _cursor(snapshot: Snapshot, order: str, last: OpenCase) -> str:
    text = json.dumps([order, snapshot.version, last.case_id])
    return base64.urlsafe_b64encode(text.encode()).decode()
