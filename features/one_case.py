"""The state of one case from its own events, one event at a time, without a table.

The same as `features.case_state` says of many cases at once, and checked against it: there is one meaning of each
column, and two ways to it. The other way sorts millions of events in one go; this one takes microseconds for a case
that a service was just told of.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.schema import EventKind
from data.service_clock_runs import PAUSE_ENDS
from features.case_state import NAMED, STATE_COLUMNS, STEPS
from features.facts import KEY_COLUMNS, promise_keys
from features.landmarks import LANDMARK_KINDS

_CODES: Final = {kind.value: place for place, kind in enumerate(STEPS)}
_OPENED, _REOPENED, _CLOSED = (_CODES[kind] for kind in (EventKind.OPENED, EventKind.REOPENED, EventKind.CLOSED))
_PAUSED, _REPLIED, _HANDED_UP = (_CODES[kind] for kind in (EventKind.PAUSED, EventKind.REPLIED, EventKind.HANDED_UP))
_GONE: Final = frozenset({_CODES[EventKind.WITHDRAWN], _CODES[EventKind.DUPLICATE]})
_ENDS: Final = frozenset({_CLOSED, *_GONE})
_SAID: Final = frozenset({_OPENED, _REOPENED, *_ENDS})
_PASSED_ON: Final = frozenset({_CODES[EventKind.TRANSFERRED], _HANDED_UP})
_MOVES: Final = frozenset({_CODES[EventKind.ASSIGNED], *_PASSED_ON})
_PAUSE_ENDS: Final = frozenset(_CODES[kind] for kind in PAUSE_ENDS)
_OWN: Final = tuple(name for name in STATE_COLUMNS if name not in NAMED)


class OneEvent(NamedTuple):
    """One event of a case; `kind` is its place in `features.case_state.STEPS`, so that events sort as they are told.

    Moments are seconds in UTC, `due_at` is NEVER where the event makes no promise; None where it says nothing.
    """

    known_at: int
    at: int
    kind: int
    due_at: int = NEVER
    category: str | None = None
    category_group: str | None = None
    area: str | None = None
    channel: str | None = None
    office: str | None = None


def step_code(kind: str) -> int:
    """The place of an event's kind in `STEPS`.

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    return _CODES[kind]


class OneCase:
    """What was known of one case; the attributes are the columns of `features.case_state`.

    Fed by `add` in the order in which events became known; `of` sorts them.
    """

    __slots__ = (*STATE_COLUMNS, "_answered", "_had", "_heard", "_standing")

    def __init__(self) -> None:
        self.category: str | None = None
        self.category_group: str | None = None
        self.area: str | None = None
        self.channel: str | None = None
        self.office: str | None = None
        self.is_open = self.fallen_away = False
        self.stage = -1
        self.events = self.handovers = self.handed_up = self.returns = self.reopened = self.replies = 0
        self.pauses = self.paused_seconds = self.promise_changes = 0
        self.last_event_at = 0
        self.office_since = self.reopened_at = self.paused_since = self.due_at = self.first_due_at = NEVER
        self.promise_changed_at = self.opened_at = self.opened_known_at = self.closed_at = NEVER
        self._had: set[str] = set()
        self._heard = self._standing = False
        self._answered = 0

    @classmethod
    def of(cls, events: Iterable[OneEvent], seen_until: int) -> OneCase:
        """The state after the events known strictly before a moment, in any order."""
        found = cls()
        # By moment and kind only: what is left of a tie stays as it came.
        for event in sorted((one for one in events if one.known_at < seen_until), key=_order):
            found.add(event)
        return found

    def add(self, event: OneEvent) -> None:
        """Read one more event."""
        kind = event.kind
        self.events += 1
        self.stage = kind
        self.last_event_at = event.known_at
        self._open_or_end(kind, event)
        self._move(kind, event)
        if kind == _PAUSED or kind in _PAUSE_ENDS:
            self._pause(kind, event)
        if event.due_at < NEVER:
            self._promise(event)
        if event.category is not None:
            self.category = event.category
        if event.category_group is not None:
            self.category_group = event.category_group
        if event.area is not None:
            self.area = event.area
        if event.channel is not None:
            self.channel = event.channel

    def _open_or_end(self, kind: int, event: OneEvent) -> None:
        if kind == _OPENED and self.opened_known_at == NEVER:
            self.opened_at, self.opened_known_at = event.at, event.known_at
            if not self._heard:
                self.is_open, self.fallen_away = True, False
        if kind in _SAID:
            self._heard = True
        if kind == _REOPENED:
            self.is_open, self.fallen_away = True, False
            self.reopened += 1
            self.reopened_at, self.closed_at = event.known_at, NEVER
        elif kind in _ENDS:
            self.is_open = False
            if kind == _CLOSED:
                self.closed_at = event.at
            else:
                self.fallen_away = True
        elif kind == _REPLIED:
            self.replies += 1
        elif kind == _HANDED_UP:
            self.handed_up += 1

    def _move(self, kind: int, event: OneEvent) -> None:
        office = event.office
        if office is None:
            self.handovers += kind in _PASSED_ON
            return
        if office == self.office:
            return
        if self.office is not None and kind in _MOVES:
            self.handovers += 1
            self.returns += office in self._had
        self._had.add(office)
        self.office, self.office_since = office, event.at

    def _pause(self, kind: int, event: OneEvent) -> None:
        if kind in _PAUSE_ENDS:
            if self._standing:
                self.paused_seconds += max(event.at - self.paused_since, 0)
            self._answered = max(self._answered, event.at)
            self._standing, self.paused_since = False, NEVER
        elif self._answered > event.at:
            self.pauses += 1
            self.paused_seconds += self._answered - event.at
        elif self.is_open and not self._standing:
            self.pauses += 1
            self._standing, self.paused_since = True, event.at

    def _promise(self, event: OneEvent) -> None:
        if self.due_at == NEVER:
            if self.first_due_at == NEVER:
                self.first_due_at = event.due_at
        elif event.due_at != self.due_at:
            self.promise_changes += 1
            self.promise_changed_at = event.known_at
        self.due_at = event.due_at

    def promise_words(self) -> tuple[str | None, str | None]:
        """The keys `promise` and `promise_fine` of the promise as it stands, from the opening; None where none is."""
        return promise_words(max(self.due_at - self.opened_at, 0) if self.due_at < NEVER else 0)

    def keys(self) -> dict[str, str | None]:
        """The value of each of `features.facts.KEY_COLUMNS`; None where unknown."""
        promise, fine = self.promise_words()
        found = {name: getattr(self, name) for name in NAMED}
        return {**found, "promise": promise, "promise_fine": fine}


def _order(event: OneEvent) -> tuple[int, int, int]:
    return event[:3]


@lru_cache(maxsize=65_536)
def promise_words(seconds: int) -> tuple[str | None, str | None]:
    """The keys `promise` and `promise_fine` of a promised time in seconds, as `features.facts.promise_keys`."""
    if seconds <= 0:
        return None, None
    found = promise_keys(pd.Series([0]), pd.Series([seconds]))
    return str(found["promise"].iloc[0]), str(found["promise_fine"].iloc[0])


def landmarks_of_cases(cases: list[OneCase], at: int, case_ids: list[str]) -> pd.DataFrame:
    """The cases as landmarks of one moment: n rows in the given order, as `features.landmarks.landmarks_now` has them.

    Parameters
    ----------
    cases : n states, read strictly before the moment
    at : seconds in UTC
    case_ids : n names
    """
    n = len(cases)
    words = [case.keys() for case in cases]
    kinds = pd.Categorical(["morning"] * n, categories=pd.Index(LANDMARK_KINDS, dtype="str"))
    moments = np.full(n, at, dtype=np.int64)
    state = {name: _column(name, [getattr(case, name) for case in cases]) for name in _OWN}
    return pd.DataFrame(
        {
            "landmark": np.arange(n),
            "case_id": pd.Series(case_ids, dtype="str"),
            "kind": kinds,
            "landmark_at": moments,
            "seen_until": moments,
            **{name: pd.Series([row[name] for row in words], dtype="str") for name in KEY_COLUMNS},
            **state,
        },
        copy=False,
    )


def _column(name: str, values: list[int]) -> np.ndarray:
    return np.array(values, dtype=bool if name in ("is_open", "fallen_away") else np.int64)
