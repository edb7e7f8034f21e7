"""The record of signals in a store: the weeks behind each, and what became of it."""

from __future__ import annotations

from typing import Final

import pandas as pd
from sqlalchemy import insert, select

from data import tables
from data.store_results import Results
from data.store_tables import frame_of, insert_frame, plain_values

REVIEW_COLUMNS: Final = ("signal_id", "week", "area", "category", "direction", "status", "reason", "recorded_at")


class SignalRecord(Results):
    """Weeks behind signals, and reviews of signals."""

    def write_signal_weeks(self, weeks: pd.DataFrame, *, as_of: int | None = None) -> None:
        """Store the weeks behind signals (columns of `data.tables.signal_week`) in place of those of the same as-of."""
        self._replace(tables.signal_week, weeks, as_of)

    def read_signal_weeks(self, as_of: int) -> pd.DataFrame:
        """The weeks behind the signals of `as_of`, sorted by area, category and week."""
        return self._read_as_of(tables.signal_week, as_of, [tables.signal_week], ["area", "category", "week"])

    def read_all_signals(self) -> pd.DataFrame:
        """The signals of every detection that is kept, oldest as-of first."""
        with self.reading() as connection:
            frame = frame_of(connection, select(tables.signal))
        return frame.sort_values(["as_of", "week", "area", "category", "direction"], ignore_index=True)

    def add_outcomes(self, outcomes: pd.DataFrame) -> None:
        """Keep what the weeks after signals showed (columns of `data.tables.signal_outcome`); the first word stands."""
        with self.writing() as connection:
            insert_frame(connection, tables.signal_outcome, outcomes)

    def read_outcomes(self) -> pd.DataFrame:
        """What the weeks after signals showed, oldest week first."""
        with self.reading() as connection:
            frame = frame_of(connection, select(tables.signal_outcome))
        return frame.sort_values(["week", "area", "category", "direction", "signal_id"], ignore_index=True)

    def add_review(self, review: pd.DataFrame) -> None:
        """Append one step or more (columns `REVIEW_COLUMNS`); nothing is ever written over."""
        columns = zip(*(plain_values(review[name]) for name in REVIEW_COLUMNS), strict=True)
        rows = [dict(zip(REVIEW_COLUMNS, values, strict=True)) for values in columns]
        with self.writing() as connection:
            connection.execute(insert(tables.signal_review), rows)

    def read_reviews(self) -> pd.DataFrame:
        """Every step of every review, oldest first."""
        with self.reading() as connection:
            frame = frame_of(connection, select(tables.signal_review))
        return frame.sort_values(["recorded_at", "review_id"], ignore_index=True)
