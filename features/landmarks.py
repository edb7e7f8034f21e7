"""Moments in a case's life at which it is scored. So far there is one: its opening."""

from __future__ import annotations

import pandas as pd

from features.event_index import Queries
from features.facts import KEY_COLUMNS, promise_keys


def opening_landmarks(cases: pd.DataFrame) -> pd.DataFrame:
    """One landmark per case, at the moment its opening became known.

    Parameters
    ----------
    cases : DataFrame as `data.event_log.fold_cases` gives it

    Returns
    -------
    DataFrame in the same order, with `case_id`, `opened_at` and `landmark_at` (int64 seconds in UTC), `due_at` (the
    promise as it stood at opening; `NEVER` for none), and the key columns as the opening named them. The office is
    null where only a later event names one.
    """
    frame = cases[["case_id", *KEY_COLUMNS[:4]]].copy()
    frame["office"] = cases["office_at_opening"]
    opened, due = cases["opened_at"], cases["due_at_opening"]
    frame = frame.assign(opened_at=opened, **promise_keys(opened, due))
    frame["landmark_at"] = cases["opened_known_at"].to_numpy("int64")
    frame["due_at"] = cases["due_at_opening"].to_numpy("int64")
    return frame


def queries_at(landmarks: pd.DataFrame) -> Queries:
    """The landmarks as queries of the event index."""
    return Queries(landmarks["landmark_at"].to_numpy("int64"), landmarks[[*KEY_COLUMNS]].reset_index(drop=True))
