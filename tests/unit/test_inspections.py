"""Inspections are a second log with the same two times: through the same door, corrected and never rewritten."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sqlalchemy import func, select

from data import tables
from data.errors import MappingError, PersonalDataError, RowError, UsageError
from data.import_cases import import_file
from data.inspections import import_inspections
from data.mapping import find_mapping
from data.store import Store
from tests.support.exports import fresh_schema, town, utc, write_csv
from tests.support.inspected import drains, write_visits

ZONE = "Asia/Shanghai"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "sqlite":
        with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
            yield opened
        return
    with fresh_schema(request.getfixturevalue("postgres_url")) as url, Store.open(url, create=True) as opened:
        yield opened


def stored(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.inspection)).scalar_one())


def day(text: str) -> int:
    return utc(text, ZONE)


def test_rows_become_inspections_with_two_times_and_no_number(store, tmp_path):
    """A day is known when it is over; numbers are keyed hashes; constants and the scale give the rest."""
    path = write_visits(tmp_path / "a.csv", {"state": "1.5"}, {"no": "2", "day": "2024-03-04", "village": "South"})
    report = import_inspections(store, path, drains(), extracted_at=day("2024-03-10"))
    assert (report.rows, report.cases, report.events_added, report.events_known_already) == (2, 0, 2, 0)
    frame = store.read_inspections()
    assert frame["severity"].tolist() == [3, 0]
    assert frame["at"].tolist() == [day("2024-03-01"), day("2024-03-04")]
    assert frame["known_at"].tolist() == [day("2024-03-02"), day("2024-03-05")]
    assert frame["recorded_at"].tolist() == [day("2024-03-10")] * 2
    assert frame["area"].tolist() == ["North", "South"]
    assert set(frame["asset_kind"]) == {"drain"}
    assert set(frame["related_category"]) == {"积水内涝"}
    assert frame["asset"].nunique() == 1
    assert frame["visit"].str.fullmatch("[0-9a-f]{32}").all()
    assert "D7" not in frame.to_csv()


def test_the_same_file_twice_changes_nothing(store, tmp_path):
    """Neither the very same call nor the same rows in a later export."""
    path = write_visits(tmp_path / "a.csv", {}, {"no": "2"})
    import_inspections(store, path, drains(), extracted_at=day("2024-03-10"))
    again = import_inspections(store, path, drains(), extracted_at=day("2024-03-10"))
    assert (again.import_id, again.events_added) == (None, 0)
    later = import_inspections(store, path, drains(), extracted_at=day("2024-04-10"))
    assert (later.events_added, later.events_known_already) == (0, 2)
    assert stored(store) == 2


def test_another_result_of_a_visit_is_a_correction(store, tmp_path):
    """The new result is known from its export on, and the old one stays what was known until then."""
    first = write_visits(tmp_path / "a.csv", {"state": "5"})
    second = write_visits(tmp_path / "b.csv", {"state": "1"})
    import_inspections(store, first, drains(), extracted_at=day("2024-03-10"))
    report = import_inspections(store, second, drains(), extracted_at=day("2024-04-10"))
    assert report.notes == ("1 visit had another result before; the new one is known from this export on.",)
    assert store.read_inspections(day("2024-03-02"))["severity"].tolist() == []
    assert store.read_inspections(day("2024-03-02") + 1)["severity"].tolist() == [0]
    assert store.read_inspections(day("2024-04-10"))["severity"].tolist() == [0]
    assert store.read_inspections(day("2024-04-10") + 1)["severity"].tolist() == [3]
    assert store.read_inspections()["severity"].tolist() == [3]


def test_an_older_look_finds_its_place(store, tmp_path):
    """Imported late, an older export is still what was known before the newer one."""
    first = write_visits(tmp_path / "a.csv", {"state": "5"})
    second = write_visits(tmp_path / "b.csv", {"state": "1"})
    import_inspections(store, second, drains(), extracted_at=day("2024-04-10"))
    import_inspections(store, first, drains(), extracted_at=day("2024-03-10"))
    assert store.read_inspections(day("2024-04-10"))["severity"].tolist() == [0]
    assert store.read_inspections()["severity"].tolist() == [3]
    assert store.read_inspections(recorded_by=day("2024-04-09"))["severity"].tolist() == [0]
    assert store.read_inspections(last_import=1)["severity"].tolist() == [3]


def test_a_value_that_changes_back_is_a_correction_too(store, tmp_path):
    """5, then 1, then 5 again: three rows, each known from its own look on."""
    for place, state in enumerate(("5", "1", "5")):
        path = write_visits(tmp_path / f"{place}.csv", {"state": state})
        import_inspections(store, path, drains(), extracted_at=day(f"2024-0{4 + place}-10"))
    found = [store.read_inspections(day(f"2024-0{month}-11"))["severity"].tolist() for month in (4, 5, 6)]
    assert found == [[0], [3], [0]]


def test_without_a_number_rows_that_are_alike_count_each(store, tmp_path):
    """Two holes filled in one minute are two; a fuller export adds what is missing, and none is ever corrected."""
    mapping = drains(('[columns.no]\nfield = "reference"\n', ""), ("[constants]", '[leave_out]\nno = "x"\n[constants]'))
    import_inspections(store, write_visits(tmp_path / "a.csv", {}, {}), mapping, extracted_at=day("2024-03-10"))
    assert stored(store) == 2
    report = import_inspections(
        store, write_visits(tmp_path / "b.csv", {}, {}, {}, {"state": "1"}), mapping, extracted_at=day("2024-04-10")
    )
    assert report.events_added == 2
    assert sorted(store.read_inspections()["severity"]) == [0, 0, 0, 3]


def test_columns_together_can_name_a_visit(store, tmp_path):
    """Asset and day name the visit, where the source has no number for it: another result is a correction."""
    mapping = drains(
        ('[columns.no]\nfield = "reference"\n', ""),
        ("[constants]", '[leave_out]\nno = "x"\n[constants]'),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "Asia/Shanghai"\nvisit = ["drain", "day"]'),
    )
    import_inspections(store, write_visits(tmp_path / "a.csv", {}, {"drain": "D8"}), mapping)
    import_inspections(store, write_visits(tmp_path / "b.csv", {"state": "1"}), mapping, extracted_at=day("2024-04-10"))
    assert stored(store) == 3
    assert sorted(store.read_inspections()["severity"]) == [0, 3]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"state": "19"}, r"column 'state', row 2: expected a number from 1 to 5"),
        ({"state": "good"}, r"column 'state', row 2: expected a number from 1 to 5"),
        ({"state": None}, r"column 'state', row 2: every inspection needs its severity"),
        ({"village": None}, r"column 'village', row 2: every inspection needs its area"),
        ({"day": None}, r"column 'day', row 2: every inspection needs its time"),
        ({"day": "2024-13-01"}, r"column 'day', row 2: expected a time"),
        ({"day": "2025-01-01"}, r"column 'day', row 2: it lies after the moment"),
        ({"no": None}, r"column 'no', row 2: every row needs its number"),
        ({"no": "1", "state": "1"}, r"column 'no', row 2: the same inspection stands in an earlier row"),
    ],
)
def test_impossible_rows_refuse_the_file(store, tmp_path, row, message):
    """Row and column are named, and nothing is stored."""
    path = write_visits(tmp_path / "a.csv", {}, {"no": "2", **row})
    with pytest.raises(RowError, match=message):
        import_inspections(store, path, drains(), extracted_at=day("2024-03-10"))
    assert stored(store) == 0
    assert store.imports().empty


def test_rows_outside_the_scale_are_set_aside_if_the_mapping_says_so(store, tmp_path):
    """A rating of 19 out of 5 is a typing error: counted, and left out."""
    mapping = drains(("[scale.state]", '[rules]\nset_aside = ["out_of_range"]\n[scale.state]'))
    report = import_inspections(store, write_visits(tmp_path / "a.csv", {}, {"no": "2", "state": "19"}), mapping)
    assert [(one.code, one.count, one.rows) for one in report.set_aside] == [("out_of_range", 1, (2,))]
    assert (report.events_added, stored(store)) == (1, 1)
    with pytest.raises(RowError, match="expected a number from 1 to 5"):
        import_inspections(store, write_visits(tmp_path / "b.csv", {"no": "3", "state": "44"}), mapping, strict=True)


def test_the_same_door_stands_before_it(store, tmp_path):
    """A column about a person, and a value that looks like one, refuse the log as they refuse cases."""
    with pytest.raises(PersonalDataError, match="'inspector_phone': looks like a telephone number"):
        import_inspections(store, write_visits(tmp_path / "a.csv", {"inspector_phone": "1"}), drains())
    with pytest.raises(PersonalDataError, match="column 'village', row 1: looks like a street address"):
        import_inspections(store, write_visits(tmp_path / "b.csv", {"village": "文三路138号"}), drains())
    report = import_inspections(
        store, write_visits(tmp_path / "c.csv", {"inspector": "x"}), drains(), drop=["inspector"]
    )
    assert report.dropped == ("inspector",)


def test_import_file_takes_inspections_too(store, tmp_path):
    """`heed import` needs no other word for them."""
    report = import_file(store, write_visits(tmp_path / "a.csv", {}), drains())
    assert report.events_added == 1
    assert json.loads(store.imports()["report"].iloc[0])["file"] == "a.csv"
    with pytest.raises(UsageError, match="Expected a mapping of shape 'inspections'"):
        import_inspections(store, tmp_path / "a.csv", town())


def test_a_log_of_inspections_does_not_speak_of_cases(store, tmp_path):
    """It takes nothing from what is known at opening, and does not move the store's last moment."""
    import_file(store, write_csv(tmp_path / "cases.csv", [{}]), town(("America/New_York", ZONE)))
    before = store.known_at_opening(), store.last_known_at()
    import_inspections(store, write_visits(tmp_path / "a.csv", {}), drains(), extracted_at=day("2025-03-10"))
    assert (store.known_at_opening(), store.last_known_at()) == before


def test_what_was_written_directly_is_read_as_before(store):
    """Inspections without a visit are each their own."""
    frame = pd.DataFrame(
        {
            "inspection_id": ["b", "a"], "area": "North", "asset_kind": "lift", "related_category": "lifts",
            "at": [20, 10], "known_at": [25, 30], "severity": [2, 0],
        }
    )  # fmt: skip
    store.write_places(inspections=frame)
    assert store.read_inspections()["inspection_id"].tolist() == ["b", "a"]
    assert store.read_inspections(30)["inspection_id"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('scale = "state"', 'scale = "states"', r"\[columns.state\] scale: there is no \[scale.states\]"),
        ('field = "area"', 'field = "area"\nscale = "state"', r"scale: only for field = 'severity'"),
        ("lowest = 1", "lowest = 0", "expected steps that begin at 'lowest'"),
        ("[2, ", "[1, ", "expected steps in rising order"),
        ('"dangerous"', '"deadly"', "input should be 'none', 'minor', 'serious' or 'dangerous'"),
        ('asset_kind = "drain"', 'severity = "bad"', r"\[constants\] severity: expected one of none, minor"),
        ('asset_kind = "drain"', 'at = "2024"', r"\[constants\] at: no field that can be the same for every row"),
        ('asset_kind = "drain"', 'area = "x"', r"\[constants\] area: column 'village' gives 'area' already"),
        (
            'asset_kind = "drain"',
            'asset_kind = "文三路138号"',
            r"\[constants\] asset_kind: looks like a street address",
        ),
        ('asset_kind = "drain"\n', "", "no column has field = 'asset_kind', and .constants. does not give it"),
        ('resolution = "day"', 'resolution = "week"', "input should be 'second', 'day' or 'month'"),
        ('shape = "inspections"', 'shape = "inspections"\nvisit = ["no"]', r"visit: a column has field = 'reference'"),
    ],
)
def test_a_wrong_mapping_of_inspections_is_told(old, new, message):
    """Every mistake names its place and what is allowed."""
    with pytest.raises(MappingError, match=message):
        drains((old, new))


@pytest.mark.parametrize(
    ("name", "file", "added", "aside"),
    [
        ("chicago_food_inspections", "chicago_food_inspections_2011_2014.parquet", 27_591, {"missing_value": 9}),
        ("syracuse_road_ratings", "syracuse_road_ratings_2000_2015.parquet", 40_866,
         {"out_of_range": 11, "missing_time": 324, "missing_value": 292, "duplicate_reference": 185}),
        ("syracuse_pothole_fills", "syracuse_pothole_fills_2016.parquet", 7_392, {}),
    ],
)  # fmt: skip
def test_the_shipped_presets_read_the_real_logs(tmp_path, real_file, name, file, added, aside):
    """Counts of the real files; a month is known when it is over, and nothing is known before it happens."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        report = import_file(store, real_file(file), name)
        assert report.events_added == added
        assert {one.code: one.count for one in report.set_aside} == aside
        frame = store.read_inspections()
    assert len(frame) == added
    assert (frame["known_at"] >= frame["at"]).all()
    assert frame["severity"].between(0, 3).all()
    assert find_mapping(name).source.shape == "inspections"
    if name == "syracuse_road_ratings":
        known = pd.to_datetime(frame["known_at"], unit="s", utc=True).dt.tz_convert("America/New_York")
        assert (known.dt.day == 1).all()
        assert (known.dt.hour == 0).all()
