"""Every feature, declared once: what it is called, what it means in both languages, and how it is worked out.

Explanations, documents, model files and the boundary check all read this list; nothing else names a feature.
A feature is *available* where the keys it needs are known when a case opens. Asking for one that is not is an error
that says why, because a key known only at the end (the last owner of a case) knows how the case ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from data.boundary import Violation, violations
from data.errors import LeakError, UsageError
from features.records import RECORD_KEYS

Unit = Literal["log_odds", "log_ratio", "share", "count", "hour", "weekday", "log_hours"]
# Keys of the windows that are counted; the pairs that need an office need an export that says who had the case.
Family = Literal["record", "trend", "load", "pace", "place", "promise", "calendar", "progress"]


_NEVER_NULL: Final = "never null: with no history it is the value of the key above it"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the matrix.

    Attributes
    ----------
    name : of the column; English, snake_case
    family : what kind of evidence it is; reasons are grouped by it
    unit : of the number
    keys : the key columns it needs to know at opening
    window_days : length of the window; None for all history, or where there is no window
    label_zh, label_en : what an officer reads
    null : what a null means
    in_model : whether a model learns from it unless told otherwise. Those that don't are worked out for analysts:
        on real histories they carried the calendar more than the service, and made models worse.
    """

    name: str
    family: Family
    unit: Unit
    keys: tuple[str, ...]
    window_days: int | None
    label_zh: str
    label_en: str
    null: str = _NEVER_NULL
    in_model: bool = True


# What stands for a key in a sentence.
KEY_WORDS: Final[dict[str, tuple[str, str]]] = {
    "city": ("全市", "the whole city"),
    "promise": ("承诺时限相近的案件", "cases promised about as long"),
    "category": ("这类问题", "this type of problem"),
    "category_channel": ("这类问题经此渠道", "this type of problem through this channel"),
    "category_area": ("本地这类问题", "this type of problem in this area"),
    "category_promise": ("这类问题且时限相近", "this type of problem with such a promise"),
    "category_office": ("本单位办理的这类问题", "this type of problem at this office"),
    "area": ("本区域", "this area"),
    "channel": ("此渠道", "this channel"),
    "category_group": ("这一大类", "this group of problems"),
    "office": ("本单位", "this office"),
}

# A record is told as a departure from the one it is shrunken towards; what it departs from, for each.
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
_TREND_KEYS: Final = (
    "city",
    "category",
    "category_channel",
    "category_area",
    "area",
    "promise",
    "office",
    "category_office",
)
_RECENT_KEYS: Final = ("category", "category_channel", "category_area", "category_promise", "office")
_LOAD_KEYS: Final = ("office", "category_office", "category", "area", "category_area")


def _departure(key: str, parent: str, month: bool) -> Feature:
    (zh, en), (parent_zh, parent_en) = KEY_WORDS[key], KEY_WORDS[parent]
    span_zh, span_en = ("近28天", "in the last 28 days") if month else ("", "so far")
    return Feature(
        f"{'record_28d' if month else 'record'}_{key}",
        "record",
        "log_odds",
        _columns(key, parent),
        28 if month else None,
        f"{zh}{span_zh}的超期情况（与{parent_zh}相比）",
        f"how often {en} was late {span_en}, against {parent_en}",
    )


def _columns(*keys: str) -> tuple[str, ...]:
    derived = ("promise", "promise_fine")
    names = {name for key in keys for name in RECORD_KEYS[key].columns if name not in derived}
    return tuple(sorted(names))


def _simple(
    key: str,
    prefix: str,
    family: Family,
    unit: Unit,
    days: int | None,
    zh: str,
    en: str,
    *,
    null: str = _NEVER_NULL,
    in_model: bool = True,
) -> Feature:
    words = KEY_WORDS[key]
    return Feature(
        f"{prefix}_{key}",
        family,
        unit,
        _columns(key),
        days,
        zh.format(key=words[0]),
        en.format(key=words[1]),
        null,
        in_model,
    )


def _records() -> list[Feature]:
    found = [
        Feature(
            "base_score",
            "record",
            "log_odds",
            ("area", "category", "channel"),
            None,
            "以往记录合计",
            "the records taken together",
        ),
        _simple("category", "level", "record", "log_odds", None, "{key}以往超期的多少", "how often {key} was late"),
        _simple("promise", "level", "record", "log_odds", None, "{key}以往超期的多少", "how often {key} were late"),
    ]
    found += [_departure(key, parent, False) for key, parent in DEPARTURES.items()]
    found += [_departure(key, parent, True) for key, parent in DEPARTURES.items() if key not in ("promise", "category")]
    found += [
        _simple(
            key,
            "recent",
            "record",
            "log_odds",
            None,
            "{key}最近30件的超期情况",
            "the last 30 of {key} that fell due",
        )
        for key in _RECENT_KEYS
    ]
    return found


def _trends() -> list[Feature]:
    trends = [
        _simple(
            key,
            "trend",
            "trend",
            "log_odds",
            28,
            "{key}近28天超期的变化",
            "how {key} has changed in the last 28 days",
        )
        for key in _TREND_KEYS
    ]
    ahead = [
        Feature(
            "early_sign_category",
            "trend",
            "log_odds",
            ("category",),
            None,
            "这类问题未到期案件的办理快慢",
            "how open cases of this type that are not due yet are coming along",
        ),
        Feature(
            "early_sign_28d_category",
            "trend",
            "log_odds",
            ("category",),
            28,
            "这类问题近28天未到期案件的办理快慢",
            "the same, in the last 28 days",
        ),
    ]
    return trends + ahead


def _loads() -> list[Feature]:
    found = []
    for key in _LOAD_KEYS:
        office = "office" in key
        found += [
            _simple(key, "backlog", "load", "log_ratio", 28, "{key}在办积压（相对近28天来件）",
                    "open cases of {key}, against what came in over 28 days", in_model=office),
            _simple(key, "inflow_7d", "load", "log_ratio", 7, "{key}近7天来件（相对近28天）",
                    "what came in for {key} this week, against the last 28 days", in_model=office),
            _simple(key, "clearance_28d", "load", "log_ratio", 28, "{key}近28天办结与来件之比",
                    "what {key} closed against what came in, over 28 days", in_model=office),
            _simple(key, "overdue", "load", "share", None, "{key}在办件中已超期的占比",
                    "share of the open cases of {key} that are overdue", in_model=office),
        ]  # fmt: skip
    for days in (7, 28, 91):
        found += [
            _simple(key, f"arrivals_{days}d", "load", "count", days, f"{{key}}近{days}天来件数",
                    f"cases of {{key}} that came in over {days} days", in_model=False)
            for key in _LOAD_KEYS
        ]  # fmt: skip
    handed_on = _simple(
        "office", "handed_on_28d", "load", "share", 28, "{key}近28天转出的占比",
        "share of cases that {key} handed on, over 28 days",
    )  # fmt: skip
    return [*found, handed_on]


def _paces() -> list[Feature]:
    null = "nothing of the kind was closed in the window"
    kinds: tuple[tuple[str, Unit, str, str], ...] = (
        ("time_to_close_91d", "log_hours", "{key}近91天的办结用时（相对承诺时限）",
         "time to close {key} over 91 days, against the promised time"),
        ("closed_in_1_day_91d", "share", "{key}近91天1天内办结的占比",
         "share of {key} closed within a day, over 91 days"),
        ("closed_in_7_days_91d", "share", "{key}近91天7天内办结的占比",
         "share of {key} closed within 7 days, over 91 days"),
        ("closed_in_30_days_91d", "share", "{key}近91天30天内办结的占比",
         "share of {key} closed within 30 days, over 91 days"),
    )  # fmt: skip
    return [
        _simple(key, prefix, "pace", unit, 91, zh, en, null=null, in_model="office" in key)
        for key in _LOAD_KEYS
        for prefix, unit, zh, en in kinds
    ]


def _own() -> list[Feature]:
    return [
        Feature(
            "findings_28d",
            "place",
            "count",
            ("area", "category"),
            28,
            "本地近28天相关设施检查发现的问题",
            "problems found by inspections of related assets in this area, in 28 days",
        ),
        Feature(
            "time_waited",
            "progress",
            "share",
            (),
            None,
            "已用去的承诺时限",
            "the promised time that has already passed",
            in_model=False,
        ),
        Feature(
            "promised_hours",
            "promise",
            "log_hours",
            (),
            None,
            "承诺时限的长短",
            "how long a time was promised",
        ),
        Feature(
            "promised_against_usual",
            "promise",
            "log_ratio",
            ("category",),
            None,
            "承诺时限与这类问题平常相比",
            "the promised time, against what is usual for this type of problem",
        ),
        Feature("due_hour", "calendar", "hour", (), None, "到期的钟点", "the hour at which it falls due"),
        Feature(
            "due_weekday",
            "calendar",
            "weekday",
            (),
            None,
            "到期是星期几",
            "the weekday on which it falls due",
        ),
        Feature("opened_hour", "calendar", "hour", (), None, "受理的钟点", "the hour at which it was opened"),
        Feature(
            "opened_weekday",
            "calendar",
            "weekday",
            (),
            None,
            "受理是星期几",
            "the weekday on which it was opened",
        ),
    ]


CATALOGUE: Final[dict[str, Feature]] = {
    feature.name: feature for feature in (*_records(), *_trends(), *_loads(), *_paces(), *_own())
}


def available(known_at_opening: Iterable[str], *, for_model: bool = True) -> list[str]:
    """Names of the features whose keys are all known when a case opens, in the order of the catalogue.

    With `for_model`, only those that a model learns from unless told otherwise.
    """
    known = set(known_at_opening)
    return [
        feature.name
        for feature in CATALOGUE.values()
        if known.issuperset(feature.keys) and (feature.in_model or not for_model)
    ]


def require_available(names: Iterable[str], known_at_opening: Iterable[str]) -> None:
    """Refuse features that need something which is not known when a case opens.

    Raises
    ------
    UsageError
        If a name is not in the catalogue.
    LeakError
        If a feature needs a key that the mapping says became known only at the end.
    """
    known = set(known_at_opening)
    for name in names:
        if name not in CATALOGUE:
            raise UsageError(f"Expected a feature of the catalogue, and '{name}' is none. See `heed features list`.")
        missing = [key for key in CATALOGUE[name].keys if key not in known]
        if missing:
            raise LeakError(
                f"Feature '{name}' needs '{missing[0]}' at the opening of a case, and the imported sources know it "
                "only at the end. In an export of last states it holds whoever ended up with the case, which says how "
                "the case went: a model given it looks far better on paper than it can be on the day. Use features "
                "that are available (`heed features list`), or import an export that says who had the case at intake, "
                'with `at = "opened"` in its mapping.'
            )


def catalogue_violations() -> list[Violation]:
    """What the names and labels of features hold against the boundary."""
    names = list(CATALOGUE)
    labels = [label for feature in CATALOGUE.values() for label in (feature.label_en, feature.label_zh)]
    return violations("feature catalogue", names) + violations("feature labels", labels)
