"""Is it enough? To train, to weigh and calibrate, to back-test, to detect: yes or no, why, and what would be needed.

Judged by the very thresholds and the very functions that training and detection use, so that a yes here is a yes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import NotEnoughDataError
from data.event_log import NEVER
from data.quality.check import Checked
from data.quality.check_finding import Both, Language, Number, number, share
from features.outcomes import Outcome, late
from models.learning import FEWEST_CASES, FEWEST_FAILURES
from models.risk_model.estimator import ENOUGH_ROWS, LONG_ENOUGH
from models.risk_model.folds import SHARES
from models.signals import SignalSettings, assess_series
from models.signals.traps import prepared_counts
from models.splits import split_at, split_at_share

Mask = NDArray[np.bool_]
Answer = Literal["yes", "partly", "no"]

ANSWERS: Final[dict[str, Both]] = {
    "yes": Both("够", "Yes"),
    "partly": Both("部分够", "In part"),
    "no": Both("不够", "No"),
}
QUESTIONS: Final[dict[str, Both]] = {
    "train": Both("够训练超期风险模型吗？", "Enough to train a model of lateness?"),
    "calibrate": Both("够在较新的案件上校准吗？", "Enough to weigh and calibrate it on newer cases?"),
    "backtest": Both("够回测吗？", "Enough to back-test?"),
    "detect": Both("够检出微弱信号吗？", "Enough to detect weak signals?"),
}
_DAY: Final = 86_400
# As `heed signals` says: after four weeks without a case the record has ended.
_QUIET: Final = 28 * _DAY
# What `heed backtest` cuts at unless told otherwise.
_SPLIT: Final = 0.7


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with its reason and what would be needed; `need` is None where nothing is."""

    question: str
    answer: Answer
    reason: Both
    need: Both | None
    figures: dict[str, Number]


def verdicts(checked: Sequence[Checked]) -> tuple[Verdict, ...]:
    """The four answers for everything that is there, all sources together.

    Cases whose labels are of grade D do not teach, and do not count as taught. Before the cut of a back-test, grades
    are those of today: close to the threshold, the grades of that time may say otherwise.

    A source without cases, such as a log of inspections, gives no answer.
    """
    with_cases = [one.subject for one in checked if len(one.subject.cases)]
    if not with_cases:
        return ()
    cases = pd.concat([subject.cases for subject in with_cases], ignore_index=True)
    followed = np.concatenate([subject.observed_until for subject in with_cases])
    teaches = np.concatenate([_teaches(one) for one in checked if len(one.subject.cases)])
    # As `fold_cases` orders them: by opening.
    place = np.lexsort((cases["case_id"].to_numpy(dtype="U"), cases["opened_at"].to_numpy("int64")))
    cases, followed, teaches = cases.iloc[place].reset_index(drop=True), followed[place], teaches[place]
    as_of = max(subject.as_of for subject in with_cases)
    outcome = late(cases, as_of=as_of, observed_until=followed)
    zone = with_cases[0].time_zone
    return (
        _train(cases, outcome, as_of, teaches),
        _calibrate(cases, outcome, as_of),
        _backtest(cases, outcome, as_of, teaches),
        _detect(cases, as_of, zone),
    )


def _teaches(one: Checked) -> Mask:
    """Which cases have labels that are believed at all."""
    if one.labels is None:
        return np.ones(len(one.subject.cases), dtype=bool)
    return one.labels.weight_of(one.subject.cases).to_numpy() > 0


def _train(cases: pd.DataFrame, outcome: Outcome, as_of: int, teaches: Mask) -> Verdict:
    matured = split_at(cases, outcome, cut=as_of, as_of=as_of).train
    known = matured & teaches
    n, n_late = int(known.sum()), int(np.nansum(outcome.value[known]))
    promised = int((cases["due_at_opening"] < NEVER).sum())
    figures: dict[str, Number] = {"cases": len(cases), "promised": promised, "known": n, "late": n_late}
    figures |= {"needed": FEWEST_CASES, "needed_late": FEWEST_FAILURES, "doubted": int((matured & ~teaches).sum())}
    if promised == 0:
        return Verdict(
            "train", "no",
            Both("没有一件案件有承诺期限，谈不上超期。", "No case was promised anything, so lateness has no meaning."),
            Both(
                "映射一列到 due_at，或用服务标准算出时限。",
                "Map a column to `due_at`, or work deadlines out of service standards.",
            ),
            figures,
        )  # fmt: skip
    both = _both(
        "{known}件案件的结果已知且可信（共{cases}件，{promised}件有时限，{doubted}件为D级不计），其中{late}件超期；需要{needed}件，"
        "其中至少{needed_late}件超期、也有未超期的。",
        "The outcome is known, and to be believed, of {known} cases ({cases} in all, {promised} with a deadline, "
        "{doubted} "
        "of grade D left out), {late} of them late; {needed} are needed, {needed_late} of them late and some not.",
        figures,
    )
    if n >= FEWEST_CASES and FEWEST_FAILURES <= n_late < n:
        return Verdict("train", "yes", both, None, figures)
    if n >= FEWEST_CASES:
        need = Both("需要两种结果都出现过的时段。", "A stretch of time in which both outcomes happened.")
    else:
        figures["more"] = FEWEST_CASES - n
        need = _both(
            "再等{more}件到期，或导入更早的案件。", "{more} more cases past their deadline, or earlier cases.", figures
        )
    return Verdict("train", "no", both, need, figures)


def _calibrate(cases: pd.DataFrame, outcome: Outcome, as_of: int) -> Verdict:
    """As `models.risk_model` decides whether later cases can weigh the parts of a risk, at its newest cut."""
    known = split_at(cases, outcome, cut=as_of, as_of=as_of).train
    opened = cases["opened_at"].to_numpy("int64")
    needed: dict[str, Number] = {
        "needed": ENOUGH_ROWS,
        "needed_days": LONG_ENOUGH // _DAY,
    }
    if not known.any():
        return Verdict(
            "calibrate", "no", Both("没有结果已知的案件。", "No case has a known outcome."),
            Both("见上一问。", "See the question above."), needed,
        )  # fmt: skip
    earlier = int(np.quantile(opened[known], SHARES[-1]))
    before = known & (opened < earlier) & (outcome.matures_at < earlier)
    after = known & (opened >= earlier)
    days = (earlier - int(opened[before].min())) / _DAY if before.any() else 0.0
    figures = {"before": int(before.sum()), "after": int(after.sum()), "days": round(days), **needed}
    figures["newest"] = round(1 - SHARES[-1], 2)
    reason = _both(
        "最新的{newest}之前有{before}件、跨{days}天，其中有{after}件；前后各需{needed}件，前段需{needed_days}天。",
        "Before the newest {newest} there are {before} cases over {days} days, and {after} in it; {needed} are needed "
        "on "
        "either side, and {needed_days} days before.",
        figures,
    )
    enough = days >= LONG_ENOUGH / _DAY and min(int(before.sum()), int(after.sum())) >= ENOUGH_ROWS
    if enough:
        return Verdict("calibrate", "yes", reason, None, figures)
    need = Both(
        "历史不到半年时用默认权重，不校准：概率先当作排序用。再积累半年。",
        "With less history the default weights are used, uncalibrated: read risks as an order first. Another "
        "half-year.",
    )
    return Verdict("calibrate", "no", reason, need, figures)


def _backtest(cases: pd.DataFrame, outcome: Outcome, as_of: int, teaches: Mask) -> Verdict:
    figures: dict[str, Number] = {"split": _SPLIT, "needed": FEWEST_CASES}
    try:
        split = split_at_share(cases, outcome, share=_SPLIT, as_of=as_of)
    except NotEnoughDataError:
        return Verdict(
            "backtest", "no", Both("没有案件有时限，切分不了。", "No case has a deadline, so there is nowhere to cut."),
            Both("见第一问。", "See the first question."), figures,
        )  # fmt: skip
    trained, tested = outcome.value[split.train & teaches], outcome.value[split.test]
    figures |= {"n_train": len(trained), "late_train": int(trained.sum())}
    figures |= {"n_test": len(tested), "late_test": int(tested.sum())}
    reason = _both(
        "在{split}处切分：切分前结果已知{n_train}件（{late_train}件超期），切分后{n_test}件（{late_test}件超期）。",
        "Cut at {split}: {n_train} cases with an outcome known before ({late_train} late), {n_test} to test on "
        "after it "
        "({late_test} late).",
        figures,
    )
    train_fine = len(trained) >= FEWEST_CASES and 0 < trained.sum() < len(trained)
    test_fine = len(tested) > 0 and 0 < tested.sum() < len(tested)
    if not (train_fine and test_fine):
        need = _both(
            "切分两侧都要有两种结果，前一侧至少{needed}件：换 --split，或等更长的历史。",
            "Both outcomes on either side of the cut, and at least {needed} cases before it: another --split, or more "
            "history.",
            figures,
        )
        return Verdict("backtest", "no", reason, need, figures)
    few = min(int(tested.sum()), int(len(tested) - tested.sum()))
    if few < _FEW_TESTED:
        need = Both(
            "测试侧某一种结果太少，指标起伏很大：只作参考。",
            "One outcome is rare among the tested, and figures will vary widely: take them as a hint.",
        )
        return Verdict("backtest", "partly", reason, need, figures)
    return Verdict("backtest", "yes", reason, None, figures)


# With fewer, the standard error of an AUC is about 0.05 and more.
_FEW_TESTED: Final = 30


def _detect(cases: pd.DataFrame, as_of: int, zone: str) -> Verdict:
    settings = SignalSettings()
    needed: dict[str, Number] = {
        "needed_short": settings.short_past.least_baseline_weeks + max(settings.short_past.windows),
        "needed_years": settings.long_past.least_years,
    }
    # An export tells what became of its cases long after the last of them was opened; the record of openings ends
    # there, and the city has not gone quiet.
    newest = int(cases["opened_at"].max()) + 1
    ended = as_of - newest > _QUIET
    try:
        # As the daily detection does: what happened to the record is neither a past nor a signal.
        counts = prepared_counts(cases, as_of=newest if ended else as_of, time_zone=zone).counts
    except NotEnoughDataError:
        return Verdict(
            "detect", "no",
            Both(
                "没有一个完整的星期有区域和问题类型都已知的案件。",
                "No complete week has cases with an area and a category.",
            ),
            Both("需要至少几个月、带区域和问题类型的案件。", "A few months of cases with an area and a category."),
            needed,
        )  # fmt: skip
    judged = assess_series(counts, settings=settings)
    reasons = judged.loc[judged["direction"] == "rise", "method_reason"].value_counts()
    long = int(reasons.get("years_of_past", 0))
    too_short, ended_series = int(reasons.get("too_short", 0)), int(reasons.get("not_recorded", 0))
    figures: dict[str, Number] = {
        "weeks": len(counts.weeks), "series": int(reasons.sum()), "long": long,
        "short": int(reasons.sum()) - long - too_short - ended_series, "none": too_short, "ended": ended_series,
        **needed,
    }  # fmt: skip
    reason = _both(
        "{weeks}个完整的星期，{series}个序列（区域×问题类型）：{long}个历史长（按往年同期判断），{short}个历史短（按近一年水平判断），"
        "{none}个还没有历史，{ended}个最近没有登记。",
        "{weeks} complete weeks and {series} series (area × category): {long} with a long past (judged by the same "
        "weeks "
        "of earlier years), {short} with a short past (judged by their level of the last year), {none} with none "
        "yet, {ended} not recorded lately.",
        figures,
    )
    if ended:
        reason = Both(
            f"{reason.zh}受理记录早已结束，按其末尾判断。",
            f"{reason.en} The record of openings ended before; judged at its end.",
        )
    if too_short + ended_series == reasons.sum():
        need = _both("需要至少{needed_short}个完整的星期。", "At least {needed_short} complete weeks.", figures)
        return Verdict("detect", "no", reason, need, figures)
    if too_short or not long:
        need = _both(
            "短历史需{needed_short}个星期；两年以上、每周平均至少一件的序列才按季节判断。",
            "A short past needs {needed_short} weeks; seasons are known only of series with {needed_years} years and a "
            "case a week.",
            figures,
        )
        return Verdict("detect", "partly" if too_short else "yes", reason, need, figures)
    return Verdict("detect", "yes", reason, None, figures)


def _both(zh: str, en: str, figures: dict[str, Any]) -> Both:
    return Both(_filled(zh, figures, "zh"), _filled(en, figures, "en"))


def _filled(template: str, figures: dict[str, Any], language: Language) -> str:
    shown = {
        name: share(value, language) if name == "split" else number(value, language) for name, value in figures.items()
    }
    return template.format(**shown)
