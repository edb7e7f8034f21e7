"""The words of a case's own life: what was promised, how much of it is left, and what was done so far.

They speak of what offices did with a case, never of who brought it, and of moments and lengths that its page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from models.reasons.numbers import (
    Text,
    clock,
    compared,
    counted,
    duration,
    in_days,
    percent,
    plain,
    ratio_of,
    sentence,
    times_done,
    weekday,
)

Row = Mapping[str, float]
Clause = Callable[[float], Text]
OfRow = Callable[[float, Row], Text]

_NO_DEADLINE: Final = ("没有承诺期限", "No deadline was promised")
_NO_WORKING_TIME: Final = ("没有承诺期限，或没有工作日历", "No deadline was promised, or no working calendar is known")
_NEVER_PAUSED: Final = ("没有暂停过计时", "The clock was never stopped")
_NEVER_REOPENED: Final = ("没有重办过", "Not reopened so far")
_NEVER_CHANGED: Final = ("期限没有更改过", "The deadline was never changed")

# What the last thing known of a case can be.
_STEPS: Final[dict[str, Text]] = {
    "opened": ("受理", "opened"),
    "assigned": ("派单", "assigned to an office"),
    "transferred": ("转办", "passed to another office"),
    "handed_up": ("上报上一级", "handed up a tier"),
    "replied": ("答复", "answered without closing"),
    "paused": ("暂停计时", "clock stopped"),
    "resumed": ("恢复计时", "clock restarted"),
    "closed": ("办结", "closed"),
    "reopened": ("重办", "reopened"),
    "amended": ("更正信息", "record corrected"),
}


def _times(zh: str, en: str, never: Text) -> Clause:
    """So many times; `{}` is where the number goes."""

    def told(value: float) -> Text:
        if round(value) == 0:
            return never
        zh_times, en_times = times_done(value)
        return zh.format(zh_times), en.format(en_times)

    return told


def _flag(yes: Text, no: Text) -> Clause:
    return lambda value: yes if value else no


def _since(zh: str, en: str, just: Text) -> Clause:
    """So long ago; within the hour it is `just`."""

    def told(hours: float) -> Text:
        if abs(hours) < 1:
            return just
        zh_length, en_length = duration(hours)
        return zh.format(zh_length), en.format(en_length)

    return told


def _hours_paused(hours: float) -> Text:
    if hours <= 0:
        return _NEVER_PAUSED
    zh, en = duration(hours)
    return f"累计暂停计时{zh}", f"The clock was stopped for {en} in all"


def _last_step(step: str) -> OfRow:
    def told(value: float, row: Row) -> Text:
        known = step if value else next((one for one in _STEPS if row.get(f"last_step_{one}") == 1), None)
        if known is None:
            zh, en = _STEPS[step]
            return f"最近一步不是{zh}", f"The last step was not: {en}"
        zh, en = _STEPS[known]
        return f"最近一步：{zh}", f"Last step: {en}"

    return told


def _to_due(hours: float) -> Text:
    zh, en = duration(hours)
    if hours < 0:
        return f"已超期{zh}", f"Overdue by {en}"
    return f"距期限还有{zh}", f"{sentence(en)} left until the deadline"


def _promise_used(share: float, row: Row) -> Text:
    """9 of 10 promised days, where the row says how many were promised; else the share."""
    promised = ratio_of(row.get("promised_hours", np.nan))
    if np.isnan(promised):
        zh, en = percent(share)
        return f"已过承诺期限的{zh}", f"{sentence(en)} of the promised time has passed"
    passed, whole = duration(share * promised), duration(promised)
    if share > 1:
        return (
            f"承诺{whole[0]}，已过{passed[0]}，已超期",
            f"{sentence(passed[1])} have passed of the {whole[1]} promised: overdue",
        )
    if share * promised < 1:
        return f"承诺{whole[0]}，刚刚开始计时", f"The {whole[1]} promised have just begun"
    if in_days(promised):
        left_zh, left_en = (
            plain(share * promised / 24),
            counted(promised / 24, "promised day has", "promised days have"),
        )
        return f"承诺{whole[0]}，已过{left_zh}天（{percent(share)[0]}）", f"{left_zh} of {left_en} passed"
    left_zh, left_en = plain(share * promised), counted(promised, "promised hour has", "promised hours have")
    return f"承诺{whole[0]}，已过{left_zh}小时（{percent(share)[0]}）", f"{left_zh} of {left_en} passed"


def _used_net(share: float) -> Text:
    zh, en = percent(share)
    return f"扣除暂停，已过承诺期限的{zh}", f"Pauses taken out, {en} of the promised time has passed"


def _working_used(share: float) -> Text:
    zh, en = percent(share)
    return f"期限前的工作时间已用去{zh}", f"{sentence(en)} of the working time up to the deadline has passed"


def _waited(share: float) -> Text:
    zh, en = percent(share)
    return f"承诺时限已过{zh}，仍未办结", f"Still open after {en} of the promised time"


def _working_hours(hours: float) -> Text:
    told = plain(abs(hours))
    if told == "0":
        return "期限前已无工作时间", "No working time is left before the deadline"
    en = counted(abs(hours), "working hour", "working hours")
    if hours < 0:
        return f"已超期{told}个工作小时", f"Overdue by {en}"
    return f"距期限还有{told}个工作小时", f"{sentence(en)} left until the deadline"


def _working_days(days: float) -> Text:
    told = plain(abs(round(days)))
    if told == "0":
        return "期限前已无完整的工作日", "No working day ends before the deadline"
    en = counted(abs(round(days)), "working day", "working days")
    if days < 0:
        return f"已超期{told}个工作日", f"Overdue by {en}"
    return f"距期限还有{told}个工作日", f"{sentence(en)} left until the deadline"


def _moved(hours: float) -> Text:
    if abs(hours) < 1:
        return "期限与最初承诺的一致", "The deadline is the one promised first"
    zh, en = duration(hours)
    zh_way, en_way = ("推后", "later") if hours > 0 else ("提前", "earlier")
    return f"期限比最初{zh_way}{zh}", f"The deadline is {en} {en_way} than the one promised first"


def _promised(log_hours: float) -> Text:
    zh, en = duration(ratio_of(log_hours))
    return f"承诺{zh}内办结", f"Promised within {en}"


def _against_usual(log_ratio: float) -> Text:
    return compared(
        ratio_of(log_ratio),
        ("承诺时限", "The promised time"),
        ("这类问题平常的时限", "the usual for this type of problem"),
        verb="is",
        alike="about as long as",
    )


OWN: Final[dict[str, Clause]] = {
    "hours_since_opening": _since("受理已{}", "Opened {} ago", ("刚刚受理", "Just opened")),
    "hours_since_last_event": _since(
        "已有{}没有新记录", "Nothing new on record for {}", ("刚有新的办理记录", "Something was recorded just now")
    ),
    "events_so_far": lambda v: (
        f"至今有{plain(v)}条办理记录",
        f"{counted(v, 'step', 'steps')} on record so far",
    ),
    "is_open": _flag(("仍在办", "Still open"), ("已不在办", "Not open any more")),
    "times_handed_over": _times(
        "已在单位之间移交{}", "Passed from one office to another {}",
        ("没有在单位之间移交过", "Not passed to another office so far"),
    ),
    "times_handed_up": _times("已上报上一级{}", "Handed up a tier {}", ("没有上报过", "Not handed up so far")),
    "times_returned": _times(
        "退回曾经办过的单位{}", "Went back {} to an office that had had it before",
        ("没有退回过", "Did not go back to an earlier office"),
    ),
    "hours_at_office": _since(
        "在现办理单位已{}", "At its present office for {}", ("刚到现办理单位", "Just came to its present office")
    ),
    "times_reopened": _times("重办过{}", "Reopened {}", _NEVER_REOPENED),
    "hours_since_reopening": _since("{}前重办", "Reopened {} ago", ("刚刚重办", "Just reopened")),
    "times_replied": lambda v: (
        ("尚未答复", "No reply so far") if round(v) == 0
        else (f"已答复{plain(v)}次", f"{counted(v, 'reply', 'replies')} so far")
    ),
    "times_paused": _times("暂停计时{}", "The clock was stopped {}", _NEVER_PAUSED),
    "hours_paused": _hours_paused,
    "is_paused": _flag(("目前暂停计时", "The clock stands still now"), ("计时未暂停", "The clock is not stopped")),
    "promise_changes": _times("期限更改过{}", "The deadline was changed {}", _NEVER_CHANGED),
    "hours_to_due": _to_due,
    "is_overdue": _flag(("已超过期限", "The deadline has passed"), ("尚未到期", "The deadline lies ahead")),
    "promise_used_net": _used_net,
    "working_hours_to_due": _working_hours,
    "working_time_used": _working_used,
    "working_days_to_due": _working_days,
    "hours_since_promise_change": _since(
        "{}前更改过期限", "The deadline was changed {} ago", ("刚刚更改期限", "The deadline was changed just now")
    ),
    "promise_moved_hours": _moved,
    "time_waited": _waited,
    "promised_hours": _promised,
    "promised_against_usual": _against_usual,
    "due_hour": lambda v: (f"{clock(v)[0]}到期", f"Falls due at {clock(v)[1]}"),
    "due_weekday": lambda v: (f"{weekday(v)[0]}到期", f"Falls due on a {weekday(v)[1]}"),
    "opened_hour": lambda v: (f"{clock(v)[0]}受理", f"Opened at {clock(v)[1]}"),
    "opened_weekday": lambda v: (f"{weekday(v)[0]}受理", f"Opened on a {weekday(v)[1]}"),
}  # fmt: skip

# Told with the help of other features of the row.
OF_ROW: Final[dict[str, OfRow]] = {
    "promise_used": _promise_used,
    **{f"last_step_{step}": _last_step(step) for step in _STEPS},
}

# What a null of such a feature says; others have nothing on record.
NULLS: Final[dict[str, Text]] = {
    "hours_at_office": ("尚未指定办理单位", "No office is named yet"),
    "hours_since_reopening": _NEVER_REOPENED,
    "hours_since_promise_change": _NEVER_CHANGED,
    "working_hours_to_due": _NO_WORKING_TIME,
    "working_time_used": _NO_WORKING_TIME,
    "working_days_to_due": _NO_WORKING_TIME,
    **dict.fromkeys(
        (
            "hours_to_due", "is_overdue", "promise_used", "promise_used_net", "promise_moved_hours", "time_waited",
            "promised_hours", "promised_against_usual", "due_hour", "due_weekday",
        ),
        _NO_DEADLINE,
    ),
}  # fmt: skip
