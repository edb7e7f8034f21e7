"""Back-tests by hand-worked value: folds, figures with intervals, capacity, slices, baselines, and all together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from data.errors import NotEnoughDataError, UsageError
from models.baselines import rows_baselines
from models.evaluate import brier_parts, calibration_line, expected_calibration_error, figures, log_odds
from models.validation.capacity import DayLists
from models.validation.folds import fold_at, rolling_folds, single_fold
from models.validation.judge import Estimate, Judge, verdict
from models.validation.rows import Labels, Rows
from models.validation.run import backtest_folds
from models.validation.slices import MINIMUM, sliced
from service import disclosure

DAY = 86_400
# Midnight between Sunday and Monday in UTC.
MONDAY = 1_600_041_600


def rows(y, at, matures_at=None, groups=None, **more) -> Rows:
    """A few rows by days after a Monday."""
    at = MONDAY + DAY * np.asarray(at)
    matures = at if matures_at is None else MONDAY + DAY * np.asarray(matures_at)
    y = np.asarray(y, dtype=float)
    groups = np.arange(len(y)) if groups is None else np.asarray(groups)
    given = {"X": np.zeros((len(y), 1)), "keys": pd.DataFrame(index=range(len(y))), "as_of": MONDAY + 999 * DAY}
    return Rows(**{**given, "y": y, "at": at, "matures_at": matures, "groups": groups, **more})


@pytest.fixture(scope="module")
def many() -> Rows:
    """2,400 rows of 300 days; two of three columns tell the risk, and the start one of them."""
    rng = np.random.default_rng(4)
    n = 2400
    table = pd.DataFrame(rng.normal(size=(n, 3)), columns=["p", "q", "r"])
    risk = 1 / (1 + np.exp(-(table["p"] + table["q"] - 1)))
    at = np.sort(rng.integers(0, 300, n))
    return rows(
        (rng.random(n) < risk).astype(float),
        at,
        at + rng.integers(1, 20, n),
        X=table,
        keys=pd.DataFrame({"office": rng.choice(["a", "b", "c"], n), "category": rng.choice(["x", "y"], n)}),
        start=table["p"].to_numpy() - 1,
        passed=rng.random(n),
        queue=rng.integers(0, 9, n).astype(float),
        as_of=MONDAY + 310 * DAY,
    )


class Plain:
    """A regression that takes nothing but rows and weights."""

    def __init__(self, columns: int = 3) -> None:
        self.columns = columns

    def fit(self, X, y, sample_weight=None):
        self.taught_ = len(y)
        self.model_ = LogisticRegression().fit(np.asarray(X)[:, : self.columns], y, sample_weight)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(np.asarray(X)[:, : self.columns])


# ---- folds ----


def test_a_fold_by_hand():
    """Cut on day 10: what matured before teaches, what was open is the gap, a case that taught does not test."""
    #         matured  open  not-known  straddler(early, later)  later  not-mature later
    given = rows(
        [1, 0, np.nan, 1, 0, 1, np.nan],
        [1, 8, 2, 3, 12, 11, 13],
        [5, 15, 4, 6, 14, 13, 2000],
        groups=[0, 1, 2, 3, 3, 4, 5],
    )
    fold = fold_at(given, MONDAY + 10 * DAY, given.as_of)
    assert fold.train.tolist() == [0, 3]
    assert fold.test.tolist() == [5]
    assert (fold.open_at_cut, fold.straddling) == (2, 1)


def test_a_label_of_the_cut_itself_does_not_teach():
    """Known strictly before: a row that matures in the second of the cut is still in the future."""
    given = rows([1, 1], [1, 1], [9, 10])
    assert fold_at(given, MONDAY + 10 * DAY, given.as_of).train.tolist() == [0]


def test_cuts_leave_equally_many_in_each_fold():
    """Half before the first cut, and the rest in equal parts."""
    given = rows(np.arange(100) % 2, np.arange(100))
    folds = rolling_folds(given, 5)
    assert [len(fold.test) for fold in folds] == [10, 10, 10, 10, 10]
    assert [len(fold.train) for fold in folds] == [50, 60, 70, 80, 90]
    (one,) = single_fold(given, 0.7)
    assert (len(one.train), len(one.test)) == (70, 30)
    slid = rolling_folds(given, 5, window="sliding")
    assert {len(fold.train) for fold in slid} <= {49, 50}


def test_cuts_may_be_given_and_must_ascend():
    """Any moments; two that don't ascend are refused."""
    given = rows(np.arange(100) % 2, np.arange(100))
    folds = rolling_folds(given, cuts=[MONDAY + 40 * DAY, MONDAY + 60 * DAY])
    assert [len(fold.test) for fold in folds] == [20, 40]
    with pytest.raises(UsageError, match="cuts that ascend"):
        rolling_folds(given, cuts=[MONDAY + 60 * DAY, MONDAY + 40 * DAY])


@pytest.mark.parametrize(
    ("asked", "told"), [({"first_share": 2}, "--split: expected a share"), ({"n_folds": 0}, "--folds: expected one")]
)
def test_impossible_folds_are_refused(asked, told):
    """The message names the option."""
    with pytest.raises(UsageError, match=told):
        rolling_folds(rows([0, 1], [1, 2]), **asked)


def test_nothing_mature_cannot_be_cut():
    """No row is told of before the as-of."""
    with pytest.raises(NotEnoughDataError, match="none is: nothing can be tested"):
        rolling_folds(rows([np.nan], [1], [2000]))


def test_rows_that_do_not_fit_are_refused():
    """Lengths, labels and keys; there is no key for a handler."""
    with pytest.raises(UsageError, match=r"weight: expected 2 rows.* got 3"):
        rows([0, 1], [1, 2], weight=np.ones(3))
    with pytest.raises(UsageError, match="labels of 0 and 1"):
        rows([0, 2], [1, 2])
    with pytest.raises(UsageError, match=r"keys: expected columns among office, .* got handler"):
        rows([0, 1], [1, 2], keys=pd.DataFrame({"handler": ["a", "b"]}))


# ---- figures ----


def test_parts_of_the_brier_score_by_hand():
    """Two bins, two rows each: shares 1/2 and 1 against 0.3 and 0.8."""
    y, p = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.8, 0.8])
    parts = brier_parts(y, p, np.array([0, 0, 1, 1]))
    assert parts.reliability == pytest.approx((0.2**2 + 0.2**2) / 2)
    assert parts.resolution == pytest.approx((0.25**2 + 0.25**2) / 2)
    assert parts.uncertainty == pytest.approx(0.75 * 0.25)
    assert parts.within_variance == pytest.approx(0.01 / 2)
    assert parts.within_covariance == pytest.approx(2 * (0.05 + 0.05) / 4)
    assert parts.brier == pytest.approx(np.mean((y - p) ** 2))


def test_the_calibration_line_is_that_of_a_logistic_regression():
    """Against scikit-learn without penalty; scores drawn out twofold have half the slope."""
    rng = np.random.default_rng(2)
    score = rng.normal(-1, 1, 3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-score))).astype(float)
    weight = rng.random(3000) + 0.5
    intercept, slope = calibration_line(y, 2 * score, weight)
    told = LogisticRegression(C=np.inf, tol=1e-10).fit(2 * score[:, None], y, weight)
    assert (intercept, slope) == pytest.approx((told.intercept_[0], told.coef_[0, 0]), abs=1e-5)
    assert slope == pytest.approx(0.5, abs=0.05)
    large, one = calibration_line(y, score - 0.7, slope=False)
    assert (large, one) == (pytest.approx(0.7, abs=0.12), 1.0)


def test_there_is_no_line_through_equal_scores_or_parted_outcomes():
    """Nothing to regress on, or a slope without end."""
    assert np.isnan(calibration_line(np.array([0.0, 1.0]), np.ones(2))).all()
    assert np.isnan(calibration_line(np.repeat([0.0, 1.0], 20), np.repeat([-1.0, 1.0], 20))).all()


def test_log_odds_stay_finite():
    """Certainties are kept within one in a million."""
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert log_odds(np.array([0.5])).tolist() == [0.0]


def test_figures_of_the_sample_are_the_plain_figures(many):
    """The first draw is the sample: AUC, average precision, Brier, ECE, and slope and intercept."""
    said = 1 / (1 + np.exp(-many.start))
    judge = Judge.of(many, replications=3)
    draws = judge.draws(said)
    told = figures(many.y, said)
    for name in ("auc", "average_precision", "brier"):
        assert draws[name][0] == pytest.approx(getattr(told, name), abs=1e-12)
    assert draws["ece"][0] == pytest.approx(expected_calibration_error(many.y, said), abs=2e-3)
    parts = draws["reliability"][0] - draws["resolution"][0] + draws["uncertainty"][0]
    assert parts == pytest.approx(told.brier, abs=2e-3)
    assert draws["slope"][0] == pytest.approx(calibration_line(many.y, many.start)[1])
    assert draws["intercept"][0] == pytest.approx(calibration_line(many.y, many.start, slope=False)[0])


def test_a_newton_step_is_near_the_regression_of_the_drawn_rows(many):
    """Slope and intercept of a draw, against those of its rows fitted to the end."""
    said = 1 / (1 + np.exp(-many.start))
    judge = Judge.of(many, replications=40)
    draws = judge.draws(said)
    weights = [judge._counts[draw][judge._block] for draw in range(41)]
    slopes = np.array([calibration_line(many.y, many.start, weight)[1] for weight in weights])
    intercepts = np.array([calibration_line(many.y, many.start, weight, slope=False)[0] for weight in weights])
    for found, exact in ((draws["slope"], slopes), (draws["intercept"], intercepts)):
        assert found[0] == pytest.approx(exact[0], abs=1e-9)
        assert np.std(found - exact) < 0.15 * np.std(exact)
        assert abs(np.mean(found - exact)) < 0.15 * np.std(exact)


def test_every_interval_holds_its_figure(many):
    """Those of calibration errors too, which noise moves upwards in every draw."""
    judge = Judge.of(many)
    found = judge.estimates(judge.draws(1 / (1 + np.exp(-many.start))))
    assert judge.unit == "week"
    for name, one in found.items():
        assert one.low <= one.value <= one.high, name
    curve = judge.reliability(1 / (1 + np.exp(-many.start)))
    assert sum(curve.n) == len(many)
    assert all(one.low <= one.value <= one.high for one in curve.observed)


def test_a_model_adds_nothing_to_itself(many):
    """Draws are paired: differences and skill of a model against itself are zero, with no doubt."""
    judge = Judge.of(many, replications=50)
    draws = judge.draws(1 / (1 + np.exp(-many.start)))
    differences = judge.differences(draws, draws)
    assert set(differences.values()) == {Estimate(0.0, 0.0, 0.0)}
    assert judge.skill(draws, draws) == Estimate(0.0, 0.0, 0.0)
    assert verdict(differences) == "unclear"


def test_a_case_is_drawn_whole():
    """A row of a later week belongs to the week of its case's first."""
    given = rows([0, 1, 0, 1], [0, 7, 14, 100], groups=[0, 1, 0, 2])
    judge = Judge.of(given, replications=1)
    assert (judge.unit, judge._block.tolist()) == ("day", [0, 1, 0, 2])


def test_one_block_or_one_outcome_has_no_interval_and_no_ranking():
    """A day alone says nothing of days; what cannot be told is None and not NaN."""
    judge = Judge.of(rows([0, 1, 1], [3, 3, 3]), replications=9)
    assert judge.share(np.array([1.0, 0.0, 0.5])) == Estimate(0.5, None, None)
    alone = Judge.of(rows([1, 1], [3, 4]), replications=9)
    found = alone.estimates(alone.draws(np.array([0.2, 0.7])))
    assert (found["auc"].value, found["slope"].value) == (None, None)
    assert json.dumps({name: one.as_dict() for name, one in found.items()}, allow_nan=False)


@pytest.mark.parametrize(
    ("auc", "brier", "told"),
    [
        ((0.01, 0.03), (-0.01, 0.01), "beats"),
        ((-0.01, 0.03), (-0.02, -0.01), "beats"),
        ((-0.03, -0.01), (-0.01, 0.01), "loses"),
        ((0.01, 0.03), (0.01, 0.03), "both"),
        ((-0.01, 0.03), (-0.01, 0.01), "unclear"),
        ((None, None), (-0.01, 0.01), "unclear"),
    ],
)
def test_a_baseline_is_beaten_if_something_is_better_and_nothing_worse(auc, brier, told):
    """More AUC and less Brier are better; what has no interval decides nothing."""
    assert verdict({"auc": Estimate(0.0, *auc), "brier": Estimate(0.0, *brier), "ece": Estimate(1, 1, 1)}) == told


# ---- capacity ----


def test_the_riskiest_of_each_office_and_day_are_attended():
    """Two places each; ties share what is left, a case stands once a day with its newest row."""
    keys = pd.DataFrame({"office": ["a", "a", "a", "a", "b", "a", "a"]})
    given = rows([1, 0, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 2, 1], groups=[0, 1, 2, 3, 4, 0, 5], keys=keys)
    early = replace(given, at=given.at + np.array([0, 0, 0, 0, 0, 0, 60]), groups=np.array([0, 1, 2, 3, 4, 0, 3]))
    lists = DayLists.of(early, 2)
    # Row 3 is the same case as row 6, a minute older: it stands on no list.
    share = lists.attended(np.array([0.9, 0.5, 0.5, 0.99, 0.1, 0.2, 0.5]), lists.capacity)
    assert share == pytest.approx([1, 1 / 3, 1 / 3, 0, 1, 1, 1 / 3])
    judge = Judge.of(early, replications=1)
    found = judge.attended(share, lists.known)
    hits = 1 + 1 / 3 + 1 + 1
    assert found["precision_at_capacity"][0] == pytest.approx(hits / 4)
    assert found["recall_at_capacity"][0] == pytest.approx(hits / 4)


def test_a_list_without_capacity_is_left_out():
    """Capacity of the rows where none is given; where it is not known, nobody is judged by it."""
    keys = pd.DataFrame({"office": ["a", "a", "b", "b"]})
    given = rows([1, 0, 1, 0], [1, 1, 1, 1], keys=keys, capacity=np.array([1.0, 1.0, np.nan, np.nan]))
    lists = DayLists.of(given)
    assert lists.known.tolist() == [True, True, False, False]
    assert lists.attended(np.array([0.1, 0.2, 0.3, 0.4]), lists.capacity).tolist() == [0, 1, 0, 0]


# ---- slices ----


def test_slices_are_those_of_their_rows_and_small_ones_stand_together():
    """Counts, rates and the gap of each value; two small values are told as one, and say how many they are."""
    office = np.array(["b"] * 50 + ["a"] * 50 + ["c"] * 12 + ["d"] * 13)
    y = np.concatenate([np.arange(50) % 2, np.arange(50) % 4 == 0, np.ones(12), np.zeros(13)]).astype(float)
    given = rows(y, np.arange(125) % 90, keys=pd.DataFrame({"office": office}))
    found = sliced(given, np.full(125, 0.4), replications=30)
    assert [one.dimension for one in found] == ["office", "month"]
    offices = found[0]
    assert [one.name for one in offices.told] == ["a", "b"]
    assert [one.cases for one in offices.told] == [50, 50]
    assert [one.base_rate.value for one in offices.told] == pytest.approx([13 / 50, 0.5])
    assert [one.difference.value for one in offices.told] == pytest.approx([0.4 - 13 / 50, -0.1])
    # All of "c" were failed and none of "d": neither zero is told.
    assert (offices.withheld, offices.pooled.together, offices.pooled.cases) == (2, 2, 25)
    assert offices.pooled.base_rate.value == pytest.approx(12 / 25)
    assert not {"c", "d"} & {one["name"] for one in offices.as_dict()["told"]}


def test_small_values_that_are_too_few_together_take_another_with_them():
    """Seven cases alone would be the difference of the whole and what is shown; with all small, nothing is told."""
    office = np.array(["a"] * 40 + ["b"] * 60 + ["c"] * 7)
    y = (np.arange(107) % 2).astype(float)
    found = sliced(rows(y, np.arange(107) % 5, keys=pd.DataFrame({"office": office})), np.full(107, 0.5))
    assert [one.name for one in found[0].told] == ["b"]
    assert found[0].pooled.cases == 47
    few = rows([0, 1, 0, 1], [1, 2, 3, 4], keys=pd.DataFrame({"office": list("abab")}))
    (alone,) = sliced(few, np.full(4, 0.5))
    assert (alone.told, alone.pooled, alone.withheld) == ((), None, 2)


def test_the_minimum_is_that_of_disclosure():
    """One minimum in the whole house."""
    assert MINIMUM == disclosure.MINIMUM


# ---- baselines ----


def test_baselines_by_hand():
    """Rates by category are shrunken by ten cases; the city's rate is everyone's; the record is the start."""
    keys = pd.DataFrame({"category": ["x"] * 10 + ["y"] * 30})
    y = np.concatenate([np.ones(10), np.arange(30) % 3 == 0]).astype(float)
    taught = rows(y, np.arange(40), keys=keys, start=np.zeros(40), passed=np.repeat([0.1, 0.9], 20))
    tested = rows([0, 0, 0], [50] * 3, keys=pd.DataFrame({"category": ["x", "y", "new"]}), start=np.zeros(3),
                  passed=np.array([0.1, 0.9, np.nan]))  # fmt: skip
    found = rows_baselines(taught, tested)
    assert found["city_rate"] == pytest.approx(0.5)
    assert found["category_rate"] == pytest.approx([(10 + 5) / 20, (10 + 5) / 40, 0.5])
    early = y[:20].sum()
    assert found["age"] == pytest.approx([(early + 5) / 30, (20 - early + 5) / 30, 0.5])
    assert found["record"] == pytest.approx(0.5)
    assert "queue_length" not in found


def test_rows_that_are_not_believed_teach_no_baseline(many):
    """Weight 0 is as if the row were not there."""
    fold = fold_at(many, MONDAY + 200 * DAY, many.as_of)
    taught, tested = many.taught(fold.train, fold.cut), many.rows(fold.test)
    weight = (np.arange(len(taught)) % 2).astype(float)
    half = replace(taught, weight=weight)
    told, alone = rows_baselines(half, tested), rows_baselines(taught.rows(np.flatnonzero(weight)), tested)
    for name in ("city_rate", "category_rate", "record"):
        assert told[name] == pytest.approx(alone[name]), name
    with pytest.raises(NotEnoughDataError, match="rows that teach before the cut"):
        rows_baselines(replace(taught, weight=np.zeros(len(taught))), tested)


# ---- all together ----


def test_a_backtest_says_what_it_found(many):
    """A model of all columns beats every rule of fewer; JSON is strict, and progress reaches its end."""
    steps = []
    found = backtest_folds(
        Plain,
        many,
        n_folds=3,
        capacity=2,
        replications=200,
        progress=lambda text, done, total: steps.append((done, total)),
    )
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    beaten = found.beats()
    assert {beaten[name] for name in ("city_rate", "category_rate", "age", "queue_length", "record")} == {"beats"}
    assert beaten["logistic_regression"] == "unclear"
    assert found.figured.baselines["record"].skill.value > 0.05
    assert found.figured.n == sum(fold.n_test for fold in found.folds) == len(found.probability)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert {"folds", "slices", "baselines", "reliability", "capacity_curve", "capacity"} <= set(told)
    assert list(told["slices"]) == ["office", "category", "month"]
    at_all = told["capacity_curve"][-1]
    assert at_all["recall"]["value"] == pytest.approx(1)
    assert at_all["precision"]["value"] == pytest.approx(told["base_rate"]["value"])


def test_any_number_of_processes_gives_the_same(many):
    """Two processes say to the bit what one says."""
    one, two = (backtest_folds(Plain, many, n_folds=2, replications=20, n_jobs=jobs) for jobs in (1, 2))
    assert one.as_dict() == two.as_dict()
    np.testing.assert_array_equal(one.probability, two.probability)


def test_a_model_is_given_what_its_fit_takes(many):
    """Moments, maturities and cases by name; weights only where labels were judged."""
    seen = []

    class Asking(Plain):
        def fit(self, X, y, sample_weight=None, *, at=None, groups=None):
            seen.append((len(y), sample_weight is not None, at.max(), len(np.unique(groups))))
            return super().fit(X, y, sample_weight)

    weighed = replace(many, labels_at=lambda moment: Labels(many.y, many.matures_at, np.full(len(many), 0.5)))
    folds = rolling_folds(many, 1)
    for given in (many, weighed):
        backtest_folds(Asking, given, folds=folds, replications=5)
    taught = len(folds[0].train)
    newest = many.at[folds[0].train].max()
    assert seen == [(taught, False, newest, taught), (taught, True, newest, taught)]


def test_trusted_labels_are_judged_beside_all(many):
    """Figures on rows whose labels are believed; none where there are too few."""
    trusted = np.arange(len(many)) % 2 == 0
    found = backtest_folds(Plain, replace(many, trusted=trusted), n_folds=2, replications=5)
    assert found.trusted.n == trusted[found.places].sum()
    few = backtest_folds(Plain, replace(many, trusted=np.arange(len(many)) < 3), n_folds=2, replications=5)
    assert few.trusted is None


def test_folds_with_too_few_rows_are_left_out_and_counted(many):
    """A fold of a dozen rows says nothing; if all are such, nothing is said."""
    cuts = [MONDAY + 150 * DAY, int(many.at.max()) - DAY // 2]
    found = backtest_folds(Plain, many, folds=rolling_folds(many, cuts=cuts), replications=5)
    assert (len(found.folds), found.skipped) == (1, 1)
    with pytest.raises(NotEnoughDataError, match="none of 1 is such"):
        backtest_folds(Plain, many, folds=rolling_folds(many, cuts=cuts[1:]), replications=5)
