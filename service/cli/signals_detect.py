"""`heed signals detect`: rises in any table of counts, by a method of one's choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from data.errors import NotEnoughDataError, UsageError
from models.signals.choice import Choice, choose, step_called
from models.signals.count_table import CountTable, read_count_tables
from models.signals.detectors import COLUMNS, DETECTORS, WHY, Detector, make_detector, parameters_in_words
from service.cli._app import Json, Step, emit, err, out, progress
from service.cli._outputs import check_output, write_table
from service.cli._signal_pictures import check_picture, draw

_ROWS_SHOWN: Final = 40
# From this share of weeks without a count on, a table without any 0 is asked what it means by them.
_MANY_GAPS: Final = 0.1
_LIMIT_NOW: Final = "limit_now"
_IN_FULL: Final = 1000
_NAMED: Final = 3
# Below the options in the help: one paragraph for every method.
PARAMETERS: Final = "\n\n".join(
    [
        "Parameters by method, R's names in brackets, and the values they have if not given (of several words the "
        "first); with --compatible they have those of R. Values: 5, 2/3, true, null, c(5,4), list(S=1,trend=TRUE), a "
        "word. R's settings that change no figure (verbose, glmWarnings, fitFun) may be given.",
        *parameters_in_words(),
    ]
)


def detect(
    counts: Annotated[
        Path,
        typer.Argument(
            metavar="COUNTS.csv", help="Columns date (YYYY-MM-DD) or k (a number), and n; perhaps series, population."
        ),
    ],
    method: Annotated[
        str, typer.Option("--method", help=f"auto, or one of {', '.join(DETECTORS)}; R's names are understood.")
    ] = "auto",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter by our name or R's (below); may be repeated."),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option("--params", metavar="FILE.json", help="One JSON object of parameters; --param goes before it."),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="Judge so many of each series' newest weeks.")] = 1,
    compatible: Annotated[
        bool, typer.Option("--compatible", help="Follow the R package surveillance where it differs, defaults too.")
    ] = False,
    missing: Annotated[
        str, typer.Option("--missing", help="Weeks without a row: unknown, or zero (then over the file's whole span).")
    ] = "unknown",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Write every week judged to a file.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE.svg", help="Draw the series with alarms against their bands."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find rises in a table of counts, each week by the weeks before it; no store is needed.

    Example: heed signals detect counts.csv --method farringtonFlexible --param b=4 --param alpha=0.01 --last 8
    """
    if missing not in {"unknown", "zero"}:
        raise UsageError("--missing is unknown or zero.")
    check_picture(picture)
    check_output(output)
    given = {**({} if params is None else _settings_file(params)), **parameters(param or [])}
    if method == "auto" and (given or compatible):
        raise UsageError(
            "--method auto chooses the parameters as well; name a method to give parameters or --compatible."
        )
    tables = read_count_tables(counts, missing_is_zero=missing == "zero")
    longest = max(len(table.counts) for table in tables)
    if last > longest:
        raise NotEnoughDataError(f"--last asks for {last} weeks; the longest series has {longest}.")
    with progress(quiet=as_json) as step:
        judged, choices, detector = _judged(tables, method, given, last, step, compatible=compatible)
    if output is not None:
        write_table(judged, output)
    drawn = [] if picture is None else draw(judged, tables, picture)
    about: dict[str, Any] = {"file": counts.name, "last": last, "compatible": compatible}
    about["hint"] = None if missing == "zero" else _hint(tables)
    if about["hint"] is not None:
        err.print(escape(about["hint"]), soft_wrap=True)
    if picture is not None:
        about["drawn"] = drawn
    about |= (
        {"method": "auto", "choices": choices}
        if detector is None
        else {"method": detector.method, "params": detector.get_params()}
    )
    if as_json:
        emit({**about, "alarms": int(judged["alarm"].fillna(False).sum()), "points": plain_rows(judged)})
    else:
        _tell(judged, choices, last, _unit(tables))
        if picture is not None:
            out.print(f"Drawn in {escape(str(picture))}: {escape(', '.join(drawn))}.")


def _judged(
    tables: list[CountTable], method: str, given: dict[str, Any], last: int, step: Step, *, compatible: bool
) -> tuple[pd.DataFrame, list[dict[str, Any]], Detector | None]:
    """Every week judged, the choices where the method is chosen, and the detector where it is not."""
    if method == "auto":
        return *_by_choice(tables, last), None
    detector = make_detector(method, given, compatible=compatible)
    parts = []
    for done, table in enumerate(tables, 1):
        parts.append(_judge(detector, table, last))
        step("judging", done, len(tables))
    judged = pd.concat(parts, ignore_index=True)
    return (_with_rs_names(judged, detector) if compatible else judged), [], detector


def _hint(tables: Sequence[CountTable]) -> str | None:
    """What to ask of a table before its answer is believed."""
    return " ".join(hint for hint in (_gaps(tables), _ended(tables)) if hint is not None) or None


def _ended(tables: Sequence[CountTable]) -> str | None:
    """Which dated series stop before others do: an alarm of theirs is an old one."""
    ends = {
        str(name): table.counts.index[-1]
        for table in tables
        if isinstance(table.counts.index, pd.DatetimeIndex)
        for name in table.counts.columns
    }
    if not ends:
        return None
    newest = max(ends.values())
    early = sorted(name for name, end in ends.items() if end < newest)
    if not early:
        return None
    named = ", ".join(f"{name} with {ends[name]:%Y-%m-%d}" for name in early[:_NAMED])
    return (
        f"{len(early):,} of {len(ends):,} series {'ends' if len(early) == 1 else 'end'} before {newest:%Y-%m-%d} "
        f"({named}{', …' if len(early) > _NAMED else ''}), and what is judged is the newest of each: if rows are only "
        "written where something happened, give --missing zero."
    )


def _gaps(tables: Sequence[CountTable]) -> str | None:
    """Of a table that has gaps but no 0, as exports have that only write rows where something happened."""
    gaps = sum(int(table.counts.isna().to_numpy().sum()) for table in tables)
    weeks = sum(table.counts.size for table in tables)
    if gaps < _MANY_GAPS * weeks or not gaps or any(table.counts.eq(0).to_numpy().any() for table in tables):
        return None
    return (
        f"{gaps / weeks:.0%} of the steps of the series have no count, and none has 0: if rows are only written where "
        "something happened, give --missing zero."
    )


def parameters(given: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a dictionary."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError("--param: expected NAME=VALUE, such as --param alpha=0.01.")
        found[name.strip()] = value.strip()
    return found


def _settings_file(path: Path) -> dict[str, Any]:
    """The parameters of a file: one JSON object, by our names or R's."""
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--params: {path.name} cannot be read as JSON.") from error
    if not isinstance(read, dict):
        raise UsageError('--params: expected one JSON object, such as {"b": 4, "alpha": 0.01}.')
    return read


def plain_rows(judged: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values: null for nothing, dates as text, infinities as the text inf."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in judged.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf") if np.isinf(value) else float(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return str(value)


def _judge(detector: Detector, table: CountTable, last: int) -> pd.DataFrame:
    found = detector.detect(table.counts, last=min(last, len(table.counts)), population=table.population)
    return found.assign(week=_week_text(found["week"]))


def _week_text(weeks: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(weeks):
        return pd.Series(weeks.dt.strftime("%Y-%m-%d"), dtype=object)
    return weeks.astype(object)


def _by_choice(tables: list[CountTable], last: int) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Judge every series by the method its past allows; series that get the same are judged together."""
    parts, choices = [], []
    for table in tables:
        cut = max(len(table.counts) - last, 0)
        period = make_detector("rki").steps_a_year(_dates(table))
        together: dict[str, tuple[Choice, list[str]]] = {}
        begins: dict[str, int] = {}
        for name in table.counts.columns:
            one = choose(table.counts[name].to_numpy(dtype=float)[:cut], period)
            choices.append(
                {"series": name, "method": one.method, "params": one.params, "rule": one.code, "reason": one.reason}
            )
            begins[name] = one.begins
            together.setdefault(json.dumps([one.method, one.params], sort_keys=True), (one, []))[1].append(name)
        for one, names in together.values():
            part = CountTable(table.counts[names].where(_counted(begins, names, table)), None)
            if one.method is None:
                # Any method says the same of such a series: nothing, and why.
                parts.append(_judge(make_detector("cdc"), part, last).assign(method="none"))
            else:
                parts.append(_judge(make_detector(one.method, one.params), part, last))
    # Of all the methods' own columns, the one that says where an alarm was drawn.
    columns = [*COLUMNS, *([_LIMIT_NOW] if any(_LIMIT_NOW in part for part in parts) else [])]
    return pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True), choices


def _counted(begins: dict[str, int], names: list[str], table: CountTable) -> Any:
    """Which weeks of these series were counted; (n_weeks, n_names)."""
    return np.arange(len(table.counts))[:, None] >= np.array([begins[name] for name in names])


def _dates(table: CountTable) -> Any:
    index = table.counts.index
    return index.to_numpy().astype("datetime64[D]") if isinstance(index, pd.DatetimeIndex) else None


def _with_rs_names(judged: pd.DataFrame, detector: Detector) -> pd.DataFrame:
    """The columns again under the names that R gives them, where those differ."""
    names = {r: own for r, own in detector.r_columns.items() if r not in judged.columns}
    return judged.assign(**{r: judged[own] for r, own in names.items()})


def _unit(tables: Sequence[CountTable]) -> str:
    """What one step of the series is called: a week where nothing else is said, a step where they differ."""
    units = {step_called(make_detector("rki").steps_a_year(_dates(table))) for table in tables}
    return units.pop() if len(units) == 1 else "step"


def _tell(judged: pd.DataFrame, choices: list[dict[str, Any]], last: int, unit: str) -> None:
    alarms = judged[judged["alarm"].fillna(False)]
    unsaid = judged[judged["alarm"].isna()]
    out.print(
        f"{len(alarms):,} {'alarm' if len(alarms) == 1 else 'alarms'} among {judged['series'].nunique():,} series and "
        f"the newest {unit if last == 1 else f'{last} {unit}s'} of each."
    )
    if not alarms.empty:
        _tell_alarms(alarms, unit)
    for code, rows in unsaid.groupby("why", dropna=True):
        steps = f"one {unit}" if len(rows) == 1 else f"{len(rows):,} {unit}s"
        # By a method of one's choice a past may be long and still too short for what its parameters ask.
        remedy = "" if choices or code != "past_too_short" else f" for {rows['method'].iloc[0]} with these parameters"
        out.print(f"Nothing can be said of {steps} of series: {WHY[str(code)]}{remedy}.")
    if choices:
        for rule, part in pd.DataFrame(choices).groupby("rule", sort=False):
            method, name, reason = part.iloc[0][["method", "series", "reason"]]
            one = escape(str(name))
            out.print(f"{len(part):,} series by {method or 'no method'} ({rule}); {one}, for example, has {reason}.")


def _tell_alarms(alarms: pd.DataFrame, unit: str) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("series", unit, "observed", "expected", "limit", "p-value", "score", "method"):
        table.add_column(name, overflow="fold")
    below = False
    for row in alarms.head(_ROWS_SHOWN).to_dict("records"):
        now = row.get(_LIMIT_NOW, np.nan)
        limit = row["upper"] if np.isnan(now) else now
        below |= bool(limit < row["expected"])
        figures = (
            *map(_count, (row["observed"], row["expected"], limit)),
            *map(_short, (row["p_value"], row["score"])),
        )
        table.add_row(escape(str(row["series"])), str(row["week"]), *figures, str(row["method"]))
    out.print(table)
    if below:
        out.print(
            f"A limit below what is expected: the {unit} before was high, and the two are judged together; more than "
            "the limit is an alarm then."
        )
    if len(alarms) > _ROWS_SHOWN:
        out.print(f"… and {len(alarms) - _ROWS_SHOWN:,} more; see them all with --json or -o.")


def _count(value: float) -> str:
    """A number of cases: in full from a thousand on, where four digits would not be all of it."""
    return f"{value:,.0f}" if abs(value) >= _IN_FULL else _short(value)


def _short(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"
