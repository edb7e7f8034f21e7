"""`heed places`: the areas, offices and categories that cases speak of, and how much an office can do."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pandas as pd
import typer
from rich.table import Table

from data.capacity_file import CapacityReport, KnownWhen
from data.places import import_places, zone_of
from data.store import Store
from service.cli._app import Json, app, emit, open_store, out

places = typer.Typer(
    help="Areas, offices and categories: names, parents, boundaries, capacities.", no_args_is_help=True
)
app.add_typer(places, name="places")


@places.command("import")
def import_(
    areas: Annotated[
        Path | None, typer.Option("--areas", metavar="FILE", help="A table, or GeoJSON with the boundaries.")
    ] = None,
    offices: Annotated[Path | None, typer.Option("--offices", metavar="FILE", help="A table.")] = None,
    categories: Annotated[Path | None, typer.Option("--categories", metavar="FILE", help="A table.")] = None,
    capacity: Annotated[
        Path | None,
        typer.Option(
            "--capacity",
            metavar="FILE",
            help="A table: office, from (a day or a time), capacity_per_day, and known (since when) if it is known.",
        ),
    ] = None,
    capacity_known: Annotated[
        KnownWhen,
        typer.Option(
            "--capacity-known",
            help="Since when capacities were known of which the file does not say it: this import, or when they began "
            "(only if none was worked out afterwards).",
        ),
    ] = "import",
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave a column out, openly.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put areas, offices and categories in place of those in the store, and add capacities: all of the files or none.

    Example: heed --store heed.db places import --areas villages.geojson --offices offices.csv --capacity capacity.csv
    """
    with open_store(create=True) as store:
        report = import_places(
            store,
            areas,
            offices,
            categories,
            capacity=capacity,
            capacity_known=capacity_known,
            drop=tuple(drop or ()),
        )
    if as_json:
        emit(report.to_dict())
        return
    if report.counts:
        out.print(", ".join(f"{count:,} {kind}" for kind, count in report.counts.items()) + " stored.")
    if report.capacity is not None:
        out.print(_added(report.capacity))
    if report.with_boundary:
        beside = ", neighbours worked out from them" if report.neighbours_derived else ""
        out.print(f"  {report.with_boundary:,} areas have a boundary{beside}.")
    for line in report.warnings():
        out.print(f"  {line}")


def _added(capacity: CapacityReport) -> str:
    said = [f"{capacity.stored:,} capacities added", f"{capacity.known_already:,} known already"]
    if capacity.corrections:
        said.append(f"{capacity.corrections:,} of those added correct an earlier figure")
    return ", ".join(said) + "."


@places.command("show")
def show(as_json: Json = False) -> None:
    """Show the areas, offices with capacities, and categories; boundaries only as whether there is one.

    Example: heed --store heed.db places show
    """
    with open_store() as store:
        areas, offices, categories = store.read_areas(), store.read_offices(), store.read_categories()
        capacities = _dated(store)
    areas = areas.assign(boundary=areas["boundary"].notna())
    frames = {"areas": areas, "offices": offices, "capacities": capacities, "categories": categories}
    listed = {name: [_plain(row) for row in frame.to_dict("records")] for name, frame in frames.items()}
    if as_json:
        emit(listed)
        return
    for name, rows in listed.items():
        if not rows:
            out.print(f"No {name}.")
            continue
        table = Table(box=None, pad_edge=False, title=f"{len(rows):,} {name}", title_justify="left")
        for column in rows[0]:
            table.add_column(column)
        for row in rows:
            table.add_row(*(_told(value) for value in row.values()))
        out.print(table)


def _dated(store: Store) -> pd.DataFrame:
    """The capacities with their moments as text: in the time zone of the store, or in UTC where it has no one."""
    zone, frame = zone_of(store) or ZoneInfo("UTC"), store.read_capacity()
    told = {
        name: pd.to_datetime(frame[name], unit="s", utc=True).dt.tz_convert(zone) for name in ("from_at", "known_at")
    }
    texts = {name: pd.Series([at.isoformat() for at in times], dtype="str") for name, times in told.items()}
    return frame.assign(**texts)


def _plain(row: dict[Hashable, Any]) -> dict[str, Any]:
    return {str(name): None if _is_null(value) else value for name, value in row.items()}


def _is_null(value: Any) -> bool:
    # A list is no null, and comparing it would be element by element.
    return not isinstance(value, list) and (value is None or value != value or str(value) == "<NA>")  # noqa: PLR0124


def _told(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "–"
    return ", ".join(value) if isinstance(value, list) else str(value)
