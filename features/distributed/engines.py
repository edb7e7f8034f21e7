"""Which engine counts the terms: the choice of one, and what each of them must be able to do.

Engines differ in where rows lie and who counts them, never in what is counted: facts are made by one function and terms
by another (`features.distributed.stream`), and both only ever see plain Arrow tables. What they give is integers, equal
to the bit whatever the engine, the number of partitions and the order of rows.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import UsageError
from features.distributed.stream import STREAM_SCHEMA, stream_to_facts, table_to_queries
from features.event_index import EventIndex, IndexTerms
from features.terms import Int64s, KnownTerms, Term

# A table as an engine takes it: an Arrow table, the path of Parquet (a file or a folder of them), or a table of the
# engine's own, such as its `by_case` gives.
Rows = Any


class Engine(Protocol):
    """Makes facts and counts terms, somewhere."""

    def by_case(self, made: Callable[[pa.Table], pa.Table], events: Rows) -> Rows:
        """Apply a function to all events of some cases at a time, and put together what it gives.

        Parameters
        ----------
        made : takes an Arrow table of the columns of `events`, with whole cases in it or none, and gives a table that
            has the same schema whatever comes in. It must not matter to it which cases come together. It is sent to
            workers, so heed must be installed there.
        events : a table with the column `case_id`

        Returns
        -------
        A table of the engine's own, perhaps not worked out yet; its rows are in no order.
        """
        ...

    def terms(self, streams: Sequence[Rows], queries: pa.Table, terms: Iterable[Term]) -> KnownTerms:
        """Count terms.

        Parameters
        ----------
        streams : tables in `STREAM_SCHEMA`; together they are the history
        queries : in `QUERY_SCHEMA`, numbered from 0 to n - 1, in any order
        terms : the integers to count

        Returns
        -------
        The terms of landmark i at place i.
        """
        ...

    def collect(self, rows: Rows) -> pa.Table:
        """A table of the engine's own as an Arrow table, in any order."""
        ...

    def close(self) -> None:
        """Let go of the session or the cluster, if the engine started it."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """The event index in this process: needs nothing installed, and is the fastest until memory runs out."""

    def by_case(self, made: Callable[[pa.Table], pa.Table], events: Rows) -> Rows:
        """All cases at once; see `Engine`."""
        return made(read_rows(events))

    def terms(self, streams: Sequence[Rows], queries: pa.Table, terms: Iterable[Term]) -> KnownTerms:
        """Count with one index; see `Engine`."""
        asked = tuple(terms)
        stream = pa.concat_tables(read_rows(part).select(STREAM_SCHEMA.names).cast(STREAM_SCHEMA) for part in streams)
        index = EventIndex.build(stream_to_facts(stream), asked)
        source = IndexTerms(index, table_to_queries(queries.sort_by("landmark")))
        return KnownTerms({term.name: source.term(term) for term in asked}, len(source))

    def collect(self, rows: Rows) -> pa.Table:
        """Read Parquet; see `Engine`."""
        return read_rows(rows)

    def close(self) -> None:
        """Nothing to let go of."""


ENGINE_NAMES: Final = ("embedded", "spark", "dask", "ibis")


@dataclass(frozen=True, slots=True)
class _Adapter:
    """Where an engine is, and what must be importable for it."""

    module: str
    maker: str
    needs: tuple[str, ...]


_ADAPTERS: Final = {
    "spark": _Adapter("features.distributed.spark", "SparkEngine", ("pyspark",)),
    "dask": _Adapter("features.distributed.dask_engine", "DaskEngine", ("dask.dataframe", "distributed")),
    "ibis": _Adapter("features.distributed.ibis_engine", "IbisEngine", ("ibis", "duckdb")),
}


def engine(name: str, **options: Any) -> Engine:
    """The engine of that name; what it needs is imported now and not before.

    Parameters
    ----------
    name : one of `ENGINE_NAMES`
    options : of the engine's own class

    Raises
    ------
    UsageError
        If there is no such engine, its extra is not installed, or there is no Java for Spark.
    """
    if name == "embedded":
        return Embedded(**options)
    if name not in _ADAPTERS:
        raise UsageError(f"Expected an engine out of {', '.join(ENGINE_NAMES)}, got '{name}'.")
    adapter = _ADAPTERS[name]
    for module in adapter.needs:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(
                f"Expected the extra `heed[{name}]` for --engine {name}. Install it: pip install 'heed[{name}]'."
            ) from error
    made: Engine = getattr(importlib.import_module(adapter.module), adapter.maker)(**options)
    return made


def require_java() -> None:
    """Refuse to start Spark where there is no Java; Spark's own message does not say what to do.

    Raises
    ------
    UsageError
        If neither `JAVA_HOME` nor the path leads to a Java.
    """
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (home and (Path(home) / "bin" / "java").exists()):
        raise UsageError(
            "Expected Java 17 or 21 for --engine spark, and found no `java` on the PATH or under JAVA_HOME. Install "
            "one, for example: apt-get install openjdk-17-jre-headless."
        )


def in_place(answers: Iterable[pa.Table], n: int) -> KnownTerms:
    """Put what was counted where its landmarks stand.

    Parameters
    ----------
    answers : tables of `landmark` and some terms, one for each key set; each has every landmark once, in any order
    n : how many landmarks there are

    Raises
    ------
    ValueError
        If a landmark was answered twice, or not at all.
    """
    counted: dict[str, Int64s] = {}
    for answer in answers:
        landmark = answer.column("landmark").to_numpy()
        if len(landmark) != n or not bool((np.bincount(landmark, minlength=n) == 1).all()):
            raise ValueError(f"Expected one answer for each of {n:,} landmarks, got {len(landmark):,} answers.")
        for name in answer.column_names[1:]:
            counted[name] = np.empty(n, dtype=np.int64)
            counted[name][landmark] = answer.column(name).to_numpy()
    return KnownTerms(counted, n)


def read_rows(rows: pa.Table | Path | str) -> pa.Table:
    """An Arrow table as it is, or the Parquet that a path leads to."""
    return rows if isinstance(rows, pa.Table) else pq.read_table(rows)
