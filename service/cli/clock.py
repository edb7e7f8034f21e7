"""`heed clock`: what the offices promise, why a case falls due when it does, and whose standards hold."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import pandas as pd
import typer
from rich.table import Table
from sqlalchemy import select

from data import tables
from data.clock_trace import Trace
from data.errors import UsageError
from data.event_log import NEVER, empty_events
from data.schema import EVENT_COLUMNS, Channel, EventKind, Tier
from data.service_clock import Promise, ServiceClock, find_clock, shipped_clocks
from data.service_clock_file import CLOCKS, ClockName
from data.service_clock_store import read_clock, set_clock
from data.store import Store
from data.store_tables import frame_of
from service.cli._app import Json, app, emit, moment, open_store, out, shown

clock = typer.Typer(help="Service standards: what is promised, when it falls due, and why.", no_args_is_help=True)
app.add_typer(clock, name="clock")

Language = Literal["zh", "en"]

_AS_OF: Final = typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
_LANG: Final = typer.Option("--lang", help="zh or en.")
_CLOCK: Final = typer.Option("--clock", metavar="NAME", help=f"One of {', '.join(CLOCKS)}.")


@clock.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Service standards: a TOML file, or a shipped name.")],
    as_json: Json = False,
) -> None:
    """Read a file of service standards and show what it promises, and for which years its holidays are known.

    Example: heed clock check hotline_12345
    """
    standards = find_clock(file)
    if as_json:
        emit(_as_values(standards))
    else:
        _show(standards)


@clock.command("explain")
def explain(
    standards: Annotated[
        str, typer.Option("--standards", metavar="NAME_OR_FILE", help="Service standards, shipped or your own.")
    ],
    category: Annotated[str, typer.Option("--category", metavar="CODE", help="The type of problem.")],
    opened: Annotated[str, typer.Option("--opened", metavar="MOMENT", help="When the case was opened.")],
    tier: Annotated[Tier | None, typer.Option("--tier", help="The tier of its office.")] = None,
    channel: Annotated[Channel | None, typer.Option("--channel", help="How it came in.")] = None,
    pause: Annotated[
        list[str] | None, typer.Option("--pause", metavar="FROM/TO", help="A pause; without TO it goes on.")
    ] = None,
    hand_over: Annotated[
        list[str] | None, typer.Option("--hand-over", metavar="MOMENT=TIER", help="Another office took over.")
    ] = None,
    as_of: Annotated[str | None, _AS_OF] = None,
    which: Annotated[str, _CLOCK] = "resolve",
    lang: Annotated[str, _LANG] = "zh",
    as_json: Json = False,
) -> None:
    """Work out a deadline for a case made up on the command line, and tell how it comes about.

    Example: heed clock explain --standards hotline_12345 --category pothole --opened 2025-01-24T16:30+08:00
    """
    language, name = _language(lang), _clock_name(which)
    events = _made_up(category, channel, tier, opened, pause or [], hand_over or [])
    offices = pd.DataFrame({"office": [*Tier], "tier": [*Tier]})
    until = moment(as_of, int(events["at"].max()) + 1, "--as-of")
    trace = find_clock(standards).explain(events, offices, as_of=until, clock=name)
    if as_json:
        emit(trace.to_dict())
    else:
        _tell(trace, language)


@clock.command("set")
def set_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Service standards: a TOML file, or a shipped name.")],
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="The source whose offices promise this.")],
    as_json: Json = False,
) -> None:
    """Keep service standards for a source: cases that it gives without a deadline get theirs at import.

    Deadlines that are stored already stay as they are.

    Example: heed --store heed.db clock set --source hotline standards.toml
    """
    content = find_clock(file).text.encode()
    with open_store() as store:
        kept = set_clock(store, source, content, file=file)
    if as_json:
        emit({"source": source, "name": kept.name, "sha256": kept.sha256, "clocks": list(kept.clocks)})
    else:
        out.print(f"{source}: {len(kept.promises)} standards of '{kept.name}' hold for what is imported from now on.")


@clock.command("case")
def case(
    case_id: Annotated[str, typer.Argument(metavar="CASE_ID", help="A case of the store, or how its id begins.")],
    standards: Annotated[
        str | None,
        typer.Option("--standards", metavar="NAME_OR_FILE", help="Use these instead of those kept for its source."),
    ] = None,
    as_of: Annotated[str | None, _AS_OF] = None,
    which: Annotated[str | None, _CLOCK] = None,
    lang: Annotated[str, _LANG] = "zh",
    as_json: Json = False,
) -> None:
    """Tell how the deadlines of a stored case come about, and whether the office kept them.

    Example: heed --store heed.db clock case 3f9a1c0b --lang en
    """
    language = _language(lang)
    with open_store() as store:
        until = moment(as_of, store.last_known_at() + 1, "--as-of")
        events, source = _events_of(store, case_id)
        found = read_clock(store, source) if standards is None else find_clock(standards)
        offices = store.read_offices()
    if found is None:
        raise UsageError(
            f"No service standards are kept for source '{source}'. Keep some with `heed clock set --source {source} "
            f"FILE`, or give --standards. Shipped with heed: {', '.join(shipped_clocks())}."
        )
    names = found.clocks if which is None else (_clock_name(which),)
    traces = [found.explain(events, offices, as_of=until, clock=name) for name in names]
    logged = _logged(events, until)
    if as_json:
        given = None if logged == NEVER else shown(logged)
        emit({"case_id": traces[0].case_id, "logged_due_at": given, "clocks": [trace.to_dict() for trace in traces]})
        return
    for trace in traces:
        _tell(trace, language)
        if trace.clock == "resolve" and trace.due_at != logged:
            _tell_difference(logged, language)


# ---- a case ----


def _made_up(
    category: str, channel: Channel | None, tier: Tier | None, opened: str, pauses: list[str], moves: list[str]
) -> pd.DataFrame:
    """The events of a case given on the command line; its offices bear the names of their tiers."""
    begun = moment(opened, 0, "--opened")
    rows: list[dict[str, Any]] = [
        {"kind": EventKind.OPENED, "at": begun, "category": category, "channel": channel, "office": tier}
    ]
    for text in pauses:
        first, _, last = text.partition("/")
        start = moment(first, 0, "--pause")
        rows.append({"kind": EventKind.PAUSED, "at": start})
        if last:
            end = moment(last, 0, "--pause")
            if end < start:
                raise UsageError("--pause: expected FROM/TO with TO not before FROM.")
            rows.append({"kind": EventKind.RESUMED, "at": end})
    for text in moves:
        when, _, to = text.rpartition("=")
        if to not in [*Tier]:
            raise UsageError(f"--hand-over: expected MOMENT=TIER with a tier of {', '.join(Tier)}.")
        rows.append({"kind": EventKind.HANDED_UP, "at": moment(when, 0, "--hand-over"), "office": to})
    if min(row["at"] for row in rows) < begun:
        raise UsageError("--pause, --hand-over: expected moments not before --opened.")
    filled = [{**dict.fromkeys(EVENT_COLUMNS), "case_id": "example", "known_at": row["at"], **row} for row in rows]
    return pd.DataFrame(filled).astype(empty_events().dtypes.to_dict())


def _events_of(store: Store, case_id: str) -> tuple[pd.DataFrame, str]:
    """The events of the case whose id begins so, and its source."""
    event = tables.event
    if not case_id or not case_id.isalnum():
        raise UsageError("Expected a case id, or its beginning, of letters and digits.")
    columns = [*(event.c[name] for name in EVENT_COLUMNS), event.c.source]
    with store.reading() as connection:
        found = frame_of(connection, select(*columns).where(event.c.case_id.startswith(case_id)))
    cases = found["case_id"].nunique()
    if cases != 1:
        came = "no case" if cases == 0 else f"{cases:,} cases"
        raise UsageError(f"The store has {came} whose id begins so. Give the id of one, as the pages show it.")
    return found[[*EVENT_COLUMNS]], str(found["source"].iloc[0])


def _logged(events: pd.DataFrame, as_of: int) -> int:
    """The deadline that the log names last before the as-of."""
    said = events[events["due_at"].notna() & (events["known_at"] < as_of)].sort_values(["known_at", "at"])
    return NEVER if said.empty else int(said["due_at"].iloc[-1])


# ---- words ----


def _language(text: str) -> Language:
    if text == "zh":
        return "zh"
    if text == "en":
        return "en"
    raise UsageError("--lang: expected zh or en.")


def _clock_name(text: str) -> ClockName:
    for name in CLOCKS:
        if name == text:
            return name
    raise UsageError(f"--clock: expected one of {', '.join(CLOCKS)}.")


def _tell(trace: Trace, language: Language) -> None:
    for number, sentence in enumerate(trace.sentences(language), 1):
        out.print(f"{number:3}. {sentence}", markup=False, highlight=False)


def _tell_difference(logged: int, language: Language) -> None:
    if logged == NEVER:
        out.print(
            {
                "zh": "     日志中没有该案件的承诺期限；以上为按现行标准推算。",
                "en": "     The log names no deadline of this case; the above is what the standards would give.",
            }[language]
        )
        return
    out.print(
        {
            "zh": f"     日志中的承诺期限为{shown(logged)}，以日志为准；以上为按现行标准推算。",
            "en": f"     The log names {shown(logged)}, and the log holds; the above is what the standards would give.",
        }[language]
    )


def _as_values(standards: ServiceClock) -> dict[str, Any]:
    return {
        "name": standards.name,
        "title": standards.file.about.title,
        "title_zh": standards.file.about.title_zh,
        "sha256": standards.sha256,
        "calendars": [
            {
                "name": name,
                "time_zone": one.settings.time_zone,
                "first_year": one.settings.first_year,
                "last_year": one.settings.last_year,
                "country": None if one.settings.holidays is None else one.settings.holidays.country,
                "make_up_days_known_until": one.published_until,
                "years": [_year(standards, name, year) for year in one.settings.years],
            }
            for name, one in standards.calendars.items()
        ],
        "clocks": {name: standards.rules(name).model_dump(mode="json") for name in standards.clocks},
        "standards": [_standard(promise) for promise in standards.promises],
    }


def _year(standards: ServiceClock, name: str, year: int) -> dict[str, int]:
    one = standards.calendars[name]
    days = [(day, worked) for day, worked in zip(one.working.dates, one.working.is_worked, strict=True)]
    kinds = [named.kind for day, named in one.named.items() if day.year == year]
    return {
        "year": year,
        "working_days": sum(bool(worked) for day, worked in days if day.year == year),
        "holidays": kinds.count("holiday"),
        "make_up_days": kinds.count("make_up"),
    }


def _standard(promise: Promise) -> dict[str, Any]:
    said = promise.standard.model_dump(mode="json")
    return {
        "number": promise.number,
        **said,
        "amount": promise.amount,
        "unit": promise.unit,
        "calendar": promise.calendar.name,
    }


def _show(standards: ServiceClock) -> None:
    about = standards.file.about
    out.print(f"{about.name}: {about.title or about.title_zh or 'service standards'}", markup=False)
    for name, one in standards.calendars.items():
        out.print(f"Calendar {name}, {one.settings.time_zone}: {_known_years(standards, name)}", markup=False)
    for name in standards.clocks:
        rules = standards.rules(name)
        paused = "stands still in pauses" if rules.while_paused == "stands" else "runs through pauses"
        moved = {
            "goes_on": "goes on after a hand-over",
            "restarts": "restarts with a hand-over",
            "takes_tier": "takes the standard of the new tier with a hand-over",
        }[rules.hand_over]
        out.print(f"Clock {name}: from {' or '.join(rules.starts)} to {' or '.join(rules.stops)}; {paused}, {moved}.")
    table = Table(box=None, pad_edge=False)
    for column in ("#", "clock", "category", "tier", "channel", "promise", "calendar"):
        table.add_column(column)
    for promise in standards.promises:
        said = promise.standard
        chosen = [", ".join(value) if value else "any" for value in (said.category, said.tier, said.channel)]
        table.add_row(str(promise.number), said.clock, *chosen, _promised(promise), promise.calendar.name)
    out.print(table)


def _promised(promise: Promise) -> str:
    if promise.unit == "none":
        return "nothing"
    unit = promise.unit.replace("_", " ")
    moved = ", never ending on a day of rest" if promise.standard.last_day == "working" else ""
    return f"{promise.amount} {unit if promise.amount != 1 else unit.removesuffix('s')}{moved}"


def _known_years(standards: ServiceClock, name: str) -> str:
    one = standards.calendars[name]
    years = [_year(standards, name, year) for year in one.settings.years]
    span = f"{one.settings.first_year} to {one.settings.last_year}"
    if one.settings.holidays is None and not one.named:
        return f"{span}, no holidays."
    told = "; ".join(
        f"{year['year']}: {year['working_days']} working days, {year['holidays']} holidays"
        + (f", {year['make_up_days']} make-up days" if year["make_up_days"] else "")
        for year in years
    )
    if one.published_until is None:
        return f"{span}. {told}."
    more = " (last_year can be raised)" if one.published_until > one.settings.last_year else ""
    return f"{span}; make-up working days are published until {one.published_until}{more}. {told}."
