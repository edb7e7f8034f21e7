"""Engines on a history of 100,000 cases, in processes of their own: every integer, and every feature, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from features.distributed.engines import engine
from features.distributed.stream import facts_to_stream, queries_to_table
from features.terms import LAST_AT, Term
from features.windows import WINDOW_FEATURES, window_terms
from tests.support import engine_cases
from tests.support.window_city import WindowCity, read_facts, read_queries, ready_city

# Beside the window features: the city as a whole, all of the past, and the newest facts.
FURTHER = (
    Term("arrivals", "n", ()),
    Term("arrivals", LAST_AT, ()),
    Term("closures", "log_hours", ("category", "area")),
    Term("matured", "late", ("category",), newest=30),
    Term("matured", "n", ("category",), newest=30),
)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A stream of facts and the openings of 100,000 simulated cases; what the embedded engine counts of them."""
    folder = ready_city(WindowCity(100_000), tmp_path_factory.mktemp("city"))
    stream, queries = facts_to_stream(read_facts(folder)), queries_to_table(read_queries(folder))
    terms = (*window_terms(), *FURTHER)
    return stream, queries, terms, engine("embedded").terms([stream], queries, terms)


@pytest.mark.slow
@pytest.mark.filterwarnings(engine_cases.LEFT_OPEN)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spark", {"master": "local-cluster[2,1,2048]"}),
        ("dask", {"scheduler": "processes", "workers": 2}),
    ],
)
def test_an_engine_in_several_processes_gives_the_same_bits(city, name, options):
    """Two worker processes count every term, and finish every window feature, as one index does."""
    stream, queries, terms, wanted = city
    shuffled = engine_cases.shuffled(stream, 1), engine_cases.shuffled(queries, 2)
    with engine_cases.running(name, **options) as chosen:
        found = chosen.terms([shuffled[0]], shuffled[1], terms)
    assert engine_cases.differing(found, wanted) == []
    at = queries["at"].to_numpy()
    for feature, quantity in WINDOW_FEATURES.items():
        values = quantity.value(found, at)
        assert np.array_equal(values, quantity.value(wanted, at), equal_nan=True), feature
    assert len(found) == len(at) == queries.num_rows
    assert sum(int(wanted.term(term).any()) for term in terms) == len(terms)
