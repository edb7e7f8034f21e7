"""Every chart of every page says what it shows three times: as a finding above it, in a sentence, and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from models.plots import theme as house
from tests.support.every_page import Pages, every_page
from tests.support.page_figures import NUMBER
from tests.support.page_tree import Element, page_tree

HEADINGS = ("h1", "h2", "h3")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Iterator[Pages]:
    """A store with everything on it, and the pages that show it."""
    with every_page(tmp_path_factory.mktemp("charts")) as pages:
        yield pages


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_chart_has_a_finding_a_sentence_and_a_table(pages, language):
    """And is drawn in the dark, too; a page whose chart has no table beside it would leave some readers without."""
    missing: dict[str, list[str]] = {}
    kinds = set()
    for name in pages.with_twins:
        for picture in page_tree(pages.html(name, language)).all("picture"):
            kinds.add(re.sub(r"/[^/?]*(?=/[^/]+\.svg)", "/…", picture.find("img").attributes["src"].partition("?")[0]))
            lacks = _lacks(picture)
            if lacks:
                missing.setdefault(name, []).append(f"{picture.find('img').attributes['src']}: {', '.join(lacks)}")
    assert missing == {}
    assert len(kinds) >= 4


def test_every_chart_that_is_drawn_stands_on_some_page(pages):
    """None is drawn that nobody is led to."""
    shown = {
        re.sub(r"\?.*", "", picture.find("img").attributes["src"])
        for name in pages.with_twins
        for picture in page_tree(pages.html(name, "en")).all("picture")
    }
    routes = {str(context.path) for context in iter_route_contexts(pages.client.app.routes)}
    drawn = {path for path in routes if path.startswith("/charts/") and path.endswith(".svg")}
    patterns = {path: re.sub(r"\{[^}]*\}", ".+", path) for path in drawn}
    assert patterns
    unseen = [path for path, pattern in patterns.items() if not any(re.fullmatch(pattern, each) for each in shown)]
    assert unseen == []


LIVE = {"reasons.svg", "life.svg", "weeks.svg", "reliability.svg", "capacity.svg"}


def test_charts_that_come_alive_say_at_each_point_what_the_page_says(pages):
    """The figures under the pointer stand on the page, in its table; and nothing is fetched from elsewhere."""
    kinds = set()
    for name in ("case", "signal", "area", "model"):
        tree = page_tree(pages.html(name, "en"))
        shown = " ".join(tree.text.split())
        assert [each for each in tree.all("script") if "data-charts" in each.attributes]
        for picture in tree.all("picture"):
            if "data-live" not in picture.attributes:
                continue
            address = picture.find("img").attributes["src"]
            kinds.add(address.partition("?")[0].rsplit("/", 1)[-1])
            answer = pages.client.get(f"{address}{'&' if '?' in address else '?'}drawn=spec")
            assert answer.headers["content-type"] == "application/vnd.vega+json"
            told = _texts(answer.json(), "told")
            assert told
            assert _texts(answer.json(), "url") == []
            if name != "area":  # whose tables are those of its signals
                figures = {part.partition(": ")[2] or part for text in told for part in text.split(" · ")}
                assert {figure for figure in figures if not _stands(figure, shown)} == set()
    assert kinds == LIVE


def _stands(figure: str, shown: str) -> bool:
    return figure.casefold() in shown.casefold()


def _texts(value: Any, name: str) -> list[str]:
    """Every text of that name in a description of a chart."""
    if isinstance(value, dict):
        own = [value[name]] if isinstance(value.get(name), str) else []
        return own + [text for item in value.values() for text in _texts(item, name)]
    return [text for item in value for text in _texts(item, name)] if isinstance(value, list) else []


def _lacks(picture: Element) -> list[str]:
    """What a chart lacks of its finding, its sentence, its table and its dark drawing."""
    image = picture.find("img")
    section = next((each for each in picture.above() if each.tag in ("section", "main")), picture)
    heading = _heading_before(section, picture)
    lacks = []
    first = next(each for each in picture.above() if each.tag == "main").find("h1")
    # Where a page is about one thing, its own heading says what its chart finds.
    if heading is None or not (_finds(heading) or (_finds(first) and "data-is" in first.attributes)):
        lacks.append(f"a heading that says a finding, got {heading.text if heading else None!r}")
    if len(image.attributes.get("alt", "")) < 8:
        lacks.append("a sentence that says what is seen")
    if not _is_told_otherwise(section, picture):
        lacks.append("a table beside it")
    if "theme=dark" not in "".join(each.attributes.get("srcset", "") for each in picture.all("source")):
        lacks.append("a dark drawing")
    if not (image.attributes.get("width") and image.attributes.get("height")):
        lacks.append("its size")
    return lacks


def _finds(heading: Element) -> bool:
    """A finding has a figure, says where something goes, or which thing of many is shown."""
    marked = any("direction" in each.classes for each in heading.walk())
    return bool(marked or NUMBER.search(heading.text) or "finding" in heading.classes)


def _is_told_otherwise(section: Element, picture: Element) -> bool:
    """By a table or a list of what is drawn in the same section, or by a link from the figure to its table."""
    figure = next((each for each in picture.above() if each.tag == "figure"), section)
    main = next(each for each in picture.above() if each.tag == "main")
    rows = [row for table in (*section.all("table"), *main.all("table")) for row in table.all("tr")]
    lists = [each for each in section.walk() if "lists" in each.classes and each.all("a")]
    links = [link for link in figure.all("a") if "#" in link.attributes.get("href", "")]
    return len(rows) > 1 or bool(lists) or bool(links)


def _heading_before(section: Element, picture: Element) -> Element | None:
    found = None
    for element in section.walk():
        if element is picture:
            return found
        if element.tag in HEADINGS or element.tag == "figcaption" or "finding" in element.classes:
            found = element
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_of_drift_has_the_figures_of_its_table(pages, language):
    """A row for each outcome of enough mature cases, its share in figures; what came too often bears that colour."""
    told = pages.client.get("/v1/models/drift").json()["outcomes"]
    known = [one for one in told if one["came"] is not None]
    assert 0 < len(known) < len(told)
    html = pages.html("drift", language)
    for theme in ("light", "dark"):
        svg = pages.client.get(f"/charts/models/drift.svg?theme={theme}&lang={language}").raise_for_status().text
        texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
        shares = [text for text in texts if text.endswith("%")]
        assert shares == [f"{one['came']:.1%}" for one in known]
        assert all(share in html for share in shares)
        assert len(texts) == 2 * len(known)
        raised = house.RAISES if theme == "light" else house.DARK[house.RAISES]
        assert svg.count(f'fill="{raised}"') == sum(
            one["holds"] is False and one["came"] > one["told"] for one in known
        )
