"""How long until the office will have answered an open case, as a distribution that covers what it says it covers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from data.errors import ModelError
from models.json_files import refuse_constant
from models.remaining_time.checks import checked_levels, checked_rows
from models.remaining_time.conformal import moved, one_sided_moves
from models.remaining_time.design import Design
from models.remaining_time.distribution import Distribution
from models.remaining_time.parts import parts_by_time
from models.remaining_time.stack import UNJUDGED, Rows, Stack, drawn
from models.remaining_time.trees import MEDIAN, QuantileTrees

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FORMAT: Final = 1
# The ends of the intervals of 80 and 95 of 100, the middle, and enough between to draw the curve.
LEVELS: Final = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


class RemainingTime(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The remaining time of open cases: quantile trees and like cases, stacked by time and conformalised by time.

    Training cases are put in order of their first landmark. Shares of the members of the stack are chosen on the
    third fifth or so of the cases by models that saw only what was known before it; the members are then fitted to
    the first four fifths, and the last fifth, seen by none, moves every quantile until it covers
    (`models.remaining_time.conformal`). A case is never on both sides.

    Parameters
    ----------
    levels : of the quantiles that are learned: increasing, symmetric around 0.5, which is among them
    like : column of X by which like cases are told (name, or position), such as the number of steps so far or the age;
        None: all cases are alike
    rounds, learning_rate, num_leaves, min_child_samples, colsample, subsample, reg_lambda : of the trees, as LightGBM
    unit : seconds that separate short from long on the log scale
    conformal_share : of the cases, the newest, kept to conformalise, and as many before them to choose the shares
    refit : learn once more from all rows, keeping moves and shares. Predictions are fresher; the guarantee then is
        no longer exact, since the moves belong to the model before
    most_rows : drawn at random for the trees where there are more, so that the cost stays bounded; None: all
    random_state : seed of the trees and of that draw

    Attributes
    ----------
    distribution_levels_, guaranteed_ : the levels, and for which of them there were enough rows to promise coverage
    shares_ : of trees, like cases, and like cases of late
    moves_ : (k,) on the scale log(1 + seconds / unit)
    n_features_in_, feature_names_in_ : as in scikit-learn

    Notes
    -----
    Coverage holds in finite samples when the rows to come are exchangeable with the conformal ones. Cases drift, so
    that is never quite so: see `models.remaining_time.rolling`. Open cases count by what they have waited
    (multiple imputation in the trees, Kaplan and Meier elsewhere): assumed is that among like cases the time of
    watching is independent of the time to go.

    References
    ----------
    Romano, Y., Patterson, E. and Candès, E. (2019). Conformalized quantile regression. NeurIPS.
    """

    def __init__(
        self,
        *,
        levels: Sequence[float] = LEVELS,
        like: str | int | None = None,
        rounds: int = 200,
        learning_rate: float = 0.05,
        num_leaves: int = 15,
        min_child_samples: int = 20,
        colsample: float = 0.4,
        subsample: float = 0.7,
        reg_lambda: float = 1.0,
        unit: float = 3600.0,
        conformal_share: float = 0.2,
        refit: bool = False,
        most_rows: int | None = 200_000,
        random_state: int = 1,
    ) -> None:
        self.levels = levels
        self.like = like
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.colsample = colsample
        self.subsample = subsample
        self.reg_lambda = reg_lambda
        self.unit = unit
        self.conformal_share = conformal_share
        self.refit = refit
        self.most_rows = most_rows
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.positive_only = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        at: ArrayLike | None = None,
        known_at: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        censored: ArrayLike | None = None,
    ) -> Self:
        """Learn from n landmarks.

        Parameters
        ----------
        X : (n, k) numbers, nan for null; in a frame also categories
        y : (n,) remaining seconds, at least 0; of censored rows, the seconds that it is known to exceed
        sample_weight : (n,) at least 0; for the members, not for the conformal step
        at : (n,) int64 seconds in UTC of the landmarks; None: the order of the rows is the order of time
        known_at : (n,) int64 seconds in UTC from which y was known; None: at + y
        groups : (n,) case of each row; None: every row its own
        censored : (n,) bool, of cases still open; None: none

        Raises
        ------
        ValueError
            When lengths differ, a value is negative or not finite, or the levels are not as said above.
        ModelError
            When `like` is no column of X.
        """
        levels = checked_levels(self.levels)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True)
            self._design = Design.of(X)
            matrix = self._design.matrix(X)
        else:
            matrix, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
            self._design = Design(None, {})
        rows, known = checked_rows(matrix, self._like_key(matrix), y, sample_weight, at, known_at, groups, censored)
        self.distribution_levels_ = levels
        self._fit_rows(rows, known, levels)
        return self

    def _like_key(self, matrix: Floats) -> Floats:
        return np.zeros(len(matrix)) if self.like is None else matrix[:, self._design.position(self.like)]

    def _fit_rows(self, rows: Rows, known: NDArray[np.int64], levels: Floats) -> None:
        parts = parts_by_time(rows, known, self.conformal_share)
        shares = UNJUDGED
        if parts.judge is not None and parts.before_judge is not None:
            middle = self._stack(parts.before_judge, np.array([MEDIAN]), UNJUDGED)
            shares = middle.judged(parts.judge, self.unit)
        self._stack_ = self._stack(parts.learn, levels, shares)
        self.shares_ = shares
        self._conformalise(parts.conform, levels)
        if self.refit and parts.conform is not None:
            self._stack_ = self._stack(rows, levels, shares)

    def _stack(self, rows: Rows, levels: Floats, shares: tuple[float, float, float]) -> Stack:
        return Stack.fit(
            drawn(rows, self.most_rows, self.random_state),
            self.unit,
            levels,
            self._parameters(len(rows.y)),
            self.rounds,
            self._design.categorical,
            shares,
        )

    def _conformalise(self, rows: Rows | None, levels: Floats) -> None:
        if rows is None:
            self.moves_, self.guaranteed_ = np.zeros(len(levels)), np.zeros(len(levels), dtype=bool)
            return
        z = np.log1p(rows.y / self.unit)
        knots = self._stack_.knots(rows.X, rows.like, levels)
        self.moves_, self.guaranteed_ = one_sided_moves(knots, z, rows.censored, rows.groups, levels)

    def _parameters(self, n: int) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            # Of a handful of rows a leaf of twenty would leave no split.
            "min_data_in_leaf": max(1, min(self.min_child_samples, n // 10)),
            "feature_fraction": self.colsample,
            "bagging_fraction": self.subsample,
            "bagging_freq": 1,
            "lambda_l2": self.reg_lambda,
            "max_bin": 63,
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }

    def distribution(self, X: Any) -> Distribution:
        """The whole distribution of each row, from which all else is read."""
        matrix = self._matrix(X)
        levels = self.distribution_levels_
        knots = self._stack_.knots(matrix, self._like_key(matrix), levels)
        return Distribution(levels, moved(knots, self.moves_, levels), self.unit)

    def predict(self, X: Any) -> Floats:
        """The median, (n,) seconds."""
        return self.distribution(X).median()

    def predict_quantile(self, X: Any, levels: ArrayLike) -> Floats:
        """(n, m) seconds that are not exceeded with the given probabilities; non-decreasing in the level."""
        return self.distribution(X).quantile(levels)

    def predict_interval(self, X: Any, level: float = 0.8) -> tuple[Floats, Floats]:
        """The lower and the upper end of the central interval, each (n,) seconds."""
        return self.distribution(X).interval(level)

    def survival(self, X: Any, seconds: ArrayLike) -> Floats:
        """P(remaining > seconds), (n,); `seconds` a number or (n,)."""
        return self.distribution(X).survival(seconds)

    def _matrix(self, X: Any) -> Floats:
        check_is_fitted(self, "moves_")
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True, reset=False)
            return self._design.matrix(X)
        found = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return np.asarray(found, dtype=np.float64)

    def to_files(self) -> dict[str, bytes]:
        """The fitted model as plain numbers: one LightGBM text per level, and the rest as JSON."""
        check_is_fitted(self, "moves_")
        content = {
            "format": FORMAT,
            "kind": "remaining_time",
            "parameters": {**self.get_params(), "levels": list(self.levels)},
            "design": self._design.as_dict(),
            "n_features": int(self.n_features_in_),
            "levels": self.distribution_levels_.tolist(),
            "moves": self.moves_.tolist(),
            "guaranteed": self.guaranteed_.tolist(),
            "stack": self._stack_.as_dict(),
        }
        files = {f"quantile_{level}.txt": text.encode() for level, text in self._stack_.trees.texts.items()}
        return {**files, "model.json": json.dumps(content, ensure_ascii=False, allow_nan=False).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """What `to_files` gave; predictions are the same to the bit.

        Raises
        ------
        ModelError
            When a file is missing, cannot be read, or is of another format.
        """
        try:
            content = json.loads(files["model.json"], parse_constant=refuse_constant)
            if (content["format"], content["kind"]) != (FORMAT, "remaining_time"):
                raise ModelError(f"Expected a model of remaining time in format {FORMAT}, but got another.")
            return cls._restored(content, files)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as broken:
            message = "Expected the files of a model of remaining time, but some are missing or damaged."
            raise ModelError(message) from broken

    @classmethod
    def _restored(cls, content: dict[str, Any], files: Mapping[str, bytes]) -> Self:
        model = cls(**{**content["parameters"], "levels": tuple(content["parameters"]["levels"])})
        model._design = Design.from_dict(content["design"])
        model.n_features_in_ = content["n_features"]
        if model._design.names is not None:
            model.feature_names_in_ = np.array(model._design.names, dtype=object)
        levels = [float(level) for level in content["levels"]]
        model.distribution_levels_ = np.array(levels)
        model.moves_ = np.array(content["moves"], dtype=np.float64)
        if model.moves_.shape != model.distribution_levels_.shape:
            raise ModelError(f"Expected a move for each of {len(levels)} levels, and got {len(model.moves_)}.")
        model.guaranteed_ = np.array(content["guaranteed"], dtype=bool)
        texts = {level: files[f"quantile_{level}.txt"].decode() for level in levels}
        model._stack_ = Stack.from_dict(content["stack"], QuantileTrees.from_texts(texts))
        model.shares_ = model._stack_.shares
        return model
