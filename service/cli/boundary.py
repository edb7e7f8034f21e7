"""`heed boundary check`: the boundary, proven from the schema, the catalogue and the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.boundary import refuse
from service.boundary import check, checked_parts
from service.cli._app import Json, app, emit, out

boundary = typer.Typer(help="What heed must never be made to do, and the proof that it does not.", no_args_is_help=True)
app.add_typer(boundary, name="boundary")


@boundary.callback()
def _group() -> None:
    """Keep `check` a subcommand, whatever else joins it."""


@boundary.command("check")
def check_(
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FOLDER", help="Also check this model version.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check fields, tables, mappings, features and labels, and a model if one is given. Exit code 3 on any finding.

    Example: heed boundary check
    """
    found = check(model)
    if as_json:
        emit({"clean": not found, "checked": checked_parts(model), "violations": [str(one) for one in found]})
    refuse(found)
    if not as_json:
        for part, count in checked_parts(model).items():
            out.print(f"  {part}: {count} names, none about people")
        out.print("The boundary holds.")
