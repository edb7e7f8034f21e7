"""The pages as their HTML: safe, complete without a script, in both languages, and equal to their JSON twins."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from html import escape
from html.parser import HTMLParser
from urllib.parse import urljoin

import pandas as pd
import pytest
from sqlalchemy import update

from data import tables
from data.store import Store
from service import display
from service.dashboard import charts
from tests.support.service_client import Client, client_of, shared_client
from tests.support.service_store import AS_OF, small_store

PAGES = (
    *("/cases", "/cases?order=due&band=high", "CASE", "/areas", "/areas/A-02", "/areas/A-05"),
    *("/signals", "SIGNAL", "WITHHELD"),
)


@pytest.fixture
def client():
    """The service on a store that only reads."""
    return shared_client()


class _Page(HTMLParser):
    """The elements of a page, and whether they close in order."""

    _VOID = frozenset({"meta", "link", "img", "input", "br", "source", "rect", "circle", "path"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in ("option", "li", "dt", "dd") and self.open[-1] != tag:
            return
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]


def _address(client: Client, address: str, language: str) -> str:
    if address == "CASE":
        address = f"/cases/{client.json('/v1/cases?limit=1&deadline=ahead')['cases'][0]['id']}"
    if address in ("SIGNAL", "WITHHELD"):
        area = "A-02" if address == "SIGNAL" else "A-05"
        signals = client.json("/v1/signals")["signals"]
        address = f"/signals/{next(signal['id'] for signal in signals if signal['area']['code'] == area)}"
    return f"{address}{'&' if '?' in address else '?'}lang={language}"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_whole_and_loads_nothing_that_the_policy_forbids(client, address, language):
    """Well nested, of one language, with one heading, no inline script or style, and nothing from elsewhere."""
    answer = client.get(_address(client, address, language))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = _Page(answer.text)
    assert page.open == []
    assert page.all("html")[0]["lang"] == {"en": "en", "zh": "zh-Hans"}[language]
    assert len(page.all("h1")) == 1
    assert page.all("style") == []
    assert all(str(script["src"]).startswith("/static/") for script in page.all("script"))
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#", "?"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all("alt" in attributes for attributes in page.all("img"))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("address", PAGES)
def test_every_address_on_a_page_leads_somewhere(client, address, language):
    """No link, picture, style sheet or JSON twin is broken, and every link keeps the language."""
    address = _address(client, address, language)
    page = _Page(client.get(address).text)
    links = {str(attributes["href"]) for attributes in page.all("a")}
    files = {str(attributes.get("src") or attributes.get("srcset") or attributes.get("href")) for name, attributes in
             page.elements if name in ("img", "source", "link")}  # fmt: skip
    others = 0
    for found in sorted(links | files):
        if found.startswith("#"):
            assert any(attributes.get("id") == found[1:] for _, attributes in page.elements)
            continue
        if found.startswith("/charts"):
            continue  # drawn in a test of its own
        assert client.get(urljoin(address, found)).status_code == 200, found
        if found in links:
            others += f"lang={language}" not in found
    assert others == 1  # the switch to the other language


@pytest.mark.parametrize("address", PAGES)
def test_the_language_switch_keeps_the_page(client, address):
    """A reader who changes the language stays where they are, filters included."""
    asked = _address(client, address, "en")
    switch = next(link for link in _Page(client.get(asked).text).all("a") if link.get("hreflang") == "zh")
    assert urljoin(asked, str(switch["href"])) == asked.replace("lang=en", "lang=zh")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_of_the_list_is_that_of_its_twin(client, language):
    """A page and its JSON twin are two ways of saying the same."""
    text = client.get(f"/cases?lang={language}").text
    twin = next(link["href"] for link in _Page(text).all("a") if link.get("type") == "application/json")
    cases = client.json(str(twin))["cases"]
    items = text.split('<li class="case"')[1:]
    assert len(items) == len(cases) == 20
    for item, case in zip(items, cases, strict=True):
        assert f"/cases/{case['id']}" in item
        assert f" {case['risk']['per_100']} " in f" {item.replace('约', ' ').replace('件', ' ')} "
        assert escape(case["category"]["name"]) in item
        for reason in case["reasons"]:
            assert escape(reason["text"]) in item
            assert f"{abs(reason['points']):.1f}" in item
        if case["due_at"]:
            assert case["due_at"] in item


def test_the_page_of_a_case_adds_up_as_its_twin_does(client):
    """The table begins at the base, ends at the total, and its steps lead from one to the other."""
    case_id = client.json("/v1/cases?limit=1&deadline=ahead")["cases"][0]["id"]
    twin = client.json(f"/v1/cases/{case_id}")
    page = client.get(f"/cases/{case_id}").text
    table = re.search(r'<table class="reasons">.*?</table>', page, re.DOTALL).group()
    cells = re.findall(r'<td class="num[^"]*"[^>]*>([^<]*)</td>', table)
    values = [float(cell.replace("−", "-").replace("±", "")) for cell in cells]
    assert values[0] == twin["base_points"]
    assert values[-1] == twin["total_points"]
    assert round(sum(values[:-1]), 1) == values[-1]


def test_the_areas_page_shows_the_figures_of_its_twin(client):
    """Each shown figure stands in the row of its area."""
    rows = re.findall(r"<tr\b.*?</tr>", client.get("/areas").text, re.DOTALL)[1:]
    areas = client.json("/v1/areas")["areas"]
    assert len(rows) == len(areas)
    for row, area in zip(rows, areas, strict=True):
        assert area["area"]["name"] in row
        for name in ("backlog", "inflow_28d", "outflow_28d", "overdue", "expected_late"):
            value = area["pressure"][name]["value"]
            assert value is None or re.search(rf">\s*{value:,}\s*<", row)


def test_what_comes_from_the_store_is_escaped(tmp_path):
    """A name is text, whatever it contains."""
    path = small_store(tmp_path)
    hostile = "<script>alert('x')</script>\"'&"
    with Store.open(str(path)) as store:
        categories = store.read_categories()
        store.write_places(
            categories=categories.assign(name_en=hostile), areas=store.read_areas().assign(name_en=hostile)
        )
        risks = store.read_risks()
        reasons = [{"feature": "x", "family": "y", "label_en": hostile, "text_en": hostile, "points": 3.0}]
        store.write_risks(risks.assign(reasons=json.dumps(reasons), probability=0.4))
    client = client_of(path)
    case_id = client.json("/v1/cases?limit=1")["cases"][0]["id"]
    for address in ("/cases", f"/cases/{case_id}", "/areas", "/areas/A-02"):
        text = client.get(address).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        assert _Page(text).open == []
    drawn = client.get(f"/charts/cases/{case_id}/reasons.svg").text
    assert "<script" not in drawn
    client.close()


def test_an_area_whose_code_holds_a_slash_has_its_page(tmp_path):
    """Real codes do: "Allston / Brighton" is a neighbourhood."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        pressure = store.read_pressure()
        signals = store.read_signals()
        store.write_pressure(pressure.replace({"unit": {"A-02": "Allston / Brighton"}}))
        store.write_signals(signals.drop(columns="signal_id").replace({"area": {"A-02": "Allston / Brighton"}}))
    client = client_of(path)
    link = next(link["href"] for link in _Page(client.get("/areas").text).all("a") if "Allston" in str(link["href"]))
    page = client.get(str(link))
    assert page.status_code == 200
    assert "Allston / Brighton" in page.text
    picture = _Page(page.text).all("img")[-1]["src"]
    assert client.get(str(picture)).headers["content-type"] == "image/svg+xml"
    assert client.json("/v1/areas/Allston%20%2F%20Brighton")["area"]["code"] == "Allston / Brighton"
    client.close()


def test_the_list_opens_with_what_can_still_be_answered_in_time(client):
    """A broken promise is counted in sight, and does not push the warnings off the page."""
    page = client.get("/cases").text
    passed = client.json("/v1/cases?deadline=passed&limit=1")["total"]
    ahead = client.json("/v1/cases?deadline=ahead&limit=1")["total"]
    assert f"{ahead} open cases with time left" in page
    assert re.search(rf'deadline=passed"><span class="count">{passed}</span>\s+past their deadline', page)
    assert "overdue" not in page.split('<ol class="cases">')[1]


@pytest.mark.parametrize("query", ["", "band=high", "band=low&office=O-2", "deadline=passed&band=high&area=T-1"])
def test_a_number_at_a_glance_is_what_its_link_shows(client, query):
    """Whoever follows "57 High" finds 57 cases, whatever was filtered before."""
    page = client.get(f"/cases?{query}").text
    glance = re.search(r'<ul class="tally".*?</ul>', page, re.DOTALL).group()
    links = re.findall(r'<a [^>]*href="([^"]+)"[^>]*><span class="count">([\d,]+)</span>', glance)
    assert len(links) >= 4
    for address, count in links:
        if "order=due" in address:
            continue  # orders what is shown already
        heading = re.search(r"<h1[^>]*>\s*([\d,]+)", client.get(address.replace("&amp;", "&")).text).group(1)
        assert heading == count, address


def test_a_case_that_is_late_already_is_told_as_a_fact(tmp_path):
    """No frequency and no reasons for what has happened."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        risks = store.read_risks()
        certain = json.dumps([{"feature": "base", "points": 100.0}])
        store.write_risks(risks.assign(probability=1.0, band="high", reasons=certain))
    client = client_of(path)
    case_id = client.json("/v1/cases?deadline=passed")["cases"][0]["id"]
    page = client.get(f"/cases/{case_id}").text
    assert "late already" in page
    assert "An answer is owed all the same." in page
    assert '<img src="/charts' not in page
    assert "of 100" not in page.split("<main")[1]
    assert "late already" in client.get("/cases?deadline=passed").text
    later = next(case for case in client.json("/v1/cases?deadline=passed")["cases"] if case["due_at"] > "2025-11-22")
    page = client.get(f"/cases/{later['id']}").text
    assert "past its first promise" in page
    assert "a later one stands now" in page
    assert client.json("/v1/cases?deadline=ahead")["total"] == 0
    client.close()


def test_a_filter_without_a_case_says_so(client):
    """An empty page is told apart from a broken one."""
    assert "No open case fits these filters." in client.get("/cases?office=O-none").text


def test_the_form_remembers_what_was_chosen_and_the_language(client):
    """Filters can be refined one after the other."""
    page = _Page(client.get("/cases?lang=zh&office=O-2&band=high&order=due").text)
    chosen = {str(option["value"]) for option in page.all("option") if "selected" in option}
    assert {"O-2", "high", "due", "ahead", "late"} == chosen
    assert {"type": "hidden", "name": "lang", "value": "zh"} in page.all("input")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_chart_of_a_case_is_drawn_in_the_language_and_the_colours_asked_for(client, language, theme):
    """SVG without script or style, of the size that the page keeps free, with the words of the table."""
    case_id = client.json("/v1/cases?limit=1&deadline=ahead")["cases"][0]["id"]
    answer = client.get(f"/charts/cases/{case_id}/reasons.svg?lang={language}&theme={theme}")
    assert answer.headers["content-type"] == "image/svg+xml"
    svg = answer.text
    page = _Page(client.get(f"/cases/{case_id}?lang={language}").text)
    picture = next(image for image in page.all("img") if "/charts/" in str(image["src"]))
    assert f'width="{picture["width"]}" height="{picture["height"]}"' in svg
    assert {"en": "This case", "zh": "本案"}[language] in svg
    assert {"light": "#a3301c", "dark": "#ff9a85"}[theme] in svg
    assert "#000003" not in svg
    assert "<script" not in svg
    assert "<style" not in svg
    assert " style=" not in svg


def test_the_chart_of_signals_holds_only_what_may_be_shown(client):
    """An area whose counts are withheld has no row in its picture."""
    shown = client.get("/charts/areas/A-02/signals.svg").text
    assert "Street light out" in shown
    assert ">31<" in shown
    assert "Water supply" not in client.get("/charts/areas/A-05/signals.svg").text


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [("late answers", 20, "Late answers"), ("abcdef", 5, "Abcd…"), ("办理单位近期超期", 10, "办理单位…"), ("", 5, "")],
)
def test_a_label_is_cut_by_what_it_takes_on_the_page(text, width, short):
    """A Chinese character takes two columns, and the mark of the cut has its place."""
    assert charts.shortened(text, width) == short


def test_home_leads_to_the_cases_and_keeps_the_language(client):
    """The first page is the one an office works with."""
    answer = client.get("/?lang=zh")
    assert (answer.status_code, answer.headers["location"]) == (307, "/cases?lang=zh")


def test_pages_of_cases_leave_no_copy_and_pages_of_areas_are_asked_again(client):
    """What is about a case does not stay in a browser's cache."""
    assert client.get("/cases").headers["cache-control"] == "no-store"
    first = client.get("/areas")
    assert first.headers["cache-control"] == "no-cache"
    assert client.get("/areas", if_none_match=first.headers["etag"]).status_code == 304


def test_a_moment_far_from_the_scoring_is_told_with_its_year(tmp_path):
    """A weekday and a month would be of any year for a promise two years away."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store, store.writing() as connection:
        connection.execute(
            update(tables.event).where(tables.event.c.due_at.is_not(None)).values(due_at=AS_OF + 700 * 86_400)
        )
    client = client_of(path)
    assert "22 Oct 2027, 08:00" in client.get("/cases").text
    client.close()


def test_frames_do_not_reach_templates():
    """Templates get disclosed views, never a table to pick from."""
    from service.dashboard import pages

    assert not any(isinstance(value, pd.DataFrame) for value in vars(pages).values())
    assert "pandas" not in vars(pages)


def _outwards(risk: dict) -> tuple[int, int]:
    """The interval of a risk as whole cases of 100."""
    low, high = (100 * Decimal(str(risk[end])) for end in ("lower", "upper"))
    return math.floor(low), math.ceil(high)


@pytest.mark.parametrize(
    ("language", "interval", "change", "new"),
    [
        ("en", "about {n} of 100 like this, {low}–{high}", "{change:+d} since yesterday", "new since yesterday"),
        ("zh", "同类每100件约{n}件，{low}–{high}", "较昨天 {change:+d}", "昨天以来新增"),
    ],
)
def test_the_list_tells_the_interval_and_what_changed_since_yesterday(client, language, interval, change, new):
    """As the JSON twin does, rounded outwards, for every case of the page."""
    cases = client.json("/v1/cases?limit=20&deadline=ahead")["cases"]
    text = " ".join(_Page(client.get(f"/cases?lang={language}").text).text.split())
    for case in cases:
        risk, before = case["risk"], case["earlier"]["per_100"]
        low, high = _outwards(risk)
        assert interval.format(n=risk["per_100"], low=low, high=high) in text
        if before is None:
            assert new in text
        elif before != risk["per_100"]:
            assert change.format(change=risk["per_100"] - before).replace("-", "−") in text


def test_one_case_tells_every_way_of_failing_it_and_what_was_not_used(client):
    """Each with its figure and its range, those of the JSON twin."""
    case_id = client.json("/v1/cases?limit=1&deadline=ahead")["cases"][0]["id"]
    told = client.json(f"/v1/cases/{case_id}")
    text = " ".join(_Page(client.get(f"/cases/{case_id}?lang=en").text).text.split())
    for risk in told["risks"]:
        name = display.OUTCOMES[risk["outcome"]]
        low, high = _outwards(risk)
        assert f"{name} {display.BANDS[risk['band']]} {risk['per_100']} {low}–{high}" in text
    assert "Nothing about whoever brought the case" in text


def test_the_page_says_what_the_office_can_answer_in_a_day(tmp_path):
    """Where its capacity is known, and only for an office that was chosen."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store, store.writing() as connection:
        connection.execute(update(tables.office).where(tables.office.c.office == "O-2").values(capacity_per_day=19.6))
    client = client_of(path)
    assert "can answer about 20 cases on a working day" in client.get("/cases?lang=en&office=O-2").text
    assert "on a working day" not in client.get("/cases?lang=en&office=O-1").text
    assert "on a working day" not in client.get("/cases?lang=en").text
    client.close()


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Grey columns: weeks that were not recorded."), ("zh", "灰色竖条：未登记的周。")]
)
def test_a_grey_column_of_the_weeks_is_explained_where_there_is_one(client, language, told):
    """Beside a picture, on the page of the signal and on that of its area; without a picture nothing is said of it."""
    signals = client.json("/v1/signals")["signals"]
    drawn = next(
        one["id"] for one in signals if (one["area"]["code"], one["category"]["code"]) == ("A-02", "street_light")
    )
    states = {week["state"] for week in client.json(f"/v1/signals/{drawn}")["weeks"]}
    assert {"shown", "not_recorded"} <= states
    for address in (f"/signals/{drawn}", "/areas/A-02"):
        assert client.get(f"{address}?lang={language}").text.count(told) == 1
    assert told not in client.get(f"/areas/A-01?lang={language}").text


@pytest.mark.parametrize(("area", "withheld"), [("A-10", "some"), ("A-05", "all"), ("A-03", "none")])
def test_a_page_of_an_area_says_once_why_a_figure_is_withheld(client, area, withheld):
    """Also where only some of its figures are; where none is, nothing is said of it."""
    pressure = client.json(f"/v1/areas/{area}")["pressure"]
    hidden = [figure["withheld"] for figure in pressure.values() if isinstance(figure, dict) and "withheld" in figure]
    assert {"some": any(hidden) and not all(hidden), "all": all(hidden), "none": not any(hidden)}[withheld]
    told = "A withheld figure is below 10, or would give one away. It never means zero."
    assert client.get(f"/areas/{area}?lang=en").text.count(told) == (withheld != "none")
