"""Whether a case was answered late, asked once for each case and at its opening: what a model learns first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER, is_near_instant
from features.terms import Int64s

# What a model can be made of so far; `features.outcomes.LANDMARK_OUTCOMES` are all four.
OUTCOMES: Final = ("late",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome of n cases, in their order.

    Attributes
    ----------
    name : one of `OUTCOMES`
    value : (n,) float64; 1 the office failed, 0 it did not, NaN not known (not yet, or the case was not followed so
        far) or without meaning
    matures_at : (n,) int64 seconds in UTC; the moment from which `value` can be known; NEVER for a case that has none
    eligible : (n,) bool; False for a case that has no such outcome at all: no promise was made, it was withdrawn, or
        it was closed within a minute of opening
    """

    name: str
    value: NDArray[np.float64]
    matures_at: Int64s
    eligible: NDArray[np.bool_]

    def known_before(self, as_of: int) -> NDArray[np.bool_]:
        """Which cases have a value that was known strictly before `as_of`; shape (n,), bool."""
        return self.eligible & (self.matures_at < as_of) & ~np.isnan(self.value)


def late(cases: pd.DataFrame, *, as_of: int, observed_until: Int64s | None = None) -> Outcome:
    """Whether each case was answered after the promise made when it was opened.

    A case is late if it was first answered after `due_at_opening`, or is still open after it. Being called a duplicate
    is an answer: nobody knows at the opening that it will be one, and leaving such cases out would be choosing by what
    came later. Every case matures at its promise and not when it is closed: a case that is answered early would
    otherwise be known sooner than one that is not, and the newest weeks would look better than they are.

    Parameters
    ----------
    cases : DataFrame as `fold_cases` gives it, of the events known before `as_of`
    as_of : int64 seconds in UTC
    observed_until : (n,) int64 seconds in UTC, how far each case was followed; up to `as_of` when not given
    """
    due = cases["due_at_opening"].to_numpy("int64")
    closed = cases["first_closed_at"].to_numpy("int64")
    duplicate = cases["duplicate_at"].to_numpy("int64")
    answered = np.minimum(closed, duplicate)
    followed = np.full(len(cases), as_of) if observed_until is None else np.minimum(observed_until, as_of)
    opened = cases["opened_at"].to_numpy("int64")
    promised = (due < NEVER) & (due > opened)
    withdrawn = (cases["withdrawn_known_at"].to_numpy("int64") < NEVER) & (duplicate == NEVER)
    eligible = promised & ~withdrawn & ~is_near_instant(opened, closed)
    matures = np.where(eligible, due, NEVER).astype(np.int64)
    # Not "or it was answered before": then the answered would be known and the open would not.
    known = eligible & (matures < as_of) & (matures < followed)
    value = np.where(known, (answered > due).astype(np.float64), np.nan)
    return Outcome("late", value, matures, eligible)
