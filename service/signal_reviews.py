"""Reviews of signals: a step is written down, and earlier ones say how signals of a kind turned out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import Connection, func, insert, select

from data import tables
from data.errors import UsageError
from data.store import Store
from data.store_tables import frame_of
from models.signals.reviews import check_step, current
from service.signal_record import SignalRecord

if TYPE_CHECKING:  # the command writes reviews down without publishing anything
    from service.published import Published, Signal


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a review, as it was written down."""

    signal_id: str
    area: str
    category: str
    direction: str
    status: str
    reason: str | None
    before: str  # the status until then


def review(store: Store, signal_id: str, status: str, reason: str | None = None, *, now: int | None = None) -> Step:
    """Write down what became of a signal.

    Parameters
    ----------
    signal_id : the id, or the beginning of it that fits one signal only
    status, reason : see `models.signals.reviews`
    now : seconds in UTC; None: this moment

    Raises
    ------
    UsageError
        If there is no such signal, or several begin like that, or the step is none.
    """
    check_step(status, reason)
    row = find(store.read_all_signals(), signal_id)
    whole_id = str(row["signal_id"])
    moment = int(time.time()) if now is None else now
    step = {name: row[name] for name in ("week", "area", "category", "direction")}
    before = status_of(store.read_reviews(), whole_id)
    store.add_review(
        pd.DataFrame([{"signal_id": whole_id, **step, "status": status, "reason": reason, "recorded_at": moment}])
    )
    return Step(whole_id, str(row["area"]), str(row["category"]), str(row["direction"]), status, reason, before)


def add_step(connection: Connection, signal: Signal, status: str, reason: str | None) -> None:
    """Append a step to the review of a signal, in the transaction of `connection` (of `Store.writing`).

    A step is never before the newest one, whatever the clock says: the newest holds.
    """
    table = tables.signal_review
    newest = connection.execute(select(func.max(table.c.recorded_at))).scalar()
    row = {name: getattr(signal, name) for name in ("signal_id", "week", "area", "category", "direction")}
    moment = max(int(time.time()), int(newest or 0))
    connection.execute(insert(table).values(**row, status=status, reason=reason, recorded_at=moment))


def reviewed(published: Published, connection: Connection) -> Published:
    """The same figures with the reviews as `connection` reads them: what each signal became, and how those before it
    turned out.
    """
    steps = frame_of(connection, select(tables.signal_review))
    record = SignalRecord(reviews=steps.sort_values(["recorded_at", "review_id"], ignore_index=True))
    statuses = record.statuses()
    signals = tuple(
        replace(
            signal,
            status=statuses.get(signal.signal_id, "new"),
            held=record.held(signal.category, signal.direction, signal.week),
        )
        for signal in published.signals
    )
    return replace(published, signals=signals)


def status_of(reviews: pd.DataFrame, signal_id: str) -> str:
    """The status of a signal; "new" where nobody looked."""
    newest = current(reviews)
    found = newest.loc[newest["signal_id"] == signal_id, "status"]
    return str(found.iloc[0]) if len(found) else "new"


def find(signals: pd.DataFrame, signal_id: str) -> pd.Series:
    """The signal of an id, or of the beginning of one.

    Raises
    ------
    UsageError
        If none fits, or several do.
    """
    fits = signals[signals["signal_id"].str.startswith(signal_id)] if signal_id else signals.iloc[:0]
    if len(fits) != 1:
        found = "none does" if fits.empty else f"{len(fits)} do"
        raise UsageError(
            f"Expected an id that one stored signal begins with; {found}. `heed signals --json` lists the ids."
        )
    return fits.iloc[0]
