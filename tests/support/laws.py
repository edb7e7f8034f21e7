"""What must hold of any way to work out features, as functions that raise AssertionError where it does not.

A `Way` is everything from an event log to a table of features, in steps: landmarks, facts, what new events change in
the facts, counting (in bulk, online, dealt out), and finishing. heed's own way is `Way()`. A mistake of real life
(`tests.support.leaky`) is a way with one step done wrong, so each law can be shown to catch what it is for.

Each law takes a way, a log (`tests.support.law_logs`) and a source of random choices. All of them compare float64
values by `==`, with null equal to null: never within a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from data.clock import WorkingCalendar, hours
from features.catalogue import CATALOGUE
from features.distributed.engines import Engine, in_place
from features.distributed.pipeline import events_to_table, facts_of_cases
from features.distributed.stream import Shuffle, facts_to_stream, partition_terms, queries_to_table, shuffles
from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import Facts, Known, delta_facts, facts_from_events
from features.landmarks import landmarks, queries_at
from features.matrix import matrix_at, terms_of
from features.online import OnlineTerms
from features.terms import Term, Terms
from tests.support.law_logs import ZONE, Log, growing, opened_only, renamed, shuffled, with_other_future

FactTables = Mapping[str, Facts]
# Answers terms about landmarks.
Ask = Callable[[pd.DataFrame], Terms]

_OFFICE_HOURS: Final = hours("09:00-12:00", "13:30-17:30")
_ROW: Final = ["case_id", "kind", "landmark_at"]


@cache
def _calendar() -> WorkingCalendar:
    return WorkingCalendar(
        time_zone=ZONE, first=date(2023, 1, 1), last=date(2025, 12, 31), weekly=[_OFFICE_HOURS] * 5 + [(), ()]
    )


class Way:
    """heed's own way to work out features, step by step; each step can be done otherwise."""

    names: tuple[str, ...] = tuple(CATALOGUE)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """All that `finish` asks for."""
        return terms_of(self.names)

    def alone(self, column: str) -> list[str]:
        """The features that look at nothing but facts of the landmark's own value of a key column."""
        return [name for name in self.names if _looks_only_at(name, column)]

    def landmarks(self, log: Log, as_of: int) -> pd.DataFrame:
        """All landmarks of every kind before a moment."""
        return landmarks(log.events, time_zone=ZONE, as_of=as_of, observed_until=log.observed_until)

    def facts(self, log: Log) -> FactTables:
        """The facts of a log."""
        return facts_from_events(
            log.events, log.inspections, log.observed_until, capacity=log.capacity, adjacency=log.adjacency
        )

    def delta(self, before: Log, after: Log) -> FactTables:
        """What to add to the facts of `before` to have those of `after`; only cases that something is new of are read.

        Inspections and capacities are given whole.
        """
        cases = _touched(before, after)
        known = (
            Known(log.events[log.events["case_id"].isin(cases)], log.inspections, log.observed_until, log.capacity)
            for log in (before, after)
        )
        return delta_facts(*known, adjacency=after.adjacency)

    def moments(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> np.ndarray:
        """The moments that are asked about, (n,): windows end strictly before them."""
        return marks["landmark_at"].to_numpy("int64")

    def queries(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> Queries:
        """What is asked of the facts, whoever counts."""
        return Queries(self.moments(parts, marks), queries_at(marks).keys)

    def count(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> Terms:
        """Count in bulk over a history that came in parts."""
        return IndexTerms(self.index(parts), self.queries(parts, marks))

    def count_one(self, parts: Sequence[FactTables], mark: pd.DataFrame) -> Terms:
        """Count for one landmark, as a service does."""
        asked = self.queries(parts, mark)
        keys = {name: None if pd.isna(value) else str(value) for name, value in asked.keys.iloc[0].items()}
        return OnlineTerms(self.index(parts), self.terms).known(int(asked.at[0]), keys)

    def index(self, parts: Sequence[FactTables]) -> EventIndex:
        """An index of the first part, to which the others were added."""
        index = EventIndex.build(parts[0])
        for part in parts[1:]:
            index = index.add(part)
        return index

    def dealt(self, rows: pa.Table, share: Shuffle, partitions: int) -> np.ndarray:
        """Which partition each row of facts or queries goes to, so that one partition has all of a key; (n,)."""
        names = rows.select(list(share.keys)).to_pandas().astype(object)
        if names.shape[1] == 0:
            return np.zeros(len(rows), dtype=np.int64)
        hashed = pd.util.hash_pandas_object(names.where(names.notna(), ""), index=False).to_numpy()
        return (hashed % np.uint64(partitions)).astype(np.int64)

    def finish(self, ask: Ask, marks: pd.DataFrame) -> pd.DataFrame:
        """Features of the landmarks, in their order."""
        return self.finish_some(ask, marks, self.names)

    def finish_some(self, ask: Ask, marks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        """Some of the features."""
        return matrix_at(ask(marks), marks, names, time_zone=ZONE, calendar=_calendar()).features

    def features(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> pd.DataFrame:
        """Features of landmarks from a history in parts, counted in bulk; a row for each, named by `_ROW`."""
        return _named(self.finish(lambda asked: self.count(parts, asked), marks), marks)

    def table(self, log: Log, as_of: int) -> pd.DataFrame:
        """Features of all landmarks of a log before a moment."""
        return self.features([self.facts(log)], self.landmarks(log, as_of))


Law = Callable[[Way, Log, np.random.Generator], None]


def the_future_changes_nothing(way: Way, log: Log, rng: np.random.Generator) -> None:
    """What became known at t or later may be missing, or may be something else: landmarks that know what was known
    strictly before t stay as they are. So does each landmark without whatever it may not know: others' events from its
    own second on, and its own from `seen_until` on. The future is of cases, of how far they were followed, of
    inspections and of capacities.
    """
    marks = way.landmarks(log, log.end)
    if marks.empty:
        return
    facts = way.facts(log)
    whole = way.features([facts], marks)
    known_by = dict(zip(whole.index, marks["seen_until"], strict=True))
    # On a landmark: a morning then knows all but what became known in its own second.
    t = int(rng.choice(marks["landmark_at"])) + int(rng.integers(0, 2))
    settled = [row for row in whole.index if known_by[row] <= t]
    past, other = log.before(t), with_other_future(log, t, rng)
    for changed, as_of in ((past, t + 1), (other, max(other.end, t + 1))):
        if len(changed.events):
            found = way.table(changed, as_of)
            assert set(settled) <= set(found.index), "the future changes which landmarks there are"
            same(whole.loc[settled], found.loc[settled], "the future")
    for place in _chosen(marks, facts, rng, 3):
        row = whole.index[place]
        found = way.table(_as_known_at(log, marks.iloc[place]), int(marks["landmark_at"].iloc[place]) + 1)
        same(whole.loc[[row]], found.loc[[row]], "what the landmark may not know")


def order_changes_nothing(way: Way, log: Log, rng: np.random.Generator) -> None:
    """Rows of events, inspections, capacities, looks and borders in another order, and landmarks asked in another."""
    marks = way.landmarks(log, log.end)
    whole = way.features([way.facts(log)], marks)
    found = way.table(shuffled(log, rng), log.end)
    same(whole, found, "the order of rows")
    mixed = marks.iloc[rng.permutation(len(marks))].reset_index(drop=True)
    same(whole, way.features([way.facts(log)], mixed).loc[whole.index], "the order of asking")


def adding_equals_rebuilding(way: Way, log: Log, rng: np.random.Generator) -> None:
    """Facts of the first days, and what each later day changes, give what the facts of everything give; so they do
    day by day, with rows that came in late, and with cases that were followed for longer.
    """
    steps = growing(log, rng, 3)
    parts = [way.facts(steps[0])]
    for before, after in pairwise(steps):
        parts.append(way.delta(before, after))
        marks = way.landmarks(after, log.end)
        same(way.features([way.facts(after)], marks), way.features(parts, marks), "adding day by day")


def online_equals_bulk(way: Way, log: Log, rng: np.random.Generator) -> None:
    """One landmark asked alone, from a history that had a day added, gives its row of the table of all."""
    marks = way.landmarks(log, log.end)
    facts = way.facts(log)
    bulk = way.features([facts], marks)
    first, _ = growing(log, rng, 2)
    parts = [way.facts(first), way.delta(first, log)]
    for place in _chosen(marks, facts, rng, 4):
        mark = marks.iloc[[place]].reset_index(drop=True)
        alone = _named(way.finish(lambda asked: way.count_one(parts, asked), mark), mark)
        same(bulk.iloc[[place]], alone, "asking for one case")


def partitions_agree(way: Way, log: Log, rng: np.random.Generator) -> None:
    """Facts and landmarks dealt out to any number of partitions, as every cluster does, and counted there."""
    marks = way.landmarks(log, log.end)
    parts = [way.facts(log)]
    stream = facts_to_stream(parts[0])
    order = rng.permutation(len(stream))
    stream, partitions = stream.take(order), int(rng.integers(2, 5))

    def ask(asked: pd.DataFrame) -> Terms:
        queries = queries_to_table(way.queries(parts, asked))
        return in_place(
            (_counted(way, stream, queries, share, partitions) for share in shuffles(way.terms)), len(asked)
        )

    same(way.features(parts, marks), _named(way.finish(ask, marks), marks), "dealing out")


def splitting_changes_nothing(way: Way, log: Log, rng: np.random.Generator) -> None:
    """Facts of one key value alone answer what is asked under that key, and facts of some cases at a time, put
    together, answer everything.
    """
    marks = way.landmarks(log, log.end)
    facts = way.facts(log)
    whole = way.features([facts], marks)
    cases = np.unique(log.events["case_id"])
    part_of = rng.integers(0, 2, len(cases))
    placeless = Log(log.events[:0], log.inspections, log.capacity, log.observed_until[:0], log.adjacency)
    parts = [way.facts(log.of_cases(cases[part_of == part])) for part in np.unique(part_of)]
    same(whole, way.features([*parts, way.facts(placeless)], marks), "making facts of some cases at a time")
    for column in ("category", "area", "channel", "office"):
        values = sorted(marks[column].dropna().unique())
        if values:
            _require_own_facts_suffice(way, facts, marks, column, str(rng.choice(values)))


def renaming_changes_only_names(way: Way, log: Log, rng: np.random.Generator) -> None:
    """Other names of cases, categories, groups, areas, channels and offices, in another alphabetical order."""
    whole = way.table(log, log.end)
    other, new = renamed(log, rng)
    found = way.table(other, log.end)
    expected = whole.set_axis(pd.MultiIndex.from_tuples([(new[case], kind, at) for case, kind, at in whole.index]))
    same(expected, found.loc[expected.index], "other names")
    assert len(found) == len(whole)


LAWS: Final[dict[str, Law]] = {
    "future": the_future_changes_nothing,
    "order": order_changes_nothing,
    "increment": adding_equals_rebuilding,
    "online": online_equals_bulk,
    "engines": partitions_agree,
    "split": splitting_changes_nothing,
    "rename": renaming_changes_only_names,
}


def engine_agrees(way: Way, log: Log, engine: Engine, *, by_case: bool = False) -> None:
    """A whole engine gives the features of the index; with `by_case`, it makes the facts of the cases too."""
    marks = way.landmarks(log, log.end)
    facts = way.facts(log)
    streams = [facts_to_stream(facts)]
    if by_case:
        events = events_to_table(log.events, log.observed_until)
        of_places = facts_to_stream({name: facts[name] for name in ("findings", "capacity")})
        streams = [engine.by_case(partial(facts_of_cases, adjacency=log.adjacency), events), of_places]
    counted = engine.terms(streams, queries_to_table(way.queries([facts], marks)), way.terms)
    found = _named(way.finish(lambda _asked: counted, marks), marks)
    same(way.features([facts], marks), found, f"counting by {type(engine).__name__}")


def same(expected: pd.DataFrame, found: pd.DataFrame, what: str) -> None:
    """Require equal rows and columns, and float64 values equal by `==`, null equal to null."""
    assert list(expected.index) == list(found.index), f"{what} changes the landmarks"
    assert list(expected.columns) == list(found.columns), f"{what} changes the columns"
    left, right = expected.to_numpy(), found.to_numpy()
    assert left.dtype == right.dtype == np.float64
    differs = ~((left == right) | (np.isnan(left) & np.isnan(right)))
    names = expected.columns[differs.any(axis=0)]
    if len(names):
        column = int(np.flatnonzero(differs.any(axis=0))[0])
        row = int(np.flatnonzero(differs[:, column])[0])
        raise AssertionError(
            f"{what} changes {len(names)} of {len(expected.columns)} features, such as {', '.join(names[:5])}: at "
            f"{expected.index[row]} {names[0]} is {left[row, column]!r} and {right[row, column]!r}"
        )


def _named(features: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    rows = list(marks[_ROW].astype({"case_id": object, "kind": object}).itertuples(index=False, name=None))
    return features.set_axis(pd.MultiIndex.from_tuples(rows) if rows else pd.MultiIndex.from_arrays([[], [], []]))


def _chosen(marks: pd.DataFrame, facts: FactTables, rng: np.random.Generator, count: int) -> list[int]:
    """Some landmarks, half of them in the second of a fact wherever there are such."""
    moments = np.concatenate([table.at for table in facts.values()])
    tied = np.flatnonzero(marks["landmark_at"].isin(moments))
    picked = [*rng.permutation(tied)[: (count + 1) // 2], *rng.permutation(len(marks))]
    return list(dict.fromkeys(int(place) for place in picked))[:count]


def _as_known_at(log: Log, mark: pd.Series) -> Log:
    """The log without whatever a landmark may not know."""
    own, at = log.events["case_id"] == mark["case_id"], int(mark["landmark_at"])
    limit = np.where(own, mark["seen_until"], at)
    past = log.before(at)
    events = opened_only(log.events[log.events["known_at"] < limit])
    return Log(events, past.inspections, past.capacity, past.observed_until, log.adjacency)


def _touched(before: Log, after: Log) -> set[str]:
    """The cases with new events, and those that were followed for another time than before."""
    count = after.events["case_id"].value_counts()
    grown = count[count != before.events["case_id"].value_counts().reindex(count.index)].index
    looks = pd.concat([before.observed_until, after.observed_until], axis=1, keys=["before", "after"]).fillna(-1)
    return {*grown, *looks.index[looks["before"] != looks["after"]]}


def _counted(way: Way, stream: pa.Table, queries: pa.Table, share: Shuffle, partitions: int) -> pa.Table:
    """The terms of one key set, counted partition by partition."""
    facts, asked = stream.select(list(share.fact_columns)), queries.select(list(share.query_columns))
    of_facts, of_queries = (way.dealt(rows, share, partitions) for rows in (facts, asked))
    return pa.concat_tables(
        partition_terms(facts.filter(of_facts == part), asked.filter(of_queries == part), share.terms)
        for part in range(partitions)
    )


def _require_own_facts_suffice(way: Way, facts: FactTables, marks: pd.DataFrame, column: str, value: str) -> None:
    own = {name: _only(table, column, value) for name, table in facts.items()}
    mine = marks[(marks[column].astype(object) == value).to_numpy()].reset_index(drop=True)
    everything, theirs = (way.count([tables], mine) for tables in (facts, own))
    for term in (term for term in way.terms if column in term.keys):
        assert (everything.term(term) == theirs.term(term)).all(), f"{term.name} is not counted under {column} alone"
    names = way.alone(column)
    whole, alone = (
        way.finish_some(lambda asked, t=tables: way.count([t], asked), mine, names) for tables in (facts, own)
    )
    same(_named(whole, mine), _named(alone, mine), f"leaving out other values of {column}")


def _only(facts: Facts, column: str, value: str) -> Facts:
    rows = np.flatnonzero(facts.keys[column].astype(object).eq(value).to_numpy(dtype=bool, na_value=False))
    measures = {name: values[rows] for name, values in facts.measures.items()}
    return Facts(facts.at[rows], facts.keys.iloc[rows].reset_index(drop=True), measures)


@cache
def _looks_only_at(name: str, column: str) -> bool:
    asked = terms_of([name], with_base=False)
    return bool(asked) and all(column in term.keys for term in asked)
