"""Weekly counts: whole local weeks, and only what was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError, NotEnoughDataError, UsageError
from data.event_log import NEVER
from models.signals.counts import ALL, week_starts, weekly_counts
from tests.support.weekly import weekly

HOUR = 3600
WEEK = 168 * HOUR


def ts(text: str, zone: str = "UTC") -> int:
    return int(pd.Timestamp(text, tz=zone).timestamp())


def frame(*rows: tuple[str, str | None, str | None], zone: str = "UTC", **columns: list[int]) -> pd.DataFrame:
    opened = [ts(row[0], zone) for row in rows]
    return pd.DataFrame(
        {
            "opened_at": opened,
            "opened_known_at": opened,
            "area": pd.Series([row[1] for row in rows], dtype="str"),
            "category": pd.Series([row[2] for row in rows], dtype="str"),
            **columns,
        }
    )


def test_a_week_runs_from_local_monday_midnight_to_the_next():
    """A report one second before local midnight belongs to the week that ends, the next second to the new one."""
    cases = frame(
        ("2024-03-04 00:00:00", "a", "x"),
        ("2024-03-10 23:59:59", "a", "x"),
        ("2024-03-11 00:00:00", "a", "x"),
        zone="Asia/Shanghai",
    )
    counts = weekly_counts(cases, as_of=ts("2024-03-20", "Asia/Shanghai"), time_zone="Asia/Shanghai")
    assert counts.matrix[:, 0].tolist() == [2, 1]
    assert counts.weeks.tolist() == [ts("2024-03-04", "Asia/Shanghai"), ts("2024-03-11", "Asia/Shanghai")]


def test_weeks_keep_their_local_midnight_when_the_clocks_change():
    """The week in which summer time ends has 169 hours, the one in which it begins 167."""
    cases = frame(("2011-10-24 12:00", "a", "x"), zone="America/New_York")
    counts = weekly_counts(cases, as_of=ts("2012-03-20"), time_zone="America/New_York")
    lengths = np.diff(counts.weeks)
    assert set(lengths.tolist()) == {WEEK, WEEK + HOUR, WEEK - HOUR}
    local = pd.to_datetime(counts.weeks, unit="s", utc=True).tz_convert("America/New_York")
    assert (local.hour == 0).all()
    assert (local.day_of_week == 0).all()


def test_a_monday_whose_midnight_does_not_exist_begins_with_its_first_moment():
    """Where the clocks jump at Monday midnight, the week begins at one o'clock."""
    cases = frame(("2021-03-15 12:00", "a", "x"), zone="Asia/Tehran")
    counts = weekly_counts(cases, as_of=ts("2021-04-06"), time_zone="Asia/Tehran")
    local = pd.to_datetime(counts.weeks, unit="s", utc=True).tz_convert("Asia/Tehran")
    assert [(moment.day, moment.hour) for moment in local] == [(15, 0), (22, 1), (29, 0)]


def test_the_newest_week_is_the_last_that_has_ended():
    """A week counts from the very moment it ends, and not a second sooner."""
    cases = frame(("2024-03-04", "a", "x"), ("2024-03-12", "a", "x"))
    end = ts("2024-03-18")
    assert weekly_counts(cases, as_of=end, time_zone="UTC").matrix[:, 0].tolist() == [1, 1]
    assert weekly_counts(cases, as_of=end - 1, time_zone="UTC").matrix[:, 0].tolist() == [1]


def test_a_first_week_that_began_without_the_record_is_left_out():
    """A record that begins on a Friday gives its first whole week on the Monday after."""
    cases = frame(("2024-03-08", "a", "x"), ("2024-03-11", "a", "x"))
    counts = weekly_counts(cases, as_of=ts("2024-03-18"), time_zone="UTC")
    assert counts.weeks.tolist() == [ts("2024-03-11")]
    assert counts.matrix.tolist() == [[1]]


def test_every_area_is_combined_with_every_category():
    """Pairs without a report are watched too, as a series of zeros."""
    cases = frame(("2024-03-04", "b", "x"), ("2024-03-05", "a", "y"))
    counts = weekly_counts(cases, as_of=ts("2024-03-11"), time_zone="UTC")
    assert counts.series.to_numpy().tolist() == [["a", "x"], ["a", "y"], ["b", "x"], ["b", "y"]]
    assert counts.matrix.tolist() == [[0, 1, 1, 0]]
    assert counts.matrix.dtype == np.int64


def test_what_was_known_too_late_does_not_count():
    """A report counts if it was known before the as-of, a withdrawal likewise."""
    cases = frame(("2024-03-04", "a", "x"), ("2024-03-05", "a", "x"), ("2024-03-06", "a", "x"))
    as_of = ts("2024-03-11")
    cases["opened_known_at"] = [as_of - 1, as_of, as_of - 1]
    cases["withdrawn_known_at"] = [as_of, NEVER, as_of - 1]
    counts = weekly_counts(cases, as_of=as_of, time_zone="UTC")
    assert counts.matrix.tolist() == [[1]]
    assert counts.left_out["withdrawn or duplicate"] == 1


def test_records_of_work_already_done_are_no_reports():
    """A case closed within a minute is left out once its closing is known; one without a time of day stays."""
    cases = frame(
        ("2024-03-04 09:00:00", "a", "x"),
        ("2024-03-04 09:00:00", "a", "x"),
        ("2024-03-05 00:00:00", "a", "x"),
    )
    as_of = ts("2024-03-11")
    cases["closed_at"] = cases["opened_at"] + [59, 60, 0]
    cases["closed_known_at"] = cases["closed_at"]
    counts = weekly_counts(cases, as_of=as_of, time_zone="UTC")
    assert counts.matrix.tolist() == [[2]]
    assert counts.left_out["closed within a minute"] == 1
    cases["closed_known_at"] = as_of
    assert weekly_counts(cases, as_of=as_of, time_zone="UTC").matrix.tolist() == [[3]]


def test_cases_without_a_place_or_a_type_are_counted_as_left_out():
    """A report that belongs to no series is not lost silently."""
    cases = frame(("2024-03-04", "a", "x"), ("2024-03-04", None, "x"), ("2024-03-04", "a", None))
    counts = weekly_counts(cases, as_of=ts("2024-03-11"), time_zone="UTC")
    assert counts.left_out["no area or category"] == 2
    assert counts.matrix.sum() == 1


def test_totals_are_sums_of_the_same_reports():
    """Areas, categories and the whole add up, and the name summed away is marked."""
    cases = frame(("2024-03-04", "a", "x"), ("2024-03-05", "a", "y"), ("2024-03-06", "b", "x"))
    counts = weekly_counts(cases, as_of=ts("2024-03-11"), time_zone="UTC")
    by_category, by_area, all_of_it = (counts.totals(over) for over in ("area", "category", "both"))
    assert by_category.series.to_numpy().tolist() == [[ALL, "x"], [ALL, "y"]]
    assert by_category.matrix.tolist() == [[2, 1]]
    assert by_area.series.to_numpy().tolist() == [["a", ALL], ["b", ALL]]
    assert by_area.matrix.tolist() == [[2, 1]]
    assert all_of_it.matrix.tolist() == [[3]]


def test_a_shorter_past_can_be_asked_for():
    """With `weeks`, the newest of them remain; with `until`, a past week becomes the newest."""
    cases = frame(*((f"2024-03-{day:02d}", "a", "x") for day in (4, 11, 18)))
    counts = weekly_counts(cases, as_of=ts("2024-03-25"), time_zone="UTC", weeks=2)
    assert counts.weeks.tolist() == [ts("2024-03-11"), ts("2024-03-18")]
    assert counts.until(ts("2024-03-11")).newest() == ts("2024-03-11")
    with pytest.raises(UsageError, match="the start of one of the weeks counted"):
        counts.until(ts("2024-03-12"))


def test_a_record_without_a_whole_week_is_refused():
    """There is no count without one complete week, and the message says so."""
    cases = frame(("2024-03-05", "a", "x"))
    with pytest.raises(NotEnoughDataError, match="at least one complete week"):
        weekly_counts(cases, as_of=ts("2024-03-11"), time_zone="UTC")
    with pytest.raises(NotEnoughDataError, match="at least one report"):
        week_starts(pd.Series([], dtype="int64"), 0, "UTC")


def test_missing_columns_are_named():
    """The error lists what was expected and what is missing."""
    with pytest.raises(InputError, match="missing: category"):
        weekly_counts(frame(("2024-03-05", "a", "x")).drop(columns="category"), as_of=1, time_zone="UTC")


def test_what_is_known_of_a_week_follows_its_counts():
    """Shares stay with their weeks when later ones are cut off; of a sum they are the mean, weighted by reports."""
    counts = weekly(np.array([[3, 1], [3, 1], [3, 1]]), np.array([0, 1]), np.array([0, 0]))
    share = np.array([[1.0, 1.0], [1.0, 1.0], [0.5, 0.9]])
    late = counts.completed_as(share)
    assert late.until(int(counts.weeks[1])).complete is None
    assert counts.completed_as(np.ones((3, 2))).complete is None
    total = late.totals("area")
    assert total.complete is not None
    np.testing.assert_allclose(total.complete[:, 0], [1.0, 1.0, (9 * 0.5 + 3 * 0.9) / 12])
