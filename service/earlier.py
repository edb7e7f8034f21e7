"""The scoring before the newest: what has changed for a case since yesterday."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from data import tables
from data.store import Store

# Two scorings of one morning say nothing about what changed since yesterday.
_AT_LEAST: Final = 12 * 3_600
# Nobody remembers what a list said longer ago than this.
_AT_MOST: Final = 8 * 86_400


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier scoring: its moment, in seconds in UTC, and the risk of each case that was open then."""

    as_of: int
    risks: Mapping[str, float]


def read_earlier(store: Store, as_of: int, outcome: str) -> Earlier | None:
    """The newest scoring from half a day to eight days before `as_of` (seconds in UTC); None where there is none."""
    risk = tables.risk.c
    newest = select(func.max(risk.as_of)).where(risk.as_of.between(as_of - _AT_MOST, as_of - _AT_LEAST))
    with store.reading() as connection:
        moment = connection.execute(newest).scalar()
        if moment is None:
            return None
        query = select(risk.case_id, risk.probability).where(risk.as_of == moment, risk.outcome == outcome)
        return Earlier(int(moment), {str(row.case_id): float(row.probability) for row in connection.execute(query)})
