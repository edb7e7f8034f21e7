"""How the deadline of a case came about, where the service standards of its source are kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import select

from data import tables
from data.clock_trace import Trace
from data.errors import InputError, UsageError
from data.event_log import NEVER
from data.schema import EVENT_COLUMNS
from data.service_clock import ServiceClock
from data.store_tables import frame_of
from service.open_case import OpenCase
from service.reads import Reads, Snapshot
from service.settings import Language

# The promise that a case of the list is measured by.
_CLOCK: Final = "resolve"


@dataclass(frozen=True, slots=True)
class DeadlineTold:
    """How a deadline came about.

    Attributes
    ----------
    sentences : the steps of the clock, in the order of time
    agrees : whether they lead to the deadline that the case has; the log holds where they do not
    """

    sentences: tuple[str, ...]
    agrees: bool


def tell_deadline(reads: Reads, snapshot: Snapshot, case: OpenCase, language: Language) -> DeadlineTold | None:
    """The steps of the clock of a case, from what was known before the scoring.

    None where no standards are kept for its source, or where they cannot tell: a page about a case is shown without.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    try:
        trace = _trace(reads, snapshot, case)
    except (InputError, UsageError):
        return None
    if trace is None or not trace.steps:
        return None
    due = NEVER if case.due_at is None else case.due_at
    return DeadlineTold(tuple(trace.sentences(language)), agrees=trace.due_at == due)


def _trace(reads: Reads, snapshot: Snapshot, case: OpenCase) -> Trace | None:
    event, clock, office = tables.event.c, tables.service_clock.c, tables.office.c
    columns = [*(event[name] for name in EVENT_COLUMNS), event.source]
    with reads.connection() as connection:
        query = select(*columns).where(event.case_id == case.case_id, event.known_at < snapshot.as_of)
        events = frame_of(connection, query)
        if events.empty:
            return None
        source = str(events["source"].iloc[0])
        text = connection.execute(select(clock.standards).where(clock.source == source)).scalar()
        if text is None:
            return None
        offices = frame_of(connection, select(office.office, office.tier))
    standards = _parsed(text, source)
    if _CLOCK not in standards.clocks:
        return None
    return standards.explain(events[[*EVENT_COLUMNS]], offices, as_of=snapshot.as_of, clock=_CLOCK)


@lru_cache(maxsize=8)  # working out holidays takes a second
def _parsed(text: str, source: str) -> ServiceClock:
    return ServiceClock.parse(text, f"standards of {source}")
