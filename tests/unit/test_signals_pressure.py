"""Pressure: what lies on a unit now, against its own past, as it was known then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data import tables
from data.errors import InputError, UsageError
from data.event_log import NEVER
from models.signals import pressure

DAY = 86_400
WEEK = 7 * DAY
AS_OF = 1_735_722_000  # 2025-01-01 09:00 UTC


def cases(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Cases from what is said of each; times are days before the as-of."""
    frame = pd.DataFrame(rows)
    opened = AS_OF - (frame["opened"] * DAY).astype("int64")

    def moment(name: str) -> pd.Series:
        if name not in frame:
            return pd.Series(NEVER, index=frame.index, dtype="int64")
        return (AS_OF - frame[name] * DAY).fillna(NEVER).astype("int64")

    closed = moment("closed")
    return pd.DataFrame(
        {
            "case_id": [f"k{row}" for row in range(len(frame))],
            "area": pd.Series(frame.get("area", "a"), index=frame.index, dtype="str"),
            "office": pd.Series(frame.get("office", "o"), index=frame.index, dtype="str"),
            "opened_at": opened,
            "opened_known_at": moment("known") if "known" in frame else opened,
            "due_at": moment("due"),
            "closed_at": closed,
            "closed_known_at": moment("closed_known") if "closed_known" in frame else closed,
            "withdrawn_known_at": moment("withdrawn"),
        }
    )


def measure(frame: pd.DataFrame, **options: object) -> pd.DataFrame:
    return pressure(frame, as_of=AS_OF, time_zone="UTC", **options)


def steady(backlog: int, weeks: int, now: int) -> list[dict[str, object]]:
    """A unit with `backlog` open cases over `weeks` weeks, and `now` open cases in the last three."""
    past = [{"opened": 7.0 * weeks + 40, "closed": 20.0} for _ in range(backlog)]
    return past + [{"opened": 20.0} for _ in range(now)]


def test_the_columns_are_those_that_are_stored():
    """One row per unit, sorted by code, with every column of the table."""
    frame = measure(cases([{"opened": 3, "area": "b"}, {"opened": 3, "area": "a"}]))
    assert list(frame.columns) == [column.name for column in tables.pressure.columns]
    assert frame["unit"].tolist() == ["a", "b"]
    assert frame["unit_kind"].tolist() == ["area", "area"]
    assert (frame["as_of"] == AS_OF).all()


def test_open_overdue_and_flowing_cases_are_counted():
    """Backlog and overdue are of now; flows are of 28 days; a withdrawn case is neither work nor backlog."""
    frame = measure(
        cases(
            [
                {"opened": 40, "due": 10},
                {"opened": 5, "due": -3},
                {"opened": 5, "due": 1, "closed": 0.5},
                {"opened": 60, "closed": 27},
                {"opened": 60, "closed": 29},
                {"opened": 4, "withdrawn": 2},
                {"opened": 4, "withdrawn": -1},
            ]
        )
    ).iloc[0]
    assert frame["backlog"] == 3
    assert frame["overdue"] == 1
    assert frame["inflow_28d"] == 3
    assert frame["outflow_28d"] == 2
    assert frame["level"] == "unknown"
    assert np.isnan(frame["usual_backlog"])
    assert np.isnan(frame["expected_late"])


def test_nothing_known_at_or_after_the_moment_counts():
    """An opening, a closing or a withdrawal that became known at the as-of has not happened yet."""
    frame = measure(
        cases(
            [
                {"opened": 5, "known": 0},
                {"opened": 5, "known": 4, "closed": 3, "closed_known": 0},
                {"opened": 5, "known": 4, "withdrawn": 0},
            ]
        )
    ).iloc[0]
    assert (frame["backlog"], frame["inflow_28d"], frame["outflow_28d"]) == (2, 2, 0)


def test_the_usual_backlog_is_that_of_weekly_snapshots_as_known_then():
    """Median and percentiles agree with a count by hand, week by week."""
    rng = np.random.default_rng(5)
    n = 400
    opened = rng.uniform(0, 420, n)
    frame = cases(
        [
            {
                "opened": day,
                "known": day - rng.uniform(0, 3),
                "closed": day - rng.exponential(20),
                "area": "ab"[rng.integers(2)],
            }
            for day in opened
        ]
    )
    frame["closed_known_at"] = frame["closed_at"] + 2 * DAY
    frame.loc[::17, "withdrawn_known_at"] = frame["opened_known_at"] + 5 * DAY
    measured = measure(frame).set_index("unit")
    for unit, of_unit in frame[frame["opened_known_at"] < AS_OF].groupby("area"):
        first = of_unit["opened_known_at"].min()
        moments = [AS_OF - week * WEEK for week in range(5, 53)]
        backlog = [
            (
                (of_unit["opened_known_at"] < moment)
                & (of_unit["closed_known_at"] >= moment)
                & (of_unit["withdrawn_known_at"] >= moment)
            ).sum()
            for moment in moments
            if moment >= first + 4 * WEEK
        ]
        expected = np.quantile(backlog, [0.5, 0.1, 0.9])
        found = measured.loc[unit, ["usual_backlog", "usual_low", "usual_high"]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("now", "level"), [(20, "usual"), (21, "usual"), (26, "raised"), (28, "raised"), (40, "high"), (0, "usual")]
)
def test_the_level_compares_a_unit_with_its_own_past(now, level):
    """Above its own usual range by a little is raised, by more than chance makes is high; below is usual."""
    frame = measure(cases(steady(20, 60, now)))
    assert frame["usual_backlog"].tolist() == [20.0]
    assert frame["level"].tolist() == [level]


def test_a_short_past_gives_no_usual_range():
    """With fewer than eight settled weeks before the newest four, the level is unknown."""
    assert measure(cases(steady(20, 8, 30)))["level"].tolist() == ["unknown"]
    assert measure(cases(steady(20, 14, 30)))["level"].tolist() == ["high"]


def test_expected_late_adds_the_probabilities_of_the_open_cases():
    """Closed cases and unknown ones add nothing; open cases without a probability are counted apart."""
    frame = cases(
        [
            {"opened": 5, "office": "x"},
            {"opened": 5, "office": "x"},
            {"opened": 5, "office": "x", "closed": 1},
            {"opened": 5, "office": "y"},
            {"opened": 5, "office": "z", "closed": 1},
        ]
    )
    measured = measure(frame, unit="office", expected_late=pd.Series({"k0": 0.25, "k1": 0.5, "k2": 0.9}))
    assert measured["unit"].tolist() == ["x", "y", "z"]
    assert measured["expected_late"].tolist() == [0.75, 0.0, 0.0]
    assert measured.attrs["open_cases_not_scored"] == 1


def test_cases_without_a_unit_are_left_out_and_counted():
    """An open case whose office is not known is in nobody's backlog, and the frame says how many there are."""
    frame = cases(
        [{"opened": 5, "office": "x"}, {"opened": 5, "office": None}, {"opened": 9, "office": None, "closed": 1}]
    )
    measured = measure(frame, unit="office")
    assert measured["backlog"].tolist() == [1]
    assert measured.attrs["cases_without_unit"] == 1


def test_records_of_work_already_done_are_no_load():
    """Cases closed within a minute are neither inflow nor outflow."""
    measured = measure(cases([{"opened": 5.0, "closed": 5.0 - 30 / DAY}, {"opened": 5.0, "closed": 3.0}]))
    assert measured[["inflow_28d", "outflow_28d"]].to_numpy().tolist() == [[1, 1]]


def test_only_areas_and_offices_are_measured():
    """No smaller unit is accepted, and missing columns are named."""
    frame = cases([{"opened": 5}])
    with pytest.raises(UsageError, match="no smaller unit is measured"):
        measure(frame, unit="handler")
    with pytest.raises(InputError, match="missing: due_at"):
        measure(frame.drop(columns="due_at"))
    nothing = measure(frame.iloc[:0])
    assert nothing.empty


FIGURES = ("backlog_days", "flow_ratio", "late_14d")


def year(rng: np.random.Generator, units: str = "ab", n: int = 900) -> pd.DataFrame:
    """Cases over 60 weeks, most of them closed."""
    opened = rng.uniform(0, 420, n)
    closed = opened - rng.exponential(15, n)
    rows = [
        {"opened": a, "due": a - 12, "closed": b if b > 0 else np.nan, "area": units[rng.integers(len(units))]}
        for a, b in zip(opened, closed, strict=True)
    ]
    return cases(rows)


def test_capacity_of_a_unit_without_a_past_is_worked_by_hand():
    """12 cases closed on 20 working days, 6 open: gamma(12.5) / 20 a day, and the quantiles of its inverse."""
    frame = cases([{"opened": 20.5, "closed": 3.0 + day} for day in range(12)] + [{"opened": 9.5}] * 6)
    found = measure(frame).iloc[0]
    for name, probability in (("backlog_days", 0.5), ("backlog_days_low", 0.9), ("backlog_days_high", 0.1)):
        assert found[name] == pytest.approx(6 * 20 / stats.gamma.ppf(probability, 12.5))
    assert np.isnan(found["backlog_days_usual_low"])
    # 18 opened and 12 closed: the ratio of two independent gammas is an F distribution.
    for name, probability in (("flow_ratio", 0.5), ("flow_ratio_low", 0.1), ("flow_ratio_high", 0.9)):
        assert found[name] == pytest.approx(18.5 / 12.5 * stats.f.ppf(probability, 37, 25))


def test_a_small_unit_is_drawn_towards_its_own_year():
    """2 closings after a year of about 10 in four weeks are told as fewer than 10 and more than 2."""
    past = [{"opened": day + 9.0, "closed": day} for day in np.arange(28.5, 395, 2.8)]
    now = [{"opened": 20.0, "closed": 9.0}] * 2 + [{"opened": 10.0}] * 8
    found = measure(cases(past + now)).iloc[0]
    rate = 8 * 20 / found["backlog_days"]
    assert 3.0 < rate < 9.9
    assert found["flow_ratio"] > 1.0
    assert found["flow_ratio_low"] < found["flow_ratio"] < found["flow_ratio_high"]


def test_working_days_are_those_given():
    """Half as many working days, half as many days of capacity; without one, nothing can be said."""
    frame = cases([{"opened": 25.0, "closed": 2.0 + day} for day in range(10)] + [{"opened": 9.0}] * 5)
    dates = np.arange("2024-11-01", "2025-01-01", dtype="datetime64[D]")
    weekdays = dates[np.is_busday(dates)]
    newest = weekdays[weekdays >= np.datetime64("2024-12-04")]
    usual = measure(frame)["backlog_days"].iloc[0]
    assert measure(frame, working_days=weekdays)["backlog_days"].iloc[0] == pytest.approx(usual)
    assert measure(frame, working_days=newest[::2])["backlog_days"].iloc[0] == pytest.approx(usual / 2)
    assert np.isnan(measure(frame, working_days=dates[:5])["backlog_days"].iloc[0])


def test_a_clean_up_in_bulk_is_no_capacity():
    """300 cases closed in one week hardly change the days of capacity; a plain rate would take a quarter of them."""
    past = [{"opened": day + 9.0, "closed": day} for day in np.arange(0.5, 395, 1.4)]
    backlog = [{"opened": 12.0}] * 20
    bulk = [{"opened": 200.0, "closed": 5.0}] * 300
    calm = measure(cases(past + backlog))["backlog_days"].iloc[0]
    cleaned = measure(cases(past + backlog + bulk))["backlog_days"].iloc[0]
    assert calm == pytest.approx(20 * 20 / 20, rel=0.15)
    assert cleaned > 0.4 * calm


def test_late_soon_counts_the_cases_due_within_two_weeks():
    """Neither overdue nor later ones; a case without a probability gets the mean of its unit's."""
    frame = cases(
        [
            {"opened": 5, "due": -3},
            {"opened": 5, "due": -13},
            {"opened": 5, "due": -14},
            {"opened": 5, "due": 1},
            {"opened": 5, "due": -4, "closed": 1},
            {"opened": 5, "due": -4, "area": "b"},
            {"opened": 5, "due": -2},
        ]
    )
    frame["area"] = frame["area"].fillna("a")
    told = pd.Series({"k0": 0.5, "k1": 0.1, "k2": 0.9, "k3": 1.0, "k4": 1.0})
    found = measure(frame, expected_late=told).set_index("unit")
    assert found["due_14d"].tolist() == [3, 1]
    assert found.loc["a", "late_14d"] == pytest.approx(0.9)
    assert np.isnan(found.loc["b", "late_14d"])
    assert measure(frame)["late_14d"].isna().all()
    assert measure(frame)["due_14d"].tolist() == [3, 1]
    sure = measure(frame, expected_late=pd.Series({"k0": 0.0, "k1": 1.0, "k6": 1.0})).set_index("unit").loc["a"]
    assert sure[["late_14d", "late_14d_low", "late_14d_high"]].tolist() == [2.0, 2.0, 2.0]


def test_the_interval_of_many_alike_cases_is_the_binomial_one():
    """400 cases of .3 each: 108 to 132 of them, to within one case."""
    frame = cases([{"opened": 5, "due": -3}] * 400)
    found = measure(frame, expected_late=pd.Series(0.3, index=frame["case_id"])).iloc[0]
    low, high = stats.binom.ppf([0.1, 0.9], 400, 0.3)
    assert abs(found["late_14d_low"] - low) <= 1
    assert abs(found["late_14d_high"] - high) <= 1


def test_the_usual_number_of_late_cases_is_counted_by_fortnight():
    """Every fortnight of the past four cases come due and one of them is answered too late: one is usual."""
    rows = []
    for fortnight in range(1, 27):
        day = 14.0 * fortnight + 5
        rows += [{"opened": day + 30, "due": day, "closed": day + 1}] * 3
        rows += [{"opened": day + 30, "due": day, "closed": day - 4}]
    rows += [{"opened": 14.0 * 27 + 90, "due": 14.0 * 27, "closed": 14.0 * 27 + 1}]
    found = measure(cases(rows)).iloc[0]
    assert (found["late_14d_usual_low"], found["late_14d_usual_high"]) == (1.0, 1.0)


def test_usual_ranges_enclose_what_is_usual():
    """A unit that goes on as ever lies between its usual ends in most snapshots."""
    rng = np.random.default_rng(3)
    found = measure(year(rng, "abcdefgh", 4000))
    for figure in ("backlog_days", "flow_ratio"):
        ends = found[[f"{figure}_usual_low", f"{figure}_usual_high"]].to_numpy()
        assert (ends[:, 0] < ends[:, 1]).all()
        middle = found[figure].median()
        assert np.median(ends[:, 0]) < middle < np.median(ends[:, 1])


def test_intervals_lie_around_their_figures():
    """Low, figure, high, in this order; and no figure is below zero."""
    rng = np.random.default_rng(4)
    frame = year(rng, "abcdef")
    found = measure(frame, expected_late=pd.Series(rng.random(len(frame)), index=frame["case_id"]))
    for figure in FIGURES:
        assert (found[f"{figure}_low"] >= 0).all()
        assert (found[f"{figure}_low"] <= found[f"{figure}_high"]).all()
    for figure in FIGURES[:2]:
        assert found[figure].between(found[f"{figure}_low"], found[f"{figure}_high"]).all()


def test_later_knowledge_changes_nothing():
    """Whatever became known at or after the as-of may be otherwise, or missing, to the last digit."""
    rng = np.random.default_rng(6)
    frame = year(rng)
    told = pd.Series(rng.random(len(frame)), index=frame["case_id"])
    now = measure(frame, expected_late=told)
    later = frame.copy()
    unknown = later["closed_known_at"] >= AS_OF
    moved = AS_OF + rng.integers(0, 90 * DAY, int(unknown.sum()))
    later.loc[unknown, "closed_known_at"], later.loc[unknown, "closed_at"] = moved, moved - 5 * DAY
    withdrawn = later.sample(50, random_state=1).index
    later.loc[withdrawn, "withdrawn_known_at"] = AS_OF + rng.integers(0, 90 * DAY, 50)
    more = frame.sample(200, random_state=2).assign(opened_known_at=AS_OF, case_id=[f"n{i}" for i in range(200)])
    pd.testing.assert_frame_equal(measure(pd.concat([later, more], ignore_index=True), expected_late=told), now)


def test_a_unit_twice_as_large_has_the_same_days_and_ratio():
    """With every case twice, days and ratio stay about as they were, more surely; late cases double."""
    rng = np.random.default_rng(7)
    frame = year(rng, n=2500)
    told = pd.Series(rng.random(len(frame)), index=frame["case_id"])
    twice = pd.concat([frame, frame.assign(case_id="t" + frame["case_id"])], ignore_index=True)
    both = pd.concat([told, told.rename(lambda name: f"t{name}")])
    one, two = measure(frame, expected_late=told), measure(twice, expected_late=both)
    for figure in ("backlog_days", "flow_ratio"):
        np.testing.assert_allclose(two[figure], one[figure], rtol=0.08)
    np.testing.assert_allclose(two["late_14d"], 2 * one["late_14d"])
    wide, narrow = (np.log(frame["flow_ratio_high"] / frame["flow_ratio_low"]) for frame in (one, two))
    assert (narrow < wide).all()


def test_other_units_lend_firmness_and_nothing_else():
    """A unit's figures change by little when other units go on as before with ten times as many cases."""
    rng = np.random.default_rng(8)
    own, others = year(rng, "a", 500), year(rng, "bcd", 1500)
    few = measure(pd.concat([own, others], ignore_index=True)).iloc[0]
    many = measure(pd.concat([own, *[others] * 10], ignore_index=True)).iloc[0]
    for figure in ("backlog_days", "flow_ratio"):
        assert many[figure] == pytest.approx(few[figure], rel=0.15)


def test_nothing_to_say_is_null():
    """Without any closing there are no days of capacity, and without a backlog there are none to wait."""
    found = measure(cases([{"opened": 5, "area": "a"}, {"opened": 5, "closed": 2, "area": "b"}])).set_index("unit")
    assert np.isnan(found.loc["a", "backlog_days"])
    assert np.isnan(found.loc["a", "flow_ratio"])
    assert found.loc["b", ["backlog_days", "backlog_days_low", "backlog_days_high"]].tolist() == [0.0, 0.0, 0.0]
