"""The event log folded into cases: what is known of each case when the events known so far are all there is.

`fold_cases` never asks for the time. The caller decides the as-of by passing only the events known strictly before it,
so that there is one place, the read, where the future could get in.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.schema import EVENT_COLUMNS, EventKind

# The last second of the year 2514, and the largest value of 34 bits: the event index packs a key and a moment into one
# 64-bit integer and leaves 34 bits to the moment. As "not yet" it compares as every comparison of a time should.
NEVER: Final = (1 << 34) - 1

Int64s = NDArray[np.int64]

NEAR_INSTANT_SECONDS: Final = 60

# Two events of a case may bear the same second, most often an opening and an automatic closing.
_KIND_ORDER: Final = {kind.value: rank for rank, kind in enumerate(EventKind)}

_ATTRIBUTES: Final = ("category", "category_group", "area", "channel")
_ENDINGS: Final = (EventKind.WITHDRAWN.value, EventKind.DUPLICATE.value)
_MOVES: Final = (EventKind.TRANSFERRED.value, EventKind.HANDED_UP.value)


def fold_cases(events: pd.DataFrame) -> pd.DataFrame:
    """One row per case, from the events of an event log.

    Parameters
    ----------
    events : DataFrame with the columns `data.schema.EVENT_COLUMNS`
        In any order. Times are int64 seconds since 1970 in UTC; `due_at` may be null.

    Returns
    -------
    DataFrame sorted by (`opened_at`, `case_id`), with the columns

    - `case_id`, `category`, `category_group`, `area`, `channel`: the newest that is known, null where never said;
    - `office_at_opening`: the office that the opening itself names, null where only a later event names one;
    - `office`: the office now;
    - `due_at_opening`: the promise as it stood when the case was opened; `due_at`: as it stands now;
    - `opened_at`, `opened_known_at`, `closed_at`, `closed_known_at`, `withdrawn_known_at`: int64 seconds in
      UTC, `NEVER` for what has not happened; a reopened case has `closed_at` NEVER until it is closed again;
      `withdrawn_known_at` is when it was first known to be withdrawn or a duplicate, NEVER if it was reopened since;
    - `closing_reason`: null while open;
    - `first_closed_at`: the first closing, reopened or not; `duplicate_at`: when it was called a duplicate;
    - `reopened_known_at`: when it was last known to be reopened;
    - `reopened`, `transfers`: counts of events, int64.

    Raises
    ------
    InputError
        If a case has events but no opening.
    """
    log = in_order(events)
    opened = _first(log[log["kind"] == EventKind.OPENED.value])
    if len(opened) != log["case_id"].nunique():
        missing = log["case_id"].nunique() - len(opened)
        raise InputError(
            f"Expected every case to begin with an event 'opened', but {missing:,} have none. "
            "Import the file that holds their openings first."
        )
    cases = pd.DataFrame(
        {
            "opened_at": opened["at"].astype("int64"),
            "opened_known_at": opened["known_at"].astype("int64"),
            "office_at_opening": opened["office"],
            "due_at_opening": opened["due_at"].fillna(NEVER).astype("int64"),
        }
    )
    for name in (*_ATTRIBUTES, "office"):
        cases[name] = _last_said(log, name).reindex(cases.index)
    due = _last_said(log, "due_at").reindex(cases.index)
    cases["due_at"] = due.fillna(NEVER).astype("int64")
    _add_closings(cases, log)
    reopened = _last(log[log["kind"] == EventKind.REOPENED.value])["known_at"]
    cases["reopened_known_at"] = reopened.reindex(cases.index).fillna(NEVER).astype("int64")
    endings = log[log["kind"].isin(_ENDINGS)]
    # A case that was taken up again since has not fallen away.
    again = reopened.reindex(endings["case_id"]).fillna(-1).to_numpy(dtype="int64")
    endings = endings[endings["known_at"].to_numpy(dtype="int64") >= again]
    withdrawn = _first(endings)["known_at"].reindex(cases.index)
    cases["withdrawn_known_at"] = withdrawn.fillna(NEVER).astype("int64")
    duplicate = _first(endings[endings["kind"] == EventKind.DUPLICATE.value])["at"].reindex(cases.index)
    cases["duplicate_at"] = duplicate.fillna(NEVER).astype("int64")
    cases["reopened"] = _count(log, (EventKind.REOPENED.value,), cases.index)
    cases["transfers"] = _count(log, _MOVES, cases.index)
    cases = cases.reset_index().sort_values(["opened_at", "case_id"], kind="stable", ignore_index=True)
    return cases[[*_CASE_COLUMNS]]


_CASE_COLUMNS: Final = (
    "case_id",
    *_ATTRIBUTES,
    "office_at_opening",
    "office",
    "opened_at",
    "opened_known_at",
    "due_at_opening",
    "due_at",
    "closed_at",
    "closed_known_at",
    "first_closed_at",
    "withdrawn_known_at",
    "duplicate_at",
    "closing_reason",
    "reopened_known_at",
    "reopened",
    "transfers",
)


def in_order(events: pd.DataFrame) -> pd.DataFrame:
    """The events case by case, each case's in the order in which they became known, whatever order they came in."""
    rank = events["kind"].map(_KIND_ORDER)
    return (
        events.assign(_rank=rank)
        .sort_values(["case_id", "known_at", "at", "_rank"], kind="stable", ignore_index=True)
        .drop(columns="_rank")
    )


def is_near_instant(opened_at: Int64s, closed_at: Int64s) -> NDArray[np.bool_]:
    """Whether cases were closed within `NEAR_INSTANT_SECONDS` of their opening: shape (n,), bool.

    Such rows are records of work already done, or bookings that a machine answers. Nobody waited for them, so they
    are neither arrivals of work nor a record of how fast an office answers.
    """
    return np.asarray(closed_at - opened_at <= NEAR_INSTANT_SECONDS)


def known_before(events: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """The events known strictly before `as_of` (int64 seconds in UTC), in the order given."""
    return events[events["known_at"] < as_of]


def empty_events() -> pd.DataFrame:
    """An event frame without rows, with the types that every other has."""
    times = {"at", "known_at"}
    return pd.DataFrame(
        {
            name: pd.Series(dtype="int64" if name in times else "Int64" if name == "due_at" else "str")
            for name in EVENT_COLUMNS
        }
    )


def _first(log: pd.DataFrame) -> pd.DataFrame:
    return log.drop_duplicates("case_id", keep="first").set_index("case_id")


def _last(log: pd.DataFrame) -> pd.DataFrame:
    return log.drop_duplicates("case_id", keep="last").set_index("case_id")


def _last_said(log: pd.DataFrame, name: str) -> pd.Series:
    """The newest value of `name` per case; events that say nothing about it do not count."""
    said = log[log[name].notna()]
    return said.drop_duplicates("case_id", keep="last").set_index("case_id")[name]


def _add_closings(cases: pd.DataFrame, log: pd.DataFrame) -> None:
    """Add when and how each case was closed, reading closings and reopenings in the order they became known."""
    ends = log[log["kind"].isin((EventKind.CLOSED.value, EventKind.REOPENED.value))]
    last = ends.drop_duplicates("case_id", keep="last").set_index("case_id")
    last = last[last["kind"] == EventKind.CLOSED.value].reindex(cases.index)
    cases["closed_at"] = last["at"].fillna(NEVER).astype("int64")
    cases["closed_known_at"] = last["known_at"].fillna(NEVER).astype("int64")
    cases["closing_reason"] = last["closing_reason"]
    first = _first(ends[ends["kind"] == EventKind.CLOSED.value])["at"].reindex(cases.index)
    cases["first_closed_at"] = first.fillna(NEVER).astype("int64")


def _count(log: pd.DataFrame, kinds: tuple[str, ...], index: pd.Index) -> pd.Series:
    counts = log.loc[log["kind"].isin(kinds), "case_id"].value_counts()
    return counts.reindex(index).fillna(0).astype(np.int64)
