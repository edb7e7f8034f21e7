"""The record family: how often promises like this one were broken, and how often what is like it otherwise went wrong.

A record of promises (`features.records`) is told as a departure from the one above it, in log-odds, because the base
score of a risk is the sum of such departures. Records of other failures (`features.failures`) start no score; they are
told as they stand, as shrunken shares.
"""

from __future__ import annotations

from typing import Final

from features.base_score import base_score
from features.failures import FAILURE_KEYS, FAILURES, Failure, shrunken_share
from features.feature import Feature
from features.formula import Asked, Defined, Formula, keyed, known_columns, quantity
from features.key_words import KEY_WORDS
from features.records import ALL, MONTH, QUARTER, Floats
from features.windows import WINDOW_FEATURES, WINDOW_KEYS

_WITHOUT_HISTORY: Final = "never null: with no history it is the value of the key above it"

# What the record of each key departs from.
DEPARTURES: Final[dict[str, str]] = {
    "promise": "city",
    "category": "promise",
    "category_channel": "category",
    "category_area": "category",
    "category_promise": "category",
    "category_office": "category",
    "area": "city",
    "channel": "city",
    "category_group": "city",
    "office": "city",
}
_RECENT_KEYS: Final = ("category", "category_channel", "category_area", "category_promise", "office")


def _departing(key: str, parent: str, windows: tuple[int | None, ...]) -> Formula:
    def formula(asked: Asked) -> Floats:
        return asked.records.level(key, windows) - asked.records.level(parent, windows)

    return formula


def _departure(key: str, parent: str) -> Defined:
    (zh, en), (parent_zh, parent_en) = KEY_WORDS[key], KEY_WORDS[parent]
    feature = Feature(
        f"record_{key}",
        "record",
        "log_odds",
        known_columns(key, parent),
        None,
        f"{zh}的超期情况（与{parent_zh}相比）",
        f"how often {en} was late so far, against {parent_en}",
        _WITHOUT_HISTORY,
    )
    return Defined(feature, _departing(key, parent, (ALL, QUARTER)))


def _monthly_departure(key: str, parent: str) -> Defined:
    (zh, en), (parent_zh, parent_en) = KEY_WORDS[key], KEY_WORDS[parent]
    feature = Feature(
        f"record_28d_{key}",
        "record",
        "log_odds",
        known_columns(key, parent),
        28,
        f"{zh}近28天的超期情况（与{parent_zh}相比）",
        f"how often {en} was late in the last 28 days, against {parent_en}",
        _WITHOUT_HISTORY,
    )
    return Defined(feature, _departing(key, parent, (MONTH,)))


def _level(key: str, en: str) -> Defined:
    feature = keyed("level", key, "record", "log_odds", None, "{key}以往超期的多少", en, null=_WITHOUT_HISTORY)
    return Defined(feature, lambda asked: asked.records.level(key))


def _recent(key: str) -> Defined:
    feature = keyed(
        "recent",
        key,
        "record",
        "log_odds",
        None,
        "{key}最近30件的超期情况",
        "the last 30 of {key} that fell due",
        null=_WITHOUT_HISTORY,
    )
    return Defined(feature, lambda asked: asked.records.recent(key) - asked.records.level(key))


def _late_share(key: str, days: int) -> Defined:
    feature = keyed(
        f"late_share_{days}d",
        key,
        "record",
        "share",
        days,
        f"{{key}}近{days}天到期件的超期占比",
        f"share of promises of {{key}} broken, of those that fell due over {days} days",
        null="no promise of the kind fell due in the window",
        use="analysis",
    )
    return Defined(feature, quantity(WINDOW_FEATURES[feature.name]))


def _failure_share(failure: Failure, key: str, days: int | None) -> Defined:
    span_zh, span_en = ("以往", "so far") if days is None else (f"近{days}天", f"over {days} days")
    feature = keyed(
        f"{failure.name}_share" if days is None else f"{failure.name}_share_{days}d",
        key,
        "record",
        "share",
        days,
        f"{{key}}{span_zh}{failure.label_zh}",
        f"{failure.label_en}, of {{key}}, {span_en}",
        null=f"{_WITHOUT_HISTORY}, and where the sources never tell, the same for all",
        use="analysis",
    )
    return Defined(feature, lambda asked: shrunken_share(asked.source, failure, key, days))


_BASE_SCORE: Final = Feature(
    "base_score",
    "record",
    "log_odds",
    ("area", "category", "channel"),
    None,
    "以往记录合计",
    "the records taken together",
    _WITHOUT_HISTORY,
)

RECORDS: Final[tuple[Defined, ...]] = (
    Defined(_BASE_SCORE, lambda asked: base_score(asked.offset_parts)),
    _level("category", "how often {key} was late"),
    _level("promise", "how often {key} were late"),
    *(_departure(key, parent) for key, parent in DEPARTURES.items()),
    *(_monthly_departure(key, parent) for key, parent in DEPARTURES.items() if key not in ("promise", "category")),
    *(_recent(key) for key in _RECENT_KEYS),
    *(_late_share(key, days) for key in WINDOW_KEYS for days in (91, 365)),
    *(_failure_share(failure, key, days) for failure in FAILURES for key in FAILURE_KEYS for days in (91, None)),
)
