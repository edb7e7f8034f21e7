"""Which rows learn, which judge the members, and which conformalise: by the time of their cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.remaining_time.stack import Rows

Int64s = NDArray[np.int64]

# Fewer rows than this are not taken apart.
FEWEST_ROWS: Final = 40


@dataclass(frozen=True)
class Parts:
    """Rows by their use; None where there are too few.

    Attributes
    ----------
    before_judge, judge : to fit the members once, and to choose their shares by
    learn : to fit the members
    conform : newer cases, none of which is in `learn`
    """

    learn: Rows
    conform: Rows | None
    before_judge: Rows | None
    judge: Rows | None


def parts_by_time(rows: Rows, known_at: Int64s, share: float) -> Parts:
    """The newest share of the cases conformalise, as many before them judge.

    Rows that learn are cut at the first landmark of those that check them: what was not known by then is censored,
    as it will be on the day.

    Parameters
    ----------
    known_at : (n,) from when each outcome was known
    share : of the cases, between 0 and 0.5; 0: none is kept apart
    """
    first = _first_landmark(rows)
    if len(rows.y) < FEWEST_ROWS or share <= 0:
        return Parts(rows, None, None, None)
    opened = np.sort(np.unique(rows.groups, return_index=True)[1])
    starts = np.sort(first[opened])
    late = int(starts[min(len(starts) - 1, int(np.ceil(len(starts) * (1 - share))))])
    early = int(starts[int(len(starts) * (1 - 2 * share))])
    conform, learn = first >= late, _known(rows, known_at, first, late)
    if not conform.any() or not len(learn.y) or conform.all():
        return Parts(rows, None, None, None)
    before = _known(rows, known_at, first, early)
    # With all that is known by now: cut at the conformal part, only the quick ones would judge.
    judge = rows.take((first >= early) & (first < late))
    if len(before.y) < FEWEST_ROWS // 2 or not len(judge.y):
        return Parts(learn, rows.take(conform), None, None)
    return Parts(learn, rows.take(conform), before, judge)


def _known(rows: Rows, known_at: Int64s, first: Int64s, moment: int) -> Rows:
    """What was known before a moment of the landmarks before it; none of a case that began later."""
    return rows.as_of(moment, known_at).take((first < moment) & (rows.at < moment))


def _first_landmark(rows: Rows) -> Int64s:
    """The earliest landmark of each row's case, (n,)."""
    size = int(rows.groups.max()) + 1
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, rows.groups, rows.at)
    return first[rows.groups]
