"""A share of all mornings to learn from, chosen so that neither the future nor a case's name has a say.

A case that stays open for a year has 365 mornings that hardly differ. Each morning is taken or left by a number that
is worked out from what was known at it (the moment, the opening, the promise), so that whether it is taken says nothing
about how the case ends, and the mornings taken stand for all: what a model is told about them, it may say on any.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_Words = NDArray[np.uint64]

_COLUMNS: Final = ("landmark_at", "opened_at", "due_at", "opened_known_at")


def some_mornings(landmarks: pd.DataFrame, most: int) -> Mask:
    """All openings and events, and about `most` of the mornings (all where there are no more); (n,) bool.

    Parameters
    ----------
    landmarks : see `features.landmarks`; `kind` and `_COLUMNS` are read
    most : how many mornings are expected to be taken
    """
    morning = (landmarks["kind"] == "morning").to_numpy()
    share = min(1.0, most / max(int(morning.sum()), 1))
    return np.asarray(~morning | (_uniform(landmarks) < share))


def _uniform(landmarks: pd.DataFrame) -> NDArray[np.float64]:
    """A number in [0, 1) of each landmark, (n,), by the mixing function of SplitMix64 (Steele et al. 2014)."""
    mixed: _Words = np.zeros(len(landmarks), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in _COLUMNS:
            mixed = _mix(mixed + landmarks[name].to_numpy("int64").astype(np.uint64))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mix(value: _Words) -> _Words:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
