"""What the log of inspections says at a moment: of each visit its newest result, each known from its own moment on.

The log only grows. A later look at the source that shows another result for a visit adds a row; that row is known from
that look on, and the one before it stays what was known until then.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

# What a visit found; two looks that agree in it say the same.
CONTENT: Final = ("asset", "area", "asset_kind", "related_category", "at", "severity")


def content_of(frame: pd.DataFrame) -> pd.Series:
    """What each row says, as one text to compare by."""
    parts = [frame[name].astype("object").where(frame[name].notna(), "\x00").astype("str") for name in CONTENT]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "\x1f" + part
    return joined.astype("str")


def results_at(frame: pd.DataFrame, as_of: int | None = None) -> pd.DataFrame:
    """The newest result of each visit among those known strictly before `as_of`.

    Parameters
    ----------
    frame : DataFrame with the columns of `data.tables.inspection`, in any order
    as_of : int, seconds in UTC; None: everything is known

    Returns
    -------
    DataFrame with the same columns, oldest first
        The first look at a visit is known when the source could know it. Any other result is known from the look that
        showed it, also where the looks were imported in another order than they were taken.
    """
    looked = frame["recorded_at"].fillna(frame["known_at"]).astype("int64")
    ordered = frame.assign(_looked=looked, _content=content_of(frame))
    ordered = ordered.sort_values(["visit", "_looked", "inspection_id"], ignore_index=True)
    visited = ordered["visit"].notna().to_numpy(dtype=bool)
    same_visit = visited & (ordered["visit"] == ordered["visit"].shift()).fillna(False).to_numpy(dtype=bool)
    repeated = same_visit & (ordered["_content"] == ordered["_content"].shift()).fillna(False).to_numpy(dtype=bool)
    known = ordered["known_at"].to_numpy("int64")
    known = np.where(same_visit, np.maximum(known, ordered["_looked"].to_numpy("int64")), known)
    ordered["known_at"] = known
    ordered = ordered[~repeated]
    if as_of is not None:
        ordered = ordered[ordered["known_at"] < as_of]
    newest = ordered["visit"].isna() | ~ordered["visit"].duplicated(keep="last")
    found = ordered.loc[newest, list(frame.columns)]
    return found.sort_values(["known_at", "at", "inspection_id"], ignore_index=True)
