"""What was known of a case itself, at any moment: open or not, where, how often handed on, what is promised.

A state is what a case's own events say when they are read one after another in the order in which they became known
(`data.event_log.in_order`), each with what it says better than those before it. Nothing else enters: not what became
known later, and no other case. States are integers; names of offices, areas and types of problem are codes until a
frame is made of them.

An event is told with two moments. Where the state keeps since when something has been so, it is when that happened
(`at`) for what an office did with its time, and when it became known for what an officer could see:

    column              dtype    after the events known so far                                        none
    is_open             bool     opened or reopened, and not closed, withdrawn or a duplicate since
    fallen_away         bool     withdrawn or a duplicate, and not reopened since
    stage               int32    the last event's kind, as its place in `STEPS`
    events              int32    events
    last_event_at       int64    when the last event became known
    office_since        int64    when the present office got the case (`at`)                          NEVER
    handovers           int32    changes from one office to another (see `CaseStates`)
    handed_up           int32    times the case was handed up
    returns             int32    hand-overs to an office that had had the case before
    reopened            int32    times it was reopened
    reopened_at         int64    when it was last known to be reopened                                NEVER
    replies             int32    answers without closing
    pauses              int32    pauses begun
    paused_seconds      int64    length of the pauses that are over (`at` to `at`)
    paused_since        int64    when the pause that goes on began (`at`)                             NEVER
    due_at              int64    the promise as it stands                                             NEVER
    first_due_at        int64    the promise that was made first                                      NEVER
    promise_changes     int32    times the promise was replaced by another
    promise_changed_at  int64    when it was last known to be replaced                                NEVER
    opened_at           int64    when it was opened (`at`)                                            NEVER
    opened_known_at     int64    when the opening became known                                        NEVER
    closed_at           int64    when it was closed (`at`); taken back by a reopening                 NEVER
    category, category_group, area, channel, office      category: the newest said                   null

All moments are seconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEVER
from data.schema import EVENT_COLUMNS, EventKind
from data.service_clock_runs import PAUSE_ENDS
from features.facts import Int64s

Mask = NDArray[np.bool_]

# Kinds of event by code. The order is also that of events of one case that became known and happened together.
STEPS: Final[tuple[EventKind, ...]] = tuple(EventKind)

NAMED: Final = ("category", "category_group", "area", "channel", "office")

_TIME_BITS: Final = 34
_UNSAID: Final = -1

_OPENS: Final = (EventKind.OPENED, EventKind.REOPENED)
_FALLS_AWAY: Final = (EventKind.WITHDRAWN, EventKind.DUPLICATE)
_ENDS: Final = (EventKind.CLOSED, *_FALLS_AWAY)
_PASSED_ON: Final = (EventKind.TRANSFERRED, EventKind.HANDED_UP)
_MOVES: Final = (EventKind.ASSIGNED, *_PASSED_ON)


@dataclass(frozen=True)
class CaseStates:
    """The events of many cases, case by case in the order in which they became known, and the state after each.

    Make one with `CaseStates.of`. Each column of the state is worked out when it is first asked for, and only the
    rows that are asked for are kept: the states after millions of events need no table of their own.

    A hand-over is an event `assigned`, `transferred` or `handed_up` that names another office than the one that had
    the case, or one of the last two that names no office: somebody else has it then, who is not told. The first office
    of a case, and an office that only its closing names, are no hand-over.

    A pause ends when the clock goes on, and with the case (`data.service_clock_runs.PAUSE_ENDS`). One that becomes
    known only after something has ended it adds its length at once; one that begins in a case that is not open, and
    one inside another, is none.

    Attributes
    ----------
    case_ids : Index of m distinct cases
    case : (n,) int64, the case of each event as its place in `case_ids`, ascending
    kind : (n,) int64, place in `STEPS`
    at, known_at : (n,) int64 seconds in UTC
    due : (n,) int64 seconds in UTC, the promise that the event makes; NEVER for none
    said : name of an attribute -> (n,) int64, place in `names`; -1 where the event says nothing of it
    names : name of an attribute -> Index of its values, sorted
    """

    case_ids: pd.Index
    case: Int64s
    kind: Int64s
    at: Int64s
    known_at: Int64s
    due: Int64s
    said: dict[str, Int64s]
    names: dict[str, pd.Index]

    @classmethod
    def of(cls, events: pd.DataFrame) -> Self:
        """Read the events of any number of cases.

        Parameters
        ----------
        events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order

        Raises
        ------
        InputError
            If a column is missing, a kind is none of the log's, or a moment cannot be one.
        """
        _check_columns(events)
        case, case_ids = pd.factorize(events["case_id"])
        kind = _kinds(events["kind"])
        at, known_at = _moments(events, "at"), _moments(events, "known_at")
        due = np.minimum(events["due_at"].fillna(NEVER).to_numpy("int64"), NEVER)
        coded = {name: _coded(events[name]) for name in NAMED}
        said = {name: codes for name, (codes, _) in coded.items()}
        # What is left of a tie stays as it came, as everywhere (`data.event_log.in_order`): a store gives events of one
        # second in the order of their file.
        order = _in_order(_packed(case, known_at), (at, kind))
        return cls(
            case_ids=_index(case_ids),
            case=case[order].astype(np.int64, copy=False),
            kind=kind[order],
            at=at[order],
            known_at=known_at[order],
            due=due[order],
            said={name: codes[order] for name, codes in said.items()},
            names={name: values for name, (_, values) in coded.items()},
        )

    def __len__(self) -> int:
        return len(self.case)

    @cached_property
    def packed(self) -> Int64s:
        """Case and known moment of every event in one integer, ascending; (n,) int64."""
        return _packed(self.case, self.known_at)

    @cached_property
    def is_last(self) -> Mask:
        """Which events are the last of their case to become known in their second; (n,) bool."""
        last = np.ones(len(self), dtype=bool)
        last[:-1] = self.packed[1:] != self.packed[:-1]
        return last

    def column(self, name: str) -> NDArray[Any]:
        """One column of the state (see the module) after each event, (n,); attributes as codes, -1 for none."""
        if name in NAMED:
            return self._newest(self.said[name] != _UNSAID, self.said[name], _UNSAID)
        dtype, work_out = _COLUMNS[name]
        return work_out(self).astype(dtype, copy=False)

    def places_before(self, case_ids: pd.Series, seen_until: Int64s) -> Int64s:
        """Which event is the newest of its case known strictly before a moment: shape (k,), places among the n events.

        Parameters
        ----------
        case_ids : Series of k cases
        seen_until : (k,) int64 seconds in UTC

        Raises
        ------
        InputError
            If nothing was known of a case then.
        """
        rows, distinct = pd.factorize(case_ids)
        case = self.case_ids.get_indexer(_index(distinct))[rows].astype(np.int64)
        place = np.searchsorted(self.packed, _packed(case, np.minimum(seen_until, NEVER)), side="left") - 1
        unknown = (case < 0) | (place < 0)
        if len(self):
            unknown |= self.case[place] != case
        if unknown.any():
            raise InputError(
                f"Expected an event of each case that was known before its landmark, and {int(unknown.sum()):,} of "
                f"{len(case):,} landmarks have none. Give all events of these cases, from their openings on."
            )
        return place.astype(np.int64)

    def state(self, places: Int64s) -> dict[str, Any]:
        """The states after the events at these places: name of each column of the module's table -> k values."""
        columns: dict[str, Any] = {
            name: pd.Categorical.from_codes(self.column(name)[places], categories=self.names[name]) for name in NAMED
        }
        columns |= {name: self.column(name)[places] for name in _COLUMNS}
        return columns

    def frame(self, places: Int64s) -> pd.DataFrame:
        """The same as a DataFrame of k rows."""
        return pd.DataFrame(self.state(places), copy=False)

    # What columns are made of. All of it is one pass over the sorted events.

    @cached_property
    def _first(self) -> Int64s:
        """Place of the first event of each event's case."""
        begins = np.ones(len(self), dtype=bool)
        begins[1:] = self.case[1:] != self.case[:-1]
        return np.maximum.accumulate(np.where(begins, np.arange(len(self)), 0))

    def _is(self, kinds: Iterable[EventKind]) -> Mask:
        wanted = np.zeros(len(STEPS), dtype=bool)
        wanted[[STEPS.index(kind) for kind in kinds]] = True
        return np.asarray(wanted[self.kind], dtype=bool)

    def _so_far(self, values: NDArray[Any]) -> Int64s:
        """Sum over the case's events up to and with this one; of a mask, how many."""
        total = np.cumsum(values, dtype=np.int64)
        return np.asarray(total - (total - values)[self._first], dtype=np.int64)

    def _newest(self, marked: Mask, values: NDArray[Any], none: int) -> Int64s:
        """The value at the case's newest marked event up to and with this one."""
        place = np.maximum.accumulate(np.where(marked, np.arange(len(self)), -1))
        return np.where(place >= self._first, values[np.maximum(place, 0)], none)

    def _before(self, values: Int64s, none: int) -> Int64s:
        """The value after the case's event before this one."""
        shifted = np.empty_like(values)
        shifted[1:] = values[:-1]
        shifted[self._first] = none
        return shifted

    def _latest(self, marked: Mask, moments: Int64s) -> Int64s:
        """The latest moment of the case's marked events up to and with this one; 0 where there is none."""
        # The case above the moment: a running maximum begins anew with every case.
        highest = np.maximum.accumulate(_packed(self.case, np.where(marked, moments, 0)))
        return highest & ((1 << _TIME_BITS) - 1)

    @cached_property
    def _opening(self) -> Mask:
        """Which events are the first opening of their case."""
        opened = self._is((EventKind.OPENED,))
        return np.asarray(opened & (self._so_far(opened) == 1), dtype=bool)

    @cached_property
    def _opens(self) -> Mask:
        """Which events open their case: reopenings, and its opening if nothing was known of it before.

        One whose ending became known first was over when it was heard of, and a second opening says nothing new.
        """
        said = self._is((*_OPENS, *_ENDS))
        return np.asarray(self._is((EventKind.REOPENED,)) | self._opening & (self._so_far(said) == 1), dtype=bool)

    @cached_property
    def _is_open(self) -> Int64s:
        return self._newest(self._opens | self._is(_ENDS), self._opens, 0)

    @cached_property
    def _office_change(self) -> tuple[Mask, Mask]:
        """Which events bring the case to another office than it was known to be at, and which are hand-overs."""
        office = self.said["office"]
        named = office != _UNSAID
        had = self._before(self.column("office"), _UNSAID)
        changed = named & (office != had)
        handed_over = self._is(_MOVES) & changed & (had != _UNSAID)
        return changed, handed_over | (self._is(_PASSED_ON) & ~named)

    @cached_property
    def _returned(self) -> Mask:
        """Which events hand the case to an office that had had it."""
        changed, handed_over = self._office_change
        again = np.zeros(len(self), dtype=bool)
        places = np.flatnonzero(changed)
        pair = self.case[places] * (len(self.names["office"]) + 1) + self.said["office"][places]
        again[places] = True
        again[places[np.unique(pair, return_index=True)[1]]] = False
        return again & handed_over

    @cached_property
    def _pause(self) -> tuple[Int64s, Int64s, Int64s]:
        """Pauses begun, seconds of those that are over, and since when one goes on (NEVER for none)."""
        paused, ends = self._is((EventKind.PAUSED,)), self._is(PAUSE_ENDS)
        ended = self._latest(ends, self.at)
        told_late = paused & (ended > self.at)
        stops = paused & ~told_late & (self._is_open == 1)
        stood = self._before(self._newest(stops | ends, stops, 0), 0) == 1
        begins = stops & ~stood
        since = self._newest(begins | ends, np.where(begins, self.at, NEVER), NEVER)
        began = self._before(since, NEVER)
        length = np.where(ends & stood, np.maximum(self.at - began, 0), 0) + np.where(told_late, ended - self.at, 0)
        return self._so_far(begins | told_late), self._so_far(length), since

    @cached_property
    def _promise(self) -> tuple[Int64s, Mask]:
        """The promise as it stands after each event, and which events put another in the place of one."""
        made = self.due < NEVER
        standing = self._newest(made, self.due, NEVER)
        stood = self._before(standing, NEVER)
        return standing, made & (stood < NEVER) & (self.due != stood)

    def _first_promise(self) -> Int64s:
        made = self.due < NEVER
        return self._newest(made & (self._so_far(made) == 1), self.due, NEVER)

    def _closed_at(self) -> Int64s:
        closed = self._is((EventKind.CLOSED,))
        return self._newest(
            closed | self._is((EventKind.REOPENED,)), np.where(closed, self.at, NEVER).astype(np.int64), NEVER
        )

    def _count(self, *kinds: EventKind) -> Int64s:
        return self._so_far(self._is(kinds))


def state_before(events: pd.DataFrame, landmarks: pd.DataFrame) -> pd.DataFrame:
    """The state of each landmark's case, from its own events known strictly before `seen_until`.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order; may go on after the landmarks
    landmarks : DataFrame of k rows with `case_id` and `seen_until` (int64 seconds in UTC), in any order

    Returns
    -------
    DataFrame of k rows in the order of the landmarks, with the columns of this module's table

    Raises
    ------
    InputError
        If nothing was known of a case then, or the events cannot be read (see `CaseStates.of`).
    """
    states = CaseStates.of(events)
    return states.frame(states.places_before(landmarks["case_id"], landmarks["seen_until"].to_numpy("int64")))


_Column = tuple[type[np.generic], Callable[[CaseStates], NDArray[Any]]]
_COLUMNS: Final[dict[str, _Column]] = {
    "is_open": (np.bool_, lambda states: states._is_open),
    "fallen_away": (
        np.bool_,
        lambda states: states._newest(states._opens | states._is(_FALLS_AWAY), states._is(_FALLS_AWAY), 0),
    ),
    "stage": (np.int32, lambda states: states.kind),
    "events": (np.int32, lambda states: np.arange(1, len(states) + 1) - states._first),
    "last_event_at": (np.int64, lambda states: states.known_at),
    "office_since": (np.int64, lambda states: states._newest(states._office_change[0], states.at, NEVER)),
    "handovers": (np.int32, lambda states: states._so_far(states._office_change[1])),
    "handed_up": (np.int32, lambda states: states._count(EventKind.HANDED_UP)),
    "returns": (np.int32, lambda states: states._so_far(states._returned)),
    "reopened": (np.int32, lambda states: states._count(EventKind.REOPENED)),
    "reopened_at": (
        np.int64,
        lambda states: states._newest(states._is((EventKind.REOPENED,)), states.known_at, NEVER),
    ),
    "replies": (np.int32, lambda states: states._count(EventKind.REPLIED)),
    "pauses": (np.int32, lambda states: states._pause[0]),
    "paused_seconds": (np.int64, lambda states: states._pause[1]),
    "paused_since": (np.int64, lambda states: states._pause[2]),
    "due_at": (np.int64, lambda states: states._promise[0]),
    "first_due_at": (np.int64, CaseStates._first_promise),
    "promise_changes": (np.int32, lambda states: states._so_far(states._promise[1])),
    "promise_changed_at": (np.int64, lambda states: states._newest(states._promise[1], states.known_at, NEVER)),
    "opened_at": (np.int64, lambda states: states._newest(states._opening, states.at, NEVER)),
    "opened_known_at": (np.int64, lambda states: states._newest(states._opening, states.known_at, NEVER)),
    "closed_at": (np.int64, CaseStates._closed_at),
}

STATE_COLUMNS: Final[tuple[str, ...]] = (*NAMED, *_COLUMNS)


def _packed(case: Int64s, moment: Int64s) -> Int64s:
    return (case << _TIME_BITS) | moment


def _in_order(packed: Int64s, ties: tuple[Int64s, ...]) -> Int64s:
    """Places of events sorted by case and known moment, then by `ties`, the weightiest first."""
    order = np.argsort(packed, kind="stable")
    sorted_ = packed[order]
    same = sorted_[1:] == sorted_[:-1]
    # Ties are few: the many other rows need one sort, not one for each thing that settles ties.
    slots = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    tied = order[slots]
    order[slots] = tied[np.lexsort((*(key[tied] for key in reversed(ties)), packed[tied]))]
    return order


def _check_columns(events: pd.DataFrame) -> None:
    missing = [name for name in EVENT_COLUMNS if name not in events.columns]
    if missing:
        raise InputError(
            f"Expected an event frame with the columns {', '.join(EVENT_COLUMNS)}, and {', '.join(missing)} "
            "is missing. Give one as `Store.events` reads it."
        )


def _kinds(column: pd.Series) -> Int64s:
    rows, distinct = pd.factorize(column)
    places = {kind.value: place for place, kind in enumerate(STEPS)}
    codes = np.array([*(places.get(str(value), _UNSAID) for value in distinct), _UNSAID], dtype=np.int64)[rows]
    if (codes == _UNSAID).any():
        raise InputError(
            f"Expected every event to be of one of the kinds {', '.join(STEPS)}, and {int((codes == _UNSAID).sum()):,} "
            "are of none. Map the kinds of the source to these words."
        )
    return codes


def _coded(column: pd.Series) -> tuple[Int64s, pd.Index]:
    """Places of a column's values among its distinct ones, -1 for null, and these, sorted."""
    rows, distinct = pd.factorize(column)
    words = np.asarray(distinct, dtype=object)
    order = np.argsort(words)
    places = np.full(len(words) + 1, _UNSAID, dtype=np.int64)  # the last is for null, which factorize numbers -1
    places[order] = np.arange(len(words))
    return places[rows], pd.Index(words[order], dtype="str")


def _moments(events: pd.DataFrame, name: str) -> Int64s:
    moments = events[name].to_numpy("int64")
    if len(moments) and not (moments.min() >= 0 and moments.max() < NEVER):
        raise InputError(
            f"Expected '{name}' as seconds since 1970 in UTC, before the year 2515, and some lie outside. "
            "Give seconds, not milliseconds."
        )
    return np.asarray(moments, dtype=np.int64)


def _index(values: Any) -> pd.Index:
    index: pd.Index = pd.Index(values)
    return index.astype("str") if isinstance(index.dtype, pd.CategoricalDtype) else index
