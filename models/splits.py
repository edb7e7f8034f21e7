"""Splits by time, with a gap as long as an outcome takes to mature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER
from features.outcomes import Outcome

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Which of n cases train and which test.

    Attributes
    ----------
    cut : seconds in UTC; the moment at which the model is thought to be made
    train : (n,) bool; opened before the cut, and their outcome was known at it. A case that was open then belongs to
        neither side: its outcome was still in the future.
    test : (n,) bool; opened at or after the cut, with an outcome known by now
    """

    cut: int
    train: Mask
    test: Mask


def split_at_share(cases: pd.DataFrame, outcome: Outcome, *, share: float, as_of: int) -> TimeSplit:
    """Cut where `share` of the cases with a promise had been opened.

    The cut is set by all cases with a promise, near-instant ones too: where it falls is a property of the history
    and should not move with what is later left out of the score.

    Raises
    ------
    UsageError
        If `share` is not inside (0, 1).
    NotEnoughDataError
        If no case was promised anything.
    """
    if not 0 < share < 1:
        raise UsageError(f"--split: expected a share between 0 and 1, such as 0.7, and got {share:g}.")
    opened = cases["opened_at"].to_numpy("int64")
    promised = cases["due_at_opening"].to_numpy("int64") < NEVER
    if not promised.any():
        raise NotEnoughDataError(
            "Expected cases with a promised date, and none has one: lateness has no meaning here. "
            "Map a column to `due_at`, if the export has one."
        )
    cut = int(np.quantile(opened[promised], share))
    return split_at(cases, outcome, cut=cut, as_of=as_of)


def split_at(cases: pd.DataFrame, outcome: Outcome, *, cut: int, as_of: int) -> TimeSplit:
    """Train on what was known at `cut`, test on what came after and is known by `as_of`."""
    opened = cases["opened_at"].to_numpy("int64")
    known = outcome.known_before(as_of)
    return TimeSplit(cut, known & (opened < cut) & (outcome.matures_at < cut), known & (opened >= cut))
