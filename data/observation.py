"""How far each case was followed: an export that does not hold a case says nothing about what became of it.

A file of one week's cases, taken a year later, tells how they ended and nothing of the others. A case that was open
when it was last looked at is not known to be open, or late, ever after; what happens to it from then on is
censored.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from sqlalchemy import select

from data import tables
from data.event_log import NEVER
from data.schema import EventKind
from data.store import Store
from data.store_tables import frame_of


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
    for source, text, extracted_at in zip(imports["source"], imports["report"], imports["extracted_at"], strict=True):
        for look in json.loads(text).get("snapshots") or [{"seen_at": extracted_at}]:
            belongs = (moments >= look.get("opened_from", -NEVER)) & (moments <= look.get("opened_to", NEVER))
            belongs &= sources == source
            seen[belongs] = np.maximum(seen[belongs], int(look["seen_at"]))
    return pd.Series(seen, index=pd.Index(opened["case_id"], name="case_id"), name="observed_until")
