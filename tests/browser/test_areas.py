"""Areas in a browser: found on the map with a pointer, in the table with the keyboard, and with script switched off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.page_store import full_store, served
from tests.support.patience import PATIENCE
from tests.support.service_store import SMALL_AREA

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Iterator[str]:
    """A service with everything on it."""
    with served(full_store(tmp_path_factory.mktemp("areas"))) as origin:
        yield origin


@pytest.fixture(params=[1280, 360])
def page(browser, request) -> Iterator[Page]:
    """A window without script, as wide as a desk or a phone; what the policy refuses is an error."""
    context = browser.new_context(
        viewport={"width": request.param, "height": 900}, java_script_enabled=False, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    yield page
    assert said == []
    context.close()


def test_a_click_on_the_map_leads_to_the_area_that_is_seen_there(page, origin):
    """Where the picture shows an area, a pointer finds that one, however large the picture is."""
    page.goto(f"{origin}/areas?lang=en")
    spot = page.locator(".spots a", has=page.locator("title", has_text="Plum Ridge"))
    box = spot.bounding_box()
    picture = page.locator(".map img").bounding_box()
    assert box is not None
    assert picture is not None
    assert picture["x"] <= box["x"] < box["x"] + box["width"] <= picture["x"] + picture["width"] + 1
    assert picture["y"] <= box["y"] < box["y"] + box["height"] <= picture["y"] + picture["height"] + 1
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/areas/A-11?lang=en")
    assert page.locator("h1").inner_text().startswith("Plum Ridge")


def test_the_picture_is_there_and_its_finding_stands_above_it(page, origin):
    """Drawn, with an alternative, and a heading that says what is seen."""
    page.goto(f"{origin}/areas?lang=zh")
    page.wait_for_load_state("load")
    picture = page.locator(".map img")
    assert picture.get_attribute("alt")
    assert picture.bounding_box()["height"] > 150
    assert "的在办案件多于往常" in page.locator("h2#finding").inner_text()


def test_the_keyboard_finds_every_area_in_the_table_and_stops_nowhere_on_the_map(page, origin):
    """From link to link, each area once, in the order of codes; then on to what is beside it."""
    page.goto(f"{origin}/areas?lang=en")
    visited: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.locator(":focus")
        if focus.count() == 0:
            break
        assert page.locator(".spots :focus").count() == 0
        address = focus.get_attribute("href") or ""
        if address.startswith("/areas/") and "#" not in address:
            visited.append(address.removeprefix("/areas/").partition("?")[0])
    assert visited == [f"A-{number:02d}" for number in range(1, 12)]


def test_from_a_village_to_its_town_and_to_the_village_beside(page, origin):
    """The lists lead there; what is withheld is hatched and worded."""
    page.goto(f"{origin}/areas/A-02?lang=en")
    page.locator(".lists a", has_text="Hedong").click()
    page.wait_for_url("**/areas/T-1?lang=en")
    assert "There are no figures of this area by itself" in page.locator("main").inner_text()
    page.locator(".around a", has_text="Little Cove").click()
    page.wait_for_url(f"**/areas/{SMALL_AREA}?lang=en")
    card = page.locator(".card.pressure")
    assert "hatched" in (card.get_attribute("class") or "")
    assert "Figures withheld" in card.inner_text()
    assert page.locator("#weeks ~ .trends .hatched").inner_text().startswith("All weeks are withheld")
