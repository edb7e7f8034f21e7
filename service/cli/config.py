"""`heed config`: the settings that count, where each comes from, and what in them deserves a second look."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from service.cli._app import Json, app, emit, err, out, settings, state
from service.settings_told import Told, told, warnings_of

config = typer.Typer(help="Show and check the settings (HEED_… variables).", no_args_is_help=True)
app.add_typer(config, name="config")


@config.command("show")
def show(as_json: Json = False) -> None:
    """Print every setting with its value and where that comes from. Secrets are hidden.

    Example: heed config show
    """
    chosen = settings()
    listed, warnings = told(chosen, given=_given()), warnings_of(chosen)
    if as_json:
        emit({"settings": [asdict(each) for each in listed], "warnings": warnings})
        return
    out.print(_table(listed))
    for warning in warnings:
        err.print(f"warning: {warning}", highlight=False, markup=False)


@config.command("check")
def check(
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as wrong.")] = False,
    as_json: Json = False,
) -> None:
    """Say whether the service would start with these settings: exit code 0, or 2 with what is wrong.

    Example: heed config check --strict
    """
    warnings = warnings_of(settings())
    wrong = strict and bool(warnings)
    if as_json:
        emit({"ok": not wrong, "warnings": warnings})
    else:
        for warning in warnings:
            err.print(f"warning: {warning}", highlight=False, markup=False)
        if not wrong:
            out.print("The settings can be used.")
    if wrong:
        raise typer.Exit(2)


def _given() -> tuple[str, ...]:
    """Settings that the command line gave: `--store`, unless the variable says the same."""
    from_variable = state.store_url == os.environ.get("HEED_STORE_URL")
    return () if state.store_url is None or from_variable else ("store_url",)


def _table(listed: list[Told]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Variable", "Value", "From"):
        table.add_column(title, overflow="fold")
    for each in listed:
        shown = "" if each.value is None else ",".join(each.value) if isinstance(each.value, list) else str(each.value)
        table.add_row(each.variable, shown, each.origin)
    return table
