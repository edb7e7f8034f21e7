"""Finding weak signals and measuring pressure, and storing both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pandas as pd

from data.errors import NotEnoughDataError
from data.event_log import fold_cases
from data.replay import Replay
from data.store import Store
from features.facts import facts_from_events
from models.learning import Progress
from models.office_record import office_records
from models.signals import SignalSettings, detect_signals, pressure
from models.signals.afterwards import afterwards
from models.signals.counts import WeeklyCounts
from models.signals.nowcast import completeness
from models.signals.traps import prepared_counts
from models.signals.weeks_behind import WEEKS, weeks_behind
from service.board_counts import keep_board
from service.board_cover import Gap
from service.disclosure import MINIMUM
from service.places import read_places
from service.training import moment_of, silent

# What an earlier signal's next weeks showed is asked for so long: a year of them is on no list any more.
_YEAR: Final = 366 * 86_400
_WEEK: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Detected:
    """What a detection found: signals, pressure, and the record of each office against its own past
    (`models.office_record`). `notes`: what was left out of the counts, see `models.signals.traps`. `board_gaps`: why no
    echo board was made of the weeks that one was due of.
    """

    as_of: int
    signals: pd.DataFrame
    pressure: pd.DataFrame
    offices: pd.DataFrame
    notes: pd.DataFrame
    series: int
    weeks: int
    newest_opening: int
    board_gaps: tuple[Gap, ...] = ()


def detect(
    store: Store,
    *,
    as_of: int | None = None,
    settings: SignalSettings | None = None,
    weeks: int = WEEKS,
    minimum: int = MINIMUM,
    progress: Progress = silent,
) -> Detected:
    """Find weak signals and measure pressure, and store both, with the newest `weeks` weeks behind the signals; and
    make the echo board, once per block of weeks, with no count under `minimum` (`service.board_counts`).

    Each of those weeks is judged as if live, as a detection of its own; fewer are faster, and the picture of a signal
    is shorter then. What is a signal does not depend on them.
    """
    moment = moment_of(store, as_of)
    replay = Replay.at(store, moment, everything=as_of is None)
    events = replay.events()
    if events.empty:
        raise NotEnoughDataError("No case was known at that moment. Import a file first: `heed import FILE`.")
    zone = store.time_zone()
    progress("signals", 0, 2)
    cases = fold_cases(events)
    prepared = prepared_counts(cases, as_of=moment, time_zone=zone)
    counts = _completed(replace(prepared.counts, settled=prepared.settled), cases)
    settings = settings or SignalSettings()
    parents, groups = read_places(store).parents, groups_of(cases)
    found = detect_signals(counts, settings=settings, parents=parents, groups=groups)
    found = found.assign(as_of=moment, category_group=found["category"].map(groups))
    progress("signals", 1, 2)
    behind = weeks_behind(
        counts, found, weeks=weeks, settings=settings, parents=parents, groups=groups, progress=progress
    )
    measured = _pressure(store, cases, moment, zone)
    _keep_outcomes(store, counts, moment, partial(afterwards, settings=settings, parents=parents, groups=groups))
    # A server takes no truth value for a whole number.
    store.write_signals(found.assign(told=found["told"].astype("int64")), as_of=moment)
    store.write_signal_weeks(behind.assign(as_of=moment), as_of=moment)
    store.write_pressure(measured, as_of=moment)
    observed_until = replay.observed_until()
    gaps = keep_board(
        store,
        events,
        as_of=moment,
        time_zone=zone,
        parents=parents,
        minimum=minimum,
        observed_until=observed_until,
        last_import=replay.last_import,
    )
    progress("signals", 2, 2)
    matured = facts_from_events(events, observed_until=observed_until)["matured"]
    offices = office_records(matured, as_of=moment)
    n_weeks, n_series = counts.matrix.shape
    newest = int(cases["opened_at"].max())
    return Detected(moment, found, measured, offices, prepared.notes, n_series, n_weeks, newest, gaps)


def groups_of(cases: pd.DataFrame) -> Mapping[str, str]:
    """From each category to the group that most of its cases have; a group that is called like a category is none."""
    known = cases.dropna(subset=["category", "category_group"])
    pairs = known.groupby(["category", "category_group"], as_index=False).size()
    most = pairs.sort_values(["category", "size", "category_group"]).drop_duplicates("category", keep="last")
    groups = most[~most["category_group"].isin(cases["category"].dropna().unique())]
    return dict(zip(groups["category"], groups["category_group"], strict=True))


def _completed(counts: WeeklyCounts, cases: pd.DataFrame) -> WeeklyCounts:
    """The counts with what is known of their newest weeks: reports that come in late are no fall."""
    known = completeness(
        cases, as_of=counts.as_of, time_zone=counts.time_zone, series=counts.series, weeks=counts.weeks
    )
    return counts.completed_as(known.share)


def _pressure(store: Store, cases: pd.DataFrame, moment: int, zone: str) -> pd.DataFrame:
    expected = _expected_late(store, moment)
    parts = [
        pressure(cases, as_of=moment, unit=unit, time_zone=zone, expected_late=expected) for unit in ("area", "office")
    ]
    return pd.concat(parts, ignore_index=True)


def _expected_late(store: Store, as_of: int) -> pd.Series | None:
    """Probability by case of the scoring at the same moment; None where nothing was scored then."""
    risks = store.read_risks(as_of)
    late = risks[risks["outcome"] == "late"]
    return None if late.empty else late.set_index("case_id")["probability"]


def _keep_outcomes(
    store: Store, counts: WeeklyCounts, moment: int, told_later: Callable[[pd.DataFrame, WeeklyCounts], pd.DataFrame]
) -> None:
    """Write down what the weeks after earlier signals showed, where that can be told for the first time.

    The first week of a run that was told stands for the run: a rise of ten weeks is one rise.
    """
    earlier = store.read_all_signals()
    key = ["week", "area", "category", "direction"]
    told_before = earlier[(earlier["as_of"] < moment) & (earlier["week"] >= moment - _YEAR)].drop_duplicates(key)
    since = told_before.sort_values("week").groupby(key[1:])["week"].diff()
    # Half a week more than one: clocks change.
    onsets = told_before[~(since <= _WEEK + _WEEK // 2)]
    onsets = onsets[~onsets["signal_id"].isin(store.read_outcomes()["signal_id"])]
    if onsets.empty:
        return
    later = told_later(onsets, counts)["later"]
    told = later.isin(["lasted", "faded"])
    store.add_outcomes(onsets.loc[told, ["signal_id", *key]].assign(later=later[told], known_at=moment))
