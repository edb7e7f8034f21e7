"""Terms counted by Dask: facts and queries are shuffled by key, and met by the kernel in every partition."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from pyarrow.dataset import dataset

from features.distributed.engines import Rows, in_place
from features.distributed.stream import Shuffle, partition_terms, shuffles
from features.terms import KnownTerms, Term

_BUCKET: Final = "bucket"


class DaskEngine:
    """Dask, on this machine or on a cluster.

    Parameters
    ----------
    scheduler : `processes` for workers of this machine, `threads` or `synchronous` for this process alone, or the
        address of a running scheduler (`tcp://host:8786`), whose workers must be able to import heed. Workers of this
        machine import the script that is being run once more: what it does must stand under
        `if __name__ == "__main__"`.
    partitions : how many parts facts are dealt into. All facts of one key come into one of them, and must fit into the
        memory of one worker.
    workers : how many processes, for `processes`; one for each processor when None
    """

    def __init__(self, scheduler: str = "processes", partitions: int = 8, workers: int | None = None) -> None:
        self.partitions = partitions
        self._open = ExitStack()
        self._scheduler: Any = scheduler
        self._alone = scheduler in ("threads", "synchronous")
        if not self._alone:
            self._scheduler = self._open.enter_context(_client(scheduler, workers, self._open))

    def by_case(self, made: Callable[[pa.Table], pa.Table], events: Rows) -> Rows:
        """Whole cases in every partition; see `Engine`."""
        frame = self._frame(events)
        empty = made(_table(frame._meta))
        dealt = self._dealt(frame, ["case_id"])
        return dealt.map_partitions(partial(_made, made), meta=_frame(empty), align_dataframes=False)

    def terms(self, streams: Sequence[Rows], queries: pa.Table, terms: Iterable[Term]) -> KnownTerms:
        """One shuffle for each key set, all of them at once; see `Engine`."""
        from dask import compute  # noqa: PLC0415
        from dask.dataframe import concat  # noqa: PLC0415

        facts = concat([self._frame(stream) for stream in streams])
        asked = self._frame(queries)
        counted = [self._count(facts, asked, share) for share in shuffles(terms)]
        answers = compute(*counted, scheduler=self._scheduler)
        return in_place((_table(answer) for answer in answers), len(queries))

    def _count(self, facts: Any, queries: Any, share: Shuffle) -> Any:
        from dask.dataframe import map_partitions  # noqa: PLC0415

        needed = facts[facts["table"].isin(share.tables)][list(share.fact_columns)].dropna(subset=list(share.keys))
        dealt = [self._dealt(frame, share.keys) for frame in (needed, queries[list(share.query_columns)])]
        meta = _frame(share.schema.empty_table())
        return map_partitions(partial(_count_partition, share.terms), *dealt, meta=meta, align_dataframes=False)

    def _dealt(self, frame: Any, keys: Sequence[str]) -> Any:
        """Rows dealt out so that equal keys are together; without keys, all in one partition."""
        if not keys:
            return frame.repartition(npartitions=1)
        hashed = frame.map_partitions(_with_bucket, list(keys), self.partitions, meta=frame._meta.assign(bucket=0))
        # Within one process rows only change hands; between processes they go from worker to worker.
        method = "tasks" if self._alone else "p2p"
        return hashed.shuffle(_BUCKET, npartitions=self.partitions, shuffle_method=method)

    def _frame(self, rows: Rows) -> Any:
        from dask import dataframe, delayed  # noqa: PLC0415

        if isinstance(rows, str | os.PathLike):
            files = dataset(rows)
            groups = [group for file in files.get_fragments() for group in file.split_by_row_group()]
            if groups:
                return dataframe.from_map(_read, groups, meta=_frame(files.schema.empty_table()))
            rows = files.schema.empty_table()
        if isinstance(rows, pa.Table):
            size = max(1, -(-len(rows) // self.partitions))
            parts = [_frame(rows.slice(start, size)) for start in range(0, max(len(rows), 1), size)]
            # To workers rows are sent once, and not as a part of every plan.
            sent = [delayed(part) for part in parts] if self._alone else self._scheduler.scatter(parts, hash=False)
            return dataframe.from_delayed(sent, meta=_frame(rows.schema.empty_table()), verify_meta=False)
        return rows

    def collect(self, rows: Rows) -> pa.Table:
        """Bring all rows to this process; see `Engine`."""
        return _table(self._frame(rows).compute(scheduler=self._scheduler))

    def close(self) -> None:
        """Leave the cluster, and stop it if it was started here."""
        self._open.close()


def _count_partition(terms: tuple[Term, ...], facts: pd.DataFrame, queries: pd.DataFrame) -> pd.DataFrame:
    return _frame(partition_terms(_table(facts), _table(queries), terms))


def _made(made: Callable[[pa.Table], pa.Table], rows: pd.DataFrame) -> pd.DataFrame:
    return _frame(made(_table(rows.drop(columns=_BUCKET))))


def _with_bucket(rows: pd.DataFrame, keys: list[str], partitions: int) -> pd.DataFrame:
    # Hashed as plain objects: the same name has the same hash whatever type the column came in.
    hashed = pd.util.hash_pandas_object(rows[keys].astype(object), index=False)
    return rows.assign(bucket=(hashed % partitions).astype("int64"))


def _read(group: Any) -> pd.DataFrame:
    return _frame(group.to_table())


# Arrow's own types in pandas, so that an integer column with nulls stays one of integers.
def _frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame(table.to_pandas(types_mapper=pd.ArrowDtype))


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _client(scheduler: str, workers: int | None, stack: ExitStack) -> Any:
    from distributed import Client, LocalCluster  # noqa: PLC0415

    if "://" in scheduler:
        return Client(scheduler, set_as_default=False)
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.ERROR
    )
    return Client(stack.enter_context(cluster), set_as_default=False)
