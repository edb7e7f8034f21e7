"""What makes labels unreliable: each symptom planted into a clean record, and what follows for training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.boundary import violations
from data.event_log import NEVER, fold_cases
from data.quality.label_trust import GRADE_WEIGHTS, SYMPTOMS, LabelTrust, grades_of, trust
from data.quality.label_trust_findings import SENTENCES
from tests.support.quality import (
    DAY,
    HOUR,
    ZONE,
    cases_frame,
    clean_city,
    clean_plan,
    folded,
    no_events,
    plant_heap,
    plant_import,
    plant_mass_closing,
    with_rows,
)

T = 1_700_006_400  # 2023-11-15 00:00 UTC, a Wednesday
MINUTE = 60


@pytest.fixture(scope="module")
def city():
    """A clean city of 12,000 cases, and its as-of."""
    with pytest.MonkeyPatch.context() as patch:
        return clean_city(5, patch, clean_plan(12_000))


def judged(events: pd.DataFrame, as_of: int) -> LabelTrust:
    return trust(*folded(events, as_of), as_of, ZONE)


def codes(found: LabelTrust) -> set[str]:
    return {finding.code for finding in found.findings}


def test_a_clean_city_has_nothing_but_plain_facts(city):
    """No symptom is told, and no cell is worse than B."""
    found = judged(*city)
    assert codes(found) <= {"duplicates", "followed_short", "pace_by_year", "quick_closing"}
    assert found.cells["grade"].isin(["A", "B"]).all()
    assert found.grade_counts(fold_cases(city[0]))["D"] == 0


def test_cells_count_every_case_in_its_months(city):
    """Openings and closings of the cells are those of the record, and every cell is there once."""
    events, as_of = city
    cases, _ = folded(events, as_of)
    cells = judged(events, as_of).cells
    assert cells["opened"].sum() == len(cases)
    assert cells["closed"].sum() == (cases["first_closed_at"] < as_of).sum()
    assert not cells.duplicated(["office", "category", "month"]).any()
    for symptom in SYMPTOMS:
        assert {f"{symptom}_{name}" for name in ("n", "statistic", "p", "q", "flagged")} <= set(cells.columns)
    assert (cells["weight"] == cells["grade"].map(GRADE_WEIGHTS)).all()


def test_a_mass_closing_is_found_where_it_was_planted(city):
    """All old cases of one office closed within an hour: office, day and figures are told, and no other office."""
    events, as_of = city
    office = fold_cases(events)["office"].value_counts().index[0]
    at = as_of - 40 * DAY
    at += 15 * HOUR - (at + 8 * HOUR) % DAY
    planted, count = plant_mass_closing(events, office, at)
    assert count > 60
    found = judged(planted, as_of)
    (finding,) = [one for one in found.findings if one.code == "mass_closing"]
    assert finding.office == office
    assert finding.words["day"] == str(pd.Timestamp(at, unit="s", tz="UTC").tz_convert(ZONE).date())
    assert finding.figures["batch"] >= 12
    assert finding.figures["q_value"] <= 0.05
    cells = found.cells[(found.cells["office"] == office) & found.cells["mass_closing_flagged"]]
    assert cells["mass_closing_n"].sum() == finding.figures["cases"]
    assert (cells["share_in_doubt"] > 0).all()


def test_an_office_that_catches_up_after_a_holiday_is_not_told():
    """Eight cases every day, a fortnight of rest, then all that came in meanwhile on the first day back."""
    day = np.repeat(np.arange(200), 8)
    due_day = day + 6
    resting = (due_day >= 120) & (due_day < 134)
    closing = np.where(resting, 134, due_day)
    opened = T + day * DAY + 9 * HOUR + np.tile(np.arange(8), 200) * HOUR // 2
    closed = T + closing * DAY + 10 * HOUR + np.tile(np.arange(8), 200) * HOUR
    frame = cases_frame(len(day), opened_at=opened, first_closed_at=closed)
    assert (closing == 134).sum() > 100
    found = trust(frame, no_events(), T + 220 * DAY, "UTC")
    assert "mass_closing" not in codes(found)
    # The same batch without the rest before it is told.
    busy = np.where((due_day >= 120) & (due_day < 134) & (np.arange(len(day)) % 8 < 7), 134, due_day)
    frame = cases_frame(len(day), opened_at=opened, first_closed_at=T + busy * DAY + 10 * HOUR)
    assert "mass_closing" in codes(trust(frame, no_events(), T + 220 * DAY, "UTC"))


def test_closings_heaped_before_the_deadline_are_found(city):
    """Half of an office's slightly late closings are booked in the hour before the deadline."""
    events, as_of = city
    office = fold_cases(events)["office"].value_counts().index[0]
    planted, moved = plant_heap(events, office, 0.5, np.random.default_rng(1))
    found = [one for one in judged(planted, as_of).findings if one.code == "deadline_heap"]
    assert moved > 50
    assert {one.office for one in found} == {office}
    assert all(one.figures["count"] > 1.5 * one.figures["expected"] for one in found)


def test_an_office_that_stops_at_the_end_of_its_day_is_no_heap():
    """Deadlines at 17:00, when the office goes home: closings end there every day, due or not."""
    rng = np.random.default_rng(2)
    n = 6000
    opened = T + rng.integers(0, 300, n) * DAY + rng.integers(9, 12, n) * HOUR
    due = (opened // DAY + 5) * DAY + 17 * HOUR
    closed = (opened // DAY + rng.integers(1, 9, n)) * DAY + 9 * HOUR + rng.integers(0, 8 * HOUR, n)
    frame = cases_frame(n, opened_at=opened, due_at_opening=due, first_closed_at=closed)
    assert "deadline_heap" not in codes(trust(frame, no_events(), T + 330 * DAY, "UTC"))


def test_quick_closings_are_told_with_their_channel_and_doubted():
    """Of 400 cases a month, 120 are closed after five minutes, through the staff's own door."""
    n = 2400
    opened = T + np.arange(n) * (180 * DAY // n) + 9 * HOUR
    quick = np.arange(n) % 10 < 3
    closed = np.where(quick, opened + 5 * MINUTE, opened + 3 * DAY + np.arange(n) % 7 * HOUR)
    channel = np.where(quick, "staff", "phone")
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed, channel=channel)
    found = trust(frame, no_events(), T + 200 * DAY, "UTC")
    (finding,) = [one for one in found.findings if one.code == "quick_closing"]
    assert finding.words["most_channel"] == "staff"
    assert finding.figures["share"] == pytest.approx(0.3, abs=0.01)
    assert finding.figures["instant"] == 0
    grades = found.grade_of(frame)
    assert (grades == "C").mean() > 0.9
    assert (found.weight_of(frame)[grades == "C"] == GRADE_WEIGHTS["C"]).all()


def test_days_without_a_time_of_day_are_not_quick():
    """Opened and closed on the same date, both at midnight: nobody knows after how many minutes."""
    n = 1000
    opened = T + np.arange(n) // 5 * DAY
    frame = cases_frame(n, opened_at=opened, first_closed_at=opened)
    found = trust(frame, no_events(), T + 220 * DAY, "UTC")
    assert not {"quick_closing", "import_spike", "mass_closing"} & codes(found)
    assert found.cells["near_instant"].sum() == 0


def test_a_drop_of_the_never_closed_is_one_of_record_keeping():
    """70 % never closed in the first year, 10 % in the second: the first year's open cases are in doubt, grade D."""
    rng = np.random.default_rng(3)
    n = 2400
    opened = T + np.sort(rng.integers(0, 720 * DAY, n))
    first = opened < T + 360 * DAY
    left_open = rng.random(n) < np.where(first, 0.7, 0.1)
    closed = np.where(left_open, NEVER, opened + rng.integers(DAY, 9 * DAY, n))
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed)
    found = trust(frame, no_events(), T + 1000 * DAY, "UTC")
    (finding,) = [one for one in found.findings if one.code == "never_closed"]
    assert finding.first_month == "2024-11"
    assert finding.figures["before"] == pytest.approx(0.7, abs=0.05)
    assert finding.figures["after"] == pytest.approx(0.1, abs=0.05)
    grades = found.grade_of(frame)
    months = opened // DAY < T // DAY + 345
    assert (grades[months] == "D").mean() > 0.9
    assert (grades[~first] == "A").all()
    # Prompt cases of the same months do not teach either: leaving out the open ones alone would teach promptness.
    assert (found.weight_of(frame)[first & ~left_open & months] == 0).mean() > 0.9


def test_a_slow_drift_is_no_change_of_record_keeping():
    """The share left open creeps from 10 % to 60 % over four years."""
    rng = np.random.default_rng(3)
    n = 6000
    opened = T + np.sort(rng.integers(0, 1440 * DAY, n))
    left_open = rng.random(n) < 0.1 + 0.5 * (opened - T) / (1440 * DAY)
    closed = np.where(left_open, NEVER, opened + 3 * DAY)
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed)
    assert "never_closed" not in codes(trust(frame, no_events(), T + 1700 * DAY, "UTC"))


def test_reopenings_that_are_recorded_only_from_some_month_on(city):
    """Without the reopenings of the first half, their share jumps from nothing; it puts no answer in doubt."""
    events, as_of = city
    start = as_of - 150 * DAY
    closings = events[events["kind"] == "closed"].drop_duplicates("case_id")
    chosen = closings[(closings["at"] >= start) & (closings["at"] < as_of - 40 * DAY)].iloc[::6]
    rows = chosen.assign(kind="reopened", at=chosen["at"] + 5 * DAY, known_at=chosen["known_at"] + 5 * DAY)
    planted = with_rows(events[events["kind"] != "reopened"], rows)
    found = judged(planted, as_of)
    assert any(one.code == "reopen_shift" and one.category is None for one in found.findings)
    assert found.cells["grade"].isin(["A", "B"]).all()


def test_an_import_in_bulk_is_found_by_its_second(city):
    """Thirty openings of the same second through one channel."""
    events, as_of = city
    second = as_of - 100 * DAY + 17
    found = judged(plant_import(events, "pothole", second, 30), as_of)
    (finding,) = [one for one in found.findings if one.code == "import_spike" and one.category is None]
    assert finding.figures["batch"] >= 30
    assert finding.words["most_channel"] == "other"


def test_a_storm_through_every_door_is_no_import():
    """Ten times the usual on one day, through all channels alike, is told nowhere."""
    rng = np.random.default_rng(8)
    day = np.repeat(np.arange(200), np.where(np.arange(200) == 150, 120, rng.poisson(10, 200)))
    n = len(day)
    opened = T + day * DAY + rng.integers(0, DAY, n)
    channel = rng.choice(["phone", "web", "app"], n)
    frame = cases_frame(n, opened_at=opened, first_closed_at=opened + 2 * DAY + rng.integers(0, 40, n) * HOUR)
    frame["channel"] = pd.Series(channel, dtype="str")
    assert "import_spike" not in codes(trust(frame, no_events(), T + 220 * DAY, "UTC"))
    frame.loc[day == 150, "channel"] = "other"
    found = trust(frame, no_events(), T + 220 * DAY, "UTC")
    (finding,) = [one for one in found.findings if one.code == "import_spike"]
    assert finding.words == {"day": str(pd.Timestamp(T + 150 * DAY, unit="s").date()), "most_channel": "other"}


def test_closing_dates_that_are_dates_of_an_update():
    """Of a month's cases four in five were closed on one day two months later."""
    rng = np.random.default_rng(9)
    n = 3000
    opened = T + np.sort(rng.integers(0, 300 * DAY, n))
    closed = opened + rng.integers(3 * DAY, 70 * DAY, n)
    month = pd.to_datetime(opened, unit="s").strftime("%Y-%m") == "2024-03"
    update = int(pd.Timestamp("2024-05-20 02:10", tz="UTC").timestamp())
    closed = np.where(month & (rng.random(n) < 0.8), update + rng.integers(0, 3000, n), closed)
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed, office=rng.choice(["a", "b", "c", "d"], n))
    found = trust(frame, no_events(), T + 400 * DAY, "UTC")
    (finding,) = [one for one in found.findings if one.code == "update_date"]
    assert (finding.first_month, finding.words["day"]) == ("2024-03", "2024-05-20")
    grades = found.grade_of(frame)
    assert set(grades[np.asarray(month)]) == {"D"}
    assert (grades[~np.asarray(month)] == "A").mean() > 0.95


def test_closings_filled_in_on_the_last_day_of_the_record():
    """Ninety closings on the day of the export, where three a day are usual."""
    rng = np.random.default_rng(10)
    n = 900
    opened = T + np.sort(rng.integers(0, 300 * DAY, n))
    closed = opened + rng.integers(3 * DAY, 9 * DAY, n)
    last = T + 310 * DAY
    closed[rng.choice(n, 90, replace=False)] = last + 3 * HOUR
    frame = cases_frame(n, opened_at=opened, first_closed_at=closed)
    found = trust(frame, no_events(), last + DAY, "UTC")
    assert any(one.code == "last_day_closing" and one.figures["batch"] == 90 for one in found.findings)


def test_a_move_of_many_cases_puts_no_answer_in_doubt(city):
    """Eighty cases handed to another office on one day: told, and the grade stays."""
    events, as_of = city
    cases = fold_cases(events)
    at = as_of - 60 * DAY
    running = cases[(cases["opened_at"] < at - DAY) & (cases["first_closed_at"] > at + DAY)]["case_id"].head(80)
    assert len(running) == 80
    rows = pd.DataFrame({"case_id": running, "kind": "transferred", "at": at, "known_at": at, "office": "T-01"})
    found = judged(with_rows(events, rows), as_of)
    assert any(one.code == "office_move" and one.office == "T-01" for one in found.findings)
    assert found.cells["grade"].isin(["A", "B"]).all()


def test_impossible_dates_and_rows_set_aside_are_counted():
    """A closing before the opening puts its case in doubt; rows set aside at import are told with their number."""
    opened = T + np.arange(40) * DAY
    closed = np.where(np.arange(40) < 3, opened - DAY, opened + 2 * DAY)
    frame = cases_frame(40, opened_at=opened, first_closed_at=closed)
    found = trust(frame, no_events(), T + 60 * DAY, "UTC", set_aside={"closed_before_opened": 7, "unknown_value": 9})
    figures = {one.code: one.figures for one in found.findings}
    assert figures["impossible_dates"]["cases"] == 3
    assert figures["set_aside"]["rows"] == 7


def test_deadlines_at_midnight_and_looks_that_end_early_are_told():
    """All deadlines at 00:00, closings in the afternoon of that day; half the cases last seen on day 5."""
    n = 400
    opened = T + np.arange(n) % 20 * DAY + 9 * HOUR
    due = (opened // DAY + 10) * DAY
    closed = np.where(np.arange(n) % 2 == 0, due + 15 * HOUR, NEVER)
    frame = cases_frame(n, opened_at=opened, due_at_opening=due, first_closed_at=closed)
    followed = np.where(closed < NEVER, T + 90 * DAY, opened + 5 * DAY)
    found = trust(frame, no_events(), T + 90 * DAY, "UTC", followed)
    figures = {one.code: one.figures for one in found.findings}
    assert figures["midnight_deadline"]["same_day"] == 200
    assert figures["followed_short"]["short"] == 200


def test_grades_follow_the_share_in_doubt():
    """The limits belong to the worse grade."""
    shares = np.array([0.0, 0.049, 0.05, 0.199, 0.20, 0.499, 0.50, 1.0])
    assert grades_of(shares).tolist() == ["A", "A", "B", "B", "C", "C", "D", "D"]


def test_the_order_of_the_cases_changes_nothing(city):
    """Shuffled cases and events give the same cells and findings."""
    events, as_of = city
    cases, known = folded(events, as_of)
    rng = np.random.default_rng(0)
    mixed = cases.iloc[rng.permutation(len(cases))].reset_index(drop=True)
    one = trust(cases, known, as_of, ZONE)
    two = trust(mixed, known.iloc[rng.permutation(len(known))], as_of, ZONE)
    pd.testing.assert_frame_equal(one.cells, two.cells)
    assert sorted(map(repr, one.findings)) == sorted(map(repr, two.findings))
    assert one.weight_of(cases).equals(two.weight_of(cases))


def test_no_cases_give_an_empty_answer():
    """Every column is there, and every weight is 1."""
    nothing = cases_frame(0, opened_at=np.empty(0, dtype=np.int64))
    found = trust(nothing, no_events(), T, "UTC")
    assert found.cells.empty
    assert {"grade", "weight", "mass_closing_flagged"} <= set(found.cells.columns)
    one = cases_frame(1, opened_at=np.array([T]))
    assert found.weight_of(one).tolist() == [1.0]


def test_findings_name_no_person_and_accuse_nobody():
    """The smallest unit is an office, and every sentence is about the record."""
    words = [text for pair in SENTENCES.values() for text in pair]
    assert violations("label trust", [*SENTENCES, *SYMPTOMS]) == []
    assert violations("label trust sentences", words) == []
    for text in words:
        assert not any(
            word in text.lower() for word in ("cheat", "fraud", "manipul", "fake", "handler", "作假", "造假")
        )
