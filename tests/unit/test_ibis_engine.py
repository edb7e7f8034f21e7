"""The warehouse engine: statements that any dialect takes, tables that stay where they are, and clear refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from data.errors import InputError, StoreError, UsageError
from features.distributed.engines import Embedded
from features.distributed.ibis_engine import IbisEngine, WarehouseTable
from features.distributed.stream import QUERY_SCHEMA, STREAM_SCHEMA, facts_to_stream, queries_to_table
from features.distributed.warehouse import (
    column_of,
    columns_needed,
    landmarks_sql,
    warehouse_features,
    warehouse_sql,
    warehouse_terms,
)
from features.terms import LAST_AT, Quantity, Term
from features.windows import WINDOW_FEATURES, window_terms
from tests.support.random_facts import HOUR, TERMS, random_facts, random_queries

ibis = pytest.importorskip("ibis", reason="the extra heed[ibis] is not installed")
duckdb = pytest.importorskip("duckdb", reason="the extra heed[ibis] is not installed")

DIALECTS = ("duckdb", "sqlite", "postgres", "clickhouse", "pyspark", "trino", "snowflake", "bigquery")
SOME = (
    Term("arrivals", "n", ("office",), 2 * HOUR),
    Term("arrivals", LAST_AT, ("category", "area")),
    Term("balance", "open", ()),
    Term("matured", "late", ("office",), newest=2),
)


@pytest.fixture
def history():
    """A stream of facts and a table of queries."""
    return facts_to_stream(random_facts(3)), queries_to_table(random_queries(3))


@pytest.fixture
def engine():
    made = IbisEngine()
    yield made
    made.close()


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


def _same(found, expected, terms=SOME) -> bool:
    return len(found) == len(expected) and all(np.array_equal(found.term(t), expected.term(t)) for t in terms)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("asked", [TERMS, WINDOW_FEATURES], ids=["terms", "features"])
def test_every_dialect_takes_the_statement(dialect, asked):
    """The form compiles everywhere without a connection, and uses nothing that some dialects lack."""
    statement = warehouse_sql(asked, dialect, "heed.facts", "heed.queries")
    assert statement.count("UNION ALL") > 10
    for word in ("ASOF", "RANGE BETWEEN", "INTERVAL", "LATERAL", "LEFT JOIN", "* 1.0"):
        assert word not in statement.upper()


def test_the_statement_says_which_tables_it_reads():
    """Names are quoted part by part, and only the columns that are needed are read."""
    statement = warehouse_sql(SOME[:1], "postgres", "heed.facts", "asked")
    assert '"heed"."facts"' in statement
    assert '"asked"' in statement
    assert '"channel"' not in statement
    assert '"log_hours"' not in statement


def test_sums_are_cast_back_to_whole_numbers():
    """A sum of BIGINTs is a HUGEINT or a NUMERIC in some databases; every one of them is cast."""
    statement = warehouse_sql(SOME, "postgres")
    assert statement.count("CAST(SUM(") == statement.count("SUM(")


def test_columns_have_names_that_any_database_takes():
    """No dots, at most 63 bytes, and different for different terms."""
    keys = ("category", "category_group", "promise_fine")
    long = [Term("closures", "within_30d", keys, window) for window in (100_000_000, 100_000_001)]
    names = [column_of(term) for term in {*long, *TERMS, *window_terms()}]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 and name.replace("_", "").isalnum() for name in names)


def test_only_what_terms_need_is_read():
    """The count is needed where the newest facts are asked for; keys only where they are asked for."""
    assert columns_needed([Term("matured", "late", ("office",), newest=3)]) == (
        ["table", "at", "office", "late", "n"],
        ["landmark", "at", "office"],
    )
    assert columns_needed([Term("matured", LAST_AT, ())])[0] == ["table", "at", "n"]


def test_an_unknown_dialect_is_refused():
    """The message says what was expected."""
    with pytest.raises(UsageError, match=r"Expected a dialect that Ibis writes .* got 'cobol'"):
        warehouse_sql(SOME, "cobol")


def test_a_table_without_a_needed_column_is_refused():
    """The message names the column and the table."""
    facts = ibis.table({"table": "string", "at": "int64", "n": "int64"}, name="facts")
    queries = ibis.table({"landmark": "int64", "at": "int64", "office": "string"}, name="queries")
    with pytest.raises(InputError, match="Expected the column 'office' in the table of facts, got none"):
        warehouse_terms(facts, queries, SOME[:1])


def test_moments_that_are_no_whole_numbers_are_refused():
    """A timestamp column is not taken for seconds."""
    facts = ibis.table({"table": "string", "at": "timestamp", "office": "string", "n": "int64"}, name="facts")
    queries = ibis.table({"landmark": "int64", "at": "int64", "office": "string"}, name="queries")
    with pytest.raises(
        InputError, match=r"whole numbers in the column 'at' of facts, got timestamp.*seconds since 1970"
    ):
        warehouse_terms(facts, queries, SOME[:1])


def test_tables_of_other_integer_types_are_taken(connection):
    """A warehouse may hold INTEGER moments and SMALLINT measures, in tables of an Ibis connection."""
    facts = ibis.table({"table": "string", "at": "int32", "n": "int16"}, name="facts")
    queries = ibis.table({"landmark": "int32", "at": "int32"}, name="queries")
    connection.execute('CREATE TABLE facts AS SELECT \'arrivals\' AS "table", 5::INTEGER AS "at", 1::SMALLINT AS n')
    connection.execute('CREATE TABLE queries AS SELECT 0::INTEGER AS landmark, 9::INTEGER AS "at"')
    statement = ibis.to_sql(warehouse_terms(facts, queries, [Term("arrivals", "n", ())]), dialect="duckdb")
    found = connection.sql(statement).to_arrow_table()
    assert found.schema.field("arrivals__n__all__city").type == pa.int64()
    assert found.column("arrivals__n__all__city").to_pylist() == [1]


def test_tables_stay_in_the_warehouse(history, connection):
    """Tables of an open connection are asked by name, in a schema of their own, and nothing is left behind."""
    stream, queries = history
    connection.execute("CREATE SCHEMA heed")
    for name, rows in (("facts", stream), ("queries", queries)):
        connection.register("rows", rows)
        connection.execute(f"CREATE TABLE heed.{name} AS FROM rows")
    engine = IbisEngine(connection)
    found = engine.terms([WarehouseTable("heed.facts")], WarehouseTable("heed.queries"), SOME)
    assert _same(found, Embedded().terms([stream], queries, SOME))
    assert engine.collect(WarehouseTable("heed.queries")).num_rows == len(queries)
    engine.close()
    tables = connection.sql("SELECT table_name FROM information_schema.tables").fetchall()
    assert sorted(name for (name,) in tables) == ["facts", "queries", "rows"]


def test_a_duckdb_file_is_opened_for_reading(history, tmp_path):
    """An address leads to a file of DuckDB; temporary tables do not change it."""
    stream, queries = history
    with duckdb.connect(str(tmp_path / "city.duckdb")) as connection:
        connection.register("rows", stream)
        connection.execute("CREATE TABLE facts AS FROM rows")
    before = (tmp_path / "city.duckdb").read_bytes()
    engine = IbisEngine(f"duckdb:///{tmp_path / 'city.duckdb'}", memory_limit="1GB", threads=1)
    assert _same(engine.terms([WarehouseTable("facts")], queries, SOME), Embedded().terms([stream], queries, SOME))
    engine.close()
    assert (tmp_path / "city.duckdb").read_bytes() == before


def test_parquet_is_read_where_it_lies(history, engine, tmp_path):
    """A file, and a folder of files, in a path that needs quoting."""
    stream, queries = history
    folder = tmp_path / "o'brien"
    folder.mkdir()
    pq.write_table(stream.slice(0, 20), folder / "a.parquet")
    pq.write_table(stream.slice(20), folder / "b.parquet")
    pq.write_table(queries, tmp_path / "queries.parquet")
    found = engine.terms([folder], str(tmp_path / "queries.parquet"), SOME)
    assert _same(found, Embedded().terms([stream], queries, SOME))


@pytest.mark.parametrize("url", ["duckdb://", "sqlite"])
def test_several_streams_are_one_history(url, history, tmp_path):
    """Facts may come in parts, the queries in any order."""
    stream, queries = history
    engine = IbisEngine(f"sqlite:///{tmp_path / 'x.db'}" if url == "sqlite" else url)
    shuffled = queries.take(pa.array(np.random.default_rng(1).permutation(len(queries))))
    expected = Embedded().terms([stream], queries, SOME)
    for _again in range(2):
        assert _same(engine.terms([stream.slice(0, 30), stream.slice(30)], shuffled, SOME), expected)
    engine.close()


@pytest.mark.parametrize("url", ["duckdb://", "sqlite"])
def test_nothing_asked_and_nothing_known(url, history, tmp_path):
    """No landmarks, no facts, no terms: empty answers, or zeros."""
    stream, queries = history
    engine = IbisEngine(f"sqlite:///{tmp_path / 'x.db'}" if url == "sqlite" else url)
    assert len(engine.terms([stream], QUERY_SCHEMA.empty_table(), SOME)) == 0
    assert len(engine.terms([stream], queries, ())) == len(queries)
    nothing = engine.terms([STREAM_SCHEMA.empty_table()], queries, SOME)
    assert [set(nothing.term(term).tolist()) for term in SOME] == [{0}, {-1}, {0}, {0}]
    engine.close()


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_features_are_divided_to_the_bit_as_numpy_does(dialect, history, connection, tmp_path):
    """What SQL makes of the integers is what `Quantity.value` makes of them, nulls included."""
    stream, queries = history
    count = Term("matured", "n", ("office",), 5 * HOUR)
    features = {
        "count": Quantity(count),
        "share": Quantity(Term("matured", "late", ("office",), 5 * HOUR), count),
        "mean": Quantity(Term("closures", "log_hours", ()), Term("closures", "n", ()), scale=1000),
        "since": Quantity(Term("matured", LAST_AT, ("office",)), since=True),
    }
    terms = [term for quantity in features.values() for term in quantity.terms()]
    source = Embedded().terms([stream], queries, terms)
    if dialect == "duckdb":
        connection.register("facts", stream)
        connection.register("queries", queries)
        rows = connection.sql(warehouse_sql(features, "duckdb")).fetchall()
    else:
        with sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}").connect() as opened:
            for name, table in (("facts", stream), ("queries", queries)):
                table.to_pandas().to_sql(name, opened, index=False)
            rows = opened.exec_driver_sql(warehouse_sql(features, "sqlite")).fetchall()
    found = np.array(sorted(tuple(row) for row in rows), dtype=float)
    for place, quantity in enumerate(features.values(), start=1):
        expected = quantity.value(source, queries.column("at").to_numpy())
        np.testing.assert_array_equal(found[:, place], expected)
    assert np.isnan(found).any()
    assert (found[:, 2] % 1 > 0).any()


def test_features_of_an_ibis_connection(history):
    """Tables of a connection that Ibis holds give an expression that it can run."""
    stream, queries = history
    facts, landmarks = ibis.memtable(stream), ibis.memtable(queries)
    made = warehouse_features(facts, landmarks, {"open": Quantity(Term("balance", "open", ()))})
    assert made.columns == ("landmark", "open")
    assert made["open"].type().is_float64()


def test_facts_are_made_in_this_process(engine):
    """Making facts is no query: the function gets all events, here."""
    events = pa.table({"case_id": ["a", "b"]})
    assert engine.by_case(lambda rows: rows.slice(1), events).column("case_id").to_pylist() == ["b"]


def test_landmarks_must_be_numbered(history, engine):
    """A landmark that stands there twice, or a gap, is refused before anything is counted."""
    stream, queries = history
    twice = pa.concat_tables([queries, queries.slice(0, 1)])
    with pytest.raises(InputError, match=r"Expected landmarks numbered from 0 to 12, each once, got 12 numbers"):
        engine.terms([stream], twice, SOME)
    with pytest.raises(InputError, match=r"got 11 numbers from 1 to 11"):
        engine.terms([stream], queries.slice(1), SOME)
    assert "COUNT(DISTINCT" in landmarks_sql("duckdb")


def test_a_column_that_is_missing_is_named(history, engine):
    """Rows that come along are checked before they are copied."""
    stream, queries = history
    with pytest.raises(InputError, match="Expected the column 'office' for the terms that are asked for, got none"):
        engine.terms([stream.drop_columns("office")], queries, SOME)


def test_a_refusal_of_the_warehouse_is_told(history, engine, tmp_path):
    """A table that is not there is an error of the store, in one line."""
    stream, queries = history
    with pytest.raises(StoreError, match=r"DuckDB refused: .*nowhere"):
        engine.terms([WarehouseTable("nowhere")], queries, SOME)
    assert engine.terms([stream], queries, SOME[:1])
    sqlite = IbisEngine(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(StoreError, match=r"the database refused: no such table: nowhere"):
        sqlite.terms([WarehouseTable("nowhere")], queries, SOME)
    assert sqlite.terms([stream], queries, SOME[:1])
    sqlite.close()


def test_what_cannot_be_asked_is_refused(tmp_path):
    """Connections of another kind, settings that only DuckDB has, files that are not there."""
    with pytest.raises(UsageError, match=r"Expected an address, a DuckDB connection, .* got int"):
        IbisEngine(5)
    with pytest.raises(UsageError, match="Expected memory_limit with DuckDB only"):
        IbisEngine(f"sqlite:///{tmp_path / 'x.db'}", memory_limit="1GB")
    with pytest.raises(UsageError, match="Expected SQLite or PostgreSQL, got 'mysql'"):
        IbisEngine("mysql://host/db")
    with pytest.raises(UsageError, match="Expected an SQLAlchemy engine of SQLite or PostgreSQL, got 'mysql'"):
        IbisEngine(_Mysql())
    with pytest.raises(StoreError, match="DuckDB refused"):
        IbisEngine(f"duckdb:///{tmp_path / 'nowhere.duckdb'}")
    with pytest.raises(StoreError, match="DuckDB refused"):
        IbisEngine("duckdb://", memory_limit="a lot")


def test_without_ibis_the_message_says_what_to_install(monkeypatch):
    """Ibis is an extra; only asking for it needs it."""
    monkeypatch.setitem(sys.modules, "ibis", None)
    with pytest.raises(UsageError, match=r"needs Ibis, which is not installed.*heed\[ibis\]"):
        warehouse_sql([Term("moves", "n", (), 7)], "duckdb")


def test_without_duckdb_the_message_says_what_to_install(monkeypatch):
    """The same for the default warehouse."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"Expected the package duckdb.*heed\[ibis\]"):
        IbisEngine()


class _Mysql(sa.Engine):
    """An engine of a database that this one does not ask."""

    def __init__(self) -> None:
        self.dialect = type("Dialect", (), {"name": "mysql"})()


def test_an_option_may_be_a_path(tmp_path):
    """Where DuckDB goes on when memory runs out."""
    engine = IbisEngine(temporary_folder=Path(tmp_path))
    engine.close()
