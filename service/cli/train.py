"""`heed train`: models of everything that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from data.errors import UsageError
from features.outcomes import LANDMARK_OUTCOMES
from models.failures import FailureModels
from models.gates import Gate
from service.cli._app import Json, app, emit, open_registry, open_store, out, past_moment, progress, shown
from service.cli._gates import check_code, go_over_gates
from service.gating import closed_words, put_to_use
from service.training import history_of, train_models


@app.command("train")
def train(
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", metavar="NAME", help="What the office may fail at, several times; all four by default."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Put the new models to use.")] = True,
    override: Annotated[
        str | None,
        typer.Option("--override", metavar="CODE", help="Put them to use whatever their gates say; why, as a code."),
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option("--sign-with", metavar="KEY", help="Private key; see `heed models keygen`.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes; the models are the same for any number.")] = 1,
    as_json: Json = False,
) -> None:
    """Train the risk models of all failures, save them and put them to use.

    Beside models that are in use already they are judged first, on later cases, and put to use only if they pass their
    gates; else they are next in line. An outcome that the imported sources don't tell of, or of too few cases, gets no
    model; the answer says why.

    Example: heed --store heed.db train
    """
    check_code(override)
    if override is not None and not promote:
        raise UsageError(
            "Expected --override only where models are put to use: it is why gates are gone over, and --no-promote "
            "puts none to use. Leave one of the two out."
        )
    with open_store() as store, progress(quiet=as_json) as step:
        cut = past_moment(as_of, "--as-of")
        step("features", 0, 1)
        history = history_of(store, as_of=cut, outcomes=outcome or LANDMARK_OUTCOMES)
        step("features", 1, 1)
        registry = open_registry()
        version, models = train_models(
            store, registry, history, promote=False, sign_with=sign_with, jobs=jobs, progress=step
        )
        closed: list[Gate] = []
        if promote and override is not None:
            go_over_gates(store, registry, version, override)
        elif promote:
            closed = put_to_use(store, registry, version, history, step)
    promoted = promote and not closed
    if as_json:
        emit({**_plain(version, models, promoted=promoted), "gates": [gate.as_dict() for gate in closed]})
        return
    _tell(version, models, promoted=promoted)
    if closed:
        out.print(f"Next in line, and not in use: gates not passed: {closed_words(closed)}.", highlight=False)
        out.print(f"Look at `heed models gates {version}`, or promote it with --override CODE.", highlight=False)


def _plain(version: str, models: FailureModels, *, promoted: bool) -> dict[str, Any]:
    return {
        "version": version,
        "outcomes": {
            name: {**models.card["taught"][name], "calibration": model.calibration_.as_dict()}
            for name, model in models.risks.items()
        },
        "not_modelled": models.card["not_modelled"],
        "any_failure": models.any_failure.as_dict(),
        "trained_before": shown(models.trained_before),
        "features": models.features,
        "promoted": promoted,
    }


def _tell(version: str, models: FailureModels, *, promoted: bool) -> None:
    used = "in use" if promoted else "saved, not in use"
    out.print(
        f"{version}: what was known before {shown(models.trained_before)}, {len(models.features)} features; {used}."
    )
    table = Table(box=None, pad_edge=False)
    for name in ("", "cases", "failed", "landmarks", "of them failed"):
        table.add_column(name, justify="right" if name else "left")
    for name, found in models.card["taught"].items():
        counts = (f"{found[key]:,}" for key in ("cases", "failed_cases", "landmarks"))
        table.add_row(name, *counts, f"{found['base_rate']:.1%}")
    out.print(table)
    for name, why in models.card["not_modelled"].items():
        out.print(f"{name}: no model ({why}).")
