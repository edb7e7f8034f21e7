"""The echo board as the API answers it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field

from service import display
from service.board_counts import OTHERS
from service.dependencies import Telling
from service.payload_parts import FigureItem, PlaceName, example, figure_item, moment, named
from service.places import WHOLE_CITY
from service.published_board import Board, BoardCounts, BoardPlace

_FIGURES = {name: {"value": value, "withheld": False} for name, value in (("raised", 91), ("solved", 64))}
_SHOWN = {**_FIGURES, "still_open": {"value": 12, "withheld": False}}


class BoardCountsItem(BaseModel):
    """Of the problems raised, those solved and those still open."""

    model_config = example(**_SHOWN)

    raised: FigureItem = Field(description="Cases raised in the weeks of the board.")
    solved: FigureItem = Field(description="Of those, closed as solved and not open again.")
    still_open: FigureItem = Field(description="Of those, open at `counted_at`.")


class BoardTypeItem(BoardCountsItem):
    """One type of problem, or all that are not listed one by one."""

    model_config = example(category={"code": "drain", "name": "Blocked drain"}, **_SHOWN)

    category: PlaceName = Field(description=f"`{OTHERS}` stands for all types that are not listed one by one.")


class BoardPlaceItem(BaseModel):
    """An area with what lies in it, or the city."""

    model_config = example(
        area={"code": "A-03", "name": "New Pond"},
        within={"code": "T-1", "name": "Hedong"},
        total=_SHOWN,
        types=[{"category": {"code": "drain", "name": "Blocked drain"}, **_SHOWN}],
    )

    area: PlaceName
    within: PlaceName | None = Field(default=None, description="The area that it lies in.")
    total: BoardCountsItem
    types: list[BoardTypeItem]


class ActedOnItem(BaseModel):
    """A weak signal that was acted on."""

    model_config = example(
        area={"code": "A-03", "name": "New Pond"},
        category={"code": "drain", "name": "Blocked drain"},
        direction="rise",
        week="2025-09-01",
    )

    area: PlaceName
    category: PlaceName
    direction: str = Field(description="rise · silence")
    week: date = Field(description="The Monday that its week begins with.")


class BoardAnswer(BaseModel):
    """What was raised in twelve weeks, and what became of it."""

    model_config = example(
        first_day="2025-07-07",
        last_day="2025-09-28",
        counted_at="2025-10-27T00:00:00+08:00",
        minimum_cell=10,
        city={"area": {"code": "*", "name": "the whole city"}, "total": _SHOWN, "types": []},
        areas=[],
        acted_on=[],
        withdrawn=False,
    )

    first_day: date
    last_day: date
    counted_at: datetime = Field(description="Up to then it was seen what became of the cases.")
    minimum_cell: int = Field(description="No smaller count is shown.")
    city: BoardPlaceItem
    areas: list[BoardPlaceItem] = Field(description="Sorted by code; an area holds those that lie in it.")
    acted_on: list[ActedOnItem] = Field(description="Signals of those weeks that were acted on, by week.")
    withdrawn: bool = Field(
        description="The board was withdrawn: what was imported was not whole. Nothing is told of its weeks but which "
        "they are, and no other board is made of them."
    )


def board_answer(telling: Telling, board: Board) -> BoardAnswer:
    """A board in the words of one language."""
    first, last = days(telling, board)
    return BoardAnswer(
        first_day=first,
        last_day=last,
        counted_at=moment(telling, board.counted_at),
        minimum_cell=board.minimum,
        city=_place(telling, board.city),
        areas=[_place(telling, place) for place in board.areas.values()],
        acted_on=[
            ActedOnItem(
                area=named(telling, "area", one.area),
                category=named(telling, "category", one.category),
                direction=one.direction,
                week=display.local(one.week, telling.time_zone).date(),
            )
            for one in board.acted
        ],
        withdrawn=board.withdrawn,
    )


def days(telling: Telling, board: Board) -> tuple[date, date]:
    """The first and the last day of a board."""
    first, end = (display.local(ts, telling.time_zone).date() for ts in (board.since, board.until))
    return first, end - timedelta(days=1)


def type_name(telling: Telling, code: str) -> PlaceName:
    """A type of problem by name; all that are not listed, in words."""
    if code == OTHERS:
        return PlaceName(code=code, name=telling.words.gettext("All other types together"))
    return named(telling, "category", code)


def _place(telling: Telling, place: BoardPlace) -> BoardPlaceItem:
    above = telling.snapshot.places.parents.get(place.area)
    # Names of the whole city are those of all areas together.
    area = named(telling, "area", place.area)
    if place.area == WHOLE_CITY.code:
        area = PlaceName(code=place.area, name=telling.words.gettext("The whole city"))
    return BoardPlaceItem(
        area=area,
        within=None if above is None else named(telling, "area", above),
        total=_counts(place.total),
        types=[
            BoardTypeItem(category=type_name(telling, code), **dict(_counts(counts)))
            for code, counts in place.types.items()
        ],
    )


def _counts(counts: BoardCounts) -> BoardCountsItem:
    return BoardCountsItem(
        raised=figure_item(counts.raised),
        solved=figure_item(counts.solved),
        still_open=figure_item(counts.still_open),
    )
