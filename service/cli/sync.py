"""`heed sync`: cases come from a portal, through the same door as a file."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import UsageError
from service.cli._app import Json, app, emit, open_store, out, progress, shown


@app.command("sync")
def sync(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME_OR_MAPPING", help="A shipped mapping with [sync], or a TOML file.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Look again at cases opened on this day or later.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="… and before this day.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave a column of the portal out, openly.")
    ] = None,
    set_aside: Annotated[
        list[str] | None,
        typer.Option("--set-aside", metavar="CODE", help="Leave rows with this finding out, and report them."),
    ] = None,
    accept_types: Annotated[
        bool, typer.Option("--accept-types", help="Go on although columns have another type than before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the portal for columns and counts, and change nothing.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how far each source was fetched, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch what is new at a portal and import it, all rows or none; made to be run by cron.

    A sync that was interrupted goes on where it was. A key for the portal is read from the environment, where the
    mapping says (HEED_SOCRATA_TOKEN, HEED_CKAN_TOKEN, HEED_OPEN311_KEY); proxies are, too (HTTPS_PROXY).

    Example: heed --store heed.db sync new_york
    """
    if status:
        if name is not None:
            raise UsageError("--status shows every source: leave the name out.")
        _show_status(as_json=as_json)
        return
    if name is None:
        raise UsageError(f"Expected the name of a mapping with [sync]. Shipped: {', '.join(_shipped()) or 'none'}.")
    # Imported here: it brings the clients along, and every other command would wait for them.
    from data.sources.sync import sync_source  # noqa: PLC0415

    with open_store(create=True) as store, progress(quiet=as_json) as step:
        report = sync_source(
            store,
            name,
            since=_day(since, "--since"),
            until=_day(until, "--until"),
            drop=tuple(drop or ()),
            set_aside=tuple(set_aside or ()),
            accept_types=accept_types,
            dry_run=dry_run,
            progress=step,
            surroundings=_surroundings(),
        )
    if as_json:
        emit(report.to_dict())
    else:
        _tell(report)


def _surroundings() -> Any:
    """Where spools lie and which proxy to take, where the environment says so."""
    from data.sources.sync import Surroundings  # noqa: PLC0415 — as above

    folder = os.environ.get("HEED_SYNC_FOLDER")
    return Surroundings(folder=Path(folder) if folder else None, proxy=os.environ.get("HEED_SYNC_PROXY") or None)


def _shipped() -> tuple[str, ...]:
    from data.sources.definition import syncable  # noqa: PLC0415 — as above

    return syncable()


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: expected a day such as 2024-03-15, and could not read what came.") from None


def _tell(report: Any) -> None:
    if report.dry_run:
        count = "a number of rows that it does not tell" if report.expected is None else f"{report.expected:,} rows"
        out.print(f"{report.source}: the portal's columns fit the mapping; a sync would fetch {count}.")
        return
    resumed = ", going on with an unfinished fetch" if report.resumed else ""
    out.print(
        f"{report.source}: {report.rows:,} rows in {report.pages:,} pages{resumed}; as of {shown(report.looked_at)}."
    )
    if report.imported is None:
        out.print("  Nothing to import.")
        return
    out.print(f"  {report.imported.cases:,} cases, {report.imported.events_added:,} new events.")
    for line in report.imported.warnings():
        out.print(f"  {line}")


def _show_status(*, as_json: bool) -> None:
    from data.sources.spool import look_into  # noqa: PLC0415 — as above
    from data.sources.state import read_states  # noqa: PLC0415 — as above
    from data.sources.sync import spool_folder  # noqa: PLC0415 — as above

    with open_store() as store:
        folder = spool_folder(store, _surroundings().folder)
        states = read_states(store)
        unfinished = {name: look_into(folder, name) for name in states}
    if as_json:
        emit({"sources": [_status_of(name, state, unfinished[name]) for name, state in states.items()]})
        return
    if not states:
        out.print("Nothing has been fetched into this store. Begin with `heed sync NAME`.")
    for name, state in states.items():
        reached = "nothing fetched yet" if state.watermark is None else f"fetched up to {shown(state.watermark)}"
        out.print(f"{name}: {reached}; last run {shown(state.updated_at)}.")
        found = unfinished[name]
        if found is not None:
            rows, pages = found[1].rows, found[1].pages
            out.print(
                f"  A fetch is unfinished: {rows:,} rows in {pages:,} pages. The next `heed sync` goes on with it."
            )


def _status_of(name: str, state: Any, found: Any) -> dict[str, Any]:
    unfinished = None
    if found is not None:
        unfinished = {"pages": found[1].pages, "rows": found[1].rows, "began": int(found[0]["started_at"])}
    return {
        "source": name,
        "watermark": state.watermark,
        "updated_at": state.updated_at,
        "unfinished": unfinished,
        "columns": sorted(state.schema),
    }
