"""A weak signal in one plain sentence, Chinese or English, and why its method was chosen.

A sentence says what was counted, what would be usual, and how often such a message is a false alarm. It says nothing
about causes and nothing about people. It is only as public as its numbers are: where those are withheld, no sentence is
made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd

from data.errors import UsageError
from models.signals.detect import window_weeks

Language = Literal["zh", "en"]

_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_REASONS: Final[dict[str, dict[Language, str]]] = {
    "too_short": {
        "en": "Too little is known to say anything: there are {weeks} weeks of record before the last four, and at "
        "least 8 are needed.",
        "zh": "记录太短，无法判断：最近四周之前只有{weeks}周的记录，至少需要8周。",
    },
    "months_of_past": {
        "en": "Compared with its own level over {weeks} earlier weeks, and with how the same type of problem moved "
        "elsewhere: the record is shorter than two years.",
        "zh": "与自身此前{weeks}周的水平以及同类问题在其他区域的变化相比：记录不足两年。",
    },
    "thin_counts": {
        "en": "Compared with its own level over {weeks} earlier weeks, and with how the same type of problem moved "
        "elsewhere: there are too few reports, or too few years, for a seasonal regression. Where reports are few, one "
        "in each of several weeks counts for more than as many in a single week.",
        "zh": "与自身此前{weeks}周的水平以及同类问题在其他区域的变化相比：报告太少或年份太少，无法做季节回归。"
        "报告很少时，分散在几周的报告比集中在一周的同样多的报告更能说明问题。",
    },
    "partly_recorded": {
        "en": "Compared with its own level over {weeks} earlier weeks, and with how the same type of problem moved "
        "elsewhere: weeks in which it was not recorded are left out.",
        "zh": "与自身此前{weeks}周的水平以及同类问题在其他区域的变化相比：未记录的各周不计在内。",
    },
    "not_recorded": {
        "en": "Not judged: this is not recorded at present. Before that there are {weeks} weeks to compare with.",
        "zh": "不作判断：目前没有登记；此前有{weeks}周可比。",
    },
    "years_of_past": {
        "en": "Compared with the same season of its own earlier years, with its own level over {weeks} earlier weeks, "
        "and with how the same type of problem moved elsewhere.",
        "zh": "与自身往年同一季节、此前{weeks}周的水平以及同类问题在其他区域的变化相比。",
    },
    "whole_months": {
        "en": "All areas together have none beside them: compared with their own last weeks, as far as such a "
        "comparison held over {weeks} earlier weeks, and with how the other types of problem moved.",
        "zh": "全部区域合计，没有其他区域可比：与自身最近几周的水平（按此前{weeks}周中这种比较的准确程度）"
        "以及其他类型问题的变化相比。",
    },
    "whole_years": {
        "en": "All areas together have none beside them: compared with the same season of their own earlier years, "
        "over {weeks} earlier weeks, and with how the other types of problem moved.",
        "zh": "全部区域合计，没有其他区域可比：与自身往年同一季节（此前{weeks}周）以及其他类型问题的变化相比。",
    },
}


def signal_sentence(
    signal: Mapping[str, Any],
    *,
    area: str,
    category: str,
    language: Language,
    time_zone: str,
) -> str:
    """One sentence for one row of `detect_signals`, or of the stored table.

    Parameters
    ----------
    signal : mapping with `week`, `direction`, `observed`, `lower`, `upper`, `fdr_level`, `method`
        The window of weeks is read from `method`. For a sum (`level`), also `n_parts`, `part_kind`, `parts_rising` and
        `parts_told`: the sentence then says how many of its parts take part.
    area, category : names for display, in the language asked for
    time_zone : of the offices; the date named is local

    Examples
    --------
    >>> row = {"week": 1765123200, "direction": "rise", "observed": 11, "lower": 3, "upper": 6, "fdr_level": 0.1,
    ...        "method": "short_past_1w"}
    >>> signal_sentence(row, area="Lotus Village", category="Blocked drain", language="en", time_zone="Asia/Shanghai")
    '11 reports of “Blocked drain” in Lotus Village in the week of 8 December; 3 to 6 would be usual. About 1 in 10 signals of this kind is a false alarm.'
    """  # noqa: E501  the example is one sentence
    weeks = window_weeks(str(signal["method"]))
    monday = pd.Timestamp(int(signal["week"]), unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None).normalize()
    told = _Told(
        silence=str(signal["direction"]) == "silence",
        observed=round(float(signal["observed"])),
        low=round(float(signal["lower"])),
        high=round(float(signal["upper"])),
        area=area,
        category=category,
        first=monday - pd.Timedelta(weeks=weeks - 1),
        weeks=weeks,
        level=float(signal["fdr_level"]),
        parts=_parts(signal),
    )
    return _SENTENCES[_language(language)](told)


def reason_sentence(signal: Mapping[str, Any], *, language: Language) -> str:
    """Why the series was judged as it was, or why it could not be; for a row with `method_reason`, `weeks_of_past`."""
    code = str(signal["method_reason"])
    if code not in _REASONS:
        raise UsageError(f"Expected one of the reasons {', '.join(_REASONS)}.")
    return _REASONS[code][_language(language)].format(weeks=int(signal["weeks_of_past"]))


def more_sentence(number: int, *, language: Language) -> str:
    """How many signals there are besides those told first; for `models.signals.more_signals`. Empty for none.

    Examples
    --------
    >>> more_sentence(7, language="en")
    'And 7 more: see all signals.'
    """
    said: dict[Language, str] = {
        "en": f"And {number:,} more: see all signals.",
        "zh": f"另有{number:,}个信号，见全部信号。",
    }
    if number == 0:
        return ""
    return said[_language(language)]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a sum is made of, and how many of its parts move with it."""

    number: int
    kind: str  # area · category
    moving: int
    told: int


@dataclass(frozen=True, slots=True)
class _Told:
    """What a sentence tells; `first` is the Monday that the `weeks` begin with."""

    silence: bool
    observed: int
    low: int
    high: int
    area: str
    category: str
    first: pd.Timestamp
    weeks: int
    level: float
    parts: _Parts | None


def _parts(signal: Mapping[str, Any]) -> _Parts | None:
    if str(signal.get("level", "series")) != "sum":
        return None
    moving, told = int(signal["parts_rising"]), int(signal["parts_told"])
    return _Parts(int(signal["n_parts"]), str(signal["part_kind"]), moving, told)


def _language(language: Language) -> Language:
    if language not in _SENTENCES:
        raise UsageError("Expected the language 'zh' or 'en'.")
    return language


def _english(told: _Told) -> str:
    few = told.silence and told.observed > 0
    number = "No" if told.observed == 0 else f"{'Only ' if few else ''}{told.observed:,}"
    reports = "report" if told.observed == 1 else "reports"
    day = f"{told.first.day} {_MONTHS[told.first.month - 1]}"
    span = f"in the week of {day}" if told.weeks == 1 else f"in the {told.weeks} weeks from {day}"
    usual = f"{told.low:,}" if told.low == told.high else f"{told.low:,} to {told.high:,}"
    share = _one_in(told.level)
    odds = (
        f"{told.level:.0%} of signals of this kind are false alarms"
        if share is None
        else f"1 in {share} signals of this kind is a false alarm"
    )
    place, parts = _english_parts(told)
    return f"{number} {reports} of “{told.category}” in {place} {span}; {usual} would be usual.{parts} About {odds}."


def _english_parts(told: _Told) -> tuple[str, str]:
    """Where, and which part the parts of a sum have in it."""
    parts = told.parts
    if parts is None:
        return told.area, ""
    areas = parts.kind == "area"
    place = f"the {parts.number:,} areas of {told.area}" if areas else told.area
    among = f"the {parts.number:,}" if areas else f"the {parts.number:,} types of problem in it"
    verb, side = ("is" if parts.moving == 1 else "are"), ("below" if told.silence else "above")
    share = f"{parts.moving:,} of {among} {verb} {side} what is usual there"
    if parts.told == 0:
        return place, f" None stands out by itself: {share}."
    signals = "1 signal" if parts.told == 1 else f"{parts.told:,} signals"
    return place, f" The {signals} told within it cannot explain it alone: {share}."


def _chinese(told: _Told) -> str:
    only = "仅" if told.silence else ""
    number = "没有收到" if told.observed == 0 else f"{only}收到{told.observed:,}件"
    span = "一周" if told.weeks == 1 else f"{told.weeks}周"
    usual = f"{told.low:,}件" if told.low == told.high else f"{told.low:,}至{told.high:,}件"
    share = _one_in(told.level)
    odds = f"约{told.level:.0%}是误报" if share is None else f"大约每{share}个中有1个是误报"
    day = f"{told.first.month}月{told.first.day}日"
    place, parts = _chinese_parts(told)
    return f"{place}在{day}起的{span}内{number}“{told.category}”报告；通常为{usual}。{parts}此类信号{odds}。"


def _chinese_parts(told: _Told) -> tuple[str, str]:
    parts = told.parts
    if parts is None:
        return told.area, ""
    areas = parts.kind == "area"
    place = f"{told.area}的{parts.number:,}个区域" if areas else told.area
    among = f"{parts.number:,}个区域" if areas else f"其中{parts.number:,}类问题"
    share = f"{among}中有{parts.moving:,}个{'低于' if told.silence else '高于'}各自的通常水平"
    if parts.told == 0:
        return place, f"没有哪一个单独显得异常：{share}。"
    return place, f"其中已单独提示的{parts.told:,}个信号不足以解释：{share}。"


def _one_in(level: float) -> int | None:
    """10 for 0.1; None where the level is no one-in-so-many."""
    share = round(1.0 / level)
    return share if abs(share * level - 1.0) < 0.01 else None


_SENTENCES: Final[dict[Language, Callable[[_Told], str]]] = {"en": _english, "zh": _chinese}
