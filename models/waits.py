"""How long open cases wait for their answer, as lessons of a history, and the model of it.

A case that was still open at the moment of the training is known to have waited longer than it had by then; leaving it
out would teach from quick cases only. How the model bends to the risk of lateness (`models.remaining_time.coherence`)
is learned on the newest fifth, from quick models of what was known before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from features.facts import Int64s
from features.risk_inputs import RiskInputs, possible
from models.history import Floats, History, Mask
from models.remaining_time import DeadlineShape, Distribution, RemainingTime, coherent
from models.risk_model import RiskModel

# By which cases are alike where they have come equally far.
LIKE: Final = "hours_since_opening"
FEWEST_CASES: Final = 200
# More rows make the quantiles no better and the training longer.
MOST_ROWS: Final = 30_000
_LATER_SHARE: Final = 0.8
_QUICK: Final[dict[str, Any]] = {"rounds": 60, "learning_rate": 0.1, "most_rows": 20_000}


@dataclass(frozen=True)
class Waits:
    """Landmarks of open cases, and how long each waited on.

    Attributes
    ----------
    inputs : features of n landmarks
    seconds : (n,) until the answer, or as far as the case was followed
    censored : (n,) bool; the answer had not been seen
    at, group : (n,) int64; seconds in UTC of the landmark, and the case
    """

    inputs: RiskInputs
    seconds: Floats
    censored: Mask
    at: Int64s
    group: Int64s

    def __len__(self) -> int:
        return len(self.seconds)

    def rows(self, chosen: NDArray[Any]) -> Waits:
        """The landmarks that a mask or positions choose."""
        arrays = {name: getattr(self, name)[chosen] for name in ("seconds", "censored", "at", "group")}
        return replace(self, inputs=self.inputs.rows(chosen), **arrays)

    @property
    def cases(self) -> int:
        """How many cases it has."""
        return len(np.unique(self.group))


def waits(history: History, moment: int) -> Waits:
    """What was known at a moment (int64 seconds in UTC) of the waiting of open cases."""
    at = history.landmarks["landmark_at"].to_numpy("int64")
    before = np.flatnonzero(at < moment) if moment < history.as_of else np.arange(len(at))
    answer = history.answer_at(moment)
    chosen = answer.eligible
    places = before[chosen]
    return Waits(
        inputs=history.inputs.rows(places, outcomes=["late"] if "late" in history.inputs.starts else []),
        seconds=answer.seconds[chosen].astype(np.float64),
        censored=~answer.seen[chosen],
        at=at[places],
        group=pd.factorize(history.landmarks["case_id"].iloc[places])[0].astype(np.int64),
    )


def fit_remaining(known: Waits, **settings: Any) -> RemainingTime | None:
    """The model of the remaining time; None of fewer than 200 cases. `settings` of `RemainingTime`."""
    if known.cases < FEWEST_CASES or known.censored.all():
        return None
    features = known.inputs.matrix.features
    like = LIKE if LIKE in features else None
    model = RemainingTime(**{"like": like, "most_rows": MOST_ROWS, **settings})
    return model.fit(features, known.seconds, at=known.at, groups=known.group, censored=known.censored)


def fit_shape(known: Waits, early: Waits, late: RiskModel, cut: int) -> DeadlineShape | None:
    """How the remaining time bends at the deadline; None where the newest cases cannot tell.

    Parameters
    ----------
    known, early : what was known at the moment of the training, and at the cut
    late : a model of lateness that learned from nothing known at the cut or later
    cut : int64 seconds in UTC
    """
    quick = fit_remaining(early, **_QUICK)
    later = known.rows((known.at >= cut) & possible(known.inputs.landmarks, "late"))
    if quick is None or later.cases < FEWEST_CASES:
        return None
    risk = late.predict_proba(later.inputs.table("late"))[:, 1]
    told = coherent(quick.distribution(later.inputs.matrix.features), seconds_to_due(later.inputs), risk)
    return DeadlineShape.fit(told, later.seconds, later.censored)


def bent(distribution: Distribution, inputs: RiskInputs, p_late: Floats, shape: DeadlineShape | None) -> Distribution:
    """The distribution that agrees with the risk of lateness: (n,) `p_late`, NaN where the case cannot be late."""
    due = np.where(np.isnan(p_late), np.nan, seconds_to_due(inputs))
    agreed = coherent(distribution, due, np.nan_to_num(p_late))
    return agreed if shape is None else shape.apply(agreed)


def seconds_to_due(inputs: RiskInputs) -> Floats:
    """Seconds from each landmark to its promise, (n,); NaN where there is none."""
    due, at = (inputs.landmarks[name].to_numpy("int64") for name in ("due_at", "landmark_at"))
    return np.where(due < NEVER, due - at, np.nan).astype(np.float64)


def later_part(at: Int64s) -> int:
    """The moment from which on the newest fifth of landmarks lies; int64 seconds in UTC."""
    return int(np.quantile(at, _LATER_SHARE))
