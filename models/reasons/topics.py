"""Topics: features that say much the same of a case, told as one reason.

The record of a type of problem is in the matrix as its level, its departure from the level above, its last 28 days, its
last thirty cases and its trend; the time left is there in hours, in working hours, in days and as a share. Trees spread
one fact over such near-duplicates as it falls, so that which of them comes first depends on the last digit of the
input, and an officer would read one reason three times. A topic is their sum: what an officer can look up and act on.
How coarse topics are was chosen by experiment on the risk of `late`: of later mornings of a simulated city, explained
again without one earlier case of the same type and office, single features changed among the top three in 6.0 per cent
of the cases, topics in 3.3 (150 mornings, a city that the choice did not see). Of rarer failures most topics add a
point or less and change more often (up to 17 per cent), no less than single features do
(`tests/guarantees/test_reason_stability.py`).

Every feature of the catalogue belongs to exactly one topic, by its name; one that is in no catalogue is a topic of its
own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from features.catalogue import CATALOGUE
from features.key_words import KEY_WORDS, NEAR_WORDS
from models.explain import FAMILY_NAMES, OTHER_FAMILY
from models.reasons.numbers import Text


@dataclass(frozen=True, slots=True)
class Topic:
    """What several features have in common.

    Attributes
    ----------
    name : snake_case, English
    family : of the catalogue, the one that it is shown under
    label_zh, label_en : what an officer reads
    """

    name: str
    family: str
    label_zh: str
    label_en: str


# Key of a record -> whose record an officer would call it.
_SUBJECTS: Final[dict[str, str]] = {
    "city": "city",
    "promise": "type",
    "category": "type",
    "category_promise": "type",
    "category_group": "type",
    "channel": "channel",
    "category_channel": "channel",
    "area": "area",
    "category_area": "area",
    "office": "office",
    "category_office": "office",
}
_WHOSE: Final[dict[str, Text]] = {
    "city": ("全市", "the whole city"),
    "type": ("这类问题", "this type of problem"),
    "channel": ("此渠道", "this channel"),
    "area": ("本区域", "this area"),
    "office": ("本单位", "this office"),
}
# Kind of topic -> its family, and what it says of whose it is.
_KEYED: Final[dict[str, tuple[str, str, str]]] = {
    "record": ("record", "{}的以往记录", "how {} has gone so far"),
    "work": ("load", "{}的在办负担和快慢", "how much there is to do for {}, and how fast it is done"),
}
# Family -> the kind of topic that its features with a key belong to.
_KINDS: Final = {"record": "record", "trend": "record", "load": "work", "pace": "work"}

_OWN: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        Topic("inspections", "place", "相关设施的检查发现", "what inspections found here"),
        Topic("all_records", "record", "各项以往记录合计", "all records taken together"),
        Topic("promise", "promise", "承诺时长", "how long a time was promised"),
        Topic("due_moment", "calendar", "到期的日子和钟点", "the day and hour at which it falls due"),
        Topic("opening_moment", "calendar", "受理的日子和钟点", "the day and hour at which it was opened"),
        Topic("today", "calendar", "评分当天的日子和钟点", "the day and hour of this score"),
        Topic("neighbours", "neighbours", "相邻区域的情况", "what happens in the areas nearby"),
        Topic("staffing", "staffing", "本单位的办理能力", "what this office has the capacity for"),
        Topic("hand_overs", "progress", "在单位之间的移交", "how it went from office to office"),
        Topic("pauses", "progress", "暂停计时的情况", "whether and how long its clock was stopped"),
        Topic("reopenings", "progress", "重办的情况", "whether it was reopened"),
        Topic("steps", "progress", "办到哪一步", "how far the case has come"),
        Topic("time_left", "deadline", "时限还剩多少", "how much of the promised time is left"),
        Topic("deadline_changes", "deadline", "时限的更改", "how the deadline was changed"),
    )
}
# Topic -> its members, in the order in which they may speak for it: what is easiest to check comes first.
MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "all_records": ("base_score",),
    "promise": ("promised_hours", "promised_against_usual"),
    "due_moment": ("due_hour", "due_weekday"),
    "opening_moment": ("opened_hour", "opened_weekday"),
    "hand_overs": (
        "times_handed_over", "times_handed_up", "times_returned", "hours_at_office",
        "last_step_transferred", "last_step_handed_up",
    ),
    "pauses": ("times_paused", "hours_paused", "is_paused", "last_step_paused", "last_step_resumed"),
    "reopenings": ("times_reopened", "hours_since_reopening", "last_step_reopened"),
    "steps": (
        "times_replied", "last_step_replied", "last_step_opened", "last_step_assigned", "last_step_closed",
        "last_step_amended", "hours_since_last_event", "events_so_far", "is_open",
    ),
    "time_left": (
        "promise_used", "time_waited", "hours_to_due", "working_days_to_due", "working_hours_to_due",
        "working_time_used", "promise_used_net", "is_overdue", "hours_since_opening",
    ),
    "deadline_changes": ("promise_changes", "hours_since_promise_change", "promise_moved_hours"),
}  # fmt: skip
_BY_FEATURE: Final = {name: topic for topic, names in MEMBERS.items() for name in names}
_BY_FAMILY: Final[dict[str, str]] = {
    "place": "inspections",
    "calendar": "today",
    "neighbours": "neighbours",
    "staffing": "staffing",
}


def _keyed(kind: str, subject: str) -> Topic:
    family, zh, en = _KEYED[kind]
    whose_zh, whose_en = _WHOSE[subject]
    return Topic(f"{kind}_{subject}", family, zh.format(whose_zh), en.format(whose_en))


_BY_ACTION: Final = ("office", "type", "area", "channel", "city")

# Every topic, in the order in which ties are settled: those of records first, the calendar's last.
_ORDER: Final = (
    *(_keyed("record", subject) for subject in _BY_ACTION),
    _OWN["all_records"],
    *(_OWN[name] for name in ("time_left", "steps", "hand_overs", "pauses", "reopenings")),
    *(_OWN[name] for name in ("deadline_changes", "promise")),
    *(_keyed("work", subject) for subject in _BY_ACTION),
    *(_OWN[name] for name in ("staffing", "inspections", "neighbours", "due_moment", "opening_moment", "today")),
)  # fmt: skip
TOPICS: Final[dict[str, Topic]] = {topic.name: topic for topic in _ORDER}
PLACES: Final[dict[str, int]] = {name: place for place, name in enumerate(TOPICS)}


@cache
def topic_of(feature: str) -> Topic:
    """The topic of a feature; for one that is not in the catalogue, a topic that bears its name."""
    if feature not in CATALOGUE:
        return Topic(feature, OTHER_FAMILY, feature, feature)
    if feature in _BY_FEATURE:
        return TOPICS[_BY_FEATURE[feature]]
    family = CATALOGUE[feature].family
    if family in _BY_FAMILY:
        return TOPICS[_BY_FAMILY[family]]
    return TOPICS[f"{_KINDS[family]}_{_SUBJECTS[_key_of(feature)]}"]


def by_topic(features: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Feature -> name of its topic, for `models.explain.grouped`."""
    return {name: topic_of(name).name for name in features}


def family_name(family: str) -> Text:
    """What a family is called, in Chinese and English."""
    return FAMILY_NAMES.get(family, FAMILY_NAMES[OTHER_FAMILY])


def _key_of(feature: str) -> str:
    """The key at the end of a feature's name; the whole city's where it has none."""
    return next((key for key in _KEYS if feature.endswith(f"_{key}")), "city")


_KEYS: Final = tuple(sorted({*KEY_WORDS, *NEAR_WORDS}, key=len, reverse=True))
