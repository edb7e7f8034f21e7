"""Laws of folds, figures and slices that hold for any rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from models.baselines import rows_baselines
from models.evaluate import brier_parts
from models.validation.bootstrap import Ranked, equal_bins, redraws
from models.validation.capacity import DayLists
from models.validation.folds import fold_at, rolling_folds
from models.validation.rows import Labels, Rows, once_per_case
from models.validation.slices import MINIMUM, pooled_values

DAY = 86_400
START = 1_600_000_000
SEEDS = st.integers(0, 2**32 - 1)


def random_rows(seed: int, n: int = 160) -> Rows:
    """Rows of about n / 3 cases over a hundred days, some never mature, some of unknown outcome."""
    rng = np.random.default_rng(seed)
    at = START + rng.integers(0, 100 * DAY, n)
    matures = at + rng.integers(0, 30 * DAY, n)
    as_of = START + 110 * DAY
    y = (rng.random(n) < 0.4).astype(float)
    y[(matures >= as_of) | (rng.random(n) < 0.1)] = np.nan
    keys = pd.DataFrame({name: rng.choice(["a", "b", "c"], n) for name in ("office", "category")})
    numbers = pd.DataFrame(rng.normal(size=(n, 3)), columns=["p", "q", "r"])
    return Rows(
        numbers,
        y,
        at,
        matures,
        rng.integers(0, n // 3, n),
        keys,
        as_of,
        start=rng.normal(size=n),
        passed=rng.random(n),
        queue=rng.integers(0, 50, n).astype(float),
    )


def changed_after(rows: Rows, cut: int, seed: int) -> Rows:
    """Everything that is known at the cut or later made different: rows, labels, weights, keys, cases."""
    rng = np.random.default_rng(seed)
    later, open_ = rows.at >= cut, rows.matures_at >= cut
    n, some = len(rows), later.sum()
    y, at, matures, groups = rows.y.copy(), rows.at.copy(), rows.matures_at.copy(), rows.groups.copy()
    y[later | open_] = rng.choice([0.0, 1.0, np.nan], (later | open_).sum())
    at[later] = cut + rng.integers(0, 200 * DAY, some)
    matures[later] = at[later] + rng.integers(0, 90 * DAY, some)
    groups[later] = rng.integers(0, n, some)
    table, keys = rows.X.copy(), rows.keys.copy()
    table.loc[later] = rng.normal(size=(some, 3)) * 9
    keys.loc[later, "category"] = "other"
    return replace(rows, X=table, y=y, at=at, matures_at=matures, groups=groups, keys=keys, as_of=cut + 900 * DAY)


@settings(max_examples=40)
@given(SEEDS, st.integers(20, 90))
def test_nothing_known_at_the_cut_or_later_changes_what_teaches(seed, day):
    """Which rows teach, with what table, labels and cases, is the same to the bit whatever happens from the cut on."""
    rows, cut = random_rows(seed), START + day * DAY
    other = changed_after(rows, cut, seed + 1)
    one, two = (fold_at(each, cut, each.as_of) for each in (rows, other))
    np.testing.assert_array_equal(one.train, two.train)
    assert one.open_at_cut == two.open_at_cut
    for mine, theirs in zip(*(each.taught(one.train, cut).__dict__.values() for each in (rows, other)), strict=True):
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
        elif isinstance(mine, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, theirs)
        else:
            assert mine == theirs


@settings(max_examples=15)
@given(SEEDS, st.integers(30, 80))
def test_baselines_of_a_cut_learn_nothing_from_what_came_later(seed, day):
    """Probabilities for the same tested rows are the same whatever happens from the cut on, whatever their labels."""
    rows, cut = random_rows(seed), START + day * DAY
    fold = fold_at(rows, cut, rows.as_of)
    if not len(fold.train) or not len(fold.test):
        return
    tested = rows.rows(fold.test)
    other = changed_after(rows, cut, seed + 1)
    mine = rows_baselines(rows.taught(fold.train, cut), tested)
    theirs = rows_baselines(other.taught(fold.train, cut), replace(tested, y=1 - tested.y))
    assert list(mine) == ["city_rate", "category_rate", "age", "queue_length", "record", "logistic_regression"]
    for name, given_ in mine.items():
        np.testing.assert_array_equal(given_, theirs[name], err_msg=name)
        assert ((given_ >= 0) & (given_ <= 1)).all(), name


@given(SEEDS, st.integers(1, 6), st.sampled_from(["expanding", "sliding"]))
def test_folds_keep_time_cases_and_each_other_apart(seed, n_folds, window):
    """What teaches was mature before the cut, what tests lies between cuts and no case does both."""
    rows = random_rows(seed)
    folds = rolling_folds(rows, n_folds, window=window)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)
    length = folds[0].cut - rows.at.min()
    for fold in folds:
        assert (rows.at[fold.train] < fold.cut).all()
        assert (rows.matures_at[fold.train] < fold.cut).all()
        assert ((rows.at[fold.test] >= fold.cut) & (rows.at[fold.test] < fold.until)).all()
        assert not np.isnan(rows.y[fold.test]).any()
        assert not np.intersect1d(rows.groups[fold.train], rows.groups[fold.test]).size
        between = (rows.at >= fold.cut) & (rows.at < fold.until) & ~np.isnan(rows.y) & (rows.matures_at < rows.as_of)
        assert between.sum() == len(fold.test) + fold.straddling
        if window == "sliding":
            assert (rows.at[fold.train] >= fold.cut - length).all()
    for earlier, later in pairwise(folds):
        assert earlier.until == later.cut
        if window == "expanding":
            assert np.isin(earlier.train, later.train).all()
    assert folds[-1].until == rows.as_of


@given(SEEDS, st.integers(30, 80))
def test_labels_that_were_not_known_at_the_cut_do_not_teach(seed, day):
    """Where labels change (`labels_at`), what teaches are those of the cut, and what tests are those of the as-of."""
    rows, cut = random_rows(seed), START + day * DAY
    asked = []

    def labels_at(moment: int) -> Labels:
        asked.append(moment)
        return Labels(1 - rows.y, rows.matures_at, np.full(len(rows), 0.5))

    told = replace(rows, labels_at=labels_at)
    fold = fold_at(told, cut, rows.as_of)
    taught = told.taught(fold.train, cut)
    np.testing.assert_array_equal(taught.y, 1 - rows.y[fold.train])
    assert set(asked) == {cut}
    assert (taught.weight == 0.5).all()
    np.testing.assert_array_equal(told.rows(fold.test).y, rows.y[fold.test])


@given(SEEDS, st.integers(5, 120), st.integers(1, 12), st.booleans())
def test_the_parts_make_the_brier_score_whatever_the_bins(seed, n, bins, weighted):
    """Reliability less resolution plus uncertainty and the two terms within bins, exactly (Stephenson 2008)."""
    rng = np.random.default_rng(seed)
    y, p = (rng.random(n) < 0.4).astype(float), rng.random(n).round(2)
    w = rng.random(n) + 0.1 if weighted else np.ones(n)
    parts = brier_parts(y, p, rng.integers(0, bins, n), w)
    assert parts.brier == pytest.approx(np.average((y - p) ** 2, weights=w), abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty, parts.within_variance) >= 0
    exact = brier_parts(y, p, np.unique(p, return_inverse=True)[1], w)
    assert exact.within_variance == pytest.approx(0, abs=1e-15)
    assert exact.within_covariance == pytest.approx(0, abs=1e-15)


@given(SEEDS, st.integers(30, 150), st.integers(1, 40))
def test_draws_are_the_figures_of_the_drawn_rows_in_any_stretches(seed, n, cells):
    """AUC and average precision of a draw are those of its rows, however few cells are held at once."""
    rng = np.random.default_rng(seed)
    y, p, w = (rng.random(n) < 0.5).astype(float), rng.random(n).round(1), rng.random(n) + 0.1
    y[:2] = 0, 1
    block = rng.integers(0, 6, n)
    counts = redraws(6, 4, seed)
    ranked = Ranked.of(y, p, block, 6, w)
    ranked._step = cells
    for draw in counts:
        weight = w * draw[block]
        if len(np.unique(y[weight > 0])) == 2:
            assert ranked.auc(draw[None])[0] == pytest.approx(roc_auc_score(y, p, sample_weight=weight))
            expected = average_precision_score(y, p, sample_weight=weight)
            assert ranked.average_precision(draw[None])[0] == pytest.approx(expected)


@given(SEEDS, st.integers(1, 100), st.floats(0.2, 6))
def test_as_many_are_attended_as_there_are_places_and_the_riskiest_first(seed, n, places):
    """Of every list min(places, size); whoever is attended is at least as risky as whoever is not; ties are alike."""
    rng = np.random.default_rng(seed)
    at = START + rng.integers(0, 4 * DAY, n)
    keys = pd.DataFrame({"office": rng.choice(["a", "b", None], n)})
    rows = Rows(np.zeros((n, 1)), np.zeros(n), at, at, rng.integers(0, n, n), keys, START + 99 * DAY)
    p = rng.random(n).round(1)
    lists = DayLists.of(rows, places)
    share = lists.attended(p, lists.capacity)
    assert (share[~lists.counts] == 0).all()
    for one in np.unique(lists.list_of):
        on = (lists.list_of == one) & lists.counts
        assert len(np.unique(rows.groups[on])) == on.sum()
        assert share[on].sum() == pytest.approx(min(places, on.sum()))
        order = np.argsort(-p[on], kind="stable")
        assert (np.diff(share[on][order]) <= 1e-12).all()
        for risk in np.unique(p[on]):
            assert np.ptp(share[on & (p == risk)]) < 1e-12
    turned = rng.permutation(n)
    np.testing.assert_allclose(lists.attended(p, lists.capacity), share)
    moved = DayLists(lists.list_of[turned], lists.counts[turned], lists.size[turned], lists.capacity[turned])
    np.testing.assert_allclose(moved.attended(p[turned], moved.capacity), share[turned])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12))
def test_no_small_cell_is_told_alone_and_none_is_given_back(cells):
    """What is told alone is not small; what is not told is nothing, or two or more with sums that are not small, or
    everything.
    """
    counts = np.array([(failed + kept, failed, kept) for failed, kept in cells])
    together = pooled_values(counts)
    alone = [place for place in range(len(counts)) if place not in together]
    assert (counts[alone] >= MINIMUM).all()
    if together and alone:
        assert len(together) >= 2
        assert (counts[sorted(together)].sum(axis=0) >= MINIMUM).all()


@given(SEEDS, st.integers(1, 60))
def test_every_case_counts_once(seed, n):
    """Weights of a case's rows sum to one."""
    groups = np.random.default_rng(seed).integers(0, 9, n)
    weight = pd.Series(once_per_case(groups)).groupby(groups).sum()
    assert weight.to_numpy() == pytest.approx(np.ones(len(weight)))


@given(SEEDS, st.integers(10, 300))
def test_bins_hold_equal_weight_and_keep_ties_together(seed, n):
    """No bin of distinct probabilities is further from a tenth than the largest weight, and ties share their bin."""
    rng = np.random.default_rng(seed)
    p, w = rng.random(n).round(1), rng.random(n) + 0.1
    bin_of = equal_bins(p, w)
    for risk in np.unique(p):
        assert len(np.unique(bin_of[p == risk])) == 1
    assert (np.diff(bin_of[np.argsort(p, kind="stable")]) >= 0).all()
    assert set(bin_of) == set(range(bin_of.max() + 1))
