"""Cases that are there twice: by their own status, or equal in everything but the number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from data.event_log import NEVER
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "duplicates_by_status",
        "duplicates",
        Both(
            "来源自己标为重复件的案件及其逐月份额。",
            "Cases that the source itself calls duplicates, and their share by month.",
        ),
        Both(
            "{n:n}件（{share:%}）被来源标为重复件；逐月在{lowest:%}到{highest:%}之间。",
            "The source calls {n:cases} ({share:%}) duplicates; by month between {lowest:%} and {highest:%}.",
        ),
        Both(
            "它们不计入件数与微弱信号。份额突变说明查重办法变了。",
            "They do not count in workloads and weak signals. A sudden change says that the search for duplicates "
            "changed.",
        ),
    ),
    Code(
        "rows_alike",
        "duplicates",
        Both(
            "除编号外完全相同的行：多半是同一件录了两次。",
            "Rows that are equal in everything but the number: most likely one case entered twice.",
        ),
        Both(
            "{n:n}行（{share:%}）与另一行除编号外完全相同。",
            "{n:rows} ({share:%}) equal another row in everything but the number.",
        ),
        Both(
            "请来源查明；来源未标为重复件的，会各算一件。",
            "Ask the source: those not marked as duplicates count as cases of their own.",
        ),
    ),
)
_FEWEST: Final = 200
# Identical to the second, hardly by chance; identical to the day, often.
_ALIKE: Final = 0.002


def find(subject: Subject) -> Iterator[CheckFinding]:
    """Duplicates beyond repeated numbers, which `check_rows_found` tells."""
    yield from _by_status(subject)
    yield from _alike(subject)


def _by_status(subject: Subject) -> Iterator[CheckFinding]:
    cases = subject.cases
    duplicate = cases["duplicate_at"] < NEVER
    if len(cases) < _FEWEST or not duplicate.any():
        return
    months = subject.month(cases["opened_at"]).to_numpy()
    monthly = duplicate.groupby(months).agg(["mean", "size"])
    monthly = monthly[monthly["size"] >= 30]
    share = float(duplicate.mean())
    if monthly.empty:
        return
    points = tuple(Point(str(month), float(row["mean"])) for month, row in monthly.iterrows())
    yield CheckFinding(
        code="duplicates_by_status",
        level="note",
        weight=share,
        figures={
            "n": int(duplicate.sum()),
            "share": share,
            "lowest": float(monthly["mean"].min()),
            "highest": float(monthly["mean"].max()),
        },
        where=Where(column=_said_in(subject)),
        chart=Chart(
            "lines", "share", Both("受理月份", "month of opening"), Both("重复件份额", "share duplicates"), points
        ),
    )


def _said_in(subject: Subject) -> str | None:
    """The column whose words say that a case is a duplicate."""
    if subject.mapping is None or subject.file is None:
        return None
    words = set(subject.mapping.closing.duplicate)
    for field in ("status", "closing_reason"):
        name = subject.mapping.column_of.get(field)
        if name is not None and name in subject.file.raw and subject.file.raw[name].isin(words).any():
            return name
    return None


def _alike(subject: Subject) -> Iterator[CheckFinding]:
    view, mapping = subject.file, subject.mapping
    if view is None or mapping is None or mapping.source.shape != "cases" or subject.day_only("opened_at"):
        # Days without a time of day make many cases alike that are not the same.
        return
    fields = [name for name in mapping.fields if name not in ("reference", "status") and name in view.rows.columns]
    rows = view.rows.loc[view.kept, fields]
    rows = rows[rows["opened_at"] < NEVER]
    if len(rows) < _FEWEST:
        return
    again = rows.duplicated(keep="first")
    count = int(again.sum())
    if count == 0:
        return
    share = count / len(rows)
    yield CheckFinding(
        code="rows_alike",
        level="warn" if share >= _ALIKE else "note",
        weight=share,
        figures={"n": count, "share": share},
        chart=_monthly(subject, rows["opened_at"], again) if share >= _ALIKE else None,
    )


def _monthly(subject: Subject, opened: pd.Series, again: pd.Series) -> Chart:
    share = pd.Series(again.to_numpy()).groupby(subject.month(opened).to_numpy()).mean()
    points = tuple(Point(str(month), float(value)) for month, value in share.items())
    return Chart("lines", "share", Both("受理月份", "month of opening"), Both("相同行份额", "share alike"), points)
