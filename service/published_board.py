"""The echo board as it leaves the service: what was disclosed when it was counted, and signals acted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data.store import Store
from models.signals.counts import ALL
from models.signals.reviews import current
from service.board_block import Block
from service.board_counts import OTHERS
from service.published import Figure

FIGURES: Final = ("raised", "solved", "still_open")


@dataclass(frozen=True, slots=True)
class BoardCounts:
    """How many were raised, and of those solved and still open."""

    raised: Figure
    solved: Figure
    still_open: Figure


@dataclass(frozen=True, slots=True)
class BoardPlace:
    """An area with what lies in it, or the city. `types`: by code, all others together (`OTHERS`) last."""

    area: str
    total: BoardCounts
    types: Mapping[str, BoardCounts]


@dataclass(frozen=True, slots=True)
class ActedOn:
    """A weak signal of the board's weeks that was acted on. `week`: the local Monday it begins, seconds in UTC."""

    area: str
    category: str
    direction: str
    week: int


@dataclass(frozen=True, slots=True)
class Board:
    """One echo board: moments in seconds in UTC, `areas` by code; `acted` by week, area and type. Of one that was
    `withdrawn`, nothing is told but its weeks.
    """

    minimum: int
    since: int
    until: int
    counted_at: int
    city: BoardPlace
    areas: Mapping[str, BoardPlace]
    acted: tuple[ActedOn, ...] = ()
    withdrawn: bool = False


def read_board(store: Store, *, minimum: int, time_zone: str) -> Board | None:
    """The newest board of a store; None where there is none, or where it shows counts under `minimum`."""
    counts = store.read_board_counts()
    if counts.empty:
        return None
    return publish_board(counts, store.read_all_signals(), store.read_reviews(), minimum=minimum, time_zone=time_zone)


def publish_board(
    counts: pd.DataFrame, signals: pd.DataFrame, reviews: pd.DataFrame, *, minimum: int, time_zone: str
) -> Board | None:
    """One board as it may be shown.

    Parameters
    ----------
    counts : DataFrame, rows of `data.tables.board_count` of one as-of; they were disclosed when they were counted
    signals, reviews : DataFrames of `data.tables.signal` and `signal_review`
    minimum : the smallest count that may be shown today; a board made with a smaller one stays back as a whole
    time_zone : of the offices

    A signal is told of only if it counted `minimum` cases or more: that it was there says nothing of a small count.
    """
    if int(counts["minimum"].min()) < minimum:
        return None
    block = Block.since_week(int(counts["since"].iloc[0]), time_zone)
    # One that was made has a row for each type as well (`data.store_results.Results.withdraw_board`).
    withdrawn = len(counts) == 1
    places = {str(area): _place(str(area), rows) for area, rows in counts.groupby("area", sort=True)}
    return Board(
        minimum=int(counts["minimum"].min()),
        since=block.since,
        until=block.until,
        counted_at=int(counts["as_of"].iloc[0]),
        city=places.pop(ALL),
        areas=places,
        acted=() if withdrawn else _acted(signals, reviews, block, minimum),
        withdrawn=withdrawn,
    )


def _place(area: str, rows: pd.DataFrame) -> BoardPlace:
    figures = {str(row["category"]): _counts(row) for row in rows.to_dict("records")}
    total = figures.pop(ALL)
    order = sorted(figures, key=lambda code: (code == OTHERS, code))
    return BoardPlace(area, total, {code: figures[code] for code in order})


def _counts(row: Mapping[Any, Any]) -> BoardCounts:
    return BoardCounts(*(_figure(row[name]) for name in FIGURES))


def _figure(value: Any) -> Figure:
    return Figure(None, withheld=True) if pd.isna(value) else Figure(int(value))


def _acted(signals: pd.DataFrame, reviews: pd.DataFrame, block: Block, minimum: int) -> tuple[ActedOn, ...]:
    newest = current(reviews)
    acted = set(newest.loc[newest["status"] == "acted", "signal_id"])
    inside = (signals["week"] >= block.since) & (signals["week"] < block.until) & (signals["observed"] >= minimum)
    told = signals[inside & signals["signal_id"].isin(acted)]
    names = ("area", "category", "direction", "week")
    return tuple(
        ActedOn(str(area), str(category), str(direction), int(week))
        for area, category, direction, week in (
            told[[*names]].drop_duplicates().sort_values(["week", "area", "category"]).itertuples(index=False)
        )
    )
