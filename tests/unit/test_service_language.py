"""Which language is spoken, and that it is spoken completely."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from data import errors
from service import problems
from service.language import choose_language, read_catalogue, words_of

REPOSITORY = Path(__file__).parents[2]
_PLACEHOLDER = re.compile(r"%\((\w+)\)([sd])")


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ({"lang": "zh"}, "en", "zh"),
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ({}, "en;q=0.5, zh;q=0.8", "zh"),
        ({}, "fr, en;q=0.1", "en"),
        ({}, "zh;q=0, en;q=0.2", "en"),
        ({"lang": "fr"}, "zh", "zh"),
        ({}, "fr", "zh"),
        ({}, ";;q=x,,", "zh"),
        ({}, None, "zh"),
    ],
)
def test_the_language_asked_for_is_spoken(query, header, language):
    """The address decides, then the header by its weights, then the default; nonsense counts as nothing."""
    assert choose_language(query, header, "zh") == language


def _messages() -> set[str | tuple[str, str]]:
    """Every message of the code, the templates and the error tree."""
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None, "text": None}
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    found = {message for _, _, message, _, _ in extract_from_dir(REPOSITORY / "service", methods, keywords=keywords)}
    kinds = [*vars(errors).values(), *vars(problems).values()]
    return found | {kind.title for kind in kinds if isinstance(kind, type) and issubclass(kind, errors.HeedError)}


def test_every_message_has_a_chinese_translation_and_none_is_left_over():
    """A message that is said is translated, none is only half sure, and none is kept for nothing."""
    entries = {message.id: message for message in read_catalogue("zh") if message.id}
    said = _messages()
    assert len(said) > 100
    assert sorted(map(str, said - entries.keys())) == []
    assert sorted(map(str, entries.keys() - said)) == []
    assert [message.id for message in entries.values() if message.fuzzy] == []
    assert [message.id for message in entries.values() if not all(_strings(message.string))] == []


def test_a_translation_fills_in_what_the_message_fills_in():
    """A placeholder that is missing, added or of another kind would fail, or say nothing, in front of a reader."""
    for message in read_catalogue("zh"):
        if not message.id:
            continue
        expected = set(_PLACEHOLDER.findall(_strings(message.id)[-1]))
        for string in _strings(message.string):
            assert set(_PLACEHOLDER.findall(string)) == expected, message.id


# A date and its time stand apart; a code and a unit of the Latin alphabet do too.
_PARTED = re.compile(r"[\u4e00-\u9fff] (?:\d|%\((?:n|count|moment|day|weeks|minimum)\))|(?:[\d%]|\)d) [\u4e00-\u9fff]")
_NARROW = re.compile(r"[\u4e00-\u9fff][,;:!?()]|[,;:!?()][\u4e00-\u9fff]|\.\.\.|\"[\u4e00-\u9fff]")


def test_chinese_is_set_as_chinese():
    """Figures stand beside characters without a blank, as in print, and marks have the width of a character: the
    reader's own typesetting adds the hair of space between the two.
    """
    told = [text for message in read_catalogue("zh") if message.id for text in _strings(message.string)]
    bare = [re.sub(r"(?<!\d)%\((?!n|count|moment|day|weeks|minimum)\w+\)[sd]|UTF-8", "X", text) for text in told]
    assert [text for text in bare if _PARTED.search(text)] == []
    assert [text for text in bare if _NARROW.search(text)] == []


def _strings(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_words_count_as_their_language_does():
    """English has a plural and Chinese has none."""
    one, many = "in %(n)d day", "in %(n)d days"
    assert [words_of("en").ngettext(one, many, n) for n in (1, 2)] == ["in 1 day", "in 2 days"]
    assert [words_of("zh").ngettext(one, many, n) for n in (1, 2)] == ["还剩1天", "还剩2天"]


def test_a_name_is_given_in_the_language_or_in_the_other_or_as_its_code():
    """A missing name never leaves a gap."""
    assert words_of("zh").pick(zh="桥头村", en="Bridge End", code="A-02") == "桥头村"
    assert words_of("zh").pick(zh=None, en="Bridge End", code="A-02") == "Bridge End"
    assert words_of("en").pick(zh=None, en="", code="A-02") == "A-02"
