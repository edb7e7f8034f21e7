"""An officer asks what could be done with a case and reads the answer: by mouse, by keyboard and without a script,
in both languages, and with nothing that axe-core finds fault with.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.online_city import online_city
from tests.support.page_store import served
from tests.support.patience import PATIENCE

pytestmark = NEEDS_CHROMIUM
REPLY = {"en": "replied now", "zh": "现在先作答复"}
BY = {"en": "closed it by then", "zh": "在此日前办结"}
CHECK = {"en": "What the check found here", "zh": "查看此处的检查结果"}
HOLDS = {"en": "It holds", "zh": "已守住"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Iterator[str]:
    """A service on a city that was trained and scored."""
    city = online_city(tmp_path_factory.mktemp("what-if") / "city")
    with served(city.folder / "city.db") as origin:
        yield origin


@pytest.fixture(scope="module")
def case(origin) -> str:
    """A case of which the data saw the like of a reply often enough."""
    with httpx.Client(base_url=origin, timeout=120) as client:
        listed = client.get("/v1/cases", params={"deadline": "ahead", "limit": 60}).raise_for_status().json()["cases"]
        for found in listed:
            told = client.get(f"/v1/cases/{found['id']}/what-if", params={"action": "reply"}).raise_for_status().json()
            if any(answer["after"] is not None for answer in told["answers"]):
                return str(found["id"])
    pytest.fail("the small city has no such case")


@pytest.fixture
def page(browser, request) -> Iterator[Page]:
    """A window; without a script where the test says so."""
    context = browser.new_context(java_script_enabled=getattr(request, "param", True), locale="en-GB")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", [False], indirect=True)
def test_a_question_is_asked_by_keyboard_and_answered_without_a_script(page, origin, case, language):
    """From the page of the case to the answer and back; the answer is that of the API."""
    page.goto(f"{origin}/cases/{case}?lang={language}")
    button = page.get_by_role("button", name=REPLY[language])
    for _ in range(120):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/what-if?**action=reply**")
    told = httpx.get(
        f"{origin}/v1/cases/{case}/what-if", params={"action": "reply", "lang": language}, timeout=120
    ).json()
    assert page.locator(".answer .lead").first.inner_text() == told["answers"][0]["text"]
    assert page.locator(".answer .lead").last.inner_text() == told["note"]
    assert page.locator(".answer tbody tr").count() == len(told["answers"])
    page.locator(".back a").click()
    page.wait_for_url(f"**/cases/{case}?lang={language}")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_day_is_chosen_and_stays_chosen(page, origin, case, language):
    """The form on the answer shows what was asked, so that the next question is one choice away."""
    page.goto(f"{origin}/cases/{case}?lang={language}")
    days = page.locator("select[name=by]")
    day = days.locator("option").nth(3).get_attribute("value")
    days.select_option(day)
    page.get_by_role("button", name=BY[language]).click()
    page.wait_for_url(f"**action=answer_by**by={day}**")
    assert page.locator("select[name=by]").input_value() == day
    assert page.locator("#answer").inner_text()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_not_used_leads_to_the_check(page, origin, case, language):
    """One step from the case, to what was found in this very service."""
    page.goto(f"{origin}/cases/{case}?lang={language}")
    page.get_by_role("link", name=CHECK[language]).click()
    page.wait_for_url("**/boundary?**")
    assert page.locator("#verdict").inner_text() == HOLDS[language]


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", 1280, "light"), ("zh", 360, "dark")])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page, origin, case, language, width, scheme):
    """On the case, an answer, a refusal and the boundary; on a desk and on a phone, in the light and in the dark."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for path in (f"/cases/{case}?", f"/cases/{case}/what-if?action=reply&", "/boundary?"):
        page.goto(f"{origin}{path}lang={language}")
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response
        assert found["passes"], "axe-core has looked at nothing"
        assert [fault["id"] for fault in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
