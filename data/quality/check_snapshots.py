"""Exports that were taken at several moments: what each covers, what is gone from the next, and what was still open."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.import_report import Snapshot
from data.moments import parse_moments
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "snapshot_covers",
        "snapshots",
        Both(
            "各次快照覆盖的受理时段：之外的案件此后如何，无从得知。",
            "Which openings each snapshot covers: of the other cases nobody knows how they went on.",
        ),
        Both(
            "{n:n}次快照；最后一次（{period:when}）只覆盖全部案件的{share:%}。",
            "{n:snapshots}; the last one ({period:when}) covers only {share:%} of all cases.",
        ),
        Both(
            "未被后来快照覆盖的案件按最后一次看到为止计（删失），不当作仍未办结。",
            "Cases that later snapshots do not cover are followed up to their last look only, and not taken as "
            "still open.",
        ),
    ),
    Code(
        "cases_vanish",
        "snapshots",
        Both(
            "案件从后来的快照里消失：来源改了筛选，或删了案件。",
            "Cases that vanish from a later snapshot: the source filters otherwise, or deleted them.",
        ),
        Both(
            "{n:n}件（{share:%}）本该在{period:when}的快照里，却不见了；最多的是“{category}”。",
            "{n:cases} ({share:%}) should be in the snapshot of {period:when} and are not; most of all '{category}'.",
        ),
        Both(
            "请来源说明筛选有何变化；它们的结局按最后一次看到的算。",
            "Ask the source what it filters now; how these cases ended is not known beyond their last look.",
        ),
    ),
    Code(
        "open_shrinks",
        "snapshots",
        Both(
            "未办结份额随快照时间大降：早的快照是删失的，不能直接比较。",
            "The share still open falls from snapshot to snapshot: an early one is censored, and not to be compared.",
        ),
        Both(
            "未办结份额（不计撤销）从{first:%}降到{last:%}（{period:when}）：早的快照只看到一半的故事。",
            "The share still open, the withdrawn left out, falls from {first:%} to {last:%} ({period:when}): an early "
            "snapshot tells half the story.",
        ),
        Both(
            "用 Kaplan-Meier 份额比较，不要用办结份额；等时限到期再下结论。",
            "Compare Kaplan-Meier shares and not shares closed, and wait until deadlines have passed.",
        ),
    ),
    Code(
        "acts_before_opening",
        "snapshots",
        Both(
            "案件受理之前已经办了事：先做后录，受理时刻不是开始。",
            "Something was done before the case was opened: work first and record later.",
        ),
        Both(
            "{n:n}件（{share:%}）在略去的列“{column}”里有早于受理的时刻。",
            "{n:cases} ({share:%}) have a time before their opening in the left-out column '{column}'.",
        ),
        Both(
            "这列不能作办结时刻；这些案件的办理时长偏短。",
            "Do not use this column as a closing time; the time these cases took is too short.",
        ),
    ),
)
_FEWEST: Final = 200
_SHRINKS: Final = 0.05
_WHEN: Final = Both("快照", "snapshot")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """What several looks at the same cases tell."""
    yield from _covers(subject)
    if subject.looks is not None:
        yield from _vanished(subject, subject.looks)
        yield from _open(subject, subject.looks)
    yield from _before(subject)


def _covers(subject: Subject) -> Iterator[CheckFinding]:
    shots = _distinct(subject.snapshots)
    if len(shots) < 2 or len(subject.cases) < _FEWEST:
        return
    opened = subject.cases["opened_at"].to_numpy("int64")
    shares = [float(((opened >= one.opened_from) & (opened <= one.opened_to)).mean()) for one in shots]
    if min(shares) > 0.99:
        return
    # A monthly export of that month alone is how it should be: what counts is whether old cases are shown again.
    first = min(one.opened_from for one in shots)
    yield CheckFinding(
        code="snapshot_covers",
        level="warn" if shots[-1].opened_from > first or shares[-1] < 0.9 else "note",
        weight=1 - shares[-1],
        figures={"n": len(shots), "share": shares[-1]},
        where=Where(column=subject.column("snapshot_at"), period=_day(subject, shots[-1].seen_at)),
        chart=Chart(
            "bars", "share", _WHEN, Both("覆盖的案件份额", "share of the cases covered"),
            tuple(Point(_day(subject, one.seen_at), share) for one, share in zip(shots, shares, strict=True)),
        ),
    )  # fmt: skip


def _distinct(snapshots: tuple[Snapshot, ...]) -> list[Snapshot]:
    """The snapshots by moment; several files of one moment are one look."""
    by_moment: dict[int, Snapshot] = {}
    for one in snapshots:
        other = by_moment.get(one.seen_at)
        by_moment[one.seen_at] = one if other is None else Snapshot(
            seen_at=one.seen_at,
            opened_from=min(one.opened_from, other.opened_from),
            opened_to=max(one.opened_to, other.opened_to),
            cases=one.cases + other.cases,
        )  # fmt: skip
    return [by_moment[moment] for moment in sorted(by_moment)]


def _vanished(subject: Subject, looks: pd.DataFrame) -> Iterator[CheckFinding]:
    for earlier, later in _pairs(looks):
        inside = (earlier["opened_at"] >= later["opened_at"].min()) & (earlier["opened_at"] <= later["opened_at"].max())
        due = earlier[inside]
        gone = due[~due["case_id"].isin(later["case_id"])]
        if gone.empty:
            continue
        by_category = gone["category"].value_counts()
        share = len(gone) / len(due)
        top = by_category.head(8)
        yield CheckFinding(
            code="cases_vanish",
            level="warn" if share >= 0.01 else "note",
            weight=share,
            figures={"n": len(gone), "share": share, "most": int(by_category.iloc[0]) if len(by_category) else 0},
            where=Where(
                category=str(by_category.index[0]) if len(by_category) else None,
                period=_day(subject, int(later["seen_at"].iloc[0])),
            ),
            chart=Chart(
                "bars", "count", Both("问题类型", "category"), Both("消失的案件", "cases gone"),
                tuple(Point(str(name), int(count)) for name, count in top.items()),
            ),
        )  # fmt: skip


def _open(subject: Subject, looks: pd.DataFrame) -> Iterator[CheckFinding]:
    alive = looks[~looks["withdrawn"]]
    shares = [
        (int(str(seen)), float((~part["ended"]).mean()), len(part))
        for seen, part in alive.groupby("seen_at", sort=True)
    ]
    shares = [one for one in shares if one[2] >= _FEWEST]
    if len(shares) < 2 or shares[0][1] - shares[-1][1] < _SHRINKS:
        return
    yield CheckFinding(
        code="open_shrinks",
        level="warn",
        weight=shares[0][1] - shares[-1][1],
        figures={"first": shares[0][1], "last": shares[-1][1], "n": len(shares)},
        where=Where(period=f"{_day(subject, shares[0][0])}/{_day(subject, shares[-1][0])}"),
        chart=Chart(
            "bars", "share", _WHEN, Both("未办结份额（不计撤销）", "share open, without the withdrawn"),
            tuple(Point(_day(subject, seen), share) for seen, share, _ in shares),
        ),
    )  # fmt: skip


def _pairs(looks: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    parts = [part for _, part in looks.groupby("seen_at", sort=True)]
    yield from pairwise(parts)


def _before(subject: Subject) -> Iterator[CheckFinding]:
    """Times in left-out columns that lie before the opening."""
    view, mapping = subject.file, subject.mapping
    if view is None or mapping is None or "opened_at" not in view.rows:
        return
    opened = view.rows["opened_at"].to_numpy()
    for name in view.looked_at:
        values = view.raw[name]
        if not _looks_like_times(values):
            continue
        moments = parse_moments(values, mapping.zone, mapping.source.time_format).seconds
        there = (moments < NEVER) & (opened < NEVER) & view.kept
        # Days on both sides may lie on the same day; a column of days is compared with the day of the opening.
        early = there & (moments < opened)
        if there.sum() < _FEWEST or not early.any():
            continue
        references = view.rows["reference"].to_numpy()
        count, whole = len(np.unique(references[early].astype("U"))), len(np.unique(references[there].astype("U")))
        yield CheckFinding(
            code="acts_before_opening",
            level="warn" if count / whole >= 0.01 else "note",
            weight=count / whole,
            figures={"n": count, "share": count / whole},
            where=Where(column=name),
        )


def _looks_like_times(values: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return True
    head = values.dropna().head(200).astype("str")
    return len(head) > 0 and bool(head.str.match(r"\d{4}-\d{2}-\d{2}").all())


def _day(subject: Subject, seconds: int) -> str:
    """A day; one that ends at midnight is named by itself and not by the next."""
    return str(subject.local(np.array([seconds - 1])).dt.strftime("%Y-%m-%d").iloc[0])
