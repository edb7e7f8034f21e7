"""How far a case has come: its age, what was done with it last and when, where it is, how often it was passed on.

Every feature is worked out from the case's own state at its landmark (`features.case_state`), which holds nothing that
became known later, and from `landmark_at`. What an office did with its time is counted from when it happened (`at`):
the age of the case, its time at the present office, its pauses. How long nothing was heard is counted from when the
last event became known, which is when an officer could last see the case move. An event is never known before it
happens, so no time is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from data.schema import EventKind
from features.case_state import STEPS
from features.feature import NEVER_NULL, Feature, Known, Unit

Floats = NDArray[np.float64]

# A feature of n landmarks (`features.landmarks`): (n,) float64, NaN for null.
OfLandmarks = Callable[[pd.DataFrame], Floats]

# What the last event can be at a landmark. A case that was withdrawn, or is a duplicate, has none.
_STEP_WORDS: Final[dict[EventKind, tuple[str, str]]] = {
    EventKind.OPENED: ("受理", "that it was opened"),
    EventKind.ASSIGNED: ("派单", "that an office was made responsible"),
    EventKind.TRANSFERRED: ("转办", "that it was passed to another office"),
    EventKind.HANDED_UP: ("上报上一级", "that it was handed up a tier"),
    EventKind.REPLIED: ("答复", "a reply that did not close it"),
    EventKind.PAUSED: ("暂停计时", "that its clock was stopped"),
    EventKind.RESUMED: ("恢复计时", "that its clock went on"),
    EventKind.CLOSED: ("办结", "that it was closed"),
    EventKind.REOPENED: ("重办", "that it was reopened"),
    EventKind.AMENDED: ("更正信息", "a correction of its record"),
}


def hours_since(landmarks: pd.DataFrame, column: str) -> Floats:
    """Hours from a moment of the landmarks to `landmark_at`, (n,) float64; NaN where that is NEVER."""
    since = landmarks[column].to_numpy("int64")
    return np.where(since < NEVER, (landmarks["landmark_at"].to_numpy("int64") - since) / 3600.0, np.nan)


def paused_seconds(landmarks: pd.DataFrame) -> NDArray[np.int64]:
    """Seconds for which the case has been paused up to the landmark, the pause that goes on included; (n,) int64."""
    since = landmarks["paused_since"].to_numpy("int64")
    running = np.where(since < NEVER, landmarks["landmark_at"].to_numpy("int64") - since, 0)
    return np.asarray(landmarks["paused_seconds"].to_numpy("int64") + running, dtype=np.int64)


def _number(column: str) -> OfLandmarks:
    return lambda landmarks: landmarks[column].to_numpy("float64")


def _hours(column: str) -> OfLandmarks:
    return lambda landmarks: hours_since(landmarks, column)


def _step(kind: EventKind) -> OfLandmarks:
    code = STEPS.index(kind)
    return lambda landmarks: (landmarks["stage"].to_numpy() == code).astype(np.float64)


def _hours_paused(landmarks: pd.DataFrame) -> Floats:
    return paused_seconds(landmarks) / 3600.0


def _is_paused(landmarks: pd.DataFrame) -> Floats:
    return (landmarks["paused_since"].to_numpy("int64") < NEVER).astype(np.float64)


_Declared = tuple[Feature, OfLandmarks]


def _declared(
    name: str, unit: Unit, zh: str, en: str, work_out: OfLandmarks, *, null: str = NEVER_NULL, known: Known
) -> _Declared:
    return Feature(name, "progress", unit, (), None, zh, en, null, known), work_out


_DECLARED: Final[tuple[_Declared, ...]] = (
    _declared(
        "hours_since_opening",
        "hours",
        "受理至今的小时数",
        "hours since the case was opened",
        _hours("opened_at"),
        known="after_opening",
    ),
    _declared(
        "hours_since_last_event",
        "hours",
        "案件已有多少小时没有新记录",
        "hours since something was last heard of the case",
        _hours("last_event_at"),
        known="after_opening",
    ),
    _declared(
        "events_so_far",
        "count",
        "至今的办理记录条数",
        "events of the case so far",
        _number("events"),
        known="after_opening",
    ),
    _declared(
        "is_open",
        "flag",
        "是否仍在办",
        "whether the case is open",
        _number("is_open"),
        known="after_opening",
    ),
    _declared(
        "times_handed_over",
        "count",
        "单位之间移交的次数",
        "times the case went from one office to another",
        _number("handovers"),
        known="after_opening",
    ),
    _declared(
        "times_handed_up",
        "count",
        "上报上一级的次数",
        "times the case was handed up a tier",
        _number("handed_up"),
        known="after_opening",
    ),
    _declared(
        "times_returned",
        "count",
        "退回曾经办过的单位的次数",
        "times the case went back to an office that had had it before",
        _number("returns"),
        known="after_opening",
    ),
    _declared(
        "hours_at_office",
        "hours",
        "在现办理单位已停留的小时数",
        "hours that the case has been at its present office",
        _hours("office_since"),
        null="no office was named yet",
        known="after_opening",
    ),
    _declared(
        "times_reopened",
        "count",
        "重办的次数",
        "times the case was reopened",
        _number("reopened"),
        known="after_opening",
    ),
    _declared(
        "hours_since_reopening",
        "hours",
        "最近一次重办至今的小时数",
        "hours since the case was last known to be reopened",
        _hours("reopened_at"),
        null="it was never reopened",
        known="after_opening",
    ),
    _declared(
        "times_replied",
        "count",
        "未办结时的答复次数",
        "replies that did not close the case",
        _number("replies"),
        known="after_opening",
    ),
    _declared(
        "times_paused",
        "count",
        "暂停计时的次数",
        "times the clock of the case was stopped",
        _number("pauses"),
        known="after_opening",
    ),
    _declared(
        "hours_paused",
        "hours",
        "累计暂停计时的小时数（含正在进行的）",
        "hours for which the clock was stopped, a pause that goes on included",
        _hours_paused,
        known="after_opening",
    ),
    _declared(
        "is_paused",
        "flag",
        "目前是否暂停计时",
        "whether the clock stands still now",
        _is_paused,
        known="after_opening",
    ),
    _declared(
        "promise_changes",
        "count",
        "办理时限被更改的次数",
        "times the promised moment was changed",
        _number("promise_changes"),
        known="after_opening",
    ),
    *(
        _declared(
            f"last_step_{kind.value}",
            "flag",
            f"最近一步是否为{zh}",
            f"whether the last thing known of the case is {en}",
            _step(kind),
            known="after_opening",
        )
        for kind, (zh, en) in _STEP_WORDS.items()
    ),
)

PROGRESS_FEATURES: Final[list[Feature]] = [feature for feature, _ in _DECLARED]
PROGRESS: Final[Mapping[str, OfLandmarks]] = {feature.name: work_out for feature, work_out in _DECLARED}
