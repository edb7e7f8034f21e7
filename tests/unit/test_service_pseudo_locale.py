"""Every text of every page goes through the catalogue: proven in a language that nobody speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir

from service.language import words_of
from tests.support.every_page import Pages, every_page
from tests.support.page_tree import Element, page_tree
from tests.support.pseudo_locale import outside, pseudo, spoken_as_english
from tests.support.rare_pages import RARE, Rare, rare_pages

TEMPLATES = Path(__file__).parents[2] / "service" / "dashboard" / "templates"
# What is told as it stands in the store, or as the models say it in both languages.
AS_IT_STANDS = frozenset({"name", "sentence", "text", "label", "version", "champion", "id", "code"})
# Names, and reasons of the models.
CHOICES = frozenset({"category", "area", "office", "reason"})
UNSPOKEN = frozenset({"code", "pre", "kbd", "time", "style", "script"})
SPOKEN = ("alt", "aria-label", "title", "placeholder")
LETTERS = re.compile(r"[^\W\d_]{2,}")
# The name of the thing itself, the languages in their own words, and units.
DATES = words_of("en").locale
NAMES = frozenset({"heed", "English", "中文", "UTC", "JSON", "CSV"}) | {
    *DATES.days["format"]["abbreviated"].values(),
    *DATES.months["format"]["abbreviated"].values(),
}
_WHEN = re.compile(r"failures-[0-9a-f]{12}|(?:周[一二三四五六日] |(?<=日) )?\d\d:\d\d")
_WESTERN = re.compile(r"[\u4e00-\u9fff] \d|\d [\u4e00-\u9fff]|[。，：] [\u4e00-\u9fff]|[\u4e00-\u9fff][,;:!?()]|\.\.\.")
_MARKUP = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the stores of these pages are."""
    return tmp_path_factory.mktemp("pseudo")


@pytest.fixture(scope="module")
def pages(folder) -> Iterator[Pages]:
    """A store with everything on it, and the pages that show it."""
    with every_page(folder) as pages:
        yield pages


@pytest.fixture(scope="module")
def rare(pages, folder) -> Iterator[Rare]:
    """What went wrong, and what is empty."""
    with rare_pages(folder) as html:
        yield html


def test_a_message_keeps_what_is_filled_in_and_its_commands():
    """And is longer, accented and between brackets otherwise."""
    told = pseudo("%(n)d cases of %(office)s; run `heed score`.")
    assert told.startswith("⟦%(n)d çâšéš óƒ %(office)s; ŕûñ `heed score`. ŷ")
    assert len(told) > 1.2 * len("%(n)d cases of %(office)s; run `heed score`.")
    assert outside(f"a {pseudo('Open')} b {pseudo('x %(y)s') % {'y': pseudo('z')}} c").split() == ["a", "b", "c"]


def test_every_text_of_every_page_goes_through_the_catalogue(pages):
    """In that language no plain letter is left but names, codes, commands and what the models say themselves."""
    plain: dict[str, list[str]] = {}
    with spoken_as_english() as catalogue:
        for address in pages.bare:
            plain[address] = [left for text in _texts(page_tree(pages.bare_page(address))) if (left := _left(text, []))]
        names = [*_as_it_stands(pages.twin("cases", "en")), *_as_it_stands(pages.twin("areas", "en"))]
        for name in pages.paths:
            page = page_tree(pages.html(name, "en"))
            told = _as_it_stands(pages.twin(name, "en")) if name in pages.with_twins else []
            plain[name] = [left for text in _texts(page) if (left := _left(text, [*told, *names, *_choices(page)]))]
    assert {name: found for name, found in plain.items() if found} == {}
    said = catalogue.said & _messages_of_templates()
    assert len(said) > 0.7 * len(_messages_of_templates())


def test_every_text_of_what_went_wrong_and_of_what_is_empty_goes_through_the_catalogue(pages, rare):
    """Also where nothing was found, nothing may be read, or nothing is there yet."""
    names = [*_as_it_stands(pages.twin("cases", "en")), *_as_it_stands(pages.twin("areas", "en"))]
    plain: dict[str, list[str]] = {}
    with spoken_as_english():
        for name in RARE:
            page = page_tree(rare(name, "en"))
            told = [*names, *_choices(page)]
            plain[name] = [left for text in _texts(page) if (left := _left(text, told))]
    assert {name: found for name, found in plain.items() if found} == {}


def test_every_text_of_a_chart_goes_through_the_catalogue(pages):
    """Axes, legends and labels; what is too long for its place ends in dots, and the table beside it has the whole."""
    plain: dict[str, list[str]] = {}
    drawn = 0
    with spoken_as_english():
        names = [*_as_it_stands(pages.twin("cases", "en")), *_as_it_stands(pages.twin("areas", "en"))]
        for name in ("case", "area", "signal", "areas", "board", "model"):
            told = [*names, *_as_it_stands(pages.twin(name, "en"))]
            for image in page_tree(pages.html(name, "en")).all("img"):
                address = image.attributes["src"]
                if not address.startswith("/charts/"):
                    continue
                texts = re.findall(r"<text[^>]*>(.*?)</text>", pages.client.get(address).text, re.DOTALL)
                cut = [re.sub(r"⟦[^⟧]*…$", "", unescape(re.sub(r"<[^>]*>", "", text))) for text in texts]
                plain[address] = [left for text in cut if (left := _left(text, told))]
                drawn += bool(texts)
    assert {address: found for address, found in plain.items() if found} == {}
    assert drawn >= 6


def test_pages_in_chinese_are_set_as_chinese(pages, rare):
    """Whatever their sentences are put together from: no blank beside a figure or after a full stop, and no mark of
    half a character's width; a date and a time stand apart.
    """
    wrong: dict[str, list[str]] = {}
    shown = {name: pages.html(name, "zh") for name in pages.paths} | {name: rare(name, "zh") for name in RARE}
    for name, html in shown.items():
        texts = [" ".join(text.split()) for text in _texts(page_tree(html))]
        wrong[name] = [text for text in texts if _WESTERN.search(_WHEN.sub("", text))]
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_no_template_holds_a_word_of_its_own(template):
    """In no branch, whether a test reaches it or not."""
    page = page_tree(f"<div>{_MARKUP.sub('', (TEMPLATES / template).read_text())}</div>")
    assert [text for text in _texts(page) if _left(text, [])] == []


def _texts(page: Element) -> Iterator[str]:
    for element in page.walk():
        yield from (element.attributes[name] for name in SPOKEN if name in element.attributes)
        if any(each.tag in UNSPOKEN or "id" in each.classes or _is_measure(each) for each in element.above()):
            continue
        # What stands between, a command in a sentence, does not end the sentence.
        own = [child if isinstance(child, str) else " " for child in element.children]
        if any(isinstance(child, str) for child in element.children):
            yield "".join(own)


def _is_measure(element: Element) -> bool:
    """A feature, which the catalogue of features names in both languages."""
    row = element.parent
    return element.tag == "th" and row is not None and row.attributes.get("data-at", "").startswith("inputs[measure=")


def _left(text: str, told: list[str]) -> str:
    rest = outside(" ".join(text.split()))
    for known in sorted(told, key=len, reverse=True):
        # The first letter of a sentence may be made a capital.
        rest = re.sub(re.escape(known), " ", rest, flags=re.IGNORECASE)
    letters = [word for word in LETTERS.findall(rest) if word not in NAMES]
    return rest.strip() if letters else ""


def _as_it_stands(twin: Any) -> list[str]:
    """Names, codes and sentences of a twin: what holds a blank or a hyphen, or stands under one of those names."""
    if isinstance(twin, dict):
        own = [value for key, value in twin.items() if key in AS_IT_STANDS and isinstance(value, str)]
        return own + [text for value in twin.values() for text in _as_it_stands(value)]
    if isinstance(twin, list):
        return [text for item in twin for text in _as_it_stands(item)]
    return [twin] if isinstance(twin, str) and re.search(r"[ -]", twin) else []


def _choices(page: Element) -> list[str]:
    """Names in the filters, which offer what no shown case may have, and reasons, which the models say themselves."""
    options = [option for select in page.all("select") for option in select.all("option")]
    return [each.text for each in options if each.parent and each.parent.attributes.get("name") in CHOICES]


def _messages_of_templates() -> set[str]:
    keywords = {"_": None, "ngettext": (1, 2)}
    found = extract_from_dir(TEMPLATES, [("**.html", "jinja2")], keywords=keywords)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}
