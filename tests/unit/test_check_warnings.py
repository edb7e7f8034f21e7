"""The ten warnings that come with the real exports: each is a finding, or a rule of the mapping that handles it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.mapping import find_mapping
from data.quality import check_zone
from data.quality.check_finding import CheckFinding
from data.quality.check_subject import subject_of_file
from tests.support.check_exports import found_in, subject_of

FILES = {
    "boston_2011": ("boston_311_2011h2.parquet", "boston"),
    "animals": ("boston_311_animal_pest_2013_2023.parquet", "boston"),
    "stlouis": ("stlouis_csb_2018_01.parquet", "stlouis"),
    "sanitation": ("chicago_sanitation_2011_2014.parquet", "chicago_sanitation"),
    "food": ("chicago_food_inspections_2011_2014.parquet", "chicago_food_inspections"),
    "roads": ("syracuse_road_ratings_2000_2015.parquet", "syracuse_road_ratings"),
}


@cache
def _found(path: Path, mapping: str) -> dict[str, list[CheckFinding]]:
    return found_in(subject_of_file(path, mapping))


@pytest.fixture
def found(real_file):
    """What is found in a real export, checked once."""
    return lambda name: _found(real_file(FILES[name][0]), FILES[name][1])


def test_warning_1_final_assignment_leaks(found):
    """Of dead animals, those that ended in PWDx are 1 % overdue, and the 1,147 that stayed in INFO 84 %."""
    (leak,) = found("animals")["leak"]
    assert (leak.where.column, leak.where.category, leak.where.values) == (
        "department",
        "Pick up Dead Animal",
        ("PWDx", "INFO"),
    )
    assert leak.figures["late_low"] == pytest.approx(0.01, abs=0.002)
    assert (leak.figures["n_high"], round(leak.figures["late_high"], 2)) == (1147, 0.84)
    assert leak.figures["auc_column"] - leak.figures["auc_category"] > 0.15
    assert find_mapping("boston").known("office") == "end"
    assert found("animals")["leak_left_out"][0].where.values == ("on_time", "team")


def test_warning_2_open_is_not_unresolved(found):
    """Animal control is never closed in most cases up to 2020, and in few from 2021 on."""
    never = found("animals")["never_closed"][0]
    assert never.where.category == "Animal Generic Request"
    shift = found("animals")["never_closed_shift"][0]
    assert shift.where.period == "2021"
    assert shift.figures["before"] > 0.7
    assert shift.figures["after"] < 0.18


def test_warning_3_on_time_without_a_deadline_means_nothing(found):
    """19 % and 55 % have no deadline, and nearly all of those are flagged ONTIME; the mapping leaves the flag out."""
    for name, share in (("boston_2011", 0.19), ("animals", 0.55)):
        assert found(name)["no_deadline"][0].figures["share"] == pytest.approx(share, abs=0.005)
        assert found(name)["flag_without_deadline"][0].where.column == "on_time"
    assert found("boston_2011")["flag_without_deadline"][0].figures["n"] == 10_981
    assert "on_time" in find_mapping("boston").leave_out


def test_warning_4_instant_closings(found):
    """16 % of the 2011 cases close within a minute, nearly all of them entered by employees."""
    instant = found("boston_2011")["near_instant"][0]
    assert instant.figures["share"] == pytest.approx(0.16, abs=0.005)
    assert instant.where.channel == "Employee Generated"
    assert instant.figures["share_top"] > 0.95
    assert find_mapping("boston").rules.near_instant_seconds == 60


def test_warning_5_corrected_timestamps_raise_no_alarm(found):
    """The mended file is right: deadlines heap at 08:30, and no hour moves with daylight saving."""
    animals = found("animals")
    assert {"zone_utc_as_local", "zone_converted_twice", "zone_quiet"}.isdisjoint(animals)
    heap = animals["heap_time_of_day"][0]
    assert (heap.figures["hour"], heap.figures["minute"], heap.where.column) == (8, 30, "due_at")
    assert heap.figures["n"] == pytest.approx(12_621, abs=20)


@pytest.mark.parametrize(("sign", "code"), [(-1, "zone_converted_twice"), (1, "zone_utc_as_local")])
def test_warning_5_the_shift_is_found_when_it_is_put_back(sign, code, real_file, tmp_path):
    """All times four hours early in summer and five in winter, as the source gave them, or late by as much."""
    frame = pd.read_parquet(real_file(FILES["animals"][0]))
    for name in ("opened_at", "due_at", "closed_at"):
        local = frame[name].dt.tz_localize(
            "America/New_York", ambiguous=np.ones(len(frame), dtype=bool), nonexistent="shift_forward"
        )
        frame[name] = frame[name] - sign * (
            local.dt.tz_localize(None) - local.dt.tz_convert("UTC").dt.tz_localize(None)
        )
    found = list(check_zone.find(subject_of(frame, tmp_path, find_mapping("boston"))))
    assert {one.code for one in found} == {code}
    assert {one.where.column for one in found} >= {"opened_at", "due_at"}
    assert all(one.level == "stop" for one in found)


def test_warning_6_boston_oddities(found):
    """Ten closed before they opened; three deadlines before, 18 in 2059; late ones unflagged; a point for no place."""
    assert found("animals")["closed_before_opened"][0].figures["n"] == 10
    boston = found("boston_2011")
    assert boston["due_before_opened"][0].figures["n"] == 3
    far = boston["due_too_far"][0]
    assert (far.figures["n_year"], far.where.period) == (18, "2059")
    assert boston["flag_without_deadline"][0].figures["late"] == 158
    assert boston["default_point"][0].figures["share"] > 0.95
    assert {"due_too_far", "due_before_opened", "closed_before_opened"} <= set(find_mapping("boston").rules.set_aside)


def test_warning_7_types_stop_and_start(found):
    """Three types stop at the end of 2019, four start in October 2013: neither is a decline or a rise."""
    (stop,) = found("animals")["words_stop"]
    assert stop.where.period == "2019-12"
    assert set(stop.where.values) == {"Pick up Dead Animal", "Pest Infestation - Residential", "Bed Bugs"}
    (start,) = found("animals")["words_start"]
    assert start.where.period == "2013-10"
    assert {"Animal Found", "Animal Lost", "Animal Noise Disturbances"} <= set(start.where.values)
    assert found("animals")["column_empty_shift"][0].where.period == "2020-01"


def test_warning_8_snapshots(found):
    """31 % open in the first and 6 % in the last; the last leaves out 134 work orders; work was done before opening."""
    stlouis = found("stlouis")
    shrinks = stlouis["open_shrinks"][0]
    assert (round(shrinks.figures["first"], 2), round(shrinks.figures["last"], 2)) == (0.31, 0.06)
    (gone,) = stlouis["cases_vanish"]
    assert (gone.figures["n"], gone.where.period) == (134, "2019-01-09")
    assert stlouis["snapshot_covers"][0].figures["share"] == pytest.approx(0.19, abs=0.01)
    # 154 in the first snapshot alone, as the warning counts, and two that only later ones show.
    assert stlouis["acts_before_opening"][0].figures["n"] == pytest.approx(154, abs=3)
    assert find_mapping("stlouis").columns["due_at"].end_of_day
    assert "deadline_is_day" in stlouis


def test_warning_9_sanitation_duplicates_and_a_slower_pace(found):
    """5 % duplicates by status, 372 repeated numbers, and 2 to 4 days to close from early 2013 on."""
    city = found("sanitation")
    assert city["duplicates_by_status"][0].figures["share"] == pytest.approx(0.05, abs=0.005)
    assert city["duplicate_reference"][0].figures["n"] == 372
    pace = city["pace_shift"][0]
    assert (pace.figures["before"], pace.figures["after"]) == (2.0, 4.0)
    assert pace.where.period.startswith("2013")
    assert city["no_deadlines"][0].level == "stop"
    assert city["column_constant"][0].where.column == "category"


def test_warning_10_inspections_are_filtered_and_ratings_repeat(found):
    """Canvass visits only; some ratings lie outside 1 to 10, and most repeat the last one, moment and all."""
    assert found("food")["source_filter"][0].where.values == ("inspection_type",)
    assert "results_repeat" not in found("food")
    roads = found("roads")
    assert roads["out_of_range"][0].figures["n"] == 11
    assert roads["results_repeat"][0].figures["share"] > 0.6
    assert roads["results_repeat"][0].figures["share_date"] > 0.6
