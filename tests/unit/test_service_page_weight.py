"""Every page, with all that it loads, is small enough for a slow line: 60 kB before anything is packed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.every_page import Pages, every_page
from tests.support.page_tree import page_tree

MOST = 60_000
CHARTS = "/static/charts.js"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Iterator[Pages]:
    """A store as wide as a city: so many areas and types that lists have their full length."""
    with every_page(tmp_path_factory.mktemp("weight"), wide=True) as pages:
        yield pages


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_weighs_more_than_sixty_thousand_bytes(pages, language):
    """Its HTML, style sheets and scripts, without the library of charts, which is fetched once a chart is in sight."""
    weights = {name: _weight(pages, pages.html(name, language)) for name in pages.paths}
    assert {name: weight for name, weight in weights.items() if weight > MOST} == {}


def test_lists_have_their_full_length(pages):
    """Else the weights above would tell nothing."""
    assert pages.html("cases", "en").count('<li class="case"') == 20
    assert pages.html("areas", "en").count("<tr data-at") == 36
    assert pages.html("cases", "en").count("<option") > 75


def _weight(pages: Pages, html: str) -> int:
    """Bytes of a page and of what it loads at once."""
    page = page_tree(html)
    sheets = [each.attributes["href"] for each in page.all("link") if each.attributes.get("rel") == "stylesheet"]
    scripts = [each.attributes["src"] for each in page.all("script") if "src" in each.attributes]
    assert CHARTS not in scripts
    loaded = (pages.client.get(address, accept_encoding="identity") for address in {*sheets, *scripts})
    return len(html.encode()) + sum(len(each.content) for each in loaded)
