"""`heed audit`: the audit trail, whether it is whole, and the hash to keep elsewhere."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from data.store_audit import Checked, Head, entries, head_of, verify
from service.cli._app import Json, app, emit, moment, open_store, out, progress, shown

group = typer.Typer(
    help="The audit trail: verify it, show its entries, print its head.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(group, name="audit")

_BROKEN: Final = 1


@group.command("verify")
def verify_(
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH@SEQ", help="A head kept elsewhere; the trail has to hold it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the whole trail: nothing altered, missing, put in, or cut off.

    Without --head, a trail whose end was cut off or written anew looks whole.

    Example: heed --store heed.db audit verify --head "$(cat /mnt/elsewhere/heed.head)"
    """
    kept = None if head is None else Head.parse(head)
    with open_store() as store, progress(quiet=as_json) as step:
        found = verify(store, kept, progress=step)
    if as_json:
        emit(_told(found))
    else:
        _tell(found, against_head=kept is not None)
    if found.fault is not None:
        raise typer.Exit(_BROKEN)


@group.command("head")
def head_(as_json: Json = False) -> None:
    """Print the newest HASH@SEQ: keep it where nobody who can write to the store can write.

    Example: heed --store heed.db audit head >> /mnt/elsewhere/heed.heads
    """
    with open_store() as store, store.reading() as connection:
        newest = head_of(connection)
    if as_json:
        emit({"head": str(newest), "seq": newest.seq, "hash": newest.entry_hash})
    else:
        out.print(str(newest), markup=False, highlight=False)


@group.command("show")
def show(
    since: Annotated[str | None, typer.Option("--since", metavar="MOMENT", help="Only entries from then on.")] = None,
    action: Annotated[
        str | None, typer.Option("--action", metavar="WORD", help="Only entries of this action, such as case.read.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show entries, the newest last.

    Example: heed --store heed.db audit show --action case.read --limit 20
    """
    after = None if since is None else moment(since, 0, "--since")
    with open_store() as store, store.reading() as connection:
        found = entries(connection, since=after, action=action, limit=limit)
    if as_json:
        emit({"entries": [{**entry, "at": shown(entry["at"])} for entry in found]})
    elif found:
        out.print(_table(found))
    else:
        out.print("No entries.")


def _told(found: Checked) -> dict[str, Any]:
    return {
        "whole": found.fault is None,
        "entries": found.entries,
        "head": str(found.head),
        "sealed_before": None if found.seal is None else found.seal.before,
        "sealed_until": None if found.seal is None else shown(found.seal.until),
        "fault": None
        if found.fault is None
        else {"kind": found.fault.kind, "seq": found.fault.seq, "told": found.fault.told},
    }


def _tell(found: Checked, *, against_head: bool) -> None:
    if found.fault is not None:
        out.print(f"The audit trail is not whole. {found.fault.told}", markup=False)
        out.print(f"{found.entries:,} entries. Compare with a backup: `heed backup verify FILE` tells its head.")
        return
    out.print(f"{found.entries:,} entries, and every one stands on the one before it.")
    if found.seal is not None:
        out.print(f"Sealed before entry {found.seal.before}: the entries until {shown(found.seal.until)} were let go.")
    out.print("It holds the head that was given." if against_head else "No head was given: its end is not proven.")
    out.print(f"Head: {found.head}", markup=False, highlight=False)


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("no", "at", "actor", "role", "action", "target", "detail"):
        wide = name in ("target", "detail")
        table.add_column(name, justify="right" if name == "no" else "left", overflow="fold", no_wrap=not wide)
    for entry in found:
        detail = json.dumps(entry["detail"], ensure_ascii=False) if entry["detail"] else ""
        cells = (entry["actor"], entry["role"], entry["action"], entry["target"] or "", detail)
        table.add_row(str(entry["seq"]), shown(entry["at"]), *(escape(cell) for cell in cells))
    return table
