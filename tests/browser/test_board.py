"""Taking the echo board home: by mouse, by keyboard alone and with script switched off, in both languages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.test_tasks import HANDS, PATIENCE
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.page_store import served
from tests.support.service_store import small_store

pytestmark = NEEDS_CHROMIUM
LINK = {"en": "Download the board (CSV)", "zh": "下载回音榜（CSV）"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Iterator[str]:
    """A service that asks for a key everywhere but on the board."""
    path = small_store(tmp_path_factory.mktemp("board"))
    with served(path, auth="required", public_board=True) as address:
        yield address


def opened(browser: Browser, origin: str, language: str, **context: object) -> Page:
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{origin}/board?lang={language}")
    return page


@pytest.mark.parametrize(("hands", "language"), [("mouse", "zh"), ("keyboard", "en"), ("no script", "en")])
def test_anyone_takes_the_board_home_and_it_holds_what_the_page_says(hands, language, browser, origin):
    """Without a key; the file has the figures of the JSON twin."""
    kind, script = HANDS[hands]
    page = opened(browser, origin, language, java_script_enabled=script, accept_downloads=True)
    with page.expect_download() as waiting:
        kind(page).press(page.get_by_role("link", name=LINK[language]))
    text = Path(waiting.value.path()).read_text("utf-8")
    assert waiting.value.suggested_filename == "heed-board.csv"
    board = httpx.get(f"{origin}/v1/board?lang={language}").json()
    rows = {(row["area"], row["category"]): row for row in csv.DictReader(io.StringIO(text))}
    assert rows["*", "*"]["raised"] == str(board["city"]["total"]["raised"]["value"])
    assert rows["*", "*"]["area_name"] == board["city"]["area"]["name"]
    assert f"{board['city']['total']['raised']['value']:,}" in page.locator("h1").inner_text()
    page.context.close()


@pytest.mark.parametrize("hands", list(HANDS))
def test_an_area_unfolds_and_shows_what_was_raised_there(hands, browser, origin):
    """Each count of the area's answer, and how many types are withheld."""
    kind, script = HANDS[hands]
    page = opened(browser, origin, "en", java_script_enabled=script)
    board = httpx.get(f"{origin}/v1/board?lang=en").json()
    place = next(one for one in board["areas"] if one["area"]["code"] == "A-02")
    kind(page).press(page.locator(".place a").filter(has_text=place["area"]["name"]))
    page.wait_for_url("**/board?area=A-02*")
    unfolded = page.locator("[id='a-A-02']")
    shown = [row.split("\t")[:2] for row in unfolded.locator("tbody tr").all_inner_texts()]
    for one in place["types"]:
        assert [one["category"]["name"], f"{one['raised']['value']:,}"] in shown
    page.context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "theme"), [(320, "light"), (1280, "dark")])
def test_everybody_can_read_it(language, width, theme, browser, origin):
    """axe-core finds nothing, with an area unfolded, and the page does not scroll sideways."""
    page = opened(
        browser, origin, language, viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True
    )
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()
