"""Charts in a real browser: each says what it shows three times over, and answers to a pointer without any code made of
text, any inline style, or any other host.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_accessibility import PATIENCE
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.page_store import addresses, full_store, served

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Every page of a full store with its whole address."""
    folder = tmp_path_factory.mktemp("charts")
    full_store(folder)
    with served(folder / "city.db") as origin:
        yield {name: f"{origin}{path}" for name, path in addresses(origin).items()}


@pytest.fixture
def window(browser):
    """Open windows that remember what they complained about, and close them after the test."""
    contexts: list[BrowserContext] = []

    def start(**options: object) -> tuple[Page, list[str]]:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page, complaints

    yield start
    for context in contexts:
        context.close()


def test_every_letter_of_a_chart_lies_within_it(window, whole):
    """In both languages; what stands outside of its frame would be cut off."""
    page, _ = window()
    sources: dict[str, str] = {}
    for name, address in whole.items():
        for language in ("en", "zh"):
            page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
            for source in page.evaluate("[...document.querySelectorAll('picture img')].map(image => image.src)"):
                sources[source] = f"{name}, {language}"
    assert len(sources) >= 8
    outside: dict[str, list] = {}
    for source, name in sources.items():
        page.goto(source)
        outside[f"{name}: {source.rsplit('/', 1)[-1]}"] = page.evaluate(_OUTSIDE)
    assert {name: found for name, found in outside.items() if found} == {}


@pytest.mark.parametrize(("name", "scheme", "ink"), [("signal", "light", "#1d2126"), ("case", "dark", "#e8e6e1")])
def test_a_chart_comes_alive_and_says_what_its_table_says(window, whole, name, scheme, ink):
    """Once it is in sight, under the policy that allows no `eval` and no inline style, and the picture's text stays."""
    page, complaints = window(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{whole[name]}?lang=en")
    text = page.locator("picture[data-live] img").first.get_attribute("alt")
    page.evaluate("document.querySelector('figure').scrollIntoView()")
    page.wait_for_selector(".live svg")
    live = page.locator(".live").first
    page.wait_for_function("document.querySelector('.live').getAttribute('role') === 'img'")
    assert live.get_attribute("aria-label") == text
    assert ink in live.locator("svg").inner_html()
    assert not page.locator("picture[data-live]").first.is_visible()
    box = live.locator("svg").bounding_box()
    where = (0.7, 0.5) if name == "signal" else (0.1, 0.95)
    for step in (0, 3):
        page.mouse.move(box["x"] + where[0] * box["width"] + step, box["y"] + where[1] * box["height"])
    page.wait_for_selector("#told.visible")
    told = page.locator("#told").inner_text()
    if name == "signal":
        page.locator("details.more summary").first.click()
        day, observed, usual = told.split(" · ")[:3]
        row = page.locator("tr", has=page.get_by_text(day, exact=True))
        assert row.locator("td").nth(0).inner_text() == observed.removeprefix("Observed: ")
        assert row.locator("td").nth(1).inner_text() == usual.removeprefix("Explained by the past: ")
    else:
        assert told == f"This case: {page.locator('table.reasons tfoot td').first.inner_text()}"
    origin = whole[name].split("/", 3)[2]
    assert {address.split("/", 3)[2] for address in asked} == {origin}
    assert complaints == []


@pytest.mark.parametrize(
    ("name", "kinds"), [("case", {"reasons", "life"}), ("area", {"weeks"}), ("model", {"reliability", "capacity"})]
)
def test_every_chart_of_a_page_comes_alive(window, whole, name, kinds):
    """Each once it is in sight, and none complains of the policy."""
    page, complaints = window()
    page.goto(f"{whole[name]}?lang=en")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    pictures = page.locator("picture[data-live]")
    sources = pictures.locator("img").evaluate_all("images => images.map(image => image.src)")
    assert {source.partition("?")[0].rsplit("/", 1)[-1].removesuffix(".svg") for source in sources} == kinds
    for place in range(pictures.count()):
        page.evaluate("place => document.querySelectorAll('figure picture[data-live]')[place].scrollIntoView()", place)
        page.wait_for_function("place => document.querySelectorAll('picture[data-live]')[place].hidden", arg=place)
    assert page.locator(".live[role=img] svg").count() == pictures.count()
    assert complaints == []


@pytest.mark.parametrize("name", ["signal", "area"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_phone_shows_the_newest_week_first_and_scrolls_to_the_others(window, whole, name, script):
    """The flagged week stands at the end of its picture, alive or not: it is in sight, and the beginning in reach."""
    page, _ = window(java_script_enabled=script)
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{whole[name]}?lang=zh")
    frame = page.locator(".scroll.newest").first
    frame.scroll_into_view_if_needed()
    if script:
        page.wait_for_selector(".newest .live[role=img] svg")
    drawn = frame.locator(".live svg" if script else "img").bounding_box()
    seen = frame.bounding_box()
    assert drawn["width"] > seen["width"]
    assert drawn["x"] + drawn["width"] == pytest.approx(seen["x"] + seen["width"], abs=2)
    frame.evaluate("frame => { frame.scrollLeft = -frame.scrollWidth }")
    assert frame.locator(".live svg" if script else "img").bounding_box()["x"] == pytest.approx(seen["x"], abs=2)


def test_whoever_saves_data_keeps_the_pictures(window, whole):
    """The library is 300 kB, and everything is there without it."""
    page, complaints = window()
    page.add_init_script("Object.defineProperty(navigator, 'connection', {value: {saveData: true}})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{whole['signal']}?lang=en")
    page.evaluate("document.querySelector('figure').scrollIntoView()")
    page.wait_for_timeout(500)
    assert page.locator("picture[data-live] img").is_visible()
    assert not any("charts.js" in address for address in asked)
    assert complaints == []


_OUTSIDE = """() => {
  const frame = document.documentElement.getBoundingClientRect(), outside = [];
  for (const text of document.querySelectorAll('text')) {
    const box = text.getBoundingClientRect();
    if (!text.textContent.trim() || !box.width) continue;
    const out = box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
    if (out) outside.push([text.textContent, box.left, box.right, box.top, box.bottom, frame.right, frame.bottom]);
  }
  return outside;
}"""
