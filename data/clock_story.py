"""One case told as a clock sees it: its runs, with the pauses and hand-overs of each.

Deliberately another algorithm than `data.service_clock_runs`, which takes all cases at once: here one goes through the
events of one case in order, as an auditor would. The tests hold the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from data.errors import InputError
from data.event_log import NEVER, known_before
from data.schema import EventKind
from data.service_clock_file import FALLS_AWAY, HANDS_OVER, ClockRules
from data.service_clock_runs import PAUSE_ENDS
from data.store_tables import plain_values


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the case. Times are seconds in UTC; `tier` is that of the office it names."""

    kind: EventKind
    at: int
    known_at: int
    office: str | None
    tier: str | None
    category: str | None
    channel: str | None


@dataclass(slots=True)
class Run:
    """One stretch in which the clock ran. `ended_by` is None while it goes on."""

    started_by: EventKind
    started_at: int
    tier: str | None
    ended_by: EventKind | None = None
    ended_at: int = NEVER
    pauses: list[tuple[int, int]] = field(default_factory=list)
    paused_now: bool = False
    moves: list[Happening] = field(default_factory=list)

    @property
    def fell_away(self) -> bool:
        """Whether the case was withdrawn, or called a duplicate, while the clock ran."""
        return self.ended_by in FALLS_AWAY


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one case before the as-of, and what a clock makes of it."""

    runs: tuple[Run, ...]
    category: str | None
    channel: str | None
    as_of: int


def tell(events: pd.DataFrame, offices: pd.DataFrame | None, rules: ClockRules, as_of: int) -> Story:
    """Go through the events of one case that were known before `as_of` (seconds in UTC).

    Raises
    ------
    InputError
        If no event was known by then, or the events are of several cases.
    """
    known = known_before(events, as_of)
    if known["case_id"].nunique() != 1:
        came = "none" if known.empty else f"those of {known['case_id'].nunique():,} cases"
        raise InputError(f"Expected the events of one case, known before the as-of, got {came}.")
    happened = _happenings(known, offices)
    by_knowledge = sorted(happened, key=lambda one: (one.known_at, one.at, _ORDER[one.kind]))
    story = Story(
        runs=tuple(_runs(happened, rules)),
        category=next((one.category for one in reversed(by_knowledge) if one.category is not None), None),
        channel=next((one.channel for one in reversed(by_knowledge) if one.channel is not None), None),
        as_of=as_of,
    )
    if rules.while_paused == "stands":
        for begin, end in _pauses(happened):
            _hold(story.runs, begin, end, as_of)
    return story


_ORDER: Final = {kind: place for place, kind in enumerate(EventKind)}


def _happenings(known: pd.DataFrame, offices: pd.DataFrame | None) -> list[Happening]:
    tiers = {} if offices is None else dict(zip(offices["office"].tolist(), plain_values(offices["tier"]), strict=True))
    columns = (plain_values(known[name]) for name in ("kind", "at", "known_at", "office", "category", "channel"))
    told = [
        Happening(EventKind(kind), int(at), int(known_at), office, tiers.get(office), category, channel)
        for kind, at, known_at, office, category, channel in zip(*columns, strict=True)
    ]
    return sorted(told, key=lambda one: (one.at, one.known_at, _ORDER[one.kind]))


def _runs(happened: list[Happening], rules: ClockRules) -> list[Run]:
    runs: list[Run] = []
    now: Run | None = None
    office: Happening | None = None
    for one in happened:
        office = one if one.office is not None else office
        if one.kind in rules.starts and now is None:
            now = Run(one.kind, one.at, _tier(office, happened))
            runs.append(now)
        elif one.kind in (*rules.stops, *FALLS_AWAY) and now is not None:
            now.ended_by, now.ended_at = one.kind, one.at
            now = None
        elif one.kind in HANDS_OVER and now is not None and rules.hand_over == "restarts":
            now.ended_by, now.ended_at = one.kind, one.at
            now = Run(one.kind, one.at, _tier(office, happened))
            runs.append(now)
        elif one.kind in HANDS_OVER and now is not None and one.office is not None:
            now.moves.append(one)
    return runs


def _tier(office: Happening | None, happened: list[Happening]) -> str | None:
    """The tier of the office named last, else of the one that the case names first."""
    chosen = office or next((one for one in happened if one.office is not None), None)
    return None if chosen is None else chosen.tier


def _pauses(happened: list[Happening]) -> list[tuple[int, int]]:
    pauses: list[tuple[int, int]] = []
    since: int | None = None
    for one in happened:
        if one.kind is EventKind.PAUSED and since is None:
            since = one.at
        elif one.kind in PAUSE_ENDS and since is not None:
            pauses.append((since, one.at))
            since = None
    return pauses if since is None else [*pauses, (since, NEVER)]


def _hold(runs: tuple[Run, ...], begin: int, end: int, as_of: int) -> None:
    """Note a pause with every run that it touches, cut to the run and to the as-of."""
    for run in runs:
        if begin < run.ended_at and end > run.started_at:
            run.paused_now = run.paused_now or (end == NEVER and run.ended_at == NEVER)
            first, last = max(begin, run.started_at), min(end, run.ended_at, as_of)
            if first < last:
                run.pauses.append((first, last))
