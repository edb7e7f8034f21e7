"""What a check says, in both languages: nothing is missing, nothing is left unfilled, and numbers are written well."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from data.boundary import violations
from data.findings import EFFECTS
from data.quality.check import CODES, FAMILIES
from data.quality.check_finding import (
    NOUNS,
    Both,
    CheckFinding,
    Where,
    decimal,
    order,
    period,
    remedy,
    sentence,
    share,
    words,
)
from data.quality.label_trust import SYMPTOMS as TRUST_SYMPTOMS
from data.schema import Channel
from service.check_report.told import LEVEL_MEANINGS, LEVEL_PLURALS, LEVEL_SHAPES, LEVEL_WORDS, disclosed
from service.check_report.words import SYMPTOMS, WORDS
from service.check_verdict import ANSWERS, QUESTIONS

CHINESE = re.compile(r"[\u4e00-\u9fff]")
TEXTS = [
    *((f"{code.code}.{name}", getattr(code, name)) for code in CODES.values() for name in ("meaning", "says", "do")),
    *((f"word.{name}", text) for name, text in WORDS.items()),
    *((f"family.{name}", text) for name, text in FAMILIES.items()),
    *((f"symptom.{name}", text) for name, text in SYMPTOMS.items()),
    *((f"verdict.{name}", text) for name, text in {**ANSWERS, **QUESTIONS}.items()),
    *((f"level.{name}", text) for one in (LEVEL_WORDS, LEVEL_PLURALS, LEVEL_MEANINGS) for name, text in one.items()),
]


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_every_text_is_there_in_both_languages(name, text):
    """Chinese is Chinese, English is English, and both fill in the same figures."""
    assert text.en.strip()
    assert not CHINESE.search(text.en), name
    assert CHINESE.search(text.zh) or text.zh == text.en, name
    assert set(_fields(text.zh)) <= set(_fields(text.en)) | {"n"}


def _fields(template: str) -> list[str]:
    return [field.split("[")[0] for _, field, _, _ in Formatter().parse(template) if field]


_VALUES = {"%": 0.123, "auc": 0.876, "p": 0.004, "02d": 7}


def _example(code: str) -> CheckFinding:
    """A finding with a value for everything that its templates may ask for."""
    asked: dict[str, str] = {}
    for text in (CODES[code].says, CODES[code].do):
        for language in (text.zh, text.en):
            for _, name, spec, _ in Formatter().parse(language):
                if name:
                    asked[name.split("[")[0]] = spec or ""
    place = {"column", "category", "office", "area", "channel", "period", "values", "code"}
    figures = {name: _VALUES.get(spec, 1234) for name, spec in asked.items() if name not in place}
    where = Where(
        column="col",
        category="Cat",
        office="Off",
        channel="Chan",
        period="2013-06/2014",
        values=("A", "B", "C", "D", "E"),
    )
    return CheckFinding(code=code, level="note", weight=0, figures=figures, where=where)


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_can_be_said(code):
    """Filled with figures, nothing is left in braces, and numbers have their separators."""
    finding = _example(code)
    for language in ("zh", "en"):
        for text in (sentence(CODES[code], finding, language), remedy(CODES[code], finding, language)):
            assert "{" not in text
            assert " None" not in text
            assert "None " not in text.removeprefix("None of the")
            assert "1234" not in text
            assert text.rstrip()[-1] in "。.？?)", text


def test_every_symptom_and_effect_has_words():
    """What label trust and the import may call a thing, the report has a word for."""
    assert set(TRUST_SYMPTOMS) <= set(SYMPTOMS)
    assert set(EFFECTS) <= set(CODES)


def test_the_check_speaks_of_no_one():
    """Codes are names of the schema too: the boundary reads them."""
    assert violations("codes", CODES) == []


def test_numbers_are_written_for_people():
    """One decimal under ten per cent, none above; never rounded to none or to all; one thing is singular."""
    assert [share(value, "en") for value in (0.0, 0.0001, 0.012, 0.05, 0.19, 0.9999, 1.0)] == [
        "0%",
        "under 0.1%",
        "1.2%",
        "5%",
        "19%",
        "over 99%",
        "100%",
    ]
    assert share(0.0001, "zh") == "不足0.1%"
    assert (share(0.0001, "zh", short=True), share(0.999, "en", short=True)) == ("<0.1%", ">99%")
    assert decimal(1234.56, "en") == "1,234.6"
    assert decimal(4.0, "en") == "4"
    assert NOUNS["categories"] == "category"
    one = CheckFinding(code="missing_time", level="stop", weight=0, figures={"n": 1}, where=Where(column="c"))
    assert sentence(CODES["missing_time"], one, "en").startswith("In 1 row,")


def test_periods_and_words_are_written_in_each_language():
    """A month, a span, and any text that only looks like one."""
    assert period("2018-09-17", "en") == "17 Sep 2018"
    assert period("2018-09-17/2019-01", "zh") == "2018年9月17日至2019年1月"
    assert period("BOILER/FURNACE", "zh") == "BOILER/FURNACE"
    assert period("2013", "en") == "2013"
    assert words(["a", "b"], "en") == "'a' and 'b'"
    assert words("abcdef", "en") == "'a', 'b', 'c', 'd' and 2 more"
    assert words("abcdef", "zh") == "“a”、“b”、“c”、“d”等6个"


def test_what_is_withheld_says_so():
    """A figure that is None is 'fewer than 10', never nothing and never zero."""
    gone = CheckFinding(
        code="no_area", level="note", weight=0, figures={"n": None, "share": None, "share_category": None}
    )
    assert "fewer than 10" in sentence(CODES["no_area"], gone, "en")
    assert "不足10" in sentence(CODES["no_area"], gone, "zh")


@pytest.mark.parametrize("place", [{"office": "Works"}, {"area": "North"}])
def test_small_counts_of_a_place_are_withheld_with_all_that_gives_them_back(place):
    """Nine cases at an office, or in an area, become none, and so do the shares and the sentence made with them."""
    finding = CheckFinding(
        code="label_mass_closing", level="note", weight=0, figures={"n": 3, "batch": 9, "cases": 120, "share": 0.3},
        where=Where(**place), says=Both("有9件", "there were 9"),
    )  # fmt: skip
    shown = disclosed(finding)
    assert shown.figures == {"n": 3, "batch": None, "cases": 120, "share": None}
    assert "9" not in sentence(CODES[shown.code], shown, "en")
    large = CheckFinding(code="label_mass_closing", level="note", weight=0, figures={"batch": 10}, where=Where(**place))
    assert disclosed(large) is large


def test_the_order_is_by_level_then_weight():
    """What stops comes first, whatever its weight."""
    made = [
        CheckFinding(code="leak", level="note", weight=9, figures={}),
        CheckFinding(code="no_area", level="warn", weight=0.1, figures={}),
        CheckFinding(code="no_deadlines", level="stop", weight=0, figures={}),
        CheckFinding(code="near_instant", level="warn", weight=0.2, figures={}),
    ]
    assert [one.code for one in order(made)] == ["no_deadlines", "near_instant", "no_area", "leak"]
    assert len(set(LEVEL_SHAPES.values())) == 3
    assert Channel.OTHER.value == "other"
