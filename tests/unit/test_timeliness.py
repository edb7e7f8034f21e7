"""Three figures of timeliness, each with its denominator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.errors import InputError
from data.event_log import NEVER
from data.quality.timeliness import COLUMNS, timeliness
from features.outcomes import late
from tests.support.quality import DAY, cases_frame

T = 1_700_000_000


@pytest.fixture
def cases() -> pd.DataFrame:
    """Ten cases promised in ten days, and what became of them; as-of is day 30."""
    opened = np.array([T, T, T, T, T + 25 * DAY, T + 25 * DAY, T, T, T, T], dtype=np.int64)
    closed = np.array(
        [T + 5 * DAY, T + 10 * DAY, T + 12 * DAY, NEVER, NEVER, T + 26 * DAY, T + 30, T + 9 * DAY, NEVER, NEVER]
    )
    frame = cases_frame(10, opened_at=opened, first_closed_at=closed, due_at_opening=opened + 10 * DAY)
    frame.loc[7, "due_at_opening"] = NEVER
    frame.loc[8, "withdrawn_known_at"] = T + 3 * DAY
    frame.loc[9, ["withdrawn_known_at", "duplicate_at"]] = T + 4 * DAY
    frame["category"] = pd.Series(["drain"] * 6 + ["light"] * 4, dtype="str")
    return frame


def test_the_three_figures_and_their_denominators(cases):
    """Closed early, at the deadline, late; open past it; two that run; near-instant; no promise; withdrawn; duplicate.

    Near-instant and withdrawn have no timeliness, being called a duplicate is an answer, an answer at the deadline is
    in time, and the case that is open past its deadline counts against the second figure only.
    """
    found = timeliness(cases, T + 30 * DAY).iloc[0]
    assert list(found.index) == list(COLUMNS)
    assert (found["closed_on_time"], found["closed"]) == (4, 5)
    assert (found["on_time"], found["due"]) == (3, 5)
    assert found["share_of_closed"] == pytest.approx(4 / 5)
    assert found["share_of_due"] == pytest.approx(3 / 5)
    assert (found["promised"], found["without_promise"], found["km_cases"]) == (7, 1, 7)
    # On the promise's clock: 0.5, 1, 1.2, open at 3, open at 0.5 (censored), 0.1, 0.4.
    # S: 0.1 of 7, 0.4 of 6, 0.5 of 5, 1 of 3: 6/7 · 5/6 · 4/5 · 2/3.
    assert found["km_share"] == pytest.approx(1 - 6 / 7 * 5 / 6 * 4 / 5 * 2 / 3)
    assert found["km_lower"] < found["km_share"] < found["km_upper"]
    assert (found["km_censored"], found["km_at_risk"]) == (1, 3)


def test_a_case_not_followed_to_its_deadline_is_censored(cases):
    """Last seen on day 4: the fourth case leaves the second figure, and counts in the third for four days."""
    followed = pd.Series(T + 30 * DAY, index=cases["case_id"])
    followed.iloc[3] = T + 4 * DAY
    found = timeliness(cases, T + 30 * DAY, followed).iloc[0]
    assert (found["on_time"], found["due"]) == (3, 4)
    assert found["km_censored"] == 2
    assert found["km_share"] > timeliness(cases, T + 30 * DAY).iloc[0]["km_share"]
    same = timeliness(cases, T + 30 * DAY, followed.to_numpy("int64")).iloc[0]
    pd.testing.assert_series_equal(found, same)


def test_the_second_figure_is_the_outcome_that_models_learn(cases):
    """Due and late are those of `features.outcomes.late`, with and without censoring."""
    followed = np.where(np.arange(10) == 3, T + 4 * DAY, T + 30 * DAY)
    for given in (None, followed):
        outcome = late(cases, as_of=T + 30 * DAY, observed_until=given)
        known = outcome.known_before(T + 30 * DAY)
        found = timeliness(cases, T + 30 * DAY, given).iloc[0]
        assert found["due"] == known.sum()
        assert found["on_time"] == (outcome.value[known] == 0).sum()


def test_an_answer_after_the_as_of_has_not_happened(cases):
    """On day 8 one of the drains is closed, and nothing is due."""
    found = timeliness(cases[:4], T + 8 * DAY).iloc[0]
    assert (found["closed"], found["due"]) == (1, 0)
    assert np.isnan(found["share_of_due"])
    assert found["km_censored"] == 3


def test_groups_are_judged_one_by_one_and_null_is_one_of_them(cases):
    """The rows of the groups add up to the whole; a group without a promise has nulls and not zeros."""
    cases.loc[7, "category"] = None
    by = timeliness(cases, T + 30 * DAY, by="category")
    whole = timeliness(cases, T + 30 * DAY).iloc[0]
    for name in ("closed", "closed_on_time", "due", "on_time", "km_cases", "without_promise"):
        assert by[name].sum() == whole[name]
    assert by["category"].isna().sum() == 1
    nothing = by[by["category"].isna()].iloc[0]
    assert nothing[["share_of_closed", "share_of_due", "km_share"]].isna().all()
    both = timeliness(cases, T + 30 * DAY, by=["category", "channel"])
    assert list(both.columns[:2]) == ["category", "channel"]


def test_a_large_record_agrees_with_an_independent_implementation():
    """Random promises and censoring: the third figure is scipy's, on the promise's own clock."""
    rng = np.random.default_rng(4)
    n = 2000
    opened = T + rng.integers(0, 40 * DAY, n)
    due = opened + rng.integers(2 * DAY, 30 * DAY, n)
    closed = np.where(
        rng.random(n) < 0.7, opened + (rng.gamma(2, 0.4, n) * (due - opened)).astype(np.int64) + 61, NEVER
    )
    as_of = T + 50 * DAY
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed, due_at_opening=due)
    found = timeliness(frame, as_of).iloc[0]
    done = closed < as_of
    clock = (np.where(done, closed, as_of) - opened) / (due - opened)
    curve = stats.ecdf(stats.CensoredData.right_censored(clock, ~done)).sf
    limits = curve.confidence_interval(method="log-log")
    assert found["km_share"] == pytest.approx(1 - float(curve.evaluate(1.0)), abs=1e-9)
    assert found["km_lower"] == pytest.approx(1 - float(limits.high.evaluate(1.0)), abs=1e-9)
    assert found["km_upper"] == pytest.approx(1 - float(limits.low.evaluate(1.0)), abs=1e-9)


def test_an_unknown_column_to_group_by_is_refused(cases):
    """The message names it."""
    with pytest.raises(InputError, match="missing: village"):
        timeliness(cases, T, by="village")


def test_no_cases_give_nulls():
    """One row of zeros and nulls."""
    found = timeliness(cases_frame(0, opened_at=np.empty(0, dtype=np.int64)), T).iloc[0]
    assert found["closed"] == 0
    assert np.isnan(found["km_share"])
