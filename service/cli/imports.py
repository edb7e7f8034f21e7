"""`heed imports`: what came in, when, and what was left out of it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from service.cli._app import Json, app, emit, open_store, out, shown


@app.command("imports")
def imports(
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only imports of this source.")] = None,
    as_json: Json = False,
) -> None:
    """List the imports, oldest first: file, counts, dropped columns, rows set aside, and anything forced.

    Example: heed --store heed.db imports
    """
    with open_store() as store:
        frame = store.imports(source=source)
    listed = [_one({str(name): value for name, value in row.items()}) for row in frame.to_dict("records")]
    if as_json:
        emit({"imports": listed})
    else:
        _tell(listed)


def _one(row: dict[str, Any]) -> dict[str, Any]:
    """One import as plain values; what came without a file, through the service, reports less of itself."""
    report: dict[str, Any] = json.loads(row["report"])
    aside = report.get("set_aside") or []
    return {
        "import_id": int(row["import_id"]),
        "source": row["source"],
        "file": row["file_name"],
        "imported_at": shown(int(row["imported_at"])),
        "extracted_at": shown(int(row["extracted_at"])),
        "rows": int(row["rows"]),
        "cases": int(row["cases"]),
        "events": int(row["events"]) or int(report.get("events_added") or 0),
        "near_instant": int(report.get("near_instant") or 0),
        "dropped": list(report.get("dropped") or ()),
        "left_out": list(report.get("left_out") or ()),
        "set_aside": {one["code"]: _sum(aside, one["code"]) for one in aside},
        "forced": dict(report.get("forced") or {}),
        "notes": list(report.get("notes") or ()),
        "file_sha256": row["file_sha256"],
        "mapping_sha256": row["mapping_sha256"],
    }


def _sum(aside: list[dict[str, Any]], code: str) -> int:
    return sum(int(one["count"]) for one in aside if one["code"] == code)


def _tell(listed: list[dict[str, Any]]) -> None:
    if not listed:
        out.print("No imports yet.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("no", "source", "file", "as of", "rows", "cases", "events", "at once"):
        table.add_column(name, justify="right" if name in ("no", "rows", "cases", "events", "at once") else "left")
    for one in listed:
        table.add_row(
            str(one["import_id"]),
            one["source"],
            one["file"],
            one["extracted_at"][:10],
            *(f"{one[name]:,}" for name in ("rows", "cases", "events", "near_instant")),
        )
    out.print(table)
    for one in listed:
        for line in _said(one):
            out.print(f"{one['import_id']}: {line}", markup=False)


def _said(one: dict[str, Any]) -> list[str]:
    lines = []
    if one["dropped"]:
        lines.append(f"dropped on {one['imported_at']}: {', '.join(one['dropped'])}.")
    if one["left_out"]:
        lines.append(f"left out by the mapping: {', '.join(one['left_out'])}.")
    if one["set_aside"]:
        listed = ", ".join(f"{code} {count:,}" for code, count in one["set_aside"].items())
        lines.append(f"set aside: {listed}.")
    if one["forced"]:
        listed = ", ".join(f"{column} ({reason})" for column, reason in one["forced"].items())
        lines.append(f"forced to be known at opening: {listed}. Figures show a leak, not a forecast.")
    return [*lines, *one["notes"]]
