"""What is known at a moment, and what would be known if an office did one thing more.

The state of the case after the action is worked out as every state is (`features.case_state`): the action is one more
event of the case, put behind all that is known, and its landmark is read off. The world around it stands as it is: the
index answers for the moment of the question, since what will come in and be closed by Thursday is not known, and one
case more or less changes no office's load.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import pandas as pd

from data.clock import WorkingCalendar
from data.errors import UsageError
from data.event_log import known_before
from data.schema import EVENT_COLUMNS, EventKind
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events, opened_only
from features.landmarks import LandmarkKind, landmarks, landmarks_now, queries_at
from features.risk_inputs import RiskInputs, input_terms, risk_inputs

_AFTER_EVENTS: Final[tuple[LandmarkKind, ...]] = ("event",)


@dataclass(frozen=True)
class World:
    """What was known strictly before a moment, ready to be asked about single cases.

    Attributes
    ----------
    events : event frame, known before `as_of`, of cases whose opening was known
    as_of : int64 seconds in UTC; the moment of the question
    index : of the facts of these events
    names : features of the models
    outcomes : `late`, `reopened_28d`, …
    time_zone : IANA name of the offices' clock
    calendar : when the offices work; None where that is not known
    offices : those that any case was ever at; None: as `events` tell, which then are those of all cases
    """

    events: pd.DataFrame
    as_of: int
    index: EventIndex
    names: Sequence[str]
    outcomes: Collection[str]
    time_zone: str
    calendar: WorkingCalendar | None = None
    offices: Collection[str] | None = None

    @classmethod
    def build(
        cls,
        events: pd.DataFrame,
        *,
        as_of: int,
        names: Sequence[str],
        outcomes: Iterable[str],
        time_zone: str,
        calendar: WorkingCalendar | None = None,
        inspections: pd.DataFrame | None = None,
        observed_until: pd.Series | None = None,
        capacity: pd.DataFrame | None = None,
        adjacency: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Index what was known strictly before `as_of`; the others are as for `features.matrix.landmark_matrix`.

        `names` and `outcomes` are those of the models: `FailureModels.features`, `FailureModels.outcomes`.
        """
        known = opened_only(known_before(events, as_of))
        facts = facts_from_events(known, inspections, observed_until, capacity=capacity, adjacency=adjacency)
        asked = tuple(outcomes)
        index = EventIndex.build(facts, input_terms(names, asked))
        return cls(known, as_of, index, names, asked, time_zone, calendar)

    def now(self, case_id: str) -> pd.DataFrame:
        """The landmark of an open case at the moment of the question, one row.

        Raises
        ------
        UsageError
            If the case is not known, or not open.
        """
        row = landmarks_now(self._of(case_id), self.as_of)
        if row.empty:
            raise UsageError("Expected a case that is open at that moment, and this one is not. Ask about an open one.")
        return row

    def after(self, case_id: str, kind: EventKind, *, at: int, office: str | None = None) -> pd.DataFrame:
        """The landmark of a case just after one more event, one row; `at` is int64 seconds in UTC, not before now."""
        own = self._of(case_id)
        event: dict[str, Any] = dict.fromkeys(EVENT_COLUMNS)
        event |= {"case_id": case_id, "kind": kind.value, "at": at, "known_at": at, "office": office}
        added = pd.DataFrame({name: pd.Series([value], dtype=own[name].dtype) for name, value in event.items()})
        extended = pd.concat([own[[*EVENT_COLUMNS]], added], ignore_index=True)
        frame = landmarks(extended, time_zone=self.time_zone, as_of=at + 1, kinds=_AFTER_EVENTS, from_=at)
        return frame.tail(1).reset_index(drop=True)

    def inputs(self, frame: pd.DataFrame) -> RiskInputs:
        """What risks at these landmarks are worked out from; other cases count as they stand at `as_of`."""
        queries = queries_at(frame.assign(landmark_at=self.as_of))
        source = IndexTerms(self.index, queries)
        return risk_inputs(source, frame, self.names, self.outcomes, time_zone=self.time_zone, calendar=self.calendar)

    def knows_office(self, office: str) -> bool:
        """Whether any case was ever at an office."""
        return bool((self.events["office"] == office).any()) if self.offices is None else office in self.offices

    def _of(self, case_id: str) -> pd.DataFrame:
        own = self.events[self.events["case_id"] == case_id]
        if own.empty:
            raise UsageError("Expected a case that is known at that moment, and this one is not. Check its name.")
        return own
