"""Locations become areas and are gone: snapping, points that mean "no place", and what is never said."""

from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest

from data.errors import FileFormatError, MappingError, PersonalDataError, RowError
from data.import_cases import import_file
from data.location import Boundaries, boundaries_of, coordinates, read_boundaries, snap
from data.mapping import find_mapping, parse_mapping
from data.mapping_parts import Location
from data.store import Store
from tests.support.exports import TOWN, changed, write_csv

# Four villages of a square of 0.02 degrees, in two rows: A B above C D.
_CORNERS = {"A": (0, 1), "B": (1, 1), "C": (0, 0), "D": (1, 0)}


def square(column: int, row: int, size: float = 0.01) -> dict[str, object]:
    west, south = 120 + column * size, 30 + row * size
    ring = [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def geojson(path, extra=(), property_="area"):
    features = [
        {"type": "Feature", "properties": {property_: code}, "geometry": square(*corner)}
        for code, corner in _CORNERS.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [*features, *extra]}))
    return path


def located(location: str, *changes: tuple[str, str], area: bool = False):
    """The town's mapping with a [location] in place of the village, or beside it."""
    drop = () if area else (('[columns.village]\nfield = "area"\nat = "opened"\nmissing = ["town hall"]\n', ""),)
    return changed(TOWN, *drop, ("[leave_out]", f"[location]\n{location}\n[leave_out]"), *changes)


LAT_LON = 'latitude = "lat"\nlongitude = "lon"\nareas = "villages.geojson"'


@pytest.fixture
def towns(tmp_path):
    geojson(tmp_path / "villages.geojson")

    def make(location: str = LAT_LON, *changes: tuple[str, str], area: bool = False):
        return located(location, *changes, area=area).model_copy(update={"folder": tmp_path})

    return make


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def rows(points, **columns):
    return [{"lat": lat, "lon": lon, "village": None, **columns} for lat, lon in points]


def areas_of(store: Store) -> list[str | None]:
    events = store.read_events()
    return sorted(str(area) for area in events.loc[events["kind"] == "opened", "area"].dropna())


def without_village(path, listed):
    from tests.support.exports import ROW, write_rows

    base = {name: value for name, value in ROW.items() if name != "village"}
    return write_rows(
        path,
        [
            {**base, "number": str(n), **{k: v for k, v in row.items() if k != "village"}}
            for n, row in enumerate(listed)
        ],
    )


def test_points_are_snapped_and_a_shared_border_goes_to_the_lower_code(tmp_path):
    """Inside, on a border of two, on the corner of four, outside, and none."""
    boundaries = read_boundaries(geojson(tmp_path / "v.geojson"))
    points = pd.DataFrame(
        {
            "latitude": [30.015, 30.005, 30.01, 30.015, 31.0, np.nan],
            "longitude": [120.005, 120.015, 120.01, 120.01, 120.0, 120.0],
        },
        index=[7, 3, 1, 0, 9, 4],
    )
    found = snap(points, boundaries)
    assert found.index.tolist() == [7, 3, 1, 0, 9, 4]
    assert found.tolist()[:4] == ["A", "D", "A", "A"]
    assert found.isna().tolist() == [False, False, False, False, True, True]


def test_snapping_agrees_with_asking_every_polygon(tmp_path):
    """The index finds what a loop over all polygons finds."""
    from shapely.geometry import Point

    boundaries = read_boundaries(geojson(tmp_path / "v.geojson"))
    rng = random.Random(4)  # noqa: S311
    points = [(30 + rng.uniform(-0.005, 0.025), 120 + rng.uniform(-0.005, 0.025)) for _ in range(500)]
    shapes = list(zip(boundaries.codes, boundaries.shapes, strict=True))
    expected = [
        next((code for code, shape in shapes if shape.intersects(Point(lon, lat))), None) for lat, lon in points
    ]
    found = snap(pd.DataFrame(points, columns=["latitude", "longitude"]), boundaries)
    assert [None if pd.isna(one) else one for one in found] == expected


def test_the_smallest_of_nested_areas_is_found():
    """A town that holds villages is not the answer while a village is."""
    areas = pd.DataFrame(
        {
            "area": ["town", "village", "wood"],
            "parent": [None, "town", None],
            "boundary": [json.dumps(square(0, 0, 0.1)), json.dumps(square(0, 0)), None],
        }
    )
    boundaries = boundaries_of(areas)
    assert boundaries.codes == ("village",)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("POINT (120.005 30.015)", "lat_lon", (30.015, 120.005)),
        ("SRID=4326;POINT(120.005 30.015)", "lat_lon", (30.015, 120.005)),
        ("(30.015, 120.005)", "lat_lon", (30.015, 120.005)),
        ("120.005,30.015", "lon_lat", (30.015, 120.005)),
        ("30.015 120.005", "lat_lon", (30.015, 120.005)),
        ("120.005,30.015", "lat_lon", None),
        ("12 Elm Street", "lat_lon", None),
        (None, "lat_lon", None),
    ],
)
def test_one_column_may_hold_the_point(text, order, expected):
    """WKT has the longitude first; a plain pair has the order that the mapping says."""
    raw = pd.DataFrame({"where": pd.Series([text], dtype="str")})
    points, unreadable = coordinates(raw, Location(point="where", order=order))
    if expected is None:
        assert points.isna().all(axis=None)
        assert unreadable.tolist() == [text is not None]
    else:
        assert points.iloc[0].tolist() == list(expected)
        assert not unreadable.any()


def test_an_import_stores_areas_and_no_coordinate(store, towns, tmp_path):
    """Two areas, one row outside, one unreadable, one without; counts in the report, no number anywhere."""
    points = [
        ("30.015123", "120.005321"),
        ("30.005999", "120.015777"),
        ("45.123456", "7.654321"),
        ("abc", "120"),
        (None, None),
    ]
    path = without_village(tmp_path / "cases.csv", rows(points))
    report = import_file(store, path, towns())
    assert areas_of(store) == ["A", "D"]
    assert list(report.notes) == [
        "Location: 1 row outside all areas got no area from it.",
        "Location: 1 row with a location that cannot be read got no area from it.",
        "Location: 1 row without a location got no area from it.",
    ]
    store.close()
    content = b"".join(one.read_bytes() for one in tmp_path.glob("heed.db*"))
    for number in ("015123", "005321", "005999", "015777", "123456", "654321"):
        assert number.encode() not in content
        assert number not in report.to_json()


def test_a_column_for_the_area_wins_over_the_location(store, towns, tmp_path):
    """The location fills only what the column leaves empty."""
    path = write_csv(
        tmp_path / "cases.csv",
        [
            {"lat": "30.015", "lon": "120.005", "village": "North"},
            {"lat": "30.015", "lon": "120.005", "village": "town hall"},
        ],
    )
    import_file(store, path, towns(area=True))
    assert areas_of(store) == ["A", "North"]


def test_a_point_that_many_rows_share_is_no_place(store, towns, tmp_path):
    """Cases without a place sit on the city hall: refused with the rows and without the point, or set aside openly."""
    rng = random.Random(1)  # noqa: S311
    some = [(f"{30 + rng.random() / 50:.6f}", f"{120 + rng.random() / 50:.6f}") for _ in range(95)]
    path = without_village(tmp_path / "cases.csv", rows([*some, *[("30.012345", "120.012345")] * 5]))
    with pytest.raises(RowError, match=r"column 'lat', 5 rows: 96, 97, .*stands for no place") as caught:
        import_file(store, path, towns())
    assert "012345" not in str(caught.value)
    report = import_file(store, path, towns(), set_aside=["default_location"])
    assert [(one.code, one.count) for one in report.set_aside] == [("default_location", 5)]
    assert len(areas_of(store)) == 95


def test_a_known_default_point_is_left_out_without_a_word_of_it(store, towns, tmp_path):
    """`missing_at` names the city hall; nothing stands there then."""
    rng = random.Random(1)  # noqa: S311
    some = [(f"{30 + rng.random() / 50:.6f}", f"{120 + rng.random() / 50:.6f}") for _ in range(60)]
    path = without_village(tmp_path / "cases.csv", rows([*some, *[("30.012345", "120.012345")] * 30]))
    import_file(store, path, towns(LAT_LON + "\nmissing_at = [[30.01234, 120.01234]]"))
    assert len(areas_of(store)) == 60


def test_rounded_coordinates_are_shared_and_mean_nothing(store, towns, tmp_path):
    """With two decimals, whole blocks share a point: no finding."""
    path = without_village(tmp_path / "cases.csv", rows([("30.01", "120.01"), ("30.02", "120.02")] * 50))
    report = import_file(store, path, towns())
    assert report.set_aside == ()


def test_a_file_of_another_place_is_refused(store, towns, tmp_path):
    """Exchanged columns put every case outside: better to stop than to lose every area."""
    path = without_village(tmp_path / "cases.csv", rows([("45.1", "7.6"), ("45.2", "7.7")]))
    with pytest.raises(MappingError, match=r"none of 2 locations lies in any of the 4 areas.*exchanged"):
        import_file(store, path, towns())


def test_the_boundaries_of_the_store_are_used_where_the_mapping_names_none(store, towns, tmp_path):
    """Areas that were imported with a boundary place the cases of every source."""
    mapping = towns('latitude = "lat"\nlongitude = "lon"')
    path = without_village(tmp_path / "cases.csv", rows([("30.015", "120.005")]))
    with pytest.raises(MappingError, match=r"no area has a boundary\. Import them first with `heed places import"):
        import_file(store, path, mapping)
    areas = pd.DataFrame({"area": ["V"], "boundary": [json.dumps(square(0, 1))]})
    store.write_places(areas=areas)
    import_file(store, path, mapping)
    assert areas_of(store) == ["V"]


def test_a_constant_fills_what_the_source_has_no_column_for(store, tmp_path):
    """Every case of a hotline came by telephone, in one town."""
    mapping = changed(
        TOWN,
        ('[columns.via]\nfield = "channel"\nat = "opened"\nvocabulary = "via"\n', ""),
        ("[leave_out]", '[constants]\nchannel = "phone"\n[leave_out]\nvia = "x"'),
    )
    import_file(store, write_csv(tmp_path / "cases.csv", [{}, {"kind": "Drain"}]), mapping)
    events = store.read_events()
    assert set(events.loc[events["kind"] == "opened", "channel"]) == {"phone"}
    assert "channel" in store.known_at_opening()


def test_coordinates_may_stand_nowhere_but_in_location(towns):
    """A column called after a coordinate cannot be mapped, and one that is not mapped is refused with a hint."""
    from data.privacy import check_columns

    mapping = changed(TOWN, ("[columns.village]", "[columns.lat2]"))
    columns = ["number", "opened", "due", "closed", "kind", "lat2", "via", "unit"]
    with pytest.raises(PersonalDataError, match="its name says that it holds an exact place"):
        check_columns("cases.csv", columns, mapping)
    with pytest.raises(PersonalDataError, match=r"Coordinates can become an area and be dropped: see \[location\]"):
        check_columns("cases.csv", [*columns[:-3], "village", "via", "unit", "longitude"], changed(TOWN))
    check_columns("cases.csv", ["number", "opened", "due", "closed", "kind", "via", "unit", "lat", "lon"], towns())


def test_a_mapping_follows_its_file_of_areas(tmp_path):
    """The file must be there, and other borders are another mapping: an import is not answered from before."""
    text = TOWN.replace("[leave_out]", f"[location]\n{LAT_LON}\n[leave_out]")
    path = tmp_path / "town.toml"
    path.write_text(text)
    with pytest.raises(
        MappingError, match=r"\[location\] areas: there is no file 'villages.geojson' beside the mapping"
    ):
        find_mapping(path)
    geojson(tmp_path / "villages.geojson")
    before = find_mapping(path).sha256
    geojson(tmp_path / "villages.geojson", [{"properties": {"area": "E"}, "geometry": square(3, 3)}])
    assert find_mapping(path).sha256 != before


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{}", FileFormatError, "expected GeoJSON in UTF-8, a FeatureCollection"),
        ('{"features": [{"properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}]}', PersonalDataError,
         "feature 1: expected a Polygon"),
        ('{"features": [{"properties": {"name": "x"}, "geometry": ' + json.dumps(square(0, 0)) + "}]}", MappingError,
         "feature 1: expected a property 'area'"),
        ('{"features": [{"properties": {"area": "x"}, "geometry": {"type": "Polygon", "coordinates": [[1]]}}]}',
         FileFormatError, "feature 1: the geometry cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_areas_is_told_where(tmp_path, content, error, message):
    """The number of the feature and what was expected."""
    path = tmp_path / "areas.geojson"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_boundaries(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LAT_LON, 'latitude = "lat"', r"\[location\]: expected either both 'latitude' and 'longitude', or 'point'"),
        (LAT_LON, LAT_LON + '\npoint = "where"', "or 'point'"),
        (LAT_LON, LAT_LON + "\nmissing_at = [[120, 30]]", r"input should be less than or equal to 90"),
        ('latitude = "lat"', 'latitude = "unit"', r"\[location\] 'unit': the column is mapped in \[columns.unit\]"),
        ('latitude = "lat"', 'latitude = "zip"', r"\[location\] 'zip': the column is left out in \[leave_out\]"),
        (LAT_LON, LAT_LON + '\n[constants]\narea = "x"', r"\[constants\] gives every row the same area already"),
    ],
)
def test_a_wrong_location_is_told(old, new, message):
    """Every mistake names its place in the mapping."""
    with pytest.raises(MappingError, match=message):
        parse_mapping(
            TOWN.replace('[columns.village]\nfield = "area"\nat = "opened"\nmissing = ["town hall"]\n', "")
            .replace("[leave_out]", f"[location]\n{LAT_LON}\n[leave_out]")
            .replace(old, new)
            .encode()
        )


def test_an_empty_list_of_areas_places_nothing():
    """No boundary, no area, no error."""
    points = pd.DataFrame({"latitude": [30.0], "longitude": [120.0]})
    assert snap(points, Boundaries((), ())).isna().tolist() == [True]
