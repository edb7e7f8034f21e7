"""The map of areas: laid flat without losing an area, a hole or a border, hatched by level, and light to load."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from shapely import coverage_is_valid, union_all
from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape

from data.errors import UsageError
from data.synthetic.outlines import boundaries, village_outlines
from models.plots.area_map import HATCHES, LEVELS, MapWords, area_map_chart, picture_size
from models.plots.flat_map import corners, flat_map, hatching, thinned
from models.plots.theme import DARK, RAISES, TINTS, svg

LIGHT = 60_000  # bytes


def geojson(geometry) -> str:
    return json.dumps(mapping(geometry))


def city(number: int, seed: int = 1) -> tuple[dict[str, str], dict[str, str]]:
    """So many villages in two towns, as boundaries and parents."""
    places = np.random.default_rng(seed).uniform(0, 2, (number, 2))
    towns = (places[:, 0] > 1).astype(int).tolist()
    villages, of_towns, _whole = boundaries(village_outlines(places), towns)
    codes = [f"v{n:03d}" for n in range(number)]
    outlines = dict(zip(codes, villages, strict=True)) | {
        f"t{n}": text for n, text in enumerate(of_towns) if n in towns
    }
    return outlines, {code: f"t{town}" for code, town in zip(codes, towns, strict=True)}


def test_a_degree_of_longitude_is_drawn_as_narrow_as_it_is_there():
    """At 60 degrees north it is half as long as one of latitude; what is north is up."""
    north = {"a": geojson(box(10, 59.75, 11, 60.25)), "b": geojson(box(10, 60.25, 11, 60.26))}
    drawn = flat_map(north, {}, width=304)
    west, top, east, bottom = drawn.areas["a"].bounds
    assert (east - west) / (bottom - top) == pytest.approx(2 * math.cos(math.radians(60.005)), rel=0.01)
    assert drawn.areas["b"].bounds[1] < top
    assert east <= 304


def test_a_tall_city_is_no_taller_than_a_little_more_than_wide():
    """It is drawn narrower, in the middle."""
    drawn = flat_map({"a": geojson(box(10, 0, 10.1, 1))}, {}, width=300)
    west, _top, east, _bottom = drawn.areas["a"].bounds
    assert drawn.height < 340
    assert west == pytest.approx(300 - east, abs=0.3)


def test_holes_and_parts_stay():
    """A lake in an area, and the island that is a part of it."""
    lake = Polygon(box(0, 0, 4, 4).exterior, [box(1, 1, 2, 2).exterior])
    drawn = flat_map({"a": geojson(MultiPolygon([lake, box(5, 0, 6, 1)]))}, {})
    assert drawn.areas["a"].geom_type == "MultiPolygon"
    parts = list(drawn.areas["a"].geoms)
    assert [len(part.interiors) for part in parts] == [1, 0]
    lines = hatching([drawn.areas["a"]], 45, 5)
    hole = Polygon(parts[0].interiors[0]).buffer(-0.5)
    assert not lines.intersects(hole)
    assert lines.length > 100
    chart = area_map_chart(drawn, {"a": "high"})
    assert svg(chart).decode().count("M") > 10


def test_what_holds_other_areas_is_an_outline_at_every_depth():
    """Only areas without others in them are filled; an area whose parts have no boundary is filled itself."""
    outlines, parents = city(8)
    outlines |= {
        "whole": geojson(union_all([shape(json.loads(outlines[f"t{n}"])) for n in (0, 1)])),
        "far": geojson(box(126, 29, 127, 30)),
    }
    drawn = flat_map(outlines, parents | {"t0": "whole", "t1": "whole", "hamlet": "far"})
    assert list(drawn.outlines) == ["t0", "t1", "whole"]
    assert list(drawn.areas) == ["far", *(f"v{n:03d}" for n in range(8))]


def test_neighbours_keep_the_border_that_they_share():
    """However few corners are left, no gap opens and nothing overlaps."""
    outlines, parents = city(60)
    fine = flat_map(outlines, parents, most=10_000)
    coarse = thinned(fine.areas, 400)
    assert corners(list(coarse.values())) <= 440 < corners(list(fine.areas.values()))
    assert coverage_is_valid(list(coarse.values()))
    assert set(coarse) == set(fine.areas)
    assert not any(area.is_empty for area in coarse.values())


def test_areas_that_overlap_are_drawn_all_the_same():
    """Boundaries from two surveys do not meet to the last metre."""
    circles = {str(n): geojson(shape(mapping(box(n * 0.9, 0, n * 0.9 + 1, 1).buffer(0.3)))) for n in range(5)}
    drawn = flat_map(circles, {}, most=60)
    assert len(drawn.areas) == 5
    assert all(area.area > 100 for area in drawn.areas.values())


def test_hatching_goes_on_next_door():
    """The lines of two neighbours are those of both together."""
    together = hatching([box(0, 0, 60, 40)], 45, 6)
    apart = [hatching([one], 45, 6) for one in (box(0, 0, 30, 40), box(30, 0, 60, 40))]
    assert sum(lines.length for lines in apart) == pytest.approx(together.length, rel=0.03)
    first = together.geoms[0]
    (x0, y0), (x1, y1) = first.coords[0], first.coords[-1]
    assert (y1 - y0) / (x1 - x0) == pytest.approx(-1, abs=0.05)  # 45 degrees rise to the right, and y goes down
    assert hatching([box(0, 0.1, 1, 0.2)], 0, 50).is_empty


def test_levels_are_told_apart_without_colour_and_what_is_withheld_as_in_tables():
    """No two levels have the same lines; a level without lines has a tint, or neither where there are no figures."""
    looks = {
        level: (HATCHES[level].angles, HATCHES[level].apart) if level in HATCHES else level in TINTS for level in LEVELS
    }
    assert len({str(look) for look in looks.values()}) == len(LEVELS)
    assert "withheld" not in TINTS
    assert "none" not in TINTS


def test_only_levels_that_are_on_the_map_are_in_its_legend():
    """In the order of the levels, in the reader's words."""
    outlines, parents = city(6)
    drawn = flat_map(outlines, parents)
    words = MapWords("与往常相当", "高于往常", "远高于往常", "历史过短", "不公开", "暂无数字")
    told = {"v000": "withheld", "v001": "usual", "v002": "usual"}
    text = svg(area_map_chart(drawn, told, words)).decode()
    assert [text.find(word) > 0 for word in ("与往常相当", "不公开", "暂无数字", "高于往常")] == [
        True,
        True,
        True,
        False,
    ]
    assert text.find("与往常相当") < text.find("不公开") < text.find("暂无数字")
    width, height = picture_size(drawn, told, words)
    assert f'width="{width}" height="{height}"' in text


def test_the_map_has_a_dark_side():
    """Every paint of it is repainted."""
    outlines, parents = city(5)
    told = dict(zip(sorted(parents), LEVELS, strict=False))
    chart = area_map_chart(flat_map(outlines, parents), told, title="Two of five")
    light, dark = svg(chart).decode(), svg(chart, "dark").decode()
    assert "Two of five" in light
    assert RAISES in light
    assert DARK[RAISES] in dark
    assert not any(paint in dark for paint in DARK if paint.startswith("#") and paint not in DARK.values())


@pytest.mark.parametrize("number", [1, 2, 200])
def test_a_map_is_light(number):
    """Two hundred areas, every level among them, weigh less than a page may."""
    outlines, parents = city(number)
    told = {code: LEVELS[n % len(LEVELS)] for n, code in enumerate(sorted(parents))}
    drawn = flat_map(outlines, parents)
    assert len(drawn.areas) == number
    assert len(svg(area_map_chart(drawn, told))) < LIGHT


def test_what_cannot_be_drawn_is_named():
    """The area, and what was expected."""
    with pytest.raises(UsageError, match="at least one area with a boundary"):
        flat_map({}, {})
    for text in ("{", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":[]}', "[]"):
        with pytest.raises(UsageError, match="the boundary of area 'b' is no Polygon"):
            flat_map({"a": geojson(box(0, 0, 1, 1)), "b": text}, {})
    with pytest.raises(UsageError, match=r"Expected levels out of usual, raised.*got low"):
        area_map_chart(flat_map({"a": geojson(box(0, 0, 1, 1))}, {}), {"a": "low"})  # type: ignore[dict-item]
