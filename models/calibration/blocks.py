"""Which cases share their luck, and which come after which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

WEEK: Final = 7 * 86_400
# With fewer weeks than this their own variance is anyone's guess; groups are taken instead.
FEWEST_WEEKS: Final = 6


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows that share their luck.

    Attributes
    ----------
    code : (m,) of each row, from 0
    count : number of blocks
    in_time : whether blocks follow each other in time, so that luck may last from one to the next
    """

    code: Ints
    count: int
    in_time: bool


def first_rows(at: Ints, groups: NDArray[Any] | None) -> Ints:
    """For each row the moment of the first row of its group, (m,)."""
    if groups is None:
        return at
    _, code = np.unique(groups, return_inverse=True)
    first = np.full(int(code.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, code, at)
    return np.asarray(first[code])


def share_luck(m: int, at: Ints | None, groups: NDArray[Any] | None) -> Blocks | None:
    """Blocks of m rows that share their luck: weeks (UTC, of a group's first row), else groups, else None.

    A group is never in two blocks.
    """
    if m == 0:
        return None
    if at is not None:
        weeks = first_rows(np.asarray(at, dtype=np.int64), groups) // WEEK
        codes = np.unique(weeks, return_inverse=True)[1]
        if codes.max() + 1 >= FEWEST_WEEKS:
            return Blocks(np.asarray(codes, dtype=np.int64), int(codes.max()) + 1, in_time=True)
    if groups is None:
        return None
    codes = np.unique(groups, return_inverse=True)[1]
    return Blocks(np.asarray(codes, dtype=np.int64), int(codes.max()) + 1, in_time=False)


def consecutive_parts(m: int, at: Ints | None, groups: NDArray[Any] | None, parts: int) -> Ints:
    """Cut rows into parts of about as many rows, one after the other in time; a group is never in two parts.

    Rows of one moment stay together. Returns (m,) numbers from 0.
    """
    if m == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.arange(m, dtype=np.int64) if at is None else np.asarray(at, dtype=np.int64)
    moment = first_rows(order, groups)
    earlier = np.searchsorted(np.sort(moment), moment, "left")
    return np.asarray(earlier * parts // m, dtype=np.int64)
