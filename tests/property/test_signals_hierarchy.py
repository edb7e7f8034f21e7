"""Sums agree, the future changes nothing, and neither does the order of series or an area without a case."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from models.signals import assess_series
from models.signals.hierarchy import hierarchy_of, summed
from models.signals.pooling import pooled_levels
from tests.support.hierarchy import towns
from tests.support.weekly import weekly, world

seeds = st.integers(min_value=0, max_value=30)
KEYS = ["area", "category", "direction"]
GROUPS = {"c000": "g", "c001": "g", "c002": "h", "c003": "h"}
PARENTS = {f"a{code:03d}": f"t{code // 3}" for code in range(9)} | {"t0": "k", "t1": "k", "k": None, "t2": None}


@settings(max_examples=4, deadline=None)
@given(seed=seeds)
def test_what_is_usual_and_what_is_counted_agree_at_every_level(seed):
    """Every sum is that of its parts, to 1e-9, from village over town and county to the city, and over categories."""
    drawn = world(np.random.default_rng(seed), areas=9, categories=4, weeks=40, level=3.0)
    counts = drawn.counts()
    judged = assess_series(counts, parents=PARENTS, groups=GROUPS)
    rows = judged[judged["direction"] == "rise"].set_index(["area", "category"])
    assert rows["parts_left_out"].eq(0).all()
    weekly_usual = rows["usual"] / rows["window_weeks"]
    series = rows["level"] == "series"
    for level in hierarchy_of(counts.series, PARENTS, GROUPS).levels:
        whole = summed(counts, level, np.ones(len(counts.series), dtype=bool))
        keys = pd.MultiIndex.from_frame(counts.series)
        parts = np.bincount(level.codes, weights=weekly_usual[series].reindex(keys).to_numpy())
        for code in np.flatnonzero(level.told):
            name = tuple(level.sums.iloc[code])
            np.testing.assert_allclose(weekly_usual[name], parts[code], rtol=1e-9)
            assert rows.loc[name, "week_observed"] == whole.matrix[-1, code]
            assert whole.matrix[-1, code] == counts.matrix[-1, level.codes == code].sum()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(min_value=0, max_value=10_000), thin=st.floats(min_value=0.01, max_value=3.0))
def test_pooled_levels_add_up_and_are_never_negative(seed, thin):
    """Levels of a category add up to its cases a week, whatever the tree; between raw share and share of size."""
    rng = np.random.default_rng(seed)
    area, category = np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12)
    total = rng.poisson(rng.gamma(0.5, thin / 0.5, 36) * 52).astype(float)
    level = pooled_levels(total, np.full(36, 52.0), category, (area // 6, area // 3, area))
    assert (level >= 0.0).all()
    for one in range(3):
        np.testing.assert_allclose(level[category == one].sum(), total[category == one].sum() / 52.0, rtol=1e-9)


@settings(max_examples=3, deadline=None)
@given(seed=seeds, later=st.integers(min_value=1, max_value=6))
def test_later_weeks_change_no_judgement_of_a_sum(seed, later):
    """A week judged with the weeks after it in the record is judged as it was live, whatever those weeks hold."""
    rng = np.random.default_rng(seed)
    drawn = world(rng, areas=9, categories=4, weeks=40)
    counts = drawn.counts()
    changed = drawn.matrix.copy()
    changed[-later:] = rng.poisson(5.0, size=changed[-later:].shape)
    other = weekly(changed, drawn.area, drawn.category)
    week = int(counts.weeks[-1 - later])
    live = assess_series(weekly(drawn.matrix[:-later], drawn.area, drawn.category), parents=PARENTS, groups=GROUPS)
    for table in (counts, other):
        assert_frame_equal(assess_series(table.until(week), parents=PARENTS, groups=GROUPS), live)


@settings(max_examples=3, deadline=None)
@given(seed=seeds)
def test_the_order_of_series_and_of_parents_does_not_matter(seed):
    """Every series and sum gets the same figures wherever it stands."""
    rng = np.random.default_rng(seed)
    drawn = world(rng, areas=9, categories=4, weeks=40)
    shuffle = rng.permutation(36)
    turned = dict(reversed(PARENTS.items()))
    one = assess_series(drawn.counts(), parents=PARENTS, groups=GROUPS)
    other = assess_series(
        weekly(drawn.matrix[:, shuffle], drawn.area[shuffle], drawn.category[shuffle]), parents=turned, groups=GROUPS
    )
    assert_frame_equal(one.sort_values(KEYS, ignore_index=True), other.sort_values(KEYS, ignore_index=True), rtol=1e-7)


@settings(max_examples=3, deadline=None)
@given(seed=seeds)
def test_an_area_without_a_case_changes_nothing_much(seed):
    """The same signals, and p-values of sums within a tenth of their size or a thousandth."""
    drawn = world(np.random.default_rng(seed), areas=20, categories=6, weeks=44)
    parents = towns(21, 7)
    one = assess_series(drawn.counts(), parents=parents)
    matrix = np.hstack([drawn.matrix, np.zeros((44, 6), dtype=np.int64)])
    area, category = np.append(drawn.area, np.full(6, 20)), np.append(drawn.category, np.arange(6))
    other = assess_series(weekly(matrix, area, category), parents=parents)
    both = one.merge(other, on=KEYS, suffixes=("", "_more"))
    assert len(both) == len(one)
    sums = both[(both["level"] == "sum") & both["p_value"].notna()]
    np.testing.assert_allclose(sums["p_value"], sums["p_value_more"], rtol=0.1, atol=1e-3)
    assert (both["signal"] == both["signal_more"]).all()
