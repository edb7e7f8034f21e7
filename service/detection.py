"""Finding weak signals and measuring pressure, and storing both."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from data.errors import NotEnoughDataError
from data.event_log import fold_cases
from data.quality.recording import recorded_weeks, recording, without_spikes
from data.replay import Replay
from data.store import Store
from features.facts import facts_from_events
from models.learning import Progress
from models.office_record import office_records
from models.signals import SignalSettings, detect_signals, pressure, weekly_counts
from service.training import moment_of, silent


@dataclass(frozen=True, slots=True)
class Detected:
    """What a detection found: signals, pressure, and the record of each office against its own past
    (`models.office_record`).
    """

    as_of: int
    signals: pd.DataFrame
    pressure: pd.DataFrame
    offices: pd.DataFrame
    series: int
    weeks: int
    newest_opening: int


def detect(
    store: Store,
    *,
    as_of: int | None = None,
    settings: SignalSettings | None = None,
    progress: Progress = silent,
) -> Detected:
    """Find weak signals and measure pressure, and store both."""
    moment = moment_of(store, as_of)
    replay = Replay.at(store, moment, everything=as_of is None)
    events = replay.events()
    if events.empty:
        raise NotEnoughDataError("No case was known at that moment. Import a file first: `heed import FILE`.")
    zone = store.time_zone()
    progress("signals", 0, 2)
    cases = fold_cases(events)
    counts = weekly_counts(cases, as_of=moment, time_zone=zone)
    # Weeks in which something was not recorded, or imported in bulk, are neither a past nor a signal.
    there = recorded_weeks(recording(cases, moment, zone), counts.series, counts.weeks)
    there &= without_spikes(cases, counts.series, counts.weeks, moment, zone)
    counts = counts.recorded_as(there)
    found = detect_signals(counts, settings=settings or SignalSettings())
    progress("signals", 1, 2)
    expected = _expected_late(store, moment)
    measured = pd.concat(
        [
            pressure(cases, as_of=moment, unit=unit, time_zone=zone, expected_late=expected)
            for unit in ("area", "office")
        ],
        ignore_index=True,
    )
    store.write_signals(found.assign(as_of=moment), as_of=moment)
    store.write_pressure(measured, as_of=moment)
    progress("signals", 2, 2)
    matured = facts_from_events(events, observed_until=replay.observed_until())["matured"]
    offices = office_records(matured, as_of=moment)
    return Detected(
        moment, found, measured, offices, counts.matrix.shape[1], counts.matrix.shape[0], int(cases["opened_at"].max())
    )


def _expected_late(store: Store, as_of: int) -> pd.Series | None:
    """Probability by case of the scoring at the same moment; None where nothing was scored then."""
    risks = store.read_risks(as_of)
    late = risks[risks["outcome"] == "late"]
    return None if late.empty else late.set_index("case_id")["probability"]
