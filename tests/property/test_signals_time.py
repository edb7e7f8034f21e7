"""Time and order: the future changes nothing, and neither does the order of rows or series."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from data.event_log import NEVER
from models.signals import assess_series, pressure, weekly_counts
from models.signals.fdr import q_values
from tests.support.weekly import weekly, world

DAY = 86_400
START = 1_704_067_200  # a Monday
AS_OF = START + 40 * 7 * DAY + 12_345

seeds = st.integers(min_value=0, max_value=10_000)


def random_cases(rng: np.random.Generator, n: int = 300) -> pd.DataFrame:
    """Folded cases over 44 weeks, some known late, some withdrawn, some without a place."""
    opened = START + rng.integers(0, 44 * 7 * DAY, n)
    closed = opened + rng.integers(0, 60 * DAY, n)
    area = pd.Series(rng.choice(["a", "b", "c"], n), dtype="str").mask(pd.Series(rng.uniform(size=n) < 0.05))
    return pd.DataFrame(
        {
            "case_id": [f"k{row}" for row in range(n)],
            "area": area,
            "office": area,
            "category": pd.Series(rng.choice(["x", "y"], n), dtype="str"),
            "opened_at": opened,
            "opened_known_at": opened + rng.integers(0, 10 * DAY, n) * (rng.uniform(size=n) < 0.3),
            "due_at": opened + 10 * DAY,
            "closed_at": np.where(rng.uniform(size=n) < 0.2, NEVER, closed),
            "closed_known_at": np.where(rng.uniform(size=n) < 0.2, NEVER, closed + rng.integers(0, 9 * DAY, n)),
            "withdrawn_known_at": np.where(rng.uniform(size=n) < 0.1, closed, NEVER),
        }
    )


def as_known(cases: pd.DataFrame) -> pd.DataFrame:
    """What the same cases looked like at the as-of: later knowledge taken away."""
    known = cases[cases["opened_known_at"] < AS_OF].copy()
    for name in ("closed", "withdrawn"):
        later = known[f"{name}_known_at"] >= AS_OF
        known.loc[later, f"{name}_known_at"] = NEVER
        if name == "closed":
            known.loc[later, "closed_at"] = NEVER
    return known


@settings(max_examples=12)
@given(seed=seeds)
def test_the_future_changes_no_count_and_no_pressure(seed):
    """Cases and closings known at or after the as-of make no difference to anything."""
    cases = random_cases(np.random.default_rng(seed))
    known = as_known(cases)
    later, now = (weekly_counts(frame, as_of=AS_OF, time_zone="UTC") for frame in (cases, known))
    assert_frame_equal(later.series, now.series)
    np.testing.assert_array_equal(later.matrix, now.matrix)
    assert later.left_out == now.left_out
    for unit in ("area", "office"):
        frames = [pressure(frame, as_of=AS_OF, unit=unit, time_zone="UTC") for frame in (cases, known)]
        assert_frame_equal(*frames)
        assert frames[0].attrs == frames[1].attrs


@settings(max_examples=12)
@given(seed=seeds)
def test_the_order_of_cases_does_not_matter(seed):
    """Shuffled rows give the same counts and the same pressure."""
    cases = random_cases(np.random.default_rng(seed))
    shuffled = cases.sample(frac=1.0, random_state=seed)
    one, other = (weekly_counts(frame, as_of=AS_OF, time_zone="UTC") for frame in (cases, shuffled))
    np.testing.assert_array_equal(one.matrix, other.matrix)
    assert_frame_equal(pressure(cases, as_of=AS_OF, time_zone="UTC"), pressure(shuffled, as_of=AS_OF, time_zone="UTC"))


@settings(max_examples=12)
@given(seed=seeds)
def test_counts_add_up_from_cell_to_city(seed):
    """Sums over areas, over categories and over both agree, and with the reports that were not left out."""
    cases = random_cases(np.random.default_rng(seed))
    counts = weekly_counts(cases, as_of=AS_OF, time_zone="UTC")
    whole = counts.totals("both").matrix[:, 0]
    np.testing.assert_array_equal(counts.totals("area").matrix.sum(axis=1), whole)
    np.testing.assert_array_equal(counts.totals("category").matrix.sum(axis=1), whole)
    inside = cases[
        (cases["opened_known_at"] < AS_OF)
        & (cases["withdrawn_known_at"] >= AS_OF)
        & cases["area"].notna()
        & (cases["opened_at"] >= counts.weeks[0])
        & (cases["opened_at"] < counts.weeks[-1] + 7 * DAY)
    ]
    instant = (inside["closed_at"] - inside["opened_at"]).abs() < 60
    assert whole.sum() == (~(instant & (inside["closed_known_at"] < AS_OF))).sum()


@settings(max_examples=12)
@given(seed=st.integers(min_value=0, max_value=30))
def test_the_order_of_series_does_not_matter(seed):
    """Every series gets the same figures wherever it stands."""
    rng = np.random.default_rng(seed)
    drawn = world(rng, areas=6, categories=4, weeks=34)
    shuffle = rng.permutation(24)
    one = assess_series(drawn.counts())
    other = assess_series(weekly(drawn.matrix[:, shuffle], drawn.area[shuffle], drawn.category[shuffle]))
    keys = ["area", "category", "direction"]
    assert_frame_equal(one.sort_values(keys, ignore_index=True), other.sort_values(keys, ignore_index=True), rtol=1e-9)


@settings(max_examples=12)
@given(seed=st.integers(min_value=0, max_value=30), later=st.integers(min_value=1, max_value=8))
def test_later_weeks_change_no_judgement(seed, later):
    """A week judged with the weeks after it in the record is judged as it was live."""
    drawn = world(np.random.default_rng(seed), areas=5, categories=4, weeks=40)
    counts = drawn.counts()
    week = int(counts.weeks[-1 - later])
    live = weekly(drawn.matrix[:-later], drawn.area, drawn.category)
    assert_frame_equal(assess_series(counts.until(week)), assess_series(live))


@given(p=st.lists(st.floats(min_value=0.0, max_value=1.0), min_size=1, max_size=60))
def test_q_values_keep_the_order_and_are_no_smaller_than_p(p):
    """A smaller p-value never has a larger q-value, and BY is never below BH."""
    values = np.array(p)
    bh, by = q_values(values), q_values(values, procedure="by")
    order = np.argsort(values, kind="stable")
    assert (np.diff(bh[order]) >= 0.0).all()
    assert (bh >= values - 1e-15).all()
    assert (by >= bh).all()
    assert (by <= 1.0).all()
