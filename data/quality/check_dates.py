"""Times that heap, days that pose as moments, hours that no clock showed, weeks in which nothing was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "day_only",
        "dates",
        Both("时刻只精确到日。", "Times without a time of day."),
        Both(
            "列“{column}”全部{n:n}个时刻都在午夜：只精确到日。",
            "All {n:times} in column '{column}' are at midnight: they are days.",
        ),
        Both(
            "映射已声明，按日处理：当天发生的事，当天结束才算获知。",
            "The mapping says so and they are treated as days: what happened on one is known when it is over.",
        ),
    ),
    Code(
        "heap_midnight",
        "dates",
        Both(
            "部分时刻恰在午夜，多半是补填的日期。",
            "Part of the times are at exactly midnight: most likely days filled in.",
        ),
        Both(
            "列“{column}”有{share:%}的时刻恰在午夜（{n:n}个）。",
            "In column '{column}', {share:%} of the times ({n:n}) are at exactly midnight.",
        ),
        Both(
            "这些时刻的钟点不可信；问来源何时补填。",
            "Do not trust their time of day; ask the source when days are filled in.",
        ),
    ),
    Code(
        "heap_time_of_day",
        "dates",
        Both(
            "大量时刻落在一天中的同一分钟：是系统设定的，不是人办的。",
            "Many times fall on the same minute of the day: a system sets them, and nobody's work.",
        ),
        Both(
            "列“{column}”有{n:n}个时刻恰在{hour:02d}:{minute:02d}，占{share:%}。",
            "In column '{column}', {n:times} ({share:%}) fall at exactly {hour:02d}:{minute:02d}.",
        ),
        Both(
            "若这是上班或下班的钟点，则时区正确；否则核对 time_zone。",
            "Where offices open or close then, this confirms the time zone; otherwise check time_zone in the mapping.",
        ),
    ),
    Code(
        "heap_second",
        "dates",
        Both(
            "许多案件在同一秒：成批录入或成批办结。",
            "Many cases bear one and the same second: entered, or closed, in bulk.",
        ),
        Both(
            "列“{column}”有{n:n}件在同一秒（{period:when}），这样的秒共{seconds:n}个，涉及{share:%}的案件。",
            "In column '{column}', {n:cases} bear the same second, on {period:when}; there are {seconds:n} such "
            "seconds, "
            "with {share:%} of the cases.",
        ),
        Both(
            "那不是各案真正的时刻；看标签可信度如何评这几个月。",
            "It is not when each happened; see how label trust grades these months.",
        ),
    ),
    Code(
        "skipped_hour",
        "dates",
        Both(
            "时刻落在夏令时开始时跳过的一小时：时区可能写错。",
            "Times in the hour that the clock skips in spring: a wrong time zone?",
        ),
        Both("{n:n}个时刻落在时钟跳过的一小时里。", "{n:times} fall into the hour that the clock skips in spring."),
        Both(
            "核对映射中的 time_zone：来源写的或许是UTC。", "Check time_zone in the mapping: the source may write UTC."
        ),
    ),
    Code(
        "record_gap",
        "dates",
        Both(
            "一段时间没有任何受理：是没有登记，不是没有案件。",
            "Days without a single opening: nothing was recorded, not nothing happened.",
        ),
        Both(
            "{period:when}连续{days:n}天没有任何受理，而平常这段时间约有{usual:n}件。",
            "Not one case was opened on {days:days} in a row ({period:when}), where about {usual:n} would be usual.",
        ),
        Both("请来源补上这段，或在分析时略去。", "Ask the source for the gap, or leave that time out."),
    ),
)

_FIELDS: Final = ("opened_at", "due_at", "closed_at", "withdrawn_at")
_FEWEST: Final = 200
_DAY: Final = 86_400
# A minute that holds a twentieth of all times, and twenty times what the minutes about it hold, is set by a system.
_HEAP: Final = 0.05
_TIMES_NEIGHBOURS: Final = 20
# As many in one second that even a busy hotline needs a machine for it.
_BULK: Final = 30


def times_of(subject: Subject, field: str) -> pd.Series:
    """All times of a field, as int64 seconds in UTC; of a file those of its rows, of a store those of the cases."""
    if subject.file is not None and field in subject.file.rows:
        rows = subject.file.rows.loc[subject.file.kept, field]
        return rows[rows < NEVER]
    name = {"due_at": "due_at_opening", "withdrawn_at": "withdrawn_known_at"}.get(field, field)
    values = subject.cases[name]
    return values[values < NEVER]


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Everything about times but the time zone; see `check_zone`."""
    for field in _FIELDS:
        times = times_of(subject, field)
        if len(times) >= _FEWEST:
            yield from _of_day(subject, field, times)
            yield from _bulk(subject, field, times)
    view = subject.file
    if view is not None and view.skipped_times:
        yield CheckFinding(
            code="skipped_hour", level="warn", weight=0.1, figures={"n": view.skipped_times}, where=Where()
        )
    yield from _gap(subject)


def _of_day(subject: Subject, field: str, times: pd.Series) -> Iterator[CheckFinding]:
    column = subject.column(field)
    if subject.day_only(field):
        if field == "due_at":
            return  # see `deadline_is_day`
        yield CheckFinding(
            code="day_only", level="note", weight=0.03, figures={"n": len(times)}, where=Where(column=column)
        )
        return
    local = subject.local(times)
    second = (local.dt.hour * 3600 + local.dt.minute * 60 + local.dt.second).to_numpy()
    midnight = float((second == 0).mean())
    if midnight == 1.0:
        yield CheckFinding(
            code="day_only", level="warn", weight=0.5, figures={"n": len(times)}, where=Where(column=column),
            do=Both(
                "在映射里写 resolution = \"day\"（承诺期限用 end_of_day），否则当天办结会被当作一分钟内办结。",
                "Say resolution = \"day\" in the mapping (end_of_day for a deadline): otherwise a case closed on "
                "its day "
                "counts as closed within a minute.",
            ),
        )  # fmt: skip
        return
    if midnight >= _HEAP:
        yield CheckFinding(
            code="heap_midnight", level="warn", weight=midnight, figures={"n": int((second == 0).sum()),
            "share": midnight}, where=Where(column=column),
        )  # fmt: skip
    yield from _minute(column, second // 60)


def _minute(column: str, minute: np.ndarray) -> Iterator[CheckFinding]:
    counts = np.bincount(minute, minlength=1440)
    counts[0] = 0
    top = int(counts.argmax())
    around = np.concatenate([counts[max(top - 30, 1) : top], counts[top + 1 : top + 31]])
    share = float(counts[top] / len(minute))
    if share < _HEAP or counts[top] < _TIMES_NEIGHBOURS * max(float(np.median(around)), 1.0):
        return
    hours = np.bincount(minute // 60, minlength=24)
    points = tuple(Point(str(hour), float(hours[hour] / len(minute))) for hour in range(24))
    yield CheckFinding(
        code="heap_time_of_day",
        level="note",
        weight=share * 0.5,
        figures={"n": int(counts[top]), "share": share, "hour": top // 60, "minute": top % 60},
        where=Where(column=column),
        chart=Chart(
            "clock", "share", Both("钟点", "hour of the day"), Both("时刻份额", "share of the times"), points,
        ),
    )  # fmt: skip


def _bulk(subject: Subject, field: str, times: pd.Series) -> Iterator[CheckFinding]:
    if subject.day_only(field) or field == "due_at":
        return
    local = subject.local(times)
    # Heaps at midnight are days, which other findings speak of.
    timed = times[(local != local.dt.normalize()).to_numpy()]
    counts = timed.value_counts()
    bulk = counts[counts >= _BULK]
    if bulk.empty:
        return
    share = float(bulk.sum() / len(times))
    yield CheckFinding(
        code="heap_second",
        level="warn" if share >= 0.01 else "note",
        weight=share,
        figures={"n": int(bulk.iloc[0]), "seconds": len(bulk), "share": share},
        where=Where(column=subject.column(field), period=_day(subject, int(bulk.index[0]))),
    )


def _gap(subject: Subject) -> Iterator[CheckFinding]:
    cases = subject.cases
    if len(cases) < _FEWEST:
        return
    opened = np.sort(cases["opened_at"].to_numpy("int64"))
    gaps = np.diff(opened)
    longest = int(gaps.argmax())
    days = int(gaps[longest] // _DAY)
    if days < 2:
        return
    # What the month on either side leads one to expect, weekends and all.
    start, end = int(opened[longest]), int(opened[longest + 1])
    around = ((opened > start - 28 * _DAY) & (opened <= start)) | ((opened >= end) & (opened < end + 28 * _DAY))
    usual = float(around.sum()) / 56 * days
    # A holiday week of an office that is closed leaves no trace; a record that stopped leaves a hole.
    if usual < 30 or days < 7:
        return
    span = f"{_day(subject, start)}/{_day(subject, end)}"
    monthly = subject.month(cases["opened_at"]).value_counts().sort_index()
    yield CheckFinding(
        code="record_gap",
        level="warn",
        weight=min(usual / len(cases), 1.0) + 0.1,
        figures={"days": days, "usual": usual},
        where=Where(column=subject.column("opened_at"), period=span),
        chart=Chart(
            "lines", "count", Both("月份", "month"), Both("受理件数", "cases opened"),
            tuple(Point(str(month), int(count)) for month, count in monthly.items()),
        ),
    )  # fmt: skip


def _day(subject: Subject, seconds: int) -> str:
    return str(subject.local(np.array([seconds])).dt.strftime("%Y-%m-%d").iloc[0])
