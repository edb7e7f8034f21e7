"""Terms counted by Apache Spark: facts and queries are dealt out by key, and met by the kernel in Python workers.

Needs PySpark 4 and Java 17 or 21. Workers must be able to import heed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, Final

import pyarrow as pa

from features.distributed.engines import Rows, in_place, require_java
from features.distributed.stream import Shuffle, partition_terms, shuffles
from features.terms import KnownTerms, Term

_BUCKET: Final = "bucket"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PySpark's warning that it does not fully support pandas 3: only Arrow tables pass between it and heed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


class SparkEngine:
    """Spark, on this machine or on a cluster.

    Parameters
    ----------
    master : where to start a session: `local[2]`, `local-cluster[2,1,2048]`, `spark://…`, `yarn`
    partitions : how many parts facts are dealt into. All facts of one key come into one of them, and must fit into the
        memory of one worker.
    session : a session to use instead; its settings are left as they are, and it is not stopped
    """

    def __init__(self, master: str = "local[*]", partitions: int = 8, session: Any = None) -> None:
        self.partitions = partitions
        self._own = session is None
        self.session = _started(master, partitions) if session is None else session

    @_quiet()
    def by_case(self, made: Callable[[pa.Table], pa.Table], events: Rows) -> Rows:
        """Whole cases in every partition; see `Engine`."""
        frame = self._frame(events)
        schema = made(_empty(frame)).schema

        def make(rows: pa.Table) -> pa.Table:
            return made(rows.drop_columns(_BUCKET))

        return self._dealt(frame, ["case_id"]).applyInArrow(make, _spark_schema(schema))

    @_quiet()
    def terms(self, streams: Sequence[Rows], queries: pa.Table, terms: Iterable[Term]) -> KnownTerms:
        """One round of dealing out for each key set; see `Engine`."""
        facts = reduce(lambda one, other: one.unionByName(other), map(self._frame, streams)).persist()
        asked = self._frame(queries).persist()
        try:
            return in_place((self._count(facts, asked, share) for share in shuffles(terms)), len(queries))
        finally:
            facts.unpersist()
            asked.unpersist()

    def _count(self, facts: Any, queries: Any, share: Shuffle) -> pa.Table:
        needed = facts.filter(facts["table"].isin(*share.tables)).dropna(subset=list(share.keys))
        dealt = self._dealt(needed.select(*share.fact_columns), share.keys)
        asked = self._dealt(queries.select(*share.query_columns), share.keys)

        def count(facts: pa.Table, queries: pa.Table) -> pa.Table:
            return partition_terms(facts, queries, share.terms)

        return dealt.cogroup(asked).applyInArrow(count, _spark_schema(share.schema)).toArrow()

    def _dealt(self, frame: Any, keys: Sequence[str]) -> Any:
        """Rows grouped so that equal keys are together; without keys, all in one group."""
        from pyspark.sql import functions as sql  # noqa: PLC0415

        bucket = sql.pmod(sql.hash(*keys), sql.lit(self.partitions)) if keys else sql.lit(0)
        return frame.withColumn(_BUCKET, bucket).groupBy(_BUCKET)

    def _frame(self, rows: Rows) -> Any:
        if isinstance(rows, pa.Table):
            return self.session.createDataFrame(rows)
        return self.session.read.parquet(str(rows)) if isinstance(rows, str | os.PathLike) else rows

    @_quiet()
    def collect(self, rows: Rows) -> pa.Table:
        """Bring all rows to this process; see `Engine`."""
        return self._frame(rows).toArrow()

    def close(self) -> None:
        """Stop the session, if it was started here."""
        if self._own:
            self.session.stop()


def _empty(frame: Any) -> pa.Table:
    from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415

    return to_arrow_schema(frame.schema).empty_table()


def _spark_schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415

    return from_arrow_schema(schema)


@_quiet()
def _started(master: str, partitions: int) -> Any:
    require_java()
    from pyspark.sql import SparkSession  # noqa: PLC0415

    settings = {
        "spark.sql.shuffle.partitions": partitions,
        # A group is few rows but much work: groups must not be put together into one task for being small.
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        # What comes back is the answer itself, however large.
        "spark.driver.maxResultSize": "0",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    if master.startswith("local"):
        # Workers of this machine run this Python, and nothing listens beyond it.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return SparkSession.builder.master(master).appName("heed").config(map=settings).getOrCreate()
