"""`heed what-if`: what is known of cases in which an office did one thing more."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from data.audit_log import Act, append
from data.errors import UsageError
from data.store import Store
from data.store_audit import appending
from models.what_if import ACTIONS, WhatIf
from service.audit import PATIENCE
from service.cli._app import Json, app, emit, open_registry, open_store, out, settings, shown
from service.online.holder import NotScoredError
from service.online.saved_index import newest_index, open_index
from service.places import read_places
from service.training import champion
from service.what_if_payloads import NOTE
from service.what_ifs import Question, ask


@app.command("what-if")
def what_if(
    case: Annotated[
        str, typer.Argument(metavar="CASE", help="The number of an open case in heed, as the list gives it.")
    ],
    action: Annotated[str, typer.Option("--action", help=f"What the office would do: {', '.join(ACTIONS)}.")],
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", help="late, reopened_28d, …, any_failure; again for more. All.")
    ] = None,
    office: Annotated[
        str | None, typer.Option("--office", help="With hand_over: the code of the other office.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="DAY", help="With answer_by: by the end of this day, 2026-03-02.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how past cases went in which an office did one thing more; refused where the data never saw its like.

    It goes by the newest scoring and changes nothing. The reading is kept in the audit trail.

    Example: heed --store heed.db what-if 4f0c9a1b2d3e5a6b --action reply --outcome late
    """
    if action not in ACTIONS:
        raise UsageError(f"--action: expected something that an office can do, {', '.join(ACTIONS)}, got '{action}'.")
    question = Question(action, office, _day(by), None if outcome is None else tuple(dict.fromkeys(outcome)))
    with open_store() as store:
        version, as_of, found = _asked(store, case, question)
    if as_json:
        emit({"case": case, "as_of": shown(as_of), "model_version": version, "answers": [_plain(one) for one in found]})
        return
    for one in found:
        out.print(f"{one.outcome}: {escape(one.text_en)}", highlight=False)
    out.print(NOTE, highlight=False)


def _asked(store: Store, case: str, question: Question) -> tuple[str, int, tuple[WhatIf, ...]]:
    version, models = champion(open_registry())
    folder = settings().index_folder()
    name = newest_index(folder)
    if name is None:
        raise NotScoredError("There is no event index of a scoring yet. Run `heed score` first.")
    saved = open_index(folder, name)
    question.require_whole(saved.about.as_of, ZoneInfo(saved.about.time_zone))
    called = None if question.office is None else read_places(store).name("office", question.office)
    names = None if called is None else (called.zh or called.code, called.en or called.code)
    with store.reading() as connection:
        found = ask(connection, models, saved, folder / name, case, question, office_name=names)
    with appending(store, patience=PATIENCE) as connection:
        append(connection, [Act.own("command", "case.read", case, {"part": "what-if"})])
    return version, saved.about.as_of, found


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise UsageError("--by: expected a day such as 2026-03-02.") from error


def _plain(found: WhatIf) -> dict[str, Any]:
    """As JSON has it: no answer is null."""
    told = asdict(found)
    told["interval"] = list(found.interval)
    plain = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in told.items()}
    plain["interval"] = None if math.isnan(found.interval[0]) else told["interval"]
    plain["refused"] = None if found.refused is None else {"zh": found.refused[0], "en": found.refused[1]}
    return plain
