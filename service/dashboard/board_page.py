"""The page of the echo board: what was raised, what became of it, what was acted on; with its method and its files."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from models.plots import theme as house
from models.plots.board import ROW, BoardWords, board_chart
from service import display
from service.board_block import FOLLOWED_WEEKS, WEEKS
from service.board_counts import OTHERS
from service.board_payloads import BoardAnswer, BoardCountsItem, BoardPlaceItem, BoardTypeItem, board_answer
from service.dashboard.charts import shortened
from service.dashboard.pages import ChartQuery, remembered_page, render
from service.dashboard.show import Show
from service.dependencies import Telling, Told, allowed
from service.etags import REVALIDATE, remembered, respond
from service.identity import Scope
from service.language import LanguageQuery, Words, marked
from service.payload_parts import FigureItem
from service.problems import NotFoundError
from service.routers.board import found

_SVG: Final = "image/svg+xml"
_NOT_LISTED: Final = marked("This area is not on the board.")
_WIDTH: Final = 400
# Title, legend and axis.
_AROUND: Final = 92

router = APIRouter(include_in_schema=False, dependencies=[allowed(Scope.AREAS_READ)])


class BoardShow(Show):
    """The board in the words of one language."""

    def counted(self, figure: FigureItem) -> str:
        """A count that is shown."""
        return self.number(figure.value or 0)

    def headline(self, total: BoardCountsItem) -> str:
        """What the board finds, in a sentence; as much of it as is shown."""
        gettext, raised = self.words.gettext, total.raised
        if raised.value is None:
            return gettext("Problems raised, and what became of them")
        if total.solved.value is None:
            return gettext("%(raised)s problems were raised", raised=self.counted(raised))
        return gettext(
            "Of %(raised)s problems raised, %(solved)s were solved",
            raised=self.counted(raised),
            solved=self.counted(total.solved),
        )

    def told(self, place: BoardPlaceItem) -> list[BoardTypeItem]:
        """The types of an area whose count is shown."""
        return [one for one in place.types if one.raised.value is not None]

    def tells_open(self, place: BoardPlaceItem) -> bool:
        """Whether it is shown of any type of an area how many are still open: elsewhere no column needs to say not."""
        return any(not one.still_open.withheld for one in self.told(place))

    def listed(self) -> int | None:
        """How many types have a row of their own; None where all have."""
        board = self.snapshot.board
        types = () if board is None else tuple(board.city.types)
        return len(types) - 1 if OTHERS in types else None

    def withheld_types(self, place: BoardPlaceItem) -> int:
        """How many types of an area are withheld."""
        return sum(one.raised.withheld for one in place.types)

    def is_listed(self, area: str) -> bool:
        """Whether an area has a place of its own on the board."""
        return self.snapshot.board is not None and area in self.snapshot.board.areas

    def days(self) -> str:
        """The first and the last day."""
        board = self.snapshot.board
        ends = (0, 0) if board is None else (board.since, board.until - 1)
        return " – ".join(self.day(ts) for ts in ends)

    def counted_day(self) -> str:
        """The day on which the following up ended."""
        board = self.snapshot.board
        return self.day(0 if board is None else board.counted_at)

    def monday(self, ordinal: int) -> str:
        """The day that the week of something acted on begins with."""
        board = self.snapshot.board
        return "" if board is None else self.day(board.acted[ordinal].week)


class BoardQuery(LanguageQuery):
    """The board, and which of its areas is unfolded."""

    area: str | None = Field(default=None, max_length=160)


@router.get("/board")
def board_page(request: Request, query: Annotated[BoardQuery, Query()], telling: Told) -> Response:
    """What was raised in twelve weeks, and what became of it; the types of one area at a time, since all of them would
    be a page that a phone waits for.
    """
    board = telling.snapshot.board
    # What is remembered are the areas of the board, and nothing that a request invents.
    if query.area is not None and (board is None or query.area not in board.areas):
        raise NotFoundError(_NOT_LISTED)

    def make() -> bytes:
        board = telling.snapshot.board
        answer = None if board is None else board_answer(telling, board)
        return render(
            request,
            telling.words,
            "board.html",
            show=BoardShow(telling),
            board=answer,
            chosen=query.area,
            weeks=WEEKS,
            followed=FOLLOWED_WEEKS,
            size=(_WIDTH, _height(answer)),
        )

    return remembered_page(request, telling, ("board.html", query.area or ""), make)


@router.get("/charts/board.svg")
def board_svg(request: Request, query: Annotated[ChartQuery, Query()], telling: Told) -> Response:
    """What became of each type of problem in the city."""
    answer = board_answer(telling, found(telling.snapshot))
    words = telling.words
    made = remembered(
        telling.snapshot, ("board.svg", words.language, query.theme), partial(_drawn, telling, answer, query)
    )
    return respond(request, made, language=words.language, cache=REVALIDATE, media_type=_SVG)


def chart_frame(answer: BoardAnswer, words: Words) -> pd.DataFrame:
    """The listed types of the city as `models.plots.board` takes them, the most raised first; what is withheld has no
    figure. All others together are left out: beside their bar no other could be read.
    """
    rows = [
        {
            "name": shortened(one.category.name, 34),
            "raised": one.raised.value,
            "solved": one.solved.value,
            "told": _told(one, words),
        }
        for one in sorted(answer.city.types, key=lambda one: -(one.raised.value or 0))
        if one.category.code != OTHERS
    ]
    frame = pd.DataFrame(rows, columns=["name", "raised", "solved", "told"])
    return frame.astype({"raised": "float64", "solved": "float64"})


def _drawn(telling: Telling, answer: BoardAnswer, query: ChartQuery) -> bytes:
    words = telling.words
    said = BoardWords(raised=words.gettext("Raised"), solved=words.gettext("Solved"), cases=words.gettext("cases"))
    frame, title = chart_frame(answer, words), BoardShow(telling).headline(answer.city.total)
    return house.svg(board_chart(frame, said, title=title, width=_WIDTH), query.theme)


def _told(counts: BoardCountsItem, words: Words) -> str:
    if counts.raised.value is None:
        return words.gettext("withheld")
    raised = display.number(words, counts.raised.value)
    if counts.solved.value is None:
        return raised
    solved = display.number(words, counts.solved.value)
    return words.gettext("%(solved)s of %(raised)s", solved=solved, raised=raised)


def _height(answer: BoardAnswer | None) -> int:
    return _AROUND + ROW * (0 if answer is None else len(answer.city.types))
