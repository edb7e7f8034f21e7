"""The pages in a real browser: what an officer does, also by keyboard, on a phone, and without script."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import BrowserContext, Page

from service.app import create_app
from service.dashboard.live_charts import bundle
from service.settings import Settings
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.patience import PATIENCE
from tests.support.service_store import shared_store

pytestmark = NEEDS_CHROMIUM
PAGES = {
    "cases": {"en": "open cases with time left", "zh": "件在办尚未到期"},
    "case": {"en": "Risk of a late answer", "zh": "超期答复的风险"},
    "areas": {"en": "Against its own past", "zh": "与自身过去相比"},
    "area": {"en": "weak signals", "zh": "个微弱信号"},
    "signals": {"en": "4 weak signals", "zh": "4个微弱信号"},
    "signal": {"en": "What to do with it", "zh": "如何处理"},
}


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The service on a port of its own."""
    # A page that asks while the library is being made for another is told to come again, and the console says so.
    bundle()
    settings = Settings(store_url=str(shared_store()), port=0)
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host=settings.host, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)
    app.state.reads.close()


class Visit:
    """A window of the browser that remembers everything it complained about."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.origin = origin
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._note_failure)
        self.foreign: list[str] = []
        self.page.on("request", lambda request: request.url.startswith(origin) or self.foreign.append(request.url))

    def _note_failure(self, request) -> None:
        # A browser that is led on to the next page drops what the last one was still loading; that is no fault of it.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"failed: {request.url}")

    def open(self, name: str, language: str) -> Page:
        """Open one of the pages; a case is the first of the list."""
        address = {"case": "/cases", "area": "/areas/A-02", "signal": "/signals"}.get(name, f"/{name}")
        self.page.goto(f"{self.origin}{address}?lang={language}")
        if name == "case":
            self.page.locator(".case h2 a").first.click()
            self.page.wait_for_url("**/cases/*")
        if name == "signal":
            self.page.locator(".queue h2 a").first.click()
            self.page.wait_for_url("**/signals/*")
        self.page.wait_for_load_state("load")
        return self.page


@pytest.fixture
def visit(browser, origin):
    """Open windows of a given kind, and close them after the test."""
    contexts: list[BrowserContext] = []

    def start(*, width: int = 1280, scheme: str = "light", script: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script, locale="en-GB"
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return Visit(context, origin)

    yield start
    for context in contexts:
        context.close()


# By day each language and each scheme once; all pairs in the long run.
SEEN = [
    ("en", "light"),
    ("zh", "dark"),
    *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (("en", "dark"), ("zh", "light"))),
]


@pytest.mark.parametrize(("language", "scheme"), SEEN)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_a_complaint_and_can_be_read(visit, name, language, scheme):
    """No error, no refused resource, no request to another host; every picture is drawn in the colours of the
    reader, and every text has the contrast that WCAG 2.2 asks at level AA, 4.5 to 1.
    """
    window = visit(scheme=scheme)
    page = window.open(name, language)
    assert PAGES[name][language] in page.inner_text("main")
    assert window.complaints == []
    assert window.foreign == []
    # Those further down are fetched when they come near.
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    drawn = page.evaluate("[...document.images].map(image => image.naturalWidth > 0)")
    assert all(drawn)
    shown = page.evaluate("[...document.querySelectorAll('picture img')].map(image => image.currentSrc)")
    assert all(("theme=dark" in source) == (scheme == "dark") for source in shown)
    assert page.evaluate(_CONTRAST) == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_a_page_without_sideways_scrolling(visit, name, language):
    """At 320 px, which is also a desk at 400 % zoom, only a table may scroll inside its own frame."""
    page = visit(width=320).open(name, language)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_officer_finds_the_riskiest_case_and_sees_why(visit, language):
    """Two clicks from the door to the reasons of the case that most needs attention."""
    window = visit()
    page = window.page
    page.goto(f"{window.origin}/?lang={language}")
    first = page.locator(".case").first
    frequency = first.locator(".risk p").first.inner_text()
    reason = first.locator(".why span").first.inner_text()
    first.locator("h2 a").click()
    assert frequency in page.locator(".riskcard").inner_text()
    row = page.locator("table.reasons:not(.outcomes) tbody tr").nth(1)
    assert reason in row.inner_text()
    assert page.locator("figure img").first.get_attribute("alt")
    assert window.complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_an_analyst_opens_a_signal_and_reads_its_weeks_with_the_keyboard_alone(visit, script):
    """From the list to the table of weeks, also with script off; the newest week is flagged."""
    window = visit(script=script)
    page = window.open("signal", "en")
    summary = page.locator("details.more summary")
    summary.focus()
    page.keyboard.press("Enter")
    newest = page.locator("table.evidence tbody tr").first
    newest.wait_for(state="visible")
    assert "Rising" in newest.inner_text()
    assert page.locator("figure img").get_attribute("alt").startswith("Reports of 53 weeks:")
    assert window.complaints == []


def test_the_language_can_be_changed_in_the_middle_of_work(visit):
    """The filtered list stays the filtered list."""
    page = visit().open("cases", "en")
    page.locator("select[name=band]").select_option("medium")
    page.get_by_role("button", name="Show").click()
    count = page.locator(".case").count()
    page.get_by_role("link", name="中文").click()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert page.locator("select[name=band]").input_value() == "medium"
    assert page.locator(".case").count() == count


def test_pages_of_the_list_lead_on_and_back(visit):
    """The second page holds other cases, and leads back to the first."""
    page = visit().open("cases", "en")
    first = page.locator(".case h2 a").first.get_attribute("href")
    page.get_by_role("link", name="Next 20").click()
    assert page.locator(".case h2 a").first.get_attribute("href") != first
    page.get_by_role("link", name="First page").click()
    assert page.locator(".case h2 a").first.get_attribute("href") == first


def test_everything_can_be_reached_by_keyboard_and_the_focus_is_seen(visit):
    """From the skip link to the first case with the keyboard alone, every stop visibly outlined."""
    page = visit().open("cases", "en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    for _ in range(60):
        style = page.evaluate(
            "(style => [style.outlineStyle, parseFloat(style.outlineWidth)])(getComputedStyle(document.activeElement))"
        )
        assert style[0] == "solid", page.evaluate("document.activeElement.outerHTML")
        assert style[1] >= 2
        if page.evaluate("Boolean(document.activeElement.closest('.case'))"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".riskcard")


def test_everything_works_with_script_switched_off(visit):
    """Filter, page, explanation and chart need no script."""
    window = visit(script=False)
    page = window.open("cases", "zh")
    page.locator("select[name=order]").select_option("due")
    page.get_by_role("button", name="查看").click()
    assert "order=due" in page.url
    page.get_by_text("风险表示什么，不表示什么").click()
    assert page.get_by_text("heed 对他们一无所知").is_visible()
    page.locator(".case h2 a").first.click()
    assert page.locator("table.reasons tfoot").first.is_visible()
    page.goto(f"{window.origin}/areas?lang=zh")
    assert page.locator("td.hatched", has_text="数字不公开").first.is_visible()
    assert window.complaints == []


# Contrast as WCAG 2.2 defines it, of every element that holds text, against the first ground behind it.
_CONTRAST = """() => {
  const channels = text => {
    const mixed = text.match(/color\\(srgb ([\\d.]+) ([\\d.]+) ([\\d.]+)(?: \\/ ([\\d.]+))?\\)/);
    if (mixed) return [mixed[1] * 255, mixed[2] * 255, mixed[3] * 255, mixed[4] === undefined ? 1 : +mixed[4]];
    const plain = text.match(/[\\d.]+/g).map(Number);
    return plain.length === 3 ? [...plain, 1] : plain;
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const weak = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join('').trim();
    if (!text || !element.checkVisibility()) continue;
    const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) weak.push([ratio.toFixed(2), text.slice(0, 40)]);
  }
  return weak;
}"""
