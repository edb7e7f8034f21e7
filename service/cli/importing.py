"""`heed import`: real exports come in through the privacy door."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from data.errors import HeedError
from data.import_cases import import_file
from data.import_report import ImportReport
from data.mapping import find_mapping
from data.refusals import reported
from service.cli._app import Json, app, emit, err, moment, open_store, out, progress, shown


@app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, Excel, Parquet, JSON or XES; in order of time.")
    ],
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
    sheet: Annotated[str | None, typer.Option("--sheet", metavar="NAME", help="The sheet of a workbook.")] = None,
    standards: Annotated[
        str | None,
        typer.Option("--standards", metavar="NAME_OR_FILE", help="Promises for cases without a deadline; kept."),
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a refusal as .json, .html or .txt."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import exports, each with all its rows or none. The same command again goes on where it stopped.

    Example: heed --store heed.db import 2023.csv 2024.csv --mapping boston
    """
    taken = None if extracted_at is None else moment(extracted_at, 0, "--extracted-at")
    command = ["heed", *sys.argv[1:]]
    reports: list[ImportReport] = []
    with _told_where_it_stopped(files, reports, quiet=as_json):
        for file in files:
            with (
                reported(report_to, file=file.name, mapping=Path(mapping).stem, command=command, at=int(time.time())),
                open_store(create=True) as store,
                progress(quiet=as_json) as step,
            ):
                report = import_file(
                    store,
                    file,
                    find_mapping(mapping),
                    drop=tuple(drop or ()),
                    set_aside=tuple(set_aside or ()),
                    strict=strict,
                    extracted_at=taken,
                    sheet=sheet,
                    standards=standards,
                    progress=step,
                )
            reports.append(report)
            if not as_json:
                _tell(report, several=len(files) > 1)
    if as_json:
        told = [report.to_dict() for report in reports]
        emit(told[0] if len(files) == 1 else {"imports": told})


@contextmanager
def _told_where_it_stopped(files: Sequence[Path], reports: list[ImportReport], *, quiet: bool) -> Iterator[None]:
    """Of several files, say how many are in when one is not: each is a transaction of its own."""
    try:
        yield
    except HeedError:
        if len(files) > 1 and not quiet:
            done = len(reports)
            err.print(
                f"{done} of {len(files)} files are in; {files[done].name} is not, nor is any after it. "
                "The same command goes on from there.",
                highlight=False,
                soft_wrap=True,
            )
        raise


def _tell(report: ImportReport, *, several: bool) -> None:
    name = f"{report.file}: " if several else ""
    if report.import_id is None:
        out.print(
            f"{name}was in already, nothing has changed ({report.source}, {report.rows:,} rows).", highlight=False
        )
    else:
        out.print(
            f"{name}{report.source}: {report.rows:,} rows, {report.cases:,} cases, {report.events_added:,} new events "
            f"({report.events_known_already:,} were known already); as of {shown(report.extracted_at)}."
        )
    for line in report.warnings():
        # Not markup: a line may name a part of a mapping in square brackets.
        out.print(f"  {line}", markup=False, highlight=False)
