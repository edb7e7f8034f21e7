"""Areas on the map, in GeoJSON and on pages of their own: the same as in the table, and nothing that is withheld."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from data.store import Store
from service.dashboard.areas_page import spread
from service.published import Figure
from tests.support.page_tree import page_tree
from tests.support.service_client import Client, client_of, shared_client
from tests.support.service_store import AREAS, SMALL_AREA, simulated_areas, small_store

VILLAGES = [code for code, parent, *_ in AREAS if parent]
COUNTS = ("backlog", "inflow_28d", "outflow_28d", "overdue")


@pytest.fixture(scope="module")
def client() -> Client:
    """A service on a store that these tests only read."""
    return shared_client()


def changed(folder: Path, **figures: object) -> Client:
    """A service on a store in which the small area has other figures."""
    path = small_store(folder)
    with Store.open(str(path)) as store:
        rows = store.read_pressure()
        small = rows["unit"].eq(SMALL_AREA)
        for name, value in figures.items():
            rows.loc[small, name] = value
        store.write_pressure(rows)
    return client_of(path)


def test_the_map_in_geojson_says_what_the_list_of_areas_says(client):
    """The same level and figures, area by area, in the order of codes, with the geometry that was imported."""
    listed = {item["area"]["code"]: item for item in client.json("/v1/areas?lang=en")["areas"]}
    answer = client.get("/v1/areas.geojson?lang=en")
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()
    assert found["type"] == "FeatureCollection"
    assert [one["id"] for one in found["features"]] == sorted(code for code, *_ in AREAS)
    stored = dict(zip(simulated_areas()["area"], simulated_areas()["boundary"], strict=True))
    for one in found["features"]:
        told, code = one["properties"], one["id"]
        assert one["geometry"] == json.loads(stored[code])
        assert told["area"] == code
        if code not in listed:
            assert told["level"] == "none"
            assert {told[name] for name in COUNTS} == {None}
            assert told["withheld"] == []
            continue
        pressure = listed[code]["pressure"]
        assert told["name"] == listed[code]["area"]["name"]
        assert told["parent"] == listed[code]["parent"]["code"]
        assert told["level"] == (pressure["level"] or "withheld")
        assert told["signals"] == len(listed[code]["signals"])
        for name in (*COUNTS, "usual_low", "usual_high", "expected_late"):
            assert told[name] == pressure[name]["value"]
            assert (name in told["withheld"]) == pressure[name]["withheld"]


def test_what_is_polled_has_a_tag_and_is_not_sent_twice(client):
    """In each language its own; who has it already is told so."""
    first = client.get("/v1/areas.geojson?lang=zh")
    again = client.get("/v1/areas.geojson?lang=zh", if_none_match=first.headers["etag"])
    assert again.status_code == 304
    assert again.content == b""
    assert client.get("/v1/areas.geojson?lang=en").headers["etag"] != first.headers["etag"]
    drawn = client.get("/charts/areas/map.svg")
    assert client.get("/charts/areas/map.svg", if_none_match=drawn.headers["etag"]).status_code == 304


def test_withheld_means_no_figure_and_no_level_on_any_map(client, tmp_path):
    """Whatever the figures and the level of a withheld area are, map and GeoJSON are the same to the byte."""
    found = {one["id"]: one["properties"] for one in client.json("/v1/areas.geojson")["features"]}
    small = found[SMALL_AREA]
    assert small["level"] == "withheld"
    assert {small[name] for name in (*COUNTS, "usual_low", "usual_high", "expected_late")} == {None}
    assert set(COUNTS) <= set(small["withheld"])
    one = changed(tmp_path, level="high")
    (tmp_path / "other").mkdir()
    other = changed(tmp_path / "other", level="usual", backlog=3, overdue=0, expected_late=0.4, usual_low=1.0)
    for address in ("/charts/areas/map.svg", "/charts/areas/map.svg?theme=dark&lang=zh", "/v1/areas.geojson", "/areas"):
        assert one.get(address).content == other.get(address).content, address
    one.close()
    other.close()


def test_the_picture_tells_levels_by_words_and_hatching(client):
    """Its legend has the words of the table, and no more."""
    for language in ("en", "zh"):
        levels = {
            item["pressure"]["level"] or "withheld" for item in client.json(f"/v1/areas?lang={language}")["areas"]
        }
        page = page_tree(client.get(f"/areas?lang={language}", accept="text/html").text)
        told = {element.text for element in page.walk() if "level" in element.classes}
        svg = client.get(f"/charts/areas/map.svg?lang={language}").text
        legend = set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
        assert legend == told
        assert len(legend) == len(levels)


def test_the_page_counts_levels_as_the_list_does(client):
    """How many areas are above usual of how many that can be judged, in the heading of the map and in the twin."""
    twin = client.json("/v1/areas")
    levels = [item["pressure"]["level"] for item in twin["areas"]]
    assert twin["levels"]["above"] == levels.count("raised") + levels.count("high") > 0
    assert twin["levels"]["told"] == len([level for level in levels if level in ("usual", "raised", "high")])
    assert twin["levels"]["withheld"] == levels.count(None) > 0
    above, told = twin["levels"]["above"], twin["levels"]["told"]
    heading = f"{above} of the {told} areas that can be judged have more open cases than is usual there"
    page = client.get("/areas?lang=en", accept="text/html").text
    assert heading in page
    rows = re.findall(r'<th scope="row"[^>]*><a href="/areas/([^?"]+)', page)
    assert rows == sorted(rows) == VILLAGES


def test_a_pointer_finds_every_village_on_the_map_and_the_keyboard_in_the_table(client):
    """The links on the picture are no stops of the keyboard: the table has the same ones."""
    page = client.get("/areas?lang=en", accept="text/html").text
    spots = re.search(r'<svg class="spots".*?</svg>', page, re.DOTALL).group()
    assert re.findall(r'href="/areas/([^?"]+)', spots) == VILLAGES
    assert spots.count('tabindex="-1"') == len(VILLAGES)
    assert 'aria-hidden="true"' in spots
    assert "Little Cove: Figures withheld" in spots
    assert "style=" not in page
    assert "<script" not in page


def test_a_town_has_a_page_with_its_villages_and_says_why_it_has_no_figures(client):
    """It was not to be found before; now it leads to what lies in it."""
    twin = client.json("/v1/areas/T-1?lang=en")
    assert twin["pressure"] is None
    assert [one["area"]["code"] for one in twin["parts"]] == [f"A-{n:02d}" for n in range(1, 7)]
    assert {one["area"]["code"]: one["level"] for one in twin["parts"]}[SMALL_AREA] == "withheld"
    page = client.get("/areas/T-1?lang=en", accept="text/html").text
    assert "There are no figures of this area by itself" in page
    around = page.split('id="around"')[1]
    assert re.findall(r'<li[^>]*><a href="/areas/([^?"]+)', around) == [one["area"]["code"] for one in twin["parts"]]
    assert "Figures withheld" in around
    assert 'class="here"' in around


def test_the_page_of_an_area_leads_to_what_is_beside_it_and_above_it(tmp_path):
    """By code, with the level of each in words."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        areas = store.read_areas()
        beside = {"A-02": ["A-03", "A-05", "A-01"], "A-01": ["A-02"], "A-03": ["A-02"], "A-05": ["A-02"]}
        areas["neighbours"] = [beside.get(code, []) for code in areas["area"]]
        store.write_places(areas=areas)
    client = client_of(path)
    twin = client.json("/v1/areas/A-02?lang=en")
    assert [one["area"]["code"] for one in twin["neighbours"]] == ["A-01", "A-03", "A-05"]
    assert twin["parts"] == []
    around = client.get("/areas/A-02?lang=en", accept="text/html").text.split('id="around"')[1]
    assert re.findall(r'<li[^>]*><a href="/areas/([^?"]+)', around) == ["A-01", "A-03", "A-05"]
    assert '<a href="/areas/T-1?lang=en"' in around
    client.close()


def test_the_weeks_behind_every_signal_of_an_area_are_drawn_with_the_way_to_their_table(client):
    """One picture for each type of problem; what is withheld altogether is hatched and worded in its place."""
    page = client.get("/areas/A-02?lang=en", accept="text/html").text
    weeks = page.split('id="weeks"')[1].split('id="around"')[0]
    signals = [one["id"] for one in client.json("/v1/areas/A-02")["signals"]]
    assert re.findall(r'<img src="/charts/signals/(\w+)/weeks.svg', weeks) == signals
    assert re.findall(r'<figcaption><a href="/signals/(\w+)\?lang=en#weeks"', weeks) == signals
    small = (
        client.get(f"/areas/{SMALL_AREA}?lang=en", accept="text/html")
        .text.split('id="weeks"')[1]
        .split('id="around"')[0]
    )
    assert "<img" not in small
    assert "All weeks are withheld: fewer than 10 reports each" in small
    assert 'class="hatched"' in small


def test_without_boundaries_the_page_has_its_table_and_no_map(tmp_path):
    """Many stores have none; the chart says what to do."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        store.write_places(areas=store.read_areas().assign(boundary=None))
    client = client_of(path)
    page = client.get("/areas?lang=en", accept="text/html").text
    assert "map.svg" not in page
    assert "have more open cases than is usual there" in page
    answer = client.get("/charts/areas/map.svg")
    assert answer.status_code == 404
    assert "Import them with `heed places import`" in answer.json()["detail"]
    found = client.json("/v1/areas.geojson")["features"]
    assert [one["id"] for one in found] == VILLAGES
    assert {one["geometry"] for one in found} == {None}
    client.close()


def test_a_boundary_that_cannot_be_read_is_named(tmp_path, caplog):
    """In the log, with what to do: nothing is left out of a map in silence."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        areas = store.read_areas()
        areas.loc[areas["area"] == "A-03", "boundary"] = '{"type":"Point","coordinates":[1,2]}'
        store.write_places(areas=areas)
    client = client_of(path)
    answer = client.get("/charts/areas/map.svg", accept_language="en")
    assert answer.status_code == 503
    assert "the boundary of area 'A-03' is no Polygon" in caplog.text
    assert "Import the areas again with `heed places import`" in caplog.text
    page = client.get("/areas?lang=en", accept="text/html")
    assert page.status_code == 200
    assert "map.svg" not in page.text
    client.close()


def test_an_area_that_nobody_knows_is_not_found(client):
    """Neither as a page nor as JSON nor as a chart."""
    for address in ("/v1/areas/nowhere", "/areas/nowhere", "/charts/areas/nowhere/signals.svg"):
        assert client.get(address).status_code == 404
    assert client.get("/v1/areas/nowhere", accept_language="en").json()["detail"] == "There is no area with this code."


def test_commands_in_messages_are_shown_as_commands(tmp_path):
    """No page shows raw backticks, nor does a problem."""
    with Store.open(str(tmp_path / "empty.db"), create=True):
        pass
    client = client_of(tmp_path / "empty.db")
    for language, address in (("en", "/areas"), ("zh", "/signals")):
        page = client.get(f"{address}?lang={language}", accept="text/html").text
        assert "<code>heed " in page
        assert "`" not in page
    client.close()


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((10.0, 8.0, 12.0, 5.0, 20.0), (45.5, 36.4, 54.5, 22.7, 68.2)),
        ((10.0, 8.0, 12.0, None, None), (75.8, 60.6, 90.9, None, None)),
        ((10.0, None, None, 5.0, 20.0), None),
        ((None, None, None, None, None), None),
        ((0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0)),
    ],
)
def test_an_estimate_is_drawn_where_it_lies(figures, expected):
    """On a bar of a hundred; a range that is not shown is not drawn, an estimate without its interval neither."""

    class Told:
        """Figures by name, as a pressure has them."""

    for end, value in zip(("", "_low", "_high", "_usual_low", "_usual_high"), figures, strict=True):
        setattr(Told, f"backlog_days{end}", Figure(value))
    found = spread(Told, "backlog_days")  # type: ignore[arg-type]
    assert expected == (
        None if found is None else (found.now, found.low, found.high, found.usual_low, found.usual_wide)
    )
