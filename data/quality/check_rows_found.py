"""Rows that contradict themselves or their mapping: what an import would refuse, or set aside, told beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pandas as pd

from data.errors import Finding
from data.findings import EFFECTS
from data.quality.check_finding import Both, CheckFinding, Code, Level, Where
from data.quality.check_subject import Subject

# code: family | meaning zh | en | says zh | en
_ROWS: Final = {
    "missing_reference": (
        "duplicates",
        Both("有的行没有案件编号。", "Rows without the number of their case."),
        Both(
            "{n:n}行没有案件编号（列“{column}”）。",
            "In {n:rows}, the number of the case is missing (column '{column}').",
        ),
    ),
    "duplicate_reference": (
        "duplicates",
        Both(
            "案件编号重复出现，而每案每次快照应只有一行。",
            "Case numbers that repeat, though a case has one row per snapshot.",
        ),
        Both(
            "{n:n}行的案件编号在前面已出现过（列“{column}”），占{share:%}。",
            "In {n:rows} ({share:%}), the case number repeats that of an earlier row (column '{column}').",
        ),
    ),
    "missing_time": (
        "dates",
        Both("必需的时刻为空。", "A time that every row needs is empty."),
        Both(
            "{n:n}行缺少必需的时刻（列“{column}”）。",
            "In {n:rows}, a time that every row needs is missing (column '{column}').",
        ),
    ),
    "unreadable_time": (
        "dates",
        Both("写法读不懂，或早于1970年。", "Times that cannot be read, or lie before 1970."),
        Both(
            "{n:n}行的时刻读不懂或早于1970年（列“{column}”）。",
            "In {n:rows}, the time cannot be read or lies before 1970 (column '{column}').",
        ),
    ),
    "naive_time": (
        "dates",
        Both("时刻不带时差，映射也没有声明时区。", "Times without an offset, and a mapping without a time zone."),
        Both(
            "{n:n}行的时刻不带时差，而映射没有声明时区（列“{column}”）。",
            "In {n:rows}, the time has no offset (column '{column}'), and the mapping declares no time zone.",
        ),
    ),
    "closed_before_opened": (
        "dates",
        Both("办结早于受理。", "Cases closed before they were opened."),
        Both(
            "{n:n}行的办结时刻早于受理时刻（列“{column}”）。",
            "In {n:rows}, the closing lies before the opening (column '{column}').",
        ),
    ),
    "withdrawn_before_opened": (
        "dates",
        Both("撤销早于受理。", "Cases withdrawn before they were opened."),
        Both(
            "{n:n}行的撤销时刻早于受理时刻（列“{column}”）。",
            "In {n:rows}, the withdrawal lies before the opening (column '{column}').",
        ),
    ),
    "due_before_opened": (
        "dates",
        Both("承诺期限早于受理。", "Deadlines before the opening."),
        Both(
            "{n:n}行的承诺期限早于受理时刻（列“{column}”）。",
            "In {n:rows}, the deadline lies before the opening (column '{column}').",
        ),
    ),
    "due_too_far": (
        "dates",
        Both("承诺期限远得不可能，例如2059年。", "Deadlines too far away to be true, such as in the year 2059."),
        Both(
            "{n:n}行的承诺期限远得不可能，其中{n_year:n}行在{period:when}（列“{column}”）。",
            "In {n:rows}, the deadline is years away, as no office promises; in {n_year:n} of them in the year "
            "{period:when} (column '{column}').",
        ),
    ),
    "after_extraction": (
        "dates",
        Both("时刻晚于导出。", "Times after the export was made."),
        Both(
            "{n:n}行的时刻晚于导出时刻（列“{column}”）。",
            "In {n:rows}, the time lies after the export was made (column '{column}').",
        ),
    ),
    "known_before_it_happened": (
        "dates",
        Both("获知早于发生。", "Events known before they happened."),
        Both(
            "{n:n}行的获知时刻早于发生时刻（列“{column}”）。",
            "In {n:rows}, the event was known before it happened (column '{column}').",
        ),
    ),
    "before_opening": (
        "dates",
        Both("事件早于受理。", "Events before the opening of their case."),
        Both(
            "{n:n}个事件早于本案受理（列“{column}”）。",
            "In {n:rows}, the event lies before the opening of its case (column '{column}').",
        ),
    ),
    "no_opening": (
        "dates",
        Both("案件没有受理事件。", "Cases without an event 'opened'."),
        Both("{n:n}行所属案件没有受理事件。", "In {n:rows}, the case has no event 'opened'."),
    ),
    "second_opening": (
        "duplicates",
        Both("一案多次受理。", "Cases that are opened twice."),
        Both("{n:n}行使一案多次受理。", "In {n:rows}, a case is opened that was opened already."),
    ),
    "status_contradicts": (
        "dates",
        Both("状态与时刻矛盾。", "A status that contradicts the dates."),
        Both(
            "{n:n}行的状态与办结时刻矛盾（列“{column}”）。",
            "In {n:rows}, the status contradicts the closing time (column '{column}').",
        ),
    ),
    "unknown_value": (
        "vocabulary",
        Both("映射的词表里没有的词。", "Words that the mapping's vocabulary does not know."),
        Both(
            "{n:n}行用了词表里没有的词（列“{column}”），占{share:%}。",
            "In {n:rows} ({share:%}), the word is not in the vocabulary (column '{column}').",
        ),
    ),
    "read_as_other": (
        "vocabulary",
        Both("词表里没有的词，按“其他”读入。", "Words that the vocabulary does not know and reads as 'other'."),
        Both(
            "{n:n}行的词不在词表里，按“其他”读入（列“{column}”），占{share:%}。",
            "In {n:rows} ({share:%}), the word is not in the vocabulary and is read as 'other' (column '{column}').",
        ),
    ),
    "out_of_range": (
        "inspections",
        Both(
            "量值超出来源的标尺，多为录入错误。",
            "A measurement outside the scale of its source: most likely a typing error.",
        ),
        Both(
            "{n:n}行的量值超出标尺（列“{column}”），占{share:%}。",
            "In {n:rows} ({share:%}), the value lies outside its scale (column '{column}').",
        ),
    ),
    "default_location": (
        "places",
        Both(
            "许多行共用一个坐标：那是“没有地点”的默认值。",
            "A point that so many rows share that it can only stand for 'no place'.",
        ),
        Both(
            "{n:n}行的坐标是默认点（列“{column}”），占{share:%}；不给它们区域。",
            "In {n:rows} ({share:%}), the location is a default point (column '{column}'); they get no area.",
        ),
    ),
    "missing_value": (
        "schema",
        Both("必需的值为空。", "A value that every row needs is empty."),
        Both(
            "{n:n}行缺少必需的值（列“{column}”）。",
            "In {n:rows}, a value that every row needs is missing (column '{column}').",
        ),
    ),
}

_REFUSED: Final = Both(
    "导入会拒绝这个文件。请来源改正，或用 --set-aside {code} 公开搁置这些行；`heed import` 会列出行号。",
    "An import refuses the file. Have the source mend it, or set such rows aside openly with "
    "`--set-aside {code}`; `heed import` names the rows.",
)
_NONE: Final = Both("导入会拒绝这个文件，且不能搁置：请补全映射。", "An import refuses the file: complete the mapping.")

CODES: Final = (
    *(
        Code(name, family, meaning, says, _NONE if EFFECTS.get(name) == "none" else _REFUSED)
        for name, (family, meaning, says) in _ROWS.items()
    ),
    Code(
        "due_years_away",
        "dates",
        Both("承诺期限远得不可能。", "Deadlines too far away to be true."),
        Both(
            "{n:n}行的承诺期限远得不可能（列“{column}”）。",
            "In {n:rows}, the deadline is years away, as no office promises (column '{column}').",
        ),
        _REFUSED,
    ),
    Code(
        "other_rows",
        "schema",
        Both("其他被导入检出的行。", "Rows with another finding of the import."),
        Both(
            "{n:n}行有其他检出问题（列“{column}”）。",
            "In {n:rows}, the import finds something else (column '{column}').",
        ),
        _REFUSED,
    ),
)
_SET_ASIDE: Final = Both(
    "导入时会搁置并记录。若份额上升，请来源查明原因。",
    "An import sets them aside and says so. If the share grows, ask the source why.",
)
# From this share on, what is set aside changes the figures.
_MUCH: Final = 0.01


def find(subject: Subject) -> Iterator[CheckFinding]:
    """One finding per code and column."""
    summed: dict[tuple[str, str], int] = {}
    for one in subject.set_aside:
        key = (one.code, one.column)
        summed[key] = summed.get(key, 0) + one.count
    for (code, column), count in summed.items():
        told = _told(subject, Finding(code, column, count, (), "", ""))
        yield _with_year(subject, told) if code == "due_too_far" else told


def _told(subject: Subject, one: Finding) -> CheckFinding:
    total = max(subject.n_rows, 1)
    level = _level(subject, one.code, one.count / total)
    return CheckFinding(
        code=one.code if one.code in _ROWS else "other_rows",
        level=level,
        weight=one.count / total,
        figures={"n": one.count, "total": subject.n_rows, "share": one.count / total},
        where=Where(column=one.column),
        do=None if level == "stop" else _SET_ASIDE,
    )


def _with_year(subject: Subject, told: CheckFinding) -> CheckFinding:
    """Deadlines that are years away mostly lie in one year, which tells what went wrong."""
    years = pd.Series(dtype="int64")
    if subject.file is not None:
        masks = [one.mask for one in subject.file.bad if one.finding.code == "due_too_far"]
        if masks:
            years = subject.local(subject.file.rows.loc[masks[0], "due_at"]).dt.year.value_counts()
    if years.empty:
        return replace(told, code="due_years_away")
    where = replace(told.where, period=str(int(years.index[0])))
    return replace(told, figures={**told.figures, "n_year": int(years.iloc[0])}, where=where)


def _level(subject: Subject, code: str, share: float) -> Level:
    if EFFECTS.get(code) == "none" or (subject.file is not None and code not in subject.file.allowed):
        return "stop"
    return "warn" if share >= _MUCH else "note"
