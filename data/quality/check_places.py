"""Where cases are: without an area, at a default point, in areas that nobody lists. No area is told by its count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from data.quality.check_finding import MINIMUM, Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "no_areas",
        "places",
        Both("没有区域：无法检出微弱信号。", "No area at all: no weak signal can be detected."),
        Both("没有一件案件有区域（列“{column}”）。", "Not one case has an area (column '{column}')."),
        Both("在映射里指定一列作 area。", "Map a column to `area`."),
    ),
    Code(
        "no_area",
        "places",
        Both(
            "没有区域的案件：不计入任何区域的压力与信号。",
            "Cases without an area: they are in no area's pressure or signals.",
        ),
        Both(
            "{n:n}件（{share:%}）没有区域（列“{column}”）；最多的问题类型是“{category}”，其中{share_category:%}没有区域。",
            "{n:cases} ({share:%}) have no area in column '{column}'; most of all '{category}', of which "
            "{share_category:%} have none.",
        ),
        Both(
            "若其中有本可定位的，请来源补上；否则区域数字只说其余部分。",
            "Ask the source for those that have a place; figures of areas speak of the rest only.",
        ),
    ),
    Code(
        "default_point",
        "places",
        Both(
            "没有区域的案件堆在同一个坐标上：那是系统的默认点，不是地点。",
            "Cases without an area heap at one point: the default of a system, and no place.",
        ),
        Both(
            "没有区域的案件中有{share:%}（{n:n}件）堆在同一个坐标上，该点{of_point:%}的案件没有区域。",
            "Of the cases without an area, {share:%} ({n:n}) stand at one and the same point; {of_point:%} of the "
            "cases at "
            "that point have no area.",
        ),
        Both(
            "这是来源的默认点：由坐标推出的区域对它们是假的，保持为空。",
            "It is a default of the source: an area worked out from it would be false, so leave it empty.",
        ),
    ),
    Code(
        "areas_unknown",
        "places",
        Both("案件所写的区域不在区域表里。", "Areas of cases that the area table does not list."),
        Both(
            "{areas:areas}不在区域表里，涉及{n:n}件（{share:%}）。",
            "{areas:areas} of cases not in the area table, with {n:cases} ({share:%}).",
        ),
        Both(
            "把它们补进区域表（`heed places`），否则没有名称、上级与人口。",
            "Add them to the area table (`heed places`): without it they have no name, parent or population.",
        ),
    ),
)
_FEWEST: Final = 200
_LITTLE: Final = 0.001
_SIDES: Final = ("lat", "latitude", "纬度"), ("lon", "lng", "long", "longitude", "经度")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Everything about places that can be said without telling of one."""
    cases = subject.cases
    if len(cases) < _FEWEST:
        return
    missing = cases["area"].isna()
    column = subject.column("area")
    if missing.all():
        yield CheckFinding(
            code="no_areas", level="stop", weight=0.9, figures={"n": len(cases)}, where=Where(column=column)
        )
        return
    if missing.mean() >= _LITTLE:
        yield _without(subject, missing)
    yield from _default_point(subject)
    yield from _unlisted(subject)


def _without(subject: Subject, missing: pd.Series) -> CheckFinding:
    cases = subject.cases
    share = float(missing.mean())
    by_category = missing.groupby(cases["category"]).agg(["sum", "size"])
    top = by_category.sort_values("sum", ascending=False).head(8)
    first = top.iloc[0] if len(top) else pd.Series({"sum": 0, "size": 1})
    points = tuple(Point(str(name), float(row["sum"] / row["size"])) for name, row in top.iterrows() if row["sum"])
    return CheckFinding(
        code="no_area",
        level="warn" if share >= 0.05 else "note",
        weight=share,
        figures={
            "n": int(missing.sum()),
            "share": share,
            "share_category": float(first["sum"] / max(first["size"], 1)),
        },
        where=Where(column=subject.column("area"), category=str(top.index[0]) if len(top) else None),
        chart=Chart(
            "bars", "share", Both("问题类型（按没有区域的件数）", "category, by cases without an area"),
            Both("没有区域的份额", "share without an area"), points,
        ),
    )  # fmt: skip


def _default_point(subject: Subject) -> Iterator[CheckFinding]:
    """The coordinates are counted and forgotten; the point itself is told to nobody."""
    view = subject.file
    if view is None or "area" not in view.rows:
        return
    sides = [_side(view.looked_at, names) for names in _SIDES]
    if None in sides:
        return
    both = [pd.to_numeric(view.raw.loc[view.kept, side], errors="coerce").to_numpy("float64") for side in sides if side]
    there = ~np.isnan(both[0]) & ~np.isnan(both[1])
    if there.sum() < _FEWEST:
        return
    point = pd.factorize(pd.Series(both[0][there].astype("U") + np.array("|") + both[1][there].astype("U")))[0]
    empty = view.rows.loc[view.kept, "area"].isna().to_numpy()[there]
    if empty.sum() < 3 * MINIMUM:
        return
    at_point = np.bincount(point[empty])
    top = int(at_point.argmax())
    count, whole = int(at_point[top]), int((point == top).sum())
    share, of_point = count / int(empty.sum()), count / whole
    # As a city's centre would have: many cases, but most of them with an area.
    if share < 0.3 or of_point < 0.2:
        return
    yield CheckFinding(
        code="default_point",
        level="note",
        weight=count / len(subject.cases),
        figures={"n": count, "share": share, "of_point": of_point},
        where=Where(column=subject.column("area")),
    )


def _side(columns: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    for column in columns:
        if re.sub(r"[^a-z\u4e00-\u9fff]+", "", column.lower()) in names:
            return column
    return None


def _unlisted(subject: Subject) -> Iterator[CheckFinding]:
    if subject.areas is None:
        return
    area = subject.cases["area"]
    unlisted = area.notna() & ~area.isin(list(subject.areas)).to_numpy()
    if not unlisted.any():
        return
    share = float(unlisted.sum() / max(int(area.notna().sum()), 1))
    counts = area[unlisted].value_counts()
    figures: dict[str, int | float | None] = {"areas": len(counts), "n": int(unlisted.sum()), "share": share}
    if unlisted.sum() < MINIMUM:
        figures |= {"n": None, "share": None}
    yield CheckFinding(
        code="areas_unknown", level="warn" if share >= 0.01 else "note", weight=share, figures=figures,
        where=Where(column=subject.column("area")),
    )  # fmt: skip
