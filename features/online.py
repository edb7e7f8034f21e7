"""One case at a time: the same terms as in bulk, looked up without a table, a frame or a sort.

What depends on the features alone (which arrays, which windows, which places of the result) is worked out once, in a
plan. What remains for a case is, for each table and key set, one search for all ends of all windows together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.event_index import EventIndex, IndexTerms, Queries
from features.key_codes import UNSEEN
from features.segment import Segment
from features.sorted_facts import COUNT, TIME_BITS, TIME_MASK, SortedFacts
from features.terms import LAST_AT, Floats, Int64s, KeySet, KnownTerms, Quantity, Term

_FOREVER = 1 << TIME_BITS


@dataclass(frozen=True, slots=True)
class _Sums:
    """Terms of one table and key set, in one segment: sums over windows that end now."""

    facts: SortedFacts
    key_set: KeySet
    spans: tuple[int, ...]  # seconds back from t at which windows begin; the first is 0, where all of them end
    measures: tuple[tuple[str, Int64s, slice], ...]  # measure, which windows, where the results go
    newest: int | None  # where the moment of the newest fact goes; None if nobody asks


class OnlineTerms:
    """Terms of one landmark at a time, answered by an index.

    Parameters
    ----------
    index : EventIndex
    terms : what may be asked

    The index may have been opened from a folder: then all that a worker holds of its own is this plan. Not to be shared
    between threads while codes of a new value are learnt, which a saved index never does.
    """

    def __init__(self, index: EventIndex, terms: Iterable[Term]) -> None:
        # Side by side what is found together, so that it is written together.
        self.terms = tuple(sorted(set(terms), key=_place))
        self._index = index
        self._slots = {term: slot for slot, term in enumerate(self.terms)}
        self._plans = [(segment, _plan(segment, self._slots)) for segment in index.segments]
        self._spans = sorted({plan.spans for _segment, plans in self._plans for plan in plans})
        self._back = [np.array(spans, dtype=np.int64) for spans in self._spans]
        hard = [term for term in self.terms if self._is_hard(term)]
        self._counted = tuple(term for term in hard if self._can_count_back(term))
        self._hard = tuple(term for term in hard if not self._can_count_back(term))
        self._last = np.array([self._slots[term] for term in self.terms if term.measure == LAST_AT], dtype=np.int64)

    def integers(self, at: int, keys: Mapping[str, str | None]) -> Int64s:
        """The terms of a landmark, in the order of `self.terms`; shape (len(self.terms),), int64.

        Parameters
        ----------
        at : seconds in UTC; only facts strictly before it count
        keys : value of each key column that the terms need; None where unknown

        Raises
        ------
        ValueError
            If the moment lies outside 1970 to 2514: most often it is given in milliseconds.
        """
        if not 0 <= at <= TIME_MASK:
            raise ValueError("Expected a moment from 1970 to 2514, in seconds.")
        found = np.zeros(len(self.terms), dtype=np.int64)
        found[self._last] = -1
        starts = {spans: np.maximum(at - back, 0) for spans, back in zip(self._spans, self._back, strict=True)}
        for segment, plans in self._plans:
            columns: dict[str, int] = {}
            codes: dict[KeySet, int] = {}
            for plan in plans:
                code = codes.get(plan.key_set)
                if code is None:
                    code = codes[plan.key_set] = segment.codes.encode_one(keys, plan.key_set, columns)
                if code != UNSEEN:
                    _add(plan, code, starts[plan.spans], found)
        for term in self._counted:
            found[self._slots[term]] = self._counted_back(term, at, keys)
        for term in self._hard:
            found[self._slots[term]] = self._in_bulk(at, keys).term(term)[0]
        return found

    def known(self, at: int, keys: Mapping[str, str | None]) -> KnownTerms:
        """The terms of a landmark as the formulas of the catalogue read them: arrays of one."""
        found = self.integers(at, keys)
        return KnownTerms({term.name: found[slot : slot + 1] for slot, term in enumerate(self.terms)}, 1)

    def _is_hard(self, term: Term) -> bool:
        """Whether counting back needs the whole machinery: the newest few of facts in several segments, or of facts
        that took others back.
        """
        if term.newest is None and term.measure != LAST_AT:
            return False
        parts = [segment.sorted_facts(term.table, term.keys) for segment in self._index.segments]
        return term.newest is not None or not all(part.plain for part in parts)

    def _can_count_back(self, term: Term) -> bool:
        """Whether the newest few are found by counting places: one segment, whose facts took none back."""
        segments = self._index.segments
        return term.newest is not None and len(segments) == 1 and segments[0].sorted_facts(term.table, term.keys).plain

    def _counted_back(self, term: Term, at: int, keys: Mapping[str, str | None]) -> int:
        segment = self._index.segments[0]
        code = segment.codes.encode_one(keys, term.keys, {})
        facts = segment.sorted_facts(term.table, term.keys)
        if code == UNSEEN or not len(facts.packed) or term.newest is None:
            return 0
        begin, end = facts.packed.searchsorted(np.array([code << TIME_BITS, code << TIME_BITS | at]))
        first = int(end) - term.newest
        # Whole moments: with the first of them, all others of its second.
        start = int(facts.packed.searchsorted(facts.packed[first])) if first > begin else int(begin)
        if term.measure == COUNT and facts.plain:
            return int(end) - start
        sums = facts.running[term.measure]
        return int(sums[end]) - int(sums[start])

    def _in_bulk(self, at: int, keys: Mapping[str, str | None]) -> IndexTerms:
        frame = pd.DataFrame({name: pd.Series([value], dtype="str") for name, value in keys.items()})
        return IndexTerms(self._index, Queries(np.array([at], dtype=np.int64), frame))


def _add(plan: _Sums, code: int, starts: Int64s, found: Int64s) -> None:
    facts = plan.facts
    places = facts.packed.searchsorted(starts + (code << TIME_BITS))
    for measure, windows, slots in plan.measures:
        sums = places if measure == COUNT and facts.plain else facts.running[measure][places]
        found[slots] += np.subtract(sums[0], sums[windows], dtype=np.int64)
    if plan.newest is not None:
        upper = int(places[0])
        last = int(facts.packed[upper - 1]) if upper else 0
        if last >> TIME_BITS == code:
            found[plan.newest] = max(found[plan.newest], last & TIME_MASK)


def _plan(segment: Segment, slots: Mapping[Term, int]) -> list[_Sums]:
    groups: dict[tuple[str, KeySet], list[Term]] = {}
    for term in slots:
        if term.newest is None:
            groups.setdefault((term.table, term.keys), []).append(term)
    plans = []
    for (table, key_set), terms in groups.items():
        facts = segment.sorted_facts(table, key_set)
        if len(facts.packed):
            plans.append(_sums(facts, key_set, terms, slots))
    return plans


def _sums(facts: SortedFacts, key_set: KeySet, terms: list[Term], slots: Mapping[Term, int]) -> _Sums:
    asked = [term for term in terms if term.measure != LAST_AT]
    spans = (0, *sorted({_span(term) for term in asked}))
    measures = []
    for measure, group in groupby(sorted(asked, key=_place), key=lambda term: term.measure):
        chosen = list(group)
        first = slots[chosen[0]]
        windows = np.array([spans.index(_span(term), 1) for term in chosen])
        measures.append((measure, windows, slice(first, first + len(chosen))))
    newest = next((slots[term] for term in terms if term.measure == LAST_AT), None)
    return _Sums(facts, key_set, spans, tuple(measures), newest)


def _span(term: Term) -> int:
    return _FOREVER if term.window is None else term.window


def _place(term: Term) -> tuple[str, KeySet, bool, str, int]:
    return term.table, term.keys, term.newest is not None, term.measure, term.newest or _span(term)


class OnlinePlan:
    """Quantities of one landmark at a time.

    Parameters
    ----------
    index : EventIndex
    quantities : name -> Quantity
    """

    def __init__(self, index: EventIndex, quantities: Mapping[str, Quantity]) -> None:
        self.names = tuple(quantities)
        self._terms = OnlineTerms(index, (term for each in quantities.values() for term in each.terms()))
        slots = {term: slot for slot, term in enumerate(self._terms.terms)}
        listed = list(quantities.values())
        self._tops = np.array([slots[each.numerator] for each in listed])
        self._since = _chosen(each.since for each in listed)
        self._shares = _chosen(each.denominator is not None for each in listed)
        divided = [each for each in listed if each.denominator is not None]
        self._below = np.array([slots[each.terms()[1]] for each in divided], dtype=np.int64)
        self._scales = np.array([each.scale for each in divided], dtype=np.float64)

    def values(self, at: int, keys: Mapping[str, str | None]) -> NDArray[np.float64]:
        """The quantities of a landmark, in the order of `names`; shape (len(names),), float64; NaN for null."""
        counted = self._terms.integers(at, keys)
        top = counted[self._tops]
        found = top.astype(np.float64)
        if len(self._shares):
            found[self._shares] = _divided(top[self._shares], counted[self._below]) / self._scales
        if len(self._since):
            last = top[self._since]
            found[self._since] = np.where(last >= 0, (at - last) / 3600.0, np.nan)
        return np.asarray(found)


def _chosen(which: Iterable[bool]) -> Int64s:
    return np.flatnonzero(np.fromiter(which, dtype=bool))


def _divided(top: Int64s, below: Int64s) -> Floats:
    share = np.full(len(top), np.nan)
    np.divide(top, below, out=share, where=below != 0)
    return share
