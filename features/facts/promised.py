"""The promised time of a case, and cases that were promised about as long as keys."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from features.facts.codes import Coded, coded_numbers
from features.facts.tables import Int64s

# A promised moment that no event names. Below every moment, so no comparison takes it for one.
NO_DUE: Final = int(np.iinfo(np.int64).min)


def promised_seconds(opened_at: pd.Series, due_at: pd.Series) -> Int64s:
    """Time from opening to promise in seconds, shape (n,); 0 where no promise was made, or one in the past."""
    return seconds_promised(opened_at.to_numpy("int64"), due_moments(due_at))


def promise_keys(opened_at: pd.Series, due_at: pd.Series) -> dict[str, pd.Series]:
    """The promised time as keys: `promise` (octaves of hours, 4 hours to 2 years) and `promise_fine` (half octaves).

    Null where no promise was made. What was promised about as long ago fails about as often: the best guess for a type
    of problem that has no record of its own yet.
    """
    keys = coded_promise(promised_seconds(opened_at, due_at))
    return {name: pd.Series(key.column(), index=opened_at.index).astype("str") for name, key in keys.items()}


def due_moments(due_at: pd.Series) -> Int64s:
    """Promised moments as int64 seconds in UTC, shape (n,); `NO_DUE` for null."""
    return np.asarray(due_at.to_numpy("int64", na_value=NO_DUE), dtype=np.int64)


def seconds_promised(opened_at: Int64s, due: Int64s) -> Int64s:
    """`promised_seconds` of moments as `due_moments` gives them."""
    made = (due != NO_DUE) & (due < NEVER)
    return np.asarray(np.maximum(np.where(made, due, opened_at) - opened_at, 0))


def coded_promise(seconds: Int64s) -> dict[str, Coded]:
    """The keys `promise` and `promise_fine` of promised times in seconds; null where there are none."""
    octaves = np.log2(np.maximum(seconds, 1) / 3600)
    coarse = np.clip(np.floor(octaves + 0.5), 2, 14).astype(np.int64)
    fine = np.floor(2 * octaves + 0.5).astype(np.int64)
    made = seconds > 0
    return {"promise": coded_numbers(coarse, made), "promise_fine": coded_numbers(fine, made)}
