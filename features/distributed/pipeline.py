"""From an event log to the matrix of features, on any engine.

Two steps touch every row and are done where the rows lie:

1. *by case*: facts and landmarks are made of all events of a case, whichever cases come together (`by_case`);
2. *by key*: the terms of the features are counted where the facts and the landmarks of a key meet (`terms`).

What is left, a division or a logarithm for each landmark and feature, is done here by the formulas of the catalogue,
the same as for every other engine. So are the few facts that belong to no case: inspections and capacities.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from data.clock import WorkingCalendar
from data.schema import EVENT_COLUMNS
from features.distributed.engines import Engine, Rows
from features.distributed.stream import facts_to_stream, queries_to_table
from features.facts import KEY_COLUMNS, facts_from_events
from features.facts.build import Adjacency
from features.landmarks import LANDMARK_KINDS, LandmarkKind, landmarks, queries_at
from features.matrix import Matrix, matrix_at, terms_of

_OBSERVED: Final = "observed_until"
_PLACE: Final = "place"
_MOMENTS: Final = ("at", "known_at")
EVENT_SCHEMA: Final = pa.schema(
    [
        *(
            pa.field(name, pa.int64() if name in (*_MOMENTS, "due_at") else pa.string(), nullable=name not in _MOMENTS)
            for name in EVENT_COLUMNS
        ),
        pa.field(_OBSERVED, pa.int64()),
        pa.field(_PLACE, pa.int64(), nullable=False),
    ]
)
_OWN_FACTS: Final = ("findings", "capacity")


@dataclass(frozen=True, slots=True)
class History:
    """What features are made of.

    Attributes
    ----------
    events : a table with the columns of `EVENT_SCHEMA`: an Arrow table (`events_to_table`), the path of Parquet, or a
        table of the engine's own. Its column `observed_until` says of a case how far it was followed, in seconds in
        UTC; null where it always was. Its column `place` orders events of one case, second and kind, as in a store.
    inspections, capacity, adjacency : as `features.facts.facts_from_events` takes them; None for none
    """

    events: Rows
    inspections: pd.DataFrame | None = None
    capacity: pd.DataFrame | None = None
    adjacency: Adjacency | None = None


def events_to_table(events: pd.DataFrame, observed_until: pd.Series | None = None) -> pa.Table:
    """An event frame in `EVENT_SCHEMA`; `observed_until` is a Series by `case_id`, see `data.observation`."""
    frame = events[[*EVENT_COLUMNS]]
    followed = pd.Series(pd.NA, index=frame.index, dtype="Int64")
    if observed_until is not None:
        followed = frame["case_id"].map(observed_until).astype("Int64")
    frame = frame.assign(**{_OBSERVED: followed}).assign(**{_PLACE: np.arange(len(frame))})
    return pa.Table.from_pandas(frame, EVENT_SCHEMA, preserve_index=False)


def table_to_events(table: pa.Table) -> tuple[pd.DataFrame, pd.Series | None]:
    """The event frame of a table, and how far its cases were followed, by `case_id`; None where all always were.

    Rows come in the order of their places, so that every engine reads two events of one second and kind alike.
    """
    rows = table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).sort_by(_PLACE)
    frame = rows.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    frame = frame.astype(dict.fromkeys(_MOMENTS, "int64"))
    followed = frame.drop_duplicates("case_id").set_index("case_id").pop(_OBSERVED).dropna().astype("int64")
    return frame.drop(columns=[_OBSERVED, _PLACE]), followed if len(followed) else None


def fact_streams(engine: Engine, history: History) -> list[Rows]:
    """All facts of a history, as `Engine.terms` takes them; those of the cases stay where the engine keeps them."""
    of_cases = engine.by_case(partial(facts_of_cases, adjacency=history.adjacency), history.events)
    others = facts_from_events(_no_events(), history.inspections, capacity=history.capacity)
    return [of_cases, facts_to_stream({name: others[name] for name in _OWN_FACTS})]


def case_landmarks(
    engine: Engine,
    history: History,
    *,
    time_zone: str,
    as_of: int,
    kinds: Collection[LandmarkKind] = LANDMARK_KINDS,
    from_: int | None = None,
) -> pd.DataFrame:
    """What `features.landmarks.landmarks` gives for the same events, in the same order and with the same numbers."""
    made = partial(landmarks_of_cases, time_zone=time_zone, as_of=as_of, kinds=tuple(kinds), from_=from_)
    table = engine.collect(engine.by_case(made, history.events))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    frame = frame.sort_values(["opened_at", "case_id", "landmark_at", "seen_until"], ignore_index=True)
    categories = {name: frame[name].astype("category") for name in (*KEY_COLUMNS,)}
    kind = pd.Categorical(frame["kind"], categories=LANDMARK_KINDS)
    return frame.assign(landmark=np.arange(len(frame)), kind=kind, **categories)


def matrix_on(
    engine: Engine,
    history: History,
    found: pd.DataFrame,
    names: Sequence[str],
    *,
    time_zone: str,
    calendar: WorkingCalendar | None = None,
) -> Matrix:
    """Features of landmarks.

    Parameters
    ----------
    engine : who makes the facts and counts the terms
    history : what was known
    found : DataFrame of landmarks, see `features.landmarks`
    names : features of the catalogue
    time_zone : IANA name; hours and weekdays are read in it
    calendar : when the offices work; None where that is not known
    """
    queries = queries_to_table(queries_at(found))
    counted = engine.terms(fact_streams(engine, history), queries, terms_of(names))
    return matrix_at(counted, found, names, time_zone=time_zone, calendar=calendar)


def facts_of_cases(table: pa.Table, adjacency: Adjacency | None = None) -> pa.Table:
    """The facts of some cases: `EVENT_SCHEMA` in, `STREAM_SCHEMA` out."""
    events, followed = table_to_events(table)
    return facts_to_stream(facts_from_events(events, None, followed, adjacency=adjacency))


def landmarks_of_cases(
    table: pa.Table, *, time_zone: str, as_of: int, kinds: tuple[LandmarkKind, ...], from_: int | None
) -> pa.Table:
    """The landmarks of some cases: `EVENT_SCHEMA` in, a column for each of `features.landmarks.landmarks` out."""
    events, followed = table_to_events(table)
    found = landmarks(events, time_zone=time_zone, as_of=as_of, kinds=kinds, observed_until=followed, from_=from_)
    return _plain(pa.Table.from_pandas(found, preserve_index=False))


def _plain(table: pa.Table) -> pa.Table:
    """Names as text: other partitions have other categories, and not every engine knows such columns."""
    fields = [
        pa.field(one.name, pa.string() if not pa.types.is_primitive(one.type) else one.type) for one in table.schema
    ]
    return table.cast(pa.schema(fields))


def _no_events() -> pd.DataFrame:
    return table_to_events(EVENT_SCHEMA.empty_table())[0]
