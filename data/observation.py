"""How far each case was followed: an export that does not hold a case says nothing about what became of it.

A file of one week's cases, taken a year later, tells how they ended and nothing of the others. A case that was open
when it was last looked at is not known to be open, or late, ever after; what happens to it from then on is
censored.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, select, true

from data import tables
from data.event_log import NEVER
from data.schema import EventKind
from data.store import Store
from data.store_tables import frame_of

Seconds = NDArray[np.int64]


def observed_until(
    store: Store,
    *,
    recorded_by: int | None = None,
    last_import: int | None = None,
    cases: Collection[str] | None = None,
) -> pd.Series:
    """When each case was last looked at.

    Parameters
    ----------
    store : Store
    recorded_by : int, seconds in UTC
        Leave out later looks, and cases that only they showed; None: none are later.
    last_import : int
        Leave out what later imports brought; None: none are later.
    cases : collection of case ids
        Only these; None: all.

    Returns
    -------
    Series of int64 seconds in UTC, indexed by `case_id`
        The latest snapshot, of all imports of the case's own source, that covers the moment at which the case was
        opened; and no earlier than the case's last event became known.
    """
    event = tables.event.c
    chosen: ColumnElement[bool] = true()
    if recorded_by is not None:
        chosen = chosen & (event.recorded_at <= recorded_by)
    if last_import is not None:
        chosen = chosen & (event.import_id <= last_import)
    if cases is not None:
        chosen = chosen & event.case_id.in_(cases)
    with store.reading() as connection:
        openings = select(event.case_id, event.source, event.at).where(chosen, event.kind == EventKind.OPENED.value)
        opened = frame_of(connection, openings).drop_duplicates("case_id")
        newest = frame_of(connection, select(event.case_id, event.known_at).where(chosen))
        imports = store.imports(connection=connection)
    imports = with_lateness(imports)
    if last_import is not None:
        imports = imports[imports["import_id"] <= last_import]
    seen = newest.groupby("case_id")["known_at"].max().reindex(opened["case_id"]).to_numpy("int64").copy()
    moments, sources = opened["at"].to_numpy("int64"), opened["source"].to_numpy()
    for source in set(imports["source"]):
        own = sources == source
        looks = imports[imports["source"] == source]
        seen[own] = latest_looks(moments[own], seen[own], looks, recorded_by=recorded_by)
    return pd.Series(seen, index=pd.Index(opened["case_id"], name="case_id"), name="observed_until")


def latest_looks(
    opened_at: Seconds, seen: Seconds, imports: pd.DataFrame, *, recorded_by: int | None = None
) -> Seconds:
    """When cases of one source were last looked at: the latest snapshot of all its imports that each belongs to.

    A file of other cases is no look at these. Which cases a snapshot covers is judged by when they were opened.

    Parameters
    ----------
    opened_at : (n,) int64 seconds in UTC
    seen : (n,) int64 seconds in UTC, what is known of it otherwise: when the last event of each became known
    imports : rows of `import_run`, of that source; from `with_lateness` if `recorded_by` is given
    recorded_by : int, seconds in UTC; looks that were recorded later do not count
    """
    for place, (text, extracted_at) in enumerate(zip(imports["report"], imports["extracted_at"], strict=True)):
        # Events that came without a file, through the service, are a look at every case.
        for look in json.loads(text).get("snapshots") or [{"seen_at": extracted_at}]:
            if look.get("opened_from", -NEVER) > look.get("opened_to", NEVER):
                # A post that speaks of its own cases only: there may be one for each event.
                continue
            if recorded_by is not None and recorded_at(int(look["seen_at"]), imports.iloc[place]) > recorded_by:
                continue
            belongs = (opened_at >= look.get("opened_from", -NEVER)) & (opened_at <= look.get("opened_to", NEVER))
            seen = np.where(belongs, np.maximum(seen, int(look["seen_at"])), seen)
    return seen


def with_lateness(imports: pd.DataFrame) -> pd.DataFrame:
    """All imports of a store, oldest first, with `looked_before` and `recorded_late` (see `recorded_at`)."""
    newest = imports["extracted_at"].cummax().shift(fill_value=-1)
    on_time = imports["extracted_at"] > newest
    late = imports["extracted_at"].where(on_time, imports["imported_at"])
    return imports.assign(looked_before=newest, recorded_late=late)


def recorded_at(seen_at: int, run: pd.Series) -> int:
    """When a look was recorded: when it was made, unless a later one had been recorded before it came in.

    `run` is a row of `with_lateness`.
    """
    return seen_at if seen_at > int(run["looked_before"]) else max(seen_at, int(run["recorded_late"]))


def looks_of(report: str, extracted_at: int) -> list[int]:
    """The moments (seconds in UTC) at which an import looked at its source, from the report it left."""
    return [int(look["seen_at"]) for look in json.loads(report).get("snapshots") or [{"seen_at": extracted_at}]]
