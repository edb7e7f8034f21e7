"""Reasons in words: what a feature says of a case, in Chinese and in English, with the numbers an officer can check."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import CATALOGUE
from features.feature import Unit
from features.key_words import KEY_WORDS
from features.matrix import Matrix
from features.record_features import DEPARTURES
from models.risk import Explanation

# The rest is shown as one part. Ten are more than anyone reads, and keep a stored risk below two kilobytes.
MOST_REASONS: Final = 10
_LEAST_POINTS: Final = 0.05

# A promise that has passed is not a risk but a fact, and needs no other reason.
OVERDUE_REASONS: Final = json.dumps([{"feature": "base", "points": 100.0}])

_WEEKDAYS: Final = (
    ("星期一", "Monday"), ("星期二", "Tuesday"), ("星期三", "Wednesday"), ("星期四", "Thursday"),
    ("星期五", "Friday"), ("星期六", "Saturday"), ("星期日", "Sunday"),
)  # fmt: skip

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

Row = Mapping[str, float]
Floats = NDArray[np.float64]
Text = tuple[str, str]


def stored_reasons(explanation: Explanation, matrix: Matrix, share_passed: Floats | None = None) -> list[str]:
    """The reasons of n cases as JSON lists, in the order of the matrix.

    Each list begins with `{"feature": "base", "points": …}`, the percentage points that every case starts from, and
    goes on with the largest contributions: `feature`, `family`, `label_zh`, `label_en`, `text_zh`, `text_en`,
    `points`. `share_passed`, (n,), is how much of the promised time has passed.
    What the list leaves out is the probability (in percentage points) minus the sum of its points.
    """
    names = np.array(explanation.points.columns)
    points = explanation.points.to_numpy() * 100
    largest = np.argsort(-np.abs(points), axis=1, kind="stable")[:, :MOST_REASONS]
    told_of = pd.concat([matrix.features, matrix.offset_parts[["city"]]], axis=1)
    told_of["time_waited"] = 0.0 if share_passed is None else share_passed
    told = told_of.to_dict("records")
    result = []
    for i, row in enumerate(told):
        chosen = [j for j in largest[i] if abs(points[i, j]) >= _LEAST_POINTS]
        parts: list[dict[str, Any]] = [{"feature": "base", "points": round(100 * float(explanation.base[i]), 4)}]
        parts += [_reason(str(names[j]), float(points[i, j]), {str(k): v for k, v in row.items()}) for j in chosen]
        result.append(json.dumps(parts, ensure_ascii=False, separators=(",", ":")))
    return result


def _reason(name: str, points: float, row: Row) -> dict[str, Any]:
    feature = CATALOGUE[name]
    text_zh, text_en = phrase(name, row)
    return {
        "feature": name,
        "family": feature.family,
        "label_zh": feature.label_zh,
        "label_en": feature.label_en,
        "text_zh": text_zh,
        "text_en": text_en,
        "points": round(points, 4),
    }


def phrase(name: str, row: Row) -> Text:
    """What a feature says of a case: a Chinese and an English clause.

    A feature without words of its own is told by its label and its value; one that the row doesn't hold by its label.

    Parameters
    ----------
    name : of the catalogue
    row : feature -> value of the case, with `city`, the city's own level in log-odds
    """
    prefix, key = _split(name)
    if name not in row:
        return CATALOGUE[name].label_zh, _sentence(CATALOGUE[name].label_en)
    value = row[name]
    if np.isnan(value) or not (name in _OWN or prefix == "record" or prefix in _BY_PREFIX):
        return _labelled(name, value)
    if name in _OWN:
        return _OWN[name](value)
    if prefix == "record":
        return _told_record(key, row)
    zh, en = KEY_WORDS[key]
    told_zh, told_en = _BY_PREFIX[prefix](value)
    return f"{zh}：{told_zh}", f"{_sentence(en)}: {told_en}"


def _labelled(name: str, value: float) -> Text:
    """The label of a feature with its value; where that is null, that nothing is on record."""
    feature = CATALOGUE[name]
    zh, en = ("无记录", "nothing on record") if np.isnan(value) else _BY_UNIT[feature.unit](value)
    return f"{feature.label_zh}：{zh}", f"{_sentence(feature.label_en)}: {en}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _split(name: str) -> tuple[str, str]:
    """The prefix and the key of a feature's name."""
    key = next((key for key in sorted(KEY_WORDS, key=len, reverse=True) if name.endswith(f"_{key}")), "")
    return name.removesuffix(f"_{key}"), key


def _told_record(key: str, row: Row) -> Text:
    parent = DEPARTURES[key]
    own, above = _level(key, row), _level(parent, row)
    (zh, en), (parent_zh, parent_en) = KEY_WORDS[key], KEY_WORDS[parent]
    return (
        f"{zh}以往每100件约{_of_100(own)}件超期，{parent_zh}为{_of_100(above)}件",
        f"{_sentence(en)}: about {_of_100(own)} of 100 were late, against {_of_100(above)} for {parent_en}",
    )


def _level(key: str, row: Row) -> float:
    """The log-odds of a key's record, put together from the departures above it."""
    if key == "city":
        return row["city"]
    return row[f"record_{key}"] + _level(DEPARTURES[key], row)


def _of_100(log_odds: float) -> int:
    return round(100 / (1 + float(np.exp(-log_odds))))


def _times(value: float) -> str:
    return f"{float(np.exp(value)):.1f}"


def _compared(value: float, *, more: Text, less: Text) -> Text:
    return more if value > 0 else less


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def _duration(log_hours: float) -> Text:
    hours = float(np.exp(log_hours))
    if hours < 36:
        return f"承诺{hours:.0f}小时内办结", f"Promised within {hours:.0f} hours"
    return f"承诺{hours / 24:.0f}天内办结", f"Promised within {hours / 24:.0f} days"


def _clock(value: float) -> str:
    return f"{int(value):02d}:{round(value % 1 * 60):02d}"


def _weekday(value: float) -> Text:
    return _WEEKDAYS[int(value)]


def _number(value: float, zh: str = "", one: str = "", many: str = "") -> Text:
    told = f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:,.1f}"
    english = one if told == "1" else many
    return f"{told}{zh}", f"{told} {english}".rstrip()


def _hours(value: float) -> Text:
    return _number(value, "小时", "hour", "hours")


_BY_UNIT: Final[dict[Unit, Callable[[float], Text]]] = {
    "log_odds": lambda v: (f"对数几率{v:+.1f}", f"{v:+.1f} in log-odds"),
    "log_ratio": lambda v: (f"{_times(v)}倍", f"{_times(v)} times"),
    "share": lambda v: (_percent(v), _percent(v)),
    "count": _number,
    "hour": lambda v: (_clock(v), _clock(v)),
    "weekday": _weekday,
    "month": lambda v: (f"{v:.0f}月", _MONTHS[int(v) - 1]),
    "log_hours": lambda v: _hours(float(np.exp(v))),
    "hours": _hours,
    "days": lambda v: _number(v, "天", "day", "days"),
    "flag": lambda v: ("是", "yes") if v else ("否", "no"),
}


def _closed_within(share: float, days: int) -> Text:
    span = "a day" if days == 1 else f"{days} days"
    return f"近91天{_percent(share)}在{days}天内办结", f"{_percent(share)} closed within {span}, over 91 days"


def _arrived(count: float, days: int) -> Text:
    return f"近{days}天来件{count:.0f}件", f"{count:.0f} cases came in over {days} days"


_MONTHLY: Final[dict[str, Text]] = {
    "more": ("近28天超期多于以往", "late more often in the last 28 days than before"),
    "less": ("近28天超期少于以往", "late less often in the last 28 days than before"),
}

_BY_PREFIX: Final[dict[str, Callable[[float], Text]]] = {
    "level": lambda v: (f"每100件约{_of_100(v)}件超期", f"about {_of_100(v)} of 100 were late"),
    "record_28d": lambda v: _compared(
        v,
        more=("近28天超期多于同类", "in the last 28 days late more often than its like"),
        less=("近28天超期少于同类", "in the last 28 days late less often than its like"),
    ),
    "recent": lambda v: _compared(
        v,
        more=("最近到期的30件超期多于以往", "of the last 30 that fell due, more were late than usual"),
        less=("最近到期的30件超期少于以往", "of the last 30 that fell due, fewer were late than usual"),
    ),
    "trend": lambda v: _compared(v, more=_MONTHLY["more"], less=_MONTHLY["less"]),
    "early_sign": lambda v: _compared(
        v,
        more=("未到期的办得比以往慢", "those not due yet are closed more slowly than before"),
        less=("未到期的办得比以往快", "those not due yet are closed sooner than before"),
    ),
    "early_sign_28d": lambda v: _compared(
        v,
        more=("近28天未到期的办得比以往慢", "in the last 28 days, those not due yet are closed more slowly"),
        less=("近28天未到期的办得比以往快", "in the last 28 days, those not due yet are closed sooner"),
    ),
    "backlog": lambda v: (
        f"在办件是近28天来件的{_times(v)}倍",
        f"open cases are {_times(v)} times what came in over 28 days",
    ),
    "inflow_7d": lambda v: (
        f"近7天来件是近28天周均的{_times(v)}倍",
        f"this week brought {_times(v)} times the weekly mean of the last 28 days",
    ),
    "clearance_28d": lambda v: (
        f"近28天办结是来件的{_times(v)}倍",
        f"closed {_times(v)} times what came in over 28 days",
    ),
    "overdue": lambda v: (f"在办件中约{_percent(v)}已超期", f"about {_percent(v)} of the open cases are overdue"),
    "handed_on_28d": lambda v: (f"近28天约{_percent(v)}转出", f"about {_percent(v)} were handed on in 28 days"),
    "time_to_close_91d": lambda v: (
        f"近91天通常用时为承诺时限的{_times(v)}倍",
        f"over 91 days it typically took {_times(v)} times the promised time",
    ),
    "closed_in_1_day_91d": lambda v: _closed_within(v, 1),
    "closed_in_7_days_91d": lambda v: _closed_within(v, 7),
    "closed_in_30_days_91d": lambda v: _closed_within(v, 30),
    "arrivals_7d": lambda v: _arrived(v, 7),
    "arrivals_28d": lambda v: _arrived(v, 28),
    "arrivals_91d": lambda v: _arrived(v, 91),
}  # fmt: skip

_OWN: Final[dict[str, Callable[[float], Text]]] = {
    "base_score": lambda v: (
        f"以往记录合计：每100件约{_of_100(v)}件超期",
        f"The records taken together: about {_of_100(v)} of 100 late",
    ),
    "findings_28d": lambda v: (
        f"近28天本地相关设施检查发现{v:.0f}处严重问题",
        f"Inspections of related assets here found {v:.0f} serious problems in 28 days",
    ),
    "time_waited": lambda v: (
        f"承诺时限已过{_percent(v)}，仍未办结",
        f"Still open after {_percent(v)} of the promised time",
    ),
    "promised_hours": _duration,
    "promised_against_usual": lambda v: (
        f"承诺时限是这类问题平常的{_times(v)}倍",
        f"The promised time is {_times(v)} times the usual for this type",
    ),
    "due_hour": lambda v: (f"{_clock(v)}到期", f"Falls due at {_clock(v)}"),
    "due_weekday": lambda v: (f"{_weekday(v)[0]}到期", f"Falls due on a {_weekday(v)[1]}"),
    "opened_hour": lambda v: (f"{_clock(v)}受理", f"Opened at {_clock(v)}"),
    "opened_weekday": lambda v: (f"{_weekday(v)[0]}受理", f"Opened on a {_weekday(v)[1]}"),
}
