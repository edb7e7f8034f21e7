"""`heed keys`: who may ask a service that requires it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.auth.keys import ApiKey, add_key, list_keys, revoke_key
from service.cli._app import Json, app, emit, err, open_store, out, shown
from service.identity import Role

keys = typer.Typer(help="Keys of desks and programs that may ask the service.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command("add")
def add(
    role: Annotated[Role, typer.Option("--role", help="What it may do; see the roles in the README.")],
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="WORD", help="The desk or program, such as counter-2; never a name.")
    ],
    office: Annotated[
        list[str] | None,
        typer.Option("--office", metavar="CODE", help="Whose cases a handler reads; give it once for each office."),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Days until it expires; 0: never.")] = 365,
    as_json: Json = False,
) -> None:
    """Make a key and print it. It is shown this once: the store keeps only a hash of it.

    Example: heed --store heed.db keys add --role handler --office O-3 --purpose counter-2
    """
    with open_store() as store:
        text, key = add_key(store, role, offices=office or [], purpose=purpose, days=days)
    if as_json:
        emit({"key": text, **_told(key)})
        return
    # The key alone on stdout, so that a script can take it.
    out.print(text, markup=False, highlight=False)
    until = "never expires" if key.expires_at is None else f"expires {shown(key.expires_at)}"
    err.print(
        f"Key {key.key_id} for {key.purpose} ({key.role.value}) {until}. It is not shown again: hand it over now."
    )


@keys.command("list")
def list_(as_json: Json = False) -> None:
    """List the keys: what each is for and whether it still counts. Never a key itself, and not how much it was used.

    Example: heed --store heed.db keys list
    """
    with open_store() as store:
        found = [_told(key) for key in list_keys(store)]
    if as_json:
        emit({"keys": found})
        return
    if not found:
        out.print("No keys. Make one with `heed keys add`.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("key", "state", "role", "offices", "purpose", "made", "expires"):
        table.add_column(column)
    for key in found:
        offices = "–" if key["offices"] is None else ", ".join(key["offices"])
        made, expires = key["created_at"][:10], (key["expires_at"] or "never")[:10]
        cells = (key["key_id"], key["state"], key["role"], offices, key["purpose"], made, expires)
        table.add_row(*(escape(cell) for cell in cells))
    out.print(table)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id of the key, as `heed keys list` shows it.")],
    as_json: Json = False,
) -> None:
    """Make a key count no more, and the sessions that were begun with it; services notice within a second or so.

    Example: heed --store heed.db keys revoke 3f2a9c01d4be
    """
    with open_store() as store:
        key = revoke_key(store, key_id)
    if as_json:
        emit(_told(key))
        return
    out.print(f"Key {key.key_id} for {key.purpose} is revoked since {shown(key.revoked_at or 0)}.")


def _told(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "state": key.state(time.time()),
        "role": key.role.value,
        "offices": None if key.offices is None else sorted(key.offices),
        "purpose": key.purpose,
        "created_at": shown(key.created_at),
        "expires_at": None if key.expires_at is None else shown(key.expires_at),
        "revoked_at": None if key.revoked_at is None else shown(key.revoked_at),
    }
