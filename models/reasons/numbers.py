"""Numbers in sentences: short, checkable, and right at both ends of their range, in Chinese and in English."""

from __future__ import annotations

from typing import Final

import numpy as np

Text = tuple[str, str]

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = (
    ("星期一", "Monday"), ("星期二", "Tuesday"), ("星期三", "Wednesday"), ("星期四", "Thursday"),
    ("星期五", "Friday"), ("星期六", "Saturday"), ("星期日", "Sunday"),
)  # fmt: skip

# Beyond, an exponential says nothing that anyone could check.
_MOST_LOG: Final = 20.0
_HOURS_UP_TO: Final = 36.0
_TENTHS_UP_TO: Final = 10.0
_DAYS_UP_TO: Final = 730.0
_YEAR: Final = 365.25
_DAY_MINUTES: Final = 1440
_ALIKE: Final = 0.05
_LEAST_RATIO: Final = 0.1
_MOST_RATIO: Final = 100.0
_HALF_A_PERCENT: Final = 0.005
_CERTAIN: Final = 100


def share_of(log_odds: float) -> float:
    """The probability of log-odds, whatever their size."""
    return float(1 / (1 + np.exp(-np.clip(log_odds, -_MOST_LOG * 2, _MOST_LOG * 2))))


def ratio_of(log_ratio: float) -> float:
    """The ratio of a log ratio, kept within what can be written."""
    return float(np.exp(np.clip(log_ratio, -_MOST_LOG, _MOST_LOG)))


def plain(value: float) -> str:
    """A number with separators: one decimal below ten where it has any, else none."""
    rounded = round(value, 1) + 0.0  # no minus before a zero
    has_tenths = abs(rounded) < _TENTHS_UP_TO and rounded != round(rounded)
    return f"{rounded:,.1f}" if has_tenths else f"{round(rounded):,d}"


def counted(value: float, one: str, many: str) -> str:
    """A number of things in English: 1 case, 2 cases."""
    told = plain(value)
    return f"{told} {one if told == '1' else many}"


def frequency(share: float, zh: str, en: tuple[str, str]) -> Text:
    """How often something happens, of a hundred: `zh` follows 每100件…件, `en` is the verb after one and after many.

    Examples
    --------
    >>> frequency(0.124, "被重办", ("was reopened", "were reopened"))
    ('每100件约12件被重办', 'about 12 of 100 were reopened')
    """
    one, many = en
    whole = round(100 * share)
    if whole <= 0:
        return f"每100件不到1件{zh}", f"fewer than 1 of 100 {one}"
    if whole >= _CERTAIN:
        return f"几乎全部{zh}", f"nearly all {many}"
    return f"每100件约{whole}件{zh}", f"about {whole} of 100 {one if whole == 1 else many}"


def of_100(share: float) -> Text:
    """The number alone, for the second half of a comparison: 约12件, about 12."""
    whole = round(100 * share)
    if whole <= 0:
        return "不到1件", "fewer than 1"
    if whole >= _CERTAIN:
        return "几乎全部", "nearly all"
    return f"约{whole}件", f"about {whole}"


def percent(share: float) -> Text:
    """A share in per cent; what is there but rounds to nothing is told as under one."""
    if 0 < share < _HALF_A_PERCENT:
        return "不到1%", "under 1%"
    told = f"{round(100 * share):,}%"
    return told, told


def about_percent(share: float) -> Text:
    """A share in per cent that is worked out, not counted: about 12%, or under 1%."""
    zh, en = percent(share)
    return (zh, en) if 0 < share < _HALF_A_PERCENT else (f"约{zh}", f"about {en}")


def compared(ratio: float, this: Text, that: Text, *, verb: str = "are", alike: str = "about as many as") -> Text:
    """One amount against another: 1.3 times, about as many, under a tenth.

    Parameters
    ----------
    ratio : this / that, above 0
    this, that : what they are, in Chinese and English
    verb : between the two in English
    alike : what is said in English where they are within a twentieth of each other
    """
    (zh, en), (zh_other, en_other) = this, that
    if abs(ratio - 1) <= _ALIKE:
        return f"{zh}与{zh_other}大致相当", f"{en} {verb} {alike} {en_other}"
    if ratio < _LEAST_RATIO:
        return f"{zh}不到{zh_other}的一成", f"{en} {verb} under a tenth of {en_other}"
    if ratio > _MOST_RATIO:
        return f"{zh}是{zh_other}的100倍以上", f"{en} {verb} over 100 times {en_other}"
    told = f"{ratio:,.1f}" if ratio < _TENTHS_UP_TO else f"{ratio:,.0f}"
    return f"{zh}是{zh_other}的{told}倍", f"{en} {verb} {told} times {en_other}"


def duration(hours: float) -> Text:
    """A length of time: minutes as under an hour, hours up to a day and a half, then days, then years."""
    length = abs(hours)
    if length < 1:
        return "不到1小时", "less than an hour"
    if length < _HOURS_UP_TO:
        whole = float(round(length))
        return f"{plain(whole)}小时", counted(whole, "hour", "hours")
    days = length / 24
    if days < _DAYS_UP_TO:
        return f"{plain(days)}天", counted(days, "day", "days")
    return f"{plain(days / _YEAR)}年", counted(days / _YEAR, "year", "years")


def in_days(hours: float) -> bool:
    """Whether a length of time is told in days."""
    return abs(hours) >= _HOURS_UP_TO


def clock(hour: float) -> Text:
    """An hour of the day with its part: 13.5 is 13:30."""
    minutes = round(hour * 60) % _DAY_MINUTES
    told = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return told, told


def weekday(value: float) -> Text:
    """0 is Monday."""
    return _WEEKDAYS[round(value) % 7]


def month(value: float) -> Text:
    """1 is January."""
    place = (round(value) - 1) % 12
    return f"{place + 1}月", _MONTHS[place]


def times_done(value: float) -> Text:
    """How many times something was done: once, twice, 3 times."""
    whole = round(value)
    english = {1: "once", 2: "twice"}.get(whole, f"{plain(float(whole))} times")
    return f"{plain(float(whole))}次", english


def sentence(text: str) -> str:
    """With a capital at the beginning."""
    return f"{text[0].upper()}{text[1:]}"
