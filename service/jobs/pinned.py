"""A store as it stood when a job was first begun, so that every attempt at the job asks the same and finds the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from data.errors import NotEnoughDataError
from data.store import Store


def pin_moment(store: Store) -> dict[str, int]:
    """What a job asks about that was given no moment: all that is known now.

    Returns
    -------
    dict
        `as_of`, seconds in UTC, just after the last thing known; and `last_import`, the newest import.

    Raises
    ------
    NotEnoughDataError
        If nothing has been imported.
    """
    with store.reading() as connection:
        if store.newest_import(connection) is None:
            raise NotEnoughDataError("The store is empty. Import something first: `heed import FILE`.")
    # The moment first: of an import that comes in between, only what is no later than it counts. The other way round,
    # the job would speak of a moment that this import moved, without knowing what came with it.
    as_of = store.last_known_at() + 1
    with store.reading() as connection:
        return {"as_of": as_of, "last_import": int(store.newest_import(connection) or 0)}


class PinnedStore(Store):
    """The same store, which knows of no import after a moment that `pin_moment` fixed, and speaks of that moment.

    Asked about "now", it answers as it would have then: by the events, inspections and looks of the imports there
    were. Places, calendars and models have no past; they are those of now.
    """

    def __init__(self, store: Store, pinned: Mapping[str, Any]) -> None:
        super().__init__(store.engine)
        self._as_of, self._last = int(pinned["as_of"]), int(pinned["last_import"])

    def last_known_at(self) -> int:
        """As it was then."""
        return self._as_of - 1

    def newest_import(self, connection: Connection) -> int | None:  # noqa: ARG002  (that of a store asks the database)
        """The newest there was then."""
        return self._last

    def read_events(
        self,
        *,
        as_of: int | None = None,
        recorded_by: int | None = None,
        last_import: int | None = None,
        source: str | None = None,
        connection: Connection | None = None,
    ) -> pd.DataFrame:
        """Those of the imports there were; see `Store.read_events`."""
        return super().read_events(
            as_of=as_of,
            recorded_by=recorded_by,
            last_import=self._last if last_import is None else min(last_import, self._last),
            source=source,
            connection=connection,
        )

    def imports(self, *, source: str | None = None, connection: Connection | None = None) -> pd.DataFrame:
        """The imports there were; see `Store.imports`."""
        found = super().imports(source=source, connection=connection)
        return found[found["import_id"] <= self._last].reset_index(drop=True)
