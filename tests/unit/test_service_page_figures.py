"""Every figure on every page equals that of the page's JSON twin, in both languages."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.every_page import Pages, every_page
from tests.support.page_figures import NUMBER, Difference, differences, told_figures
from tests.support.page_tree import Element, page_tree

TWIN = {
    "as_of": "2026-03-02T08:00:00+08:00",
    "total": 1234,
    "cases": [
        {
            "id": "a",
            "risk": {"probability": 0.624, "lower": 0.58, "upper": 0.6601},
            "due_at": "2026-03-05T09:00:00+08:00",
        },
        {"id": "b", "risk": {"probability": 0.002, "lower": None, "upper": None}, "due_at": None},
    ],
    "backlog": {"value": 12.5, "withheld": False},
    "small": {"value": None, "withheld": True},
    "sentence": "12 reports of Noise in Harbour",
    "points": -3.25,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Pages:
    """A store with everything on it, and the pages that show it."""
    with every_page(tmp_path_factory.mktemp("figures")) as pages:
        yield pages


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_of_every_page_is_that_of_its_twin(pages, language):
    """A page says nothing else than what a program is told, and no number on it is left unaccounted for."""
    wrong: dict[str, list[Difference]] = {}
    told = 0
    for name in pages.with_twins:
        main = page_tree(pages.html(name, language)).find("main")
        wrong[name] = differences(main, pages.twin(name, language), pages.fetch, minimum=pages.minimum)
        told += told_figures(main)
    assert {name: found for name, found in wrong.items() if found} == {}
    assert told > 500


def test_no_figure_of_any_page_could_be_another_or_stand_there_unsaid(pages):
    """Each is made another one and found; where nothing says any longer whose figure it is, it is found as well."""
    unfound: dict[str, list[str]] = {}
    changed = 0
    for name in pages.with_twins:
        main = page_tree(pages.html(name, "en")).find("main")
        twin = pages.twin(name, "en")
        found = partial(differences, twin=twin, fetch=pages.fetch, minimum=pages.minimum)
        assert found(main) == []
        for element in [each for each in main.walk() if each.attributes.get("data-is", "fixed") != "fixed"]:
            for holder, place in _figures(element):
                text = holder.children[place]
                holder.children[place] = NUMBER.sub("987654", text, count=1)
                changed += 1
                if not found(element):
                    unfound.setdefault(name, []).append(f"{element.attributes['data-is']}: {text.strip()}")
                told = {each: each.attributes.pop("data-is") for each in holder.above() if "data-is" in each.attributes}
                if not found(holder) and not _is_quiet(holder):
                    unfound.setdefault(name, []).append(f"unsaid: {text.strip()}")
                for each, said in told.items():
                    each.attributes["data-is"] = said
                holder.children[place] = text
    assert unfound == {}
    assert changed > 500


def _figures(element: Element) -> list[tuple[Element, int]]:
    """The pieces of text in an element that hold a number."""
    return [
        (each, place)
        for each in element.walk()
        for place, child in enumerate(each.children)
        if isinstance(child, str) and NUMBER.search(child)
    ]


def _is_quiet(holder: Element) -> bool:
    """A moment, which is held against what it says to machines, and what is told word for word."""
    return any(each.tag in ("time", "caption", "label", "dt", "code", "figcaption") for each in holder.above())


@pytest.mark.parametrize(
    "html",
    [
        '<p data-is="total">1,234 cases</p>',
        '<li data-at="cases.0.risk"><p data-is="probability:100 lower:floor100 upper:ceil100">62 of 100, 58–67</p>',
        '<li data-at="cases"><b data-at="[id=b]" data-is="risk.probability:100 due_at">fewer than 1 of 100</b></li>',
        '<p data-is="cases.0.due_at:left">in 3 days</p><time datetime="2026-03-05T09:00:00+08:00">5 March</time>',
        '<td data-is="backlog">12.5</td><td data-is="small">fewer than 10, or withheld</td>',
        '<p data-is="sentence">12 reports of Noise in Harbour</p><i data-is="points">−3.3</i>',
        '<p data-is="fixed">62 of 100</p><code>12</code><p data-is="cases.0.risk.upper~cases.0.risk.lower">0.08</p>',
        '<p data-is="cases:count =7">2 in 7 days</p><a href="/other" data-is="@total">9</a>',
    ],
)
def test_what_a_page_tells_as_its_twin_does_passes(html):
    """Rounded, in a sentence, as a text, as a difference: the same figure."""
    assert differences(page_tree(html), TWIN, lambda _address: {"total": 9}, minimum=10) == []


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<p data-is="total">1,235 cases</p>', "1,235 is none of [1234.0]"),
        ('<p data-is="total">many cases</p>', "1234.0 to be shown"),
        ("<p>1,234 cases</p>", "an element with data-is around it"),
        ('<p data-is="totals">1,234</p>', "a path of the twin, got KeyError('totals')"),
        ('<p data-is="small">4</p>', "4 is none of [10.0]"),
        ('<p data-is="sentence">12 reports of Noise in Ford</p>', "'12 reports of Noise in Harbour'"),
        ('<p data-is="points">+3.3</p>', "+3.3 is none of [-3.25]"),
        ('<p data-is="cases.0.risk.probability:100">63 of 100</p>', "63 is none of [62.0, 100.0]"),
        ('<time datetime="2026-03-05T09:00:00+08:00">6 March</time>', "parts of 2026-03-05T09:00:00+08:00"),
    ],
)
def test_what_a_page_tells_otherwise_is_found(html, expected):
    """A wrong, missing or unaccounted figure is named."""
    found = differences(page_tree(html), TWIN, lambda _address: {}, minimum=10)
    assert expected in [each.expected for each in found]
