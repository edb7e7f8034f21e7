"""The morning's work: the risk of every open case, with its interval and its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data import tables
from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER
from data.store import Store
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.landmarks import landmarks_now, queries_at
from features.risk_inputs import RiskInputs, input_terms, possible, risk_inputs
from models.failures import ANY, FailureModels, Told
from models.learning import Progress
from models.reasons import OVERDUE_REASONS, stored_reasons
from models.registry import Registry
from models.remaining_time import Distribution
from service.drift import drift_rows
from service.known import Known, standards_of
from service.online.saved_index import About, save_index
from service.past_cases import FILE as PAST_CASES
from service.past_cases import PastCases
from service.training import champion, moment_of, silent

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# From what risk on a case is worth an officer's morning. Words for people; nothing is decided by them.
HIGH: Final = 0.5
MEDIUM: Final = 0.25
# A case that no import has shown for so long may have been closed unseen: it is reported, and not listed as open.
STALE_AFTER: Final = 30 * 86_400
LATE: Final = "late"
# Of the intervals of the remaining time that are stored.
LEVELS: Final = (0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a scoring found: when, with which models, and how many open cases of each kind.

    Attributes
    ----------
    as_of : int64 seconds in UTC
    model_version : of the models in use
    open_cases : known to be open, and seen lately
    overdue : of them, those whose promise has passed
    not_seen_lately : open ones that no import has shown for 30 days; they are not scored
    without_promise : open ones that were promised nothing, or nothing new since they were reopened: they cannot be late
    high : at high risk of being late
    expected_late : sum of the risks of being late
    expected : outcome -> sum of its risks, any failure among them; overdue cases count there as failed
    """

    as_of: int
    model_version: str
    open_cases: int
    overdue: int
    not_seen_lately: int
    without_promise: int
    high: int
    expected_late: float
    expected: dict[str, float]


def score_open_cases(
    store: Store,
    registry: Registry,
    *,
    as_of: int | None = None,
    index_folder: Path | None = None,
    progress: Progress = silent,
) -> Scored:
    """Work out all risks of every case that is open, and store them with their reasons.

    Each case is asked about as it stands at the moment: how far it has come is part of what the models learned. A case
    whose promise has passed is not at risk of being late any more: it is late, and is stored as that, and as failed. A
    reopened case is judged by a promise made since. A case without a promise that still stands cannot be late; its
    other risks are stored. (The list of the service goes by lateness and does not show it yet.)

    With `index_folder` (`Settings.index_folder`) the event index is kept there, so that the service can score cases
    that are posted from the same facts (`service.online`), with counts of past cases (`service.past_cases`).

    Raises
    ------
    NotEnoughDataError
        If no case was known then.
    UsageError
        If there are no models, or they learned from what became known after the moment.
    """
    version, models = champion(registry)
    refuse_hindsight(models, moment_of(store, as_of))
    known = Known.at(store, as_of)
    if known.events.empty:
        raise NotEnoughDataError("No case was known at that moment. Import a file first: `heed import FILE`.")
    progress("score", 0, 3)
    landmarks = landmarks_now(known.events, known.as_of)
    stale = known.observed_until.reindex(landmarks["case_id"]).to_numpy("int64") < known.as_of - STALE_AFTER
    active = landmarks[~stale].reset_index(drop=True)
    index, zone = _index(models, known), store.time_zone()
    inputs = _inputs(models, known, active, zone, index)
    progress("score", 1, 3)
    told = models.tell(inputs)
    past = overdue(active)
    risks = pd.concat(_rows(models, version, inputs, told, past, known.as_of), ignore_index=True)
    progress("score", 2, 3)
    drift = drift_rows(store, models, version, known, inputs, {name: one.probability for name, one in told.items()})
    store.write_risks(risks, as_of=known.as_of, drift=drift)
    store.write_remaining_times(remaining_rows(models, version, inputs, told, known.as_of), as_of=known.as_of)
    if index_folder is not None:
        counted = PastCases.count(known, time_zone=zone, trained_before=models.trained_before)
        about = About(known.as_of, zone, standards_of(store), version)
        save_index(index_folder, index, about, {PAST_CASES: counted.to_bytes()})
    progress("score", 3, 3)
    late = risks[(risks["outcome"] == LATE) & (risks["reasons"] != OVERDUE_REASONS)]
    return Scored(
        as_of=known.as_of,
        model_version=version,
        open_cases=len(active),
        overdue=int(past.sum()),
        not_seen_lately=int(stale.sum()),
        without_promise=len(active) - int(past.sum()) - int(possible(active, LATE).sum()),
        high=int((late["band"] == "high").sum()),
        expected_late=float(late["probability"].sum()),
        expected={str(name): float(value) for name, value in risks.groupby("outcome")["probability"].sum().items()},
    )


def refuse_hindsight(models: FailureModels, as_of: int) -> None:
    """Models that learned from later outcomes know how the cases of that morning ended."""
    if models.trained_before > as_of:
        learned, asked = (datetime.fromtimestamp(ts, UTC).isoformat() for ts in (models.trained_before, as_of))
        raise UsageError(
            f"Expected models made by the moment asked about, {asked}, and those in use learned from outcomes known up "
            f"to {learned}. Make some of that time first: `heed train --as-of {asked} --override replay`."
        )


def overdue(landmarks: pd.DataFrame) -> Mask:
    """Open cases whose promise has passed, (n,) bool; one made before a reopening was kept or broken then."""
    due, at, again = (landmarks[name].to_numpy("int64") for name in ("due_at", "landmark_at", "reopened_at"))
    renewed = (again == NEVER) | (due > again)
    return np.asarray((due <= at) & renewed)


def band(probability: Floats) -> NDArray[np.str_]:
    """The word for a probability: high from 0.5, medium from 0.25, low below."""
    return np.select([probability >= HIGH, probability >= MEDIUM], ["high", "medium"], "low")


def _index(models: FailureModels, known: Known) -> EventIndex:
    facts = facts_from_events(
        known.events, known.inspections, known.observed_until, capacity=known.capacity, adjacency=known.adjacency
    )
    return EventIndex.build(facts, input_terms(models.features, models.outcomes))


def _inputs(
    models: FailureModels, known: Known, landmarks: pd.DataFrame, time_zone: str, index: EventIndex | None = None
) -> RiskInputs:
    index = _index(models, known) if index is None else index
    source = IndexTerms(index, queries_at(landmarks))
    return risk_inputs(
        source, landmarks, models.features, models.outcomes, time_zone=time_zone, calendar=known.calendar
    )


def _rows(
    models: FailureModels, version: str, inputs: RiskInputs, told: dict[str, Told], past: Mask, as_of: int
) -> Iterator[pd.DataFrame]:
    """The risks of each outcome where it is possible, then the certainties of cases that are late."""
    for outcome, found in told.items():
        asked = ~np.isnan(found.probability)
        if outcome == ANY:
            asked &= ~past
        if asked.any():
            chosen = inputs.rows(asked)
            reasons = reasons_of(models, chosen, outcome)
            ends = Told(*(end[asked] for end in (found.probability, found.lower, found.upper)))
            yield _frame(chosen.landmarks, version, as_of, outcome, ends, reasons)
    late = inputs.landmarks[past]
    certain = np.ones(len(late))
    for outcome in (LATE, ANY):
        ends = Told(certain, certain, certain)
        yield _frame(late, version, as_of, outcome, ends, [OVERDUE_REASONS] * len(late))


def reasons_of(models: FailureModels, inputs: RiskInputs, outcome: str) -> list[str]:
    """The reasons of n risks of one outcome as they are stored, in order; the outcome must be possible in all."""
    starts = inputs.starts if outcome == ANY else {outcome: inputs.starts[outcome]}
    return stored_reasons(models.explain(inputs, outcome), inputs.matrix, starts=starts)


def remaining_rows(
    models: FailureModels, version: str, inputs: RiskInputs, told: dict[str, Told], as_of: int
) -> pd.DataFrame:
    """How long each case will wait on, in seconds; no rows where the models do not tell."""
    if models.remaining is None or not len(inputs):
        return pd.DataFrame(columns=[column.name for column in tables.remaining_time.columns])
    found = models.tell_remaining(inputs, told[LATE].probability if LATE in told else None)
    ends = {f"{end}_{round(100 * level)}": value for level in LEVELS for end, value in _ends(found, level)}
    return pd.DataFrame(
        {
            "case_id": inputs.landmarks["case_id"].to_numpy(),
            "as_of": as_of,
            "model_version": version,
            "median": found.median(),
            **ends,
        }
    )


def _ends(found: Distribution, level: float) -> Iterator[tuple[str, Floats]]:
    lower, upper = found.interval(level)
    yield "lower", lower
    yield "upper", np.where(np.isfinite(upper), upper, np.nan)


def _frame(
    landmarks: pd.DataFrame, version: str, as_of: int, outcome: str, told: Told, reasons: list[str]
) -> pd.DataFrame:
    probability = np.clip(told.probability, 0.0, 1.0)
    return pd.DataFrame(
        {
            "case_id": landmarks["case_id"].to_numpy(),
            "outcome": outcome,
            "as_of": as_of,
            "model_version": version,
            "landmark_at": landmarks["landmark_at"].to_numpy("int64"),
            "probability": probability,
            "band": band(probability),
            "reasons": reasons,
            "lower": np.clip(told.lower, 0.0, 1.0),
            "upper": np.clip(told.upper, 0.0, 1.0),
        }
    )
