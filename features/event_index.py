"""Sums over trailing windows, as they stood at a given moment, for one case or for millions.

An index is a list of segments, each with facts of its own, sorted under the key sets that are asked for
(`features.sorted_facts`). A sum over the history is the sum over its segments: a day is added as a small segment beside
a large one, a correction as a segment whose facts take others back, and no answer differs from that of an index built
anew. Saved, its arrays are mapped into memory and shared by all who read them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from features.facts import Facts
from features.index_files import open_segments, save_index
from features.key_codes import UNSEEN
from features.segment import Segment, merge
from features.sorted_facts import COUNT, TIME_MASK, SortedFacts, order_of
from features.terms import EVERYWHERE, LAST_AT, Int64s, KeySet, Term

# Places of queries are kept while neighbouring terms ask for them: windows of one table share their ends.
_CACHE_BYTES: Final = 256 * 2**20
# The window that begins at t itself: its place is where every window ends.
_NOW: Final = 0


@dataclass(frozen=True)
class Queries:
    """Moments at which key values are asked about.

    Attributes
    ----------
    at : (n,) int64 seconds in UTC, from 1970 to 2514
    keys : DataFrame of n rows with `features.facts.KEY_COLUMNS` (those that are asked for), null where unknown
    """

    at: Int64s
    keys: pd.DataFrame

    def __post_init__(self) -> None:
        if len(self.at) != len(self.keys):
            raise ValueError(f"Expected as many moments as keys, got {len(self.at)} and {len(self.keys)}.")
        if len(self.at) and not (int(self.at.min()) >= 0 and int(self.at.max()) <= TIME_MASK):
            raise ValueError("Expected moments from 1970 to 2514, got one outside.")


@dataclass(frozen=True)
class EventIndex:
    """Facts under key sets, ready to be summed over windows.

    Attributes
    ----------
    segments : parts of the history; together they are all of it
    """

    segments: tuple[Segment, ...]

    @classmethod
    def build(cls, facts: Mapping[str, Facts], terms: Iterable[Term] | None = None) -> EventIndex:
        """An index of facts, name of a fact table -> Facts.

        With `terms`, everything that they need is put in order now and the facts are let go; other terms can then not
        be asked for. Without, each table is put in order under a key set when that is first asked for.
        """
        segment = Segment(facts)
        if terms is not None:
            segment.prepare((term.table, term.keys) for term in terms)
        return cls((segment,))

    def add(self, facts: Mapping[str, Facts]) -> EventIndex:
        """The index with more facts; this one stays as it is, and both share what they have in common.

        The work is in proportion to what is added. Facts that take others back (`features.facts.delta_facts`) are
        added in the same way.
        """
        segment = Segment(facts)
        if self.segments[0].facts is None:
            segment.prepare(self.segments[0].under)
        return EventIndex((*self.segments, segment))

    def merged(self) -> EventIndex:
        """The same history as one segment, which answers faster. Facts that took each other back are gone."""
        return self if len(self.segments) == 1 else EventIndex((merge(self.segments),))

    def save(self, folder: Path) -> None:
        """Write the index to a folder, for `open`; see `features.index_files`."""
        save_index(self, folder)

    @classmethod
    def open(cls, folder: Path) -> EventIndex:
        """An index that was saved, its arrays mapped into memory and not read before they are needed.

        Raises
        ------
        FileFormatError
            If the folder holds no index, or one that was cut short.
        UsageError
            If it was made by a version of heed whose facts are others.
        """
        return cls(tuple(open_segments(folder)))

    def sums(
        self, table: str, measures: Sequence[str], key_set: KeySet, queries: Queries, window: int | None
    ) -> dict[str, Int64s]:
        """Sum of each measure over `[t - window, t)` of the query's own key; shape (n,), int64.

        Parameters
        ----------
        table, measures : a fact table and some of its measures
        key_set : names of key columns; `EVERYWHERE` for the whole city
        queries : moments and key values, n of them
        window : seconds; None for everything before t

        A key that was never seen, or a null one, sums to 0.
        """
        source = IndexTerms(self, queries)
        return {name: source.term(Term(table, name, key_set, window)) for name in measures}


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Queries by code and moment, since neighbouring searches then touch the same memory: their codes and moments in
    that order, the rows in that order, and for each row its place in it.
    """

    codes: Int64s
    at: Int64s
    order: Int64s
    back: Int64s


class IndexTerms:
    """Terms of many landmarks, answered by an index.

    Parameters
    ----------
    index : EventIndex
    queries : Queries, n of them
    """

    def __init__(self, index: EventIndex, queries: Queries) -> None:
        self._index = index
        self._queries = queries
        self._under: dict[tuple[int, KeySet], _Encoded] = {}
        self._places: OrderedDict[tuple[int, str, KeySet, int | None], Int64s] = OrderedDict()

    def __len__(self) -> int:
        return len(self._queries.at)

    def term(self, term: Term) -> Int64s:
        """The integer of every landmark, shape (n,), int64.

        Raises
        ------
        KeyError
            If the facts have no such table or measure, or the index was made without them.
        """
        if term.measure == LAST_AT:
            return self._start_of_newest(term, 1)
        lower = None if term.newest is None else np.maximum(self._start_of_newest(term, term.newest), 0)
        total: Int64s | None = None
        for number, segment in enumerate(self._index.segments):
            facts = segment.sorted_facts(term.table, term.keys)
            if not len(facts.packed):
                continue
            upper = self._ends(number, term.table, term.keys, _NOW)
            if lower is None:
                start = self._ends(number, term.table, term.keys, term.window)
            else:
                start = self._places_at(number, term, lower)
            found = facts.between(term.measure, start, upper).take(self._encoded(number, term.keys).back)
            total = found if total is None else total + found
        return np.zeros(len(self), dtype=np.int64) if total is None else total

    def _encoded(self, number: int, key_set: KeySet) -> _Encoded:
        if (number, key_set) not in self._under:
            codes = self._index.segments[number].codes.encode(self._queries.keys, key_set)
            order = order_of(codes, self._queries.at)
            back = np.empty(len(order), dtype=np.intp)
            back[order] = np.arange(len(order))
            self._under[number, key_set] = _Encoded(codes.take(order), self._queries.at.take(order), order, back)
        return self._under[number, key_set]

    def _ends(self, number: int, table: str, key_set: KeySet, window: int | None) -> Int64s:
        """Places of `t - window`, in the order of `_encoded`; of the first moment of all where there is no window."""
        key = (number, table, key_set, window)
        if key in self._places:
            self._places.move_to_end(key)
            return self._places[key]
        asked = self._encoded(number, key_set)
        facts = self._index.segments[number].sorted_facts(table, key_set)
        if window is None:
            found = _first_places(facts, asked.codes)
        else:
            found = facts.places(asked.codes, np.maximum(asked.at - window, 0))
        self._places[key] = found
        while len(self._places) * max(found.nbytes, 1) > _CACHE_BYTES and len(self._places) > 2:
            self._places.popitem(last=False)
        return found

    def _places_at(self, number: int, term: Term, moments: Int64s) -> Int64s:
        """Places of given moments, one for each landmark in their own order; the result in the order of `_encoded`."""
        asked = self._encoded(number, term.keys)
        facts = self._index.segments[number].sorted_facts(term.table, term.keys)
        return facts.places(asked.codes, moments.take(asked.order))

    def _start_of_newest(self, term: Term, count: int) -> Int64s:
        """The latest moment u with `count` facts or more in [u, t); -1 where there never were so many. Shape (n,)."""
        segments = self._index.segments
        if len(segments) == 1 and segments[0].sorted_facts(term.table, term.keys).plain:
            return self._counted_back(term, count)
        return self._halved(term, count)

    def _counted_back(self, term: Term, count: int) -> Int64s:
        asked = self._encoded(0, term.keys)
        facts = self._index.segments[0].sorted_facts(term.table, term.keys)
        upper = self._ends(0, term.table, term.keys, _NOW)
        return facts.moment_before(asked.codes, upper - (count - 1)).take(asked.back)

    def _halved(self, term: Term, count: int) -> Int64s:
        """By halving the time in which u must lie. The number of facts in [u, t) never grows with u, since facts that
        were taken back stand at the moment of those that take them back.
        """
        low, high = np.full(len(self), -1, dtype=np.int64), self._queries.at - 1
        while bool((low < high).any()):
            middle = (low + high + 1) // 2
            enough = self._count_since(term, np.maximum(middle, 0)) >= count
            low, high = np.where(enough, middle, low), np.where(enough, high, middle - 1)
        return low

    def _count_since(self, term: Term, moments: Int64s) -> Int64s:
        total = np.zeros(len(self), dtype=np.int64)
        for number, segment in enumerate(self._index.segments):
            facts = segment.sorted_facts(term.table, term.keys)
            if len(facts.packed):
                upper = self._ends(number, term.table, term.keys, _NOW)
                found = facts.between(COUNT, self._places_at(number, term, moments), upper)
                total += found.take(self._encoded(number, term.keys).back)
        return total


def _first_places(facts: SortedFacts, codes: Int64s) -> Int64s:
    """Where the facts of each code begin; the codes are sorted, so each need be looked up once only."""
    first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    found = facts.places(codes[first], np.zeros(len(first), dtype=np.int64))
    return np.repeat(found, np.diff(np.append(first, len(codes))))


__all__ = ["EVERYWHERE", "UNSEEN", "EventIndex", "IndexTerms", "KeySet", "Queries", "Segment", "Term"]
