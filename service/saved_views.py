"""Saved views: filters of the list of cases that a desk keeps, by codes and by no text of anyone.

A view belongs to the key that saved it, or to the desk: all tokens with the same role and offices. It belongs to no
account, for that is a person's. It is called by what it filters.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from data import tables
from data.errors import UsageError
from service import display
from service.dependencies import Telling
from service.identity import Identity
from service.language import marked
from service.listing import CaseChoice, filtered
from service.marks import MARKS
from service.open_case import OUTCOME
from service.places import Kind
from service.problems import ConflictError
from service.reads import Snapshot

MOST: Final = 20
# In the order in which a view names them.
FILTERS: Final = ("outcome", "band", "category", "area", "office", "mark", "deadline", "order")
DEADLINES: Final = {"passed": marked("past the deadline"), "all": marked("with any deadline")}
BY_DEADLINE: Final = marked("by deadline")
NOTHING_NOTED: Final = marked("Nothing noted yet")

_TABLE: Final = tables.saved_view
_CODES: Final[tuple[Kind, ...]] = ("category", "area", "office")
# What stands there when nothing was chosen. The deadline is always kept: pages and API do not assume the same.
_ASSUMED: Final = {"outcome": OUTCOME, "order": "risk"}
_FULL: Final = marked("There are 20 saved views, and no more are kept. Delete one first.")
_NO_CODE: Final = marked("Expected filters that an open case fits: only codes that heed knows are kept.")

Filters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """A saved view: its id and its filters by name."""

    view_id: str
    filters: Filters


def filters_of(choice: CaseChoice) -> Filters:
    """The filters of a list that are set, by name."""
    given = {name: getattr(choice, name) for name in FILTERS}
    return {name: value for name, value in sorted(given.items()) if value not in (None, _ASSUMED.get(name))}


def read_views(connection: Connection, identity: Identity) -> tuple[View, ...]:
    """The views of whoever asks, the oldest first."""
    column = _TABLE.c
    query = select(column.view_id, column.filters).where(column.holder == identity.desk)
    rows = connection.execute(query.order_by(column.created_at, column.view_id))
    return tuple(View(view_id, json.loads(filters)) for view_id, filters in rows)


def refuse_unknown(snapshot: Snapshot, choice: CaseChoice, identity: Identity) -> None:
    """Refuse codes that no open case has: they may be anything that somebody typed, and would be kept.

    Raises
    ------
    UsageError
        If there is one.
    """
    for name in _CODES:
        code = getattr(choice, name)
        alone = CaseChoice.model_validate({name: code})
        if code is not None and not filtered(snapshot, alone, identity):
            raise UsageError(_NO_CODE)


def add_view(connection: Connection, identity: Identity, filters: Filters) -> View:
    """Keep a view, in the transaction of `connection` (of `Store.writing`); the same one is kept once.

    Raises
    ------
    ConflictError
        If `MOST` are kept already.
    """
    kept = {view.view_id: view for view in read_views(connection, identity)}
    text = json.dumps(dict(sorted(filters.items())), ensure_ascii=False)
    view_id = hashlib.blake2b(f"{identity.desk}\0{text}".encode(), digest_size=16).hexdigest()
    if view_id in kept:
        return kept[view_id]
    if len(kept) >= MOST:
        raise ConflictError(_FULL)
    newest = connection.execute(select(func.max(_TABLE.c.created_at))).scalar()
    moment = max(int(time.time()), int(newest or 0))
    row = {"view_id": view_id, "holder": identity.desk, "filters": text}
    connection.execute(insert(_TABLE).values(**row, created_at=moment))
    return View(view_id, filters)


def drop_view(connection: Connection, identity: Identity, view_id: str) -> View | None:
    """Let go of a view of whoever asks; None where there is none with this id."""
    found = next((view for view in read_views(connection, identity) if view.view_id == view_id), None)
    if found is not None:
        connection.execute(delete(_TABLE).where(_TABLE.c.view_id == view_id, _TABLE.c.holder == identity.desk))
    return found


def view_name(telling: Telling, filters: Filters) -> str:
    """What a view is called: what it filters, in words."""
    parts = [_part(telling, name, filters[name]) for name in FILTERS if name in filters]
    return " · ".join(part for part in parts if part) or telling.words.gettext("With time left")


def _part(telling: Telling, name: str, value: str) -> str | None:
    words = telling.words
    if name in _CODES:
        return display.place(words, telling.snapshot.places, name, value)
    if name == "outcome":
        return display.outcome(words, value)
    if name == "order":
        return words.gettext(BY_DEADLINE)
    if name == "mark" and value == "none":
        return words.gettext(NOTHING_NOTED)
    tables_of = {"band": display.BANDS, "mark": MARKS, "deadline": DEADLINES}
    return words.gettext(tables_of[name][value]) if value in tables_of[name] else None
