"""Every page for readers with a screen reader, a keyboard, poor sight or a small screen: axe-core finds nothing, no
page scrolls sideways, and every mark stands out from what is behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from models.plots import theme as house
from models.registry import Registry
from service.dashboard import charts
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.online_city import online_city
from tests.support.page_store import addresses, full_store, served
from tests.support.patience import PATIENCE
from tests.support.rare_pages import RARE, REPORTS, rare_pages, report

pytestmark = NEEDS_CHROMIUM
PAGES = [
    *("cases", "passed", "case", "overdue", "areas", "area", "withheld area", "town"),
    *("signals", "signal", "withheld signal", "models", "champion", "model", "sign-in", "error"),
    *("what if", "boundary", "board", "drift", "overrides", "promotion", "rollback"),
]
# Of a city with models that can be asked; made in the long run.
ASKED = ("answer", "refusal")
EVERYWHERE = [*PAGES, *RARE, *REPORTS, *ASKED]
# Those are made of what others show, or take long to make; they are looked at in the long run.
USUAL = [name for name in (*PAGES, *RARE) if name not in ("passed", "withheld area")]
LANGUAGES = ["en", "zh"]
SURFACES = {"light": "#ffffff", "dark": "#1b1f23"}
AGAINST_ITS_GROUND = 3.0
WIDTHS = (320, 1280, 2560)
# Pairs of language, theme and width: every page meets both languages and both themes, on a phone and on a desk or a
# wide screen in turns. All of them in the long run.
SAMPLES = (
    (("en", "light", 320), ("zh", "dark", 1280)),
    (("zh", "dark", 320), ("en", "light", 2560)),
    (("zh", "light", 320), ("en", "dark", 1280)),
    (("en", "dark", 320), ("zh", "light", 2560)),
)
# What a mark is and which of its colours has to be seen.
MARKS = {
    ".band::before": "backgroundColor",
    ".level:not(.hidden)::before": "backgroundColor",
    ".direction::before": "backgroundColor",
    ".meter": "borderTopColor",
    ".meter rect": "fill",
    ".dots .on": "fill",
    ".dots circle:not(.on)": "stroke",
    ".range rect:not(:last-child)": "stroke",
    ".range line": "stroke",
    ".range rect:last-child": "fill",
    ".status": "borderTopColor",
    ".signals li": "borderInlineStartColor",
    ".riskcard": "borderBlockStartColor",
    ".top nav a[aria-current]": "borderBlockEndColor",
    ".tally a[aria-current]": "borderTopColor",
    "select": "borderTopColor",
    ".timeline li:not(.promise)::before": "backgroundColor",
    ".timeline .promise::before": "borderTopColor",
    ".chip": "borderTopColor",
    ".chip .shape *": "fill",
    ".spots .here path": "stroke",
    ".boundary": "borderBlockStartColor",
    "input:not([type=hidden])": "borderTopColor",
    "button:not(.quiet)": "borderTopColor",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A store with everything on it."""
    folder = tmp_path_factory.mktemp("pages")
    full_store(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder) -> Iterator[dict[str, str]]:
    """Every page with its whole address; that of the signing in stands on a service that asks for it. The overdue case
    bears every mark, a view is saved, and there is a version to go back to.
    """
    path = folder / "city.db"
    with served(path) as origin, served(path, auth="required") as locked:
        paths = addresses(origin)
        paths["rollback"] = f"{paths['champion']}/rollback"
        for page in ("model", "champion"):
            Registry(folder / "city.models").promote("failures", paths[page].rpartition("/")[2])
        _note_all(origin, paths["overdue"])
        addressed = {name: f"{locked if name == 'sign-in' else origin}{path}" for name, path in paths.items()}
        yield addressed | {name: f"{origin}/rare/{name.replace(' ', '-')}" for name in (*RARE, *REPORTS)}


def _note_all(origin: str, case: str) -> None:
    """Every mark on that case, and a view of the list, by the forms of the pages."""
    with httpx.Client(base_url=origin, timeout=120, headers={"sec-fetch-site": "same-origin"}) as client:
        for step in (
            {"set": "seen"},
            {"set": "shortlisted"},
            {"set": "acted", "choice": "visited"},
            {"set": "overridden", "choice": "higher", "reason": "known_on_site"},
        ):
            page = client.get(case, headers={"accept": "text/html"}).raise_for_status().text
            state = re.search(r'name="state" value="([^"]+)"', page)[1].replace("&#34;", '"')
            assert client.post(f"{case}/marks", data={**step, "state": state}).status_code == 303, step
        assert client.post("/views", data={"back": "band=high"}).status_code == 303


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Iterator[dict[str, str]]:
    """A what-if that is answered, and one that is refused, of a city with models."""
    city = online_city(tmp_path_factory.mktemp("asked") / "city")
    with served(city.folder / "city.db") as origin, httpx.Client(base_url=origin, timeout=120) as client:
        found: dict[str, str] = {}
        listed = client.get("/v1/cases", params={"deadline": "ahead", "limit": 60}).raise_for_status().json()["cases"]
        for case in listed:
            address = f"/cases/{case['id']}/what-if?action=reply"
            answers = client.get(f"/v1{address}").raise_for_status().json()["answers"]
            answered = any(answer["after"] is not None for answer in answers)
            found.setdefault("answer" if answered else "refusal", f"{origin}{address}")
            if len(found) == len(ASKED):
                break
        assert set(found) == set(ASKED)
        yield found


@pytest.fixture(scope="module")
def rare(folder, tmp_path_factory) -> Iterator[Callable[[str, str], str]]:
    """The HTML of a page that is seldom met, by its name and a language; asked for in a thread of its own, since a
    browser has the event loop of this one.
    """
    reports = tmp_path_factory.mktemp("reports")
    with ThreadPoolExecutor(1) as thread, ExitStack() as stack:
        html = thread.submit(stack.enter_context, rare_pages(folder)).result()

        def made(name: str, language: str) -> str:
            if name in REPORTS:
                return report(name, language, reports)
            return thread.submit(html, name, language).result()

        yield made
        thread.submit(stack.close).result()


@pytest.fixture(scope="module")
def page(browser, rare) -> Iterator[Page]:
    """One window, which goes from page to page; pages that are seldom met stand at /rare."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)

    def show(route: Route) -> None:
        name, _, query = route.request.url.partition("/rare/")[2].partition("?")
        html = rare(name.replace("-", " "), query.removeprefix("lang="))
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    context.route("**/rare/*", show)
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


@pytest.mark.parametrize("name", USUAL)
def test_axe_finds_nothing_on_a_page(page, whole, name):
    """On a phone and on a desk, in either language and theme; and only what has a frame of its own scrolls sideways."""
    for language, scheme, width in SAMPLES[USUAL.index(name) % len(SAMPLES)]:
        _open(page, whole[name], language, width=width, scheme=scheme)
        _unfolded(page)
        assert page.evaluate(_TOO_WIDE) == [], (language, scheme, width)
        assert _violations(page) == [], (language, scheme, width)


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_axe_finds_nothing_anywhere(page, whole, request, name, language, scheme, width):
    """Every page in every language, theme and width, by every rule."""
    addresses = request.getfixturevalue("asked") if name in ASKED else whole
    _open(page, addresses[name], language, width=width, scheme=scheme)
    _unfolded(page)
    assert page.evaluate(_TOO_WIDE) == []
    assert _violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in EVERYWHERE if name not in ASKED])
def test_nothing_sticks_out_between(page, whole, name, language):
    """At the widths of phones, tablets and small desks, too."""
    _open(page, whole[name], language)
    _unfolded(page)
    for width in (320, 360, 540, 768, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_TOO_WIDE) == [], width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mark_stands_out(page, whole, scheme):
    """Shapes, meters, dots, ranges, the edges of fields and of cards have 3 to 1 against what they stand on, as they
    are drawn; and a meter's bar stands out from its ground, too. Each kind is found on some page.
    """
    worst: dict[str, float] = {}
    shown = ("cases", "passed", "case", "overdue", "areas", "area", "signals", "signal", "model", "boundary", "sign-in")
    for name in shown:
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
    paths = {name: whole[name].removeprefix(origin) for name in ("case", "area", "signal", "model")}
    drawn = {
        "reasons": f"{paths['case']}/reasons.svg",
        "life": f"{paths['case']}/life.svg",
        "signals": f"{paths['area']}/signals.svg",
        "weeks": f"{paths['signal']}/weeks.svg",
        "map": "/areas/map.svg",
        "board": "/board.svg",
        "reliability": f"{paths['model']}/late/reliability.svg",
        "capacity": f"{paths['model']}/late/capacity.svg",
        "drift": "/models/drift.svg",
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


@pytest.mark.parametrize(
    "name", ["cases", "overdue", "areas", "signal", "model", "promotion", "board", "boundary", "sign-in", "error"]
)
def test_what_is_pressed_is_large_enough_and_its_focus_is_seen(page, whole, name):
    """On a phone, buttons, fields and links outside of sentences measure 24 px either way, as WCAG 2.2 asks at
    AA, and the keyboard's place is outlined in a colour that is seen.
    """
    _open(page, whole[name], "en", width=320)
    _unfolded(page)
    assert page.evaluate(_TOO_SMALL) == []
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the last of a short page
        for scheme in SURFACES:
            page.emulate_media(color_scheme=scheme)
            width, ratio, what = page.evaluate(f"({_FOCUS})()")
            assert width >= 2, (scheme, what)
            assert ratio >= AGAINST_ITS_GROUND, (scheme, what)


def test_the_first_page_is_light(whole):
    """The list of cases and all that it loads stay under 60 kB as they are sent, and under 120 kB as they are read."""
    origin = whole["cases"].removesuffix("/cases")
    for language in LANGUAGES:
        page = httpx.get(f"{origin}/cases?lang={language}", timeout=PATIENCE / 1000, headers={"accept": "text/html"})
        assert page.text.count('<li class="case"') == 20
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
