"""`heed retain`: let go of what is no longer needed."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli._app import Json, app, emit, open_store, out, settings, shown
from service.retention import retain as let_go


@app.command("retain")
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Let go of old risks, finished jobs, answered requests, and the old end of the audit trail.

    How long each is kept: HEED_RETAIN_RISKS_DAYS, HEED_RETAIN_JOBS_DAYS, HEED_RETAIN_AUDIT_DAYS and
    HEED_IDEMPOTENCY_HOURS. Events, pressure, weak signals and the newest scoring always stay.

    Example: heed --store heed.db retain --dry-run
    """
    with open_store() as store:
        found = let_go(store, settings(), dry_run=dry_run)
    if as_json:
        emit({"dry_run": found.dry_run, "now": shown(found.now), "rows": found.gone})
        return
    for table, rows in found.gone.items():
        out.print(f"{table:<20}{rows:>12,}", highlight=False)
    would = "would go" if dry_run else "went"
    out.print(f"{found.rows:,} rows {would}.")
