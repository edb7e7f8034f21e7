"""`heed as-of`: what was known at a moment, now and for ever."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from data.errors import UsageError
from service.as_of import answer
from service.cli._app import Json, app, moment, open_store, out, settings

_FIRST: Final = 20


@app.command("as-of")
def as_of_(
    date_: Annotated[
        str, typer.Argument(metavar="DATE", help="A day (its local midnight) or a moment with its offset.")
    ],
    last_import: Annotated[
        int | None,
        typer.Option("--last-import", metavar="N", help="Know of no import after this one; see `heed imports`."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write all as .json, or the open cases as .csv."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What was known at a moment: the open cases, the figures and how timely the offices were.

    Only what had been recorded by then counts: exports taken later do not change the answer, to the byte. Of a moment
    before the store's first look at its sources, the answer is what that first look tells of it, and says so.

    Example: heed --store heed.db as-of 2024-03-01
    """
    kind = _kind(output)
    with open_store() as store:
        given = moment_of(date_, store.time_zone())
        found = answer(store, given, last_import=last_import, minimum=settings().minimum_cell)
    if output is not None:
        _write(output, as_json_text(found) if kind == "json" else as_csv(found["open_cases"]))
    if as_json:
        out.file.write(as_json_text(found))
    else:
        _tell(found, output)


def moment_of(text: str, zone: str, option: str = "DATE") -> int:
    """A day (its midnight in `zone`) or a moment with its offset, as seconds in UTC.

    Raises
    ------
    UsageError
        If it is neither.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return moment(text, 0, option)
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp())


def as_json_text(found: dict[str, Any]) -> str:
    """One JSON object in a fixed order, the same bytes for the same answer."""
    return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def as_csv(cases: list[dict[str, Any]]) -> str:
    """The open cases as CSV, one row each."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["case_id", "category", "area", "channel", "office", "opened_at", "due_at", "state"])
    writer.writeheader()
    writer.writerows(cases)
    return text.getvalue()


def _kind(output: Path | None) -> Literal["json", "csv"]:
    if output is None or output.suffix.lower() == ".json":
        return "json"
    if output.suffix.lower() == ".csv":
        return "csv"
    raise UsageError(f"--output: expected a file name that ends in .json or .csv, got '{output.name}'.")


def _write(path: Path, text: str) -> None:
    """Write the whole file or none of it."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"--output: {path} cannot be written: {error.strerror}. Give another path.") from None


def _tell(found: dict[str, Any], output: Path | None) -> None:
    figures, timely = found["figures"], found["timeliness"]
    zone = ZoneInfo(found["time_zone"])
    asked, recorded = (_local(found[name], zone) for name in ("as_of", "recorded_by"))
    out.print(f"As of {asked} ({zone.key}), from what had been recorded by {recorded}.")
    if found["reconstructed"]:
        out.print("  The store's first look at its sources came later: this is what that look tells of the moment.")
    out.print(
        f"{figures['cases']:,} cases known; {figures['open']:,} open, of which {figures['open_past_deadline']:,} are "
        f"past their deadline and {figures['open_without_deadline']:,} have none."
    )
    out.print(
        f"Timeliness: {_share(timely, 'share_of_closed', 'closed_on_time', 'closed')} of the closed, "
        f"{_share(timely, 'share_of_due', 'on_time', 'due')} of the due; Kaplan-Meier "
        f"{_percent(timely['km_share'])} resolved by the deadline "
        f"({_percent(timely['km_lower'])} to {_percent(timely['km_upper'])})."
    )
    table = Table(box=None, pad_edge=False)
    for name in ("case", "problem", "area", "office", "due", "state"):
        table.add_column(name)
    for one in found["open_cases"][:_FIRST]:
        due = (one["due_at"] or "–")[:16]
        cells = (one["case_id"][:10], one["category"], one["area"], one["office"], due, one["state"])
        table.add_row(*(cell or "–" for cell in cells))
    out.print(table)
    if len(found["open_cases"]) > _FIRST:
        out.print(f"… {len(found['open_cases']) - _FIRST:,} more; -o FILE.csv writes them all.")
    if output is not None:
        out.print(f"Written to {output}.")


def _local(text: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _share(timely: dict[str, Any], share: str, part: str, whole: str) -> str:
    return f"{_percent(timely[share])} on time ({timely[part]:,} of {timely[whole]:,})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
