"""`heed features`: what heed can know of a case, what it means, and its values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from rich.table import Table

from data.errors import StoreError, UsageError
from features.catalogue import CATALOGUE, available
from features.distributed.engines import ENGINE_NAMES
from features.feature import Family, Feature, Use
from features.matrix import terms_of
from features.terms import LAST_AT, Term
from service.cli._app import Json, app, emit, open_store, out, progress
from service.cli.as_of import moment_of
from service.feature_export import LANDMARK_CHOICES, feature_table

features = typer.Typer(no_args_is_help=True, invoke_without_command=True)
app.add_typer(features, name="features")

_FAMILIES: Final[tuple[str, ...]] = get_args(Family)
_USES: Final[tuple[str, ...]] = get_args(Use)
_DAY: Final = 86_400

_File = typer.Option("-o", "--output", metavar="FILE", help="Parquet file to write.")
_AsOf = Annotated[str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")]
_Every = Annotated[bool, typer.Option("--all", help="Also features that models don't learn from.")]
_Landmarks = Annotated[
    str, typer.Option("--landmarks", metavar="KIND", help=f"Rows: one of {', '.join(LANDMARK_CHOICES)}.")
]
_EngineName = Annotated[
    str, typer.Option("--engine", metavar="ENGINE", help=f"Who counts: one of {', '.join(ENGINE_NAMES)}.")
]


@features.callback()
def features_(
    context: typer.Context,
    file: Annotated[Path | None, _File] = None,
    as_of: _AsOf = None,
    every: _Every = False,
    landmarks: _Landmarks = "opening",
    engine: _EngineName = "embedded",
) -> None:
    """The features: what they mean, and their values. With -o FILE and no command, the matrix is written (`export`).

    Example: heed --store heed.db features --as-of 2025-12-16T08:30+08:00 -o matrix.parquet
    """
    if context.invoked_subcommand is not None:
        if file is not None or as_of is not None or every or (landmarks, engine) != ("opening", "embedded"):
            raise UsageError(
                f"Expected options behind the command that they belong to: `heed features "
                f"{context.invoked_subcommand} …`."
            )
        return
    if file is None:
        raise UsageError("Expected a file to write the matrix to, and none was named: add `-o FILE.parquet`.")
    export(file, as_of, every, landmarks, engine)


@features.command("list")
def list_(
    family: Annotated[
        str | None, typer.Option("--family", metavar="FAMILY", help=f"Only one of: {', '.join(_FAMILIES)}.")
    ] = None,
    use: Annotated[
        str | None,
        typer.Option("--use", metavar="USE", help="Only those that models learn from (model), or not (analysis)."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that the imported sources cannot give.")] = False,
    as_json: Json = False,
) -> None:
    """List the features of the catalogue.

    Example: heed features list --all --family load
    """
    _require_one_of("--family", family, _FAMILIES)
    _require_one_of("--use", use, _USES)
    names = list(CATALOGUE) if all_ else _available()
    chosen = [
        CATALOGUE[name]
        for name in names
        if family in (None, CATALOGUE[name].family) and use in (None, CATALOGUE[name].use)
    ]
    if as_json:
        emit({"features": [_described(feature) for feature in chosen]})
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("use")
    table.add_column("what it says", overflow="fold")
    for feature in chosen:
        table.add_row(feature.name, feature.use, f"{feature.label_en} · {feature.label_zh}")
    out.print(table if chosen else "None.")


@features.command("describe")
def describe(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Tell all about one feature.

    Example: heed features describe record_category
    """
    if name not in CATALOGUE:
        near = get_close_matches(name, CATALOGUE, n=3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise UsageError(f"Expected a feature of the catalogue.{hint} `heed features list --all` shows them all.")
    told, terms = _described(CATALOGUE[name]), terms_of([name], with_base=False)
    if as_json:
        emit({**told, "terms": [told_term(term) for term in terms]})
        return
    for key, value in told.items():
        out.print(f"{key}: {_plain(value)}", highlight=False)
    lines = told_together(terms)
    out.print("made of:" if lines else "made of: the case itself")
    for line in lines:
        out.print(f"  {line}", highlight=False)


@features.command("export")
def export(
    file: Annotated[Path, _File],
    as_of: _AsOf = None,
    every: _Every = False,
    landmarks: _Landmarks = "opening",
    engine: _EngineName = "embedded",
) -> None:
    """Write the matrix: one row per landmark, with the features, and the outcomes with their maturity and censoring.

    A landmark is the opening of a case, an event of it, or a morning on which it is open; `all` writes all three. Rows
    after the opening also say how far the case has come and how it stands against its promise. Moments are seconds
    since 1970 in UTC; `heed features describe` tells the unit of a feature and what a null means. `all` makes about
    twenty rows of a case: a city of 60,000 takes two minutes and 6 GB.

    Example: heed --store heed.db features export --landmarks all -o matrix.parquet
    """
    _require_one_of("--landmarks", landmarks, tuple(LANDMARK_CHOICES))
    _require_one_of("--engine", engine, ENGINE_NAMES)
    _require_writable(file)
    with open_store() as store, progress() as step:
        step("features", 0, 1)
        given = None if as_of is None else moment_of(as_of, store.time_zone(), "--as-of")
        kinds = LANDMARK_CHOICES[landmarks]
        frame = feature_table(store, as_of=given, kinds=kinds, for_model=not every, by=engine)
        step("features", 1, 1)
    beside = file.with_name(file.name + ".new")
    frame.to_parquet(beside, index=False)
    beside.replace(file)
    features_there = sum(name in CATALOGUE for name in frame)
    out.print(f"{len(frame):,} landmarks of {frame['case_id'].nunique():,} cases, {features_there} features: {file}")


def _require_writable(file: Path) -> None:
    """Refuse a file that cannot be written before the work is done and not after it."""
    folder = file.parent
    if file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(
            f"-o: expected a file in a folder that exists and can be written to, got {file}. Make the folder first, or "
            "name another file."
        )


def told_term(term: Term) -> str:
    """A term in words: what is added up, over which window, by which key."""
    measure = "moment of the newest of " + term.table if term.measure == LAST_AT else f"{term.table}.{term.measure}"
    return f"{measure} {_span(term)}{_by(term)}"


def told_together(terms: Iterable[Term]) -> list[str]:
    """Terms in words, one line for each window and key; the stretches of a life table are one of a kind."""
    lines: dict[tuple[str, str], dict[str, None]] = {}
    for term in terms:
        table = "stage_…" if term.table.startswith("stage_") else term.table
        measure = f"moment of the newest of {table}" if term.measure == LAST_AT else f"{table}.{term.measure}"
        lines.setdefault((_by(term), _span(term)), {})[measure] = None
    return [f"{', '.join(measures)} {span}{by}" for (by, span), measures in sorted(lines.items())]


def _span(term: Term) -> str:
    if term.newest is not None:
        return f"over the newest {term.newest}"
    if term.window is None:
        return "before the landmark" if term.measure == LAST_AT else "over all before"
    return f"over {term.window / _DAY:g} d"


def _by(term: Term) -> str:
    return f" by {' × '.join(term.keys)}" if term.keys else " in the whole city"


def _require_one_of(option: str, given: str | None, allowed: tuple[str, ...]) -> None:
    if given is not None and given not in allowed:
        raise UsageError(f"{option}: expected one of {', '.join(allowed)}, got '{given}'.")


def _available() -> list[str]:
    try:
        opened = open_store()
    except StoreError as error:
        raise StoreError(f"{error} `heed features list --all` shows the whole catalogue without one.") from error
    with opened as store:
        return available(store.known_at_opening(), for_model=False, after_opening=True)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _described(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "family": feature.family,
        "unit": feature.unit,
        "window_days": feature.window_days,
        "needs_at_opening": list(feature.keys),
        "label_en": feature.label_en,
        "label_zh": feature.label_zh,
        "null": feature.null,
        "known": feature.known,
        "use": feature.use,
        "in_model": feature.in_model,
    }
