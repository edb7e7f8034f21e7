"""Since when and until when something is recorded: starts, stops, gaps, roll-outs and new names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.quality.recording import COLUMNS, recording
from data.quality.recording_weeks import recorded_weeks, without_spikes
from tests.support.quality import DAY, cases_frame

MONDAY = 1_704_067_200  # 2024-01-01 00:00 UTC, a Monday
WEEK = 7 * DAY
WEEKS = 60
AS_OF = MONDAY + WEEKS * WEEK


def record(rates: dict[tuple[str, str, str], np.ndarray], seed: int = 0) -> pd.DataFrame:
    """Poisson reports per week for each (category, area, channel)."""
    rng = np.random.default_rng(seed)
    parts = []
    for (category, area, channel), rate in rates.items():
        week = np.repeat(np.arange(len(rate)), rng.poisson(rate))
        part = pd.DataFrame({"week": week, "category": category, "area": area, "channel": channel})
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    opened = MONDAY + rows["week"].to_numpy() * WEEK + rng.integers(0, WEEK, len(rows))
    return cases_frame(len(rows), opened_at=opened, **{n: rows[n].to_numpy() for n in ("category", "area", "channel")})


def usual(**level: float) -> dict[tuple[str, str, str], np.ndarray]:
    """Categories in four areas and two channels, at a steady rate in each."""
    return {
        (category, area, channel): np.full(WEEKS, rate)
        for category, rate in level.items()
        for area in ("A1", "A2", "A3", "A4")
        for channel in ("phone", "web")
    }


def told(found: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(found["code"], found["unit"], strict=True))


def between(first: int, end: int, *, outside: bool = False) -> np.ndarray:
    inside = (np.arange(WEEKS) >= first) & (np.arange(WEEKS) < end)
    return np.where(inside ^ outside, 1.0, 0.0)


def test_a_steady_record_has_no_finding():
    """Thick and thin series alike, over all their areas and channels."""
    for seed in range(8):
        assert recording(record(usual(drain=4, light=1, sign=0.2), seed), AS_OF, "UTC").empty


def test_a_season_that_fades_is_no_stop():
    """Heating faults in winter: nothing from May to September, and hardly anything before and after."""
    season = 4 * np.exp(3 * (np.cos(2 * np.pi * np.arange(WEEKS) / 52) - 1))
    rates = usual(drain=3)
    rates.update({("heating", area, "phone"): season for area in ("A1", "A2", "A3", "A4")})
    for seed in range(8):
        assert recording(record(rates, seed), AS_OF, "UTC").empty


def test_a_category_that_stops_everywhere_is_one_finding():
    """Five weeks without a report of a category that had 16 a week: one stop, not one for each area and channel."""
    rates = usual(drain=2, light=2)
    for key in rates:
        if key[0] == "light":
            rates[key] = rates[key] * between(0, 55)
    found = recording(record(rates), AS_OF, "UTC")
    assert list(found.columns) == list(COLUMNS)
    assert told(found) == [("stop", "category")]
    row = found.iloc[0]
    assert row["category"] == "light"
    assert row["first_week"] == MONDAY + 55 * WEEK
    assert row["last_week"] == MONDAY + 59 * WEEK
    assert row["usual_per_week"] == pytest.approx(16, abs=4)
    assert row["q_value"] <= 0.01
    assert "2025-01-20" in row["zh"]
    assert "2025-01-20" in row["en"]


def test_the_chance_of_a_stop_by_hand():
    """A steady 4 a week, the week beside the run left out: 16 in 4 weeks, 5 weeks of none, at the least dispersion 1.2.

    (4 / (4 + 5)) ** (16 / 1.2), against (13 / 18) ** (52 / 1.2) of the longer stretch: the larger counts.
    """
    week = np.repeat(np.arange(55), 4)
    frame = cases_frame(len(week), opened_at=MONDAY + week * WEEK + 3 * DAY, area="A1")
    filler = cases_frame(WEEKS, opened_at=MONDAY + np.arange(WEEKS) * WEEK + DAY, category="sign", area="A2")
    both = pd.concat([frame, filler.assign(case_id=filler["case_id"] + "x")], ignore_index=True)
    found = recording(both, AS_OF, "UTC")
    row = found[(found["unit"] == "category") & (found["code"] == "stop")].iloc[0]
    assert row["p_value"] == pytest.approx((4 / 9) ** (16 / 1.2))


def test_a_category_that_starts_within_the_record():
    """Recorded from week 20 on: the finding names the first week that is wholly recorded."""
    rates = usual(drain=2, light=2)
    for key in rates:
        if key[0] == "light":
            rates[key] = rates[key] * between(20, WEEKS)
    found = recording(record(rates), AS_OF, "UTC")
    assert told(found) == [("start", "category")]
    assert found.iloc[0]["first_week"] == MONDAY + 21 * WEEK
    assert found.iloc[0]["weeks"] == 20


def test_a_gap_in_the_whole_record():
    """Six weeks in which nothing was recorded at all."""
    rates = {key: rate * between(30, 36, outside=True) for key, rate in usual(drain=2, light=2).items()}
    found = recording(record(rates), AS_OF, "UTC")
    gaps = found[found["unit"] == "category"]
    assert told(gaps) == [("gap", "category")] * 2
    assert (gaps["first_week"] == MONDAY + 30 * WEEK).all()
    assert (gaps["last_week"] == MONDAY + 35 * WEEK).all()


def test_areas_that_join_one_after_the_other_are_a_roll_out():
    """The second area joins in week 12, the third in 24, the fourth in 36."""
    since = {"A1": 0, "A2": 12, "A3": 24, "A4": 36}
    rates = {key: rate * between(since[key[1]], WEEKS) for key, rate in usual(drain=2, light=2).items()}
    found = recording(record(rates), AS_OF, "UTC")
    (row,) = found[found["code"] == "roll_out"].to_dict("records")
    assert (row["unit"], row["other"], row["reports"]) == ("area", "area", 3)
    assert (row["first_week"], row["last_week"]) == (MONDAY + 12 * WEEK, MONDAY + 36 * WEEK)
    assert set(found.loc[found["code"] == "start", "area"]) == {"A2", "A3", "A4"}


def test_a_name_that_takes_over_from_another_is_a_rename():
    """Same volume, same areas and channels, from one week to the next; another mix is none."""
    rates = usual(drain=2, light=2, lamp=2)
    for key in rates:
        if key[0] == "light":
            rates[key] = rates[key] * between(0, 30)
        if key[0] == "lamp":
            rates[key] = rates[key] * between(30, WEEKS)
    found = recording(record(rates), AS_OF, "UTC")
    (row,) = found[found["code"] == "rename"].to_dict("records")
    assert (row["category"], row["other"]) == ("light", "lamp")
    assert row["similarity"] > 0.9
    for key in rates:
        if key[0] == "lamp":
            rates[key] = rates[key] * (4 if key[1] == "A1" else 0)
    assert "rename" not in set(recording(record(rates), AS_OF, "UTC")["code"])


def test_what_was_not_known_yet_does_not_count():
    """The findings at an as-of are the same whatever came later."""
    rates = usual(drain=2, light=2)
    for key in rates:
        if key[0] == "light":
            rates[key] = rates[key] * between(0, 45)
    cases = record(rates)
    early = MONDAY + 50 * WEEK
    then = recording(cases[cases["opened_at"] < early].reset_index(drop=True), early, "UTC")
    pd.testing.assert_frame_equal(then, recording(cases, early, "UTC"))
    assert told(then) == [("stop", "category")]


def test_weeks_recorded_for_the_signals():
    """Whole categories and areas count; a category that stops in a single area does not: that may be the signal."""
    rates = usual(drain=3, light=3)
    for key in rates:
        if key[0] == "light":
            rates[key] = rates[key] * between(20, WEEKS)
        if key[:2] == ("drain", "A2"):
            rates[key] = rates[key] * between(0, 54)
    found = recording(record(rates), AS_OF, "UTC")
    assert ("stop", "category_area") in told(found)
    weeks = MONDAY + WEEK * np.arange(WEEKS, dtype=np.int64)
    series = pd.DataFrame({"area": ["A1", "A2", "A1", "A2"], "category": ["drain", "drain", "light", "light"]})
    there = recorded_weeks(found, series, weeks)
    assert there[:, :2].all()
    assert not there[:21, 2:].any()
    assert there[21:, 2:].all()


def imported(when: int, area: object, category: object = "drain", channel: str = "web") -> pd.DataFrame:
    """Eighty openings, one a second apart or all of one second, among the usual ones."""
    bulk = cases_frame(80, opened_at=MONDAY + 40 * WEEK + 3 * DAY + when, area=area, category=category, channel=channel)
    return pd.concat([record(usual(drain=2, light=2)), bulk.assign(case_id=bulk["case_id"] + "x")], ignore_index=True)


def left_out(cases: pd.DataFrame) -> tuple[set[tuple[str, str]], set[int]]:
    """Series and weeks that an import took out."""
    weeks = MONDAY + WEEK * np.arange(WEEKS, dtype=np.int64)
    series = pd.DataFrame({"area": ["A1", "A1", "A2", "A2", "A3", "A3"], "category": ["drain", "light"] * 3})
    week, column = np.nonzero(~without_spikes(cases, series, weeks, AS_OF, "UTC"))
    return {(str(series["area"][n]), str(series["category"][n])) for n in column}, set(week.tolist())


def test_the_week_of_an_import_in_bulk_is_left_out_for_its_category():
    """Eighty openings of one second, from all areas: the week of the category, in all areas."""
    series, weeks = left_out(imported(3605 + np.zeros(80, dtype=np.int64), np.resize(["A1", "A2", "A3", "A4"], 80)))
    assert series == {("A1", "drain"), ("A2", "drain"), ("A3", "drain")}
    assert weeks == {40}


def test_what_one_area_imported_of_one_category_is_left_out_there():
    """Eighty openings of one second, all from one area."""
    series, weeks = left_out(imported(3605 + np.zeros(80, dtype=np.int64), "A1"))
    assert series == {("A1", "drain")}
    assert weeks == {40}


def test_the_week_in_which_an_area_typed_in_its_paper_is_left_out_for_the_area():
    """Eighty cases of both kinds, over a working day, through a channel that the area does not use so much."""
    typed = imported(30_000 + 200 * np.arange(80), "A2", np.resize(["drain", "light"], 80), "counter")
    series, weeks = left_out(typed)
    assert series == {("A2", "drain"), ("A2", "light")}
    assert weeks == {40}


def test_a_storm_is_no_import():
    """Eighty cases of an area on one day through all its channels."""
    storm = imported(30_000 + 200 * np.arange(80), "A2", np.resize(["drain", "light"], 80), "phone")
    web = storm["case_id"].str.endswith("x") & (np.arange(len(storm)) % 4 < 2)
    series, weeks = left_out(storm.assign(channel=storm["channel"].mask(web, "web")))
    assert not series
    assert not weeks


def test_too_short_a_record_gives_an_empty_frame():
    """Two weeks, or nothing at all."""
    for n in (0, 3):
        cases = cases_frame(n, opened_at=MONDAY + np.arange(n) * DAY, area="A1")
        found = recording(cases, MONDAY + 2 * WEEK, "UTC")
        assert found.empty
        assert list(found.columns) == list(COLUMNS)
