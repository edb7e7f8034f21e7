"""Pressure: what lies on a unit now, against its own past, as it was known then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
