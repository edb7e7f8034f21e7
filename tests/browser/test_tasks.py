"""What officers and analysts come to do, from the first page to the end: with a mouse, with the keyboard alone and with
script switched off, in both languages.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page

from data.store import Store
from models.registry import Registry
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.page_store import full_store, served
from tests.support.patience import PATIENCE

pytestmark = NEEDS_CHROMIUM
LANGUAGES = ["en", "zh"]


class Mouse:
    """Points and clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """Follow a link, press a button, unfold, or tick."""
        target.click()

    def choose(self, field: Locator, code: str) -> None:
        """Choose from a list."""
        field.select_option(code)


class Keyboard(Mouse):
    """Uses Tab, the arrows, Space and Enter, and nothing else."""

    def press(self, target: Locator) -> None:
        """Go to it and press it."""
        self._reach(target)
        self.page.keyboard.press("Space" if target.get_attribute("type") == "checkbox" else "Enter")

    def choose(self, field: Locator, code: str) -> None:
        """Go to it, and step down or up to the choice."""
        self._reach(field)
        codes = [option.get_attribute("value") for option in field.locator("option").all()]
        steps = codes.index(code) - codes.index(field.input_value())
        for _ in range(abs(steps)):
            self.page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")
        assert field.input_value() == code

    def _reach(self, target: Locator) -> None:
        assert target.count() == 1
        for _ in range(200):
            if target.evaluate("element => element === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        else:
            pytest.fail(f"The keyboard does not get to {target}")
        box = target.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] < self.page.viewport_size["height"], "what has the focus is out of sight"


HANDS: dict[str, tuple[type[Mouse], bool]] = {
    "mouse": (Mouse, True),
    "keyboard": (Keyboard, True),
    "no script": (Mouse, False),
    "keyboard, no script": (Keyboard, False),
}
# With everything in one language, and with as little as may be in the other; all others in the long run.
BY_DAY = {("mouse", "en"), ("keyboard, no script", "zh")}
ALL_HANDS = [
    pytest.param(hand, language, marks=() if (hand, language) in BY_DAY else pytest.mark.slow)
    for hand in HANDS
    for language in LANGUAGES
]
Start = Callable[[str], Mouse]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A store with everything on it."""
    folder = tmp_path_factory.mktemp("tasks")
    full_store(folder)
    return folder


@pytest.fixture
def city(template, tmp_path) -> Path:
    """A copy of it: these tests write."""
    return shutil.copytree(template, tmp_path / "city") / "city.db"


@pytest.fixture
def origin(city) -> Iterator[str]:
    """The service on that copy."""
    with served(city) as origin:
        yield origin


@pytest.fixture
def start(browser) -> Iterator[Start]:
    """A window in front of one who uses it so."""
    contexts = []

    def opened(name: str) -> Mouse:
        kind, script = HANDS[name]
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, java_script_enabled=script, locale="en-GB"
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return kind(context.new_page())

    yield opened
    for context in contexts:
        context.close()


def _json(origin: str, path: str, **query: object) -> dict:
    return httpx.get(f"{origin}{path}", params=query, timeout=PATIENCE / 1000).raise_for_status().json()


@pytest.mark.parametrize(("hand", "language"), ALL_HANDS)
def test_an_officer_finds_the_riskiest_case_of_a_type_and_sees_why_and_since_when(start, origin, hand, language):
    """By the filter of the list: the case that the API names first, its strongest reason, the risk at each scoring,
    and what the offices did.
    """
    told = _json(origin, "/v1/cases", category="drain", deadline="ahead", limit=1, lang=language)["cases"][0]
    user = start(hand)
    page = user.page
    page.goto(f"{origin}/?lang={language}")
    user.choose(page.locator("select[name=category]"), "drain")
    user.press(page.locator(".filters button"))
    page.wait_for_url(re.compile("category=drain"))
    names = set(page.locator(".case h2").all_inner_texts())
    assert len(names) == 1
    first = page.locator(".case").first
    frequency, reason = first.locator(".risk p").first.inner_text(), first.locator(".why span").first.inner_text()
    user.press(first.locator("h2 a"))
    page.wait_for_url(f"{origin}/cases/{told['id']}?lang={language}")
    assert str(told["risk"]["per_100"]) in frequency
    assert frequency in page.locator(".riskcard").inner_text()
    assert reason in page.locator("table.reasons:not(.outcomes) tbody tr").nth(1).inner_text()
    since = page.locator("section[aria-labelledby=life]")
    assert str(told["risk"]["per_100"]) in since.locator("h2").inner_text()
    user.press(since.locator("summary"))
    rows = since.locator("tbody tr")
    assert rows.first.is_visible()
    assert rows.count() >= 2
    moments = rows.locator("time").evaluate_all("times => times.map(time => time.dateTime)")
    assert moments == sorted(moments)
    opened = page.locator(".timeline time").first.get_attribute("datetime")
    assert opened == page.locator(".facts dd time").last.get_attribute("datetime")


@pytest.mark.parametrize(("hand", "language"), ALL_HANDS)
def test_an_analyst_confirms_a_signal_and_the_queue_says_so(start, origin, city, hand, language):
    """From the queue to the form and back; the step is in the store, and no other signal has one."""
    word = {"en": "Confirmed", "zh": "已确认"}[language]
    user = start(hand)
    page = user.page
    page.goto(f"{origin}/signals?lang={language}")
    entry = page.locator(".queue li").nth(1)
    name = entry.locator("h2").inner_text()
    user.press(entry.get_by_role("link"))
    page.wait_for_url("**/signals/*")
    signal = page.url.partition("?")[0].rpartition("/")[2]
    user.choose(page.locator("select[name=status]"), "confirmed")
    user.press(page.locator(".review button"))
    page.locator(".status.confirmed").wait_for()
    assert page.locator("#what .status").inner_text() == word
    assert page.locator("select[name=status]").input_value() == "confirmed"
    user.press(page.locator(".back a"))
    page.wait_for_url(f"{origin}/signals?lang={language}")
    reviewed = page.locator(".queue li", has=page.locator(".status.confirmed"))
    assert [each.locator("h2").inner_text() for each in reviewed.all()] == [name]
    assert word in reviewed.inner_text()
    with Store.open(str(city)) as store:
        assert store.read_reviews()[["signal_id", "status"]].to_numpy().tolist() == [[signal, "confirmed"]]


@pytest.mark.parametrize(("hand", "language"), ALL_HANDS)
def test_an_analyst_puts_a_model_to_use_and_takes_it_back(start, origin, city, hand, language):
    """Beside the one in use, not before a page has said what will change; and the one before is in use again after."""
    registry = Registry(city.with_suffix(".models"))
    before = registry.champion("failures")
    (other,) = set(registry.versions()) - {before}
    user = start(hand)
    page = user.page
    page.goto(f"{origin}/models?lang={language}")
    user.press(page.get_by_role("link", name=other))
    page.wait_for_url(f"**/models/{other}*")
    compared = page.locator("section[aria-labelledby=beside] tbody tr").first.locator("td")
    assert [text[:5] for text in compared.all_inner_texts()[:2]] == ["0.145", "0.140"]
    assert page.locator("section[aria-labelledby=gates] tbody tr").count() == 9
    pictures = page.locator("section[aria-labelledby=beside] img")
    assert pictures.count() == 2
    for address in pictures.evaluate_all("images => images.map(image => image.src)"):
        assert httpx.get(address, timeout=PATIENCE / 1000).headers["content-type"] == "image/svg+xml"
    user.choose(page.locator("select[name=alias]"), "champion")
    user.choose(page.locator("select[name=reason]"), "newer-data")
    user.press(page.get_by_role("button"))
    page.wait_for_url(f"**/models/{other}/promote*")
    change = page.locator("section[aria-labelledby=change]").inner_text()
    assert before in change
    assert other in change
    assert registry.champion("failures") == before
    user.press(page.get_by_role("button"))
    page.wait_for_url(f"{origin}/models?lang={language}")
    assert registry.champion("failures") == other
    in_use = page.locator("tbody tr", has=page.locator(".status.confirmed"))
    assert in_use.locator("th").all_inner_texts() == [other]
    user.press(in_use.get_by_role("link"))
    page.wait_for_url(f"**/models/{other}?*")
    user.press(page.locator("a[href*=rollback]"))
    page.wait_for_url(f"**/models/{other}/rollback*")
    assert registry.champion("failures") == other
    user.press(page.get_by_role("button"))
    page.wait_for_url(f"{origin}/models?lang={language}")
    assert in_use.locator("th").all_inner_texts() == [before]
    assert registry.champion("failures") == before


@pytest.mark.parametrize(("hand", "language"), ALL_HANDS)
def test_an_officer_notes_what_was_done_about_the_riskiest_case(start, origin, hand, language):
    """From the list to the case, why, the note, and back: the list is in its order, and says what was done. Then the
    case is put on the shortlist in its row, which brings the reader back to that row.
    """
    word = {"en": "Acted on: went to look", "zh": "已处置：已到现场查看"}[language]
    user = start(hand)
    page = user.page
    page.goto(f"{origin}/cases?lang={language}")
    order = page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)")
    user.press(page.locator(".case h2 a").first)
    page.wait_for_url(f"{origin}{order[0]}?lang={language}")
    assert page.locator("table.reasons:not(.outcomes) tbody tr").count() >= 2
    form = page.locator("form", has=page.locator("button[value=acted]")).first
    user.choose(form.locator("select"), "visited")
    user.press(form.locator("button"))
    page.locator(".notes .chip.acted").wait_for()
    assert page.url == f"{origin}{order[0]}?lang={language}#noted"
    assert page.locator(".notes .chip.acted").inner_text() == word
    user.press(page.locator(".back a"))
    page.wait_for_url(f"{origin}/cases?lang={language}")
    assert page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)") == order
    row = page.locator(".case").first
    assert row.locator(".chip").all_inner_texts() == [word]
    user.press(row.locator("button[value=shortlisted]"))
    row.locator(".chip.shortlisted").wait_for()
    assert page.url.endswith(f"/cases?lang={language}#c-{order[0].rpartition('/')[2][:12]}")
    user.choose(page.locator("select[name=mark]"), "shortlisted")
    user.press(page.locator(".filters button"))
    page.wait_for_url(re.compile("mark=shortlisted"))
    assert page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)") == order[:1]
    told = _json(origin, "/v1/cases", mark="shortlisted")["cases"]
    assert [(case["id"], [one["mark"] for one in case["marks"]]) for case in told] == [
        (order[0].rpartition("/")[2], ["shortlisted", "acted"])
    ]


@pytest.mark.parametrize(("hand", "language"), ALL_HANDS)
def test_an_officer_saves_a_view_comes_back_to_it_and_lets_go_of_it(start, origin, hand, language):
    """Filtered, saved, left, and opened again with the same cases; then the view is gone, and the list is not."""
    word = {"en": "Blocked drain", "zh": "下水道堵塞"}[language]
    user = start(hand)
    page = user.page
    page.goto(f"{origin}/cases?lang={language}")
    user.choose(page.locator("select[name=category]"), "drain")
    user.choose(page.locator("select[name=order]"), "due")
    user.press(page.locator(".filters button"))
    page.wait_for_url(re.compile("order=due"))
    shown = page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)")
    assert shown
    user.press(page.locator(".views .save"))
    saved = page.locator(".views a")
    saved.wait_for()
    assert word in saved.inner_text()
    assert saved.get_attribute("aria-current") == "true"
    user.press(page.locator(".filters .buttons a"))
    page.wait_for_url(f"{origin}/cases?lang={language}")
    user.press(saved)
    page.wait_for_url(re.compile("order=due"))
    assert page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)") == shown
    told = _json(origin, "/v1/views")["views"]
    assert [(one["filters"]["category"], one["filters"]["order"]) for one in told] == [("drain", "due")]
    user.press(page.locator(".views button[name=delete]"))
    page.locator(".views .save").wait_for()
    assert saved.count() == 0
    assert page.locator(".case h2 a").evaluate_all("links => links.map(link => link.pathname)") == shown
    assert _json(origin, "/v1/views")["views"] == []


def test_single_keys_go_through_the_list_and_can_be_switched_off(start, origin):
    """j, k, s and ?; none of them while a field has the focus, and none after they were switched off."""
    page = start("keyboard").page
    page.goto(f"{origin}/cases?lang=en")
    place = "document.querySelectorAll('.case')[{}].contains(document.activeElement)"
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert page.evaluate(place.format(row)), (key, row)
    page.keyboard.press("s")
    page.locator(".case").nth(1).locator(".chip.shortlisted").wait_for()
    page.locator(".case:nth-child(2) h2 a:focus").wait_for()
    page.locator("select[name=category]").focus()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.name") == "category"
    page.locator("h1").click()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.get_by_label("Use these keys").click()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    page.reload()
    page.locator("h1").click()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.tagName") in ("BODY", "MAIN")
    assert not page.locator("#keys-on").is_checked()


def test_a_print_is_one_line_a_case(start, origin):
    """On paper: no navigation, no button, a row not higher than two lines, wide pages, as few as it takes."""
    page = start("mouse").page
    page.goto(f"{origin}/cases?lang=zh")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1017, "height": 700})
    heights = page.locator(".case").evaluate_all("rows => rows.map(row => row.getBoundingClientRect().height)")
    assert max(heights) < 40
    assert page.locator("button:visible, select:visible, nav:visible").count() == 0
    assert page.locator(".case .band:visible").count() == len(heights)
    pages = page.pdf(format="A4").count(b"/Type /Page\n")
    assert 1 <= pages <= 3
