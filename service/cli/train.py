"""`heed train`: a model of everything that is known."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli._app import Json, app, emit, moment, open_registry, open_store, out, progress, shown
from service.pipeline import history_of, train_model


@app.command("train")
def train(
    outcome: Annotated[str, typer.Option("--outcome", help="What the office may fail at: late.")] = "late",
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Put the new model to use.")] = True,
    as_json: Json = False,
) -> None:
    """Train a risk model, save it and put it to use.

    Example: heed --store heed.db train
    """
    with open_store() as store, progress(quiet=as_json) as step:
        step("train", 0, 1)
        cut = None if as_of is None else moment(as_of, 0, "--as-of")
        history = history_of(store, as_of=cut, outcome=outcome)
        version, model = train_model(store, open_registry(), history, promote=promote)
        step("train", 1, 1)
    result = {
        "version": version,
        "outcome": model.outcome,
        "n_train": model.n_train_,
        "trained_before": shown(model.trained_before_),
        "features": model.feature_names_in_,
        "calibration": model.calibration_.as_dict(),
        "promoted": promote,
    }
    if as_json:
        emit(result)
    else:
        used = "in use" if promote else "saved, not in use"
        out.print(
            f"{version}: {model.n_train_:,} matured cases known before {shown(model.trained_before_)}, "
            f"{len(model.feature_names_in_)} features; {used}."
        )
