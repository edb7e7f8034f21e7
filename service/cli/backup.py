"""`heed backup` and `heed restore`: a whole store with its models in one archive, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from service.cli._app import Json, app, emit, open_store, out, progress, settings, shown, state

if TYPE_CHECKING:
    from service.backup.archive import Manifest

group = typer.Typer(
    help="Back up a store with its models, and verify backups.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(group, name="backup")


@group.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.tar|FOLDER", help="Where; nothing may be there yet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Back up all that a store holds, its models, and the settings that are no secrets; writers go on meanwhile.

    The archive holds the key of case ids and the hashes of API keys. Only its owner may read it: keep it so.

    Example: heed --store heed.db backup -o /mnt/backups/heed-2026-11-21.tar
    """
    if context.invoked_subcommand is not None:
        return
    if output is None:
        raise UsageError("Expected where to write the backup: -o FILE.tar, or -o FOLDER.")
    # Here, and not above: other commands need none of it.
    from service.backup.make import back_up  # noqa: PLC0415

    with open_store() as store, progress(quiet=as_json) as step:
        made = back_up(store, settings(), output, progress=step)
    if as_json:
        emit({**_told(made.manifest), "output": str(output), "bytes": made.bytes, "seconds": round(made.seconds, 2)})
        return
    out.print(f"{output}: {made.bytes / 1e6:,.1f} MB in {made.seconds:,.1f} s.", markup=False, highlight=False)
    _tell(made.manifest)


@group.command("verify")
def verify(path: Annotated[Path, typer.Argument(metavar="FILE")], as_json: Json = False) -> None:
    """Check every byte of a backup, and say what it holds.

    Example: heed backup verify /mnt/backups/heed-2026-11-21.tar
    """
    from service.backup.archive import open_archive  # noqa: PLC0415

    with progress(quiet=as_json) as step, open_archive(path, progress=step) as archive:
        manifest = archive.manifest
    if as_json:
        emit({**_told(manifest), "whole": True})
    else:
        out.print("Every byte is as it was written.")
        _tell(manifest)


@app.command("restore")
def restore(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A backup: a file, or a folder.")],
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="An empty store, or none yet, of either engine.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder of models; default: the store's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a backup into an empty store: all of it, or nothing.

    Example: heed restore /mnt/backups/heed-2026-11-21.tar --store sqlite:///heed.db
    """
    from service.backup.restore import restore as put_back  # noqa: PLC0415

    state.store_url = store or state.store_url
    chosen = settings()
    folder = models or chosen.models_folder()
    with progress(quiet=as_json) as step:
        found = put_back(path, chosen.store_url, folder, progress=step)
    shows = None if found.shows is None else shown(found.shows)
    if as_json:
        emit(
            {
                **_told(found.manifest),
                "seconds": round(found.seconds, 2),
                "shows": shows,
                "model_versions": found.models,
                "problems": list(found.problems),
            }
        )
    else:
        out.print(f"Restored in {found.seconds:,.1f} s; the audit trail is whole; {found.models} versions of models.")
        out.print("It holds no scoring yet." if shows is None else f"The service shows the scoring of {shows}.")
        for problem in found.problems:
            out.print(f"  {problem}", markup=False)
        _tell(found.manifest)
    if found.problems:
        raise typer.Exit(1)


def _told(manifest: Manifest) -> dict[str, Any]:
    return {
        "made_at": shown(manifest.made_at),
        "heed": manifest.heed,
        "store_version": manifest.store_version,
        "engine": manifest.engine,
        "rows": dict(manifest.rows),
        "audit_head": manifest.audit_head,
        "files": len(manifest.files),
    }


def _tell(manifest: Manifest) -> None:
    rows = sum(manifest.rows.values())
    out.print(
        f"Made {shown(manifest.made_at)} by heed {manifest.heed} from a store of version {manifest.store_version} "
        f"({manifest.engine}): {rows:,} rows, {manifest.rows.get('event', 0):,} events, {len(manifest.files)} files.",
        highlight=False,
    )
    out.print(f"Audit head: {manifest.audit_head}", markup=False, highlight=False)
