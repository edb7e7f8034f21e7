"""The matrix of a store as one table: landmarks, features, and what became of each case.

Whichever engine counts, the table is the same to the bit (`features.distributed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from data.errors import NotEnoughDataError, UsageError
from data.store import Store
from features.catalogue import CATALOGUE, available
from features.distributed.engines import ENGINE_NAMES, engine
from features.distributed.pipeline import History, case_landmarks, events_to_table, matrix_on
from features.landmarks import LANDMARK_KINDS, LandmarkKind
from features.matrix import Matrix, landmark_matrix
from features.outcomes import outcome_frame, outcomes_at
from service.known import Known

# What may be asked for with --landmarks.
LANDMARK_CHOICES: Final[dict[str, tuple[LandmarkKind, ...]]] = {
    **{kind: (kind,) for kind in LANDMARK_KINDS},
    "all": LANDMARK_KINDS,
}
# The families that tell how far a case has come.
_SINCE_THEN: Final = ("progress", "deadline")
_OF_LANDMARKS: Final = ("landmark", "case_id", "kind", "landmark_at", "seen_until", "opened_at", "due_at")


def feature_table(
    store: Store,
    *,
    as_of: int | None = None,
    kinds: Sequence[LandmarkKind] = ("opening",),
    for_model: bool = True,
    by: str = "embedded",
) -> pd.DataFrame:
    """One row per landmark: which it is, the features, and the outcomes with their maturity and censoring.

    Parameters
    ----------
    store : Store
    as_of : int64 seconds in UTC; uses what was known strictly before it and recorded by then. None: all
    kinds : of landmarks
    for_model : only features that a model learns from unless told otherwise; and, after the opening, those that tell
        of the time since
    by : the engine, one of `features.distributed.engines.ENGINE_NAMES`

    Returns
    -------
    DataFrame, case by case in the order of their opening
        `landmark`, `case_id`, `kind`, `landmark_at`, `seen_until`, `opened_at`, `due_at`; a column for each feature;
        the columns of `features.outcomes.outcome_frame`. Moments are int64 seconds in UTC.

    Raises
    ------
    NotEnoughDataError
        If nothing was known by then.
    UsageError
        If there is no such engine, or its extra is not installed.
    """
    if by not in ENGINE_NAMES:
        raise UsageError(f"--engine: expected one of {', '.join(ENGINE_NAMES)}, got '{by}'.")
    known = Known.at(store, as_of)
    if known.events.empty:
        raise NotEnoughDataError("Nothing was known at that moment. Import a file first: `heed import FILE`.")
    later = tuple(kinds) != ("opening",)
    names = _names(store, for_model=for_model, later=later)
    matrix = _matrix(store, known, kinds, names, by)
    outcomes = outcomes_at(known.events, matrix.landmarks, as_of=known.as_of, observed_until=known.observed_until)
    landmarks = matrix.landmarks[[*_OF_LANDMARKS]]
    return pd.concat([landmarks, matrix.features, outcome_frame(outcomes)], axis=1)


def _names(store: Store, *, for_model: bool, later: bool) -> list[str]:
    """Features of the matrix. Landmarks after the opening have what tells of the time since, for models or not: without
    it a morning would look like the opening.
    """
    known = store.known_at_opening()
    chosen = set(available(known, for_model=for_model, after_opening=later))
    every = available(known, for_model=False, after_opening=later)
    return [name for name in every if name in chosen or (later and CATALOGUE[name].family in _SINCE_THEN)]


def _matrix(store: Store, known: Known, kinds: Sequence[LandmarkKind], names: Sequence[str], by: str) -> Matrix:
    zone = store.time_zone()
    if by == "embedded":
        return landmark_matrix(
            known.events,
            time_zone=zone,
            as_of=known.as_of,
            known_at_opening=store.known_at_opening(),
            kinds=kinds,
            inspections=known.inspections,
            names=names,
            observed_until=known.observed_until,
            capacity=known.capacity,
            adjacency=known.adjacency,
            calendar=known.calendar,
        )
    events = events_to_table(known.events, known.observed_until)
    history = History(events, known.inspections, known.capacity, known.adjacency)
    chosen = engine(by)
    try:
        found = case_landmarks(chosen, history, time_zone=zone, as_of=known.as_of, kinds=kinds)
        return matrix_on(chosen, history, found, names, time_zone=zone, calendar=known.calendar)
    finally:
        chosen.close()
