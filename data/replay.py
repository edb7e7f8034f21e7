"""What had been recorded at a moment: the same question about the past gets the same answer ever after.

Each event says when it was known (`known_at`) and which look at the source showed it (`recorded_at`). A later export
tells more about the time before it: closings that nobody here had seen, cases that had been missed. Going by `known_at`
alone, an answer about the first of March would change with every export that follows. A replay leaves out what only
later looks showed, and is so the answer that could have been given then.

Of the time before its first look a store had recorded nothing. A history that was imported in one go would then have no
past to ask about; so a moment before the first look is answered by what that first look tells of it. No later look
changes that either. An export that comes in after one with the same or a later look is recorded when it comes in.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from sqlalchemy import func, select

from data import tables
from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER
from data.observation import looks_of, observed_until, recorded_at, with_lateness
from data.store import Store


@dataclass(frozen=True, slots=True)
class Replay:
    """What a store had recorded by a moment.

    `as_of` and `recorded_by` are seconds since 1970 in UTC: of the events known strictly before the one, those that
    were shown by a look no later than the other. `last_import` is the newest import that is taken into account;
    `reconstructed` tells that the store's first look came after `as_of`.
    """

    store: Store
    as_of: int
    recorded_by: int
    last_import: int
    reconstructed: bool

    @classmethod
    def at(cls, store: Store, as_of: int, *, last_import: int | None = None, everything: bool = False) -> Replay:
        """The replay of a moment.

        Parameters
        ----------
        store : Store
        as_of : int, seconds in UTC
        last_import : int
            Number of the newest import to know of (`heed imports`); None: all.
        everything : bool
            Take what was recorded at any time, for a question about now.

        Raises
        ------
        NotEnoughDataError
            If nothing had been imported.
        UsageError
            If there is no import of that number.
        """
        event, run = tables.event.c, tables.import_run.c
        with store.reading() as connection:
            newest = store.newest_import(connection)
            if newest is None:
                raise NotEnoughDataError("The store is empty. Import something first: `heed import FILE`.")
            last = newest if last_import is None else last_import
            numbers = connection.execute(select(run.import_id)).scalars().all()
            if last not in numbers:
                raise UsageError(f"Expected the number of an import, got {last}. `heed imports` lists them.")
            looked = select(func.min(event.recorded_at)).where(event.import_id <= last)
            first = connection.execute(looked).scalar()
        # An import may have brought no event at all; then nothing is known, at any moment.
        first_look = as_of if first is None else int(first)
        recorded_by = NEVER if everything else max(as_of - 1, first_look)
        return cls(store, as_of, recorded_by, last, reconstructed=first_look >= as_of)

    def events(self) -> pd.DataFrame:
        """The events, as `Store.read_events` gives them."""
        return self.store.read_events(as_of=self.as_of, recorded_by=self.recorded_by, last_import=self.last_import)

    def observed_until(self) -> pd.Series:
        """When each case had last been looked at: `data.observation.observed_until`, no later than the as-of."""
        seen = observed_until(self.store, recorded_by=self.recorded_by, last_import=self.last_import)
        return seen.clip(upper=self.as_of)

    def looks(self) -> list[int]:
        """Numbers of the imports that had looked at a source by then, oldest first; later ones add none."""
        runs = with_lateness(self.store.imports())
        runs = runs[runs["import_id"] <= self.last_import]
        return [
            int(run["import_id"])
            for _, run in runs.iterrows()
            if min(recorded_at(look, run) for look in looks_of(run["report"], run["extracted_at"])) <= self.recorded_by
        ]

    def inspections(self) -> pd.DataFrame:
        """The inspections, as `Store.read_inspections` gives them."""
        return self.store.read_inspections(self.as_of, recorded_by=self.recorded_by, last_import=self.last_import)
