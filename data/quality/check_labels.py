"""How far labels can be trusted, and the three figures of timeliness, from the modules that judge them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from data.quality.check_finding import MINIMUM, Both, Chart, CheckFinding, Code, Level, Point, Where
from data.quality.check_subject import Subject
from data.quality.label_trust import GRADES, LabelTrust, trust
from data.quality.label_trust_findings import TrustFinding
from data.quality.recording import recording
from data.quality.timeliness import timeliness

_READ: Final = Both(
    "这些案件的办结时刻在训练中按等级折减；读图时请连同此症状一起看。",
    "Training weighs such cases by their grade; read their figures with this symptom beside them.",
)
_UNKNOWN: Final = Both(
    "它们的结果未知，既不算按时也不算超期；下次导出会补上。",
    "Their outcome is not known, and they count neither as on time nor as late; a later export will tell.",
)
_RECORD: Final = Both(
    "不要读作上升或下降：变的是登记。",
    "Do not read it as a rise or a decline: the recording changed.",
)
_HERE: Final = Both(
    "共{n:n}处有此症状，每处件数都太少，不逐一列出。", "Found in {n:n} places, each with too few cases to be told of."
)

_RUNNING: Final = frozenset(("left_open", "followed_short"))
# code of label trust -> what it means.
_SYMPTOMS: Final = {
    "mass_closing": Both(
        "积存案件成批办结：时刻是整理记录之时。", "Old cases closed in bulk: the day the books were put in order."
    ),
    "update_date": Both("更新日期冒充办结日期。", "Days of an update that pose as closing days."),
    "last_day_closing": Both("记录最后一天的办结异常多。", "Far more closings on the record's last day than usual."),
    "deadline_heap": Both("办结堆在期限将至之时。", "Closings heaped just before the deadline."),
    "quick_closing": Both("大量案件在十分钟内办结。", "Many cases closed within ten minutes."),
    "quick_shift": Both("十分钟内办结的占比突变。", "The share closed within ten minutes changes suddenly."),
    "reopen_shift": Both("重办的占比突变。", "The share reopened changes suddenly."),
    "pace_by_year": Both("办结用时逐年变化。", "The time to close changes from year to year."),
    "import_spike": Both("成批受理：导入，不是来件。", "Cases opened in bulk: an import, and not a demand."),
    "office_move": Both("成批转入别的单位。", "Cases moved to another office in bulk."),
    "midnight_deadline": Both("期限落在零点：是日期，不是时刻。", "Deadlines at 00:00: days, and not moments."),
    "left_open": Both(
        "最后一次查看时仍在办、此后未知的案件。", "Cases that were open when last looked at, unknown since."
    ),
    "followed_short": Both(
        "在期限之前就不再有记录的案件。", "Cases that were no longer followed up to their deadline."
    ),
}
# What other modules of the check say already.
_ELSEWHERE: Final = frozenset(
    ("never_closed", "pace_shift", "no_deadline", "duplicates", "impossible_dates", "set_aside")
)
_RECORDING: Final = {
    "gap": Both("某类问题在一段时间内没有登记。", "A series is not recorded for a while."),
    "roll_out": Both(
        "登记逐步推广到更多区域：增长来自覆盖，不是问题。", "Coverage grows area by area: a roll-out, and no growth."
    ),
}

CODES: Final = (
    Code(
        "label_grades",
        "labels",
        Both(
            "办结时刻的可信等级：A、B 可信，C 存疑，D 不用于训练。",
            "How far closing times can be trusted: A and B well, C with doubt; D does not teach.",
        ),
        Both(
            "{share:%}的案件办结时刻可信（A、B级）；C级{share_c:%}，D级{share_d:%}。",
            "{share:%} of the cases have closing times to be trusted (grades A and B); {share_c:%} are of grade C and "
            "{share_d:%} of grade D.",
        ),
        Both(
            "D级不用于训练，C级存疑但仍用于训练；下表列出最差的单位与问题类型。",
            "Grade D does not teach; grade C does, with doubt. The table lists the worst offices and types of problem.",
        ),
    ),
    Code(
        "timeliness_apart",
        "labels",
        Both(
            "三个及时率相差很大：只看已办结的案件会高估。",
            "The three figures of timeliness lie far apart: counting closed cases only flatters.",
        ),
        Both(
            "已办结案件中{share_closed:%}按时（{closed:n}件），而到期案件中只有{share_due:%}（{due:n}件），"
            "Kaplan-Meier 为{share_km:%}。",
            "Of {closed:n} closed cases {share_closed:%} were on time, but only {share_due:%} of the {due:n} that fell "
            "due; Kaplan-Meier says {share_km:%}.",
        ),
        Both(
            "报告及时率时写明分母；以到期案件或 Kaplan-Meier 为准。",
            "Say the denominator with every figure of timeliness, and go by the cases due, or by Kaplan-Meier.",
        ),
    ),
    *(
        Code(f"label_{name}", "labels", meaning, _HERE, _UNKNOWN if name in _RUNNING else _READ)
        for name, meaning in _SYMPTOMS.items()
    ),
    Code(
        "label_other", "labels", Both("其他影响标签可信度的症状。", "Another symptom that labels show."), _HERE, _READ
    ),
    *(Code(f"recording_{name}", "vocabulary", meaning, _HERE, _RECORD) for name, meaning in _RECORDING.items()),
)
_FEWEST: Final = 200
_APART: Final = 0.05
_WORST: Final = 12


def label_trust_of(subject: Subject) -> LabelTrust | None:
    """The grades; None where there are too few cases to judge any."""
    if len(subject.cases) < _FEWEST:
        return None
    rows: dict[str, int] = {}
    for one in subject.set_aside:
        rows[one.code] = rows.get(one.code, 0) + one.count
    return trust(subject.cases, subject.events, subject.as_of, subject.time_zone, subject.observed_until, rows)


def timeliness_of(subject: Subject) -> dict[str, float | int | None]:
    """The three figures with their denominators; a share without one is None."""
    frame = timeliness(subject.cases, subject.as_of, subject.observed_until)
    return {str(name): _plain(frame[name].iloc[0]) for name in frame.columns}


def _plain(value: Any) -> float | int | None:
    if pd.isna(value):
        return None
    return float(value) if isinstance(value, float) else int(value)


def worst_cells(labels: LabelTrust) -> list[dict[str, Any]]:
    """Where most cases are in doubt: office × category, the months taken together; none with few cases."""
    cells = labels.cells
    flags = [name.removesuffix("_flagged") for name in cells.columns if name.endswith("_flagged")]
    summed = cells.groupby(["office", "category"], as_index=False).agg(
        closed=("closed", "sum"),
        opened=("opened", "sum"),
        in_doubt=("in_doubt", "sum"),
        **{name: (f"{name}_flagged", "sum") for name in flags},
    )
    shown = summed[(summed["closed"] >= MINIMUM) & (summed["in_doubt"] >= MINIMUM)].copy()
    shown["share"] = (shown["in_doubt"] / shown[["closed", "opened"]].max(axis=1)).clip(upper=1.0)
    shown = shown.sort_values(["in_doubt", "share"], ascending=False).head(_WORST)
    return [
        {
            "office": row["office"] or None,
            "category": row["category"] or None,
            "closed": int(row["closed"]),
            "in_doubt": int(row["in_doubt"]),
            "share": float(row["share"]),
            "symptoms": [name for name in flags if row[name] > 0],
        }
        for row in shown.to_dict("records")
    ]


def find(subject: Subject, labels: LabelTrust | None, times: dict[str, float | int | None]) -> Iterator[CheckFinding]:
    """Grades, the symptoms behind them, and the figures of timeliness where they lie apart."""
    if labels is not None:
        yield _grades(subject, labels)
        yield from _symptoms(subject, labels)
    yield from _apart(times)
    if len(subject.cases) >= _FEWEST:
        yield from _recorded(subject)


def _grades(subject: Subject, labels: LabelTrust) -> CheckFinding:
    counts = labels.grade_counts(subject.cases)
    total = max(sum(counts.values()), 1)
    good = (counts["A"] + counts["B"]) / total
    bad = counts["D"] / total
    level: Level = "warn" if bad >= 0.05 or good < 0.8 else "note"
    return CheckFinding(
        code="label_grades",
        level=level,
        weight=1 - good,
        figures={"share": good, "share_c": counts["C"] / total, "share_d": bad, "n": total},
        chart=Chart(
            "bars", "share", Both("等级", "grade"), Both("案件份额", "share of the cases"),
            tuple(Point(grade, counts[grade] / total) for grade in GRADES),
        ),
    )  # fmt: skip


def _symptoms(subject: Subject, labels: LabelTrust) -> Iterator[CheckFinding]:
    """One finding per symptom: the first, which concerns most cases, in its own words, and how many there are."""
    by_code: dict[str, list[TrustFinding]] = {}
    for one in labels.findings:
        by_code.setdefault(one.code, []).append(one)
    total = max(len(subject.cases), 1)
    for name, group in by_code.items():
        if name in _ELSEWHERE or (name == "midnight_deadline" and subject.day_only("due_at")):
            continue
        first = next((one for one in group if _large(one)), None)
        cases = [int(one.figures["cases"]) for one in group if "cases" in one.figures]
        weight = min(sum(cases) / total, 1.0) * 0.5
        yield CheckFinding(
            code=f"label_{name}" if name in _SYMPTOMS else "label_other",
            # That the newest cases are still running is how it should be; snapshots tell where it is not.
            level="warn" if weight >= 0.02 and name not in _RUNNING else "note",
            weight=weight,
            figures={"n": len(group), **({} if first is None else _figures(first))},
            where=Where() if first is None else _where(first),
            says=None if first is None else _with_more(first.zh, first.en, len(group) - 1),
        )


def _figures(one: TrustFinding) -> dict[str, float | int | None]:
    return {key: value for key, value in one.figures.items() if key != "n"}


def _where(one: TrustFinding) -> Where:
    months = "/".join(dict.fromkeys(month for month in (one.first_month, one.last_month) if month))
    return Where(office=one.office, category=one.category, channel=one.channel, period=months or None)


def _with_more(zh: str, en: str, more: int) -> Both:
    if not more:
        return Both(zh, en)
    plural = "place" if more == 1 else "places"
    return Both(f"{zh}另有{more}处类似。", f"{en} There are {more} more {plural} like it.")


def _large(one: TrustFinding) -> bool:
    """Whether no count in it is small: an office may serve one area only."""
    return all(value >= MINIMUM for key, value in one.figures.items() if key in _COUNTS)


_COUNTS: Final = frozenset(
    (
        "batch",
        "cases",
        "cohort",
        "count",
        "quick",
        "closed",
        "due",
        "midnight",
        "same_day",
        "open",
        "instant",
        "of_channel",
    )
)


def _apart(times: dict[str, float | int | None]) -> Iterator[CheckFinding]:
    closed, due, km = times["share_of_closed"], times["share_of_due"], times["km_share"]
    if closed is None or due is None or km is None or (times["due"] or 0) < _FEWEST:
        return
    spread = max(closed, due, km) - min(closed, due, km)
    if spread < _APART:
        return
    yield CheckFinding(
        code="timeliness_apart",
        level="warn",
        weight=spread,
        figures={
            "share_closed": closed, "closed": times["closed"], "share_due": due, "due": times["due"], "share_km": km,
        },
        chart=Chart(
            "bars", "share", Both("怎样计算", "how it is counted"), Both("按时份额", "share on time"),
            (
                Point(Both("已办结案件中", "of closed cases"), closed),
                Point(Both("到期案件中", "of cases due"), due),
                Point(Both("Kaplan-Meier", "Kaplan-Meier"), km),
            ),
        ),
    )  # fmt: skip


def _recorded(subject: Subject) -> Iterator[CheckFinding]:
    """Gaps and roll-outs; that words begin and end is told by the check of vocabulary."""
    found = recording(subject.cases, subject.as_of, subject.time_zone)
    for name in _RECORDING:
        rows = found[found["code"] == name]
        # A sentence about one area would tell of few cases; those of the city, or of a category, may be told.
        told = rows[rows["area"].isna()]
        # Of a roll-out, `reports` counts what joined and not cases.
        told = told if name == "roll_out" else told[told["reports"] >= MINIMUM]
        if told.empty:
            continue
        first = told.sort_values("reports", ascending=False).iloc[0]
        yield CheckFinding(
            code=f"recording_{name}",
            level="warn" if name == "roll_out" else "note",
            weight=min(float(told["reports"].sum()) / max(len(subject.cases), 1), 1.0) * 0.3,
            figures={"n": len(told), "reports": int(first["reports"]), "weeks": int(first["weeks"])},
            where=Where(category=None if pd.isna(first["category"]) else str(first["category"])),
            says=_with_more(str(first["zh"]), str(first["en"]), len(told) - 1),
        )
