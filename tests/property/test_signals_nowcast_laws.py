"""Laws of nowcasting: the future changes nothing, order changes nothing, and shares only grow with time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from models.signals import weekly_counts
from models.signals.nowcast import ReportingTriangle, chain_ladder, completeness, delay_law, lawless, nowcast
from models.signals.nowcast.report_table import read_reports
from tests.support.late_reports import late_world
from tests.support.weekly import MONDAY, WEEK

seeds = st.integers(min_value=0, max_value=10_000)
# Any moment of the week may be asked about.
moments = st.integers(min_value=0, max_value=WEEK - 1)


def estimate(cases: pd.DataFrame, as_of: int) -> tuple:
    """Completeness and nowcast at a moment."""
    counts = weekly_counts(cases, as_of=as_of, time_zone="UTC")
    found = completeness(cases, as_of=as_of, time_zone="UTC", series=counts.series, weeks=counts.weeks)
    return counts, found, nowcast(counts, found)


def small_city(seed: int) -> pd.DataFrame:
    """Three areas, two categories, thirty weeks; a part of what the laws need not be large."""
    return late_world(np.random.default_rng(seed), areas=3, categories=2, weeks=30, spread=2.0).cases


@settings(max_examples=6)
@given(seed=seeds, into=moments)
def test_what_is_known_later_changes_nothing(seed, into):
    """Reports known at or after the as-of may be absent, moved further, or many more; nothing differs to the bit."""
    cases, as_of = small_city(seed), MONDAY + 25 * WEEK + into
    later = cases["opened_known_at"] >= as_of
    rng = np.random.default_rng(seed)
    moved = cases.copy()
    moved.loc[later, "opened_known_at"] += rng.integers(0, 9 * WEEK, int(later.sum()))
    more = pd.concat([cases, cases[later], cases[later].assign(opened_known_at=as_of)], ignore_index=True)
    _, first, told = estimate(cases, as_of)
    for other in (cases[~later], moved, more):
        _, found, again = estimate(other, as_of)
        assert np.array_equal(found.share, first.share)
        assert np.array_equal(found.sd, first.sd)
        assert_frame_equal(again, told)


@settings(max_examples=6)
@given(seed=seeds, into=moments)
def test_shares_are_shares_and_grow_with_age(seed, into):
    """In (0, 1], never less for an older week, with a spread that a share can have; limits hold what is known."""
    counts, found, told = estimate(small_city(seed), MONDAY + 25 * WEEK + into)
    assert found.share.shape == counts.matrix.shape
    assert ((found.share > 0.0) & (found.share <= 1.0)).all()
    assert (np.diff(found.share, axis=0) <= 1e-12).all()
    assert (found.sd >= 0.0).all()
    assert (found.sd**2 <= found.share * (1 - found.share) + 1e-12).all()
    assert (told["known"] <= told["lower"]).all()
    assert (told["lower"] <= told["upper"]).all()
    assert (told["expected"] >= told["known"] - 1e-9).all()


@settings(max_examples=4)
@given(seed=seeds)
def test_the_order_of_rows_changes_nothing(seed):
    """Cases in any order, with any index."""
    cases, as_of = small_city(seed), MONDAY + 25 * WEEK + 6 * 3_600
    mixed = cases.sample(frac=1.0, random_state=seed)
    for other in (mixed, mixed.reset_index(drop=True), mixed.set_axis(np.zeros(len(mixed), dtype=int))):
        assert np.array_equal(estimate(other, as_of)[1].share, estimate(cases, as_of)[1].share)


@settings(max_examples=4)
@given(seed=seeds)
def test_known_at_once_is_complete(seed):
    """Without delay, every share is exactly 1 at every moment."""
    cases = small_city(seed)
    _, found, told = estimate(cases.assign(opened_known_at=cases["opened_at"]), MONDAY + 25 * WEEK)
    assert (found.share == 1.0).all()
    assert told["upper"].tolist() == told["known"].tolist()


def a_triangle(seed: int) -> ReportingTriangle:
    """Thirty rows and five delays."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(10 * np.array([0.3, 0.3, 0.2, 0.1, 0.1]), size=(30, 5)).astype(float)
    counts[0] += 1.0
    dates = (np.datetime64("2024-01-01") + np.arange(30)).astype("datetime64[D]")
    return ReportingTriangle(dates, counts, np.arange(29, -1, -1))


@given(seed=seeds, factor=st.integers(min_value=2, max_value=9))
def test_a_delay_law_is_a_law_and_knows_no_size(seed, factor):
    """Shares sum to 1, and as many times the reports leave them where they are."""
    one = a_triangle(seed)
    law = delay_law(one)
    assert abs(law.pmf.sum() - 1.0) < 1e-12
    assert (law.pmf >= 0.0).all()
    larger = ReportingTriangle(one.dates, one.counts * factor, one.age)
    assert np.allclose(delay_law(larger).pmf, law.pmf, rtol=1e-12)
    assert np.allclose(lawless(larger)["nowcast"], factor * lawless(one)["nowcast"], rtol=1e-12)


@settings(max_examples=8)
@given(seed=seeds, day=st.integers(min_value=20, max_value=29))
def test_a_table_read_at_a_date_knows_nothing_later(seed, day, tmp_path_factory):
    """Rows reported after --now, absent or changed, change no nowcast."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(30), 8)
    delay = rng.integers(0, 5, len(event))
    start = np.datetime64("2024-03-01")
    frame = pd.DataFrame({"event_date": start + event, "report_date": start + event + delay, "n": 1})
    now = start + day
    folder = tmp_path_factory.mktemp("reports")
    later = frame["report_date"] > now
    told = []
    for number, rows in enumerate((frame, frame[~later], frame.assign(n=np.where(later, 50, 1)))):
        path = folder / f"{number}.csv"
        rows.to_csv(path, index=False, date_format="%Y-%m-%d")
        triangle = read_reports(path, now=str(now), longest=4)["all"]
        told.append((lawless(triangle), chain_ladder(triangle)))
    for first, second in told[1:]:
        assert_frame_equal(first, told[0][0])
        assert_frame_equal(second, told[0][1])
