"""Whether what was imported tells all of a block of weeks: a board of half of it would stand for twelve weeks.

What cannot be noticed here is a part that every week and every look is missing alike, such as one district of several.
For that a board can be withdrawn (`heed board withdraw`); it is then told never again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from data import tables
from data.event_log import NEVER
from data.schema import EventKind
from data.store import Store
from data.store_tables import frame_of
from service._board_table import Bools, Ints
from service.board_block import WEEKS, Block

Why = Literal["unfinished_fetch", "not_looked_at", "missing_weeks"]

WORDS: Final[dict[Why, str]] = {
    "unfinished_fetch": "its last fetch is not finished; `heed sync` goes on with it",
    "not_looked_at": "no look at it covers these weeks since their following up ended; import a newer export",
    "missing_weeks": "it has weeks without a case, and had none before; import what is missing",
}
# With fewer weeks before a block, a source has no habit that a week without a case could break.
_FEWEST: Final = 4
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Gap:
    """What a source lacks of a block."""

    source: str
    why: Why


def board_gaps(store: Store, observed_until: pd.Series, block: Block, time_zone: str) -> tuple[Gap, ...]:
    """What the sources of a store lack of a block; sorted by source, none where it is told whole.

    Parameters
    ----------
    store : Store
    observed_until : when each case had last been looked at, as `data.replay.Replay.observed_until` gives it
    block : Block
    time_zone : of the offices

    A source is asked if it has a case in the block, or had one in each of the weeks before it.

    - Of an export, a look after the end of the following up must have covered cases of the block; a source that posts
      its events as they happen must have posted since.
    - A source that had a case in every week of the block before, as far as it was there, must have one in every week of
      this one.
    - No fetch may be half done.
    """
    before = Block.since_week(block.since - (WEEKS * 7 - 1) * _DAY, time_zone)
    cases = _openings(store, before.since)
    cases = cases[cases["case_id"].isin(observed_until.index)]
    live = live_sources(store)
    found = {Gap(name, "unfinished_fetch") for name in _unfinished(store)}
    for source, own in cases.groupby("source"):
        opened_at = own["at"].to_numpy("int64")
        inside = (opened_at >= block.since) & (opened_at < block.until)
        earlier, weeks = _weeks_with_cases(opened_at, before), _weeks_with_cases(opened_at, block)
        if _is_habit(earlier) and not weeks.all():
            found.add(Gap(str(source), "missing_weeks"))
        asked = np.ones(len(own), dtype=bool) if source in live else inside
        seen = observed_until.reindex(own["case_id"]).to_numpy("int64")[asked]
        # What a look shows lies before it: one of the last second of the following up has seen it all.
        if inside.any() and int(seen.max()) + 1 < block.counted_at:
            found.add(Gap(str(source), "not_looked_at"))
    return tuple(sorted(found, key=lambda gap: (gap.source, gap.why)))


def _openings(store: Store, since: int) -> pd.DataFrame:
    event = tables.event.c
    query = select(event.case_id, event.source, event.at).where(event.kind == EventKind.OPENED.value, event.at >= since)
    with store.reading() as connection:
        return frame_of(connection, query).drop_duplicates("case_id")


def live_sources(store: Store) -> frozenset[str]:
    """Those that posted single events: such a post is a look at no other case."""
    runs = store.imports()
    looks = zip(runs["source"], runs["report"], strict=True)
    return frozenset(
        str(source)
        for source, report in looks
        for look in json.loads(report).get("snapshots") or []
        if look.get("opened_from", -NEVER) > look.get("opened_to", NEVER)
    )


def has_come_in(connection: Connection, last_import: int | None, live: Collection[str]) -> bool:
    """Whether an import has come in after one, of a source that is not `live`; never after None."""
    run = tables.import_run.c
    if last_import is None:
        return False
    sources = connection.scalars(select(run.source).where(run.import_id > last_import).distinct())
    return any(source not in live for source in sources)


def _unfinished(store: Store) -> list[str]:
    state = tables.sync_state.c
    with store.reading() as connection:
        return [str(name) for name in connection.scalars(select(state.name).where(state.resume.is_not(None)))]


def _weeks_with_cases(opened_at: Ints, block: Block) -> Bools:
    week = np.searchsorted(np.array([*block.weeks, block.until]), opened_at, side="right") - 1
    return np.isin(np.arange(WEEKS), week)


def _is_habit(weeks: Bools) -> bool:
    """Whether a source had a case in every week since its first."""
    first = int(np.argmax(weeks))
    return bool(weeks[first:].all()) and WEEKS - first >= _FEWEST
