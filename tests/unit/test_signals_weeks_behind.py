"""The weeks behind signals: each is judged by its own past, and says what was counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.signals.detect import assess_series
from models.signals.weeks_behind import WEEK_COLUMNS, weeks_behind
from tests.support.weekly import MONDAY, WEEK, weekly

AREA, CATEGORY = np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
PARENTS = {"a000": "town", "a001": "town"}


def city(weeks: int = 26, *, seed: int = 4):
    """Three areas with two types of problem each; the first series rises in the newest week."""
    matrix = np.random.default_rng(seed).poisson(6.0, size=(weeks, 6)).astype(np.int64)
    matrix[-1, 0] = 30
    return weekly(matrix, AREA, CATEGORY)


def asked(*series: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(series, columns=["area", "category"])
    sums = frame["area"].isin(["town", "*"]) | frame["category"].isin(["both", "g"])
    return frame.assign(level=np.where(sums, "sum", "series"))


def test_what_was_counted_is_what_stands_there():
    """Of three weeks of one series: its counts, its weeks, and the reports of all types in its area."""
    counts = city()
    told = weeks_behind(counts, asked(("a001", "c001")), weeks=3)
    assert tuple(told.columns) == WEEK_COLUMNS
    assert told["week"].tolist() == [MONDAY + n * WEEK for n in (23, 24, 25)]
    assert told["observed"].tolist() == counts.matrix[-3:, 3].tolist()
    assert told["area_reports"].tolist() == counts.matrix[-3:, 2:4].sum(axis=1).tolist()
    assert (told["lower"] <= told["expected"]).all()
    assert (told["expected"] <= told["upper"]).all()


def test_the_reports_of_a_sum_are_those_of_all_its_areas():
    """Of a town: of both its villages; of the whole city: of all areas; of a type in a group: the sum of the group."""
    counts = city()
    told = weeks_behind(
        counts,
        asked(("town", "c000"), ("*", "c001"), ("a002", "both")),
        weeks=2,
        parents=PARENTS,
        groups={"c000": "both", "c001": "both"},
    ).set_index(["area", "category"])
    m = counts.matrix[-2:]
    assert told.loc[("town", "c000"), "observed"].tolist() == m[:, [0, 2]].sum(axis=1).tolist()
    assert told.loc[("town", "c000"), "area_reports"].tolist() == m[:, :4].sum(axis=1).tolist()
    assert told.loc[("*", "c001"), "observed"].tolist() == m[:, [1, 3, 5]].sum(axis=1).tolist()
    assert told.loc[("*", "c001"), "area_reports"].tolist() == m.sum(axis=1).tolist()
    assert told.loc[("a002", "both"), "observed"].tolist() == m[:, 4:].sum(axis=1).tolist()


@pytest.mark.parametrize("hierarchy", [{}, {"parents": PARENTS, "groups": {"c000": "g", "c001": "g"}}])
def test_later_weeks_change_nothing_before(hierarchy):
    """A week is judged by the weeks before it alone: other counts from a later week on leave it as it was."""
    counts = city()
    wanted = asked(("a000", "c000"), ("a002", "c001"), *([("town", "c000")] if hierarchy else []))
    before = weeks_behind(counts, wanted, weeks=4, **hierarchy)
    rng = np.random.default_rng(9)
    for cut in (23, 25):
        matrix = counts.matrix.copy()
        matrix[cut:] = rng.poisson(40.0, size=matrix[cut:].shape)
        after = weeks_behind(replace(counts, matrix=matrix), wanted, weeks=4, **hierarchy)
        early = before["week"] < MONDAY + cut * WEEK
        assert early.any()
        pd.testing.assert_frame_equal(before[early], after[early])
        assert not before[~early].equals(after[~early])


def test_a_week_says_what_its_own_control_said():
    """The last week is judged as `assess_series` judges it; its alarm is the signal there."""
    counts = city()
    judged = assess_series(counts)
    told = weeks_behind(counts, asked(("a000", "c000")), weeks=5).iloc[-1]
    same = judged[(judged["area"] == "a000") & (judged["category"] == "c000")].iloc[0]
    assert [told[name] for name in ("expected", "lower", "upper")] == [
        same[f"week_{name}"] for name in ("expected", "lower", "upper")
    ]
    assert told["alarm"] == "rise"
    assert told["observed"] == 30


def test_a_calm_week_has_no_alarm():
    """Counts that never move raise none: the alarm is null, and not a word."""
    counts = weekly(np.full((20, 6), 5, dtype=np.int64), AREA, CATEGORY)
    assert weeks_behind(counts, asked(("a000", "c000")), weeks=6)["alarm"].isna().all()


def test_a_week_that_was_not_recorded_has_no_figures():
    """Null, which is not zero; its neighbours stay."""
    counts = city()
    recorded = np.ones(counts.matrix.shape, dtype=bool)
    recorded[22, 2] = False
    told = weeks_behind(counts.recorded_as(recorded), asked(("a001", "c000"), ("a001", "c001")), weeks=5)
    gone = (told["category"] == "c000") & (told["week"] == MONDAY + 22 * WEEK)
    assert gone.sum() == 1
    assert told.loc[gone, ["observed", "expected", "lower", "upper", "alarm"]].isna().to_numpy().all()
    assert told.loc[~gone, "observed"].notna().all()


def test_a_past_too_short_leaves_the_count_and_no_band():
    """The first weeks of a record have nothing to be compared with."""
    told = weeks_behind(city(10), asked(("a000", "c000")))
    assert len(told) == 10
    assert told["observed"].notna().all()
    assert told["expected"].isna().tolist()[:5] == [True] * 5


def test_no_signals_have_no_weeks():
    """An empty frame with the same columns; less than one week is refused."""
    told = weeks_behind(city(), asked())
    assert told.empty
    assert tuple(told.columns) == WEEK_COLUMNS
    with pytest.raises(UsageError, match=r"^Expected at least one week, got weeks=0\.$"):
        weeks_behind(city(), asked(), weeks=0)
