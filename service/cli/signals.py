"""`heed signals`: what is quietly growing where, and how hard pressed each area and office is.

The bare command works on the store; `heed signals detect` on any table of counts.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from models.signals import SignalSettings
from service.cli._app import Json, app, emit, moment, open_store, out, progress, settings, shown
from service.cli.signals_detect import detect as detect_in_counts
from service.detection import Detected, detect
from service.places import read_places
from service.published import Figure, Pressure, Published, Signal, publish
from service.signal_record import SignalRecord

# After four weeks without a single case, the record has ended and the city has not gone quiet.
_QUIET: Final = 28 * 86_400


group = typer.Typer(
    invoke_without_command=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None
)
app.add_typer(group, name="signals")
group.command("detect")(detect_in_counts)


@group.callback()
def signals(
    context: typer.Context,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    level: Annotated[
        float, typer.Option("--level", help="Share of false alarms accepted among the signals of a week.")
    ] = 0.10,
    as_json: Json = False,
) -> None:
    """Find weak signals in the newest complete week, and measure pressure; store both. `detect`: any table of counts.

    Small figures are withheld here as everywhere else.

    Example: heed --store heed.db signals
    """
    if context.invoked_subcommand is not None:
        return
    chosen = SignalSettings(fdr_level=level)
    with open_store() as store, progress(quiet=as_json) as step:
        given = None if as_of is None else moment(as_of, 0, "--as-of")
        found = detect(store, as_of=given, settings=chosen, progress=step)
        published = publish(
            store.read_pressure(found.as_of),
            store.read_signals(found.as_of),
            read_places(store),
            minimum=settings().minimum_cell,
            record=SignalRecord.read(store, found.as_of),
        )
    if as_json:
        emit(as_values(found, published, level))
    else:
        _tell(found, published, level)


def as_values(found: Detected, published: Published, level: float) -> dict[str, Any]:
    """Signals and pressure as plain values; a withheld figure is null and named in `withheld`."""
    return {
        "as_of": shown(found.as_of),
        "newest_opening": shown(found.newest_opening),
        "weeks": found.weeks,
        "series": found.series,
        "fdr_level": level,
        "minimum_cell": published.minimum,
        "signals": [_signal(signal) for signal in published.signals],
        "areas": [_pressure(one) for _, one in sorted(published.areas.items())],
        "offices": [_pressure(one) for _, one in sorted(published.offices.items())],
        "office_records": found.offices.to_dict("records"),
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {**_plain(signal), "week": shown(signal.week)}


def _pressure(pressure: Pressure) -> dict[str, Any]:
    return _plain(pressure)


def _plain(row: Signal | Pressure) -> dict[str, Any]:
    figures = {name: getattr(row, name) for name in asdict(row)}
    plain = {name: one.value if isinstance(one, Figure) else one for name, one in figures.items()}
    withheld = [name for name, one in figures.items() if isinstance(one, Figure) and one.withheld]
    return {**plain, "withheld": withheld}


def _tell(found: Detected, published: Published, level: float) -> None:
    out.print(
        f"{len(published.signals)} weak signals among {found.series:,} series of {found.weeks} weeks, "
        f"as of {shown(found.as_of)}; about {level:.0%} of such signals are false alarms."
    )
    if found.as_of - found.newest_opening > _QUIET:
        out.print(
            f"The newest case was opened on {shown(found.newest_opening)[:10]}, long before: to see the last weeks of "
            f"the record, ask with --as-of {shown(found.newest_opening + 1)}."
        )
    if published.signals:
        table = Table(box=None, pad_edge=False)
        for name in ("area", "problem", "direction", "week of", "reports", "usual"):
            table.add_column(name)
        for one in published.signals:
            usual = f"{_told(one.lower)} to {_told(one.upper)}"
            table.add_row(one.area, one.category, one.direction, shown(one.week)[:10], _told(one.observed), usual)
        out.print(table)
    behind = found.offices[found.offices["fell_behind"]]
    for office, before, recent in zip(behind["office"], behind["late_before"], behind["late_recent"], strict=True):
        out.print(f"{office} keeps fewer promises than it used to: {before:.0%} late before, {recent:.0%} in 13 weeks.")
    pressed = [one.unit for one in published.offices.values() if one.level == "high"]
    out.print(f"Offices far above their own usual backlog: {', '.join(pressed) or 'none'}.")


def _told(figure: Figure) -> str:
    if figure.withheld:
        return "withheld"
    return "–" if figure.value is None else f"{figure.value:g}"
