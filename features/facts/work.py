"""Facts of the work: what came in, what is open, what was closed and whether that held, what was handed on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from data.event_log import is_near_instant
from data.schema import EventKind
from features.facts.codes import NULL, Codes
from features.facts.promised import seconds_promised
from features.facts.story import Draft, Rows, Story
from features.facts.tables import LOG_HOURS_SCALE, Bools, Int64s
from features.outcomes.reasons import SETTLING_REASONS, UNSOLVED_REASONS

_DAY: Final = 86_400
# How long a closing is watched for being taken up again, and a case for being handed up. Four whole weeks, so that
# every weekday counts as often as the others.
FOLLOW_UP_SECONDS: Final = 28 * _DAY

_MOVES: Final = (EventKind.ASSIGNED, EventKind.TRANSFERRED, EventKind.HANDED_UP)


def arrivals(story: Story) -> Draft:
    """Cases that have stood open for a minute."""
    rows = story.opening[~story.passed_over]
    seconds = seconds_promised(story.at[rows], story.due[rows])
    promised = (seconds > 0).astype(np.int64)
    return _at_events(story, rows, n=_ones(rows), promised=promised, log_promise=promised * _log_hours(seconds))


def balance(story: Story) -> Draft:
    """Openings and endings where they happened, and a pair of rows for each change of office while open."""
    at, case, office, change = turns(story, ~story.passed_over[story.case])
    return Draft(at, case, office, {"open": change})


def turns(story: Story, chosen: Bools) -> tuple[Int64s, Rows, Codes, Int64s]:
    """What changes the count of open cases of an office, among the chosen events.

    Returns
    -------
    moments, cases, offices and changes (1 or -1): where a case opens or ends, and two rows for each change of office
    while it is open, one for the office that it left and one for the office that it came to. What ends a case ends it
    for the office that had it, whichever office the ending names: otherwise one would keep it for ever, and the other
    have one less than none.
    """
    ends = np.flatnonzero(chosen & (story.change != 0))
    moved = np.flatnonzero(chosen & (story.change == 0) & story.is_open & story.office_changed())
    rows = np.concatenate([ends, moved, moved])
    ended = np.where(story.change[ends] > 0, story.office[ends], story.office_before[ends])
    office = np.concatenate([ended, story.office_before[moved], story.office[moved]])
    change = np.concatenate([story.change[ends].astype(np.int64), -_ones(moved), _ones(moved)])
    return story.known[rows], story.case[rows], office, change


def closures(story: Story) -> Draft:
    """Closings that were not near-instant."""
    rows = _closings(story)
    seconds = np.maximum(story.at[rows] - story.opened_at[story.case[rows]], 1)
    within = {f"within_{days}d": (seconds <= days * _DAY).astype(np.int64) for days in (1, 7, 30)}
    return _at_events(
        story,
        rows,
        n=_ones(rows),
        log_hours=_log_hours(seconds),
        **within,
        judged=_is_reason(story, rows, SETTLING_REASONS | UNSOLVED_REASONS),
        unresolved=_is_reason(story, rows, UNSOLVED_REASONS),
    )


def moves(story: Story) -> Draft:
    """Hand-overs, counted for the office that gave the case away."""
    moved = story.is_kind(*_MOVES) & story.office_changed() & (story.office_before != NULL)
    rows = np.flatnonzero(moved)
    return Draft(story.known[rows], story.case[rows], story.office_before[rows], {"n": _ones(rows)})


def held(story: Story) -> Draft:
    """Closings four weeks later, counted for the office that closed: were they taken up again?

    All mature at the same age. Filing a reopening when it happens would let what failed be seen before what held.
    """
    rows = _closings(story)
    at = story.known[rows] + FOLLOW_UP_SECONDS
    seen = story.followed[story.case[rows]] >= at
    rows, at = rows[seen], at[seen]
    reopenings = np.flatnonzero(story.is_kind(EventKind.REOPENED))
    # One more, of no case, for closings that no reopening follows.
    following = np.append(reopenings, len(story.case))[np.searchsorted(reopenings, rows)]
    same_case = np.append(story.case, -1)[following] == story.case[rows]
    reopened = same_case & (np.append(story.known_at, 0)[following] <= at)
    measures = {"n": _ones(rows), "reopened": reopened.astype(np.int64)}
    return Draft(at, story.case[rows], story.office[rows], measures)


def tiers(story: Story) -> Draft:
    """Cases four weeks after they were opened: were they handed up?

    Counted for the office that handed the case up, or else the one that has it then.
    """
    at = story.known_at[story.opening] + FOLLOW_UP_SECONDS
    first_up = story.first_of(EventKind.HANDED_UP)
    handed_up = np.append(story.known_at, np.iinfo(np.int64).max)[first_up] <= at
    office = np.where(handed_up, np.append(story.office_before, NULL)[first_up], story.office[story.last_known_by(at)])
    case = np.flatnonzero(~story.passed_over & (story.followed >= at))
    return Draft(at[case], case, office[case], {"n": _ones(case), "handed_up": handed_up[case].astype(np.int64)})


def _is_reason(story: Story, rows: Rows, reasons: Collection[str]) -> Int64s:
    # One more for no reason at all: its place is -1, the last.
    chosen = np.array([*(name in reasons for name in story.reasons), False], dtype=np.int64)
    return np.asarray(chosen[story.reason[rows]])


def _closings(story: Story) -> Rows:
    closed = story.is_kind(EventKind.CLOSED) & (story.change == -1)
    return np.flatnonzero(closed & ~is_near_instant(story.opened_at[story.case], story.at))


def _at_events(story: Story, rows: Rows, **measures: Int64s) -> Draft:
    return Draft(story.known[rows], story.case[rows], story.office[rows], measures)


def _log_hours(seconds: Int64s) -> Int64s:
    return np.asarray(np.rint(np.log(np.maximum(seconds, 1) / 3600) * LOG_HOURS_SCALE), dtype=np.int64)


def _ones(rows: Rows) -> Int64s:
    return np.ones(len(rows), dtype=np.int64)
