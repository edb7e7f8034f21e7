"""`heed features`: what heed can know of a case when it opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from data.errors import UsageError
from features.catalogue import CATALOGUE, Feature, available
from service.cli._app import Json, app, emit, moment, open_store, out, progress
from service.pipeline import history_of

features = typer.Typer(help="The features: what they mean, and their values.", no_args_is_help=True)
app.add_typer(features, name="features")


@features.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Also those that the imported sources cannot give.")] = False,
    as_json: Json = False,
) -> None:
    """List the features of the catalogue.

    Example: heed features list --all
    """
    names = list(CATALOGUE) if all_ else _available()
    if as_json:
        emit({"features": [_described(CATALOGUE[name]) for name in names]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "family", "what it says"):
        table.add_column(column)
    for name in names:
        table.add_row(name, CATALOGUE[name].family, CATALOGUE[name].label_en)
    out.print(table)


@features.command("describe")
def describe(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Tell all about one feature.

    Example: heed features describe record_category
    """
    if name not in CATALOGUE:
        raise UsageError("Expected a feature of the catalogue. `heed features list --all` shows them.")
    told = _described(CATALOGUE[name])
    if as_json:
        emit(told)
        return
    for key, value in told.items():
        out.print(f"{key}: {value}")


@features.command("export")
def export(
    file: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Parquet file to write.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also features that models don't learn from.")] = False,
) -> None:
    """Write the matrix at opening: one row per case, one column per feature, with the outcome and its maturity.

    Example: heed --store heed.db features export -o matrix.parquet
    """
    with open_store() as store, progress() as step:
        step("features", 0, 1)
        given = None if as_of is None else moment(as_of, 0, "--as-of")
        names = available(store.known_at_opening(), for_model=not every)
        history = history_of(store, as_of=given, names=names)
        step("features", 1, 1)
    frame = history.matrix.features.copy()
    frame.insert(0, "case_id", history.matrix.landmarks["case_id"])
    frame.insert(1, "landmark_at", history.matrix.landmarks["landmark_at"])
    frame["late"] = history.outcome.value
    frame["late_matures_at"] = history.outcome.matures_at
    beside = file.with_name(file.name + ".new")
    frame.to_parquet(beside, index=False)
    beside.replace(file)
    out.print(f"{len(frame):,} cases, {len(names)} features: {file}")


def _available() -> list[str]:
    with open_store() as store:
        return available(store.known_at_opening(), for_model=False)


def _described(feature: Feature) -> dict[str, object]:
    return {
        "name": feature.name,
        "family": feature.family,
        "unit": feature.unit,
        "window_days": feature.window_days,
        "needs_at_opening": list(feature.keys),
        "label_en": feature.label_en,
        "label_zh": feature.label_zh,
        "null": feature.null,
        "in_model": feature.in_model,
    }
