"""The risk of one outcome as a calibrated probability that can be taken apart: a scikit-learn classifier.

The score of a row in log-odds is

    score = (1 - w) · (start + s · trees) + w · linear + intercept,        s = n / (n + k)

`start` is what is known without learning: the record of what is like this case (`features.records`), or, without one,
the base rate. LightGBM starts from it and learns departures. How far the departures are believed grows with n, the
training rows (or groups) of the same value of `evidence_by`: with two weeks of history a record is hard to beat, and
with years the trees win. The linear part is a logistic regression on all columns, the parts of the start among them: it
can believe a record less than in full, and follow a trend beyond what the trees have seen. The kind, size and number
of the trees, the penalty of the linear part, and the shares w and k are chosen by later rows of the training history,
from labels known by then (`models.risk_model.validation`); a history too short to tell gets the defaults. The intercept
is that of the row's group, as its office: how far the group's newest outcomes departed from what was told of them
(`models.risk_model.intercepts`).

All are sums of named terms, so the reasons are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Self, cast

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from models.calibration import Calibrator, choose_calibration
from models.risk_model.checks import checked_frame, checked_outcome, checked_timing, require_both
from models.risk_model.columns import Columns, Start, Table
from models.risk_model.files import read_files, write_files
from models.risk_model.folds import Fold, Timing
from models.risk_model.intercepts import Outcomes
from models.risk_model.material import Material, belief, blend
from models.risk_model.reasons import Explanation, allocate
from models.risk_model.recipe import Options
from models.risk_model.trees import TreeSettings
from models.risk_model.validation import MANY_ROWS, Choice, decide, fitted, inner_folds

Floats = NDArray[np.float64]

# Below this, LightGBM's own minimum of cases in a leaf allows no split worth having: there are no trees then.
FEWEST_CASES: Final = 200
# Corrections to a start that is a record, and calibrations, are measured only with provisional models that had half a
# year to learn from: one of a few weeks errs in ways that the one actually used, with more history, no longer does, and
# correcting for them makes it worse (measured on real half-years).
LONG_ENOUGH: Final = 182 * 86_400
ENOUGH_ROWS: Final = 1000
# A start that is a record follows the service by itself, and the final model learns from the very weeks that judged the
# provisional ones. What those erred by over a few weeks was the weeks' luck, and would be corrected twice.
_BRIEF: Final = 182 * 86_400


class RiskModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated risk of a binary outcome, from any table of numbers and categories.

    Parameters
    ----------
    rounds : number of trees, or "auto"
    num_leaves : of each tree, or "auto"
    max_depth : of each tree, or "auto": one more than a balanced tree of so many leaves needs
    learning_rate : of the trees
    start : columns of X in log-odds whose sum is where the trees start; no features themselves. A mapping says which
        feature each is reported under (None: it belongs to the base). None: the trees start at the base rate
    evidence_by : column of X with categories, no feature itself: the trees' departure from the start is believed
        n / (n + k), n the training rows (or groups) of the row's value, as far as their labels are believed; 0 for a
        value never seen
    evidence_strength : the k above, or "auto"
    intercept_by : column of X with categories, no feature itself, whose values have an intercept each: 0 for a value
        never seen, and for all where the history is too short to correct a provisional model by, or has no moments
    intercept_under : feature that intercepts are reported under (None: they belong to the base)
    linear_weight : share of the linear part, in [0, 1], or "auto"
    linear_columns : features of the linear part (those that X has); None for all
    ridge : strength of the penalty on the linear part, or "auto"
    monotone : feature -> 1 (the risk may not fall in it) or -1 (may not rise); others are free
    calibration : "auto", a method of `models.calibration.choose_calibration`, or a fitted calibrator
    random_state : seed of the trees and of all draws
    n_jobs : LightGBM threads; the result is the same for any number

    Attributes
    ----------
    classes_ : (2,) sorted; the risk is that of the second
    feature_names_in_ : (p,) names of X's columns, where they have names
    n_features_in_ : p
    columns_ : Columns
    recipe_ : Recipe, what was chosen
    base_rate_ : log-odds where the trees start when there is no `start`; 0 with one
    ensemble_, booster_ : the trees, and LightGBM's booster; None where there are none
    linear_ : Linear
    evidence_ : (levels,) training groups of each value of `evidence_by`; None without it
    intercepts_ : (levels,) log-odds of each value of `intercept_by`; None without it
    calibration_ : Calibrator
    n_train_ : rows that taught
    later_rows_, later_score_ : (m,) places of the rows that judged, and the log-odds that provisional models, which
        knew nothing of them, gave each; what a calibration that follows the service may begin with. Both are empty
        where nothing could be judged, and not kept in files

    Notes
    -----
    The same rows in the same order give the same model to the bit, whatever `n_jobs`. What a row is told depends on no
    other row that is asked about with it.
    """

    def __init__(
        self,
        *,
        rounds: int | str = "auto",
        num_leaves: int | str = "auto",
        max_depth: int | str = "auto",
        learning_rate: float = 0.03,
        start: Start = None,
        evidence_by: str | None = None,
        evidence_strength: float | str = "auto",
        intercept_by: str | None = None,
        intercept_under: str | None = None,
        linear_weight: float | str = "auto",
        linear_columns: Sequence[str] | None = None,
        ridge: float | str = "auto",
        monotone: Mapping[str, int] | None = None,
        calibration: str | Calibrator = "auto",
        random_state: int = 1,
        n_jobs: int = 1,
    ) -> None:
        self.rounds = rounds
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.start = start
        self.evidence_by = evidence_by
        self.evidence_strength = evidence_strength
        self.intercept_by = intercept_by
        self.intercept_under = intercept_under
        self.linear_weight = linear_weight
        self.linear_columns = linear_columns
        self.ridge = ridge
        self.monotone = monotone
        self.calibration = calibration
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    @property
    def booster_(self) -> lgb.Booster | None:
        """LightGBM's booster; None where there are no trees."""
        return None if self.ensemble_ is None else self.ensemble_.booster

    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        at: ArrayLike | None = None,
        matures_at: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn from n rows whose outcome is known.

        Parameters
        ----------
        X : (n, p) numbers, NaN for missing; in a DataFrame also columns of categories (`category` or strings)
        y : (n,) of two classes
        sample_weight : (n,) not negative; how far each label is believed. A row of weight 0 teaches nothing and is no
            evidence. All count in full when None
        at : (n,) int64 seconds in UTC, the moment of each row. With it, what is recent counts more (half at the middle
            of the history), and choices are made by later rows; without, by a seeded fifth of the groups
        matures_at : (n,) int64 seconds in UTC from when on each label was known; an inner cut learns only from labels
            known before it. When None, a label counts as known at the moment of its row
        groups : (n,) codes of cases; rows of a case are never parted. When None, every row is its own

        Raises
        ------
        OneOutcomeError
            If all rows that teach have the same outcome (a ValueError and a NotEnoughDataError).
        UsageError
            If `start`, `evidence_by`, `intercept_by` or `monotone` name columns that are not there.
        ValueError
            If X, y or what goes with them have other shapes or infinite numbers.
        """
        frame = checked_frame(self, X, y, reset=True)
        outcome, self.classes_ = checked_outcome(y, len(frame))
        weight = np.asarray(_check_sample_weight(sample_weight, frame, dtype=np.float64, ensure_non_negative=True))
        timing = checked_timing(len(frame), at, matures_at, groups)
        taught = weight > 0
        if not taught.all():
            frame, outcome, weight, timing = frame[taught], outcome[taught], weight[taught], timing.rows(taught)
        require_both(outcome)
        self.columns_ = Columns.learn(frame, self.start, self.evidence_by, self.monotone, self.intercept_by)
        material = self._material(self.columns_.read(frame), outcome, weight, timing)
        choice, short = self._choice(material)
        self.recipe_ = choice.recipe
        self.intercepts_, choice = self._intercepts(choice, timing, short=short)
        self.calibration_ = self._calibrated(choice, short=short)
        judged = None if choice.material is None else choice.material.row
        self.later_rows_ = np.empty(0, dtype=np.int64) if judged is None else np.flatnonzero(taught)[judged]
        self.later_score_ = choice.score
        self.ensemble_, self.linear_ = fitted(
            material,
            choice.recipe,
            self._settings(len(material)),
            depth=_chosen(self.max_depth),
            threads=self.n_jobs,
            seed=self.random_state,
        )
        self.base_rate_, self.evidence_, self.n_train_ = material.base_rate, material.evidence(), len(material)
        return self

    def _material(self, table: Table, outcome: Floats, weight: Floats, timing: Timing) -> Material:
        columns = self.columns_
        place = {name: column for column, name in enumerate(columns.features)}
        chosen = None if self.linear_columns is None else tuple(place[n] for n in self.linear_columns if n in place)
        signs = {place[name]: int(sign) for name, sign in (self.monotone or {}).items()}
        row = np.arange(len(outcome))
        return Material(table, outcome, weight, timing, columns.tree_names, columns.categories, chosen, signs, row)

    def _settings(self, rows: int) -> TreeSettings:
        fewest = int(np.clip(rows / 25, 5, 60))
        return TreeSettings(learning_rate=self.learning_rate, min_data_in_leaf=fewest, seed=self.random_state)

    def _choice(self, material: Material) -> tuple[Choice, bool]:
        """How to put the model together, and whether the history is too short to correct a provisional model by."""
        some = material.some(MANY_ROWS, self.random_state)
        later = inner_folds(some, FEWEST_CASES, self.random_state, many=len(some) < len(material))
        lasting = [fold for fold in later if _is_long(some.timing, fold)]
        short = not lasting or sum(int(fold.after.sum()) for fold in lasting) < ENOUGH_ROWS
        tiny = material.weight.sum() < FEWEST_CASES
        options = self._options(some.timing.groups, tiny=tiny, short=short)
        # Nothing to choose and no calibration asked for: later rows would only tell how sure the risks are.
        settled = options.is_settled and (self.calibration == "identity" or not isinstance(self.calibration, str))
        choice = decide(
            some,
            options,
            self._settings(len(material)),
            later=[] if tiny or settled else later if short else lasting,
            rows=len(material),
            depth=_chosen(self.max_depth),
            threads=self.n_jobs,
        )
        return choice, short

    def _intercepts(self, choice: Choice, timing: Timing, *, short: bool) -> tuple[Floats | None, Choice]:
        """The intercept of each group, and the choice with the scores as they would have been told with intercepts."""
        column = self.columns_.intercept_by
        if column is None:
            return None, choice
        groups = len(self.columns_.levels[column])
        newest = timing.newest()
        seen = None if choice.material is None else Outcomes.of(choice.material, choice.score)
        if short or seen is None or newest is None:
            return np.zeros(groups), choice
        return seen.intercepts(groups, newest + 1), replace(choice, score=seen.followed(groups))

    def _options(self, groups: int, *, tiny: bool, short: bool) -> Options:
        """What is left to choose: what was given is not, and a short history does not judge a record."""
        with_start = bool(self.columns_.start)
        judges = not tiny and not (short and with_start)
        options = Options.defaults()
        if judges:
            options = Options.all_of(groups)
        if tiny:
            options = replace(options, rounds=0, ridges=(1.0,), linear_weights=(0.0 if with_start else 1.0,))
        given: dict[str, Any] = {}
        if self.num_leaves != "auto":
            given["trees"] = ((int(self.num_leaves), False),)
        if self.rounds != "auto":
            given["rounds"] = int(self.rounds)
        for name, value in (
            ("ridges", self.ridge),
            ("linear_weights", self.linear_weight),
            ("strengths", self.evidence_strength),
        ):
            if value != "auto":
                given[name] = (float(value),)
        return replace(options, **given)

    def _calibrated(self, choice: Choice, *, short: bool) -> Calibrator:
        if not isinstance(self.calibration, str):
            return self.calibration
        judged = choice.material
        settled = short or (bool(self.columns_.start) and (judged is None or _is_brief(judged.timing)))
        method = "identity" if settled and self.calibration == "auto" else self.calibration
        if judged is None:
            return choose_calibration(np.empty(0), np.empty(0), method="identity" if method == "auto" else method)
        timing, like = judged.timing, judged.table.evidence
        return choose_calibration(
            choice.score,
            judged.outcome,
            weight=judged.weight,
            at=timing.at,
            groups=timing.group,
            like=like,
            method=method,
        )

    def decision_function(self, X: ArrayLike | pd.DataFrame) -> Floats:
        """Log-odds before calibration, shape (n,).

        Raises
        ------
        ValueError
            If X has other columns than in `fit`.
        ModelError
            If a column of numbers holds names, or the other way round.
        """
        return self._score(self._read(X))

    def predict_proba(self, X: ArrayLike | pd.DataFrame) -> Floats:
        """Calibrated probabilities of both classes, (n, 2); the second is that of `classes_[1]`."""
        score = self.decision_function(X)
        risk = self.calibration_.probability(score)
        return np.column_stack([1 - risk, risk])

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[Any]:
        """The likelier class of each row, (n,)."""
        likelier = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[likelier.astype(np.intp)])

    def interval(self, X: ArrayLike | pd.DataFrame, level: float = 0.8) -> tuple[Floats, Floats]:
        """Limits between which the share that fails lies, of rows like each: lower and upper, (n,) each.

        Alike are rows of one value of `evidence_by` in one week, with the same score; without `evidence_by`, all rows
        with the same score.
        From the later rows that the calibration was fitted on; see `models.calibration`.
        """
        score = self.decision_function(X)
        return self.calibration_.interval(score, level)

    def tell(self, X: ArrayLike | pd.DataFrame, level: float = 0.8) -> tuple[Floats, Floats, Floats]:
        """The risk of each row and its interval, (n,) each: `predict_proba` and `interval`, with one look at X."""
        score = self.decision_function(X)
        return self.calibration_.probability(score), *self.calibration_.interval(score, level)

    def explain(self, X: ArrayLike | pd.DataFrame) -> Explanation:
        """Exact parts of every probability: TreeSHAP values, terms of the linear part and parts of the start."""
        table = self._read(X)
        w = self.recipe_.linear_weight
        linear = w * self.linear_.parts(table.features, table.start)
        k = len(self.columns_.features)
        parts = dict(zip(self.columns_.features, (linear[:, :k] + self._departures(table)).T, strict=True))
        for under, values, drawn in zip(self.columns_.start.values(), table.start, linear[:, k:].T, strict=True):
            if under is not None:
                parts[under] = parts.get(under, 0.0) + ((1 - w) * values + drawn)
        own = self._own(table)
        if own is not None and self.intercept_under is not None:
            parts[self.intercept_under] = parts.get(self.intercept_under, 0.0) + own
        return allocate(pd.DataFrame(parts), self._score(table), self.calibration_.probability)

    def to_files(self) -> dict[str, bytes]:
        """The model as LightGBM text and JSON; `from_files` gives back one that predicts the same bits."""
        check_is_fitted(self)
        return write_files(self)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, n_jobs: int = 1) -> Self:
        """Rebuild a model whose hashes have been checked.

        Raises
        ------
        ModelError
            If it is of another format, or a file is missing or damaged.
        """
        return cast("Self", read_files(cls, files, n_jobs))

    def _read(self, X: ArrayLike | pd.DataFrame) -> Table:
        check_is_fitted(self)
        return self.columns_.read(checked_frame(self, X, reset=False))

    def _score(self, table: Table) -> Floats:
        departures = np.zeros(len(table)) if self.ensemble_ is None else self.ensemble_.score(table.features)
        score = blend(
            table.start_score(self.base_rate_),
            departures,
            self.linear_.score(table.features, table.start),
            self._belief(table),
            self.recipe_.linear_weight,
        )
        own = self._own(table)
        return score if own is None else score + own

    def _own(self, table: Table) -> Floats | None:
        """The intercept of each row's group, (n,), 0 for one never seen; None without intercepts."""
        if self.intercepts_ is None or table.group is None:
            return None
        return np.append(self.intercepts_, 0.0)[table.group]

    def _belief(self, table: Table) -> Floats:
        return belief(self.evidence_, table, self.recipe_.evidence_strength)

    def _departures(self, table: Table) -> Floats | float:
        """What the trees add by each feature, (n, k); 0 without trees."""
        if self.ensemble_ is None:
            return 0.0
        share = (1 - self.recipe_.linear_weight) * self._belief(table)
        return np.asarray(share[:, None] * self.ensemble_.contributions(table.features)[:, :-1])


def _chosen(value: int | str) -> int | None:
    """A number that was given; None for "auto"."""
    return None if isinstance(value, str) else value


def _is_brief(timing: Timing) -> bool:
    """Whether all rows that judge lie within half a year."""
    return timing.at is not None and len(timing.at) > 0 and int(np.ptp(timing.at)) < _BRIEF


def _is_long(timing: Timing, fold: Fold) -> bool:
    """Whether what teaches at a cut spans half a year; without moments nothing can be told, and rows must do."""
    if fold.before.sum() < ENOUGH_ROWS:
        return False
    if timing.at is None:
        return True
    return bool(timing.at[fold.after].min() - timing.at[fold.before].min() >= LONG_ENOUGH)
