"""The echo board, counted and disclosed: of the cases raised in twelve weeks, how many were solved, how many are open.

The weeks lie on a fixed grid (`service.board_block`), and every case is followed up until exactly four weeks after
their end. A block is counted once, disclosed at once, and what was told stands: no two boards have a case in common,
and none is told twice, so that whoever keeps all boards has no more than each of them says.

Twelve weeks, because that is three times the 28 days of the pressure: inflows of an area that lie end to end within a
block leave over a whole such window or nothing, where thirteen weeks would leave over a single week. Four weeks of
following up, because no window of the pressure then reaches back from the day the board comes out into its weeks.

What it guarantees: no count under the minimum is shown; and every small count of the board (raised, solved, still open,
neither, and what is left of one beside another; of an area, of what lies in an area and in none within it, of the
city; of a listed type, of all others together, of all types) could be 0 and could be the minimum less 1 by everything
that the board shows and that other pages may have told of its weeks: every week of a type of problem in an area, town
or the city with as many cases as the minimum, every window of a signal, inflows of an area that lie side by side, and
the backlog of an area on the day the following up ended. `service._board_proof` proves it for every board.

What it does not guarantee: against readers who keep the pressure of days whose windows overlap, as `service.disclosure`
says; against people who know of cases themselves; for the types that are not listed one by one; and against a reader
who knows how what stays back is chosen, and works back from the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data import tables
from data.event_log import NEVER, fold_cases, known_before
from data.schema import ClosingReason
from data.store import Store
from models.signals.counts import ALL, near_instant
from service._board_known import Told, known_elsewhere
from service._board_proof import disclosed
from service._board_table import BoardTable, Bools, Ints
from service.board_block import Block
from service.board_cover import Gap, board_gaps, has_come_in, live_sources
from service.disclosure import MINIMUM

# The types with most cases of the city are listed one by one. More are more than a page can say, little of them is left
# beside what has to stay back, and the proof takes many times as long.
LISTED: Final = 11
OTHERS: Final = "*others"
COLUMNS: Final = tuple(column.name for column in tables.board_count.columns)
_DAY: Final = 86_400


@dataclass(frozen=True, eq=False)
class Counted:
    """The cases of one block, undisclosed.

    Attributes
    ----------
    areas, types : codes, sorted; all that ever had a case
    weekly : (n_areas, n_types, n_weeks) int64, of the cases raised
    solved, still_open : (n_areas, n_types) int64
    backlog : (n_areas,) int64, cases of any time open at the end of the following up
    """

    areas: list[str]
    types: list[str]
    weekly: Ints
    solved: Ints
    still_open: Ints
    backlog: Ints


def count_block(events: pd.DataFrame, block: Block, time_zone: str) -> Counted | None:
    """Count the cases of a block by what was known strictly before the end of its following up.

    Every case counts that has an area and a category and was no record of work already done (closed within a minute).
    Solved are those closed as resolved and neither open again nor withdrawn; what is neither solved nor still open was
    withdrawn, found to be a duplicate, or closed in another way. None where the record began after the first week.
    """
    known = known_before(events, block.counted_at)
    cases = fold_cases(known) if len(known) else None
    if cases is None or int(cases["opened_at"].min()) >= block.weeks[1]:
        return None
    reports = cases[cases["area"].notna() & cases["category"].notna()]
    reports = reports[~near_instant(reports, block.counted_at, time_zone)]
    if reports.empty:
        return None
    area, areas = pd.factorize(reports["area"], sort=True)
    kind, types = pd.factorize(reports["category"], sort=True)
    opened_at = reports["opened_at"].to_numpy("int64")
    week = np.searchsorted(block.weeks, opened_at, side="right") - 1
    inside = (opened_at >= block.since) & (opened_at < block.until)
    gone, closed = (reports[name].to_numpy() < NEVER for name in ("withdrawn_known_at", "closed_at"))
    resolved = reports["closing_reason"].eq(ClosingReason.RESOLVED.value).fillna(value=False).to_numpy(bool)
    solved, still_open = inside & closed & resolved & ~gone, inside & ~closed & ~gone
    shape = len(areas), len(types)
    weekly = np.zeros((*shape, len(block.weeks)), dtype=np.int64)
    np.add.at(weekly, (area[inside], kind[inside], week[inside]), 1)
    return Counted(
        areas=[str(one) for one in areas],
        types=[str(one) for one in types],
        weekly=weekly,
        solved=_tally(shape, area, kind, solved),
        still_open=_tally(shape, area, kind, still_open),
        backlog=_tally(shape, area, kind, ~closed & ~gone).sum(axis=1),
    )


def _tally(shape: tuple[int, int], area: Ints, kind: Ints, chosen: Bools) -> Ints:
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (area[chosen], kind[chosen]), 1)
    return counts


def board_of(
    counted: Counted,
    block: Block,
    *,
    parents: Mapping[str, str],
    minimum: int = MINIMUM,
    told: Told | None = None,
) -> pd.DataFrame:
    """Disclose the counts of a block.

    Parameters
    ----------
    counted : Counted
    block : Block
    parents : from an area to the one that it lies in
    minimum : the smallest count that is shown
    told : what other pages may have told of those weeks; None: of weeks and the backlog only, which are taken to be
        told in any case

    Returns
    -------
    DataFrame with `COLUMNS`, sorted by area and category, null where withheld
        A row for the city and each area, what lies in it included, and for all types, each listed one, and all others
        together (where there are others).
    """
    types, column_of = _listed(counted)
    nodes, members = _nodes(counted.areas, parents)
    cells = np.zeros((len(counted.areas), len(types), 3), dtype=np.int64)
    rest = counted.weekly.sum(axis=2) - counted.solved - counted.still_open
    for part, counts in enumerate((counted.solved, counted.still_open, rest)):
        np.add.at(cells[..., part].T, column_of, counts.T)
    table = BoardTable(cells, members, _children(members))
    elsewhere = known_elsewhere(counted, block, nodes, members, types, column_of, minimum, told or Told())
    hidden = disclosed(table, minimum, elsewhere)
    rows = []
    for node, area in enumerate(nodes):
        for column, category in enumerate([*types, ALL]):
            figures = [
                None if back else int(value)
                for value, back in zip(table.values[node, column], hidden[node, column], strict=True)
            ]
            rows.append((block.counted_at, area, category, block.since, minimum, *figures))
    frame = pd.DataFrame(rows, columns=[*COLUMNS])
    frame = frame.astype(dict.fromkeys(("raised", "solved", "still_open"), "Int64"))
    return frame.sort_values(["area", "category"], ignore_index=True)


def keep_board(
    store: Store,
    events: pd.DataFrame,
    *,
    as_of: int,
    time_zone: str,
    parents: Mapping[str, str],
    minimum: int = MINIMUM,
    observed_until: pd.Series | None = None,
    last_import: int | None = None,
) -> tuple[Gap, ...]:
    """Count and disclose the newest block that had been followed up at `as_of`, and keep it, unless it is kept already.

    Parameters
    ----------
    events : what was known strictly before `as_of` (seconds in UTC)
    observed_until : when each of their cases had last been looked at; None: up to `as_of`
    last_import : number of the newest import that they are of. Where another has come in meanwhile, of a source that
        does not post its events as they happen, they may be half of an import, and the next detection makes the board;
        None: that is not asked

    Returns
    -------
    tuple of `service.board_cover.Gap`
        What the sources lack of the block; where there is any, none was made.
    """
    block = Block.newest(as_of, time_zone)
    if store.has_board(block.counted_at):
        return ()
    counted = count_block(events, block, time_zone)
    if counted is None:
        return ()
    seen = pd.Series(as_of, index=pd.Index(events["case_id"].unique())) if observed_until is None else observed_until
    gaps = board_gaps(store, seen, block, time_zone)
    if not gaps:
        told = Told(store.read_all_signals(), store.read_inflows(block.since, block.until))
        board = board_of(counted, block, parents=parents, minimum=minimum, told=told)
        live = live_sources(store)
        store.add_board_counts(board, unless=lambda connection: has_come_in(connection, last_import, live))
    return gaps


def _listed(counted: Counted) -> tuple[list[str], Ints]:
    """The types of the board, and for every type the place of its own among them, or that of the others."""
    totals = counted.weekly.sum(axis=(0, 2))
    order = sorted(range(len(counted.types)), key=lambda kind: (-int(totals[kind]), counted.types[kind]))
    # One that is left alone is itself, and by that name.
    n_listed = len(order) if len(order) <= LISTED + 1 else LISTED
    listed = sorted(order[:n_listed])
    types = [counted.types[kind] for kind in listed] + [OTHERS] * (n_listed < len(order))
    place = dict(zip(listed, range(n_listed), strict=True))
    return types, np.array([place.get(kind, n_listed) for kind in range(len(order))], dtype=np.int64)


def _nodes(areas: Sequence[str], parents: Mapping[str, str]) -> tuple[list[str], Bools]:
    """The city and every area with a case in it, sorted; which areas with cases of their own lie in each."""
    within: dict[str, set[int]] = {}
    for place, area in enumerate(areas):
        above: str | None = area
        seen: set[str] = set()
        while above is not None and above not in seen:
            seen.add(above)
            within.setdefault(above, set()).add(place)
            above = parents.get(above)
    # An area that holds all others is the city under another name.
    nodes = [ALL, *sorted(area for area, inside in within.items() if len(inside) < len(areas) or len(areas) == 1)]
    members = np.zeros((len(nodes), len(areas)), dtype=bool)
    members[0] = True
    for node, area in enumerate(nodes[1:], start=1):
        members[node, sorted(within[area])] = True
    return nodes, members


def _children(members: Bools) -> tuple[tuple[int, ...], ...]:
    """The nodes directly within each; of two that hold the same, the later one lies in the earlier."""
    sizes = members.sum(axis=1)
    found: list[list[int]] = [[] for _ in sizes]
    for node in range(1, len(sizes)):
        holding = [
            other
            for other in range(len(sizes))
            if other != node
            and (members[other] | ~members[node]).all()
            and (sizes[other] > sizes[node] or other < node)
        ]
        found[min(holding, key=lambda other: (sizes[other], -other))].append(node)
    return tuple(map(tuple, found))
