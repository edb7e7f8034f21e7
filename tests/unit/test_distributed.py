"""Counting on other engines: partitions add up to the whole, and each engine gives what the embedded index gives."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UsageError
from features.catalogue import CATALOGUE
from features.distributed.engines import ENGINE_NAMES, engine, in_place, require_java
from features.distributed.pipeline import (
    History,
    case_landmarks,
    events_to_table,
    fact_streams,
    facts_of_cases,
    matrix_on,
    table_to_events,
)
from features.distributed.stream import (
    Shuffle,
    facts_to_stream,
    partition_terms,
    queries_to_table,
    shuffles,
    stream_to_facts,
)
from features.event_index import EventIndex, IndexTerms
from features.facts import KEY_COLUMNS, facts_from_events
from features.landmarks import landmarks, queries_at
from features.matrix import matrix_at, terms_of
from features.terms import LAST_AT, Term
from tests.support import engine_cases

REPOSITORY = Path(__file__).parents[2]
ZONE = "Asia/Shanghai"
AS_OF = engine_cases.START + 60 * 86_400
INSPECTIONS = pd.DataFrame(
    {
        "area": ["A1", "A2", "A1"],
        "related_category": ["drain", "drain", "light"],
        "known_at": np.array([1, 20, 30]) * 86_400 + engine_cases.START,
        "severity": [2, 0, 3],
    }
)
BORDERS = {"A1": ["A2"], "A2": ["A1", "A3"], "A3": ["A2"]}
DASK = [{"scheduler": "synchronous", "partitions": 1}, {"scheduler": "threads", "partitions": 5}]
# The engines that need no process of their own.
HERE = [("embedded", {}), ("dask", DASK[1])]


def _buckets(table: pa.Table, keys: tuple[str, ...], parts: int) -> np.ndarray:
    if not keys:
        return np.zeros(len(table), dtype=np.uint64)
    frame = table.select(list(keys)).to_pandas().astype(object)
    return pd.util.hash_pandas_object(frame, index=False).to_numpy() % np.uint64(parts)


def _in_parts(stream: pa.Table, queries: pa.Table, share: Shuffle, parts: int) -> pa.Table:
    dealt = [(table, _buckets(table, share.keys, parts)) for table in (stream, queries)]
    return pa.concat_tables(
        partition_terms(*(table.filter(pa.array(buckets == part)) for table, buckets in dealt), share.terms)
        for part in range(parts)
    )


@settings(max_examples=12)
@given(seed=st.integers(0, 999), rows=st.integers(1, 80), parts=st.integers(1, 6))
def test_partitions_by_key_add_up_to_the_whole(seed, rows, parts):
    """Whatever the number of partitions and the order of rows, their answers together are those of one index."""
    stream, queries = engine_cases.tables(seed, rows)
    whole = engine("embedded").terms([stream], queries, engine_cases.TERMS)
    stream, queries = engine_cases.shuffled(stream, parts), engine_cases.shuffled(queries, parts)
    answers = (_in_parts(stream, queries, share, parts) for share in shuffles(engine_cases.TERMS))
    assert engine_cases.differing(in_place(answers, len(queries)), whole) == []


def test_the_index_itself_gives_the_same():
    """The embedded engine answers what the index answers without any table between."""
    facts, queries = engine_cases.facts(7), engine_cases.queries(7)
    whole = engine("embedded").terms([facts_to_stream(facts)], queries_to_table(queries), engine_cases.TERMS)
    source = IndexTerms(EventIndex.build(facts, engine_cases.TERMS), queries)
    assert all((whole.term(term) == source.term(term)).all() for term in engine_cases.TERMS)


def test_a_partition_needs_no_more_than_its_shuffle_names():
    """Rows of other tables, of facts without the key, and other columns change no answer of a key set."""
    stream, queries = engine_cases.tables()
    for share in shuffles(engine_cases.TERMS):
        needed = stream.filter(pa.compute.is_in(stream["table"], pa.array(share.tables))).select(share.fact_columns)
        for key in share.keys:
            needed = needed.filter(pa.compute.is_valid(needed[key]))
        found = partition_terms(needed, queries.select(share.query_columns), share.terms)
        assert found.equals(partition_terms(stream, queries, share.terms))


def test_only_what_is_asked_for_is_shuffled():
    """Terms of one key set name their tables and columns; the count of facts only where facts are counted back."""
    (share,) = shuffles([Term("closures", "log_hours", ("office",), 60), Term("balance", "open", ("office",))])
    assert share.tables == ("balance", "closures")
    assert share.fact_columns == ("table", "at", "office", "log_hours", "open")
    assert share.query_columns == ("landmark", "at", "office")
    (share,) = shuffles([Term("arrivals", LAST_AT, ())])
    assert share.fact_columns == ("table", "at", "n")


def test_a_partition_without_facts_or_queries():
    """Where a partition has only queries they read 0 and no moment; where it has only facts it says nothing."""
    stream, queries = engine_cases.tables()
    terms = [Term("arrivals", "n", ("category",)), Term("arrivals", LAST_AT, ("category",))]
    alone = partition_terms(stream.slice(0, 0), queries, terms)
    assert alone["landmark"].equals(queries["landmark"])
    assert set(alone[terms[0].name].to_pylist()) == {0}
    assert set(alone[terms[1].name].to_pylist()) == {-1}
    assert len(partition_terms(stream, queries.slice(0, 0), terms)) == 0
    assert len(partition_terms(stream.slice(0, 0), queries.slice(0, 0), terms)) == 0


def test_a_stream_is_the_facts_again():
    """Facts that went through a stream are the same facts, table by table."""
    facts = engine_cases.facts(5)
    back = stream_to_facts(facts_to_stream(facts))
    assert set(back) == set(facts)
    for name, table in facts.items():
        assert (back[name].at == table.at).all()
        assert all((back[name].measures[measure] == values).all() for measure, values in table.measures.items())
        assert back[name].keys.astype("str").equals(table.keys.astype("str"))


@pytest.mark.parametrize("options", DASK)
def test_dask_counts_what_the_index_counts(options):
    """Dask gives every integer of the embedded index, however many partitions, and in whatever order rows come."""
    engine_cases.need("dask")
    stream, queries = engine_cases.tables()
    whole = engine("embedded").terms([stream], queries, engine_cases.TERMS)
    shuffled = [engine_cases.shuffled(table, 2) for table in (stream, queries)]
    found = engine("dask", **options).terms([shuffled[0]], shuffled[1], engine_cases.TERMS)
    assert engine_cases.differing(found, whole) == []


@pytest.mark.parametrize(("name", "options"), HERE)
def test_streams_may_come_in_parts_and_from_files(name, options, tmp_path):
    """A history in two streams, one of them a file, counts as one."""
    engine_cases.need(name)
    stream, queries = engine_cases.tables()
    whole = engine("embedded").terms([stream], queries, engine_cases.TERMS)
    pq.write_table(stream.slice(0, 400), tmp_path / "history.parquet", row_group_size=150)
    parts = [tmp_path / "history.parquet", stream.slice(400)]
    assert engine_cases.differing(engine(name, **options).terms(parts, queries, engine_cases.TERMS), whole) == []


@pytest.mark.parametrize(("name", "options"), HERE)
def test_no_facts_at_all_are_counted_as_nothing(name, options):
    """An empty history answers every landmark."""
    engine_cases.need(name)
    stream, queries = engine_cases.tables()
    found = engine(name, **options).terms([stream.slice(0, 0)], queries, engine_cases.TERMS)
    for term in engine_cases.TERMS:
        assert set(found.term(term).tolist()) == {-1 if term.measure == LAST_AT else 0}


def test_events_go_through_a_table_unchanged():
    """Nulls, whole numbers and names of an event frame survive; cases that were always followed are left out."""
    events = engine_cases.event_log(30)
    followed = pd.Series({"c0001": AS_OF, "c0004": AS_OF - 1})
    back, until = table_to_events(events_to_table(events, followed))
    pd.testing.assert_frame_equal(back, events)
    assert until is not None
    assert until.to_dict() == followed.to_dict()
    assert table_to_events(events_to_table(events))[1] is None


def _history(cases: int) -> tuple[pd.DataFrame, pd.Series, History]:
    events = engine_cases.event_log(cases)
    followed = pd.Series({"c0001": AS_OF - 30 * 86_400})
    table = engine_cases.shuffled(events_to_table(events, followed), 4)
    return events, followed, History(table, INSPECTIONS, adjacency=BORDERS)


def _check_pipeline(name: str, options: dict[str, object], cases: int, names: list[str]) -> None:
    events, followed, history = _history(cases)
    wanted = landmarks(events, time_zone=ZONE, as_of=AS_OF, observed_until=followed)
    facts = facts_from_events(events, INSPECTIONS, followed, adjacency=BORDERS)
    index = EventIndex.build(facts, terms_of(names))
    matrix = matrix_at(IndexTerms(index, queries_at(wanted)), wanted, names, time_zone=ZONE)
    with engine_cases.running(name, **options) as chosen:
        found = case_landmarks(chosen, history, time_zone=ZONE, as_of=AS_OF)
        pd.testing.assert_frame_equal(_plain(found), _plain(wanted))
        again = matrix_on(chosen, history, found, names, time_zone=ZONE)
    pd.testing.assert_frame_equal(again.features, matrix.features, check_exact=True)
    pd.testing.assert_frame_equal(again.offset_parts, matrix.offset_parts, check_exact=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(["kind", *KEY_COLUMNS], "str"))


@pytest.mark.parametrize(("name", "options"), HERE)
def test_the_whole_way_from_events_to_the_matrix(name, options):
    """Landmarks and every feature of the catalogue are those that were made without an engine, to the bit."""
    _check_pipeline(name, options, 60, list(CATALOGUE))


@pytest.mark.slow
@pytest.mark.filterwarnings(engine_cases.LEFT_OPEN)
def test_from_events_to_terms_on_spark(monkeypatch, tmp_path):
    """Spark reads a file, makes the same facts by case and counts the same integers by key, to the bit."""
    engine_cases.need("spark")
    # A run this short is over before optimised code pays for its making: this halves its time.
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    _events, _followed, history = _history(300)
    terms = [term for term in engine_cases.TERMS if term.keys in ((), ("category", "office"))]
    embedded = engine("embedded")
    found = case_landmarks(embedded, history, time_zone=ZONE, as_of=AS_OF)
    queries = queries_to_table(queries_at(found))
    wanted = embedded.terms(fact_streams(embedded, history), queries, terms)
    pq.write_table(history.events, tmp_path / "events.parquet")
    history = replace(history, events=tmp_path / "events.parquet")
    with engine_cases.running("spark", master="local[2]", partitions=2) as spark:
        counted = spark.terms(fact_streams(spark, history), queries, terms)
    assert engine_cases.differing(counted, wanted) == []
    assert any(wanted.term(term).any() for term in terms)


def test_facts_of_no_cases_are_no_facts():
    """A partition that got no case gives an empty stream."""
    assert len(facts_of_cases(events_to_table(engine_cases.event_log(3)).slice(0, 0))) == 0


def test_an_unknown_engine_is_refused():
    """The message names the engines that there are."""
    with pytest.raises(UsageError, match="Expected an engine out of embedded, spark, dask, ibis, got 'ray'"):
        engine("ray")


@pytest.mark.parametrize("name", [name for name in ENGINE_NAMES if name != "embedded"])
def test_an_engine_that_is_not_installed_says_how_to_install_it(name, monkeypatch):
    """The message names the extra and the command."""
    for module in ("pyspark", "dask", "dask.dataframe", "distributed", "ibis", "duckdb"):
        monkeypatch.setitem(sys.modules, module, None)
    expected = f"Expected the extra `heed[{name}]` for --engine {name}. Install it: pip install 'heed[{name}]'."
    with pytest.raises(UsageError, match=re.escape(expected)):
        engine(name)


def test_spark_without_java_is_refused(monkeypatch, tmp_path):
    """The message says which Java, and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UsageError, match="Expected Java 17 or 21 for --engine spark, and found no `java`"):
        require_java()


@pytest.mark.parametrize("answered", [[0, 1, 1], [0, 1], [0, 1, 3]])
def test_a_landmark_must_be_answered_once(answered):
    """A landmark that got lost, or was answered twice, is an error and not a zero."""
    answer = pa.table({"landmark": np.array(answered), "moves.n.all.city": np.zeros(len(answered), dtype=np.int64)})
    with pytest.raises(ValueError, match="Expected one answer for each of 3 landmarks"):
        in_place([answer], 3)


def test_no_engine_is_loaded_before_it_is_chosen():
    """The command, the service and the pipeline import none of the engines."""
    code = (
        "import sys, typer, service.cli, service.app, features.distributed.pipeline\n"
        "dict(typer.main.get_command(service.cli.app).commands)\n"
        "heavy = ('pyspark', 'dask', 'distributed', 'ibis', 'duckdb', 'polars')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert loaded.stdout.strip() == "[]"


def test_the_tests_use_the_engines_that_the_extras_name():
    """What is installed for the tests is held to the bounds that users are given."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = {line for name in ("spark", "dask", "ibis") for line in extras[name]}
    assert wanted <= set(project["dependency-groups"]["engines"])
    assert all("<" in line for line in wanted)


def test_the_locks_agree_and_name_no_host():
    """A package in both locks has one version, and neither lock says where it came from."""
    pins = []
    for name in ("requirements.lock", "requirements-engines.lock"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        pins.append({line.split(" \\")[0] for line in text.splitlines() if "==" in line})
    names = [{line.split("==")[0]: line for line in lock if ";" not in line} for lock in pins]
    shared = names[0].keys() & names[1].keys()
    assert "pyarrow" in shared
    assert all(names[0][name] == names[1][name] for name in shared)
