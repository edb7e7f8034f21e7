"""Figures and moments in words."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from service import display
from service.language import words_of
from service.published import Figure

EN, ZH = words_of("en"), words_of("zh")
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = 1_763_683_200  # 21 November 2025, 08:00 in Shanghai
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.0, "about 0 of 100 like this"),
        (0.004, "fewer than 1 of 100 like this"),
        (0.6249, "about 62 of 100 like this"),
        (0.9949, "about 99 of 100 like this"),
        (0.996, "more than 99 of 100 like this"),
        (1.0, "about 100 of 100 like this"),
    ],
)
def test_a_risk_is_told_as_cases_of_a_hundred(probability, said):
    """A small risk is never told as none, nor a large one as certain."""
    assert display.frequency(EN, probability) == said


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (30 * DAY + HOUR, "in 30 days"),
        (2 * DAY, "in 2 days"),
        (2 * DAY - 1, "in 47 hours"),
        (HOUR, "in 1 hour"),
        (HOUR - 1, "due within the hour"),
        (0, "due within the hour"),
        (-1, "just overdue"),
        (-HOUR, "1 hour overdue"),
        (-2 * DAY, "2 days overdue"),
    ],
)
def test_time_left_is_told_in_hours_or_days_and_never_rounded_up(left, said):
    """Who reads "in 2 days" has at least two days."""
    assert display.deadline(EN, NOW + left, NOW) == said


def test_a_case_without_a_promise_has_no_deadline():
    """No promise is told as none and not as a far date."""
    assert display.deadline(EN, None, NOW) == "no deadline"
    assert display.deadline(ZH, None, NOW) == "无时限"


def test_moments_are_told_on_the_clock_of_the_city():
    """The reader's own clock plays no part."""
    assert display.moment(EN, NOW, SHANGHAI) == "21 Nov 2025, 08:00"
    assert display.moment(ZH, NOW, SHANGHAI) == "2025年11月21日 08:00"
    assert display.moment(EN, NOW, ZoneInfo("America/Chicago")) == "20 Nov 2025, 18:00"
    assert display.weekday_time(ZH, NOW, SHANGHAI) == "11月21日 周五 08:00"


def test_points_have_a_sign_and_always_one_decimal():
    """A reader can add them up by eye."""
    assert [display.points(EN, tenths) for tenths in (274, -5, 0)] == ["+27.4", "−0.5", "±0.0"]


def test_a_withheld_figure_is_neither_nothing_nor_unknown():
    """The three ways of having no number are told apart."""
    assert display.figure(EN, Figure(None, withheld=True), 10) == "fewer than 10, or withheld"
    assert display.figure(ZH, Figure(None, withheld=True), 10) == "少于10或不公开"
    assert display.figure(EN, Figure(None), 10) == "not known"
    assert display.figure(EN, Figure(1234.5), 10) == "1,234.5"


def test_an_unknown_code_is_shown_as_it_is():
    """A word that the tables do not know yet does not break a page."""
    assert display.word(ZH, display.CHANNELS, "phone") == "电话"
    assert display.word(ZH, display.CHANNELS, "pigeon") == "pigeon"
    assert display.word(ZH, display.CHANNELS, None) == "未填写"
