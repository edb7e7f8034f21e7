"""Laws of the warehouse engine over random facts full of ties, nulls and corrections: it counts what loops count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.distributed.ibis_engine import IbisEngine
from features.distributed.stream import facts_to_stream, queries_to_table
from features.event_index import Queries
from features.facts import Facts
from features.terms import LAST_AT, KnownTerms, Term
from tests.support.random_facts import BEGINS, TERMS, random_facts, random_queries
from tests.support.term_oracle import brute_column

pytest.importorskip("ibis", reason="the extra heed[ibis] is not installed")
pytest.importorskip("duckdb", reason="the extra heed[ibis] is not installed")

# Two of the key sets, for the laws that ask many times over.
FEW = tuple(term for term in TERMS if len(term.keys) != 1)
seeds = st.integers(0, 10_000)
sizes = st.sampled_from([0, 1, 5, 25])


@pytest.fixture(scope="module", params=["duckdb", "sqlite", "postgres"])
def engine(request, tmp_path_factory):
    """The warehouses that are at hand; PostgreSQL where there is one."""
    if request.param == "duckdb":
        url = "duckdb://"
    elif request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('warehouse') / 'x.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    made = IbisEngine(url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def duck():
    made = IbisEngine(threads=1)
    yield made
    made.close()


def _counted(
    engine: IbisEngine, facts: Mapping[str, Facts], queries: Queries, terms: tuple[Term, ...] = FEW
) -> KnownTerms:
    return engine.terms([facts_to_stream(facts)], queries_to_table(queries), terms)


def _differing(found: KnownTerms, expected: KnownTerms) -> list[str]:
    return [term.name for term in FEW if not np.array_equal(found.term(term), expected.term(term))]


@settings(max_examples=15)
@given(seed=seeds, rows=sizes)
def test_the_warehouse_counts_what_loops_count(engine, seed, rows):
    """Windows, everything so far, the newest facts and the newest moment, under every key set, to the integer."""
    facts, queries = random_facts(seed, rows), random_queries(seed)
    found = _counted(engine, facts, queries, TERMS)
    for term in TERMS:
        expected = brute_column(facts, queries.at, queries.keys, term)
        np.testing.assert_array_equal(found.term(term), expected, err_msg=term.name)


@settings(max_examples=12)
@given(seed=seeds)
def test_the_future_changes_nothing(duck, seed):
    """A landmark is answered the same whether or not facts follow, those of its own second included."""
    facts, queries = random_facts(seed), random_queries(seed)
    whole = _counted(duck, facts, queries)
    for i in range(0, len(queries.at), 4):
        past = {name: _rows(table, table.at < queries.at[i]) for name, table in facts.items()}
        alone = Queries(queries.at[i : i + 1], queries.keys.iloc[i : i + 1].reset_index(drop=True))
        found = _counted(duck, past, alone)
        assert [int(found.term(term)[0]) for term in FEW] == [int(whole.term(term)[i]) for term in FEW]


@settings(max_examples=12)
@given(seed=seeds, shuffle=seeds)
def test_the_order_of_rows_changes_nothing(duck, seed, shuffle):
    """Facts and landmarks in another order give the same answers in their places."""
    stream, queries = facts_to_stream(random_facts(seed)), queries_to_table(random_queries(seed))
    rng = np.random.default_rng(shuffle)
    mixed = [rows.take(rng.permutation(len(rows))) for rows in (stream, queries)]
    assert not _differing(duck.terms([mixed[0]], mixed[1], FEW), duck.terms([stream], queries, FEW))


@settings(max_examples=12)
@given(seed=seeds)
def test_what_was_taken_back_never_was(duck, seed):
    """Facts and the corrections that take all of them back leave no trace."""
    facts, queries = random_facts(seed), random_queries(seed)
    gone = random_facts(seed + 20_000)
    both = {
        name: Facts(
            np.tile(table.at, 2),
            table.keys.iloc[np.tile(np.arange(len(table.at)), 2)].reset_index(drop=True),
            {measure: np.concatenate([values, -values]) for measure, values in table.measures.items()},
        )
        for name, table in gone.items()
    }
    streams = [facts_to_stream(facts), facts_to_stream(both)]
    assert not _differing(duck.terms(streams, queries_to_table(queries), FEW), _counted(duck, facts, queries))


@settings(max_examples=12)
@given(seed=seeds)
def test_moving_time_moves_only_moments(duck, seed):
    """The same history a year later gives the same sums, and newest moments a year later."""
    year = 365 * 86_400
    facts, queries = random_facts(seed), random_queries(seed)
    later = {name: Facts(table.at + year, table.keys, table.measures) for name, table in facts.items()}
    found = _counted(duck, later, Queries(queries.at + year, queries.keys))
    expected = _counted(duck, facts, queries)
    for term in FEW:
        moved = year if term.measure == LAST_AT else 0
        was = expected.term(term)
        np.testing.assert_array_equal(found.term(term), np.where(was >= BEGINS, was + moved, was))


def _rows(facts: Facts, chosen: np.ndarray) -> Facts:
    measures = {name: values[chosen] for name, values in facts.measures.items()}
    return Facts(facts.at[chosen], facts.keys[chosen].reset_index(drop=True), measures)
