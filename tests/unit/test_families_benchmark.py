"""What can be wrong unseen when families are compared: draws, intervals, verdicts, and what differs by what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from features.catalogue import CATALOGUE
from models.evaluate import figures
from models.risk_model import RiskModel
from models.validation.folds import fold_at
from models.validation.history_rows import rows_of
from tests.benchmarks.families import RECIPES, variants
from tests.benchmarks.family_files import families, missing_families, split, with_features
from tests.support.paired_bootstrap import (
    METRICS,
    Difference,
    block_unit,
    blocks,
    differences,
    interval,
    redrawn_figures,
    redraws,
    verdict,
)

DAY = 86_400
# Midnight between Sunday, 1 July, and Monday, 2 July 2018 in St. Louis.
MONDAY = 1_530_507_600


@pytest.fixture
def judged():
    """400 outcomes of eight blocks, with probabilities of which many are equal."""
    rng = np.random.default_rng(3)
    probability = np.round(rng.random(400), 2)
    outcome = (rng.random(400) < probability).astype(float)
    return outcome, probability, np.arange(400) // 50


def test_the_first_row_is_the_sample_itself(judged):
    """Undrawn, the four figures are those of a back-test."""
    outcome, probability, block = judged
    found = redrawn_figures(outcome, probability, block, redraws(8, 3, seed=1))
    told = figures(outcome, probability)
    for name in METRICS:
        assert found[name][0] == pytest.approx(getattr(told, name), abs=1e-12), name


def test_a_draw_is_the_cases_of_its_blocks_as_often_as_drawn(judged):
    """AUC, average precision and Brier of every draw, against those of the rows themselves."""
    outcome, probability, block = judged
    counts = redraws(8, 130, seed=2)
    found = redrawn_figures(outcome, probability, block, counts)
    for draw in (1, 77, 130):
        rows = np.repeat(np.arange(400), counts[draw].astype(int)[block])
        told = figures(outcome[rows], probability[rows])
        for name in ("auc", "average_precision", "brier"):
            assert found[name][draw] == pytest.approx(getattr(told, name), abs=1e-12), name


def test_weights_count_as_they_do_elsewhere(judged):
    """Weighted figures are those of scikit-learn, and twice the weight changes nothing."""
    outcome, probability, block = judged
    weight = np.random.default_rng(4).random(400) + 0.1
    counts = redraws(8, 2, seed=1)
    found = redrawn_figures(outcome, probability, block, counts, weight)
    assert found["auc"][0] == pytest.approx(roc_auc_score(outcome, probability, sample_weight=weight))
    precision = average_precision_score(outcome, probability, sample_weight=weight)
    assert found["average_precision"][0] == pytest.approx(precision)
    twice = redrawn_figures(outcome, probability, block, counts, 2 * weight)
    for name in METRICS:
        np.testing.assert_allclose(found[name], twice[name], rtol=1e-12)


def test_draws_are_seeded_and_of_as_many_blocks():
    """The same seed draws the same, and every draw is as many blocks as there are."""
    counts = redraws(12, 500, seed=9)
    assert (counts == redraws(12, 500, seed=9)).all()
    assert (counts.sum(axis=1) == 12).all()
    assert (counts[0] == 1).all()


def test_weeks_begin_on_the_local_monday():
    """A second before midnight in St. Louis is another week, though it is Monday in UTC already."""
    moments = np.array([MONDAY - 1, MONDAY, MONDAY + 7 * DAY - 1, MONDAY + 7 * DAY])
    assert np.diff(blocks(moments, "America/Chicago", "week")).tolist() == [1, 0, 1]
    assert np.diff(blocks(moments, "America/Chicago", "day")).tolist() == [1, 6, 1]


@pytest.mark.parametrize(("weeks", "unit"), [(7, "day"), (8, "week")])
def test_days_are_drawn_where_weeks_are_few(weeks, unit):
    """Of seven weeks days are drawn, of eight the weeks."""
    assert block_unit(MONDAY + DAY * np.arange(7 * weeks), "America/Chicago") == unit


def test_few_blocks_make_wide_intervals():
    """With a thousand blocks the interval is that of the percentiles, with eight as wide as the t distribution asks."""
    drawn = np.random.default_rng(5).normal(size=100_000)
    low, high = interval(drawn, 1000, 0.95)
    assert (low, high) == pytest.approx((-1.96, 1.96), abs=0.04)
    low, high = interval(drawn, 8, 0.95)
    wide = np.sqrt(8 / 7) * stats.t.ppf(0.975, 7)
    assert (low, high) == pytest.approx((-wide, wide), abs=0.08)


def test_noise_of_training_is_pooled_and_added():
    """Two comparisons that no draw changes: what is left is the spread between seeds, over the root of their number."""
    still = np.ones(20_001)
    pairs = [(np.outer([0.1, 0.3], still), np.zeros((2, 20_001))), (np.outer([0.2, 0.2], still), np.zeros((2, 20_001)))]
    found = differences(pairs, 1000, seed=1)
    assert [one.value for one in found] == pytest.approx([0.2, 0.2])
    # Variances 0.02 and 0, so 0.01 between them.
    assert [one.noise for one in found] == pytest.approx([0.1, 0.1])
    low, high = found[1].intervals[0.95]
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 / np.sqrt(2), rel=0.04)


def test_a_model_adds_nothing_to_itself(judged):
    """Draws are paired: the difference of a model with itself is zero in every one."""
    outcome, probability, block = judged
    brier = redrawn_figures(outcome, probability, block, redraws(8, 500, seed=1))["brier"][None].repeat(2, axis=0)
    (found,) = differences([(brier, brier)], 8, seed=1)
    assert found.value == 0
    assert found.intervals == {0.9: (0.0, 0.0), 0.95: (0.0, 0.0)}
    assert found.side(0.95) == 0


@pytest.mark.parametrize(
    ("auc", "brier", "ece", "told"),
    [
        ((0.01, 0.03), (-0.01, 0.01), (0.01, 0.02), "helps"),
        ((-0.01, 0.03), (-0.02, -0.01), (-0.01, 0.01), "helps"),
        ((-0.03, -0.01), (-0.01, 0.01), (-0.01, 0.01), "hurts"),
        ((0.01, 0.03), (0.01, 0.03), (-0.01, 0.01), "both"),
        ((-0.01, 0.03), (-0.01, 0.01), (-0.02, -0.01), "unclear"),
    ],
)
def test_a_family_helps_if_something_is_better_and_nothing_worse(auc, brier, ece, told):
    """More AUC and less Brier are better; the calibration error alone decides nothing."""
    ends = {"auc": auc, "average_precision": (-0.01, 0.01), "brier": brier, "ece": ece}
    found = {name: Difference(sum(each) / 2, {0.9: each, 0.95: each}, 0.0) for name, each in ends.items()}
    assert verdict(found) == told


def _features(**values: list[float]) -> pd.DataFrame:
    return pd.DataFrame(values, dtype=np.float64)


def test_only_what_varies_is_a_family_in_these_data():
    """A constant says nothing; a value beside nulls does."""
    features = _features(
        record_area=[0, 1, 2], backlog_area=[1, np.nan, 1], findings_28d=[0, 0, 0], near_backlog_area=[np.nan] * 3
    )
    assert families(features) == {"record": ["record_area"], "load": ["backlog_area"]}
    missing = missing_families(features)
    assert "place" in missing
    assert "neighbours" in missing
    assert "load" not in missing


def test_each_family_is_left_out_and_what_is_not_default_is_added():
    """Columns keep the order of the catalogue, and what does not vary is not counted."""
    features = _features(
        record_area=[0, 1], late_share_91d_area=[0, 1], trend_area=[0, 1], backlog_area=[0, 1], open_area=[3, 3]
    )
    default = [name for name in features if CATALOGUE[name].in_model]
    made, pairs = variants(features, default)
    names = {one.words: one.names for one in made}
    assert names["all"] == list(features)
    assert names["default"] == ["record_area", "trend_area"]
    assert names["all without load"] == ["record_area", "late_share_91d_area", "trend_area"]
    assert names["default with record"] == ["record_area", "late_share_91d_area", "trend_area"]
    assert names["default with load"] == ["record_area", "trend_area", "backlog_area"]
    told = [(pair.family, pair.question, pair.features) for pair in pairs]
    assert told == [
        ("record", "left out", 2),
        ("trend", "left out", 1),
        ("load", "left out", 1),
        ("record", "added", 1),
        ("load", "added", 1),
    ]


def test_what_tells_the_waiting_is_left_out_alone_and_together():
    """Progress and deadline say most of the same: apart neither would be missed."""
    features = _features(
        record_area=[0, 1], backlog_area=[0, 1], hours_since_opening=[0, 1], is_open=[1, 1], hours_to_due=[1, 0]
    )
    default = ["record_area", "hours_since_opening", "is_open", "hours_to_due"]
    made, pairs = variants(features, default)
    names = {one.words: one.names for one in made}
    assert names["default"] == default
    assert names["all without progress and deadline"] == ["record_area", "backlog_area"]
    assert [(pair.family, pair.question, pair.features, pair.more, pair.less) for pair in pairs[-3:]] == [
        ("deadline", "left out", 1, "all", "all without deadline"),
        ("progress and deadline", "left out", 2, "all", "all without progress and deadline"),
        ("load", "added", 1, "default with load", "default"),
    ]
    assert all(pair.more in names and pair.less in names for pair in pairs)


def test_a_comparison_is_split_as_a_back_test_is(small_history):
    """What teaches and what tests are the landmarks of the fold at the same cut."""
    cut = int(small_history.landmarks["opened_at"].quantile(0.7))
    taught, tested, outcome = split(small_history, cut)
    rows = rows_of(small_history)
    fold = fold_at(rows, cut, small_history.as_of)
    assert len(fold.train) > 1000
    pd.testing.assert_frame_equal(taught.inputs.table("late"), rows.rows(fold.train).X)
    pd.testing.assert_frame_equal(tested.table("late"), rows.rows(fold.test).X)
    assert (outcome == rows.y[fold.test]).all()
    assert not set(tested.landmarks["case_id"]) & set(taught.inputs.landmarks["case_id"])


def test_features_are_chosen_and_the_start_stays(small_history):
    """What a variant leaves out is columns of features only."""
    some = small_history.inputs.rows(np.arange(50))
    table = with_features(some, ["record_area", "trend_area"]).table("late")
    assert [name for name in table if ":" not in name] == ["record_area", "trend_area"]
    assert len(table.columns) == 2 + len(some.starts["late"].columns) + 1


def test_nothing_of_the_recipe_is_left_to_choose():
    """Every setting that a model chooses from its history is given."""
    chosen = {name for name, value in RiskModel().get_params().items() if value == "auto"}
    for where, recipe in RECIPES.items():
        # The depth follows from the leaves.
        assert chosen - {"max_depth"} <= set(recipe), where
