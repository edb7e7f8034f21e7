"""The rest of a store: places that cases refer to, and figures that were computed from them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import pandas as pd
from sqlalchemy import Connection, Table, delete, func, select, update

from data import tables
from data.capacity import CAPACITY_COLUMNS, CAPACITY_KEY
from data.inspection_log import results_at
from data.store_tables import frame_of, insert_frame, plain_values

# Of a board: the whole city, and all types.
_EVERYTHING: Final = "*"


class _Room:
    """What both halves need of a store."""

    def reading(self) -> AbstractContextManager[Connection]:
        """See `data.store.Store`."""
        raise NotImplementedError

    def writing(self) -> AbstractContextManager[Connection]:
        """See `data.store.Store`."""
        raise NotImplementedError


class Places(_Room):
    """Areas, offices and their capacities, categories and inspections of a store."""

    def write_places(
        self,
        areas: pd.DataFrame | None = None,
        offices: pd.DataFrame | None = None,
        categories: pd.DataFrame | None = None,
        inspections: pd.DataFrame | None = None,
        capacities: pd.DataFrame | None = None,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Replace the areas, offices and categories given, and append inspections and capacities.

        All in one transaction (that of `connection`, if given). The columns are those of `data.tables`; one that may
        be null may be left out. `neighbours` is a list of area codes per row. An inspection whose `inspection_id` is
        stored already, and a capacity whose `data.capacity.CAPACITY_KEY` is, are left as they are stored.
        """
        with self.writing() if connection is None else nullcontext(connection) as opened:
            for table, frame in (
                (tables.area, areas),
                (tables.office, offices),
                (tables.category, categories),
            ):
                if frame is not None:
                    opened.execute(delete(table))
                    insert_frame(opened, table, _with_neighbours(frame) if table is tables.area else frame)
            for table, frame in ((tables.inspection, inspections), (tables.office_capacity, capacities)):
                if frame is not None:
                    insert_frame(opened, table, frame)

    def read_areas(self) -> pd.DataFrame:
        """The areas, sorted by code; `neighbours` holds a list of area codes."""
        areas = self._read(tables.area, ["area"])
        areas["neighbours"] = pd.Series([json.loads(text) for text in areas["neighbours"]], dtype="object")
        return areas

    def adjacency(self) -> dict[str, tuple[str, ...]]:
        """Every area and the areas beside it, as the store has them today; sorted by code, as each of the tuples is.

        Both ways, also where only one of two areas names the other; no area is its own neighbour. An area without
        neighbours has an empty tuple.
        """
        areas = self.read_areas()
        beside: defaultdict[str, set[str]] = defaultdict(set)
        for here, others in zip(areas["area"].tolist(), areas["neighbours"].tolist(), strict=True):
            beside[here].update(others)
            for other in others:
                beside[other].add(here)
        return {area: tuple(sorted(beside[area] - {area})) for area in sorted(beside)}

    def read_offices(self, *, connection: Connection | None = None) -> pd.DataFrame:
        """The offices, sorted by code."""
        return self._read(tables.office, ["office"], connection)

    def read_capacity(
        self, as_of: int | None = None, *, recorded_by: int | None = None, connection: Connection | None = None
    ) -> pd.DataFrame:
        """What was known of the capacities of offices strictly before `as_of` (seconds in UTC; None: all).

        `recorded_by` (seconds in UTC; None: whenever) leaves out what only came in later. As for events, a moment
        before anything had come in is answered by what the first file told of it, and no later file changes that; see
        `data.replay`.

        Returns
        -------
        DataFrame with `data.capacity.CAPACITY_COLUMNS`, every record ever told, sorted by its key
            `from_at` and `known_at` are int64 seconds in UTC. `data.capacity.capacity_changes` says what was in force.
        """
        frame = self._read(tables.office_capacity, [*CAPACITY_KEY], connection)
        if recorded_by is not None:
            first = frame["recorded_at"].min()
            by = recorded_by if pd.isna(first) else max(recorded_by, int(first))
            frame = frame[(frame["recorded_at"] <= by).fillna(True)]
        if as_of is not None:
            frame = frame[frame["known_at"] < as_of]
        return frame[[*CAPACITY_COLUMNS]].reset_index(drop=True)

    def read_categories(self) -> pd.DataFrame:
        """The categories, sorted by code."""
        return self._read(tables.category, ["category"])

    def read_inspections(
        self, as_of: int | None = None, *, recorded_by: int | None = None, last_import: int | None = None
    ) -> pd.DataFrame:
        """The newest result of each inspection among those known strictly before `as_of` (seconds in UTC; None: all).

        `recorded_by` (seconds in UTC; None: whenever) leaves out what only a later look at the source showed, and
        `last_import` what only a later import brought; see `data.replay`. Oldest first; see `data.inspection_log`.
        """
        frame = self._read(tables.inspection, ["known_at", "at", "inspection_id"])
        if recorded_by is not None:
            frame = frame[(frame["recorded_at"] <= recorded_by).fillna(True)]
        if last_import is not None:
            frame = frame[(frame["import_id"] <= last_import).fillna(True)]
        return results_at(frame, as_of)

    def _read(self, table: Table, order: list[str], connection: Connection | None = None) -> pd.DataFrame:
        with self.reading() if connection is None else nullcontext(connection) as opened:
            return frame_of(opened, select(table)).sort_values(order, ignore_index=True)


class Results(_Room):
    """Risks, signals and pressure of a store, kept per as-of."""

    def write_risks(self, risks: pd.DataFrame, *, as_of: int | None = None, drift: pd.DataFrame | None = None) -> None:
        """Store risks (columns of `data.tables.risk`) in place of those of the same as-of.

        `as_of` is needed only to store that there are none. `drift` (columns of `data.tables.model_drift`) is stored in
        the same transaction, in place of that of the same as-of.
        """
        with self.writing() as connection:
            self._put(connection, tables.risk, risks, as_of)
            if drift is not None:
                self._put(connection, tables.model_drift, drift, as_of)

    def write_drift(self, drift: pd.DataFrame, *, as_of: int | None = None) -> None:
        """Store drift (columns of `data.tables.model_drift`) in place of that of the same as-of."""
        self._replace(tables.model_drift, drift, as_of)

    def read_drift(self, model_version: str) -> pd.DataFrame:
        """What the newest scoring by a version found of its drift; no rows where none did."""
        row = tables.model_drift.c
        with self.reading() as connection:
            newest = select(func.max(row.as_of)).where(row.model_version == model_version).scalar_subquery()
            frame = frame_of(
                connection,
                select(tables.model_drift).where(row.model_version == model_version, row.as_of == newest),
            )
        return frame.sort_values(["outcome", "measure"], ignore_index=True)

    def read_risks(self, as_of: int | None = None) -> pd.DataFrame:
        """The risks computed as of `as_of`; None: of the latest as-of that has any."""
        return self._read_as_of(tables.risk, as_of, [tables.risk], ["outcome", "case_id"])

    def write_remaining_times(self, times: pd.DataFrame, *, as_of: int | None = None) -> None:
        """Store remaining times (columns of `data.tables.remaining_time`) in place of those of the same as-of."""
        self._replace(tables.remaining_time, times, as_of)

    def read_remaining_times(self, as_of: int | None = None) -> pd.DataFrame:
        """The remaining times worked out as of `as_of`; None: of the latest as-of that has any. Sorted by case."""
        return self._read_as_of(tables.remaining_time, as_of, [tables.remaining_time], ["case_id"])

    def write_signals(self, signals: pd.DataFrame, *, as_of: int | None = None) -> None:
        """Store signals in place of those of the same as-of; `signal_id` is made here if it is left out."""
        if "signal_id" not in signals.columns:
            signals = signals.assign(signal_id=_signal_ids(signals))
        self._replace(tables.signal, signals, as_of)

    def read_signals(self, as_of: int | None = None) -> pd.DataFrame:
        """The signals computed as of `as_of`; None: of the latest as-of with signals or pressure.

        Pressure is never empty and is computed together with the signals. Asking the signals alone would show
        last week's when this week has none.
        """
        return self._read_as_of(
            tables.signal, as_of, [tables.signal, tables.pressure], ["week", "area", "category", "direction"]
        )

    def write_pressure(self, pressure: pd.DataFrame, *, as_of: int | None = None) -> None:
        """Store pressure (columns of `data.tables.pressure`) in place of that of the same as-of."""
        self._replace(tables.pressure, pressure, as_of)

    def read_pressure(self, as_of: int | None = None) -> pd.DataFrame:
        """The pressure computed as of `as_of`; None: of the latest as-of that has any."""
        return self._read_as_of(tables.pressure, as_of, [tables.pressure], ["unit_kind", "unit"])

    def add_board_counts(self, counts: pd.DataFrame, *, unless: Callable[[Connection], bool] | None = None) -> bool:
        """Keep one board (columns of `data.tables.board_count`), unless one of its as-of is kept.

        Returns whether it was kept. What was published once is not told anew: the difference would be published.
        `unless` is asked in the same transaction, when no other writer is under way; where it says so, nothing is kept.
        """
        if counts.empty:
            return False
        board = tables.board_count
        with self.writing() as connection:
            if _has(connection, board, int(counts["as_of"].iloc[0])) or (unless is not None and unless(connection)):
                return False
            insert_frame(connection, board, counts)
        return True

    def withdraw_board(self, connection: Connection, as_of: int) -> int:
        """Let go of the figures of one board, in the transaction of `connection`; returns how many rows went.

        The row of the city stays, without figures, so that the block is never counted and told again: two boards of the
        same weeks, set against each other, would give small counts away.
        """
        board = tables.board_count
        chosen = board.c.as_of == as_of
        rest = chosen & ((board.c.area != _EVERYTHING) | (board.c.category != _EVERYTHING))
        gone = connection.execute(delete(board).where(rest)).rowcount
        connection.execute(update(board).where(chosen).values(raised=None, solved=None, still_open=None))
        return int(gone)

    def has_board(self, as_of: int) -> bool:
        """Whether a board of that as-of is kept."""
        with self.reading() as connection:
            return _has(connection, tables.board_count, as_of)

    def read_board_counts(self) -> pd.DataFrame:
        """The newest board, sorted by area and category."""
        board = tables.board_count
        return self._read_as_of(board, None, [board], ["area", "category"])

    def read_inflows(self, since: int, until: int) -> pd.DataFrame:
        """The inflows of areas whose 28 days lie between two moments (seconds in UTC): unit, as_of, inflow_28d."""
        load = tables.pressure.c
        inside = (load.as_of - 28 * 86_400 >= since) & (load.as_of <= until)
        query = select(load.unit, load.as_of, load.inflow_28d).where(load.unit_kind == "area", inside)
        with self.reading() as connection:
            return frame_of(connection, query).sort_values(["unit", "as_of"], ignore_index=True)

    def _replace(self, table: Table, frame: pd.DataFrame, as_of: int | None) -> None:
        with self.writing() as connection:
            self._put(connection, table, frame, as_of)

    @staticmethod
    def _put(connection: Connection, table: Table, frame: pd.DataFrame, as_of: int | None) -> None:
        moments = {int(moment) for moment in frame["as_of"].unique()} if len(frame) else set()
        if as_of is not None:
            moments.add(int(as_of))
        connection.execute(delete(table).where(table.c.as_of.in_(moments)))
        insert_frame(connection, table, frame)

    def _read_as_of(self, table: Table, as_of: int | None, asked: list[Table], order: list[str]) -> pd.DataFrame:
        with self.reading() as connection:
            if as_of is None:
                latest = [connection.execute(select(func.max(other.c.as_of))).scalar() for other in asked]
                as_of = max((moment for moment in latest if moment is not None), default=0)
            frame = frame_of(connection, select(table).where(table.c.as_of == as_of))
        return frame.sort_values(order, ignore_index=True)


def _has(connection: Connection, table: Table, as_of: int) -> bool:
    return bool(connection.execute(select(func.count()).where(table.c.as_of == as_of)).scalar_one())


def _with_neighbours(areas: pd.DataFrame) -> pd.DataFrame:
    if "neighbours" not in areas.columns:
        return areas.assign(neighbours="[]")
    listed = [
        value if isinstance(value, str) else json.dumps(list(value if value is not None else ()), ensure_ascii=False)
        for value in plain_values(areas["neighbours"])
    ]
    return areas.assign(neighbours=pd.Series(listed, dtype="str", index=areas.index))


def _signal_ids(signals: pd.DataFrame) -> list[str]:
    keys = zip(*(signals[name].astype(str) for name in _SIGNAL_KEY), strict=True)
    return [hashlib.blake2b("\x1f".join(key).encode(), digest_size=16).hexdigest() for key in keys]


_SIGNAL_KEY: Final = ("as_of", "week", "area", "category", "direction")
