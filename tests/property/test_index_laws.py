"""Every way of asking the event index gives what counting by loops gives: in bulk, in pieces, from files, online."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import KEY_COLUMNS, Facts
from features.online import OnlinePlan, OnlineTerms
from features.terms import LAST_AT, Quantity, Term
from tests.support.term_oracle import brute_terms

KEY_SETS = [(), ("category",), ("office",), ("category", "office")]
MEASURES = ("n", "log_hours")
TERMS = [
    *(Term("closures", name, keys, window) for name in MEASURES for keys in KEY_SETS for window in (None, 1, 5, 40)),
    *(Term("closures", name, keys, newest=count) for name in MEASURES for keys in KEY_SETS for count in (1, 3, 30)),
    *(Term("closures", LAST_AT, keys) for keys in KEY_SETS),
]
QUANTITIES = {
    "n": Quantity(Term("closures", "n", ("category",), 5)),
    "mean": Quantity(
        Term("closures", "log_hours", ("office",), 40), Term("closures", "n", ("office",), 40), scale=1000
    ),
    "since": Quantity(Term("closures", LAST_AT, ("category", "office")), since=True),
}


def _keys(rows: list[tuple[str | None, str | None]]) -> pd.DataFrame:
    listed = [{**dict.fromkeys(KEY_COLUMNS), "category": category, "office": office} for category, office in rows]
    return pd.DataFrame(listed, columns=list(KEY_COLUMNS)).astype("str")


@st.composite
def fact_tables(draw: st.DrawFn, most: int = 25) -> Facts:
    """Facts at few moments, so that ties are everywhere, some without a key."""
    row = st.tuples(
        st.integers(100, 112), st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y", None]), st.integers(-9, 50)
    )
    rows = draw(st.lists(row, max_size=most))
    keys = _keys([(category, office) for _at, category, office, _hours in rows])
    if draw(st.booleans()):
        keys = keys.astype("category")
    at = np.array([row[0] for row in rows], dtype=np.int64)
    hours = np.array([row[3] for row in rows], dtype=np.int64)
    return Facts(at, keys, {"n": np.ones(len(rows), dtype=np.int64), "log_hours": hours})


def _taken_back(facts: Facts, every: int) -> Facts:
    """What takes back every so-manieth fact."""
    rows = np.arange(0, len(facts.at), every)
    keys = facts.keys.iloc[rows].reset_index(drop=True)
    return Facts(facts.at[rows], keys, {name: -values[rows] for name, values in facts.measures.items()})


@st.composite
def histories(draw: st.DrawFn) -> list[Facts]:
    """A history in one to three pieces, the last of which may take facts of the first back."""
    pieces = [draw(fact_tables())]
    if draw(st.booleans()):
        pieces.append(draw(fact_tables(8)))
    if draw(st.booleans()):
        pieces.append(_taken_back(pieces[0], draw(st.integers(1, 4))))
    return pieces


@st.composite
def questions(draw: st.DrawFn) -> Queries:
    """Moments on and between those of the facts, about keys seen, unseen and null."""
    row = st.tuples(st.integers(99, 115), st.sampled_from(["a", "b", "never", None]), st.sampled_from(["x", "y", None]))
    rows = draw(st.lists(row, min_size=1, max_size=6))
    return Queries(np.array([row[0] for row in rows]), _keys([(row[1], row[2]) for row in rows]))


def _key(queries: Queries, row: int) -> dict[str, str | None]:
    return {name: None if pd.isna(value) else str(value) for name, value in queries.keys.iloc[row].items()}


def _expected(pieces: list[Facts], queries: Queries) -> dict[str, list[int]]:
    facts = {
        "closures": Facts(
            np.concatenate([piece.at for piece in pieces]),
            pd.concat([piece.keys.astype("str") for piece in pieces], ignore_index=True),
            {name: np.concatenate([piece.measures[name] for piece in pieces]) for name in MEASURES},
        )
    }
    rows = [(int(queries.at[row]), _key(queries, row)) for row in range(len(queries.at))]
    return {term.name: [brute_terms(facts, at, keys, term) for at, keys in rows] for term in TERMS}


def _index(pieces: list[Facts]) -> EventIndex:
    index = EventIndex.build({"closures": pieces[0]}, TERMS)
    for piece in pieces[1:]:
        index = index.add({"closures": piece})
    return index


def _bulk(index: EventIndex, queries: Queries) -> dict[str, list[int]]:
    source = IndexTerms(index, queries)
    return {term.name: source.term(term).tolist() for term in TERMS}


def _one_by_one(index: EventIndex, queries: Queries) -> dict[str, list[int]]:
    online = OnlineTerms(index, TERMS)
    rows = [online.known(int(queries.at[row]), _key(queries, row)) for row in range(len(queries.at))]
    return {term.name: [int(row.term(term)[0]) for row in rows] for term in TERMS}


@settings(max_examples=30)
@given(pieces=histories(), queries=questions())
def test_an_index_of_many_pieces_counts_as_loops_do(pieces, queries):
    """Sums, newest moments and the newest few, over segments and over facts that take others back."""
    assert _bulk(_index(pieces), queries) == _expected(pieces, queries)


@settings(max_examples=15)
@given(pieces=histories(), queries=questions())
def test_one_case_online_is_answered_as_in_bulk(pieces, queries):
    """Integers and quantities of one landmark are those of the same landmark among others, to the bit."""
    index = _index(pieces)
    assert _one_by_one(index, queries) == _bulk(index, queries)
    plan, source = OnlinePlan(index, QUANTITIES), IndexTerms(index, queries)
    together = np.column_stack([each.value(source, queries.at) for each in QUANTITIES.values()])
    alone = np.array([plan.values(int(queries.at[row]), _key(queries, row)) for row in range(len(queries.at))])
    assert np.array_equal(alone, together, equal_nan=True)


@settings(max_examples=15)
@given(pieces=histories(), queries=questions())
def test_merging_segments_changes_no_answer(pieces, queries):
    """One segment made of several answers as they do."""
    index = _index(pieces)
    assert len(index.merged().segments) == 1
    assert _bulk(index.merged(), queries) == _bulk(index, queries)


@settings(max_examples=10)
@given(pieces=histories(), queries=questions())
def test_an_index_from_files_answers_as_the_one_that_was_saved(pieces, queries):
    """Saved and opened again, with segments added before and after."""
    whole = _bulk(_index(pieces), queries)
    with tempfile.TemporaryDirectory() as folder:
        _index(pieces[:1]).save(Path(folder))
        index = EventIndex.open(Path(folder))
        for piece in pieces[1:]:
            index = index.add({"closures": piece})
        assert _bulk(index, queries) == whole
        index.save(Path(folder))
        assert _bulk(EventIndex.open(Path(folder)), queries) == whole
        assert _one_by_one(EventIndex.open(Path(folder)), queries) == whole


@settings(max_examples=15)
@given(pieces=histories(), queries=questions(), seed=st.integers(0, 99))
def test_neither_the_order_of_facts_nor_of_pieces_matters(pieces, queries, seed):
    """Shuffled facts, and pieces added in another order, give the same integers."""
    rng = np.random.default_rng(seed)
    mixed = []
    for piece in reversed(pieces):
        order = rng.permutation(len(piece.at))
        measures = {name: values[order] for name, values in piece.measures.items()}
        mixed.append(Facts(piece.at[order], piece.keys.iloc[order].reset_index(drop=True), measures))
    assert _bulk(_index(mixed), queries) == _bulk(_index(pieces), queries)
