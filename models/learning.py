"""Making the models of all failures from a history.

Every outcome is learned from the landmarks at which it was possible and whose answer was mature at the moment of the
training (`features.outcomes`); the gap between a landmark and its maturity is so kept by construction. Labels are
believed as far as label trust goes (`data.quality.label_trust`): a case teaches with the weight of its cohort's grade,
worked out from what was known at that moment. An outcome that the sources never tell of, or of too few cases, gets no
model, and the card says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from data.errors import NotEnoughDataError
from features.risk_inputs import CITY, EVIDENCE_BY, INTERCEPT_BY, START, RiskInputs
from features.starts import CHANGED
from models.any_failure import AnyFailure
from models.drift.material import material_of
from models.failures import FailureModels
from models.history import History
from models.remaining_time import DeadlineShape
from models.risk_model import RiskModel
from models.waits import Waits, fit_remaining, fit_shape, later_part, waits

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

# Below, no later part of the history can say anything about a model of the earlier part.
FEWEST_CASES: Final = 200
FEWEST_FAILURES: Final = 20
# How the failures go together is measured on the newest fifth, with quick models of what was known before it.
_QUICK: Final[dict[str, Any]] = {
    "rounds": 60,
    "num_leaves": 8,
    "learning_rate": 0.1,
    "evidence_strength": 1000.0,
    "linear_weight": 0.25,
    "ridge": 1.0,
    "calibration": "identity",
}
_QUICK_ROWS: Final = 20_000
# More landmarks of an outcome make its model no better and the training longer; they are thinned evenly.
MOST_LANDMARKS: Final = 100_000


@dataclass(frozen=True)
class Lesson:
    """The landmarks that teach one outcome at a moment.

    Attributes
    ----------
    outcome : its column name, as `late` or `reopened_28d`
    inputs : features and start of n landmarks
    value : (n,) of 0 and 1
    at, matures_at : (n,) int64 seconds in UTC; of the landmark, and of its answer
    group : (n,) int64; landmarks of one case have the same
    weight : (n,) how far each label is believed, in [0, 1]
    grades : cases by grade of label trust; empty where all are believed
    """

    outcome: str
    inputs: RiskInputs
    value: Floats
    at: Int64s
    matures_at: Int64s
    group: Int64s
    weight: Floats
    grades: dict[str, int]

    def __len__(self) -> int:
        return len(self.value)

    def rows(self, chosen: NDArray[Any]) -> Lesson:
        """The landmarks that a mask or positions choose."""
        return replace(
            self,
            inputs=self.inputs.rows(chosen),
            value=self.value[chosen],
            at=self.at[chosen],
            matures_at=self.matures_at[chosen],
            group=self.group[chosen],
            weight=self.weight[chosen],
        )

    @property
    def cases(self) -> int:
        """How many cases it has."""
        return len(np.unique(self.group))

    @property
    def failed_cases(self) -> int:
        """How many cases were failed at one landmark or more."""
        return len(np.unique(self.group[self.value == 1]))


def lesson(history: History, outcome: str, moment: int) -> Lesson:
    """What could be learned about an outcome at a moment (int64 seconds in UTC), from labels mature strictly before."""
    found = history.outcomes[outcome]
    chosen = found.known_before(moment) & (history.landmarks["landmark_at"].to_numpy("int64") < moment)
    inputs = history.inputs.rows(chosen, outcomes=[outcome])
    weight, grades = _believed(history, inputs.landmarks, moment)
    return Lesson(
        outcome,
        inputs,
        found.value[chosen],
        inputs.landmarks["landmark_at"].to_numpy("int64"),
        found.matures_at[chosen],
        pd.factorize(inputs.landmarks["case_id"])[0].astype(np.int64),
        weight,
        grades,
    )


def train(
    history: History,
    *,
    cut: int | None = None,
    outcomes: Iterable[str] | None = None,
    threads: int = 1,
    jobs: int = 1,
    progress: Progress | None = None,
    **settings: Any,
) -> FailureModels:
    """Models of what was known at `cut` (the history's as-of when not given).

    Parameters
    ----------
    history : landmarks with their outcomes
    cut : int64 seconds in UTC
    outcomes : some of `history.outcomes`; None for all
    threads : of LightGBM; the result is the same for any number
    jobs : processes, one outcome each; the result is the same for any number
    progress : told of each outcome
    settings : of `RiskModel`, in place of its own

    Raises
    ------
    NotEnoughDataError
        If no outcome has 200 matured cases of which 20 were failed.
    """
    moment = history.as_of if cut is None else cut
    step = progress or (lambda _text, _done, _total: None)
    asked = list(history.outcomes if outcomes is None else outcomes)
    lessons = {name: lesson(history, name, moment) for name in asked}
    refused = {name: why for name, one in lessons.items() if (why := _too_little(one))}
    taught = {name: _few_enough(one) for name, one in lessons.items() if name not in refused}
    if not taught:
        raise NotEnoughDataError(
            f"Expected at least {FEWEST_CASES} matured cases, {FEWEST_FAILURES} of them failed, and got "
            f"{'; '.join(f'{name}: {why}' for name, why in refused.items())}. Import a longer history, or wait until "
            "more promises have fallen due."
        )
    step("train", 0, len(taught) + 2)
    risks = {}
    for name, model in zip(taught, _fitted(list(taught.values()), jobs, {"n_jobs": threads, **settings}), strict=True):
        risks[name] = model
        step(f"train {name}", len(risks), len(taught) + 2)
    step("train any_failure", len(taught), len(taught) + 2)
    together = _together(taught, threads)
    step("train remaining_time", len(taught) + 1, len(taught) + 2)
    known = waits(history, moment)
    remaining = fit_remaining(known)
    shape = None if remaining is None or "late" not in taught else _shape(history, known, taught["late"], threads)
    step("train", len(taught) + 2, len(taught) + 2)
    card = {
        "not_modelled": refused,
        "taught": {name: _counts(one) for name, one in taught.items()},
        "label_trust": {name: one.grades for name, one in taught.items() if one.grades},
    }
    features = list(history.inputs.matrix.features.columns)
    models = FailureModels(risks, together, features, moment, remaining, shape, card)
    return replace(models, material=material_of(history, models, cut=moment))


def _fitted(lessons: list[Lesson], jobs: int, settings: dict[str, Any]) -> Iterator[RiskModel]:
    """The models of several lessons, in their order."""
    if jobs == 1 or len(lessons) == 1:
        yield from (fit(one, **settings) for one in lessons)
        return
    from joblib import Parallel, delayed  # noqa: PLC0415 (only where asked for)

    yield from Parallel(n_jobs=min(jobs, len(lessons)), return_as="generator")(
        delayed(fit)(one, **settings) for one in lessons
    )


def columns_of(inputs: RiskInputs, outcome: str) -> dict[str, Any]:
    """What the columns of `RiskInputs.table` are to a `RiskModel`, as parameters of it."""
    parts = inputs.starts[outcome].columns
    start = {f"{START}{name}": None if name == CITY else str(name) for name in parts}
    found = {"start": start, "evidence_by": EVIDENCE_BY}
    # What its newest outcomes say of an office is told as what has changed there.
    return {**found, "intercept_by": INTERCEPT_BY, "intercept_under": CHANGED} if inputs.knows_office else found


def fit(taught: Lesson, **settings: Any) -> RiskModel:
    """A model of one lesson; `settings` of `RiskModel` in place of what is chosen from the history."""
    model = RiskModel(**columns_of(taught.inputs, taught.outcome), **settings)
    # Linear algebra sums in another order with another number of threads, and the last bits would differ.
    with threadpool_limits(limits=1, user_api="blas"):
        return model.fit(
            taught.inputs.table(taught.outcome),
            taught.value,
            taught.weight,
            at=taught.at,
            matures_at=taught.matures_at,
            groups=taught.group,
        )


def _too_little(one: Lesson) -> str:
    """Why an outcome cannot be learned; empty where it can. What has no weight teaches nothing."""
    teaching = one.weight > 0
    cases = len(np.unique(one.group[teaching]))
    failed = len(np.unique(one.group[teaching & (one.value == 1)]))
    if cases < FEWEST_CASES or failed == cases:
        return f"{cases:,} matured cases, {failed:,} failed"
    if failed == 0:
        return f"none of {cases:,} matured cases was failed: the sources may not record it"
    return "" if failed >= FEWEST_FAILURES else f"{failed:,} of {cases:,} matured cases failed"


def _few_enough(one: Lesson) -> Lesson:
    teaching = one.weight > 0
    return one if teaching.sum() <= MOST_LANDMARKS else one.rows(thinned(teaching, MOST_LANDMARKS))


def _counts(one: Lesson) -> dict[str, int | float]:
    return {
        "landmarks": len(one),
        "cases": one.cases,
        "failed_cases": one.failed_cases,
        "base_rate": round(float(one.value.mean()), 6),
    }


def _believed(history: History, landmarks: pd.DataFrame, moment: int) -> tuple[Floats, dict[str, int]]:
    """How far the labels of landmarks are believed at a moment, (n,), and how many cases have each grade."""
    judged = history.judged_at(moment)
    if judged is None or not len(landmarks):
        return np.ones(len(landmarks)), {}
    known, trusted = judged
    cases = known[known["case_id"].isin(landmarks["case_id"])]
    weight = trusted.weight_of(cases).reindex(landmarks["case_id"]).fillna(1.0)
    return weight.to_numpy(np.float64), trusted.grade_counts(cases)


def _together(lessons: dict[str, Lesson], threads: int) -> AnyFailure:
    """How failures go together, on landmarks later than what quick models of each were made of."""
    cut = later_part(np.concatenate([one.at for one in lessons.values()]))
    told: dict[str, pd.DataFrame] = {}
    for name, one in lessons.items():
        early = one.rows(thinned((one.matures_at < cut) & (one.weight > 0), _QUICK_ROWS))
        late = one.rows((one.at >= cut) & (one.weight > 0))
        if not _too_little(early) and len(late):
            told[name] = _told(fit(early, **{**_QUICK, "n_jobs": threads}), late)
    if len(told) < 2:
        return AnyFailure()
    # Of a landmark, only the outcomes that are known say how they go together.
    joined = pd.concat(told, axis=1, join="outer")
    parts, failed, weight = (
        joined.xs(column, axis=1, level=1).to_numpy(np.float64) for column in ("risk", "failed", "weight")
    )
    several = (~np.isnan(parts)).sum(axis=1) > 1
    return AnyFailure.fit(
        parts[several], np.nanmax(failed[several], axis=1, initial=0.0), np.nanmin(weight[several], axis=1, initial=1.0)
    )


def _told(model: RiskModel, late: Lesson) -> pd.DataFrame:
    """What a model says of later landmarks, and what came of them, by landmark."""
    keys = late.inputs.landmarks[["case_id", "landmark_at", "seen_until"]]
    risk = model.predict_proba(late.inputs.table(late.outcome))[:, 1]
    return keys.assign(risk=risk, failed=late.value, weight=late.weight).set_index(list(keys))


def _shape(history: History, known: Waits, taught: Lesson, threads: int) -> DeadlineShape | None:
    """How the remaining time bends at the deadline, by a quick model of lateness that did not see the newest fifth."""
    cut = later_part(known.at)
    early = taught.rows(thinned((taught.matures_at < cut) & (taught.weight > 0), _QUICK_ROWS))
    if _too_little(early):
        return None
    return fit_shape(known, waits(history, cut), fit(early, **{**_QUICK, "n_jobs": threads}), cut)


def thinned(chosen: Mask, most: int) -> Int64s:
    """Positions of a mask, at most so many of them, evenly spaced."""
    places = np.flatnonzero(chosen)
    if len(places) <= most:
        return places
    return np.asarray(places[np.arange(most) * len(places) // most])
