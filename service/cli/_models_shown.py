"""How `heed models` tells a person what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from models.lineage import LINEAGE
from service.cli._app import out, shown


def tell_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """All versions."""
    if not rows:
        out.print("No models yet. Make one with `heed train`.")
        return
    lines = ((row["version"], ", ".join(row["aliases"]) or "–", row["saved_at"], _state(row)) for row in rows)
    print_table(("version", "in use as", "saved", "state"), lines)


def _state(row: Mapping[str, Any]) -> str:
    if row["problem"] is not None:
        return f"refused: {row['problem']}"
    return f"signed by {row['signed_by']}" if row["signed_by"] else "whole"


def tell_model(result: Mapping[str, Any]) -> None:
    """One version with its card."""
    card = dict(result["card"])
    lineage = card.pop(LINEAGE, {})
    out.print(f"{result['version']}: {', '.join(result['aliases']) or 'not in use'}, saved {result['saved_at']}.")
    if result["parts"]:
        out.print(f"Models in it: {', '.join(result['parts'])}.")
    if result["why_not"] is not None:
        out.print(f"Cannot be used here. {result['why_not']}")
    facts = [*_lines(_readable(lineage)), *_lines(card)]
    print_table(("", ""), facts)
    out.print(f"{len(result['columns'])} columns: {', '.join(result['columns'])}")


def _readable(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """A lineage without the list of features, which is told beside it, and with its moment as people read it."""
    told = {name: value for name, value in lineage.items() if name != "features"}
    if isinstance(told.get("trained_before"), int):
        told["trained_before"] = shown(told["trained_before"])
    return told


def tell_comparison(result: Mapping[str, Any]) -> None:
    """Two versions side by side."""
    one, other = result["versions"]
    for title in ("figures", "settings", "lineage"):
        pairs = result[title]
        if pairs:
            print_table((title, one, other), ((name, _told(a), _told(b)) for name, (a, b) in pairs.items()))
        else:
            out.print(f"No {title} that could be compared." if title == "figures" else f"The {title} are the same.")
    for what, names in result["features"].items():
        out.print(f"Columns {what}: {', '.join(names) or 'none'}.")


def tell_verified(rows: Sequence[Mapping[str, Any]]) -> None:
    """What was looked at, and what is wrong."""
    if not rows:
        out.print("No models yet. Make one with `heed train`.")
        return
    lines = ((row["name"], row["problem"] or "whole", row["signed_by"] or "–") for row in rows)
    print_table(("checked", "found", "signed by"), lines)


def tell_history(rows: Sequence[Mapping[str, Any]]) -> None:
    """What happened to the models, a line each."""
    if not rows:
        out.print("Nothing has happened yet. Make a model with `heed train`.")
        return
    names = ("when", "action", "version", "alias", "before", "reason")
    print_table(names, ([_told(row[name]) for name in names] for row in rows))


def print_table(names: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table: fitted to a terminal, and a line for each row in a pipe, where nothing should be cut or folded."""
    rows = [tuple(line) for line in lines]
    if out.is_terminal:
        table = Table(box=None, pad_edge=False, show_header=any(names))
        for name in names:
            table.add_column(name, overflow="fold")
        for row in rows:
            # As text, so that a bracket in a reason is no markup.
            table.add_row(*(Text(cell) for cell in row))
        out.print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    for row in [tuple(names), *rows] if any(names) else rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.print("  ".join(padded).rstrip(), markup=False, highlight=False)


def _lines(told: Mapping[str, Any], start: str = "") -> Iterable[tuple[str, str]]:
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{start}{name}.")
        else:
            yield f"{start}{name}", _told(value)


def _told(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
