"""`heed signals plan`: with counts like these, how large a rise is found how soon, and at what price."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pandas as pd
import typer
from rich.table import Table

from data.errors import UsageError
from models.signals.count_table import CountTable, read_count_tables
from models.signals.plan_words import Language, alarms_told, doubt_sentence, plan_sentence, steps_told
from models.signals.planner import Plan, PlanSettings, plan
from models.signals.plots.planner import plan_chart
from service.cli._app import Json, emit, out
from service.cli._signal_pictures import check_picture, write_picture
from service.cli.signals_detect import parameters, plain_rows

_NAMED: Final = 5
_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "level": "level",
        "alarms": "false alarms",
        "within": "within",
        "smallest": "smallest rise found ({power:g}%)",
        "times": "{times:.2f} times the usual",
        "none": "none",
        "method": "By {method}: {reason}.",
    },
    "zh": {
        "level": "水平",
        "alarms": "误报",
        "within": "期限",
        "smallest": "能发现的最小升幅（{power:g}%）",
        "times": "平常的 {times:.2f} 倍",
        "none": "无",
        "method": "方法：{method}。",
    },
}


def plan_rises(
    counts: Annotated[Path, typer.Argument(metavar="COUNTS.csv", help="Columns date (or k), series, n.")],
    series: Annotated[
        str | None, typer.Option("--series", help="Which series; needed where there are several.")
    ] = None,
    weeks: Annotated[int, typer.Option("--weeks", help="The rise is to be found within so many weeks.")] = 4,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Level of the detector; without it, the detector's own.")
    ] = None,
    fdr: Annotated[
        float | None,
        typer.Option("--fdr", help="In place of --alpha: this share of false alarms over all series of the file."),
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Share of such rises that is to be found.")] = 0.8,
    method: Annotated[
        str | None, typer.Option("--method", help="A detector by name; without it, the one the series gets.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of --method; may be repeated."),
    ] = None,
    missing: Annotated[str, typer.Option("--missing", help="Weeks without a row: unknown, or zero.")] = "unknown",
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Draw the curves; .svg or .png.")
    ] = None,
    language: Annotated[
        Literal["zh", "en"], typer.Option("--language", help="Language of the words: zh or en.")
    ] = "en",
    as_json: Json = False,
) -> None:
    """Tell how large a rise is found within some weeks, and how often there is a false alarm, by simulation.

    Example: heed signals plan counts.csv --series drains --weeks 4 --power 0.8 --picture plan.svg
    """
    if missing not in {"unknown", "zero"}:
        raise UsageError("--missing is unknown or zero.")
    check_picture(picture)
    tables = read_count_tables(counts, missing_is_zero=missing == "zero")
    record, n_series = _series(tables, series)
    asked = PlanSettings(
        weeks=weeks,
        power=power,
        alpha=_level(alpha, fdr, n_series),
        method=method,
        params=dict(parameters(param or [])),
    )
    answer = plan(record, asked)
    if picture is not None:
        write_picture(plan_chart(answer, language=language), picture)
    if as_json:
        emit(
            {
                "file": counts.name,
                "series": str(record.name),
                "fdr": fdr,
                "series_in_file": n_series,
                **as_values(answer),
            }
        )
    else:
        _tell(answer, language)


def as_values(answer: Plan) -> dict[str, Any]:
    """A plan as plain values; null where there is none, and the text inf for false alarms that never came."""
    smallest, low, high = (None if pd.isna(value) else value for value in answer.smallest_rise())
    return {
        "weeks": answer.weeks,
        "power": answer.power,
        "alpha": answer.alpha,
        "method": answer.method,
        "params": answer.params,
        "reason": answer.reason,
        "usual": answer.usual,
        "dispersion": answer.dispersion,
        "weeks_of_past": answer.weeks_of_past,
        "period": answer.period,
        "yearly_waves": answer.waves,
        "trend": answer.trend,
        "smallest_rise": {"value": smallest, "low": low, "high": high},
        "sentence": {"en": plan_sentence(answer, language="en"), "zh": plan_sentence(answer, language="zh")},
        "monte_carlo_error": answer.error,
        "smallest": plain_rows(answer.smallest),
        "false_alarms": plain_rows(answer.alarms),
        "curve": plain_rows(answer.curve),
    }


def _series(tables: list[CountTable], name: str | None) -> tuple[pd.Series, int]:
    """The series to plan for, and how many the file holds."""
    names = [str(one) for table in tables for one in table.counts.columns]
    if name is None:
        if len(names) > 1:
            told = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            raise UsageError(f"The file holds {len(names):,} series ({told}); say which with --series.")
        name = names[0]
    for table in tables:
        if name in table.counts.columns:
            return table.counts[name], len(names)
    raise UsageError(f"--series: the file has no such series among its {len(names):,}.")


def _level(alpha: float | None, fdr: float | None, n_series: int) -> float | None:
    if fdr is None:
        return alpha
    if alpha is not None:
        raise UsageError("Give --alpha or --fdr, not both: the one follows from the other.")
    if not 0.0 < fdr < 1.0:
        raise UsageError(f"--fdr must lie between 0 and 1, for example 0.10; it is {fdr!r}.")
    # What the step-up control of a week asks of a signal that stands alone; beside others it asks less.
    return fdr / n_series


def _tell(answer: Plan, language: Language) -> None:
    out.print(plan_sentence(answer, language=language))
    doubt = doubt_sentence(answer, language=language)
    if doubt is not None:
        out.print(doubt)
    words = _WORDS[language]
    table = Table(box=None, pad_edge=False)
    for name in ("level", "alarms", "within", "smallest"):
        table.add_column(words[name].format(power=100.0 * answer.power))
    prices = dict(zip(answer.alarms["alpha"], answer.alarms["years_between"], strict=True))
    for row in answer.smallest.to_dict("records"):
        found = words["none"] if pd.isna(row["smallest"]) else words["times"].format(times=row["smallest"])
        within = steps_told(int(row["weeks"]), answer.period, language=language)
        table.add_row(f"{row['alpha']:.3g}", alarms_told(prices[row["alpha"]], language=language), within, found)
    out.print(table)
    out.print(words["method"].format(method=answer.method, reason=answer.reason))
