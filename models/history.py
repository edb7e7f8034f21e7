"""A history ready to learn from: landmarks of every case's life, what was known at each, and what became of it.

Landmarks are all openings, all events, and a share of the mornings (`features.some_mornings`). What a landmark says of
the four outcomes never changes once it is known (`features.outcomes.landmark`), so a model of any earlier moment learns
from the same rows: those whose outcome was mature by then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from data.errors import NotEnoughDataError
from data.event_log import fold_cases, is_near_instant, known_before
from data.quality.label_trust import LabelTrust, trust
from features.catalogue import available, require_available
from features.event_index import EventIndex, IndexTerms
from features.facts import Int64s, facts_from_events, opened_only
from features.landmarks import LANDMARK_KINDS, LandmarkKind, landmarks, queries_at
from features.outcomes import CENSORED, LANDMARK_OUTCOMES, LandmarkOutcome, outcomes_at
from features.risk_inputs import RiskInputs, input_terms, risk_inputs
from models.fingerprint import history_fingerprint, named_by_content

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# As many mornings as there are cases: those of one case hardly differ, and its events teach beside them.
MORNINGS_PER_CASE: Final = 1
# Above, more rows cost time and teach nothing.
MOST_MORNINGS: Final = 400_000
# How long an answer is waited for, in days, before it is only known to have taken longer.
LONGEST_DAYS: Final = 730


@dataclass(frozen=True)
class Answer:
    """How long each landmark's case waited for its answer: closed, or fallen away.

    Attributes
    ----------
    seconds : (n,) int64 from the landmark to the answer, or as far as the case was followed
    seen : (n,) bool; whether the answer was seen
    eligible : (n,) bool; the case was open at the landmark, and was not closed within a minute of its opening
    """

    seconds: Int64s
    seen: Mask
    eligible: Mask


@dataclass(frozen=True)
class History:
    """A store's history, ready to learn from.

    Attributes
    ----------
    inputs : features and starts of n landmarks
    outcomes : column name (`late`, `reopened_28d`, …) -> the outcome of every landmark, as known before `as_of`
    answer : how long each landmark's case waited for its answer
    cases : `fold_cases` of everything known before `as_of`
    as_of : seconds in UTC
    near_instant : cases without meaning because they were closed within a minute of opening
    events : the events known before `as_of`
    time_zone : of the offices
    observed_until : how far each case was followed, by `case_id`; None for all up to `as_of`
    believe_all : whether every label is believed in full; else cases are weighed by label trust
    fingerprint : of the data it was built from, see `models.fingerprint.history_fingerprint`

    Cases are named by their content (`models.fingerprint.named_by_content`) and not as in the store, so that the same
    data make the same model in every store.
    """

    inputs: RiskInputs
    outcomes: Mapping[str, LandmarkOutcome]
    answer: Answer
    cases: pd.DataFrame
    as_of: int
    near_instant: int
    events: pd.DataFrame
    time_zone: str = "UTC"
    observed_until: pd.Series | None = None
    believe_all: bool = False
    fingerprint: str = ""
    # Each outcome and each fold asks for the same moments.
    _judged: dict[int, tuple[pd.DataFrame, LabelTrust] | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def landmarks(self) -> pd.DataFrame:
        """The n landmarks, see `features.landmarks`."""
        return self.inputs.landmarks

    def cases_at(self, moment: int) -> pd.DataFrame:
        """`fold_cases` of what was known strictly before a moment: by the names that cases had then."""
        if moment >= self.as_of:
            return self.cases
        return fold_cases(opened_only(known_before(self.events, moment)))

    def judged_at(self, moment: int) -> tuple[pd.DataFrame, LabelTrust] | None:
        """The cases known strictly before a moment, and label trust as it could have been worked out then.

        None where all labels are believed, or nothing was known then.
        """
        if moment not in self._judged:
            self._judged[moment] = self._judge(moment)
        return self._judged[moment]

    def _judge(self, moment: int) -> tuple[pd.DataFrame, LabelTrust] | None:
        known = opened_only(known_before(self.events, moment))
        if self.believe_all or known.empty:
            return None
        cases = self.cases_at(moment)
        return cases, trust(cases, known, moment, self.time_zone, self.observed_until)

    def trust_at(self, moment: int) -> LabelTrust | None:
        """Label trust of a moment, see `judged_at`."""
        judged = self.judged_at(moment)
        return None if judged is None else judged[1]

    def answer_at(self, moment: int) -> Answer:
        """The answers of the landmarks before a moment, as they were known strictly before it.

        What became known later, a withdrawal taken back or a closing entered late, would change who was waiting.
        """
        if moment >= self.as_of:
            return self.answer
        before = self.landmarks[self.landmarks["landmark_at"] < moment]
        return _answer(opened_only(known_before(self.events, moment)), before, moment, self.observed_until)

    @classmethod
    def build(
        cls,
        events: pd.DataFrame,
        *,
        as_of: int,
        time_zone: str,
        known_at_opening: Collection[str],
        kinds: Collection[LandmarkKind] = LANDMARK_KINDS,
        names: Sequence[str] | None = None,
        outcomes: Collection[str] = LANDMARK_OUTCOMES,
        inspections: pd.DataFrame | None = None,
        observed_until: pd.Series | None = None,
        believe_all: bool = False,
        capacity: pd.DataFrame | None = None,
        adjacency: Mapping[str, Sequence[str]] | None = None,
        calendar: WorkingCalendar | None = None,
    ) -> History:
        """Read the history as it was known strictly before `as_of`.

        Parameters
        ----------
        events : event frame, see `data.schema.EVENT_COLUMNS`
        as_of : int64 seconds in UTC
        time_zone : IANA name of the offices' clock
        known_at_opening : key columns that the sources know when a case opens
        kinds : of landmarks to learn from
        names : features; None for all that a model learns from
        outcomes : some of `LANDMARK_OUTCOMES`
        inspections, observed_until, capacity, adjacency, calendar : as for `features.matrix.landmark_matrix`
        believe_all : believe every label in full; else cases are weighed by label trust

        Raises
        ------
        NotEnoughDataError
            If nothing was known by then.
        UsageError
            If there is no such outcome or feature.
        LeakError
            If `names` holds a feature that needs something known only at the end.
        """
        later = set(kinds) != {"opening"}
        chosen = available(known_at_opening, after_opening=later) if names is None else list(names)
        require_available(chosen, known_at_opening)
        known = opened_only(known_before(events, as_of))
        if known.empty:
            raise NotEnoughDataError("Nothing was known at that moment. Import a file first: `heed import FILE`.")
        fingerprint = history_fingerprint(
            known,
            observed_until=observed_until,
            inspections=inspections,
            capacity=capacity,
            adjacency=adjacency,
            calendar=calendar,
            time_zone=time_zone,
            known_at_opening=known_at_opening,
        )
        # Before anything is put in order: the names of a store must not decide which of two cases comes first.
        known, observed_until = named_by_content(known, observed_until)
        cases = fold_cases(known)
        frame = landmarks(
            known,
            time_zone=time_zone,
            as_of=as_of,
            kinds=kinds,
            observed_until=observed_until,
            most_mornings=min(MOST_MORNINGS, MORNINGS_PER_CASE * len(cases)),
        )
        facts = facts_from_events(known, inspections, observed_until, capacity=capacity, adjacency=adjacency)
        found = outcomes_at(known, frame, as_of=as_of, observed_until=observed_until, names=tuple(outcomes))
        source = IndexTerms(EventIndex.build(facts, input_terms(chosen, found)), queries_at(frame))
        instant = is_near_instant(cases["opened_at"].to_numpy("int64"), cases["first_closed_at"].to_numpy("int64"))
        return cls(
            inputs=risk_inputs(source, frame, chosen, found, time_zone=time_zone, calendar=calendar),
            outcomes=found,
            answer=_answer(known, frame, as_of, observed_until),
            cases=cases,
            as_of=as_of,
            near_instant=int(instant.sum()),
            events=known,
            believe_all=believe_all,
            time_zone=time_zone,
            observed_until=observed_until,
            fingerprint=fingerprint,
        )


def _answer(events: pd.DataFrame, frame: pd.DataFrame, as_of: int, observed_until: pd.Series | None) -> Answer:
    """Read off the outcome that every answer decides: whether the next closing solved the case."""
    waited = outcomes_at(
        events, frame, as_of=as_of, observed_until=observed_until, names=("unresolved",), horizons=(LONGEST_DAYS,)
    )[f"unresolved_{LONGEST_DAYS}d"]
    return Answer(waited.duration, (waited.cause != CENSORED) | waited.unsaid, waited.eligible)
