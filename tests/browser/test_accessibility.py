"""Every page for readers with a screen reader, a keyboard, poor sight or a small screen: axe-core finds nothing, no
page scrolls sideways, and every mark stands out from what is behind it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from models.plots import theme as house
from service.dashboard import charts
from tests.support.page_store import addresses, full_store, served

CHROMIUM = os.environ.get("HEED_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Chromium is not on this machine: apt-get install chromium fonts-noto-cjk"
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PAGES = [
    *(
        "cases",
        "passed",
        "case",
        "overdue",
        "areas",
        "area",
        "withheld area",
        "town",
        "signals",
        "signal",
        "withheld signal",
    ),
    *("models", "champion", "model", "sign-in", "error"),
    *("what if", "boundary", "board", "drift", "promotion"),
]
# Those two are made of what others show; they are looked at in the long run.
USUAL = [name for name in PAGES if name not in ("passed", "withheld area")]
LANGUAGES = ["en", "zh"]
SURFACES = {"light": "#ffffff", "dark": "#1b1f23"}
AGAINST_ITS_GROUND = 3.0
# Slow reading of the machine is no fault of a page.
PATIENCE = 120_000
# What a mark is and which of its colours has to be seen.
MARKS = {
    ".band .shape *": "fill",
    ".level .shape *": "fill",
    ".direction .shape *": "fill",
    ".meter": "borderTopColor",
    ".meter .fill": "fill",
    ".dots .on": "fill",
    ".dots circle:not(.on)": "stroke",
    ".range .track": "fill",
    ".range .usual": "stroke",
    ".range .sure": "stroke",
    ".range .now": "stroke",
    ".status": "borderTopColor",
    ".signals li": "borderInlineStartColor",
    ".riskcard": "borderBlockStartColor",
    ".top nav a[aria-current]": "borderBlockEndColor",
    ".tally a[aria-current]": "borderTopColor",
    "select": "borderTopColor",
    ".timeline li:not(.promise)::before": "backgroundColor",
    ".timeline .promise::before": "borderTopColor",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A store with everything on it, which these tests only read."""
    folder = tmp_path_factory.mktemp("pages")
    full_store(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder) -> Iterator[dict[str, str]]:
    """Every page with its whole address; that of the signing in stands on a service that asks for it."""
    path = folder / "city.db"
    with served(path) as origin, served(path, auth="required") as locked:
        paths = addresses(origin)
        yield {name: f"{locked if name == 'sign-in' else origin}{path}" for name, path in paths.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser) -> Iterator[Page]:
    """One window, which goes from page to page."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def _open(page: Page, address: str, language: str, *, width: int = 1280, scheme: str = "light") -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
    page.wait_for_load_state("load")
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]


def _unfolded(page: Page) -> None:
    # What is folded away is not looked at otherwise.
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def _violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds fault with, as lines to be read."""
    options = {"resultTypes": ["violations"], **({} if rules is None else {"runOnly": rules})}
    found = Axe().run(page, options=options).response
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{fault['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", USUAL)
def test_axe_finds_nothing_on_a_page(page, whole, name, language):
    """In both languages at the width of a desk; in the dark its colours again, which are all that changes there."""
    _open(page, whole[name], language)
    _unfolded(page)
    assert _violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert _violations(page, ["color-contrast", "link-in-text-block"]) == []


@pytest.mark.parametrize("name", USUAL)
def test_a_page_fits_a_phone_and_a_wall(page, whole, name):
    """At 320 px and at 2560 px axe-core finds nothing either, and only what has a frame of its own scrolls sideways,
    in neither language.
    """
    _open(page, whole[name], "zh", width=320)
    _unfolded(page)
    assert page.evaluate(_TOO_WIDE) == []
    _open(page, whole[name], "en", width=320)
    _unfolded(page)
    assert page.evaluate(_TOO_WIDE) == []
    assert _violations(page) == []
    page.set_viewport_size({"width": 2560, "height": 1300})
    assert page.evaluate(_TOO_WIDE) == []
    assert _violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1280, 2560])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_anywhere(page, whole, language, scheme, width):
    """Every page in every language, theme and width, by every rule."""
    for name in PAGES:
        _open(page, whole[name], language, width=width, scheme=scheme)
        _unfolded(page)
        assert page.evaluate(_TOO_WIDE) == [], name
        assert _violations(page) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mark_stands_out(page, whole, scheme):
    """Shapes, meters, dots, ranges, the edges of fields and of cards have 3 to 1 against what they stand on, as they
    are drawn; and a meter's bar stands out from its ground, too. Each kind is found on some page.
    """
    worst: dict[str, float] = {}
    for name in ("cases", "passed", "case", "overdue", "areas", "area", "signals", "signal", "model"):
        address = whole[name].replace("?", "?order=due&") if name == "passed" else whole[name]
        _open(page, address + ("?band=low" if name == "cases" else ""), "en", scheme=scheme)
        for selector, ratio in page.evaluate(f"({_RATIOS})({{marks: MARKS}})".replace("MARKS", str(MARKS))):
            worst[selector] = min(ratio, worst.get(selector, 21.0))
    assert set(worst) == set(MARKS)
    assert {selector: ratio for selector, ratio in worst.items() if ratio < AGAINST_ITS_GROUND} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_stroke_of_a_chart_stands_out(page, whole, scheme):
    """Marks have 3 to 1 against the card that they stand on, letters 4.5 to 1. Tints behind marks carry no meaning of
    their own: the table beside every chart holds what they show.
    """
    origin = whole["cases"].removesuffix("/cases")
    behind = (house.BAND, house.RULE, *house.TINTS.values())
    tints = [*behind, *(house.DARK[tint] for tint in behind)]
    paths = {name: whole[name].removeprefix(origin) for name in ("case", "area", "signal")}
    drawn = {
        "reasons": f"{paths['case']}/reasons.svg",
        "life": f"{paths['case']}/life.svg",
        "signals": f"{paths['area']}/signals.svg",
        "weeks": f"{paths['signal']}/weeks.svg",
        "map": "/areas/map.svg",
    }
    _open(page, whole["error"], "en", scheme=scheme)
    for name, path in drawn.items():
        svg = (
            httpx.get(f"{origin}/charts{path}?theme={scheme}&lang=en", timeout=PATIENCE / 1000).raise_for_status().text
        )
        asked = {"svg": svg, "surface": SURFACES[scheme], "tints": tints}
        page.evaluate("asked => { document.querySelector('main').innerHTML = asked.svg }", asked)
        marks, letters = page.evaluate(_STROKES, asked)
        assert marks, name
        assert letters, name
        # A band is a tint: where it ends is drawn so that it can be seen.
        band, edge = (each if scheme == "light" else house.DARK[each] for each in (house.BAND, house.EDGE))
        assert name != "weeks" or (band in svg and edge in svg)
        assert [each for each in marks if each[0] < AGAINST_ITS_GROUND] == [], name
        assert [each for each in letters if each[0] < 4.5] == [], name


def test_the_cards_have_the_colours_that_charts_are_measured_on(page, whole):
    """So that the test of charts measures what a reader sees."""
    for scheme, surface in SURFACES.items():
        _open(page, whole["case"], "en", scheme=scheme)
        shown = page.evaluate("getComputedStyle(document.querySelector('figure')).backgroundColor")
        red, green, blue = (int(surface[at : at + 2], 16) for at in (1, 3, 5))
        assert shown == f"rgb({red}, {green}, {blue})"
    assert charts.REASONS_SHOWN > 0


@pytest.mark.parametrize("name", ["cases", "case", "signal", "model", "champion", "sign-in"])
def test_what_is_pressed_is_large_enough_and_its_focus_is_seen(page, whole, name):
    """On a phone, buttons, fields and links outside of sentences measure 24 px either way, as WCAG 2.2 asks at
    AA, and the keyboard's place is outlined in a colour that is seen.
    """
    _open(page, whole[name], "en", width=320)
    _unfolded(page)
    assert page.evaluate(_TOO_SMALL) == []
    page.keyboard.press("Tab")
    for _ in range(8):
        width, ratio, what = page.evaluate(f"({_FOCUS})()")
        assert width >= 2, what
        assert ratio >= AGAINST_ITS_GROUND, what
        page.keyboard.press("Tab")


def test_the_first_page_is_light(whole):
    """The list of cases and all that it loads stay under 60 kB as they are sent, and under 120 kB as they are read."""
    origin = whole["cases"].removesuffix("/cases")
    for language in LANGUAGES:
        page = httpx.get(f"{origin}/cases?lang={language}", timeout=PATIENCE / 1000, headers={"accept": "text/html"})
        assert page.text.count('<li class="case"') == 25
        loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        assert "/static/heed.css" in loaded
        assert "/static/charts.js" not in str(loaded)
        files = [httpx.get(f"{origin}{path}", timeout=PATIENCE / 1000).raise_for_status() for path in sorted(loaded)]
        assert sum(each.num_bytes_downloaded for each in (page, *files)) < 60_000
        assert sum(len(each.content) for each in (page, *files)) < 120_000


_COLOURS = """
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const channels = text => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = '#000'; canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ratio = (one, other) => {
    const [a, b] = [luminance(one), luminance(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
"""

_RATIOS = (
    "({marks}) => {"
    + _COLOURS
    + """
  const told = [];
  for (const [selector, property] of Object.entries(marks)) {
    const [plain, pseudo] = selector.split('::');
    for (const element of document.querySelectorAll(plain)) {
      if (!element.checkVisibility()) continue;
      const style = getComputedStyle(element, pseudo ? '::' + pseudo : null);
      const behind = ground(pseudo ? element : element.parentElement);
      told.push([selector, ratio(over(channels(style[property]), behind), behind)]);
    }
  }
  return told;
}"""
)

_STROKES = (
    "({svg, surface, tints}) => {"
    + _COLOURS
    + """
  const behind = channels(surface);
  const seen = (paint, opacity) => {
    if (!paint || paint === 'none' || paint === 'transparent') return 0;
    const [r, g, b, a] = channels(paint);
    return ratio(over([r, g, b, a * opacity], behind), behind);
  };
  const marks = [], letters = [];
  for (const element of document.querySelectorAll('main svg [fill], main svg [stroke]')) {
    if (element.tagName === 'g' || element.tagName === 'svg' || element.closest('.role-axis-grid')) continue;
    if (element.classList.contains('background') || element.classList.contains('foreground')) continue;
    const style = getComputedStyle(element), whole = +style.opacity;
    if (!whole) continue; // drawn for nobody: it holds a scale open
    const best = Math.max(seen(style.fill, whole * style.fillOpacity), seen(style.stroke, whole * style.strokeOpacity));
    if (element.tagName === 'text') { letters.push([best, element.textContent]); continue; }
    const paints = [element.getAttribute('fill'), element.getAttribute('stroke')];
    if (paints.some(paint => tints.includes(paint)) && paints.every(paint => !paint || tints.includes(paint))) continue;
    if (best) marks.push([best, element.outerHTML.slice(0, 120)]);
  }
  return [marks, letters];
}"""
)

# The page itself, and whatever sticks out of it without a frame that scrolls.
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth, wide = [];
  if (document.documentElement.scrollWidth > width) wide.push(['page', document.documentElement.scrollWidth]);
  for (const element of document.querySelectorAll('main *, .top *, .bottom *')) {
    const box = element.getBoundingClientRect();
    if (!element.checkVisibility() || element.closest('svg') || element.closest('.scroll, pre, thead')) continue;
    if (box.right > width + 1 || box.left < -1) wide.push([element.outerHTML.slice(0, 120), box.left, box.right]);
  }
  return wide;
}"""

_TOO_SMALL = """() => {
  const small = [];
  for (const element of document.querySelectorAll('a, button, select, input:not([type=hidden]), summary')) {
    if (!element.checkVisibility() || element.matches('.skip') || getComputedStyle(element).display === 'inline')
      continue;
    const box = (element.closest('label.tick') || element).getBoundingClientRect();
    if (box.width < 24 || box.height < 24) small.push([element.outerHTML.slice(0, 120), box.width, box.height]);
  }
  return small;
}"""

_FOCUS = (
    "() => {"
    + _COLOURS
    + """
  const element = document.activeElement, style = getComputedStyle(element);
  const behind = ground(element.parentElement || element);
  return [parseFloat(style.outlineWidth), ratio(channels(style.outlineColor), behind), element.outerHTML.slice(0, 120)];
}"""
)
