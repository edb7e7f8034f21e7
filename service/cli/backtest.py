"""`heed backtest`: how good a model made back then would have been."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from features.catalogue import CATALOGUE
from models.evaluate import Figures
from models.training import Backtest, backtest
from service.cli._app import Json, app, emit, open_store, out, progress, shown
from service.pipeline import history_of


@app.command("backtest")
def backtest_(
    outcome: Annotated[str, typer.Option("--outcome", help="What the office may fail at: late.")] = "late",
    split: Annotated[
        float, typer.Option("--split", help="Share of the promised cases that were opened before the cut.")
    ] = 0.7,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="NAME", help="Use these features only; see `heed features`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cut the history, train on what was known at the cut, and test on the cases opened after it.

    Example: heed --store heed.db backtest --outcome late --split 0.7
    """
    with open_store() as store, progress(quiet=as_json) as step:
        history = history_of(store, outcome=outcome, names=feature)
        result = backtest(history, share=split, progress=step)
    if as_json:
        emit({**result.as_dict(), "outcome": outcome, "split": split, "cut_at": shown(result.cut_at)})
    else:
        _tell(result)


def _tell(result: Backtest) -> None:
    out.print(
        f"Cut at {shown(result.cut_at)}: trained on {result.n_train:,} cases whose outcome was known then, "
        f"tested on {result.n_test:,} opened later, {result.model.base_rate:.1%} of them late."
    )
    out.print(
        f"{result.near_instant:,} cases that were closed within a minute of opening are left out: "
        "nobody waited for them."
    )
    table = Table(box=None, pad_edge=False)
    for name in ("", "AUC", "average precision", "Brier", "ECE"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(*_cells("heed", result.model))
    for name, found in result.baselines.items():
        table.add_row(*_cells(name.replace("_", " "), found))
    out.print(table)
    out.print("What moved the risks most, in percentage points on average:")
    for name, points in list(result.importance.items())[:8]:
        out.print(f"  {points:5.1f}  {CATALOGUE[name].label_en}")


def _cells(name: str, found: Figures) -> tuple[Any, ...]:
    return (
        name,
        f"{found.auc:.3f}",
        f"{found.average_precision:.3f}",
        f"{found.brier:.4f}",
        f"{found.ece:.3f}",
    )
