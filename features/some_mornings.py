"""A share of all mornings to learn from, chosen so that neither the future nor a case's name has a say.

A case that stays open for a year has 365 mornings that hardly differ. Each morning is taken or left by a number that
is worked out from what was known at it (the moment, the opening, the promise), so that whether it is taken says nothing
about how the case ends, and the mornings taken stand for all: what a model is told about them, it may say on any.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_Words = NDArray[np.uint64]


def taken_mornings(known: Iterable[NDArray[np.int64]], most: int) -> Mask:
    """Which of n mornings are taken: about `most` of them, all where there are no more; (n,) bool.

    Parameters
    ----------
    known : arrays (n,) int64 of what was known of each morning: its moment first
    most : how many are expected to be taken
    """
    mixed: _Words | None = None
    with np.errstate(over="ignore"):
        for values in known:
            words = values.astype(np.uint64)
            mixed = _mix(words if mixed is None else mixed + words)
    if mixed is None or not len(mixed):
        return np.zeros(0, dtype=bool)
    share = min(1.0, most / len(mixed))
    # 53 bits make a number in [0, 1).
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) < share * 2.0**53)


def _mix(value: _Words) -> _Words:
    """The mixing function of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
