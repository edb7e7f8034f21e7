"""Logs of inspections: what the source filtered away, results that merely repeat, assets that are seen once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from data.event_log import NEVER
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "source_filter",
        "inspections",
        Both(
            "略去的列只有一个值：来源已按它筛选，文件不是全部。",
            "A left-out column with one value only: the source filtered by it, and the file is not everything.",
        ),
        Both(
            "略去的列{values:list}在全部{n:n}行中只有一个值：来源可能已按它筛选。",
            "Left-out columns with one value in all {n:rows}: {values:list}. The source may have filtered by them.",
        ),
        Both(
            "不要把这些数字当作全体；问来源还有哪些没有给出。",
            "Do not take the figures for everything; ask the source what it leaves out.",
        ),
    ),
    Code(
        "results_repeat",
        "inspections",
        Both(
            "同一设施相邻两次的结果相同：多半是沿用，没有重新评定。",
            "Neighbouring results of an asset that are the same: most likely carried over, and not judged again.",
        ),
        Both(
            "{share:%}的相邻两次结果完全相同（列“{column}”，{n:n}对），而偶然只应有{chance:%}；其中{share_date:%}连评定时刻也相同。",
            "In {share:%} of {n:pairs} of neighbouring visits, column '{column}' has the same value, where chance "
            "makes "
            "{chance:%}; in {share_date:%} of those even the moment is the same.",
        ),
        Both(
            "相同的结果不是新的证据；按评定时刻去重后再计。",
            "A result carried over is no new evidence: count each moment of judging once.",
        ),
    ),
    Code(
        "assets_once",
        "inspections",
        Both(
            "只被检查过一次的设施：说不出变化。",
            "Assets that were inspected once only: nothing can be said of their change.",
        ),
        Both(
            "{share:%}的设施（{n:n}处）只被检查过一次。",
            "{share:%} of the assets ({n:n}) were inspected once only.",
        ),
        Both("变化只由其余设施得出。", "What changes is told by the others only."),
    ),
)
_FEWEST: Final = 200
_REPEATS: Final = 0.3
_ONCE: Final = 0.2


def find(subject: Subject) -> Iterator[CheckFinding]:
    """What is particular to inspections; a filtered source shows in files of every shape."""
    view = subject.file
    if view is None:
        return
    constant = [
        name for name in view.looked_at if view.raw[name].notna().sum() >= _FEWEST and view.raw[name].nunique() == 1
        and view.raw[name].notna().all()
    ]  # fmt: skip
    if constant:
        yield CheckFinding(
            code="source_filter", level="note", weight=0.03, figures={"n": len(view.raw), "columns": len(constant)},
            where=Where(values=tuple(constant)),
        )  # fmt: skip
    if subject.mapping is not None and subject.mapping.source.shape == "inspections":
        yield from _of_assets(subject)


def _of_assets(subject: Subject) -> Iterator[CheckFinding]:
    view, mapping = subject.file, subject.mapping
    if view is None or mapping is None or not {"asset", "severity"} <= mapping.column_of.keys():
        return
    name = mapping.column_of["severity"]
    frame = pd.DataFrame(
        {
            "asset": view.rows["asset"],
            "at": view.rows["at"],
            "value": view.raw[name].astype("str"),
            "row": view.rows["row"],
        }
    )[view.kept]
    frame = frame[frame["asset"].notna() & (frame["at"] < NEVER)].sort_values(["asset", "at", "row"], kind="stable")
    visits = frame.groupby("asset").size()
    if len(frame) < _FEWEST:
        return
    once = float((visits == 1).mean())
    if once >= _ONCE:
        yield CheckFinding(
            code="assets_once", level="note", weight=once * 0.2,
            figures={"n": int((visits == 1).sum()), "share": once},
        )  # fmt: skip
    again = frame["asset"].eq(frame["asset"].shift()).to_numpy()
    same = again & frame["value"].eq(frame["value"].shift()).to_numpy()
    if again.sum() < _FEWEST:
        return
    # Two honest results are the same by chance now and then: the fewer different ones there are, the more often.
    chance = float((frame["value"].value_counts(normalize=True) ** 2).sum())
    if same.sum() / again.sum() < chance + _REPEATS:
        return
    at_once = same & frame["at"].eq(frame["at"].shift()).to_numpy()
    yearly = pd.DataFrame({"year": subject.local(frame["at"]).dt.year.to_numpy(), "again": again, "same": same})
    by_year = yearly[yearly["again"]].groupby("year")["same"].agg(["mean", "size"])
    points = tuple(Point(str(year), float(row["mean"])) for year, row in by_year.iterrows() if row["size"] >= _FEWEST)
    yield CheckFinding(
        code="results_repeat",
        level="warn",
        weight=float(same.sum() / again.sum()),
        figures={
            "n": int(again.sum()),
            "share": float(same.sum() / again.sum()),
            "chance": chance,
            "share_date": float(at_once.sum() / max(int(same.sum()), 1)),
        },
        where=Where(column=name),
        chart=Chart(
            "lines", "share", Both("年份", "year"), Both("结果相同的份额", "share with the same result"), points
        )
        if len(points) > 1
        else None,
    )
