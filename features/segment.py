"""A part of the history: its facts under the key sets that are asked for, with codes of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features.facts import FACT_TABLES, Facts
from features.key_codes import KeyCodes
from features.sorted_facts import COUNT, SortedFacts
from features.terms import Int64s, KeySet


@dataclass
class Segment:
    """Facts of a stretch of history, under the key sets that were asked for.

    `facts` is None once they were all put in order, or when the segment comes from a file; `home` is the folder that it
    came from or was written to.
    """

    facts: Mapping[str, Facts] | None
    codes: KeyCodes = field(default_factory=KeyCodes)
    under: dict[tuple[str, KeySet], SortedFacts] = field(default_factory=dict)
    home: Path | None = None
    # Codes of columns by table, while tables are put in order as they are asked for.
    _columns: dict[str, dict[str, Int64s]] = field(default_factory=dict, repr=False)

    def sorted_facts(self, table: str, key_set: KeySet) -> SortedFacts:
        """A table under a key set, put in order when first asked for.

        Raises
        ------
        KeyError
            If the segment was closed without this table and key set.
        """
        if (table, key_set) not in self.under:
            if self.facts is None:
                raise KeyError(
                    f"This index was not made for {table} by {'×'.join(key_set) or 'city'}. Make it anew for the "
                    "features that are asked for."
                )
            self._learn(key_set)
            self.under[table, key_set] = self._ordered(self.facts.get(table), key_set, self._columns_of(table))
        return self.under[table, key_set]

    def prepare(self, asked: Iterable[tuple[str, KeySet]]) -> None:
        """Put tables in order under key sets, and let go of the facts: nothing else can be asked for from then on.

        Table by table, so that facts which are read from files need not all be in memory at once.
        """
        if self.facts is None:
            return
        pairs = set(asked) - set(self.under)
        for table in sorted({table for table, _keys in pairs}):
            facts = _in_time(self.facts.get(table))
            columns: dict[str, Int64s] = {}
            for key_set in sorted(keys for name, keys in pairs if name == table):
                self.under[table, key_set] = self._ordered(facts, key_set, columns)
        self.facts = None
        self._columns = {}

    def require_closed(self) -> None:
        """Refuse a segment that puts tables in order as they are asked for: what is missing from it would be lost.

        Raises
        ------
        ValueError
            If it was made without saying which terms will be asked for.
        """
        if self.facts is not None:
            raise ValueError("Expected an index that was built for given terms: `EventIndex.build(facts, terms)`.")

    def _learn(self, key_set: KeySet) -> None:
        """Give every key of any table its code when the first table is put in order under the key set: whoever looks
        up the codes of what he asks about does so once, and would miss those given later.
        """
        if self.facts is not None and all(known != key_set for _table, known in self.under):
            for table, facts in self.facts.items():
                self.codes.learn(facts.keys, key_set, self._columns_of(table))

    def _columns_of(self, table: str) -> dict[str, Int64s]:
        return self._columns.setdefault(table, {})

    def _ordered(self, facts: Facts | None, key_set: KeySet, columns: dict[str, Int64s]) -> SortedFacts:
        if facts is None:
            return SortedFacts(np.empty(0, dtype=np.int64), {})
        return SortedFacts.build(self.codes.learn(facts.keys, key_set, columns), facts.at, facts.measures)


def _in_time(facts: Facts | None) -> Facts | None:
    """The facts in the order of time: sorting once by time is cheaper than once for every key set."""
    if facts is None or bool((facts.at[1:] >= facts.at[:-1]).all()):
        return facts
    order = np.argsort(facts.at, kind="stable")
    measures = {name: values[order] for name, values in facts.measures.items()}
    return Facts(facts.at[order], facts.keys.take(order), measures)


def merge(segments: Sequence[Segment]) -> Segment:
    """One segment with the facts of several, under the key sets of the first.

    Raises
    ------
    ValueError
        If a segment is still open (`require_closed`).
    """
    for segment in segments:
        segment.require_closed()
    merged = Segment(None)
    for table, key_set in segments[0].under:
        merged.under[table, key_set] = _merged(segments, merged.codes, table, key_set)
    return merged


def _merged(segments: Sequence[Segment], codes: KeyCodes, table: str, key_set: KeySet) -> SortedFacts:
    parts = []
    for segment in segments:
        facts = segment.sorted_facts(table, key_set)
        old, at, measures = facts.rows()
        known = codes.learn(segment.codes.combinations(key_set), key_set)
        parts.append((np.append(0, known)[old], at, measures))
    names = FACT_TABLES[table]
    code, at = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    measures = {
        name: np.concatenate([part[2].get(name, np.zeros(len(part[0]), dtype=np.int64)) for part in parts])
        for name in names
    }
    if COUNT not in FACT_TABLES[table] or any(not one.sorted_facts(table, key_set).plain for one in segments):
        code, at, measures = _netted(code, at, measures)
    return SortedFacts.build(code, at, measures)


def _netted(code: Int64s, at: Int64s, measures: Mapping[str, Int64s]) -> tuple[Int64s, Int64s, dict[str, Int64s]]:
    """One row for each key and moment, with what remains when facts and those that take them back are added up."""
    order = np.lexsort((at, code))
    code, at = code[order], at[order]
    first = np.flatnonzero(np.append(True, (code[1:] != code[:-1]) | (at[1:] != at[:-1]))[: len(code)])
    if not len(first):
        return code, at, dict(measures)
    summed = {name: np.add.reduceat(values[order], first) for name, values in measures.items()}
    left = np.any([values != 0 for values in summed.values()], axis=0)
    return code[first][left], at[first][left], {name: values[left] for name, values in summed.items()}
