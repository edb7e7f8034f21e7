"""The warehouse engine against the event index: every integer and every bit, on a city of a hundred thousand cases."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.distributed.ibis_engine import IbisEngine
from features.distributed.stream import facts_to_stream, queries_to_table
from features.distributed.warehouse import warehouse_sql
from features.event_index import EventIndex, IndexTerms
from features.windows import WINDOW_FEATURES, window_terms
from tests.support.random_facts import TERMS, random_facts, random_queries
from tests.support.term_oracle import brute_column
from tests.support.window_city import WindowCity, read_facts, read_queries, write_city

pytestmark = pytest.mark.slow

pytest.importorskip("ibis", reason="the extra heed[ibis] is not installed")
duckdb = pytest.importorskip("duckdb", reason="the extra heed[ibis] is not installed")

_SOME_LANDMARKS = 2_000


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """(facts, queries, the Parquet of both) of a hundred thousand cases over three years."""
    folder = tmp_path_factory.mktemp("city")
    write_city(WindowCity(100_000), folder)
    facts, queries = read_facts(folder), read_queries(folder)
    pq.write_table(facts_to_stream(facts), folder / "stream.parquet")
    pq.write_table(queries_to_table(queries), folder / "asked.parquet")
    return facts, queries, folder


def test_duckdb_agrees_with_the_index_to_the_bit(city):
    """65 window features of 100,000 cases: no integer and no bit of a feature differs."""
    facts, queries, folder = city
    terms = window_terms()
    engine = IbisEngine(memory_limit="4GB", temporary_folder=folder / "spilt")
    found = engine.terms([folder / "stream.parquet"], folder / "asked.parquet", terms)
    engine.close()
    index = IndexTerms(EventIndex.build(facts, terms), queries)
    assert [term.name for term in terms if not np.array_equal(found.term(term), index.term(term))] == []
    for name, quantity in WINDOW_FEATURES.items():
        ours, theirs = quantity.value(found, queries.at), quantity.value(index, queries.at)
        assert np.array_equal(ours.view(np.int64), theirs.view(np.int64)), name


def test_features_divided_in_duckdb_agree_to_the_bit(city):
    """The whole statement, divisions included, for one key set."""
    facts, queries, folder = city
    features = {name: quantity for name, quantity in WINDOW_FEATURES.items() if name.endswith("_category_area")}
    with duckdb.connect() as connection:
        for name, file in (("facts", "stream"), ("queries", "asked")):
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{folder / file}.parquet')")
        found = connection.sql(warehouse_sql(features, "duckdb")).to_arrow_table().sort_by("landmark")
    index = IndexTerms(EventIndex.build(facts), queries)
    for name, quantity in features.items():
        ours = found.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        np.testing.assert_array_equal(ours, quantity.value(index, queries.at), err_msg=name)


def test_sqlite_and_postgresql_agree_on_some(city, tmp_path, postgres_url):
    """A smaller number of landmarks on the whole history, in both databases."""
    facts, queries, folder = city
    terms = tuple(term for term in window_terms() if term.keys == ("category", "office"))
    stream = pq.read_table(folder / "stream.parquet")
    asked = queries_to_table(queries).slice(0, _SOME_LANDMARKS)
    index = IndexTerms(EventIndex.build(facts, terms), queries)
    for url in (f"sqlite:///{tmp_path / 'x.db'}", postgres_url):
        engine = IbisEngine(url)
        found = engine.terms([stream], asked, terms)
        engine.close()
        for term in terms:
            np.testing.assert_array_equal(found.term(term), index.term(term)[:_SOME_LANDMARKS], err_msg=term.name)


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_spark_sql_counts_what_loops_count():
    """The statement for Spark, run by Spark."""
    pytest.importorskip("pyspark", reason="the extra heed[spark] is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java to run Spark on")
    from features.distributed.spark import SparkEngine

    spark = SparkEngine("local[2]", partitions=2)
    try:
        facts, queries = random_facts(5), random_queries(5)
        engine = IbisEngine(spark.session)
        found = engine.terms([facts_to_stream(facts)], queries_to_table(queries), TERMS)
        engine.close()
        for term in TERMS:
            expected = brute_column(facts, queries.at, queries.keys, term)
            np.testing.assert_array_equal(found.term(term), expected, err_msg=term.name)
    finally:
        spark.close()
