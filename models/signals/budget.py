"""Which signals are told first, when there are more of them than anyone can look at.

Nothing is taken away: a signal that is not told first is still a signal, is stored and listed, and how many there are
is said openly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError

Bools = NDArray[np.bool_]

_ORDER: Final = ("q_value", "excess", "area", "category", "direction")


def told_first(
    signals: pd.DataFrame, *, most_per_area: int | None = None, most_per_week: int | None = None
) -> pd.Series:
    """Mark the signals that are told first.

    Parameters
    ----------
    signals : rows of `models.signals.detect_signals` or of its history: `week`, `area`, `category`, `direction`,
        `observed`, `expected`, `q_value`
    most_per_area, most_per_week : at most so many of an area in a week, and of a week over all. None: no limit.

    Returns
    -------
    bool Series, by the index of `signals`. The clearest come first: those with the smallest q-value, and among equals
    those farthest from what was expected, in cases.

    Raises
    ------
    UsageError
        If a limit is below 1.
    """
    for most in (most_per_area, most_per_week):
        if most is not None and most < 1:
            raise UsageError(f"Expected a limit of at least one signal, or None for no limit; got {most}.")
    ranked = signals.assign(excess=(signals["observed"] - signals["expected"]).abs()).sort_values(
        list(_ORDER), ascending=[name != "excess" for name in _ORDER], kind="stable"
    )
    told = pd.Series(data=True, index=ranked.index, dtype=bool)
    if most_per_area is not None:
        told &= ranked.groupby(["week", "area"]).cumcount() < most_per_area
    if most_per_week is not None:
        # An area's own limit comes first, so that one area cannot take up the week.
        told &= told.groupby(ranked["week"]).cumsum() <= most_per_week
    return told.reindex(signals.index)


def more_signals(signals: pd.DataFrame) -> int:
    """How many of the signals are not told first: "and 7 more"."""
    return int((~signals["told"]).sum())
