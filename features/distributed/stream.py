"""The facts as one table, as engines exchange them: a row per fact, with the name of its fact table.

How an engine counts is the same for all of them: for each key set, deal out the facts and the queries so that what has
the same key meets (`shuffles` says which rows and columns are needed), and call `partition_terms` where they meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import FACT_TABLES, KEY_COLUMNS, Facts
from features.terms import LAST_AT, KeySet, Term, by_keys

# Every measure of any table, once: the columns of a stream, in alphabetical order.
MEASURES: Final = tuple(sorted({name for measures in FACT_TABLES.values() for name in measures}))
STREAM_SCHEMA: Final = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("at", pa.int64(), nullable=False),
        *(pa.field(name, pa.string()) for name in KEY_COLUMNS),
        *(pa.field(name, pa.int64(), nullable=False) for name in MEASURES),
    ]
)
QUERY_SCHEMA: Final = pa.schema(
    [
        pa.field("landmark", pa.int64(), nullable=False),
        pa.field("at", pa.int64(), nullable=False),
        *(pa.field(name, pa.string()) for name in KEY_COLUMNS),
    ]
)


def facts_to_stream(facts: Mapping[str, Facts]) -> pa.Table:
    """All fact tables as one, in `STREAM_SCHEMA`; a measure that a table does not have is 0."""
    parts = [_rows(name, table) for name, table in facts.items() if len(table.at)]
    return pa.concat_tables(parts) if parts else STREAM_SCHEMA.empty_table()


def _rows(name: str, table: Facts) -> pa.Table:
    n = len(table.at)
    zeros = pa.array(np.zeros(n, dtype=np.int64))
    columns = [pa.repeat(name, n), pa.array(table.at)]
    columns += [_strings(table.keys[key]) for key in KEY_COLUMNS]
    columns += [pa.array(table.measures[measure]) if measure in table.measures else zeros for measure in MEASURES]
    return pa.Table.from_arrays(columns, schema=STREAM_SCHEMA)


def stream_to_facts(stream: pa.Table) -> dict[str, Facts]:
    """The fact tables of a stream; those without a row are left out.

    The stream may have fewer columns than `STREAM_SCHEMA`: keys that it lacks are null, measures are left out.
    """
    names = stream.column("table").combine_chunks()
    found = {}
    for name in names.unique().to_pylist():
        rows = stream.filter(pa.compute.equal(names, name))
        known = [measure for measure in FACT_TABLES[name] if measure in stream.column_names]
        measures = {measure: rows.column(measure).to_numpy() for measure in known}
        found[name] = Facts(rows.column("at").to_numpy(), _keys(rows), measures)
    return found


def queries_to_table(queries: Queries) -> pa.Table:
    """Queries in `QUERY_SCHEMA`, numbered from 0."""
    columns = [pa.array(np.arange(len(queries.at), dtype=np.int64)), pa.array(queries.at)]
    columns += [_strings(queries.keys[key]) for key in KEY_COLUMNS]
    return pa.Table.from_arrays(columns, schema=QUERY_SCHEMA)


def table_to_queries(queries: pa.Table) -> Queries:
    """Queries out of `QUERY_SCHEMA` or some of its columns, in the order given; keys that it lacks are null."""
    return Queries(queries.column("at").to_numpy(), _keys(queries))


@dataclass(frozen=True, slots=True)
class Shuffle:
    """What must meet so that the terms of one key set can be counted: never more rows or columns than they need.

    Attributes
    ----------
    keys : the key set; facts and queries that agree on it must come to the same partition. Facts with a null among
        them are no one's and may stay behind; queries with a null may go anywhere, but must be answered.
    terms : all terms of the key set
    """

    keys: KeySet
    terms: tuple[Term, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """The fact tables whose rows are needed."""
        return tuple(sorted({term.table for term in self.terms}))

    @property
    def fact_columns(self) -> tuple[str, ...]:
        """The columns of the stream that are needed; facts are counted by `n` where only the newest are asked for."""
        measures = {term.measure for term in self.terms} - {LAST_AT}
        if any(term.newest is not None or term.measure == LAST_AT for term in self.terms):
            measures.add("n")
        return ("table", "at", *self.keys, *sorted(measures))

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The columns of the queries that are needed."""
        return ("landmark", "at", *self.keys)

    @property
    def schema(self) -> pa.Schema:
        """What counting gives."""
        return terms_schema(self.terms)


def shuffles(terms: Iterable[Term]) -> tuple[Shuffle, ...]:
    """One for each key set of the terms."""
    return tuple(Shuffle(keys, listed) for keys, listed in by_keys(terms).items())


def terms_schema(terms: Iterable[Term]) -> pa.Schema:
    """What `partition_terms` gives: the number of the landmark, and a column for every term."""
    return pa.schema([pa.field("landmark", pa.int64()), *(pa.field(term.name, pa.int64()) for term in terms)])


def partition_terms(stream: pa.Table, queries: pa.Table, terms: Iterable[Term]) -> pa.Table:
    """Count one partition: it must hold every fact of every key that its queries ask about.

    Parameters
    ----------
    stream : in `STREAM_SCHEMA`, or those of its columns that the terms need (`Shuffle.fact_columns`)
    queries : in `QUERY_SCHEMA`, or those of its columns that the terms need (`Shuffle.query_columns`)
    terms : all of one key set, the one that the partition was made by

    Returns
    -------
    `terms_schema(terms)`, one row per query, in the order given.
    """
    asked = tuple(terms)
    index = EventIndex.build(stream_to_facts(stream), asked)
    source = IndexTerms(index, table_to_queries(queries))
    counted = [pa.array(source.term(term)) for term in asked]
    return pa.Table.from_arrays([queries.column("landmark"), *counted], schema=terms_schema(asked))


def _keys(rows: pa.Table) -> pd.DataFrame:
    """The key columns as categories: names are looked at once each and not once a row."""
    nothing = pa.nulls(len(rows), pa.string())
    columns = {name: rows.column(name) if name in rows.column_names else nothing for name in KEY_COLUMNS}
    coded = pa.table({name: column.dictionary_encode() for name, column in columns.items()})
    return pd.DataFrame(coded.to_pandas())


def _strings(column: pd.Series) -> pa.Array:
    made = pa.array(column, from_pandas=True)
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    return made.cast(pa.string())
