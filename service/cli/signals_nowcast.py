"""`heed signals nowcast`: how many reports the newest days or weeks will have in the end, from any table of reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import typer
from rich.table import Table

from data.errors import UsageError
from models.signals.nowcast import ReportingTriangle, chain_ladder, delay_law, lawless, read_reports
from service.cli._app import Json, emit, out

METHODS: Final = ("chain-ladder", "lawless")
_ROWS_SHOWN: Final = 40


def nowcast(
    reports: Annotated[
        Path,
        typer.Argument(metavar="REPORTS.csv", help="Columns event_date, report_date, n, or a reporting triangle."),
    ],
    now: Annotated[
        str | None,
        typer.Option("--now", metavar="DATE", help="Use only what was known by this date; else all there is."),
    ] = None,
    method: Annotated[str, typer.Option("--method", help=f"One of {', '.join(METHODS)}.")] = "chain-ladder",
    longest: Annotated[
        int | None, typer.Option("--max-delay", min=1, help="Longer delays, in periods, count as this long.")
    ] = None,
    period: Annotated[
        int | None,
        typer.Option("--period", min=1, metavar="DAYS", help="Days per period (7: weeks), counted back from now."),
    ] = None,
    learn: Annotated[
        int | None, typer.Option("--learn", min=1, metavar="N", help="Learn delays from the newest N periods only.")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Probability that a final count is outside its limits.")
    ] = 0.05,
    compatible: Annotated[
        bool, typer.Option("--compatible", help="With lawless: follow the R package surveillance where it differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Nowcast counts whose reports come in late; no store is needed.

    Example: heed signals nowcast reports.csv --now 2025-12-16 --max-delay 14
    """
    if method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}.")
    if compatible and method != "lawless":
        raise UsageError("--compatible goes with --method lawless; the chain-ladder has one form only.")
    triangles = read_reports(reports, now=now, longest=longest, period=period)
    told = []
    for series, whole in triangles.items():
        triangle = whole if learn is None else whole.newest(min(learn, len(whole.dates)))
        law = delay_law(triangle)
        rows = (
            lawless(triangle, alpha=alpha, compatible=compatible)
            if method == "lawless"
            else chain_ladder(triangle, alpha=alpha)
        )
        told.append((series, triangle, law.pmf, rows))
    if as_json:
        emit(
            {
                "file": reports.name,
                "method": method,
                "compatible": compatible,
                "alpha": alpha,
                "series": [_as_values(*one) for one in told],
            }
        )
        return
    for series, _triangle, pmf, rows in told:
        _tell(series, pmf, rows, alpha)


def _as_values(
    series: str, triangle: ReportingTriangle, pmf: np.ndarray[Any, np.dtype[np.float64]], rows: pd.DataFrame
) -> dict[str, Any]:
    return {
        "series": series,
        "periods_learnt_from": len(triangle.dates),
        "max_delay": triangle.longest,
        "delay_pmf": [float(share) for share in pmf],
        "nowcasts": [
            {name: value.strftime("%Y-%m-%d") if name == "date" else _number(value) for name, value in row.items()}
            for row in rows.to_dict("records")
        ],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _tell(
    series: str,
    pmf: np.ndarray[Any, np.dtype[np.float64]],
    rows: pd.DataFrame,
    alpha: float,
) -> None:
    mean = float((np.arange(len(pmf)) * pmf).sum())
    of = "" if series == "all" else f"{series}: "
    out.print(
        f"{of}{rows['reported'].sum():,.0f} reports known of the newest {len(rows)} periods; "
        f"{pmf[0]:.0%} become known in their own period, and {mean:.1f} periods late on average.",
        markup=False,  # a name may hold brackets
    )
    table = Table(box=None, pad_edge=False)
    for name in ("date", "reported", "known", "expected in the end", f"{1 - alpha:.0%} limits"):
        table.add_column(name)
    for row in rows.tail(_ROWS_SHOWN).to_dict("records"):
        table.add_row(
            row["date"].strftime("%Y-%m-%d"),
            f"{row['reported']:g}",
            f"{row['share_known']:.0%}",
            _short(row["nowcast"]),
            f"{_short(row['lower'])} to {_short(row['upper'])}",
        )
    out.print(table)
    if rows["nowcast"].isna().any():
        out.print("Nothing can be said where no report ever became known so soon.")


def _short(value: float) -> str:
    return f"{value:,.4g}" if np.isfinite(value) else "–"
