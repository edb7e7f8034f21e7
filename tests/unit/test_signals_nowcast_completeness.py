"""How complete a week is: by hand, with imports in bulk, and next to the truth of made-up cities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError, UsageError
from models.signals import ALL, weekly_counts
from models.signals.nowcast import Completeness, CompletenessSettings, completeness, nowcast
from models.signals.nowcast.snapshots import imports_in_bulk
from tests.support.late_reports import DAY, late_world, monday_six
from tests.support.weekly import MONDAY, WEEK


def of(cases: pd.DataFrame, week: int, **settings) -> tuple:
    """Weekly counts at the Monday after `week`, and their completeness."""
    counts = weekly_counts(cases, as_of=monday_six(week), time_zone="UTC")
    found = completeness(
        cases,
        as_of=counts.as_of,
        time_zone="UTC",
        series=counts.series,
        weeks=counts.weeks,
        settings=CompletenessSettings(**settings),
    )
    return counts, found


def rows(pattern: list[tuple[int, int, int]], area: str = "a", category: str = "x") -> pd.DataFrame:
    """Cases from (week, weeks late, how many): opened on the Wednesday, known then or that many weeks later."""
    table = np.array([(week, late) for week, late, n in pattern for _ in range(n)])
    opened = MONDAY + table[:, 0] * WEEK + 2 * DAY
    return pd.DataFrame(
        {
            "opened_at": opened,
            "opened_known_at": opened + np.where(table[:, 1] > 0, table[:, 1] * WEEK + 60, 0),
            "area": area,
            "category": category,
        }
    )


@pytest.fixture
def city():
    """Twelve areas of very different lateness, ten categories, eighty weeks."""
    return late_world(np.random.default_rng(3), spread=1.5)


def test_one_series_by_hand():
    """Seven of ten at once, two a week and one two weeks later, every week alike: 70 %, 90 %, 100 %."""
    cases = rows([(week, late, n) for week in range(30) for late, n in ((0, 7), (1, 2), (2, 1))])
    counts, found = of(cases, 24, half_life=1e9)
    assert counts.matrix[-3:, 0].tolist() == [10, 9, 7]
    assert found.share[-4:, 0] == pytest.approx([1.0, 1.0, 0.9, 0.7], abs=1e-12)
    assert (found.share[:-4] == 1.0).all()
    assert found.sd[-1, 0] > found.sd[-2, 0] > 0.0 == found.sd[-4, 0]


def test_nothing_late_is_exactly_complete(city):
    """Known when opened: all ones to the bit, no uncertainty, and nothing is estimated."""
    counts, found = of(city.cases.assign(opened_known_at=city.cases["opened_at"]), 60)
    assert found.share.shape == counts.matrix.shape
    assert (found.share == 1.0).all()
    assert (found.sd == 0.0).all()
    assert found.share.strides == (0, 0)


def test_shares_come_near_the_truth(city):
    """Over areas from hardly any paper to nearly all: within a tenth of what is really known, on average."""
    counts, found = of(city.cases, 70)
    final = city.final[70]
    known, expected = counts.matrix[-1], found.share[-1] * final
    by_area = [part.reshape(12, 10).sum(axis=1) for part in (known, expected, final)]
    assert np.abs((by_area[0] - by_area[1]) / by_area[2]).mean() < 0.1
    assert found.share[-1].min() < 0.5
    assert found.share[-1].max() > 0.9
    # What is left is chance: the variance that binomial reports and the stated uncertainty explain.
    variance = final * found.share[-1] * (1 - found.share[-1]) + (final * found.sd[-1]) ** 2
    assert ((known - expected) ** 2).sum() / variance.sum() == pytest.approx(1.0, abs=0.5)


def test_a_thin_series_leans_on_its_area_and_category():
    """A series with three reports, all at once, is not called complete where its area and category come in late."""
    slow = rows([(week, late, 6) for week in range(40) for late in (0, 1)], "slow", "x")
    fast = rows([(week, late, n) for week in range(40) for late, n in ((0, 11), (1, 1))], "fast", "x")
    thin = rows([(5, 0, 1), (15, 0, 1), (25, 0, 1)], "slow", "y")
    steady = rows([(week, late, n) for week in range(40) for late, n in ((0, 11), (1, 1))], "fast", "y")
    counts, found = of(pd.concat([slow, fast, thin, steady], ignore_index=True), 36)
    share = dict(zip(zip(counts.series["area"], counts.series["category"], strict=True), found.share[-1], strict=True))
    assert share["slow", "x"] == pytest.approx(0.5, abs=0.03)
    assert share["fast", "x"] == pytest.approx(11 / 12, abs=0.03)
    assert share["slow", "y"] < 0.75


def test_sums_have_a_share_too(city):
    """A sum over areas or categories gets the law of what it is summed over."""
    counts, found = of(city.cases, 70)
    whole = counts.totals("both")
    total = completeness(city.cases, as_of=counts.as_of, time_zone="UTC", series=whole.series, weeks=whole.weeks)
    assert whole.series.iloc[0].tolist() == [ALL, ALL]
    parts = (found.share[-1] * city.final[70]).sum() / city.final[70].sum()
    assert total.share[-1, 0] == pytest.approx(parts, abs=0.03)


def test_the_first_import_of_a_history_is_no_delay(city):
    """Everything of 50 weeks became known in one hour; the weeks since then say how late reports come in."""
    cases = city.cases.copy()
    import_at = monday_six(49) + 3 * DAY
    past = cases["opened_at"] < import_at
    cases.loc[past, "opened_known_at"] = np.maximum(cases.loc[past, "opened_known_at"], import_at)
    _, with_import = of(cases, 70)
    _, without = of(city.cases, 70)
    assert np.abs(with_import.share[-1] - without.share[-1]).mean() < 0.03
    # Taken for delays, the import would say that half a year later there is still more to come.
    assert (with_import.share[-10] > 0.97).all()
    # In the week of the import itself nothing is known of delays; nothing is claimed.
    _, at_once = of(cases, 50)
    assert at_once.share[-1].min() > 0.0


def test_only_a_long_past_in_one_hour_is_an_import(city):
    """Twenty cases over half a year in one hour are; a month's paper forms, or many in a day, are not."""
    openings = MONDAY + np.linspace(0, 25 * WEEK, 30).astype(np.int64)
    import_ = pd.DataFrame({"opened_at": openings, "opened_known_at": MONDAY + 26 * WEEK})
    monthly = pd.DataFrame({"opened_at": openings // 6, "opened_known_at": MONDAY + 26 * WEEK + 3 * DAY})
    monthly["opened_at"] += MONDAY + 20 * WEEK - openings[0] // 6
    both = pd.concat([import_, monthly], ignore_index=True)
    found = imports_in_bulk(both, MONDAY + 40 * WEEK)
    assert found.tolist() == [True] * 30 + [False] * 30
    assert not imports_in_bulk(both, MONDAY + 26 * WEEK).any()
    assert not imports_in_bulk(city.cases, monday_six(79)).any()


def test_weeks_are_looked_at_on_the_hour_of_the_as_of():
    """What is entered on Mondays at nine is late for a look at six and not for one at ten."""
    opened = np.concatenate([MONDAY + week * WEEK + np.arange(7) * DAY + 12 * 3_600 for week in range(30)])
    sunday = np.arange(len(opened)) % 7 == 6
    known = np.where(sunday, opened + 21 * 3_600, opened)
    cases = pd.DataFrame({"opened_at": opened, "opened_known_at": known, "area": "a", "category": "x"})
    weeks = MONDAY + WEEK * np.arange(25)
    series = pd.DataFrame({"area": ["a"], "category": ["x"]})
    end = MONDAY + 25 * WEEK
    at = {
        hour: completeness(cases, as_of=end + hour * 3_600, time_zone="UTC", series=series, weeks=weeks).share[-1, 0]
        for hour in (6, 10)
    }
    assert at == pytest.approx({6: 6 / 7, 10: 1.0})


def test_a_nowcast_by_hand_without_a_past():
    """No past, half known, 3 reports: any count as likely as another, so 3 + 4 expected, and NB(4, 1/2) limits."""
    cases = rows([(week, 0, 3) for week in range(3)])
    counts = weekly_counts(cases, as_of=monday_six(2), time_zone="UTC")
    half = Completeness(np.full((2, 1), 0.5), np.zeros((2, 1)), 1)
    told = nowcast(counts, half, weeks=1, level=0.9)
    assert told["known"].tolist() == [3]
    assert told["expected"].tolist() == pytest.approx([7.0])
    # Negative binomial with size 4 and probability 1/2: 5 % at 1 and below is 0.1875; cdf(0) = 0.0625, cdf(8) = 0.927.
    assert told[["lower", "upper"]].to_numpy().tolist() == [[3.0, 12.0]]


def test_complete_weeks_are_told_as_they_are(city):
    """A share of 1 leaves nothing to add."""
    counts = weekly_counts(city.cases, as_of=monday_six(70), time_zone="UTC")
    whole = Completeness(np.ones(counts.matrix.shape), np.zeros(counts.matrix.shape), 0)
    told = nowcast(counts, whole, weeks=2)
    for name in ("expected", "lower", "upper"):
        assert told[name].tolist() == told["known"].tolist()


def test_refusals_say_what_is_expected(city):
    """Missing columns, a week that has not ended, settings and shapes that do not fit."""
    counts = weekly_counts(city.cases, as_of=monday_six(20), time_zone="UTC")
    given = {"time_zone": "UTC", "series": counts.series, "weeks": counts.weeks}
    with pytest.raises(InputError, match="missing: opened_known_at"):
        completeness(city.cases.drop(columns="opened_known_at"), as_of=counts.as_of, **given)
    with pytest.raises(InputError, match="the newest has not"):
        completeness(city.cases, as_of=counts.as_of - DAY, **given)
    with pytest.raises(UsageError, match="most_weeks above it"):
        CompletenessSettings(longest=60, most_weeks=52)
    small = Completeness(np.ones((1, 1)), np.zeros((1, 1)), 0)
    with pytest.raises(UsageError, match="Expected completeness of shape"):
        nowcast(counts, small)
    whole = Completeness(np.ones(counts.matrix.shape), np.zeros(counts.matrix.shape), 0)
    with pytest.raises(UsageError, match="at least one week"):
        nowcast(counts, whole, weeks=0)
    with pytest.raises(UsageError, match="level must lie"):
        nowcast(counts, whole, level=1.0)
