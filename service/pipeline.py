"""The steps of the daily work, one function each: train, score, detect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER, fold_cases
from data.quality.recording import recorded_weeks, recording, without_spikes
from data.replay import Replay
from data.store import Store
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_contract, facts_from_events
from features.landmarks import named_then, opening_landmarks, queries_at
from features.matrix import matrix_at, terms_of
from features.records import Floats, Records
from models.office_record import office_records
from models.reasons import OVERDUE_REASONS, stored_reasons
from models.registry import Registry
from models.risk import RiskModel
from models.signals import SignalSettings, detect_signals, pressure, weekly_counts
from models.training import History, Progress, train
from models.waiting import waiting_adds, waiting_terms
from service.known import Known

# From what risk on a case is worth an officer's morning. Words for people; nothing is decided by them.
HIGH: Final = 0.5
MEDIUM: Final = 0.25
# A case that no import has shown for so long may have been closed unseen: it is reported, and not listed as open.
STALE_AFTER: Final = 30 * 86_400


def silent(_text: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def history_of(
    store: Store, *, as_of: int | None = None, outcome: str = "late", names: Sequence[str] | None = None
) -> History:
    """The store's history as known strictly before `as_of` and recorded by then (`data.replay`); all when None.

    Raises
    ------
    NotEnoughDataError
        If the store holds no case.
    """
    known = Known.at(store, as_of)
    return History.build(
        known.events,
        as_of=known.as_of,
        time_zone=store.time_zone(),
        known_at_opening=store.known_at_opening(),
        inspections=known.inspections,
        names=names,
        outcome=outcome,
        observed_until=known.observed_until,
        capacity=known.capacity,
        adjacency=known.adjacency,
        calendar=known.calendar,
    )


def train_model(store: Store, registry: Registry, history: History, *, promote: bool = True) -> tuple[str, RiskModel]:
    """Train on a history of the store, save, and put the model to use; returns its version and the model."""
    outcome = history.outcome.name
    model = train(history)
    model.card = {
        **model.card,
        "trained_before": datetime.fromtimestamp(history.as_of, UTC).isoformat(),
        "sources": sorted(store.sources()["source"]),
        "near_instant_left_out": history.near_instant,
        "facts_contract": facts_contract(),
    }
    version = registry.save(outcome, model.to_files())
    if promote:
        registry.promote(outcome, version)
    return version, model


def champion(registry: Registry, outcome: str = "late") -> tuple[str, RiskModel]:
    """The model in use.

    Raises
    ------
    UsageError
        If there is none yet, or it learned from facts of another version: they would not mean what it learned.
    """
    version = registry.champion(outcome)
    if version is None:
        raise UsageError(f"There is no model for '{outcome}' yet. Make one with `heed train`.")
    model = RiskModel.from_files(registry.load(version).files)
    if model.card.get("facts_contract") != facts_contract():
        raise UsageError(
            f"Expected a model made of the facts of this version, and {version} learned from others. Make one anew: "
            "`heed train`."
        )
    return version, model


@dataclass(frozen=True, slots=True)
class Scored:
    """What a scoring found: when, with which model, and how many open cases of each kind."""

    as_of: int
    model_version: str
    open_cases: int
    overdue: int
    not_seen_lately: int
    without_promise: int
    high: int
    expected_late: float


def score_open_cases(
    store: Store, registry: Registry, *, as_of: int | None = None, progress: Progress = silent
) -> Scored:
    """Score every case that is open, and store risk and reasons.

    A case whose promise has passed is not at risk any more: it is late, and is stored as that. A reopened case is
    judged as one that was opened anew, by the promise made then. A case without a promise that still stands cannot be
    late and is not scored.
    """
    version, model = champion(registry)
    _refuse_hindsight(model, _moment(store, as_of))
    known = Known.at(store, as_of)
    moment, followed = known.as_of, known.observed_until
    if known.events.empty:
        raise NotEnoughDataError("No case was known at that moment. Import a file first: `heed import FILE`.")
    progress("score", 0, 3)
    cases = fold_cases(known.events)
    open_cases = cases[(cases["closed_at"] == NEVER) & (cases["withdrawn_known_at"] == NEVER)]
    stale = followed.reindex(open_cases["case_id"]).to_numpy("int64") < moment - STALE_AFTER
    active = open_cases[~stale]
    duties = _duties(active)
    due = duties["due_at_opening"].to_numpy("int64")
    ahead = duties[(due < NEVER) & (due >= moment)].reset_index(drop=True)
    past = duties[due < moment].reset_index(drop=True)
    facts = facts_from_events(
        known.events, known.inspections, followed, capacity=known.capacity, adjacency=known.adjacency
    )
    index = EventIndex.build(facts, (*terms_of(model.feature_names_in_), *waiting_terms()))
    progress("score", 1, 3)
    risks = _risks(model, version, index, ahead, known, store.time_zone())
    progress("score", 2, 3)
    overdue = _overdue(past, version, moment)
    store.write_risks(pd.concat([risks, overdue], ignore_index=True), as_of=moment)
    progress("score", 3, 3)
    return Scored(
        as_of=moment,
        model_version=version,
        open_cases=len(active),
        overdue=len(past),
        not_seen_lately=int(stale.sum()),
        without_promise=len(active) - len(ahead) - len(past),
        high=int((risks["band"] == "high").sum()),
        expected_late=float(risks["probability"].sum()),
    )


def _refuse_hindsight(model: RiskModel, as_of: int) -> None:
    """A model that learned from later outcomes knows how the cases of that morning ended."""
    if model.trained_before_ > as_of:
        learned, asked = (datetime.fromtimestamp(ts, UTC).isoformat() for ts in (model.trained_before_, as_of))
        raise UsageError(
            f"Expected a model made by the moment asked about, {asked}, and the one in use learned from outcomes known "
            f"up to {learned}. Make one of that time first: `heed train --as-of {asked}`."
        )


def _duties(active: pd.DataFrame) -> pd.DataFrame:
    """Open cases with the duty that stands: since the opening, or since the last reopening with its new promise."""
    again = (active["reopened_known_at"] < NEVER).to_numpy()
    since, newest = active["reopened_known_at"], active["due_at"]
    renewed = newest.where(newest > since, NEVER)
    return active.assign(
        opened_at=active["opened_at"].where(~again, since),
        opened_known_at=active["opened_known_at"].where(~again, since),
        due_at_opening=active["due_at_opening"].where(~again, renewed),
    )


def _risks(
    model: RiskModel, version: str, index: EventIndex, cases: pd.DataFrame, known: Known, time_zone: str
) -> pd.DataFrame:
    as_of = known.as_of
    # By the names that were known when the duty began, as in training.
    landmarks = named_then(opening_landmarks(cases), known.events)
    source = IndexTerms(index, queries_at(landmarks))
    matrix = matrix_at(source, landmarks, model.feature_names_in_, time_zone=time_zone, calendar=known.calendar)
    passed, waiting = _waiting(index, landmarks, as_of)
    explanation = model.explain(matrix, waiting)
    probability = np.clip(explanation.probability, 0.0, 1.0)
    reasons = stored_reasons(explanation, matrix, passed)
    return _risk_frame(landmarks, version, as_of, probability, band(probability), reasons)


def _waiting(index: EventIndex, landmarks: pd.DataFrame, as_of: int) -> tuple[Floats, Floats]:
    """For cases open at `as_of`: the share of the promised time that has passed, and what that adds in log-odds."""
    opened, due = (landmarks[name].to_numpy("int64") for name in ("opened_at", "due_at"))
    passed = np.clip((as_of - opened) / np.maximum(due - opened, 1), 0.0, 1.0)
    now = queries_at(landmarks.assign(landmark_at=as_of))
    return passed, waiting_adds(Records(IndexTerms(index, now)), passed)


def _overdue(cases: pd.DataFrame, version: str, as_of: int) -> pd.DataFrame:
    certain = np.ones(len(cases))
    return _risk_frame(opening_landmarks(cases), version, as_of, certain, band(certain), [OVERDUE_REASONS] * len(cases))


def _risk_frame(
    landmarks: pd.DataFrame, version: str, as_of: int, probability: Any, bands: Any, reasons: list[str]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": landmarks["case_id"],
            "outcome": "late",
            "as_of": as_of,
            "model_version": version,
            "landmark_at": landmarks["landmark_at"],
            "probability": probability,
            "band": bands,
            "reasons": reasons,
        }
    )


def band(probability: np.ndarray) -> np.ndarray:
    """The word for a probability: high from 0.5, medium from 0.25, low below."""
    return np.select([probability >= HIGH, probability >= MEDIUM], ["high", "medium"], "low")


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
    moment = _moment(store, as_of)
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
    return None if risks.empty else risks.set_index("case_id")["probability"]


def _moment(store: Store, as_of: int | None) -> int:
    """By default just after the last thing known, so that the newest event counts."""
    return store.last_known_at() + 1 if as_of is None else as_of
