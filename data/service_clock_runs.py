"""From events to runs: each stretch of a case's life in which a clock ran, with its pauses and hand-overs.

A run begins with an event that starts the clock while it stands still, and ends with one that stops it; where a
hand-over restarts the clock, it ends one run and begins the next. Things are taken in the order in which they
happened, from the events that were known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.clock import Moments
from data.event_log import NEVER, known_before
from data.schema import EventKind, Tier
from data.service_clock_due import Mask, Pauses
from data.service_clock_file import FALLS_AWAY, HANDS_OVER, ClockRules

Codes = npt.NDArray[np.int64]

KINDS: Final = tuple(EventKind)
TIERS: Final = (None, *Tier)  # by code; an office of an unknown tier has code 0
_NOT_SAID: Final = -1

# What ends a pause besides `resumed`: an office that closes a case, or takes it up again, no longer waits for others.
PAUSE_ENDS: Final = (EventKind.RESUMED, EventKind.CLOSED, EventKind.REOPENED, *FALLS_AWAY)


@dataclass(frozen=True)
class CaseLog:
    """The events known before the as-of of n cases, case by case in the order in which they happened.

    `case` (place in `case_ids`), `kind` (place in `KINDS`), `at` and `tier` (place in `TIERS`; -1: the event names no
    office) are int64 arrays over events; `category` and `channel` are the newest known of each case, None if never
    said.
    """

    case_ids: npt.NDArray[np.object_]
    case: Codes
    kind: Codes
    at: Moments
    tier: Codes
    category: npt.NDArray[np.object_]
    channel: npt.NDArray[np.object_]
    as_of: int

    def is_any(self, kinds: tuple[EventKind, ...]) -> Mask:
        """Which events are of one of `kinds`."""
        return np.isin(self.kind, [KINDS.index(kind) for kind in kinds])


@dataclass(frozen=True)
class Runs:
    """The m runs of one clock, by case and in the order of time; arrays of int64 unless told otherwise.

    Attributes
    ----------
    case : place in `CaseLog.case_ids`
    started_at, ended_at : seconds in UTC; `ended_at` is NEVER for a run that goes on
    start_kind, end_kind : place in `KINDS`; `end_kind` is -1 for a run that goes on
    tier : the tier of the office when the run began, place in `TIERS`
    superseded : bool, a hand-over ended this run and began the next
    pauses : Pauses, cut to the run and to the as-of; empty where the clock runs through pauses
    paused_now : bool, paused at the as-of
    move_run, move_at, move_tier : hand-overs within a run, in the order of time; only where they change the standard
    """

    case: Codes
    started_at: Moments
    ended_at: Moments
    start_kind: Codes
    end_kind: Codes
    tier: Codes
    superseded: Mask
    pauses: Pauses
    paused_now: Mask
    move_run: Codes
    move_at: Moments
    move_tier: Codes

    def __len__(self) -> int:
        return len(self.case)


def read_log(events: pd.DataFrame, offices: pd.DataFrame | None, as_of: int) -> CaseLog:
    """Take the events known strictly before `as_of`, and the tiers of the offices they name.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`
    offices : DataFrame with `office` and `tier`; None: no tier is known
    as_of : int64 seconds in UTC
    """
    known = known_before(events, as_of)
    case, case_ids = pd.factorize(known["case_id"], sort=True)
    places = {kind.value: place for place, kind in enumerate(KINDS)}
    rank = np.asarray(known["kind"].map(places).to_numpy(), dtype=np.int64)
    at, known_at = known["at"].to_numpy("int64"), known["known_at"].to_numpy("int64")
    newest = np.lexsort((rank, at, known_at, case))
    happened = np.lexsort((rank, known_at, at, case))
    tiers = _tiers(known["office"], offices)
    return CaseLog(
        case_ids=np.asarray(case_ids, dtype=object),
        case=np.asarray(case, dtype=np.int64)[happened],
        kind=rank[happened],
        at=at[happened],
        tier=tiers[happened],
        category=_last_said(known["category"], case, newest, len(case_ids)),
        channel=_last_said(known["channel"], case, newest, len(case_ids)),
        as_of=as_of,
    )


def find_runs(log: CaseLog, rules: ClockRules) -> Runs:
    """Find every run of a clock in the log."""
    starts, ends = log.is_any(rules.starts), log.is_any((*rules.stops, *FALLS_AWAY))
    moves = log.is_any(HANDS_OVER)
    relevant = np.flatnonzero(starts | ends | (moves if rules.hand_over == "restarts" else False))
    case, is_start, is_end = log.case[relevant], starts[relevant], ends[relevant]
    running = _running_before(case, is_start, is_end)
    restarts = ~is_start & ~is_end & running
    begins = (is_start & ~running) | restarts
    turns = np.flatnonzero(begins | (is_end & running))
    # Every run begins with one of these; what follows it in the same case, if anything, is its end.
    follows = np.append(case[turns][1:] == case[turns][:-1], False) if len(turns) else np.zeros(0, dtype=bool)
    begun = np.flatnonzero(begins[turns])
    first = relevant[turns[begun]]
    last = np.where(follows[begun], relevant[turns[np.minimum(begun + 1, len(turns) - 1)]], -1)
    ended = last >= 0
    pauses, paused_now = _pauses(log, first, last) if rules.while_paused == "stands" else (Pauses.none(), None)
    move_run, move_row = _within(log, first, last, np.flatnonzero(moves & (log.tier != _NOT_SAID)))
    takes = rules.hand_over == "takes_tier"
    return Runs(
        case=log.case[first],
        started_at=log.at[first],
        ended_at=np.where(ended, log.at[last], NEVER),
        start_kind=log.kind[first],
        end_kind=np.where(ended, log.kind[last], -1),
        tier=_tier_at(log, first),
        superseded=ended & moves[last],
        pauses=pauses,
        paused_now=np.zeros(len(first), dtype=bool) if paused_now is None else paused_now,
        move_run=move_run if takes else move_run[:0],
        move_at=log.at[move_row] if takes else log.at[:0],
        move_tier=log.tier[move_row] if takes else log.tier[:0],
    )


def _running_before(case: Codes, is_start: Mask, is_end: Mask) -> Mask:
    """Whether the clock runs just before each event, its events in the order of time."""
    places = np.arange(len(case))
    newest = np.maximum.accumulate(np.where(is_start | is_end, places, -1)) if len(case) else places
    before = np.append(-1, newest[:-1]) if len(case) else places
    return np.asarray((before >= 0) & (case[before] == case) & is_start[before], dtype=bool)


def _within(log: CaseLog, first: Codes, last: Codes, rows: Codes) -> tuple[Codes, Codes]:
    """Those of the events at `rows` that happen inside a run, with the place of the run."""
    run = np.searchsorted(first, rows, side="right") - 1
    inside = run >= 0
    run, rows = run[inside], rows[inside]
    inside = (log.case[first[run]] == log.case[rows]) & (rows > first[run]) & ((last[run] < 0) | (rows < last[run]))
    return run[inside], rows[inside]


def _pauses(log: CaseLog, first: Codes, last: Codes) -> tuple[Pauses, Mask]:
    """The pauses of each run, and whether it is paused now."""
    is_pause = log.is_any((EventKind.PAUSED,))
    rows = np.flatnonzero(is_pause | log.is_any(PAUSE_ENDS))
    case, pauses = log.case[rows], is_pause[rows]
    again = np.append(False, (case[1:] == case[:-1]) & pauses[:-1]) if len(rows) else pauses
    begun = np.flatnonzero(pauses & ~again)
    places = np.arange(len(rows))
    ender = np.minimum.accumulate(np.where(pauses, len(rows), places)[::-1])[::-1][begun]
    over = (ender < len(rows)) & (case[np.minimum(ender, len(rows) - 1)] == case[begun]) if len(rows) else again
    ends = np.where(over, log.at[rows[np.minimum(ender, len(rows) - 1)]], NEVER) if len(rows) else log.at[:0]
    table = pd.DataFrame({"case": case[begun], "begin": log.at[rows[begun]], "end": ends})
    ended_at = np.where(last >= 0, log.at[last], NEVER) if len(last) else last
    runs = pd.DataFrame({"case": log.case[first], "run": np.arange(len(first)), "from": log.at[first], "to": ended_at})
    both = table.merge(runs, on="case")
    both = both[(both["begin"] < both["to"]) & (both["end"] > both["from"])]
    goes_on = (both["end"] == NEVER) & (both["to"] == NEVER)
    paused_now = np.zeros(len(first), dtype=bool)
    paused_now[both.loc[goes_on, "run"].to_numpy("int64")] = True
    begin = np.maximum(both["begin"].to_numpy("int64"), both["from"].to_numpy("int64"))
    end = np.minimum(np.minimum(both["end"].to_numpy("int64"), both["to"].to_numpy("int64")), log.as_of)
    run = both["run"].to_numpy("int64")
    order = np.lexsort((begin, run))
    order = order[end[order] > begin[order]]
    return Pauses(run[order], begin[order], end[order]), paused_now


def _tier_at(log: CaseLog, rows: Codes) -> Codes:
    """The tier of the office at these events: the one named last, else the one that the case names first."""
    places, said = np.arange(len(log.case)), log.tier != _NOT_SAID
    if len(rows) == 0 or not said.any():
        return np.zeros(len(rows), dtype=np.int64)
    last = np.maximum.accumulate(np.where(said, places, -1))[rows]
    following = np.minimum.accumulate(np.where(said, places, len(places) - 1)[::-1])[::-1][rows]
    for place in (last, following):
        place[(place < 0) | (log.case[place] != log.case[rows]) | ~said[place]] = -1
    chosen = np.where(last >= 0, last, following)
    return np.where(chosen >= 0, log.tier[chosen], 0)


def _tiers(named: pd.Series, offices: pd.DataFrame | None) -> Codes:
    """The tier of each named office: place in `TIERS`, 0 where nobody told, -1 where no office is named."""
    codes, distinct = pd.factorize(named)
    known: dict[object, object] = {}
    if offices is not None:
        known = dict(zip(offices["office"].tolist(), offices["tier"].tolist(), strict=True))
    places = {tier.value: place for place, tier in enumerate(TIERS) if tier is not None}
    of_office = [places.get(str(known.get(office)), 0) for office in distinct]
    return np.array([*of_office, _NOT_SAID], dtype=np.int64)[codes]


def _last_said(values: pd.Series, case: Codes, order: Codes, size: int) -> npt.NDArray[np.object_]:
    """The newest value of each case that is not null."""
    codes, distinct = pd.factorize(values)
    said = order[codes[order] >= 0]
    newest = np.full(size, -1, dtype=np.int64)
    newest[case[said]] = codes[said]  # of several that are assigned to the same place, the last stays
    return np.array([*distinct, None], dtype=object)[newest]
