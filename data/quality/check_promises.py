"""Deadlines: who was promised nothing, flags that say "on time" all the same, promises that change."""

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
        "no_deadlines",
        "promises",
        Both(
            "没有任何时限：谈不上超期，不能训练。",
            "No deadline at all: lateness has no meaning, and nothing can be trained.",
        ),
        Both(
            "{n:n}件案件没有一件有承诺期限。",
            "None of the {n:cases} was promised anything: there is no deadline.",
        ),
        Both(
            "若来源有时限列，请映射到 due_at；或按服务标准计算（见计时）。微弱信号不需要时限。",
            "Map a column to `due_at` if the source has one, or work deadlines out from service standards. Weak "
            "signals "
            "need none.",
        ),
    ),
    Code(
        "no_deadline",
        "promises",
        Both(
            "没有时限的案件：不能说它们按时或超期。",
            "Cases without a deadline: nobody can say that they were on time, or late.",
        ),
        Both(
            "{n:n}件（{share:%}）没有时限；{never:n}个问题类型从不给时限。",
            "{n:cases} ({share:%}) have no deadline; types of problem that never have one: {never:n}.",
        ),
        Both(
            "只在有时限的案件上计超期率与风险。",
            "Count lateness, and learn risks, from cases with a deadline only.",
        ),
    ),
    Code(
        "flag_without_deadline",
        "promises",
        Both(
            "来源的“按时”标记也给了没有时限的案件：毫无意义。",
            "The source's flag says 'on time' of cases without a deadline: it means nothing.",
        ),
        Both(
            "略去的列“{column}”把{n:n}件没有时限的案件标为按时（占按时标记的{share:%}）；{late:n}件实际超期的没有标记。",
            "The left-out column '{column}' calls {n:cases} without a deadline on time ({share:%} of all it calls so); "
            "{late:cases} that were late bear no flag.",
        ),
        Both("不要用这列；heed 由时刻自己算。", "Do not use that column; heed works lateness out from the times."),
    ),
    Code(
        "deadline_is_day",
        "promises",
        Both(
            "时限是日期，不是时刻：到当天结束才算超期。",
            "Deadlines are days: a case is late when the day is over.",
        ),
        Both(
            "列“{column}”的{n:n}个时限都是日期。",
            "All {n:deadlines} in column '{column}' are days.",
        ),
        Both(
            "映射里 end_of_day = true 已按当天结束计算。",
            "The mapping says end_of_day = true, and they are kept until their day is over.",
        ),
    ),
    Code(
        "promise_changes",
        "promises",
        Both(
            "同一问题类型的承诺时长改变：超期率不能跨过改变比较。",
            "The time promised for a category changes: its lateness is not to be compared across the change.",
        ),
        Both(
            "“{category}”的承诺时长从{before:x}天变为{after:x}天（{period:when}起），共有{types:n}个问题类型变了。",
            "The time promised for '{category}' goes from {before:x} to {after:x} days in {period:when}; "
            "{types:types} of "
            "problem change in all.",
        ),
        Both(
            "分段比较；模型知道每件案件受理时的承诺。",
            "Compare before and after by themselves; models know each case's own promise.",
        ),
    ),
)
_FEWEST: Final = 200
_FEWEST_IN_CELL: Final = 30
_DAY: Final = 86_400
_ON_TIME: Final = frozenset(("ontime", "on time", "on_time", "in time", "按时", "按期", "未超期", "准时"))
_LATE: Final = frozenset(("overdue", "late", "not on time", "超期", "逾期"))
_LABEL: Final = Both("问题类型", "category")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Everything about promises."""
    cases = subject.cases
    if len(cases) < _FEWEST:
        return
    missing = (cases["due_at_opening"] == NEVER).to_numpy()
    if missing.all():
        yield CheckFinding(
            code="no_deadlines", level="stop", weight=0.95, figures={"n": len(cases)},
            where=Where(column=subject.column("due_at")),
        )  # fmt: skip
        return
    if missing.mean() >= 0.005:
        yield _missing(subject, missing)
    if subject.day_only("due_at"):
        yield CheckFinding(
            code="deadline_is_day", level="note", weight=0.02, figures={"n": int((~missing).sum())},
            where=Where(column=subject.column("due_at")),
        )  # fmt: skip
    yield from _flags(subject)
    yield from _changes(subject, ~missing)


def _missing(subject: Subject, missing: np.ndarray) -> CheckFinding:
    by_category = (
        pd.Series(missing).groupby(subject.cases["category"].to_numpy(dtype=object)).agg(["mean", "size", "sum"])
    )
    large = by_category[by_category["size"] >= _FEWEST_IN_CELL]
    top = large.sort_values("sum", ascending=False).head(8)
    return CheckFinding(
        code="no_deadline",
        level="warn",
        weight=float(missing.mean()) * 0.8,
        figures={
            "n": int(missing.sum()),
            "share": float(missing.mean()),
            "never": int((large["mean"] == 1).sum()),
        },
        where=Where(column=subject.column("due_at")),
        chart=Chart(
            "bars", "share", Both("问题类型（按没有时限的件数）", "category, by cases without a deadline"),
            Both("没有时限的份额", "share without a deadline"),
            tuple(Point(str(name), float(row["mean"])) for name, row in top.iterrows()),
        ),
    )  # fmt: skip


def _flags(subject: Subject) -> Iterator[CheckFinding]:
    view = subject.file
    if view is None or "due_at" not in view.rows or "closed_at" not in view.rows:
        return
    rows = view.rows
    none = (rows["due_at"] == NEVER).to_numpy() & view.kept
    # What was set aside is no longer a deadline: ask the row itself.
    late = (
        ~none
        & view.kept
        & (rows["closed_at"].to_numpy() > rows["due_at"].to_numpy())
        & (rows["due_at"] < subject.as_of)
    )
    for name in view.looked_at:
        values = view.raw[name]
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            continue
        said = values.dropna().astype("str").str.strip().str.lower()
        words = set(said.unique()) if said.nunique() <= 6 else set()
        if not words or not words & _ON_TIME or not words <= _ON_TIME | _LATE:
            continue
        on_time = values.astype("str").str.strip().str.lower().isin(_ON_TIME).to_numpy()
        count = int((on_time & none).sum())
        if count == 0:
            continue
        yield CheckFinding(
            code="flag_without_deadline",
            level="warn",
            weight=count / max(int(view.kept.sum()), 1) * 0.7,
            figures={
                "n": count,
                "share": count / max(int(on_time.sum()), 1),
                "late": int((np.asarray(late) & values.isna().to_numpy()).sum()),
            },
            where=Where(column=name),
            chart=Chart(
                "bars", "count", Both("标为按时的案件", "cases called on time"), Both("件数", "cases"),
                (
                    Point(Both("有时限", "with a deadline"), int(on_time.sum()) - count),
                    Point(Both("没有时限", "without a deadline"), count),
                ),
            ),
        )  # fmt: skip


def _changes(subject: Subject, promised: np.ndarray) -> Iterator[CheckFinding]:
    """Categories whose usual promise is another one from some month on."""
    cases = subject.cases[promised]
    days = (cases["due_at_opening"] - cases["opened_at"]) / _DAY
    frame = pd.DataFrame(
        {"category": cases["category"], "month": subject.month(cases["opened_at"]).to_numpy(), "days": days}
    )
    found = []
    for name, part in frame[frame["days"] > 0].groupby("category"):
        monthly = part.groupby("month")["days"].agg(["median", "size"])
        monthly = monthly[monthly["size"] >= 5]
        if len(part) < 5 * _FEWEST_IN_CELL or len(monthly) < 6:
            continue
        change = _steady_change(monthly["median"].to_numpy(float))
        if change is not None:
            place, before, after = change
            found.append((len(part), str(name), str(monthly.index[place]), before, after, monthly["median"]))
    if not found:
        return
    cases_of, name, month, before, after, medians = max(found)
    yield CheckFinding(
        code="promise_changes",
        level="note",
        weight=cases_of / max(len(cases), 1) * 0.5,
        figures={"before": before, "after": after, "types": len(found), "n": cases_of},
        where=Where(category=name, period=month),
        chart=Chart(
            "lines", "days", Both("受理月份", "month of opening"), Both("承诺天数（中位数）", "days promised, median"),
            tuple(Point(str(when), float(value)) for when, value in medians.items()), mark=month,
        ),
    )  # fmt: skip


def _steady_change(medians: np.ndarray) -> tuple[int, float, float] | None:
    """Where a promise steps from one usual length to another: (place, before, after).

    Promises are rules, so most months before and after must lie near their own usual length; only then is the step one
    of the rule, and not of the mix of working days.
    """
    best: tuple[float, int, float, float] | None = None
    for place in range(3, len(medians) - 2):
        before, after = float(np.median(medians[:place])), float(np.median(medians[place:]))
        if max(before, after) < 1.5 * min(before, after) or abs(before - after) < 0.5:
            continue
        near = np.concatenate(
            [abs(medians[:place] - before) < 0.25 * before, abs(medians[place:] - after) < 0.25 * after]
        )
        if best is None or near.mean() > best[0]:
            best = float(near.mean()), place, before, after
    return best[1:] if best is not None and best[0] >= 0.85 else None
