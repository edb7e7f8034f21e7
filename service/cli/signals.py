"""`heed signals`: what is quietly growing where, and how hard pressed each area and office is.

The bare command works on the store; `heed signals detect` on any table of counts.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from models.signals import SignalSettings, more_sentence
from models.signals.weeks_behind import WEEKS
from service.board_cover import WORDS
from service.cli._app import Json, app, emit, open_store, out, past_moment, progress, settings, shown
from service.cli.signals_detect import PARAMETERS, plain_rows
from service.cli.signals_detect import detect as detect_in_counts
from service.cli.signals_nowcast import nowcast as nowcast_of_reports
from service.cli.signals_plan import plan_rises
from service.cli.signals_review import review as review_signal
from service.cli.signals_scan import scan_table
from service.detection import Detected, detect
from service.places import Places, read_places
from service.published import (
    Figure,
    Pressure,
    Published,
    Signal,
    SignalWeek,
    publish,
    publish_office_records,
)
from service.signal_record import SignalRecord

# After four weeks without a single case, the record has ended and the city has not gone quiet.
_QUIET: Final = 28 * 86_400
_ID: Final = 8
_NOTES: Final = {
    "copies": "reports imported twice",
    "missing_days": "weeks with missing days",
    "bulk_import": "imports in bulk",
    "stopped": "categories no longer recorded",
    "joined": "areas that joined",
    "divided_anew": "categories or areas counted otherwise",
    "new_channel": "channels just introduced",
}


group = typer.Typer(
    invoke_without_command=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None
)
app.add_typer(group, name="signals")
group.command("detect", epilog=PARAMETERS)(detect_in_counts)
group.command("nowcast")(nowcast_of_reports)
group.command("plan")(plan_rises)
group.command("scan")(scan_table)
group.command("review")(review_signal)


@group.callback()
def signals(
    context: typer.Context,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    level: Annotated[
        float, typer.Option("--level", help="Share of false alarms accepted among the signals of a week.")
    ] = 0.10,
    most_per_area: Annotated[
        int | None, typer.Option("--most-per-area", metavar="N", min=1, help="Tell so many of an area first.")
    ] = None,
    most_per_week: Annotated[
        int | None, typer.Option("--most-per-week", metavar="N", min=1, help="Tell so many over all areas first.")
    ] = None,
    weeks: Annotated[
        int, typer.Option("--weeks", metavar="N", min=1, max=WEEKS, help="Weeks in the picture of a signal.")
    ] = WEEKS,
    as_json: Json = False,
) -> None:
    """Find weak signals in the newest complete week, and measure pressure; store both. `detect`: any table of counts.

    Small figures are withheld here as everywhere else. Signals beyond the limits of those told first are kept and
    counted, and `--json` and the pages list them.

    Example: heed --store heed.db signals --most-per-area 3
    """
    if context.invoked_subcommand is not None:
        return
    chosen = SignalSettings(fdr_level=level, most_per_area=most_per_area, most_per_week=most_per_week)
    with open_store() as store, progress(quiet=as_json) as step:
        given = past_moment(as_of, "--as-of")
        found = detect(store, as_of=given, settings=chosen, weeks=weeks, minimum=settings().minimum_cell, progress=step)
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
        "office_records": publish_office_records(found.offices, minimum=published.minimum),
        # Without how many reports: that would be a figure of an area which has passed no disclosure.
        "board_gaps": [asdict(gap) for gap in found.board_gaps],
        "left_out": plain_rows(found.notes.drop(columns="reports")),
    }


def _signal(signal: Signal) -> dict[str, Any]:
    weeks = [{**_plain(week), "week": shown(week.week)} for week in signal.weeks]
    return {**_plain(signal), "week": shown(signal.week), "weeks": weeks}


def _pressure(pressure: Pressure) -> dict[str, Any]:
    return _plain(pressure)


def _plain(row: Signal | Pressure | SignalWeek) -> dict[str, Any]:
    values = asdict(row)
    figures = {name: getattr(row, name) for name in values}
    plain = {name: one.value if isinstance(one, Figure) else values[name] for name, one in figures.items()}
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
        _tell_signals(published)
    if len(found.notes):
        codes = found.notes["code"].value_counts().sort_index()
        told = ", ".join(f"{_NOTES.get(str(code), str(code))} ({number})" for code, number in codes.items())
        out.print(f"Not compared, because the record changed and not the city: {told}; --json lists them.")
    _tell_offices(found, published)
    for gap in found.board_gaps:
        out.print(
            f"No echo board was made of the weeks that one is due of, because of {gap.source}: {WORDS[gap.why]}.",
            markup=False,
            highlight=False,
        )


def _tell_signals(published: Published) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("signal", "area", "problem", "direction", "week of", "reports", "usual", "parts"):
        table.add_column(name)
    for one in published.told_first():
        usual = f"{_told(one.lower)} to {_told(one.upper)}"
        parts = "" if one.parts is None else f"{one.parts.rising} of {one.parts.number}"
        what = (one.signal_id[:_ID], escape(Places.plain_area(one.area)), escape(one.category), one.direction)
        table.add_row(*what, shown(one.week)[:10], _told(one.observed), usual, parts)
    out.print(table)
    rest = more_sentence(len(published.rest()), language="en")
    if rest:
        out.print(f"{rest} With --json, or on the pages.")
    out.print("What became of one: heed signals review SIGNAL --status confirmed.")


def _tell_offices(found: Detected, published: Published) -> None:
    for late in publish_office_records(found.offices[found.offices["fell_behind"]], minimum=published.minimum):
        before, recent = (
            "withheld" if late[name] is None else f"{late[name]:.0%}" for name in ("late_before", "late_recent")
        )
        out.print(
            f"{escape(late['office'])} keeps fewer promises than it used to: late before: {before}; "
            f"in the newest 13 weeks: {recent}."
        )
    pressed = [escape(one.unit) for one in published.offices.values() if one.level == "high"]
    out.print(f"Offices far above their own usual backlog: {', '.join(pressed) or 'none'}.")


def _told(figure: Figure) -> str:
    if figure.withheld:
        return "withheld"
    return "–" if figure.value is None else f"{figure.value:g}"
