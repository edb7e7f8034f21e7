"""How far each case was followed: an export that does not hold a case says nothing about what became of it.

A file of one week's cases, taken a year later, tells how they ended and nothing of the others. A case that was open
when it was last looked at is not known to be open, or late, ever after; what happens to it from then on is
censored.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from data import tables
from data.event_log import NEVER
from data.schema import EventKind
from data.store import Store
from data.store_tables import frame_of

Seconds = NDArray[np.int64]


def observed_until(store: Store) -> pd.Series:
    """When each case was last looked at.

    Returns
    -------
    Series of int64 seconds in UTC, indexed by `case_id`
        The latest snapshot, of all imports of the case's own source, that covers the moment at which the case was
        opened; and no earlier than the case's last event became known.
    """
    with store.reading() as connection:
        opened = frame_of(
            connection,
            select(tables.event.c.case_id, tables.event.c.source, tables.event.c.at).where(
                tables.event.c.kind == EventKind.OPENED.value
            ),
        ).drop_duplicates("case_id")
        newest = frame_of(connection, select(tables.event.c.case_id, tables.event.c.known_at))
    seen = newest.groupby("case_id")["known_at"].max().reindex(opened["case_id"]).to_numpy("int64").copy()
    moments, sources = opened["at"].to_numpy("int64"), opened["source"].to_numpy()
    imports = store.imports()
    for source in set(imports["source"]):
        own = sources == source
        seen[own] = latest_looks(moments[own], seen[own], imports[imports["source"] == source])
    return pd.Series(seen, index=pd.Index(opened["case_id"], name="case_id"), name="observed_until")


def latest_looks(opened_at: Seconds, seen: Seconds, imports: pd.DataFrame) -> Seconds:
    """When cases of one source were last looked at: the latest snapshot of all its imports that each belongs to.

    A file of other cases is no look at these. Which cases a snapshot covers is judged by when they were opened.

    Parameters
    ----------
    opened_at : (n,) int64 seconds in UTC
    seen : (n,) int64 seconds in UTC, what is known of it otherwise: when the last event of each became known
    imports : rows of `import_run`, of that source
    """
    for text, extracted_at in zip(imports["report"], imports["extracted_at"], strict=True):
        # Events that came without a file, through the service, are a look at every case.
        for look in json.loads(text).get("snapshots") or [{"seen_at": extracted_at}]:
            belongs = (opened_at >= look.get("opened_from", -NEVER)) & (opened_at <= look.get("opened_to", NEVER))
            seen = np.where(belongs, np.maximum(seen, int(look["seen_at"])), seen)
    return seen
