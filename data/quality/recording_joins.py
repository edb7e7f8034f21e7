"""Areas that join the record of a category, and names under which other cases are counted than before.

Both are found in weekly counts of area and category, at the week they begin and not only when there is record enough
beside them to prove it (`data.quality.recording` waits for that): a detector has to know in the very week.

- *Joining.* An area had (next to) none of a category, for so long that even a fifth of the rate at which the areas that
  have it report it makes that all but impossible; and then it has it at a rate like theirs. That is an area that began
  to record the category. An area that reports it in earnest, however rarely, is none.
- *Dividing anew.* A name stops (or starts) for all areas together as another name rises (or falls) by about as much:
  a merger (or a split). What the other name counted before is no past for what it counts now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.quality.label_trust_nulls import zero_run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# exp(-7) is below one in a thousand: so many cases are expected at a fifth of the others' rate.
_IMPOSSIBLE: Final = 7.0
_FIFTH: Final = 0.2
# Strays before the record proper: a twentieth of what the others' rate makes usual.
_STRAYS: Final = 0.05
# Once it has joined, an area reports at least so much of the others' rate.
_IN_EARNEST: Final = 1 / 3
# Reports by which an area counts as one that has the category.
_HAS_IT: Final = 10

_STRETCH: Final = 13
_RATIO: Final = 2.0
# Chance at which an empty week, or run of weeks, of a whole name is none.
_NOT_BY_CHANCE: Final = 0.001
_STEP_DEVIATIONS: Final = 4.0
# A step is about as large as what stopped or started.
_ABOUT: Final = (0.5, 1.5)
_BESIDE: Final = 1


def joined_since(matrix: Ints, area: Ints, category: Ints) -> Ints:
    """First whole week of each series that joined the record later than its category did; (n_series,), 0 for others.

    Parameters
    ----------
    matrix : (n_weeks, n_series) counts
    area, category : (n_series,) codes from 0 on; every area with every category

    Returns
    -------
    The week after the one in which the area joined, at most the number of weeks: a series that joined in the newest
    week has no past yet.
    """
    n_areas, n_categories = int(area.max(initial=-1)) + 1, int(category.max(initial=-1)) + 1
    since = np.zeros(len(area), dtype=np.int64)
    cells = np.zeros((len(matrix), n_areas, n_categories))
    cells[:, area, category] = matrix
    everything = cells.sum(axis=2)
    for one in range(n_categories):
        own = cells[:, :, one]
        if (own.sum(axis=0) >= _HAS_IT).sum() < 1 or own.sum() == 0:
            continue
        week = _joined(own, everything - own)
        there = category == one
        since[there] = week[area[there]]
    return since


def _joined(own: Floats, others: Floats) -> Ints:
    """For one category: the first whole week of each area that joined; (n_areas,). `own`, `others` (n_weeks, n_areas).

    `others` are the reports of the other categories: how much an area reports at all.
    """
    n_weeks, n_areas = own.shape
    since = np.zeros(n_areas, dtype=np.int64)
    total, size = own.sum(axis=0), others.sum(axis=0)
    # Weeks before the category's first report say nothing of any area.
    started = int(np.flatnonzero(own.sum(axis=1))[0])
    has_it = total >= _HAS_IT
    first = np.where(has_it, np.argmax(np.cumsum(own, axis=0) >= 1, axis=0), n_weeks)
    for place in np.flatnonzero((total > 0) & (size > 0)):
        beside = has_it & (np.arange(n_areas) != place)
        if not beside.any():
            continue
        # Only weeks in which an area had joined already count for its rate.
        inside = (np.arange(n_weeks)[:, None] > first[beside]) & (np.arange(n_weeks)[:, None] >= started)
        reported, reach = (own[:, beside] * inside).sum(), (others[:, beside] * inside).sum()
        if reach <= 0:
            continue
        usual = np.where(np.arange(n_weeks) >= started, others[:, place], 0.0) * reported / reach
        before, had = np.r_[0.0, np.cumsum(usual)], np.r_[0.0, np.cumsum(own[:, place])]
        hardly = (had <= _STRAYS * before) & (_FIFTH * before >= _IMPOSSIBLE)
        # The week in which it joined is not among those with hardly any.
        hardly[1:] &= own[:, place] <= _IN_EARNEST * usual
        in_earnest = (had[-1] - had) >= np.maximum(_IN_EARNEST * (before[-1] - before), 1.0)
        joined = np.flatnonzero(hardly & in_earnest)
        if len(joined):
            since[place] = min(int(joined[-1]) + 1, n_weeks)
    return since


@dataclass(frozen=True, slots=True)
class Edge:
    """A name that starts or stops for all together: `week` is the first with it, or the first without."""

    row: int
    kind: Literal["start", "stop"]
    week: int
    usual: float


def edges(totals: Ints) -> list[Edge]:
    """Starts and stops of whole names, the newest week included; `totals` (n_names, n_weeks).

    A stop is told from one empty week on where that is all but impossible (one in a thousand).
    """
    found: list[Edge] = []
    n_weeks = totals.shape[1]
    for row in np.flatnonzero(totals.sum(axis=1) > 0):
        filled = np.flatnonzero(totals[row])
        first, end = int(filled[0]), int(filled[-1]) + 1
        if first > 0:
            beside = totals[row, first : first + _STRETCH]
            # The week in which it starts is seldom whole; where it is all there is, it has to do.
            beside = beside[1:] if len(beside) > 1 else beside
            if zero_run(float(beside.sum()), float(len(beside)), float(first), _RATIO) <= _NOT_BY_CHANCE:
                found.append(Edge(int(row), "start", first, float(beside.mean())))
        if end < n_weeks:
            beside = totals[row, max(end - 1 - _STRETCH, 0) : max(end - 1, 0)]
            if len(beside) and zero_run(float(beside.sum()), float(len(beside)), n_weeks - end, _RATIO) <= (
                _NOT_BY_CHANCE
            ):
                found.append(Edge(int(row), "stop", end, float(beside.mean())))
    return found


def divided_anew(totals: Ints, found: list[Edge]) -> dict[int, int]:
    """Names whose count stepped by about as much as others started or stopped with: row and first week of what is new.

    `totals` (n_names, n_weeks), `found` as `edges` gives them. Where a name steps more than once, the last counts.
    """
    anew: dict[int, int] = {}
    moving = {edge.row for edge in found}
    for edge in found:
        sign = 1.0 if edge.kind == "stop" else -1.0
        together = sum(
            other.usual for other in found if other.kind == edge.kind and abs(other.week - edge.week) <= _BESIDE
        )
        for row in range(len(totals)):
            if row in moving or totals[row].sum() == 0:
                continue
            week = _step(totals[row], edge.week, sign, _ABOUT[0] * edge.usual, _ABOUT[1] * together)
            if week is not None:
                anew[row] = max(anew.get(row, 0), week)
    return anew


def _step(counts: Ints, near: int, sign: float, least: float, most: float) -> int | None:
    """The week within one of `near` at which the counts step by an amount between the two, the clearest; or None."""
    best, chosen = _STEP_DEVIATIONS, None
    for week in range(max(near - _BESIDE, 1), min(near + _BESIDE, len(counts) - 1) + 1):
        before, after = counts[max(week - _STRETCH, 0) : week], counts[week : week + _STRETCH]
        step = sign * (float(after.mean()) - float(before.mean()))
        noise = np.sqrt(_RATIO * ((before.mean() + 1) / len(before) + (after.mean() + 1) / len(after)))
        if least <= step <= most and step / noise > best:
            best, chosen = step / noise, week
    return chosen


__all__ = ["Edge", "divided_anew", "edges", "joined_since"]
