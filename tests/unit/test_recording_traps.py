"""What happened to the record: days that are missing, loads that came twice, areas that join, names divided anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.quality.copies import copies
from data.quality.recording_days import missing_days, whole_weeks
from data.quality.recording_joins import divided_anew, edges, joined_since
from tests.support.quality import DAY, cases_frame

MONDAY = 1_704_067_200  # 2024-01-01 00:00 UTC, a Monday
FIRST_DAY = MONDAY // DAY
WEEK = 7 * DAY


def daily(count: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """So many cases on each day, at any second of it."""
    day = np.repeat(np.arange(len(count)), count)
    return cases_frame(len(day), opened_at=MONDAY + day * DAY + rng.integers(0, DAY, len(day)), area="A1")


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def lacking(count: np.ndarray, rng: np.random.Generator) -> list[int]:
    weeks = MONDAY + WEEK * np.arange(len(count) // 7, dtype=np.int64)
    return [int(day) - FIRST_DAY for day in missing_days(daily(count, rng), weeks, 2**40, "UTC")]


def test_days_without_any_report_are_missing_where_reports_are_usual(rng):
    """One day within, and the last four."""
    count = rng.poisson(20, 12 * 7)
    count[30] = 0
    count[-4:] = 0
    assert lacking(count, rng) == [30, 80, 81, 82, 83]


def test_sundays_on_which_nobody_works_are_not_missing(rng):
    """Nothing on any Sunday, and nothing missing; a thin record says nothing either."""
    count = rng.poisson(20, 12 * 7)
    count[6::7] = 0
    assert lacking(count, rng) == []
    assert lacking(rng.poisson(0.3, 12 * 7), rng) == []


def test_three_weeks_that_are_missing_are_found_whole(rng):
    """All their days, and the weeks that hold them."""
    count = rng.poisson(20, 20 * 7)
    count[70:91] = 0
    found = lacking(count, rng)
    assert found == list(range(70, 91))
    weeks = MONDAY + WEEK * np.arange(20, dtype=np.int64)
    whole = whole_weeks(np.array(found) + FIRST_DAY, weeks, "UTC")
    assert np.flatnonzero(~whole).tolist() == [10, 11, 12]
    # Two days of week 4 are a holiday, three of week 6 are not.
    some = np.array([29, 30, 43, 44, 45]) + FIRST_DAY
    assert np.flatnonzero(~whole_weeks(some, weeks, "UTC")).tolist() == [6]


def test_what_comes_later_is_not_seen_by_missing_days(rng):
    """Cases opened or known at the as-of and later change nothing."""
    count = rng.poisson(20, 12 * 7)
    count[50] = 0
    weeks = MONDAY + WEEK * np.arange(9, dtype=np.int64)
    cases, as_of = daily(count, rng), MONDAY + 9 * WEEK
    late = cases.assign(opened_at=MONDAY + 50 * DAY, opened_known_at=as_of, case_id=cases["case_id"] + "x")
    together = pd.concat([cases, late], ignore_index=True)
    assert missing_days(together, weeks, as_of, "UTC").tolist() == [FIRST_DAY + 50]
    known = cases[cases["opened_at"] < as_of]
    assert missing_days(known, weeks, as_of, "UTC").tolist() == [FIRST_DAY + 50]


def again(cases: pd.DataFrame, which: np.ndarray, times: int = 2) -> pd.DataFrame:
    parts = [cases, *(cases[which].assign(case_id=cases["case_id"][which] + f"x{n}") for n in range(times - 1))]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("timed", [True, False], ids=["to the second", "to the day"])
def test_a_week_that_was_loaded_again_counts_once(timed, times, rng):
    """As many are left as there were, and no other week loses a case."""
    cases = daily(rng.poisson(12, 70), rng)
    cases["area"] = rng.choice(["A1", "A2", "A3"], len(cases))
    cases["category"] = rng.choice(["drain", "light"], len(cases))
    if not timed:
        cases["opened_at"] = cases["opened_known_at"] = cases["opened_at"] // DAY * DAY
    week = ((cases["opened_at"] - MONDAY) // WEEK == 6).to_numpy()
    loaded = again(cases, week, times)
    left = loaded[~copies(loaded, 2**40, "UTC")]
    assert len(left) == len(cases)
    pd.testing.assert_series_equal(
        left.groupby(["area", "category", "opened_at"]).size(), cases.groupby(["area", "category", "opened_at"]).size()
    )


def test_pairs_by_chance_are_no_copies(rng):
    """Days without a time of day, five kinds of case, twenty a day: half of all sets are even, none is a copy."""
    cases = daily(rng.poisson(20, 200), rng)
    cases["opened_at"] = cases["opened_known_at"] = cases["opened_at"] // DAY * DAY
    cases["category"] = rng.choice(list("abcde"), len(cases))
    assert copies(cases, 2**40, "UTC").sum() == 0


def test_a_few_equal_rows_are_no_copies(rng):
    """Three cases that stand twice among many are left to whoever marks duplicates."""
    cases = daily(rng.poisson(12, 70), rng)
    assert copies(again(cases, np.arange(len(cases)) < 3), 2**40, "UTC").sum() == 0


def test_what_one_area_sent_twice_counts_once(rng):
    """The other areas' weeks stay."""
    cases = daily(rng.poisson(20, 70), rng)
    cases["area"] = rng.choice(["A1", "A2", "A3", "A4"], len(cases))
    sent = (cases["area"] == "A2").to_numpy() & (cases["opened_at"] >= MONDAY + 8 * WEEK).to_numpy()
    loaded = again(cases, sent)
    copied = copies(loaded, 2**40, "UTC")
    assert copied.sum() == sent.sum()
    assert set(loaded.loc[copied, "area"]) == {"A2"}


def crossed(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weeks, areas, categories) as a matrix with codes."""
    _weeks, areas, categories = cells.shape
    return (
        cells.reshape(len(cells), -1),
        np.repeat(np.arange(areas), categories),
        np.tile(np.arange(categories), areas),
    )


def test_an_area_that_begins_to_report_a_category_joined_then(rng):
    """Thirty weeks without any, where the others have six a week; the first whole week is the next one."""
    cells = rng.poisson(6.0, (40, 5, 3))
    cells[:30, 2, 1] = 0
    since = joined_since(*crossed(cells)).reshape(5, 3)
    assert since[2, 1] == 31
    since[2, 1] = 0
    assert (since == 0).all()


def test_an_area_joins_in_the_newest_week_too(rng):
    """It has no past yet."""
    cells = rng.poisson(6.0, (40, 5, 3))
    cells[:39, 2, 1] = 0
    assert joined_since(*crossed(cells)).reshape(5, 3)[2, 1] == 40


def test_a_few_strays_before_do_not_hide_that_an_area_joined(rng):
    """Four cases in thirty weeks, of 180 that would be usual."""
    cells = rng.poisson(6.0, (40, 5, 3))
    cells[:30, 2, 1] = 0
    cells[[3, 9, 17, 26], 2, 1] = 1
    assert joined_since(*crossed(cells)).reshape(5, 3)[2, 1] in (30, 31)


def test_an_area_that_seldom_has_a_problem_did_not_join_with_a_rise(rng):
    """A fifth of the others' rate is a rate: what rises later is a rise."""
    cells = rng.poisson(6.0, (40, 5, 3))
    cells[:37, 2, 1] = rng.poisson(1.2, 37)
    assert (joined_since(*crossed(cells)) == 0).all()


def test_a_thin_category_is_no_evidence_of_joining(rng):
    """A tenth of a case a week: a first case after thirty weeks is nothing."""
    cells = rng.poisson(6.0, (40, 5, 3))
    cells[:, :, 1] = rng.poisson(0.1, (40, 5))
    assert (joined_since(*crossed(cells)) == 0).all()


def test_a_name_that_is_gone_for_one_week_has_stopped_where_that_is_no_chance(rng):
    """Sixty a week and then none; a name with two a week says nothing."""
    totals = np.stack([rng.poisson(60, 30), rng.poisson(2, 30), rng.poisson(60, 30)])
    totals[:2, -1] = 0
    found = edges(totals)
    assert [(edge.row, edge.kind, edge.week) for edge in found if edge.week == 29] == [(0, "stop", 29)]


def test_the_name_that_takes_over_what_another_counted_is_divided_anew(rng):
    """Names of forty and fifty a week become one of ninety; a third of sixty stays as it was."""
    totals = np.stack([rng.poisson(40, 40), rng.poisson(50, 40), rng.poisson(60, 40)])
    totals[1, 30:] += totals[0, 30:]
    totals[0, 30:] = 0
    assert divided_anew(totals, edges(totals)) == {1: 30}


def test_the_name_that_lost_a_part_to_a_new_one_is_divided_anew(rng):
    """Ninety a week become fifty, as a new name starts with forty."""
    totals = np.stack([rng.poisson(90, 40), np.zeros(40, dtype=np.int64), rng.poisson(60, 40)])
    totals[0, 30:], totals[1, 30:] = rng.poisson(50, 10), rng.poisson(40, 10)
    assert divided_anew(totals, edges(totals)) == {0: 30}


def test_a_rise_beside_a_stop_of_another_size_is_a_rise(rng):
    """A name that stops with five a week does not explain that another gained forty."""
    totals = np.stack([rng.poisson(8, 40), rng.poisson(50, 40)])
    totals[0, 30:] = 0
    totals[1, 30:] += rng.poisson(40, 10)
    assert divided_anew(totals, edges(totals)) == {}
