"""`heed score`: risks and reasons of every open case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from service.cli._app import Json, app, emit, open_registry, open_store, out, past_moment, progress, settings, shown
from service.scoring import score_open_cases


@app.command("score")
def score(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score the open cases with the model in use, and store risk and reasons.

    Example: heed --store heed.db score
    """
    with open_store() as store, progress(quiet=as_json) as step:
        given = past_moment(as_of, "--as-of")
        found = score_open_cases(
            store, open_registry(), as_of=given, index_folder=settings().index_folder(), progress=step
        )
    if as_json:
        emit({**asdict(found), "as_of": shown(found.as_of)})
        return
    out.print(
        f"{found.open_cases:,} open cases at {shown(found.as_of)}: {found.high:,} at high risk of being late, about "
        f"{found.expected_late:,.0f} expected late, {found.overdue:,} overdue already, "
        f"{found.without_promise:,} without a promise. Models {found.model_version}."
    )
    told = (f"{name} {number:,.0f}" for name, number in found.expected.items())
    out.print(f"Expected of all open cases, overdue ones among them: {', '.join(told)}.")
