"""Places come in all or none: parents, tiers, numbers, neighbours and boundaries are checked together."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from data.errors import BoundaryError, FileFormatError, PersonalDataError, RowError, UsageError
from data.import_cases import import_file
from data.places import import_places, read_places
from data.store import Store
from tests.support.exports import town, write_csv, write_rows

AREAS = [
    {"area": "T", "parent": None, "name_en": "Town", "population": "900", "neighbours": None},
    {"area": "A", "parent": "T", "name_en": "North", "population": "500", "neighbours": "B"},
    {"area": "B", "parent": "T", "name_en": "South", "population": "400", "neighbours": "A"},
]
OFFICES = [
    {"office": "W", "parent": None, "tier": "county", "capacity_per_day": "7.5"},
    {"office": "V", "parent": "W", "tier": "village", "capacity_per_day": None},
]
CATEGORIES = [{"category": "light", "name_zh": "路灯不亮"}, {"category": "drain", "name_zh": "积水内涝"}]


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def changed(rows, place, **values):
    return [{**row, **(values if number == place else {})} for number, row in enumerate(rows)]


def square(west, south, size=0.01):
    ring = [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def geojson(path, *features):
    listed = [{"type": "Feature", "properties": properties, "geometry": geometry} for properties, geometry in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed}), encoding="utf-8")
    return path


def test_three_tables_come_in_together(store, tmp_path):
    """Codes, names, parents, numbers and neighbours are in the store as they stood in the files."""
    report = import_places(
        store,
        write_rows(tmp_path / "areas.csv", AREAS),
        write_rows(tmp_path / "offices.csv", OFFICES),
        write_rows(tmp_path / "categories.csv", CATEGORIES),
    )
    assert report.counts == {"areas": 3, "offices": 2, "categories": 2}
    areas = store.read_areas().set_index("area")
    assert areas["population"].to_dict() == {"A": 500, "B": 400, "T": 900}
    assert areas["neighbours"].to_dict() == {"A": ["B"], "B": ["A"], "T": []}
    assert store.adjacency() == {"A": ("B",), "B": ("A",), "T": ()}
    assert areas.loc["A", "parent"] == "T"
    assert store.read_offices().set_index("office").loc["W", "capacity_per_day"] == 7.5
    assert store.read_categories()["name_zh"].tolist() == ["积水内涝", "路灯不亮"]


def test_boundaries_give_neighbours_of_the_same_level(store, tmp_path):
    """Touching areas are neighbours, both ways; a town is no neighbour of its villages, nor is what lies apart."""
    path = geojson(
        tmp_path / "areas.geojson",
        ({"area": "T"}, square(120, 30, 0.02)),
        ({"area": "A", "parent": "T", "population": 500}, square(120, 30)),
        ({"area": "B", "parent": "T"}, square(120.01, 30)),
        ({"area": "C", "parent": "T"}, square(120.05, 30)),
    )
    report = import_places(store, path)
    assert (report.with_boundary, report.neighbours_derived) == (4, True)
    areas = store.read_areas().set_index("area")
    assert areas["neighbours"].to_dict() == {"T": [], "A": ["B"], "B": ["A"], "C": []}
    assert json.loads(areas.loc["A", "boundary"])["type"] == "Polygon"
    assert areas.loc["A", "population"] == 500


def test_adjacency_goes_both_ways_and_never_to_itself(store):
    """Also where a list was written directly and names only one way, itself, or an area without a row."""
    areas = pd.DataFrame({"area": ["C", "A", "B"], "neighbours": [["A", "C"], ["X"], []]})
    store.write_places(areas=areas)
    assert store.adjacency() == {"A": ("C", "X"), "B": (), "C": ("A",), "X": ("A",)}
    assert list(store.adjacency()) == ["A", "B", "C", "X"]


def test_a_store_without_areas_has_no_adjacency(store):
    """Nothing lies beside nothing."""
    assert store.adjacency() == {}


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        ("areas", changed(AREAS, 1, area=None), r"column 'area', row 2: every row needs its code"),
        ("areas", changed(AREAS, 2, area="A"), r"column 'area', row 3: the code stands in an earlier row"),
        ("areas", changed(AREAS, 1, parent="X"), r"column 'parent', row 2: the parent is not a code of this file"),
        ("areas", changed(AREAS, 0, parent="A"), r"column 'parent', 3 rows: 1, 2, 3: going from parent to parent"),
        ("areas", changed(AREAS, 1, parent="A"), r"column 'parent', row 2: going from parent to parent"),
        (
            "areas",
            changed(AREAS, 1, population="-1"),
            r"column 'population', row 2: expected a whole number, 0 or more",
        ),
        ("areas", changed(AREAS, 1, population="1.5"), r"column 'population', row 2: expected a whole number"),
        ("areas", changed(AREAS, 1, population="many"), r"column 'population', row 2: expected a whole number"),
        ("areas", changed(AREAS, 1, neighbours="B;X"), r"column 'neighbours', row 2: a neighbour is not a code"),
        ("areas", changed(AREAS, 1, neighbours="A;B"), r"column 'neighbours', row 2: an area is not its own neighbour"),
        ("areas", changed(AREAS, 1, neighbours="B|T"), r"column 'neighbours', row 2: a neighbour does not name this"),
        ("offices", changed(OFFICES, 1, tier="hamlet"), r"column 'tier', row 2: expected one of village, town, county"),
        ("offices", changed(OFFICES, 0, capacity_per_day="-2"), r"column 'capacity_per_day', row 1: expected a number"),
    ],
)
def test_wrong_places_are_told_by_row_and_nothing_is_stored(store, tmp_path, file, rows, message):
    """Each rule names column and row; the other files of the call are not stored either."""
    files = {"areas": AREAS, "offices": OFFICES, "categories": CATEGORIES, file: rows}
    paths = {name: write_rows(tmp_path / f"{name}.csv", listed) for name, listed in files.items()}
    with pytest.raises(RowError, match=message):
        import_places(store, **paths)
    assert store.read_areas().empty
    assert store.read_offices().empty
    assert store.read_categories().empty


def test_a_house_is_no_area(store, tmp_path):
    """A polygon of a few metres, or a point, is an exact place: refused with the feature and no coordinate."""
    house = geojson(tmp_path / "a.geojson", ({"area": "A"}, square(120, 30)), ({"area": "H"}, square(121, 31, 0.0002)))
    with pytest.raises(
        PersonalDataError, match=r"1 boundaries \(features 2\) are smaller than 2,000 square metres"
    ) as info:
        import_places(store, house)
    assert "121" not in str(info.value)
    point = geojson(tmp_path / "b.geojson", ({"area": "P"}, {"type": "Point", "coordinates": [120, 30]}))
    with pytest.raises(
        PersonalDataError, match="feature 1: expected a Polygon or MultiPolygon; anything else is an exact"
    ):
        import_places(store, point)
    assert store.read_areas().empty


def test_a_broken_boundary_is_told(store, tmp_path):
    """A figure of eight, and metres instead of degrees."""
    eight = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    with pytest.raises(RowError, match="column 'geometry', row 1: the boundary crosses itself"):
        import_places(store, geojson(tmp_path / "a.geojson", ({"area": "A"}, eight)))
    with pytest.raises(RowError, match="column 'geometry', row 1: expected degrees in WGS 84"):
        import_places(store, geojson(tmp_path / "b.geojson", ({"area": "A"}, square(500_000, 4_000_000, 900))))


def test_places_come_through_the_door(tmp_path):
    """No other column, no value that looks personal, no category about conduct."""
    extra = write_rows(tmp_path / "a.csv", [{"office": "W", "director_name": "x"}])
    with pytest.raises(PersonalDataError, match="'director_name': looks like a name, by its name"):
        read_places(offices=extra)
    assert read_places(offices=extra, drop=["director_name"]).offices is not None
    named = write_rows(tmp_path / "b.csv", [{"office": "W", "name_zh": "张先生"}])
    with pytest.raises(PersonalDataError, match="column 'name_zh', row 1: looks like a person's name"):
        read_places(offices=named)
    conduct = write_rows(
        tmp_path / "c.csv", [{"category": "light", "name_zh": "路灯"}, {"category": "x", "name_zh": "越级上访"}]
    )
    with pytest.raises(BoundaryError, match="row 2") as info:
        read_places(categories=conduct)
    assert "上访" not in str(info.value)


def test_a_wrong_call_is_told(tmp_path):
    """No file, no such file, a file without the code."""
    with pytest.raises(UsageError, match="Expected at least one file: --areas, --offices, --categories or --capacity"):
        read_places()
    with pytest.raises(UsageError, match="There is no file"):
        read_places(areas=tmp_path / "none.csv")
    with pytest.raises(FileFormatError, match="expected a column 'area' with the code of each row"):
        read_places(areas=write_rows(tmp_path / "a.csv", [{"name_en": "North", "name_zh": "北"}]))
    (tmp_path / "b.geojson").write_text("[]")
    with pytest.raises(FileFormatError, match="expected GeoJSON in UTF-8"):
        read_places(areas=tmp_path / "b.geojson")


def test_codes_of_cases_that_the_file_does_not_have_are_counted(store, tmp_path):
    """The report says how many, and not which."""
    import_file(store, write_csv(tmp_path / "cases.csv", [{"village": "North"}, {"village": "Moor"}]), town())
    report = import_places(store, write_rows(tmp_path / "areas.csv", [{"area": "North", "parent": None}]))
    assert report.unknown_codes == {"areas": 1}
    assert report.warnings() == ["Cases name 1 areas that the file does not have; they are shown by their code."]
