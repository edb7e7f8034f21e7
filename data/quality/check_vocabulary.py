"""Words that begin, end, are renamed or split over the years: the recording changed, and not the city."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

import numpy as np
import pandas as pd

from data.quality.check_finding import Both, Chart, CheckFinding, Code, Level, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "words_stop",
        "vocabulary",
        Both(
            "某些词从某时起再未出现：停止登记，不等于问题消失。",
            "Words that no longer appear from some time on: the recording ended, and not the problem.",
        ),
        Both(
            "列“{column}”中的{values:list}自{period:when}之后再未出现，而按此前的速度本应有约{missed:n}件。",
            "In column '{column}', {values:list} no longer appear after {period:when}; at their pace before, about "
            "{missed:n} cases would have been due.",
        ),
        Both(
            "不要读作下降。若改了名，在映射的词表里合并新旧两词。",
            "Do not read it as a decline. If they were renamed, join the old and the new word in the mapping's "
            "vocabulary.",
        ),
    ),
    Code(
        "words_start",
        "vocabulary",
        Both(
            "某些词在记录开始很久之后才出现：从那时才登记，不等于问题新生。",
            "Words that first appear long after the record began: they were not recorded before.",
        ),
        Both(
            "列“{column}”中的{values:list}到{period:when}才出现，而按此后的速度此前本应有约{missed:n}件。",
            "In column '{column}', {values:list} first appear in {period:when}; at their pace since, about {missed:n} "
            "cases would have been due before.",
        ),
        Both(
            "不要读作上升。微弱信号从该词出现的次周起算它的记录。",
            "Do not read it as a rise. Weak signals count its record from the week after it appeared.",
        ),
    ),
    Code(
        "words_change",
        "vocabulary",
        Both(
            "渠道、单位或办结方式的词在记录期间出现或停用。",
            "Words for channels, offices or ways of closing that begin or end within the record.",
        ),
        Both(
            "列“{column}”的用词在记录期间有变（涉及{share:%}的行）：{values:list}出现或停用。",
            "In column '{column}' the words in use change within the record ({share:%} of the rows): {values:list}.",
        ),
        Both(
            "按此列分组的历史不能首尾相比；核对映射的词表是否齐全。",
            "Do not compare the beginning with the end by this column; see that the mapping's vocabulary knows "
            "them all.",
        ),
    ),
    Code(
        "word_renamed",
        "vocabulary",
        Both(
            "一个词停用，另一个相近的词同时出现，数量相当：多半是改名。",
            "One word ends as a similar one begins, with as many cases: most likely renamed.",
        ),
        Both(
            "列“{column}”中的“{values[0]}”在{period:when}停用，“{values[1]}”随即出现，数量相当（每月{before:x}与{after:x}件）。",
            "In column '{column}', '{values[0]}' ends in {period:when} and '{values[1]}' begins, with about as "
            "many cases "
            "({before:x} and {after:x} a month).",
        ),
        Both(
            "若是改名，在映射的词表里把两词合为一个。",
            "If it was renamed, make the two one word in the mapping's vocabulary.",
        ),
    ),
    Code(
        "word_split",
        "vocabulary",
        Both(
            "一个词停用，几个新词同时出现，合计数量相当：多半是拆分。",
            "One word ends as several begin, together with as many cases: most likely split.",
        ),
        Both(
            "列“{column}”在{period:when}有一词停用、数词出现，合计数量相当（每月{before:x}与{after:x}件）：{values:list}。",
            "In column '{column}', one word ends and several begin in {period:when}, together with about as many cases "
            "({before:x} and {after:x} a month): {values:list}.",
        ),
        Both(
            "跨过该月比较时，把它们合为一组。",
            "Take them together as one group when comparing across that month.",
        ),
    ),
)

_FIELDS: Final = ("category", "channel", "office", "closing_reason")
_FEWEST: Final = 30
_DAY: Final = 86_400
# A silence counts if so many cases were to be expected in it: enough that neither a season nor a bad month explains it.
_MISSED: Final = 20.0
_LEAST_DAYS: Final = 60
# A silence must be this many times longer than the longest before it.
_LONGER: Final = 3.0
_TOGETHER: Final = 45 * _DAY
_MONTH: Final = 30.4375 * _DAY


@dataclass(frozen=True, slots=True)
class _Life:
    """When a word was used, and how often: cases a month near its end and near its beginning."""

    word: str
    first: int
    last: int
    cases: int
    pace_first: float
    pace_last: float
    starts: float  # cases missed before it began; 0 where it was there from the start
    stops: float


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Starts and stops of words, by column and month; renamed and split words by themselves."""
    cases = subject.cases
    if len(cases) < _FEWEST:
        return
    opened = cases["opened_at"].to_numpy("int64")
    for field in _FIELDS:
        values, moments = _words(subject, field, opened)
        lives = _lives(values, moments)
        explained, told = _renamed(subject, field, lives)
        yield from told
        yield from _grouped(subject, field, [one for one in lives if one.word not in explained], values, moments)


def _words(subject: Subject, field: str, opened: np.ndarray) -> tuple[pd.Series, np.ndarray]:
    """The source's own words where a file gives them, and heed's where it does not."""
    view, mapping = subject.file, subject.mapping
    name = None if mapping is None else mapping.column_of.get(field)
    if view is not None and name is not None and name in view.raw and "opened_at" in view.rows:
        rows = view.rows[view.kept]
        inside = (rows["opened_at"] < subject.as_of).to_numpy()
        return view.raw.loc[view.kept, name][inside].reset_index(drop=True), rows["opened_at"].to_numpy()[inside]
    return subject.cases[field].reset_index(drop=True), opened


def _lives(values: pd.Series, opened: np.ndarray) -> list[_Life]:
    if not len(opened):
        return []
    begin, end = int(opened.min()), int(opened.max())
    lives = []
    for word, places in values.groupby(values).indices.items():
        if len(places) < _FEWEST:
            continue
        moments = np.sort(opened[places])
        lives.append(_life(str(word), moments, begin, end))
    return lives


def _life(word: str, moments: np.ndarray, begin: int, end: int) -> _Life:
    first, last = int(moments[0]), int(moments[-1])
    longest = float(np.diff(moments).max())
    # The pace of the half year next to the silence; of all of a shorter life.
    near = 183 * _DAY
    span = max(last - first, _DAY)
    pace_first = (moments <= first + near).sum() / min(near, span)
    pace_last = (moments >= last - near).sum() / min(near, span)

    def missed(silence: float, pace: float) -> float:
        enough = silence >= _LEAST_DAYS * _DAY and silence >= _LONGER * longest
        return float(pace * silence) if enough and pace * silence >= _MISSED else 0.0

    return _Life(
        word, first, last, len(moments), float(pace_first * _MONTH), float(pace_last * _MONTH),
        starts=missed(first - begin, pace_first), stops=missed(end - last, pace_last),
    )  # fmt: skip


def _renamed(subject: Subject, field: str, lives: list[_Life]) -> tuple[set[str], list[CheckFinding]]:
    stopped = sorted((one for one in lives if one.stops), key=lambda one: one.last)
    started = [one for one in lives if one.starts]
    explained: set[str] = set()
    told = []
    for old in stopped:
        new = [one for one in started if abs(one.first - old.last) <= _TOGETHER and one.word not in explained]
        alike = [
            one for one in new if _similar(old.word, one.word) and 0.5 <= _ratio(one.pace_first, old.pace_last) <= 2
        ]
        if alike:
            best = max(alike, key=lambda one: SequenceMatcher(None, old.word, one.word).ratio())
            chosen, code = [best], "word_renamed"
        elif len(new) > 1 and 0.67 <= _ratio(sum(one.pace_first for one in new), old.pace_last) <= 1.5:
            related = [one for one in new if _similar(old.word, one.word)]
            if not related:
                continue
            chosen, code = new, "word_split"
        else:
            continue
        explained |= {old.word, *(one.word for one in chosen)}
        told.append(_change(subject, field, old, chosen, code))
    return explained, told


def _change(subject: Subject, field: str, old: _Life, new: list[_Life], code: str) -> CheckFinding:
    month = _month(subject, old.last)
    return CheckFinding(
        code=code,
        level="warn",
        weight=old.cases / max(len(subject.cases), 1),
        figures={"before": old.pace_last, "after": sum(one.pace_first for one in new), "n": old.cases},
        where=Where(column=subject.column(field), period=month, values=(old.word, *(one.word for one in new))),
    )


def _similar(old: str, new: str) -> bool:
    """Whether two words look like the same thing: alike as a whole, or sharing most of their parts."""
    if SequenceMatcher(None, old.lower(), new.lower()).ratio() >= 0.6:
        return True
    first, second = (set(name.lower().replace("/", " ").replace("-", " ").split()) for name in (old, new))
    return bool(first and second) and len(first & second) / min(len(first), len(second)) >= 0.5


def _ratio(first: float, second: float) -> float:
    return first / max(second, 1e-9)


def _grouped(
    subject: Subject, field: str, lives: list[_Life], values: pd.Series, opened: np.ndarray
) -> Iterator[CheckFinding]:
    """Types of problem that begin, or end, in the same month are one finding: they were changed together."""
    if field != "category":
        yield from _minor(subject, field, [one for one in lives if one.starts or one.stops], values, opened)
        return
    for code, when in (("words_stop", "last"), ("words_start", "first")):
        by_month: dict[str, list[_Life]] = {}
        for one in lives:
            if one.stops if code == "words_stop" else one.starts:
                by_month.setdefault(_month(subject, getattr(one, when)), []).append(one)
        for month, group in sorted(by_month.items()):
            group.sort(key=lambda one: -one.cases)
            concerned = sum(one.cases for one in group) / max(len(opened), 1)
            level: Level = "warn" if concerned >= 0.01 else "note"
            chosen = tuple(one.word for one in group)
            yield CheckFinding(
                code=code,
                level=level,
                weight=concerned,
                figures={
                    "n": len(group),
                    "missed": sum(one.stops if code == "words_stop" else one.starts for one in group),
                    "cases": sum(one.cases for one in group),
                },
                where=Where(column=subject.column(field), period=month, values=chosen),
                chart=_months_chart(subject, values, opened, chosen[:4], month),
            )


def _minor(
    subject: Subject, field: str, changed: list[_Life], values: pd.Series, opened: np.ndarray
) -> Iterator[CheckFinding]:
    if not changed:
        return
    changed.sort(key=lambda one: -one.cases)
    share = min(sum(one.cases for one in changed) / max(len(opened), 1), 1.0)
    chosen = tuple(one.word for one in changed)
    yield CheckFinding(
        code="words_change",
        level="note",
        weight=share * 0.3,
        figures={"n": len(changed), "share": share},
        where=Where(column=subject.column(field), values=chosen),
        # An office may serve one area only, and its months are small counts.
        chart=None if field == "office" else _months_chart(subject, values, opened, chosen[:4], None),
    )


def _months_chart(
    subject: Subject, values: pd.Series, opened: np.ndarray, chosen: tuple[str, ...], mark: str | None
) -> Chart:
    months = subject.month(opened)
    every = sorted(months.unique())
    points = []
    for word in chosen:
        counts = months[(values == word).to_numpy()].value_counts()
        points += [Point(month, int(counts.get(month, 0)), word) for month in every]
    return Chart(
        "lines", "count", Both("受理月份", "month of opening"), Both("件数", "cases"), tuple(points), mark=mark
    )


def _month(subject: Subject, seconds: int) -> str:
    return str(subject.month(np.array([seconds])).iloc[0])
