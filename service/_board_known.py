"""What a reader of an echo board may know of its weeks from other pages, taken at its worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from models.signals.detect import window_weeks
from service._board_proof import Known
from service._board_table import OPEN, RAISED, Bools, Ints
from service.board_block import Block

if TYPE_CHECKING:
    from service.board_counts import Counted

_SIGNAL: Final = ["area", "category", "category_group", "week", "method", "observed"]
_WINDOW: Final = 28 * 86_400
_WEEK: Final = 7 * 86_400


@dataclass(frozen=True)
class Told:
    """What is stored of other pages.

    Attributes
    ----------
    signals : DataFrame with `area`, `category`, `category_group`, `week`, `method`, `observed`, of all detections
    inflows : DataFrame with `unit`, `as_of`, `inflow_28d` of areas, whose windows lie within the block
    """

    signals: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_SIGNAL))
    inflows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["unit", "as_of", "inflow_28d"]))


def known_elsewhere(
    counted: Counted,
    block: Block,
    nodes: Sequence[str],
    members: Bools,
    types: Sequence[str],
    column_of: Ints,
    minimum: int,
    told: Told,
) -> list[Known]:
    """What other pages tell at most.

    - Of every type in every node: each week with `minimum` cases or more, whether a signal ever shows it or not, and
      each window of a signal with as many. The same for a group of types that a signal was about.
    - Of all types of an area: inflows of 28 days within the block that do not overlap, as much of them as there is.
    - The cases open in an area when the following up ended, however old: no more of the block's are.
    """
    return [
        *_weeks(counted, block, nodes, members, types, column_of, minimum, told.signals),
        *_inflows(counted, types, told.inflows, minimum),
        *_backlogs(counted, types, minimum),
    ]


def _weeks(
    counted: Counted,
    block: Block,
    nodes: Sequence[str],
    members: Bools,
    types: Sequence[str],
    column_of: Ints,
    minimum: int,
    signals: pd.DataFrame,
) -> Iterator[Known]:
    windows = _windows(signals, block, minimum)
    series = {code: np.array([code == one for one in counted.types]) for code in counted.types}
    groups = signals.dropna(subset=["category_group"]).groupby("category_group")["category"].unique()
    for group, inside in groups.items():
        series.setdefault(str(group), np.isin(counted.types, list(inside)))
    for node, area in enumerate(nodes):
        by_type = counted.weekly[members[node]].sum(axis=0)
        for code, chosen in series.items():
            weeks = by_type[chosen].sum(axis=0)
            covered = weeks >= minimum
            for first, last in windows.get((area, code), ()):
                covered |= (np.array(block.weeks) >= first) & (np.array(block.weeks) <= last)
            if covered.any():
                columns = np.zeros(len(types), dtype=bool)
                columns[column_of[chosen]] = True
                # All of it told is all of it known, and nothing is left to keep.
                yield Known(members[node], columns, RAISED, 1, int(weeks[covered].sum()), rest=not covered.all())


def _windows(signals: pd.DataFrame, block: Block, minimum: int) -> Mapping[tuple[str, str], list[tuple[int, int]]]:
    """First and last week of the windows that signals may show, by area and type or group."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    large = signals[signals["observed"] >= minimum]
    for area, code, week, method in zip(*(large[name] for name in ("area", "category", "week", "method")), strict=True):
        # Half a week more or less: clocks change.
        first = int(week) - (window_weeks(str(method)) - 1) * _WEEK - _WEEK // 2
        last = int(week) + _WEEK // 2
        if last > block.since and first < block.until:
            found.setdefault((str(area), str(code)), []).append((first, last))
    return found


def _inflows(counted: Counted, types: Sequence[str], inflows: pd.DataFrame, minimum: int) -> Iterator[Known]:
    every = np.ones(len(types), dtype=bool)
    shown = inflows[inflows["inflow_28d"] >= minimum]
    for place, area in enumerate(counted.areas):
        own = shown[shown["unit"] == area].sort_values("as_of")
        most = _side_by_side(own["as_of"].tolist(), own["inflow_28d"].tolist())
        if most:
            leaves = np.zeros(len(counted.areas), dtype=bool)
            leaves[place] = True
            yield Known(leaves, every, RAISED, 1, most)


def _side_by_side(ends: Sequence[int], counts: Sequence[int]) -> int:
    """The largest sum of counts of windows that do not overlap; `ends` rise."""
    best: list[int] = []
    for place, end in enumerate(ends):
        before = int(np.searchsorted(ends, end - _WINDOW, side="right"))
        with_it = int(counts[place]) + (best[before - 1] if before else 0)
        best.append(max(with_it, best[-1] if best else 0))
    return best[-1] if best else 0


def _backlogs(counted: Counted, types: Sequence[str], minimum: int) -> Iterator[Known]:
    every = np.ones(len(types), dtype=bool)
    for place, backlog in enumerate(counted.backlog.tolist()):
        if backlog >= minimum:
            leaves = np.zeros(len(counted.areas), dtype=bool)
            leaves[place] = True
            yield Known(leaves, every, OPEN, -1, backlog)
