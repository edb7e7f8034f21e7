"""The columns of a file: which are there, which fill up or run empty over the years, which say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from data.event_log import NEVER
from data.mapping import KEYS
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "column_missing",
        "schema",
        Both("映射认得、文件里却没有的列。", "Columns that the mapping knows and the file lacks."),
        Both("文件没有映射所说的{n:n}列：{values:list}。", "The file lacks {n:columns} of the mapping: {values:list}."),
        Both(
            "若来源今后不再给出，可以不管；若从前有，请来源查明。",
            "Nothing, if the source does not always give them; ask the source if it used to.",
        ),
    ),
    Code(
        "columns_left_out",
        "schema",
        Both(
            "映射公开略去的列。检查只数其中名称不像个人信息的列，内容不留、不显示。",
            "Columns that the mapping openly leaves out. The check counts in those whose names do not look "
            "personal, and "
            "keeps and shows nothing of their content.",
        ),
        Both(
            "{n:n}列被公开略去：{values:list}。本检查数了其中{looked:n}列，{unread:n}列完全未读。",
            "{n:columns} left out openly: {values:list}. This check counted in {looked:n} of them and did not even "
            "read "
            "{unread:n}.",
        ),
        Both(
            "核对略去的理由是否仍成立（映射的 [leave_out]）。",
            "See that the reasons in [leave_out] of the mapping still hold.",
        ),
    ),
    Code(
        "columns_dropped",
        "schema",
        Both("用 --drop 去掉、未读的列。", "Columns that were dropped with --drop and not read."),
        Both("--drop 去掉了{n:n}列：{values:list}。", "{n:columns} dropped with --drop: {values:list}."),
        Both(
            "若每次都要去掉，把它写进映射的 [leave_out] 并说明理由。",
            "If it is dropped every time, say so with a reason in [leave_out] of the mapping.",
        ),
    ),
    Code(
        "column_constant",
        "schema",
        Both("整列只有一个值，说明不了任何差别。", "A column with one value only, which tells nothing apart."),
        Both("列“{column}”在全部{n:n}行中只有一个值。", "Column '{column}' has the same value in all of its {n:rows}."),
        Both("作为问题大类等上级无妨；不要当作特征。", "Fine as a parent of other words; no model can learn from it."),
    ),
    Code(
        "column_empty_shift",
        "schema",
        Both(
            "某列的空缺份额随时间大变：是登记办法变了，不是案件变了。",
            "The share of empty values of a column changes much over time: the recording changed, and not the cases.",
        ),
        Both(
            "列“{column}”的空缺份额从{before:%}变为{after:%}（自{period:when}起）。",
            "Column '{column}' went from {before:%} empty to {after:%}, from {period:when} on.",
        ),
        Both(
            "不要把两段时间放在一起比较此列；查明{period:when}登记有何变化。",
            "Do not compare this column across {period:when}; find out what changed in the recording then.",
        ),
    ),
    Code(
        "column_mostly_empty",
        "schema",
        Both("一半以上为空的列。", "A column that is empty in more than half of the rows."),
        Both(
            "列“{column}”有{share:%}为空（{n:n}行）。", "Column '{column}' is empty in {share:%} of the rows ({n:n})."
        ),
        Both("用它分组的数字只说其余部分。", "Figures grouped by it speak of the rest only."),
    ),
    Code(
        "column_mixed",
        "schema",
        Both(
            "同一列里既有数字又有文字，多半是两种编码混用。",
            "Numbers and words in one column: most likely two codings.",
        ),
        Both(
            "列“{column}”里{share:%}的值是数字，其余是文字（{n:n}行）。",
            "In column '{column}', {share:%} of the values are numbers and the others words ({n:rows}).",
        ),
        Both(
            "请来源统一编码，或在映射里翻译其一。",
            "Have the source use one coding, or translate one of the two in the mapping.",
        ),
    ),
    Code(
        "known_at_end",
        "schema",
        Both(
            "来源只给出末态的列：受理时并不知道，不能作特征。",
            "Columns that the source shows only as they ended: unknown at the opening, and no feature of it.",
        ),
        Both(
            "{values:list}只有末态，受理时不可知；凡要用到它们的特征一律不用。",
            "Known only at the end: {values:list}. Features that need it are not used.",
        ),
        Both(
            "若系统保留历史，请改为导出事件，或导出受理时的值。",
            "If the system keeps its history, export events, or the value at intake.",
        ),
    ),
    Code(
        "forced",
        "schema",
        Both(
            "映射强制把末态的列当作受理时已知：由此得到的好成绩是泄漏。",
            "A column of last states is called known at opening by force: good figures from it are a leak.",
        ),
        Both(
            "列{values:list}被强制当作受理时已知。",
            "Called known at opening by force: {values:list}.",
        ),
        Both("仅供试验；投入使用前去掉 forced。", "For experiments only: take `forced` out before anything is used."),
    ),
)

_KEYS: Final = ("category", "category_group", "area", "channel", "office", "due_at", "closing_reason")
_SHIFT: Final = 0.2
_FEWEST: Final = 200
_LABEL: Final = Both("月份", "month")
_EMPTY: Final = Both("空缺份额", "share empty")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Everything about columns but how well they predict; see `check_leak`."""
    view, mapping = subject.file, subject.mapping
    if subject.forced:
        yield CheckFinding(
            code="forced", level="stop", weight=1.0, figures={"n": len(subject.forced)},
            where=Where(values=tuple(subject.forced)),
        )  # fmt: skip
    late = [key for key in KEYS if key not in subject.known_at_opening and subject.cases[key].notna().any()]
    if late:
        yield CheckFinding(
            code="known_at_end", level="note", weight=0.05, figures={"n": len(late)},
            where=Where(values=tuple(subject.column(key) for key in late)),
        )  # fmt: skip
    yield from _over_time(subject)
    if view is None or mapping is None:
        return
    absent = [name for name in mapping.columns if name not in view.columns]
    if absent:
        yield CheckFinding(
            code="column_missing", level="note", weight=0.02, figures={"n": len(absent)},
            where=Where(values=tuple(absent)),
        )  # fmt: skip
    left_out = (*view.looked_at, *view.unread)
    if view.dropped:
        yield CheckFinding(
            code="columns_dropped", level="note", weight=0.002, figures={"n": len(view.dropped)},
            where=Where(values=view.dropped),
        )  # fmt: skip
    if left_out:
        yield CheckFinding(
            code="columns_left_out",
            level="note",
            weight=0.001,
            figures={
                "n": len(left_out),
                "looked": len(view.looked_at),
                "unread": len(view.unread),
            },
            where=Where(values=left_out),
        )
    yield from _columns(subject)


def _columns(subject: Subject) -> Iterator[CheckFinding]:
    view, mapping = subject.file, subject.mapping
    if view is None or mapping is None:
        return
    for name, column in mapping.columns.items():
        if name not in view.raw or mapping.fields[column.field].type not in ("code", "vocabulary"):
            continue
        values = view.raw[name]
        there = values.dropna()
        if len(there) >= _FEWEST and there.nunique() == 1 and there.notna().mean() == 1 and len(there) == len(values):
            yield CheckFinding(
                code="column_constant", level="note", weight=0.02, figures={"n": len(there)}, where=Where(column=name)
            )
        if mapping.fields[column.field].type == "code" and len(there) >= _FEWEST and not column.vocabulary:
            distinct = there.value_counts()
            numeric = distinct[pd.Series(distinct.index).astype("str").str.fullmatch(r"\d+").to_numpy()].sum()
            share = float(numeric / len(there))
            if 0.02 < share < 0.98:
                yield CheckFinding(
                    code="column_mixed",
                    level="note",
                    weight=min(share, 1 - share),
                    figures={"n": len(there), "share": share},
                    where=Where(column=name),
                )


def _over_time(subject: Subject) -> Iterator[CheckFinding]:
    cases = subject.cases
    if len(cases) < _FEWEST:
        return
    months = subject.month(cases["opened_at"]).to_numpy()
    for key in _KEYS:
        empty = (cases["due_at_opening"] == NEVER) if key == "due_at" else cases[key].isna()
        if key == "closing_reason":
            # An open case has none, and that is no gap.
            closed = (cases["closed_at"] < NEVER).to_numpy()
            frame = pd.DataFrame({"month": months[closed], "empty": empty.to_numpy()[closed]})
        else:
            frame = pd.DataFrame({"month": months, "empty": empty.to_numpy()})
        if frame["empty"].all() or not frame["empty"].any():
            continue
        share = float(frame["empty"].mean())
        if share > 0.5 and key != "due_at":
            yield CheckFinding(
                code="column_mostly_empty", level="note", weight=share * 0.1,
                figures={"n": int(frame["empty"].sum()), "share": share}, where=Where(column=subject.column(key)),
            )  # fmt: skip
        yield from _shift(subject, key, frame)


def _shift(subject: Subject, key: str, frame: pd.DataFrame) -> Iterator[CheckFinding]:
    """The one month that divides the record best, where both sides are long and far enough apart."""
    monthly = frame.groupby("month")["empty"].agg(["sum", "size"])
    monthly = monthly[monthly["size"] > 0]
    if len(monthly) < 6:
        return
    empty, size = monthly["sum"].cumsum().to_numpy(float), monthly["size"].cumsum().to_numpy(float)
    before = empty[2:-3] / size[2:-3]
    after = (empty[-1] - empty[2:-3]) / (size[-1] - size[2:-3])
    if not len(before):
        return
    # Weighed by how much lies on either side: the clearest division, and not the most extreme month.
    weight = size[2:-3] * (size[-1] - size[2:-3]) / size[-1] ** 2
    place = int((abs(after - before) * weight**0.5).argmax())
    change = float(after[place] - before[place])
    if abs(change) < _SHIFT:
        return
    points = tuple(Point(str(month), float(row["sum"] / row["size"])) for month, row in monthly.iterrows())
    month = str(monthly.index[place + 3])
    yield CheckFinding(
        code="column_empty_shift",
        level="warn",
        weight=abs(change),
        figures={"before": float(before[place]), "after": float(after[place]), "n": len(frame)},
        where=Where(column=subject.column(key), period=month),
        chart=Chart("lines", "share", _LABEL, _EMPTY, points, mark=month),
    )
