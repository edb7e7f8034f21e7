"""Closings: in an instant, never at all, or of a sudden much later than before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Level, Point, Where
from data.quality.check_measures import Bools, Floats, level_shift
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "near_instant",
        "closings",
        Both(
            "受理后一分钟内办结：是已做之事的补录，没有人等过。",
            "Closed within a minute of the opening: records of work already done, for which nobody waited.",
        ),
        Both(
            "{n:n}件（{share:%}）在一分钟内办结；其中{share_top:%}来自渠道“{channel}”，该渠道有{share_channel:%}如此。",
            "{n:cases} ({share:%}) closed within a minute; {share_top:%} of them came in by '{channel}', of which "
            "{share_channel:%} are so.",
        ),
        Both(
            "训练、评分与工作量都不计它们；不要把它们算作办得快。",
            "Training, scores and workloads leave them out; do not count them as quick work.",
        ),
    ),
    Code(
        "never_closed",
        "closings",
        Both(
            "多年未办结的案件：“在办”不等于“未解决”，多半是没有登记办结。",
            "Cases open for a year and more: 'open' is not 'unresolved', most likely the closing was never recorded.",
        ),
        Both(
            "“{category}”有{share:%}从未登记办结（{n:n}件，受理已满一年）；全部案件为{share_all:%}。",
            "{share:%} of '{category}' were never recorded as closed ({n:n} opened over a year before); of all cases "
            "{share_all:%}.",
        ),
        Both(
            "不要把它们算作积压；对这些类型只看件数，不看办结。",
            "Do not count them as backlog; for such types look at openings and not at closings.",
        ),
    ),
    Code(
        "never_closed_shift",
        "closings",
        Both(
            "从未办结的份额某年突变：变的是登记，不是服务。",
            "The share never closed changes from one year to the next: the recording changed, and not the service.",
        ),
        Both(
            "“{category}”从未办结的份额从{before:%}变为{after:%}（{period:when}起）。",
            "The share of '{category}' never closed goes from {before:%} to {after:%} in {period:when}.",
        ),
        Both(
            "不要读作服务改善或变差；问来源那年改了什么登记办法。",
            "Do not read it as better or worse service; ask the source what changed in its recording that year.",
        ),
    ),
    Code(
        "pace_shift",
        "closings",
        Both(
            "办结天数的中位数持久地改变，超出序列自身的起伏。",
            "The median days to close shift for good, beyond how the series varies by itself.",
        ),
        Both(
            "办结天数的中位数自{period:when}起从{before:x}天变为{after:x}天（p = {p:p}，已计序列自身的起伏）。",
            "The median days to close go from {before:x} to {after:x} from {period:when} on (p = {p:p}, with the "
            "series' "
            "own variation allowed for).",
        ),
        Both(
            "服务变了或登记变了：训练用改变之后的时段，或让近期案件权重更大。",
            "The service changed, or the recording: train on what came after, or weigh recent cases more.",
        ),
    ),
)
_FEWEST: Final = 200
_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY
_FEWEST_IN_MONTH: Final = 20
_P: Final = 0.01
_CATEGORY: Final = Both("问题类型", "category")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Everything about closings but how far they can be trusted; see `label_trust`."""
    if len(subject.cases) < _FEWEST:
        return
    yield from _instant(subject)
    yield from _never(subject)
    yield from _pace(subject)


def instant_of(subject: Subject) -> Bools:
    """Cases closed within the seconds that the source calls near-instant; none where it knows days only."""
    cases = subject.cases
    if subject.near_instant_seconds == 0 or subject.day_only("closed_at"):
        return np.zeros(len(cases), dtype=bool)
    took = (cases["first_closed_at"] - cases["opened_at"]).to_numpy()
    local = subject.local(cases["opened_at"])
    timed = (local != local.dt.normalize()).to_numpy()
    return np.asarray((took <= subject.near_instant_seconds) & (cases["first_closed_at"] < NEVER).to_numpy() & timed)


def _instant(subject: Subject) -> Iterator[CheckFinding]:
    instant = instant_of(subject)
    if instant.sum() < 30:
        return
    view, mapping = subject.file, subject.mapping
    channel = subject.cases["channel"]
    name = None if mapping is None else mapping.column_of.get("channel")
    if view is not None and name in view.raw and subject.looks is None and mapping is not None:
        # The source's own words tell more than the nine of the event log.
        rows = view.rows[view.kept]
        took = rows["closed_at"].to_numpy() - rows["opened_at"].to_numpy()
        flags = pd.Series(took <= subject.near_instant_seconds)
        channel, counted = view.raw.loc[view.kept, name].reset_index(drop=True), flags
    else:
        counted = pd.Series(instant)
        channel = channel.reset_index(drop=True)
    by_channel = counted.groupby(channel.fillna("–").to_numpy(dtype=object)).agg(["sum", "size"])
    top = by_channel.sort_values("sum", ascending=False).head(8)
    first = top.iloc[0]
    share = float(instant.mean())
    yield CheckFinding(
        code="near_instant",
        level="warn" if share >= 0.01 else "note",
        weight=share,
        figures={
            "n": int(instant.sum()),
            "share": share,
            "share_top": float(first["sum"] / max(by_channel["sum"].sum(), 1)),
            "share_channel": float(first["sum"] / first["size"]),
        },
        where=Where(column=subject.column("closed_at"), channel=str(top.index[0])),
        chart=Chart(
            "bars", "share", Both("渠道", "channel"), Both("一分钟内办结的份额", "share closed within a minute"),
            tuple(Point(str(word), float(row["sum"] / row["size"])) for word, row in top.iterrows()),
        ),
    )  # fmt: skip


def _never(subject: Subject) -> Iterator[CheckFinding]:
    cases = subject.cases
    alive = (cases["withdrawn_known_at"] == NEVER).to_numpy()
    old = alive & ((subject.observed_until - cases["opened_at"].to_numpy("int64")) >= _YEAR)
    if old.sum() < _FEWEST:
        return
    frame = pd.DataFrame(
        {
            "category": cases["category"].to_numpy(dtype=object)[old],
            "year": subject.local(cases["opened_at"]).dt.year.to_numpy()[old],
            "open": (cases["first_closed_at"] == NEVER).to_numpy()[old],
        }
    )
    by_category = frame.groupby("category")["open"].agg(["sum", "size", "mean"])
    large = by_category[by_category["size"] >= _FEWEST].sort_values("sum", ascending=False)
    bad = large[large["mean"] >= 0.1]
    if bad.empty:
        return
    name = str(bad.index[0])
    yield CheckFinding(
        code="never_closed",
        level="warn",
        weight=float(frame["open"].mean()),
        figures={
            "n": int(bad["sum"].iloc[0]),
            "share": float(bad["mean"].iloc[0]),
            "share_all": float(frame["open"].mean()),
            "categories": len(bad),
        },
        where=Where(category=name),
        chart=Chart(
            "bars", "share", _CATEGORY, Both("从未办结的份额", "share never closed"),
            tuple(Point(str(word), float(row["mean"])) for word, row in bad.head(8).iterrows()),
        ),
    )  # fmt: skip
    yield from _never_shifts(frame, [str(word) for word in bad.index])


def _never_shifts(frame: pd.DataFrame, chosen: list[str]) -> Iterator[CheckFinding]:
    """The year that divides a category's record of closings best; the clearest category is told."""
    best: tuple[float, str, int, float, float] | None = None
    for name in chosen:
        yearly = frame[frame["category"] == name].groupby("year")["open"].agg(["sum", "size"])
        for year in yearly.index[1:]:
            before, after = yearly.loc[: year - 1].sum(), yearly.loc[year:].sum()
            if min(before["size"], after["size"]) < _FEWEST:
                continue
            change = before["sum"] / before["size"] - after["sum"] / after["size"]
            score = abs(change) * float(np.sqrt(min(before["size"], after["size"])))
            if abs(change) >= 0.2 and (best is None or score > best[0]):
                best = (
                    score, name, int(year), float(before["sum"] / before["size"]), float(after["sum"] / after["size"])
                )  # fmt: skip
    if best is None:
        return
    _, name, year, earlier, later = best
    by_year = frame[frame["category"].isin(chosen[:4])].groupby(["category", "year"])["open"].mean()
    points = [
        Point(str(when), float(by_year[(word, when)]), word)
        for word in chosen[:4]
        for when in sorted(frame["year"].unique())
        if (word, when) in by_year.index
    ]
    yield CheckFinding(
        code="never_closed_shift",
        level="warn",
        weight=abs(later - earlier),
        figures={"before": earlier, "after": later},
        where=Where(category=name, period=str(year)),
        chart=Chart(
            "lines", "share", Both("受理年份", "year of opening"), Both("从未办结的份额", "share never closed"),
            tuple(points), mark=str(year),
        ),
    )  # fmt: skip


def _pace(subject: Subject) -> Iterator[CheckFinding]:
    months, medians = _monthly_medians(subject)
    found = level_shift(np.log(medians + 0.25)) if len(medians) else None
    if found is None or found.p_value > _P:
        return
    before, after = float(np.median(medians[: found.at])), float(np.median(medians[found.at :]))
    if max(before, after) < 1.25 * min(before, after) + 0.25:
        return
    level: Level = "warn" if max(before, after) >= 1.5 * min(before, after) else "note"
    yield CheckFinding(
        code="pace_shift",
        level=level,
        weight=0.3,
        figures={"before": before, "after": after, "p": found.p_value, "n": len(medians)},
        where=Where(column=subject.column("closed_at"), period=months[found.at]),
        chart=Chart(
            "lines", "days", Both("受理月份", "month of opening"), Both("办结天数（中位数）", "days to close, median"),
            tuple(Point(month, float(value)) for month, value in zip(months, medians, strict=True)),
            mark=months[found.at],
        ),
    )  # fmt: skip


def _monthly_medians(subject: Subject) -> tuple[list[str], Floats]:
    """Median days to close by month of opening, for months in which that median was followed long enough to be known.

    Cases that are still open count as longer than any: the median is that of all, wherever more than half are closed.
    """
    cases = subject.cases
    counted = (cases["withdrawn_known_at"] == NEVER).to_numpy() & ~instant_of(subject)
    opened = cases["opened_at"].to_numpy("int64")
    closed = cases["first_closed_at"].to_numpy("int64")
    followed = (subject.observed_until - opened) / _DAY
    days = np.where(closed < NEVER, (closed - opened) / _DAY, np.inf)
    frame = pd.DataFrame({"month": subject.month(opened).to_numpy(), "days": days, "followed": followed})[counted]
    months, medians = [], []
    for month, part in frame.groupby("month"):
        median = float(part["days"].median())
        if len(part) >= _FEWEST_IN_MONTH and np.isfinite(median) and median <= float(part["followed"].min()):
            months.append(str(month))
            medians.append(median)
    return months, np.array(medians)
