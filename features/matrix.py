"""The matrix of features: one row per landmark, one column per feature of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data.clock import WorkingCalendar
from data.errors import NotEnoughDataError, UsageError
from data.event_log import fold_cases, known_before
from features.base_score import base_score
from features.case_state import STATE_COLUMNS
from features.catalogue import CATALOGUE, FORMULAS, available, require_available
from features.event_index import EventIndex, IndexTerms
from features.facts import KEY_COLUMNS, facts_from_events, opened_only
from features.facts.build import Adjacency
from features.formula import Asked
from features.landmarks import LANDMARK_KINDS, LandmarkKind, named_then, opening_landmarks, queries_at
from features.landmarks import landmarks as landmarks_of
from features.records import Floats
from features.terms import Term, Terms, traced

_NAMES: Final = ("case_id", "kind", *KEY_COLUMNS)
_NUMBERS: Final = ("landmark_at", "seen_until", *(name for name in STATE_COLUMNS if name not in _NAMES))
_NO_LANDMARKS: Final = pd.DataFrame(
    {name: pd.Series(dtype="int64") for name in _NUMBERS} | {name: pd.Series(dtype="str") for name in _NAMES}
)


@dataclass(frozen=True)
class Matrix:
    """Features of n landmarks.

    Attributes
    ----------
    landmarks : DataFrame of n rows, see `features.landmarks`
    features : DataFrame of float64, n rows in the same order; columns are names of the catalogue
    offset_parts : DataFrame of float64, n rows; the parts of the base score in log-odds. The first, `city`, is where
        every case starts; the others are named as the features they belong to, and their sum with `city` is the
        base score.
    """

    landmarks: pd.DataFrame
    features: pd.DataFrame
    offset_parts: pd.DataFrame

    def __len__(self) -> int:
        return len(self.landmarks)

    def base_score(self) -> Floats:
        """The sum of `offset_parts`, shape (n,), in log-odds; the same for a landmark alone as among others."""
        return base_score({str(name): part.to_numpy(np.float64) for name, part in self.offset_parts.items()})

    def rows(self, chosen: np.ndarray) -> Matrix:
        """The landmarks that a boolean mask or positions choose."""
        parts = (frame.iloc[np.flatnonzero(chosen) if chosen.dtype == bool else chosen] for frame in self._frames())
        return Matrix(*(part.reset_index(drop=True) for part in parts))

    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.landmarks, self.features, self.offset_parts


def opening_matrix(
    events: pd.DataFrame,
    *,
    time_zone: str,
    known_at_opening: Sequence[str] | frozenset[str],
    inspections: pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
    cases: pd.DataFrame | None = None,
    observed_until: pd.Series | None = None,
    capacity: pd.DataFrame | None = None,
    adjacency: Adjacency | None = None,
    calendar: WorkingCalendar | None = None,
) -> Matrix:
    """Features of every case at the moment of its opening.

    Parameters
    ----------
    events : event frame, see `data.schema.EVENT_COLUMNS`
        May reach beyond any landmark: a landmark's features use what was known strictly before it.
    time_zone : IANA name; hours and weekdays are read in it
    known_at_opening : key columns that the sources know when a case opens
    inspections : places inspected, or None
    names : features to work out; all available ones when None
    cases : the cases to make landmarks of; all cases of `events` when None
    observed_until : how far each case was followed, see `data.observation`; None for all
    capacity : changes of what offices can do, see `features.facts.facts_from_events`; None where it is not given
    adjacency : area -> the areas that it lies next to; None where that is not known
    calendar : as for `matrix_at`

    Raises
    ------
    LeakError
        If a feature asked for needs a key that is known only at the end.
    UsageError
        If a feature asked for has nothing to say at an opening.
    """
    chosen = available(known_at_opening) if names is None else list(names)
    require_available(chosen, known_at_opening)
    facts = facts_from_events(events, inspections, observed_until, capacity=capacity, adjacency=adjacency)
    index = EventIndex.build(facts, terms_of(chosen))
    landmarks = named_then(opening_landmarks(fold_cases(events) if cases is None else cases), events)
    source = IndexTerms(index, queries_at(landmarks))
    return matrix_at(source, landmarks, chosen, time_zone=time_zone, calendar=calendar)


def landmark_matrix(
    events: pd.DataFrame,
    *,
    time_zone: str,
    as_of: int,
    known_at_opening: Collection[str],
    kinds: Collection[LandmarkKind] = LANDMARK_KINDS,
    inspections: pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
    observed_until: pd.Series | None = None,
    capacity: pd.DataFrame | None = None,
    adjacency: Adjacency | None = None,
    calendar: WorkingCalendar | None = None,
) -> Matrix:
    """Features of every case at every landmark of its life.

    Parameters
    ----------
    events : event frame, see `data.schema.EVENT_COLUMNS`; those not known before `as_of` are not used
    time_zone : IANA name; mornings, hours and weekdays are read in it
    as_of : int64 seconds in UTC
    known_at_opening : key columns that the sources know when a case opens
    kinds : of landmarks, see `features.landmarks.landmarks`
    names : features to work out; None for all that a model learns from
    inspections, observed_until, capacity, adjacency : as for `opening_matrix`
    calendar : as for `matrix_at`

    Raises
    ------
    NotEnoughDataError
        If nothing was known before `as_of`.
    LeakError
        If a feature asked for needs a key that is known only at the end.
    """
    chosen = available(known_at_opening, after_opening=True) if names is None else list(names)
    require_available(chosen, known_at_opening)
    known = opened_only(known_before(events, as_of))
    if known.empty:
        raise NotEnoughDataError("Nothing was known at that moment. Import a file first: `heed import FILE`.")
    frame = landmarks_of(known, time_zone=time_zone, as_of=as_of, kinds=kinds, observed_until=observed_until)
    facts = facts_from_events(known, inspections, observed_until, capacity=capacity, adjacency=adjacency)
    index = EventIndex.build(facts, terms_of(chosen))
    source = IndexTerms(index, queries_at(frame))
    return matrix_at(source, frame, chosen, time_zone=time_zone, calendar=calendar)


def matrix_at(
    source: Terms,
    landmarks: pd.DataFrame,
    names: Sequence[str],
    *,
    time_zone: str,
    calendar: WorkingCalendar | None = None,
) -> Matrix:
    """Features of n landmarks, from whoever answers their terms.

    Parameters
    ----------
    source : an index (`features.event_index.IndexTerms`), or what an engine has counted (`features.terms.KnownTerms`);
        answers for the landmarks in their order. `terms_of(names)` is all that it will be asked for.
    landmarks : DataFrame of n rows, see `features.landmarks`
    names : features of the catalogue
    time_zone : IANA name; hours and weekdays are read in it
    calendar : when the offices work; None where that is not known, and features of working time are null

    Raises
    ------
    UsageError
        If a feature tells of the time after an opening and the landmarks are openings only.
    ValueError
        If the source answers for another number of landmarks.
    """
    if len(source) != len(landmarks):
        raise ValueError(f"Expected answers for {len(landmarks)} landmarks, got them for {len(source)}.")
    _require_progress(names, landmarks)
    asked = Asked(source, landmarks, time_zone, calendar)
    return Matrix(
        landmarks.reset_index(drop=True),
        pd.DataFrame({name: FORMULAS[name](asked) for name in names}, dtype=np.float64, index=range(len(landmarks))),
        pd.DataFrame(asked.offset_parts),
    )


def terms_of(names: Iterable[str], *, with_base: bool = True) -> tuple[Term, ...]:
    """The integers that features are made of, in the order of their names, without repetition.

    With `with_base`, also those of the base score, which every matrix holds: all that `matrix_at` asks for.
    """
    chosen = list(names)

    def formulas(source: Terms) -> None:
        asked = Asked(source, _NO_LANDMARKS, "UTC")
        for name in chosen:
            FORMULAS[name](asked)
        if with_base:
            _ = asked.offset_parts

    return traced(formulas)


def _require_progress(names: Sequence[str], landmarks: pd.DataFrame) -> None:
    later = [name for name in names if CATALOGUE[name].known == "after_opening"]
    if later and "kind" not in landmarks.columns:
        raise UsageError(
            f"Expected features that are known at an opening, and '{later[0]}' tells of the time after it. Ask for it "
            "at landmarks after events or of mornings, or leave it out."
        )
