"""What stands behind the signals of a detection: their weeks, their reviews, and how earlier ones turned out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from data import tables
from data.event_log import NEVER
from data.store import Store
from models.signals.afterwards import Lasted, lasted
from models.signals.reviews import TurnedOut, current, turned_out

# Earlier signals whose weeks are still among those behind the signals of now: 53 of them, and their own windows.
_REMEMBERED: Final = 60 * 7 * 86_400


def _empty(table: Any) -> pd.DataFrame:
    return pd.DataFrame({column.name: pd.Series(dtype=object) for column in table.columns})


@dataclass(frozen=True)
class SignalRecord:
    """The weeks behind signals (undisclosed), every step of their reviews, what later weeks showed, and the signals of
    earlier detections (undisclosed).

    Frames as `data.store_signals` reads them.
    """

    weeks: pd.DataFrame = field(default_factory=lambda: _empty(tables.signal_week))
    reviews: pd.DataFrame = field(default_factory=lambda: _empty(tables.signal_review))
    outcomes: pd.DataFrame = field(default_factory=lambda: _empty(tables.signal_outcome))
    earlier: pd.DataFrame = field(default_factory=lambda: _empty(tables.signal))

    @classmethod
    def read(cls, store: Store, as_of: int) -> SignalRecord:
        """What a store holds behind the signals of `as_of`. Reviews count whenever they were written."""
        every = store.read_all_signals()
        earlier = every[(every["as_of"] < as_of) & (every["week"] >= as_of - _REMEMBERED)]
        return cls(store.read_signal_weeks(as_of), store.read_reviews(), store.read_outcomes(), earlier)

    def statuses(self) -> dict[str, str]:
        """The status of every signal that somebody looked at, by its id."""
        newest = current(self.reviews)
        return dict(zip(newest["signal_id"], newest["status"], strict=True))

    def held(self, category: str, direction: str, week: int) -> TurnedOut | None:
        """How signals of that kind turned out where somebody looked, of the weeks before `week` (UTC seconds)."""
        earlier = self.reviews[self.reviews["week"] < week]
        return turned_out(earlier, category=category, direction=direction, before=NEVER)

    def lasted(self, direction: str, as_of: int) -> Lasted | None:
        """How many signals of that direction were still there four weeks later, as known at `as_of`."""
        known = self.outcomes[(self.outcomes["known_at"] <= as_of) & (self.outcomes["direction"] == direction)]
        return lasted(known["later"])


NO_RECORD: Final = SignalRecord()
