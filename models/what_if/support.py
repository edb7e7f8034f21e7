"""Whether the data ever saw the like of an action, and how those cases ended.

A model answers any question, also one about what never happened. So the history is counted first: of the landmarks
whose outcome was mature before the models were made, those of the same type of problem (or, where they are too few, of
the same group of types), at about the same share of their promise, at which the action had just been taken. There must
be enough such cases, and enough at which it had not been taken (positivity: else nothing tells them apart). Every case
counts once, at the first such landmark.

What is counted are cases in which an office *chose* to do something. Why it did so is not in the data, so none of this
says what the action would cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from data.schema import EventKind
from features.case_state import STEPS
from features.outcomes import LandmarkOutcome, any_failure

if TYPE_CHECKING:
    from models.history import History

# How many cases with an action, and how many without it, a what-if needs. With thirty, a share is known to within
# about eighteen points either way.
FEWEST: Final = 30
# How much of the promise has passed: its thirds, beyond it, and no promise.
_STANDINGS: Final = (1 / 3, 2 / 3, 1.0)
NO_PROMISE: Final = len(_STANDINGS) + 1
ANY: Final = "any_failure"
SCOPES: Final = ("category", "category_group")
_COLUMNS: Final = ("case_id", "category", "category_group", "office", "stage", "is_paused", "standing")


@dataclass(frozen=True, slots=True)
class Like:
    """Cases like one with an action.

    Attributes
    ----------
    done : cases in which the action had just been taken
    failed : how many of these were failed
    others : cases at the same point in which it had not just been taken
    scope : `category` or `category_group`, whichever of the case they share
    """

    done: int
    failed: int
    others: int
    scope: str

    @property
    def is_enough(self) -> bool:
        """Whether the data saw its like often enough."""
        return min(self.done, self.others) >= FEWEST

    @property
    def share(self) -> float:
        """Share of the cases with the action that were failed; NaN where there is none."""
        return self.failed / self.done if self.done else float("nan")


class Seen(Protocol):
    """What tells how often the like of an action was seen: the landmarks of a history, or their counts."""

    def like(self, after: pd.DataFrame, kind: EventKind, outcome: str, *, office: str | None = None) -> Like:
        """Cases like the one of a landmark just after an action (one row), by their outcome."""


@dataclass(frozen=True)
class Support:
    """The matured landmarks of a history.

    Attributes
    ----------
    frame : DataFrame of m landmarks with `_COLUMNS`
    values : outcome -> (m,) 1 failed, 0 not, NaN not known by then
    """

    frame: pd.DataFrame
    values: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, history: History, *, before: int) -> Self:
        """Landmarks and outcomes of a history that were known strictly before a moment (int64 seconds in UTC).

        `before` is when the models were made (`FailureModels.trained_before`): they learned from no others.
        """
        return cls.of_landmarks(history.landmarks, history.outcomes, before=before)

    @classmethod
    def of_landmarks(cls, landmarks: pd.DataFrame, outcomes: Mapping[str, LandmarkOutcome], *, before: int) -> Self:
        """The same of landmarks (`features.landmarks`) and their outcomes (`features.outcomes`), without features."""
        rows = landmarks["landmark_at"].to_numpy("int64") < before
        frame = landmarks[rows].reset_index(drop=True)
        told = dict(outcomes)
        if len(told) > 1:
            told[ANY] = any_failure(outcomes.values())
        values = {name: _matured(outcome, before)[rows] for name, outcome in told.items()}
        paused = frame["paused_since"].to_numpy("int64") < NEVER
        counted = frame.assign(is_paused=paused, standing=standing(frame))
        return cls(counted[[*_COLUMNS]], values)

    def like(self, after: pd.DataFrame, kind: EventKind, outcome: str, *, office: str | None = None) -> Like:
        """Cases like the one of a landmark just after an action (one row), by their outcome.

        `office`: only cases that were at this office count as having been done so.
        """
        value = self.values.get(outcome)
        if value is None:
            return Like(0, 0, 0, SCOPES[-1])
        point = (self.frame["standing"] == int(standing(after)[0])) & ~np.isnan(value)
        found = Like(0, 0, 0, SCOPES[0])
        for scope in SCOPES:
            found = self._count(point & (self.frame[scope] == after[scope].iloc[0]), value, kind, office, scope)
            if found.is_enough:
                break
        return found

    def _count(
        self, chosen: pd.Series, value: NDArray[np.float64], kind: EventKind, office: str | None, scope: str
    ) -> Like:
        taken = chosen & (self.frame["stage"] == STEPS.index(kind))
        if office is not None:
            taken &= self.frame["office"] == office
        cases = self.frame["case_id"]
        done = taken & ~cases.where(taken).duplicated()
        # At a point at which nothing could be restarted, not restarting says nothing.
        possible = chosen & self.frame["is_paused"] if kind == EventKind.RESUMED else chosen
        others = cases[possible & (self.frame["stage"] != STEPS.index(kind))].nunique()
        return Like(int(done.sum()), int(value[done.to_numpy()].sum()), int(others), scope)


def standing(frame: pd.DataFrame) -> NDArray[np.int64]:
    """How much of the promise has passed at n landmarks: 0 to 2 its thirds, 3 beyond it, 4 no promise."""
    at, opened, due = (frame[name].to_numpy("int64") for name in ("landmark_at", "opened_at", "due_at"))
    used = (at - opened) / np.maximum(due - opened, 1)
    return np.where(due < NEVER, np.searchsorted(_STANDINGS, used), NO_PROMISE).astype(np.int64)


def _matured(outcome: LandmarkOutcome, before: int) -> NDArray[np.float64]:
    return np.where(outcome.matures_at < before, outcome.value, np.nan)
