"""How far each source has been fetched, in the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from data.sources.portal import Schema
from data.store import Store
from data.tables import sync_state


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """Where the next fetch begins.

    Attributes
    ----------
    watermark : int or None
        Seconds in UTC up to which all was fetched; None: nothing yet.
    first : date or None
        The `first` of the definition that the watermark rests on.
    opened_from : int or None
        The earliest opening (seconds in UTC) that the first fetch showed: what later ones are a look at; None: not
        known.
    schema : dict
        Column -> type, as the portal showed them last.
    unfinished : bool
        Whether a fetch was begun and not finished.
    updated_at : int
        When the state was last written, seconds in UTC.
    """

    watermark: int | None = None
    first: date | None = None
    opened_from: int | None = None
    schema: Schema
    unfinished: bool = False
    updated_at: int = 0


def read_state(store: Store, source: str) -> SyncState:
    """The state of `source`; that of one never fetched if there is none."""
    return read_states(store).get(source, SyncState(schema={}))


def read_states(store: Store) -> dict[str, SyncState]:
    """The state of every source that was ever fetched."""
    with store.reading() as connection:
        rows = connection.execute(select(sync_state).order_by(sync_state.c.name)).fetchall()
    return {str(row.name): _state_of(row) for row in rows}


def _state_of(row: Any) -> SyncState:
    seen = json.loads(row.columns) or {}
    first = seen.get("first")
    return SyncState(
        watermark=None if row.watermark is None else int(row.watermark),
        first=date.fromisoformat(first) if first else None,
        opened_from=seen.get("opened_from"),
        schema=seen.get("columns", {}),
        unfinished=row.resume is not None,
        updated_at=int(row.updated_at),
    )


def begin(store: Store, source: str, head: dict[str, Any], now: int) -> None:
    """Note that a fetch has begun."""
    with store.writing() as connection:
        _write(connection, source, {"resume": json.dumps(head), "updated_at": now})


def end(connection: Connection, source: str, reached: SyncState) -> None:
    """Note that a fetch is finished, and what it reached; in the transaction of its import."""
    seen = {
        "columns": reached.schema,
        "first": None if reached.first is None else str(reached.first),
        "opened_from": reached.opened_from,
    }
    values = {
        "watermark": reached.watermark,
        "resume": None,
        "columns": json.dumps(seen, ensure_ascii=False, sort_keys=True),
        "updated_at": reached.updated_at,
    }
    _write(connection, source, values)


def forget(store: Store, source: str) -> None:
    """Forget how far the source was fetched: the next sync fetches everything anew."""
    with store.writing() as connection:
        connection.execute(delete(sync_state).where(sync_state.c.name == source))


def _write(connection: Connection, source: str, values: dict[str, Any]) -> None:
    known = connection.execute(select(sync_state.c.name).where(sync_state.c.name == source)).first()
    if known is None:
        connection.execute(insert(sync_state).values(**{"name": source, "columns": "[]", **values}))
    else:
        connection.execute(update(sync_state).where(sync_state.c.name == source).values(**values))
