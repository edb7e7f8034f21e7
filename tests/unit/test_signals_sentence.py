"""Signals in plain sentences."""

from __future__ import annotations

import pytest

from data.errors import UsageError
from models.signals import more_sentence, reason_sentence, signal_sentence

MONDAY = 1_765_123_200  # 2025-12-08 00:00 in Shanghai
SIGNAL = {
    "week": MONDAY,
    "direction": "rise",
    "observed": 11,
    "lower": 3.0,
    "upper": 6.0,
    "fdr_level": 0.1,
    "method": "short_past_1w",
}


def say(language: str, **change: object) -> str:
    names = {"en": ("Lotus Village", "Blocked drain"), "zh": ("莲花村", "下水道堵塞")}[language]
    return signal_sentence(
        SIGNAL | change, area=names[0], category=names[1], language=language, time_zone="Asia/Shanghai"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {},
            "11 reports of “Blocked drain” in Lotus Village in the week of 8 December; 3 to 6 would be usual. "
            "About 1 in 10 signals of this kind is a false alarm.",
        ),
        (
            {"method": "short_past_4w", "observed": 1031, "lower": 700, "upper": 860, "fdr_level": 0.05},
            "1,031 reports of “Blocked drain” in Lotus Village in the 4 weeks from 17 November; "
            "700 to 860 would be usual. "
            "About 1 in 20 signals of this kind is a false alarm.",
        ),
        (
            {"direction": "silence", "observed": 0, "lower": 8, "upper": 15, "fdr_level": 0.15},
            "No reports of “Blocked drain” in Lotus Village in the week of 8 December; 8 to 15 would be usual. "
            "About 15% of signals of this kind are false alarms.",
        ),
        (
            {"direction": "silence", "observed": 1, "lower": 9, "upper": 9},
            "Only 1 report of “Blocked drain” in Lotus Village in the week of 8 December; 9 would be usual. "
            "About 1 in 10 signals of this kind is a false alarm.",
        ),
    ],
)
def test_the_english_sentence_says_count_place_time_and_odds(change, expected):
    """Numbers, singular, window, silence and level each come out in plain English."""
    assert say("en", **change) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {},
            "莲花村在12月8日起的一周内收到11件“下水道堵塞”报告；通常为3至6件。此类信号大约每10个中有1个是误报。",
        ),
        (
            {"direction": "silence", "observed": 0, "lower": 9, "upper": 9, "method": "long_past_1w"},
            "莲花村在12月8日起的一周内没有收到“下水道堵塞”报告；通常为9件。此类信号大约每10个中有1个是误报。",
        ),
        (
            {"direction": "silence", "observed": 2, "method": "short_past_2w", "fdr_level": 0.15},
            "莲花村在12月1日起的2周内仅收到2件“下水道堵塞”报告；通常为3至6件。此类信号约15%是误报。",
        ),
    ],
)
def test_the_chinese_sentence_says_the_same(change, expected):
    """Numbers, window, silence and level each come out in plain Chinese."""
    assert say("zh", **change) == expected


TOWN = {"level": "sum", "part_kind": "area", "n_parts": 20, "parts_rising": 15, "parts_told": 0, "observed": 23}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {},
            "23 reports of “Blocked drain” in the 20 areas of Lotus Village in the week of 8 December; 3 to 6 would be "
            "usual. None stands out by itself: 15 of the 20 are above what is usual there. "
            "About 1 in 10 signals of this kind is a false alarm.",
        ),
        (
            {"parts_told": 1},
            "23 reports of “Blocked drain” in the 20 areas of Lotus Village in the week of 8 December; 3 to 6 would be "
            "usual. The 1 signal told within it cannot explain it alone: 15 of the 20 are above what is usual there. "
            "About 1 in 10 signals of this kind is a false alarm.",
        ),
        (
            {"part_kind": "category", "n_parts": 4, "parts_rising": 1, "direction": "silence", "observed": 1},
            "Only 1 report of “Blocked drain” in Lotus Village in the week of 8 December; 3 to 6 would be usual. "
            "None stands out by itself: 1 of the 4 types of problem in it is below what is usual there. "
            "About 1 in 10 signals of this kind is a false alarm.",
        ),
    ],
)
def test_the_english_sentence_of_a_sum_says_how_many_parts_take_part(change, expected):
    """Areas or types of problem, with or without signals of their own, above or below."""
    assert say("en", **TOWN | change) == expected


def test_the_chinese_sentence_of_a_sum_says_the_same():
    """Areas with none told, areas with two told, and types of problem of one area in silence."""
    assert say("zh", **TOWN) == (
        "莲花村的20个区域在12月8日起的一周内收到23件“下水道堵塞”报告；通常为3至6件。"
        "没有哪一个单独显得异常：20个区域中有15个高于各自的通常水平。此类信号大约每10个中有1个是误报。"
    )
    assert "其中已单独提示的2个信号不足以解释：20个区域中有15个" in say("zh", **TOWN | {"parts_told": 2})
    silent = say("zh", **TOWN | {"part_kind": "category", "n_parts": 4, "direction": "silence"})
    assert "其中4类问题中有15个低于各自的通常水平" in silent
    assert silent.startswith("莲花村在")


def test_what_is_not_told_first_is_counted():
    """How many more there are, in both languages; nothing for none."""
    assert more_sentence(7, language="en") == "And 7 more: see all signals."
    assert more_sentence(7, language="zh") == "另有7个信号，见全部信号。"
    assert more_sentence(0, language="en") == ""
    with pytest.raises(UsageError, match="'zh' or 'en'"):
        more_sentence(7, language="fr")


@pytest.mark.parametrize(
    "code", ["too_short", "months_of_past", "thin_counts", "years_of_past", "whole_months", "whole_years"]
)
def test_every_reason_has_a_sentence_in_both_languages(code):
    """Each says how many weeks it rests on."""
    for language in ("en", "zh"):
        told = reason_sentence({"method_reason": code, "weeks_of_past": 21}, language=language)
        assert {"en": " 21 ", "zh": "21周"}[language] in told


def test_unknown_words_are_refused():
    """Another language, or another reason, is an error of the caller."""
    with pytest.raises(UsageError, match="'zh' or 'en'"):
        signal_sentence(SIGNAL, area="a", category="b", language="fr", time_zone="UTC")
    with pytest.raises(UsageError, match="too_short, months_of_past"):
        reason_sentence({"method_reason": "because", "weeks_of_past": 1}, language="en")
