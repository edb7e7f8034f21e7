"""The echo board: what was raised in twelve weeks, and what became of it; as JSON, and as a table to take away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service.board_payloads import BoardAnswer, board_answer
from service.board_table import FILE_NAME, MEDIA_TYPE, as_csv, table_schema
from service.dependencies import Telling, Told, allowed
from service.etags import JSON, REVALIDATE, remembered, respond
from service.identity import Scope
from service.language import LanguageQuery, marked
from service.problems import NotFoundError
from service.published_board import Board
from service.reads import Snapshot

router = APIRouter(prefix="/v1", tags=["board"])

_NONE: Final = marked(
    "There is no echo board yet. The first one is made once twelve weeks lie four weeks back: run `heed signals` then."
)


@router.get(
    "/board",
    operation_id="getBoard",
    summary="The echo board",
    response_model=BoardAnswer,
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_board(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """Of the problems raised in twelve weeks: how many were solved, how many are still open, by area and by type."""
    board = found(telling.snapshot)
    return _answer(request, telling, "board", JSON, lambda: board_answer(telling, board).model_dump_json().encode())


@router.get(
    "/board.csv",
    operation_id="getBoardTable",
    summary="The echo board as CSV",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "UTF-8, with a header."}},
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_board_table(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """The same figures, one row per area and type. A figure that is withheld is an empty cell and says so beside it."""
    board = found(telling.snapshot)
    answer = _answer(
        request,
        telling,
        "board.csv",
        MEDIA_TYPE,
        lambda: as_csv(board_answer(telling, board), telling.words),
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return answer


@router.get(
    "/board/schema.json",
    operation_id="getBoardSchema",
    summary="What the columns of the CSV mean",
    response_class=Response,
    responses={200: {"content": {JSON: {"schema": {"type": "object"}}}, "description": "A Frictionless Table Schema."}},
    dependencies=[allowed(Scope.AREAS_READ)],
)
def get_board_schema(request: Request, _query: Annotated[LanguageQuery, Query()], telling: Told) -> Response:
    """A Table Schema (Frictionless Data) for the CSV, in the language of the answer."""
    board = found(telling.snapshot)

    def make() -> bytes:
        return json.dumps(table_schema(telling.words, board.minimum), ensure_ascii=False).encode()

    return _answer(request, telling, "board.schema", JSON, make)


def found(snapshot: Snapshot) -> Board:
    """The board of a snapshot.

    Raises
    ------
    NotFoundError
        If there is none yet.
    """
    if snapshot.board is None:
        raise NotFoundError(_NONE)
    return snapshot.board


def _answer(request: Request, telling: Telling, key: str, media_type: str, make: Callable[[], bytes]) -> Response:
    language = telling.words.language
    answer = remembered(telling.snapshot, (key, language), make)
    return respond(request, answer, language=language, cache=REVALIDATE, media_type=media_type)
