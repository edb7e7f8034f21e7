"""`heed import`: a real export comes in through the privacy door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.import_cases import import_file
from data.import_report import ImportReport
from data.mapping import find_mapping
from service.cli._app import Json, app, emit, moment, open_store, out, progress, shown


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Parquet or JSON Lines.")],
    mapping: Annotated[
        str, typer.Option("--mapping", metavar="NAME_OR_PATH", help="A shipped mapping, or a TOML file.")
    ],
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave a column out, openly.")
    ] = None,
    set_aside: Annotated[
        list[str] | None,
        typer.Option("--set-aside", metavar="CODE", help="Leave rows with this finding out, and report them."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the file on any finding at all.")] = False,
    extracted_at: Annotated[
        str | None,
        typer.Option("--extracted-at", metavar="MOMENT", help="When the export was taken; default: its newest date."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import a case export, all rows or none.

    Example: heed --store heed.db import export.csv --mapping boston
    """
    taken = None if extracted_at is None else moment(extracted_at, 0, "--extracted-at")
    with open_store(create=True) as store, progress(quiet=as_json) as step:
        report = import_file(
            store,
            file,
            find_mapping(mapping),
            drop=tuple(drop or ()),
            set_aside=tuple(set_aside or ()),
            strict=strict,
            extracted_at=taken,
            progress=step,
        )
    if as_json:
        emit(report.to_dict())
    else:
        _tell(report)


def _tell(report: ImportReport) -> None:
    out.print(
        f"{report.source}: {report.rows:,} rows, {report.cases:,} cases, {report.events_added:,} new events "
        f"({report.events_known_already:,} were known already); as of {shown(report.extracted_at)}."
    )
    for line in report.warnings():
        out.print(f"  {line}")
