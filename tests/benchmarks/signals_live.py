"""Real cities week by week, as if live: what was signalled, when, and what the later weeks showed.

    python -m tests.benchmarks.signals_live [--files chicago boston animal_pest] [--weeks N] [--every N] [--output DIR]

Each week is judged by what was known when it ended: cases opened by then, closings and withdrawals known by then.
These exports give the last state of a case, so that a type corrected later is counted as it was corrected. Of the past
at most five and a half years are kept: no method looks further back.

A rise has lasted where, over the four (eight) weeks after it, more than half of what was above the expected level is
still there; of a silence, where more than half of what was missing still is. What a category that starts or stops being
recorded raises is told by itself: it should be nothing.

Counts below ten are not printed, for this is about areas: "<10" stands for them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.event_log import fold_cases
from data.import_cases import import_file
from data.mapping import find_mapping
from data.replay import Replay
from data.store import Store
from models.plots.theme import LOWERS, OCHRE, QUIET, RAISES, finished, svg
from models.signals import assess_series, weekly_counts
from models.signals.counts import WeeklyCounts
from models.signals.nowcast import completeness
from models.signals.traps import prepared_counts
from tests.benchmarks.histories import REAL_DATA

if TYPE_CHECKING:
    import altair as alt

WEEK: Final = 7 * 86_400
# Below this a count of an area is not shown.
SMALLEST_SHOWN: Final = 10
_KEPT_WEEKS: Final = 287
# Weeks of past before the first week that is judged.
_FIRST: Final = 13
AFTER: Final = (4, 8)
_LISTED: Final = 25


@dataclass(frozen=True)
class Change:
    """A type that starts or stops being recorded: when, as local dates."""

    category: str
    start: str | None = None
    stop: str | None = None


@dataclass(frozen=True)
class City:
    """A public export, and the changes of its record that are known."""

    title: str
    file: str
    mapping: str
    changes: tuple[Change, ...] = ()


CITIES: Final[dict[str, City]] = {
    "chicago": City("Chicago, sanitation, 2011 to 2014", "chicago_sanitation_2011_2014.parquet", "chicago_sanitation"),
    "boston": City("Boston, July to December 2011", "boston_311_2011h2.parquet", "boston"),
    "animal_pest": City(
        "Boston, animals and pests, 2013 to 2023",
        "boston_311_animal_pest_2013_2023.parquet",
        "boston",
        (
            # The first cases of these three in the export are of that week.
            Change("Animal Found", start="2013-10-14"),
            Change("Animal Lost", start="2013-10-14"),
            Change("Animal Noise Disturbances", start="2013-10-14"),
            Change("Pick up Dead Animal", stop="2020-01-01"),
            Change("Pest Infestation - Residential", stop="2020-01-01"),
            Change("Bed Bugs", stop="2020-01-01"),
        ),
    ),
}


@dataclass(frozen=True)
class Live:
    """What a replay told.

    `signals`: one row per signal and week, with `week` (its start), the columns of `assess_series`, `first` (no signal
    of that series and direction in the week judged before), `after_4`, `after_8` (mean of the weeks after, over what
    was expected a week; NaN: not complete, or not recorded) and `lasted_4`, `lasted_8` (bool, null likewise).
    `weeks`: one row per week judged: `week`, `series` (with a judgement), `signals`, `small_p` (how many rises have
    p <= .01).
    """

    signals: pd.DataFrame
    weeks: pd.DataFrame
    seconds: float


def cases_of(city: City) -> tuple[pd.DataFrame, str]:
    """The folded cases of an export, and its time zone."""
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db", create=True) as store:
        import_file(store, REAL_DATA / city.file, find_mapping(city.mapping))
        zone = store.time_zone()
        return fold_cases(Replay.at(store, store.last_known_at() + 1, everything=True).events()), zone


def replay(
    cases: pd.DataFrame, zone: str, *, first: int | None = None, last: int | None = None, every: int = 1
) -> Live:
    """Judge every week (or every second, third) from `first` to `last` (starts, UTC seconds; None: all) as if live."""
    began = time.process_time()
    end = int(cases["opened_at"].max()) + 1
    final = weekly_counts(cases, as_of=end, time_zone=zone)
    told, weeks = [], []
    for start, as_of in list(_moments(final, first, last))[::every]:
        judged = _judged(cases, as_of, zone)
        if judged is None:
            continue
        told.append(judged[judged["signal"]])
        rises = judged.loc[judged["direction"] == "rise", "p_value"].dropna()
        weeks.append((start, len(rises), int(judged["signal"].sum()), float((rises <= 0.01).sum())))
    signals = pd.concat(told, ignore_index=True) if told else pd.DataFrame(columns=["week", "area", "category"])
    frame = pd.DataFrame(weeks, columns=["week", "series", "signals", "small_p"])
    known = prepared_counts(cases, as_of=end, time_zone=zone).counts
    return Live(_afterwards(signals, known, every), frame, time.process_time() - began)


def _moments(counts: WeeklyCounts, first: int | None, last: int | None) -> Iterator[tuple[int, int]]:
    """Start and end of each week that is judged."""
    ends = [*counts.weeks[1:].tolist(), counts.as_of]
    for row in range(_FIRST, len(counts.weeks)):
        start = int(counts.weeks[row])
        if (first is None or start >= first) and (last is None or start <= last):
            yield start, int(ends[row])


def _judged(cases: pd.DataFrame, as_of: int, zone: str) -> pd.DataFrame | None:
    known = cases[(cases["opened_known_at"] < as_of) & (cases["opened_at"] >= as_of - _KEPT_WEEKS * WEEK)]
    if known.empty:
        return None
    known = known.reset_index(drop=True)
    ready = prepared_counts(known, as_of=as_of, time_zone=zone)
    counts = replace(ready.counts, settled=ready.settled)
    late = completeness(known, as_of=as_of, time_zone=zone, series=counts.series, weeks=counts.weeks)
    return assess_series(counts.completed_as(late.share))


def _afterwards(signals: pd.DataFrame, counts: WeeklyCounts, every: int) -> pd.DataFrame:
    """What the weeks after each signal showed, by all that is known at the end."""
    rows = {key: n for n, key in enumerate(zip(counts.series["area"], counts.series["category"], strict=True))}
    keys = set(zip(signals["week"], signals["area"], signals["category"], signals.get("direction", []), strict=False))
    added: dict[str, list[Any]] = {"first": [], **{f"{n}_{k}": [] for n in ("after", "lasted") for k in AFTER}}
    for signal in signals.to_dict("records"):
        key = (signal["area"], signal["category"], signal["direction"])
        added["first"].append(
            not any((signal["week"] - every * WEEK + hour, *key) in keys for hour in (-3600, 0, 3600))
        )
        week = int(np.searchsorted(counts.weeks, signal["week"]))
        expected = signal["expected"] / signal["window_weeks"]
        now = signal["observed"] / signal["window_weeks"]
        series = rows.get(key[:2])
        for k in AFTER:
            later = slice(week + 1, week + 1 + k)
            known = series is not None and week + 1 + k <= len(counts.weeks)
            if known and counts.recorded is not None:
                known = bool(counts.recorded[later, series].all())
            mean = float(counts.matrix[later, series].mean()) if known else np.nan
            added[f"after_{k}"].append(mean / expected if expected > 0 else np.nan)
            halfway = (now + expected) / 2
            kept = mean > halfway if signal["direction"] == "rise" else mean < halfway
            added[f"lasted_{k}"].append(kept if known else None)
    return signals.assign(**added)


def of_changes(found: Live, city: City, zone: str, weeks: int = 13) -> pd.DataFrame:
    """Signals of types that start or stop being recorded: from the week of the change on.

    Of a start within so many weeks of it: later a type has a past of its own to rise from. Of a stop to the end; what a
    type did before it stopped is no part of that.

    Returns
    -------
    DataFrame: `category`, `change` ("start" or "stop"), `signals`.
    """
    rows = []
    for change in city.changes:
        own = found.signals[found.signals["category"] == change.category]
        for name, day in (("start", change.start), ("stop", change.stop)):
            if day is None:
                continue
            moment = pd.Timestamp(day, tz=zone).timestamp()
            until = moment + weeks * WEEK if name == "start" else np.inf
            # A week holds the change from its own beginning on.
            near = own["week"].between(moment - WEEK + 1, until)
            rows.append((change.category, name, int(near.sum())))
    return pd.DataFrame(rows, columns=["category", "change", "signals"])


def shown(count: float) -> str:
    """A count as it may be printed."""
    return "<10" if count < SMALLEST_SHOWN else f"{count:,.0f}"


def figures(found: Live) -> dict[str, Any]:
    """The figures of one city."""
    signals, weeks = found.signals, found.weeks
    first = signals[signals["first"].astype(bool)] if len(signals) else signals
    said: dict[str, Any] = {
        "weeks": len(weeks),
        "series": int(weeks["series"].max()) if len(weeks) else 0,
        "signals": len(signals),
        "episodes": len(first),
        "per_week": round(float(weeks["signals"].mean()), 2),
        "most_in_a_week": int(weeks["signals"].max()),
        "weeks_with_any": round(float((weeks["signals"] > 0).mean()), 3),
        "weeks_judged": int((weeks["series"] > 0).sum()),
        "share_p_01": round(float(weeks["small_p"].sum() / max(int(weeks["series"].sum()), 1)), 4),
        "cpu_seconds_per_week": round(found.seconds / max(len(weeks), 1), 2),
    }
    for direction in ("rise", "silence"):
        own = first[first["direction"] == direction] if len(first) else first
        said[f"{direction}s"] = len(own)
        for k in AFTER:
            known = own[f"lasted_{k}"].dropna().astype(bool) if len(own) else pd.Series(dtype=bool)
            said[f"{direction}s_lasted_{k}"] = f"{int(known.sum())} of {len(known)}"
    return said


def picture(found: dict[str, tuple[Live, str]]) -> alt.VConcatChart:
    """Signals of each week, by whether the change lasted over the four weeks after; one panel per city."""
    import altair as alt

    names = ["rise, lasted", "rise, faded", "silence", "not known yet"]
    panels = []
    for title, (live, zone) in found.items():
        rows = live.signals.assign(
            date=pd.to_datetime(live.signals["week"], unit="s", utc=True).dt.tz_convert(zone).dt.tz_localize(None),
            kind=[_kind(row) for row in live.signals.to_dict("records")],
        )
        counted = rows.groupby(["date", "kind"]).size().rename("signals").reset_index()
        panels.append(
            alt.Chart(counted, title=title)
            .mark_bar()
            .encode(
                x=alt.X(
                    "date:T",
                    title=None,
                    scale=alt.Scale(padding=12),
                    axis=alt.Axis(format="%Y-%m-%d", tickCount=7, labelOverlap=True),
                ),
                y=alt.Y("signals:Q", title="signals a week", axis=alt.Axis(tickMinStep=1)),
                color=alt.Color(
                    "kind:N", title=None, scale=alt.Scale(domain=names, range=[RAISES, OCHRE, LOWERS, QUIET])
                ),
            )
            .properties(width=640, height=110)
        )
    chart: alt.VConcatChart = finished(alt.vconcat(*panels))
    return chart


def _kind(row: dict[Any, Any]) -> str:
    if row["direction"] == "silence":
        return "silence"
    if row["lasted_4"] is None or pd.isna(row["lasted_4"]):
        return "not known yet"
    return "rise, lasted" if row["lasted_4"] else "rise, faded"


def _episodes(console: Console, found: Live, zone: str) -> None:
    table = Table("week", "area", "category", "direction", "window", "count", "expected", "after 4", "after 8")
    first = found.signals[found.signals["first"].astype(bool)] if len(found.signals) else found.signals
    clearest = first.nsmallest(_LISTED, "p_value").sort_values("week") if len(first) else first
    for row in clearest.to_dict("records"):
        small = min(row["observed"], row["expected"]) < SMALLEST_SHOWN
        table.add_row(
            str(pd.Timestamp(row["week"], unit="s", tz="UTC").tz_convert(zone).date()),
            str(row["area"]),
            str(row["category"]),
            str(row["direction"]),
            f"{row['window_weeks']} w",
            shown(row["observed"]),
            shown(row["expected"]),
            *(_after(row, k, small=small) for k in AFTER),
        )
    console.print(table)


def _after(row: dict[Any, Any], k: int, *, small: bool) -> str:
    if row[f"lasted_{k}"] is None or pd.isna(row[f"lasted_{k}"]):
        return "?"
    word = "lasted" if row[f"lasted_{k}"] else "faded"
    # A ratio to a small count would give the count back.
    return word if small else f"{word}, x {row[f'after_{k}']:.1f}"


def main(arguments: list[str] | None = None) -> None:
    """Replay the cities, and print what they told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="+", choices=list(CITIES), default=list(CITIES))
    parser.add_argument("--weeks", type=int, help="only the newest so many weeks of each")
    parser.add_argument("--every", type=int, default=1, help="judge every second (third) week only, to save time")
    parser.add_argument("--output", type=Path, help="draw the signals of each week into this folder, as SVG")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    console = Console(width=170, soft_wrap=True, stderr=options.json)
    said: dict[str, Any] = {}
    drawn: dict[str, tuple[Live, str]] = {}
    for name in options.files:
        city = CITIES[name]
        if not (REAL_DATA / city.file).exists():
            console.print(f"{city.title}: the file is not on this machine")
            continue
        cases, zone = cases_of(city)
        first = None if options.weeks is None else int(cases["opened_at"].max()) - options.weeks * WEEK
        found = replay(cases, zone, first=first, every=options.every)
        changes = of_changes(found, city, zone)
        said[name] = {**figures(found), "signals_of_changes": int(changes["signals"].sum())}
        drawn[city.title] = (found, zone)
        console.print(f"\n[bold]{city.title}[/]\n{json.dumps(said[name], indent=1)}")
        _episodes(console, found, zone)
        if len(changes):
            console.print(changes.to_string(index=False))
    if options.json:
        sys.stdout.write(json.dumps(said, indent=1) + "\n")
    if options.output and drawn:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "signals_live.svg").write_bytes(svg(picture(drawn)))
        console.print(f"drawn: {options.output / 'signals_live.svg'}")


if __name__ == "__main__":
    main()
