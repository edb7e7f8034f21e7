"""The words of the work: how much there is to do, how fast it is done, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.reasons.numbers import Text, about_percent, compared, counted, percent, plain, ratio_of

Clause = Callable[[float], Text]

_CAME_IN_28: Final = ("近28天来件", "what came in over 28 days")


def _backlog(log_ratio: float) -> Text:
    return compared(ratio_of(log_ratio), ("在办件", "open cases"), _CAME_IN_28)


def _inflow(log_ratio: float) -> Text:
    return compared(
        ratio_of(log_ratio),
        ("近7天来件", "cases that came in this week"),
        ("近28天的周均", "the weekly mean of the last 28 days"),
    )


def _clearance(log_ratio: float) -> Text:
    return compared(
        ratio_of(log_ratio),
        ("近28天办结", "cases closed in 28 days"),
        ("来件", "those that came in"),
    )


def _overdue(share: float) -> Text:
    if share <= 0:
        return "在办件均未超期", "none of the open cases is overdue"
    zh, en = about_percent(share)
    return f"在办件中{zh}已超期", f"{en} of the open cases are overdue"


def _handed_on(share: float) -> Text:
    if share <= 0:
        return "近28天没有转出", "none was handed on in 28 days"
    zh, en = about_percent(share)
    return f"近28天{zh}转出", f"{en} were handed on in 28 days"


def _time_to_close(log_ratio: float) -> Text:
    return compared(
        ratio_of(log_ratio),
        ("近91天通常用时", "the usual time to close, over 91 days,"),
        ("承诺时限", "the promised time"),
        verb="is",
        alike="about as long as",
    )


def _closed_within(days: int) -> Clause:
    span = "a day" if days == 1 else f"{days} days"

    def told(share: float) -> Text:
        if share <= 0:
            return f"近91天没有在{days}天内办结的", f"none was closed within {span}, over 91 days"
        zh, en = percent(share)
        return f"近91天{zh}在{days}天内办结", f"{en} were closed within {span}, over 91 days"

    return told


def _arrived(days: int) -> Clause:
    span = "a day" if days == 1 else f"{days} days"

    def told(count: float) -> Text:
        return f"近{days}天来件{plain(count)}件", f"{counted(count, 'case', 'cases')} came in over {span}"

    return told


BY_PREFIX: Final[dict[str, Clause]] = {
    "backlog": _backlog,
    "inflow_7d": _inflow,
    "clearance_28d": _clearance,
    "overdue": _overdue,
    "handed_on_28d": _handed_on,
    "time_to_close_91d": _time_to_close,
    "closed_in_1_day_91d": _closed_within(1),
    "closed_in_7_days_91d": _closed_within(7),
    "closed_in_30_days_91d": _closed_within(30),
    "arrivals_1d": _arrived(1),
    "arrivals_7d": _arrived(7),
    "arrivals_28d": _arrived(28),
    "arrivals_91d": _arrived(91),
}

# The same in the areas next to the case's own.
NEAR_BY_PREFIX: Final[dict[str, Clause]] = {
    "near_backlog": _backlog,
    "near_inflow_7d": _inflow,
    "near_clearance_28d": _clearance,
    "near_overdue": _overdue,
    "near_arrivals_28d": _arrived(28),
}


def _findings(days: int) -> Clause:
    def told(count: float) -> Text:
        if round(count) == 0:
            return (
                f"近{days}天本地相关设施检查没有发现严重问题",
                f"Inspections of related assets here found no serious problem in {days} days",
            )
        return (
            f"近{days}天本地相关设施检查发现{plain(count)}处严重问题",
            f"Inspections of related assets here found {counted(count, 'serious problem', 'serious problems')} "
            f"in {days} days",
        )

    return told


def _backlog_days(days: float) -> Text:
    return (
        f"按办理能力，本单位的在办件需要{plain(days)}个工作日",
        f"At its capacity this office needs {counted(days, 'working day', 'working days')} for its open cases",
    )


def _demand(log_ratio: float) -> Text:
    zh, en = compared(
        ratio_of(log_ratio), ("近28天来件", "what came in over 28 days"), ("办理能力", "what it can close"), verb="is"
    )
    return f"本单位{zh}", f"This office: {en}"


def _capacity_change(share: float) -> Text:
    if abs(share) < 0.005:
        return "本单位办理能力近28天没有变化", "The capacity of this office has not changed in 28 days"
    told = percent(abs(share))[1]
    zh, en = ("增加", "grown") if share > 0 else ("减少", "shrunk")
    return f"本单位办理能力近28天{zh}{told}", f"The capacity of this office has {en} by {told} in 28 days"


OWN: Final[dict[str, Clause]] = {
    "findings_28d": _findings(28),
    "backlog_days_office": _backlog_days,
    "demand_28d_office": _demand,
    "capacity_change_28d_office": _capacity_change,
}
