"""Terms and plain features as one SQL statement, for facts that must stay in a warehouse.

Ibis writes the statement from the same specification that the event index answers (`features.terms`), in the dialect
of DuckDB, ClickHouse, PostgreSQL, SQLite, Spark, Trino, Snowflake or BigQuery. It uses nothing that one of them lacks:
no ASOF join, no RANGE frame, no interval, only whole numbers.

For one key set it goes as follows.

1. *Moments*: the facts of one key and second as one row, a column for each measure. What a correction took back cancels
   here. Facts whose key has a null part are left out.
2. *Probes*: for each landmark a row at t, and one at t - w for each window w that is asked for. They bear no fact.
3. Moments and probes are put in one line by time, and each measure is summed from the first row on. At one second the
   probes come first, so a probe reads the sum of what lies strictly before it.
4. A window `[t - w, t)` is the reading at t less the reading at t - w.

The newest N facts are read by the same trick on another axis. The moments stand in line by the count c of facts up to
and including them; a landmark before which there are c_t facts is a probe at c_t - N, and comes after the moments of
its place. What it reads lies before the newest N: the moment v ends at or below c_t - N exactly if the facts after it,
still before t, are N or more, and it is then outside the fewest whole moments from the newest back that hold N.

A landmark whose key has a null part stands among probes only: its sums are 0 and its newest moment is -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2s
from typing import Any, Final

from data.errors import InputError, UsageError
from features.distributed.stream import QUERY_SCHEMA, STREAM_SCHEMA
from features.terms import LAST_AT, KeySet, Quantity, Term, by_keys, in_order

# Without a stub Ibis is Any to the type checker; these say what is meant.
Table = Any
Column = Any

_COUNT: Final = "n"
# PostgreSQL cuts names off after 63 bytes.
_NAME_LIMIT: Final = 63
_AT, _TURN, _LANDMARK, _EDGE, _TABLE = "at", "turn", "landmark", "edge", "table"
# The edge of the probe that stands at t itself.
_NOW: Final = 0
# By time a probe comes before the moment of its second, which is not yet known then; by count after the moments of its
# place, which are not among the newest any more.
_PROBE_BY_TIME: Final = 0
_PROBE_BY_COUNT: Final = 1


def column_of(term: Term) -> str:
    """The name of a term's column: letters, digits and `_` only, and no longer than any database takes."""
    return _safe(term.name.replace(".", "__"))


def terms_needed(features: Mapping[str, Quantity]) -> tuple[Term, ...]:
    """The integers that features are made of, without repetition."""
    return in_order(term for quantity in features.values() for term in quantity.terms())


def columns_needed(terms: Iterable[Term]) -> tuple[list[str], list[str]]:
    """The columns that terms need, of the table of facts and of the table of queries."""
    asked = in_order(terms)
    keys = sorted({key for term in asked for key in term.keys})
    measures = sorted({measure for term in asked for measure in _measures(term)})
    return [_TABLE, _AT, *keys, *measures], [_LANDMARK, _AT, *keys]


def warehouse_terms(stream: Table, queries: Table, terms: Iterable[Term]) -> Table:
    """Terms of every landmark, as an expression that a warehouse can run.

    Parameters
    ----------
    stream : Ibis table of facts in `STREAM_SCHEMA`; columns that the terms do not need may be missing. `at` is whole
        seconds since 1970 in UTC.
    queries : Ibis table in `QUERY_SCHEMA`, likewise; no `landmark` stands there twice
    terms : what is asked

    Returns
    -------
    Ibis table in no order, one row for each landmark: `landmark`, and a BIGINT column `column_of(term)` for each term;
    never null.

    Raises
    ------
    InputError
        If a column that is needed is missing, or holds something other than whole numbers or text.
    """
    asked = in_order(terms)
    of_facts, of_queries = columns_needed(asked)
    facts = _checked(stream, of_facts, "facts", STREAM_SCHEMA)
    landmarks = _checked(queries, of_queries, "queries", QUERY_SCHEMA)
    counted = [_KeySet.of(keys, listed).counted(facts, landmarks) for keys, listed in by_keys(asked).items()]
    whole = counted[0] if counted else landmarks.select(_LANDMARK)
    for further in counted[1:]:
        whole = whole.join(further, _LANDMARK)
    return whole.select(_LANDMARK, *(column_of(term) for term in asked))


def warehouse_features(stream: Table, queries: Table, features: Mapping[str, Quantity]) -> Table:
    """Plain features of every landmark: one integer each, or two divided, to the bit what `Quantity.value` gives.

    The integers are cast to float64 before they are divided, and nothing is multiplied by 1.0: in some dialects that
    is a decimal, and differs in the last bit.

    Parameters
    ----------
    stream, queries : see `warehouse_terms`
    features : name -> Quantity

    Returns
    -------
    Ibis table in no order: `landmark`, and a float64 column for each feature; null where `Quantity.value` is NaN.
    """
    counted = warehouse_terms(stream, queries, terms_needed(features))
    moments = queries.select(_LANDMARK, asked_at=queries[_AT].cast("int64"))
    counted = counted.join(moments, _LANDMARK)
    return counted.select(_LANDMARK, **{name: _value(counted, quantity) for name, quantity in features.items()})


def warehouse_sql(
    asked: Iterable[Term] | Mapping[str, Quantity],
    dialect: str,
    stream: str | Sequence[str] = "facts",
    queries: str = "queries",
) -> str:
    """The statement as text, to be read and run by those who run the warehouse. Nothing is connected to.

    Parameters
    ----------
    asked : terms, for the columns of `warehouse_terms`; or features, for those of `warehouse_features`
    dialect : as Ibis calls it: `duckdb`, `postgres`, `sqlite`, `clickhouse`, `pyspark`, `trino`, `snowflake`,
        `bigquery`, …
    stream : name of the table of facts, perhaps with a schema before it (`heed.facts`); or of several, which together
        are the history
    queries : name of the table of queries

    Raises
    ------
    UsageError
        If Ibis is not installed, or does not know the dialect.
    """
    names = (stream,) if isinstance(stream, str) else tuple(stream)
    if isinstance(asked, Mapping):
        return _features_sql(tuple(asked.items()), dialect, names, queries)
    return _terms_sql(in_order(asked), dialect, names, queries)


# The statement of many terms takes longer to write than a small warehouse takes to answer it.
@lru_cache(maxsize=64)
def _terms_sql(terms: tuple[Term, ...], dialect: str, stream: tuple[str, ...], queries: str) -> str:
    return _written(warehouse_terms(*_tables(terms, stream, queries), terms), dialect)


@lru_cache(maxsize=16)
def _features_sql(
    features: tuple[tuple[str, Quantity], ...], dialect: str, stream: tuple[str, ...], queries: str
) -> str:
    asked = dict(features)
    return _written(warehouse_features(*_tables(terms_needed(asked), stream, queries), asked), dialect)


def _tables(terms: tuple[Term, ...], stream: tuple[str, ...], queries: str) -> tuple[Table, Table]:
    of_facts, of_queries = columns_needed(terms)
    facts = [_named(name, of_facts, STREAM_SCHEMA) for name in stream]
    return facts[0] if len(facts) == 1 else _ibis().union(*facts), _named(queries, of_queries, QUERY_SCHEMA)


def landmarks_sql(dialect: str, queries: str = "queries") -> str:
    """A statement that gives `n`, `distinct`, `first` and `last` of the landmarks, to see that they are numbered."""
    table = _named(queries, [_LANDMARK], QUERY_SCHEMA)
    landmark = table[_LANDMARK]
    summary = {"n": table.count(), "distinct": landmark.nunique(), "first": landmark.min(), "last": landmark.max()}
    return _written(table.aggregate(**summary), dialect)


@dataclass(frozen=True)
class _KeySet:
    """What is asked under one key set.

    Attributes
    ----------
    keys : names of key columns
    terms : what is asked
    sums : (table, measure) that are summed, the counts behind `LAST_AT` and the newest facts among them
    latest : tables of which the newest moment is asked
    edges : distances of the probes from t, in seconds; 0 for t itself
    newest : (table, N) whose newest N facts are asked about
    """

    keys: KeySet
    terms: tuple[Term, ...]
    sums: tuple[tuple[str, str], ...]
    latest: tuple[str, ...]
    edges: tuple[int, ...]
    newest: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, keys: KeySet, terms: Sequence[Term]) -> _KeySet:
        return cls(
            keys,
            tuple(terms),
            sums=tuple(sorted({(term.table, measure) for term in terms for measure in _measures(term)})),
            latest=tuple(sorted({term.table for term in terms if term.measure == LAST_AT})),
            edges=tuple(sorted({_NOW, *(term.window for term in terms if term.window is not None)})),
            newest=tuple(sorted({(term.table, term.newest) for term in terms if term.newest is not None})),
        )

    def counted(self, facts: Table, queries: Table) -> Table:
        """`landmark`, and the terms under their own names."""
        ibis = _ibis()
        line = self._line(self._moments(facts), queries)
        readings = [line.filter(line[_TURN] == _PROBE_BY_TIME).select(_LANDMARK, _EDGE, *map(_run, self._columns))]
        readings += [self._by_count(line, table) for table in sorted({table for table, _newest in self.newest})]
        read = readings[0] if len(readings) == 1 else ibis.union(*readings)
        wanted = sorted({pair for term in self.terms for pair in self._readings(term)})
        read = read.group_by(_LANDMARK).aggregate(
            **{_reading(*pair): read[_run(pair[0])].max(where=read[_EDGE] == pair[1]) for pair in wanted}
        )
        return read.select(_LANDMARK, **{column_of(term): self._answer(read, term) for term in self.terms})

    @property
    def _columns(self) -> list[str]:
        """What is carried along the line: sums, then newest moments."""
        return [*(_sum(*pair) for pair in self.sums), *(_latest(table) for table in self.latest)]

    def _moments(self, facts: Table) -> Table:
        """One row for each key and second: what the facts of that second come to."""
        ibis = _ibis()
        tables = sorted({table for table, _measure in self.sums})
        chosen = facts.filter(facts[_TABLE].isin(tables), *(facts[key].notnull() for key in self.keys))
        zero = ibis.literal(0, "int64")
        sums = {
            _sum(table, measure): _bigint(ibis.ifelse(chosen[_TABLE] == table, chosen[measure], zero).sum())
            for table, measure in self.sums
        }
        moments = chosen.group_by([*self.keys, _AT]).aggregate(**sums)
        # A second at which everything was taken back again never was.
        latest = {
            _latest(table): ibis.ifelse(moments[_sum(table, _COUNT)] > 0, moments[_AT], ibis.literal(-1, "int64"))
            for table in self.latest
        }
        return moments.mutate(**latest) if latest else moments

    def _line(self, moments: Table, queries: Table) -> Table:
        """Moments and probes by time: what each bears, and under `_run` what all up to it bear."""
        ibis = _ibis()
        blank = dict.fromkeys(self._columns, 0) | {_latest(table): -1 for table in self.latest}
        steps = moments.select(*self.keys, _AT, **_whole({_TURN: 1, _LANDMARK: -1, _EDGE: -1}), **_same(moments, blank))
        probes = [
            queries.select(
                *self.keys,
                **{_AT: queries[_AT] - edge if edge else queries[_AT]},
                **_whole({_TURN: _PROBE_BY_TIME}),
                **{_LANDMARK: queries[_LANDMARK]},
                **_whole({_EDGE: edge, **blank}),
            )
            for edge in self.edges
        ]
        line = ibis.union(steps, *probes)
        here = _up_to_here(self.keys, _AT)
        running = {_run(_sum(*pair)): _bigint(line[_sum(*pair)].sum().over(here)) for pair in self.sums}
        running |= {_run(_latest(table)): line[_latest(table)].max().over(here) for table in self.latest}
        return line.mutate(**running)

    def _by_count(self, line: Table, table: str) -> Table:
        """Readings of what the measures of a table come to before its newest facts."""
        ibis = _ibis()
        own = sorted({_sum(table, term.measure) for term in self.terms if term.table == table and term.newest})
        count = line[_run(_sum(table, _COUNT))]
        steps = line.filter(line[_TURN] != _PROBE_BY_TIME).select(
            *self.keys, axis=count, **_whole({_TURN: 0, _LANDMARK: -1, _EDGE: -1}), **_same(line, own)
        )
        at_t = line.filter(line[_TURN] == _PROBE_BY_TIME, line[_EDGE] == _NOW)
        probes = [
            at_t.select(
                *self.keys,
                axis=count - pair[1],
                **_whole({_TURN: _PROBE_BY_COUNT}),
                **{_LANDMARK: line[_LANDMARK]},
                **_whole({_EDGE: self._edge(*pair), **dict.fromkeys(own, 0)}),
            )
            for pair in self.newest
            if pair[0] == table
        ]
        by_count = ibis.union(steps, *probes)
        here = _up_to_here(self.keys, "axis")
        by_count = by_count.mutate(**{_run(name): _bigint(by_count[name].sum().over(here)) for name in own})
        others = _whole({_run(name): 0 for name in self._columns if name not in own})
        return (
            by_count.filter(by_count[_TURN] == _PROBE_BY_COUNT)
            .mutate(**others)
            .select(_LANDMARK, _EDGE, *map(_run, self._columns))
        )

    def _edge(self, table: str, newest: int) -> int:
        """What stands in the column of edges for a probe by count: a number that is no distance in time."""
        return -2 - self.newest.index((table, newest))

    def _readings(self, term: Term) -> list[tuple[str, int]]:
        """The column that a term is read from, and the edges: at t, and where its window begins."""
        if term.measure == LAST_AT:
            return [(_latest(term.table), _NOW)]
        column = _sum(term.table, term.measure)
        if term.newest is not None:
            return [(column, _NOW), (column, self._edge(term.table, term.newest))]
        return [(column, _NOW)] if term.window is None else [(column, _NOW), (column, term.window)]

    def _answer(self, read: Table, term: Term) -> Column:
        upper, *lower = (read[_reading(*pair)] for pair in self._readings(term))
        return upper - lower[0] if lower else upper


def _value(counted: Table, quantity: Quantity) -> Column:
    """A feature in float64; see `Quantity.value`."""
    ibis = _ibis()
    top = counted[column_of(quantity.numerator)]
    if quantity.since:
        hours = (counted["asked_at"] - top).cast("float64") / _double(3600)
        return ibis.ifelse(top >= 0, hours, ibis.null("float64"))
    if quantity.denominator is None:
        return top.cast("float64")
    share = top.cast("float64") / counted[column_of(quantity.denominator)].nullif(0).cast("float64")
    return share if quantity.scale == 1 else share / _double(quantity.scale)


def _written(expression: Table, dialect: str) -> str:
    try:
        return str(_ibis().to_sql(expression, dialect=dialect))
    except ValueError:
        raise UsageError(f"Expected a dialect that Ibis writes (duckdb, postgres, …), got '{dialect}'.") from None


def _measures(term: Term) -> tuple[str, ...]:
    """The measures that a term needs of its table."""
    if term.measure == LAST_AT:
        return (_COUNT,)
    return (term.measure,) if term.newest is None else (term.measure, _COUNT)


def _up_to_here(keys: KeySet, axis: str) -> Any:
    ibis = _ibis()
    return ibis.window(group_by=list(keys) or None, order_by=[axis, _TURN], rows=(None, 0))


def _bigint(column: Column) -> Column:
    """A cast that is written even where Ibis takes the column for a BIGINT already.

    The sum of BIGINTs is one in its view, and a HUGEINT in DuckDB, a NUMERIC in PostgreSQL.
    """
    import ibis.expr.operations as ops  # noqa: PLC0415 - an optional engine

    return ops.Cast(column, to="int64").to_expr()


def _same(table: Table, names: Iterable[str]) -> dict[str, Column]:
    return {name: table[name] for name in names}


def _whole(values: Mapping[str, int]) -> dict[str, Column]:
    ibis = _ibis()
    return {name: ibis.literal(value, "int64") for name, value in values.items()}


def _double(value: int) -> Column:
    """A float64 constant: `3600.0` would be a decimal in some dialects."""
    return _ibis().literal(value, "int64").cast("float64")


def _checked(table: Table, needed: Sequence[str], name: str, schema: Any) -> Table:
    """The columns that are needed, as whole numbers and as text."""
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise InputError(
            f"Expected the column '{missing[0]}' in the table of {name}, got none. "
            "See features.distributed.stream for the columns of both tables."
        )
    columns = {}
    for column in needed:
        whole = str(schema.field(column).type) == "int64"
        kind = table[column].type()
        if (whole and not kind.is_integer()) or (not whole and not kind.is_string()):
            raise InputError(
                f"Expected {'whole numbers' if whole else 'text'} in the column '{column}' of {name}, got {kind}. "
                + ("Moments are seconds since 1970 in UTC." if column == _AT else "Cast it in a view.")
            )
        columns[column] = table[column].cast("int64" if whole else "string")
    return table.select(**columns)


def _named(name: str, columns: Sequence[str], schema: Any) -> Table:
    """A table that is only named: its columns are taken to be of the types that the schema says."""
    *above, table = [None, None, *name.split(".")][-3:]
    types = {column: "int64" if str(schema.field(column).type) == "int64" else "string" for column in columns}
    return _ibis().table(types, name=table, catalog=above[0], database=above[1])


def _sum(table: str, measure: str) -> str:
    return _safe(f"{table}__{measure}")


def _latest(table: str) -> str:
    return _safe(f"{table}__last_at")


def _run(column: str) -> str:
    return _safe(f"{column}__run")


def _reading(column: str, edge: int) -> str:
    return _safe(f"{column}__{edge}" if edge >= 0 else f"{column}__newest_{-edge}")


def _safe(name: str) -> str:
    if len(name) <= _NAME_LIMIT:
        return name
    return f"{name[: _NAME_LIMIT - 9]}_{blake2s(name.encode(), digest_size=4).hexdigest()}"


def _ibis() -> Any:
    try:
        import ibis  # noqa: PLC0415 - an optional engine
    except ImportError:
        raise UsageError(
            "The warehouse engine needs Ibis, which is not installed. "
            "Install heed with its extra: pip install 'heed[ibis]'."
        ) from None
    return ibis
