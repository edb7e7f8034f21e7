"""Everything that a store knew at a moment, as training, scoring and the export of features all take it.

One place, so that no feature is worked out from more in one of them than in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from data.capacity import capacity_changes
from data.clock import WorkingCalendar
from data.event_log import known_before
from data.replay import Replay
from data.service_clock import ServiceClock
from data.service_clock_store import stored_clocks
from data.store import Store
from features.facts import opened_only


@dataclass(frozen=True, slots=True)
class Known:
    """What a store knew strictly before a moment, and had recorded by then (`data.replay`).

    Attributes
    ----------
    as_of : int64 seconds in UTC
    events : event frame; of cases whose opening was known
    observed_until : int64 seconds in UTC by `case_id`, how far each case was followed
    inspections : DataFrame, see `Store.read_inspections`
    capacity : changes of what offices can do, see `data.capacity.capacity_changes`
    adjacency : area -> the areas that it lies next to; today's map, which bears no date
    calendar : when the offices work; None where the store has no service standards, or several calendars of equal
        standing. Today's, which bears no date either: holidays are decreed ahead of the year.
    """

    as_of: int
    events: pd.DataFrame
    observed_until: pd.Series
    inspections: pd.DataFrame
    capacity: pd.DataFrame
    adjacency: dict[str, tuple[str, ...]]
    calendar: WorkingCalendar | None

    @classmethod
    def at(cls, store: Store, as_of: int | None = None) -> Known:
        """What was known at a moment; with None, all there is, just after the last thing known.

        Raises
        ------
        NotEnoughDataError
            If nothing had been imported.
        """
        moment = store.last_known_at() + 1 if as_of is None else as_of
        replay = Replay.at(store, moment, everything=as_of is None)
        return cls(
            as_of=moment,
            events=opened_only(known_before(replay.events(), moment)),
            observed_until=replay.observed_until(),
            inspections=replay.inspections(),
            capacity=capacity_changes(store.read_capacity(moment, recorded_by=replay.recorded_by), moment),
            adjacency=store.adjacency(),
            calendar=office_calendar(store),
        )


def office_calendar(store: Store) -> WorkingCalendar | None:
    """The calendar that promises are counted in: the only one there is, or that of the promise which holds where
    nothing more special is said. None where that cannot be told, or stores of several sources disagree.
    """
    return calendar_of(standards_of(store))


def standards_of(store: Store) -> tuple[str, ...]:
    """The service standards of a store as TOML, one text per source that has any."""
    return tuple(str(text) for text in stored_clocks(store)["standards"])


def calendar_of(standards: Sequence[str]) -> WorkingCalendar | None:
    """The calendar of such texts, as `office_calendar` finds it."""
    found = [_general(ServiceClock.parse(text, "standards")) for text in standards]
    return found[0] if len(found) == 1 else None


def _general(clock: ServiceClock) -> WorkingCalendar | None:
    if len(clock.calendars) == 1:
        return next(iter(clock.calendars.values())).working
    promise, _by = clock.find("resolve", None, None, None)
    return None if promise is None else promise.calendar.working
