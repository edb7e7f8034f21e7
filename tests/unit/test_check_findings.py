"""Every kind of finding: planted in an export in good order it is found, and without it it is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data.errors import Finding
from data.findings import EFFECTS
from data.quality import check_rows_found
from data.quality.check import CODES
from tests.support.check_exports import START, found_in, healthy, subject_of
from tests.support.exports import TOWN, changed, log, town

Plant = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """What is found in the export in good order."""
    return found_in(subject_of(healthy(), tmp_path_factory.mktemp("clean")))


def test_an_export_in_good_order_raises_nothing(clean):
    """What is told of it is how it is made, and none of it is a warning."""
    assert set(clean) == {"known_at_end", "column_missing"}
    assert all(one.level == "note" for group in clean.values() for one in group)


def _rows(frame: pd.DataFrame, count: int) -> pd.Index:
    return frame.index[:: max(len(frame) // count, 1)][:count]


def _set(column: str, value: object, count: int = 12) -> Plant:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[_rows(frame, count), column] = value
        return frame

    return plant


def _moved(column: str, by: str, count: int = 12) -> Plant:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        rows = _rows(frame, count)
        frame.loc[rows, column] = frame.loc[rows, "opened"] + pd.Timedelta(by)
        return frame

    return plant


def _repeated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:12]], ignore_index=True)


def _withdrawn_early(frame: pd.DataFrame) -> pd.DataFrame:
    frame["cancelled"] = pd.NaT
    rows = _rows(frame, 12)
    frame.loc[rows, "cancelled"] = frame.loc[rows, "opened"] - pd.Timedelta("2D")
    return frame


def _no_snapshot(frame: pd.DataFrame) -> pd.DataFrame:
    frame["snapshot"] = "2024-06-01"
    frame.loc[_rows(frame, 12), "snapshot"] = None
    return frame


# code -> (what is planted, how many rows).
ROWS: dict[str, Plant] = {
    "missing_reference": _set("number", None),
    "duplicate_reference": _repeated,
    "missing_time": _set("opened", None),
    "unreadable_time": _set("closed", "yesterday"),
    "closed_before_opened": _moved("closed", "-3h"),
    "withdrawn_before_opened": _withdrawn_early,
    "due_before_opened": _moved("due", "-5h"),
    "due_too_far": _moved("due", "13900D"),
    "after_extraction": _set("closed", "2101-01-01 10:00:00"),
    "unknown_value": _set("via", "Pigeon"),
    "missing_value": _no_snapshot,
}


@pytest.mark.parametrize("code", ROWS)
def test_rows_that_contradict_themselves_are_counted(code, clean, tmp_path):
    """Twelve rows are planted and twelve are told; an import would refuse them, so the level is stop."""
    found = found_in(subject_of(ROWS[code](healthy()), tmp_path))
    assert code not in clean
    (one,) = found[code]
    assert (one.level, one.figures["n"]) == ("stop", 12)


def test_what_the_mapping_sets_aside_stops_nothing(tmp_path):
    """The same rows are a note where the mapping says that they are set aside, and a warning where they are many."""
    lenient = changed(TOWN + '\n[rules]\nset_aside = ["closed_before_opened"]\n')
    few = found_in(subject_of(_moved("closed", "-3h")(healthy()), tmp_path, lenient))
    many = found_in(subject_of(_moved("closed", "-3h", 100)(healthy()), tmp_path, lenient))
    assert few["closed_before_opened"][0].level == "note"
    assert many["closed_before_opened"][0].level == "warn"


def test_times_without_a_zone_stop(tmp_path):
    """A mapping without a time zone can read no naive time."""
    found = found_in(subject_of(healthy(), tmp_path, town(('time_zone = "America/New_York"\n', ""))))
    assert found["naive_time"][0].level == "stop"


def test_words_read_as_other_are_told(tmp_path):
    """A vocabulary with `other` takes unknown words in, and says how many."""
    mapping = town(("[vocabulary.via.values]", '[vocabulary.via]\nother = "other"\n[vocabulary.via.values]'))
    found = found_in(subject_of(_set("via", "Pigeon", 50)(healthy()), tmp_path, mapping))
    assert found["read_as_other"][0].figures["n"] == 50


STATUS = ("[columns.unit]", '[columns.state]\nfield = "status"\nat = "end"\nvocabulary = "state"\n[columns.unit]')
STATES = ("[vocabulary.via.values]", '[vocabulary.state.values]\n"O" = "open"\n"C" = "closed"\n[vocabulary.via.values]')


def test_a_status_that_contradicts_the_dates_is_told(tmp_path):
    """Closed cases called open are counted."""
    frame = healthy().assign(state="C")
    frame.loc[_rows(frame, 12), "state"] = "O"
    found = found_in(subject_of(frame, tmp_path, town(STATUS, STATES)))
    assert found["status_contradicts"][0].figures["n"] == 12


def _events(frame: pd.DataFrame) -> pd.DataFrame:
    opening = pd.DataFrame({"case": frame["number"], "what": "opened", "at": frame["opened"], "due": frame["due"]})
    closing = pd.DataFrame({"case": frame["number"], "what": "closed", "at": frame["closed"], "due": pd.NaT})
    events = pd.concat([opening, closing], ignore_index=True)
    return events.assign(known=events["at"], type=[*frame["kind"]] * 2, village=[*frame["village"]] * 2, unit="Works")


def _later(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(at=rows["at"] + pd.Timedelta("2h"), known=rows["known"] + pd.Timedelta("2h"))


EVENTS: dict[str, Plant] = {
    "known_before_it_happened": lambda log: log.assign(
        known=log["known"].where(log.index >= 12, log["known"] - pd.Timedelta("1D"))
    ),
    "no_opening": lambda log: log[~((log["what"] == "opened") & log["case"].isin(log["case"].iloc[:12]))],
    "second_opening": lambda log: pd.concat([log, _later(log.iloc[:6])]),
    "before_opening": lambda log: log.assign(
        at=log["at"].where(~((log["what"] == "closed") & log["case"].isin(log["case"].iloc[:12])), START)
    ),
}


@pytest.mark.parametrize("code", EVENTS)
def test_events_that_contradict_each_other_are_counted(code, tmp_path):
    """An event log in good order raises none of it, and one with twelve such rows tells of twelve."""
    events = _events(healthy(600))
    assert code not in found_in(subject_of(events, tmp_path, log()))
    found = found_in(subject_of(EVENTS[code](events), tmp_path, log()))
    assert found[code][0].figures["n"] == 12


def test_every_finding_of_an_import_has_words():
    """A code that an import knows is told in words of its own, and one that is new is told all the same."""
    missing = {code for code in EFFECTS if code not in CODES}
    assert not missing
    assert check_rows_found.CODES


def test_an_unknown_finding_of_an_import_is_told(tmp_path):
    """A later version of the import may find more than the check has words for."""
    import dataclasses

    subject = subject_of(healthy(300), tmp_path)
    changed_subject = dataclasses.replace(subject, set_aside=(Finding("brand_new", "kind", 3, (1,), "", ""),))
    assert found_in(changed_subject)["other_rows"][0].figures["n"] == 3


# ---- columns ----


def test_a_column_of_one_value_is_told(clean, tmp_path):
    """Everything via one channel says nothing apart."""
    found = found_in(subject_of(healthy().assign(via="Call"), tmp_path))
    assert "column_constant" not in clean
    assert [one.where.column for one in found["column_constant"]] == ["via"]


def test_a_column_that_runs_empty_is_told_with_the_month(clean, tmp_path):
    """From 2022 on the village is not written any more."""
    frame = healthy()
    frame["village"] = frame["village"].where(frame["opened"] < "2022-03-01")
    found = found_in(subject_of(frame, tmp_path))
    assert "column_empty_shift" not in clean
    (one,) = found["column_empty_shift"]
    assert (one.where.column, one.where.period, one.level) == ("village", "2022-03", "warn")
    assert "column_mostly_empty" in found
    assert "column_mostly_empty" not in clean


def test_two_codings_in_one_column_are_told(clean, tmp_path):
    """Half numbers and half words are two codings."""
    frame = healthy()
    frame["kind"] = frame["kind"].where(frame.index % 3 > 0, "17")
    assert "column_mixed" in found_in(subject_of(frame, tmp_path))
    assert "column_mixed" not in clean


def test_left_out_and_dropped_columns_are_listed(clean, tmp_path):
    """What is not read is said; a column whose name looks personal is not even looked at."""
    frame = healthy(300).assign(zip="02121", extra="x")
    found = found_in(subject_of(frame, tmp_path, drop=["extra"]))
    (left,) = found["columns_left_out"]
    assert left.where.values == ("zip",)
    assert (left.figures["looked"], left.figures["unread"]) == (0, 1)
    assert found["columns_dropped"][0].where.values == ("extra",)
    assert {"columns_left_out", "columns_dropped"}.isdisjoint(clean)


def test_what_is_known_at_the_end_is_said_unless_nothing_is(tmp_path):
    """A mapping that forces the last office to the opening is stopped, and says nothing of the end."""
    forced = town(
        (
            '[columns.unit]\nfield = "office"\nat = "end"',
            '[columns.unit]\nfield = "office"\nat = "opened"\nforced = "try"',
        )
    )
    found = found_in(subject_of(healthy(), tmp_path, forced))
    assert found["forced"][0].level == "stop"
    assert "known_at_end" not in found


def test_all_columns_there_means_none_missing(clean, tmp_path):
    """Optional columns that are there are not told as missing."""
    frame = healthy(300).assign(cancelled=None, outcome="Done", snapshot="2024-06-01")
    assert "column_missing" not in found_in(subject_of(frame, tmp_path))
    assert clean["column_missing"][0].where.values == ("cancelled", "outcome", "snapshot")


# ---- the leak ----


def _leaking(frame: pd.DataFrame) -> pd.DataFrame:
    """Cases that nobody picks up stay in the queue and are late."""
    stuck = frame.index % 7 == 0
    frame["unit"] = np.where(stuck, "Intake", frame["unit"])
    frame["closed"] = frame["closed"].where(~stuck, frame["due"] + pd.Timedelta("20D"))
    return frame


def test_the_last_office_leaks_and_is_told_with_an_example(clean, tmp_path):
    """The office that cases never left is the one that is late; where the office says nothing, nothing is told."""
    found = found_in(subject_of(_leaking(healthy()), tmp_path))
    (one,) = found["leak"]
    assert "leak" not in clean
    assert one.level == "note"
    assert one.where.values[1] == "Intake"
    assert one.figures["late_high"] == 1.0
    assert one.figures["auc_column"] - one.figures["auc_category"] > 0.1


def test_a_forced_leak_stops(tmp_path):
    """Called known at opening, the same column would teach the ending."""
    forced = town(
        (
            '[columns.unit]\nfield = "office"\nat = "end"',
            '[columns.unit]\nfield = "office"\nat = "opened"\nforced = "try"',
        )
    )
    assert found_in(subject_of(_leaking(healthy()), tmp_path, forced))["leak"][0].level == "stop"


def test_a_left_out_column_that_leaks_is_named_without_its_words(clean, tmp_path):
    """Its name and its gain are told, and nothing of its content."""
    frame = healthy()
    frame["verdict"] = np.where(frame["closed"] > frame["due"], "secretly bad", "secretly fine")
    mapping = town(("[leave_out]", '[leave_out]\nverdict = "An outcome."'))
    (one,) = found_in(subject_of(frame, tmp_path, mapping))["leak_left_out"]
    assert "leak_left_out" not in clean
    assert one.where.values == ("verdict",)
    assert "secretly" not in repr(one)


# ---- times ----


def test_days_that_are_not_declared_are_a_warning(clean, tmp_path):
    """All closings at midnight are days; the mapping should say so, and then it is a note."""
    frame = healthy()
    frame["closed"] = frame["closed"].dt.normalize() + pd.Timedelta("1D")
    found = found_in(subject_of(frame, tmp_path))
    declared = town(
        ('[columns.closed]\nfield = "closed_at"', '[columns.closed]\nresolution = "day"\nfield = "closed_at"')
    )
    assert "day_only" not in clean
    assert found["day_only"][0].level == "warn"
    assert found_in(subject_of(frame, tmp_path, declared))["day_only"][0].level == "note"


def test_times_filled_in_at_midnight_are_told(clean, tmp_path):
    """A fifth of the closings at exactly midnight are days filled in."""
    frame = healthy()
    frame.loc[frame.index % 5 == 0, "closed"] = frame["closed"].dt.normalize() + pd.Timedelta("2D")
    found = found_in(subject_of(frame, tmp_path))
    assert "heap_midnight" not in clean
    assert found["heap_midnight"][0].figures["share"] == pytest.approx(0.2, abs=0.01)


def test_a_minute_set_by_a_system_is_told(clean, tmp_path):
    """A third of the deadlines at half past eight are the opening of the office."""
    frame = healthy()
    frame.loc[frame.index % 3 == 0, "due"] = frame["due"].dt.normalize() + pd.Timedelta("32h30min")
    (one,) = found_in(subject_of(frame, tmp_path))["heap_time_of_day"]
    assert "heap_time_of_day" not in clean
    assert (one.figures["hour"], one.figures["minute"]) == (8, 30)


def test_closings_in_one_second_are_told(clean, tmp_path):
    """A batch of 60 closings bears one second."""
    frame = healthy()
    frame.loc[frame.index[100:160], "closed"] = pd.Timestamp("2021-09-01 11:02:07")
    (one,) = found_in(subject_of(frame, tmp_path))["heap_second"]
    assert "heap_second" not in clean
    assert (one.figures["n"], one.where.period) == (60, "2021-09-01")


def test_times_in_the_hour_that_the_clock_skips_are_told(clean, tmp_path):
    """At half past two on the night of the change no clock in New York was right."""
    frame = healthy()
    frame.loc[_rows(frame, 15), "closed"] = pd.Timestamp("2024-03-10 02:30:00")
    assert found_in(subject_of(frame, tmp_path))["skipped_hour"][0].figures["n"] == 15
    assert "skipped_hour" not in clean


def test_a_hole_in_the_record_is_told(clean, tmp_path):
    """Six weeks without a case, where a hundred would be usual, were not recorded."""
    frame = healthy()
    gone = frame["opened"].between("2022-05-01", "2022-06-12")
    (one,) = found_in(subject_of(frame[~gone], tmp_path))["record_gap"]
    assert "record_gap" not in clean
    assert one.where.period.endswith("/2022-06-12")
    assert one.figures["days"] >= 41


def _in_utc(frame: pd.DataFrame, sign: int) -> pd.DataFrame:
    """The times as written in UTC (1), or converted twice (-1)."""
    for name in ("opened", "due", "closed"):
        local = frame[name].dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward")
        offset = local.dt.tz_localize(None) - local.dt.tz_convert("UTC").dt.tz_localize(None)
        frame[name] = frame[name] - sign * offset
    return frame


@pytest.mark.parametrize(("sign", "code"), [(1, "zone_utc_as_local"), (-1, "zone_converted_twice")])
def test_a_wrong_zone_shows_as_an_hour_with_daylight_saving(sign, code, clean, tmp_path):
    """UTC read as local and a double conversion are told apart, and stop; the right zone raises neither."""
    found = found_in(subject_of(_in_utc(healthy(6000), sign), tmp_path))
    assert {"zone_utc_as_local", "zone_converted_twice"}.isdisjoint(clean)
    assert {one.where.column for one in found[code]} >= {"opened", "due"}
    assert {one.level for one in found[code]} == {"stop"}
    assert {"zone_utc_as_local", "zone_converted_twice"} - set(found) == {
        "zone_utc_as_local",
        "zone_converted_twice",
    } - {code}


def test_a_city_that_sleeps_by_day_has_a_wrong_zone(clean, tmp_path):
    """Where clocks do not change, as in China, only the night can tell: eight hours off, it lies in the evening."""
    frame = healthy()
    for name in ("opened", "due", "closed"):
        frame[name] = frame[name] - pd.Timedelta("8h")
    mapping = town(("America/New_York", "Asia/Shanghai"))
    found = found_in(subject_of(frame, tmp_path, mapping))
    assert found["zone_quiet"][0].level == "warn"
    assert "zone_quiet" not in clean
    assert "zone_quiet" not in found_in(subject_of(healthy(), tmp_path, mapping))


# ---- duplicates ----


def test_duplicates_by_the_source_are_told_by_month(clean, tmp_path):
    """A twentieth of the cases is called double."""
    frame = healthy().assign(outcome="Done")
    frame.loc[frame.index % 20 == 0, "outcome"] = "Double"
    (one,) = found_in(subject_of(frame, tmp_path))["duplicates_by_status"]
    assert "duplicates_by_status" not in clean
    assert one.figures["share"] == pytest.approx(0.05)
    assert one.where.column == "outcome"


def test_rows_alike_but_for_the_number_are_told(clean, tmp_path):
    """A hundred cases entered twice under another number are found."""
    frame = healthy()
    again = frame.iloc[:100].assign(number=[f"B{place}" for place in range(100)])
    (one,) = found_in(subject_of(pd.concat([frame, again]), tmp_path))["rows_alike"]
    assert "rows_alike" not in clean
    assert (one.level, one.figures["n"]) == ("warn", 100)


# ---- words ----


def _kinds(old: str, new: list[str], month: str) -> Plant:
    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        later = (frame["kind"] == old) & (frame["opened"] >= month)
        frame.loc[later, "kind"] = np.resize(new, int(later.sum()))
        return frame

    return plant


def test_a_word_that_stops_or_starts_is_told(clean, tmp_path):
    """Litter is recorded no more from June 2023 on, drains only since October 2021."""
    frame = healthy()
    frame = frame[(frame["kind"] != "Litter") | (frame["opened"] < "2023-06-01")]
    frame = frame[(frame["kind"] != "Blocked drain") | (frame["opened"] >= "2021-10-01")]
    found = found_in(subject_of(frame, tmp_path))
    assert {"words_stop", "words_start"}.isdisjoint(clean)
    assert [(one.where.values, one.where.period) for one in found["words_stop"]] == [(("Litter",), "2023-05")]
    assert [(one.where.values, one.where.period) for one in found["words_start"]] == [(("Blocked drain",), "2021-10")]


def test_a_renamed_word_is_told_as_one_change(clean, tmp_path):
    """The old word ends as a similar one begins: neither a decline nor a rise."""
    found = found_in(subject_of(_kinds("Litter", ["Litter and waste"], "2022-06-01")(healthy()), tmp_path))
    assert "word_renamed" not in clean
    assert found["word_renamed"][0].where.values == ("Litter", "Litter and waste")
    assert {"words_stop", "words_start"}.isdisjoint(found)


def test_a_split_word_is_told_as_one_change(clean, tmp_path):
    """One word becomes two, which together have as many cases."""
    found = found_in(subject_of(_kinds("Road", ["Road surface", "Road sign"], "2022-06-01")(healthy(4000)), tmp_path))
    assert "word_split" not in clean
    assert set(found["word_split"][0].where.values) == {"Road", "Road surface", "Road sign"}


def test_offices_that_change_are_a_note(clean, tmp_path):
    """A unit that begins late is told, quietly."""
    frame = healthy()
    frame["unit"] = np.where(frame["opened"] >= "2022-09-01", "Harbour", frame["unit"])
    found = found_in(subject_of(frame, tmp_path))
    assert "words_change" not in clean
    assert "Harbour" in found["words_change"][0].where.values
    assert found["words_change"][0].level == "note"


# ---- places ----


def test_cases_without_an_area_are_told(clean, tmp_path):
    """A tenth without a village is a warning; all without one stops detection."""
    frame = healthy()
    frame.loc[frame.index % 10 == 0, "village"] = None
    found = found_in(subject_of(frame, tmp_path))
    assert {"no_area", "no_areas"}.isdisjoint(clean)
    assert found["no_area"][0].figures["share"] == pytest.approx(0.1)
    nowhere = found_in(subject_of(healthy(600).assign(village=None), tmp_path))
    assert nowhere["no_areas"][0].level == "stop"


def test_a_default_point_is_told_and_not_shown(clean, tmp_path):
    """Cases without a village heap at one point; the point itself is told to nobody."""
    rng = np.random.default_rng(3)
    frame = healthy()
    frame["lat2"], frame["lon2"] = (
        rng.integers(0, 30, len(frame)) / 100 + 42,
        rng.integers(0, 30, len(frame)) / 100 - 71,
    )
    lost = frame.index % 10 == 0
    frame.loc[lost, ["lat2", "lon2"]] = [42.36, -71.06]
    mapping = town(("[leave_out]", '[leave_out]\nlat2 = "None stored."\nlon2 = "None stored."'))
    assert "default_point" not in found_in(subject_of(frame, tmp_path, mapping))
    frame.loc[lost, "village"] = None
    (one,) = found_in(subject_of(frame, tmp_path, mapping))["default_point"]
    assert one.figures["n"] == 300
    assert "42.36" not in repr(one)


def test_areas_that_the_table_lacks_are_counted_and_not_named(tmp_path):
    """An area of the cases without a row in the area table is counted; which it is stays out."""
    import dataclasses

    subject = subject_of(healthy(), tmp_path)
    known = dataclasses.replace(subject, areas=frozenset(("North", "South", "East", "West")))
    lacking = dataclasses.replace(subject, areas=frozenset(("North", "South", "East")))
    assert "areas_unknown" not in found_in(known)
    (one,) = found_in(lacking)["areas_unknown"]
    assert one.figures["areas"] == 1
    assert "West" not in repr(one)


# ---- snapshots ----


def _snapshots(*, lose: int = 0, early_open: bool = True) -> pd.DataFrame:
    """The first month at two moments: in the first, cases closed later are still open."""
    frame = healthy()
    first = frame[frame["opened"] < "2021-07-01"].assign(snapshot="2021-07-01")
    second = frame[frame["opened"] < "2021-04-01"].assign(snapshot="2021-12-01")
    if early_open:
        first = first.assign(closed=first["closed"].where((first["closed"] < "2021-07-01") & (first.index % 3 > 0)))
    kept = second.drop(index=second.index[5 : 5 + lose])
    return pd.concat([first, kept], ignore_index=True)


def test_what_snapshots_cover_lose_and_leave_open_is_told(tmp_path, clean):
    """The second covers half of the cases, lost ten, and has far fewer open."""
    found = found_in(subject_of(_snapshots(lose=10), tmp_path))
    assert {"snapshot_covers", "cases_vanish", "open_shrinks"}.isdisjoint(clean)
    assert found["snapshot_covers"][0].figures["share"] < 0.7
    assert found["cases_vanish"][0].figures["n"] == 10
    assert found["open_shrinks"][0].figures["first"] > 0.3
    whole = found_in(subject_of(_snapshots(early_open=False), tmp_path))
    assert {"cases_vanish", "open_shrinks"}.isdisjoint(whole)


def test_work_before_the_opening_is_told(clean, tmp_path):
    """A left-out column with times before the opening: work first, record later."""
    frame = healthy()
    frame["worked"] = frame["closed"]
    mapping = town(("[leave_out]", '[leave_out]\nworked = "From paper."'))
    assert "acts_before_opening" not in found_in(subject_of(frame, tmp_path, mapping))
    frame.loc[_rows(frame, 60), "worked"] = pd.Timestamp("2020-12-01 09:00:00")
    (one,) = found_in(subject_of(frame, tmp_path, mapping))["acts_before_opening"]
    assert (one.figures["n"], one.where.column) == (60, "worked")
    assert "acts_before_opening" not in clean


# ---- promises ----


def test_cases_without_a_deadline_are_told(clean, tmp_path):
    """A type that is promised nothing is counted; no deadline at all stops training."""
    frame = healthy()
    frame.loc[frame["kind"] == "Road", "due"] = pd.NaT
    found = found_in(subject_of(frame, tmp_path))
    assert {"no_deadline", "no_deadlines"}.isdisjoint(clean)
    assert found["no_deadline"][0].figures["never"] == 1
    assert found_in(subject_of(healthy(600).assign(due=None), tmp_path))["no_deadlines"][0].level == "stop"


def test_a_flag_without_a_deadline_is_told(clean, tmp_path):
    """ONTIME of cases that were promised nothing means nothing; with a deadline it may stand."""
    frame = healthy()
    frame["on_time"] = np.where(frame["closed"] > frame["due"], "OVERDUE", "ONTIME")
    mapping = town(("[leave_out]", '[leave_out]\non_time = "Derived."'))
    assert "flag_without_deadline" not in found_in(subject_of(frame, tmp_path, mapping))
    road = frame["kind"] == "Road"
    frame.loc[road, "due"], frame.loc[road, "on_time"] = pd.NaT, "ONTIME"
    (one,) = found_in(subject_of(frame, tmp_path, mapping))["flag_without_deadline"]
    assert one.figures["n"] == int(road.sum())
    assert "flag_without_deadline" not in clean


def test_deadlines_that_are_days_are_told(clean, tmp_path):
    """The mapping says that a deadline is a day, and the check repeats it."""
    frame = healthy()
    frame["due"] = frame["due"].dt.normalize()
    mapping = town(('[columns.due]\nfield = "due_at"', '[columns.due]\nend_of_day = true\nfield = "due_at"'))
    assert "deadline_is_day" in found_in(subject_of(frame, tmp_path, mapping))
    assert "deadline_is_day" not in clean


def test_a_promise_that_changes_is_told_with_its_month(clean, tmp_path):
    """Litter is promised in two days, and from August 2022 on in five."""
    frame = healthy()
    later = (frame["kind"] == "Litter") & (frame["opened"] >= "2022-08-01")
    frame.loc[later, "due"] = frame["opened"] + pd.Timedelta("5D")
    (one,) = found_in(subject_of(frame, tmp_path))["promise_changes"]
    assert "promise_changes" not in clean
    assert (one.where.category, one.where.period) == ("Litter", "2022-08")
    assert (one.figures["before"], one.figures["after"]) == (2.0, 5.0)


# ---- closings ----


def test_near_instant_closings_are_told_with_their_channel(clean, tmp_path):
    """A fifth of what comes by the site is closed within a minute."""
    frame = healthy()
    instant = (frame["via"] == "Site") & (frame.index % 5 == 0)
    frame.loc[instant, "closed"] = frame["opened"] + pd.Timedelta("20s")
    (one,) = found_in(subject_of(frame, tmp_path))["near_instant"]
    assert "near_instant" not in clean
    assert (one.where.channel, one.figures["n"]) == ("Site", int(instant.sum()))


def test_cases_that_are_never_closed_are_told(clean, tmp_path):
    """Half of a type is never closed up to 2021, and from 2022 on all are: the recording changed."""
    frame = healthy()
    last = frame.index[-1]
    frame.loc[last, "closed"] = pd.Timestamp("2025-06-01 12:00:00")
    left = (frame["kind"] == "Road") & (frame["opened"] < "2022-01-01") & (frame.index % 4 > 0)
    frame.loc[left, "closed"] = pd.NaT
    found = found_in(subject_of(frame, tmp_path))
    assert {"never_closed", "never_closed_shift"}.isdisjoint(clean)
    assert found["never_closed"][0].where.category == "Road"
    assert found["never_closed_shift"][0].where.period == "2022"


def test_a_slower_office_is_told_with_its_month(clean, tmp_path):
    """From July 2022 on everything takes twice as long."""
    frame = healthy()
    later = frame["opened"] >= "2022-07-01"
    frame.loc[later, "closed"] = frame["opened"] + 2 * (frame["closed"] - frame["opened"])
    (one,) = found_in(subject_of(frame, tmp_path))["pace_shift"]
    assert "pace_shift" not in clean
    assert one.where.period in ("2022-06", "2022-07", "2022-08")
    assert one.figures["p"] <= 0.01


# ---- inspections ----

VISITS = """
[source]
name = "visits"
shape = "inspections"
time_zone = "America/New_York"

[columns.asset]
field = "asset"
[columns.day]
field = "at"
resolution = "day"
[columns.village]
field = "area"
[columns.score]
field = "severity"
scale = "score"
[constants]
asset_kind = "lamp"
[scale.score]
lowest = 1
highest = 10
steps = [[1, "serious"], [5, "none"]]
[leave_out]
type = "One type."
[rules]
set_aside = ["out_of_range"]
"""


def _visits(*, again: bool, once: bool, bad: int, types: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    assets = np.repeat(np.arange(300), 1 if once else 4)
    score = rng.integers(1, 11, len(assets))
    if again:
        score = np.repeat(rng.integers(1, 11, 300), 4)
    frame = pd.DataFrame({"asset": [f"L{n}" for n in assets], "score": score})
    frame["day"] = pd.Timestamp("2021-01-04") + pd.to_timedelta(np.arange(len(frame)) % 4 * 200 + 1, "D")
    frame["village"] = "North"
    frame["type"] = [f"T{n % types}" for n in range(len(frame))]
    frame.loc[: bad - 1, "score"] = 44
    return frame


def test_inspections_that_repeat_are_once_filtered_or_out_of_range_are_told(tmp_path):
    """Each of the four is found where it is, and none in a log in good order."""
    mapping = changed(VISITS)
    four = {"results_repeat", "assets_once", "source_filter", "out_of_range"}
    good = found_in(subject_of(_visits(again=False, once=False, bad=0, types=3), tmp_path, mapping))
    assert four.isdisjoint(good)
    carried = found_in(subject_of(_visits(again=True, once=False, bad=0, types=1), tmp_path, mapping))
    assert {"results_repeat", "source_filter"} <= set(carried)
    single = found_in(subject_of(_visits(again=False, once=True, bad=5, types=3), tmp_path, mapping))
    assert {"assets_once", "out_of_range"} <= set(single)
    assert single["out_of_range"][0].figures["n"] == 5
