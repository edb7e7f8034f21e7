"""The events of every case in the order in which they became known, laid out to be searched for millions of landmarks.

Positions 0 … N-1 are those of the events, sorted by (case, known_at, at, kind). A case's events known before a moment
end at a position, and "the next closing" or "the last reopening" are look-ups in an array: no loop over cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEVER
from data.schema import ClosingReason, EventKind
from features.terms import Int64s

Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]

_TIME_BITS: Final = 34
_TIME_MASK: Final = (1 << _TIME_BITS) - 1
_MINOR_BITS: Final = 4

# How an event stands among others of its case and second: as in `data.event_log.in_order`. What is tied even then are
# two closings of one second; the reason decides, so that the order of the rows never does.
_KINDS: Final = tuple(kind.value for kind in EventKind)
_REASONS: Final = tuple(reason.value for reason in ClosingReason)


@dataclass(frozen=True)
class Stories:
    """N events of many cases.

    Attributes
    ----------
    cases : Index of case ids; its places are the codes of the cases
    packed : (N,) int64 ascending, `code << 34 | known_at`
    known_at, at : (N,) int64 seconds in UTC
    kind, reason : (N,) int8, places in `EventKind` and `ClosingReason`; -1 where no reason is given
    """

    cases: pd.Index
    packed: Int64s
    known_at: Int64s
    at: Int64s
    kind: Codes
    reason: Codes

    @classmethod
    def read(cls, events: pd.DataFrame, as_of: int) -> Stories:
        """The events known strictly before `as_of`, of an event frame in any order.

        Cases of which nothing was known by then have codes too: their story is empty, which is no mistake.
        """
        code, cases = pd.factorize(events["case_id"])
        known = events["known_at"].to_numpy("int64")
        kept = np.flatnonzero(known < as_of)
        at, kind = events["at"].to_numpy("int64")[kept], _codes(events["kind"].iloc[kept], _KINDS)
        reason = _codes(events["closing_reason"].iloc[kept], _REASONS)
        packed = pack(code[kept].astype(np.int64), known[kept])
        minor = (((at << _MINOR_BITS) | kind) << _MINOR_BITS) | (reason + 1)
        order = np.lexsort((minor, packed))
        packed = packed[order]
        return cls(pd.Index(cases), packed, packed & _TIME_MASK, at[order], kind[order], reason[order])

    def __len__(self) -> int:
        return len(self.packed)

    def codes_of(self, case_ids: pd.Series) -> Int64s:
        """The code of each case id.

        Raises
        ------
        InputError
            If there are no events of a case.
        """
        # Distinct ids first: a case has many landmarks.
        places, distinct = pd.factorize(case_ids)
        found = self.cases.get_indexer(pd.Index(distinct))
        if (found < 0).any() or (places < 0).any():
            raise InputError(
                f"Expected landmarks of cases that have events, and {int((found < 0).sum()):,} of {len(found):,} cases "
                "have none. Give the events from which the landmarks were made."
            )
        return found[places].astype(np.int64)

    def before(self, code: Int64s, moment: Int64s) -> Int64s:
        """Where the events of a case known strictly before a moment end: positions (n,), in 0 … N."""
        return np.searchsorted(self.packed, pack(code, np.clip(moment, 0, _TIME_MASK)), side="left")

    @cached_property
    def next_opening(self) -> Int64s:
        """For every position the first opening at or after it, as `next_of` gives it; the others below likewise."""
        return next_of(self._of_kind(EventKind.OPENED))

    @cached_property
    def next_closing(self) -> Int64s:
        """The first closing at or after a position."""
        return next_of(self._of_kind(EventKind.CLOSED))

    @cached_property
    def next_reopening(self) -> Int64s:
        """The first reopening at or after a position."""
        return next_of(self._of_kind(EventKind.REOPENED))

    @cached_property
    def next_hand_up(self) -> Int64s:
        """The first hand-up at or after a position."""
        return next_of(self._of_kind(EventKind.HANDED_UP))

    @cached_property
    def last_reason(self) -> Int64s:
        """The last closing that gives a reason, strictly before a position."""
        return last_of(self._of_kind(EventKind.CLOSED) & (self.reason >= 0))

    @cached_property
    def next_undone_closing(self) -> Int64s:
        """The first reopening at or after a position that says that a closing did not hold.

        A reopening says so itself where the closing was not recorded. It does not where it takes a falling-away back,
        or where the case was reopened already.
        """
        places = np.flatnonzero(self._of_kind(EventKind.REOPENED))
        start = self.before(self.packed[places] >> _TIME_BITS, np.zeros_like(places))
        begun = self._begun(start, places)
        again = (begun < places) & (self.kind[begun] == _KINDS.index(EventKind.REOPENED.value))
        undoes = ~self.has_fallen(start, places) & (self.is_closed(start, places) | ~again)
        marked = np.zeros(len(self), dtype=bool)
        marked[places[undoes]] = True
        return next_of(marked)

    def is_opened(self, start: Int64s, stop: Int64s) -> Bools:
        """Whether cases that start at these positions had been opened by the events before others; (n,), bool."""
        return np.asarray(self.next_opening[start] < stop)

    def is_closed(self, start: Int64s, stop: Int64s) -> Bools:
        """Whether they had been closed, and not reopened since; (n,), bool."""
        return np.asarray(self.next_closing[self._begun(start, stop)] < stop)

    def has_fallen(self, start: Int64s, stop: Int64s) -> Bools:
        """Whether they had fallen away, and not been taken back since; (n,), bool."""
        return np.asarray(self.fall(start, stop) < stop)

    def fall(self, start: Int64s, stop: Int64s) -> Int64s:
        """Where they fell away, if that still stood; some position from `stop` on where it did not. (n,), int64."""
        return np.asarray(self._next_fall[self._begun(start, stop)])

    def known_where(self, position: Int64s, stop: Int64s) -> Int64s:
        """When the event at a position became known; `NEVER` from `stop` on. Shape (n,), seconds in UTC."""
        return np.where(position < stop, self._known_at_or_never[position], NEVER)

    @cached_property
    def _next_fall(self) -> Int64s:
        return next_of(self._of_kind(EventKind.WITHDRAWN, EventKind.DUPLICATE))

    @cached_property
    def _last_reopening(self) -> Int64s:
        return last_of(self._of_kind(EventKind.REOPENED))

    @cached_property
    def _known_at_or_never(self) -> Int64s:
        return np.append(self.known_at, NEVER)

    def _begun(self, start: Int64s, stop: Int64s) -> Int64s:
        """Where the present life of the case began: its last reopening, else its first event.

        An opening begins nothing: a case whose closing became known before its opening is closed.
        """
        return np.maximum(self._last_reopening[stop], start)

    def _of_kind(self, *kinds: EventKind) -> Bools:
        return np.asarray(np.isin(self.kind, [_KINDS.index(kind.value) for kind in kinds]))


def pack(code: Int64s, moment: Int64s) -> Int64s:
    """A case and a moment as one integer that sorts by both."""
    return (code << _TIME_BITS) | moment


def next_of(marked: Bools) -> Int64s:
    """For every position p in 0 … N, the first marked one at or after p; N where there is none. Shape (N + 1,)."""
    size = len(marked)
    places = np.where(np.append(marked, True), np.arange(size + 1), size)
    return np.asarray(np.minimum.accumulate(places[::-1])[::-1])


def last_of(marked: Bools) -> Int64s:
    """For every position p in 0 … N, the last marked one strictly before p; -1 where there is none. Shape (N + 1,)."""
    places = np.where(np.insert(marked, 0, False), np.arange(-1, len(marked)), -1)
    return np.asarray(np.maximum.accumulate(places))


def _codes(column: pd.Series, words: tuple[str, ...]) -> Codes:
    """The place of each value among `words`, -1 for null."""
    places, distinct = pd.factorize(column)
    known = pd.Index(words).get_indexer(pd.Index(distinct))
    return np.append(known, -1)[places].astype(np.int8)  # factorize gives null the position -1: the last
