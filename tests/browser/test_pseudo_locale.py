"""Every page in a language that nobody speaks, 40 % longer than English: nothing is cut off, and nothing sticks out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.test_accessibility import _TOO_WIDE, PATIENCE
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.page_store import addresses, full_store, served
from tests.support.pseudo_locale import OPENING, spoken_as_english

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The whole address of every page, spoken in that language."""
    folder = tmp_path_factory.mktemp("pseudo")
    full_store(folder)
    path = folder / "city.db"
    with spoken_as_english(), served(path) as origin, served(path, auth="required") as locked:
        paths = addresses(origin)
        yield {name: f"{locked if name == 'sign-in' else origin}{path}" for name, path in paths.items()}


@pytest.fixture(scope="module")
def page(browser) -> Page:
    """One window, which goes from page to page."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.mark.parametrize("width", [320, 1280])
def test_a_longer_language_fits_every_page(page, spoken, width):
    """On a phone and on a desk, with all that is folded away unfolded."""
    wide: dict[str, list] = {}
    page.set_viewport_size({"width": width, "height": 900})
    for name, address in spoken.items():
        page.goto(f"{address}{'&' if '?' in address else '?'}lang=en")
        assert OPENING in page.inner_text("main"), name
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        wide[name] = [*page.evaluate(_TOO_WIDE), *page.evaluate(_CUT_OFF)]
    assert {name: found for name, found in wide.items() if found} == {}


# Texts that are wider than what holds them and hides the rest, and buttons and labels wider than themselves.
_CUT_OFF = """() => {
  const cut = [];
  for (const element of document.querySelectorAll('main *, .top *, .bottom *')) {
    if (!element.checkVisibility() || element.closest('svg, pre, thead, .scroll, select, .skip')) continue;
    const style = getComputedStyle(element), hides = style.overflowX !== 'visible' || style.textOverflow === 'ellipsis';
    const says = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!says || style.display === 'inline') continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect(), box = element.getBoundingClientRect();
    if (hides && element.scrollWidth > element.clientWidth + 1) cut.push(['hidden', element.outerHTML.slice(0, 120)]);
    if (text.right > box.right + 2 || text.left < box.left - 2) cut.push(['outside', element.outerHTML.slice(0, 120)]);
  }
  return cut;
}"""
