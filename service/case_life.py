"""The risk over a case's life: what each scoring said of it, as long as scorings are kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from data import tables
from data.store import Store


@dataclass(frozen=True, slots=True)
class Said:
    """What one scoring said; `as_of` in seconds in UTC, the interval of 80 percent, None where none was stored."""

    as_of: int
    probability: float
    lower: float | None
    upper: float | None


def read_life(store: Store, case_id: str, *, outcome: str, until: int) -> list[Said]:
    """What the scorings up to `until` (seconds in UTC, included) said of an outcome of a case, oldest first."""
    risk = tables.risk.c
    query = (
        select(risk.as_of, risk.probability, risk.lower, risk.upper)
        .where(risk.case_id == case_id, risk.outcome == outcome, risk.as_of <= until)
        .order_by(risk.as_of)
    )
    with store.reading() as connection:
        return [Said(*row) for row in connection.execute(query)]
