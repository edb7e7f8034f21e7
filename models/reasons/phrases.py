"""What a feature says of a case: a Chinese and an English clause, the same for the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from features.catalogue import CATALOGUE
from features.feature import Unit
from features.key_words import KEY_WORDS, NEAR_WORDS
from models.reasons import words_life, words_record, words_work
from models.reasons.numbers import (
    Text,
    clock,
    counted,
    month,
    of_100,
    percent,
    plain,
    ratio_of,
    sentence,
    share_of,
    weekday,
)
from models.reasons.words_record import Row

# Before the name of a feature: its part of a start, in log-odds, where its own value is not known.
DEPARTURE: Final = "start:"
_NOTHING: Final = ("无记录", "nothing on record")
# No small count of an area is told, in a sentence neither. As `service.disclosure.MINIMUM`, which the layers below the
# service cannot see; a test holds them together.
_FEWEST: Final = 10
_FEW: Final = (f"不足{_FEWEST}", f"fewer than {_FEWEST}")
_OWN: Final = {**words_life.OWN, **words_work.OWN}
_BY_PREFIX: Final = {**words_record.BY_PREFIX, **words_work.BY_PREFIX}


def _hours(hours: float) -> Text:
    """A length that stands beside a label about hours stays in hours."""
    return f"{plain(hours)}小时", counted(hours, "hour", "hours")


_BY_UNIT: Final[dict[Unit, Callable[[float], Text]]] = {
    "log_odds": lambda v: (f"对数几率{v:+.1f}", f"{v:+.1f} in log-odds"),
    "log_ratio": lambda v: (f"{plain(ratio_of(v))}倍", f"{plain(ratio_of(v))} times"),
    "share": percent,
    "count": lambda v: (plain(v), plain(v)),
    "hour": clock,
    "weekday": weekday,
    "month": month,
    "log_hours": lambda v: _hours(ratio_of(v)),
    "hours": _hours,
    "days": lambda v: (f"{plain(v)}天", counted(v, "day", "days")),
    "flag": lambda v: ("是", "yes") if v else ("否", "no"),
}


def phrase(name: str, row: Row) -> Text:
    """What a feature says of a case: a Chinese and an English clause.

    A feature without words of its own is told by its label and its value; one that the row doesn't hold by its label,
    and one that is not in the catalogue by its name.

    Parameters
    ----------
    name : of the catalogue
    row : feature -> value of the case, NaN for null, perhaps with `city`, the city's own level in log-odds
    """
    if name not in CATALOGUE:
        return _unknown(name, row)
    if name not in row:
        departure = row.get(f"{DEPARTURE}{name}")
        told = None if departure is None else words_record.told_departure(name, float(departure))
        if told is not None:
            return told
        return CATALOGUE[name].label_zh, sentence(CATALOGUE[name].label_en)
    value = float(row[name])
    if np.isnan(value):
        return words_life.NULLS.get(name) or _labelled(name, value)
    if value < _FEWEST and CATALOGUE[name].unit == "count" and "area" in CATALOGUE[name].keys:
        return _with_label(name, _FEW)
    return _own(name, value, row) or _labelled(name, value)


def has_own_words(name: str) -> bool:
    """Whether a feature of the catalogue is told in words of its own, not by its label and value."""
    return _own(name, 0.5, {name: 0.5}) is not None


def _own(name: str, value: float, row: Row) -> Text | None:
    if name == "base_score":
        # A sum of records that nobody counted: what it would come to.
        told = of_100(share_of(value))
        return f"以往记录合计，相当于每100件{told[0]}超期", f"The records taken together come to {told[1]} of 100 late"
    if name in words_life.OF_ROW:
        return words_life.OF_ROW[name](value, row)
    if name in _OWN:
        return _OWN[name](value)
    return words_record.told_failure(name, value) or _keyed(name, value, row)


def _keyed(name: str, value: float, row: Row) -> Text | None:
    """The words of a feature of a key: the key, a colon, and what is so."""
    prefix, key = _split(name)
    if prefix == "record":
        return words_record.told_record(key, row)
    if prefix == "record_28d":
        return words_record.told_month(key, value)
    if prefix in words_work.NEAR_BY_PREFIX:
        return _after(NEAR_WORDS[key], words_work.NEAR_BY_PREFIX[prefix](value))
    if prefix in _BY_PREFIX:
        return _after(KEY_WORDS[key], _BY_PREFIX[prefix](value))
    return None


def _after(key: Text, told: Text) -> Text:
    return f"{key[0]}：{told[0]}", f"{sentence(key[1])}: {told[1]}"


def _labelled(name: str, value: float) -> Text:
    """The label of a feature with its value; where that is null, that nothing is on record."""
    return _with_label(name, _NOTHING if np.isnan(value) else _BY_UNIT[CATALOGUE[name].unit](value))


def _with_label(name: str, told: Text) -> Text:
    feature = CATALOGUE[name]
    return f"{feature.label_zh}：{told[0]}", f"{sentence(feature.label_en)}: {told[1]}"


def _unknown(name: str, row: Row) -> Text:
    """A feature of a table that is no matrix of the catalogue: by its name."""
    value = row.get(name, np.nan)
    told = plain(float(value)) if isinstance(value, int | float | np.number) and np.isfinite(value) else ""
    return (f"{name}：{told}", f"{name}: {told}") if told else (name, name)


def _split(name: str) -> tuple[str, str]:
    """The prefix and the key of a feature's name."""
    key = next((key for key in _KEYS if name.endswith(f"_{key}")), "")
    return name.removesuffix(f"_{key}"), key


_KEYS: Final = tuple(sorted(KEY_WORDS, key=len, reverse=True))
