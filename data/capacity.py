"""How many cases an office can answer on a working day, over time, as far as it was known.

A record says: from this moment on, so many. It is never changed. A correction is another record of the same office and
the same moment that became known later, and a plan is one that was known before its moment. What is in force at a
moment t is, of the records that had begun and were known strictly before t, the one that begins last; of those of one
beginning, the one that became known last.

As facts that only ever add up, a record counts from `max(from_at, known_at)` on, by the difference that it makes then.
A figure is of an office and of nobody in it: there is no list of staff, and none is asked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

# Of one office, its beginning and the moment it became known: what a record is told from another by.
CAPACITY_KEY: Final = ("office", "from_at", "known_at")
CAPACITY_COLUMNS: Final = (*CAPACITY_KEY, "capacity_per_day")

# Thousandths of a case per working day: sums of integers are exact in any order and on any engine.
CAPACITY_SCALE: Final = 1000


def capacity_changes(frame: pd.DataFrame, as_of: int | None = None) -> pd.DataFrame:
    """Capacities as changes that add up: the sum of an office's changes before t is what was known to be in force at t.

    Parameters
    ----------
    frame : DataFrame with `CAPACITY_COLUMNS`, in any order
        `from_at` and `known_at` are int64 seconds in UTC; `capacity_per_day` is cases per working day, 0 or more. No
        two rows may agree in all of `CAPACITY_KEY`.
    as_of : int, seconds in UTC
        Only changes strictly before it; None: all, plans for the future among them.

    Returns
    -------
    DataFrame with `office` (str), `at` (int64 seconds in UTC) and `change` (int64, thousandths of a case per working
    day), sorted by office and moment; at most one row for each.
        The first row of an office is there even if it changes nothing (a capacity of 0): an office with no row before t
        is one whose capacity was not known at t. Every later row is a change other than 0. A row never depends on what
        became known after it, so the rows of an earlier as-of are the first rows of any later one.

    Raises
    ------
    ValueError
        If two rows agree in `CAPACITY_KEY`: both cannot be true.
    """
    if frame.duplicated([*CAPACITY_KEY]).any():
        raise ValueError("Expected one capacity for each office, beginning and moment it became known, got two.")
    codes, offices = pd.factorize(frame["office"], sort=True)
    begins, known = frame["from_at"].to_numpy("int64"), frame["known_at"].to_numpy("int64")
    counts = np.maximum(begins, known)
    if as_of is not None:
        chosen = counts < as_of
        frame, codes, begins, known, counts = (
            frame[chosen],
            codes[chosen],
            begins[chosen],
            known[chosen],
            counts[chosen],
        )
    levels = np.rint(frame["capacity_per_day"].to_numpy("float64") * CAPACITY_SCALE).astype(np.int64)
    # The later it begins, and then the later it became known, the more it weighs, whenever it comes to be counted.
    by_weight = np.lexsort((known, begins))
    weight = np.empty(len(frame), dtype=np.int64)
    weight[by_weight] = np.arange(len(frame))
    order = np.lexsort((weight, counts, codes))
    rows = pd.DataFrame({"office": codes[order], "at": counts[order], "weight": weight[order]})
    in_force = rows.groupby("office")["weight"].cummax().to_numpy("int64")
    rows["level"] = levels[by_weight][in_force]
    # Of several that come to count at one second, what holds after all of them.
    rows = rows[~rows.duplicated(["office", "at"], keep="last")]
    change = rows["level"] - rows.groupby("office")["level"].shift(fill_value=0)
    kept = (change != 0) | ~rows.duplicated("office")
    rows = rows.assign(change=change)[kept]
    return pd.DataFrame(
        {
            "office": pd.Series(np.asarray(offices, dtype=object)[rows["office"].to_numpy("int64")], dtype="str"),
            "at": rows["at"].to_numpy("int64"),
            "change": rows["change"].to_numpy("int64"),
        }
    )
