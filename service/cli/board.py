"""`heed board`: how the echo board stands, and taking back one that was made of half of the imports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from data.audit_log import Act, append
from data.errors import UsageError
from data.replay import Replay
from data.store import Store
from service.board_block import Block
from service.board_cover import WORDS, board_gaps
from service.cli._app import Json, app, emit, open_store, out
from service.cli._gates import check_code
from service.published_board import Board, read_board
from service.training import moment_of

group = typer.Typer(
    help="The echo board: how it stands, and withdrawing one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(group, name="board")


@group.command("show")
def show_(as_json: Json = False) -> None:
    """Tell of which weeks the newest board is, and what the imports lack of the weeks that one is due of.

    Example: heed --store heed.db board show
    """
    with open_store() as store:
        told = _state(store)
    if as_json:
        emit(told)
        return
    newest, due = told["newest"], told["due"]
    if newest is None:
        out.print("There is no echo board yet.")
    else:
        state = "withdrawn" if newest["withdrawn"] else "as it was made"
        out.print(f"The newest echo board is of {newest['first_day']} to {newest['last_day']}: {state}.")
    if not due["made"]:
        out.print(f"Due: {due['first_day']} to {due['last_day']}. `heed signals` makes it.")
        for gap in due["gaps"]:
            out.print(f"  Not yet, because of {escape(gap['source'])}: {gap['words']}.", highlight=False)


@group.command("withdraw")
def withdraw(
    since: Annotated[str, typer.Argument(metavar="DAY", help="The first day of its weeks; `heed board show`.")],
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a short code.")],
    as_json: Json = False,
) -> None:
    """Take back the newest board, for good: its figures go, and no other board is ever made of its weeks.

    It is for a board that was made of half of the imports. Counted anew it could be set against the one that people
    have kept, and the difference would give small counts away; so those weeks stay untold. The audit trail keeps that
    it was withdrawn, and why.

    Example: heed --store heed.db board withdraw 2025-06-02 --reason half-an-import
    """
    check_code(reason, "--reason")
    with open_store() as store:
        board = _newest(store)
        if board is None or board.withdrawn or _day(store, board.since) != since:
            raise UsageError(
                "Expected the first day of the newest board, as `heed board show` tells it, and one that is not "
                "withdrawn yet. Older boards are shown no more."
            )
        with store.writing() as connection:
            rows = store.withdraw_board(connection, board.counted_at)
            detail = {"reason": reason, "rows": rows, "since": since}
            append(connection, [Act.own("command", "board.withdraw", str(board.counted_at), detail)])
    if as_json:
        emit({"since": since, "withdrawn": True})
    else:
        out.print(f"Withdrawn: the echo board from {since} on. No other is made of its weeks.")


def _state(store: Store) -> dict[str, Any]:
    board = _newest(store)
    moment, zone = moment_of(store, None), store.time_zone()
    replay = Replay.at(store, moment, everything=True)
    block = Block.newest(moment, zone)
    made = store.has_board(block.counted_at)
    gaps = () if made else board_gaps(store, replay.observed_until(), block, zone)
    told = None if board is None else {**_weeks(store, board.since, board.until), "withdrawn": board.withdrawn}
    return {
        "newest": told,
        "due": {
            **_weeks(store, block.since, block.until),
            "made": made,
            "gaps": [{"source": gap.source, "why": gap.why, "words": WORDS[gap.why]} for gap in gaps],
        },
    }


def _newest(store: Store) -> Board | None:
    """The newest board, whatever the minimum of today."""
    return read_board(store, minimum=1, time_zone=store.time_zone())


def _weeks(store: Store, since: int, until: int) -> dict[str, str]:
    return {"first_day": _day(store, since), "last_day": _day(store, until - 1)}


def _day(store: Store, moment: int) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(store.time_zone())).date().isoformat()
