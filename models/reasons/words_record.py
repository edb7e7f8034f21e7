"""The words of records: how often what is like a case went wrong so far, and how that has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from features.failures import FAILURES
from features.key_words import KEY_WORDS
from features.record_features import DEPARTURES
from models.reasons.numbers import Text, frequency, of_100, sentence, share_of

Row = Mapping[str, float]

_LATE: Final = ("超期", ("was late", "were late"))
# Log-odds: within the first nobody would see a difference; beyond the second the odds have doubled.
_ALIKE: Final = 0.1
_MUCH: Final = 0.69

# Failure -> what follows 每100件…件, and the verb after one and after many.
_FAILED: Final[dict[str, tuple[str, tuple[str, str]]]] = {
    "unresolved": ("办结时未解决", ("was closed unresolved", "were closed unresolved")),
    "reopened": (
        "办结后28天内被重办",
        ("was reopened within 28 days of closing", "were reopened within 28 days of closing"),
    ),
    "handed_up": (
        "受理后28天内被上报",
        ("was handed up a tier within 28 days", "were handed up a tier within 28 days"),
    ),
}


def late_of_100(log_odds: float) -> Text:
    """How many of a hundred were late."""
    return frequency(share_of(log_odds), *_LATE)


def told_record(key: str, row: Row) -> Text:
    """What the record of a key says against the one above it: in numbers where the row holds both, else in words."""
    parent = DEPARTURES[key]
    (zh, en), (parent_zh, parent_en) = KEY_WORDS[key], KEY_WORDS[parent]
    own, above = _level(key, row), _level(parent, row)
    if np.isnan(own):
        told = _against(row[f"record_{key}"], parent)
        return f"{zh}：以往{told[0]}", f"{sentence(en)}: so far {told[1]}"
    (told_zh, told_en), (other_zh, other_en) = late_of_100(own), of_100(share_of(above))
    return f"{zh}以往{told_zh}，{parent_zh}{other_zh}", f"{sentence(en)}: {told_en}, against {other_en} for {parent_en}"


def told_month(key: str, value: float) -> Text:
    """What the last 28 days of a key say against the key above it."""
    zh, en = KEY_WORDS[key]
    told_zh, told_en = _against(value, DEPARTURES[key])
    return f"{zh}：近28天{told_zh}", f"{sentence(en)}: in the last 28 days {told_en}"


def told_failure(name: str, value: float) -> Text | None:
    """The record of a failure other than lateness; None for another feature."""
    for failure in FAILURES:
        if name.startswith(f"{failure.name}_share_"):
            rest = name.removeprefix(f"{failure.name}_share_")
            is_recent = rest.startswith("91d_")
            zh, en = KEY_WORDS[rest.removeprefix("91d_")]
            span_zh, span_en = ("近91天", "over 91 days") if is_recent else ("以往", "so far")
            told_zh, told_en = frequency(value, *_FAILED[failure.name])
            return f"{zh}{span_zh}{told_zh}", f"{sentence(en)}, {span_en}: {told_en}"
    return None


def _against(value: float, other: str) -> Text:
    """Late more or less often than another key, by a departure in log-odds."""
    zh, en = KEY_WORDS[other]
    if abs(value) < _ALIKE:
        return f"超期与{zh}相当", f"late about as often as {en}"
    more = value > 0
    degree_zh, degree_en = ("明显", "far ") if abs(value) >= _MUCH else ("", "")
    return (
        f"超期{degree_zh}{'多' if more else '少'}于{zh}",
        f"late {degree_en}{'more' if more else 'less'} often than {en}",
    )


def _level(key: str, row: Row) -> float:
    """The log-odds of a key's record, put together from the departures above it; NaN where one is not in the row."""
    if key == "city":
        return row.get("city", np.nan)
    return row.get(f"record_{key}", np.nan) + _level(DEPARTURES[key], row)


def _degree(value: float, more: Text, less: Text, alike: Text) -> Text:
    """Words by the sign of a departure in log-odds; `{}` is where 明显 or much goes."""
    if abs(value) < _ALIKE:
        return alike
    zh, en = more if value > 0 else less
    much = abs(value) >= _MUCH
    return zh.format("明显" if much else ""), en.format("far " if much else "")


def _recent(value: float) -> Text:
    return _degree(
        value,
        ("最近到期的30件超期{}多于以往", "of the last 30 that fell due, {}more were late than usual"),
        ("最近到期的30件超期{}少于以往", "of the last 30 that fell due, {}fewer were late than usual"),
        ("最近到期的30件超期与以往相当", "of the last 30 that fell due, about as many were late as usual"),
    )


def _trend(value: float) -> Text:
    return _degree(
        value,
        ("近28天超期{}多于以往", "late {}more often in the last 28 days than before"),
        ("近28天超期{}少于以往", "late {}less often in the last 28 days than before"),
        ("近28天超期与以往相当", "late about as often in the last 28 days as before"),
    )


def _early_sign(value: float) -> Text:
    return _degree(
        value,
        ("未到期的办得比以往{}慢", "those not due yet are closed {}more slowly than before"),
        ("未到期的办得比以往{}快", "those not due yet are closed {}sooner than before"),
        ("未到期的办得与以往一样快", "those not due yet are closed about as soon as before"),
    )


def _early_sign_28d(value: float) -> Text:
    return _degree(
        value,
        ("近28天未到期的办得{}更慢", "in the last 28 days, those not due yet are closed {}more slowly"),
        ("近28天未到期的办得{}更快", "in the last 28 days, those not due yet are closed {}sooner"),
        ("近28天未到期的办得与以往一样快", "in the last 28 days, those not due yet are closed about as soon as before"),
    )


def _late_share(days: int) -> Callable[[float], Text]:
    def told(share: float) -> Text:
        zh, en = frequency(share, *_LATE)
        return f"近{days}天到期的{zh}", f"of those due in the last {days} days, {en}"

    return told


# Prefix of the feature -> what follows the key and a colon.
BY_PREFIX: Final[dict[str, Callable[[float], Text]]] = {
    "level": lambda v: (f"以往{late_of_100(v)[0]}", f"{late_of_100(v)[1]} so far"),
    "recent": _recent,
    "trend": _trend,
    "early_sign": _early_sign,
    "early_sign_28d": _early_sign_28d,
    "late_share_91d": _late_share(91),
    "late_share_365d": _late_share(365),
}


def told_departure(name: str, log_odds: float) -> Text | None:
    """A part of the start of another failure than lateness, of which only the direction is known; None for others."""
    for failure in FAILURES:
        if name.startswith(f"{failure.name}_share_"):
            zh, en = KEY_WORDS[name.removeprefix(f"{failure.name}_share_")]
            failed_zh, (_one, failed_en) = _FAILED[failure.name]
            told_zh, told_en = _degree(
                log_odds,
                (f"{failed_zh}的{{}}多于全市", f"cases {failed_en} {{}}more often than in the whole city"),
                (f"{failed_zh}的{{}}少于全市", f"cases {failed_en} {{}}less often than in the whole city"),
                (f"{failed_zh}的与全市相当", f"cases {failed_en} about as often as in the whole city"),
            )
            return f"{zh}：{told_zh}", f"{sentence(en)}: {told_en}"
    return None
