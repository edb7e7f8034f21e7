"""The glossary knows every word that files, tables and answers are made of, and each once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from data.schema import CASE_FIELDS, EVENT_FIELDS, INSPECTION_FIELDS, Channel, ClosingReason, EventKind, Severity, Tier
from data.tables import metadata

GLOSSARY = Path(__file__).parents[2] / "GLOSSARY.md"
OUTCOMES = ("late", "unresolved", "reopened", "handed_up")
DIRECTIONS = ("rise", "silence")
# The words of the design, one meaning each.
DESIGN = (
    *("case", "event", "at", "known_at", "as-of", "office", "area", "service standard", "clock", "outcome"),
    *("landmark", "risk", "reason", "pressure", "weak signal"),
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def rows() -> list[tuple[str, str, str]]:
    """Word, Chinese term and meaning of every row of every table in the glossary."""
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in GLOSSARY.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("| word", "|---"))
    ]
    assert all(len(row) == 3 for row in cells), "a row of the glossary has three cells"
    return [(word, chinese, meaning) for word, chinese, meaning in cells]


def words() -> set[str]:
    return {word.replace("`", "") for word, _, _ in rows()}


@pytest.mark.parametrize("vocabulary", [EventKind, Channel, ClosingReason, Tier, Severity])
def test_every_word_of_the_vocabularies_is_explained(vocabulary):
    """A value that a file may hold or an answer may show has its row."""
    assert {member.value for member in vocabulary} <= words()


def test_every_field_is_explained():
    """What a row of an export may carry has its row."""
    assert {*CASE_FIELDS, *EVENT_FIELDS, *INSPECTION_FIELDS} <= words()


def test_every_table_is_explained():
    """A table whose name is also a word for one of its rows is listed as "NAME table"."""
    assert {name for name in metadata.tables if not {name, f"{name} table"} & words()} == set()


def test_every_outcome_and_every_direction_is_explained():
    """Risks are about outcomes and weak signals have a direction."""
    known = words()
    assert {*OUTCOMES, *DIRECTIONS} <= known
    assert {"reopened, as an outcome", "handed_up, as an outcome"} <= known


def test_every_word_of_the_design_is_explained():
    """The glossary begins with the words that the design rests on."""
    assert set(DESIGN) <= words()


def test_no_word_is_explained_twice():
    """One meaning each."""
    twice = [word for word, count in Counter(word for word, _, _ in rows()).items() if count > 1]
    assert twice == []


def test_no_chinese_term_stands_for_two_words():
    """A page in Chinese must not say the same of two things."""
    twice = [term for term, count in Counter(chinese for _, chinese, _ in rows()).items() if count > 1]
    assert twice == []


def test_every_row_has_a_chinese_term_and_a_whole_sentence():
    """A meaning that is left open is no meaning."""
    for word, chinese, meaning in rows():
        assert CHINESE.search(chinese) or chinese in ("AUC",), f"{word}: no Chinese term"
        assert meaning.endswith("."), f"{word}: the meaning is not a sentence"
