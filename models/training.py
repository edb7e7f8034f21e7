"""Making a model from a history, and asking how good such a model would have been.

Labels are believed as far as label trust goes (`data.quality.label_trust`): a case teaches with the weight of its
cohort's grade (`GRADE_WEIGHTS`: D not at all, the others in full), which is worked out at the cut from what was known
before it. A back-test judges by all matured cases and, beside that, by those whose labels are trusted (grades A and B).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER, fold_cases, is_near_instant, known_before
from data.quality.label_trust import TRUSTED, LabelTrust, trust
from features.facts import opened_only
from features.matrix import Matrix, opening_matrix
from features.outcomes import OUTCOMES, Outcome, late
from models.baselines import baseline_probabilities
from models.calibration import Calibration
from models.evaluate import Figures, figures, log_loss, reliability
from models.risk import DEFAULT_BELIEF, DEFAULT_LINEAR, FEWEST_CASES, RiskModel
from models.splits import TimeSplit, split_at, split_at_share

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
Believe = Literal["graded", "all"]

# How the parts of a risk are weighted, and its calibration, are measured on the newest fifth of the matured cases with
# a model made from those before. That is only done if the older model had half a year to learn from: a model of a few
# weeks errs in ways that the one actually used, with more history, no longer does, and correcting for them makes it
# worse (measured on real half-years).
_LATER_SHARE: Final = 0.8
_LONG_ENOUGH: Final = 182 * 86_400
_ENOUGH_CASES: Final = 1000
_BELIEFS: Final = (1000.0, 100.0)
_LINEAR_WEIGHTS: Final = (0.0, 0.25, 0.5)


@dataclass(frozen=True)
class History:
    """A store's history, ready to learn from.

    Attributes
    ----------
    matrix : features of every case at its opening
    cases : `fold_cases` of everything known before `as_of`, in the matrix' order
    outcome : the outcome of every case, as known before `as_of`
    as_of : seconds in UTC
    near_instant : cases left out because they were closed within a minute of opening
    events : the events known before `as_of`; None where labels are all to be believed
    time_zone : of the offices
    observed_until : how far each case was followed, by `case_id`; None for all up to `as_of`
    """

    matrix: Matrix
    cases: pd.DataFrame
    outcome: Outcome
    as_of: int
    near_instant: int
    events: pd.DataFrame | None = None
    time_zone: str = "UTC"
    observed_until: pd.Series | None = None

    def trust_at(self, moment: int) -> LabelTrust | None:
        """Label trust as it could have been worked out at a moment, from what was known strictly before it.

        None where the history was built without its events.
        """
        if self.events is None:
            return None
        known = opened_only(known_before(self.events, moment))
        if known.empty:
            return None
        cases = self.cases if moment >= self.as_of else fold_cases(known)
        return trust(cases, known, moment, self.time_zone, self.observed_until)

    def outcome_at(self, moment: int) -> Outcome:
        """The outcome of every case as it was known strictly before a moment, in the history's order.

        What became known later, a withdrawal or a closing that was entered late, would change what a model made then
        could have learned from. A case that nobody knew of yet has no outcome. Where the history was built without its
        events, the outcome is that of its as-of.
        """
        if self.events is None or moment >= self.as_of:
            return self.outcome
        cases = fold_cases(opened_only(known_before(self.events, moment)))
        followed = None
        if self.observed_until is not None:
            followed = self.observed_until.reindex(cases["case_id"]).fillna(moment).to_numpy("int64")
        then = late(cases, as_of=moment, observed_until=followed)
        place = pd.Index(cases["case_id"]).get_indexer(self.cases["case_id"])
        # One more, for cases that were not known: at the place -1.
        return Outcome(
            then.name,
            np.append(then.value, np.nan)[place],
            np.append(then.matures_at, NEVER)[place],
            np.append(then.eligible, False)[place],
        )

    @classmethod
    def build(
        cls,
        events: pd.DataFrame,
        *,
        as_of: int,
        time_zone: str,
        known_at_opening: Sequence[str] | frozenset[str],
        inspections: pd.DataFrame | None = None,
        names: Sequence[str] | None = None,
        outcome: str = "late",
        observed_until: pd.Series | None = None,
        believe: Believe = "graded",
        capacity: pd.DataFrame | None = None,
        adjacency: Mapping[str, Sequence[str]] | None = None,
        calendar: WorkingCalendar | None = None,
    ) -> History:
        """Read the history as it was known strictly before `as_of`.

        `capacity`, `adjacency` and `calendar` are what `features.matrix.opening_matrix` takes; None where not given.
        `believe` "graded" weighs training cases by label trust; "all" believes every label in full.

        Raises
        ------
        UsageError
            If there is no such outcome.
        NotEnoughDataError
            If nothing was known by then.
        LeakError
            If `names` holds a feature that needs something known only at the end.
        """
        if outcome not in OUTCOMES:
            raise UsageError(f"--outcome: expected one of {', '.join(OUTCOMES)}, got '{outcome}'.")
        known = opened_only(known_before(events, as_of))
        if known.empty:
            raise NotEnoughDataError("Nothing was known at that moment. Import a file first: `heed import FILE`.")
        cases = fold_cases(known)
        matrix = opening_matrix(
            known,
            time_zone=time_zone,
            known_at_opening=known_at_opening,
            inspections=inspections,
            names=names,
            cases=cases,
            observed_until=observed_until,
            capacity=capacity,
            adjacency=adjacency,
            calendar=calendar,
        )
        followed = None
        if observed_until is not None:
            followed = observed_until.reindex(cases["case_id"]).fillna(as_of).to_numpy("int64")
        instant = is_near_instant(cases["opened_at"].to_numpy("int64"), cases["first_closed_at"].to_numpy("int64"))
        return cls(
            matrix,
            cases,
            late(cases, as_of=as_of, observed_until=followed),
            as_of,
            int(instant.sum()),
            events=known if believe == "graded" else None,
            time_zone=time_zone,
            observed_until=observed_until,
        )


def train(history: History, *, cut: int | None = None, rounds: int = 300, threads: int = 1) -> RiskModel:
    """A model of what was known at `cut` (the history's as-of when not given).

    The model's card says how many training cases had each grade of label trust (`label_trust`).

    Raises
    ------
    NotEnoughDataError
        With fewer than 200 matured cases that teach, or one outcome only.
    """
    moment = history.as_of if cut is None else cut
    history = replace(history, outcome=history.outcome_at(moment))
    split = split_at(history.cases, history.outcome, cut=moment, as_of=moment)
    weight, grades = _weights(history, split.train, moment)
    tuned = _tune(history, split, rounds, threads)
    model = RiskModel(
        outcome=history.outcome.name,
        rounds=rounds,
        threads=threads,
        evidence_strength=tuned.evidence_strength,
        linear_weight=tuned.linear_weight,
    )
    value = history.outcome.value[split.train]
    matrix = history.matrix.rows(split.train)
    model.fit(matrix, value, cut=moment, calibration=tuned.calibration, weight=weight)
    if grades:
        model.card["label_trust"] = grades
    return model


def _weights(history: History, chosen: NDArray[np.bool_], moment: int) -> tuple[Floats | None, dict[str, int]]:
    """How far the labels of the chosen cases are believed at a moment, and how many have each grade."""
    judged = history.trust_at(moment)
    if judged is None:
        return None, {}
    cases = history.cases[chosen]
    return judged.weight_of(cases).to_numpy(np.float64), judged.grade_counts(cases)


@dataclass(frozen=True, slots=True)
class _Tuned:
    """What later cases say about the weights; the defaults where there is too little history to ask."""

    evidence_strength: float = DEFAULT_BELIEF
    linear_weight: float = DEFAULT_LINEAR
    calibration: Calibration = field(default_factory=Calibration)


def _tune(history: History, split: TimeSplit, rounds: int, threads: int) -> _Tuned:
    """Weigh the parts by log-loss on cases that are later than the fit, and calibrate what comes out."""
    opened = history.cases["opened_at"].to_numpy("int64")
    if not split.train.any():
        return _Tuned()
    earlier = int(np.quantile(opened[split.train], _LATER_SHARE))
    before = split.train & (opened < earlier) & (history.outcome.matures_at < earlier)
    after = split.train & (opened >= earlier)
    long_enough = before.any() and earlier - opened[before].min() >= _LONG_ENOUGH
    if not long_enough or before.sum() < _ENOUGH_CASES or after.sum() < _ENOUGH_CASES:
        return _Tuned()
    value = history.outcome.value
    model = RiskModel(rounds=rounds, threads=threads)
    taught, _grades = _weights(history, before, earlier)
    model.fit(history.matrix.rows(before), value[before], cut=earlier, weight=taught)
    # Weighing and calibrating go by labels too: by those that are believed at the cut.
    believed, _grades = _weights(history, after, split.cut)
    if believed is not None:
        after[after] = believed > 0
    later, outcome = history.matrix.rows(after), value[after]
    tried = []
    for belief, weight in product(_BELIEFS, _LINEAR_WEIGHTS):
        model.evidence_strength, model.linear_weight = belief, weight
        score = model.score(later)
        tried.append((log_loss(outcome, score), belief, weight, score))
    _loss, belief, weight, score = min(tried, key=lambda one: one[:3])
    return _Tuned(belief, weight, Calibration.fit(score, outcome))


@dataclass(frozen=True)
class Backtest:
    """How a model made at `cut_at` did on the cases opened after it.

    Attributes
    ----------
    model, baselines : figures on the same test cases
    trusted : the model's figures on the test cases whose labels are trusted (grades A and B, judged at the history's
        as-of); None where there are too few, or of one outcome only
    grades : training cases by grade of label trust at the cut, and test cases by grade at the as-of
    cut_at : seconds in UTC
    n_train, n_test : cases
    near_instant : cases left out because they were closed within a minute of opening
    evidence_strength, linear_weight, calibration : how the parts were weighed, see `models.risk`
    curve : the model's reliability curve
    features : names of the columns used
    importance : feature -> mean absolute contribution in percentage points, over at most 2,000 test cases
    """

    model: Figures
    baselines: dict[str, Figures]
    cut_at: int
    n_train: int
    n_test: int
    near_instant: int
    evidence_strength: float
    linear_weight: float
    calibration: Calibration
    curve: dict[str, Floats]
    features: list[str]
    importance: dict[str, float]
    trusted: Figures | None = None
    grades: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `cut_at` in seconds."""
        shown = {key: value for key, value in self.model.as_dict().items() if key not in ("n", "base_rate")}
        return {
            **shown,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "base_rate_test": self.model.base_rate,
            "cut_at": self.cut_at,
            "baselines": {name: found.as_dict() for name, found in self.baselines.items()},
            "near_instant_left_out": self.near_instant,
            "calibration": self.calibration.as_dict(),
            "evidence_strength": self.evidence_strength,
            "linear_weight": self.linear_weight,
            "reliability": {name: [float(v) for v in values] for name, values in self.curve.items()},
            "features": self.features,
            "importance_points": self.importance,
            "trusted": None if self.trusted is None else self.trusted.as_dict(),
            "label_trust": self.grades,
        }


def backtest(
    history: History,
    *,
    share: float = 0.7,
    rounds: int = 300,
    threads: int = 1,
    progress: Progress | None = None,
) -> Backtest:
    """Cut the history at a share of its promised cases, train on what was known then, and test on the rest.

    Raises
    ------
    NotEnoughDataError
        If either side is too small, or has one outcome only.
    """
    step = progress or (lambda _text, _done, _total: None)
    split = split_at_share(history.cases, history.outcome, share=share, as_of=history.as_of)
    # What teaches, model and baselines alike, is what was known at the cut; what judges is all that is known.
    then = history.outcome_at(split.cut)
    split = replace(split, train=split_at(history.cases, then, cut=split.cut, as_of=split.cut).train)
    step("back-test", 1, 3)
    model = train(history, cut=split.cut, rounds=rounds, threads=threads)
    step("back-test", 2, 3)
    value = history.outcome.value
    learned, tested = history.matrix.rows(split.train), history.matrix.rows(split.test)
    if len(tested) == 0:
        raise NotEnoughDataError(
            f"No case opened after the cut has a known outcome yet (split {share:g}). Choose an earlier split."
        )
    probability = model.predict_proba(tested)
    trusted, grades = _on_trusted(history, split, probability)
    baselines = baseline_probabilities(learned, then.value[split.train], tested)
    step("back-test", 3, 3)
    return Backtest(
        model=figures(value[split.test], probability),
        baselines={name: figures(value[split.test], given) for name, given in baselines.items()},
        cut_at=split.cut,
        n_train=len(learned),
        n_test=len(tested),
        near_instant=history.near_instant,
        evidence_strength=model.evidence_strength,
        linear_weight=model.linear_weight,
        calibration=model.calibration_,
        curve=reliability(value[split.test], probability),
        features=model.feature_names_in_,
        importance=_importance(model, tested),
        trusted=trusted,
        grades={"train": model.card["label_trust"], "test": grades} if grades else {},
    )


def _on_trusted(history: History, split: TimeSplit, probability: Floats) -> tuple[Figures | None, dict[str, int]]:
    """Figures on the test cases with trusted labels, and the test cases by grade."""
    judged = history.trust_at(history.as_of)
    if judged is None:
        return None, {}
    cases = history.cases[split.test]
    trusted = judged.grade_of(cases).isin(TRUSTED).to_numpy()
    outcome = history.outcome.value[split.test][trusted]
    counts = judged.grade_counts(cases)
    if len(outcome) < FEWEST_CASES or outcome.min() == outcome.max():
        return None, counts
    return figures(outcome, probability[trusted]), counts


def _importance(model: RiskModel, tested: Matrix) -> dict[str, float]:
    """Mean absolute percentage points per feature, over evenly spaced test cases."""
    chosen = np.unique(np.linspace(0, len(tested) - 1, min(len(tested), 2000)).astype(np.int64))
    mean = model.explain(tested.rows(chosen)).points.abs().mean().sort_values(ascending=False) * 100
    return {str(name): round(float(value), 3) for name, value in mean.items()}
