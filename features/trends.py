"""The trend family: whether promises are broken more often lately, and what open cases already show of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.feature import Feature
from features.formula import Asked, Defined, Formula, keyed
from features.records import ALL, MONTH, Floats

_WITHOUT_HISTORY: Final = "never null: with no history it is the value of the key above it"
_KEYS: Final = (
    "city",
    "category",
    "category_channel",
    "category_area",
    "area",
    "promise",
    "office",
    "category_office",
)


def _trend(key: str) -> Defined:
    feature = keyed(
        "trend",
        key,
        "trend",
        "log_odds",
        28,
        "{key}近28天超期的变化",
        "how {key} has changed in the last 28 days",
        null=_WITHOUT_HISTORY,
    )
    return Defined(feature, lambda asked: asked.records.level(key, (MONTH,)) - asked.records.level(key, (ALL,)))


def _ahead(window: int | None) -> Formula:
    """How the life table, which sees open cases, departs from the matured promises, which do not."""

    def formula(asked: Asked) -> Floats:
        table, matured = asked.records.life_table("category", window), asked.records.matured("category", window)
        return np.log(table / (1 - table)) - np.log(matured / (1 - matured))

    return formula


TRENDS: Final[tuple[Defined, ...]] = (
    *(_trend(key) for key in _KEYS),
    Defined(
        Feature(
            "early_sign_category",
            "trend",
            "log_odds",
            ("category",),
            None,
            "这类问题未到期案件的办理快慢",
            "how open cases of this type that are not due yet are coming along",
            _WITHOUT_HISTORY,
        ),
        _ahead(ALL),
    ),
    Defined(
        Feature(
            "early_sign_28d_category",
            "trend",
            "log_odds",
            ("category",),
            28,
            "这类问题近28天未到期案件的办理快慢",
            "how those of this type that are not due yet came along in the last 28 days",
            _WITHOUT_HISTORY,
        ),
        _ahead(MONTH),
    ),
)
